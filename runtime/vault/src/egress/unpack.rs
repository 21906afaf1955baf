//! Unpacking with a bound: a piece at a time, so that a bomb is noticed while it is small.

use std::io::Write;

use bytes::Bytes;
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

use crate::egress::failure::Failure;

/// Unpacked bytes for each packed one beyond which it is a bomb. Deflate's own limit is about 1 030.
const RATIO: u64 = 400;
/// Unpacked bytes up to which the ratio does not matter.
const RATIO_FREE_BYTES: u64 = 4 << 20;
/// Nothing can be made of it; told apart by whoever asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl From<std::io::Error> for Unreadable {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

enum Decoder {
    Gzip(MultiGzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zlib,
}

/// What `Content-Encoding` says; `None` when the body is as it is.
pub(super) fn packing(headers: &HeaderMap) -> Result<Option<Packing>, Unreadable> {
    let mut found = None;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for word in value.to_str().map_err(|_| Unreadable)?.split(',').map(str::trim) {
            let packing = match word.to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Packing::Gzip,
                "deflate" => Packing::Zlib,
                _ => return Err(Unreadable),
            };
            if found.replace(packing).is_some() {
                return Err(Unreadable);
            }
        }
    }
    Ok(found)
}

/// Unpacks one body.
pub(super) struct Unpack {
    decoder: Decoder,
    input: Bytes,
    packed: u64,
    unpacked: u64,
    limit: u64,
}

impl Unpack {
    /// `limit` in unpacked bytes.
    pub(super) fn new(packing: Packing, limit: u64) -> Self {
        let decoder = match packing {
            Packing::Gzip => Decoder::Gzip(MultiGzDecoder::new(Vec::new())),
            Packing::Zlib => Decoder::Zlib(ZlibDecoder::new(Vec::new())),
        };
        Self { decoder, input: Bytes::new(), packed: 0, unpacked: 0, limit }
    }

    /// The next packed piece; the one before must have been used up.
    pub(super) fn feed(&mut self, piece: Bytes) {
        self.packed += piece.len() as u64;
        self.input = piece;
    }

    /// The next unpacked piece, some tens of KiB at most; `None` when more input is needed.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Unreadable> {
        while !self.input.is_empty() {
            let used = match &mut self.decoder {
                Decoder::Gzip(decoder) => decoder.write(&self.input)?,
                Decoder::Zlib(decoder) => decoder.write(&self.input)?,
            };
            if used == 0 && self.ready().is_empty() {
                // Bytes behind the end of the packing.
                return Err(Unreadable);
            }
            drop(self.input.split_to(used));
            if let Some(piece) = self.take()? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// The input has ended; gives the rest.
    pub(super) fn finish(&mut self) -> Result<Option<Bytes>, Unreadable> {
        if self.packed == 0 {
            return Ok(None);
        }
        match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.try_finish()?,
            Decoder::Zlib(decoder) => decoder.try_finish()?,
        }
        self.take()
    }

    fn ready(&mut self) -> &mut Vec<u8> {
        match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Zlib(decoder) => decoder.get_mut(),
        }
    }

    fn take(&mut self) -> Result<Option<Bytes>, Unreadable> {
        let piece = std::mem::take(self.ready());
        self.unpacked += piece.len() as u64;
        let bomb = self.unpacked > RATIO_FREE_BYTES && self.unpacked / RATIO > self.packed;
        if bomb || self.unpacked > self.limit {
            return Err(Unreadable);
        }
        Ok((!piece.is_empty()).then(|| Bytes::from(piece)))
    }
}

/// Unpacks something that is complete.
pub(super) fn whole(packing: Packing, packed: Bytes, limit: u64) -> Result<Vec<Bytes>, Failure> {
    let mut unpack = Unpack::new(packing, limit);
    let mut all = Vec::new();
    unpack.feed(packed);
    while let Some(piece) = unpack.next().map_err(|_| Failure::Packed)? {
        all.push(piece);
    }
    all.extend(unpack.finish().map_err(|_| Failure::Packed)?);
    Ok(all)
}
