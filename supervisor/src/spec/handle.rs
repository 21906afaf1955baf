//! Adding and stopping children while a supervisor runs, from any thread.
//!
//! ```text
//! vacant ──supervisor starts──► live ──it ends or restarts──► vacant | live again
//! ```
//!
//! Made before the tree, like a slot. Children added this way are gone when their supervisor restarts.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::ChildSpec;
use crate::exit::ExitReason;

/// Requests that wait for a supervisor; further callers wait outside.
const REQUESTS_MAX: usize = 64;

/// Why a child was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartChildError {
    /// The supervisor is not running, or is ending.
    #[error("the supervisor is not running")]
    Down,
    /// There is a child with this id.
    #[error("a child with this id is already there")]
    Duplicate,
    /// The supervisor has as many children as it may have.
    #[error("the supervisor has its {max} children")]
    Full {
        /// How many it may have.
        max: usize,
    },
    /// It ended before it was ready; it is not kept.
    #[error("the child {reason}")]
    Failed {
        /// How it ended.
        reason: ExitReason,
    },
    /// It was stopped before it was ready.
    #[error("the child was stopped before it was ready")]
    Stopped,
}

/// Why a child was not stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopChildError {
    /// The supervisor is not running; so neither is the child.
    #[error("the supervisor is not running")]
    Down,
    /// There is no child with this id.
    #[error("there is no child with this id")]
    Unknown,
}

/// A request to a running supervisor.
pub(crate) enum Request {
    Start { spec: ChildSpec, done: oneshot::Sender<Result<(), StartChildError>> },
    Stop { id: Arc<str>, done: oneshot::Sender<Result<(), StopChildError>> },
}

/// Adds and stops the children of one supervisor.
#[derive(Clone, Default)]
pub struct SupervisorHandle {
    requests: Arc<Mutex<Option<mpsc::Sender<Request>>>>,
}

impl SupervisorHandle {
    /// A handle to be given to one [`super::SupervisorSpec`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a child behind the others and waits until it is ready. Once asked for, dropping the future stops nothing.
    pub async fn start_child(&self, spec: ChildSpec) -> Result<(), StartChildError> {
        let (done, outcome) = oneshot::channel();
        let requests = self.current().ok_or(StartChildError::Down)?;
        requests.send(Request::Start { spec, done }).await.map_err(|_| StartChildError::Down)?;
        drop(requests);
        outcome.await.unwrap_or(Err(StartChildError::Down))
    }

    /// Stops a child, waits until it has ended, and forgets it. A child of the spec is parked instead.
    pub async fn stop_child(&self, id: impl AsRef<str>) -> Result<(), StopChildError> {
        let (done, outcome) = oneshot::channel();
        let requests = self.current().ok_or(StopChildError::Down)?;
        let id = Arc::from(id.as_ref());
        requests.send(Request::Stop { id, done }).await.map_err(|_| StopChildError::Down)?;
        drop(requests);
        outcome.await.unwrap_or(Err(StopChildError::Down))
    }

    /// True while the supervisor runs.
    pub fn is_live(&self) -> bool {
        self.current().is_some_and(|requests| !requests.is_closed())
    }

    fn current(&self) -> Option<mpsc::Sender<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn connect(&self) -> mpsc::Receiver<Request> {
        let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    pub(crate) fn disconnect(&self) {
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Debug for SupervisorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorHandle").field("live", &self.is_live()).finish()
    }
}
