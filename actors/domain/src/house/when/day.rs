//! Days: `tomorrow`, `next tuesday`, `3 May 2027`, `the 5th`.

use jiff::civil::Weekday;

use super::super::words::Said;
use super::part::{self, Part};
use super::span::number;

/// Weekdays from Monday.
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Short weekdays. Some are words, so they count only next to another piece of a time.
const SHORT: [(&str, usize); 10] =
    [("mon", 0), ("tue", 1), ("tues", 1), ("wed", 2), ("thu", 3), ("thur", 3), ("thurs", 3), ("fri", 4), ("sat", 5), ("sun", 6)];
/// Months from January.
const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
/// Ordinals as words; the place is the value.
const ORDINALS: [&str; 21] = [
    "zeroth",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
];

/// A day as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Day {
    /// `today`.
    Today,
    /// This many days from today, at least one.
    InDays(i32),
    /// The next such weekday; today counts if `today_counts` and a later time was said.
    Weekday {
        /// Which.
        weekday: Weekday,
        /// Whether it may be today.
        today_counts: bool,
    },
    /// That weekday of next week.
    NextWeek(Weekday),
    /// This date of next month.
    NextMonth,
    /// `the 5th`.
    OfMonth(i8),
    /// `3 May`.
    OfYear(i8, i8),
    /// `3 May 2027`: year, month, day.
    Date(i16, i8, i8),
    /// `yesterday`, `last friday`.
    Past,
}

impl Day {
    /// The next such weekday.
    pub(super) const fn next(weekday: Weekday) -> Self {
        Self::Weekday { weekday, today_counts: true }
    }
}

/// A weekday by its full name.
pub(super) fn weekday(key: &str) -> Option<Weekday> {
    from_monday(WEEKDAYS.iter().position(|name| *name == key)?)
}

/// The weekday at a place counted from Monday.
fn from_monday(place: usize) -> Option<Weekday> {
    Weekday::from_monday_zero_offset(i8::try_from(place).ok()?).ok()
}

/// The day that the words start with, the part of the day in it (`tonight`), and how many words it takes.
pub(super) fn read(said: Said<'_>) -> Option<(Day, Option<Part>, usize)> {
    relative(said).or_else(|| {
        let on = said.eat("on").unwrap_or(0);
        let rest = said.skip(on);
        let (day, count) = named(rest, on > 0).or_else(|| numeric(rest)).or_else(|| date(rest))?;
        Some((day, None, on + count))
    })
}

/// `today`, `tonight`, `the day after tomorrow`, `next week`.
fn relative(said: Said<'_>) -> Option<(Day, Option<Part>, usize)> {
    let fixed = [
        ("today", Day::Today, None),
        ("tonight", Day::Today, Some(Part::Night)),
        ("this morning", Day::Today, Some(Part::Morning)),
        ("this afternoon", Day::Today, Some(Part::Afternoon)),
        ("this evening", Day::Today, Some(Part::Evening)),
        ("tomorrow|tmrw|tmr", Day::InDays(1), None),
        ("the? day after tomorrow", Day::InDays(2), None),
        ("yesterday", Day::Past, None),
        ("last night|week|month|year", Day::Past, None),
        ("next month", Day::NextMonth, None),
        ("on|at|this the? weekend", Day::next(Weekday::Saturday), None),
    ];
    for (pattern, day, part) in fixed {
        if let Some(count) = said.eat(pattern) {
            return Some((day, part, count));
        }
    }
    if said.eat("last").is_some() && weekday(said.key(1)).is_some() {
        return Some((Day::Past, None, 2));
    }
    let count = said.eat("next week")?;
    let on = count + said.skip(count).eat("on").unwrap_or(0);
    Some(weekday(said.key(on)).map_or((Day::InDays(7), None, count), |weekday| (Day::NextWeek(weekday), None, on + 1)))
}

/// `friday`, `next tuesday`, `this coming sat`, `monday next week`.
fn named(said: Said<'_>, on: bool) -> Option<(Day, usize)> {
    let next = said.eat("next");
    let marked = next.or_else(|| said.eat("this|the? coming")).or_else(|| said.eat("this|coming"));
    let count = marked.unwrap_or(0);
    let key = said.key(count);
    let short = SHORT.iter().find(|(short, _)| *short == key).and_then(|(_, place)| from_monday(*place));
    let short = short.filter(|_| on || marked.is_some() || part::is_clock(said.skip(count + 1)));
    let weekday = weekday(key).or(short)?;
    match said.skip(count + 1).eat("next week") {
        Some(more) => Some((Day::NextWeek(weekday), count + 1 + more)),
        None => Some((Day::Weekday { weekday, today_counts: next.is_none() }, count + 1)),
    }
}

/// `2027-05-03`, `3.5.2027`, `23/5/2027`; `3/5/2027` is two different days on two sides of the sea, so it is none.
fn numeric(said: Said<'_>) -> Option<(Day, usize)> {
    let key = said.key(0);
    let sign = ['-', '.', '/'].into_iter().find(|sign| key.matches(*sign).count() == 2)?;
    let mut parts = key.split(sign);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |text: &str, most: usize| (1..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
    let small = |text: &str| if digits(text, 2) { text.parse::<i8>().ok() } else { None };
    let year = |text: &str| if text.len() == 4 && digits(text, 4) { text.parse::<i16>().ok() } else { None };
    let day = match sign {
        '-' => Day::Date(year(first)?, small(second)?, small(third)?),
        '.' => Day::Date(year(third)?, small(second)?, small(first)?),
        _ => {
            let (a, b) = (small(first)?, small(second)?);
            let (day, month) = if a > 12 || a == b { (a, b) } else { (b, a) };
            if day <= 12 && a != b {
                return None;
            }
            Day::Date(year(third)?, month, day)
        }
    };
    Some((day, 1))
}

/// `3 May`, `the 3rd of May 2027`, `May 3rd`, `the 5th`.
fn date(said: Said<'_>) -> Option<(Day, usize)> {
    let the = said.eat("the").unwrap_or(0);
    if let Some((day, plain)) = ordinal(said.key(the)) {
        let of = the + 1 + said.skip(the + 1).eat("of").unwrap_or(0);
        return match month(said.key(of)) {
            Some(month) => Some(with_year(said, month, day, of + 1)),
            None if the > 0 && !plain => Some((Day::OfMonth(day), the + 1)),
            None => None,
        };
    }
    let month = month(said.key(0))?;
    let the = 1 + said.skip(1).eat("the").unwrap_or(0);
    let (day, _) = ordinal(said.key(the))?;
    Some(with_year(said, month, day, the + 1))
}

/// A date, with the year if it is said next.
fn with_year(said: Said<'_>, month: i8, day: i8, count: usize) -> (Day, usize) {
    let key = said.key(count);
    let year = if key.len() == 4 { number(key).filter(|year| *year >= 1900) } else { None };
    match year.and_then(|year| i16::try_from(year).ok()) {
        Some(year) => (Day::Date(year, month, day), count + 1),
        None => (Day::OfYear(month, day), count),
    }
}

/// A month's number.
fn month(key: &str) -> Option<i8> {
    let place = MONTHS
        .iter()
        .position(|name| *name == key || (key.len() == 3 && name.starts_with(key)) || (key == "sept" && *name == "september"))?;
    i8::try_from(place + 1).ok()
}

/// A day of the month, and whether it is a plain number.
fn ordinal(key: &str) -> Option<(i8, bool)> {
    let end = ["st", "nd", "rd", "th"].iter().find_map(|end| key.strip_suffix(end)).filter(|rest| rest.chars().all(|c| c.is_ascii_digit()));
    let digits = end.unwrap_or(key);
    let value = if !digits.is_empty() && digits.len() <= 2 && digits.chars().all(|c| c.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        let spoken = |word: &str| ORDINALS.iter().position(|name| *name == word);
        let value = match key.split_once('-') {
            Some(("twenty", ones)) => spoken(ones).filter(|ones| *ones < 10).map(|ones| 20 + ones),
            Some(("thirty", "first")) => Some(31),
            Some(_) => None,
            None if key == "thirtieth" => Some(30),
            None => spoken(key),
        };
        value.and_then(|value| i8::try_from(value).ok())
    };
    value.filter(|day| (1..=31).contains(day)).map(|day| (day, end.is_none() && digits.starts_with(|c: char| c.is_ascii_digit())))
}
