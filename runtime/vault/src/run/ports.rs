//! Time and ids of the real machine.

use hearth_domain::ids::Ids;
use hearth_domain::time::{Clock, Mono, Timestamp};
use uuid::Uuid;

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    begun: std::time::Instant,
}

impl SystemClock {
    /// Clocks whose monotonic one begins now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        clippy::new_without_default,
        reason = "this is the port, and a default would hide that it reads a clock"
    )]
    pub fn new() -> Self {
        Self { begun: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn mono(&self) -> Mono {
        Mono(self.begun.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// UUIDs of version 7 (RFC 9562), the rest from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    fn fresh(&self) -> Uuid {
        let mut rest = [0_u8; 10];
        if let Err(error) = getrandom::fill(&mut rest) {
            // An id that is not unique would let one secret take another's place.
            tracing::error!(%error, "the operating system gives no random numbers");
            std::process::abort();
        }
        let millis = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
    }
}
