//! Both clocks: virtual time, and a wall that jumps.

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use hearth_domain::time::{Clock, Mono, Timestamp};
use tokio::time::Instant;

use crate::world::lock;

/// The clock of the world.
#[derive(Debug)]
pub struct SimClock {
    began: OnceLock<Instant>,
    start: Timestamp,
    /// Seconds by which the wall was set forward, in all.
    shift: Mutex<i64>,
}

impl SimClock {
    /// A clock whose wall shows `start` at the beginning.
    #[must_use]
    pub const fn new(start: Timestamp) -> Self {
        Self { began: OnceLock::new(), start, shift: Mutex::new(0) }
    }

    /// The beginning; called inside the run's runtime.
    pub fn begin(&self) {
        self.began.get_or_init(Instant::now);
    }

    /// Virtual time since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.get().map_or(Duration::ZERO, |began| Instant::now().saturating_duration_since(*began))
    }

    /// Sets the wall clock forward, or back.
    pub fn jump(&self, seconds: i64) {
        let mut shift = lock(&self.shift);
        *shift = shift.saturating_add(seconds);
    }
}

impl Clock for SimClock {
    fn mono(&self) -> Mono {
        Mono(self.elapsed())
    }

    fn wall(&self) -> Timestamp {
        let elapsed = i64::try_from(self.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let nanos = i128::from(elapsed).saturating_add(i128::from(*lock(&self.shift)).saturating_mul(1_000_000_000));
        Timestamp::from_nanosecond(self.start.as_nanosecond().saturating_add(nanos)).unwrap_or(self.start)
    }
}
