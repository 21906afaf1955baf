//! Scanning one stream.
//!
//! A scanner remembers what a match may still need: a window of eight folded bytes and where they stood, candidates that are being
//! compared, an escape that is not complete. It says after each chunk up to where the stream may go on: bytes that may turn out to be
//! the beginning of a value wait. The answers do not depend on how the stream is cut.
//!
//! *How little is held.* A suffix waits only if its last folded bytes really are the beginning of a pattern, at least `hold_from` of
//! them. With 1, no byte of a found value is ever released; but with some thousand patterns nearly every letter begins one, and a
//! stream of plain text would trail by a letter. With [`HOLD_FROM`] up to three folded bytes of a value may have gone
//! on before a chunk border, and ordinary streams are not delayed. Limits: [`SPAN_MAX`].

mod glide;

use std::sync::Arc;

use zeroize::Zeroizing;

use super::fold::{Unescape, Unit, begins_escape, fold, shift, starts};
use super::prints::BLOCK;
use super::{Finding, Form, Guard, Tables, fold};
use glide::{Buffers, LEAST, STRETCH};

/// Folded bytes of a pattern's beginning from which on a suffix waits.
pub const HOLD_FROM: usize = 4;
/// Widest stretch of a stream over which one value may be spread, in bytes; also the most that waits.
pub const SPAN_MAX: u64 = 16 * 1024;
/// Findings that are remembered so that none is told twice (both lanes may see it).
const RECENT: usize = 32;

/// What a chunk gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Bytes of the stream before this offset may go on. It never goes down, and never on once there was a finding.
    pub safe: u64,
    /// What was completed in this chunk.
    pub findings: Vec<Finding>,
}

/// Where a window's bytes stand in the stream: the last [`BLOCK`] of them, oldest first.
#[derive(Clone, Copy, Default)]
struct Places([u64; BLOCK]);

impl Places {
    fn push(&mut self, place: u64) {
        self.0.rotate_left(1);
        if let Some(last) = self.0.last_mut() {
            *last = place;
        }
    }

    /// Where the last `count` bytes begin.
    fn last_begins(&self, count: usize) -> u64 {
        BLOCK.checked_sub(count).and_then(|index| self.0.get(index)).copied().unwrap_or(0)
    }
}

/// Which reading of the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Folded,
    Unescaped,
}

/// Patterns with the same first block, being compared.
struct Candidate {
    lane: Lane,
    start: u64,
    state: u64,
    kept: Zeroizing<Vec<u8>>,
    alive: Vec<u32>,
}

/// Scans one stream.
pub struct Scanner {
    tables: Arc<Tables>,
    hold_from: usize,
    /// Bytes of the stream so far.
    at: u64,
    folded: u64,
    /// Places of `folded`, as of the beginning of the chunk.
    places: Places,
    unescape: Unescape,
    unescaped: u64,
    unescaped_places: Places,
    /// Bytes that both lanes took in alike since they last differed; [`BLOCK`] when the second lane rests.
    alike: usize,
    candidates: Vec<Candidate>,
    findings: Vec<Finding>,
    recent: std::collections::VecDeque<Finding>,
    /// Where the first finding starts.
    stop: u64,
    /// What was released.
    gone: u64,
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").field("at", &self.at).field("candidates", &self.candidates.len()).finish_non_exhaustive()
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        self.folded = 0;
        self.unescaped = 0;
    }
}

/// Why the fast loop stopped.
enum Stop {
    /// The chunk is used up.
    End,
    /// The next byte begins an escape.
    Escape,
    /// The window after the last byte passed the filter.
    Filter,
}

impl Scanner {
    /// A scanner of a new stream that holds a suffix from `hold_from` folded bytes on (at least 1; see the module).
    #[must_use]
    pub fn new(guard: &Guard, hold_from: usize) -> Self {
        Self {
            tables: Arc::clone(&guard.tables),
            hold_from: hold_from.clamp(1, BLOCK),
            at: 0,
            folded: 0,
            places: Places::default(),
            unescape: Unescape::default(),
            unescaped: 0,
            unescaped_places: Places::default(),
            alike: BLOCK,
            candidates: Vec::new(),
            findings: Vec::new(),
            recent: std::collections::VecDeque::new(),
            stop: u64::MAX,
            gone: 0,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, chunk: &[u8]) -> Released {
        let hold = self.advance(chunk);
        self.released(hold)
    }

    /// The stream has ended.
    pub fn finish(&mut self) -> Released {
        let hold = self.end();
        self.released(hold)
    }

    fn released(&mut self, hold: u64) -> Released {
        // What is gone is gone: a beginning that was too short to wait for.
        self.gone = self.gone.max(hold.min(self.stop));
        Released { safe: self.gone, findings: self.take_findings() }
    }

    /// Findings since they were last asked for.
    pub(super) fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// Takes the next bytes, and says up to where all is decided.
    pub(super) fn advance(&mut self, chunk: &[u8]) -> u64 {
        if chunk.len() < LEAST {
            self.walk(chunk);
        } else {
            self.fly(chunk);
        }
        self.places = self.places_before(chunk, chunk.len());
        if self.alike >= BLOCK {
            self.unescaped_places = self.places;
        }
        self.at = self.at.saturating_add(chunk.len() as u64);
        self.decided()
    }

    /// A short chunk.
    fn walk(&mut self, chunk: &[u8]) {
        let mut done = 0;
        while done < chunk.len() {
            done = self.crawl(chunk, done, chunk.len());
        }
    }

    /// A chunk that is worth the room for a stretch.
    #[inline(never)]
    fn fly(&mut self, chunk: &[u8]) {
        let mut buffers = Buffers::new();
        let mut done = 0;
        while done < chunk.len() {
            let to = done.saturating_add(chunk.len().saturating_sub(done).min(STRETCH));
            let glides = self.candidates.is_empty() && self.glide(chunk, done, to, &mut buffers);
            done = if glides { to } else { self.crawl(chunk, done, to) };
        }
    }

    /// Takes the chunk's bytes from `from` on, up to `to` or until no candidate is left. Says how far it came.
    fn crawl(&mut self, chunk: &[u8], from: usize, to: usize) -> usize {
        let compared = !self.candidates.is_empty();
        let mut done = from;
        while done < to && !(compared && self.candidates.is_empty()) {
            let rest = chunk.get(done..to).unwrap_or(&[]);
            if self.alike < BLOCK || !self.candidates.is_empty() {
                self.step(chunk, done, rest);
                done = done.saturating_add(1);
                continue;
            }
            let (used, stop) = self.run(rest);
            done = done.saturating_add(used);
            match stop {
                Stop::End => {}
                Stop::Filter => {
                    let after = self.at.saturating_add(done as u64);
                    self.begin(Lane::Folded, after, |scanner| scanner.places_before(chunk, done));
                }
                Stop::Escape => self.diverge(chunk, done),
            }
        }
        done
    }

    pub(super) fn end(&mut self) -> u64 {
        let mut lane = std::mem::take(&mut self.unescape);
        lane.finish(|unit| self.take_unescaped(unit));
        self.candidates.clear();
        self.at
    }

    /// The fast loop: one lane, no candidates.
    fn run(&mut self, bytes: &[u8]) -> (usize, Stop) {
        let prints = &self.tables.prints;
        let mut window = self.folded;
        let mut rest = bytes.iter();
        while let Some(&byte) = rest.next() {
            let entry = fold::entry(byte);
            let next = window.wrapping_shl(shift(entry)) | u64::from(entry.to_le_bytes()[0]);
            // One branch for both, and nearly never taken.
            if !starts(entry) & !prints.may_begin(next) {
                window = next;
                continue;
            }
            let after = bytes.len().wrapping_sub(rest.len());
            let at = after.wrapping_sub(1);
            if starts(entry) && begins_escape(bytes.get(at..).unwrap_or(&[])) {
                self.folded = window;
                return (at, Stop::Escape);
            }
            window = next;
            if shift(entry) != 0 && prints.may_begin(window) && !prints.begun_by(window).is_empty() {
                self.folded = window;
                return (after, Stop::Filter);
            }
        }
        self.folded = window;
        (bytes.len(), Stop::End)
    }

    /// The second lane sets out from where the first one is.
    fn diverge(&mut self, chunk: &[u8], done: usize) {
        self.alike = 0;
        self.unescaped = self.folded;
        self.unescaped_places = self.places_before(chunk, done);
        self.fork();
    }

    /// Candidates of the first lane go on in both.
    fn fork(&mut self) {
        let copies = self.candidates.iter().filter(|candidate| candidate.lane == Lane::Folded).map(|candidate| Candidate {
            lane: Lane::Unescaped,
            start: candidate.start,
            state: candidate.state,
            kept: candidate.kept.clone(),
            alive: candidate.alive.clone(),
        });
        let copies: Vec<_> = copies.collect();
        self.candidates.extend(copies);
    }

    /// The first byte of `rest`, which is at `done` of the chunk, through both lanes.
    fn step(&mut self, chunk: &[u8], done: usize, rest: &[u8]) {
        let Some(&byte) = rest.first() else { return };
        let place = self.at.saturating_add(done as u64);
        let after = place.saturating_add(1);
        let kept = fold(byte);
        let escape = starts(fold::entry(byte)) && begins_escape(rest);
        if self.alike >= BLOCK {
            if escape {
                self.diverge(chunk, done);
            } else {
                // One lane is as good as the other: candidates of both take what the first gives.
                if let Some(kept) = kept {
                    self.take_folded(kept, after, chunk, done);
                    self.compare(Lane::Unescaped, kept, after);
                }
                return;
            }
        }
        if let Some(kept) = kept {
            self.take_folded(kept, after, chunk, done);
        }
        let was_idle = self.unescape.idle();
        if was_idle && !escape {
            self.take_unescaped(Unit { byte, start: place, end: after });
            self.alike = self.alike.saturating_add(usize::from(kept.is_some()));
            return;
        }
        let mut lane = std::mem::take(&mut self.unescape);
        lane.push(Unit { byte, start: place, end: after }, |unit| self.take_unescaped(unit));
        self.unescape = lane;
        self.alike = 0;
    }

    fn take_folded(&mut self, kept: u8, after: u64, chunk: &[u8], done: usize) {
        self.compare(Lane::Folded, kept, after);
        self.folded = self.folded << 8 | u64::from(kept);
        if self.tables.prints.may_begin(self.folded) {
            self.begin(Lane::Folded, after, |scanner| scanner.places_before(chunk, done.saturating_add(1)));
        }
    }

    fn take_unescaped(&mut self, unit: Unit) {
        let Some(kept) = fold(unit.byte) else { return };
        self.compare(Lane::Unescaped, kept, unit.end);
        self.unescaped = self.unescaped << 8 | u64::from(kept);
        self.unescaped_places.push(unit.start);
        if self.tables.prints.may_begin(self.unescaped) {
            self.begin(Lane::Unescaped, unit.end, |scanner| scanner.unescaped_places);
        }
    }

    /// A window passed the filter: perhaps a pattern begins. `after` is where its last byte ends.
    fn begin(&mut self, lane: Lane, after: u64, places: impl FnOnce(&Self) -> Places) {
        let window = match lane {
            Lane::Folded => self.folded,
            Lane::Unescaped => self.unescaped,
        };
        let begun = self.tables.prints.begun_by(window);
        if begun.is_empty() {
            return;
        }
        let start = places(self).last_begins(BLOCK);
        if after.saturating_sub(start) > SPAN_MAX {
            return;
        }
        let key = &self.tables.prints.key;
        let kept = Zeroizing::new(window.to_be_bytes().to_vec());
        let state = kept.iter().fold(0, |state, &byte| key.advance(state, byte));
        let mut candidate = Candidate { lane, start, state, kept, alive: begun.collect() };
        self.check(&mut candidate, after);
        if !candidate.alive.is_empty() {
            self.candidates.push(candidate);
        }
    }

    /// One more byte for the candidates of a lane.
    fn compare(&mut self, lane: Lane, kept: u8, after: u64) {
        if self.candidates.is_empty() {
            return;
        }
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.retain_mut(|candidate| {
            if candidate.lane != lane {
                return true;
            }
            if after.saturating_sub(candidate.start) > SPAN_MAX {
                return false;
            }
            candidate.kept.push(kept);
            candidate.state = self.tables.prints.key.advance(candidate.state, kept);
            self.check(candidate, after);
            !candidate.alive.is_empty()
        });
        self.candidates = candidates;
    }

    /// Drops the patterns that a candidate is not, and reports the one that it is.
    fn check(&mut self, candidate: &mut Candidate, after: u64) {
        let tables = Arc::clone(&self.tables);
        let Candidate { kept, state, alive, start, .. } = candidate;
        alive.retain(|&index| {
            let Some(pattern) = tables.prints.pattern(index) else { return false };
            if !pattern.allows(kept.len(), *state) {
                return false;
            }
            if kept.len() < pattern.len {
                return true;
            }
            let unsplit = pattern.whole.is_none_or(|bytes| after.saturating_sub(*start) == bytes);
            if unsplit && pattern.is(&tables.prints.key, kept) {
                self.report(pattern.secret, pattern.form, *start, after);
            }
            false
        });
    }

    fn report(&mut self, secret: usize, form: Form, start: u64, end: u64) {
        let Some((name, _)) = self.tables.names.get(secret) else { return };
        // Both lanes may see it, and two values may be the same.
        if self.recent.iter().any(|known| known.end == end && known.secret == *name) {
            return;
        }
        let finding = Finding { secret: name.clone(), start, end, form };
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(finding.clone());
        self.findings.push(finding);
        self.stop = self.stop.min(start);
    }

    /// Up to where nothing can become a finding any more.
    fn decided(&mut self) -> u64 {
        let at = self.at;
        self.candidates.retain(|candidate| at.saturating_sub(candidate.start) < SPAN_MAX);
        let begun = self.candidates.iter().map(|candidate| candidate.start).min().unwrap_or(at);
        let (folded, _) = self.beginning(self.folded, &self.places);
        if self.alike >= BLOCK {
            return begun.min(folded);
        }
        let (unescaped, len) = self.beginning(self.unescaped, &self.unescaped_places);
        let pending = self.unescape.pending_from().filter(|_| len.saturating_add(1) >= self.hold_from);
        begun.min(folded).min(unescaped).min(pending.unwrap_or(at))
    }

    /// Where the longest suffix begins that is the beginning of a pattern, and its length: the end, when it is too short to be held.
    fn beginning(&self, window: u64, places: &Places) -> (u64, usize) {
        // Shorter ones would not be held, nor a pending escape after them.
        let least = self.hold_from.saturating_sub(1).max(1);
        let found = (least..BLOCK).rev().find(|&len| {
            let fresh = self.at.saturating_sub(places.last_begins(len)) < SPAN_MAX;
            fresh && self.tables.prints.begins_with(window, len)
        });
        match found {
            Some(len) if len >= self.hold_from => (places.last_begins(len), len),
            other => (self.at, other.unwrap_or(0)),
        }
    }

    /// Places of the last bytes kept before `done` bytes of the chunk.
    fn places_before(&self, chunk: &[u8], done: usize) -> Places {
        let mut places = Places::default();
        let mut slots = places.0.iter_mut().rev();
        let walked = chunk.get(..done).unwrap_or(chunk).iter().enumerate().rev().take(SPAN_MAX as usize);
        let in_chunk = walked.filter(|(_, byte)| fold(**byte).is_some()).map(|(index, _)| self.at.saturating_add(index as u64));
        let before = self.places.0.iter().rev().copied();
        for place in in_chunk.take(BLOCK).chain(before) {
            let Some(slot) = slots.next() else { break };
            *slot = place;
        }
        places
    }
}
