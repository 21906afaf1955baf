//! The policy actor: every decision upon an effect, in one place, outside every model's context.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Decide`] | [`Decision`] | may this call run? |
//!
//! Permanent; without state, so a restart loses nothing. The decision itself is [`hearth_domain::policy::decide`]; grants and
//! approvals will be kept here. An asker that gets no answer denies.

use actix::{Actor, Handler, Message, MessageResult};
use hearth_domain::policy::{Decision, Question, decide};
use hearth_supervisor::context::Context;

/// May this call run?
#[derive(Debug, Message)]
#[rtype(result = "Decision")]
pub struct Decide(pub Box<Question>);

/// The policy actor.
#[derive(Debug, Default)]
pub struct PolicyActor {}

impl Actor for PolicyActor {
    type Context = Context<Self>;
}

impl Handler<Decide> for PolicyActor {
    type Result = MessageResult<Decide>;

    fn handle(&mut self, Decide(question): Decide, _: &mut Context<Self>) -> Self::Result {
        let decision = decide(&question);
        if let Decision::Deny(refusal) = decision {
            tracing::warn!(call = %question.call, tool = question.tool, member = %question.member.id, %refusal, "denied");
        }
        MessageResult(decision)
    }
}
