//! The ten house tools as a language model sees them, and the help as a person sees it.

use serde_json::{Value, json};

/// A house tool for a model: every word of it is paid for on every turn.
#[derive(Debug, Clone, PartialEq)]
pub struct HouseToolSpec {
    /// The tool's name.
    pub name: &'static str,
    /// One line for the model.
    pub description: &'static str,
    /// JSON Schema of the arguments, an object.
    pub schema: Value,
}

/// All house tools, always in the same order.
///
/// A tool answers with one JSON object: `{"error": "<sentence for the person>"}` when it could not, else as below.
/// Instants in results are `jiff` zoned strings (`2026-04-21T14:05:00+02:00[Europe/Berlin]`) or RFC 3339; a person sees
/// them in their own zone.
///
/// | tool | arguments | result |
/// |---|---|---|
/// | `remember` | `text` | `{"id": string}` |
/// | `recall` | `query`: words or a phrase, best match first | `{"found": [{"text": string, "when": instant it was said}]}` |
/// | `forget` | `query` | `{"forgotten": [text], "candidates": [text]}`; several matches: nothing is forgotten, all are candidates |
/// | `remind` | `text` (`stretch`, `about the meeting`, `that …`), `at`: zoned string, `every`: only if stated | `{"id": string, "at": instant}` |
/// | `list_add` | `list`: name in lower case without the word list, made when missing; `items` | `{"added": [text]}`, without those that were there |
/// | `list_show` | `list`, optional | `{"list": name, "items": [{"text": string, "done": bool}]}`; without `list` `{"lists": [name]}` |
/// | `list_tick` | `item`; `list`, optional: else all lists | `{"ticked": text or null, "candidates": [text]}`; several matches: nothing is ticked |
/// | `note` | `text`, optional: add it, else show all | `{"notes": [text]}`, newest first |
/// | `clock` | `zone`, optional IANA name | `{"now": instant, in that zone or the member's}` |
/// | `house` | `about`: `who` | `{"members": [{"name": string, "role": string}]}` |
/// | | `about`: `status` | `{"lines": [sentence]}` |
/// | | `about`: `reminders` | `{"reminders": [{"text": string, "at": instant, "every": string or absent}]}` of this member, soonest first |
#[must_use]
pub fn tool_specs() -> Vec<HouseToolSpec> {
    let text = || json!({ "type": "string" });
    let units = json!({ "enum": ["hour", "day", "weekday", "week", "month", "year"] });
    let items = json!({ "type": "array", "items": text() });
    vec![
        tool("remember", "Keep a fact for later.", json!({ "text": text() }), &["text"]),
        tool("recall", "Search kept facts.", json!({ "query": text() }), &["query"]),
        tool("forget", "Delete a kept fact.", json!({ "query": text() }), &["query"]),
        tool("remind", "at: RFC 3339 with [zone].", json!({ "text": text(), "at": text(), "every": units }), &["text", "at"]),
        tool("list_add", "Add to a household list.", json!({ "list": text(), "items": items }), &["list", "items"]),
        tool("list_show", "Show a list, or all names.", json!({ "list": text() }), &[]),
        tool("list_tick", "Tick an item off.", json!({ "list": text(), "item": text() }), &["item"]),
        tool("note", "Add a note; without text show all.", json!({ "text": text() }), &[]),
        tool("clock", "Time now. zone: IANA.", json!({ "zone": text() }), &[]),
        tool("house", "About this house.", json!({ "about": { "enum": ["who", "status", "reminders"] } }), &["about"]),
    ]
}

/// One tool.
fn tool(name: &'static str, description: &'static str, properties: Value, required: &[&str]) -> HouseToolSpec {
    let mut schema = json!({ "type": "object", "properties": properties });
    if let Some(schema) = schema.as_object_mut().filter(|_| !required.is_empty()) {
        schema.insert("required".to_owned(), json!(required));
    }
    HouseToolSpec { name, description, schema }
}

/// What the house understands by itself, for a person.
#[must_use]
pub fn help() -> String {
    [
        "I understand these by myself, in your own words or close to them:",
        "",
        "  remember that the bins go out on Tuesday",
        "  what do you know about the bins?",
        "  forget about the bins",
        "  remind me tomorrow at 6pm to call mum",
        "  remind me in half an hour to stretch",
        "  remind me every monday at 8 to take the bins out",
        "  what are my reminders",
        "  add milk, eggs and bread to the shopping list",
        "  show the shopping list",
        "  what lists are there",
        "  tick off milk",
        "  note: the plumber came today",
        "  show my notes",
        "  what time is it in Tokyo",
        "  who lives here",
        "  status",
        "",
        "Anything else goes to the language model, if there is one.",
    ]
    .join("\n")
}

/// What is said when a message needs a language model and there is none.
#[must_use]
pub const fn no_model_note() -> &'static str {
    "No language model answers right now, so I only understand the house commands. Say “help” to see them."
}
