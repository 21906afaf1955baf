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

/// Fills these bytes from the operating system's generator. `false` when it does not serve, which Linux only does before it is seeded.
#[must_use]
pub fn random(bytes: &mut [u8]) -> bool {
    getrandom::fill(bytes).is_ok()
}

/// UUIDs of version 7 (RFC 9562): ordered by time, the rest from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn fresh(&self) -> Uuid {
        let mut rest = [0_u8; 10];
        // Without entropy ids would still be apart by time and counter; the call does not fail on a running system.
        if !random(&mut rest) {
            rest = counted();
        }
        let millis = u64::try_from(SystemClock.wall().as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
    }
}

fn counted() -> [u8; 10] {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_be_bytes();
    let mut bytes = [0_u8; 10];
    for (to, from) in bytes.iter_mut().rev().zip(count.iter().rev()) {
        *to = *from;
    }
    bytes
}

/// A root of chance that nobody can guess.
#[must_use]
pub fn seed() -> Seed {
    let mut bytes = [0_u8; 32];
    if !random(&mut bytes) {
        return Seed::from_bytes(SystemIds.fresh().as_bytes());
    }
    Seed::from_bytes(&bytes)
}
