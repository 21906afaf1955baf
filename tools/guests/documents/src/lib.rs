//! Documents as text: PDF, DOCX, HTML, CSV and plain text, from an attachment's bytes or from an address.

mod archive;
mod docx;
mod kind;
mod pdf;
mod read;
mod table;
#[cfg(test)]
mod tests;

use hearth_tool::{Effect, Operation, Role, Tool, Trust};
use serde_json::{Value, json};

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn start() -> Value {
    json!({ "type": "integer", "minimum": 0, "description": "Go on from this character, as the last call said" })
}

fn most() -> Value {
    json!({ "type": "integer", "minimum": 500, "maximum": 60_000, "description": "Characters at most; 20000 if not given" })
}

fn text_parameters() -> Value {
    let data = json!({ "type": "string", "description": "The file's bytes in base64" });
    let name = json!({ "type": "string", "maxLength": 200, "description": "The file's name" });
    let media_type = json!({ "type": "string", "maxLength": 100, "description": "application/pdf …" });
    object(&["data"], json!({ "data": data, "name": name, "media_type": media_type, "start": start(), "most": most() }))
}

fn fetch_parameters() -> Value {
    object(&["url"], json!({ "url": { "type": "string", "description": "https://…" }, "start": start(), "most": most() }))
}

fn tool() -> Tool {
    let text = Operation::new("text", Effect::Read, read::text)
        .describe(
            "The text of a document (PDF, DOCX, HTML, CSV, plain text) as Markdown. Long ones come in parts: call again with `start`.",
        )
        .parameters(text_parameters)
        .argument("/data", Role::Content)
        .argument("/name", Role::Content)
        .argument("/media_type", Role::Content);
    let fetch = Operation::new("fetch", Effect::Read, read::fetch)
        .describe(
            "The text of a document at an address: PDF, DOCX, HTML, CSV, plain text. Long ones come in parts: call again with `start`.",
        )
        .parameters(fetch_parameters)
        .argument("/url", Role::Url);
    let both = |operation: Operation| {
        operation
            .argument("/start", Role::Amount)
            .argument("/most", Role::Amount)
            .fields(&["/kind", "/next_start", "/complete"], Trust::Service)
            .idempotent()
    };
    Tool::new().with(both(text)).with(both(fetch))
}

hearth_tool::export!(tool);
