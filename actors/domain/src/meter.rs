//! The port through which the house counts what it does, for whoever collects figures.

use std::time::Duration;

use crate::journal::FactKind;
use crate::model::Usage;

/// Counts. Called on the actors' thread, so it must return at once; what it does cannot fail and decides nothing.
pub trait Meter: Send + Sync {
    /// A fact is durable.
    fn committed(&self, kind: FactKind);
    /// A provider has completed a request.
    fn used(&self, provider: &str, usage: &Usage);
    /// Policy has decided upon a call, by labels, gate and rules, and this is what it took.
    fn decided(&self, took: Duration);
}

/// Counts nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn committed(&self, _: FactKind) {}
    fn used(&self, _: &str, _: &Usage) {}
    fn decided(&self, _: Duration) {}
}
