//! Whose turn it is to speak: what a sandbox may say now, and how much of it. Pure.

use hearth_domain::sandbox::{Ask, Ended, Operation, Outcome, Part, SandboxLimits, Tell};

use crate::runner::OPERATIONS;
use crate::world::{LOG_LINES, PROGRESS_LINES};

/// Lines that one call may say; an honest sandbox keeps to less.
const LINES: u32 = LOG_LINES + PROGRESS_LINES;
/// Questions whether it is alive that are open at once.
const BEATS: u32 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Loading,
    Idle,
    Calling(Calling),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Calling {
    call: u64,
    /// The question that is open.
    open: Option<u32>,
    /// How many there were.
    questions: u32,
    lines: u32,
}

/// What becomes of something that the house wants to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Say {
    /// It is said.
    Pass,
    /// Nobody waits for it any more.
    Drop,
    /// It ends the process.
    End(Ended),
}

/// The conversation with one sandbox.
#[derive(Debug)]
pub(super) struct Turn {
    phase: Phase,
    beats: u32,
    limits: SandboxLimits,
}

fn protocol<T>(what: &str) -> Result<T, Ended> {
    Err(Ended::Protocol(what.to_owned()))
}

impl Turn {
    pub(super) const fn new(limits: SandboxLimits) -> Self {
        Self { phase: Phase::Loading, beats: 0, limits }
    }

    /// The house says this.
    pub(super) fn asks(&mut self, ask: &Ask) -> Say {
        match (ask, &mut self.phase) {
            (Ask::Call(call), Phase::Idle) => {
                self.phase = Phase::Calling(Calling { call: call.id, open: None, questions: 0, lines: 0 });
                Say::Pass
            }
            (Ask::Given { call, question, .. }, Phase::Calling(calling)) if calling.call == *call && calling.open == Some(*question) => {
                calling.open = None;
                Say::Pass
            }
            (Ask::Given { .. }, _) => Say::Drop,
            (Ask::Beat { .. }, _) if self.beats < BEATS => {
                self.beats = self.beats.saturating_add(1);
                Say::Pass
            }
            (Ask::Beat { .. }, _) => Say::Drop,
            (Ask::Call(_), Phase::Calling(_)) => Say::End(Ended::Protocol("a second call while one runs".to_owned())),
            (Ask::Call(_), Phase::Loading) => Say::End(Ended::Protocol("a call before it is ready".to_owned())),
            (Ask::Load { .. }, _) => Say::End(Ended::Protocol("a second component".to_owned())),
        }
    }

    /// The sandbox says this.
    pub(super) fn hears(&mut self, tell: &Tell) -> Result<(), Ended> {
        match (tell, &mut self.phase) {
            (Tell::Ready { operations, .. }, Phase::Loading) => {
                self.phase = Phase::Idle;
                fit(operations)
            }
            (Tell::Unfit(_), Phase::Loading) => Ok(()),
            (Tell::Host { call, question, .. }, Phase::Calling(calling)) => {
                if calling.call != *call || calling.open.is_some() || calling.questions != *question {
                    return protocol("a question out of turn");
                }
                if calling.questions >= self.limits.host_calls {
                    return Err(Ended::Flood);
                }
                calling.questions = calling.questions.saturating_add(1);
                calling.open = Some(*question);
                Ok(())
            }
            (Tell::Said { call, .. }, Phase::Calling(calling)) if calling.call == *call => {
                if calling.lines >= LINES {
                    return Err(Ended::Flood);
                }
                calling.lines = calling.lines.saturating_add(1);
                Ok(())
            }
            (Tell::Done { call, outcome, .. }, Phase::Calling(calling)) if calling.call == *call => {
                self.phase = Phase::Idle;
                if bytes(outcome) > self.limits.result_bytes { protocol("a result larger than allowed") } else { Ok(()) }
            }
            (Tell::Beat { .. }, _) if self.beats > 0 => {
                self.beats = self.beats.saturating_sub(1);
                Ok(())
            }
            (Tell::Beat { .. }, _) => protocol("an answer that nobody asked for"),
            (Tell::Ready { .. } | Tell::Unfit(_), _) => protocol("it is ready twice"),
            (Tell::Host { .. } | Tell::Said { .. } | Tell::Done { .. }, _) => protocol("it speaks of a call that does not run"),
        }
    }
}

fn fit(operations: &[Operation]) -> Result<(), Ended> {
    if operations.len() > OPERATIONS { protocol("more operations than a tool may have") } else { Ok(()) }
}

/// What a result takes, base64 undone.
fn bytes(outcome: &Outcome) -> usize {
    let part = |part: &Part| match part {
        Part::Text(text) | Part::Json(text) => text.len(),
        Part::Blob { media_type, base64 } => media_type.len().saturating_add(base64.len() / 4 * 3),
    };
    match outcome {
        Outcome::Parts(parts) => parts.iter().map(part).fold(0, usize::saturating_add),
        Outcome::Refused(refusal) => refusal.sentence.len(),
        Outcome::Fault(_) => 0,
    }
}

#[cfg(test)]
mod tests;
