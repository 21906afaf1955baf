//! The HTTP port made real: a request of a tool goes to the vault's socket or to the other one, and what comes back is bounded.
//!
//! Nothing here decides whether a request is allowed; the house did before, and the broker does after. What this owes to both is that they
//! speak of the same request: an address that could be read in two ways is refused, and who asks is said by the house alone.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream;
use hearth_domain::http::broker::{ASKING, BROKER, FOR, HOP, IDEMPOTENT, OUTCOME, OWN, SCHEME};
use hearth_domain::http::{Answered, Asked, Body, Http, HttpError, Way};
use hearth_domain::sandbox::PIECE_BYTES;
use reqwest::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Response};
use tokio::time::{Instant, timeout_at};

use self::address::address;
use crate::ways::Ways;

mod address;

/// Longest deadline, as the broker has it.
const LONGEST: Duration = Duration::from_secs(900);
/// Bytes that are read of the broker's own answer.
const SENTENCE_BYTES: usize = 2 * 1024;
/// The broker's words for what is too much.
const TOO_MUCH: [&str; 4] = ["rate", "bytes", "too-large", "answer-too-large"];
/// The same for a server, or a way to it, that is not there or makes no sense.
const NOT_THERE: [&str; 16] = [
    "sealed",
    "overloaded",
    "no-address",
    "unreachable",
    "deadline",
    "broken",
    "bad-answer",
    "answer-packed",
    "redirects",
    "client",
    "upgrade",
    "bad-authority",
    "tls",
    "tls-expired",
    "tls-name",
    "tls-issuer",
];

/// How much one request may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a request's body.
    pub request_bytes: usize,
    /// Bytes of an answer's body.
    pub answer_bytes: usize,
    /// Header lines, in each direction.
    pub header_lines: usize,
    /// Bytes of all headers, in each direction.
    pub header_bytes: usize,
    /// Bytes of an address.
    pub url_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { request_bytes: 4 << 20, answer_bytes: 16 << 20, header_lines: 128, header_bytes: 64 * 1024, url_bytes: 8 * 1024 }
    }
}

/// Makes requests by the two ways out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BrokerHttp {
    ways: Ways,
    limits: HttpLimits,
}

impl BrokerHttp {
    /// Requests by these ways, within these limits.
    #[must_use]
    pub const fn new(ways: Ways, limits: HttpLimits) -> Self {
        Self { ways, limits }
    }
}

impl Http for BrokerHttp {
    fn send(&self, way: Way, asked: Asked) -> BoxFuture<'static, Result<Answered, HttpError>> {
        let client = match way {
            Way::Vault => self.ways.vault.clone(),
            Way::Egress => self.ways.egress.clone(),
        };
        let limits = self.limits;
        Box::pin(async move { exchange(&client, limits, asked).await })
    }
}

async fn exchange(client: &Client, limits: HttpLimits, asked: Asked) -> Result<Answered, HttpError> {
    let (safe, end) = (asked.is_safe(), Instant::now() + asked.deadline.min(LONGEST));
    let request = prepare(asked, &limits)?;
    let answer = match timeout_at(end, client.execute(request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) if error.is_connect() => return Err(unreachable("the house's way out cannot be reached just now")),
        Ok(Err(_)) => return Err(lost(safe, unreachable("the connection broke before there was an answer"))),
        Err(_) => return Err(lost(safe, unreachable("there was no answer in time"))),
    };
    if answer.headers().contains_key(BROKER) {
        return Err(refusal(answer, safe, end).await);
    }
    let headers = incoming(answer.headers(), &limits).map_err(|error| lost(safe, error))?;
    Ok(Answered { status: answer.status().as_u16(), headers, body: body(answer, end, limits.answer_bytes) })
}

// === the request ===

/// The request as it goes to the broker: in the clear, since the broker adds what is needed on the way.
fn prepare(asked: Asked, limits: &HttpLimits) -> Result<Request, HttpError> {
    let method = Method::from_bytes(asked.method.as_bytes()).map_err(|_| denied("the method is not one of HTTP"))?;
    if method == Method::CONNECT || method == Method::TRACE {
        return Err(denied("a tool may not use this method"));
    }
    let (url, plain) = address(&asked.url, limits.url_bytes)?;
    if asked.body.as_ref().is_some_and(|body| body.len() > limits.request_bytes) {
        return Err(HttpError::Limit(format!("the request's body is longer than the {} bytes allowed", limits.request_bytes)));
    }
    let mut headers = outgoing(&asked.headers, limits)?;
    let said = |text: String| HeaderValue::try_from(text).map_err(|_| denied("the tool's name does not fit into a request"));
    headers.insert(ASKING, said(asked.principal.to_string())?);
    if let Some(member) = asked.member {
        headers.insert(FOR, said(member.to_string())?);
    }
    if plain {
        headers.insert(SCHEME, HeaderValue::from_static("http"));
    }
    if asked.is_safe() {
        headers.insert(IDEMPOTENT, HeaderValue::from_static("yes"));
    }
    let mut request = Request::new(method, url);
    *request.headers_mut() = headers;
    *request.body_mut() = asked.body.map(Into::into);
    Ok(request)
}

/// A tool's headers, without those that are ruled on the way. What is packed could not be looked through, so nothing is asked for packed.
fn outgoing(asked: &[(String, String)], limits: &HttpLimits) -> Result<HeaderMap, HttpError> {
    let bytes = asked.iter().map(|(name, value)| name.len().saturating_add(value.len())).fold(0, usize::saturating_add);
    if asked.len() > limits.header_lines || bytes > limits.header_bytes {
        return Err(HttpError::Limit("the request has more headers than are allowed".to_owned()));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in asked {
        let (name, value) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()));
        let (Ok(name), Ok(value)) = (name, value) else { return Err(denied("a header's name or value cannot be sent")) };
        headers.append(name, value);
    }
    let ruled = [HOST, CONTENT_LENGTH, EXPECT, ACCEPT_ENCODING];
    Ok(onward(&headers).filter(|(name, _)| !ruled.contains(*name)).map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The headers, in order, without those that concern one connection and those of the house's own. (Taking them out of the map would
/// disturb the order.)
fn onward(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    let ends_here = move |name: &HeaderName| HOP.contains(&name.as_str()) || name.as_str().starts_with(OWN) || named.contains(name);
    headers.iter().filter(move |(name, _)| !ends_here(name))
}

// === the answer ===

fn incoming(answered: &HeaderMap, limits: &HttpLimits) -> Result<Vec<(String, String)>, HttpError> {
    let bytes = answered.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).fold(0, usize::saturating_add);
    if answered.len() > limits.header_lines || bytes > limits.header_bytes {
        return Err(HttpError::Limit("the answer has more headers than are allowed".to_owned()));
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(onward(answered).map(|(name, value)| (name.as_str().to_owned(), text(value))).collect())
}

/// A body in pieces.
struct Pieces {
    answer: Response,
    end: Instant,
    /// Bytes that may still come.
    left: usize,
    limit: usize,
    /// What has come and was not handed on.
    ready: Bytes,
    over: bool,
}

fn body(answer: Response, end: Instant, limit: usize) -> Body {
    let pieces = Pieces { answer, end, left: limit, limit, ready: Bytes::new(), over: false };
    stream::unfold(pieces, |mut pieces| async move { pieces.next().await.map(|piece| (piece, pieces)) }).boxed()
}

impl Pieces {
    async fn next(&mut self) -> Option<Result<Vec<u8>, HttpError>> {
        while self.ready.is_empty() && !self.over {
            match timeout_at(self.end, self.answer.chunk()).await {
                Ok(Ok(Some(piece))) => self.ready = piece,
                Ok(Ok(None)) => self.over = true,
                Ok(Err(_)) => return self.broken(unreachable("the answer broke off")),
                Err(_) => return self.broken(unreachable("the answer did not end in time")),
            }
        }
        if self.ready.is_empty() {
            return None;
        }
        let piece = self.ready.split_to(self.ready.len().min(PIECE_BYTES));
        let Some(left) = self.left.checked_sub(piece.len()) else {
            return self.broken(HttpError::Limit(format!("the answer is longer than the {} bytes allowed", self.limit)));
        };
        self.left = left;
        Some(Ok(piece.to_vec()))
    }

    fn broken(&mut self, error: HttpError) -> Option<Result<Vec<u8>, HttpError>> {
        self.over = true;
        self.ready.clear();
        Some(Err(error))
    }
}

// === failures ===

/// What the broker says of itself.
async fn refusal(mut answer: Response, safe: bool, end: Instant) -> HttpError {
    let text = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (code, outcome) = (text(BROKER), text(OUTCOME));
    let mut said = Vec::new();
    while let Ok(Ok(Some(piece))) = timeout_at(end, answer.chunk()).await {
        said.extend_from_slice(&piece);
        if said.len() >= SENTENCE_BYTES {
            break;
        }
    }
    said.truncate(SENTENCE_BYTES);
    refused(&code, &outcome, &String::from_utf8_lossy(&said), safe)
}

fn refused(code: &str, outcome: &str, said: &str, safe: bool) -> HttpError {
    let sentence: String = said.trim().trim_end_matches('.').chars().filter(|c| !c.is_control()).collect();
    let error = if TOO_MUCH.contains(&code) {
        HttpError::Limit(sentence)
    } else if NOT_THERE.contains(&code) {
        HttpError::Unreachable(sentence)
    } else {
        HttpError::Denied(sentence)
    };
    if outcome == "not-sent" { error } else { lost(safe, error) }
}

/// A failure after the request may have arrived. Where the method changes nothing, it is worth no more than its reason.
fn lost(safe: bool, reason: HttpError) -> HttpError {
    if safe { reason } else { HttpError::Unknown }
}

fn denied(sentence: &str) -> HttpError {
    HttpError::Denied(sentence.to_owned())
}

fn unreachable(sentence: &str) -> HttpError {
    HttpError::Unreachable(sentence.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pairs: &[(&str, &str)]) -> Result<Vec<String>, HttpError> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let headers = outgoing(&pairs, &HttpLimits::default())?;
        Ok(headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect())
    }

    #[test]
    fn a_tool_says_neither_who_asks_nor_anything_of_the_connection() {
        let pairs = [
            ("Hearth-As", "tool/other/mail"),
            ("hearth-for", "mem_00000000000000000000000000000000"),
            ("hearth-scheme", "http"),
            ("Connection", "close, x-mine"),
            ("x-mine", "1"),
            ("Host", "elsewhere.example"),
            ("Content-Length", "7"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("accept-encoding", "br"),
            ("X-Kept", "1"),
            ("x-kept", "2"),
        ];
        assert_eq!(sent(&pairs).unwrap(), ["x-kept: 1", "x-kept: 2"]);
    }

    #[test]
    fn headers_that_cannot_be_sent_or_are_too_many_are_refused() {
        for pair in [("a b", "1"), ("", "1"), ("a", "1\r\nhearth-as: tool/other/mail"), ("a", "\u{e9}\n")] {
            assert!(matches!(sent(&[pair]), Err(HttpError::Denied(_))), "{pair:?}");
        }
        assert!(matches!(sent(&[("a", "1"); 129]), Err(HttpError::Limit(_))));
        let long = "x".repeat(64 * 1024);
        assert!(matches!(sent(&[("a", long.as_str())]), Err(HttpError::Limit(_))));
    }

    #[test]
    fn the_broker_s_words_become_the_port_s() {
        let sentence = || "It is so".to_owned();
        for (code, outcome, safe, expected) in [
            ("user", "not-sent", false, HttpError::Denied(sentence())),
            ("leak-out", "not-sent", false, HttpError::Denied(sentence())),
            ("a-new-word", "not-sent", true, HttpError::Denied(sentence())),
            ("rate", "not-sent", false, HttpError::Limit(sentence())),
            ("sealed", "not-sent", false, HttpError::Unreachable(sentence())),
            ("unreachable", "not-sent", false, HttpError::Unreachable(sentence())),
            ("deadline", "unknown", false, HttpError::Unknown),
            ("leak-in", "unknown", false, HttpError::Unknown),
            ("leak-in", "unknown", true, HttpError::Denied(sentence())),
            ("answer-too-large", "unknown", true, HttpError::Limit(sentence())),
            ("deadline", "unknown", true, HttpError::Unreachable(sentence())),
            ("user", "", false, HttpError::Unknown),
        ] {
            assert_eq!(refused(code, outcome, "It is so.\n", safe), expected, "{code} {outcome} {safe}");
        }
    }
}
