//! What is written down about a tree before it runs: children, in which order, and what to do when one ends.
//!
//! ```text
//! SupervisorSpec ── ChildSpec (worker: slot + factory)
//!                └─ ChildSpec (nested SupervisorSpec) ── …
//! ```
//!
//! A spec can be run any number of times; a restart begins again from the spec, without the children that were added
//! while it ran.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix::Actor;

use crate::child::Probe;
use crate::context::Context;
use crate::exit::StartError;
use crate::life::{Launch, Worker};
use crate::slot::Slot;

pub mod handle;

use handle::SupervisorHandle;

/// How long a worker may take to stop, unless its spec says otherwise (OTP's default).
pub const WORKER_SHUTDOWN: Duration = Duration::from_secs(5);

/// How long a worker may take until it is ready, unless its spec says otherwise.
pub const WORKER_START: Duration = Duration::from_secs(30);

/// Children of one supervisor, unless its spec says otherwise.
pub const CHILDREN_MAX: usize = 100_000;

/// When an ended child is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// Only when it ended abnormally.
    Transient,
    /// Never.
    Temporary,
}

/// How a child is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Asked to stop, and cut off when it has not after this time.
    Deadline(Duration),
    /// Cut off at once; `stopping` and `stopped` do not run.
    Kill,
    /// Asked to stop and waited for without limit. For supervisors.
    Infinity,
}

/// Which children a failure concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Only the one that failed.
    OneForOne,
    /// All: the others are stopped in reverse order, then all are started in order.
    OneForAll,
    /// The one that failed and those after it.
    RestForOne,
}

/// More than `max_restarts` within any `period` and the supervisor gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// The number of restarts that is still accepted.
    pub max_restarts: u32,
    /// The length of the sliding window.
    pub period: Duration,
}

impl Default for Intensity {
    /// Three restarts in a minute.
    fn default() -> Self {
        Self { max_restarts: 3, period: Duration::from_secs(60) }
    }
}

/// The wait before a restart: `first · factor^(failures in a row − 1)`, at most `max`, shortened by up to `jitter`.
///
/// Keep `max · max_restarts` below the intensity's period, or the supervisor can never give up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Before the first restart. Zero restarts at once.
    pub first: Duration,
    /// Never longer than this.
    pub max: Duration,
    /// Growth per failure in a row.
    pub factor: f64,
    /// The share of the wait that is drawn by chance, from 0 to 1.
    pub jitter: f64,
}

impl Backoff {
    /// Restart at once.
    pub const NONE: Self = Self { first: Duration::ZERO, max: Duration::ZERO, factor: 1.0, jitter: 0.0 };
}

impl Default for Backoff {
    /// 100 ms doubling to 10 s, with 20 % jitter.
    fn default() -> Self {
        Self { first: Duration::from_millis(100), max: Duration::from_secs(10), factor: 2.0, jitter: 0.2 }
    }
}

/// One child of a supervisor.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) id: Arc<str>,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) probe: Option<Probe>,
    pub(crate) start_deadline: Duration,
    pub(crate) kind: ChildKind,
}

#[derive(Clone)]
pub(crate) enum ChildKind {
    Worker(Arc<dyn Launch>),
    Supervisor(Arc<SupervisorSpec>),
}

impl ChildSpec {
    /// A worker in this slot. The factory builds a fresh actor for the first start and every restart.
    ///
    /// Permanent, 5 s to stop, 30 s to start, no probe; its id is the slot's name.
    pub fn worker<A, F, Fut>(slot: &Slot<A>, factory: F) -> Self
    where
        A: Actor<Context = Context<A>>,
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<A, StartError>> + 'static,
    {
        Self {
            id: Arc::clone(slot.name()),
            restart: Restart::Permanent,
            shutdown: Shutdown::Deadline(WORKER_SHUTDOWN),
            probe: None,
            start_deadline: WORKER_START,
            kind: ChildKind::Worker(Arc::new(Worker::new(slot, factory))),
        }
    }

    /// A supervisor with its own children. Permanent, unlimited time to stop; its id is the supervisor's name.
    pub fn supervisor(spec: SupervisorSpec) -> Self {
        Self {
            id: Arc::clone(&spec.name),
            restart: Restart::Permanent,
            shutdown: Shutdown::Infinity,
            probe: None,
            start_deadline: WORKER_START,
            kind: ChildKind::Supervisor(Arc::new(spec)),
        }
    }

    /// Another id than the default. Ids are unique under one supervisor.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = Arc::from(id.as_ref());
        self
    }

    /// When it is started again.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// How it is stopped.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// With a heartbeat. Workers only; a supervisor is watched through its children.
    pub fn probe(mut self, probe: Probe) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Time from the call of its factory until it is ready. Workers only.
    pub fn start_deadline(mut self, deadline: Duration) -> Self {
        self.start_deadline = deadline;
        self
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ChildKind::Worker(_) => "worker",
            ChildKind::Supervisor(_) => "supervisor",
        };
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("kind", &kind)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}

/// A supervisor and its children, in the order in which they are started.
#[derive(Clone, Debug)]
pub struct SupervisorSpec {
    pub(crate) name: Arc<str>,
    pub(crate) strategy: Strategy,
    pub(crate) intensity: Intensity,
    pub(crate) backoff: Backoff,
    pub(crate) children_max: usize,
    pub(crate) children: Vec<ChildSpec>,
    pub(crate) handle: Option<SupervisorHandle>,
}

impl SupervisorSpec {
    /// No children yet; default intensity and back-off.
    pub fn new(name: impl AsRef<str>, strategy: Strategy) -> Self {
        Self {
            name: Arc::from(name.as_ref()),
            strategy,
            intensity: Intensity::default(),
            backoff: Backoff::default(),
            children_max: CHILDREN_MAX,
            children: Vec::new(),
            handle: None,
        }
    }

    /// How many restarts are accepted.
    pub fn intensity(mut self, max_restarts: u32, period: Duration) -> Self {
        self.intensity = Intensity { max_restarts, period };
        self
    }

    /// How long to wait before a restart.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The largest number of children, those added while it runs included.
    pub fn children_max(mut self, children_max: usize) -> Self {
        self.children_max = children_max;
        self
    }

    /// The next child.
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(child);
        self
    }

    /// Lets this handle add and stop children while the supervisor runs.
    pub fn handle(mut self, handle: &SupervisorHandle) -> Self {
        self.handle = Some(handle.clone());
        self
    }
}
