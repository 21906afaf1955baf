//! Losses and mistakes made on purpose, to see that they are found.

use std::fs;
use std::path::Path;

use anyhow::Result;

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plant {
    /// Once, the data folder is put back to what it was a few kills ago; or, at cuts, the disk is that of a while before.
    LoseAcks,
    /// Once, clients come back with an older cursor than they have.
    ForgetCursor,
}

/// Records by which a disk is older than it should be.
pub const OLDER: usize = 400;

/// Copies a data folder. Sockets are no data.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
