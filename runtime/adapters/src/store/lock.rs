//! The lock on the data folder: one house at a time.
//!
//! An operating-system lock, so that it ends with the process however that ends; the file itself stays.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use hearth_domain::store::StoreError;

use super::failure::io_failure;

/// The file that is locked.
const FILE: &str = "house.lock";

/// A folder that is ours until this is dropped.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the folder, which is made if it is not there.
    pub(super) fn take(folder: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(|error| io_failure(&error))?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(FILE));
        let file = file.map_err(|error| io_failure(&error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
            Err(TryLockError::Error(error)) => Err(io_failure(&error)),
        }
    }
}

/// Makes a folder in the data folder, and makes sure that a power cut does not take its name: an engine syncs what is in its
/// folder, not that the folder is there. Every time, since the cut may have come between the making and the sync.
pub(super) fn make_lasting(folder: &Path, name: &str) -> Result<PathBuf, StoreError> {
    let inner = folder.join(name);
    let made = std::fs::create_dir_all(&inner).and_then(|()| File::open(folder)?.sync_all());
    made.map_err(|error| io_failure(&error))?;
    if let Some(Ok(parent)) = folder.parent().map(File::open) {
        // The data folder's own name. Not every parent may be opened or synced by this user.
        parent.sync_all().ok();
    }
    Ok(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_and_again_after_it_was_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("b");
        let first = FolderLock::take(&path).unwrap();
        assert_eq!(FolderLock::take(&path).unwrap_err(), StoreError::InUse);
        drop(first);
        assert!(FolderLock::take(&path).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_read_only() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("file");
        std::fs::write(&in_the_way, "not a folder").unwrap();
        assert_eq!(FolderLock::take(&in_the_way).unwrap_err(), StoreError::ReadOnly);
        assert_eq!(FolderLock::take(&in_the_way.join("below")).unwrap_err(), StoreError::ReadOnly);
    }
}
