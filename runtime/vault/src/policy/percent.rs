//! Percent-encoding (RFC 3986 section 2.1), to bytes and back.

use zeroize::Zeroizing;

/// Digits of an escape, in the case that RFC 3986 asks for.
const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// An escape that is cut or holds something else than two hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a percent sign is not followed by two hexadecimal digits")]
pub struct BadEscape;

/// Whether a byte stands for itself everywhere (RFC 3986 section 2.3).
#[must_use]
pub const fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Everything but unreserved characters escaped: fit for a path segment, a query and a form alike. The buffer is made in its
/// final size, so that no copy of a secret is left behind by growing.
#[must_use]
pub fn encode(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let size = bytes.iter().map(|byte| if unreserved(*byte) { 1 } else { 3 }).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    for byte in bytes {
        if unreserved(*byte) {
            out.push(*byte);
        } else {
            out.extend([b'%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
    out
}

fn digit(nibble: u8) -> u8 {
    DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0')
}

/// One round of decoding.
///
/// # Errors
///
/// When an escape is not one.
pub fn decode(bytes: &[u8]) -> Result<Vec<u8>, BadEscape> {
    walk(bytes, true)
}

/// One round of decoding as lenient readers do it: what is no escape stands for itself.
#[must_use]
pub fn decode_lenient(bytes: &[u8]) -> Vec<u8> {
    walk(bytes, false).unwrap_or_default()
}

fn walk(bytes: &[u8], strict: bool) -> Result<Vec<u8>, BadEscape> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        match after {
            [high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(value(*high) << 4 | value(*low));
                rest = tail;
            }
            _ if strict => return Err(BadEscape),
            _ => out.push(b'%'),
        }
    }
    Ok(out)
}

fn value(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let encoded = encode(&bytes);
            prop_assert!(encoded.iter().all(|byte| unreserved(*byte) || *byte == b'%'));
            prop_assert_eq!(decode(&encoded).unwrap(), bytes);
        }
    }

    #[test]
    fn a_broken_escape_is_an_error_or_itself() {
        for text in ["%", "%4", "%zz", "a%2"] {
            assert_eq!(decode(text.as_bytes()), Err(BadEscape));
            assert_eq!(decode_lenient(text.as_bytes()), text.as_bytes());
        }
    }
}
