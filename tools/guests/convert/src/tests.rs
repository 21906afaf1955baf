use hearth_tool::{
    Failure,
    test::{House, faults, manifest},
};
use serde_json::{Value, json};

use super::tool;

fn house() -> House {
    House::new().recorded(concat!(env!("CARGO_MANIFEST_DIR"), "/recorded")).zone("Europe/Lisbon")
}

fn call(operation: &str, arguments: Value) -> Value {
    house().call(&tool(), operation, &arguments).unwrap().value().unwrap().clone()
}

#[test]
fn the_description_is_as_the_house_wants_it() {
    assert_eq!(faults(&tool()), Vec::<String>::new());
    manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.toml"), &tool()).unwrap();
}

#[test]
fn units_are_what_their_definitions_say() {
    for (value, from, to, wanted) in [
        (26.2, "miles", "km", 42.164_812_8),
        (100.0, "°C", "fahrenheit", 212.0),
        (-40.0, "F", "C", -40.0),
        (1.0, "cup", "ml", 236.588_236_5),
        (5.0, "feet", "cm", 152.4),
        (1.0, "GiB", "MB", 1_073.741_824),
        (2_000.0, "kcal", "kJ", 8_368.0),
        (1.0, "mb", "kB", 1_000.0),
        (2.5, "hours", "min", 150.0),
    ] {
        assert_eq!(call("units", json!({ "value": value, "from": from, "to": to }))["value"], json!(wanted), "{value} {from}");
    }
    let refused = house().call(&tool(), "units", &json!({ "value": 1, "from": "kg", "to": "m" })).unwrap_err();
    assert!(matches!(refused, Failure::BadArguments(_)));
}

#[test]
fn money_crosses_by_way_of_the_euro_and_the_bank_is_asked_once() {
    let house = house();
    let ask = || house.call(&tool(), "currency", &json!({ "amount": 60, "from": "usd", "to": "GBP" })).unwrap().value().unwrap().clone();
    assert_eq!(ask()["amount"], json!(40.0));
    assert_eq!(ask()["of"], "2026-02-27");
    assert_eq!(house.requests().len(), 1);
    let later = house.clone().at_ms(1_772_366_400_000 + 7 * 3_600_000);
    assert!(later.call(&tool(), "currency", &json!({ "amount": 1, "from": "EUR", "to": "ZZZ" })).is_err());
    assert_eq!(house.requests().len(), 2);
}

#[test]
fn a_bank_that_does_not_answer_leaves_the_rates_of_before() {
    let house = House::new().answering("GET https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml\n---\n503\n");
    let ask = || house.call(&tool(), "currency", &json!({ "amount": 1, "from": "EUR", "to": "USD" }));
    assert!(matches!(ask(), Err(Failure::Unavailable(_))));
    house.visit(|| hearth_tool::kv::set("rates", br#"{"asked_ms":0,"date":"2026-01-02","rates":{"EUR":1.0,"USD":1.1}}"#)).unwrap();
    assert_eq!(ask().unwrap().value().unwrap()["amount"], json!(1.1));
}

#[test]
fn dates_are_reckoned_by_the_calendar() {
    assert_eq!(call("shift", json!({ "start": "2026-01-31", "by": "1 month" })), json!({ "date": "2026-02-28", "weekday": "Saturday" }));
    assert_eq!(call("shift", json!({ "start": "2026-03-01", "by": "-90 days" }))["date"], "2025-12-01");
    // The clocks go forward on 29 March: a day later it is the same hour, in summer time.
    assert_eq!(call("shift", json!({ "start": "2026-03-28T18:30", "by": "P1D" }))["time"], "2026-03-29T18:30:00+01:00");
    assert_eq!(call("between", json!({ "from": "2024-02-29", "to": "2026-03-01" }))["years_months_days"], json!([2, 0, 1]));
    assert_eq!(call("between", json!({ "to": "2026-03-15" }))["days"], 14);
    assert_eq!(call("time", json!({ "to": "Asia/Tokyo" }))["time"], "2026-03-01T21:00+09:00");
    assert_eq!(call("time", json!({ "at": "2026-07-01T09:00", "from": "America/New_York" }))["time"], "2026-07-01T14:00+01:00");
    for by in ["soon", "", "9999999 years"] {
        assert!(matches!(house().call(&tool(), "shift", &json!({ "by": by })), Err(Failure::BadArguments(_))), "{by}");
    }
}
