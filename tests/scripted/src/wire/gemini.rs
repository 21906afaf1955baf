//! GenerateContent.

use serde_json::{Value, json};

use super::{arguments, ending, sse, words};
use crate::script::{Call, Ending, Reply};

const ENDINGS: [&str; 4] = ["STOP", "STOP", "MAX_TOKENS", "SAFETY"];

pub(super) fn whole(reply: &Reply) -> Value {
    if reply.ending == Ending::Refused {
        return blocked();
    }
    let text = (!reply.text.is_empty()).then(|| json!({"text": reply.text}));
    let parts = text.into_iter().chain(reply.calls.iter().map(call)).collect();
    frame(reply, parts, ending(reply, ENDINGS))
}

pub(super) fn pieces(reply: &Reply) -> Vec<String> {
    if reply.ending == Ending::Refused {
        return vec![sse(&blocked())];
    }
    let parts = words(&reply.text).map(|word| json!({"text": word})).chain(reply.calls.iter().map(call));
    let mut pieces: Vec<String> = parts.map(|part| sse(&frame(reply, vec![part], None))).collect();
    if let Some(end) = ending(reply, ENDINGS) {
        pieces.push(sse(&frame(reply, vec![json!({"text": ""})], Some(end))));
    }
    pieces
}

fn call(call: &Call) -> Value {
    json!({"functionCall": {"id": call.id, "name": call.name, "args": arguments(call)}})
}

fn frame(reply: &Reply, parts: Vec<Value>, end: Option<&str>) -> Value {
    let used = reply.used;
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if let Some(end) = end {
        candidate["finishReason"] = json!(end);
    }
    json!({
        "candidates": [candidate], "modelVersion": "scripted", "responseId": "r-1",
        "usageMetadata": {
            "promptTokenCount": used.input, "cachedContentTokenCount": used.cached,
            "candidatesTokenCount": used.output, "totalTokenCount": used.input + used.output,
        },
    })
}

/// Gemini's filter answers before the model does.
fn blocked() -> Value {
    json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}})
}
