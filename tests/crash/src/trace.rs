//! Reading a trace.

#![expect(clippy::wildcard_enum_match_arm, reason = "a search picks the events it is for")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::wire::{self, Kind};

/// What a path named before tracing began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A file with these bytes.
    File(Vec<u8>),
    /// A directory.
    Dir,
    /// A symbolic link with this target.
    Link(PathBuf),
}

/// One effect. Paths are relative to the watched directory, whose own path is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum Event {
    /// Was there before tracing began, and is durable.
    Base { path: PathBuf, inode: u64, given: Given },
    /// A process began.
    Start,
    /// A file came into being.
    Create { path: PathBuf, inode: u64 },
    /// A directory came into being.
    Mkdir { path: PathBuf, inode: u64 },
    /// A symbolic link came into being.
    Symlink { path: PathBuf, target: PathBuf },
    /// A second name.
    Link { from: PathBuf, to: PathBuf },
    /// A name became another, replacing what had that.
    Rename { from: PathBuf, to: PathBuf },
    /// A name was removed.
    Unlink { path: PathBuf },
    /// A directory was removed.
    Rmdir { path: PathBuf },
    /// Bytes were written; `durable` if the descriptor writes through.
    Write { inode: u64, at: u64, data: Vec<u8>, durable: bool },
    /// The size was set.
    Truncate { inode: u64, size: u64 },
    /// Room was allocated or a hole punched (`mode` as of fallocate).
    Allocate { inode: u64, at: u64, length: u64, mode: u8 },
    /// A sync of this inode (0: of everything) began.
    SyncBegin { token: u64, inode: u64, data_only: bool },
    /// The sync with this token succeeded.
    SyncEnd { token: u64 },
    /// The workload acknowledged this.
    Ack(String),
    /// A file was mapped shared and writable.
    Mapped { path: PathBuf },
    /// Something that is not modelled.
    Unsupported(String),
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// What happened.
    pub event: Event,
}

/// What a run did to its files, in order.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// The records in the order of their effects.
    pub records: Vec<Record>,
    /// How many bytes of a last, unfinished record were left out.
    pub torn_tail: usize,
}

impl Trace {
    /// Reads the trace at `path`.
    pub fn read(path: &Path) -> Result<Trace> {
        let bytes = std::fs::read(path).with_context(|| format!("reading the trace {}", path.display()))?;
        Trace::decode(&bytes).with_context(|| format!("in the trace {}", path.display()))
    }

    /// Reads a trace from memory. Fails on a gap in the numbering of any process.
    pub fn decode(bytes: &[u8]) -> Result<Trace> {
        let mut trace = Trace::default();
        let mut rest = bytes;
        let mut expected: BTreeMap<u32, u64> = BTreeMap::new();
        while let Some((head, after)) = rest.split_at_checked(4) {
            let length = Reader(head).u32()? as usize;
            let Some((body, after)) = after.split_at_checked(length) else { break };
            let (seq, record) = decode(body).with_context(|| format!("record {}", trace.records.len()))?;
            if record.event == Event::Start {
                expected.insert(record.pid, seq);
            }
            let due = expected.entry(record.pid).or_insert(seq);
            ensure!(*due == seq, "process {} skips from record {} to {seq}", record.pid, *due);
            *due += 1;
            trace.records.push(record);
            rest = after;
        }
        trace.torn_tail = rest.len();
        Ok(trace)
    }

    /// A trace of these events, for tests.
    pub fn of(events: impl IntoIterator<Item = Event>) -> Trace {
        let records = events.into_iter().map(|event| Record { pid: 1, tid: 1, event }).collect();
        Trace { records, torn_tail: 0 }
    }

    /// What was acknowledged before record `at`, line by line.
    pub fn acks_before(&self, at: usize) -> Vec<String> {
        let texts = self.records.iter().take(at).filter_map(|record| match &record.event {
            Event::Ack(text) => Some(text.lines()),
            _ => None,
        });
        texts.flatten().map(str::to_owned).collect()
    }

    /// Things in the trace that the disk model cannot reproduce.
    pub fn unmodelled(&self) -> Vec<String> {
        let said = self.records.iter().filter_map(|record| match &record.event {
            Event::Mapped { path } => Some(format!("mapped shared and writable: {}", path.display())),
            Event::Unsupported(what) => Some(what.clone()),
            _ => None,
        });
        said.collect()
    }

    /// Index of the first record after what was there before.
    pub fn beginning(&self) -> usize {
        self.records.iter().take_while(|record| matches!(record.event, Event::Base { .. })).count()
    }

    /// How many records `wanted` holds for.
    pub fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.records.iter().filter(|record| wanted(&record.event)).count()
    }
}

/// Takes little-endian fields off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count).context("record too short")?;
        self.0 = rest;
        Ok(head)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into()?))
    }

    fn path(&mut self) -> Result<PathBuf> {
        let length = self.u32()? as usize;
        Ok(path(self.take(length)?))
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

fn decode(body: &[u8]) -> Result<(u64, Record)> {
    let mut from = Reader(body);
    let (seq, pid, tid) = (from.u64()?, from.u32()?, from.u32()?);
    let (kind, flag) = (from.u8()?, from.u8()?);
    let (inode, at, extra) = (from.u64()?, from.u64()?, from.u64()?);
    let (name, other) = (from.path()?, from.path()?);
    let data = from.0;
    let kind = wire::KINDS.into_iter().find(|known| *known as u8 == kind);
    let event = match kind.context("unknown kind")? {
        Kind::Base => Event::Base { path: name, inode, given: given(flag, data)? },
        Kind::Start => Event::Start,
        Kind::Create => Event::Create { path: name, inode },
        Kind::Write => Event::Write { inode, at, data: data.to_vec(), durable: flag != 0 },
        Kind::Truncate => Event::Truncate { inode, size: at },
        Kind::Allocate => Event::Allocate { inode, at, length: extra, mode: flag },
        Kind::Rename => Event::Rename { from: name, to: other },
        Kind::Unlink => Event::Unlink { path: name },
        Kind::Mkdir => Event::Mkdir { path: name, inode },
        Kind::Rmdir => Event::Rmdir { path: name },
        Kind::Link => Event::Link { from: name, to: other },
        Kind::Symlink => Event::Symlink { path: name, target: path(data) },
        Kind::SyncBegin => Event::SyncBegin { token: at, inode, data_only: flag != 0 },
        Kind::SyncEnd => Event::SyncEnd { token: at },
        Kind::Mapped => Event::Mapped { path: name },
        Kind::Ack => Event::Ack(String::from_utf8_lossy(data).into_owned()),
        Kind::Unsupported => Event::Unsupported(String::from_utf8_lossy(data).into_owned()),
    };
    Ok((seq, Record { pid, tid, event }))
}

fn given(flag: u8, data: &[u8]) -> Result<Given> {
    Ok(match flag {
        wire::NODE_FILE => Given::File(data.to_vec()),
        wire::NODE_DIR => Given::Dir,
        wire::NODE_LINK => Given::Link(path(data)),
        other => bail!("unknown kind of node {other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Frame;

    #[test]
    fn a_record_survives_encoding() {
        let frame = Frame { inode: 7, at: 512, flag: 1, data: b"bytes", ..Frame::new(Kind::Write) };
        let trace = Trace::decode(&frame.encode()).unwrap();
        let wanted = Event::Write { inode: 7, at: 512, data: b"bytes".to_vec(), durable: true };
        assert_eq!(trace.records[0].event, wanted);
    }

    #[test]
    fn an_unfinished_last_record_is_left_out() {
        let mut bytes = Frame::new(Kind::Start).encode();
        let whole = bytes.len();
        bytes.extend_from_slice(&Frame { seq: 1, ..Frame::new(Kind::Start) }.encode()[..20]);
        let trace = Trace::decode(&bytes).unwrap();
        assert_eq!((trace.records.len(), trace.torn_tail), (1, bytes.len() - whole));
    }

    #[test]
    fn a_missing_record_is_noticed() {
        let mut bytes = Frame::new(Kind::Start).encode();
        bytes.extend_from_slice(&Frame { seq: 2, ..Frame::new(Kind::Ack) }.encode());
        assert!(Trace::decode(&bytes).is_err());
    }
}
