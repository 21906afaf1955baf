//! Clocks, ids and chance of this machine: the only place that asks the operating system for them.

use std::sync::OnceLock;
use std::time::Instant;

use hearth_domain::chance::Seed;
use hearth_domain::ids::Ids;
use hearth_domain::time::{Clock, Mono, Timestamp};
use uuid::Uuid;

/// When this process first looked at the monotonic clock.
static BEGAN: OnceLock<Instant> = OnceLock::new();

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the port made real")]
    fn mono(&self) -> Mono {
        let now = Instant::now();
        Mono(now.saturating_duration_since(*BEGAN.get_or_init(|| now)))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the port made real")]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Fills these bytes from the operating system's generator, fit for secrets.
///
/// Where it does not serve, the process ends: a system without it cannot make a secret, and a guessable one is worse than none. Linux
/// serves from the moment it has booted.
pub fn random(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        tracing::error!(%error, "the operating system gives no random numbers");
        std::process::abort();
    }
}

/// UUIDs of version 7 (RFC 9562): ordered by time, the rest from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn fresh(&self) -> Uuid {
        let mut rest = [0_u8; 10];
        random(&mut rest);
        let millis = u64::try_from(SystemClock.wall().as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
    }
}

/// A root of chance that nobody can guess.
#[must_use]
pub fn seed() -> Seed {
    let mut bytes = [0_u8; 32];
    random(&mut bytes);
    Seed::from_bytes(&bytes)
}
