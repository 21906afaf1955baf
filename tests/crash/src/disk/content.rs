//! The second pass for a file: which of its bytes are on disk.

#![expect(clippy::indexing_slicing, reason = "every index is bounded by the sizes the vectors were made with")]

use super::history::{Change, DataOp, Node};
use super::{Cut, Fate, Mode};
use crate::rng::Rng;

const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// Changes not synced, numbered from 1; version 0 is what was synced.
struct Pending<'a, 't> {
    ops: &'a [DataOp<'t>],
    /// Size at each version.
    sizes: Vec<usize>,
    /// No version below this one: write-through and journalled truncations.
    floor: usize,
    /// No version above this one: truncations that the journal does not yet hold.
    ceiling: usize,
}

/// Which version each sector, and the size, is of.
struct Choice {
    versions: Vec<usize>,
    size: usize,
}

/// The bytes of a file after the cut.
pub(super) fn choose(node: &Node<'_>, cut: &Cut, journal: usize, rng: &mut Rng) -> Vec<u8> {
    let split = node.ops.partition_point(|op| op.index < node.synced);
    let (synced, unsynced) = node.ops.split_at(split);
    let mut bytes = node.base.to_vec();
    for op in synced {
        apply(&mut bytes, &op.change);
    }
    if unsynced.is_empty() {
        return bytes;
    }
    let pending = Pending::of(unsynced, bytes.len(), cut, journal);
    let mut choice = match cut.data {
        Fate::Lost => pending.uniform(pending.floor),
        Fate::Kept => pending.uniform(pending.ceiling),
        Fate::Prefix => pending.prefix(cut.mode, rng),
        Fate::Mixed => pending.mixed(cut.mode, rng),
    };
    pending.write_through(&mut choice);
    pending.build(bytes, &choice)
}

fn apply(bytes: &mut Vec<u8>, change: &Change<'_>) {
    match change {
        Change::Write { at, data, .. } => {
            let end = at + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*at..end].copy_from_slice(data);
        }
        Change::Zero { at, length } => {
            let end = (at + length).min(bytes.len());
            if let Some(hole) = bytes.get_mut(*at..end) {
                hole.fill(0);
            }
        }
        Change::Size { size, .. } => bytes.resize(*size, 0),
    }
}

impl<'a, 't> Pending<'a, 't> {
    fn of(ops: &'a [DataOp<'t>], durable_size: usize, cut: &Cut, journal: usize) -> Self {
        let mut sizes = vec![durable_size];
        for op in ops {
            let before = sizes.last().copied().unwrap_or(0);
            sizes.push(match &op.change {
                Change::Write { at, data, .. } => before.max(at + data.len()),
                Change::Zero { .. } => before,
                Change::Size { size, .. } => *size,
            });
        }
        let (mut floor, mut ceiling) = (0, ops.len());
        if cut.mode == Mode::Ext4 {
            let shrinks = |op: &DataOp<'_>| matches!(op.change, Change::Size { truncation: true, .. });
            floor = ops.iter().rposition(|op| shrinks(op) && op.index < journal).map_or(0, |at| at + 1);
            ceiling = ops.iter().position(|op| shrinks(op) && op.index >= journal).unwrap_or(ops.len());
        }
        Pending { ops, sizes, floor, ceiling }
    }

    fn sectors(&self) -> usize {
        self.sizes.iter().max().map_or(0, |size| size.div_ceil(SECTOR))
    }

    fn uniform(&self, version: usize) -> Choice {
        Choice { versions: vec![version; self.sectors()], size: self.sizes[version] }
    }

    /// Everything up to a moment; the next write up to some sector.
    fn prefix(&self, mode: Mode, rng: &mut Rng) -> Choice {
        let version = rng.between(self.floor, self.ceiling);
        let mut choice = self.uniform(version);
        let torn = self.ops.get(version).filter(|_| version < self.ceiling);
        if let Some(Change::Write { at, data, .. }) = torn.map(|op| &op.change) {
            let (first, last) = (at / SECTOR, (at + data.len()).div_ceil(SECTOR));
            let until = rng.between(first, last);
            choice.versions[first..until].fill(version + 1);
            let step = if mode == Mode::Ext4 { PAGE } else { SECTOR };
            let end = (until * SECTOR / step * step).min(at + data.len());
            if until == last {
                choice.size = self.sizes[version + 1];
            } else if end > *at {
                choice.size = choice.size.max(end);
            }
        }
        choice
    }

    /// Each page, and now and then each sector, as of a moment of its own.
    fn mixed(&self, mode: Mode, rng: &mut Rng) -> Choice {
        let count = self.sectors();
        let size_version = rng.between(self.floor, self.ceiling);
        let mut size = self.sizes[size_version];
        let earlier = self.sizes[size_version.saturating_sub(1).max(self.floor)];
        if size > earlier && rng.once_in(3) {
            let step = if mode == Mode::Ext4 { PAGE } else { SECTOR };
            size = rng.between(earlier.div_ceil(step), size / step) * step;
            size = size.clamp(earlier, self.sizes[size_version]);
        }
        let mut versions = Vec::with_capacity(count);
        let (mut page, mut torn) = (0, false);
        for sector in 0..count {
            if sector % (PAGE / SECTOR) == 0 {
                page = self.moment(rng);
                torn = rng.once_in(4);
            }
            versions.push(if torn { self.moment(rng) } else { page });
        }
        if mode == Mode::Ext4 {
            let fresh = (self.sizes[0] / SECTOR).min(size.div_ceil(SECTOR));
            for version in &mut versions[fresh..size.div_ceil(SECTOR)] {
                *version = (*version).max(size_version);
            }
        }
        Choice { versions, size }
    }

    /// Often one of the two ends, else anything between.
    fn moment(&self, rng: &mut Rng) -> usize {
        match rng.below(4) {
            0 => self.floor,
            1 => self.ceiling,
            _ => rng.between(self.floor, self.ceiling),
        }
    }

    /// Raises sectors and size to what write-through descriptors made durable.
    fn write_through(&self, choice: &mut Choice) {
        for (version, op) in (1..).zip(self.ops) {
            let Change::Write { at, data, durable: true } = &op.change else { continue };
            let sectors = at / SECTOR..(at + data.len()).div_ceil(SECTOR);
            for sector in &mut choice.versions[sectors] {
                *sector = (*sector).max(version);
            }
            choice.size = choice.size.max(at + data.len());
        }
    }

    fn build(&self, mut bytes: Vec<u8>, choice: &Choice) -> Vec<u8> {
        bytes.resize(self.sectors() * SECTOR, 0);
        let whole = bytes.len();
        for (version, op) in (1..).zip(self.ops) {
            let (at, end) = match &op.change {
                Change::Write { at, data, .. } => (*at, at + data.len()),
                Change::Zero { at, length } => (*at, (at + length).min(whole)),
                Change::Size { size, truncation: true } => (*size, whole),
                Change::Size { .. } => continue,
            };
            let mut from = at;
            while from < end {
                let sector = from / SECTOR;
                let to = end.min((sector + 1) * SECTOR);
                if choice.versions[sector] >= version {
                    match &op.change {
                        Change::Write { at, data, .. } => bytes[from..to].copy_from_slice(&data[from - at..to - at]),
                        Change::Zero { .. } | Change::Size { .. } => bytes[from..to].fill(0),
                    }
                }
                from = to;
            }
        }
        bytes.resize(choice.size, 0);
        bytes
    }
}
