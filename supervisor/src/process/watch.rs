//! Watching a child that is a process: a pure state machine that an actor drives.
//!
//! ```text
//!             Ready                 Stop / asked             stop deadline        terminate deadline
//! Starting ──────────► Ready ─────────────────► AskedToStop ─────────► Terminated ─────────► Killed ──Exited──► Gone
//!    │ start deadline     │ ping unanswered                                ▲                    ▲
//!    └────────────────────┴── Kill ─────────────────────────────── SocketClosed ────────────────┘
//! ```
//!
//! Events: what came from the child, what the owner wants, and that time has passed. Effects: what to do now. The last
//! [`Effect::WakeAt`] counts; an event at that time (or any later) may be a mere [`Event::Tick`]. `Exited` is the only way to
//! `Gone`, and comes from any phase: a process is gone when the system says so, not when we think it should be.

use std::time::Duration;

use tokio::time::Instant;

use super::spawn::Exit;

/// How long each thing may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From the start to `Ready`.
    pub start: Duration,
    /// Between an answer and the next ping.
    pub ping_every: Duration,
    /// From a ping to its answer.
    pub answer: Duration,
    /// From being asked to stop to SIGTERM.
    pub stop: Duration,
    /// From SIGTERM, or from the end of its socket, to SIGKILL.
    pub terminate: Duration,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The child says that it is up.
    Ready,
    /// The child answers a ping.
    Pong {
        /// The ping's.
        nonce: u64,
    },
    /// The owner wants it to end.
    Stop,
    /// The child's socket ended or failed.
    SocketClosed,
    /// The system says how it ended.
    Exited(Exit),
    /// Time passed.
    Tick,
}

/// Why a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Of its own accord.
    Itself,
    /// It was asked to.
    Asked,
    /// It was not ready in time.
    StartTimedOut,
    /// It did not answer in time.
    Unanswered,
    /// It closed its socket, and then ended or was ended.
    SocketClosed,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is up: let its users in.
    BecameReady,
    /// Nobody is to use it any more. Once, before anything that ends it; not when it is gone at once.
    BecameUnready,
    /// Send `Life::Ping`.
    Ping {
        /// Never the same twice.
        nonce: u64,
    },
    /// Send `Life::Stop`.
    AskToStop,
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
    /// Call again then, if nothing happens before.
    WakeAt(Instant),
    /// It is over.
    Gone {
        /// Why.
        cause: Cause,
        /// How.
        exit: Exit,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting { until: Instant },
    Ready { next_ping: Instant },
    Waiting { nonce: u64, until: Instant },
    AskedToStop { until: Instant },
    Terminated { cause: Cause, until: Instant },
    Killed { cause: Cause },
    Gone,
}

/// The watch over one child.
#[derive(Debug)]
pub struct Watch {
    deadlines: Deadlines,
    phase: Phase,
    pings: u64,
}

impl Watch {
    /// A child that was started now, and when to look next.
    #[must_use]
    pub fn start(deadlines: Deadlines, now: Instant) -> (Self, Vec<Effect>) {
        let until = after(now, deadlines.start);
        (Self { deadlines, phase: Phase::Starting { until }, pings: 0 }, vec![Effect::WakeAt(until)])
    }

    /// True while its users may use it.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. } | Phase::Waiting { .. })
    }

    /// True once the system has said how it ended.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone)
    }

    /// What to do about this, in this order.
    pub fn on_event(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let was_ready = self.is_ready();
        let mut effects = Vec::new();
        if let Some(phase) = self.heard(now, event, &mut effects) {
            self.phase = phase;
        }
        while let Some(phase) = self.passed(now, &mut effects) {
            self.phase = phase;
        }
        if was_ready && !self.is_ready() && !self.is_gone() {
            effects.insert(0, Effect::BecameUnready);
        }
        effects.extend(self.wake_at().map(Effect::WakeAt));
        effects
    }

    fn heard(&self, now: Instant, event: Event, effects: &mut Vec<Effect>) -> Option<Phase> {
        match (event, self.phase) {
            (_, Phase::Gone) | (Event::Tick, _) => None,
            (Event::Exited(exit), phase) => {
                effects.push(Effect::Gone { cause: cause(phase), exit });
                Some(Phase::Gone)
            }
            (Event::Ready, Phase::Starting { until }) if now < until => {
                effects.push(Effect::BecameReady);
                Some(Phase::Ready { next_ping: after(now, self.deadlines.ping_every) })
            }
            (Event::Pong { nonce }, Phase::Waiting { nonce: asked, until }) if nonce == asked && now < until => {
                Some(Phase::Ready { next_ping: after(now, self.deadlines.ping_every) })
            }
            (Event::Stop, Phase::Starting { .. } | Phase::Ready { .. } | Phase::Waiting { .. }) => {
                effects.push(Effect::AskToStop);
                Some(Phase::AskedToStop { until: after(now, self.deadlines.stop) })
            }
            // It is on its way out; one that is not is helped along.
            (Event::SocketClosed, Phase::Starting { .. } | Phase::Ready { .. } | Phase::Waiting { .. }) => {
                Some(Phase::Terminated { cause: Cause::SocketClosed, until: after(now, self.deadlines.terminate) })
            }
            (Event::Ready | Event::Pong { .. } | Event::Stop | Event::SocketClosed, _) => None,
        }
    }

    fn passed(&mut self, now: Instant, effects: &mut Vec<Effect>) -> Option<Phase> {
        if self.wake_at().is_none_or(|until| now < until) {
            return None;
        }
        match self.phase {
            Phase::Starting { .. } => {
                effects.push(Effect::Kill);
                Some(Phase::Killed { cause: Cause::StartTimedOut })
            }
            Phase::Ready { .. } => {
                let nonce = self.pings;
                self.pings = self.pings.wrapping_add(1);
                effects.push(Effect::Ping { nonce });
                Some(Phase::Waiting { nonce, until: after(now, self.deadlines.answer) })
            }
            Phase::Waiting { .. } => {
                effects.push(Effect::Kill);
                Some(Phase::Killed { cause: Cause::Unanswered })
            }
            Phase::AskedToStop { .. } => {
                effects.push(Effect::Terminate);
                Some(Phase::Terminated { cause: Cause::Asked, until: after(now, self.deadlines.terminate) })
            }
            Phase::Terminated { cause, .. } => {
                effects.push(Effect::Kill);
                Some(Phase::Killed { cause })
            }
            Phase::Killed { .. } | Phase::Gone => None,
        }
    }

    const fn wake_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Starting { until }
            | Phase::Ready { next_ping: until }
            | Phase::Waiting { until, .. }
            | Phase::AskedToStop { until }
            | Phase::Terminated { until, .. } => Some(until),
            Phase::Killed { .. } | Phase::Gone => None,
        }
    }
}

const fn cause(phase: Phase) -> Cause {
    match phase {
        Phase::Starting { .. } | Phase::Ready { .. } | Phase::Waiting { .. } | Phase::Gone => Cause::Itself,
        Phase::AskedToStop { .. } => Cause::Asked,
        Phase::Terminated { cause, .. } | Phase::Killed { cause } => cause,
    }
}

/// A time beyond the clock's range is as good as never, and a day is long enough to look again.
fn after(now: Instant, wait: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(86_400);
    now.checked_add(wait).or_else(|| now.checked_add(DAY)).unwrap_or(now)
}

#[cfg(test)]
mod tests;
