//! Sweeps: taking a run of children down in reverse order and bringing it up again in order.
//!
//! ```text
//! Rest ─► Down (last live child first) ─► Pause (back-off) ─► Up (one at a time) ─► Rest
//!           ▲──────── a failure before or inside the run widens it ──┘
//!           └─► Over (shutdown, gave up, could not start)
//! ```
//!
//! The cursors only move one way, so that a sweep over n children takes n steps and not n².

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::child::ChildKey;
use crate::rules::{Child, Decision, Decisions, End, Phase, Rules};
use crate::spec::{Restart, Shutdown};

#[derive(Clone, Debug)]
pub(super) enum Sweep {
    Rest,
    /// Children from `from` on are taken down; those from `cursor` on are down already.
    Down {
        from: ChildKey,
        cursor: Option<ChildKey>,
        then: Then,
    },
    Pause {
        from: ChildKey,
        due: Instant,
    },
    /// Children before `cursor` have had their turn.
    Up {
        cursor: ChildKey,
    },
    Over,
}

#[derive(Clone, Debug)]
pub(super) enum Then {
    Restart { pause: Duration },
    End(End),
}

impl Then {
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (_, Self::End(End::Killed)) => Self::End(End::Killed),
            (Self::End(end), _) | (Self::Restart { .. }, Self::End(end)) => Self::End(end),
            (Self::Restart { pause: a }, Self::Restart { pause: b }) => Self::Restart { pause: a.max(b) },
        }
    }
}

impl Rules {
    /// Begins a sweep over the children from `from` on, or widens the one that runs.
    pub(super) fn take_down(&mut self, now: Instant, from: ChildKey, then: Then) {
        let (from, cursor, then) = match std::mem::replace(&mut self.sweep, Sweep::Over) {
            Sweep::Over => return,
            Sweep::Rest => (from, None, then),
            Sweep::Pause { from: other, .. } | Sweep::Up { cursor: other } => (from.min(other), None, then),
            Sweep::Down { from: other, cursor, then: first } => (from.min(other), cursor, first.join(then)),
        };
        self.sweep = Sweep::Down { from, cursor, then };
        let mut together = Vec::new();
        for (key, child) in self.children.range_mut(from..) {
            match child.phase {
                Phase::Waiting { due } => {
                    self.alarms.remove(&(due, *key));
                    child.phase = Phase::Idle;
                }
                Phase::Starting | Phase::Running { .. } if child.rule.dynamic => together.push(*key),
                Phase::Starting | Phase::Running { .. } | Phase::Stopping { .. } | Phase::Idle | Phase::Parked => {}
            }
        }
        for key in together {
            self.stop(now, key);
        }
    }

    /// Goes on with the sweep as far as it can, and hands out what has been decided.
    pub(super) fn settle(&mut self, now: Instant) -> Decisions {
        loop {
            match &mut self.sweep {
                Sweep::Rest | Sweep::Over => break,
                Sweep::Down { from, cursor, .. } => {
                    let from = *from;
                    let last = live_before(&self.children, from, cursor);
                    match last {
                        Some((_, true)) => break,
                        Some((key, false)) => {
                            self.stop(now, key);
                            break;
                        }
                        None => self.all_down(now, from),
                    }
                }
                Sweep::Pause { from, due } if *due <= now => self.sweep = Sweep::Up { cursor: *from },
                Sweep::Pause { .. } => break,
                Sweep::Up { cursor } => match self.children.range(*cursor..).next().map(|(key, child)| (*key, child.phase)) {
                    Some((_, Phase::Starting)) => break,
                    Some((key, Phase::Idle)) => {
                        self.start(key);
                        break;
                    }
                    Some((key, _)) => *cursor = key.after(),
                    None => self.all_up(),
                },
            }
        }
        std::mem::take(&mut self.decisions)
    }

    fn all_down(&mut self, now: Instant, from: ChildKey) {
        let Sweep::Down { then, .. } = std::mem::replace(&mut self.sweep, Sweep::Over) else {
            return;
        };
        let pause = match then {
            Then::End(end) => return self.decisions.push(Decision::Ended(end)),
            Then::Restart { pause } => pause,
        };
        let mut temporary = Vec::new();
        for (key, child) in self.children.range_mut(from..) {
            child.phase = Phase::Idle;
            if child.rule.restart == Restart::Temporary {
                temporary.push(*key);
            }
        }
        for key in temporary {
            self.retire(key);
        }
        let due = now.checked_add(pause).unwrap_or(now);
        self.sweep = Sweep::Pause { from, due };
    }

    fn all_up(&mut self) {
        self.sweep = Sweep::Rest;
        if !self.announced {
            self.announced = true;
            self.decisions.push(Decision::Up);
        }
    }

    pub(super) fn start(&mut self, key: ChildKey) {
        if let Some(child) = self.children.get_mut(&key) {
            child.phase = Phase::Starting;
            self.decisions.push(Decision::Start(key));
        }
    }

    pub(super) fn stop(&mut self, now: Instant, key: ChildKey) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        if matches!(child.phase, Phase::Stopping { .. }) {
            return;
        }
        let kill_at = match child.rule.shutdown {
            Shutdown::Deadline(limit) => now.checked_add(limit),
            Shutdown::Kill | Shutdown::Infinity => None,
        };
        child.phase = Phase::Stopping { kill_at };
        if let Some(at) = kill_at {
            self.alarms.insert((at, key));
        }
        let decision = match child.rule.shutdown {
            Shutdown::Kill => Decision::Kill(key),
            Shutdown::Deadline(_) | Shutdown::Infinity => Decision::Stop(key),
        };
        self.decisions.push(decision);
    }
}

/// The last live child in `from..cursor` and whether it is being stopped; the cursor moves down over the dead.
fn live_before(children: &BTreeMap<ChildKey, Child>, from: ChildKey, cursor: &mut Option<ChildKey>) -> Option<(ChildKey, bool)> {
    loop {
        let end = cursor.unwrap_or(ChildKey(u64::MAX));
        if end <= from {
            return None;
        }
        let (key, child) = children.range(from..end).next_back()?;
        if child.phase.is_live() {
            return Some((*key, matches!(child.phase, Phase::Stopping { .. })));
        }
        *cursor = Some(*key);
    }
}
