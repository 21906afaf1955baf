//! Home Assistant, by its REST interface: states, and services.

mod house;
#[cfg(test)]
mod tests;

use hearth_tool::{Effect, Operation, Role, Tool, Trust};
use serde_json::{Value, json};

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn states_parameters() -> Value {
    let domain = json!({ "type": "string", "description": "Only of this kind: light, sensor, climate, cover, switch …" });
    let search = json!({ "type": "string", "description": "Only with these words in name or id" });
    let count = json!({ "type": "integer", "minimum": 1, "maximum": 200, "description": "50 if not given" });
    object(&[], json!({ "domain": domain, "search": search, "count": count }))
}

fn state_parameters() -> Value {
    object(&["entity"], json!({ "entity": { "type": "string", "description": "light.kitchen" } }))
}

fn call_parameters() -> Value {
    let entities = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 20, "description": "light.kitchen" });
    let data =
        json!({ "type": "object", "description": "What the service takes beside: {\"brightness_pct\": 40}, {\"temperature\": 20.5}" });
    object(
        &["service", "entities"],
        json!({ "service": { "type": "string", "description": "light.turn_on" }, "entities": entities, "data": data }),
    )
}

fn setup_parameters() -> Value {
    object(&["address"], json!({ "address": { "type": "string", "description": "http://homeassistant.local:8123" } }))
}

fn tool() -> Tool {
    Tool::new()
        .with(
            Operation::new("states", Effect::Read, house::states)
                .describe("What Home Assistant knows: entities with their state, filtered by kind and words.")
                .parameters(states_parameters)
                .argument("/domain", Role::Id)
                .argument("/search", Role::Content)
                .argument("/count", Role::Amount)
                .field("/entities/*/entity", Trust::Service)
                .field("/entities/*/state", Trust::Service)
                .field("/entities/*/changed", Trust::Service)
                .idempotent(),
        )
        .with(
            Operation::new("state", Effect::Read, house::state)
                .describe("One entity with all its attributes.")
                .parameters(state_parameters)
                .argument("/entity", Role::Id)
                .field("/entity", Trust::Service)
                .field("/state", Trust::Service)
                .field("/changed", Trust::Service)
                .idempotent(),
        )
        .with(
            Operation::new("call", Effect::Physical, house::call)
                .describe("Calls a service for some entities: switches a light, sets a temperature, opens a cover, starts a scene. Find the entities with `states`.")
                .parameters(call_parameters)
                .argument("/service", Role::Code)
                .argument("/entities/*", Role::Id)
                .argument("/data", Role::Content)
                .field("/changed/*/entity", Trust::Service)
                .field("/changed/*/state", Trust::Service),
        )
        .with(
            Operation::new("setup", Effect::Admin, house::setup)
                .describe("Tells where Home Assistant is. Its address must be among the tool's grants as well.")
                .parameters(setup_parameters)
                .argument("/address", Role::Url)
                .field("/address", Trust::Member)
                .idempotent(),
        )
}

hearth_tool::export!(tool);
