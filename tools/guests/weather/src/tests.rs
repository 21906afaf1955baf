use hearth_tool::{
    Failure,
    test::{House, faults, manifest},
};
use serde_json::{Value, json};

use super::tool;

fn house() -> House {
    House::new().recorded(concat!(env!("CARGO_MANIFEST_DIR"), "/recorded"))
}

fn value(house: &House, operation: &str, arguments: Value) -> Value {
    house.call(&tool(), operation, &arguments).unwrap().value().unwrap().clone()
}

#[test]
fn the_description_is_as_the_house_wants_it() {
    assert_eq!(faults(&tool()), Vec::<String>::new());
    manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.toml"), &tool()).unwrap();
}

#[test]
fn the_town_of_the_region_that_was_named_is_meant_and_looked_up_once() {
    let house = house();
    let now = value(&house, "now", json!({ "place": "Springfield, Illinois" }));
    assert_eq!(now["place"], "Springfield, Illinois, United States");
    assert_eq!((&now["temperature_c"], &now["weather"], &now["wind_from"]), (&json!(4.1), &json!("light rain"), &json!("north-west")));
    value(&house, "now", json!({ "place": "springfield, illinois " }));
    assert_eq!(house.requests().len(), 3, "one look-up, two forecasts");
}

#[test]
fn a_measure_that_is_missing_is_null_and_not_an_error() {
    let days = value(&house(), "forecast", json!({ "place": "Springfield, Illinois", "days": 2 }));
    assert_eq!(days["days"][0]["precipitation_chance_percent"], json!(92.0));
    assert_eq!(days["days"][1]["precipitation_chance_percent"], Value::Null);
    assert_eq!(days["days"][1]["weather"], "clear sky");
}

#[test]
fn towns_of_the_same_name_are_told_apart() {
    let places = value(&house(), "places", json!({ "place": "Springfield" }));
    assert_eq!(places["places"].as_array().unwrap().len(), 2);
}

#[test]
fn a_place_that_is_not_there_is_said_and_its_name_stays_in_its_part() {
    let missing = house().call(&tool(), "now", &json!({ "place": "Xyzzy&count=1" })).unwrap_err();
    assert!(matches!(missing, Failure::NotFound(_)), "{missing:?}");
}

#[test]
fn a_service_that_is_down_or_strange_is_said() {
    let search = "GET https://geocoding-api.open-meteo.com/v1/search?name=Lisbon&count=10&language=en&format=json\n---\n";
    for (answer, down) in [("502\n", true), ("200\n\n<html>", false), ("200\n\n{\"results\": 3}", false)] {
        let failed = House::new().answering(&format!("{search}{answer}")).call(&tool(), "now", &json!({ "place": "Lisbon" })).unwrap_err();
        assert_eq!(matches!(failed, Failure::Unavailable(_)), down, "{failed:?}");
    }
}
