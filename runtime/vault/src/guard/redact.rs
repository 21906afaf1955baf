//! What goes back: found values replaced, the rest untouched.

use hearth_domain::secret::SecretName;

use super::scan::Scanner;
use super::{Finding, Guard};

/// What stands where a value was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// `[secret NAME]`, once for what hangs together. The length changes: `content-length` must go, or be reckoned anew.
    Name,
    /// This byte for every byte. The length stays, as does the framing of formats that count.
    Fill(u8),
}

/// Replaces found values in one stream. Base64 and base32 keep the one or two characters at each end that belong to what stands beside
/// the value as well. What is held is at most [`SPAN_MAX`](super::scan::SPAN_MAX) bytes and zeroed when given up.
pub struct Redactor {
    scanner: Scanner,
    mark: Mark,
    held: zeroize::Zeroizing<Vec<u8>>,
    /// Offset of the first held byte.
    from: u64,
    found: Vec<Finding>,
    /// Where the marked stretch ends that the last byte out belonged to.
    marked_to: u64,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").field("held", &self.held.len()).field("mark", &self.mark).finish_non_exhaustive()
    }
}

impl Redactor {
    /// A redactor of a new stream; `hold_from` as for [`Scanner::new`].
    #[must_use]
    pub fn new(guard: &Guard, hold_from: usize, mark: Mark) -> Self {
        let scanner = Scanner::new(guard, hold_from);
        Self { scanner, mark, held: zeroize::Zeroizing::default(), from: 0, found: Vec::new(), marked_to: 0 }
    }

    /// Takes the next bytes and appends to `out` what may go on.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Vec<Finding> {
        let safe = self.scanner.advance(chunk);
        self.held.extend_from_slice(chunk);
        self.release(safe, out)
    }

    /// The stream has ended: appends the rest.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Vec<Finding> {
        let safe = self.scanner.end();
        self.release(safe, out)
    }

    /// Bytes that wait.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn release(&mut self, safe: u64, out: &mut Vec<u8>) -> Vec<Finding> {
        let findings = self.scanner.take_findings();
        self.found.extend(findings.iter().cloned());
        self.found.sort_by_key(|finding| (finding.start, finding.end));
        let mut at = self.from;
        let found = std::mem::take(&mut self.found);
        for finding in &found {
            if finding.start >= safe {
                break;
            }
            // What hangs together with the last marked stretch belongs to it.
            let fresh = finding.start >= self.marked_to;
            self.copy(at, finding.start.min(safe), out);
            let begin = at.max(finding.start);
            at = at.max(finding.end.min(safe));
            match self.mark {
                Mark::Name if fresh => name(&finding.secret, out),
                Mark::Name => {}
                Mark::Fill(byte) => out.extend((begin..at).map(|_| byte)),
            }
            self.marked_to = self.marked_to.max(finding.end);
        }
        self.copy(at, safe, out);
        self.found = found.into_iter().filter(|finding| finding.end > safe).collect();
        let done = usize::try_from(safe.saturating_sub(self.from)).unwrap_or(usize::MAX).min(self.held.len());
        self.held.drain(..done);
        self.from = self.from.max(safe);
        findings
    }

    fn copy(&self, start: u64, end: u64, out: &mut Vec<u8>) {
        let index = |place: u64| usize::try_from(place.saturating_sub(self.from)).unwrap_or(usize::MAX);
        if let Some(bytes) = self.held.get(index(start)..index(end)) {
            out.extend_from_slice(bytes);
        }
    }
}

fn name(secret: &SecretName, out: &mut Vec<u8>) {
    out.extend_from_slice(b"[secret ");
    out.extend_from_slice(secret.as_str().as_bytes());
    out.push(b']');
}
