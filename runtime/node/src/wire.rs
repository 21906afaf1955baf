//! The language of the local socket: what a client and the house say to each other.
//!
//! A frame is a big-endian `u32` length and that many bytes of JSON, at most [`FRAME_MAX`]. The client speaks first
//! ([`ClientFrame::Hello`]); a version that the house does not speak is refused with a sentence. Text that is not UTF-8 or not a
//! frame is answered with [`HouseFrame::Error`] and the connection goes on, unless the length itself is wrong.

use bytes::{Bytes, BytesMut};
use hearth_domain::ids::{AnswerId, MessageId, TurnId};
use hearth_domain::message::{Author, Message, Part, Purpose};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_util::codec::LengthDelimitedCodec;

use audit::{AuditAnswer, AuditAsk};
use policy::{PolicyAnswer, PolicyAsk};
use sessions::{SessionAnswer, SessionAsk};
use tools::{ToolAnswer, ToolAsk};

pub mod audit;
pub mod policy;
use household::{HouseholdAnswer, HouseholdAsk};

pub mod household;
pub mod sessions;
pub mod tools;

/// The version of this language.
pub const VERSION: u32 = 1;
/// Bytes of one frame: a message at its limit with its pictures, and room for the rest.
pub const FRAME_MAX: usize = 5 * 1024 * 1024;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientFrame {
    /// First of all.
    Hello {
        /// [`VERSION`].
        version: u32,
    },
    /// Wants a conversation: everything after the cursor, then what is said.
    Open {
        /// As whom; none for the owner.
        member: Option<String>,
        /// The thread; empty for the main conversation.
        #[serde(default)]
        thread: String,
        /// The last `seq` that the client has; none for the newest messages.
        cursor: Option<u64>,
    },
    /// Says something in the open conversation.
    Say {
        /// The client's own id of the message; the same one again is accepted once.
        nonce: String,
        /// The text.
        text: String,
        /// Pictures.
        #[serde(default)]
        images: Vec<Part>,
    },
    /// Stops the turn that runs in the open conversation.
    Stop,
    /// Has shown everything up to there.
    Seen {
        /// The `seq`, inclusive.
        upto: u64,
    },
    /// Has shown this one message and perhaps none before it: confirmed when nothing that the house said before it still waits for that.
    SeenOnly {
        /// Its `seq`.
        seq: u64,
    },
    /// Wants a sign of life: frames are taken in order, so everything before it has been taken.
    Ping,
    /// Wants the tree.
    Tree,
    /// Wants the state of the house.
    Status,
    /// Wants the journal checked.
    Verify,
    /// Wants a login link for the page.
    Login {
        /// For whom; none for the owner.
        member: Option<String>,
        /// What they call the device.
        #[serde(default)]
        device: Option<String>,
    },
    /// Wants something of sessions at the page.
    Session {
        /// Who; none for the owner.
        member: Option<String>,
        /// What.
        ask: SessionAsk,
    },
    /// Wants something of the toolbox.
    Tool {
        /// Who; none for the owner.
        member: Option<String>,
        /// What.
        ask: ToolAsk,
    },
    /// Wants something of policy.
    Policy {
        /// Who; none for the owner.
        member: Option<String>,
        /// What.
        ask: PolicyAsk,
    },
    /// Wants something of the journal.
    Audit {
        /// Who; none for the owner.
        member: Option<String>,
        /// What.
        ask: AuditAsk,
    },
    /// Wants something of the household.
    Household {
        /// Who; none for the owner.
        member: Option<String>,
        /// What.
        ask: HouseholdAsk,
    },
}

/// What the house says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HouseFrame {
    /// Answers `Hello`.
    Welcome {
        /// [`VERSION`].
        version: u32,
        /// The house's own version.
        house: String,
    },
    /// Answers `Open`.
    Opened {
        /// The member's name.
        member: String,
    },
    /// Answers `Say`: it is durable and will be answered.
    Accepted {
        /// The client's id.
        nonce: String,
        /// The message.
        message: MessageId,
        /// Its turn.
        turn: TurnId,
        /// The answer to come.
        answer: AnswerId,
        /// The message's place.
        seq: u64,
    },
    /// Answers `Say`: it is not accepted.
    Refused {
        /// The client's id.
        nonce: String,
        /// Why, and what to do.
        error: String,
        /// Whether the same message may be accepted later.
        again: bool,
    },
    /// A message of the conversation, once, in order.
    Message(Said),
    /// A piece of an answer that is being written.
    Delta {
        /// The turn.
        turn: TurnId,
        /// The piece.
        text: String,
    },
    /// The pieces so far are void.
    Reset {
        /// The turn.
        turn: TurnId,
    },
    /// Everything that was there has been sent.
    CaughtUp,
    /// The open conversation's stream has ended; open it again with the cursor.
    Gone,
    /// Answers `Stop`.
    Stopped {
        /// Whether a turn ran.
        ran: bool,
    },
    /// Answers `Ping`.
    Pong,
    /// Answers `Tree`.
    Tree {
        /// The root.
        tree: serde_json::Value,
        /// Who stopped the house and when, as a sentence, while it is stopped.
        stopped: Option<String>,
    },
    /// Answers `Status`.
    Status {
        /// See [`crate::served::Served::status`].
        status: serde_json::Value,
    },
    /// Answers `Verify`.
    Verified {
        /// Entries of the journal.
        entries: u64,
        /// The digest of the last one.
        head: String,
        /// How far the vault vouches for it.
        attested: Vouched,
    },
    /// Answers `Login`.
    Login {
        /// The link, good once and for a few minutes.
        link: String,
    },
    /// Answers `Tool`.
    Tool {
        /// What the toolbox says.
        answer: ToolAnswer,
    },
    /// Answers `Policy`.
    Policy {
        /// What policy says.
        answer: PolicyAnswer,
    },
    /// Answers `Audit`.
    Audit {
        /// What the journal says.
        answer: AuditAnswer,
    },
    /// Answers `Household`.
    Household {
        /// What the household says.
        answer: HouseholdAnswer,
    },
    /// Answers `Session`.
    Session {
        /// What there is of sessions.
        answer: SessionAnswer,
    },
    /// Something was wrong with a frame, or cannot be served.
    Error {
        /// What, and what to do.
        error: String,
    },
}

/// How far the vault vouches for the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "vouched", rename_all = "snake_case")]
pub enum Vouched {
    /// Up to this entry: what was cut off at or before it would be noticed, what came after it not.
    Upto {
        /// Its place.
        entry: u64,
        /// When it was attested, RFC 3339.
        at: String,
    },
    /// Nothing was attested yet.
    Never,
    /// It could not be asked.
    Unknown {
        /// Why.
        why: String,
    },
}

/// A message as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Its place in the conversation.
    pub seq: u64,
    /// Its id.
    pub id: MessageId,
    /// Whether the house said it.
    pub house: bool,
    /// What kind of thing it is.
    pub purpose: Purpose,
    /// The turn.
    pub turn: Option<TurnId>,
    /// The logical answer that it is.
    pub answer: Option<AnswerId>,
    /// The text.
    pub text: String,
    /// When, RFC 3339.
    pub at: String,
}

impl From<&Message> for Said {
    fn from(message: &Message) -> Self {
        Self {
            seq: message.seq,
            id: message.id,
            house: message.author == Author::House,
            purpose: message.purpose,
            turn: message.turn,
            answer: message.answer,
            text: message.text.clone(),
            at: message.at.to_string(),
        }
    }
}

/// A frame of a client that the house would not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooBig {
    what: &'static str,
    bytes: usize,
}

impl TooBig {
    /// What of the frame is too big, when its bytes do not fit.
    const fn of(frame: &ClientFrame, bytes: usize) -> Option<Self> {
        if bytes <= FRAME_MAX {
            return None;
        }
        let what = match frame {
            ClientFrame::Say { images, .. } if images.is_empty() => "the text",
            ClientFrame::Say { .. } => "the message with its pictures",
            ClientFrame::Hello { .. }
            | ClientFrame::Open { .. }
            | ClientFrame::Stop
            | ClientFrame::Seen { .. }
            | ClientFrame::SeenOnly { .. }
            | ClientFrame::Ping
            | ClientFrame::Tree
            | ClientFrame::Status
            | ClientFrame::Verify
            | ClientFrame::Household { .. }
            | ClientFrame::Policy { .. }
            | ClientFrame::Audit { .. }
            | ClientFrame::Session { .. }
            | ClientFrame::Login { .. } => "what is asked",
            ClientFrame::Tool { .. } => "what the tool is to be given",
        };
        Some(Self { what, bytes })
    }
}

impl std::fmt::Display for TooBig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, bytes } = self;
        write!(f, "{what} has {bytes} bytes as it is sent, more than the {FRAME_MAX} that fit; make it smaller or send it in parts")
    }
}

impl std::error::Error for TooBig {}

/// A client's frame as bytes; [`TooBig`] when the house would not take it.
pub fn encode_for_house(frame: &ClientFrame) -> anyhow::Result<Bytes> {
    let bytes = encode(frame)?;
    TooBig::of(frame, bytes.len()).map_or(Ok(bytes), |too_big| Err(too_big.into()))
}

/// How frames are cut.
#[must_use]
pub fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(FRAME_MAX).new_codec()
}

/// A frame as bytes.
pub fn encode<T: Serialize>(frame: &T) -> Result<Bytes, serde_json::Error> {
    serde_json::to_vec(frame).map(Bytes::from)
}

/// Bytes as a frame; what is wrong, in a sentence, when they are not one.
pub fn decode<T: DeserializeOwned>(bytes: &BytesMut) -> Result<T, String> {
    if std::str::from_utf8(bytes).is_err() {
        return Err("this frame is not UTF-8 text; send JSON in UTF-8".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|error| format!("this frame is not understood ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_back_from_what_they_become() {
        let frame = ClientFrame::Say { nonce: "1".into(), text: "hi".into(), images: Vec::new() };
        let bytes = BytesMut::from(&encode(&frame).unwrap()[..]);
        assert_eq!(decode::<ClientFrame>(&bytes), Ok(frame));
    }

    #[test]
    fn what_is_no_frame_is_told_in_a_sentence() {
        assert!(decode::<ClientFrame>(&BytesMut::from(&b"\xff\xfe"[..])).unwrap_err().contains("UTF-8"));
        assert!(decode::<ClientFrame>(&BytesMut::from(&b"{\"type\":\"fly\"}"[..])).unwrap_err().contains("fly"));
    }
}
