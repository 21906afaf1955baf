//! The container: a tar archive that is written in one way, and read in that way only.

use std::io::{self, Read as _, Write};

use crate::entry::Entry;
use crate::error::PackageError;

/// What an archive held.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) manifest: Vec<u8>,
    pub(crate) component: Vec<u8>,
    pub(crate) signature: Option<Vec<u8>>,
}

/// Writes the archive of these parts.
pub(crate) fn write(manifest: &[u8], component: &[u8], signature: Option<&[u8]>, to: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    let parts = [(Entry::Manifest, Some(manifest)), (Entry::Component, Some(component)), (Entry::Signature, signature)];
    for (entry, bytes) in parts {
        let Some(bytes) = bytes else { continue };
        let mut header = tar::Header::new_ustar();
        header.set_path(entry.name())?;
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(u64::try_from(bytes.len()).map_err(io::Error::other)?);
        header.set_cksum();
        archive.append(&header, bytes)?;
    }
    archive.finish()
}

/// The parts of an archive.
pub(crate) fn read(bytes: &[u8]) -> Result<Parts, PackageError> {
    let parts = take_apart(bytes)?;
    // What a tar reader skips or forgives (padding, owners, times, what follows the end) could carry or hide something. So the parts
    // are put together again, and these have to be the bytes.
    let mut rest = Same(bytes);
    let written = write(&parts.manifest, &parts.component, parts.signature.as_deref(), &mut rest);
    if written.is_ok() && rest.0.is_empty() { Ok(parts) } else { Err(PackageError::Spelling) }
}

fn take_apart(bytes: &[u8]) -> Result<Parts, PackageError> {
    let mut archive = tar::Archive::new(bytes);
    let mut parts = Parts::default();
    let mut expected = [Entry::Manifest, Entry::Component, Entry::Signature].into_iter();
    let mut last = None;
    // Raw: entries that rename, prolong or describe others are entries of their own, and refused.
    for entry in archive.entries().map_err(|_| PackageError::Container)?.raw(true) {
        let mut entry = entry.map_err(|_| PackageError::Container)?;
        let is = expected.next().filter(|is| *entry.path_bytes() == *is.name().as_bytes()).ok_or(PackageError::Entries)?;
        let limit = u64::try_from(is.limit()).unwrap_or(u64::MAX);
        if entry.size() > limit {
            return Err(PackageError::EntryTooLarge(is));
        }
        let mut part = Vec::new();
        entry.by_ref().take(limit).read_to_end(&mut part).map_err(|_| PackageError::Container)?;
        if u64::try_from(part.len()).ok() != Some(entry.size()) {
            return Err(PackageError::Container);
        }
        match is {
            Entry::Manifest => parts.manifest = part,
            Entry::Component => parts.component = part,
            Entry::Signature => parts.signature = Some(part),
        }
        last = Some(is);
    }
    match last {
        None => Err(PackageError::Container),
        Some(Entry::Manifest) => Err(PackageError::Entries),
        Some(Entry::Component | Entry::Signature) => Ok(parts),
    }
}

/// Takes what is expected and nothing else.
struct Same<'a>(&'a [u8]);

impl Write for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or_else(|| io::Error::other("other bytes"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
