//! The pure core: OTP's decisions of one supervisor, without actors, tasks or a clock.
//!
//! ```text
//! child:  Idle ─► Starting ─► Running ─► Stopping ─► Idle | Parked | removed
//!           ▲         └──exit────┴──exit──► Waiting (its own back-off, one_for_one) | Parked | removed
//!           └──────────── a sweep takes it down and brings it up again
//!
//! sweep:  Up (first start) ─► Rest ─► Down ─► Pause (back-off) ─► Up ─► Rest     (one_for_all, rest_for_one)
//!                               └───► Down ─► Over                               (shutdown, gave up)
//! ```
//!
//! A sweep stops one child at a time in reverse order and starts one at a time in order; dynamic children are stopped
//! together, before the others. A failure while a sweep runs widens it. A restart of the supervisor begins with new rules.

pub(crate) mod backoff;
#[cfg(test)]
mod churn_tests;
#[cfg(test)]
mod model_tests;
mod sweep;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use crate::child::ChildKey;
use crate::exit::ExitReason;
use crate::rules::sweep::{Sweep, Then};
use crate::rules::window::Window;
use crate::spec::{Backoff, Intensity, Restart, Shutdown, Strategy};

/// What the rules know of a child's spec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildRule {
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    /// Added while the supervisor runs.
    pub(crate) dynamic: bool,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Start a new incarnation of the child.
    Start(ChildKey),
    /// Ask the child to stop.
    Stop(ChildKey),
    /// Cut the child off.
    Kill(ChildKey),
    /// The child (or the sweep it caused) will be started again after this time.
    Pausing { child: ChildKey, after: Duration },
    /// The child has ended and stays in the list.
    Parked(ChildKey),
    /// The child is not in the list any more.
    Removed(ChildKey),
    /// All children have been started for the first time.
    Up,
    /// The child's exit was one restart too many.
    GivingUp(ChildKey),
    /// Nothing is left running and nothing will be started again.
    Ended(End),
}

/// How a supervisor ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    Shutdown,
    Killed,
    GaveUp { child: ChildKey, reason: ExitReason },
    StartFailed { child: ChildKey, reason: ExitReason },
}

pub(crate) type Decisions = Vec<Decision>;

#[derive(Debug)]
struct Child {
    rule: ChildRule,
    phase: Phase,
    /// Reached `Running` at least once.
    ran: bool,
    failures_in_row: u32,
    /// `stop_child` was called for it.
    leaving: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Waiting { due: Instant },
    Starting,
    Running { since: Instant },
    Stopping { kill_at: Option<Instant> },
    Parked,
}

impl Phase {
    fn is_live(self) -> bool {
        matches!(self, Self::Starting | Self::Running { .. } | Self::Stopping { .. })
    }
}

/// The decisions of one incarnation of a supervisor.
#[derive(Debug)]
pub(crate) struct Rules {
    strategy: Strategy,
    period: Duration,
    backoff: Backoff,
    window: Window,
    random: ChaCha8Rng,
    children: BTreeMap<ChildKey, Child>,
    next: ChildKey,
    alarms: BTreeSet<(Instant, ChildKey)>,
    sweep: Sweep,
    announced: bool,
    decisions: Decisions,
}

// === inputs ===

impl Rules {
    pub(crate) fn new(strategy: Strategy, intensity: Intensity, backoff: Backoff, random: ChaCha8Rng) -> Self {
        Self {
            strategy,
            period: intensity.period,
            backoff,
            window: Window::new(intensity),
            random,
            children: BTreeMap::new(),
            next: ChildKey::FIRST,
            alarms: BTreeSet::new(),
            sweep: Sweep::Rest,
            announced: false,
            decisions: Vec::new(),
        }
    }

    /// Adds a child behind the others. It is started by [`Rules::begin`], or at once when the supervisor is at rest.
    /// `None` when the supervisor is ending.
    pub(crate) fn add(&mut self, now: Instant, rule: ChildRule) -> Option<(ChildKey, Decisions)> {
        if self.is_ending() {
            return None;
        }
        let key = self.next;
        self.next = key.after();
        let child = Child { rule, phase: Phase::Idle, ran: false, failures_in_row: 0, leaving: false };
        self.children.insert(key, child);
        if rule.dynamic && matches!(self.sweep, Sweep::Rest) {
            self.start(key);
        }
        Some((key, self.settle(now)))
    }

    /// Starts the children that have been added so far, in order.
    pub(crate) fn begin(&mut self, now: Instant) -> Decisions {
        if matches!(self.sweep, Sweep::Rest) && !self.announced {
            self.sweep = Sweep::Up { cursor: ChildKey::FIRST };
        }
        self.settle(now)
    }

    /// The child is ready.
    pub(crate) fn on_started(&mut self, now: Instant, key: ChildKey) -> Decisions {
        if let Some(child) = self.children.get_mut(&key)
            && child.phase == Phase::Starting
        {
            child.phase = Phase::Running { since: now };
            child.ran = true;
        }
        self.settle(now)
    }

    /// The child has ended, for whatever reason, asked to or not.
    pub(crate) fn on_exit(&mut self, now: Instant, key: ChildKey, reason: ExitReason) -> Decisions {
        let Some(child) = self.children.get_mut(&key) else {
            return self.settle(now);
        };
        let before = std::mem::replace(&mut child.phase, Phase::Idle);
        match before {
            Phase::Idle | Phase::Waiting { .. } | Phase::Parked => child.phase = before,
            Phase::Stopping { kill_at } => {
                if let Some(at) = kill_at {
                    self.alarms.remove(&(at, key));
                }
                if child.leaving {
                    child.leaving = false;
                    self.retire(key);
                }
            }
            Phase::Starting | Phase::Running { .. } => self.on_unasked_exit(now, key, before, reason),
        }
        self.settle(now)
    }

    /// Time has come to look at what is due.
    pub(crate) fn on_timer(&mut self, now: Instant) -> Decisions {
        while let Some((at, key)) = self.alarms.first().copied()
            && at <= now
        {
            self.alarms.pop_first();
            match self.children.get_mut(&key).map(|child| &mut child.phase) {
                Some(Phase::Waiting { due }) if *due == at => self.start(key),
                Some(Phase::Stopping { kill_at }) if *kill_at == Some(at) => {
                    *kill_at = None;
                    self.decisions.push(Decision::Kill(key));
                }
                Some(_) | None => {}
            }
        }
        self.settle(now)
    }

    /// When [`Rules::on_timer`] has to be called next.
    pub(crate) fn next_alarm(&self) -> Option<Instant> {
        let child = self.alarms.first().map(|(at, _)| *at);
        match (&self.sweep, child) {
            (Sweep::Pause { due, .. }, Some(at)) => Some(at.min(*due)),
            (Sweep::Pause { due, .. }, None) => Some(*due),
            (Sweep::Rest | Sweep::Down { .. } | Sweep::Up { .. } | Sweep::Over, child) => child,
        }
    }

    /// Stops one child for good: a dynamic child is removed, a static one parked until the next sweep.
    pub(crate) fn stop_child(&mut self, now: Instant, key: ChildKey) -> Decisions {
        if let Some(child) = self.children.get_mut(&key) {
            if child.phase.is_live() {
                child.leaving = true;
                self.stop(now, key);
            } else {
                self.retire(key);
            }
        }
        self.settle(now)
    }

    /// Stops everything in reverse order and ends.
    pub(crate) fn shutdown(&mut self, now: Instant) -> Decisions {
        self.take_down(now, ChildKey::FIRST, Then::End(End::Shutdown));
        self.settle(now)
    }

    /// Cuts everything off at once and ends.
    pub(crate) fn kill(&mut self, now: Instant) -> Decisions {
        for (key, child) in self.children.iter_mut().filter(|(_, child)| child.phase.is_live()) {
            child.phase = Phase::Stopping { kill_at: None };
            self.decisions.push(Decision::Kill(*key));
        }
        self.take_down(now, ChildKey::FIRST, Then::End(End::Killed));
        self.settle(now)
    }

    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.sweep, Sweep::Over | Sweep::Down { then: Then::End(_), .. })
    }
}

// === what an exit means ===

impl Rules {
    fn on_unasked_exit(&mut self, now: Instant, key: ChildKey, before: Phase, reason: ExitReason) {
        if self.is_going_down(key) {
            // It would have been stopped anyway; it comes up again with the others.
            return;
        }
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        let wanted = match child.rule.restart {
            Restart::Permanent => true,
            Restart::Transient => !reason.is_normal(),
            Restart::Temporary => false,
        };
        if child.leaving || (!child.ran && child.rule.dynamic) {
            // A dynamic child whose first start fails is the caller's matter, as in OTP's start_child.
            return self.retire(key);
        }
        if !child.ran && !self.announced && (wanted || !reason.is_normal()) {
            return self.take_down(now, ChildKey::FIRST, Then::End(End::StartFailed { child: key, reason }));
        }
        if !wanted {
            return self.retire(key);
        }
        if let Phase::Running { since } = before
            && now.saturating_duration_since(since) >= self.period
        {
            child.failures_in_row = 0;
        }
        child.failures_in_row = child.failures_in_row.saturating_add(1);
        let failures_in_row = child.failures_in_row;
        if !self.window.admit(now) {
            self.decisions.push(Decision::GivingUp(key));
            return self.take_down(now, ChildKey::FIRST, Then::End(End::GaveUp { child: key, reason }));
        }
        let after = backoff::pause(&self.backoff, failures_in_row, &mut self.random);
        self.decisions.push(Decision::Pausing { child: key, after });
        self.restart(now, key, after);
    }

    fn restart(&mut self, now: Instant, key: ChildKey, pause: Duration) {
        match self.strategy {
            Strategy::OneForOne if pause.is_zero() => self.start(key),
            Strategy::OneForOne => {
                let due = now.checked_add(pause).unwrap_or(now);
                if let Some(child) = self.children.get_mut(&key) {
                    child.phase = Phase::Waiting { due };
                    self.alarms.insert((due, key));
                }
            }
            Strategy::OneForAll => self.take_down(now, ChildKey::FIRST, Then::Restart { pause }),
            Strategy::RestForOne => self.take_down(now, key, Then::Restart { pause }),
        }
    }

    /// The child has ended for good. A static child stays in the list, unless it is temporary.
    fn retire(&mut self, key: ChildKey) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        if child.rule.dynamic || child.rule.restart == Restart::Temporary {
            self.children.remove(&key);
            self.decisions.push(Decision::Removed(key));
        } else {
            child.phase = Phase::Parked;
            self.decisions.push(Decision::Parked(key));
        }
    }

    fn is_going_down(&self, key: ChildKey) -> bool {
        matches!(self.sweep, Sweep::Down { from, .. } if key >= from)
    }
}
