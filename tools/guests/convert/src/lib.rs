//! Units, currencies and dates. Only `currency` asks anybody: the European Central Bank, at most every six hours.

mod currency;
mod dates;
#[cfg(test)]
mod tests;
mod units;

use hearth_tool::{Effect, Operation, Role, Tool, Trust};
use serde_json::{Value, json};

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn units_parameters() -> Value {
    let unit = json!({ "type": "string", "description": "Symbol or English name: km, mile, kg, oz, °C, l, cup, kWh, mph, GiB …" });
    object(&["value", "from", "to"], json!({ "value": { "type": "number" }, "from": unit, "to": unit }))
}

fn currency_parameters() -> Value {
    let code = json!({ "type": "string", "description": "ISO 4217: EUR, USD, JPY …" });
    object(&["amount", "from", "to"], json!({ "amount": { "type": "number" }, "from": code, "to": code }))
}

fn shift_parameters() -> Value {
    object(
        &["by"],
        json!({
            "start": { "type": "string", "description": "2026-03-01, or with a time 2026-03-01T18:30; without it, now" },
            "by": { "type": "string", "description": "ISO 8601 or words: P1M2D, 3 weeks, -90 days, 1 year 2 months" },
        }),
    )
}

fn between_parameters() -> Value {
    let day = json!({ "type": "string", "description": "2026-03-01; without it, today" });
    object(&[], json!({ "from": day, "to": day }))
}

fn time_parameters() -> Value {
    let zone = json!({ "type": "string", "description": "IANA name: Europe/Lisbon; without it, the member's" });
    object(
        &[],
        json!({ "at": { "type": "string", "description": "2026-03-01T18:30 in `from`; without it, now" }, "from": zone, "to": zone }),
    )
}

fn tool() -> Tool {
    Tool::new()
        .with(
            Operation::new("units", Effect::Read, units::convert)
                .describe("Converts a value between units of length, area, volume, mass, temperature, speed, time, energy, power, pressure or data.")
                .parameters(units_parameters)
                .argument("/value", Role::Amount)
                .fields(&["/value", "/unit", "/from/value", "/from/unit"], Trust::Service)
                .idempotent(),
        )
        .with(
            Operation::new("currency", Effect::Read, currency::convert)
                .describe("Converts an amount of money at the European Central Bank's reference rate of the day (about 30 currencies).")
                .parameters(currency_parameters)
                .argument("/amount", Role::Amount)
                .fields(&["/amount", "/currency", "/rate", "/of", "/source"], Trust::Service)
                .idempotent(),
        )
        .with(
            Operation::new("shift", Effect::Read, dates::shift)
                .describe("The date or time so long after (or, with a minus, before) another, with its weekday.")
                .parameters(shift_parameters)
                .argument("/start", Role::Schedule)
                .fields(&["/date", "/time", "/zone", "/weekday"], Trust::Service)
                .idempotent(),
        )
        .with(
            Operation::new("between", Effect::Read, dates::between)
                .describe("How long it is from one date to another: in days, in weeks, and in years, months and days.")
                .parameters(between_parameters)
                .argument("/from", Role::Schedule)
                .argument("/to", Role::Schedule)
                .fields(&["/from", "/to", "/days", "/weeks", "/years_months_days"], Trust::Service)
                .idempotent(),
        )
        .with(
            Operation::new("time", Effect::Read, dates::time)
                .describe("What time it is in a zone, now or when it is a given time in another zone.")
                .parameters(time_parameters)
                .argument("/at", Role::Schedule)
                .fields(&["/time", "/weekday", "/zone"], Trust::Service)
                .idempotent(),
        )
}

hearth_tool::export!(tool);
