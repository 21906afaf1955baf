//! Pages as Markdown, and a search through SearXNG.

mod fetch;
mod search;
#[cfg(test)]
mod tests;

use hearth_tool::{Effect, Operation, Role, Tool, Trust};
use serde_json::{Value, json};

fn fetch_parameters() -> Value {
    let url = json!({ "type": "string", "description": "https://…" });
    let start = json!({ "type": "integer", "minimum": 0, "description": "Go on from this character, as the last call said" });
    let most = json!({ "type": "integer", "minimum": 500, "maximum": 60_000, "description": "Characters at most; 20000 if not given" });
    json!({ "type": "object", "required": ["url"], "properties": { "url": url, "start": start, "most": most }, "additionalProperties": false })
}

fn search_parameters() -> Value {
    let query = json!({ "type": "string", "minLength": 1, "maxLength": 400 });
    let count = json!({ "type": "integer", "minimum": 1, "maximum": 20, "description": "8 if not given" });
    let since = json!({ "enum": ["day", "month", "year"], "description": "Only what is as new" });
    let properties = json!({ "query": query, "count": count, "since": since });
    json!({ "type": "object", "required": ["query"], "properties": properties, "additionalProperties": false })
}

fn setup_parameters() -> Value {
    let address = json!({ "type": "string", "description": "http://host:8080 of a SearXNG whose settings allow the format json" });
    json!({ "type": "object", "required": ["address"], "properties": { "address": address }, "additionalProperties": false })
}

fn tool() -> Tool {
    let fetch = Operation::new("fetch", Effect::Read, fetch::fetch)
        .describe("Reads a web page or a text file as Markdown, with its links. Long pages come in parts: call again with `start`.")
        .parameters(fetch_parameters)
        .argument("/url", Role::Url)
        .argument("/start", Role::Amount)
        .argument("/most", Role::Amount)
        .idempotent();
    let search = Operation::new("search", Effect::Read, search::search)
        .describe("Searches the web. Gives titles, addresses and short extracts; read a page itself with `fetch`.")
        .parameters(search_parameters)
        .argument("/query", Role::Content)
        .argument("/count", Role::Amount)
        .idempotent();
    let setup = Operation::new("setup", Effect::Admin, search::setup)
        .describe("Tells which SearXNG is asked. Its address must be among the tool's grants as well.")
        .parameters(setup_parameters)
        .argument("/address", Role::Url)
        .field("/address", Trust::Member)
        .idempotent();
    Tool::new().with(fetch).with(search).with(setup)
}

hearth_tool::export!(tool);
