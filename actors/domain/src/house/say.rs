//! Days, times and enumerations as the house says them.

use jiff::civil::Date;
use jiff::fmt::strtime;
use jiff::{Timestamp, Unit, Zoned};

/// How far ahead days are counted, in days.
const COUNTED_DAYS: i32 = 60;

/// A day: `Friday 24 April`, with the year when it is another one.
pub(super) fn date(date: Date, now: &Zoned) -> String {
    let format = if date.year() == now.year() { "%A %-d %B" } else { "%A %-d %B %Y" };
    strtime::format(format, date).unwrap_or_else(|_| date.to_string())
}

/// The clock: `14:05`.
pub(super) fn clock(at: &Zoned) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// A time ahead: `at 14:05 (in 1 minute)`, `tomorrow at 09:00`, `on Friday 24 April at 12:00 (in 3 days)`.
pub(super) fn ahead(at: &Zoned, now: &Zoned) -> String {
    let clock = clock(at);
    match days_between(now, at) {
        0 => format!("at {clock}{}", in_minutes(at, now)),
        1 => format!("tomorrow ({}) at {clock}", date(at.date(), now)),
        days if (2..=COUNTED_DAYS).contains(&days) => {
            format!("on {} at {clock} (in {days} days)", date(at.date(), now))
        }
        _ => format!("on {} at {clock}", date(at.date(), now)),
    }
}

/// A day gone by, or the time today: `today at 14:05`, `yesterday`, `on 3 April`.
pub(super) fn ago(at: &Zoned, now: &Zoned) -> String {
    match days_between(at, now) {
        0 => format!("today at {}", clock(at)),
        1 => "yesterday".to_owned(),
        _ => format!("on {}", date(at.date(), now)),
    }
}

/// Whole calendar days from one time to another.
fn days_between(from: &Zoned, to: &Zoned) -> i32 {
    from.date().until((Unit::Day, to.date())).map_or(i32::MAX, |span| span.get_days())
}

/// ` (in 1 minute)`, ` (in 2 hours and 5 minutes)`; empty for what is not ahead.
fn in_minutes(at: &Zoned, now: &Zoned) -> String {
    let seconds = at.timestamp().as_second().saturating_sub(now.timestamp().as_second());
    if seconds <= 0 {
        return String::new();
    }
    if seconds < 60 {
        return format!(" (in {})", count(seconds, "second"));
    }
    let minutes = (seconds + 30) / 60;
    let parts = [(minutes / 60, "hour"), (minutes % 60, "minute")];
    let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| count(*n, unit)).collect();
    format!(" (in {})", said.join(" and "))
}

/// `1 minute`, `2 minutes`.
fn count(n: i64, unit: &str) -> String {
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

/// `milk`, `milk and eggs`, `milk, eggs and bread`.
pub(super) fn enumeration(items: &[String], last: &str) -> String {
    match items.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
        None => String::new(),
    }
}

/// A time as a tool gives it: `jiff`'s form with the zone, else RFC 3339, then in the zone of `now`.
pub(super) fn instant(text: &str, now: &Zoned) -> Option<Zoned> {
    text.parse::<Zoned>().ok().or_else(|| Some(text.parse::<Timestamp>().ok()?.to_zoned(now.time_zone().clone())))
}
