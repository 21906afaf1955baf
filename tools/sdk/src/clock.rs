//! The time, as the house tells it. `std::time` has no clock in a component.

use std::time::Duration;

use crate::port;

/// Milliseconds since 1970, UTC.
#[must_use]
pub fn now_ms() -> u64 {
    port::wall_ms()
}

/// Since the call began.
#[must_use]
pub fn elapsed() -> Duration {
    Duration::from_nanos(port::monotonic_ns())
}
