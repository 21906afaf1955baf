//! Channels: what a transport tells the house and is told by it. A transport speaks one platform's language and decides nothing.
//!
//! ```text
//! transport ─▶ Heard (came, presence, ready, message, gone) ─▶ channel actor ─▶ household, conversation
//! transport ◀─ Post (to a person or a room, under a stable id) ◀─ channel actor ◀─ outbox
//! ```
//!
//! A transport is believed as to which account spoke and who is in a room, and in nothing else. What it calls an account is the platform's
//! own stable id; names that people give themselves are not even passed on.
//!
//! Times are the platform's: when something was written is compared with when somebody came, and with nothing else, so that both have to be
//! of one clock, whatever that shows. A transport whose platform tells no times says when it heard of each thing.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::approval::reply::offered;
use crate::household::identity::Platform;
use crate::ids::AnswerId;
use crate::label::Integrity;
use crate::message::{Message, Purpose};
use crate::time::Timestamp;

/// Answers of a [`Transport`].
pub type TransportFuture<T> = BoxFuture<'static, T>;

/// What a transport tells, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The other side is there. What happened before may have been missed.
    Came {
        /// When, by the platform's clock.
        at: Timestamp,
    },
    /// It has said who is where, and takes what the house has to say.
    Ready,
    /// It is gone.
    Gone,
    /// Somebody said something.
    Message(Incoming),
    /// Somebody came to a room or went.
    Presence {
        /// The platform's id of the room.
        room: String,
        /// What happened.
        event: Attendance,
        /// When, by the platform's clock.
        at: Timestamp,
    },
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The platform's id of the message: the same message again has the same one.
    pub id: String,
    /// The platform's stable id of the account that sent it.
    pub from: String,
    /// The room; none in private.
    pub room: Option<String>,
    /// The text.
    pub text: String,
    /// When it was written, by the platform's clock and never by the sender's. It may have waited since.
    pub written: Timestamp,
}

/// What happened in a room, by accounts; the house's own is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Attendance {
    /// Somebody came.
    Joined(String),
    /// Somebody went.
    Left(String),
    /// These are there.
    Snapshot {
        /// The accounts.
        accounts: BTreeSet<String>,
        /// Whether they are all.
        complete: bool,
    },
    /// Events may have been missed.
    Missed,
    /// The house itself was put out of it.
    Closed,
}

/// What became of a message that a transport told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// It is dealt with, durably where it is answered: it need not be told again.
    Taken,
    /// Not now; told again later, it may be.
    Again(String),
}

/// Where something is said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// To an account alone.
    Account(String),
    /// Into a room.
    Room(String),
}

/// Something to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Its id: the same thing again has the same one, and is not said twice.
    pub delivery: AnswerId,
    /// Where.
    pub to: To,
    /// The text.
    pub text: String,
    /// For a question, everything that it can be answered with, word for word: what a platform draws as buttons. Empty for anything else.
    pub answers: Vec<String>,
}

/// What became of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// It is there, now or since before.
    Sent,
    /// It is not, and may be later.
    NotNow,
    /// It is not and will not be: no such account, or the platform refuses it.
    Refused,
    /// Whether it is there is not known, and it may not be said again.
    Unknown,
    /// Nobody is there who could say it.
    Away,
}

/// A way to other people's platforms.
pub trait Transport: Send + Sync + std::fmt::Debug {
    /// The channel's configured name.
    fn name(&self) -> &str;

    /// What accounts look like there.
    fn platform(&self) -> Platform;

    /// Begins anew: whoever is connected is cut off, and nothing that was told before is told by [`Transport::next`]. A channel actor that
    /// was restarted knows nothing of it, and was not told what it did not acknowledge.
    fn begin(&self);

    /// The next thing. One asker at a time.
    fn next(&self) -> TransportFuture<Heard>;

    /// Says what became of the message of that id. May be lost; the message is then told again.
    fn receipt(&self, id: &str, receipt: Receipt);

    /// Says something. Answered at the latest when the other side is gone.
    fn post(&self, post: Post) -> TransportFuture<Posted>;
}

/// What a message can be answered with: for a question of the house itself.
#[must_use]
pub fn answers(message: &Message) -> Vec<String> {
    if message.purpose == Purpose::Notice && message.label.integrity == Integrity::House { offered(&message.text) } else { Vec::new() }
}
