//! What a client and the house say to each other about the household.

use hearth_domain::household::Role;
use serde::{Deserialize, Serialize};

/// Somebody new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// IANA time zone; that of the one who asks when it is not given.
    pub zone: Option<String>,
    /// The grown-ups of a child or teen.
    #[serde(default)]
    pub guardians: Vec<String>,
}

/// What a client wants of the household.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "household", rename_all = "snake_case", deny_unknown_fields)]
pub enum HouseholdAsk {
    /// Who is it that asks, as the household knows them? Answered with [`HouseholdAnswer::Done`].
    Who,
    /// Who is here, by which accounts, and who waits?
    List,
    /// Somebody new.
    Add(New),
    /// Another role.
    Role {
        /// Whose.
        name: String,
        /// Which.
        role: Role,
        /// The grown-ups of a child or teen.
        #[serde(default)]
        guardians: Vec<String>,
    },
    /// Nobody any more.
    Remove {
        /// Who.
        name: String,
    },
    /// The sender of a code is somebody new.
    PairNew {
        /// The code.
        code: String,
        /// Who.
        new: New,
    },
    /// The sender of a code is somebody who is here.
    PairWith {
        /// The code.
        code: String,
        /// Who.
        name: String,
    },
    /// The sender of a code stays unknown.
    Deny {
        /// The code.
        code: String,
    },
    /// An account lets nobody in any more.
    Unlink {
        /// Its id, or channel and account: `telegram/912345678`.
        account: String,
    },
    /// The house may speak in a group.
    Admit {
        /// Its id, or channel and room: `signal/…`.
        group: String,
    },
    /// The house may not speak in a group any more.
    Dismiss {
        /// The same.
        group: String,
    },
    /// Open a child's private conversations to the one who asks.
    BreakGlass {
        /// Whose.
        name: String,
        /// Why: the child reads it.
        reason: String,
    },
    /// Read them.
    ReadGlass {
        /// Whose.
        name: String,
    },
}

/// What the house says to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum HouseholdAnswer {
    /// It is done.
    Done {
        /// Whom it concerns: an id.
        member: String,
        /// What became of a removed member's secrets, as a sentence; none where they had none, and for any other change.
        secrets: Option<String>,
    },
    /// A child's private conversations are open to the one who asked.
    Opened {
        /// Until when, in their zone.
        until: String,
    },
    /// What was said in them: oldest conversation first, of each the newest messages.
    Read {
        /// Each.
        conversations: Vec<ShownConversation>,
    },
    /// Who is here.
    Listing {
        /// In the order of their ids.
        members: Vec<ShownMember>,
        /// Oldest first.
        waiting: Vec<ShownWaiting>,
        /// Names in the configuration of those who were removed.
        away: Vec<String>,
        /// The groups that channels told of, by channel and room.
        #[serde(default)]
        groups: Vec<ShownGroup>,
    },
}

/// A conversation of a child, for the grown-up to whom it is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownConversation {
    /// The thread's name; empty for the main one.
    pub thread: String,
    /// What was said, oldest first.
    pub said: Vec<ShownSaid>,
}

/// A message of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownSaid {
    /// When, in the reader's zone.
    pub at: String,
    /// Whether the house said it.
    pub house: bool,
    /// The text.
    pub text: String,
}

/// A group, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownGroup {
    /// The id.
    pub id: String,
    /// `channel/room`.
    pub group: String,
    /// Who let the house speak there, by name.
    pub admitted: Option<String>,
    /// Members who are there, by name.
    pub members: Vec<String>,
    /// How many are there who are nobody's.
    pub strangers: usize,
    /// Whether its channel knows everybody who is there.
    pub complete: bool,
}

/// A member, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownMember {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The time zone.
    pub zone: String,
    /// The grown-ups of a child or teen, by name.
    pub guardians: Vec<String>,
    /// Whether the configuration stands for the role, and not a member's word.
    pub configured: bool,
    /// The accounts.
    pub accounts: Vec<ShownAccount>,
}

/// An account, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownAccount {
    /// The id.
    pub id: String,
    /// `channel/account`.
    pub account: String,
}

/// Somebody who was shown a code and waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownWaiting {
    /// `channel/account`.
    pub account: String,
    /// Until when the code works, RFC 3339.
    pub until: String,
}
