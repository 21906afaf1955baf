//! The household's rows as they are stored, and the changes of them that a store has to know.
//!
//! One row per member, identity, open pairing and group, each by its id, without history: what happened is in the journal. A row of a
//! member who left keeps the id alone, so that no id is given twice.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::audience::Group;
use super::identity::Identity;
use super::pairing::Pairing;
use super::{Member, MemberId};
use crate::ids::{ConversationId, GroupId, IdentityId, PairingId, SecretId};
use crate::time::Timestamp;

/// A member's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// The person.
    pub member: Member,
    /// The grown-ups under whom a child lives here; a teen may have some. Nobody else has.
    pub guardians: BTreeSet<MemberId>,
    /// Who made the row what it is; none for the configuration.
    pub by: Option<MemberId>,
    /// When.
    pub at: Timestamp,
}

/// What is left of a member who was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GoneRow {
    /// The id that nobody else will have.
    pub id: MemberId,
    /// When.
    pub at: Timestamp,
    /// Whether what was theirs is gone for good: from the folder, or, where a server has the files, from every row.
    pub erased: bool,
}

/// An identity's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRow {
    /// Its id, [`Identity::id`].
    pub id: IdentityId,
    /// The account.
    pub identity: Identity,
    /// Whose it is.
    pub member: MemberId,
    /// Who approved it; none for the configuration and the machine's own users.
    pub by: Option<MemberId>,
    /// When.
    pub at: Timestamp,
}

/// All that is stored of the household, each kind in the order of its ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HouseholdRows {
    /// Members. A row from before there were changes of the household has the beginning of time and nobody's word.
    pub members: Vec<MemberRow>,
    /// Those who were removed.
    pub gone: Vec<GoneRow>,
    /// Accounts.
    pub identities: Vec<IdentityRow>,
    /// Pairings.
    pub pairings: Vec<Pairing>,
    /// Groups.
    pub groups: Vec<Group>,
}

/// One change of the household's rows. A store's `Write` has a variant for each; all of one decision go into one commit with its fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "write", rename_all = "snake_case")]
pub enum HouseholdWrite {
    /// Inserts or replaces a member's row.
    Member(MemberRow),
    /// Removes a member's row, if it is there, and inserts what is left of it.
    Gone(GoneRow),
    /// Inserts or replaces an identity.
    Identity(IdentityRow),
    /// Removes an identity, if it is there.
    Unlink {
        /// Which.
        id: IdentityId,
    },
    /// Inserts or replaces a pairing.
    Pairing(Pairing),
    /// Removes a pairing, if it is there.
    ForgetPairing {
        /// Which.
        id: PairingId,
    },
    /// Inserts or replaces a group.
    Group(Group),
    /// Removes a group, if it is there.
    ForgetGroup {
        /// Which.
        id: GroupId,
    },
    /// Removes a private conversation with its messages, turns, steps, results, deliveries and summary, as far as they are there. Of an erasure.
    EraseConversation {
        /// Which.
        id: ConversationId,
    },
    /// Removes all that a member alone has: their private conversations as [`Self::EraseConversation`] does, secrets, memories and reminders
    /// that nobody else may read, sessions, what tools keep for them, questions about their effects and what was allowed for them. Other reminders of theirs are called off. Of an erasure; the rewrite of the store into a new folder then asks [`super::erase::Eraser`] row by row and is what really removes it.
    EraseOwn {
        /// Whose.
        member: MemberId,
    },
    /// Removes all sessions of a member, as far as they are there: of another role, or of a word that ends them all.
    EndSessions {
        /// Whose.
        member: MemberId,
    },
    /// Removes a secret that the member alone could use, if it is there. Of an erasure.
    EraseSecret {
        /// Which.
        id: SecretId,
    },
}
