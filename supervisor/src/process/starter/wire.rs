//! What the house and its starter say to each other: frames with descriptors beside them, read and written by threads that wait.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::descriptors::{MAX_DESCRIPTORS, recv_what_fits, send_with_fds};
use super::super::frame::{Assembler, EncodeError, Frame, FrameError, ReadError, WriteError, encode};
use super::super::spawn::{Exit, Log, Output, Program};

/// Bytes of what the house asks: arguments and environment, of which each byte may take four.
pub(super) const ASK_BYTES: usize = 512 * 1024;
/// Bytes of what the starter answers.
pub(super) const ANSWER_BYTES: usize = 4096;

/// From the house. Numbers are the house's own and not given twice.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// Start this. With it: the child's descriptor 0, then the writing end of its log, if that is a pipe.
    Start { id: u64, program: Described },
    /// SIGTERM.
    Terminate { id: u64 },
    /// SIGKILL, to its process group too.
    Kill { id: u64 },
}

/// From the starter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// It runs. With it: a handle of the process.
    Started { id: u64, pid: i32 },
    /// It does not.
    NotStarted { id: u64, why: Refusal },
    /// It ran and has ended. It has been reaped: its number may be another's.
    Ended { id: u64, exit: Exit },
}

/// Why the starter started nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refusal {
    /// It is not among what it starts.
    NotAllowed,
    /// Other descriptors came with it than belong to it, or there was no room for them.
    Descriptors,
    /// The system did not start it, with this number of an error.
    Start { errno: i32 },
    /// The system gave no handle of it.
    Handle { errno: i32 },
}

/// A [`Program`] as JSON has it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Described {
    name: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    output: Output,
    log: Log,
}

impl From<Program> for Described {
    fn from(program: Program) -> Self {
        let Program { name, arguments, environment, output, log } = program;
        Self { name, arguments, environment: environment.into_iter().collect(), output, log }
    }
}

impl From<Described> for Program {
    fn from(described: Described) -> Self {
        let Described { name, arguments, environment, output, log } = described;
        Self { name, arguments, environment: environment.into_iter().collect::<BTreeMap<_, _>>(), output, log }
    }
}

/// Sends all of a message; waits where the socket is full.
pub(super) fn send<T: Serialize>(to: &UnixStream, message: &T, limit: usize, with: &[BorrowedFd<'_>]) -> Result<(), WriteError> {
    let count = u8::try_from(with.len()).map_err(|_| EncodeError::Descriptors)?;
    let bytes = encode(&Frame::Message(message), count, limit)?;
    let (mut rest, mut with) = (bytes.as_slice(), with);
    while !rest.is_empty() {
        let sent = send_with_fds(to, rest, with).map_err(WriteError::Io)?;
        rest = rest.get(sent..).unwrap_or_default();
        with = &[];
    }
    Ok(())
}

/// A message and what came with it.
pub(super) struct Message<T> {
    pub(super) said: T,
    pub(super) with: Vec<OwnedFd>,
    /// Descriptors came with it for which there was no room.
    pub(super) lost: bool,
}

/// What one look at the socket gave.
pub(super) enum Looked<T> {
    /// Part of a message.
    Part,
    /// A whole one.
    Whole(Message<T>),
    /// The other side has ended.
    End,
}

/// Puts messages together.
pub(super) struct Reader {
    assembler: Assembler,
    with: Vec<OwnedFd>,
    lost: bool,
}

impl Reader {
    pub(super) fn new(limit: usize) -> Self {
        Self { assembler: Assembler::new(limit), with: Vec::new(), lost: false }
    }

    /// Receives once; waits when there is nothing. A full table of open files costs the descriptors of a message, not the stream.
    pub(super) fn look<T: DeserializeOwned>(&mut self, from: &UnixStream) -> Result<Looked<T>, ReadError> {
        let arrived = recv_what_fits(from, self.assembler.space()?).map_err(ReadError::Io)?;
        self.with.extend(arrived.descriptors);
        self.lost |= arrived.lost;
        if self.with.len() > MAX_DESCRIPTORS {
            return Err(FrameError::Descriptors.into());
        }
        if arrived.bytes == 0 {
            return if self.assembler.is_between_frames() { Ok(Looked::End) } else { Err(FrameError::Truncated.into()) };
        }
        let Some(raw) = self.assembler.advance(arrived.bytes)? else { return Ok(Looked::Part) };
        let (with, lost) = (std::mem::take(&mut self.with), std::mem::take(&mut self.lost));
        if !lost && with.len() != usize::from(raw.descriptors()) {
            return Err(FrameError::Descriptors.into());
        }
        match raw.decode()? {
            Frame::Message(said) => Ok(Looked::Whole(Message { said, with, lost })),
            Frame::Life(_) => Err(FrameError::Kind.into()),
        }
    }

    /// The next message; `None` at the end. Waits.
    pub(super) fn next<T: DeserializeOwned>(&mut self, from: &UnixStream) -> Result<Option<Message<T>>, ReadError> {
        loop {
            match self.look(from)? {
                Looked::Part => {}
                Looked::Whole(message) => return Ok(Some(message)),
                Looked::End => return Ok(None),
            }
        }
    }
}

/// The number of a system's error, or that of "input/output error" where it has none.
pub(super) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or_else(|| rustix::io::Errno::IO.raw_os_error())
}
