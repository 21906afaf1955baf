//! Restarts stay within their windows, every panic is a planned one, and nobody is stuck.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hearth_supervisor::exit::ExitReason;
use hearth_supervisor::spec::Intensity;
use hearth_supervisor::tree::EventKind;

use super::{Checker, Seen};
use crate::world::PLANNED;

/// The checker.
#[derive(Debug, Default)]
pub struct Restarts {
    /// Restarts by supervisor.
    windows: BTreeMap<String, VecDeque<Duration>>,
}

/// The windows of the tree, as the wiring sets them.
fn intensity(supervisor: &str) -> (u32, Duration) {
    match supervisor {
        "house" => (5, Duration::from_secs(60)),
        "house/conversations" => (60, Duration::from_secs(60)),
        "house/channels" => (20, Duration::from_secs(60)),
        _ => {
            let usual = Intensity::default();
            (usual.max_restarts, usual.period)
        }
    }
}

impl Restarts {
    fn restarting(&mut self, now: Duration, path: &str) -> Result<(), String> {
        let supervisor = path.rsplit_once('/').map_or("", |(supervisor, _)| supervisor);
        let (most, period) = intensity(supervisor);
        let window = self.windows.entry(supervisor.to_owned()).or_default();
        window.push_back(now);
        while window.front().is_some_and(|first| now.saturating_sub(*first) > period) {
            window.pop_front();
        }
        if window.len() > most as usize {
            return Err(format!("{supervisor} has restarted {} children within {period:?}", window.len()));
        }
        Ok(())
    }
}

impl Checker for Restarts {
    fn name(&self) -> &'static str {
        "restarts: within their windows, after planned panics only"
    }

    fn on_event(&mut self, now: Duration, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Tree(event) = seen else {
            if matches!(seen, Seen::Begins) {
                self.windows.clear();
            }
            return Ok(());
        };
        match &event.kind {
            EventKind::Restarting { .. } => self.restarting(now, &event.path),
            EventKind::Started => {
                // A supervisor that begins anew has an empty window.
                self.windows.remove(&*event.path);
                Ok(())
            }
            EventKind::Stuck => Err(format!("{} is stuck", event.path)),
            EventKind::Exited { reason: ExitReason::Panicked { message, .. } | ExitReason::StartPanicked { message } } => {
                if message.starts_with(PLANNED) { Ok(()) } else { Err(format!("{} panicked: {message}", event.path)) }
            }
            _ => Ok(()),
        }
    }
}
