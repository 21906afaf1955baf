//! Requests of tools at a socket where the broker would be: what is sent, what is made of an answer, what a cancelled request leaves behind.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "in a test a failure is the message, and a socket has a thread of its own"
)]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use hearth_adapters::http::{BrokerHttp, HttpLimits};
use hearth_adapters::ways::Ways;
use hearth_domain::household::Member;
use hearth_domain::http::{Answered, Asked, Http, HttpError, Way};
use hearth_domain::sandbox::PIECE_BYTES;
use hearth_domain::secret::Principal;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A socket at which every request gets the same answer; where that does not end the connection, the client does.
struct Door {
    http: BrokerHttp,
    /// The requests, and `gone` for each client that went away.
    heard: UnboundedReceiver<String>,
    _folder: TempDir,
}

fn door(answer: &str, limits: HttpLimits) -> Door {
    let folder = tempfile::tempdir().unwrap();
    let (vault, egress) = (folder.path().join("vault.sock"), folder.path().join("egress.sock"));
    let (tell, heard) = unbounded_channel();
    let listener = UnixListener::bind(&egress).unwrap();
    let answer = answer.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (tell, answer) = (tell.clone(), answer.clone());
            std::thread::spawn(move || serve(client.unwrap(), &answer, &tell));
        }
    });
    Door { http: BrokerHttp::new(Ways::new(&vault, &egress).unwrap(), limits), heard, _folder: folder }
}

fn serve(mut client: UnixStream, answer: &str, tell: &UnboundedSender<String>) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !is_whole(&request) {
        let read = client.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            return;
        }
        request.extend_from_slice(buffer.get(..read).unwrap());
    }
    tell.send(String::from_utf8(request).unwrap()).unwrap_or_default();
    if answer == DIES {
        return;
    }
    if client.write_all(answer.as_bytes()).is_err() || answer.contains("connection: close") {
        return;
    }
    while client.read(&mut buffer).is_ok_and(|read| read > 0) {}
    tell.send("gone".to_owned()).unwrap_or_default();
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}

fn asked(method: &str, url: &str) -> Asked {
    Asked {
        principal: Principal::Tool("hearth/web".to_owned()),
        member: Some(Member::id_of("ada")),
        method: method.to_owned(),
        url: url.to_owned(),
        headers: vec![("x-api".to_owned(), "1".to_owned()), ("hearth-as".to_owned(), "tool/other/mail".to_owned())],
        body: (method == "POST").then(|| b"hello".to_vec()),
        deadline: Duration::from_secs(10),
    }
}

async fn whole(answered: Answered) -> (Vec<u8>, Option<HttpError>) {
    let (mut bytes, mut body) = (Vec::new(), answered.body);
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => {
                assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES);
                bytes.extend(piece);
            }
            Err(error) => {
                assert!(body.next().await.is_none());
                return (bytes, Some(error));
            }
        }
    }
    (bytes, None)
}

/// No answer: the process is gone when it has the request.
const DIES: &str = "dies";

const CREATED: &str =
    "HTTP/1.1 201 Created\r\nconnection: close, x-hop\r\nx-hop: 1\r\nx-kept: 1\r\ncontent-length: 4\r\nx-last: 1\r\n\r\nmade";

#[test]
fn a_request_says_who_asks_for_whom_and_its_answer_comes_without_what_concerns_the_connection() {
    wait(async {
        let mut door = door(CREATED, HttpLimits::default());
        let answered = door.http.send(Way::Egress, asked("POST", "https://api.example/v1?a=1")).await.unwrap();
        assert_eq!(answered.status, 201);
        let names: Vec<&str> = answered.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-kept", "content-length", "x-last"]);
        assert_eq!(whole(answered).await, (b"made".to_vec(), None));
        let request = door.heard.recv().await.unwrap();
        assert!(request.starts_with("POST /v1?a=1 HTTP/1.1\r\n") && request.ends_with("\r\n\r\nhello"), "{request}");
        let member = format!("hearth-for: {}\r\n", Member::id_of("ada"));
        for line in ["hearth-as: tool/hearth/web\r\n", &member, "x-api: 1\r\n", "host: api.example\r\n"] {
            assert_eq!(request.matches(line).count(), 1, "{line} {request}");
        }
        for not in ["other/mail", "hearth-scheme", "hearth-idempotent"] {
            assert!(!request.contains(not), "{not} {request}");
        }
    });
}

#[test]
fn a_safe_request_may_be_repeated_and_one_in_the_clear_says_so() {
    wait(async {
        let mut door = door(CREATED, HttpLimits::default());
        door.http.send(Way::Egress, asked("GET", "http://nas.example/feed")).await.unwrap();
        let request = door.heard.recv().await.unwrap();
        assert!(request.contains("hearth-scheme: http\r\n") && request.contains("hearth-idempotent: yes\r\n"), "{request}");
    });
}

#[test]
fn the_broker_s_refusal_is_no_answer_of_the_server() {
    let reply = |code: &str, outcome: &str| {
        format!(
            "HTTP/1.1 403 No\r\nconnection: close\r\nhearth-broker: {code}\r\nhearth-outcome: {outcome}\r\ncontent-length: 6\r\n\r\nNo it."
        )
    };
    let sentence = || "No it".to_owned();
    for (code, outcome, expected) in [
        ("host", "not-sent", HttpError::Denied(sentence())),
        ("rate", "not-sent", HttpError::Limit(sentence())),
        ("no-address", "not-sent", HttpError::Unreachable(sentence())),
        ("broken", "unknown", HttpError::Unknown),
    ] {
        wait(async {
            let door = door(&reply(code, outcome), HttpLimits::default());
            let refused = door.http.send(Way::Egress, asked("POST", "https://api.example/")).await.map(drop);
            assert_eq!(refused, Err(expected), "{code}");
        });
    }
}

#[test]
fn a_way_that_is_not_there_is_unreachable_and_nothing_was_sent() {
    wait(async {
        let door = door(CREATED, HttpLimits::default());
        let refused = door.http.send(Way::Vault, asked("POST", "https://api.example/")).await.map(drop);
        assert!(matches!(refused, Err(HttpError::Unreachable(_))), "{refused:?}");
    });
}

#[test]
fn silence_is_unknown_where_it_may_have_had_an_effect() {
    for (method, unknown) in [("POST", true), ("GET", false)] {
        wait(async {
            let door = door("", HttpLimits::default());
            let asked = Asked { deadline: Duration::from_millis(200), ..asked(method, "https://api.example/") };
            let refused = door.http.send(Way::Egress, asked).await.map(drop).unwrap_err();
            assert_eq!(refused == HttpError::Unknown, unknown, "{method} {refused:?}");
        });
    }
}

#[test]
fn a_broker_that_dies_with_a_request_leaves_it_unknown_where_it_may_have_had_an_effect() {
    for (method, expected) in [("POST", true), ("PUT", true), ("DELETE", true), ("GET", false), ("HEAD", false)] {
        wait(async {
            let mut door = door(DIES, HttpLimits::default());
            let refused = door.http.send(Way::Egress, asked(method, "https://api.example/")).await.map(drop).unwrap_err();
            assert_eq!(refused == HttpError::Unknown, expected, "{method} {refused:?}");
            assert!(door.heard.recv().await.is_some() && door.heard.try_recv().is_err(), "{method} was sent once");
        });
    }
}

#[test]
fn a_body_comes_in_pieces_and_ends_at_its_limit_with_words() {
    let long = "x".repeat(3 * PIECE_BYTES);
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{long}", long.len());
    for (limit, cut) in [(long.len(), false), (long.len() - 1, true)] {
        wait(async {
            let door = door(&answer, HttpLimits { answer_bytes: limit, ..HttpLimits::default() });
            let answered = door.http.send(Way::Egress, asked("GET", "https://api.example/")).await.unwrap();
            let (bytes, error) = whole(answered).await;
            assert!(bytes.len() <= limit);
            assert_eq!(matches!(error, Some(HttpError::Limit(_))), cut, "{error:?}");
        });
    }
}

#[test]
fn an_answer_that_breaks_off_or_stalls_is_an_error_and_not_an_end() {
    let broken = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhal";
    let stalled = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhal";
    for answer in [broken, stalled] {
        wait(async {
            let door = door(answer, HttpLimits::default());
            let asked = Asked { deadline: Duration::from_millis(500), ..asked("GET", "https://api.example/") };
            let (bytes, error) = whole(door.http.send(Way::Egress, asked).await.unwrap()).await;
            assert_eq!(bytes, b"hal");
            assert!(matches!(error, Some(HttpError::Unreachable(_))), "{error:?}");
        });
    }
}

#[test]
fn dropping_the_future_or_the_body_ends_the_request() {
    wait(async {
        let mut door = door("", HttpLimits::default());
        let sending = door.http.send(Way::Egress, asked("POST", "https://api.example/"));
        let Either::Right((_, sending)) = select(sending, Box::pin(door.heard.recv())).await else { panic!("it was answered") };
        drop(sending);
        assert_eq!(door.heard.recv().await.as_deref(), Some("gone"));
    });
    wait(async {
        let mut door = door("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhal", HttpLimits::default());
        let answered = door.http.send(Way::Egress, asked("GET", "https://api.example/")).await.unwrap();
        door.heard.recv().await.unwrap();
        drop(answered);
        assert_eq!(door.heard.recv().await.as_deref(), Some("gone"));
    });
}

#[test]
fn what_is_no_request_is_refused_before_anything_is_sent() {
    wait(async {
        let mut door = door(CREATED, HttpLimits { request_bytes: 4, ..HttpLimits::default() });
        let mut refused = Vec::new();
        for (method, url) in [
            ("CONNECT", "https://api.example/"),
            ("TRACE", "https://api.example/"),
            ("G ET", "https://api.example/"),
            ("GET", "https://user@api.example/"),
            ("POST", "https://api.example/"),
        ] {
            refused.push(door.http.send(Way::Egress, asked(method, url)).await.map(drop).unwrap_err());
        }
        assert!(matches!(refused.pop(), Some(HttpError::Limit(_))));
        assert!(refused.iter().all(|error| matches!(error, HttpError::Denied(_))), "{refused:?}");
        assert!(door.heard.try_recv().is_err());
    });
}
