//! The life of one tool's processes, and which call runs in which. Pure.
//!
//! ```text
//!            a call               ready               a call
//!  Parked ──────────▶ Starting ──────────▶ Idle ◀───────────────▶ Calling
//!    ▲                   │                   │                       │
//!    └── end, failure ◀──┴───────────────────┴───────────────────────┘      too many within the window ──▶ Quarantined
//! ```
//!
//! Invariants, each with a property below: every call that is taken is answered exactly once; calls begin in the order in which they were
//! taken; there is at most one process, and it has at most one call.

use std::collections::VecDeque;
use std::time::Duration;

use hearth_domain::limits::Limits;
use hearth_domain::sandbox::{Ended, Fault};
use hearth_domain::time::Mono;

/// How long to wait before the next process after the second failure in a row.
const WAIT_FIRST: Duration = Duration::from_millis(50);
/// The longest such wait.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Where the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There is none.
    Parked,
    /// One is being made, and has until then to be ready.
    Starting { until: Mono },
    /// It waits for a call.
    Idle { since: Mono },
    /// It does this one, until then.
    Calling { call: u64, until: Mono },
    /// There will be none before an adult says so.
    Quarantined,
}

/// What to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Make a process.
    Start,
    /// Have the process do this call.
    Say(u64),
    /// End the process, or whatever is left of it, and all that was done for its call.
    Kill,
    /// Answer this call; it is over.
    Answer(u64, Verdict),
    /// The tool failed too often, for the last time so: make that known.
    Quarantine(Failure),
    /// Nothing is left to do, and nothing more will come.
    Retired,
}

/// Why a call has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its process ended.
    Lost,
    /// It ran longer than it may.
    TimedOut,
    /// It waited until its deadline; it never ran.
    Busy,
    /// The sandbox says that it broke, and how.
    Fault(Fault),
    /// The tool was quarantined before it ran.
    Quarantined,
    /// An adult revoked the tool.
    Revoked,
}

/// What goes wrong with a tool. Closed words: nothing of what the tool said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// No process could be made.
    #[error("its process could not be started")]
    NotStarted,
    /// It was not ready in time.
    #[error("its process was not ready in time")]
    SlowStart,
    /// Its component cannot be used.
    #[error("{0}")]
    Unfit(Fault),
    /// There is no compiled form that can be trusted.
    #[error("it has no compiled form that can be trusted; install it again")]
    NotCompiled,
    /// It says that it can do other things than were granted.
    #[error("it says that it can do something else than what was granted")]
    Changed,
    /// The process ended by itself, with this code.
    #[error("its process ended with code {0}")]
    Exited(i32),
    /// The process was killed from outside, or by the kernel.
    #[error("its process was ended by signal {0}")]
    Signalled(i32),
    /// The process ended, nobody knows how.
    #[error("its process ended")]
    Gone,
    /// It said what nobody may say, or out of turn.
    #[error("it broke the rules of what a tool may say to the house")]
    Protocol,
    /// It said too much.
    #[error("it said more than it may")]
    Flood,
    /// It asked the house for too much.
    #[error("{}", Fault::HostCalls)]
    HostCalls,
    /// Its call did not end.
    #[error("it did not finish a call in time")]
    Silent,
    /// The sandbox ended its call.
    #[error("{0}")]
    Fault(Fault),
}

impl From<&Ended> for Failure {
    fn from(ended: &Ended) -> Self {
        match ended {
            Ended::Code(code) => Self::Exited(*code),
            Ended::Signal(signal) => Self::Signalled(*signal),
            Ended::Protocol(_) => Self::Protocol,
            Ended::Flood => Self::Flood,
            Ended::Unknown => Self::Gone,
        }
    }
}

impl Failure {
    /// What it means for the call that runs.
    const fn verdict(self) -> Verdict {
        match self {
            Self::Silent => Verdict::TimedOut,
            Self::Fault(fault) => Verdict::Fault(fault),
            Self::HostCalls => Verdict::Fault(Fault::HostCalls),
            Self::NotStarted
            | Self::SlowStart
            | Self::Unfit(_)
            | Self::NotCompiled
            | Self::Changed
            | Self::Exited(_)
            | Self::Signalled(_)
            | Self::Gone
            | Self::Protocol
            | Self::Flood => Verdict::Lost,
        }
    }
}

/// Why a call was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// Too many wait.
    Full,
    /// The tool is quarantined.
    Quarantined,
    /// It takes no more calls: another one has taken its place.
    Retiring,
}

/// Whether more calls come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Open,
    Retiring,
    Retired,
}

/// The life of one process after the other.
#[derive(Debug)]
pub(super) struct Life {
    phase: Phase,
    service: Service,
    /// Calls that wait, and until when.
    waiting: VecDeque<(u64, Mono)>,
    /// When it failed, within the window.
    failures: VecDeque<Mono>,
    /// Processes that failed since a call had its result.
    in_a_row: u32,
    /// No process before then.
    rest: Mono,
    waiting_max: usize,
    failures_max: usize,
    window: Duration,
    start: Duration,
    park_after: Duration,
}

impl Life {
    /// Before the first process.
    pub(super) fn new(now: Mono, limits: &Limits) -> Self {
        Self {
            phase: Phase::Parked,
            service: Service::Open,
            waiting: VecDeque::new(),
            failures: VecDeque::new(),
            in_a_row: 0,
            rest: now,
            waiting_max: limits.tool_waiting,
            failures_max: limits.tool_failures,
            window: limits.tool_window,
            start: limits.tool_start,
            park_after: limits.tool_park_after,
        }
    }

    /// The call that runs.
    pub(super) const fn running(&self) -> Option<u64> {
        if let Phase::Calling { call, .. } = self.phase { Some(call) } else { None }
    }

    /// The state's name.
    pub(super) const fn name(&self) -> &'static str {
        match self.phase {
            Phase::Parked => "parked",
            Phase::Starting { .. } => "starting",
            Phase::Idle { .. } => "idle",
            Phase::Calling { .. } => "calling",
            Phase::Quarantined => "quarantined",
        }
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Failures within the window.
    pub(super) fn failures(&self) -> usize {
        self.failures.len()
    }

    /// Takes a call that has until then.
    pub(super) fn submit(&mut self, now: Mono, call: u64, until: Mono) -> Result<Vec<Effect>, NotTaken> {
        if self.service != Service::Open {
            return Err(NotTaken::Retiring);
        }
        if self.phase == Phase::Quarantined {
            return Err(NotTaken::Quarantined);
        }
        if self.waiting.len() >= self.waiting_max {
            return Err(NotTaken::Full);
        }
        self.waiting.push_back((call, until));
        Ok(self.go_on(now, Vec::new()))
    }

    /// The process can be called. `None` when nobody waits for that.
    pub(super) fn ready(&mut self, now: Mono) -> Option<Vec<Effect>> {
        if !matches!(self.phase, Phase::Starting { .. }) {
            return None;
        }
        self.phase = Phase::Idle { since: now };
        Some(self.go_on(now, Vec::new()))
    }

    /// The call has its result. `None` when it is not the one that runs.
    pub(super) fn done(&mut self, now: Mono) -> Option<Vec<Effect>> {
        self.running()?;
        self.in_a_row = 0;
        self.phase = Phase::Idle { since: now };
        Some(self.go_on(now, Vec::new()))
    }

    /// The sandbox has ended the call that runs and lives on. `None` when there is no such call.
    pub(super) fn broke(&mut self, now: Mono, fault: Fault) -> Option<Vec<Effect>> {
        let call = self.running()?;
        self.phase = Phase::Idle { since: now };
        let mut effects = vec![Effect::Answer(call, Verdict::Fault(fault))];
        if self.count(now) {
            effects.push(Effect::Kill);
            effects.extend(self.quarantine(Failure::Fault(fault)));
        }
        Some(self.go_on(now, effects))
    }

    /// The process is gone, or must go.
    pub(super) fn failed(&mut self, now: Mono, why: Failure) -> Vec<Effect> {
        if matches!(self.phase, Phase::Parked | Phase::Quarantined) {
            return Vec::new();
        }
        let mut effects = vec![Effect::Kill];
        effects.extend(self.running().map(|call| Effect::Answer(call, why.verdict())));
        self.phase = Phase::Parked;
        let too_often = self.count(now);
        if too_often || why == Failure::NotCompiled {
            effects.extend(self.quarantine(why));
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.rest = now.plus(self.pause());
        self.go_on(now, effects)
    }

    /// Nobody waits for this call any more. It is not answered: its asker is gone.
    pub(super) fn cancel(&mut self, now: Mono, call: u64) -> Vec<Effect> {
        self.waiting.retain(|(waiting, _)| *waiting != call);
        let mut effects = Vec::new();
        if self.running() == Some(call) {
            self.phase = Phase::Parked;
            effects.push(Effect::Kill);
        }
        self.go_on(now, effects)
    }

    /// No more calls; what was taken ends as ever.
    pub(super) fn retire(&mut self, now: Mono) -> Vec<Effect> {
        if self.service == Service::Open {
            self.service = Service::Retiring;
        }
        self.go_on(now, Vec::new())
    }

    /// No more calls; what was taken ends now.
    pub(super) fn revoke(&mut self, now: Mono) -> Vec<Effect> {
        let mut effects = vec![Effect::Kill];
        effects.extend(self.running().map(|call| Effect::Answer(call, Verdict::Revoked)));
        effects.extend(self.waiting.drain(..).map(|(call, _)| Effect::Answer(call, Verdict::Revoked)));
        self.phase = Phase::Parked;
        effects.extend(self.retire(now));
        effects
    }

    /// What is due.
    pub(super) fn tick(&mut self, now: Mono) -> Vec<Effect> {
        let late = self.waiting.iter().filter(|(_, until)| *until <= now);
        let mut effects: Vec<_> = late.map(|(call, _)| Effect::Answer(*call, Verdict::Busy)).collect();
        self.waiting.retain(|(_, until)| *until > now);
        match self.phase {
            Phase::Starting { until } if until <= now => effects.extend(self.failed(now, Failure::SlowStart)),
            Phase::Calling { until, .. } if until <= now => effects.extend(self.failed(now, Failure::Silent)),
            Phase::Idle { since } if self.waiting.is_empty() && since.plus(self.park_after) <= now => {
                self.phase = Phase::Parked;
                effects.push(Effect::Kill);
            }
            Phase::Starting { .. } | Phase::Calling { .. } | Phase::Idle { .. } | Phase::Parked | Phase::Quarantined => {}
        }
        self.go_on(now, effects)
    }

    /// When something is due next.
    pub(super) fn due(&self) -> Option<Mono> {
        let own = match self.phase {
            Phase::Parked => (!self.waiting.is_empty()).then_some(self.rest),
            Phase::Starting { until } | Phase::Calling { until, .. } => Some(until),
            Phase::Idle { since } => Some(since.plus(self.park_after)),
            Phase::Quarantined => None,
        };
        self.waiting.iter().map(|(_, until)| *until).chain(own).min()
    }

    /// Begins what can begin.
    fn go_on(&mut self, now: Mono, mut effects: Vec<Effect>) -> Vec<Effect> {
        match self.phase {
            Phase::Parked if !self.waiting.is_empty() && self.rest <= now => {
                self.phase = Phase::Starting { until: now.plus(self.start) };
                effects.push(Effect::Start);
            }
            Phase::Idle { .. } => {
                if let Some((call, until)) = self.waiting.pop_front() {
                    self.phase = Phase::Calling { call, until };
                    effects.push(Effect::Say(call));
                }
            }
            Phase::Parked | Phase::Starting { .. } | Phase::Calling { .. } | Phase::Quarantined => {}
        }
        if self.service == Service::Retiring && self.waiting.is_empty() && self.running().is_none() {
            if matches!(self.phase, Phase::Idle { .. } | Phase::Starting { .. }) {
                self.phase = Phase::Parked;
                effects.push(Effect::Kill);
            }
            self.service = Service::Retired;
            effects.push(Effect::Retired);
        }
        effects
    }

    /// Counts a failure; whether that was one too many.
    fn count(&mut self, now: Mono) -> bool {
        self.failures.retain(|at| now.since(*at) < self.window);
        self.failures.push_back(now);
        self.failures.len() >= self.failures_max
    }

    /// None after the first failure, then ever longer, until a call has its result: one that works is back at once, however often it is killed
    /// (how often that may be is the window's matter, which counts on).
    fn pause(&self) -> Duration {
        let doublings = self.in_a_row.checked_sub(2);
        doublings.map_or(Duration::ZERO, |doublings| WAIT_FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(WAIT_MAX))
    }

    fn quarantine(&mut self, why: Failure) -> Vec<Effect> {
        self.phase = Phase::Quarantined;
        let refused = self.waiting.drain(..).map(|(call, _)| Effect::Answer(call, Verdict::Quarantined));
        refused.chain([Effect::Quarantine(why)]).collect()
    }
}

#[cfg(test)]
mod tests;
