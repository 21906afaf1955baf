//! A body's clock: silence and an end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::egress::failure::{Failure, Wait};

/// Watches one body. A piece only notes the time; the timer is set anew when it rings, not at each piece.
pub(super) struct Patience {
    silence: Duration,
    total: Duration,
    end: Instant,
    last: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Patience {
    /// `end` is the moment at which `total` is used up.
    pub(super) fn new(silence: Duration, total: Duration, end: Instant) -> Self {
        let last = Instant::now();
        Self { silence, total, end, last, alarm: Box::pin(tokio::time::sleep_until(end.min(last + silence))) }
    }

    /// A piece has arrived. One that never rests comes to its end here.
    pub(super) fn heard(&mut self) -> Result<(), Failure> {
        self.last = Instant::now();
        if self.last < self.end { Ok(()) } else { Err(Failure::Deadline(Wait::Total, self.total)) }
    }

    /// Nothing has arrived: is it over?
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        loop {
            if self.alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            let silent = self.last + self.silence;
            if now >= self.end {
                return Poll::Ready(Failure::Deadline(Wait::Total, self.total));
            }
            if now >= silent {
                return Poll::Ready(Failure::Deadline(Wait::Silence, self.silence));
            }
            self.alarm.as_mut().reset(self.end.min(silent));
        }
    }
}
