//! What a client and the house say to each other about sessions at the page.

use serde::{Deserialize, Serialize};

/// What a client wants of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "session", rename_all = "snake_case", deny_unknown_fields)]
pub enum SessionAsk {
    /// Which are there?
    List {
        /// Of whom, by name; of all that the one who asks may see when it is not given.
        of: Option<String>,
    },
    /// End one.
    Revoke {
        /// Its id.
        id: String,
    },
    /// End all of one member.
    RevokeAll {
        /// Of whom, by name; of the one who asks when it is not given.
        of: Option<String>,
    },
}

/// What the house says to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum SessionAnswer {
    /// Those that are there, the oldest of each member first.
    Listed {
        /// Each.
        sessions: Vec<ShownSession>,
    },
    /// They have ended.
    Ended {
        /// How many.
        count: usize,
    },
}

/// A session, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownSession {
    /// The id.
    pub id: String,
    /// Whose, by name.
    pub member: String,
    /// The device.
    pub device: String,
    /// When it began, RFC 3339.
    pub at: String,
    /// When it was used last, to the hour, RFC 3339.
    pub seen: String,
    /// When it ends by itself, RFC 3339; earlier when nobody uses it.
    pub until: String,
}
