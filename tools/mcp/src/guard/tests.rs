use rmcp::model::ServerJsonRpcMessage;
use serde_json::{Value, json};

use super::*;

fn message(value: Value) -> ServerJsonRpcMessage {
    serde_json::from_value(value).unwrap()
}

fn answer(id: Value) -> ServerJsonRpcMessage {
    message(json!({ "jsonrpc": "2.0", "id": id, "result": {} }))
}

fn asked(id: i64) -> ClientJsonRpcMessage {
    serde_json::from_value(json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })).unwrap()
}

fn note(method: &str, params: Value) -> ServerJsonRpcMessage {
    message(json!({ "jsonrpc": "2.0", "method": method, "params": params }))
}

fn progress(text: &str) -> ServerJsonRpcMessage {
    note("notifications/progress", json!({ "progressToken": 1, "progress": 1, "total": 4, "message": text }))
}

fn ended(what: &str) -> Result<Verdict, Ended> {
    Err(Ended::Protocol(what.to_owned()))
}

#[test]
fn a_question_is_answered_once() {
    let mut guard = Guard::new(10, 100);
    guard.says(&asked(7));
    assert_eq!(guard.hears(&answer(json!(8))), ended("an answer to no open question"), "another's id");
    assert_eq!(guard.hears(&answer(json!("x"))), ended("an answer to no open question"));
    assert_eq!(guard.hears(&answer(json!("7"))), Ok(Verdict::Pass), "some servers answer so");
    assert_eq!(guard.hears(&answer(json!(7))), ended("an answer to no open question"), "twice");
    guard.says(&asked(9));
    let error = message(json!({ "jsonrpc": "2.0", "id": 9, "error": { "code": -32603, "message": "m" } }));
    assert_eq!(guard.hears(&error), Ok(Verdict::Pass));
    assert_eq!(guard.hears(&error), ended("an answer to no open question"));
}

#[test]
fn what_nobody_asked_for_is_counted_and_ends_as_a_flood() {
    let mut guard = Guard::new(3, 100);
    let pass =
        message(json!({ "jsonrpc": "2.0", "id": "a", "method": "sampling/createMessage", "params": { "messages": [], "maxTokens": 1 } }));
    assert_eq!(guard.hears(&pass), Ok(Verdict::Pass), "the client refuses it");
    assert_eq!(guard.hears(&progress("x")), Ok(Verdict::Drop), "no call runs");
    assert_eq!(guard.hears(&note("notifications/anything", json!({}))), Ok(Verdict::Drop));
    assert_eq!(guard.hears(&progress("x")), Err(Ended::Flood));
    guard.begin();
    assert_eq!(guard.hears(&progress("x")), Ok(Verdict::Line(Line::Progress("1 of 4: x".into()))), "a call begins to count anew");
    let long = message(json!({ "jsonrpc": "2.0", "id": "a".repeat(300), "method": "ping" }));
    assert_eq!(guard.hears(&long), ended("a request with a name that is too long"));
}

#[test]
fn lines_are_bounded_and_what_is_lost_is_counted() {
    let mut guard = Guard::new(10_000, 100);
    guard.begin();
    let log = note("notifications/message", json!({ "level": "warning", "data": { "a": "b\nc" } }));
    assert_eq!(guard.hears(&log), Ok(Verdict::Line(Line::Log(Level::Warn, "{\"a\":\"b\\nc\"}".into()))));
    assert_eq!(guard.hears(&progress(&"x".repeat(200))), Ok(Verdict::Drop), "over the bytes");
    let kept =
        (0..LINES * 2).filter(|_| guard.hears(&note("notifications/message", json!({ "level": "info", "data": "" }))) != Ok(Verdict::Drop));
    assert_eq!(kept.count(), LINES as usize - 1);
    assert_eq!(guard.end(), LINES + 2);
}

#[test]
fn a_list_that_changes_once_it_is_told_ends_the_server() {
    let mut guard = Guard::new(10, 100);
    let changed = note("notifications/tools/list_changed", json!({}));
    assert_eq!(guard.hears(&changed), Ok(Verdict::Drop));
    assert!(!guard.tell(), "it has to be read again");
    assert!(guard.tell());
    assert_eq!(guard.hears(&changed), ended("its tools changed"));
}
