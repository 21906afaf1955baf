//! Reminders and when they come due.
//!
//! An occurrence is `(reminder, due time)`. It is claimed once, in the database, in the same transaction that says
//! it (I-11). Times are computed in the member's zone; a gap moves forward by its length, an overlap takes the
//! earlier instant (RFC 5545 section 3.3.5; `jiff`'s compatible disambiguation).

use serde::{Deserialize, Serialize};

use crate::ids::{ConversationId, MemberId, ReminderId};
use crate::label::Label;
use crate::time::{TimeZone, Timestamp, Zoned};

/// How a reminder repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// Each hour, counted in real time.
    Hour,
    /// Each day from Monday to Friday at the same local time.
    Weekday,
    /// Each day at the same local time.
    Day,
    /// Each week on the same weekday and local time.
    Week,
    /// Each month on the same day; the last day where there is no such day.
    Month,
    /// Each year on the same date.
    Year,
}

/// Where a reminder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReminderState {
    /// It will come due.
    Pending,
    /// It was said for the last time.
    Done,
    /// It was called off.
    Cancelled,
}

/// One reminder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// Its id; derived from the call that set it.
    pub id: ReminderId,
    /// Whose it is.
    pub member: MemberId,
    /// Where it is said.
    pub conversation: ConversationId,
    /// The channel on which it was set.
    pub channel: String,
    /// What to say.
    pub text: String,
    /// Who may learn it and who wrote it.
    pub label: Label,
    /// The next time it comes due.
    pub due: Timestamp,
    /// The first time it came due: repetitions count from here, so that the 31st stays the 31st.
    pub first: Timestamp,
    /// IANA name of the zone it was set in.
    pub zone: String,
    /// How it repeats.
    pub every: Option<Every>,
    /// Where it stands.
    pub state: ReminderState,
}

impl Reminder {
    /// The reminder after its occurrence at `due` was said at `now`: done, or moved to its first repetition after
    /// `now`. Occurrences missed in between (the house was off) are told once, not one by one.
    #[must_use]
    pub fn after_firing(&self, now: Timestamp) -> Self {
        let next = self.every.and_then(|every| next_after(self.first, every, &self.zone, now.max(self.due)));
        match next {
            Some(due) => Self { due, ..self.clone() },
            None => Self { state: ReminderState::Done, ..self.clone() },
        }
    }
}

/// The first repetition after `after` of something first due at `first`. None past the end of the calendar or in
/// an unknown zone.
#[must_use]
pub fn next_after(first: Timestamp, every: Every, zone: &str, after: Timestamp) -> Option<Timestamp> {
    let start = first.to_zoned(TimeZone::get(zone).ok()?);
    // A lower bound of the number of repetitions so far; from there it is a few steps at most.
    let seconds = match every {
        Every::Hour => 3_600,
        Every::Day | Every::Weekday => 86_400,
        Every::Week => 7 * 86_400,
        Every::Month => 31 * 86_400,
        Every::Year => 366 * 86_400,
    };
    let mut n = (after.as_second().saturating_sub(first.as_second()) / seconds).saturating_sub(1).max(1);
    loop {
        let at = repetition(&start, every, n)?;
        if at > after && (every != Every::Weekday || is_weekday(&at.to_zoned(start.time_zone().clone()))) {
            return Some(at);
        }
        n = n.checked_add(1)?;
    }
}

/// The `n`th repetition. An hour is real time; everything longer is local time.
fn repetition(start: &Zoned, every: Every, n: i64) -> Option<Timestamp> {
    let span = jiff::Span::new();
    let span = match every {
        Every::Hour => return start.timestamp().checked_add(span.try_hours(n).ok()?).ok(),
        Every::Day | Every::Weekday => span.try_days(n),
        Every::Week => span.try_weeks(n),
        Every::Month => span.try_months(n),
        Every::Year => span.try_years(n),
    };
    let civil = start.datetime().checked_add(span.ok()?).ok()?;
    Some(civil.to_zoned(start.time_zone().clone()).ok()?.timestamp())
}

fn is_weekday(at: &Zoned) -> bool {
    !matches!(at.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday)
}

/// Lateness from which a notice says when it was due.
const LATE_SECONDS: i64 = 60;

/// What is said when a reminder comes due.
#[must_use]
pub fn notice_text(reminder: &Reminder, now: Timestamp) -> String {
    let zone = TimeZone::get(&reminder.zone).unwrap_or(TimeZone::UTC);
    let text = format!("Reminder: {}", reminder.text);
    if now.as_second().saturating_sub(reminder.due.as_second()) < LATE_SECONDS {
        return text;
    }
    let (due, now) = (reminder.due.to_zoned(zone.clone()), now.to_zoned(zone));
    let form = if due.date() == now.date() { "%H:%M" } else { "%A %-d %B, %H:%M" };
    format!("{text} (it was due {}, and it is {} now)", due.strftime(form), now.strftime("%H:%M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn check(first: &str, every: Every, after: &str, expected: &str) {
        assert_eq!(next_after(at(first), every, "Europe/Berlin", at(after)), Some(at(expected)));
    }

    #[test]
    fn a_daily_reminder_keeps_its_local_time_over_summer_time() {
        check("2026-03-27T07:00:00+01:00", Every::Day, "2026-03-28T07:00:00+01:00", "2026-03-29T07:00:00+02:00");
        check("2026-10-24T07:00:00+02:00", Every::Day, "2026-10-24T07:00:00+02:00", "2026-10-25T07:00:00+01:00");
    }

    #[test]
    fn a_time_in_the_gap_moves_forward_by_its_length() {
        check("2026-03-28T02:30:00+01:00", Every::Day, "2026-03-28T02:30:00+01:00", "2026-03-29T03:30:00+02:00");
    }

    #[test]
    fn a_time_in_the_overlap_comes_once_at_its_earlier_instant() {
        check("2026-10-24T02:30:00+02:00", Every::Day, "2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00");
        check("2026-10-24T02:30:00+02:00", Every::Day, "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00");
    }

    #[test]
    fn the_thirty_first_stays_the_thirty_first() {
        check("2026-01-31T09:00:00+01:00", Every::Month, "2026-02-28T09:00:00+01:00", "2026-03-31T09:00:00+02:00");
        check("2026-01-31T09:00:00+01:00", Every::Month, "2026-01-31T09:00:00+01:00", "2026-02-28T09:00:00+01:00");
    }

    #[test]
    fn a_weekday_reminder_rests_at_the_weekend_and_an_hourly_one_does_not_mind_the_clock_change() {
        check("2026-11-20T09:00:00+01:00", Every::Weekday, "2026-11-20T09:00:00+01:00", "2026-11-23T09:00:00+01:00");
        check("2026-10-25T01:30:00+02:00", Every::Hour, "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00");
    }

    #[test]
    fn a_long_pause_leads_to_one_next_occurrence() {
        check("2020-01-01T09:00:00+01:00", Every::Day, "2026-06-01T12:00:00+02:00", "2026-06-02T09:00:00+02:00");
        check("2020-01-01T09:00:00+01:00", Every::Year, "2026-06-01T12:00:00+02:00", "2027-01-01T09:00:00+01:00");
    }
}
