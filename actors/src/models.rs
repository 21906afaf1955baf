//! The chain of models: asks each provider in order until one answers.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Complete`] | `Result<ModelReply, ModelError>` | one completion, from the first provider that gives one |
//!
//! Permanent; without state. House commands are the first provider (when they are to answer first) and the last one (which always
//! answers); in between stand the configured ones, each an actor of its own ([`crate::provider`]). A summary skips the house's own.
//! What goes to a provider that is not the house's own, and what comes back, is looked through for secrets ([`crate::guard`]); a piece
//! of text that is shown while it comes has been looked through by the vault, as bytes, and is void when the guard finds something.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Handler, Message, ResponseFuture};
use hearth_domain::house::no_model_note;
use hearth_domain::limits::Limits;
use hearth_domain::model::{ModelError, ModelReply, ModelRequest};
use hearth_supervisor::context::Context;
use hearth_supervisor::link::Link;
use tracing::{Instrument as _, Span};

use crate::guard::Guard;
use crate::leash::{Leash, leash};
use crate::provider::{Attempt, PreviewSink};

/// What a completion is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The next step of a turn.
    Turn,
    /// A question about one value: with no tools, no memory and no preview.
    Reading,
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
    guard: Guard,
    deadline: Duration,
}

impl ModelsActor {
    /// A chain of these providers.
    #[must_use]
    pub fn new(rungs: Vec<Rung>, guard: Guard, limits: &Limits) -> Self {
        // An attempt is bounded by its provider; this is for a provider's actor that does not answer at all.
        Self { rungs: Arc::new(rungs), guard, deadline: limits.model_deadline.saturating_add(limits.ask_deadline) }
    }
}

/// What one completion carries from provider to provider.
struct Climb {
    rungs: Arc<Vec<Rung>>,
    guard: Guard,
    deadline: Duration,
    request: Arc<ModelRequest>,
    preview: PreviewSink,
}

impl Climb {
    async fn run(self, purpose: Purpose) -> Result<ModelReply, ModelError> {
        let (mut last, mut spent) = (ModelError::NobodyLeft, None);
        let mut keyless: Option<String> = None;
        for rung in self.rungs.iter().filter(|rung| purpose == Purpose::Turn || !rung.house) {
            // The house does not say that nobody answers where nobody was asked.
            if let Some(refused) = spent.filter(|_| rung.house) {
                return Err(ModelError::Spent(refused));
            }
            let result = if rung.house { self.attempt(rung, Arc::clone(&self.request)).await } else { self.guarded(rung).await };
            match result {
                Ok(mut reply) => {
                    if let Some(why) = keyless.filter(|_| rung.house && reply.text.ends_with(no_model_note())) {
                        reply.text.push_str(&why);
                        (self.preview)(Some(&why));
                    }
                    return Ok(reply);
                }
                Err(ModelError::NotACommand) => {}
                // Another one may cost less.
                Err(ModelError::Spent(refused)) => spent = Some(refused),
                Err(error) => {
                    // Nothing but its owner's doing changes that, so its owner is told.
                    if let ModelError::NoKey(sentence) = &error {
                        keyless = Some(format!("\n\n{}: {sentence}", rung.name));
                    }
                    tracing::warn!(provider = rung.name, %error, "no completion; asking the next provider");
                    last = error;
                }
            }
        }
        Err(spent.map_or(last, ModelError::Spent))
    }

    /// An attempt at a provider that must not learn a secret, nor tell one.
    async fn guarded(&self, rung: &Rung) -> Result<ModelReply, ModelError> {
        let mut request = Arc::clone(&self.request);
        if self.guard.watches() {
            self.guard.cover_request(Arc::make_mut(&mut request)).await?;
        }
        let mut reply = self.attempt(rung, request).await?;
        let covered = self.guard.cover_reply(&mut reply).await;
        if !matches!(covered, Ok(false)) {
            (self.preview)(None);
        }
        covered.map(|_| reply)
    }

    async fn attempt(&self, rung: &Rung, request: Arc<ModelRequest>) -> Result<ModelReply, ModelError> {
        // Held while the attempt is awaited: dropped with this future, it ends the attempt.
        let (tether, leash) = leash();
        let attempt = Attempt { request, preview: Arc::clone(&self.preview), leash, span: Span::current() };
        let asked = rung.attempt.ask(attempt, self.deadline).await;
        drop(tether);
        asked.unwrap_or_else(|error| Err(ModelError::Unavailable(error.to_string())))
    }
}

// === impl Actor ===

impl Actor for ModelsActor {
    type Context = Context<Self>;
}

impl Handler<Complete> for ModelsActor {
    type Result = ResponseFuture<Result<ModelReply, ModelError>>;

    fn handle(&mut self, complete: Complete, _: &mut Context<Self>) -> Self::Result {
        let Complete { request, purpose, preview, leash, span } = complete;
        let (rungs, guard) = (Arc::clone(&self.rungs), self.guard.clone());
        let climbing = Climb { rungs, guard, deadline: self.deadline, request, preview }.run(purpose);
        Box::pin(async move { leash.hold(climbing).await.unwrap_or(Err(ModelError::NobodyLeft)) }.instrument(span))
    }
}
