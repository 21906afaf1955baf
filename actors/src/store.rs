//! The store actor: the one writer. Gathers what waits into one transaction and gives each fact its place in the chain.
//!
//! ```text
//!            write            group applied
//!  (resting) ─────▶ Applying ──────────────▶ next group, or resting
//!                      │ claimed, refused: the group is split, so that only the guilty commit fails
//!                      └ outcome unknown: everybody is told, the actor ends and opens again
//! ```
//!
//! | in | out | |
//! |---|---|---|
//! | [`Save`] | `Result<(), StoreError>` | after the commit is durable |
//! | [`ReadHead`] | [`Head`] | the end of the chain |
//! | [`Settle`] | | after every commit that came before it has ended |
//!
//! Permanent. A restart loses the commits that waited; their askers learn it and read what is there.
//! Invariants: commits are applied in the order of their arrival; an entry's digest follows from the entry before it in
//! the store (I-12 rests on the port). Limits: `waiting_commits`, `group_commits`.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Handler, Message, MessageResult, ResponseFuture, WrapFuture};
use hearth_domain::household::erase::Report;
use hearth_domain::household::record::{GoneRow, HouseholdWrite};
use hearth_domain::ids::MemberId;
use hearth_domain::journal::{Fact, FactKind, Head};
use hearth_domain::limits::Limits;
use hearth_domain::meter::Meter;
use hearth_domain::session::may_end;
use hearth_domain::store::{Commit, Group, Store, StoreError, Write};
use hearth_domain::time::{Clock, Timestamp};
use hearth_supervisor::context::Context;
use hearth_supervisor::exit::StartError;
use hearth_supervisor::link::Link;
use tokio::sync::{oneshot, watch};

/// Write this; answered when it is durable, or is certain not to be, or is not known.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct Save(pub Commit);

/// The end of the chain, as of the last group.
#[derive(Debug, Message)]
#[rtype(result = "Head")]
pub struct ReadHead;

/// Answered when every commit that came before has ended: who then reads, sees whether it was written. Whoever begins anew asks this
/// first, or a commit of its former life could land behind its back.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Settle;

/// Waits until no commit of a former life can land any more: what is read then is what counts.
///
/// # Errors
///
/// When the store does not say so in time; who starts is started again.
pub(crate) async fn settled(settle: &Link<Settle>, limits: &Limits) -> Result<(), StartError> {
    let ended = settle.ask(Settle, limits.commit_deadline).await;
    ended.map_err(|error| StartError::caused_by("what was being written is not known yet", error))
}

/// The store actor.
pub struct StoreActor {
    store: Arc<dyn Store>,
    meter: Arc<dyn Meter>,
    core: Core<oneshot::Sender<Result<(), StoreError>>>,
    /// Counts up when sessions of the page may have ended, so that whoever serves one looks again.
    sessions: Arc<watch::Sender<u64>>,
    /// Who waits until that many commits have ended.
    settling: Vec<(u64, oneshot::Sender<()>)>,
}

impl std::fmt::Debug for StoreActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreActor").field("waiting", &self.core.waiting.len()).finish_non_exhaustive()
    }
}

impl StoreActor {
    /// Opens the store. Fails with what a person can do about it.
    pub async fn open(
        (store, clock, meter): (Arc<dyn Store>, Arc<dyn Clock>, Arc<dyn Meter>),
        sessions: Arc<watch::Sender<u64>>,
        limits: Limits,
    ) -> Result<Self, StartError> {
        let opened = store.open().await.map_err(|error| StartError::caused_by("the store could not be opened", error))?;
        tracing::info!(schema = opened.schema, migrated_from = opened.migrated_from, entries = opened.head.seq, "store open");
        let mut core = Core::new(opened.head, limits.waiting_commits, limits.group_commits);
        for (member, report) in opened.erased {
            tracing::info!(%member, report = %report, "what was a removed member's is erased");
            // Nobody waits for it. Without this commit it is written anew once more at the next start.
            drop(core.admit(erased(member, &report, clock.wall()), oneshot::channel().0));
        }
        Ok(Self { store, meter, core, sessions, settling: Vec::new() })
    }

    fn apply_next(&mut self, ctx: &mut Context<Self>) {
        let Some(group) = self.core.begin() else {
            return;
        };
        let ends = group.writes.iter().any(may_end);
        let applied = self.store.apply(group).into_actor(self).map(move |result, this, ctx| {
            let failed = result.as_ref().err().map(ToString::to_string);
            let verdict = this.core.end(result);
            verdict.durable.into_iter().for_each(|kind| this.meter.committed(kind));
            for (asker, result) in verdict.answers {
                // Nobody listens when the asker is gone; the commit stands all the same.
                let _ = asker.send(result);
            }
            if ends {
                // Where it was not written, or nobody knows, looking again does no harm.
                this.sessions.send_modify(|count| *count = count.wrapping_add(1));
            }
            let ended = this.core.ended;
            for (_, asker) in this.settling.extract_if(.., |(upto, _)| *upto <= ended) {
                let _ = asker.send(());
            }
            if verdict.lost {
                tracing::error!(error = failed, "the outcome of a transaction is not known; opening the store again");
                ctx.stop();
            } else {
                this.apply_next(ctx);
            }
        });
        ctx.spawn(applied);
    }
}

fn erased(member: MemberId, report: &Report, at: Timestamp) -> Commit {
    let detail = report.how().word().to_owned();
    let fact = Fact { kind: FactKind::MemberErased, who: None, subject: member.to_string(), detail, content: None, at };
    Commit { writes: vec![Write::Household(HouseholdWrite::Gone(GoneRow { id: member, at, erased: true }))], fact }
}

/// The synchronous core: who waits, what is being applied, where the chain ends. `A` is how an asker is answered.
struct Core<A> {
    head: Head,
    waiting: VecDeque<(Commit, A)>,
    applying: Option<Applying<A>>,
    /// Commits of the next groups that must stand alone, because their group failed for one of them.
    alone: usize,
    /// Commits so far, and how many of them have ended. They end in order.
    admitted: u64,
    ended: u64,
    waiting_max: usize,
    group_max: usize,
}

struct Applying<A> {
    commits: Vec<(Commit, A)>,
    head_after: Head,
}

struct Verdict<A> {
    answers: Vec<(A, Result<(), StoreError>)>,
    /// The facts that are in the store now.
    durable: Vec<FactKind>,
    lost: bool,
}

impl<A> Core<A> {
    const fn new(head: Head, waiting_max: usize, group_max: usize) -> Self {
        Self { head, waiting: VecDeque::new(), applying: None, alone: 0, admitted: 0, ended: 0, waiting_max, group_max }
    }

    /// Takes a commit, or gives the asker back when too much waits.
    fn admit(&mut self, commit: Commit, asker: A) -> Result<(), A> {
        if self.waiting.len() >= self.waiting_max {
            return Err(asker);
        }
        self.waiting.push_back((commit, asker));
        self.admitted = self.admitted.saturating_add(1);
        Ok(())
    }

    /// The next group, unless one is being applied or nothing waits.
    fn begin(&mut self) -> Option<Group> {
        if self.applying.is_some() || self.waiting.is_empty() {
            return None;
        }
        let size = if self.alone > 0 { 1 } else { self.group_max.min(self.waiting.len()) };
        self.alone = self.alone.saturating_sub(1);
        let commits: Vec<_> = self.waiting.drain(..size).collect();
        let mut head = self.head;
        let mut group = Group::default();
        for (commit, _) in &commits {
            group.writes.extend(commit.writes.iter().cloned());
            group.entries.push(head.append(commit.fact.clone()));
        }
        self.applying = Some(Applying { commits, head_after: head });
        Some(group)
    }

    /// The group was applied, or not.
    fn end(&mut self, result: Result<(), StoreError>) -> Verdict<A> {
        let Some(Applying { commits, head_after }) = self.applying.take() else {
            return Verdict { answers: Vec::new(), durable: Vec::new(), lost: false };
        };
        let count = u64::try_from(commits.len()).unwrap_or(u64::MAX);
        match result {
            Ok(()) => {
                self.ended = self.ended.saturating_add(count);
                self.head = head_after;
                let durable = commits.iter().map(|(commit, _)| commit.fact.kind).collect();
                Verdict { answers: commits.into_iter().map(|(_, asker)| (asker, Ok(()))).collect(), durable, lost: false }
            }
            Err(StoreError::Claimed | StoreError::Refused(_)) if commits.len() > 1 => {
                self.alone = self.alone.saturating_add(commits.len());
                for one in commits.into_iter().rev() {
                    self.waiting.push_front(one);
                }
                Verdict { answers: Vec::new(), durable: Vec::new(), lost: false }
            }
            Err(error) => {
                self.ended = self.ended.saturating_add(count);
                let lost = matches!(error, StoreError::Unavailable(_) | StoreError::Fenced | StoreError::Closed | StoreError::Damaged(_));
                let answers = commits.into_iter().map(|(_, asker)| (asker, Err(error.clone()))).collect();
                Verdict { answers, durable: Vec::new(), lost }
            }
        }
    }
}

// === impl Actor ===

impl Actor for StoreActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.apply_next(ctx);
    }
}

impl Handler<Save> for StoreActor {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, Save(commit): Save, ctx: &mut Context<Self>) -> Self::Result {
        let (asker, answer) = oneshot::channel();
        if self.core.admit(commit, asker).is_err() {
            return Box::pin(async { Err(StoreError::Busy) });
        }
        self.apply_next(ctx);
        // Dropped by a restart: whether the group was applied is not known.
        Box::pin(async { answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("it was restarted".to_owned()))) })
    }
}

impl Handler<Settle> for StoreActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Settle, _: &mut Context<Self>) -> Self::Result {
        if self.core.ended == self.core.admitted {
            return Box::pin(async {});
        }
        let (asker, answer) = oneshot::channel();
        self.settling.push((self.core.admitted, asker));
        // Dropped by a restart: then nothing of before can land any more, because opening takes the lease.
        Box::pin(async { drop(answer.await) })
    }
}

impl Handler<ReadHead> for StoreActor {
    type Result = MessageResult<ReadHead>;

    fn handle(&mut self, _: ReadHead, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.core.head)
    }
}

#[cfg(test)]
mod tests {
    use hearth_domain::journal::verify;

    use super::*;

    fn commit(name: &str) -> Commit {
        let fact = Fact {
            kind: FactKind::Remembered,
            who: None,
            subject: name.into(),
            detail: String::new(),
            content: None,
            at: Timestamp::UNIX_EPOCH,
        };
        Commit { writes: Vec::new(), fact }
    }

    fn core(names: &[&'static str]) -> Core<&'static str> {
        let mut core = Core::new(Head::EMPTY, 8, 4);
        for name in names {
            core.admit(commit(name), *name).unwrap();
        }
        core
    }

    #[test]
    fn what_waits_becomes_one_group_in_order() {
        let mut core = core(&["a", "b", "c"]);
        let group = core.begin().unwrap();
        assert_eq!(group.entries.iter().map(|entry| entry.fact.subject.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(core.begin().is_none(), "one group at a time");
        let verdict = core.end(Ok(()));
        assert_eq!(verdict.answers.len(), 3);
        assert_eq!(verify(Head::EMPTY, &group.entries), Ok(core.head));
    }

    #[test]
    fn a_group_holds_no_more_than_its_bound() {
        let mut core = core(&["a", "b", "c", "d", "e"]);
        assert_eq!(core.begin().unwrap().entries.len(), 4);
        core.end(Ok(()));
        assert_eq!(core.begin().unwrap().entries.len(), 1);
    }

    #[test]
    fn a_claimed_occurrence_fails_alone_and_leaves_the_chain_whole() {
        let mut core = core(&["a", "b", "c"]);
        core.begin().unwrap();
        assert!(core.end(Err(StoreError::Claimed)).answers.is_empty());
        let mut chain = Vec::new();
        let mut answers = Vec::new();
        for result in [Ok(()), Err(StoreError::Claimed), Ok(())] {
            let group = core.begin().unwrap();
            assert_eq!(group.entries.len(), 1);
            if result.is_ok() {
                chain.extend(group.entries);
            }
            answers.extend(core.end(result).answers);
        }
        assert_eq!(answers, [("a", Ok(())), ("b", Err(StoreError::Claimed)), ("c", Ok(()))]);
        assert_eq!(verify(Head::EMPTY, &chain), Ok(core.head));
    }

    #[test]
    fn an_unknown_outcome_is_told_to_everybody_and_ends_the_actor() {
        let mut core = core(&["a", "b"]);
        core.begin().unwrap();
        let verdict = core.end(Err(StoreError::Unavailable("cut".into())));
        assert!(verdict.lost);
        assert_eq!(verdict.answers.len(), 2);
    }

    #[test]
    fn more_than_the_bound_is_refused() {
        let mut core = core(&["a", "b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(core.admit(commit("i"), "i"), Err("i"));
    }
}
