//! The tree as it is seen from outside: a snapshot for people and metrics, and events for logs and checkers.
//!
//! ```text
//! node:  starting ─► running ─► stopping ─► stopped
//!           ▲           └─exit─► waiting (back-off) ─┐   └─► parked
//!           └────────────────────────────────────────┘
//! ```
//!
//! A node lives as long as its child is in its supervisor's list: counts stay over restarts of the child, and go with a
//! restart of the supervisor.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::child::ChildKey;
use crate::exit::ExitReason;
use crate::inbox::Berth;

/// Worker or supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// An actor.
    Worker,
    /// A supervisor of further nodes.
    Supervisor,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Its factory or `started` runs, or its turn in the order has not come.
    Starting,
    /// Takes messages.
    Running,
    /// Has been asked to stop.
    Stopping,
    /// Ended; will be started again after its back-off.
    Waiting,
    /// Ended and not started again by itself.
    Parked,
    /// Ended.
    Stopped,
}

/// A picture of one node and all below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TreeNode {
    /// The child's id.
    pub name: String,
    /// The ids from the root, joined with `/`.
    pub path: String,
    /// Worker or supervisor.
    pub kind: NodeKind,
    /// Where it stands.
    pub state: NodeState,
    /// How often it was started again.
    pub restarts: u64,
    /// Why it last ended, in words.
    pub last_exit: Option<String>,
    /// The label of its last exit, for metrics.
    pub last_exit_label: Option<&'static str>,
    /// Messages taken whose handler has not begun.
    pub mailbox_depth: usize,
    /// The largest depth so far.
    pub mailbox_high_water: usize,
    /// The largest depth allowed; 0 for a supervisor.
    pub mailbox_capacity: usize,
    /// How long it has been running this time; 0 when it is not.
    pub uptime_ms: u64,
    /// Its children, in start order.
    pub children: Vec<TreeNode>,
}

impl TreeNode {
    /// The node with this path, here or below.
    pub fn find(&self, path: &str) -> Option<&TreeNode> {
        if self.path == path {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(path))
    }
}

/// A handle on a running tree; usable from any thread.
#[derive(Clone)]
pub struct Tree {
    root: Arc<Node>,
}

impl Tree {
    pub(crate) fn new(root: Arc<Node>) -> Self {
        Self { root }
    }

    /// The whole tree as it is now.
    pub fn snapshot(&self) -> TreeNode {
        self.root.picture(Instant::now())
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("root", &self.root.path).finish()
    }
}

// === events ===

/// Something that happened to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, on the tokio clock.
    pub at: Instant,
    /// To which node.
    pub path: Arc<str>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It is ready.
    Started,
    /// It ended.
    Exited {
        /// Why.
        reason: ExitReason,
    },
    /// It, or the sweep it caused, will be started again.
    Restarting {
        /// After this back-off.
        after: Duration,
    },
    /// It missed a probe; `Exited` follows.
    Stuck,
    /// It was cut off; `Exited` follows.
    Killed,
    /// A supervisor had one restart too many and stops its children.
    GaveUp,
    /// A supervisor hands its failure to the one above; for the root, to the caller.
    Escalated,
    /// A supervisor has stopped, with all below it.
    Stopped,
}

/// Told of every event, on the actor thread, in order. A panic in it is logged and otherwise without effect.
pub trait Observer: Send + Sync {
    /// Something happened. Must not block.
    fn on_event(&self, event: &Event);
}

/// What every supervisor of a tree shares.
pub(crate) struct Watchers {
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl Watchers {
    pub(crate) fn emit(&self, path: &Arc<str>, kind: EventKind) {
        log(path, &kind);
        if let Some(observer) = &self.observer {
            let event = Event { at: Instant::now(), path: Arc::clone(path), kind };
            if catch_unwind(AssertUnwindSafe(|| observer.on_event(&event))).is_err() {
                tracing::error!(%path, "an observer panicked");
            }
        }
    }
}

fn log(path: &Arc<str>, kind: &EventKind) {
    match kind {
        EventKind::Started => tracing::debug!(%path, "started"),
        EventKind::Exited { reason } if reason.is_normal() => {
            tracing::debug!(%path, %reason, "exited")
        }
        EventKind::Exited { reason } => tracing::warn!(%path, %reason, "exited"),
        EventKind::Restarting { after } => {
            tracing::info!(%path, after_ms = milliseconds(*after), "restarting");
        }
        EventKind::Stuck => tracing::warn!(%path, "stuck"),
        EventKind::Killed => tracing::warn!(%path, "killed"),
        EventKind::GaveUp => tracing::error!(%path, "gave up"),
        EventKind::Escalated => tracing::error!(%path, "escalated"),
        EventKind::Stopped => tracing::debug!(%path, "stopped"),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

// === nodes ===

pub(crate) struct Node {
    path: Arc<str>,
    name_at: usize,
    kind: NodeKind,
    berth: Option<Arc<dyn Berth>>,
    now: Mutex<Now>,
}

struct Now {
    state: NodeState,
    starts: u64,
    since: Option<Instant>,
    last_exit: Option<ExitReason>,
    children: BTreeMap<ChildKey, Arc<Node>>,
}

impl Node {
    pub(crate) fn new(parent: Option<&Arc<str>>, name: &str, kind: NodeKind, berth: Option<Arc<dyn Berth>>) -> Self {
        let path: Arc<str> = match parent {
            Some(parent) => Arc::from(format!("{parent}/{name}")),
            None => Arc::from(name),
        };
        let name_at = path.len().saturating_sub(name.len());
        let now = Now { state: NodeState::Starting, starts: 0, since: None, last_exit: None, children: BTreeMap::new() };
        Self { path, name_at, kind, berth, now: Mutex::new(now) }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn path(&self) -> &Arc<str> {
        &self.path
    }

    pub(crate) fn name(&self) -> &str {
        self.path.get(self.name_at..).unwrap_or_default()
    }

    pub(crate) fn berth(&self) -> Option<&Arc<dyn Berth>> {
        self.berth.as_ref()
    }

    pub(crate) fn last_exit(&self) -> Option<ExitReason> {
        self.lock().last_exit.clone()
    }

    pub(crate) fn starting(&self) {
        let mut now = self.lock();
        now.starts = now.starts.saturating_add(1);
        now.state = NodeState::Starting;
    }

    pub(crate) fn running(&self, at: Instant) {
        let mut now = self.lock();
        now.state = NodeState::Running;
        now.since = Some(at);
    }

    pub(crate) fn exited(&self, reason: &ExitReason) {
        let mut now = self.lock();
        now.state = NodeState::Stopped;
        now.since = None;
        now.last_exit = Some(reason.clone());
    }

    pub(crate) fn set(&self, state: NodeState) {
        self.lock().state = state;
    }

    pub(crate) fn adopt(&self, key: ChildKey, child: &Arc<Node>) {
        self.lock().children.insert(key, Arc::clone(child));
    }

    pub(crate) fn disown(&self, key: ChildKey) {
        let gone = self.lock().children.remove(&key);
        drop(gone);
    }

    pub(crate) fn disown_all(&self) {
        let gone = std::mem::take(&mut self.lock().children);
        drop(gone);
    }

    fn picture(&self, at: Instant) -> TreeNode {
        let now = self.lock();
        let children: Vec<Arc<Node>> = now.children.values().map(Arc::clone).collect();
        let mut node = TreeNode {
            name: self.name().to_owned(),
            path: self.path.to_string(),
            kind: self.kind,
            state: now.state,
            restarts: now.starts.saturating_sub(1),
            last_exit: now.last_exit.as_ref().map(ToString::to_string),
            last_exit_label: now.last_exit.as_ref().map(ExitReason::label),
            mailbox_depth: self.berth.as_ref().map_or(0, |berth| berth.depth()),
            mailbox_high_water: self.berth.as_ref().map_or(0, |berth| berth.high_water()),
            mailbox_capacity: self.berth.as_ref().map_or(0, |berth| berth.capacity()),
            uptime_ms: now.since.map_or(0, |since| milliseconds(at.saturating_duration_since(since))),
            children: Vec::new(),
        };
        drop(now);
        node.children = children.iter().map(|child| child.picture(at)).collect();
        node
    }
}
