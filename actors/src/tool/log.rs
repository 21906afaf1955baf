//! The log of one tool: its newest lines, for whoever looks after it. Its words are the tool's own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use hearth_domain::ids::CallId;
use hearth_domain::sandbox::Level;
use hearth_domain::time::Timestamp;
use serde::Serialize;

/// Longest line that is kept, in bytes.
const LINE_MAX: usize = 4_096;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// When the house heard it.
    pub at: Timestamp,
    /// During which call.
    pub call: CallId,
    /// How bad it is.
    pub level: Level,
    /// What: the tool's own words.
    pub text: String,
}

/// The newest lines. A clone is the same log: it outlives the actor that writes it.
#[derive(Debug, Clone)]
pub struct Log {
    lines: Arc<Mutex<VecDeque<LogLine>>>,
    most: usize,
}

impl Log {
    /// An empty log of so many lines at most.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { lines: Arc::default(), most }
    }

    /// Adds a line.
    pub fn add(&self, mut line: LogLine) {
        line.text.truncate(line.text.floor_char_boundary(LINE_MAX));
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line);
        let over = lines.len().saturating_sub(self.most);
        lines.drain(..over);
    }

    /// All that is kept, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept() {
        let log = Log::new(3);
        for n in 0..10 {
            let text = format!("{n}{}", "x".repeat(n * 1_000));
            log.add(LogLine { at: Timestamp::UNIX_EPOCH, call: CallId::derived(&["1"]), level: Level::Info, text });
        }
        let lines = log.lines();
        assert_eq!(lines.iter().map(|line| &line.text[..1]).collect::<Vec<_>>(), ["7", "8", "9"]);
        assert!(lines.iter().all(|line| line.text.len() == LINE_MAX));
    }
}
