//! What a client and the house say to each other about questions that wait, and about what was allowed.

use hearth_domain::budget::Amounts;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a client wants of policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
pub enum PolicyAsk {
    /// What waits for this member's answer?
    Waiting,
    /// An answer, as in a conversation: `/yes CODE`, `/no CODE`, `/always CODE`.
    Reply {
        /// The words.
        text: String,
    },
    /// What was used of budgets today?
    Budget,
    /// What was allowed beforehand?
    Grants,
    /// Takes a grant back.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// What the house says to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum PolicyAnswer {
    /// Questions that wait.
    Waiting {
        /// Them.
        questions: Vec<Waiting>,
    },
    /// What was allowed.
    Grants {
        /// It.
        grants: Vec<Granted>,
    },
    /// What was used today: of everybody for an adult, else of this member.
    Budget {
        /// Of each member.
        members: Vec<Budgeted>,
    },
    /// What became of it.
    Said {
        /// A sentence.
        sentence: String,
    },
}

/// A question that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What it is called by.
    pub code: String,
    /// The card.
    pub text: String,
    /// When it is void.
    pub until: String,
    /// The exact call, for whoever asked for it; none for others, who are shown what it hits.
    pub call: Option<Exact>,
}

/// One exact call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exact {
    /// What is called.
    pub function: String,
    /// With these arguments, every reference replaced.
    pub arguments: Value,
}

/// What a member has used today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgeted {
    /// Their name.
    pub member: String,
    /// Their day, by their time zone.
    pub day: String,
    /// So much.
    pub used: Amounts,
    /// Of that.
    pub cap: Amounts,
    /// So much fits into one turn.
    pub turn: Amounts,
}

/// Something that was allowed beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// Its id.
    pub id: String,
    /// What.
    pub text: String,
}
