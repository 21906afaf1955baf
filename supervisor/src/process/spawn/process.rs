//! The handle of a child.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_send_signal, waitid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::Exit;
use super::thread::Order;

/// What is told of a child whose end nobody can tell any more, because its starter is gone: the kernel kills it with that.
const WITH_ITS_STARTER: Exit = Exit::Signal { number: Signal::KILL.as_raw(), dumped: false };

/// How the process of a handle ended, which also ends what the system keeps of it; `None` when it has not and `NOHANG` was asked.
pub(in super::super) fn status(handle: &OwnedFd, options: WaitIdOptions) -> io::Result<Option<WaitIdStatus>> {
    Ok(rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(handle.as_fd()), WaitIdOptions::EXITED | options))?)
}

/// Becomes readable when the process has ended.
#[expect(deprecated, reason = "what is wrong with it are descriptors that are closed while registered, and this one is owned")]
fn watched(handle: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(handle, Interest::READABLE)
}

/// Whether the process has ended, also one that is no child of ours.
fn has_ended(handle: &OwnedFd) -> io::Result<bool> {
    let mut one = [PollFd::new(handle, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(rustix::io::retry_on_intr(|| poll(&mut one, Some(&at_once)))? > 0)
}

/// Why it is not known how a process ended.
#[derive(Debug, thiserror::Error)]
#[error("the system does not say how a process ended")]
pub struct WaitError(#[source] io::Error);

/// Why a process was not sent a signal. One that has ended is no error.
#[derive(Debug, thiserror::Error)]
#[error("a signal to a process was refused")]
pub struct SignalError(#[source] io::Error);

/// The starter, as far as the handles of its children need it. It names a child by a number.
pub(in super::super) trait Reaper: Send + Sync {
    /// Whether it has ended, and its children with it.
    fn is_gone(&self) -> bool;
    /// Has it send SIGTERM.
    fn terminate(&self, id: u64);
    /// Has it send SIGKILL, to the process group too.
    fn kill(&self, id: u64);
}

/// Who reaps a child and so learns how it ended.
pub(in super::super) enum Keeper {
    /// Ourselves.
    Thread {
        /// Set once it has been reaped; from then on its number may be another's.
        end: Mutex<Option<Exit>>,
        orders: Sender<Order>,
    },
    /// The starter, which tells us. It reaps whatever ends, and before that kills what is left of its process group.
    Starter {
        /// What it calls the child.
        id: u64,
        end: watch::Receiver<Option<Exit>>,
        /// Keeps the starter alive.
        link: Arc<dyn Reaper>,
    },
}

/// The handle of a child. Dropping it kills the child; the spawner's thread or the starter reaps it.
pub struct Process {
    pid: Pid,
    handle: Arc<OwnedFd>,
    keeper: Keeper,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Process {
    pub(in super::super) fn new(pid: Pid, handle: OwnedFd, keeper: Keeper) -> Self {
        Self { pid, handle: Arc::new(handle), keeper }
    }

    /// Its number. May be another process's once [`Self::wait`] has answered.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// How it ended, if it has; does not wait. A child whose starter is gone was killed with it, and that is what is told.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn try_wait(&self) -> Result<Option<Exit>, WaitError> {
        match &self.keeper {
            Keeper::Thread { end, .. } => {
                let mut end = end.lock().unwrap_or_else(PoisonError::into_inner);
                if end.is_none() {
                    *end = status(&self.handle, WaitIdOptions::NOHANG).map_err(WaitError)?.as_ref().and_then(Exit::of);
                }
                Ok(*end)
            }
            Keeper::Starter { end, link, .. } => {
                // In this order: whatever the starter told, it told before it was gone.
                let gone = link.is_gone();
                let told = *end.borrow();
                if told.is_some() || !gone {
                    return Ok(told);
                }
                Ok(has_ended(&self.handle).map_err(WaitError)?.then_some(WITH_ITS_STARTER))
            }
        }
    }

    /// Waits for its end. May be dropped and called again, also after the end. Needs a tokio runtime with I/O.
    ///
    /// # Errors
    /// [`WaitError`].
    pub async fn wait(&self) -> Result<Exit, WaitError> {
        if let Keeper::Starter { end, .. } = &self.keeper {
            let mut end = end.clone();
            let told = end.wait_for(Option::is_some).await.ok().and_then(|told| *told);
            if let Some(exit) = told {
                return Ok(exit);
            }
        }
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
        self.signal(Signal::TERM, |starter, id| starter.terminate(id))
    }

    /// Ends it, and whatever it has started in its process group: SIGKILL.
    ///
    /// # Errors
    /// [`SignalError`].
    pub fn kill(&self) -> Result<(), SignalError> {
        if let Keeper::Thread { end, .. } = &self.keeper {
            let end = end.lock().unwrap_or_else(PoisonError::into_inner);
            if end.is_none() {
                // Its group has its number, which is not given to another before it is reaped. It may have left the group.
                let _ = kill_process_group(self.pid, Signal::KILL);
            }
        }
        self.signal(Signal::KILL, |starter, id| starter.kill(id))
    }

    /// Where this process may not (Landlock's scope of signals), the starter does, which has no such limit.
    fn signal(&self, signal: Signal, ask: impl FnOnce(&dyn Reaper, u64)) -> Result<(), SignalError> {
        match (pidfd_send_signal(&*self.handle, signal), &self.keeper) {
            (Ok(()) | Err(Errno::SRCH), _) => Ok(()),
            (Err(Errno::PERM), Keeper::Starter { id, link, .. }) => {
                // A starter that is gone has taken the child with it.
                ask(&**link, *id);
                Ok(())
            }
            (Err(error), _) => Err(SignalError(error.into())),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.try_wait(), Ok(None)) {
            let _ = self.kill();
            if let Keeper::Thread { orders, .. } = &self.keeper {
                let _ = orders.send(Order::Reap(Arc::clone(&self.handle)));
            }
        }
    }
}
