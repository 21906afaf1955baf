//! The second pass for names: which of them are on disk.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::history::{History, NameOp, NodeId, ROOT};
use super::{Cut, Fate, Mode};
use crate::rng::Rng;

/// Names on disk.
#[derive(Debug, Default)]
pub(super) struct Tree {
    dirs: BTreeMap<NodeId, BTreeMap<OsString, NodeId>>,
}

/// Chooses which changes of names are on disk, and applies them in order.
pub(super) fn grow(history: &History<'_>, cut: &Cut, journal: usize, rng: &mut Rng) -> Tree {
    let mut tree = Tree::default();
    for op in &history.base {
        tree.apply(op);
    }
    let moment = rng.between(0, cut.at);
    for op in &history.names {
        let kept = match cut.mode {
            Mode::Ext4 => op.index < journal,
            Mode::Strict => {
                durable(history, op)
                    || match cut.names {
                        Fate::Lost => false,
                        Fate::Kept => true,
                        Fate::Prefix => op.index < moment,
                        Fate::Mixed => rng.once_in(2),
                    }
            }
        };
        if kept {
            tree.apply(op);
        }
    }
    tree
}

/// Whether the directory that decides was synced after the change: the one a name comes to, or else goes from.
fn durable(history: &History<'_>, op: &NameOp) -> bool {
    let place = op.to.as_ref().or(op.from.as_ref());
    place.and_then(|(dir, _)| history.nodes.get(*dir)).is_some_and(|node| op.index < node.synced)
}

impl Tree {
    fn apply(&mut self, op: &NameOp) {
        if let Some((dir, name)) = &op.from {
            let names = self.dirs.entry(*dir).or_default();
            if names.get(name) == Some(&op.node) {
                names.remove(name);
            }
        }
        if let Some((dir, name)) = &op.to {
            self.dirs.entry(*dir).or_default().insert(name.clone(), op.node);
        }
    }

    /// Calls `visit` for every name that can be reached, parents before children.
    pub(super) fn walk(&self, visit: &mut dyn FnMut(PathBuf, NodeId)) {
        self.descend(Path::new(""), ROOT, 0, visit);
    }

    fn descend(&self, path: &Path, dir: NodeId, depth: usize, visit: &mut dyn FnMut(PathBuf, NodeId)) {
        // A directory moved into itself by dropped renames would never end.
        if depth > 64 {
            return;
        }
        for (name, node) in self.dirs.get(&dir).into_iter().flatten() {
            let path = path.join(name);
            visit(path.clone(), *node);
            self.descend(&path, *node, depth + 1, visit);
        }
    }
}
