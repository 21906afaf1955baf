//! The vault actor: the proxy and lifeline of the vault process inside the house.
//!
//! ```text
//!  starting ──▶ open | sealed | broken ──▶ (process gone) ──▶ starting        see vault/life.rs
//! ```
//!
//! | in | out | |
//! |---|---|---|
//! | [`Look`] | `Result<Vec<Span>, VaultError>` | where stored secrets stand in a text |
//! | [`List`] | `Result<Vec<SecretInfo>, VaultError>` | the secrets that there are |
//! | [`Attest`] | `Result<Option<Attested>, VaultError>` | the newest attested end of the journal |
//! | [`Status`] | [`VaultReport`] | how the process is |
//! | [`Part`] | | somebody was removed: the vault destroys their key |
//! | [`Lock`] | `Result<(), VaultError>` | when the process has ended; a fresh one takes over |
//!
//! Permanent. The end of the process is not the end of the actor: it reads the store again and starts the next process, with a wait
//! when one ends right after the other, so that no number of kills touches the supervisor's window. Questions under way then end with
//! [`VaultError::Gone`]. A restart of the actor ends the process, and loses uses that were not yet written to the audit.
//!
//! Invariants: no value of a secret comes here (I-1). An owner is told that a change is done only when it is in the store, and that it
//! is not only when it is certain not to be. [`Stored`] is never less than what is stored. A use is in the audit at least once: when the
//! store does not say whether it wrote a fact, the fact is written again.
//! Limits: `vault_questions`, `vault_start`, `vault_beat`, `vault_steady`, and the constants here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::fut::wrap_stream;
use actix::{
    Actor, ActorFutureExt, ActorStreamExt, AsyncContext, Handler, Message, MessageResult, ResponseActFuture, SpawnHandle, WrapFuture,
};
use hearth_domain::ids::{MemberId, SecretId};
use hearth_domain::journal::Head;
use hearth_domain::journal::check::Attested;
use hearth_domain::limits::Limits;
use hearth_domain::secret::SealedRecord;
use hearth_domain::store::{Commit, Store, StoreError};
use hearth_domain::time::{Clock, Timestamp};
use hearth_domain::vault::{Ask, SecretInfo, Span, Started, Tell, VaultError, VaultLine, VaultProcess, VaultState};
use hearth_supervisor::context::Context;
use hearth_supervisor::link::{AskError, Link};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::memory::within;
use crate::ports::Ports;
use crate::store::{Save, Settle};
use changes::{Change, RECORDS_MAX};
use life::{Effect, Life};
use uses::Uses;

mod changes;
mod life;
mod uses;

/// Findings, and parts of the confinement, that are kept.
const FINDINGS_MAX: usize = 100;

/// Where do stored secrets stand in this text?
#[derive(Message)]
#[rtype(result = "Result<Vec<Span>, VaultError>")]
pub struct Look {
    /// The text.
    pub text: String,
}

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It may hold a secret.
        f.debug_struct("Look").field("bytes", &self.text.len()).finish()
    }
}

/// Which secrets are there?
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<SecretInfo>, VaultError>")]
pub struct List;

/// What is the newest attested end of the journal, once this one is, if it is further on?
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Attested>, VaultError>")]
pub struct Attest {
    /// An end that was checked against the newest; none to ask only.
    pub head: Option<Head>,
}

/// How is the vault?
#[derive(Debug, Message)]
#[rtype(result = "VaultReport")]
pub struct Status;

/// Seal everything now. Answered when the process that knew the key has ended.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), VaultError>")]
pub struct Lock;

/// This member was removed: what is under their key is not to be opened any more. What does not arrive is said at the next start.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Part(pub MemberId);

/// How the vault is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VaultReport {
    /// Its state; none while no process is up.
    pub state: Option<VaultState>,
    /// Since when.
    pub since: Timestamp,
    /// How often a process ended, or could not be started, that nobody had told to end.
    pub restarts: u64,
    /// How many secrets are stored; none while that is not known.
    pub secrets: Option<u64>,
    /// Why there is no process, as a sentence.
    pub trouble: Option<String>,
    /// What is wrong with single records, as sentences.
    pub findings: Vec<String>,
    /// What confines the process, part by part.
    pub confined: Vec<(String, String)>,
}

/// How many secrets are stored, for whoever need not ask the vault when there are none. Never less than there are.
#[derive(Debug, Clone)]
pub struct Stored(Arc<AtomicU64>);

/// Not read yet.
const NOT_KNOWN: u64 = u64::MAX;

impl Default for Stored {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(NOT_KNOWN)))
    }
}

impl Stored {
    /// The number; none before it was read.
    #[must_use]
    pub fn known(&self) -> Option<u64> {
        Some(self.0.load(Ordering::SeqCst)).filter(|count| *count != NOT_KNOWN)
    }

    /// So many.
    pub(crate) fn set(&self, count: usize) {
        self.0.store(u64::try_from(count).unwrap_or(NOT_KNOWN), Ordering::SeqCst);
    }
}

/// Whether a process has anything to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// The household's secrets: the vault.
    Secrets,
    /// Nothing worth stealing: the way out for requests without credentials.
    Nothing,
}

/// Who waits for an answer of the process.
enum Asker {
    Look(oneshot::Sender<Vec<Span>>),
    List(oneshot::Sender<Vec<SecretInfo>>),
    Attest(oneshot::Sender<Result<Option<Attested>, VaultState>>),
}

/// The vault actor.
pub struct VaultActor {
    keeps: Keeps,
    process: Arc<dyn VaultProcess>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    save: Link<Save>,
    settle: Link<Settle>,
    limits: Limits,
    stored: Stored,
    life: Life,
    wake: Option<SpawnHandle>,
    line: Option<Box<dyn VaultLine>>,
    listening: Option<SpawnHandle>,
    report: VaultReport,
    /// Whose the stored secrets are.
    owners: BTreeMap<SecretId, MemberId>,
    /// Everybody who was removed.
    gone: BTreeSet<MemberId>,
    changes: VecDeque<Change>,
    /// The change that is being stored. One at a time, so that a look into the store says what became of it.
    changing: Option<SpawnHandle>,
    questions: BTreeMap<u64, Asker>,
    asked: u64,
    locking: Vec<oneshot::Sender<()>>,
    uses: Uses,
    recording: usize,
    record_due: bool,
}

impl std::fmt::Debug for VaultActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultActor").field("life", &self.life).field("questions", &self.questions.len()).finish_non_exhaustive()
    }
}

impl VaultActor {
    /// A vault without a process; it starts one by itself.
    #[must_use]
    pub fn new(ports: &Ports, save: Link<Save>, settle: Link<Settle>, stored: Stored, limits: Limits) -> Self {
        Self::over(Keeps::Secrets, Arc::clone(&ports.vault), ports, save, settle, stored, limits)
    }

    /// The same for the process without keys: the way out for requests that carry no credential.
    #[must_use]
    pub fn egress(ports: &Ports, save: Link<Save>, settle: Link<Settle>, limits: Limits) -> Self {
        Self::over(Keeps::Nothing, Arc::clone(&ports.egress), ports, save, settle, Stored::default(), limits)
    }

    fn over(
        keeps: Keeps,
        process: Arc<dyn VaultProcess>,
        ports: &Ports,
        save: Link<Save>,
        settle: Link<Settle>,
        stored: Stored,
        limits: Limits,
    ) -> Self {
        let (store, clock) = (Arc::clone(&ports.store), Arc::clone(&ports.clock));
        let life = Life::new(clock.mono(), &limits);
        let since = clock.wall();
        let report =
            VaultReport { state: None, since, restarts: 0, secrets: None, trouble: None, findings: Vec::new(), confined: Vec::new() };
        Self {
            keeps,
            process,
            store,
            clock,
            save,
            settle,
            limits,
            stored,
            life,
            wake: None,
            line: None,
            listening: None,
            report,
            owners: BTreeMap::new(),
            gone: BTreeSet::new(),
            changes: VecDeque::new(),
            changing: None,
            questions: BTreeMap::new(),
            asked: 0,
            locking: Vec::new(),
            uses: Uses::default(),
            recording: 0,
            record_due: false,
        }
    }

    // === the process ===

    /// Does what is due, and sleeps until something is.
    fn drive(&mut self, ctx: &mut Context<Self>) {
        while let Some(effect) = self.life.tick(self.clock.mono()) {
            match effect {
                Effect::Raise => self.raise(ctx),
                Effect::Beat(id) => drop(self.say(Ask::Beat { id })),
                Effect::Kill => {
                    self.trouble("it does not answer; it is killed".to_owned());
                    self.line.iter_mut().for_each(|line| line.kill());
                }
                Effect::Abandon => self.forget(ctx),
            }
        }
        self.turn_to(self.life.state());
        if let Some(old) = self.wake.take() {
            ctx.cancel_future(old);
        }
        if let Some(due) = self.life.due() {
            let pause = due.since(self.clock.mono()).max(Duration::from_millis(1));
            self.wake = Some(ctx.run_later(pause, Self::drive));
        }
    }

    fn turn_to(&mut self, state: Option<VaultState>) {
        if self.report.state != state {
            tracing::info!(?state, restarts = self.life.restarts, "the vault");
            self.report.state = state;
            self.report.since = self.clock.wall();
        }
    }

    /// Said once, however often it happens in a row.
    fn trouble(&mut self, trouble: String) {
        if self.report.trouble.as_ref() != Some(&trouble) {
            tracing::warn!(trouble, "the vault's process is not there");
            self.report.trouble = Some(trouble);
        }
    }

    /// Reads what is stored, then makes a process.
    fn raise(&mut self, ctx: &mut Context<Self>) {
        if self.keeps == Keeps::Nothing {
            self.stored.set(0);
            return self.make(Vec::new(), ctx);
        }
        let (store, settle, limits) = (Arc::clone(&self.store), self.settle.clone(), self.limits.clone());
        let read = async move { read(&store, &settle, &limits).await };
        ctx.spawn(read.into_actor(self).map(|records, this, ctx| match records {
            Ok((records, gone)) => {
                this.owners = records.iter().map(|record| (record.id, record.owner)).collect();
                this.gone.extend(gone);
                this.stored.set(this.owners.len());
                this.make(records, ctx);
            }
            Err(error) => this.not_made(format!("what is sealed could not be read: {error}"), ctx),
        }));
    }

    fn make(&mut self, records: Vec<SealedRecord>, ctx: &mut Context<Self>) {
        let made = tokio::time::timeout(self.limits.vault_start, self.process.start());
        ctx.spawn(made.into_actor(self).map(move |made, this, ctx| match made {
            Ok(Ok(started)) => this.made(records, started, ctx),
            Ok(Err(error)) => this.not_made(error.to_string(), ctx),
            Err(_) => this.not_made("the vault's process took too long to start".to_owned(), ctx),
        }));
    }

    fn not_made(&mut self, trouble: String, ctx: &mut Context<Self>) {
        self.trouble(trouble);
        self.life.gone(self.clock.mono());
        self.drive(ctx);
    }

    fn made(&mut self, records: Vec<SealedRecord>, (line, tells): Started, ctx: &mut Context<Self>) {
        self.line = Some(line);
        self.life.made(self.clock.mono());
        let listening = wrap_stream(tells).map(|tell, this: &mut Self, ctx: &mut Context<Self>| this.hear(tell, ctx)).finish();
        self.listening = Some(ctx.spawn(listening.map(|(), this, ctx| {
            this.forget(ctx);
            this.drive(ctx);
        })));
        self.say(Ask::Records { records, gone: self.gone.iter().copied().collect() });
        self.drive(ctx);
    }

    /// The process is gone, and with it whatever was under way.
    fn forget(&mut self, ctx: &mut Context<Self>) {
        for handle in self.listening.take().into_iter().chain(self.changing.take()) {
            ctx.cancel_future(handle);
        }
        self.line = None;
        self.changes.clear();
        // Dropping them answers: gone.
        self.questions.clear();
        self.life.gone(self.clock.mono());
        for waiting in self.locking.drain(..) {
            let _ = waiting.send(());
        }
    }

    fn say(&mut self, ask: Ask) -> bool {
        // When nobody hears it, the stream ends too, and that is what counts.
        self.line.as_mut().is_some_and(|line| line.ask(ask))
    }

    fn hear(&mut self, tell: Tell, ctx: &mut Context<Self>) {
        match tell {
            Tell::Up { state, findings, confined } => self.up(state, findings, confined, ctx),
            Tell::State { state } => {
                self.life.turned(state);
                self.drive(ctx);
            }
            Tell::Write { ticket, put, erase, what, name } => self.change(Change { ticket, put, erase, what, name }, ctx),
            Tell::Used { uses } => uses.iter().for_each(|used| self.used(used, ctx)),
            Tell::Found { id, spans } => {
                if let Some(Asker::Look(asker)) = self.questions.remove(&id) {
                    let _ = asker.send(spans);
                }
            }
            Tell::Listed { id, secrets } => {
                if let Some(Asker::List(asker)) = self.questions.remove(&id) {
                    let _ = asker.send(secrets);
                }
            }
            Tell::Attested { id, newest } => {
                if let Some(Asker::Attest(asker)) = self.questions.remove(&id) {
                    let _ = asker.send(newest);
                }
            }
            Tell::Beat { id } => {
                self.life.beaten(self.clock.mono(), id);
                self.drive(ctx);
            }
        }
    }

    fn up(&mut self, state: VaultState, mut findings: Vec<String>, mut confined: Vec<(String, String)>, ctx: &mut Context<Self>) {
        if !self.life.up(self.clock.mono(), state) {
            return;
        }
        findings.truncate(FINDINGS_MAX);
        confined.truncate(FINDINGS_MAX);
        for finding in &findings {
            tracing::warn!(finding, "a sealed record");
        }
        self.report = VaultReport { trouble: None, findings, confined, ..self.report.clone() };
        self.drive(ctx);
    }

    // === questions ===

    /// Asks the process, and waits for its answer.
    fn question<T: 'static>(
        &mut self,
        ask: impl FnOnce(u64) -> Ask,
        asker: impl FnOnce(oneshot::Sender<T>) -> Asker,
    ) -> ResponseActFuture<Self, Result<T, VaultError>> {
        if self.questions.len() >= self.limits.vault_questions {
            return Box::pin(actix::fut::ready(Err(VaultError::Busy)));
        }
        let (sender, receiver) = oneshot::channel();
        self.asked = self.asked.wrapping_add(1);
        let id = self.asked;
        if !self.say(ask(id)) {
            return Box::pin(actix::fut::ready(Err(VaultError::Gone)));
        }
        self.questions.insert(id, asker(sender));
        let answer = tokio::time::timeout(self.limits.ask_deadline, receiver);
        Box::pin(answer.into_actor(self).map(move |answer, this, _| {
            this.questions.remove(&id);
            answer.ok().and_then(Result::ok).ok_or(VaultError::Gone)
        }))
    }
}

/// What is sealed, once no commit of before can land any more.
async fn read(
    store: &Arc<dyn Store>,
    settle: &Link<Settle>,
    limits: &Limits,
) -> Result<(Vec<SealedRecord>, BTreeSet<MemberId>), StoreError> {
    let lost = |error: AskError| StoreError::Unavailable(error.to_string());
    settle.ask(Settle, limits.commit_deadline).await.map_err(lost)?;
    let records = within(limits.read_deadline, store.secrets()).await?;
    let household = within(limits.read_deadline, store.household()).await?;
    Ok((records, household.gone.into_iter().map(|row| row.id).collect()))
}

/// Why a vault in this state answers nothing about what it keeps.
const fn refusal(state: Option<VaultState>) -> Option<VaultError> {
    match state {
        Some(VaultState::Open) => None,
        Some(VaultState::Sealed) => Some(VaultError::Sealed),
        Some(VaultState::Broken) => Some(VaultError::Broken),
        None => Some(VaultError::Gone),
    }
}

// === impl Actor ===

impl Actor for VaultActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.drive(ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.say(Ask::Stop);
        // The store ends after this actor, and writes what it was offered before.
        for bundle in self.uses.take(RECORDS_MAX) {
            drop(self.save.offer(Save(Commit { writes: Vec::new(), fact: bundle.fact() })));
        }
    }
}

impl Handler<Look> for VaultActor {
    type Result = ResponseActFuture<Self, Result<Vec<Span>, VaultError>>;

    fn handle(&mut self, Look { text }: Look, _: &mut Context<Self>) -> Self::Result {
        match refusal(self.life.state()) {
            None => self.question(|id| Ask::Look { id, text }, Asker::Look),
            Some(refusal) => Box::pin(actix::fut::ready(Err(refusal))),
        }
    }
}

impl Handler<Attest> for VaultActor {
    type Result = ResponseActFuture<Self, Result<Option<Attested>, VaultError>>;

    fn handle(&mut self, Attest { head }: Attest, _: &mut Context<Self>) -> Self::Result {
        if let Some(refusal) = refusal(self.life.state()) {
            return Box::pin(actix::fut::ready(Err(refusal)));
        }
        let at = self.clock.wall();
        let asked = self.question(|id| Ask::Attest { id, head, at }, Asker::Attest);
        Box::pin(asked.map(|answer, _, _| answer?.map_err(|state| refusal(Some(state)).unwrap_or(VaultError::Gone))))
    }
}

impl Handler<List> for VaultActor {
    type Result = ResponseActFuture<Self, Result<Vec<SecretInfo>, VaultError>>;

    fn handle(&mut self, _: List, _: &mut Context<Self>) -> Self::Result {
        if self.life.state().is_none() {
            return Box::pin(actix::fut::ready(Err(VaultError::Gone)));
        }
        self.question(|id| Ask::List { id }, Asker::List)
    }
}

impl Handler<Status> for VaultActor {
    type Result = MessageResult<Status>;

    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(VaultReport { restarts: self.life.restarts, secrets: self.stored.known(), ..self.report.clone() })
    }
}

impl Handler<Part> for VaultActor {
    type Result = ();

    fn handle(&mut self, Part(member): Part, _: &mut Context<Self>) {
        self.gone.insert(member);
        // Their records went with the commit that removed them.
        self.owners.retain(|_, owner| *owner != member);
        self.stored.set(self.owners.len());
        self.say(Ask::Part { gone: vec![member] });
    }
}

impl Handler<Lock> for VaultActor {
    type Result = ResponseActFuture<Self, Result<(), VaultError>>;

    fn handle(&mut self, _: Lock, ctx: &mut Context<Self>) -> Self::Result {
        if self.life.state().is_none() || !self.say(Ask::Lock) {
            return Box::pin(actix::fut::ready(Err(VaultError::Gone)));
        }
        let (ended, end) = oneshot::channel();
        self.locking.push(ended);
        self.life.locking(self.clock.mono());
        self.drive(ctx);
        Box::pin(end.into_actor(self).map(|end, _, _| end.map_err(|_| VaultError::Gone)))
    }
}
