//! A provider actor: one model behind a breaker, with bounded attempts and back-off between them.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Attempt`] | `Result<ModelReply, ModelError>` | a completion, after as many attempts as its errors allow |
//!
//! Permanent, one per configured provider. A restart loses the breaker's state and the calls under way; their askers try the next
//! provider or learn the failure. Each call has its span. Limits: `model_attempts`, `model_backoff`, `model_deadline`, `breaker_*`.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::{Actor, Handler, Message, ResponseFuture};
use hearth_domain::breaker::{Breaker, wait_before_next};
use hearth_domain::budget::Amounts;
use hearth_domain::budget::estimate::{about, of_request};
use hearth_domain::limits::Limits;
use hearth_domain::meter::Meter;
use hearth_domain::model::{DeltaSink, Model, ModelError, ModelReply, ModelRequest};
use hearth_domain::time::Clock;
use hearth_supervisor::context::Context;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use tracing::{Instrument as _, Span};

use crate::budget::Purse;
use crate::leash::Leash;
use crate::ports::Ports;

/// Shows a piece of text, or with `None` voids the pieces so far.
pub type PreviewSink = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// Complete this, here.
#[derive(Message)]
#[rtype(result = "Result<ModelReply, ModelError>")]
pub struct Attempt {
    /// The request.
    pub request: Arc<ModelRequest>,
    /// Where pieces of text go.
    pub preview: PreviewSink,
    /// Ends the attempt when its asker is gone.
    pub leash: Leash,
    /// The turn that it belongs to, for the log.
    pub span: Span,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempt")
    }
}

/// The provider actor.
pub struct ProviderActor {
    model: Arc<dyn Model>,
    clock: Arc<dyn Clock>,
    meter: Arc<dyn Meter>,
    /// None for the house's own words, which take nothing.
    purse: Option<Purse>,
    limits: Limits,
    // Shared with the attempts under way; all on this thread.
    breaker: Rc<RefCell<Breaker>>,
    chance: Rc<RefCell<ChaCha8Rng>>,
}

impl std::fmt::Debug for ProviderActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderActor").field("model", &self.model.name()).finish_non_exhaustive()
    }
}

impl ProviderActor {
    /// A provider with a closed breaker. Each of its attempts is on the budget of whoever is charged, where there is a purse.
    #[must_use]
    pub fn new(model: Arc<dyn Model>, ports: &Ports, purse: Option<Purse>, limits: Limits) -> Self {
        let breaker = Breaker::new(limits.breaker_failures, limits.breaker_rest);
        let chance = ports.seed.child("provider").child(model.name()).rng();
        let (clock, meter) = (Arc::clone(&ports.clock), Arc::clone(&ports.meter));
        Self { model, clock, meter, purse, limits, breaker: Rc::new(RefCell::new(breaker)), chance: Rc::new(RefCell::new(chance)) }
    }
}

/// What the attempts of one call share.
struct Attempts {
    model: Arc<dyn Model>,
    purse: Option<Purse>,
    limits: Limits,
    chance: Rc<RefCell<ChaCha8Rng>>,
    preview: PreviewSink,
}

impl Attempts {
    async fn run(self, request: Arc<ModelRequest>) -> Result<ModelReply, ModelError> {
        let mut attempt = 1;
        loop {
            let error = match self.once(Arc::clone(&request)).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            // Whatever was shown of this attempt is void.
            (self.preview)(None);
            let chance = self.chance.borrow_mut().random();
            let Some(wait) = wait_before_next(&error, attempt, self.limits.model_attempts, self.limits.model_backoff, chance) else {
                return Err(error);
            };
            tracing::info!(provider = self.model.name(), attempt, %error, wait_ms = wait.as_millis(), "trying again");
            tokio::time::sleep(wait).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// One attempt, and what it takes of the budget: what the provider says. Where it says nothing, what was sent and came is estimated.
    async fn once(&self, request: Arc<ModelRequest>) -> Result<ModelReply, ModelError> {
        let (preview, came) = (Arc::clone(&self.preview), Arc::new(AtomicU64::new(0)));
        let Some(purse) = &self.purse else {
            return self.model.complete(request, Arc::new(move |piece: &str| preview(Some(piece)))).await;
        };
        let (most, input) = of_request(&request, |input, output| self.model.costs_at_most(input, output));
        let (model, streamed) = (Arc::clone(&self.model), Arc::clone(&came));
        let estimate = move |least: u64| {
            let output = about(streamed.load(Ordering::Relaxed).max(least));
            Amounts { tokens: input.saturating_add(output), cost_micro_usd: model.costs_at_most(input, output), ..Amounts::default() }
        };
        let unheard = estimate.clone();
        let reserved = purse.reserve(request.charge, most, move || unheard(0)).await?;
        let deltas: DeltaSink = Arc::new(move |piece: &str| {
            came.fetch_add(piece.len() as u64, Ordering::Relaxed);
            preview(Some(piece));
        });
        let result = self.model.complete(request, deltas).await;
        reserved.took(match &result {
            Ok(reply) if reply.usage.input_tokens.saturating_add(reply.usage.output_tokens) > 0 => reply.usage.into(),
            Ok(reply) => estimate(reply.text.len() as u64),
            Err(ModelError::Timeout(_) | ModelError::Cut | ModelError::Garbled(_)) => estimate(0),
            Err(_) => Amounts::default(),
        });
        result
    }
}

/// A call that the breaker has admitted. Whatever becomes of it, a panic too, the breaker hears of it.
struct Trial {
    breaker: Rc<RefCell<Breaker>>,
    clock: Arc<dyn Clock>,
}

impl Trial {
    fn ended(self, error: Option<&ModelError>) {
        self.breaker.borrow_mut().ended(self.clock.mono(), error);
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // Says nothing new when the call has ended.
        if let Ok(mut breaker) = self.breaker.try_borrow_mut() {
            breaker.abandoned(self.clock.mono());
        }
    }
}

// === impl Actor ===

impl Actor for ProviderActor {
    type Context = Context<Self>;
}

impl Handler<Attempt> for ProviderActor {
    type Result = ResponseFuture<Result<ModelReply, ModelError>>;

    fn handle(&mut self, Attempt { request, preview, leash, span }: Attempt, _: &mut Context<Self>) -> Self::Result {
        if !self.breaker.borrow_mut().admit(self.clock.mono()) {
            return Box::pin(async { Err(ModelError::Resting) });
        }
        let (model, purse) = (Arc::clone(&self.model), self.purse.clone());
        let attempts = Attempts { model, purse, limits: self.limits.clone(), chance: Rc::clone(&self.chance), preview };
        let (breaker, clock, deadline) = (Rc::clone(&self.breaker), Arc::clone(&self.clock), self.limits.model_deadline);
        let (meter, name) = (Arc::clone(&self.meter), self.model.name().to_owned());
        let span = tracing::info_span!(parent: &span, "provider", name = self.model.name());
        let attempt = async move {
            let timed = tokio::time::timeout(deadline, attempts.run(request));
            let trial = Trial { breaker, clock };
            match leash.hold(timed).await {
                None => Err(ModelError::NobodyLeft),
                Some(result) => {
                    let result = result.unwrap_or(Err(ModelError::Timeout(deadline)));
                    trial.ended(result.as_ref().err());
                    if let Ok(reply) = &result {
                        meter.used(&name, &reply.usage);
                    }
                    result
                }
            }
        };
        Box::pin(attempt.instrument(span))
    }
}
