//! Bodies that come packed: gzip, zlib and deflate, within bounds. Brotli and zstd are not understood: ask for `identity`, refuse the rest.

use std::io::Write as _;

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use hearth_domain::error::{Class, Classified};

use super::scan::{HOLD_FROM, Scanner};
use super::{Finding, Guard};

/// Packed bytes that are taken at once; between them the bounds are looked at.
const PIECE: usize = 4096;

/// How a body is packed: a value of `content-encoding` (RFC 9110, 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, `x-gzip`.
    Gzip,
    /// `deflate`: zlib, or the bare stream that some send by mistake.
    Deflate,
}

impl Coding {
    /// The coding of that name, if it is understood.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let is = |other: &str| name.trim().eq_ignore_ascii_case(other);
        if is("gzip") || is("x-gzip") { Some(Self::Gzip) } else { is("deflate").then_some(Self::Deflate) }
    }

    /// What a body seems to be by its first bytes, whatever its headers say.
    #[must_use]
    pub const fn sniffed(body: &[u8]) -> Option<Self> {
        match body {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// Why a packed body is not read.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It is longer than agreed when unpacked.
    #[error("the packed body is larger than {max_bytes} bytes when unpacked and was refused; ask for less, or raise the limit of bodies")]
    TooLarge {
        /// The bound, in bytes.
        max_bytes: usize,
    },
    /// It is not what it says.
    #[error("the body is not what its content-encoding says and was refused; send it unpacked")]
    Broken(#[source] std::io::Error),
}

impl Classified for UnpackError {
    fn class(&self) -> Class {
        match self {
            Self::TooLarge { .. } => Class::Denied,
            Self::Broken(_) => Class::Permanent,
        }
    }
}

/// Unpacked bytes, and how many more there may be.
#[derive(Debug, Default)]
struct Room {
    bytes: Vec<u8>,
    left: usize,
    full: bool,
}

impl std::io::Write for Room {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        if more.len() > self.left {
            self.full = true;
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        }
        self.left = self.left.saturating_sub(more.len());
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
enum Decoder {
    Gzip(MultiGzDecoder<Room>),
    Zlib(ZlibDecoder<Room>),
    Bare(DeflateDecoder<Room>),
}

impl Decoder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.write_all(bytes),
            Self::Zlib(decoder) => decoder.write_all(bytes),
            Self::Bare(decoder) => decoder.write_all(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.flush(),
            Self::Zlib(decoder) => decoder.flush(),
            Self::Bare(decoder) => decoder.flush(),
        }
    }

    fn end(&mut self) -> std::io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Zlib(decoder) => decoder.try_finish(),
            Self::Bare(decoder) => decoder.try_finish(),
        }
    }

    fn room(&mut self) -> &mut Room {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zlib(decoder) => decoder.get_mut(),
            Self::Bare(decoder) => decoder.get_mut(),
        }
    }
}

/// Unpacks one body as it comes.
#[derive(Debug)]
pub struct Unpack {
    coding: Coding,
    max_bytes: usize,
    /// First two bytes, until it is known what sort of deflate it is.
    first: Vec<u8>,
    decoder: Option<Decoder>,
}

impl Unpack {
    /// An unpacker of a new body of at most `max_bytes` unpacked bytes.
    #[must_use]
    pub const fn new(coding: Coding, max_bytes: usize) -> Self {
        Self { coding, max_bytes, first: Vec::new(), decoder: None }
    }

    /// Takes packed bytes and gives unpacked ones to `out`, some kilobytes at a time.
    ///
    /// # Errors
    ///
    /// When the body is too large or broken. It must not go on then.
    pub fn feed(&mut self, packed: &[u8], mut out: impl FnMut(&[u8])) -> Result<(), UnpackError> {
        let mut packed = packed;
        if self.decoder.is_none() {
            let (now, rest) = packed.split_at(2_usize.saturating_sub(self.first.len()).min(packed.len()));
            self.first.extend_from_slice(now);
            if self.first.len() < 2 {
                return Ok(());
            }
            packed = rest;
            self.decoder = Some(self.decoder_for());
            let first = std::mem::take(&mut self.first);
            self.pass(&first, &mut out)?;
        }
        packed.chunks(PIECE).try_for_each(|piece| self.pass(piece, &mut out))
    }

    /// The body has ended.
    ///
    /// # Errors
    ///
    /// When it is cut short, too large or broken.
    pub fn finish(&mut self, mut out: impl FnMut(&[u8])) -> Result<(), UnpackError> {
        let max_bytes = self.max_bytes;
        match &mut self.decoder {
            Some(decoder) => Self::settle(decoder, max_bytes, Decoder::end, &mut out),
            None if self.first.is_empty() => Ok(()),
            None => Err(UnpackError::Broken(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))),
        }
    }

    fn decoder_for(&self) -> Decoder {
        let room = Room { bytes: Vec::new(), left: self.max_bytes, full: false };
        let header = self.first.iter().fold(0_u32, |sum, &byte| sum << 8 | u32::from(byte));
        // RFC 1950: method 8, and a multiple of 31.
        let zlib = (header >> 8) & 0x0f == 8 && header.is_multiple_of(31);
        match self.coding {
            Coding::Gzip => Decoder::Gzip(MultiGzDecoder::new(room)),
            Coding::Deflate if zlib => Decoder::Zlib(ZlibDecoder::new(room)),
            Coding::Deflate => Decoder::Bare(DeflateDecoder::new(room)),
        }
    }

    fn pass(&mut self, piece: &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), UnpackError> {
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        let write = |decoder: &mut Decoder| {
            decoder.write(piece)?;
            decoder.flush()
        };
        Self::settle(decoder, self.max_bytes, write, out)
    }

    fn settle(
        decoder: &mut Decoder,
        max_bytes: usize,
        act: impl FnOnce(&mut Decoder) -> std::io::Result<()>,
        out: &mut impl FnMut(&[u8]),
    ) -> Result<(), UnpackError> {
        let done = act(decoder);
        let room = decoder.room();
        if room.full {
            return Err(UnpackError::TooLarge { max_bytes });
        }
        done.map_err(UnpackError::Broken)?;
        out(&room.bytes);
        room.bytes.clear();
        Ok(())
    }
}

impl Guard {
    /// All findings in a packed body; places are those of the unpacked one.
    ///
    /// # Errors
    ///
    /// When the body is too large or broken: nobody knows then what it holds.
    pub fn find_packed(&self, coding: Coding, packed: &[u8], max_bytes: usize) -> Result<Vec<Finding>, UnpackError> {
        let mut scanner = Scanner::new(self, HOLD_FROM);
        let mut findings = Vec::new();
        let mut unpack = Unpack::new(coding, max_bytes);
        unpack.feed(packed, |bytes| findings.append(&mut scanner.feed(bytes).findings))?;
        unpack.finish(|bytes| findings.append(&mut scanner.feed(bytes).findings))?;
        findings.append(&mut scanner.finish().findings);
        Ok(findings)
    }
}
