//! How long to wait before a restart: grows with a child's failures in a row, with jitter from the supervisor's own stream.
//!
//! The count of failures in a row starts again once the child has run for a whole intensity period.

use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::spec::Backoff;

/// The stream of chance of one incarnation of one supervisor.
pub(crate) fn stream(seed: u64, path: &str, incarnation: u64) -> ChaCha8Rng {
    // FNV-1a: only has to keep paths apart, and to stay the same for ever.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in path.bytes().chain(incarnation.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(hash);
    random
}

/// The pause before the restart that follows the `failures`-th failure in a row (the first is 1).
pub(crate) fn pause(backoff: &Backoff, failures: u32, random: &mut impl Rng) -> Duration {
    let max = backoff.max.max(backoff.first).as_secs_f64();
    let grown = backoff.first.as_secs_f64() * backoff.factor.max(1.0).powf(f64::from(failures.saturating_sub(1)));
    let base = if grown.is_finite() { grown.min(max) } else { max };
    let jitter = backoff.jitter.clamp(0.0, 1.0);
    // Drawn always, so that turning jitter off changes no later draw.
    let drawn = random.random::<f64>();
    Duration::try_from_secs_f64(base * (1.0 - jitter * drawn)).unwrap_or(backoff.max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_maximum_and_jitter_only_shortens() {
        let mut random = stream(1, "house", 1);
        let plain = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(1), factor: 2.0, jitter: 0.0 };
        let pauses: Vec<u128> = (1..=6).map(|n| pause(&plain, n, &mut random).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        let shaken = Backoff { jitter: 0.5, ..plain };
        for failures in 1..100_000_u32 {
            let pause = pause(&shaken, failures, &mut random);
            assert!(pause <= shaken.max && pause >= shaken.first / 2);
        }
    }

    #[test]
    fn each_path_has_its_own_stream_and_the_same_seed_repeats_it() {
        let draw = |path, incarnation| stream(7, path, incarnation).random::<u64>();
        assert_eq!(draw("house/tools", 1), draw("house/tools", 1));
        assert_ne!(draw("house/tools", 1), draw("house/models", 1));
        assert_ne!(draw("house/tools", 1), draw("house/tools", 2));
    }
}
