//! The event log of a run: virtual time and event number, one line each. The meta test compares it; a violation shows its end.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

/// Lines that are kept for a violation.
const KEPT: usize = 4_000;

/// The log.
pub struct Trace {
    lines: VecDeque<String>,
    count: u64,
    digest: u64,
    sink: Option<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trace").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Trace {
    /// An empty log that also writes each line to `sink`.
    #[must_use]
    pub fn new(sink: Option<Box<dyn Write + Send>>) -> Self {
        Self { lines: VecDeque::new(), count: 0, digest: 0xcbf2_9ce4_8422_2325, sink }
    }

    /// Adds an event.
    pub fn add(&mut self, at: Duration, text: &str) {
        self.count = self.count.saturating_add(1);
        let line = format!("{:>12.3} #{} {text}", at.as_secs_f64(), self.count);
        for byte in line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        if let Some(sink) = &mut self.sink
            && writeln!(sink, "{line}").is_err()
        {
            // The reader has seen enough.
            self.sink = None;
        }
        if self.lines.len() >= KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// How many events there were.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// FNV-1a over all lines: the same for the same run.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// The newest lines, oldest first.
    #[must_use]
    pub fn last(&self, most: usize) -> Vec<String> {
        let skip = self.lines.len().saturating_sub(most);
        self.lines.iter().skip(skip).cloned().collect()
    }

    /// Writes out what is buffered.
    pub fn flush(&mut self) {
        if let Some(sink) = &mut self.sink {
            drop(sink.flush());
        }
    }
}
