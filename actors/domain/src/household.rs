//! The people: members, roles, and who is present where.
//!
//! ```text
//! sender ─▶ identity ─▶ roster (member, role)          known
//!              └──────▶ pairing: a code, and nothing else    unknown, in private; an adult approves
//! place ─▶ audience: private, group (kept by its channel), household ─▶ label of what is said, what may be recalled
//! removal ─▶ erase: what goes, what stays, and why
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::ConversationId;
pub use crate::ids::MemberId;

pub mod audience;
pub mod erase;
pub mod glass;
pub mod identity;
pub mod open;
pub mod pairing;
pub mod people;
pub mod places;
pub mod record;
pub mod roster;
pub mod wish;

/// What a person is in the household. Rights come from policy, never from the name of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the house.
    Owner,
    /// A grown-up of the household.
    Adult,
    /// Between child and adult.
    Teen,
    /// A child.
    Child,
    /// Anybody else; no memory, no tools beyond what policy names.
    Guest,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Owner => "owner",
            Self::Adult => "adult",
            Self::Teen => "teen",
            Self::Child => "child",
            Self::Guest => "guest",
        })
    }
}

/// Whether somebody of this role may approve, add and remove others at all.
#[must_use]
pub const fn is_grown_up(role: Role) -> bool {
    matches!(role, Role::Owner | Role::Adult)
}

/// One enrolled person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The person's id, derived from the name in the configuration.
    pub id: MemberId,
    /// The name by which the house calls the person.
    pub name: String,
    /// What the person is here.
    pub role: Role,
    /// IANA name of the person's time zone.
    pub zone: String,
}

impl Member {
    /// The id of the member of that configured name (case does not count).
    #[must_use]
    pub fn id_of(name: &str) -> MemberId {
        MemberId::derived(&[&name.trim().to_lowercase()])
    }

    /// The person's time zone, UTC if its name is not known on this machine.
    #[must_use]
    pub fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.zone).unwrap_or(jiff::tz::TimeZone::UTC)
    }
}

/// Everybody who is present in a conversation, with their roles: who will see what is said there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audience(BTreeMap<MemberId, Role>);

impl Audience {
    /// An audience of these people.
    #[must_use]
    pub fn of(people: impl IntoIterator<Item = (MemberId, Role)>) -> Self {
        Self(people.into_iter().collect())
    }

    /// The people, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (MemberId, Role)> {
        self.0.iter().map(|(id, role)| (*id, *role))
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A conversation as the household knows it: where a message belongs and who sees the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The conversation.
    pub conversation: ConversationId,
    /// Who is present.
    pub audience: Audience,
}

impl Place {
    /// A member's main conversation.
    #[must_use]
    pub fn main(member: MemberId) -> ConversationId {
        Self::thread(member, "")
    }

    fn thread(member: MemberId, thread: &str) -> ConversationId {
        ConversationId::derived(&[&member.to_string(), thread])
    }

    /// A member's private conversation, or a named thread of it.
    #[must_use]
    pub fn private(member: &Member, thread: &str) -> Self {
        Self { conversation: Self::thread(member.id, thread), audience: Audience::of([(member.id, member.role)]) }
    }
}
