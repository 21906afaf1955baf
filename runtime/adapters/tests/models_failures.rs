//! How providers fail, and what the house makes of it.

#![expect(clippy::unwrap_used, reason = "in a test a failure is the message")]

use std::time::Duration;

use hearth_adapters::models::config::{Bounds, ConfigError, Kind, ProviderConfig};
use hearth_adapters::models::remote::RemoteModel;
use hearth_domain::model::{Model, ModelError};
use hearth_scripted::script::{Ending, Reply, Step};
use hearth_scripted::server::{Outcome, Scripted};

use support::{BOUNDS, KEY, WAYS, ask, broker, config, model, request, run, said, sink};

#[path = "models/support.rs"]
mod support;

fn failing(way: (Kind, bool), step: Step) -> ModelError {
    let server = Scripted::start().unwrap();
    server.push(step);
    let error = ask(&model(&server, way)).unwrap_err();
    assert_eq!(server.requests().len(), 1, "no retries of its own: {way:?}");
    assert!(!format!("{error:?} {error}").contains(KEY), "{way:?} {error:?}");
    error
}

#[test]
fn statuses_are_told_apart() {
    for way in WAYS {
        let check = |step: Step, expected: ModelError| assert_eq!(failing(way, step.clone()), expected, "{way:?} {step:?}");
        check(Step::rate_limited("7"), ModelError::RateLimited { retry_after: Some(Duration::from_secs(7)) });
        let date = "Wed, 21 Oct 2015 07:29:00 GMT";
        check(Step::rate_limited(date), ModelError::RateLimited { retry_after: Some(Duration::from_secs(60)) });
        check(Step::status(429), ModelError::RateLimited { retry_after: None });
        for code in [500, 502, 503, 529] {
            check(Step::status(code), ModelError::Unavailable(format!("HTTP {code}")));
        }
        for code in [401, 403] {
            check(Step::status(code), ModelError::Unauthorised);
        }
        for code in [400, 404, 422] {
            check(Step::status(code), ModelError::Rejected(format!("HTTP {code}: no")));
        }
    }
}

#[test]
fn a_rejection_says_why_without_the_key() {
    for way in WAYS {
        let long = "many words ".repeat(100);
        let message = format!("model nonesuch not found for {KEY} <b>\n{long}");
        let error = failing(way, Step::Status { code: 404, retry_after: None, message });
        let ModelError::Rejected(reason) = error else { panic!("{way:?} {error:?}") };
        assert!(reason.starts_with("HTTP 404: model nonesuch not found for … <b> many"), "{way:?} {reason}");
        assert!(reason.len() < 240, "{way:?}");
    }
}

#[test]
fn what_is_no_completion_is_garbled() {
    for way in WAYS {
        let garbled = |step: Step| {
            let error = failing(way, step.clone());
            assert!(matches!(error, ModelError::Garbled(_)), "{way:?} {step:?} {error:?}");
        };
        garbled(Step::Html);
        garbled(Step::Redirect("http://127.0.0.1:1/elsewhere".to_owned()));
        garbled(Step::Flood(BOUNDS.wire_bytes() + 1));
        // One word, so one piece.
        garbled(Step::text(&"x".repeat(BOUNDS.reply_bytes + 1)));
        let half = failing(way, Step::HalfJson);
        assert!(matches!(half, ModelError::Garbled(_) | ModelError::Cut), "{way:?} {half:?}");
    }
}

#[test]
fn an_answer_that_stops_in_the_middle_is_cut() {
    let reply = || Reply::text("one two three four");
    for way in WAYS {
        let error = failing(way, Step::CutAfter { reply: reply(), pieces: 3 });
        // Of an answer that is not streamed, the end may overtake the beginning on its way through the broker.
        assert!(error == ModelError::Cut || (!way.1 && matches!(error, ModelError::Unavailable(_))), "{way:?} {error:?}");
        if way.1 {
            let unended = Step::Reply(reply().ending(Ending::Missing));
            assert_eq!(failing(way, unended), ModelError::Cut, "{way:?}");
        }
    }
}

#[test]
fn silence_is_a_timeout_at_the_start_and_in_the_middle() {
    for way in WAYS {
        assert_eq!(failing(way, Step::Hang), ModelError::Timeout(BOUNDS.silence), "{way:?}");
        let middle = Step::HangAfter { reply: Reply::text("one two three"), pieces: 2 };
        assert_eq!(failing(way, middle), ModelError::Timeout(BOUNDS.silence), "{way:?}");
    }
}

#[test]
fn an_answer_that_drips_for_ever_is_a_timeout_in_all() {
    let server = Scripted::start().unwrap();
    server.push(Step::Slow { reply: Reply::text(&"drip ".repeat(1_000)), every_ms: 50 });
    let bounds = Bounds { total: Duration::from_millis(600), ..BOUNDS };
    let model = RemoteModel::new(config(&server, (Kind::Openai, true)), &broker::ways(), bounds).unwrap();
    assert_eq!(ask(&model), Err(ModelError::Timeout(bounds.total)));
    let gone = server.wait_until(|requests| requests.iter().all(|request| request.outcome == Outcome::Gone));
    assert_eq!(gone[0].outcome, Outcome::Gone);
}

#[test]
fn nobody_there_is_unavailable() {
    let server = Scripted::start().unwrap();
    let model = model(&server, (Kind::Anthropic, true));
    server.stop();
    assert!(matches!(ask(&model), Err(ModelError::Unavailable(_))));
    for way in WAYS {
        let error = failing(way, Step::Close);
        assert!(matches!(error, ModelError::Unavailable(_)), "{way:?} {error:?}");
    }
}

#[test]
fn an_error_within_a_stream_is_told_apart() {
    let check = |kind: Kind, word: &str, expected: fn(&ModelError) -> bool| {
        let error = failing((kind, true), Step::ErrorInStream(word.to_owned()));
        assert!(expected(&error), "{kind:?} {word} {error:?}");
    };
    check(Kind::Anthropic, "overloaded_error", |error| matches!(error, ModelError::Unavailable(_)));
    check(Kind::Anthropic, "rate_limit_error", |error| matches!(error, ModelError::RateLimited { .. }));
    check(Kind::Anthropic, "invalid_request_error", |error| matches!(error, ModelError::Rejected(_)));
    check(Kind::Openai, "server_error", |error| matches!(error, ModelError::Unavailable(_)));
    check(Kind::Openai, "rate_limit_exceeded", |error| matches!(error, ModelError::RateLimited { .. }));
    check(Kind::Ollama, "any", |error| matches!(error, ModelError::Unavailable(_)));
}

#[test]
fn dropping_the_call_closes_the_connection() {
    for way in WAYS {
        let server = Scripted::start().unwrap();
        server.push(Step::Hang);
        let model = model(&server, way);
        run(async {
            let call = model.complete(request(vec![said("hello")]), sink().0);
            assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err(), "{way:?}");
            // The pool closes what is half read in the background.
            tokio::time::sleep(Duration::from_millis(50)).await;
        });
        let gone = server.wait_until(|requests| requests.iter().all(|request| request.outcome == Outcome::Gone));
        assert_eq!(gone[0].outcome, Outcome::Gone, "{way:?}");
        assert!(gone[0].finished.unwrap() - gone[0].received < Duration::from_secs(1), "{way:?}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let (server, other) = (Scripted::start().unwrap(), Scripted::start().unwrap());
    for way in WAYS {
        server.push(Step::Redirect(format!("{}/v1/chat/completions", other.base_url())));
        assert!(ask(&model(&server, way)).is_err());
    }
    assert_eq!(other.requests().len(), 0);
}

#[test]
fn a_provider_without_address_or_with_no_name_of_a_secret_is_refused_before_anything_is_sent() {
    let ways = broker::ways();
    let make = |config: ProviderConfig| RemoteModel::new(config, &ways, BOUNDS).map(|_| ()).unwrap_err();
    let plain = |kind| ProviderConfig::new("p", kind, "m");
    let at = |address: &str| ProviderConfig { base_url: Some(address.to_owned()), ..plain(Kind::OpenaiCompatible) };
    assert_eq!(make(plain(Kind::OpenaiCompatible)), ConfigError::NoAddress("p".to_owned()));
    let named = |key: &str| ProviderConfig { key: Some(key.to_owned()), ..plain(Kind::Anthropic) };
    assert_eq!(make(named("ANTHROPIC_API_KEY")), ConfigError::BadKey("p".to_owned()));
    for address in ["ftp://x", "nonsense", "http://user:secret@host/v1", "http://host/v1?key=secret"] {
        assert_eq!(make(at(address)), ConfigError::BadAddress("p".to_owned()), "{address}");
    }
    assert!(RemoteModel::new(at("http://127.0.0.1:1/v1"), &ways, BOUNDS).is_ok());
}

#[test]
fn a_key_for_the_kind_s_own_address_is_not_sent_to_another() {
    let server = Scripted::start().unwrap();
    let config = ProviderConfig { key: None, ..config(&server, (Kind::Anthropic, true)) };
    ask(&RemoteModel::new(config, &broker::ways(), BOUNDS).unwrap()).unwrap();
    let request = &server.requests()[0];
    assert!(request.headers.values().all(|value| !value.contains(KEY)));
    assert!(!request.headers.contains_key("x-api-key") && !request.headers.contains_key("authorization"));
}

#[test]
fn proxies_in_the_environment_are_ignored() {
    const CHILD: &str = "HEARTH_TEST_PROXY_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let server = Scripted::start().unwrap();
        ask(&model(&server, (Kind::Openai, true))).unwrap();
        assert_eq!(server.requests().len(), 1);
        return;
    }
    // The environment of this process is everybody's: the variables are set for a child that runs this test alone.
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["proxies_in_the_environment_are_ignored", "--exact"]).env(CHILD, "1");
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, "http://127.0.0.1:1");
    }
    child.env_remove("no_proxy").env_remove("NO_PROXY");
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
