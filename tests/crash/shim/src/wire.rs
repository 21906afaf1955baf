//! The trace format, shared by the shim (which writes it) and the harness (which reads it).
//!
//! A trace is a run of frames. A frame is a little-endian `u32` body length and the body:
//!
//! | field | type | meaning |
//! |---|---|---|
//! | `seq` | u64 | rises by one per record of one process |
//! | `pid`, `tid` | u32, u32 | who did it |
//! | `kind` | u8 | [`Kind`] |
//! | `flag` | u8 | per kind |
//! | `inode` | u64 | inode number, 0 if none |
//! | `at`, `extra` | u64, u64 | per kind: offset, size, token |
//! | `name`, `other` | u32 length + bytes each | paths relative to the watched directory |
//! | `data` | the rest | bytes written, link target, acknowledgement text |

/// What a record says has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A file, directory or link that was there before tracing began; `flag` is one of the `NODE_` constants.
    Base = 1,
    /// A process began tracing.
    Start = 2,
    /// A file came into being: `name`, `inode`.
    Create = 3,
    /// Bytes were written: `inode`, `at` = offset, `flag` = 1 if the descriptor is synchronous.
    Write = 4,
    /// The size was set: `inode`, `at` = size.
    Truncate = 5,
    /// fallocate: `inode`, `at` = offset, `extra` = length, `flag` = mode.
    Allocate = 6,
    /// `name` became `other`.
    Rename = 7,
    /// `name` was removed.
    Unlink = 8,
    /// A directory was made: `name`, `inode`.
    Mkdir = 9,
    /// A directory was removed: `name`.
    Rmdir = 10,
    /// `other` became a second name of `name`.
    Link = 11,
    /// A symbolic link was made: `name`, `data` = target.
    Symlink = 12,
    /// A sync began: `inode` (0 = everything), `at` = token, `flag` = 1 for data only.
    SyncBegin = 13,
    /// The sync with this token in `at` came back with success.
    SyncEnd = 14,
    /// A file was mapped shared and writable; its stores cannot be seen.
    Mapped = 15,
    /// The workload says in `data` what it has acknowledged.
    Ack = 16,
    /// Something happened that is not modelled; `data` says what.
    Unsupported = 17,
}

/// [`Kind::Base`]: a regular file.
pub const NODE_FILE: u8 = 0;
/// [`Kind::Base`]: a directory.
pub const NODE_DIR: u8 = 1;
/// [`Kind::Base`]: a symbolic link.
pub const NODE_LINK: u8 = 2;

/// The watched directory, canonical.
pub const ENV_DIR: &str = "HEARTH_CRASH_DIR";
/// The trace file, outside the watched directory.
pub const ENV_TRACE: &str = "HEARTH_CRASH_TRACE";
/// The file to which the workload writes what it has acknowledged.
pub const ENV_ACK: &str = "HEARTH_CRASH_ACK";
/// Microseconds to add to every sync, so that more happens while it runs.
pub const ENV_SYNC_DELAY: &str = "HEARTH_CRASH_SYNC_DELAY_US";

/// All kinds, for decoding.
pub const KINDS: [Kind; 17] = [
    Kind::Base,
    Kind::Start,
    Kind::Create,
    Kind::Write,
    Kind::Truncate,
    Kind::Allocate,
    Kind::Rename,
    Kind::Unlink,
    Kind::Mkdir,
    Kind::Rmdir,
    Kind::Link,
    Kind::Symlink,
    Kind::SyncBegin,
    Kind::SyncEnd,
    Kind::Mapped,
    Kind::Ack,
    Kind::Unsupported,
];

/// One record before encoding.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Number within the process.
    pub seq: u64,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// What happened.
    pub kind: Kind,
    /// Per kind.
    pub flag: u8,
    /// Inode number, 0 if none.
    pub inode: u64,
    /// Per kind: offset, size or token.
    pub at: u64,
    /// Per kind: length.
    pub extra: u64,
    /// Path relative to the watched directory.
    pub name: &'a [u8],
    /// Second path.
    pub other: &'a [u8],
    /// Payload.
    pub data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A record of `kind` with nothing else said.
    pub fn new(kind: Kind) -> Self {
        Frame { seq: 0, pid: 0, tid: 0, kind, flag: 0, inode: 0, at: 0, extra: 0, name: &[], other: &[], data: &[] }
    }

    /// The bytes to append to the trace.
    pub fn encode(&self) -> Vec<u8> {
        let body = 50 + self.name.len() + self.other.len() + self.data.len();
        let mut out = Vec::with_capacity(4 + body);
        out.extend_from_slice(&(body as u32).to_le_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.pid.to_le_bytes());
        out.extend_from_slice(&self.tid.to_le_bytes());
        out.push(self.kind as u8);
        out.push(self.flag);
        for word in [self.inode, self.at, self.extra] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for text in [self.name, self.other] {
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text);
        }
        out.extend_from_slice(self.data);
        out
    }
}
