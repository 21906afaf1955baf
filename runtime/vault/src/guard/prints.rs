//! Keyed fingerprints of what is looked for. Nothing else of a secret stays in the guard.
//!
//! | what | of | size with 200 secrets |
//! |---|---|---|
//! | filter | the first 8 folded bytes of every pattern, and the first 1 to 7 | 128 KiB, fixed |
//! | grams | the four windows of 5 bytes in those 8 | 128 KiB, fixed |
//! | anchors | the same, 32 bits each | see `Guard::resident_bytes` |
//! | steps | every further 4 bytes, 16 bits each | |
//! | proofs | the whole pattern, 128 bits of HMAC-SHA256 | |
//! | beginnings | the first 1 to 7 bytes, 32 bits each | |
//!
//! Without the key they say nothing. With it, short beginnings can be guessed one after the other: whoever reads the whole memory of
//! the vault has the sealing key as well, so the promise is that a search of memory finds no value, not that fingerprints are safe to publish.

use std::ops::Range;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use super::forms::Form;

/// Bytes of the first block of a pattern, and of the window.
pub(super) const BLOCK: usize = 8;
/// Kept bytes between two checks of a candidate.
pub(super) const STEP: usize = 4;
/// Bytes of the windows of which every [`GRAM_STRIDE`]th is looked up at first: each block covers one, wherever it begins.
const GRAM: usize = 5;
/// From one looked-up window to the next, in bytes.
pub(super) const GRAM_STRIDE: usize = BLOCK - GRAM + 1;
/// The bits of a word that holds a window in its first bytes.
const GRAM_BITS: u64 = (1 << (8 * GRAM)) - 1;
/// Words of each filter: 2^20 bits.
const FILTER_WORDS: usize = 1 << 14;

/// Key of all fingerprints: random per process.
#[derive(Clone)]
pub(super) struct Key {
    filter: u64,
    mix: [u64; 3],
    proof: Zeroizing<[u8; 32]>,
}

impl Drop for Key {
    fn drop(&mut self) {
        self.filter.zeroize();
        self.mix.zeroize();
    }
}

impl Key {
    pub(super) fn new(random: &[u8; 32]) -> Self {
        let base = Zeroizing::new(*random);
        let word = |label: u8| {
            let bytes = digest(&base, &[label]);
            let (first, _) = bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
            u64::from_le_bytes(*first)
        };
        Self { filter: word(0) | 1, mix: [word(1), word(2) | 1, word(3) | 1], proof: Zeroizing::new(digest(&base, b"proof")) }
    }

    /// Which bit of the filter a window has.
    pub(super) const fn bit(&self, window: u64) -> u64 {
        window.wrapping_mul(self.filter) >> 44
    }

    /// Which word of the grams five bytes belong to, and which two bits of it they have.
    #[inline]
    const fn gram(&self, five: u64) -> (usize, u64) {
        let mixed = (five & GRAM_BITS).wrapping_mul(self.filter);
        ((mixed >> 50) as usize & (FILTER_WORDS - 1), 1 << (mixed >> 44 & 63) | 1 << (mixed >> 38 & 63))
    }

    /// 32 bits of a window.
    pub(super) const fn print(&self, window: u64) -> u32 {
        let [add, first, second] = self.mix;
        let mut mixed = (window ^ add).wrapping_mul(first);
        mixed ^= mixed >> 29;
        mixed = mixed.wrapping_mul(second);
        (mixed >> 32) as u32
    }

    /// The running state of a candidate after one more byte.
    pub(super) const fn advance(&self, state: u64, byte: u8) -> u64 {
        let [add, first, _] = self.mix;
        (state ^ byte as u64 ^ add).wrapping_mul(first).rotate_left(23)
    }

    /// What proves a whole pattern.
    pub(super) fn proof(&self, kept: &[u8]) -> u128 {
        let bytes = digest(&self.proof, kept);
        let (first, _) = bytes.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        u128::from_le_bytes(*first)
    }
}

fn digest(key: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    // A key of 32 bytes is never refused.
    Hmac::<Sha256>::new_from_slice(key).map_or([0; 32], |mac| mac.chain_update(bytes).finalize().into_bytes().into())
}

/// 16 bits of a running state.
pub(super) const fn step_of(state: u64) -> u16 {
    (state >> 48) as u16
}

/// A pattern before it is made into fingerprints.
pub(super) struct Draft {
    pub(super) secret: usize,
    pub(super) form: Form,
    pub(super) kept: Zeroizing<Vec<u8>>,
    pub(super) whole: Option<u64>,
}

/// One pattern, as fingerprints.
pub(super) struct Pattern {
    anchor: u32,
    /// Whose value it is part of: an index into the names.
    pub(super) secret: usize,
    /// How the value is spelled.
    pub(super) form: Form,
    /// Folded bytes.
    pub(super) len: usize,
    /// It counts only where it stands in this many bytes of the stream: unsplit.
    pub(super) whole: Option<u64>,
    /// After every [`STEP`] bytes beyond the first block.
    steps: Box<[u16]>,
    proof: u128,
}

impl Pattern {
    /// Whether it may still match after `len` bytes that gave `state`.
    pub(super) fn allows(&self, len: usize, state: u64) -> bool {
        let beyond = len.saturating_sub(BLOCK);
        if beyond == 0 || !beyond.is_multiple_of(STEP) {
            return true;
        }
        self.steps.get((beyond / STEP).saturating_sub(1)).is_none_or(|step| *step == step_of(state))
    }

    /// Whether these are its bytes, after all.
    pub(super) fn is(&self, key: &Key, kept: &[u8]) -> bool {
        self.len == kept.len() && self.proof == key.proof(kept)
    }
}

/// All fingerprints.
pub(super) struct Prints {
    pub(super) key: Key,
    filter: Box<[u64; FILTER_WORDS]>,
    grams: Box<[u64; FILTER_WORDS]>,
    /// Open addressing by anchor: the anchor, and where its patterns are. A power of two, never full.
    slots: Vec<Option<(u32, Range<u32>)>>,
    /// Those of the same anchor next to each other.
    patterns: Vec<Pattern>,
    /// Prints of beginnings of every pattern, by their length less one.
    beginnings: [Vec<u32>; BLOCK - 1],
}

impl Prints {
    pub(super) fn build(key: Key, drafts: Vec<Draft>) -> Self {
        let (mut filter, mut grams) = (empty_filter(), empty_filter());
        let mut beginnings = [const { Vec::new() }; BLOCK - 1];
        let mut patterns = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let mut window = 0_u64;
            for (&byte, prints) in draft.kept.iter().zip(&mut beginnings) {
                window = window << 8 | u64::from(byte);
                prints.push(key.print(window));
                set(&mut filter, key.bit(window));
            }
            window = draft.kept.iter().take(BLOCK).fold(0, |window, &byte| window << 8 | u64::from(byte));
            set(&mut filter, key.bit(window));
            for five in draft.kept.windows(GRAM).take(GRAM_STRIDE) {
                let (word, bits) = key.gram(five.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)));
                if let Some(word) = grams.get_mut(word) {
                    *word |= bits;
                }
            }
            patterns.push(pattern(&key, key.print(window), &draft));
        }
        patterns.sort_by_key(|pattern: &Pattern| (pattern.anchor, pattern.secret, pattern.form, pattern.len));
        for prints in &mut beginnings {
            prints.sort_unstable();
            prints.dedup();
        }
        let slots = slots(&patterns);
        Self { key, filter, grams, slots, patterns, beginnings }
    }

    /// Whether the first five bytes of a word, the first of them lowest, may stand in the first block of a pattern.
    #[inline]
    pub(super) fn may_cover(&self, word: u64) -> bool {
        let (word, bits) = self.key.gram(word);
        self.grams.get(word).copied().unwrap_or(0) & bits == bits
    }

    /// Whether a window may be the first block of a pattern, or fewer bytes its beginning.
    #[inline]
    pub(super) fn may_begin(&self, window: u64) -> bool {
        let bit = self.key.bit(window);
        let word = self.filter.get(word_of(bit)).copied().unwrap_or(0);
        word >> (bit & 63) & 1 == 1
    }

    /// The patterns that begin with a window, as a range for [`Prints::pattern`].
    #[inline(never)]
    pub(super) fn begun_by(&self, window: u64) -> Range<u32> {
        let anchor = self.key.print(window);
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = anchor as usize & mask;
        while let Some(Some((known, range))) = self.slots.get(at) {
            if *known == anchor {
                return range.clone();
            }
            at = at.wrapping_add(1) & mask;
        }
        0..0
    }

    pub(super) fn pattern(&self, index: u32) -> Option<&Pattern> {
        self.patterns.get(index as usize)
    }

    /// Whether the window's last `len` bytes, fewer than [`BLOCK`], are the beginning of a pattern.
    pub(super) fn begins_with(&self, window: u64, len: usize) -> bool {
        let Some(prints) = len.checked_sub(1).and_then(|index| self.beginnings.get(index)) else { return false };
        let low = window & (1_u64 << len.saturating_mul(8)).wrapping_sub(1);
        // Nothing kept is zero, so that a zero on top means that there are fewer bytes.
        low >> len.saturating_sub(1).saturating_mul(8) != 0 && self.may_begin(low) && prints.binary_search(&self.key.print(low)).is_ok()
    }

    pub(super) const fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Bytes of memory.
    pub(super) fn resident_bytes(&self) -> usize {
        let steps: usize = self.patterns.iter().map(|pattern| size_of_val(&*pattern.steps)).sum();
        let beginnings: usize = self.beginnings.iter().map(|prints| prints.len().saturating_mul(4)).sum();
        size_of_val(&*self.filter)
            .saturating_add(size_of_val(&*self.grams))
            .saturating_add(size_of_val(self.slots.as_slice()))
            .saturating_add(size_of_val(self.patterns.as_slice()))
            .saturating_add(steps)
            .saturating_add(beginnings)
    }
}

fn set(filter: &mut [u64; FILTER_WORDS], bit: u64) {
    if let Some(word) = filter.get_mut(word_of(bit)) {
        *word |= 1 << (bit & 63);
    }
}

fn empty_filter() -> Box<[u64; FILTER_WORDS]> {
    vec![0; FILTER_WORDS].try_into().unwrap_or_else(|_| Box::new([0; FILTER_WORDS]))
}

#[inline]
const fn word_of(bit: u64) -> usize {
    (bit >> 6) as usize & (FILTER_WORDS - 1)
}

fn pattern(key: &Key, anchor: u32, draft: &Draft) -> Pattern {
    let mut state = 0_u64;
    let mut steps = Vec::with_capacity(draft.kept.len() / STEP);
    for (&byte, len) in draft.kept.iter().zip(1_usize..) {
        state = key.advance(state, byte);
        if len > BLOCK && len.saturating_sub(BLOCK).is_multiple_of(STEP) {
            steps.push(step_of(state));
        }
    }
    Pattern {
        anchor,
        secret: draft.secret,
        form: draft.form,
        len: draft.kept.len(),
        whole: draft.whole,
        steps: steps.into_boxed_slice(),
        proof: key.proof(&draft.kept),
    }
}

fn slots(patterns: &[Pattern]) -> Vec<Option<(u32, Range<u32>)>> {
    let size = patterns.len().saturating_add(1).saturating_mul(2).next_power_of_two();
    let mut slots = vec![None; size];
    let mask = size.wrapping_sub(1);
    let mut from = 0_u32;
    for group in patterns.chunk_by(|a, b| a.anchor == b.anchor) {
        let to = from.saturating_add(u32::try_from(group.len()).unwrap_or(u32::MAX));
        let Some(anchor) = group.first().map(|pattern| pattern.anchor) else { continue };
        let mut at = anchor as usize & mask;
        while let Some(Some(_)) = slots.get(at) {
            at = at.wrapping_add(1) & mask;
        }
        if let Some(slot) = slots.get_mut(at) {
            *slot = Some((anchor, from..to));
        }
        from = to;
    }
    slots
}
