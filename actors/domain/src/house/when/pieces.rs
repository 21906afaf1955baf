//! Repetitions and parts of the day.

use super::super::words::Said;
use super::day::{self, Day};
use super::{Piece, clock};

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

/// A part of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Part {
    /// Until noon; by itself 09:00.
    Morning,
    /// By itself 15:00.
    Afternoon,
    /// By itself 19:00.
    Evening,
    /// By itself 20:00.
    Night,
}

impl Part {
    /// The minute of the day that is meant when only the part is said.
    pub(super) const fn minute(self) -> u16 {
        match self {
            Self::Morning => 9 * 60,
            Self::Afternoon => 15 * 60,
            Self::Evening => 19 * 60,
            Self::Night => 20 * 60,
        }
    }

    /// The part a word names.
    pub(super) fn named(key: &str) -> Option<Self> {
        match key {
            "morning" => Some(Self::Morning),
            "afternoon" => Some(Self::Afternoon),
            "evening" => Some(Self::Evening),
            "night" => Some(Self::Night),
            _ => None,
        }
    }
}

/// `in the morning`, `at night`; the bare word only where a day was said before it.
pub(super) fn part(said: Said<'_>, dated: bool) -> Option<(Part, usize)> {
    let skipped = said.eat("in the").or_else(|| said.eat("at").filter(|_| said.key(1) == "night"));
    let count = skipped.or(if dated { Some(0) } else { None })?;
    Part::named(said.key(count)).map(|part| (part, count + 1))
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

/// Whether a clock time stands here; for words that are a day only next to one.
pub(super) fn is_clock(said: Said<'_>) -> bool {
    clock::read(said).is_some()
}
