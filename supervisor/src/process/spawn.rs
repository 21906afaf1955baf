//! Starting this program again as a child, killing it, and learning how it ended.
//!
//! ```text
//! Spawner::spawn ──► spawner thread ── posix_spawn /proc/self/exe ──► Spawned { process, socket, log }
//! Process::drop ───► SIGKILL ──► spawner thread: reaped within REAP_EVERY
//! ```
//!
//! The parent-death signal follows the *thread* that started a child, not its process. That thread is the spawner's: it lives
//! as long as the [`Spawner`] or any [`Process`] of it, and when it ends, so does every child. It also reaps what was dropped.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open, pidfd_send_signal, waitid,
};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::child::PARENT_VARIABLE;

/// This very program, even when its file has been replaced since.
const SELF: &str = "/proc/self/exe";
/// How often the spawner's thread looks after children that were dropped and have not ended yet.
const REAP_EVERY: Duration = Duration::from_millis(20);

/// Where a child's standard output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Nowhere.
    Null,
    /// Where ours goes.
    Inherit,
}

/// Where a child's standard error goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    fn of(status: &WaitIdStatus) -> Option<Self> {
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

enum Order {
    Spawn(Box<Request>),
    Reap(Arc<OwnedFd>),
}

struct Request {
    program: Program,
    /// The child's way back to the thread. The thread has none of its own, and so ends with the last of them.
    orders: Sender<Order>,
    reply: oneshot::Sender<Result<Spawned, SpawnError>>,
}

/// The one thread that starts processes. Clones share it. It holds as many orders as there are callers who wait.
#[derive(Debug, Clone)]
pub struct Spawner {
    orders: Sender<Order>,
}

impl Spawner {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`SpawnError::NoThread`].
    #[expect(clippy::disallowed_methods, reason = "the parent-death signal follows a thread, which must live as long as its children")]
    pub fn start() -> Result<Self, SpawnError> {
        let (orders, taken) = channel();
        let thread = std::thread::Builder::new().name("spawner".to_owned());
        thread.spawn(move || serve(&taken)).map_err(|error| SpawnError::NoThread(Some(error)))?;
        Ok(Self { orders })
    }

    /// Starts a child. When the future is dropped, so is the child.
    ///
    /// # Errors
    /// [`SpawnError`].
    pub async fn spawn(&self, program: Program) -> Result<Spawned, SpawnError> {
        self.order(program)?.await.map_err(|_| SpawnError::NoThread(None))?
    }

    /// As [`Self::spawn`], where there is no runtime. Waits for the system's answer.
    ///
    /// # Errors
    /// [`SpawnError`].
    pub fn spawn_blocking(&self, program: Program) -> Result<Spawned, SpawnError> {
        self.order(program)?.blocking_recv().map_err(|_| SpawnError::NoThread(None))?
    }

    fn order(&self, program: Program) -> Result<oneshot::Receiver<Result<Spawned, SpawnError>>, SpawnError> {
        let (reply, answer) = oneshot::channel();
        let request = Request { program, orders: self.orders.clone(), reply };
        self.orders.send(Order::Spawn(Box::new(request))).map_err(|_| SpawnError::NoThread(None))?;
        Ok(answer)
    }
}

// === the thread ===

fn serve(orders: &Receiver<Order>) {
    let mut ending = Vec::new();
    loop {
        let order =
            if ending.is_empty() { orders.recv().map_err(|_| RecvTimeoutError::Disconnected) } else { orders.recv_timeout(REAP_EVERY) };
        match order {
            // Whoever does not wait for the answer any more drops the child, which kills it.
            Ok(Order::Spawn(request)) => drop(request.reply.send(start(&request.program, request.orders))),
            Ok(Order::Reap(handle)) => ending.push(handle),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        ending.retain(|handle| matches!(status(handle, WaitIdOptions::NOHANG), Ok(None)));
    }
    // All of them were sent SIGKILL.
    for handle in ending {
        let _ = status(&handle, WaitIdOptions::empty());
    }
}

fn start(program: &Program, orders: Sender<Order>) -> Result<Spawned, SpawnError> {
    let (ours, theirs) = UnixStream::pair().map_err(SpawnError::Socket)?;
    let own = rustix::process::getpid().as_raw_nonzero().to_string();
    let mut command = Command::new(SELF);
    command
        .arg0(&program.name)
        .args(&program.arguments)
        .env_clear()
        .envs(&program.environment)
        .env(PARENT_VARIABLE, own)
        .current_dir("/")
        .stdin(OwnedFd::from(theirs))
        .stdout(match program.output {
            Output::Null => Stdio::null(),
            Output::Inherit => Stdio::inherit(),
        })
        .stderr(match program.log {
            Log::Null => Stdio::null(),
            Log::Inherit => Stdio::inherit(),
            Log::Pipe => Stdio::piped(),
        })
        .process_group(0);
    let mut child = command.spawn().map_err(SpawnError::Start)?;
    // The command holds our copy of the child's end, which would keep the socket from ending with the child.
    drop(command);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let opened = pid.ok_or(rustix::io::Errno::SRCH).and_then(|pid| Ok((pid, pidfd_open(pid, PidfdFlags::empty())?)));
    let (pid, handle) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(SpawnError::Handle(error.into()));
        }
    };
    let log = child.stderr.take().map(OwnedFd::from);
    Ok(Spawned { process: Process { pid, handle: Arc::new(handle), end: Mutex::new(None), orders }, socket: ours, log })
}

/// How the process of a handle ended, which also ends what the system keeps of it; `None` when it has not and `NOHANG` was asked.
fn status(handle: &OwnedFd, options: WaitIdOptions) -> io::Result<Option<WaitIdStatus>> {
    Ok(rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(handle.as_fd()), WaitIdOptions::EXITED | options))?)
}

/// Becomes readable when the process has ended.
#[expect(deprecated, reason = "what is wrong with it are descriptors that are closed while registered, and this one is owned")]
fn watched(handle: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(handle, Interest::READABLE)
}

// === the child ===

/// Why it is not known how a process ended.
#[derive(Debug, thiserror::Error)]
#[error("the system does not say how a process ended")]
pub struct WaitError(#[source] io::Error);

/// Why a process was not sent a signal. One that has ended is no error.
#[derive(Debug, thiserror::Error)]
#[error("a signal to a process was refused")]
pub struct SignalError(#[source] io::Error);

/// The handle of a child. Dropping it kills the child; the spawner's thread reaps it.
pub struct Process {
    pid: Pid,
    handle: Arc<OwnedFd>,
    /// Set once it has been reaped; from then on its number may be another's.
    end: Mutex<Option<Exit>>,
    orders: Sender<Order>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Process {
    /// Its number. May be another process's once [`Self::wait`] has answered.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// How it ended, if it has; does not wait.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn try_wait(&self) -> Result<Option<Exit>, WaitError> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.is_none() {
            *end = status(&self.handle, WaitIdOptions::NOHANG).map_err(WaitError)?.as_ref().and_then(Exit::of);
        }
        Ok(*end)
    }

    /// Waits for its end. May be dropped and called again, also after the end. Needs a tokio runtime with I/O.
    ///
    /// # Errors
    /// [`WaitError`].
    pub async fn wait(&self) -> Result<Exit, WaitError> {
        if let Some(exit) = self.try_wait()? {
            return Ok(exit);
        }
        // A handle of one's own: one descriptor is registered only once.
        let handle = self.handle.try_clone().and_then(watched).map_err(WaitError)?;
        loop {
            let mut ready = handle.readable().await.map_err(WaitError)?;
            if let Some(exit) = self.try_wait()? {
                return Ok(exit);
            }
            ready.clear_ready();
        }
    }

    /// Asks it to end: SIGTERM.
    ///
    /// # Errors
    /// [`SignalError`].
    pub fn terminate(&self) -> Result<(), SignalError> {
        self.signal(Signal::TERM)
    }

    /// Ends it, and whatever it has started in its process group: SIGKILL.
    ///
    /// # Errors
    /// [`SignalError`].
    pub fn kill(&self) -> Result<(), SignalError> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.is_none() {
            // Its group has its number, which is not given to another before it is reaped. It may have left the group.
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        drop(end);
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        match pidfd_send_signal(&*self.handle, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(SignalError(error.into())),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.try_wait(), Ok(None)) {
            let _ = self.kill();
            let _ = self.orders.send(Order::Reap(Arc::clone(&self.handle)));
        }
    }
}
