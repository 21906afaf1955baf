use hearth_tool::test::{House, faults, manifest, placeholder};
use serde_json::json;

use super::*;

#[test]
fn the_description_is_as_the_house_wants_it() {
    assert_eq!(faults(&tool()), Vec::<String>::new());
    manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.toml"), &tool()).unwrap();
}

#[test]
fn the_secret_stands_where_it_is_to_be() {
    let recorded =
        "POST https://probe.example/in\nauthorization: Bearer hearth-secret-token\nidempotency-key: call-1\n\nhello\n---\n201\n\nthanks";
    let house = House::new().secret("token").answering(recorded);
    let answer = house.call(&tool(), "send", &json!({ "url": "https://probe.example/in", "text": "hello" })).unwrap();
    assert_eq!(answer.value().unwrap(), &json!({ "status": 201, "text": "thanks" }));
    assert_eq!(house.call(&tool(), "placeholder", &json!({ "slot": "token" })).unwrap().text(), placeholder("token"));
}

#[test]
fn every_door_opens() {
    let house =
        House::new().remembers(&["the bins are on Tuesday", "Ada likes tea"]).answering("GET https://probe.example/\n---\n200\n\nhi");
    let call = |operation: &str, arguments: Value| house.call(&tool(), operation, &arguments).unwrap();
    assert_eq!(call("fetch", json!({ "url": "https://probe.example/" })).value().unwrap()["text"], "hi");
    assert_eq!(call("wait", json!({ "url": "https://probe.example/" })).value().unwrap()["length_bytes"], 2);
    call("keep", json!({ "key": "a", "value": "1" }));
    assert_eq!(call("kept", json!({ "key": "a" })).text(), "1");
    assert_eq!(call("keys", json!({ "key": "" })).value().unwrap(), &json!(["a"]));
    assert_eq!(call("recall", json!({ "query": "tea" })).value().unwrap()[0]["text"], "Ada likes tea");
    assert_eq!(call("random", json!({ "bytes": 4 })).text().len(), 8);
    assert_eq!(call("now", json!({})).value().unwrap()["wall_ms"], 1_772_366_400_000_u64);
    call("tell", json!({ "line": "so far" }));
    assert_eq!(house.progress(), ["so far"]);
    assert_eq!(call("echo", json!({ "x": 1 })).value().unwrap()["arguments"]["x"], 1);
    assert_eq!(call("flood", json!({ "lines": 3 })).text(), "written");
    assert_eq!(house.log().len(), 4);
}
