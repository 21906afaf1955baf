//! Messages: what a person says, what the house says back, and as whom.

use serde::{Deserialize, Serialize};

use crate::ids::{AnswerId, ConversationId, MemberId, MessageId, TurnId};
use crate::label::Label;
use crate::time::Timestamp;

/// A piece of what was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Part {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    Image {
        /// Its media type, such as `image/png`.
        media_type: String,
        /// The bytes, base64 (RFC 4648, standard alphabet, padded).
        base64: String,
    },
}

/// Whether a letter shows nothing itself and can make others show as what they are not: marks, embeddings, overrides and isolates of
/// the direction of text (UAX #9). Controls are not among them.
#[must_use]
pub const fn hides(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a letter of somebody's text must not be obeyed by what shows it: it [`hides`], or is a control other than newline and tab.
#[must_use]
pub fn is_harmful(letter: char) -> bool {
    !matches!(letter, '\n' | '\t') && (letter.is_control() || hides(letter))
}

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// A member.
    Member(MemberId),
    /// The house itself.
    House,
}

/// Where an incoming message came from: its own id at its channel, by which a repeated hand-over is recognised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The channel's configured name.
    pub channel: String,
    /// The message's id at that channel.
    pub external: String,
}

/// What kind of thing the house says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A member's words.
    Said,
    /// The one logical answer of a turn.
    Answer,
    /// The visible failure that stands in for an answer.
    Failure,
    /// Something the house says by itself: a reminder, a notice.
    Notice,
}

/// One message, as stored: the unit of a conversation's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it was said.
    pub conversation: ConversationId,
    /// Its place in the conversation, from 1, ascending. A channel's cursor counts in these.
    pub seq: u64,
    /// The turn that it began or ended; none for a notice.
    pub turn: Option<TurnId>,
    /// The logical answer that it is, when the house said it.
    pub answer: Option<AnswerId>,
    /// Who said it.
    pub author: Author,
    /// What kind of thing it is.
    pub purpose: Purpose,
    /// Its id at its channel, when a member said it.
    pub origin: Option<Origin>,
    /// The text.
    pub text: String,
    /// Pictures that came with it.
    pub images: Vec<Part>,
    /// Who may learn it and who wrote it.
    pub label: Label,
    /// When.
    pub at: Timestamp,
}
