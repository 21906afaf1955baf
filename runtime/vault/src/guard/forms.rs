//! The ways in which a value can be spelled: what the guard looks for, before folding.

use zeroize::Zeroizing;

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &[u8] = b"0123456789abcdef";
const BITS: &[u8] = b"01";

/// How a found value was spelled. Case, splitting, percent, JSON and HTML escapes come on top and are not told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Plain,
    /// Last character first.
    Reversed,
    /// Letters moved by thirteen.
    Rot13,
    /// UTF-16, of a value that is not ASCII (UTF-16 of ASCII counts as plain).
    Utf16,
    /// Two digits for a byte, with anything between the bytes.
    Hex,
    /// `0x73, 0x6b`.
    PrefixedHex,
    /// Decimal numbers of the bytes.
    Decimal,
    /// Eight binary digits for a byte.
    Binary,
    /// Base64 or base64url, at any alignment.
    Base64,
    /// Base32, at any alignment.
    Base32,
    /// Base64 of the value in UTF-16.
    Base64Utf16,
    /// Base64 of its base64.
    Base64Twice,
    /// Base64 of its hexadecimal form.
    Base64Hex,
    /// Base64 of the reversed value.
    Base64Reversed,
    /// Its base64, reversed.
    ReversedBase64,
    /// Base64 of the value in lower or upper case.
    Base64Case,
    /// Base64 of the percent-encoded value.
    Base64Percent,
    /// Hexadecimal form of its base64.
    HexBase64,
    /// Hexadecimal form, reversed or of the reversed value.
    HexReversed,
}

impl Form {
    /// Whether it is as guessable as the value itself: text that holds it may well be no leak.
    pub(super) const fn is_plain(self) -> bool {
        matches!(self, Self::Plain | Self::Reversed | Self::Rot13 | Self::Utf16)
    }
}

type Spelled = (Form, Zeroizing<Vec<u8>>);

/// Calls `each` with every way of spelling this piece of a value.
pub(super) fn spellings(piece: &[u8], mut each: impl FnMut(Form, &[u8])) {
    each(Form::Plain, piece);
    let backwards = reversed(piece);
    each(Form::Reversed, &backwards);
    each(Form::Rot13, &rot13(piece));
    for (form, bytes) in digits(piece, &backwards) {
        each(form, &bytes);
    }
    aligned(piece, 6, BASE64, |text| {
        each(Form::Base64, text);
        each(Form::ReversedBase64, &reversed(text));
    });
    aligned(piece, 5, BASE32, |text| each(Form::Base32, text));
    for (form, inner) in wrapped(piece, backwards) {
        aligned(&inner, 6, BASE64, |text| each(form, text));
    }
    if let Ok(text) = std::str::from_utf8(piece)
        && !text.is_ascii()
    {
        each(Form::Utf16, &utf16(text, u16::to_le_bytes));
        each(Form::Utf16, &utf16(text, u16::to_be_bytes));
    }
}

/// Spellings in digits.
fn digits(piece: &[u8], backwards: &[u8]) -> Vec<Spelled> {
    let hex = spelled(piece, 0, 4, HEX);
    let mut prefixed = Zeroizing::new(Vec::with_capacity(piece.len().saturating_mul(4)));
    for pair in hex.chunks(2) {
        prefixed.extend_from_slice(b"0x");
        prefixed.extend_from_slice(pair);
    }
    let mut decimal = Zeroizing::new(Vec::with_capacity(piece.len().saturating_mul(4)));
    for &byte in piece {
        let tens = byte / 10;
        decimal.extend((byte >= 100).then_some(b'0'.wrapping_add(tens / 10)));
        decimal.extend((byte >= 10).then_some(b'0'.wrapping_add(tens % 10)));
        decimal.push(b'0'.wrapping_add(byte % 10));
    }
    vec![
        (Form::HexReversed, reversed(&hex)),
        (Form::HexReversed, spelled(backwards, 0, 4, HEX)),
        (Form::Hex, hex),
        (Form::PrefixedHex, prefixed),
        (Form::Decimal, decimal),
        (Form::Binary, spelled(piece, 0, 1, BITS)),
        (Form::HexBase64, spelled(&spelled(piece, 0, 6, BASE64), 0, 4, HEX)),
    ]
}

/// What is worth looking for inside base64.
fn wrapped(piece: &[u8], backwards: Zeroizing<Vec<u8>>) -> Vec<Spelled> {
    let mut all = vec![
        (Form::Base64Twice, spelled(piece, 0, 6, BASE64)),
        (Form::Base64Hex, spelled(piece, 0, 4, HEX)),
        (Form::Base64Reversed, backwards),
    ];
    for other in [piece.to_ascii_lowercase(), piece.to_ascii_uppercase()].map(Zeroizing::new) {
        if other.as_slice() != piece {
            all.push((Form::Base64Case, other));
        }
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    if !piece.iter().all(plain) {
        let mut escaped = Zeroizing::new(Vec::with_capacity(piece.len().saturating_mul(3)));
        for &byte in piece {
            if plain(&byte) {
                escaped.push(byte);
            } else {
                escaped.push(b'%');
                escaped.extend(spelled(&[byte], 0, 4, HEX).iter().map(u8::to_ascii_uppercase));
            }
        }
        all.push((Form::Base64Percent, escaped));
    }
    if let Ok(text) = std::str::from_utf8(piece) {
        let mut wide = utf16(text, u16::to_le_bytes);
        // Without its last byte the big-endian form holds it, too, one byte further.
        wide.pop();
        all.push((Form::Base64Utf16, wide));
    }
    all
}

fn reversed(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.iter().rev().copied().collect())
}

fn rot13(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let moved = bytes.iter().map(|&byte| match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte.wrapping_add(13),
        b'n'..=b'z' | b'N'..=b'Z' => byte.wrapping_sub(13),
        other => other,
    });
    Zeroizing::new(moved.collect())
}

fn utf16(text: &str, bytes: impl Fn(u16) -> [u8; 2]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.encode_utf16().flat_map(bytes).collect())
}

/// Calls `each` for every alignment that is different, without the characters that depend on what stands around.
fn aligned(bytes: &[u8], bits: usize, alphabet: &[u8], mut each: impl FnMut(&[u8])) {
    for offset in 0..if bits == 6 { 3 } else { 5 } {
        each(&spelled(bytes, offset, bits, alphabet));
    }
}

/// The characters of `bits` bits each (RFC 4648) that lie wholly within the bytes, when these begin at byte `offset`.
fn spelled(bytes: &[u8], offset: usize, bits: usize, alphabet: &[u8]) -> Zeroizing<Vec<u8>> {
    let skip = offset.saturating_mul(8).div_ceil(bits).saturating_mul(bits).saturating_sub(offset.saturating_mul(8));
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len().saturating_mul(8).checked_div(bits).unwrap_or(0)));
    let (mut value, mut have, mut skip) = (0_usize, 0_usize, skip);
    for &byte in bytes {
        value = (value << 8 | usize::from(byte)) & 0xffff;
        have = have.saturating_add(8);
        if skip > 0 {
            let now = skip.min(have);
            (skip, have) = (skip.saturating_sub(now), have.saturating_sub(now));
        }
        while have >= bits {
            have = have.saturating_sub(bits);
            let index = (value >> have) & (1_usize << bits).wrapping_sub(1);
            text.extend(alphabet.get(index));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn every_alignment_of_base64_holds_its_spelling() {
        let secret = b"q9Zx-71kQw_secret!";
        for offset in 0..3 {
            let mut padded = b"xy"[..offset.min(2)].to_vec();
            padded.extend_from_slice(secret);
            padded.extend_from_slice(b"~~~");
            let whole = STANDARD.encode(padded);
            let part = String::from_utf8(spelled(secret, offset, 6, BASE64).to_vec()).unwrap();
            assert!(part.len() >= secret.len() * 4 / 3 - 1);
            assert!(whole.contains(&part), "{whole} {part}");
        }
    }

    #[test]
    fn digits_are_as_the_rfc_has_them() {
        assert_eq!(spelled(b"foobar", 0, 5, BASE32).as_slice(), b"MZXW6YTBO");
        assert_eq!(spelled(b"foobar", 0, 4, HEX).as_slice(), b"666f6f626172");
        assert_eq!(spelled(b"f", 0, 1, BITS).as_slice(), b"01100110");
    }
}
