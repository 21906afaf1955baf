//! Ollama's own `/api/chat`: a JSON object per line.

use serde_json::{Value, json};

use super::{arguments, ending, words};
use crate::script::{Call, Reply};

const ENDINGS: [&str; 4] = ["stop", "stop", "length", "stop"];

pub(super) fn whole(reply: &Reply, model: &str) -> Value {
    let calls: Vec<Value> = reply.calls.iter().map(call).collect();
    let mut message = json!({"role": "assistant", "content": reply.text});
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    last(reply, model, &message)
}

pub(super) fn pieces(reply: &Reply, model: &str) -> Vec<String> {
    let piece = |message: Value| json!({"model": model, "created_at": "2026-01-01T00:00:00Z", "message": message, "done": false});
    let said = words(&reply.text).map(|word| json!({"role": "assistant", "content": word}));
    let called = reply.calls.iter().map(|given| json!({"role": "assistant", "content": "", "tool_calls": [call(given)]}));
    let mut pieces: Vec<Value> = said.chain(called).map(piece).collect();
    if ending(reply, ENDINGS).is_some() {
        pieces.push(last(reply, model, &json!({"role": "assistant", "content": ""})));
    }
    pieces.iter().map(|piece| format!("{piece}\n")).collect()
}

fn call(call: &Call) -> Value {
    json!({"function": {"name": call.name, "arguments": arguments(call)}})
}

fn last(reply: &Reply, model: &str, message: &Value) -> Value {
    let end = ending(reply, ENDINGS);
    json!({
        "model": model, "created_at": "2026-01-01T00:00:00Z", "message": message, "done": end.is_some(), "done_reason": end,
        "prompt_eval_count": reply.used.input, "eval_count": reply.used.output,
    })
}
