//! Compiled forms, kept under the house's key.
//!
//! ```text
//! folder/DIGEST-ENGINE.bin = HMAC-SHA256(key, domain · component's digest · engine's · bytes) · bytes
//! ```
//!
//! A form that was touched, cut, put in another's place or made by another engine is as good as none. Files are written whole or not at
//! all. The folder and the files are the owner's only; the key is what counts.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, Mac as _};
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest as _, Sha256};

use crate::sealed;

/// Most bytes of a compiled form.
pub const COMPILED_BYTES: u64 = 256 << 20;
/// Bytes of a key, and of what it makes of a form.
const KEY_BYTES: usize = 32;
/// Bytes of a block of SHA-256.
const BLOCK_BYTES: usize = 64;
/// What else the key may be used for one day gives other tags.
const DOMAIN: &[u8] = b"hearth compiled component 1";
/// The file of the key, in the folder.
const KEY: &str = "key";

/// The key of the house for compiled forms.
#[derive(Clone)]
pub struct CacheKey([u8; KEY_BYTES]);

impl std::fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheKey(..)")
    }
}

/// Why there is no folder of compiled forms.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder.
    #[error("the folder {0} for compiled tools cannot be used; is it on a disk that can be written, and ours?")]
    Folder(PathBuf, #[source] io::Error),
    /// The key.
    #[error("the key for compiled tools in {0} cannot be read or made; remove it, and the tools are compiled again")]
    Key(PathBuf, #[source] io::Error),
}

impl CacheKey {
    /// From bytes of chance that are kept elsewhere.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The key in this folder; made, when there is none.
    ///
    /// # Errors
    /// [`CacheError`].
    pub fn of(folder: &Path) -> Result<Self, CacheError> {
        make_folder(folder).map_err(|error| CacheError::Folder(folder.to_owned(), error))?;
        Self::read_or_make(folder).map_err(|error| CacheError::Key(folder.to_owned(), error))
    }

    fn read_or_make(folder: &Path) -> io::Result<Self> {
        match File::open(folder.join(KEY)) {
            Ok(file) => {
                let bytes = sealed::read(&file, KEY_BYTES as u64)?;
                return bytes.try_into().map(Self).map_err(|_| io::ErrorKind::InvalidData.into());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut bytes = [0; KEY_BYTES];
        if getrandom(&mut bytes, GetRandomFlags::empty())? != KEY_BYTES {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_whole(folder, KEY, &[&bytes])?;
        Ok(Self(bytes))
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A file with these bytes, or none: written beside its place, on the disk, and moved there.
fn write_whole(folder: &Path, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let beside = folder.join(format!(".{name}.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&beside, folder.join(name))).and_then(|()| File::open(folder)?.sync_all());
    if moved.is_err() {
        let _ = fs::remove_file(&beside);
    }
    moved
}

/// SHA-256 of a component, in hexadecimal digits.
#[must_use]
pub fn digest(component: &[u8]) -> String {
    hex::encode(Sha256::digest(component))
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    key: CacheKey,
    engine: [u8; 32],
}

impl Cache {
    /// The folder at this path, for an engine of this [`crate::engine::compatibility`]. What an earlier house left half written is removed.
    ///
    /// # Errors
    /// [`CacheError::Folder`].
    pub fn open(folder: &Path, key: CacheKey, engine: [u8; 32]) -> Result<Self, CacheError> {
        let opened = make_folder(folder).and_then(|()| {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with('.') {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        });
        opened.map_err(|error| CacheError::Folder(folder.to_owned(), error))?;
        Ok(Self { folder: folder.to_owned(), key, engine })
    }

    /// Keeps a compiled form.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep(&self, digest: &str, compiled: &[u8]) -> io::Result<()> {
        let name = self.name(digest).ok_or(io::ErrorKind::InvalidInput)?;
        let tag = self.tag(digest, compiled).finalize().into_bytes();
        write_whole(&self.folder, &name, &[&tag, compiled])
    }

    /// The compiled form of the component of this digest, if there is one that nobody touched.
    #[must_use]
    pub fn find(&self, digest: &str) -> Option<Vec<u8>> {
        let file = File::open(self.folder.join(self.name(digest)?)).ok()?;
        let mut bytes = sealed::read(&file, COMPILED_BYTES.saturating_add(KEY_BYTES as u64)).ok()?;
        let compiled = bytes.split_off_checked(KEY_BYTES)?;
        self.tag(digest, &compiled).verify_slice(&bytes).ok()?;
        Some(compiled)
    }

    /// Removes what is kept for this component. Nothing is no error.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove(&self, digest: &str) -> io::Result<()> {
        let name = self.name(digest).ok_or(io::ErrorKind::InvalidInput)?;
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes all but the forms of these components, also what other engines made.
    ///
    /// # Errors
    /// The disk's.
    pub fn retain(&self, digests: &BTreeSet<String>) -> io::Result<()> {
        let keep: BTreeSet<_> = digests.iter().filter_map(|digest| self.name(digest)).collect();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_form = Path::new(&name).extension().is_some_and(|extension| extension == "bin");
            if is_form && !name.to_str().is_some_and(|name| keep.contains(name)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// A digest becomes part of a path, and so is looked at first.
    fn name(&self, digest: &str) -> Option<String> {
        let is = digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let engine = self.engine.first_chunk::<8>()?;
        is.then(|| format!("{digest}-{}.bin", hex::encode(engine)))
    }

    fn tag(&self, digest: &str, compiled: &[u8]) -> Hmac<Sha256> {
        // The key at the hash's block size, which RFC 2104 fills with zeros as well.
        let mut block = [0; BLOCK_BYTES];
        block.iter_mut().zip(self.key.0).for_each(|(to, from)| *to = from);
        let mut tag = <Hmac<Sha256> as hmac::Mac>::new((&block).into());
        for part in [DOMAIN, digest.as_bytes(), &self.engine, compiled] {
            tag.update(part);
        }
        tag
    }
}

/// `Vec::split_off` without its panic.
trait SplitOff {
    fn split_off_checked(&mut self, at: usize) -> Option<Vec<u8>>;
}

impl SplitOff for Vec<u8> {
    fn split_off_checked(&mut self, at: usize) -> Option<Vec<u8>> {
        (self.len() >= at).then(|| self.split_off(at))
    }
}

#[cfg(test)]
mod tests;
