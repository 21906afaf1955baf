//! Repetitions.

use super::super::words::Said;
use super::Piece;
use super::day::{self, Day};
use super::part::Part;

/// How often a reminder comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Every {
    /// Each hour.
    Hour,
    /// Each day.
    Day,
    /// Monday to Friday.
    Weekday,
    /// Each week, on the same weekday.
    Week,
    /// Each month, on the same day.
    Month,
    /// Each year, on the same date.
    Year,
}

impl Every {
    /// The word in the tool call.
    pub(in super::super) const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Weekday => "weekday",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// `every day`, `each morning`, `every monday`, `on mondays`, `daily`.
pub(super) fn every(said: Said<'_>) -> Option<(Piece, usize)> {
    let adverb = match said.key(0) {
        "daily" | "everyday" => Some(Every::Day),
        "hourly" => Some(Every::Hour),
        "weekly" => Some(Every::Week),
        "monthly" => Some(Every::Month),
        "yearly" | "annually" => Some(Every::Year),
        _ => None,
    };
    if let Some(every) = adverb {
        return Some((Piece::Every(every, None, None), 1));
    }
    let on = said.eat("on").unwrap_or(0);
    if let Some(weekday) = said.key(on).strip_suffix('s').and_then(day::weekday) {
        return Some((Piece::Every(Every::Week, Some(Day::next(weekday)), None), on + 1));
    }
    let count = said.eat("every|each single?")?;
    let key = said.key(count);
    if let Some(working) = said.skip(count).eat("working|week day") {
        return Some((Piece::Every(Every::Weekday, None, None), count + working));
    }
    let (every, day, part) = match key {
        "hour" => (Every::Hour, None, None),
        "day" => (Every::Day, None, None),
        "weekday" | "workday" => (Every::Weekday, None, None),
        "week" => (Every::Week, None, None),
        "month" => (Every::Month, None, None),
        "year" => (Every::Year, None, None),
        _ if Part::named(key).is_some() => (Every::Day, None, Part::named(key)),
        _ => (Every::Week, Some(Day::next(day::weekday(key)?)), None),
    };
    Some((Piece::Every(every, day, part), count + 1))
}
