//! A calendar by CalDAV (RFC 4791): list, create, change. Events that repeat are listed one by one; they, and events with guests, are
//! not changed here, because that would change more than was asked, or write to somebody.

mod dav;
mod events;
mod ical;
mod moments;
#[cfg(test)]
mod tests;

use hearth_tool::{Effect, Operation, Role, Tool, Trust};
use serde_json::{Value, json};

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

const WHEN: &str = "2026-03-01T18:30 in the member's zone, or 2026-03-01 for a whole day";

fn list_parameters() -> Value {
    let day = |what: &str| json!({ "type": "string", "description": what });
    let search = json!({ "type": "string", "description": "Only with these words" });
    object(
        &[],
        json!({ "from": day("2026-03-01; today if not given"), "to": day("The last day; a week later if not given"), "search": search }),
    )
}

fn event_properties() -> Value {
    let text = |most: usize| json!({ "type": "string", "maxLength": most });
    let when = json!({ "type": "string", "description": WHEN });
    json!({ "title": text(200), "start": when, "end": when, "location": text(300), "notes": text(4_000) })
}

fn create_parameters() -> Value {
    object(&["title", "start"], event_properties())
}

fn change_parameters() -> Value {
    let mut properties = event_properties();
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("id".to_owned(), json!({ "type": "string", "description": "As `list` gave it" }));
    }
    object(&["id"], properties)
}

fn setup_parameters() -> Value {
    object(
        &["address"],
        json!({ "address": { "type": "string", "description": "The calendar's CalDAV address, as the calendar shows it" } }),
    )
}

fn written(operation: Operation) -> Operation {
    operation
        .argument("/title", Role::Content)
        .argument("/start", Role::Schedule)
        .argument("/end", Role::Schedule)
        .argument("/location", Role::Content)
        .argument("/notes", Role::Content)
        .field("/id", Trust::Service)
        .field("/start", Trust::Member)
        .field("/end", Trust::Member)
        .idempotent()
}

fn tool() -> Tool {
    let list = Operation::new("list", Effect::Read, events::list)
        .describe("The events of some days, in order, each with the id by which it can be changed.")
        .parameters(list_parameters)
        .argument("/from", Role::Schedule)
        .argument("/to", Role::Schedule)
        .argument("/search", Role::Content)
        .field("/events/*/id", Trust::Service)
        .field("/events/*/start", Trust::Service)
        .field("/events/*/end", Trust::Service)
        .idempotent();
    let create = Operation::new("create", Effect::ExternalSend, events::create)
        .describe("Enters an event. Without an end it lasts an hour, or a whole day. Nobody is invited.")
        .parameters(create_parameters);
    let change = Operation::new("change", Effect::ExternalSend, events::change)
        .describe("Changes an event: only what is given. With a new start and no end it lasts as long as before.")
        .parameters(change_parameters)
        .argument("/id", Role::Id);
    let setup = Operation::new("setup", Effect::Admin, events::setup)
        .describe("Tells which calendar it is. Its address must be among the tool's grants as well.")
        .parameters(setup_parameters)
        .argument("/address", Role::Url)
        .field("/address", Trust::Member)
        .idempotent();
    Tool::new().with(list).with(written(create)).with(written(change)).with(setup)
}

hearth_tool::export!(tool);
