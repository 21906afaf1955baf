//! Chat Completions.

use serde_json::{Value, json};

use super::{ending, halves, sse, words};
use crate::script::{Call, Ending, Reply, Used};

const ENDINGS: [&str; 4] = ["stop", "tool_calls", "length", "content_filter"];

pub(super) fn whole(reply: &Reply, model: &str) -> Value {
    let mut message = json!({"role": "assistant", "content": reply.text, "refusal": null});
    if reply.ending == Ending::Refused {
        message["content"] = Value::Null;
        message["refusal"] = json!(reply.text);
    }
    if !reply.calls.is_empty() {
        message["tool_calls"] = reply.calls.iter().map(call).collect();
    }
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": ending(reply, ENDINGS)}],
        "usage": usage(reply.used),
    })
}

pub(super) fn pieces(reply: &Reply, model: &str, with_usage: bool) -> Vec<String> {
    let frame = |delta: Value, finish: Option<&str>| {
        sse(&json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        }))
    };
    let field = if reply.ending == Ending::Refused { "refusal" } else { "content" };
    let mut pieces = vec![frame(json!({"role": "assistant", "content": ""}), None)];
    pieces.extend(words(&reply.text).map(|word| frame(json!({field: word}), None)));
    for (index, given) in reply.calls.iter().enumerate() {
        let [first, second] = halves(&given.arguments);
        let head = json!({"name": given.name, "arguments": ""});
        let opened = json!({"index": index, "id": given.id, "type": "function", "function": head});
        pieces.push(frame(json!({"tool_calls": [opened]}), None));
        for half in [first, second] {
            let more = json!({"index": index, "function": {"arguments": half}});
            pieces.push(frame(json!({"tool_calls": [more]}), None));
        }
    }
    let Some(end) = ending(reply, ENDINGS) else { return pieces };
    pieces.push(frame(json!({}), Some(end)));
    if with_usage {
        pieces.push(sse(&json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model,
            "choices": [], "usage": usage(reply.used),
        })));
    }
    pieces.push("data: [DONE]\n\n".to_owned());
    pieces
}

fn call(call: &Call) -> Value {
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
}

fn usage(used: Used) -> Value {
    json!({
        "prompt_tokens": used.input, "completion_tokens": used.output, "total_tokens": used.input + used.output,
        "prompt_tokens_details": {"cached_tokens": used.cached},
    })
}
