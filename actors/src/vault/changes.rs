//! Changes of secrets on their way into the store, and what was used of them on its way into the audit.
//!
//! Changes are stored one at a time: where the store does not say what became of one, the actor looks into it before it takes the next.

use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, WrapFuture};
use hearth_domain::error::{Class, Classified as _};
use hearth_domain::ids::SecretId;
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::secret::{SealedRecord, SecretName};
use hearth_domain::store::{Commit, StoreError, Write};
use hearth_domain::vault::{Ask, Used};
use hearth_supervisor::context::Context;
use hearth_supervisor::link::AskError;

use super::uses::words;
use super::{Keeps, VaultActor, read};
use crate::store::Save;

/// Changes that wait for the store.
const WRITES_MAX: usize = 64;
/// Time until the store is asked again whether a change is in it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long uses are gathered before they go to the audit.
const RECORD_AFTER: Duration = Duration::from_millis(200);
/// The same after a commit that failed.
const RECORD_AGAIN: Duration = Duration::from_secs(5);
/// Facts that are on their way to the store at once.
pub(super) const RECORDS_MAX: usize = 16;

/// A change that the process wants stored.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) ticket: u64,
    pub(super) put: Vec<SealedRecord>,
    pub(super) erase: Vec<SecretId>,
    pub(super) what: String,
    pub(super) name: SecretName,
}

impl VaultActor {
    pub(super) fn change(&mut self, change: Change, ctx: &mut Context<Self>) {
        let of_the_gone = change.put.iter().any(|record| self.gone.contains(&record.owner));
        if of_the_gone || self.changes.len() >= WRITES_MAX || self.keeps == Keeps::Nothing {
            self.say(Ask::Written { ticket: change.ticket, ok: false });
            return;
        }
        self.changes.push_back(change);
        self.change_next(ctx);
    }

    fn change_next(&mut self, ctx: &mut Context<Self>) {
        if self.changing.is_some() {
            return;
        }
        let Some(change) = self.changes.pop_front() else {
            return;
        };
        // Before it can be in the store, so that there are never more than is known.
        self.stored.set(self.owners.len().saturating_add(change.put.len()));
        let saved = self.save.ask(Save(self.commit(&change)), self.limits.commit_deadline);
        let (store, settle, limits) = (Arc::clone(&self.store), self.settle.clone(), self.limits.clone());
        let (put, erase) = (change.put.clone(), change.erase.clone());
        let outcome = async move {
            match saved.await {
                Ok(Ok(())) => return true,
                Ok(Err(error)) if error.nothing_written() => return refused(&error),
                Err(error @ (AskError::Full | AskError::Down)) => return refused(&error),
                Ok(Err(_)) | Err(AskError::TimedOut | AskError::Lost) => {}
            }
            loop {
                if let Ok((rows, _)) = read(&store, &settle, &limits).await {
                    let there = put.iter().all(|record| rows.contains(record));
                    return there && !rows.iter().any(|row| erase.contains(&row.id));
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        self.changing = Some(ctx.spawn(outcome.into_actor(self).map(move |ok, this, ctx| {
            this.changing = None;
            if ok {
                this.owners.extend(change.put.iter().map(|record| (record.id, record.owner)));
                this.owners.retain(|id, _| !change.erase.contains(id));
            }
            this.stored.set(this.owners.len());
            this.say(Ask::Written { ticket: change.ticket, ok });
            this.change_next(ctx);
        })));
    }

    fn commit(&self, change: &Change) -> Commit {
        let erased = change.erase.first().and_then(|id| self.owners.get(id).copied());
        let fact = Fact {
            kind: FactKind::SecretChanged,
            who: change.put.first().map(|record| record.owner).or(erased),
            subject: change.name.pseudonym(),
            detail: words(change.what.clone()),
            content: None,
            at: self.clock.wall(),
        };
        let put = change.put.iter().cloned().map(Write::Secret);
        Commit { writes: put.chain(change.erase.iter().copied().map(Write::EraseSecret)).collect(), fact }
    }

    pub(super) fn used(&mut self, used: &Used, ctx: &mut Context<Self>) {
        if used.alarm {
            tracing::error!(who = ?used.who, secrets = ?used.secrets, place = used.place, outcome = used.outcome, "the vault raises an alarm");
        }
        if !self.uses.add(used) {
            tracing::error!(secrets = ?used.secrets, place = used.place, "too much waits for the audit; this use will not be in it");
        }
        if used.alarm { self.record(ctx) } else { self.record_after(RECORD_AFTER, ctx) }
    }

    fn record_after(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        if !self.record_due {
            self.record_due = true;
            ctx.run_later(wait, |this, ctx| {
                this.record_due = false;
                this.record(ctx);
            });
        }
    }

    /// Writes what waits: one commit for each, which the store gathers into one transaction.
    pub(super) fn record(&mut self, ctx: &mut Context<Self>) {
        for bundle in self.uses.take(RECORDS_MAX.saturating_sub(self.recording)) {
            self.recording = self.recording.saturating_add(1);
            let commit = Commit { writes: Vec::new(), fact: bundle.fact() };
            let saved = self.save.ask(Save(commit), self.limits.commit_deadline);
            ctx.spawn(saved.into_actor(self).map(move |saved, this, ctx| {
                this.recording = this.recording.saturating_sub(1);
                let saved = saved.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())));
                let wait = match saved {
                    Ok(()) => RECORD_AFTER,
                    Err(error) if error.class() == Class::Transient && this.uses.insert(bundle) => RECORD_AGAIN,
                    Err(error) => {
                        tracing::error!(%error, "a use of secrets could not be recorded");
                        RECORD_AFTER
                    }
                };
                if !this.uses.is_empty() {
                    this.record_after(wait, ctx);
                }
            }));
        }
    }
}

/// Nothing was written.
fn refused(error: &dyn std::fmt::Display) -> bool {
    tracing::warn!(%error, "a change of a secret was not stored");
    false
}
