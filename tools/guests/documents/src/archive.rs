//! One file of a ZIP archive (PKWARE APPNOTE 6.3.10, sections 4.3 and 4.4): stored or deflated, not encrypted, without ZIP64. That is how
//! documents are packed.

use std::io::Read;

use flate2::read::DeflateDecoder;

/// The end of the central directory: its signature, its length without the comment, and the longest comment, in bytes.
const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const COMMENT_BYTES: usize = 65_535;
/// A header of the central directory.
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_BYTES: usize = 46;
/// The header before a file's bytes.
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_BYTES: usize = 30;
/// The most files that are looked through.
const ENTRIES: usize = 5_000;

/// Why there is no such file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The archive is cut or was written by nobody.
    Damaged,
    /// It is not among the first 5 000.
    Missing,
    /// It is packed in another way.
    Method,
    /// It is larger than allowed.
    TooLarge,
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(usize::from(u16::from_le_bytes(digits)))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(digits)).ok()
}

/// What is known of a file before its bytes.
struct Entry {
    method: usize,
    flags: usize,
    packed_bytes: usize,
    local_at: usize,
}

fn find(archive: &[u8], name: &str) -> Option<Result<Entry, Error>> {
    let tail_at = archive.len().saturating_sub(END_BYTES + COMMENT_BYTES);
    let tail = archive.get(tail_at..)?;
    let end_at = tail_at.checked_add(tail.windows(END.len()).rposition(|bytes| bytes == END)?)?;
    let mut at = long(archive, end_at.checked_add(16)?)?;
    for _entry in 0..short(archive, end_at.checked_add(10)?)?.min(ENTRIES) {
        let entry = archive.get(at..at.checked_add(ENTRY_BYTES)?)?;
        if !entry.starts_with(ENTRY) {
            return None;
        }
        let (name_bytes, extra_bytes, comment_bytes) = (short(entry, 28)?, short(entry, 30)?, short(entry, 32)?);
        let name_at = at.checked_add(ENTRY_BYTES)?;
        let name_end = name_at.checked_add(name_bytes)?;
        if archive.get(name_at..name_end)? == name.as_bytes() {
            let found =
                Entry { method: short(entry, 10)?, flags: short(entry, 8)?, packed_bytes: long(entry, 20)?, local_at: long(entry, 42)? };
            return Some(Ok(found));
        }
        at = name_end.checked_add(extra_bytes)?.checked_add(comment_bytes)?;
    }
    Some(Err(Error::Missing))
}

fn packed<'a>(archive: &'a [u8], entry: &Entry) -> Option<&'a [u8]> {
    let local = archive.get(entry.local_at..entry.local_at.checked_add(LOCAL_BYTES)?)?;
    if !local.starts_with(LOCAL) {
        return None;
    }
    let at = entry.local_at.checked_add(LOCAL_BYTES)?.checked_add(short(local, 26)?)?.checked_add(short(local, 28)?)?;
    archive.get(at..at.checked_add(entry.packed_bytes)?)
}

/// A file of an archive, unpacked, at most so many bytes.
///
/// # Errors
/// It is not there, or cannot be unpacked. What the archive says of its size is not believed.
pub(crate) fn file(archive: &[u8], name: &str, limit_bytes: usize) -> Result<Vec<u8>, Error> {
    let entry = find(archive, name).ok_or(Error::Damaged)??;
    let packed = packed(archive, &entry).ok_or(Error::Damaged)?;
    let encrypted = entry.flags & 1 != 0;
    let most = u64::try_from(limit_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let mut unpacked = Vec::new();
    match entry.method {
        0 if !encrypted => packed.take(most).read_to_end(&mut unpacked),
        8 if !encrypted => DeflateDecoder::new(packed).take(most).read_to_end(&mut unpacked),
        _ => return Err(Error::Method),
    }
    .map_err(|_broken| Error::Damaged)?;
    if unpacked.len() > limit_bytes { Err(Error::TooLarge) } else { Ok(unpacked) }
}
