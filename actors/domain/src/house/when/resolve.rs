//! From a time phrase to an instant.
//!
//! Wall-clock times in a daylight-saving gap move forward by the gap, times that happen twice are the earlier one
//! (RFC 5545, `jiff`'s "compatible"), unless only the later one is still to come.

use jiff::civil::{Date, Weekday, time};
use jiff::{ToSpan, Zoned};

use super::super::say;
use super::{Clock, Day, Every, Part, When};

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// When the day starts for a day without a time.
const MORNING: u16 = 9 * 60;
/// `at 7` is a time from here …
const WAKING_FROM: u16 = 7 * 60;
/// … to before here.
const WAKING_TO: u16 = 22 * 60;
/// How far ahead a reminder may be.
const YEARS_MAX: i16 = 10;

/// Why a time phrase is no instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Problem {
    /// The time cannot be: what to tell the person.
    Refused(String),
    /// Something is missing: what to ask, when nobody else can.
    Unclear(&'static str),
}

impl When {
    /// The first instant that is meant.
    ///
    /// # Errors
    /// A [`Problem`] when there is none, or when it is past or more than ten years ahead.
    pub(in super::super) fn resolve(&self, now: &Zoned) -> Result<Zoned, Problem> {
        if let Some(Clock::Impossible(words)) = &self.clock {
            return Err(Problem::Refused(format!("“{words}” is not a time of day. Times go from 00:00 to 23:59.")));
        }
        let at = match (self.every, self.span) {
            (Some(every), _) => self.repeated(every, now)?,
            (None, Some(span)) => self.after_span(span, now)?,
            (None, None) => self.once(now)?,
        };
        if at <= *now {
            return Err(Problem::Refused("That time has already passed. Tell me one that is still to come.".to_owned()));
        }
        let last = now.checked_add(YEARS_MAX.years()).map_err(|_| too_far())?;
        match self.weekday {
            _ if at > last => Err(too_far()),
            Some(weekday) if weekday != at.weekday() => {
                Err(Problem::Refused(format!("That would be {}. Which of the two do you mean?", say::date(at.date(), now))))
            }
            Some(_) | None => Ok(at),
        }
    }

    /// Whether a time of day was said.
    const fn timed(&self) -> bool {
        self.clock.is_some() || self.part.is_some()
    }

    /// The minutes of the day that may be meant, the earlier one first. Never empty.
    fn minutes(&self) -> Vec<u16> {
        let minute = match (&self.clock, self.part) {
            (Some(Clock::At(minute)), _) => *minute,
            (Some(Clock::EitherHalf(minute)), Some(Part::Morning)) => *minute,
            (Some(Clock::EitherHalf(minute)), Some(Part::Night)) if *minute < 5 * 60 => minute + DAY,
            (Some(Clock::EitherHalf(minute)), Some(_)) => minute + DAY / 2,
            (Some(Clock::EitherHalf(minute)), None) => {
                let waking = |minute: &u16| (WAKING_FROM..WAKING_TO).contains(minute);
                return [*minute, minute + DAY / 2].into_iter().filter(waking).collect();
            }
            (Some(Clock::Impossible(_)) | None, part) => part.map_or(MORNING, Part::minute),
        };
        vec![minute]
    }

    /// The first of the minutes that is still to come on a day.
    fn on(&self, date: Date, now: &Zoned) -> Option<Zoned> {
        self.minutes().into_iter().filter_map(|minute| instant(date, minute, now)).find(|at| at > now)
    }

    /// The same on the first of these days that has one.
    fn on_first(&self, days: impl Iterator<Item = i32>, now: &Zoned, fits: impl Fn(Date) -> bool) -> Result<Zoned, Problem> {
        let dates = days.filter_map(|days| now.date().checked_add(days.days()).ok());
        dates.filter(|date| fits(*date)).find_map(|date| self.on(date, now)).ok_or_else(too_far)
    }

    /// On a day that may be today, where a time that has passed is refused.
    fn on_date(&self, date: Date, now: &Zoned) -> Result<Zoned, Problem> {
        let today = date == now.date();
        self.on(date, now).ok_or_else(|| match self.minutes().first() {
            Some(minute) if today && self.timed() => {
                let clock = format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
                Problem::Refused(format!("{clock} today has already passed. Tell me a later time, or “tomorrow at {clock}”."))
            }
            Some(_) | None if today => {
                Problem::Refused("Today is already under way. Tell me a time too, such as “today at 18:00”.".to_owned())
            }
            Some(_) | None => Problem::Refused(format!("{} is in the past. Tell me a day that is still to come.", say::date(date, now))),
        })
    }

    /// A length of time from now, in days with a time of day.
    fn after_span(&self, span: jiff::Span, now: &Zoned) -> Result<Zoned, Problem> {
        let at = now.checked_add(span).map_err(|_| too_far())?;
        if self.timed() { self.on_date(at.date(), now) } else { Ok(at) }
    }

    /// A time that comes once.
    fn once(&self, now: &Zoned) -> Result<Zoned, Problem> {
        let today = now.date();
        match &self.day {
            None => self.on_first(0..=2, now, |_| true),
            Some(Day::Today) => self.on_date(today, now),
            Some(Day::InDays(days)) => self.on_first(*days..=*days, now, |_| true),
            Some(Day::Weekday { weekday, today_counts }) => {
                let first = i32::from(!(*today_counts && self.timed()));
                self.on_first(first..=7, now, |date| date.weekday() == *weekday)
            }
            Some(Day::NextWeek(weekday)) => {
                let to_monday = 7 - i32::from(now.weekday().to_monday_zero_offset());
                let day = to_monday + i32::from(weekday.to_monday_zero_offset());
                self.on_first(day..=day, now, |_| true)
            }
            Some(Day::NextMonth) => self.on_date(today.checked_add(1.month()).map_err(|_| too_far())?, now),
            Some(Day::OfMonth(day)) => self.of_month(*day, now),
            Some(Day::OfYear(month, day)) => self.of_year(*month, *day, now),
            Some(Day::Date(year, month, day)) => match Date::new(*year, *month, *day) {
                Ok(date) => self.on_date(date, now),
                Err(_) => Err(Problem::Refused("There is no such date in the calendar.".to_owned())),
            },
            Some(Day::Past) => Err(Problem::Refused("That is in the past. Tell me a time that is still to come.".to_owned())),
        }
    }

    /// The next month that has this day.
    fn of_month(&self, day: i8, now: &Zoned) -> Result<Zoned, Problem> {
        let months = (0..=12).filter_map(|months: i32| now.date().first_of_month().checked_add(months.months()).ok());
        let mut dates = months.filter_map(|first| Date::new(first.year(), first.month(), day).ok()).filter(|date| *date >= now.date());
        self.first_date(&mut dates, now)
    }

    /// The next year that has this date.
    fn of_year(&self, month: i8, day: i8, now: &Zoned) -> Result<Zoned, Problem> {
        let years = (0..=8).filter_map(|years| now.year().checked_add(years));
        let mut dates = years.filter_map(|year| Date::new(year, month, day).ok()).filter(|date| *date >= now.date());
        self.first_date(&mut dates, now)
    }

    /// On the first date; a repetition may take the next one when the first is today and over.
    fn first_date(&self, dates: &mut dyn Iterator<Item = Date>, now: &Zoned) -> Result<Zoned, Problem> {
        let date = dates.next().ok_or_else(|| Problem::Refused("There is no such date in the calendar.".to_owned()))?;
        match (self.on_date(date, now), self.every) {
            (Err(_), Some(_)) => self.on_date(dates.next().ok_or_else(too_far)?, now),
            (at, _) => at,
        }
    }

    /// The first time of a repetition. Of `at 8` the morning is meant, whenever it is said.
    fn repeated(&self, every: Every, now: &Zoned) -> Result<Zoned, Problem> {
        let first = self.minutes().first().copied().unwrap_or(MORNING);
        let clock = if self.timed() { Some(Clock::At(first)) } else { None };
        let fixed = Self { clock, every: Some(every), day: self.day.clone(), ..Self::default() };
        match (every, &self.day) {
            (Every::Hour, None) if !self.timed() => now.checked_add(1.hour()).map_err(|_| too_far()),
            (Every::Hour, _) => Err(Problem::Unclear("I can do “every hour”, or a time of day with “every day”.")),
            (Every::Day, None) => fixed.on_first(0..=2, now, |_| true),
            (Every::Weekday, None) => fixed.on_first(0..=5, now, |date| !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)),
            (Every::Week, Some(Day::Weekday { .. })) | (Every::Month, Some(Day::OfMonth(_))) | (Every::Year, Some(Day::OfYear(..))) => {
                fixed.once(now)
            }
            (Every::Day | Every::Weekday, Some(_)) => Err(Problem::Unclear("Is that every day or only once? Say one of the two.")),
            (Every::Week, _) => Err(Problem::Unclear("On which day? For example: every monday at 8.")),
            (Every::Month, _) => Err(Problem::Unclear("On which day? For example: every month on the 3rd at 8.")),
            (Every::Year, _) => Err(Problem::Unclear("On which date? For example: every year on 3 May.")),
        }
    }
}

/// The refusal of what is too far ahead.
fn too_far() -> Problem {
    Problem::Refused(format!("That is more than {YEARS_MAX} years ahead. I only keep reminders for up to {YEARS_MAX} years."))
}

/// A minute of a day, which may run into the next one, as an instant in the zone of `now`.
fn instant(date: Date, minute: u16, now: &Zoned) -> Option<Zoned> {
    let date = date.checked_add(i32::from(minute / DAY).days()).ok()?;
    let (hour, minute) = (i8::try_from(minute % DAY / 60).ok()?, i8::try_from(minute % 60).ok()?);
    let ambiguous = now.time_zone().to_ambiguous_zoned(date.to_datetime(time(hour, minute, 0, 0)));
    let at = ambiguous.clone().compatible().ok()?;
    if at > *now { Some(at) } else { ambiguous.later().ok() }
}
