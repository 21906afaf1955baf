//! What is known of a child without its spec and without its actor: its key, and its heartbeat.

use std::time::Duration;

/// A child of one incarnation of a supervisor; later children have larger keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChildKey(pub(crate) u64);

impl ChildKey {
    pub(crate) const FIRST: Self = Self(0);

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    pub(crate) fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The heartbeat of a child: its intake is asked for attention every `every`; none within `deadline` means stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Time between two probes.
    pub every: Duration,
    /// Time to answer; longer than anything the actor legitimately waits for with `ctx.wait` or `AtomicResponse`.
    pub deadline: Duration,
}
