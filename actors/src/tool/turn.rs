//! Whose turn it is to speak within one call, and how much may be said. Pure.

use hearth_domain::sandbox::{Line, Outcome, SandboxLimits};

use super::life::Failure;

/// Lines that one call may say; a sandbox that keeps its own bounds says fewer.
const LINES: u32 = 512;

/// What is counted during one call.
#[derive(Debug)]
pub(super) struct Turn {
    call: u64,
    /// The question that comes next.
    next: u32,
    /// Whether one is being answered: a call waits for each answer.
    open: bool,
    lines: u32,
    bytes: usize,
    asks_max: u32,
    bytes_max: usize,
}

impl Turn {
    /// Before the first word of this call.
    pub(super) const fn new(call: u64, limits: &SandboxLimits) -> Self {
        Self { call, next: 0, open: false, lines: 0, bytes: 0, asks_max: limits.host_calls, bytes_max: limits.log_bytes }
    }

    /// It asks something.
    ///
    /// # Errors
    ///
    /// When it may not, just now or any more.
    pub(super) const fn asks(&mut self, call: u64, question: u32) -> Result<(), Failure> {
        if call != self.call || question != self.next || self.open {
            return Err(Failure::Protocol);
        }
        if self.next >= self.asks_max {
            return Err(Failure::HostCalls);
        }
        self.next = self.next.saturating_add(1);
        self.open = true;
        Ok(())
    }

    /// It has the answer.
    pub(super) const fn answered(&mut self) {
        self.open = false;
    }

    /// It says something besides.
    ///
    /// # Errors
    ///
    /// When it speaks for another call, or too much.
    pub(super) const fn says(&mut self, call: u64, line: &Line) -> Result<(), Failure> {
        if call != self.call {
            return Err(Failure::Protocol);
        }
        self.lines = self.lines.saturating_add(1);
        if let Line::Log(_, text) = line {
            self.bytes = self.bytes.saturating_add(text.len());
        }
        if self.lines > LINES || self.bytes > self.bytes_max { Err(Failure::Flood) } else { Ok(()) }
    }

    /// Whether it may end: while it waits for an answer, only by giving up, because its own time can be over before ours.
    pub(super) const fn may_end(&self, call: u64, outcome: &Outcome) -> bool {
        call == self.call && (!self.open || matches!(outcome, Outcome::Fault(_)))
    }
}

#[cfg(test)]
mod tests {
    use hearth_domain::sandbox::{Fault, Level};

    use super::*;

    fn turn() -> Turn {
        Turn::new(7, &SandboxLimits { host_calls: 3, log_bytes: 10, ..SandboxLimits::default() })
    }

    fn ended() -> Outcome {
        Outcome::Parts(Vec::new())
    }

    #[test]
    fn questions_count_up_and_each_waits_for_its_answer() {
        let mut turn = turn();
        assert_eq!(turn.asks(7, 0), Ok(()));
        assert!(!turn.may_end(7, &ended()));
        assert!(turn.may_end(7, &Outcome::Fault(Fault::Deadline)), "it gave up waiting");
        assert!(!turn.may_end(8, &Outcome::Fault(Fault::Deadline)));
        assert_eq!(turn.asks(7, 1), Err(Failure::Protocol), "the first is not answered");
        turn.answered();
        assert!(turn.may_end(7, &ended()) && !turn.may_end(8, &ended()));
        assert_eq!(turn.asks(7, 1), Ok(()));
        turn.answered();
        for (call, question) in [(7, 1), (7, 3), (8, 2)] {
            assert_eq!(turn.asks(call, question), Err(Failure::Protocol), "{call} {question}");
        }
        assert_eq!(turn.asks(7, 2), Ok(()));
        turn.answered();
        assert_eq!(turn.asks(7, 3), Err(Failure::HostCalls));
    }

    #[test]
    fn what_is_said_besides_is_bounded_in_lines_and_bytes() {
        let mut turn = turn();
        let log = |text: &str| Line::Log(Level::Info, text.to_owned());
        assert_eq!(turn.says(8, &log("x")), Err(Failure::Protocol));
        assert_eq!(turn.says(7, &log("0123456789")), Ok(()));
        assert_eq!(turn.says(7, &log("x")), Err(Failure::Flood));
        let mut turn = Turn::new(7, &SandboxLimits::default());
        let said = (0..1_000).take_while(|_| turn.says(7, &Line::Progress(String::new())).is_ok()).count();
        assert_eq!(said, 512);
    }
}
