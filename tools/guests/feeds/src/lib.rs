//! Feeds: read one, follow some, and be told what is new.

mod follow;
mod parse;
#[cfg(test)]
mod tests;

use hearth_tool::{Effect, Operation, Role, Tool, Trust};
use serde_json::{Value, json};

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 50, "description": "Entries at most; 10 if not given" })
}

fn read_parameters() -> Value {
    object(&["url"], json!({ "url": { "type": "string", "description": "Address of the feed" }, "count": count() }))
}

fn follow_parameters() -> Value {
    object(&["url"], json!({ "url": { "type": "string", "description": "Address of the feed" } }))
}

fn news_parameters() -> Value {
    object(&[], json!({ "count": count() }))
}

fn tool() -> Tool {
    Tool::new()
        .with(
            Operation::new("read", Effect::Read, follow::read)
                .describe("The newest entries of an RSS or Atom feed.")
                .parameters(read_parameters)
                .argument("/url", Role::Url)
                .argument("/count", Role::Amount)
                .idempotent(),
        )
        .with(
            Operation::new("follow", Effect::WriteOwn, follow::follow)
                .describe("Follows a feed: `news` tells what is new in it from now on.")
                .parameters(follow_parameters)
                .argument("/url", Role::Url)
                .idempotent(),
        )
        .with(
            Operation::new("unfollow", Effect::WriteOwn, follow::unfollow)
                .describe("Follows a feed no longer.")
                .parameters(follow_parameters)
                .argument("/url", Role::Url)
                .idempotent(),
        )
        .with(
            Operation::new("followed", Effect::Read, follow::followed)
                .describe("The feeds that are followed.")
                .field("/*/url", Trust::Member)
                .idempotent(),
        )
        .with(
            Operation::new("news", Effect::WriteOwn, follow::news)
                .describe("What is new in the feeds that are followed since it was asked last; each entry is told once.")
                .parameters(news_parameters)
                .argument("/count", Role::Amount),
        )
}

hearth_tool::export!(tool);
