use hearth_tool::{
    Failure,
    test::{House, faults, manifest},
};
use serde_json::{Value, json};

use super::tool;

fn house() -> House {
    let house = House::new().recorded(concat!(env!("CARGO_MANIFEST_DIR"), "/recorded")).secret("login").zone("Europe/Lisbon");
    house.call(&tool(), "setup", &json!({ "address": "https://dav.example/cal/home" })).unwrap();
    house
}

fn value(house: &House, operation: &str, arguments: Value) -> Value {
    let answer = house.call(&tool(), operation, &arguments);
    answer.unwrap_or_else(|why| panic!("{why}: {:?}", house.refused())).value().unwrap().clone()
}

#[test]
fn the_description_is_as_the_house_wants_it() {
    assert_eq!(faults(&tool()), Vec::<String>::new());
    manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.toml"), &tool()).unwrap();
}

#[test]
fn events_are_listed_in_order_and_in_the_members_zone() {
    let house = house();
    let list = value(&house, "list", json!({}));
    let holiday = json!({ "id": "a%40x.ics", "title": "Holiday", "start": "2026-03-02", "end": "2026-03-03", "location": "Sea", "notes": null, "repeats": true });
    let call = json!({ "id": "b.ics", "title": "Call & tea, then more", "start": "2026-03-03T14:00+00:00", "end": "2026-03-03T15:30+00:00", "location": null, "notes": null, "repeats": false });
    assert_eq!(list["events"], json!([holiday, call]));
    let body = String::from_utf8(house.requests()[0].body.clone().unwrap()).unwrap();
    assert!(body.contains("<C:time-range start=\"20260301T000000Z\" end=\"20260308T000000Z\"/>"), "{body}");
    assert_eq!(value(&house, "list", json!({ "search": "TEA" }))["events"].as_array().unwrap().len(), 1);
    for bad in [json!({ "from": "2026-03-05", "to": "2026-03-01" }), json!({ "to": "2028-03-01" }), json!({ "from": "soon" })] {
        assert!(matches!(house.call(&tool(), "list", &bad), Err(Failure::BadArguments(_))), "{bad}");
    }
}

#[test]
fn an_event_is_entered_once_however_often_it_is_asked_for() {
    let house = house();
    // Nothing is recorded yet: the name that the tool gives the event is its own.
    let refused = house.call(&tool(), "create", &json!({ "title": "Dinner", "start": "2026-07-01T19:00" })).unwrap_err();
    assert!(matches!(refused, Failure::Denied(_)), "{refused}");
    let request = house.requests().last().unwrap().clone();
    let name = request.url.rsplit('/').next().unwrap().to_owned();
    assert!(name.starts_with("hearth-"), "{name}");
    let house = house
        .answering(&format!("PUT {}\nif-none-match: *\n---\n201\n", request.url))
        .answering(&format!("PUT {}\n---\n412\n", request.url));
    let create = json!({ "title": "Dinner\nEND:VEVENT", "start": "2026-07-01T19:00", "location": "Rua 1, Lisboa" });
    for _turn in 0..2 {
        let created = value(&house, "create", create.clone());
        assert_eq!(created, json!({ "id": name, "start": "2026-07-01T19:00+01:00", "end": "2026-07-01T20:00+01:00" }));
    }
    let body = String::from_utf8(house.requests().last().unwrap().body.clone().unwrap()).unwrap();
    assert!(
        body.contains("DTSTART:20260701T180000Z\r\nDTEND:20260701T190000Z\r\nSUMMARY:Dinner\\nEND:VEVENT\r\nLOCATION:Rua 1\\, Lisboa\r\n"),
        "{body}"
    );
    let days = value(&house, "create", json!({ "title": "Trip", "start": "2026-07-01", "end": "2026-07-03" }));
    assert_eq!(days["end"], "2026-07-03");
    let mixed = house.call(&tool(), "create", &json!({ "title": "Trip", "start": "2026-07-01", "end": "2026-07-03T10:00" }));
    assert!(matches!(mixed, Err(Failure::BadArguments(_))));
}

#[test]
fn a_change_keeps_what_was_not_named_and_how_long_it_lasts() {
    let changed = value(&house(), "change", json!({ "id": "b.ics", "title": "Call, again", "start": "2026-03-04T10:00" }));
    assert_eq!(changed["end"], "2026-03-04T11:30+00:00");
}

#[test]
fn what_would_reach_others_or_was_changed_meanwhile_is_left() {
    let guests = house().call(&tool(), "change", &json!({ "id": "guests.ics", "title": "x" })).unwrap_err();
    assert!(guests.to_string().contains("guests"));
    let house = House::new()
        .secret("login")
        .answering("GET https://dav.example/b.ics\n---\n200\netag: \"1\"\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260303T090000Z\nEND:VEVENT\nEND:VCALENDAR")
        .answering("PUT https://dav.example/b.ics\nif-match: \"1\"\n---\n412\n");
    assert!(house.call(&tool(), "list", &json!({})).unwrap_err().to_string().contains("setup"));
    house.call(&tool(), "setup", &json!({ "address": "https://dav.example" })).unwrap();
    assert!(matches!(house.call(&tool(), "change", &json!({ "id": "b.ics", "title": "x" })), Err(Failure::Unavailable(_))));
    assert!(matches!(house.call(&tool(), "change", &json!({ "id": "b.ics" })), Err(Failure::BadArguments(_))));
    assert!(matches!(house.call(&tool(), "change", &json!({ "id": "../b.ics", "title": "x" })), Err(Failure::BadArguments(_))));
}
