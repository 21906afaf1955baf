//! The chain of models: asks each provider in order until one answers.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Complete`] | `Result<ModelReply, ModelError>` | one completion, from the first provider that gives one |
//!
//! Permanent; without state. House commands are the first provider (when they are to answer first) and the last one (which always
//! answers); in between stand the configured ones, each an actor of its own ([`crate::provider`]). A summary skips the house's own.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Handler, Message, ResponseFuture};
use hearth_domain::limits::Limits;
use hearth_domain::model::{ModelError, ModelReply, ModelRequest};
use hearth_supervisor::context::Context;
use hearth_supervisor::link::Link;
use tracing::{Instrument as _, Span};

use crate::leash::{Leash, leash};
use crate::provider::{Attempt, PreviewSink};

/// What a completion is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The next step of a turn.
    Turn,
    /// Summing up.
    Summary,
}

/// Complete this.
#[derive(Message)]
#[rtype(result = "Result<ModelReply, ModelError>")]
pub struct Complete {
    /// The request.
    pub request: Arc<ModelRequest>,
    /// What for.
    pub purpose: Purpose,
    /// Where pieces of text go.
    pub preview: PreviewSink,
    /// Ends the call when its asker is gone.
    pub leash: Leash,
    /// The turn that it belongs to, for the log.
    pub span: Span,
}

impl std::fmt::Debug for Complete {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Complete").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

/// A provider in the chain.
#[derive(Debug, Clone)]
pub struct Rung {
    /// Its configured name.
    pub name: String,
    /// Whether it is the house's own interpreter.
    pub house: bool,
    /// Where to ask.
    pub attempt: Link<Attempt>,
}

/// The chain actor.
#[derive(Debug)]
pub struct ModelsActor {
    rungs: Arc<Vec<Rung>>,
    deadline: Duration,
}

impl ModelsActor {
    /// A chain of these providers.
    #[must_use]
    pub fn new(rungs: Vec<Rung>, limits: &Limits) -> Self {
        // An attempt is bounded by its provider; this is for a provider's actor that does not answer at all.
        Self { rungs: Arc::new(rungs), deadline: limits.model_deadline.saturating_add(limits.ask_deadline) }
    }
}

async fn climb(
    rungs: Arc<Vec<Rung>>,
    deadline: Duration,
    request: Arc<ModelRequest>,
    purpose: Purpose,
    preview: PreviewSink,
) -> Result<ModelReply, ModelError> {
    let mut last = ModelError::NobodyLeft;
    for rung in rungs.iter().filter(|rung| purpose == Purpose::Turn || !rung.house) {
        // Held while the attempt is awaited: dropped with this future, it ends the attempt.
        let (tether, leash) = leash();
        let attempt = Attempt { request: Arc::clone(&request), preview: Arc::clone(&preview), leash, span: Span::current() };
        let result = rung.attempt.ask(attempt, deadline).await.unwrap_or_else(|error| Err(ModelError::Unavailable(error.to_string())));
        drop(tether);
        match result {
            Ok(reply) => return Ok(reply),
            Err(ModelError::NotACommand) => {}
            Err(error) => {
                tracing::warn!(provider = rung.name, %error, "no completion; asking the next provider");
                last = error;
            }
        }
    }
    Err(last)
}

// === impl Actor ===

impl Actor for ModelsActor {
    type Context = Context<Self>;
}

impl Handler<Complete> for ModelsActor {
    type Result = ResponseFuture<Result<ModelReply, ModelError>>;

    fn handle(&mut self, complete: Complete, _: &mut Context<Self>) -> Self::Result {
        let Complete { request, purpose, preview, leash, span } = complete;
        let climbing = climb(Arc::clone(&self.rungs), self.deadline, request, purpose, preview);
        Box::pin(async move { leash.hold(climbing).await.unwrap_or(Err(ModelError::NobodyLeft)) }.instrument(span))
    }
}
