//! Moments and days, in the member's zone and in iCalendar's words.

use hearth_tool::{Context, Failure, clock};
use jiff::{
    Timestamp, ToSpan, Zoned,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use crate::ical::Line;

/// When something begins or ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum When {
    Day(Date),
    Moment(Zoned),
}

pub(crate) fn zone(context: &Context) -> Result<TimeZone, Failure> {
    TimeZone::get(&context.zone).map_err(|_unknown| Failure::failed("the member's time zone is not known to this tool"))
}

pub(crate) fn now() -> Result<Timestamp, Failure> {
    let now_ms = i64::try_from(clock::now_ms()).ok().and_then(|now_ms| Timestamp::from_millisecond(now_ms).ok());
    now_ms.ok_or_else(|| Failure::failed("the house's clock is not set"))
}

fn bad() -> Failure {
    Failure::bad_arguments("a time is written 2026-03-01T18:30, a day 2026-03-01")
}

impl When {
    /// As the model writes it.
    pub(crate) fn parse(text: &str, zone: &TimeZone) -> Result<Self, Failure> {
        let text = text.trim();
        if let Ok(date) = text.parse::<Date>()
            && !text.contains(['T', ':'])
        {
            return Ok(Self::Day(date));
        }
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(Self::Moment(moment.to_zoned(zone.clone())));
        }
        let civil = text.parse::<DateTime>().map_err(|_strange| bad())?;
        civil.to_zoned(zone.clone()).map(Self::Moment).map_err(|_far| bad())
    }

    /// As iCalendar writes it: `VALUE=DATE`, UTC, with a zone, or floating, which is the member's zone.
    pub(crate) fn read(line: &Line, zone: &TimeZone) -> Option<Self> {
        let value = line.value.trim();
        if line.parameter("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("DATE")) || !value.contains('T') {
            return Date::strptime("%Y%m%d", value).ok().map(Self::Day);
        }
        let (text, utc) = match value.strip_suffix('Z') {
            Some(text) => (text, true),
            None => (value, false),
        };
        let civil = DateTime::strptime("%Y%m%dT%H%M%S", text).ok()?;
        // A zone that only the calendar itself describes is taken as the member's.
        let written = match line.parameter("TZID") {
            _ if utc => TimeZone::UTC,
            Some(name) => TimeZone::get(name).unwrap_or_else(|_unknown| zone.clone()),
            None => zone.clone(),
        };
        civil.to_zoned(written).ok().map(|moment| Self::Moment(moment.with_time_zone(zone.clone())))
    }

    /// For iCalendar; moments in UTC.
    pub(crate) fn line(&self, name: &str) -> Line {
        match self {
            Self::Day(day) => {
                Line { name: name.to_owned(), parameters: ";VALUE=DATE".to_owned(), value: day.strftime("%Y%m%d").to_string() }
            }
            Self::Moment(moment) => Line::new(name, utc(moment.timestamp())),
        }
    }

    /// For the model.
    pub(crate) fn show(&self) -> String {
        match self {
            Self::Day(day) => day.to_string(),
            Self::Moment(moment) => moment.strftime("%Y-%m-%dT%H:%M%:z").to_string(),
        }
    }

    /// The instant at which it begins, for the order of a list.
    pub(crate) fn instant(&self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Day(day) => day.to_zoned(zone.clone()).map_or(Timestamp::UNIX_EPOCH, |moment| moment.timestamp()),
            Self::Moment(moment) => moment.timestamp(),
        }
    }

    /// The day after; iCalendar's end of a whole day is the first day that is free again.
    pub(crate) fn next_day(day: Date) -> Result<Date, Failure> {
        day.checked_add(1.day()).map_err(|_far| bad())
    }

    pub(crate) fn previous_day(day: Date) -> Date {
        day.checked_sub(1.day()).unwrap_or(day)
    }
}

pub(crate) fn utc(moment: Timestamp) -> String {
    moment.strftime("%Y%m%dT%H%M%SZ").to_string()
}
