//! The thin shell around the rules: one task per running supervisor, which carries out what the rules decide.
//!
//! ```text
//! orders (from above) ─┐
//! signals (children) ──┼─► rules ─► decisions ─► start / stop / kill children, tell observers
//! requests (handle) ───┤                      └► Ready / Exited to the supervisor above
//! alarms (tokio time) ─┘
//! ```
//!
//! A restart of a supervisor loses its dynamic children, its intensity window and its back-off.

mod inputs;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::child::ChildKey;
use crate::exit::{ExitReason, Place, StartError, panic_message};
use crate::inbox::Command;
use crate::life::{Birth, News, Reporter, Signal};
use crate::rules::{ChildRule, Decision, Decisions, End, Rules, backoff};
use crate::shell::inputs::{Input, Inputs};
use crate::spec::handle::{Request, StartChildError, StopChildError};
use crate::spec::{ChildKind, ChildSpec, SupervisorSpec};
use crate::tree::{EventKind, Node, NodeKind, NodeState, Watchers};
use crate::watchdog::Pulse;

/// What all supervisors of one tree share.
pub(crate) struct Env {
    pub(crate) seed: u64,
    pub(crate) watchers: Watchers,
    pub(crate) pulse: Option<Arc<Pulse>>,
}

/// What a supervisor is told from above. At most one of each, so the channel needs no bound of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Stop,
    Kill,
}

/// Starts one incarnation of a supervisor.
pub(crate) fn start(spec: &Arc<SupervisorSpec>, node: &Arc<Node>, env: &Arc<Env>, reporter: Reporter) -> UnboundedSender<Order> {
    let (to_shell, orders) = unbounded_channel();
    let (to, signals) = unbounded_channel();
    let random = backoff::stream(env.seed, node.path(), reporter.life);
    let shell = Shell {
        rules: Rules::new(spec.strategy, spec.intensity, spec.backoff, random),
        spec: Arc::clone(spec),
        node: Arc::clone(node),
        env: Arc::clone(env),
        to,
        reporter: reporter.clone(),
        residents: BTreeMap::new(),
        ids: BTreeMap::new(),
        end: None,
    };
    let requests = spec.handle.as_ref().map(crate::spec::handle::SupervisorHandle::connect);
    let inputs = Inputs { orders, signals, requests };
    drop(actix_rt::spawn(async move {
        let outcome = AssertUnwindSafe(shell.run(inputs)).catch_unwind().await;
        let reason =
            outcome.unwrap_or_else(|payload| ExitReason::Panicked { message: panic_message(payload.as_ref()), place: Place::Future });
        if matches!(reason, ExitReason::Panicked { .. }) {
            tracing::error!(%reason, "a supervisor panicked; this is a bug in it");
        }
        reporter.tell(News::Exited(reason));
    }));
    to_shell
}

struct Shell {
    rules: Rules,
    spec: Arc<SupervisorSpec>,
    node: Arc<Node>,
    env: Arc<Env>,
    to: UnboundedSender<Signal>,
    reporter: Reporter,
    residents: BTreeMap<ChildKey, Resident>,
    ids: BTreeMap<Arc<str>, ChildKey>,
    end: Option<End>,
}

/// A child in the list, running or not.
struct Resident {
    spec: ChildSpec,
    node: Arc<Node>,
    life: u64,
    control: Control,
    dynamic: bool,
    starter: Option<oneshot::Sender<Result<(), StartChildError>>>,
    stoppers: Vec<oneshot::Sender<Result<(), StopChildError>>>,
}

/// How a running child is reached.
enum Control {
    Nothing,
    Worker,
    Supervisor(UnboundedSender<Order>),
}

impl Resident {
    fn order(&self, order: Order) {
        match &self.control {
            Control::Nothing => {}
            Control::Worker => {
                if let Some(berth) = self.node.berth() {
                    berth.command(match order {
                        Order::Stop => Command::Stop,
                        Order::Kill => Command::Kill,
                    });
                }
            }
            Control::Supervisor(to) => {
                // A supervisor that has just ended needs no order; its exit is on the way.
                let _ = to.send(order);
            }
        }
    }
}

// === the loop ===

impl Shell {
    async fn run(mut self, mut inputs: Inputs) -> ExitReason {
        self.node.disown_all();
        for child in self.spec.children.clone() {
            if let Err(error) = self.admit(child, None) {
                let last = Box::new(ExitReason::StartFailed(StartError::new(error.to_string())));
                return ExitReason::ChildFailedToStart { child: Arc::clone(&self.spec.name), last };
            }
        }
        let decisions = self.rules.begin(Instant::now());
        self.carry_out(decisions);
        loop {
            if let Some(end) = self.end.take() {
                return self.finish(end);
            }
            let input = inputs.next(self.rules.next_alarm()).await;
            let now = Instant::now();
            let decisions = match input {
                Input::Order(Order::Stop) => self.rules.shutdown(now),
                Input::Order(Order::Kill) => self.rules.kill(now),
                Input::Signal(signal) => self.on_signal(now, signal),
                Input::Request(request) => self.on_request(now, request),
                Input::Alarm => self.rules.on_timer(now),
            };
            self.carry_out(decisions);
        }
    }

    fn on_signal(&mut self, now: Instant, signal: Signal) -> Decisions {
        let Some(resident) = self.residents.get_mut(&signal.key).filter(|resident| resident.life == signal.life) else {
            return Decisions::new();
        };
        let path = Arc::clone(resident.node.path());
        match signal.news {
            News::Ready => {
                resident.node.running(now);
                if let Some(starter) = resident.starter.take() {
                    let _ = starter.send(Ok(()));
                }
                self.env.watchers.emit(&path, EventKind::Started);
                self.rules.on_started(now, signal.key)
            }
            News::Exited(reason) => {
                resident.control = Control::Nothing;
                resident.node.exited(&reason);
                if reason == ExitReason::Stuck {
                    self.env.watchers.emit(&path, EventKind::Stuck);
                } else if reason == ExitReason::Killed {
                    self.env.watchers.emit(&path, EventKind::Killed);
                }
                self.env.watchers.emit(&path, EventKind::Exited { reason: reason.clone() });
                self.rules.on_exit(now, signal.key, reason)
            }
        }
    }

    fn on_request(&mut self, now: Instant, request: Request) -> Decisions {
        match request {
            Request::Start { spec, done } => match self.admit(spec, Some(now)) {
                Ok((key, decisions)) => {
                    if let Some(resident) = self.residents.get_mut(&key) {
                        resident.starter = Some(done);
                    }
                    decisions
                }
                Err(error) => {
                    let _ = done.send(Err(error));
                    Decisions::new()
                }
            },
            Request::Stop { id, done } => {
                let key = self.ids.get(&id).copied();
                match key.and_then(|key| self.residents.get_mut(&key).map(|resident| (key, resident))) {
                    Some((key, resident)) => {
                        resident.stoppers.push(done);
                        self.rules.stop_child(now, key)
                    }
                    None => {
                        let _ = done.send(Err(StopChildError::Unknown));
                        Decisions::new()
                    }
                }
            }
        }
    }

    /// Takes a child into the list; a dynamic one comes with the time of the request.
    fn admit(&mut self, spec: ChildSpec, dynamic: Option<Instant>) -> Result<(ChildKey, Decisions), StartChildError> {
        if self.ids.contains_key(&spec.id) {
            return Err(StartChildError::Duplicate);
        }
        if self.residents.len() >= self.spec.children_max {
            return Err(StartChildError::Full { max: self.spec.children_max });
        }
        let rule = ChildRule { restart: spec.restart, shutdown: spec.shutdown, dynamic: dynamic.is_some() };
        let now = dynamic.unwrap_or_else(Instant::now);
        let (key, decisions) = self.rules.add(now, rule).ok_or(StartChildError::Down)?;
        let (kind, berth) = match &spec.kind {
            ChildKind::Worker(worker) => (NodeKind::Worker, Some(worker.berth())),
            ChildKind::Supervisor(_) => (NodeKind::Supervisor, None),
        };
        let node = Arc::new(Node::new(Some(self.node.path()), &spec.id, kind, berth));
        self.node.adopt(key, &node);
        self.ids.insert(Arc::clone(&spec.id), key);
        let resident =
            Resident { spec, node, life: 0, control: Control::Nothing, dynamic: dynamic.is_some(), starter: None, stoppers: Vec::new() };
        self.residents.insert(key, resident);
        Ok((key, decisions))
    }
}

// === carrying out ===

impl Shell {
    fn carry_out(&mut self, decisions: Decisions) {
        for decision in decisions {
            match decision {
                Decision::Start(key) => self.launch(key),
                Decision::Stop(key) => self.order(key, Order::Stop),
                Decision::Kill(key) => self.order(key, Order::Kill),
                Decision::Pausing { child, after } => {
                    if let Some(resident) = self.residents.get(&child) {
                        resident.node.set(NodeState::Waiting);
                        self.env.watchers.emit(resident.node.path(), EventKind::Restarting { after });
                    }
                }
                Decision::Parked(key) => self.park(key),
                Decision::Removed(key) => self.remove(key),
                Decision::Up => self.reporter.tell(News::Ready),
                Decision::GivingUp(_) => self.env.watchers.emit(self.node.path(), EventKind::GaveUp),
                Decision::Ended(end) => self.end = Some(end),
            }
        }
    }

    fn launch(&mut self, key: ChildKey) {
        let Some(resident) = self.residents.get_mut(&key) else {
            return;
        };
        resident.life = resident.life.saturating_add(1);
        resident.node.starting();
        let reporter = Reporter { key, life: resident.life, to: self.to.clone() };
        resident.control = match &resident.spec.kind {
            ChildKind::Worker(worker) => {
                let birth = Birth {
                    reporter,
                    path: Arc::clone(resident.node.path()),
                    pulse: self.env.pulse.clone(),
                    probe: resident.spec.probe,
                    start_deadline: resident.spec.start_deadline,
                };
                if worker.launch(birth) { Control::Worker } else { Control::Nothing }
            }
            ChildKind::Supervisor(spec) => Control::Supervisor(start(spec, &resident.node, &self.env, reporter)),
        };
    }

    fn order(&self, key: ChildKey, order: Order) {
        if let Some(resident) = self.residents.get(&key) {
            resident.node.set(NodeState::Stopping);
            resident.order(order);
        }
    }

    fn park(&mut self, key: ChildKey) {
        if let Some(resident) = self.residents.get_mut(&key) {
            resident.node.set(NodeState::Parked);
            for stopper in std::mem::take(&mut resident.stoppers) {
                let _ = stopper.send(Ok(()));
            }
        }
    }

    fn remove(&mut self, key: ChildKey) {
        let Some(resident) = self.residents.remove(&key) else {
            return;
        };
        self.ids.remove(&resident.spec.id);
        self.node.disown(key);
        if let Some(starter) = resident.starter {
            let error = match resident.node.last_exit() {
                Some(ExitReason::Shutdown) | None => StartChildError::Stopped,
                Some(reason) => StartChildError::Failed { reason },
            };
            let _ = starter.send(Err(error));
        }
        for stopper in resident.stoppers {
            let _ = stopper.send(Ok(()));
        }
    }

    fn finish(self, end: End) -> ExitReason {
        let name = |key: ChildKey| match self.residents.get(&key) {
            Some(resident) => Arc::clone(&resident.spec.id),
            None => Arc::from(format!("child {}", key.number())),
        };
        let reason = match end {
            End::Shutdown => ExitReason::Shutdown,
            End::Killed => ExitReason::Killed,
            End::GaveUp { child, reason } => ExitReason::GaveUp { child: name(child), last: Box::new(reason) },
            End::StartFailed { child, reason } => ExitReason::ChildFailedToStart { child: name(child), last: Box::new(reason) },
        };
        if !reason.is_normal() && reason != ExitReason::Killed {
            self.env.watchers.emit(self.node.path(), EventKind::Escalated);
        }
        self.env.watchers.emit(self.node.path(), EventKind::Stopped);
        reason
    }
}

impl Drop for Shell {
    /// On every way out, also when the runtime goes away: nothing is left running unsupervised, no caller left waiting.
    fn drop(&mut self) {
        if let Some(handle) = &self.spec.handle {
            handle.disconnect();
        }
        for (key, resident) in &self.residents {
            resident.order(Order::Kill);
            if resident.dynamic {
                self.node.disown(*key);
            }
        }
    }
}
