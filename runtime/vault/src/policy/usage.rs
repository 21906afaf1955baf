//! How often something was used lately: a sliding window in bounded memory.
//!
//! The window is divided into [`PARTS`] parts. A use counts until its whole part has left the window, so that the count is never
//! too low, and a use is remembered for at most one part too long.

use std::collections::VecDeque;

/// Parts of a window.
pub const PARTS: u64 = 64;

/// The uses within a sliding window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    length_ms: u64,
    part_ms: u64,
    /// Which part, and how many uses in it; in order.
    parts: VecDeque<(u64, u32)>,
    /// The latest time that was seen: a clock that goes back is held.
    latest_ms: u64,
}

impl Window {
    /// An empty window of that length in milliseconds (of at least one).
    #[must_use]
    pub fn new(length_ms: u64) -> Self {
        let length_ms = length_ms.max(1);
        Self { length_ms, part_ms: length_ms.div_ceil(PARTS), parts: VecDeque::new(), latest_ms: 0 }
    }

    /// Its length in milliseconds.
    #[must_use]
    pub const fn length_ms(&self) -> u64 {
        self.length_ms
    }

    /// Uses in the window that ends at this time of a monotonic clock in milliseconds.
    pub fn count(&mut self, now_ms: u64) -> u32 {
        self.forget(now_ms);
        self.parts.iter().fold(0, |sum: u32, (_, uses)| sum.saturating_add(*uses))
    }

    /// Notes one use.
    pub fn add(&mut self, now_ms: u64) {
        self.forget(now_ms);
        let part = self.latest_ms / self.part_ms;
        match self.parts.back_mut() {
            Some((last, uses)) if *last == part => *uses = uses.saturating_add(1),
            _ => self.parts.push_back((part, 1)),
        }
    }

    /// Notes one use if that many are not reached yet: asking and noting in one step, so that two askers cannot both have the last.
    pub fn take(&mut self, now_ms: u64, most: u32) -> bool {
        let free = self.count(now_ms) < most;
        if free {
            self.add(now_ms);
        }
        free
    }

    fn forget(&mut self, now_ms: u64) {
        self.latest_ms = self.latest_ms.max(now_ms);
        // A use at `t` is in the window until `t + length`.
        let gone = |part: u64| part.saturating_add(1).saturating_mul(self.part_ms).saturating_add(self.length_ms) <= self.latest_ms;
        while self.parts.front().is_some_and(|(part, _)| gone(*part)) {
            self.parts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_use_is_given_once() {
        let mut window = Window::new(1000);
        assert!((0..3).all(|_| window.take(10, 3)));
        assert!(!window.take(10, 3));
        assert!(!window.take(1009, 3));
        assert!(window.take(1010 + window.part_ms, 3));
        assert!(!window.take(0, 0));
    }

    proptest! {
        #[test]
        fn a_window_never_counts_too_few_and_stays_small(length in 1u64..10_000, steps in prop::collection::vec(0u64..500, 1..400)) {
            let mut window = Window::new(length);
            let (mut now, mut uses) = (0, Vec::new());
            for step in steps {
                now += step;
                window.add(now);
                uses.push(now);
                let within = |slack: u64| uses.iter().filter(|at| **at + length + slack > now).count();
                let count = usize::try_from(window.count(now)).unwrap();
                prop_assert!(count >= within(0), "too few");
                prop_assert!(count <= within(window.part_ms + 1), "remembered too long");
                prop_assert!(window.parts.len() <= usize::try_from(PARTS).unwrap() + 2);
            }
        }

        #[test]
        fn a_clock_that_goes_back_frees_nothing(times in prop::collection::vec(any::<u64>(), 1..50)) {
            let mut window = Window::new(1000);
            for now in times {
                window.add(now);
                let count = window.count(now);
                prop_assert!(window.count(0) == count && count >= 1);
            }
        }
    }
}
