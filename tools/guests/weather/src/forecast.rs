//! Now and the coming days.

use hearth_tool::{Answer, Context, Failure, http};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    places::{Named, Place, locate},
    words,
};

const FORECAST: &str = "https://api.open-meteo.com/v1/forecast";
/// The longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 128 * 1_024;
const NOW: &str = "temperature_2m,apparent_temperature,relative_humidity_2m,precipitation,weather_code,wind_speed_10m,wind_direction_10m";
const DAILY: &str =
    "weather_code,temperature_2m_max,temperature_2m_min,precipitation_sum,precipitation_probability_max,wind_speed_10m_max,sunrise,sunset";
const DAYS: u8 = 3;
const DAYS_MOST: u8 = 14;

#[derive(Deserialize)]
pub(crate) struct Coming {
    place: String,
    days: Option<u8>,
}

#[derive(Deserialize)]
struct Now {
    timezone: String,
    current: Current,
}

#[derive(Deserialize)]
struct Current {
    time: String,
    temperature_2m: Option<f64>,
    apparent_temperature: Option<f64>,
    relative_humidity_2m: Option<f64>,
    precipitation: Option<f64>,
    weather_code: Option<u16>,
    wind_speed_10m: Option<f64>,
    wind_direction_10m: Option<f64>,
}

#[derive(Deserialize)]
struct Forecast {
    timezone: String,
    daily: Daily,
}

/// One list for each measure, as long as there are days; a measure that a model does not have is null.
#[derive(Deserialize)]
struct Daily {
    time: Vec<String>,
    weather_code: Vec<Option<u16>>,
    temperature_2m_max: Vec<Option<f64>>,
    temperature_2m_min: Vec<Option<f64>>,
    precipitation_sum: Vec<Option<f64>>,
    precipitation_probability_max: Vec<Option<f64>>,
    wind_speed_10m_max: Vec<Option<f64>>,
    sunrise: Vec<String>,
    sunset: Vec<String>,
}

fn at(place: &Place) -> http::Url {
    let degrees = |value: f64| format!("{value:.4}");
    http::Url::new(FORECAST)
        .query("latitude", &degrees(place.latitude))
        .query("longitude", &degrees(place.longitude))
        .query("timezone", "auto")
}

pub(crate) fn now(named: Named, context: &Context) -> Result<Answer, Failure> {
    let place = locate(&named.place, context)?;
    let now: Now = http::get(at(&place).query("current", NOW))?.success()?.json_limited(ANSWER_BYTES)?;
    let Current { time, temperature_2m, apparent_temperature, relative_humidity_2m, precipitation, .. } = now.current;
    Ok(json!({
        "place": place.label(),
        "time": time,
        "zone": now.timezone,
        "weather": now.current.weather_code.map(words::weather),
        "temperature_c": temperature_2m,
        "feels_like_c": apparent_temperature,
        "humidity_percent": relative_humidity_2m,
        "precipitation_mm": precipitation,
        "wind_kmh": now.current.wind_speed_10m,
        "wind_from": now.current.wind_direction_10m.map(words::direction),
    })
    .into())
}

pub(crate) fn days(coming: Coming, context: &Context) -> Result<Answer, Failure> {
    let place = locate(&coming.place, context)?;
    let days = coming.days.unwrap_or(DAYS).clamp(1, DAYS_MOST);
    let url = at(&place).query("daily", DAILY).query("forecast_days", &days.to_string());
    let Forecast { timezone, daily } = http::get(url)?.success()?.json_limited(ANSWER_BYTES)?;
    let of = |list: &[Option<f64>], day: usize| list.get(day).copied().flatten();
    let days = daily.time.iter().enumerate().map(|(day, date)| {
        json!({
            "date": date,
            "weather": daily.weather_code.get(day).copied().flatten().map(words::weather),
            "lowest_c": of(&daily.temperature_2m_min, day),
            "highest_c": of(&daily.temperature_2m_max, day),
            "precipitation_mm": of(&daily.precipitation_sum, day),
            "precipitation_chance_percent": of(&daily.precipitation_probability_max, day),
            "wind_most_kmh": of(&daily.wind_speed_10m_max, day),
            "sunrise": daily.sunrise.get(day),
            "sunset": daily.sunset.get(day),
        })
    });
    let days: Vec<Value> = days.collect();
    Ok(json!({ "place": place.label(), "zone": timezone, "days": days }).into())
}
