//! Parts of the day.

use super::super::words::Said;
use super::clock;

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

/// Whether a clock time stands here; for words that are a day only next to one.
pub(super) fn is_clock(said: Said<'_>) -> bool {
    clock::read(said).is_some()
}
