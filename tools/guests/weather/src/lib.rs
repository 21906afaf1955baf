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

fn tool() -> Tool {
    let now = Operation::new("now", Effect::Read, forecast::now)
        .describe("The weather at a place now: temperature (°C), how it feels, humidity, rain, wind (km/h).")
        .parameters(now_parameters)
        .argument("/place", Role::Content)
        .field("", Trust::Service)
        .field("/place", Trust::Outside)
        .idempotent();
    let forecast = Operation::new("forecast", Effect::Read, forecast::days)
        .describe("The weather at a place in the coming days: for each day the lowest and highest temperature (°C), rain (mm and chance), sunrise, sunset.")
        .parameters(forecast_parameters)
        .argument("/place", Role::Content)
        .argument("/days", Role::Amount)
        .field("", Trust::Service)
        .field("/place", Trust::Outside)
        .idempotent();
    let places = Operation::new("places", Effect::Read, places::find)
        .describe("The places that have a name, with region, country and position, to tell apart towns of the same name.")
        .parameters(now_parameters)
        .argument("/place", Role::Content)
        .idempotent();
    Tool::new().with(now).with(forecast).with(places)
}

hearth_tool::export!(tool);
