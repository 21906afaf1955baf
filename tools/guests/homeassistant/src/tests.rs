use hearth_tool::{
    Failure,
    test::{House, faults, manifest},
};
use serde_json::{Value, json};

use super::tool;

fn house() -> House {
    House::new().recorded(concat!(env!("CARGO_MANIFEST_DIR"), "/recorded")).secret("token")
}

fn value(operation: &str, arguments: Value) -> Value {
    house().call(&tool(), operation, &arguments).unwrap().value().unwrap().clone()
}

#[test]
fn the_description_is_as_the_house_wants_it() {
    assert_eq!(faults(&tool()), Vec::<String>::new());
    manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.toml"), &tool()).unwrap();
}

#[test]
fn states_are_found_by_kind_and_words() {
    let of = |arguments: Value| {
        let found = value("states", arguments);
        found["entities"].as_array().unwrap().iter().map(|entity| entity["entity"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of(json!({ "domain": "light" })), ["light.kitchen"]);
    assert_eq!(of(json!({ "search": "kitchen TEMPERATURE" })), ["sensor.kitchen_temperature"]);
    assert_eq!(of(json!({ "search": "front door" })), ["lock.front_door"]);
    assert_eq!(value("states", json!({ "count": 1 }))["found"], 3);
    assert_eq!(value("state", json!({ "entity": "light.kitchen" }))["attributes"]["brightness"], 128);
}

#[test]
fn a_service_reaches_the_entities_that_are_named_and_no_others() {
    let call = json!({ "service": "light.turn_on", "entities": ["light.kitchen"], "data": { "brightness_pct": 40 } });
    assert_eq!(value("call", call)["changed"][0]["state"], "on");
    for bad in [
        json!({ "service": "light.turn_on", "entities": ["light.kitchen"], "data": { "entity_id": "lock.front_door" } }),
        json!({ "service": "light.turn_on", "entities": ["light.kitchen"], "data": { "area_id": "house" } }),
        json!({ "service": "light/../../config", "entities": ["light.kitchen"] }),
        json!({ "service": "light.turn_on", "entities": ["all"] }),
        json!({ "service": "light.turn_on", "entities": ["light.x/../y"] }),
    ] {
        let house = house();
        assert!(matches!(house.call(&tool(), "call", &bad), Err(Failure::BadArguments(_))), "{bad}");
        assert!(house.requests().is_empty());
    }
}

#[test]
fn what_is_missing_is_said() {
    assert!(matches!(house().call(&tool(), "state", &json!({ "entity": "light.attic" })), Err(Failure::NotFound(_))));
    let without = House::new().secret_not_granted("token");
    assert!(matches!(without.call(&tool(), "states", &json!({})), Err(Failure::Denied(_))));
    let old = House::new().secret("token").answering("GET https://ha.example/api/states\n---\n401\n");
    old.call(&tool(), "setup", &json!({ "address": "https://ha.example/" })).unwrap();
    assert!(old.call(&tool(), "states", &json!({})).unwrap_err().to_string().contains("token"));
}
