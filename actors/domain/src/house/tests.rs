//! Tests of the house commands: tables of what is said and what it means.

mod answers;
mod clocks;
mod ordinary;
mod times;
mod total;
mod utterances;

use jiff::Zoned;
use serde_json::Value;

use super::{HouseContext, Interpretation, interpret};

/// A Tuesday afternoon.
pub(super) const BERLIN: &str = "2026-04-21T14:04:00+02:00[Europe/Berlin]";

/// A time.
pub(super) fn at(now: &str) -> Zoned {
    now.parse().expect("a zoned time")
}

/// What a text means, in one line: `tool key=value …` with sorted keys, `help`, `-`, `hint`, `refused`.
pub(super) fn read(text: &str, now: &str) -> String {
    let now = at(now);
    match interpret(text, &HouseContext { now: &now, member: "Anna" }) {
        Interpretation::Call(call) => {
            let args = call.args.as_object().expect("an object");
            let mut args: Vec<String> = args.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect();
            args.sort();
            format!("{} {}", call.tool, args.join(" ")).trim().to_owned()
        }
        Interpretation::Help => "help".to_owned(),
        Interpretation::NotUnderstood { hint: None } => "-".to_owned(),
        Interpretation::NotUnderstood { hint: Some(_) } => "hint".to_owned(),
        Interpretation::Refused(_) => "refused".to_owned(),
    }
}

/// A value without quotes; arrays with bars.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join("|"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Checks a table and shows every row that is wrong.
pub(super) fn check(now: &str, table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(text, meant)| {
            let got = read(text, now);
            (got != *meant).then(|| format!("{text:?}\n   meant {meant}\n     got {got}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} are wrong at {now}:\n{}", wrong.len(), table.len(), wrong.join("\n"));
}
