//! The journal: an append-only chain of facts, one for every step, written in the step's own transaction.
//!
//! It is the audit at the same time (DECISIONS.md 4): each entry holds the digest of the one before, so a removed,
//! reordered or altered entry is found by [`verify`]. Entries hold ids, digests and closed words, never the text of
//! anything a person said, so that erasing a person leaves no hole in the chain.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::MemberId;
use crate::time::Timestamp;

pub mod check;
pub mod told;

/// A SHA-256 digest, shown in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What the first entry of a chain has as its predecessor.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Digest {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// The house began to run on this store.
    HouseStarted,
    /// A member was enrolled or changed by the configuration.
    MemberEnrolled,
    /// A member was added by another.
    MemberAdded,
    /// A member has another role.
    MemberChanged,
    /// A member was removed: nobody any more, and what was theirs is erased.
    MemberRemoved,
    /// What was a removed member's is gone from the folder: the store was written anew without it.
    MemberErased,
    /// An unknown sender was shown a code.
    PairingAsked,
    /// A code was refused.
    PairingDenied,
    /// An account lets a member in.
    IdentityLinked,
    /// An account lets nobody in any more.
    IdentityUnlinked,
    /// Somebody came to a group or went, or who is there is not certain any more.
    GroupChanged,
    /// The house may speak in a group.
    GroupAdmitted,
    /// The house may not speak in a group any more.
    GroupDismissed,
    /// A message was accepted; a turn exists for it.
    MessageAccepted,
    /// A model replied and its tool calls were decided upon.
    ModelReplied,
    /// A tool call ended.
    ToolFinished,
    /// A turn ended with its answer.
    TurnAnswered,
    /// A turn ended with a visible failure.
    TurnFailed,
    /// A turn was stopped by its member.
    TurnStopped,
    /// A step's outcome is not known and is not repeated by itself.
    OutcomeUnknown,
    /// A conversation's older part was summarised.
    Summarised,
    /// A delivery began at a channel that cannot recognise a repetition.
    DeliveryBegun,
    /// A channel confirmed a delivery.
    Delivered,
    /// A delivery ended without a word of whether it arrived.
    DeliveryUnknown,
    /// A delivery was given up.
    DeliveryFailed,
    /// Something was written to memory.
    Remembered,
    /// Something was removed from memory.
    Forgotten,
    /// A reminder was set.
    ReminderSet,
    /// A reminder came due and was said.
    ReminderFired,
    /// Policy decided upon an effect.
    Decided,
    /// A person was asked about an effect.
    ApprovalAsked,
    /// A person answered, or the question was withdrawn or its time was over.
    ApprovalEnded,
    /// An effect was let go by an approval.
    ApprovalUsed,
    /// A member let those who decide about an effect see what it hits: the digest is of exactly those values.
    ConsentGiven,
    /// A grant was used, or taken back.
    GrantChanged,
    /// A call that a person said yes to is about to run.
    CallApproved,
    /// A step was set aside in a member's budget, by a commit of its own.
    BudgetRaised,
    /// A grown-up stopped the house.
    Stopped,
    /// A grown-up lifted that.
    Lifted,
    /// The end of the journal that the vault has attested is not in it.
    JournalBroken,
    /// A session at the page began.
    LoggedIn,
    /// A session at the page ended by its member's logging out.
    LoggedOut,
    /// Somebody tried to log in at the page and was refused.
    LoginRefused,
    /// A session at the page was used; told at most once an hour.
    SessionUsed,
    /// Sessions at the page were ended by somebody's word.
    SessionRevoked,
    /// A session at the page ended by itself.
    SessionExpired,
    /// A child's private conversations were opened to a grown-up.
    GlassBroken,
    /// They were read.
    GlassRead,
    /// A secret was entered, changed or erased.
    SecretChanged,
    /// Secrets were used for requests, or a use was refused.
    SecretUsed,
    /// A decoy was touched, or a stored secret tried to leave.
    SecretAlarm,
    /// A tool was installed.
    ToolInstalled,
    /// A tool was granted what it asks for, or part of it.
    ToolGranted,
    /// A tool was replaced by another version.
    ToolUpdated,
    /// A tool's grant was taken back.
    ToolRevoked,
    /// A tool was removed, with all that it kept.
    ToolRemoved,
    /// A tool failed again and again and is not called any more.
    ToolQuarantined,
}

/// One thing that happened, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What.
    pub kind: FactKind,
    /// On whose behalf.
    pub who: Option<MemberId>,
    /// The id of what it is about, as it is shown.
    pub subject: String,
    /// Closed words only: a tool's name, a state, a rule's name.
    pub detail: String,
    /// The digest of the content, where there is content.
    pub content: Option<Digest>,
    /// When.
    pub at: Timestamp,
}

/// A fact in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place, from 1, without gaps.
    pub seq: u64,
    /// What happened.
    pub fact: Fact,
    /// The digest of the entry before.
    pub previous: Digest,
    /// The digest of this entry.
    pub digest: Digest,
}

/// The end of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Entries so far.
    pub seq: u64,
    /// The digest of the last one.
    pub digest: Digest,
}

impl Head {
    /// Of an empty chain.
    pub const EMPTY: Self = Self { seq: 0, digest: Digest::ZERO };

    /// Puts a fact at the end and moves the head there.
    pub fn append(&mut self, fact: Fact) -> Entry {
        let seq = self.seq.saturating_add(1);
        let digest = link(seq, &self.digest, &fact);
        let entry = Entry { seq, fact, previous: self.digest, digest };
        *self = Self { seq, digest };
        entry
    }
}

/// The digest that an entry must have: SHA-256 over place, predecessor and each field of the fact, length-framed.
fn link(seq: u64, previous: &Digest, fact: &Fact) -> Digest {
    let who = fact.who.map(|id| id.to_string()).unwrap_or_default();
    let content = fact.content.map(|digest| digest.to_string()).unwrap_or_default();
    let kind = serde_json::to_string(&fact.kind).unwrap_or_default();
    let at = fact.at.as_nanosecond().to_string();
    let mut hash = Sha256::new();
    hash.update(seq.to_be_bytes());
    hash.update(previous.0);
    for field in [&kind, &who, &fact.subject, &fact.detail, &content, &at] {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    Digest(hash.finalize().into())
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// An entry is missing, doubled or out of order.
    #[error("entry {found} stands where entry {expected} belongs: something was removed, added or reordered")]
    Place {
        /// The place that was due.
        expected: u64,
        /// The place that was found.
        found: u64,
    },
    /// An entry does not follow from the one before, or was altered.
    #[error("entry {seq} was altered or does not follow from the one before")]
    Altered {
        /// Its place.
        seq: u64,
    },
    /// The store knows of later ones, but this one is not there.
    #[error("entry {seq} is missing: it was removed, perhaps with some that follow it")]
    Missing {
        /// Its place.
        seq: u64,
    },
    /// The vault has attested more than there is.
    #[error("the journal was cut off: entry {seq} is missing, which the vault has attested")]
    Cut {
        /// The first place, as far as is known, that was cut off.
        seq: u64,
    },
    /// The vault has attested another entry at this place.
    #[error("entry {seq} is not the one that the vault has attested: the journal was cut off at or before it, or written anew")]
    Other {
        /// The attested place.
        seq: u64,
    },
}

/// Checks that these entries follow `from` without a break and gives the head after them.
pub fn verify<'a>(from: Head, entries: impl IntoIterator<Item = &'a Entry>) -> Result<Head, ChainError> {
    entries.into_iter().try_fold(from, |mut head, entry| {
        let expected = head.seq.saturating_add(1);
        if entry.seq != expected {
            return Err(ChainError::Place { expected, found: entry.seq });
        }
        if head.append(entry.fact.clone()) != *entry {
            return Err(ChainError::Altered { seq: entry.seq });
        }
        Ok(head)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn chain(length: u64) -> Vec<Entry> {
        let mut head = Head::EMPTY;
        (0..length)
            .map(|n| {
                head.append(Fact {
                    kind: FactKind::MessageAccepted,
                    who: None,
                    subject: format!("msg_{n}"),
                    detail: String::new(),
                    content: Some(Digest::of(&n.to_be_bytes())),
                    at: Timestamp::UNIX_EPOCH,
                })
            })
            .collect()
    }

    #[test]
    fn an_untouched_chain_holds() {
        assert_eq!(verify(Head::EMPTY, &chain(5)).map(|head| head.seq), Ok(5));
    }

    #[test]
    fn a_removed_entry_is_found() {
        let mut entries = chain(5);
        entries.remove(2);
        assert_eq!(verify(Head::EMPTY, &entries), Err(ChainError::Place { expected: 3, found: 4 }));
    }

    #[test]
    fn swapped_and_altered_entries_are_found() {
        let mut entries = chain(5);
        entries.swap(1, 2);
        assert!(verify(Head::EMPTY, &entries).is_err());
        let mut entries = chain(5);
        entries[3].fact.detail = "x".into();
        assert_eq!(verify(Head::EMPTY, &entries), Err(ChainError::Altered { seq: 4 }));
    }
}
