//! What the house asks of every channel, and the name of the one that is always there.

use std::sync::Arc;

use actix::Message;
use hearth_domain::ids::{ConversationId, TurnId};
use hearth_domain::message::Message as Said;

/// The local channel's name in origins and deliveries.
pub const LOCAL: &str = "local";

/// What the channel is asked to do for its clients.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub enum Hand {
    /// Hand them this.
    Said(Arc<Said>),
    /// Hand them whatever the store has for them there: something may have been missed.
    Again(ConversationId),
}

impl Hand {
    /// Where it was said.
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        match self {
            Self::Said(message) => message.conversation,
            Self::Again(conversation) => *conversation,
        }
    }
}

/// A piece of streamed text, or the word that the pieces so far are void.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Preview {
    /// The conversation.
    pub conversation: ConversationId,
    /// The turn.
    pub turn: TurnId,
    /// The piece; none voids.
    pub text: Option<Arc<str>>,
}
