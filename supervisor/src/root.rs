//! The top of the tree: starts it, stops it, and says how it ended.
//!
//! ```text
//! Root::start ─► starting ─► up ─► stop() ─► ended(Shutdown)
//!                   │         └─ the top gives up ─► ended(GaveUp)
//!                   └─ a child cannot be started ─► ended(ChildFailedToStart)
//! ```
//!
//! Nothing supervises the top: when it ends, the process ends, and the service manager starts a new one.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::child::ChildKey;
use crate::exit::ExitReason;
use crate::life::{News, Reporter, Signal};
use crate::shell::{self, Env, Order};
use crate::spec::SupervisorSpec;
use crate::tree::{EventKind, Node, NodeKind, Observer, Tree, Watchers};
use crate::watchdog::{Pulse, Watchdog, WatchdogOptions, beat_period};

/// What the tree is given besides its spec.
#[derive(Clone, Default)]
pub struct RootOptions {
    /// The seed of all jitter.
    pub seed: u64,
    /// Told of every event.
    pub observer: Option<Arc<dyn Observer>>,
    /// Watches the actor thread from outside. Leave it off in simulations.
    pub watchdog: Option<WatchdogOptions>,
}

impl fmt::Debug for RootOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootOptions")
            .field("seed", &self.seed)
            .field("observer", &self.observer.is_some())
            .field("watchdog", &self.watchdog)
            .finish()
    }
}

/// Starts trees.
#[derive(Debug)]
pub struct Root;

impl Root {
    /// Starts the tree on the current thread, which must run an actix `System` or a tokio `LocalSet`.
    ///
    /// Returns at once; [`RootHandle::started`] says when and whether it is up.
    pub fn start(spec: SupervisorSpec, options: RootOptions) -> RootHandle {
        let RootOptions { seed, observer, watchdog } = options;
        let pulse = watchdog.as_ref().map(|_| Arc::new(Pulse::default()));
        let env = Arc::new(Env { seed, watchers: Watchers { observer }, pulse });
        let node = Arc::new(Node::new(None, &spec.name, NodeKind::Supervisor, None));
        let (to, signals) = unbounded_channel();
        let reporter = Reporter { key: ChildKey::FIRST, life: 1, to };
        node.starting();
        let orders = shell::start(&Arc::new(spec), &node, &env, reporter);
        let (started_sender, started) = oneshot::channel();
        let (ended_sender, ended) = oneshot::channel();
        let top = Top { node: Arc::clone(&node), env, started: Some(started_sender), ended: ended_sender };
        drop(actix_rt::spawn(top.attend(signals, watchdog)));
        RootHandle { orders, tree: Tree::new(node), started: started.shared(), ended: ended.shared() }
    }
}

type Started = Result<(), ExitReason>;

/// A handle on a running tree. Dropping it stops nothing.
#[derive(Clone)]
pub struct RootHandle {
    orders: UnboundedSender<Order>,
    tree: Tree,
    started: Shared<oneshot::Receiver<Started>>,
    ended: Shared<oneshot::Receiver<ExitReason>>,
}

impl RootHandle {
    /// Resolves once every child has been started in order, or with the reason why not.
    pub async fn started(&self) -> Result<(), ExitReason> {
        self.started.clone().await.unwrap_or(Err(ExitReason::Killed))
    }

    /// Stops everything in reverse order, each child with its own deadline, and waits for the end.
    pub async fn stop(&self) -> ExitReason {
        // A tree that has ended already needs no order.
        let _ = self.orders.send(Order::Stop);
        self.ended().await
    }

    /// Resolves with the reason when the top has ended: stopped, gave up, or could not start.
    pub async fn ended(&self) -> ExitReason {
        self.ended.clone().await.unwrap_or(ExitReason::Killed)
    }

    /// The tree to look at.
    pub fn tree(&self) -> Tree {
        self.tree.clone()
    }
}

impl fmt::Debug for RootHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootHandle").field("tree", &self.tree).finish_non_exhaustive()
    }
}

/// What stands above the top supervisor.
struct Top {
    node: Arc<Node>,
    env: Arc<Env>,
    started: Option<oneshot::Sender<Started>>,
    ended: oneshot::Sender<ExitReason>,
}

impl Top {
    async fn attend(mut self, mut signals: UnboundedReceiver<Signal>, watchdog: Option<WatchdogOptions>) {
        let beat = watchdog.as_ref().map(beat_period);
        let _watchdog = watchdog.and_then(|options| self.set_watchdog(options));
        let reason = loop {
            tokio::select! {
                biased;
                signal = signals.recv() => match signal.map(|signal| signal.news) {
                    Some(News::Ready) => self.up(),
                    Some(News::Exited(reason)) => break reason,
                    None => break ExitReason::Killed,
                },
                () = pause(beat) => {}
            }
            if let Some(pulse) = &self.env.pulse {
                pulse.beat();
            }
        };
        self.node.exited(&reason);
        self.env.watchers.emit(self.node.path(), EventKind::Exited { reason: reason.clone() });
        if let Some(started) = self.started.take() {
            let _ = started.send(Err(reason.clone()));
        }
        let _ = self.ended.send(reason);
    }

    fn up(&mut self) {
        self.node.running(Instant::now());
        self.env.watchers.emit(self.node.path(), EventKind::Started);
        if let Some(started) = self.started.take() {
            let _ = started.send(Ok(()));
        }
    }

    fn set_watchdog(&self, options: WatchdogOptions) -> Option<Watchdog> {
        let pulse = self.env.pulse.clone()?;
        Watchdog::start(options, pulse).inspect_err(|error| tracing::error!(%error, "the watchdog thread could not be started")).ok()
    }
}

async fn pause(beat: Option<std::time::Duration>) {
    match beat {
        Some(period) => tokio::time::sleep(period).await,
        None => std::future::pending().await,
    }
}
