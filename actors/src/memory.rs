//! The memory actor: recall for a turn, and what members ask to be kept.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Recall`] | `Vec<MemoryHit>` | what everybody in the audience may read, best first (I-7) |
//! | [`Keep`] | `Result<(), MemoryError>` | writes an entry; the same id again writes nothing new |
//! | [`Forget`] | `Result<(), MemoryError>` | removes an entry |
//! | [`Entries`] | `Result<Vec<Memory>, MemoryError>` | notes and list items of a conversation |
//!
//! Permanent; what is remembered is in the store, so a restart loses searches under way and nothing else. Search is the store's
//! own full text for now; the hybrid index will stand behind the same messages. Limits: `recalled`, `memories`.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Handler, Message, ResponseFuture};
use hearth_domain::household::Audience;
use hearth_domain::ids::ConversationId;
use hearth_domain::journal::{Digest, Fact, FactKind};
use hearth_domain::limits::Limits;
use hearth_domain::memory::{Memory, MemoryHit, MemorySearch};
use hearth_domain::store::{Commit, Store, StoreError, Write};
use hearth_domain::time::Clock;
use hearth_supervisor::context::Context;
use hearth_supervisor::link::Link;

use crate::store::Save;

/// What is remembered about these words?
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<MemoryHit>, MemoryError>")]
pub struct Recall(pub MemorySearch);

/// Remember this.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), MemoryError>")]
pub struct Keep(pub Memory);

/// Forget this.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), MemoryError>")]
pub struct Forget(pub Memory);

/// Notes and list items of a conversation.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Memory>, MemoryError>")]
pub struct Entries {
    /// The conversation.
    pub conversation: ConversationId,
    /// Who will see them.
    pub audience: Audience,
}

/// Why memory did not serve. The sentence is for the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The member's memory is full.
    #[error("{0} things are remembered already, and no more fit; forget some first")]
    Full(usize),
    /// The store did not serve.
    #[error("{0}")]
    Store(StoreError),
}

/// The memory actor.
pub struct MemoryActor {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    save: Link<Save>,
    limits: Limits,
}

impl std::fmt::Debug for MemoryActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryActor")
    }
}

impl MemoryActor {
    /// A memory over this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, save: Link<Save>, limits: Limits) -> Self {
        Self { store, clock, save, limits }
    }

    fn commit(&self, kind: FactKind, memory: &Memory, write: Write) -> ResponseFuture<Result<(), MemoryError>> {
        let fact = Fact {
            kind,
            who: Some(memory.member),
            subject: memory.id.to_string(),
            detail: String::new(),
            content: Some(Digest::of(memory.text.as_bytes())),
            at: self.clock.wall(),
        };
        let (save, deadline) = (self.save.clone(), self.limits.commit_deadline);
        Box::pin(async move {
            // An ask is on its way when it is made, so it is made in here: nothing is written before it is awaited.
            let saved = save.ask(Save(Commit { writes: vec![write], fact }), deadline);
            saved.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string()))).map_err(MemoryError::Store)
        })
    }
}

/// The read, or an error when it takes longer than its deadline.
pub(crate) async fn within<T>(deadline: Duration, read: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = || Err(StoreError::Unavailable("no answer in time".to_owned()));
    tokio::time::timeout(deadline, read).await.unwrap_or_else(|_| late())
}

// === impl Actor ===

impl Actor for MemoryActor {
    type Context = Context<Self>;
}

impl Handler<Recall> for MemoryActor {
    type Result = ResponseFuture<Result<Vec<MemoryHit>, MemoryError>>;

    fn handle(&mut self, Recall(search): Recall, _: &mut Context<Self>) -> Self::Result {
        let search = MemorySearch { limit: search.limit.min(self.limits.recalled), ..search };
        let (found, deadline) = (self.store.search(search), self.limits.read_deadline);
        Box::pin(async move { within(deadline, found).await.map_err(MemoryError::Store) })
    }
}

impl Handler<Keep> for MemoryActor {
    type Result = ResponseFuture<Result<(), MemoryError>>;

    fn handle(&mut self, Keep(memory): Keep, _: &mut Context<Self>) -> Self::Result {
        let count = within(self.limits.read_deadline, self.store.memory_count(memory.member));
        let written = self.commit(FactKind::Remembered, &memory, Write::Memory(memory.clone()));
        let most = self.limits.memories;
        Box::pin(async move {
            match count.await {
                Ok(count) if count >= most => Err(MemoryError::Full(most)),
                Ok(_) => written.await,
                Err(error) => Err(MemoryError::Store(error)),
            }
        })
    }
}

impl Handler<Forget> for MemoryActor {
    type Result = ResponseFuture<Result<(), MemoryError>>;

    fn handle(&mut self, Forget(memory): Forget, _: &mut Context<Self>) -> Self::Result {
        self.commit(FactKind::Forgotten, &memory, Write::Forget(memory.id))
    }
}

impl Handler<Entries> for MemoryActor {
    type Result = ResponseFuture<Result<Vec<Memory>, MemoryError>>;

    fn handle(&mut self, asked: Entries, _: &mut Context<Self>) -> Self::Result {
        let read = within(self.limits.read_deadline, self.store.entries(asked.conversation, asked.audience));
        Box::pin(async { read.await.map_err(MemoryError::Store) })
    }
}
