//! The tools actor: every call goes through here, to the house's own tools or to the tool port.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Call`] | `Result<ToolOutput, ToolError>` | runs an authorised call, within its deadline |
//!
//! Permanent; without state. A restart loses the calls under way, whose askers learn `Lost`. Sandboxed tools will get an actor each
//! beneath the same supervisor; this one stays the door. A call ends when its leash does.

use std::sync::Arc;

use actix::{Actor, Handler, Message, ResponseFuture};
use hearth_domain::tool::{Invocation, ToolError, ToolOutput, Tools};
use hearth_supervisor::context::Context;
use tracing::{Instrument as _, Span};

use crate::house_tools::HouseTools;
use crate::leash::Leash;

/// Run this call.
#[derive(Debug, Message)]
#[rtype(result = "Result<ToolOutput, ToolError>")]
pub struct Call {
    /// What to run.
    pub invocation: Box<Invocation>,
    /// Ends the call when its asker is gone.
    pub leash: Leash,
    /// The turn that it belongs to, for the log.
    pub span: Span,
}

/// The tools actor.
pub struct ToolsActor {
    house: HouseTools,
    others: Arc<dyn Tools>,
}

impl std::fmt::Debug for ToolsActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ToolsActor")
    }
}

impl ToolsActor {
    /// The house's own tools, and others.
    #[must_use]
    pub fn new(house: HouseTools, others: Arc<dyn Tools>) -> Self {
        Self { house, others }
    }
}

impl Actor for ToolsActor {
    type Context = Context<Self>;
}

impl Handler<Call> for ToolsActor {
    type Result = ResponseFuture<Result<ToolOutput, ToolError>>;

    fn handle(&mut self, Call { invocation, leash, span }: Call, _: &mut Context<Self>) -> Self::Result {
        let deadline = invocation.deadline;
        let span = tracing::info_span!(parent: &span, "tool", call = %invocation.id, name = invocation.name);
        let work: ResponseFuture<_> = if HouseTools::knows(&invocation.name) {
            Box::pin(self.house.clone().call(*invocation))
        } else {
            self.others.call(*invocation)
        };
        let call = async move {
            match leash.hold(tokio::time::timeout(deadline, work)).await {
                None => Err(ToolError::Stopped),
                Some(ended) => ended.unwrap_or(Err(ToolError::TimedOut)),
            }
        };
        Box::pin(call.instrument(span))
    }
}
