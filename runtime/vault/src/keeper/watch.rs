//! The guard as the broker's eyes. Whatever is found ends the stream; nothing is redacted here.

use std::sync::Arc;

use hearth_domain::secret::SecretName;
use hearth_domain::time::Clock;
use hearth_domain::vault::Used;

use crate::egress::ports::{Held, Leak, Refused, Scan, Watch, Why};
use crate::guard::scan::{HOLD_FROM, Released, Scanner};
use crate::keeper::Keeper;
use crate::keeper::events::Events;
use crate::policy::address;

/// Looks with the guard as it is when a stream begins. Each finding is an alarm.
#[derive(Debug, Clone)]
pub struct Guarded {
    keeper: Keeper,
}

impl Guarded {
    /// The watch of this keeper.
    #[must_use]
    pub const fn new(keeper: Keeper) -> Self {
        Self { keeper }
    }

    fn scan(&self, outcome: &'static str) -> Box<dyn Scan> {
        let core = self.keeper.core();
        let (scanner, clock) = (Scanner::new(&core.guard, HOLD_FROM), Arc::clone(&core.ports.clock));
        drop(core);
        Box::new(GuardScan { scanner, seen: 0, outcome, events: self.keeper.events(), clock })
    }
}

impl Watch for Guarded {
    fn outgoing(&self) -> Box<dyn Scan> {
        self.scan("leak-out")
    }

    fn incoming(&self) -> Box<dyn Scan> {
        self.scan("leak-in")
    }
}

struct GuardScan {
    scanner: Scanner,
    seen: u64,
    outcome: &'static str,
    events: Arc<Events>,
    clock: Arc<dyn Clock>,
}

impl GuardScan {
    fn judged(&self, released: &Released) -> Result<Held, Leak> {
        if let Some(finding) = released.findings.first() {
            self.tell(&finding.secret);
            return Err(Leak { what: finding.secret.as_str().to_owned() });
        }
        Ok(Held(usize::try_from(self.seen.saturating_sub(released.safe)).unwrap_or(usize::MAX)))
    }

    fn tell(&self, secret: &SecretName) {
        let direction = if self.outcome == "leak-out" { "a request" } else { "an answer" };
        self.events.push(Used {
            who: None,
            member: None,
            secrets: vec![secret.clone()],
            place: direction.to_owned(),
            outcome: self.outcome.to_owned(),
            alarm: true,
            times: 1,
            at: self.clock.wall(),
        });
    }
}

impl Scan for GuardScan {
    fn feed(&mut self, piece: &[u8]) -> Result<Held, Leak> {
        let released = self.scanner.feed(piece);
        self.seen = self.seen.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        self.judged(&released)
    }

    fn finish(&mut self) -> Result<(), Leak> {
        let released = self.scanner.finish();
        self.judged(&released).map(drop)
    }
}

/// For the process without keys: it knows no values to look for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Blind;

impl Watch for Blind {
    fn outgoing(&self) -> Box<dyn Scan> {
        Box::new(Self)
    }

    fn incoming(&self) -> Box<dyn Scan> {
        Box::new(Self)
    }
}

impl Scan for Blind {
    fn feed(&mut self, _piece: &[u8]) -> Result<Held, Leak> {
        Ok(Held(0))
    }

    fn finish(&mut self) -> Result<(), Leak> {
        Ok(())
    }
}

/// The policy's own judgement of addresses.
pub fn judge() -> crate::egress::ports::Judge {
    Arc::new(|found, lan| {
        address::allowed(found, lan).map_err(|error| Refused { why: Why::Denied, code: error.code(), sentence: error.to_string() })
    })
}
