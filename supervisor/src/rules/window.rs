//! The intensity window: how many restarts lie within the last period, exactly, at any moment.
//!
//! It belongs to one incarnation of a supervisor; a restart of the supervisor loses it.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::spec::Intensity;

#[derive(Debug)]
pub(crate) struct Window {
    intensity: Intensity,
    restarts: VecDeque<Instant>,
}

impl Window {
    pub(crate) fn new(intensity: Intensity) -> Self {
        Self { intensity, restarts: VecDeque::new() }
    }

    /// Notes one restart; false when it is one too many. Never holds more than `max_restarts + 1` entries.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        let period = self.intensity.period;
        while self.restarts.front().is_some_and(|first| now.saturating_duration_since(*first) > period) {
            self.restarts.pop_front();
        }
        self.restarts.push_back(now);
        let admitted = self.restarts.len() <= usize::try_from(self.intensity.max_restarts).unwrap_or(usize::MAX);
        if !admitted {
            self.restarts.pop_front();
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_window_slides_and_does_not_reset() {
        let start = Instant::now();
        let mut window = Window::new(Intensity { max_restarts: 2, period: Duration::from_secs(10) });
        let mut admit = |seconds| window.admit(start + Duration::from_secs(seconds));
        assert!(admit(0));
        assert!(admit(6));
        assert!(!admit(9));
        assert!(!admit(12), "6, 9 and 12 lie within ten seconds");
        assert!(admit(30));
    }
}
