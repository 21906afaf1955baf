//! Clocks: monotonic and wall are two ports, because one measures and the other can be set back.

use std::time::Duration;

pub use jiff::{Timestamp, Zoned, tz::TimeZone};

/// A point on the monotonic clock: the time since the process (or the simulated world) began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mono(pub Duration);

impl Mono {
    /// The time from `earlier` to here, zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This point moved on by `by`.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

/// Both clocks of the house.
pub trait Clock: Send + Sync {
    /// Never goes back; for deadlines, windows and measurements.
    fn mono(&self) -> Mono;
    /// What a clock on the wall shows, in UTC; may jump either way.
    fn wall(&self) -> Timestamp;
}
