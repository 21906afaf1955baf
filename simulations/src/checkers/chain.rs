//! The journal is one unbroken chain, group by group.

use std::time::Duration;

use hearth_domain::journal::{Head, verify};

use super::{Checker, Seen};

/// The checker.
#[derive(Debug)]
pub struct Chain {
    head: Head,
}

impl Default for Chain {
    fn default() -> Self {
        Self { head: Head::EMPTY }
    }
}

impl Checker for Chain {
    fn name(&self) -> &'static str {
        "chain: the journal verifies"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        if let Seen::Written(group) = seen {
            self.head = verify(self.head, &group.entries).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
