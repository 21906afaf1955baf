//! The audit actor: facts that belong to no other commit, the check of the whole chain, and its attestation by the vault.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Record`] | `Result<(), StoreError>` | a fact without rows: the house started, somebody logged in |
//! | [`Verify`] | `Result<Verified, AuditError>` | reads the journal from its beginning and checks every link |
//! | [`AttestNow`] | `Result<Attested, AuditError>` | has the vault keep the journal's end |
//! | [`ListEntries`] | `Result<Listed, StoreError>` | what concerns a member |
//! | → `Attest` | | to the vault |
//!
//! Permanent. Facts of a step are written in the step's own transaction by the store actor, not here. The vault keeps the newest attested end
//! beside its key: [`START`] after a start, every [`DAILY`], after [`ENTRIES`] entries, and at an orderly stop. Before a new end is attested, the
//! journal is checked from the one before; a journal in which that is not is told once, as a fact, and not attested any more.
//! Limits: the constants here.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, ResponseActFuture, ResponseFuture, WrapFuture};
use hearth_domain::journal::check::{Attested, Check};
use hearth_domain::journal::told::Reader;
use hearth_domain::journal::{ChainError, Entry, Fact, FactKind, Head};
use hearth_domain::store::{Commit, Store, StoreError};
use hearth_domain::time::{Clock, Mono, Timestamp};
use hearth_domain::vault::VaultError;
use hearth_supervisor::context::Context;
use hearth_supervisor::link::{AskError, Link};

use crate::store::{ReadHead, Save};
use crate::vault::Attest;

/// Entries that are read at once.
const PAGE: u64 = 1_000;
/// Entries that are looked through for one page of what concerns a member.
const LOOKED_THROUGH: u64 = 20_000;
/// Most entries of a page that a member is shown.
pub const LISTED_MAX: usize = 500;
/// Time from the start until the journal's end is attested.
pub const START: Duration = Duration::from_secs(5);
/// Time between two looks whether that is due again.
const LOOK: Duration = Duration::from_secs(60);
/// Longest time between two attested ends.
pub const DAILY: Duration = Duration::from_secs(24 * 3_600);
/// Most entries between two attested ends.
pub const ENTRIES: u64 = 1_000;

/// How often a vault that is not up is asked for a check, and the time between.
const VAULT_LOOKS: usize = 40;
/// See [`VAULT_LOOKS`].
const VAULT_AGAIN: Duration = Duration::from_millis(250);

/// Write this fact.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct Record(pub Fact);

/// Is the chain whole?
#[derive(Debug, Message)]
#[rtype(result = "Result<Verified, AuditError>")]
pub struct Verify;

/// Have the vault keep the journal's end.
#[derive(Debug, Message)]
#[rtype(result = "Result<Attested, AuditError>")]
pub struct AttestNow;

/// What concerns a member, newest last.
#[derive(Debug, Message)]
#[rtype(result = "Result<Listed, StoreError>")]
pub struct ListEntries {
    /// Who asks.
    pub reader: Reader,
    /// Not what was before.
    pub since: Option<Timestamp>,
    /// Only entries before this one.
    pub before: Option<u64>,
    /// At most so many, and at most [`LISTED_MAX`].
    pub limit: usize,
}

/// A page of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// There may be more before this entry.
    pub before: Option<u64>,
}

/// A chain that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its end.
    pub head: Head,
    /// How far the vault vouches for it; why that is not known, when it is not.
    pub attested: Result<Option<Attested>, VaultError>,
}

/// Why the chain could not be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// It is broken.
    #[error("the journal is not whole")]
    Broken(#[source] ChainError),
    /// It could not be read.
    #[error("the journal could not be read")]
    Store(#[source] StoreError),
    /// The vault could not be asked.
    #[error("the journal's end was not attested")]
    Vault(#[source] VaultError),
    /// The vault did not keep it.
    #[error("the vault could not keep the journal's end; its key folder may be full or not writable")]
    NotKept,
}

/// To whom the audit speaks.
#[derive(Debug, Clone)]
pub struct Links {
    /// To the store.
    pub save: Link<Save>,
    /// To the store.
    pub head: Link<ReadHead>,
    /// To the vault.
    pub attest: Link<Attest>,
}

/// Where the attestation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Not yet, in this life.
    Due,
    /// The vault is being asked.
    Asking,
    /// Up to this entry, then.
    Upto(u64, Mono),
    /// The journal is not the one that was attested.
    Broken,
}

/// The audit actor.
pub struct AuditActor {
    reads: Reads,
    clock: Arc<dyn Clock>,
    standing: Standing,
}

impl std::fmt::Debug for AuditActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditActor").field("standing", &self.standing).finish_non_exhaustive()
    }
}

impl AuditActor {
    /// An audit over this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, links: Links, deadline: Duration) -> Self {
        Self { reads: Reads { store, links, deadline }, clock, standing: Standing::Due }
    }

    /// Whether it is time for another attestation, when the chain ends there.
    fn is_due(&self, head: Head) -> bool {
        match self.standing {
            Standing::Due => true,
            Standing::Asking | Standing::Broken => false,
            Standing::Upto(seq, since) => {
                head.seq >= seq.saturating_add(ENTRIES) || (head.seq > seq && self.clock.mono().since(since) >= DAILY)
            }
        }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        let head = self.reads.links.head.ask(ReadHead, self.reads.deadline);
        ctx.spawn(head.into_actor(self).map(|head, this, ctx| {
            if head.is_ok_and(|head| this.is_due(head)) {
                let attested = this.attest();
                ctx.spawn(attested.map(|_, _, _| ()));
            }
        }));
    }

    fn attest(&mut self) -> ResponseActFuture<Self, Result<Attested, AuditError>> {
        let (reads, before) = (self.reads.clone(), self.standing);
        if before != Standing::Broken {
            self.standing = Standing::Asking;
        }
        Box::pin(async move { reads.attest().await }.into_actor(self).map(move |attested, this, ctx| {
            match &attested {
                Ok(Attested { head, .. }) => this.standing = Standing::Upto(head.seq, this.clock.mono()),
                Err(AuditError::Broken(error)) => this.broken(before, error, ctx),
                Err(AuditError::Store(_) | AuditError::Vault(_) | AuditError::NotKept) => {
                    // Of two at once the other may have come further.
                    if this.standing == Standing::Asking {
                        this.standing = if before == Standing::Asking { Standing::Due } else { before };
                    }
                }
            }
            attested
        }))
    }

    /// Said once in a life of the house: there is nothing to be done but by an owner.
    fn broken(&mut self, before: Standing, error: &ChainError, ctx: &mut Context<Self>) {
        self.standing = Standing::Broken;
        if before == Standing::Broken {
            return;
        }
        tracing::error!(%error, "the journal is not the one that the vault has attested");
        let (ChainError::Place { expected: seq, .. }
        | ChainError::Altered { seq }
        | ChainError::Missing { seq }
        | ChainError::Cut { seq }
        | ChainError::Other { seq }) = error;
        let (kind, subject, at) = (FactKind::JournalBroken, seq.to_string(), self.clock.wall());
        let fact = Fact { kind, who: None, subject: subject.clone(), detail: format!("entry {subject}"), content: None, at };
        let saved = self.reads.links.save.ask(Save(Commit { writes: Vec::new(), fact }), self.reads.deadline);
        // The log has it in any case.
        ctx.spawn(saved.into_actor(self).map(|_, _, _| ()));
    }
}

/// What is read for a check.
#[derive(Clone)]
struct Reads {
    store: Arc<dyn Store>,
    links: Links,
    deadline: Duration,
}

impl Reads {
    async fn newest(&self, head: Option<Head>) -> Result<Option<Attested>, VaultError> {
        self.links.attest.ask(Attest { head }, self.deadline).await.unwrap_or(Err(VaultError::Gone))
    }

    /// The same for a person, who may ask before the vault is up.
    async fn newest_soon(&self) -> Result<Option<Attested>, VaultError> {
        for _ in 0..VAULT_LOOKS {
            match self.newest(None).await {
                Err(VaultError::Gone) => tokio::time::sleep(VAULT_AGAIN).await,
                known => return known,
            }
        }
        Err(VaultError::Gone)
    }

    async fn stored(&self) -> Result<Head, AuditError> {
        self.links.head.ask(ReadHead, self.deadline).await.map_err(|error| AuditError::Store(lost(error)))
    }

    async fn page(&self, after: u64, limit: u64) -> Result<Vec<Entry>, AuditError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.store.journal(after, limit).await.map_err(AuditError::Store)
    }

    /// On to the end that the store knows of, or further.
    async fn go_on(&self, mut check: Check, stored: Head) -> Result<Head, AuditError> {
        loop {
            let page = self.page(check.head().seq, PAGE).await?;
            if page.is_empty() {
                return check.end(stored).map_err(AuditError::Broken);
            }
            check.page(&page).map_err(AuditError::Broken)?;
        }
    }

    async fn verify(&self) -> Result<Verified, AuditError> {
        let attested = self.newest_soon().await;
        let stored = self.stored().await?;
        let head = self.go_on(Check::whole(attested.clone().ok().flatten()), stored).await?;
        Ok(Verified { head, attested })
    }

    async fn attest(&self) -> Result<Attested, AuditError> {
        let newest = self.newest(None).await.map_err(AuditError::Vault)?;
        let stored = self.stored().await?;
        let check = match newest {
            None => Check::whole(None),
            Some(newest) => {
                let found = self.page(newest.head.seq.saturating_sub(1), 1).await?;
                Check::after(newest, found.first()).map_err(AuditError::Broken)?
            }
        };
        let head = self.go_on(check, stored).await?;
        let kept = self.newest(Some(head)).await.map_err(AuditError::Vault)?;
        kept.filter(|kept| kept.head == head).ok_or(AuditError::NotKept)
    }

    /// From the end backwards, so that the newest are found first.
    async fn list(&self, asked: ListEntries) -> Result<Listed, StoreError> {
        let ListEntries { reader, since, before, limit } = asked;
        let head = self.links.head.ask(ReadHead, self.deadline).await.map_err(lost)?;
        let mut end = before.unwrap_or(u64::MAX).min(head.seq.saturating_add(1));
        let (limit, first) = (limit.clamp(1, LISTED_MAX), end.saturating_sub(LOOKED_THROUGH));
        let mut found = Vec::new();
        while end > 1 && end > first {
            let start = end.saturating_sub(PAGE).max(1);
            let limit_of_page = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
            let page = self.store.journal(start.saturating_sub(1), limit_of_page).await?;
            let young = |entry: &&Entry| since.is_none_or(|since| entry.fact.at >= since);
            let any_young = page.iter().any(|entry| young(&entry));
            for entry in page.iter().rev().filter(young).filter(|entry| reader.is_concerned(entry)) {
                found.push(entry.clone());
                if found.len() == limit {
                    found.reverse();
                    return Ok(Listed { before: found.first().map(|entry| entry.seq).filter(|seq| *seq > 1), entries: found });
                }
            }
            end = start;
            if since.is_some() && !any_young {
                end = 1;
            }
        }
        found.reverse();
        Ok(Listed { entries: found, before: Some(end).filter(|end| *end > 1) })
    }
}

fn lost(error: AskError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

// === impl Actor ===

impl Actor for AuditActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(START, Self::look);
        ctx.run_interval(LOOK, Self::look);
    }
}

impl Handler<Record> for AuditActor {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, Record(fact): Record, _: &mut Context<Self>) -> Self::Result {
        let saved = self.reads.links.save.ask(Save(Commit { writes: Vec::new(), fact }), self.reads.deadline);
        Box::pin(async { saved.await.unwrap_or_else(|error| Err(lost(error))) })
    }
}

impl Handler<Verify> for AuditActor {
    type Result = ResponseFuture<Result<Verified, AuditError>>;

    fn handle(&mut self, _: Verify, _: &mut Context<Self>) -> Self::Result {
        let reads = self.reads.clone();
        Box::pin(async move { reads.verify().await })
    }
}

impl Handler<AttestNow> for AuditActor {
    type Result = ResponseActFuture<Self, Result<Attested, AuditError>>;

    fn handle(&mut self, _: AttestNow, _: &mut Context<Self>) -> Self::Result {
        self.attest()
    }
}

impl Handler<ListEntries> for AuditActor {
    type Result = ResponseFuture<Result<Listed, StoreError>>;

    fn handle(&mut self, asked: ListEntries, _: &mut Context<Self>) -> Self::Result {
        let reads = self.reads.clone();
        Box::pin(async move { reads.list(asked).await })
    }
}
