//! What went wrong with a call, in the port's closed words. A provider's own words are let through only where they help
//! to mend the configuration, shortened and without anything that could be a key.

use std::time::Duration;

use hearth_domain::model::ModelError;
use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use rig_core::ProviderResponseError;
use rig_core::error::ProviderError;
use rig_core::http_client;
use serde_json::Value;

/// Characters of a provider's words that are shown.
const REASON_CHARS: usize = 200;
/// A word this long with a digit in it may be a key.
const KEY_CHARS: usize = 20;

/// The broker's words for what may be different at the next attempt.
const WILL_PASS: [&str; 7] = ["overloaded", "no-address", "unreachable", "deadline", "broken", "bad-answer", "tls"];
/// The same for what the owner of a key can mend: there is none, the vault is sealed, or the key's policy does not allow this use.
const NO_KEY: [&str; 13] =
    ["unknown", "sealed", "canary", "user", "member", "expired", "no_target", "host", "port", "scheme", "method", "path", "slot"];

/// What the transport itself notices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// Nothing came for this long.
    #[error("no byte within {0:?}")]
    Silent(Duration),
    /// No connection.
    #[error("no connection")]
    NoConnection,
    /// The connection broke before the answer began.
    #[error("the connection broke")]
    Refused,
    /// The connection broke within the answer.
    #[error("the connection broke within the answer")]
    Broke,
    /// The answer is longer than its bound.
    #[error("the answer is too long")]
    TooLong,
    /// The request is no HTTP request.
    #[error("the request cannot be sent")]
    Unsendable,
    /// The request is for another address than the configured one.
    #[error("the request is for another address")]
    Elsewhere,
    /// The broker did not send it, or could not read the answer; its own sentence.
    #[error("{sentence}")]
    Broker {
        /// Its word for programs.
        code: String,
        /// Its sentence for people.
        sentence: String,
    },
}

impl Failure {
    /// A failure before the answer began.
    pub(super) fn of_sending(error: &reqwest::Error, silence: Duration) -> Self {
        if error.is_timeout() {
            Self::Silent(silence)
        } else if error.is_connect() {
            Self::NoConnection
        } else if error.is_builder() {
            Self::Unsendable
        } else {
            Self::Refused
        }
    }
}

impl From<&Failure> for ModelError {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Silent(bound) => Self::Timeout(*bound),
            Failure::NoConnection => Self::Unavailable("cannot connect".to_owned()),
            Failure::Refused => Self::Unavailable("the connection broke".to_owned()),
            Failure::Broke => Self::Cut,
            Failure::TooLong => too_long(),
            Failure::Unsendable | Failure::Elsewhere => Self::Rejected(failure.to_string()),
            Failure::Broker { code, sentence } if WILL_PASS.contains(&code.as_str()) => Self::Unavailable(sentence.clone()),
            Failure::Broker { code, sentence } if NO_KEY.contains(&code.as_str()) => Self::NoKey(sentence.clone()),
            Failure::Broker { code, .. } if code == "rate" => Self::RateLimited { retry_after: None },
            Failure::Broker { sentence, .. } => Self::Rejected(sentence.clone()),
        }
    }
}

/// The answer is longer than its bound.
pub(super) fn too_long() -> ModelError {
    ModelError::Garbled("longer than a reply may be".to_owned())
}

/// What a failed call means to the house.
pub(super) fn of(error: &ProviderError) -> ModelError {
    match error {
        ProviderError::Http(cause) => of_transport(cause),
        ProviderError::ProviderResponse(answer) | ProviderError::InvalidAuthentication(answer) => of_answer(answer),
        ProviderError::Truncated => ModelError::Cut,
        ProviderError::Json(_) => ModelError::Garbled("not the JSON of a completion".to_owned()),
        ProviderError::Response(_) => ModelError::Garbled("not a completion's form".to_owned()),
        ProviderError::Request(_) | ProviderError::UnsupportedOption(_) | ProviderError::Url(_) => {
            ModelError::Rejected("the request cannot be put into the provider's form".to_owned())
        }
        ProviderError::Provider(_)
        | ProviderError::CacheExpired { .. }
        | ProviderError::MismatchedDimensions { .. }
        | ProviderError::Relayed(_)
        | _ => ModelError::Unavailable("the provider reports a failure".to_owned()),
    }
}

fn of_transport(cause: &http_client::Error) -> ModelError {
    match cause {
        http_client::Error::Instance(inner) => {
            inner.downcast_ref::<Failure>().map_or_else(|| ModelError::Unavailable("the connection broke".to_owned()), ModelError::from)
        }
        http_client::Error::InvalidContentType(_) => ModelError::Garbled("not a stream of events".to_owned()),
        http_client::Error::StreamEnded => ModelError::Cut,
        http_client::Error::Protocol(_)
        | http_client::Error::InvalidStatusCodeWithDetails { .. }
        | http_client::Error::InvalidHeaderValue(_)
        | http_client::Error::NoHeaders => ModelError::Garbled("not an HTTP answer".to_owned()),
    }
}

/// An answer that says no, by its status or, where that says yes, by its words.
fn of_answer(answer: &ProviderResponseError) -> ModelError {
    let status = answer.status.filter(|status| !status.is_success());
    let status = status.or_else(|| in_band(answer.machine_code().as_deref()));
    let headers = answer.headers.as_ref();
    match status.map(|status| status.as_u16()) {
        Some(401 | 403) => ModelError::Unauthorised,
        Some(429) => ModelError::RateLimited { retry_after: headers.and_then(retry_after) },
        Some(status @ 300..=399) => ModelError::Garbled(format!("HTTP {status}: redirects are not followed")),
        Some(status @ (408 | 425 | 500..=599)) => ModelError::Unavailable(format!("HTTP {status}")),
        Some(status) => ModelError::Rejected(reason(status, &answer.body)),
        None => ModelError::Unavailable("the provider reports a failure".to_owned()),
    }
}

/// The status that an error within a stream would have had.
fn in_band(code: Option<&str>) -> Option<StatusCode> {
    Some(match code? {
        "authentication_error" | "permission_error" | "invalid_api_key" => StatusCode::UNAUTHORIZED,
        "rate_limit_error" | "rate_limit_exceeded" | "RESOURCE_EXHAUSTED" | "429" => StatusCode::TOO_MANY_REQUESTS,
        "invalid_request_error" | "INVALID_ARGUMENT" | "context_length_exceeded" | "400" => StatusCode::BAD_REQUEST,
        "not_found_error" | "model_not_found" | "NOT_FOUND" | "404" => StatusCode::NOT_FOUND,
        _ => return None,
    })
}

/// How long a provider asks to wait. A date counts from the answer's own date, so no clock of ours is asked.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|value| value.parse::<u64>().ok()) {
        return Some(Duration::from_millis(milliseconds));
    }
    let asked = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = asked.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let parser = rfc2822::DateTimeParser::new();
    let until = parser.parse_timestamp(asked).ok()?;
    let since = parser.parse_timestamp(text(DATE.as_str())?).ok()?;
    Duration::try_from(until.duration_since(since)).ok()
}

/// The status, and what the provider's error message says when there is one.
fn reason(status: u16, body: &str) -> String {
    match serde_json::from_str::<Value>(body).ok().as_ref().and_then(message) {
        Some(text) => format!("HTTP {status}: {}", harmless(text)),
        None => format!("HTTP {status}"),
    }
}

fn message(body: &Value) -> Option<&str> {
    let error = body.get("error")?;
    error.get("message").and_then(Value::as_str).or_else(|| error.as_str())
}

/// Somebody else's words made fit to show: one line, short, without anything that looks like a key. The key itself cannot be in them: the
/// vault does not let it back.
fn harmless(text: &str) -> String {
    let words = text.split_whitespace().map(|word| if like_a_key(word) { "…" } else { word });
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(REASON_CHARS).collect()
}

fn like_a_key(word: &str) -> bool {
    let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let long = core.len() >= KEY_CHARS && core.contains(|c: char| c.is_ascii_digit());
    core.starts_with("sk-") || core.starts_with("AIza") || (long && core.chars().any(|c| c.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_wait_is_read_in_each_of_its_spellings() {
        let check = |pairs: &[(&'static str, &str)], expected: Option<Duration>| {
            assert_eq!(retry_after(&headers(pairs)), expected, "{pairs:?}");
        };
        check(&[("retry-after", "7")], Some(Duration::from_secs(7)));
        check(&[("retry-after", "0.5")], Some(Duration::from_millis(500)));
        check(&[("retry-after-ms", "250"), ("retry-after", "1")], Some(Duration::from_millis(250)));
        let now = "Wed, 21 Oct 2015 07:28:00 GMT";
        check(&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"), ("date", now)], Some(Duration::from_secs(30)));
        check(&[("retry-after", "Wed, 21 Oct 2015 07:27:30 GMT"), ("date", now)], None);
        check(&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")], None);
        check(&[("retry-after", "-3")], None);
        check(&[("retry-after", "soon")], None);
        check(&[], None);
    }

    #[test]
    fn a_provider_s_words_lose_whatever_looks_like_a_key() {
        let shown = harmless("Keys sk-proj-abc and AIzaSyA1 with\n0123456789abcdef0123 failed");
        assert_eq!(shown, "Keys … and … with … failed");
        assert_eq!(harmless(&"long ".repeat(100)).chars().count(), REASON_CHARS);
        assert_eq!(harmless("model claude-sonnet-4 not found"), "model claude-sonnet-4 not found");
    }
}
