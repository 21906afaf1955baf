//! The fast way through a stretch of a stream in which nothing begins, which is nearly all of them.
//!
//! The stretch is folded into a buffer as a whole; where escapes are, what they stand for goes into a second one. Of both, every fourth
//! window of five bytes is looked up: whatever begins a pattern covers at least one of those. When none leads to a pattern, the stretch is
//! taken at once; otherwise nothing has happened, and the scanner goes through it byte by byte.

use zeroize::Zeroize as _;

use super::{Places, Scanner};
use crate::guard::fold::{self, Unescape, Unit, begins_escape, is_kept, starts};
use crate::guard::prints::{BLOCK, GRAM_STRIDE, Prints};

/// Bytes of a stream that are taken at once.
pub(super) const STRETCH: usize = 1024;
/// Shorter chunks are not worth it.
pub(super) const LEAST: usize = 128;
/// Bytes in which a beginning of an escape is looked for at once.
const LINE: usize = 32;
/// Room for a folded stretch and what is carried.
const FOLDED_ROOM: usize = 2 * STRETCH;
/// Room for what escapes stand for: at most a block is repeated for each, and the next one is told apart only a block later.
const UNESCAPED_ROOM: usize = 4 * STRETCH;

/// Where stretches are folded.
pub(super) struct Buffers {
    folded: Buffer<FOLDED_ROOM>,
    unescaped: Buffer<UNESCAPED_ROOM>,
}

impl Buffers {
    pub(super) const fn new() -> Self {
        Self { folded: Buffer::new(), unescaped: Buffer::new() }
    }
}

/// Bytes in a row, as many as a stretch can have; zeroed when given up.
struct Buffer<const ROOM: usize> {
    bytes: [u8; ROOM],
    len: usize,
    most: usize,
}

impl<const ROOM: usize> Buffer<ROOM> {
    const fn new() -> Self {
        assert!(ROOM.is_power_of_two(), "places are reckoned by masking");
        Self { bytes: [0; ROOM], len: 0, most: 0 }
    }

    fn clear(&mut self) {
        self.most = self.most.max(self.len);
        self.len = 0;
    }

    /// The bytes of a window.
    fn carry(&mut self, window: u64) {
        window.to_be_bytes().into_iter().for_each(|byte| self.push(byte, 1));
    }

    /// Takes a byte in, or not: `kept` is 1 or 0.
    #[inline]
    fn push(&mut self, byte: u8, kept: usize) {
        if let Some(slot) = self.bytes.get_mut(self.len & (ROOM - 1)) {
            *slot = byte;
        }
        self.len = self.len.wrapping_add(kept);
    }

    fn used(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }

    fn window(&self) -> u64 {
        self.used().last_chunk::<BLOCK>().map_or(0, |last| u64::from_be_bytes(*last))
    }
}

impl<const ROOM: usize> Drop for Buffer<ROOM> {
    fn drop(&mut self) {
        self.clear();
        if let Some(used) = self.bytes.get_mut(..self.most.min(ROOM)) {
            used.zeroize();
        }
    }
}

/// Where escapes may begin in a stretch, in order.
struct Starts {
    places: [u16; STRETCH],
    len: usize,
    next: usize,
}

impl Starts {
    fn of(stretch: &[u8]) -> Self {
        let mut all = Self { places: [0; STRETCH], len: 0, next: 0 };
        let mut from = 0_u16;
        for line in stretch.chunks(LINE) {
            if fold::any_starts(line) {
                for (&byte, at) in line.iter().zip(from..) {
                    if let Some(slot) = all.places.get_mut(all.len & (STRETCH - 1)) {
                        *slot = at;
                    }
                    all.len = all.len.wrapping_add(usize::from(starts(fold::entry(byte))));
                }
            }
            from = from.wrapping_add(LINE as u16);
        }
        all
    }

    /// The next escape of the stretch that `rest` begins, not before `from`.
    fn next_escape(&mut self, rest: &[u8], from: usize) -> Option<usize> {
        while self.next < self.len {
            let at = self.places.get(self.next).copied().map_or(0, usize::from);
            self.next = self.next.wrapping_add(1);
            if at >= from && begins_escape(rest.get(at..).unwrap_or(&[])) {
                return Some(at);
            }
        }
        None
    }
}

/// The second lane on its way through a stretch.
struct Second {
    unescape: Unescape,
    /// As in [`Scanner`].
    alike: usize,
    /// Where the lane last set out in this stretch.
    set_out: Option<usize>,
    /// Places of the last bytes since, in a ring.
    places: [u64; BLOCK],
    kept: usize,
}

impl Second {
    fn keep(&mut self, unit: Unit, buffer: &mut Buffer<UNESCAPED_ROOM>) -> usize {
        let entry = fold::entry(unit.byte);
        let kept = is_kept(entry);
        buffer.push(entry.to_le_bytes()[0], kept);
        if let Some(place) = self.places.get_mut(self.kept & (BLOCK - 1)) {
            *place = unit.start;
        }
        self.kept = self.kept.wrapping_add(kept);
        kept
    }

    /// Bytes that stand for themselves, until an escape may begin or the lanes are alike. Says how many.
    fn plain(&mut self, bytes: &[u8], place: u64, buffer: &mut Buffer<UNESCAPED_ROOM>) -> usize {
        if !self.unescape.idle() {
            return 0;
        }
        let mut taken = 0;
        for (&byte, place) in bytes.iter().zip(place..) {
            if self.alike >= BLOCK || starts(fold::entry(byte)) {
                break;
            }
            let kept = self.keep(Unit { byte, start: place, end: place }, buffer);
            self.alike = self.alike.wrapping_add(kept);
            taken = usize::wrapping_add(taken, 1);
        }
        taken
    }

    /// The next byte of `rest`, or a whole escape that ends before `room`. Says how many bytes were taken.
    fn take(&mut self, rest: &[u8], room: usize, place: u64, buffer: &mut Buffer<UNESCAPED_ROOM>) -> usize {
        let Some(&byte) = rest.first() else { return 1 };
        let unit = |byte: u8, len: usize| Unit { byte, start: place, end: place.wrapping_add(len as u64) };
        let idle = self.unescape.idle();
        if idle && !(starts(fold::entry(byte)) && begins_escape(rest)) {
            let kept = self.keep(unit(byte, 1), buffer);
            self.alike = self.alike.wrapping_add(kept);
            return 1;
        }
        self.alike = 0;
        let whole = if idle { fold::whole_escape(rest).filter(|(len, _)| *len <= room) } else { None };
        if let Some((len, meaning)) = whole {
            for &byte in meaning.as_slice() {
                self.keep(unit(byte, len), buffer);
            }
            return len;
        }
        let mut unescape = std::mem::take(&mut self.unescape);
        unescape.push(unit(byte, 1), |unit| {
            self.keep(unit, buffer);
        });
        self.unescape = unescape;
        1
    }

    /// Where the window's bytes stand, after `places` when it set out.
    fn places(&self, mut places: Places) -> Places {
        for count in self.kept.saturating_sub(BLOCK)..self.kept {
            places.push(self.places.get(count & (BLOCK - 1)).copied().unwrap_or(0));
        }
        places
    }
}

impl Scanner {
    /// Takes the chunk's bytes from `from` up to `to`, at most [`STRETCH`], when nothing begins there; otherwise changes nothing. For a
    /// scanner without candidates.
    pub(super) fn glide(&mut self, chunk: &[u8], from: usize, to: usize, buffers: &mut Buffers) -> bool {
        let Buffers { folded, unescaped } = buffers;
        let seen = fold_all(self.folded, chunk.get(from..to).unwrap_or(&[]), folded);
        if begins_somewhere(&self.tables.prints, folded.used()) {
            return false;
        }
        if starts(seen) || self.alike < BLOCK {
            unescaped.clear();
            let second = self.second(chunk, (from, to), unescaped);
            if begins_somewhere(&self.tables.prints, unescaped.used()) {
                return false;
            }
            self.alike = second.alike;
            if self.alike < BLOCK {
                let before = second.set_out.map_or(self.unescaped_places, |at| self.places_before(chunk, at));
                (self.unescaped, self.unescaped_places) = (unescaped.window(), second.places(before));
            }
            self.unescape = second.unescape;
        }
        self.folded = folded.window();
        true
    }

    /// What the second lane makes of a stretch.
    fn second(&self, chunk: &[u8], (from, to): (usize, usize), buffer: &mut Buffer<UNESCAPED_ROOM>) -> Second {
        let (unescape, alike) = (self.unescape.clone(), self.alike);
        let mut lane = Second { unescape, alike, set_out: None, places: [0; BLOCK], kept: 0 };
        let stretch = chunk.get(from..to).unwrap_or(&[]);
        let mut escapes = Starts::of(stretch);
        let mut at = 0;
        if lane.alike < BLOCK {
            buffer.carry(self.unescaped);
        }
        while at < stretch.len() {
            if lane.alike >= BLOCK {
                let Some(escape) = escapes.next_escape(chunk.get(from..).unwrap_or(&[]), at) else { break };
                buffer.carry(self.window_before(stretch.get(..escape).unwrap_or(&[])));
                at = escape;
                (lane.set_out, lane.kept, lane.alike) = (Some(from.wrapping_add(at)), 0, 0);
            }
            let place = self.at.wrapping_add(from.wrapping_add(at) as u64);
            let plain = lane.plain(stretch.get(at..).unwrap_or(&[]), place, buffer);
            if plain > 0 {
                at = at.wrapping_add(plain);
                continue;
            }
            let rest = chunk.get(from.wrapping_add(at)..).unwrap_or(&[]);
            at = at.wrapping_add(lane.take(rest, stretch.len().wrapping_sub(at), place, buffer));
        }
        lane
    }

    /// The window after `stretch`; the scanner's own stands before it.
    fn window_before(&self, stretch: &[u8]) -> u64 {
        let (mut window, mut bits) = (0_u64, 0_u32);
        for entry in stretch.iter().rev().map(|&byte| fold::entry(byte)) {
            if is_kept(entry) == 1 {
                window |= u64::from(entry.to_le_bytes()[0]).wrapping_shl(bits);
                bits = bits.wrapping_add(8);
                if bits >= u64::BITS {
                    return window;
                }
            }
        }
        window | self.folded.wrapping_shl(bits)
    }
}

/// Folds a stretch behind what is carried; gives all its entries, one over the other.
fn fold_all(window: u64, stretch: &[u8], buffer: &mut Buffer<FOLDED_ROOM>) -> u16 {
    buffer.clear();
    buffer.carry(window);
    let Buffer { bytes, len, .. } = buffer;
    let (mut seen, mut count) = (0, *len);
    for &byte in stretch {
        let entry = fold::entry(byte);
        if let Some(slot) = bytes.get_mut(count & (FOLDED_ROOM - 1)) {
            *slot = entry.to_le_bytes()[0];
        }
        count = count.wrapping_add(is_kept(entry));
        seen |= entry;
    }
    *len = count;
    seen
}

/// Whether a pattern begins in these folded bytes with a whole block. The first of them are those of the window before: what ends with
/// them has been seen.
fn begins_somewhere(prints: &Prints, folded: &[u8]) -> bool {
    let folded = folded.get(1..).unwrap_or(&[]);
    let mut at = 0_usize;
    let mut rest = folded;
    while let Some(word) = rest.first_chunk::<BLOCK>() {
        if prints.may_cover(u64::from_le_bytes(*word)) {
            let first = at.saturating_sub(GRAM_STRIDE.wrapping_sub(1));
            let around = folded.get(first..at.wrapping_add(BLOCK)).unwrap_or(&[]);
            if begins_in(prints, around) {
                return true;
            }
        }
        rest = rest.get(GRAM_STRIDE..).unwrap_or(&[]);
        at = at.wrapping_add(GRAM_STRIDE);
    }
    // The last window of five stands where no word of eight fits any more.
    begins_in(prints, folded.get(at.saturating_sub(GRAM_STRIDE.wrapping_sub(1))..).unwrap_or(&[]))
}

/// Whether one of the blocks in these few bytes begins a pattern.
#[inline(never)]
fn begins_in(prints: &Prints, around: &[u8]) -> bool {
    around.windows(BLOCK).filter_map(|word| word.first_chunk::<BLOCK>()).any(|word| {
        let window = u64::from_be_bytes(*word);
        prints.may_begin(window) && !prints.begun_by(window).is_empty()
    })
}
