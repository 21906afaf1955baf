//! A process and its house: the records and the socket at the beginning, then whatever either has to say, until the line ends.

use std::collections::BTreeSet;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::sync::Arc;
use std::time::Duration;

use hearth_domain::ids::MemberId;
use hearth_domain::journal::check::Attested;
use hearth_domain::secret::SealedRecord;
use hearth_domain::vault::{Ask, MESSAGE_BYTES, Sent, Tell, VaultState};
use hearth_supervisor::process::channel::{FrameReceiver, FrameSender, channel};
use hearth_supervisor::process::frame::{Frame, Life};
use rustls::RootCertStore;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::door::Door;
use super::process::Process;
use super::{RunError, admin, sign_in};
use crate::egress::connect::{SystemResolver, system_roots};
use crate::egress::limits::{Bounds, Limits};
use crate::egress::ports::{Gate, Watch};
use crate::egress::server::{Entrance, serve as serve_clients};
use crate::egress::{Broker, Settings};
use crate::keeper::events::{Events, TOGETHER};
use crate::keeper::gate::KeeperGate;
use crate::keeper::keyless::{KeylessGate, Origin};
use crate::keeper::renewer::Renewer;
use crate::keeper::sign_in::SignIns;
use crate::keeper::watch::{Blind, Guarded, judge};
use crate::seal::manifest::RECORDS_MAX;

/// Words that wait for the house.
const TELLS: usize = 64;
/// Requests of the vault's own that wait to be served.
const TRIALS: usize = 4;
/// Between two looks for older values whose time is over.
const FORGET: Duration = Duration::from_secs(600);
/// How long the house has to take the last uses.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a process is besides a broker.
pub(super) enum Part {
    /// With keys.
    Vault(Box<Door>),
    /// Without.
    Egress { lan: BTreeSet<Origin> },
}

/// Why the words with the house end in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The house is gone.
    Gone,
    /// It said so, or the owner did.
    Told,
}

/// Serves until the line ends or somebody says so.
pub(super) async fn serve(socket: StdStream, part: Part, confined: Vec<(String, String)>) -> Result<(), RunError> {
    let (mut to, mut from) = channel(socket, MESSAGE_BYTES).map_err(RunError::Runtime)?;
    let Some((records, gone, listener)) = beginning(&mut to, &mut from).await? else { return Ok(()) };
    let mut findings = Vec::new();
    let (tells, mut waiting) = mpsc::channel(TELLS);
    let (door, broker) = made(part, records, &gone, &mut findings, &tells);
    let (trials, handed) = mpsc::channel(TRIALS);
    let (lock, mut locked) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    let mut stops = Vec::new();
    for entrance in [Entrance::Listener(listener), Entrance::Handed(handed)] {
        let (stop, stopped) = oneshot::channel::<()>();
        stops.push(stop);
        tasks.spawn(serve_clients(Arc::clone(&broker), entrance, async move { drop(stopped.await) }));
    }
    let door = door.map(|(door, renewer)| {
        let sign_ins = Arc::new(SignIns::new(renewer));
        (Process { door: Arc::clone(&door), sign_ins, tells: tells.clone(), trials: trials.clone(), lock }, door)
    });
    let (process, door) = door.unzip();
    if let (Some(door), Some(process)) = (&door, process) {
        match admin::listen(&door.keys) {
            Ok(listener) => drop(tasks.spawn(admin::serve(listener, process))),
            Err(error) => findings.push(format!("the vault's own socket could not be made, so that its owner cannot reach it: {error}")),
        }
    }
    let state = door.as_ref().map_or(VaultState::Open, |door| door.keeper.state());
    to.send(&Frame::Message(Tell::Up { state, findings, confined }), &[]).await?;
    let events = door.as_ref().map_or_else(Arc::default, |door| door.keeper.events());
    let words = Words { door, events: &events, to: &mut to };
    let ended = words.exchange(&mut from, &mut waiting, &mut locked).await;
    drop(stops);
    if matches!(ended, Ok(End::Told)) {
        drop(trials);
        finish(&mut tasks).await;
        // A house that does not listen any more is not waited for.
        drop(timeout(LAST_WORDS, tell_rest(&events, &mut to)).await);
    }
    ended.map(drop)
}

/// What was used to the very end.
async fn tell_rest(events: &Events, to: &mut FrameSender) -> Result<(), RunError> {
    loop {
        let uses = events.take(TOGETHER);
        if uses.is_empty() {
            return Ok(());
        }
        to.send(&Frame::Message(Tell::Used { uses }), &[]).await?;
    }
}

/// The broker, and the door of a process with keys.
fn made(
    part: Part,
    records: Vec<SealedRecord>,
    gone: &BTreeSet<MemberId>,
    findings: &mut Vec<String>,
    tells: &mpsc::Sender<Tell>,
) -> (Option<(Arc<Door>, Renewer)>, Arc<Broker>) {
    let roots = system_roots().unwrap_or_else(|error| {
        findings.push(format!("no https host of the internet can be reached: {error}"));
        RootCertStore::empty()
    });
    let (door, gate, watch): (_, Arc<dyn Gate>, Arc<dyn Watch>) = match part {
        Part::Vault(door) => {
            findings.extend(door.keeper.part_from(gone));
            findings.extend(door.begin(records));
            let keeper = door.keeper.clone();
            let renewer = sign_in::renewer(&keeper, roots.clone(), tells.clone());
            let gate = KeeperGate::new(keeper.clone(), Bounds::default()).renewing(renewer.clone());
            (Some((Arc::from(door), renewer)), Arc::new(gate), Arc::new(Guarded::new(keeper)))
        }
        Part::Egress { lan } => (None, Arc::new(KeylessGate::new(lan, Bounds::default())), Arc::new(Blind)),
    };
    let settings = Settings { gate, watch, resolver: Arc::new(SystemResolver), judge: judge(), roots, limits: Limits::default() };
    (door, Broker::new(settings))
}

/// What is under way has its grace to end; the owner's socket goes with the process.
async fn finish(tasks: &mut JoinSet<()>) {
    // The two entrances of the broker.
    for _ in 0..2 {
        drop(tasks.join_next().await);
    }
}

/// The records, those who were removed, and the socket that came with the first of them.
type Beginning = (Vec<SealedRecord>, BTreeSet<MemberId>, UnixListener);

/// What is said first; `None` when the house left before.
async fn beginning(to: &mut FrameSender, from: &mut FrameReceiver) -> Result<Option<Beginning>, RunError> {
    let (mut records, mut gone, mut listener) = (Vec::new(), BTreeSet::new(), None);
    loop {
        let Some(received) = from.recv::<Sent>().await? else { return Ok(None) };
        listener = listener.or(received.descriptors.into_iter().next());
        let Sent { ask, more } = match received.frame {
            Frame::Message(sent) => sent,
            Frame::Life(Life::Ping { nonce }) => {
                to.send(&Frame::<Tell>::Life(Life::Pong { nonce }), &[]).await?;
                continue;
            }
            Frame::Life(Life::Stop) => return Ok(None),
            Frame::Life(Life::Ready { .. } | Life::Pong { .. }) => continue,
        };
        let Ask::Records { records: some, gone: left } = ask else { return Err(RunError::Beginning) };
        records.extend(some);
        gone.extend(left);
        // One more than there may be is enough to say so.
        records.truncate(RECORDS_MAX.saturating_add(1));
        if !more {
            let listener = listener.ok_or(RunError::Beginning)?;
            return Ok(Some((records, gone, listening(listener).map_err(RunError::Runtime)?)));
        }
    }
}

fn listening(descriptor: OwnedFd) -> std::io::Result<UnixListener> {
    let listener = StdListener::from(descriptor);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// What is said in the middle.
struct Words<'a> {
    door: Option<Arc<Door>>,
    events: &'a Events,
    to: &'a mut FrameSender,
}

impl Words<'_> {
    async fn exchange(
        mut self,
        from: &mut FrameReceiver,
        waiting: &mut mpsc::Receiver<Tell>,
        locked: &mut mpsc::Receiver<()>,
    ) -> Result<End, RunError> {
        let events = self.events;
        let mut forget = interval(FORGET);
        forget.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                Some(()) = locked.recv() => return Ok(End::Told),
                received = from.recv::<Sent>() => match received? {
                    None => return Ok(End::Gone),
                    Some(received) => {
                        if let Some(end) = self.hear(received.frame).await? {
                            return Ok(end);
                        }
                    }
                },
                Some(tell) = waiting.recv() => self.say(tell).await?,
                uses = events.gathered() => {
                    self.say(Tell::Used { uses }).await?;
                    let lost = events.take_lost();
                    if lost > 0 {
                        tracing::warn!(lost, "more was used than could be told; the audit has gaps");
                    }
                }
                _ = forget.tick() => if let Some(door) = &self.door { door.keeper.forget_old() },
            }
        }
    }

    fn say(&mut self, tell: Tell) -> impl Future<Output = Result<(), RunError>> {
        let to = &mut *self.to;
        async move { Ok(to.send(&Frame::Message(tell), &[]).await?) }
    }

    async fn hear(&mut self, frame: Frame<Sent>) -> Result<Option<End>, RunError> {
        let ask = match frame {
            Frame::Message(Sent { ask, .. }) => ask,
            Frame::Life(Life::Ping { nonce }) => {
                self.to.send(&Frame::<Tell>::Life(Life::Pong { nonce }), &[]).await?;
                return Ok(None);
            }
            Frame::Life(Life::Stop) => return Ok(Some(End::Told)),
            Frame::Life(Life::Ready { .. } | Life::Pong { .. }) => return Ok(None),
        };
        let keeper = self.door.as_ref().map(|door| &door.keeper);
        match ask {
            // They are read once; changes since are the vault's own.
            Ask::Records { .. } => tracing::warn!("the house sent its records a second time"),
            Ask::Part { gone } => {
                let said = keeper.map(|keeper| keeper.part_from(&gone.into_iter().collect())).unwrap_or_default();
                said.iter().for_each(|said| tracing::error!(said, "a member was removed"));
            }
            Ask::Written { ticket, ok } => {
                if let Some(keeper) = keeper {
                    keeper.written(ticket, ok);
                }
            }
            Ask::Look { id, text } => {
                let spans = keeper.map(|keeper| keeper.look(&text)).unwrap_or_default();
                self.say(Tell::Found { id, spans }).await?;
            }
            Ask::List { id } => {
                let secrets = keeper.map(crate::keeper::Keeper::list).unwrap_or_default();
                self.say(Tell::Listed { id, secrets }).await?;
            }
            Ask::Attest { id, head, at } => {
                // A process without keys keeps nothing.
                let newest = keeper.map_or(Ok(None), |keeper| keeper.attest(head.map(|head| Attested { head, at })));
                self.say(Tell::Attested { id, newest }).await?;
            }
            Ask::Beat { id } => self.say(Tell::Beat { id }).await?,
            Ask::Lock => {
                if let Some(Err(error)) = self.door.as_ref().map(|door| door.lock()) {
                    tracing::error!(%error, "the vault is locked only until its next start");
                }
                return Ok(Some(End::Told));
            }
            Ask::Stop => return Ok(Some(End::Told)),
        }
        Ok(None)
    }
}
