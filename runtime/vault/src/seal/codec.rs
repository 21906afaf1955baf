//! Strict reading of our binary forms, and fixed bytes as text within JSON. A read that does not fit is `None`, never a panic.

use serde::{Deserialize, Serialize};

/// Reads from the front; what is left over is an error of the caller's format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next bytes, of a length that was itself read as a big-endian `u32`.
    pub(crate) fn slice(&mut self, length: u32) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(head)
    }

    /// All that is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// Fixed bytes, as lower-case hexadecimal digits within JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Hex<const N: usize>(pub(crate) [u8; N]);

/// Not the digits of that many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the expected number of hexadecimal digits")]
pub(crate) struct HexError;

impl<const N: usize> std::fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hex<{N}>")
    }
}

impl<const N: usize> From<Hex<N>> for String {
    fn from(bytes: Hex<N>) -> Self {
        hex::encode(bytes.0)
    }
}

impl<const N: usize> TryFrom<String> for Hex<N> {
    type Error = HexError;
    fn try_from(text: String) -> Result<Self, HexError> {
        let mut bytes = [0_u8; N];
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        hex::decode_to_slice(&text, &mut bytes).ok().filter(|()| plain).ok_or(HexError)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_beyond_the_end_takes_nothing() {
        let mut reader = Reader::new(&[0, 0, 0, 9, 7]);
        assert_eq!(reader.u32(), Some(9));
        assert_eq!(reader.slice(9), None);
        assert_eq!(reader.u64(), None);
        assert_eq!(reader.u8(), Some(7));
        assert_eq!(reader.rest(), b"");
    }

    #[test]
    fn digits_have_one_form() {
        assert_eq!(Hex::<2>::try_from("0aff".to_owned()), Ok(Hex([10, 255])));
        for wrong in ["0AFF", "0af", "0aff00", "", "zzzz"] {
            assert_eq!(Hex::<2>::try_from(wrong.to_owned()), Err(HexError));
        }
    }
}
