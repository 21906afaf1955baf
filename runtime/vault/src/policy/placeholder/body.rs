//! Placeholders in a body that streams through in pieces.

use bytes::{Bytes, BytesMut};
use hearth_domain::secret::{NAME_MAX, PLACEHOLDER_BEGIN};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::scan::{Found, find, find_so_far};
use super::{PLACEHOLDERS_MAX, PlaceholderError, Values};
use crate::policy::percent;

/// Most bytes that are held back because a placeholder may go on in the next piece.
pub const HELD_MAX: usize = PLACEHOLDER_BEGIN.len() + NAME_MAX;

/// How values are put into a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// JSON, also many texts of it one after the other.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Anything else: nothing is put in, and a placeholder is an error.
    Opaque,
}

impl BodyKind {
    /// The kind of a media type, as it stands in `Content-Type`. An encoded body (`Content-Encoding`) is opaque whatever its type.
    #[must_use]
    pub fn of(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/json" | "application/x-ndjson" | "text/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Form,
            other if other.ends_with("+json") => Self::Json,
            _ => Self::Opaque,
        }
    }
}

/// A part of a body as it is sent. A guard looks at what is plain: the rest is meant to be there.
#[derive(Clone, PartialEq, Eq)]
pub enum Piece {
    /// What came in.
    Plain(Bytes),
    /// A secret's value, encoded. Its memory is zeroed when the last handle is dropped.
    Secret(Bytes),
}

impl Piece {
    /// The bytes, whichever they are.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Plain(bytes) | Self::Secret(bytes) => bytes,
        }
    }
}

/// The lengths, never what is in it.
impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(bytes) => write!(f, "Plain({} bytes)", bytes.len()),
            Self::Secret(_) => f.write_str("Secret"),
        }
    }
}

/// Replaces placeholders in a body. Holds back at most [`HELD_MAX`] bytes; copies nothing but what it held and what it puts in.
/// After an error nothing more may be sent.
pub struct Substituter<V> {
    kind: BodyKind,
    values: V,
    held: Bytes,
    /// Placeholders so far: their bound is for the body, not for a piece.
    filled: usize,
}

/// The kind and how much is held back, never what.
impl<V> std::fmt::Debug for Substituter<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Substituter").field("kind", &self.kind).field("held", &self.held.len()).finish_non_exhaustive()
    }
}

impl<V: Values> Substituter<V> {
    /// One for a body of that kind. `values` holds what the policies allow in a body of this request, and nothing else.
    #[must_use]
    pub const fn new(kind: BodyKind, values: V) -> Self {
        Self { kind, values, held: Bytes::new(), filled: 0 }
    }

    /// Takes the next piece; gives what can be sent, in order.
    ///
    /// # Errors
    ///
    /// When a placeholder is malformed, unknown, or cannot stand here.
    pub fn feed(&mut self, piece: Bytes) -> Result<Vec<Piece>, PlaceholderError> {
        let text = self.joined(piece);
        let (found, open) = find_so_far(&text)?;
        self.held = text.slice(open.min(text.len())..);
        self.replaced(&text.slice(..open.min(text.len())), &found)
    }

    /// The body has ended; gives what was held back.
    ///
    /// # Errors
    ///
    /// When it ended within a placeholder.
    pub fn finish(&mut self) -> Result<Vec<Piece>, PlaceholderError> {
        let text = std::mem::take(&mut self.held);
        let found = find(&text)?;
        self.replaced(&text, &found)
    }

    fn joined(&mut self, piece: Bytes) -> Bytes {
        if self.held.is_empty() {
            return piece;
        }
        let mut both = BytesMut::with_capacity(self.held.len().saturating_add(piece.len()));
        both.extend_from_slice(&self.held);
        both.extend_from_slice(&piece);
        both.freeze()
    }

    fn replaced(&mut self, text: &Bytes, found: &[Found]) -> Result<Vec<Piece>, PlaceholderError> {
        self.filled = self.filled.saturating_add(found.len());
        if self.filled > PLACEHOLDERS_MAX {
            return Err(PlaceholderError::TooMany);
        }
        let mut pieces = Vec::with_capacity(found.len().saturating_mul(2).saturating_add(1));
        let mut from = 0;
        let plain = |pieces: &mut Vec<Piece>, from: usize, to: usize| {
            if from < to {
                pieces.push(Piece::Plain(text.slice(from..to)));
            }
        };
        for one in found {
            let value = self.encoded(one)?;
            plain(&mut pieces, from, one.range.start);
            pieces.push(Piece::Secret(Bytes::from_owner(value)));
            from = one.range.end;
        }
        plain(&mut pieces, from, text.len());
        Ok(pieces)
    }

    fn encoded(&self, one: &Found) -> Result<Zeroizing<Vec<u8>>, PlaceholderError> {
        if self.kind == BodyKind::Opaque {
            return Err(PlaceholderError::NotHere);
        }
        let value = self.values.value(&one.name).ok_or(PlaceholderError::Unknown)?.expose_secret();
        match self.kind {
            BodyKind::Form => Ok(percent::encode(value)),
            BodyKind::Json => json_escaped(value),
            BodyKind::Opaque => Err(PlaceholderError::NotHere),
        }
    }
}

/// A text as it stands within a JSON string. The buffer is made in its final size.
fn json_escaped(value: &[u8]) -> Result<Zeroizing<Vec<u8>>, PlaceholderError> {
    let text = std::str::from_utf8(value).map_err(|_| PlaceholderError::NotText)?;
    let size = text.bytes().map(|byte| if byte < 0x20 { 6 } else { 1 + usize::from(matches!(byte, b'"' | b'\\')) }).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0..0x20 => {
                let digit = |nibble: u8| b"0123456789abcdef".get(usize::from(nibble)).copied().unwrap_or(b'0');
                out.extend([b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]);
            }
            _ => out.push(byte),
        }
    }
    Ok(out)
}
