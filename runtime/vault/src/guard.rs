//! The leak guard: finds the values of stored secrets, however spelled, in streams of bytes that pass.
//!
//! ```text
//! bytes ─▶ fold ────────────────▶ 8-byte window ─▶ filter ─▶ anchor ─▶ candidate: steps … proof ─▶ Finding
//!       └▶ unescape ─▶ fold ────▶ (only near %, \, &, zero-width and full-width characters)
//! ```
//!
//! Long chunks take a way of their own (`scan/glide.rs`): stretches in which nothing begins are told apart first, and only the others go byte
//! by byte as above.
//!
//! Streams and patterns meet in a normal form (`fold`), so that case, splitting and escapes need no patterns of their own. Patterns are
//! kept as keyed fingerprints (`prints`); the plaintext is dropped when [`Guard::build`] returns. Figures: `examples/guard_speed.rs`.
//!
//! | value | guarded |
//! |---|---|
//! | shorter than 8 bytes | not at all ([`Grade::SlotOnly`]) |
//! | a word, a sequence ([`Grade::Weak`]) | encoded forms only: in plain it would stop ordinary text |
//! | guessable ([`Grade::Unsplit`]) | plain forms unsplit, encoded forms also split |
//! | up to [`TILED_MAX`] bytes | every form; beyond [`TILE`] bytes by overlapping tiles, each found by itself |
//! | longer | [`TILES_MAX`] tiles, the first, the last and evenly between: a finding there means "withhold all of it" |
//!
//! White space around a value is no part of it. Not found: brotli and other compressions than gzip, zlib and deflate; base64 of a compressed
//! value; base58, base85, uuencode; ciphers; pieces with other words between them; a value of which the first or last character is
//! missing. The last two, and pieces over several requests, are what [`coverage::Coverage`] is for.

pub mod coverage;
mod fold;
mod forms;
pub mod patterns;
mod prints;
pub mod redact;
pub mod scan;
mod strength;
pub mod unpack;

use std::sync::Arc;

use hearth_domain::secret::SecretName;
use zeroize::Zeroizing;

pub use forms::Form;
use prints::{BLOCK, Draft, Key, Prints};
pub use strength::{Grade, LEAST_BYTES, STRONG_BITS, WEAK_BITS, grade};

/// Bytes of a value that are looked for as one piece.
pub const TILE: usize = 64;
/// From one tile to the next, in bytes: tiles overlap by what an encoding may lose at both ends.
pub const TILE_STRIDE: usize = 56;
/// Most tiles of one value.
pub const TILES_MAX: usize = 40;
/// Longest value of which every byte is guarded, in bytes.
pub const TILED_MAX: usize = TILE_STRIDE * (TILES_MAX - 1) + TILE;

/// A value was found. It never says the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whose value.
    pub secret: SecretName,
    /// First byte of the stream that belongs to it.
    pub start: u64,
    /// The byte after its last.
    pub end: u64,
    /// How it was spelled.
    pub form: Form,
}

/// Looks for a set of secrets. A clone is the same guard.
#[derive(Clone)]
pub struct Guard {
    tables: Arc<Tables>,
}

/// What all scanners of a guard share.
struct Tables {
    prints: Prints,
    grams: coverage::Grams,
    names: Vec<(SecretName, Grade)>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (secrets, patterns) = (self.tables.names.len(), self.tables.prints.patterns());
        f.debug_struct("Guard").field("secrets", &secrets).field("patterns", &patterns).finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard for these secrets. `key` is 32 bytes of chance, new for every process.
    #[must_use]
    pub fn build<'a>(key: &[u8; 32], secrets: impl IntoIterator<Item = (SecretName, &'a [u8])>) -> Self {
        let mut names = Vec::new();
        let mut drafts = Vec::new();
        let key = Key::new(key);
        let mut grams = coverage::Grams::default();
        for (name, value) in secrets {
            let value = value.trim_ascii();
            let grade = grade(value);
            if grade != Grade::SlotOnly {
                tiles(value).for_each(|tile| draft(names.len(), grade, tile, &mut drafts));
            }
            if grade == Grade::Strong {
                grams.add(&key, names.len(), value);
            }
            names.push((name, grade));
        }
        Self { tables: Arc::new(Tables { prints: Prints::build(key, drafts), grams: grams.sorted(), names }) }
    }

    /// Every secret and how well it is guarded.
    #[must_use]
    pub fn grades(&self) -> &[(SecretName, Grade)] {
        &self.tables.names
    }

    /// How many patterns are looked for.
    #[must_use]
    pub fn patterns(&self) -> usize {
        self.tables.prints.patterns()
    }

    /// Memory of the fingerprints, in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> usize {
        self.tables.prints.resident_bytes().saturating_add(self.tables.grams.resident_bytes())
    }

    /// All findings in bytes that are there as a whole, by where they end.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Vec<Finding> {
        let mut scanner = scan::Scanner::new(self, scan::HOLD_FROM);
        let mut findings = scanner.feed(bytes).findings;
        findings.append(&mut scanner.finish().findings);
        findings
    }
}

/// The pieces in which a value is looked for.
fn tiles(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let last = value.len().saturating_sub(TILE);
    let wanted = last.div_ceil(TILE_STRIDE).saturating_add(1);
    let count = wanted.min(TILES_MAX);
    (0..count).filter_map(move |index| {
        let even = if wanted > TILES_MAX {
            last.saturating_mul(index).checked_div(TILES_MAX.saturating_sub(1)).unwrap_or(0)
        } else {
            index.saturating_mul(TILE_STRIDE)
        };
        let from = even.min(last);
        value.get(from..from.saturating_add(TILE).min(value.len()))
    })
}

/// Patterns of one piece: every spelling, folded, with and without unescaping it first.
fn draft(secret: usize, grade: Grade, piece: &[u8], drafts: &mut Vec<Draft>) {
    let from = drafts.len();
    forms::spellings(piece, |form, bytes| {
        if form.is_plain() && grade == Grade::Weak {
            return;
        }
        let whole = (form.is_plain() && grade == Grade::Unsplit).then_some(bytes.len() as u64);
        let mut add = |kept: Vec<u8>| {
            let kept = Zeroizing::new(kept);
            let known = drafts.iter().skip(from).any(|draft| draft.kept == kept);
            if kept.len() >= BLOCK && !known {
                drafts.push(Draft { secret, form, kept, whole });
            }
        };
        add(fold::folded(bytes));
        add(fold::unescaped(bytes));
    });
}
