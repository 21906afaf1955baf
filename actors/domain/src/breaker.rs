//! When to try a provider again, and when to let it rest. Synchronous: time comes in, decisions go out.

use std::time::Duration;

use crate::error::{Class, Classified};
use crate::model::ModelError;
use crate::time::Mono;

/// A circuit breaker (Nygard, *Release It!*): after some failures in a row calls are refused for a while, then one
/// is let through to see.
///
/// ```text
/// Closed ──`failures` in a row──▶ Open ──`rest` passed──▶ HalfOpen ──success──▶ Closed
///                                  ▲                         │ failure
///                                  └─────────────────────────┘
/// ```
#[derive(Debug, Clone)]
pub struct Breaker {
    failures: u32,
    rest: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failed: u32 },
    Open { until: Mono },
    HalfOpen,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub const fn new(failures: u32, rest: Duration) -> Self {
        Self { failures, rest, state: State::Closed { failed: 0 } }
    }

    /// Whether a call may begin now.
    pub fn admit(&mut self, now: Mono) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::HalfOpen => false,
            State::Open { until } if now < until => false,
            State::Open { .. } => {
                self.state = State::HalfOpen;
                true
            }
        }
    }

    /// A call ended. Only failures of the provider count, not what it rightly refused.
    pub fn ended(&mut self, now: Mono, error: Option<&ModelError>) {
        let failed = error.is_some_and(|error| matches!(error.class(), Class::Transient));
        self.state = match (failed, self.state) {
            (false, _) => State::Closed { failed: 0 },
            (true, State::Closed { failed }) if failed.saturating_add(1) < self.failures => {
                State::Closed { failed: failed.saturating_add(1) }
            }
            (true, State::Closed { .. } | State::Open { .. } | State::HalfOpen) => State::Open { until: now.plus(self.rest) },
        };
    }

    /// A call that was let through to see was given up by its asker: the next one may see.
    pub fn abandoned(&mut self, now: Mono) {
        if matches!(self.state, State::HalfOpen) {
            self.state = State::Open { until: now };
        }
    }

    /// Whether calls are refused.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. } | State::HalfOpen)
    }
}

/// How long to wait before the attempt after `attempt` (from 1), or `None` when there is no use in one.
///
/// Doubles from `first`; `chance` from 0 to 1 shortens it by up to half, so that callers do not come back together.
/// A provider that says how long to wait is believed, up to a minute.
#[must_use]
pub fn wait_before_next(error: &ModelError, attempt: u32, attempts: u32, first: Duration, chance: f64) -> Option<Duration> {
    if attempt >= attempts || error.class() != Class::Transient {
        return None;
    }
    if let ModelError::RateLimited { retry_after: Some(wait) } = error {
        return (*wait <= Duration::from_secs(60)).then_some(*wait);
    }
    let doubled = first.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
    Some(doubled.mul_f64(1.0 - 0.5 * chance.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_after_the_rest_closes_it() {
        let mut breaker = Breaker::new(2, Duration::from_secs(10));
        breaker.ended(at(0), Some(&ModelError::Cut));
        assert!(breaker.admit(at(0)));
        breaker.ended(at(0), Some(&ModelError::Cut));
        assert!(!breaker.admit(at(9)));
        assert!(breaker.admit(at(10)), "one is let through");
        assert!(!breaker.admit(at(10)), "only one");
        breaker.ended(at(11), None);
        assert!(breaker.admit(at(11)));
    }

    #[test]
    fn a_failure_of_the_one_let_through_opens_it_again() {
        let mut breaker = Breaker::new(1, Duration::from_secs(10));
        breaker.ended(at(0), Some(&ModelError::Cut));
        assert!(breaker.admit(at(10)));
        breaker.ended(at(10), Some(&ModelError::Cut));
        assert!(!breaker.admit(at(19)));
    }

    #[test]
    fn what_a_provider_rightly_refuses_does_not_count() {
        let mut breaker = Breaker::new(1, Duration::from_secs(10));
        breaker.ended(at(0), Some(&ModelError::Unauthorised));
        assert!(breaker.admit(at(0)));
    }

    #[test]
    fn waits_double_and_end_and_a_named_wait_is_believed() {
        let first = Duration::from_secs(1);
        assert_eq!(wait_before_next(&ModelError::Cut, 1, 3, first, 0.0), Some(Duration::from_secs(1)));
        assert_eq!(wait_before_next(&ModelError::Cut, 2, 3, first, 0.0), Some(Duration::from_secs(2)));
        assert_eq!(wait_before_next(&ModelError::Cut, 3, 3, first, 0.0), None);
        assert_eq!(wait_before_next(&ModelError::Unauthorised, 1, 3, first, 0.0), None);
        let named = ModelError::RateLimited { retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(wait_before_next(&named, 1, 3, first, 0.5), Some(Duration::from_secs(7)));
    }
}
