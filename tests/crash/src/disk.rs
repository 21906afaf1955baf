//! What a disk may hold after the power went.
//!
//! The model, in full:
//!
//! - **Sectors.** A sector of 512 bytes is written whole or not at all. For every sector the disk holds the bytes as of
//!   *some* moment between the last completed sync of the file and the cut. Different sectors may be of different
//!   moments, so a later write may survive an earlier one; but a sector never holds a later write without the earlier
//!   ones to the same sector, because the page cache writes sectors back as they are in memory.
//! - **Sizes.** The size on disk is that of some moment too. Space that was never written reads as zeros.
//! - **Syncs.** A completed `fsync` or `fdatasync` makes durable what was recorded before it *began*. One that has begun
//!   but not ended at the cut promises nothing.
//! - **Names**, [`Mode::Strict`]: creating, renaming and removing a name is durable once the directory was synced; of
//!   the others any subset may be there. A rename is never half done; one across directories is durable once the
//!   directory it goes to was synced.
//! - **Names**, [`Mode::Ext4`]: names and truncations go to one journal in order, so those that survive are a prefix;
//!   a completed sync of any file or directory commits all before it (an `fdatasync` only if the file grew or is new).
//!   A file never shows space on disk that was not also written (ordered data).
//!
//! Not modelled: stores through shared mappings, ownership, modes, times and extended attributes, a sector torn within,
//! a disk that lies about flushes, bit rot. ext4's rescue of files replaced by rename without sync is not modelled
//! either (it would only hide faults).

#![expect(clippy::indexing_slicing, reason = "node ids come from the history that is indexed")]

mod content;
mod history;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::rng::Rng;
use crate::trace::Trace;
use history::History;

/// Which promises the file system makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Only what POSIX promises.
    Strict,
    /// Metadata journalled in order, data ordered before it.
    Ext4,
}

/// What becomes of things that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// All lost.
    Lost,
    /// All kept: what a killed process leaves behind.
    Kept,
    /// All kept up to some moment, where a write may be torn.
    Prefix,
    /// Some of it, in no order.
    Mixed,
}

/// One way for the power to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Cut {
    /// Records before this one have happened.
    pub at: usize,
    /// The file system.
    pub mode: Mode,
    /// What becomes of written data.
    pub data: Fate,
    /// What becomes of names.
    pub names: Fate,
    /// Decides the rest.
    pub seed: u64,
}

impl Cut {
    /// The cut that `seed` chooses at record `at`.
    pub fn seeded(at: usize, mode: Mode, seed: u64) -> Cut {
        let mut rng = Rng::new(seed).split(1);
        let mut pick = || match rng.below(10) {
            0 | 1 => Fate::Lost,
            2 => Fate::Kept,
            3..=5 => Fate::Prefix,
            _ => Fate::Mixed,
        };
        Cut { at, mode, data: pick(), names: pick(), seed }
    }

    /// The process is killed at record `at` and the power stays on.
    pub fn kill(at: usize) -> Cut {
        Cut { at, mode: Mode::Ext4, data: Fate::Kept, names: Fate::Kept, seed: 0 }
    }
}

/// A directory's contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Files by path.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Directories, parents before children.
    pub dirs: Vec<PathBuf>,
    /// Symbolic links and their targets.
    pub links: BTreeMap<PathBuf, PathBuf>,
}

impl Image {
    /// Writes everything under `root`, which is made if need be.
    pub fn write_to(&self, root: &Path) -> Result<()> {
        fs::create_dir_all(root)?;
        for dir in &self.dirs {
            fs::create_dir_all(root.join(dir))?;
        }
        for (path, bytes) in &self.files {
            fs::write(root.join(path), bytes).with_context(|| format!("writing {}", path.display()))?;
        }
        for (path, target) in &self.links {
            symlink(target, root.join(path))?;
        }
        Ok(())
    }

    /// In what way the directory at `root` differs; empty if it does not.
    pub fn differences(&self, root: &Path) -> Result<Vec<String>> {
        let mut real = Image::default();
        real.load(root, Path::new(""))?;
        let mut out = Vec::new();
        for path in self.files.keys().chain(real.files.keys()).collect::<BTreeSet<_>>() {
            match (self.files.get(path), real.files.get(path)) {
                (Some(model), Some(found)) if model == found => {}
                (model, found) => {
                    let (model, found) = (model.map(Vec::len), found.map(Vec::len));
                    out.push(format!("{}: {model:?} bytes in the trace, {found:?} in the directory", path.display()));
                }
            }
        }
        let sorted = |dirs: &[PathBuf]| dirs.iter().cloned().collect::<BTreeSet<_>>();
        if sorted(&self.dirs) != sorted(&real.dirs) || self.links != real.links {
            out.push("directories or links differ".to_owned());
        }
        Ok(out)
    }

    fn load(&mut self, root: &Path, relative: &Path) -> Result<()> {
        for entry in fs::read_dir(root.join(relative))? {
            let entry = entry?;
            let path = relative.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.dirs.push(path.clone());
                self.load(root, &path)?;
            } else if kind.is_symlink() {
                self.links.insert(path, fs::read_link(entry.path())?);
            } else {
                self.files.insert(path, fs::read(entry.path())?);
            }
        }
        Ok(())
    }
}

/// A disk on which a trace was run.
#[derive(Debug, Clone, Copy)]
pub struct Disk<'t> {
    trace: &'t Trace,
}

impl<'t> Disk<'t> {
    /// The disk for this trace.
    pub fn new(trace: &'t Trace) -> Self {
        Disk { trace }
    }

    /// What the disk holds after `cut`.
    pub fn cut(&self, cut: &Cut) -> Result<Image> {
        let history = History::until(self.trace, cut.at)?;
        let rng = Rng::new(cut.seed);
        let journal = history.journal(cut, &mut rng.split(2));
        let tree = tree::grow(&history, cut, journal, &mut rng.split(3));
        let mut image = Image::default();
        tree.walk(&mut |path, node| match &history.nodes[node].kind {
            history::NodeKind::Dir => image.dirs.push(path),
            history::NodeKind::Link(target) => {
                image.links.insert(path, target.clone());
            }
            history::NodeKind::File => {
                let bytes = content::choose(&history.nodes[node], cut, journal, &mut rng.split(1000 + node as u64));
                image.files.insert(path, bytes);
            }
        });
        Ok(image)
    }

    /// What the directory holds, as the running process sees it, after record `at`.
    pub fn live(&self, at: usize) -> Result<Image> {
        self.cut(&Cut::kill(at))
    }

    /// Whether the trace tells all: its replay must equal the directory it was taken from, once all is quiet.
    pub fn differences(&self, watched: &Path) -> Result<Vec<String>> {
        self.live(self.trace.records.len())?.differences(watched)
    }
}

#[cfg(test)]
mod tests;
