//! Draws from the seed's tree.

use std::time::Duration;

use hearth_domain::chance::Seed;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// One stream of chance.
#[derive(Debug, Clone)]
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of that name beneath a node.
    #[must_use]
    pub fn of(seed: &Seed, name: &str) -> Self {
        Self(seed.child(name).rng())
    }

    /// A number from `low` to `high`, both included.
    pub fn number(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..=high.max(low))
    }

    /// A size from `low` to `high`, both included.
    pub fn size(&mut self, low: usize, high: usize) -> usize {
        usize::try_from(self.number(low as u64, high as u64)).unwrap_or(low)
    }

    /// Whether something happens that happens so many times in ten thousand.
    pub fn happens(&mut self, per_10k: u32) -> bool {
        self.0.random_range(0..10_000_u32) < per_10k
    }

    /// Heads or tails.
    pub fn coin(&mut self) -> bool {
        self.happens(5_000)
    }

    /// A span between two, in milliseconds.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.number(low, high))
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = self.size(0, all.len().saturating_sub(1));
        all.get(at).unwrap_or_else(|| unreachable!("nothing to pick from"))
    }

    /// One of these, by weight.
    pub fn weighted<T: Copy>(&mut self, all: &[(T, u32)]) -> T {
        let sum: u64 = all.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut at = self.number(1, sum.max(1));
        for (one, weight) in all {
            if at <= u64::from(*weight) {
                return *one;
            }
            at = at.saturating_sub(u64::from(*weight));
        }
        all.last().map(|(one, _)| *one).unwrap_or_else(|| unreachable!("nothing to pick from"))
    }

    /// Sixteen bytes.
    pub fn bytes(&mut self) -> [u8; 16] {
        self.0.random()
    }
}
