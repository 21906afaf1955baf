//! The audit actor: facts that belong to no other commit, and the check of the whole chain.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Record`] | `Result<(), StoreError>` | a fact without rows: the house started, somebody logged in |
//! | [`Verify`] | `Result<Head, AuditError>` | reads the journal from its beginning and checks every link |
//!
//! Permanent; without state. Facts of a step are written in the step's own transaction by the store actor, not here.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Handler, Message, ResponseFuture};
use hearth_domain::journal::{ChainError, Fact, Head, verify};
use hearth_domain::store::{Commit, Store, StoreError};
use hearth_supervisor::context::Context;
use hearth_supervisor::link::Link;

use crate::store::Save;

/// Entries that are read at once.
const PAGE: usize = 1_000;

/// Write this fact.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct Record(pub Fact);

/// Is the chain whole?
#[derive(Debug, Message)]
#[rtype(result = "Result<Head, AuditError>")]
pub struct Verify;

/// Why the chain could not be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// It is broken.
    #[error("the journal is not whole")]
    Broken(#[source] ChainError),
    /// It could not be read.
    #[error("the journal could not be read")]
    Store(#[source] StoreError),
}

/// The audit actor.
pub struct AuditActor {
    store: Arc<dyn Store>,
    save: Link<Save>,
    deadline: Duration,
}

impl std::fmt::Debug for AuditActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditActor")
    }
}

impl AuditActor {
    /// An audit over this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, save: Link<Save>, deadline: Duration) -> Self {
        Self { store, save, deadline }
    }
}

impl Actor for AuditActor {
    type Context = Context<Self>;
}

impl Handler<Record> for AuditActor {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, Record(fact): Record, _: &mut Context<Self>) -> Self::Result {
        let saved = self.save.ask(Save(Commit { writes: Vec::new(), fact }), self.deadline);
        Box::pin(async { saved.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string()))) })
    }
}

impl Handler<Verify> for AuditActor {
    type Result = ResponseFuture<Result<Head, AuditError>>;

    fn handle(&mut self, _: Verify, _: &mut Context<Self>) -> Self::Result {
        let store = Arc::clone(&self.store);
        Box::pin(async move {
            let mut head = Head::EMPTY;
            loop {
                let page = store.journal(head.seq, PAGE).await.map_err(AuditError::Store)?;
                if page.is_empty() {
                    return Ok(head);
                }
                head = verify(head, &page).map_err(AuditError::Broken)?;
            }
        })
    }
}
