//! The first pass: from records to what happened to each file and each name.

#![expect(clippy::wildcard_enum_match_arm, reason = "what is not a change of content is refused")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Cut, Fate};
use crate::rng::Rng;
use crate::trace::{Event, Given, Trace};

/// Index of a file, directory or link.
pub(super) type NodeId = usize;
/// The watched directory itself.
pub(super) const ROOT: NodeId = 0;

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum NodeKind {
    File,
    Dir,
    Link(PathBuf),
}

/// A change to a file's bytes or size.
#[derive(Debug, Clone)]
pub(super) enum Change<'t> {
    Write { at: usize, data: &'t [u8], durable: bool },
    Zero { at: usize, length: usize },
    Size { size: usize, truncation: bool },
}

/// A change and the record it came from.
#[derive(Debug, Clone)]
pub(super) struct DataOp<'t> {
    pub(super) index: usize,
    pub(super) change: Change<'t>,
}

/// A file, directory or link through time.
#[derive(Debug, Clone)]
pub(super) struct Node<'t> {
    pub(super) kind: NodeKind,
    /// Bytes from before the trace.
    pub(super) base: &'t [u8],
    /// Changes since.
    pub(super) ops: Vec<DataOp<'t>>,
    /// Changes (of content, or of names in a directory) recorded before this were synced.
    pub(super) synced: usize,
    /// Record that made it, or the last that made it grow, since its last sync.
    grown: Option<usize>,
    size: usize,
}

/// A change to names.
#[derive(Debug, Clone)]
pub(super) struct NameOp {
    pub(super) index: usize,
    /// The name that goes, if it still stands for `node`.
    pub(super) from: Option<(NodeId, OsString)>,
    /// The name that comes.
    pub(super) to: Option<(NodeId, OsString)>,
    pub(super) node: NodeId,
}

/// Everything up to a cut.
#[derive(Debug)]
pub(super) struct History<'t> {
    pub(super) nodes: Vec<Node<'t>>,
    /// Names from before the trace, and all changes since.
    pub(super) base: Vec<NameOp>,
    pub(super) names: Vec<NameOp>,
    /// Metadata recorded before this was committed by some sync (for the journalled model).
    pub(super) committed: usize,
    until: usize,
    by_inode: BTreeMap<u64, NodeId>,
    live: BTreeMap<NodeId, BTreeMap<OsString, NodeId>>,
    syncs: BTreeMap<u64, Sync>,
}

#[derive(Debug, Clone, Copy)]
struct Sync {
    index: usize,
    inode: u64,
    /// Whether it commits the journal.
    commits: bool,
}

impl<'t> History<'t> {
    /// Replays the records before `until`.
    pub(super) fn until(trace: &'t Trace, until: usize) -> Result<Self> {
        let mut history = History {
            nodes: Vec::new(),
            base: Vec::new(),
            names: Vec::new(),
            committed: 0,
            until,
            by_inode: BTreeMap::new(),
            live: BTreeMap::new(),
            syncs: BTreeMap::new(),
        };
        history.node(NodeKind::Dir, &[], None);
        for (index, record) in trace.records.iter().take(until).enumerate() {
            history.apply(index, &record.event).with_context(|| format!("record {index}: {:?}", brief(&record.event)))?;
        }
        Ok(history)
    }

    /// The record up to which the journal is on disk at the cut.
    pub(super) fn journal(&self, cut: &Cut, rng: &mut Rng) -> usize {
        match cut.names {
            Fate::Lost => self.committed,
            Fate::Kept => self.until,
            Fate::Prefix | Fate::Mixed => rng.between(self.committed, self.until),
        }
    }

    fn node(&mut self, kind: NodeKind, base: &'t [u8], grown: Option<usize>) -> NodeId {
        let id = self.nodes.len();
        if let NodeKind::Dir = kind {
            self.live.insert(id, BTreeMap::new());
        }
        self.nodes.push(Node { kind, base, ops: Vec::new(), synced: 0, grown, size: base.len() });
        id
    }

    fn apply(&mut self, index: usize, event: &'t Event) -> Result<()> {
        match event {
            Event::Base { path, inode, given } => self.given(path, *inode, given)?,
            Event::Create { path, inode } => {
                let node = self.made(index, path, NodeKind::File)?;
                self.by_inode.insert(*inode, node);
            }
            Event::Mkdir { path, inode } => {
                let node = self.made(index, path, NodeKind::Dir)?;
                self.by_inode.insert(*inode, node);
            }
            Event::Symlink { path, target } => {
                self.made(index, path, NodeKind::Link(target.clone()))?;
            }
            Event::Link { from, to } => {
                let node = self.find(from)?;
                let to = self.place(to)?;
                self.rename(NameOp { index, from: None, to: Some(to), node });
            }
            Event::Rename { from, to } => {
                let node = self.find(from)?;
                let (from, to) = (self.place(from)?, self.place(to)?);
                self.rename(NameOp { index, from: Some(from), to: Some(to), node });
            }
            Event::Unlink { path } | Event::Rmdir { path } => {
                let node = self.find(path)?;
                let from = self.place(path)?;
                self.rename(NameOp { index, from: Some(from), to: None, node });
            }
            Event::Write { .. } | Event::Truncate { .. } | Event::Allocate { .. } => self.change(index, event)?,
            Event::SyncBegin { token, inode, data_only } => self.begin(index, *token, *inode, *data_only),
            Event::SyncEnd { token } => self.end(*token),
            Event::Start | Event::Ack(_) | Event::Mapped { .. } | Event::Unsupported(_) => {}
        }
        Ok(())
    }

    fn given(&mut self, path: &Path, inode: u64, given: &'t Given) -> Result<()> {
        if path.as_os_str().is_empty() {
            self.by_inode.insert(inode, ROOT);
            return Ok(());
        }
        let node = match given {
            Given::File(bytes) => self.node(NodeKind::File, bytes, None),
            Given::Dir => self.node(NodeKind::Dir, &[], None),
            Given::Link(target) => self.node(NodeKind::Link(target.clone()), &[], None),
        };
        self.by_inode.insert(inode, node);
        let (dir, name) = self.place(path)?;
        self.live.entry(dir).or_default().insert(name.clone(), node);
        self.base.push(NameOp { index: 0, from: None, to: Some((dir, name)), node });
        Ok(())
    }

    fn made(&mut self, index: usize, path: &Path, kind: NodeKind) -> Result<NodeId> {
        let to = self.place(path)?;
        let node = self.node(kind, &[], Some(index));
        self.rename(NameOp { index, from: None, to: Some(to), node });
        Ok(node)
    }

    fn rename(&mut self, op: NameOp) {
        if let Some((dir, name)) = &op.from {
            self.live.entry(*dir).or_default().remove(name);
        }
        if let Some((dir, name)) = &op.to {
            self.live.entry(*dir).or_default().insert(name.clone(), op.node);
        }
        self.names.push(op);
    }

    fn find(&self, path: &Path) -> Result<NodeId> {
        let mut node = ROOT;
        for part in path {
            let names = self.live.get(&node).context("not a directory")?;
            node = *names.get(part).with_context(|| format!("no {}", path.display()))?;
        }
        Ok(node)
    }

    fn place(&self, path: &Path) -> Result<(NodeId, OsString)> {
        let name = path.file_name().context("a path without a name")?.to_owned();
        Ok((self.find(path.parent().unwrap_or(Path::new("")))?, name))
    }

    fn change(&mut self, index: usize, event: &'t Event) -> Result<()> {
        let (inode, change, end) = match event {
            Event::Write { inode, at, data, durable } => {
                let at = *at as usize;
                (inode, Change::Write { at, data, durable: *durable }, Some(at + data.len()))
            }
            Event::Truncate { inode, size } => (inode, Change::Size { size: *size as usize, truncation: true }, None),
            Event::Allocate { inode, at, length, mode } => allocated(inode, *at, *length, *mode)?,
            other => bail!("not a change of content: {other:?}"),
        };
        let id = *self.by_inode.get(inode).with_context(|| format!("unknown inode {inode}"))?;
        let node = self.nodes.get_mut(id).context("no such node")?;
        let size = match (&change, end) {
            (Change::Size { size, truncation: true }, _) => *size,
            (_, Some(end)) => node.size.max(end),
            (_, None) => node.size,
        };
        if size != node.size {
            node.grown = Some(index);
            node.size = size;
        }
        let change = match change {
            Change::Size { truncation, .. } => Change::Size { size, truncation },
            other => other,
        };
        node.ops.push(DataOp { index, change });
        Ok(())
    }

    fn begin(&mut self, index: usize, token: u64, inode: u64, data_only: bool) {
        let grown = self.by_inode.get(&inode).and_then(|id| self.nodes.get(*id)).is_some_and(|node| node.grown.is_some());
        self.syncs.insert(token, Sync { index, inode, commits: !data_only || grown });
    }

    fn end(&mut self, token: u64) {
        let Some(sync) = self.syncs.remove(&token) else { return };
        if sync.inode == 0 {
            for node in &mut self.nodes {
                node.sync(sync);
            }
        } else if let Some(node) = self.by_inode.get(&sync.inode).and_then(|id| self.nodes.get_mut(*id)) {
            node.sync(sync);
        }
        if sync.commits {
            self.committed = self.committed.max(sync.index);
        }
    }
}

impl Node<'_> {
    fn sync(&mut self, sync: Sync) {
        self.synced = self.synced.max(sync.index);
        if self.grown.is_some_and(|index| index < sync.index) {
            self.grown = None;
        }
    }
}

type Allocated<'e, 't> = (&'e u64, Change<'t>, Option<usize>);

fn allocated<'e, 't>(inode: &'e u64, at: u64, length: u64, mode: u8) -> Result<Allocated<'e, 't>> {
    let (at, length) = (at as usize, length as usize);
    // FALLOC_FL_: 1 keep size, 2 punch hole, 16 zero range.
    Ok(match mode {
        0 => (inode, Change::Size { size: 0, truncation: false }, Some(at + length)),
        1 => (inode, Change::Zero { at, length: 0 }, None),
        3 | 17 => (inode, Change::Zero { at, length }, None),
        16 => (inode, Change::Zero { at, length }, Some(at + length)),
        other => bail!("fallocate mode {other} is not modelled"),
    })
}

fn brief(event: &Event) -> String {
    let mut text = format!("{event:?}");
    text.truncate(text.floor_char_boundary(120));
    text
}
