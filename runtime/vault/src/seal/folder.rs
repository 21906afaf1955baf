//! The key folder: `vault.key`, `vault.manifest` and the lock that keeps a second vault out.
//!
//! | file | mode | written |
//! |---|---|---|
//! | `vault.key` | 0600 | once, and by a rotation; absent when the key has another source |
//! | `vault.key.next` | 0600 | within a rotation |
//! | `vault.manifest` | 0600 | by every change |
//! | `locked` | 0600 | by a lock, empty; removed by an unseal. While it is there, no key that comes by itself is used |
//! | `vault.lock` | 0600 | never; locked with `flock` as long as the vault runs |
//! | `….new` | 0600 | a file on its way; what a crash left of one is removed by the next write |
//!
//! Each write is a new file (`O_EXCL`), synced, renamed over the old one, and the folder synced: a crash at any instant leaves the old or
//! the new content. Files are opened without following links and judged by what was opened, not by their name: another owner, permissions for
//! anybody else, a link or a device are refused, and so is a folder that others may write to.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use hearth_domain::error::{Class, Classified};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::key_file::{KEY_FILE_BYTES, read_key, write_key};
use super::keys::{Source, VaultKey};
use super::manifest::MANIFEST_MAX;
use super::{KeyStore, StoreError};

/// The key file.
pub const KEY: &str = "vault.key";
/// The key file of a rotation that is under way.
pub const KEY_NEXT: &str = "vault.key.next";
/// The manifest.
pub const MANIFEST: &str = "vault.manifest";
/// The lock.
pub const LOCK: &str = "vault.lock";

/// Says that the owner locked the vault.
pub const LOCKED: &str = "locked";

/// Why a file of the key folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It could not be opened, created or read.
    #[error("{what} could not be opened or read; see that the key folder exists and belongs to the user that runs the vault")]
    Io {
        /// Which file.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another vault runs on this folder.
    #[error("another vault is running on this key folder; stop it first")]
    InUse,
    /// It is a link, a device or a folder.
    #[error("{what} is not a plain file (or not a plain folder); put the file itself there, not a link")]
    NotPlain {
        /// Which file.
        what: &'static str,
    },
    /// It belongs to somebody else.
    #[error("{what} belongs to another user; give it to the user that runs the vault")]
    OtherOwner {
        /// Which file.
        what: &'static str,
    },
    /// Others may read or write it.
    #[error(
        "{what} is open to other users; take their permissions away (`chmod go= FILE`), and rotate the vault key if they may have read it"
    )]
    Exposed {
        /// Which file.
        what: &'static str,
    },
    /// Its content is not what belongs there.
    #[error("{what} is damaged; put back the copy from a backup, or use the recovery key")]
    Damaged {
        /// Which file.
        what: &'static str,
    },
}

impl Classified for FolderError {
    fn class(&self) -> Class {
        match self {
            Self::Io { .. } | Self::InUse => Class::Transient,
            Self::NotPlain { .. } | Self::Damaged { .. } => Class::Permanent,
            Self::OtherOwner { .. } | Self::Exposed { .. } => Class::Denied,
        }
    }
}

/// The key folder, locked.
#[derive(Debug)]
pub struct KeyFolder {
    folder: File,
    source: Source,
    /// Held for its lock alone.
    _lock: File,
}

impl KeyFolder {
    /// Opens and locks the folder; makes it, with mode 0700, when it is not there. Its parent has to be.
    ///
    /// # Errors
    ///
    /// A folder of somebody else, or one that others may write to, or that another vault uses.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        const WHAT: &str = "the key folder";
        let io = |source: Errno| FolderError::Io { what: WHAT, source: source.into() };
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(io(error)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = File::from(match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(FolderError::NotPlain { what: WHAT }),
            Err(error) => return Err(io(error)),
        });
        let stat = rustix::fs::fstat(&folder).map_err(io)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(FolderError::OtherOwner { what: WHAT });
        }
        if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
            return Err(FolderError::Exposed { what: WHAT });
        }
        let lock = lock(&folder)?;
        Ok(Self { folder, source: Source::KeyFile, _lock: lock })
    }

    /// Where the key comes from, which decides how a rotation stores it. A key file unless said otherwise.
    #[must_use]
    pub fn with_source(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// The manifest's bytes; `None` where there is none.
    ///
    /// # Errors
    ///
    /// A file that is refused, unreadable, or larger than a manifest can be.
    pub fn manifest(&self) -> Result<Option<Vec<u8>>, FolderError> {
        let Some((mut file, stat)) = private(&self.folder, MANIFEST)? else { return Ok(None) };
        let too_large = FolderError::Damaged { what: MANIFEST };
        let length = usize::try_from(stat.st_size).ok().filter(|length| *length <= MANIFEST_MAX).ok_or(too_large)?;
        let mut bytes = Vec::with_capacity(length);
        let limit = u64::try_from(MANIFEST_MAX).unwrap_or(u64::MAX);
        io::Read::by_ref(&mut file).take(limit).read_to_end(&mut bytes).map_err(|source| FolderError::Io { what: MANIFEST, source })?;
        Ok(Some(bytes))
    }

    /// The vault keys that lie here: the present one, then one that a rotation left.
    ///
    /// # Errors
    ///
    /// A file that is refused, unreadable or damaged.
    pub fn keys(&self) -> Result<Vec<VaultKey>, FolderError> {
        let mut keys = Vec::new();
        for name in [KEY, KEY_NEXT] {
            keys.extend(private(&self.folder, name)?.map(|(file, stat)| key_in(file, &stat, name)).transpose()?);
        }
        Ok(keys)
    }

    /// Whether the owner locked the vault and nobody unsealed it since. Anything of that name counts.
    ///
    /// # Errors
    ///
    /// When that cannot be told.
    pub fn is_locked(&self) -> Result<bool, FolderError> {
        match rustix::fs::statat(&self.folder, LOCKED, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(FolderError::Io { what: LOCKED, source: error.into() }),
        }
    }

    /// Writes the first key file.
    ///
    /// # Errors
    ///
    /// Where there is one, or when it is not durable.
    pub fn create_key(&self, key: &VaultKey) -> Result<(), StoreError> {
        self.absent(KEY)?;
        self.replace(KEY, write_key(key).as_slice())
    }

    /// Removes what a rotation left that came to nothing.
    ///
    /// # Errors
    ///
    /// When it is not durable.
    pub fn discard_staged_key(&self) -> Result<(), StoreError> {
        match rustix::fs::unlinkat(&self.folder, KEY_NEXT, AtFlags::empty()) {
            Ok(()) => rustix::fs::fsync(&self.folder).map_err(write_error("syncing the folder")),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(write_error("removing the staged key")(error)),
        }
    }

    /// Whether nothing has that name. The lock keeps it so.
    fn absent(&self, name: &'static str) -> Result<(), StoreError> {
        match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(StoreError::Exists),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(write_error("looking for the file")(error)),
        }
    }

    fn replace(&self, name: &'static str, bytes: &[u8]) -> Result<(), StoreError> {
        let new = format!("{name}.new");
        match rustix::fs::unlinkat(&self.folder, &new, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(write_error("removing what a crash left")(error)),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, &new, flags, Mode::RUSR | Mode::WUSR).map_err(write_error("creating the file"))?;
        let mut file = File::from(file);
        file.write_all(bytes).map_err(|source| StoreError::Write { step: "writing the file", source })?;
        file.sync_all().map_err(|source| StoreError::Write { step: "syncing the file", source })?;
        self.rename(&new, name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        rustix::fs::renameat(&self.folder, from, &self.folder, to).map_err(write_error("renaming the file"))?;
        rustix::fs::fsync(&self.folder).map_err(write_error("syncing the folder"))
    }
}

/// Notes in this key folder that its vault is locked: durable when it returns. For the process that has the folder's lock.
///
/// # Errors
///
/// When it is not durable.
pub fn mark_locked(path: &Path) -> Result<(), StoreError> {
    let folder = opened(path)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, LOCKED, flags, Mode::RUSR | Mode::WUSR).map_err(write_error("noting the lock"))?;
    rustix::fs::fsync(&file).map_err(write_error("syncing the note of the lock"))?;
    rustix::fs::fsync(&folder).map_err(write_error("syncing the folder"))
}

/// Takes that note away again; nothing to do where there is none.
///
/// # Errors
///
/// When it is not durable.
pub fn clear_locked(path: &Path) -> Result<(), StoreError> {
    let folder = opened(path)?;
    match rustix::fs::unlinkat(&folder, LOCKED, AtFlags::empty()) {
        Ok(()) => rustix::fs::fsync(&folder).map_err(write_error("syncing the folder")),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(write_error("removing the note of the lock")(error)),
    }
}

fn opened(path: &Path) -> Result<File, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map(File::from).map_err(write_error("opening the folder"))
}

impl KeyStore for KeyFolder {
    fn create_manifest(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.absent(MANIFEST)?;
        self.replace(MANIFEST, bytes)
    }

    fn write_manifest(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.replace(MANIFEST, bytes)
    }

    fn stage_key(&mut self, key: &VaultKey) -> Result<(), StoreError> {
        match self.source {
            Source::KeyFile => self.replace(KEY_NEXT, write_key(key).as_slice()),
            // It lies in the manifest's slot.
            Source::Passphrase => Ok(()),
            Source::SystemdCredential | Source::Keyring => Err(StoreError::FixedKey),
        }
    }

    fn adopt_key(&mut self) -> Result<(), StoreError> {
        match self.source {
            // Without a staged key the step was done before.
            Source::KeyFile => match self.absent(KEY_NEXT) {
                Ok(()) => rustix::fs::fsync(&self.folder).map_err(write_error("syncing the folder")),
                Err(StoreError::Exists) => self.rename(KEY_NEXT, KEY),
                Err(error) => Err(error),
            },
            Source::Passphrase | Source::SystemdCredential | Source::Keyring => Ok(()),
        }
    }
}

fn write_error(step: &'static str) -> impl FnOnce(Errno) -> StoreError {
    move |error| StoreError::Write { step, source: error.into() }
}

fn lock(folder: &File) -> Result<File, FolderError> {
    let io = |source: Errno| FolderError::Io { what: LOCK, source: source.into() };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = rustix::fs::openat(folder, LOCK, flags, Mode::RUSR | Mode::WUSR).map_err(io)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(File::from(lock)),
        Err(Errno::WOULDBLOCK) => Err(FolderError::InUse),
        Err(error) => Err(io(error)),
    }
}

/// Opens a plain file without following a link and without waiting for a pipe's other end.
fn plain(folder: &File, name: &str, what: &'static str) -> Result<Option<(File, Stat)>, FolderError> {
    let io = |source: Errno| FolderError::Io { what, source: source.into() };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::NXIO) => return Err(FolderError::NotPlain { what }),
        Err(error) => return Err(io(error)),
    };
    let stat = rustix::fs::fstat(&file).map_err(io)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FolderError::NotPlain { what });
    }
    Ok(Some((File::from(file), stat)))
}

/// A plain file that is ours and nobody else's.
fn private(folder: &File, name: &'static str) -> Result<Option<(File, Stat)>, FolderError> {
    let Some((file, stat)) = plain(folder, name, name)? else { return Ok(None) };
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(FolderError::OtherOwner { what: name });
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO) {
        return Err(FolderError::Exposed { what: name });
    }
    Ok(Some((file, stat)))
}

fn key_in(mut file: File, stat: &Stat, what: &'static str) -> Result<VaultKey, FolderError> {
    let mut bytes = Zeroizing::new([0_u8; KEY_FILE_BYTES]);
    if usize::try_from(stat.st_size).ok() != Some(KEY_FILE_BYTES) {
        return Err(FolderError::Damaged { what });
    }
    file.read_exact(bytes.as_mut_slice()).map_err(|source| FolderError::Io { what, source })?;
    read_key(bytes.as_slice()).ok_or(FolderError::Damaged { what })
}

/// The key within systemd's folder of credentials; `None` where there is none. systemd gives a service's user access by an access list,
/// which shows as permissions of the group, and keeps the files to root: only permissions for everybody are refused.
pub(crate) fn credential(folder: &Path, name: &str) -> Result<Option<VaultKey>, FolderError> {
    const WHAT: &str = "the systemd credential";
    let folder = match File::open(folder) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FolderError::Io { what: WHAT, source }),
    };
    let Some((file, stat)) = plain(&folder, name, WHAT)? else { return Ok(None) };
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(FolderError::OtherOwner { what: WHAT });
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXO) {
        return Err(FolderError::Exposed { what: WHAT });
    }
    key_in(file, &stat, WHAT).map(Some)
}
