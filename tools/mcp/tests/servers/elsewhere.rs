//! Servers by streamable HTTP: a real listener of loopback, scripted answer by answer.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use hearth_domain::sandbox::{Ended, Fault, Heard, Outcome, Part, Sandboxes as _, Tell, ToolRefusalKind};
use hearth_mcp::component;
use hearth_mcp::config::{Http, Limits, Server, What};
use serde_json::{Value, json};

use crate::house::{NAME, Talk, port};
use crate::{Test, run};

pub(crate) const TESTS: &[Test] = &[
    ("a_server_elsewhere_is_called_in_the_houses_name", a_server_elsewhere_is_called_in_the_houses_name),
    ("a_server_elsewhere_that_cannot_be_reached_is_told", a_server_elsewhere_that_cannot_be_reached_is_told),
    ("answers_from_elsewhere_are_bounded", answers_from_elsewhere_are_bounded),
    ("a_stream_from_elsewhere_is_heard_through_the_guard", a_stream_from_elsewhere_is_heard_through_the_guard),
    ("a_session_that_was_ended_is_not_begun_anew", a_session_that_was_ended_is_not_begun_anew),
    ("a_server_elsewhere_that_hangs_is_left", a_server_elsewhere_that_hangs_is_left),
];

const JSON: &str = "application/json";
const STREAM: &str = "text/event-stream";

/// What is answered to a call: status, media type, body.
type Answer = fn(&Value) -> (u16, &'static str, String);

struct Elsewhere {
    server: Server,
    /// Heads of requests, in lower case.
    heads: Arc<Mutex<Vec<String>>>,
}

fn elsewhere(answer: Answer) -> Elsewhere {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || serve(&stream.unwrap(), &kept, answer));
        }
    });
    let limits = Limits { message_bytes: 256 * 1024, ..Limits::default() };
    Elsewhere {
        server: Server { name: NAME.into(), what: What::Http(Http { url, key: None }), tools: Vec::new(), says: BTreeMap::new(), limits },
        heads,
    }
}

fn serve(stream: &TcpStream, heads: &Mutex<Vec<String>>, answer: Answer) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1).map_or(0, |rest| rest.split_once("\r\n").unwrap().0.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (status, media_type, body) = if head.starts_with("post") {
            heads.lock().unwrap().push(head);
            post(&serde_json::from_slice(&body).unwrap(), answer)
        } else {
            (405, JSON, String::new())
        };
        let mut stream = stream;
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\nmcp-session-id: s1\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).ok()?;
    }
}

fn post(asked: &Value, answer: Answer) -> (u16, &'static str, String) {
    let result = |result: Value| (200, JSON, json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }).to_string());
    match asked["method"].as_str() {
        Some("initialize") => {
            let info = json!({ "name": "elsewhere", "version": "1" });
            result(json!({ "protocolVersion": "2025-11-25", "capabilities": { "tools": {} }, "serverInfo": info }))
        }
        Some("tools/list") => result(json!({ "tools": [{ "name": "call", "description": "d", "inputSchema": { "type": "object" } }] })),
        Some("tools/call") => answer(asked),
        _ => (202, JSON, String::new()),
    }
}

fn good(asked: &Value) -> (u16, &'static str, String) {
    let content = json!({ "content": [{ "type": "text", "text": asked["params"]["arguments"].to_string() }] });
    (200, JSON, json!({ "jsonrpc": "2.0", "id": asked["id"], "result": content }).to_string())
}

fn text(text: &str) -> Outcome {
    Outcome::Parts(vec![Part::Text(text.to_owned())])
}

async fn talk(answer: Answer) -> Talk {
    let mut talk = Talk::start(&port(elsewhere(answer).server)).await;
    talk.ready().await;
    talk
}

fn a_server_elsewhere_is_called_in_the_houses_name() {
    let elsewhere = elsewhere(good);
    run(async {
        let port = port(elsewhere.server);
        let compiled = port.compile(component::of(NAME)).await.unwrap();
        assert_eq!(compiled.operations.len(), 1);
        let mut talk = Talk::start(&port).await;
        let (operations, confined) = talk.ready().await;
        assert_eq!((operations, talk.line.pid()), (compiled.operations, 0));
        assert!(confined["its place"].starts_with("elsewhere"));
        assert_eq!(talk.call_with("call", "{\"a\":1}").await.0, Ok(text("{\"a\":1}")));
        talk.line.kill();
        assert_eq!(talk.end().await, Ended::Unknown);
    });
    let heads = elsewhere.heads.lock().unwrap();
    assert!(
        heads.len() >= 7
            && heads.iter().all(|head| head.contains("hearth-as: tool/mcp.test\r\n") && head.contains("hearth-scheme: http\r\n"))
    );
}

fn a_server_elsewhere_that_cannot_be_reached_is_told() {
    let mut server = elsewhere(good).server;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    server.what = What::Http(Http { url: format!("http://{closed}/").parse().unwrap(), key: None });
    run(async {
        let mut talk = Talk::start(&port(server)).await;
        assert_eq!(talk.end().await, Ended::Unknown);
        let mut talk = self::talk(|_| (502, "text/html", "<h1>no</h1>".to_owned())).await;
        for _ in 0..2 {
            let (outcome, _) = talk.call("call").await;
            let Ok(Outcome::Refused(refusal)) = outcome else { panic!("{outcome:?}") };
            assert_eq!(refusal.kind, ToolRefusalKind::Unavailable);
            assert!(!refusal.sentence.contains("<h1>"), "our words");
        }
    });
}

fn answers_from_elsewhere_are_bounded() {
    run(async {
        let (outcome, _) = talk(|_| (200, JSON, " ".repeat(1 << 20))).await.call("call").await;
        assert!(matches!(outcome, Ok(Outcome::Refused(refusal)) if refusal.kind == ToolRefusalKind::Unavailable));
        let (outcome, _) = talk(|_| (200, JSON, format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)))).await.call("call").await;
        assert!(matches!(outcome, Ok(Outcome::Refused(_))), "{outcome:?}");
        let elsewhere_again = |_: &Value| (302, JSON, String::new());
        let (outcome, _) = talk(elsewhere_again).await.call("call").await;
        assert!(matches!(outcome, Ok(Outcome::Refused(_))), "nothing is followed");
        let (outcome, _) =
            talk(|_| (200, JSON, json!({ "jsonrpc": "2.0", "id": 4_711, "result": {} }).to_string())).await.call("call").await;
        assert_eq!(outcome, Err(Ended::Protocol("an answer to no open question".to_owned())));
    });
}

fn events(messages: &[Value]) -> (u16, &'static str, String) {
    (200, STREAM, messages.iter().map(|message| format!("data: {message}\n\n")).collect())
}

fn a_stream_from_elsewhere_is_heard_through_the_guard() {
    run(async {
        let answered = |asked: &Value| {
            let progress = json!({ "progressToken": asked["params"]["_meta"]["progressToken"], "progress": 1 });
            let answer = serde_json::from_str(&good(asked).2).unwrap();
            events(&[json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": progress }), answer])
        };
        let (outcome, lines) = talk(answered).await.call("call").await;
        assert_eq!((outcome, lines.len()), (Ok(text("{}")), 1));
        let changed = |_: &Value| events(&[json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" })]);
        assert_eq!(talk(changed).await.call("call").await.0, Err(Ended::Protocol("its tools changed".to_owned())));
        let flood = |_: &Value| events(&vec![json!({ "jsonrpc": "2.0", "method": "notifications/x" }); 5_000]);
        assert_eq!(talk(flood).await.call("call").await.0, Err(Ended::Flood));
    });
}

fn a_session_that_was_ended_is_not_begun_anew() {
    run(async {
        let mut talk = talk(|_| (404, JSON, String::new())).await;
        assert_eq!(talk.call("call").await.0, Err(Ended::Unknown), "what it can do then has to be compared");
    });
}

fn a_server_elsewhere_that_hangs_is_left() {
    run(async {
        let mut talk = talk(|_| {
            loop {
                std::thread::park();
            }
        })
        .await;
        let id = talk.ask("call", "{}", 200);
        assert_eq!(talk.outcome(id).await.0, Ok(Outcome::Fault(Fault::Deadline)));
        assert_eq!(talk.end().await, Ended::Unknown);
        let mut talk = self::talk(good).await;
        assert!(talk.line.ask(hearth_domain::sandbox::Ask::Beat { id: 3 }));
        assert_eq!(talk.hear().await, Some(Heard::Tell(Tell::Beat { id: 3 })));
    });
}
