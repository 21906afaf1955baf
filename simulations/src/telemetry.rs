//! The house's own log lines, put into the trace: what an actor says about itself explains what a checker finds.

use std::fmt::Write as _;
use std::sync::Weak;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::recording::Observer;
use crate::world::World;

/// Takes the events of the house's crates from this thread.
#[derive(Debug)]
pub struct Telemetry(pub Weak<World>);

impl Subscriber for Telemetry {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO && metadata.target().starts_with("hearth_")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        // The supervisor's events come through the observer already.
        if event.metadata().target().starts_with("hearth_supervisor") {
            return;
        }
        if let Some(world) = self.0.upgrade() {
            let mut line = Line(format!("log {}", event.metadata().level()));
            event.record(&mut line);
            world.sees(Observer::Log, || line.0.clone());
            world.note(line.0);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = if field.name() == "message" { write!(self.0, " {value:?}") } else { write!(self.0, " {}={value:?}", field.name()) };
    }
}
