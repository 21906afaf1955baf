//! Who starts children: a thread of ours, or the starter.
//!
//! ```text
//! Spawner::start ──► spawner thread ── posix_spawn /proc/self/exe ──► Spawned { process, socket, log }
//! Spawner::over ───► starter process ─ posix_spawn /proc/self/exe ──► the same (super::starter)
//! ```
//!
//! The parent-death signal follows the *thread* that started a child, not its process. That thread is the spawner's, or the
//! only one of the starter: it lives as long as the [`Spawner`] or any [`super::spawn::Process`] of it, and when it ends, so does
//! every child. It also reaps what was dropped.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use tokio::sync::oneshot;

use super::spawn::{Program, SpawnError, Spawned, thread};
use super::starter::Starter;
use super::starter::link::Link;

/// What starts processes: a thread of ours, or the starter. Clones share it. It holds as many orders as there are callers who
/// wait.
#[derive(Debug, Clone)]
pub struct Spawner {
    by: By,
}

#[derive(Debug, Clone)]
enum By {
    Thread(Sender<thread::Order>),
    Starter(Arc<Link>),
}

impl Spawner {
    /// Starts a thread that starts processes. They are as confined as this process is by now.
    ///
    /// # Errors
    /// [`SpawnError::NoThread`].
    pub fn start() -> Result<Self, SpawnError> {
        Ok(Self { by: By::Thread(thread::start()?) })
    }

    /// Has that process start them, whatever became of this one since. Starts the two threads that speak to it.
    ///
    /// # Errors
    /// [`SpawnError::NoThread`].
    pub fn over(starter: Starter) -> Result<Self, SpawnError> {
        Ok(Self { by: By::Starter(Link::start(starter)?) })
    }

    /// Starts a child. When the future is dropped, so is the child.
    ///
    /// # Errors
    /// [`SpawnError`].
    pub async fn spawn(&self, program: Program) -> Result<Spawned, SpawnError> {
        self.order(program)?.await.map_err(|_| self.nobody())?
    }

    /// As [`Self::spawn`], where there is no runtime. Waits for the system's answer.
    ///
    /// # Errors
    /// [`SpawnError`].
    pub fn spawn_blocking(&self, program: Program) -> Result<Spawned, SpawnError> {
        self.order(program)?.blocking_recv().map_err(|_| self.nobody())?
    }

    /// Answers when the starter is gone: every child has been killed with it, and nothing is started any more. A house whose
    /// spawner answers this ends, for its service manager to start it again. Without a starter it never answers.
    pub fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let starter = match &self.by {
            By::Thread(_) => None,
            By::Starter(link) => Some(link.gone()),
        };
        async move {
            match starter {
                Some(gone) => gone.await,
                None => std::future::pending().await,
            }
        }
    }

    fn order(&self, program: Program) -> Result<oneshot::Receiver<Result<Spawned, SpawnError>>, SpawnError> {
        match &self.by {
            By::Thread(orders) => thread::order(orders, program),
            By::Starter(link) => link.order(program),
        }
    }

    const fn nobody(&self) -> SpawnError {
        match self.by {
            By::Thread(_) => SpawnError::NoThread(None),
            By::Starter(_) => SpawnError::NoStarter(None),
        }
    }
}
