//! Times as people say them: `tomorrow at 6pm`, `in an hour and a half`, `every monday at 8`.
//!
//! Reading ([`whole`]) and reckoning ([`When::resolve`]) are apart: a time phrase is a set of pieces (a repetition, a
//! day, a clock time, a part of the day, a length of time), each at most once and in any order, and words that are no
//! piece make the phrase no time at all.

mod clock;
mod day;
mod every;
mod part;
mod resolve;
mod span;

use jiff::Span;
use jiff::civil::Weekday;

use super::words::Said;
pub(super) use clock::Clock;
pub(super) use day::Day;
pub(super) use every::Every;
pub(super) use part::Part;
pub(super) use resolve::Problem;

/// Longest time phrase, in words.
const PHRASE_MAX_WORDS: usize = 16;

/// A time phrase, read but not yet reckoned.
#[derive(Debug, Clone, Default)]
pub(super) struct When {
    /// How often.
    pub(super) every: Option<Every>,
    /// On which day.
    pub(super) day: Option<Day>,
    /// At which clock time.
    pub(super) clock: Option<Clock>,
    /// In which part of the day.
    pub(super) part: Option<Part>,
    /// How long from now.
    pub(super) span: Option<Span>,
    /// A weekday that was said along with a date.
    pub(super) weekday: Option<Weekday>,
    /// Whether the clock time was said without `at`, `o'clock`, `am` or `pm`: `3:16` may be a verse.
    pub(super) loose: bool,
}

/// One piece of a time phrase.
#[derive(Debug, Clone)]
enum Piece {
    /// `every day`, `every monday`, `every morning`.
    Every(Every, Option<Day>, Option<Part>),
    /// `tomorrow`, `tonight`.
    Day(Day, Option<Part>),
    /// `at 6pm`.
    Clock(Clock),
    /// `in the morning`.
    Part(Part),
    /// `in 5 minutes`.
    Span(Span),
}

/// Puts a value into an empty place.
fn set<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    match value {
        Some(_) if place.is_some() => None,
        Some(value) => {
            *place = Some(value);
            Some(())
        }
        None => Some(()),
    }
}

impl When {
    /// Adds a piece; `None` when it is already there.
    fn put(&mut self, piece: Piece) -> Option<()> {
        if let (Some(Day::Weekday { weekday, .. }), Piece::Day(Day::OfMonth(_) | Day::OfYear(..) | Day::Date(..), _)) = (&self.day, &piece)
        {
            self.weekday = Some(*weekday);
            self.day = None;
        }
        let (every, day, clock, part, span) = match piece {
            Piece::Every(every, day, part) => (Some(every), day, None, part, None),
            Piece::Day(day, part) => (None, Some(day), None, part, None),
            Piece::Clock(clock) => (None, None, Some(clock), None, None),
            Piece::Part(part) => (None, None, None, Some(part), None),
            Piece::Span(span) => (None, None, None, None, Some(span)),
        };
        set(&mut self.every, every)?;
        set(&mut self.day, day)?;
        set(&mut self.clock, clock)?;
        set(&mut self.part, part)?;
        set(&mut self.span, span)
    }

    /// Whether only a clock time was said.
    pub(super) fn is_clock_only(&self) -> bool {
        self.clock.is_some() && self.every.is_none() && self.day.is_none() && self.span.is_none()
    }

    /// Whether a day or repetition was said, but no time of day.
    pub(super) fn wants_clock(&self) -> bool {
        self.clock.is_none() && self.part.is_none() && self.span.is_none()
    }

    /// Whether the phrase makes sense: a length of time stands alone or, counted in days, with a time of day.
    fn is_sound(&self) -> bool {
        let dated = self.every.is_some() || self.day.is_some();
        let timed = self.clock.is_some() || self.part.is_some();
        self.span.is_none_or(|span| !dated && (!timed || span::is_days(&span)))
    }
}

/// Reads words that are a time phrase from first to last; `None` when they are anything else.
pub(super) fn whole(said: Said<'_>) -> Option<When> {
    if said.is_empty() || said.len() > PHRASE_MAX_WORDS || said.broken(false) {
        return None;
    }
    let mut when = When::default();
    let mut rest = said;
    while !rest.is_empty() {
        let (piece, count) = piece(rest, &when)?;
        when.loose |= matches!(piece, Piece::Clock(_)) && !is_marked(rest.take(count));
        when.put(piece)?;
        rest = rest.skip(count.max(1));
    }
    when.is_sound().then_some(when)
}

/// The piece that the words start with, and how many words it takes.
fn piece(said: Said<'_>, when: &When) -> Option<(Piece, usize)> {
    let dated = when.day.is_some() || when.every.is_some();
    every::every(said)
        .or_else(|| day::read(said).map(|(day, part, count)| (Piece::Day(day, part), count)))
        .or_else(|| clock::read(said).map(|(clock, count)| (Piece::Clock(clock), count)))
        .or_else(|| part::part(said, dated).map(|(part, count)| (Piece::Part(part), count)))
        .or_else(|| span::from_now(said).map(|(span, count)| (Piece::Span(span), count)))
}

/// Whether the words of a clock time say that they are one.
fn is_marked(said: Said<'_>) -> bool {
    said.eat("at|@").is_some() || ["am", "pm", "a.m", "p.m", "clock"].iter().any(|end| said.last_key().ends_with(end))
}
