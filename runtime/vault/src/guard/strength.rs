//! How much of a secret can be guessed, roughly: what decides where finding it in ordinary text would be a false alarm.

use super::fold::folded;

/// Shortest value that is guarded at all, in bytes.
pub const LEAST_BYTES: usize = 8;
/// From here on a value is found in every form, in bits of the estimate below.
pub const STRONG_BITS: u32 = 40;
/// Below this a value is not looked for in plain form, in bits: it would be found in what is no leak.
pub const WEAK_BITS: u32 = 24;

/// How well a secret can be guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Shorter than [`LEAST_BYTES`]: not guarded. It stands in its slot only.
    SlotOnly,
    /// A word, a sequence or mostly punctuation: looked for in encoded forms only, not in plain, reversed or rotated ones.
    Weak,
    /// Guessable: looked for in plain forms only where it stands in one piece, and in all encoded forms.
    Unsplit,
    /// Looked for in every form, split or not.
    Strong,
}

/// The grade of a value. Bits are counted by runs of letters or digits: a long run of letters is taken for words (2 bits a letter),
/// a digit that continues a sequence for half a bit.
#[must_use]
pub fn grade(value: &[u8]) -> Grade {
    let value = value.trim_ascii();
    if value.len() < LEAST_BYTES {
        return Grade::SlotOnly;
    }
    let kept = folded(value);
    let bits = tenths(&kept) / 10;
    if kept.len() < LEAST_BYTES || bits < WEAK_BITS {
        Grade::Weak
    } else if bits < STRONG_BITS {
        Grade::Unsplit
    } else {
        Grade::Strong
    }
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Kind {
    Letter,
    Digit,
    Other,
}

/// A run of letters from this length on is taken for words.
const WORD: usize = 4;

/// Tenths of bits.
fn tenths(kept: &[u8]) -> u32 {
    let kind = |byte: &u8| match byte {
        b'a'..=b'z' => Kind::Letter,
        b'0'..=b'9' => Kind::Digit,
        _ => Kind::Other,
    };
    let distinct = kept.iter().collect::<std::collections::BTreeSet<_>>().len();
    let sum: u32 = kept
        .chunk_by(|a, b| kind(a) == kind(b))
        .map(|run| {
            let each = match run.first().map(kind) {
                Some(Kind::Letter) if run.len() >= WORD => 20,
                Some(Kind::Letter) => 47,
                Some(Kind::Digit) => 33,
                Some(Kind::Other) | None => 40,
            };
            let stepping = run.iter().zip(run.iter().skip(1)).filter(|(a, b)| a.abs_diff(**b) <= 1).count();
            let free = u32::try_from(run.len().saturating_sub(stepping)).unwrap_or(u32::MAX);
            free.saturating_mul(each).saturating_add(u32::try_from(stepping).unwrap_or(u32::MAX).saturating_mul(5))
        })
        .fold(0, u32::saturating_add);
    // Few different characters make no secret, however long it is.
    sum.min(u32::try_from(distinct).unwrap_or(u32::MAX).saturating_mul(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_sequences_are_weak_and_keys_are_strong() {
        let cases = [
            ("short", Grade::SlotOnly),
            ("short\n\n\n\n\n", Grade::SlotOnly),
            ("password", Grade::Weak),
            ("12345678", Grade::Weak),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", Grade::Weak),
            ("--------________x9", Grade::Weak),
            ("48391720", Grade::Unsplit),
            ("hunter2024!", Grade::Unsplit),
            ("correct horse battery staple", Grade::Strong),
            ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", Grade::Strong),
            ("550e8400-e29b-41d4-a716-446655440000", Grade::Strong),
            ("sk-ant-api03-Zx9", Grade::Unsplit),
        ];
        for (value, wanted) in cases {
            assert_eq!(grade(value.as_bytes()), wanted, "{value}");
        }
    }
}
