//! Starting this program again as a child, killing it, and learning how it ended.
//!
//! A [`super::spawner::Spawner`] starts it by a thread of ours or by the starter; what both ways share is here.
//!
//! ```text
//! Process::drop ───► SIGKILL ──► reaped by the thread, within REAP_EVERY, or by the starter
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, PidfdFlags, WaitIdStatus, pidfd_open};
use serde::{Deserialize, Serialize};

use super::child::PARENT_VARIABLE;

mod process;
pub(super) mod thread;

pub(super) use process::{Keeper, Reaper, status};
pub use process::{Process, SignalError, WaitError};

/// This very program, even when its file has been replaced since.
const SELF: &str = "/proc/self/exe";
/// Where a child's standard output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Nowhere.
    Null,
    /// Where ours goes.
    Inherit,
}

/// Where a child's standard error goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Log {
    /// Nowhere.
    Null,
    /// Where ours goes.
    Inherit,
    /// Into a pipe, whose other end is in [`Spawned::log`]. Whoever does not read it stops the child.
    Pipe,
}

/// What is started. The program is always this one; the folder is `/`.
#[derive(Debug, Clone)]
pub struct Program {
    /// What stands first in its arguments and in lists of processes.
    pub name: OsString,
    /// The arguments, the first of which says what to be.
    pub arguments: Vec<OsString>,
    /// The whole environment, but for [`PARENT_VARIABLE`].
    pub environment: BTreeMap<OsString, OsString>,
    /// Standard output.
    pub output: Output,
    /// Standard error, the child's log.
    pub log: Log,
}

impl Program {
    /// This program with these arguments, no environment, no output, and our own log.
    pub fn new<A: Into<OsString>>(name: impl Into<OsString>, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            name: name.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            output: Output::Null,
            log: Log::Inherit,
        }
    }
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The spawner's thread could not be started, or is gone.
    #[error("there is no thread that starts processes")]
    NoThread(#[source] Option<io::Error>),
    /// No socket for it.
    #[error("no socket pair for a new process; are too many files open?")]
    Socket(#[source] io::Error),
    /// The system refused.
    #[error("the system does not start this program again")]
    Start(#[source] io::Error),
    /// It was started and killed again, because there is no handle of it (needs Linux 5.4).
    #[error("a new process was ended again, because the system gives no handle of it; Linux 5.4 or later is needed")]
    Handle(#[source] io::Error),
    /// The starter could not be started, or is gone, and with it every child of it.
    #[error("there is no process that starts others; the house has to start again")]
    NoStarter(#[source] Option<io::Error>),
    /// It is not among what the starter was told to start.
    #[error("a process was asked for that the starter was not told to start")]
    NotAllowed,
    /// The arguments and the environment are more than a starter takes.
    #[error("a new process would have more arguments and environment than are sent to a starter")]
    TooLarge,
    /// The descriptors of the new process did not reach the starter.
    #[error("the descriptors of a new process did not reach the starter; are too many files open?")]
    Descriptors,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal {
        /// Its number.
        number: i32,
        /// Whether its memory was written out.
        dumped: bool,
    },
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with code {code}"),
            Self::Signal { number, dumped: false } => write!(f, "ended by signal {number}"),
            Self::Signal { number, dumped: true } => write!(f, "ended by signal {number}, memory dumped"),
        }
    }
}

impl Exit {
    pub(super) fn of(status: &WaitIdStatus) -> Option<Self> {
        if let Some(code) = status.exit_status() {
            return Some(Self::Code(code));
        }
        status.terminating_signal().map(|number| Self::Signal { number, dumped: status.dumped() })
    }
}

/// A child that was started. Dropping the process kills it.
#[derive(Debug)]
pub struct Spawned {
    /// Its handle.
    pub process: Process,
    /// Our end of its descriptor 0.
    pub socket: UnixStream,
    /// The reading end of its standard error, if it was to be a pipe; blocking until
    /// `tokio::net::unix::pipe::Receiver::from_owned_fd` has it.
    pub log: Option<OwnedFd>,
}

/// This program as a child, with this socket as its descriptor 0 and this as its log. It holds both until it is dropped.
pub(super) fn command(program: &Program, socket: OwnedFd, log: Stdio) -> Command {
    let own = rustix::process::getpid().as_raw_nonzero().to_string();
    let mut command = Command::new(SELF);
    command
        .arg0(&program.name)
        .args(&program.arguments)
        .env_clear()
        .envs(&program.environment)
        .env(PARENT_VARIABLE, own)
        .current_dir("/")
        .stdin(socket)
        .stdout(match program.output {
            Output::Null => Stdio::null(),
            Output::Inherit => Stdio::inherit(),
        })
        .stderr(log)
        .process_group(0);
    command
}

/// Starts it.
pub(super) fn launch(mut command: Command) -> Result<(Child, Pid, OwnedFd), SpawnError> {
    let mut child = command.spawn().map_err(SpawnError::Start)?;
    // The command holds our copy of the child's end, which would keep the socket from ending with the child.
    drop(command);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let opened = pid.ok_or(rustix::io::Errno::SRCH).and_then(|pid| Ok((pid, pidfd_open(pid, PidfdFlags::empty())?)));
    match opened {
        Ok((pid, handle)) => Ok((child, pid, handle)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(SpawnError::Handle(error.into()))
        }
    }
}
