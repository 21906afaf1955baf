//! Messages.

use serde_json::{Value, json};

use super::{arguments, ending, halves, words};
use crate::script::{Ending, Reply};

const ENDINGS: [&str; 4] = ["end_turn", "tool_use", "max_tokens", "refusal"];

pub(super) fn whole(reply: &Reply, model: &str) -> Value {
    let text = (!reply.text.is_empty()).then(|| json!({"type": "text", "text": reply.text}));
    let calls = reply.calls.iter().map(|call| json!({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments(call)}));
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": model,
        "content": text.into_iter().chain(calls).collect::<Vec<_>>(),
        "stop_reason": stop(reply), "stop_sequence": null, "usage": usage(reply, reply.used.output),
    })
}

pub(super) fn pieces(reply: &Reply, model: &str) -> Vec<String> {
    let start = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage(reply, 1),
    });
    let mut pieces = vec![frame("message_start", json!({"message": start})), frame("ping", json!({}))];
    let mut index = 0;
    if !reply.text.is_empty() {
        let deltas = words(&reply.text).map(|word| json!({"type": "text_delta", "text": word}));
        block(&mut pieces, index, &json!({"type": "text", "text": ""}), deltas);
        index += 1;
    }
    for call in &reply.calls {
        let deltas = halves(&call.arguments).map(|half| json!({"type": "input_json_delta", "partial_json": half}));
        let opened = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
        block(&mut pieces, index, &opened, deltas.into_iter());
        index += 1;
    }
    let Some(stop) = stop(reply) else { return pieces };
    let delta = json!({"stop_reason": stop, "stop_sequence": null});
    let output = json!({"output_tokens": reply.used.output});
    pieces.push(frame("message_delta", json!({"delta": delta, "usage": output})));
    pieces.push(frame("message_stop", json!({})));
    pieces
}

fn stop(reply: &Reply) -> Option<&'static str> {
    if reply.ending == Ending::Refused { Some("refusal") } else { ending(reply, ENDINGS) }
}

fn block(pieces: &mut Vec<String>, index: usize, opened: &Value, deltas: impl Iterator<Item = Value>) {
    pieces.push(frame("content_block_start", json!({"index": index, "content_block": opened})));
    pieces.extend(deltas.map(|delta| frame("content_block_delta", json!({"index": index, "delta": delta}))));
    pieces.push(frame("content_block_stop", json!({"index": index})));
}

fn frame(event: &str, mut data: Value) -> String {
    data["type"] = json!(event);
    format!("event: {event}\ndata: {data}\n\n")
}

/// Anthropic counts cached tokens beside the others, not among them.
fn usage(reply: &Reply, output: u64) -> Value {
    json!({
        "input_tokens": reply.used.input - reply.used.cached, "cache_read_input_tokens": reply.used.cached,
        "cache_creation_input_tokens": 0, "output_tokens": output,
    })
}
