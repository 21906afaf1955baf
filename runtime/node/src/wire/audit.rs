//! What a client and the house say to each other about the journal, and about why something was said.

use hearth_domain::why::Why;
use serde::{Deserialize, Serialize};

/// What a client wants of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "audit", rename_all = "snake_case", deny_unknown_fields)]
pub enum AuditAsk {
    /// What concerns this member, newest last.
    List {
        /// Not what was before: a time, a day, or a span such as `3d` or `2h`.
        since: Option<String>,
        /// Only entries before this one.
        before: Option<u64>,
        /// At most so many.
        limit: usize,
    },
    /// Why did the house say this?
    Why {
        /// The message's id; none for the last one of the conversation.
        message: Option<String>,
        /// The member's conversation; empty for the main one.
        #[serde(default)]
        thread: String,
    },
}

/// What the house says to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum AuditAnswer {
    /// Entries of the journal.
    Listed {
        /// Oldest first.
        entries: Vec<Told>,
        /// There may be more before this one.
        before: Option<u64>,
    },
    /// Why.
    Why {
        /// What is stored of it.
        why: Box<Why>,
        /// The same for a person.
        lines: Vec<String>,
    },
}

/// An entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its place.
    pub seq: u64,
    /// When, in the member's zone.
    pub at: String,
    /// What, as a closed word.
    pub kind: String,
    /// On whose behalf.
    pub who: Option<String>,
    /// The id of what it is about.
    pub subject: String,
    /// Closed words.
    pub detail: String,
    /// All of that as a sentence.
    pub text: String,
}
