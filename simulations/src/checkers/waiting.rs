//! Nobody waits for ever: every ask of a person is answered, or its deadline passes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Checker, Rest, Seen};

/// Longer than every deadline that a person gives.
const PATIENCE: Duration = Duration::from_secs(120);

/// The checker.
#[derive(Debug, Default)]
pub struct Waiting {
    open: BTreeMap<u64, (Duration, String)>,
}

impl Checker for Waiting {
    fn name(&self) -> &'static str {
        "waiting: every ask is answered"
    }

    fn on_event(&mut self, now: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Asked(n, what) => drop(self.open.insert(*n, (now, (*what).to_owned()))),
            Seen::Answered(n) => drop(self.open.remove(n)),
            Seen::Picture(_) => {
                let late = self.open.values().find(|(since, _)| now.saturating_sub(*since) > PATIENCE);
                return late.map_or(Ok(()), |(since, what)| Err(format!("{what} has waited since {since:?}")));
            }
            _ => {}
        }
        Ok(())
    }

    fn unrest(&self, _: &Rest<'_>) -> Option<String> {
        self.open.values().next().map(|(since, what)| format!("{what} waits since {since:?}"))
    }
}
