//! What the house remembers: facts, notes and list items, each with its label.

use serde::{Deserialize, Serialize};

use crate::household::Audience;
use crate::ids::{ConversationId, MemberId, MemoryId};
use crate::label::Label;
use crate::time::Timestamp;

/// What kind of thing is remembered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MemoryKind {
    /// Something to be recalled when it matters.
    Fact,
    /// A note, shown when asked for.
    Note,
    /// An item of a list.
    Item {
        /// The list's name, lower case.
        list: String,
        /// Ticked off.
        done: bool,
    },
}

/// One remembered thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Its id; derived from the call that wrote it, so that a repeated call writes nothing new.
    pub id: MemoryId,
    /// Who asked for it.
    pub member: MemberId,
    /// The conversation in which it was said: notes and lists belong to it.
    pub conversation: ConversationId,
    /// What kind of thing it is.
    pub kind: MemoryKind,
    /// The text.
    pub text: String,
    /// Who may learn it and who wrote it; kept for ever.
    pub label: Label,
    /// When.
    pub at: Timestamp,
}

/// A search of what is remembered. The audience is a condition of the search itself, not a filter after it (I-7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemorySearch {
    /// Words to look for; an entry matches when it has any of them, ranked by BM25.
    pub words: String,
    /// Everybody who will see what is found; only what all of them may read is.
    pub audience: Audience,
    /// Most entries to give back.
    pub limit: usize,
}

/// One entry that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryHit {
    /// The entry.
    pub memory: Memory,
    /// Its score; higher is better. Comparable within one search only.
    pub score: f64,
}
