//! Dates, spans and zones.

use hearth_tool::{Answer, Context, Failure, clock};
use jiff::{
    Span, Timestamp, Unit, Zoned,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub(crate) struct Shift {
    start: Option<String>,
    by: String,
}

#[derive(Deserialize)]
pub(crate) struct Between {
    from: Option<String>,
    to: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Time {
    at: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

fn zone(name: &str) -> Result<TimeZone, Failure> {
    TimeZone::get(name).map_err(|_unknown| Failure::bad_arguments("the zone is not known; use an IANA name such as Europe/Lisbon"))
}

fn now(zone: TimeZone) -> Result<Zoned, Failure> {
    let now_ms = i64::try_from(clock::now_ms()).map_err(|_far| Failure::failed("the house's clock is not set"))?;
    let now = Timestamp::from_millisecond(now_ms).map_err(|_far| Failure::failed("the house's clock is not set"))?;
    Ok(now.to_zoned(zone))
}

fn bad_date() -> Failure {
    Failure::bad_arguments("a date is written 2026-03-01, with a time 2026-03-01T18:30")
}

fn too_far() -> Failure {
    Failure::bad_arguments("that leads beyond the years that can be reckoned with")
}

fn weekday(date: Date) -> String {
    date.strftime("%A").to_string()
}

pub(crate) fn shift(shift: Shift, context: &Context) -> Result<Answer, Failure> {
    let by: Span = shift.by.trim().parse().map_err(|_strange| {
        Failure::bad_arguments("how long is written P1M2D (ISO 8601) or in English words: 3 weeks, -90 days, 1 year 2 months")
    })?;
    let start = match shift.start.as_deref().map(str::trim) {
        // A day has no hour: 30 days later is a day again.
        Some(text) if !text.contains(['T', ' ']) && by.get_hours() == 0 && by.get_minutes() == 0 && by.get_seconds() == 0 => {
            let date = text.parse::<Date>().map_err(|_strange| bad_date())?.checked_add(by).map_err(|_far| too_far())?;
            return Ok(json!({ "date": date.to_string(), "weekday": weekday(date) }).into());
        }
        Some(text) => text.parse::<DateTime>().map_err(|_strange| bad_date())?.to_zoned(zone(&context.zone)?).map_err(|_far| too_far())?,
        None => now(zone(&context.zone)?)?,
    };
    let end = start.checked_add(by).map_err(|_far| too_far())?;
    let time = end.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    Ok(json!({ "date": end.date().to_string(), "time": time, "zone": context.zone, "weekday": weekday(end.date()) }).into())
}

pub(crate) fn between(between: Between, context: &Context) -> Result<Answer, Failure> {
    let day = |text: &Option<String>| match text {
        Some(text) => text.trim().parse::<Date>().map_err(|_strange| bad_date()),
        None => Ok(now(zone(&context.zone)?)?.date()),
    };
    let (from, to) = (day(&between.from)?, day(&between.to)?);
    let days = from.until(to).map_err(|_far| too_far())?.get_days();
    let parts = from.until((Unit::Year, to)).map_err(|_far| too_far())?;
    Ok(json!({
        "from": from.to_string(),
        "to": to.to_string(),
        "days": days,
        "weeks": f64::from(days) / 7.0,
        "years_months_days": [parts.get_years(), parts.get_months(), parts.get_days()],
    })
    .into())
}

pub(crate) fn time(time: Time, context: &Context) -> Result<Answer, Failure> {
    let from = zone(time.from.as_deref().unwrap_or(&context.zone))?;
    let to_name = time.to.as_deref().unwrap_or(&context.zone);
    let moment = match time.at {
        Some(at) => at.trim().parse::<DateTime>().map_err(|_strange| bad_date())?.to_zoned(from).map_err(|_far| too_far())?,
        None => now(from)?,
    };
    let there = moment.with_time_zone(zone(to_name)?);
    Ok(json!({ "time": there.strftime("%Y-%m-%dT%H:%M%:z").to_string(), "weekday": weekday(there.date()), "zone": to_name }).into())
}
