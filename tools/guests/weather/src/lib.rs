//! The weather, from Open-Meteo: the place is looked up by its name, and kept so that the next question needs one request less.

mod forecast;
mod places;
#[cfg(test)]
mod tests;
mod words;

use hearth_tool::{Effect, Operation, Role, Tool, Trust};
use serde_json::{Value, json};

const PLACE: &str = "A town, or a town with its region or country: Springfield, Illinois";

fn now_parameters() -> Value {
    let place = json!({ "type": "string", "minLength": 1, "maxLength": 120, "description": PLACE });
    json!({ "type": "object", "required": ["place"], "properties": { "place": place }, "additionalProperties": false })
}

fn forecast_parameters() -> Value {
    let place = json!({ "type": "string", "minLength": 1, "maxLength": 120, "description": PLACE });
    let days = json!({ "type": "integer", "minimum": 1, "maximum": 14, "description": "3 if not given" });
    json!({ "type": "object", "required": ["place"], "properties": { "place": place, "days": days }, "additionalProperties": false })
}

/// What the service measured, reckoned or took from our own list of words. The name of a place is somebody else's.
const NOW: [&str; 9] =
    ["/time", "/zone", "/weather", "/temperature_c", "/feels_like_c", "/humidity_percent", "/precipitation_mm", "/wind_kmh", "/wind_from"];
const DAYS: [&str; 10] = [
    "/zone",
    "/days/*/date",
    "/days/*/weather",
    "/days/*/lowest_c",
    "/days/*/highest_c",
    "/days/*/precipitation_mm",
    "/days/*/precipitation_chance_percent",
    "/days/*/wind_most_kmh",
    "/days/*/sunrise",
    "/days/*/sunset",
];

fn tool() -> Tool {
    let now = Operation::new("now", Effect::Read, forecast::now)
        .describe("The weather at a place now: temperature (°C), how it feels, humidity, rain, wind (km/h).")
        .parameters(now_parameters)
        .argument("/place", Role::Content)
        .idempotent();
    let forecast = Operation::new("forecast", Effect::Read, forecast::days)
        .describe("The weather at a place in the coming days: for each day the lowest and highest temperature (°C), rain (mm and chance), sunrise, sunset.")
        .parameters(forecast_parameters)
        .argument("/place", Role::Content)
        .argument("/days", Role::Amount)
        .idempotent();
    let places = Operation::new("places", Effect::Read, places::find)
        .describe("The places that have a name, with region, country and position, to tell apart towns of the same name.")
        .parameters(now_parameters)
        .argument("/place", Role::Content)
        .idempotent();
    Tool::new().with(now.fields(&NOW, Trust::Service)).with(forecast.fields(&DAYS, Trust::Service)).with(places)
}

hearth_tool::export!(tool);
