//! The household as one synchronous core: whose message it is, what becomes of a stranger, and each change with the rows that it writes.
//!
//! A change is made on a copy and taken over as a whole, or refused with nothing changed. The rows of one change belong into one commit.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::rand_core::RngCore;

use super::audience::{Group, Presence, Speaker};
use super::identity::{Identities, Identity, IdentityError};
use super::pairing::{PairingError, Pairings, Reply, Setting};
use super::record::{HouseholdWrite, IdentityRow};
use super::roster::{NewMember, Roster, RosterError};
use super::{MemberId, Role, is_grown_up};
use crate::error::{Class, Classified};
use crate::ids::{GroupId, IdentityId, PairingId};
use crate::time::Timestamp;

/// Most groups that are kept.
pub const GROUPS_MAX: usize = 256;

/// What a grown-up makes of a code's sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrol {
    /// Somebody new.
    New(NewMember),
    /// Another account of somebody who is here.
    Link(MemberId),
}

/// Who changes something, from where, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    /// The member, as their channel, the page or the console knows them.
    pub member: MemberId,
    /// Where they said so.
    pub from: Setting,
    /// When.
    pub at: Timestamp,
}

/// Why a change of the household is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeopleError {
    /// Of the code.
    #[error(transparent)]
    Pairing(#[from] PairingError),
    /// Of the member.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// Of the account.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Another's account, which would read what is theirs.
    #[error("{0} has accounts already, and whoever has another reads what is {0}'s; {0} has to approve the code")]
    Theirs(String),
    /// Not theirs to change.
    #[error("that is for the member, or for a grown-up of a child or guest")]
    NotAllowed,
    /// No such group or account.
    #[error("the house knows no such {0}")]
    Unknown(&'static str),
}

impl Classified for PeopleError {
    fn class(&self) -> Class {
        match self {
            Self::Pairing(error) => error.class(),
            Self::Roster(error) => error.class(),
            Self::Identity(error) => error.class(),
            Self::Theirs(_) | Self::NotAllowed => Class::Denied,
            Self::Unknown(_) => Class::Permanent,
        }
    }
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Whom it concerns.
    pub member: MemberId,
    /// The rows, for one commit.
    pub writes: Vec<HouseholdWrite>,
    /// Members who are told of it at all their channels, the new account left out: whoever got one that they did not approve.
    pub tell: BTreeSet<MemberId>,
}

/// Everybody, by which accounts, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct People {
    /// The members.
    pub roster: Roster,
    /// Their accounts.
    pub identities: Identities,
    /// Those who wait to be approved.
    pub pairings: Pairings,
    /// The groups.
    pub groups: BTreeMap<GroupId, Group>,
}

impl People {
    /// Who speaks by this account.
    #[must_use]
    pub fn speaker(&self, identity: &Identity) -> Speaker {
        let member = self.identities.member(identity).filter(|member| self.roster.role(*member).is_some());
        member.map_or_else(|| Speaker::Stranger(identity.id()), Speaker::Member)
    }

    /// A message of an account that is nobody's (I-9). Of somebody who is enrolled, nothing comes of this.
    pub fn stranger(
        &mut self,
        at: Timestamp,
        chance: &mut dyn RngCore,
        id: PairingId,
        identity: &Identity,
        setting: Setting,
    ) -> Option<Reply> {
        match self.speaker(identity) {
            Speaker::Member(_) => None,
            Speaker::Stranger(_) => Some(self.pairings.stranger(at, chance, id, identity, setting)),
        }
    }

    /// A grown-up names a code and says whose it is. One of two at once wins; the other is told.
    ///
    /// # Errors
    ///
    /// When the member may not approve, the code is not open, or what is to become of it does not fit; a code that is open stays so then.
    pub fn approve(&mut self, by: By, typed: &str, enrol: Enrol) -> Result<Changed, PeopleError> {
        let role = self.roster.role(by.member).unwrap_or(Role::Guest);
        let found = self.pairings.find(by.at, (by.member, role), by.from, typed)?;
        let (id, identity) = (found.id, found.identity.clone());
        let (mut roster, mut identities) = (self.roster.clone(), self.identities.clone());
        let mut writes = Vec::new();
        let member = match enrol {
            Enrol::New(new) => {
                let row = roster.add(by.member, new, by.at)?;
                let member = row.member.id;
                writes.push(HouseholdWrite::Member(row));
                member
            }
            Enrol::Link(member) => {
                self.may_link(by.member, member)?;
                member
            }
        };
        identities.link(identity.clone(), member)?;
        let used = self.pairings.close(id, by.member).ok_or(PairingError::Used)?;
        (self.roster, self.identities) = (roster, identities);
        writes.push(HouseholdWrite::Pairing(used));
        writes.push(HouseholdWrite::Identity(IdentityRow { id: identity.id(), identity, member, by: Some(by.member), at: by.at }));
        Ok(Changed { member, writes, tell: BTreeSet::from([member]).into_iter().filter(|told| *told != by.member).collect() })
    }

    /// Whoever has one of a member's accounts reads what is that member's. So a grown-up or teen who has one approves the next one
    /// themselves, or, for a teen who cannot approve, a guardian; a child's guardian and a guest's host do it for them.
    fn may_link(&self, by: MemberId, of: MemberId) -> Result<(), PeopleError> {
        let row = self.roster.get(of).ok_or(RosterError::Unknown)?;
        let whose = self.roster.role(by).ok_or(RosterError::Unknown)?;
        let (first, guardian) = (self.identities.of(of).next().is_none(), row.guardians.contains(&by));
        let may = match row.member.role {
            Role::Owner | Role::Adult => by == of || (first && whose == Role::Owner),
            Role::Teen => guardian || (first && is_grown_up(whose)),
            Role::Child => guardian || whose == Role::Owner,
            Role::Guest => is_grown_up(whose),
        };
        if may { Ok(()) } else { Err(PeopleError::Theirs(row.member.name.clone())) }
    }

    /// Takes an account away: a member their own, a grown-up a child's, teen's or guest's, an owner anybody's.
    ///
    /// # Errors
    ///
    /// When there is none such, or the one who asks may not.
    pub fn unlink(&mut self, by: By, id: IdentityId) -> Result<Changed, PeopleError> {
        let member = self.identities.member_of(id).ok_or(PeopleError::Unknown("account"))?;
        let (whose, role) = (self.roster.role(by.member), self.roster.role(member));
        let may = by.member == member
            || whose == Some(Role::Owner)
            || (whose == Some(Role::Adult) && role.is_some_and(|role| !is_grown_up(role)));
        if !may {
            return Err(PeopleError::NotAllowed);
        }
        self.identities.unlink(id);
        let tell = BTreeSet::from([member]).into_iter().filter(|told| *told != by.member).collect();
        Ok(Changed { member, writes: vec![HouseholdWrite::Unlink { id }], tell })
    }

    /// Removes a member: at once they are nobody here. What is theirs is then erased by an [`super::erase::Eraser`].
    ///
    /// # Errors
    ///
    /// As [`Roster::remove`].
    pub fn remove(&mut self, by: By, of: MemberId) -> Result<Changed, PeopleError> {
        let (gone, released) = self.roster.remove(by.member, of, by.at)?;
        let accounts = self.identities.unlink_all(of);
        let pairings = self.pairings.forget(&accounts);
        let mut writes = vec![HouseholdWrite::Gone(gone)];
        writes.extend(released.into_iter().map(HouseholdWrite::Member));
        writes.extend(accounts.into_iter().map(|id| HouseholdWrite::Unlink { id }));
        writes.extend(pairings.into_iter().map(|id| HouseholdWrite::ForgetPairing { id }));
        writes.push(HouseholdWrite::EraseOwn { member: of });
        Ok(Changed { member: of, writes, tell: BTreeSet::new() })
    }

    /// What a channel says of a group: what happened, when by its own clock, and when by the house's. A group that is not known yet is known
    /// from then on, and not admitted. The row, when it is another one now.
    pub fn presence(
        &mut self,
        (channel, chat): (&str, &str),
        event: Presence,
        happened: Timestamp,
        at: Timestamp,
    ) -> Option<HouseholdWrite> {
        let fresh = Group::new(channel, chat, happened);
        let is_new = !self.groups.contains_key(&fresh.id);
        if self.groups.len() >= GROUPS_MAX && is_new {
            return None;
        }
        let group = self.groups.entry(fresh.id).or_insert(fresh);
        let before = group.clone();
        group.on(event, happened, at);
        if !is_new && (Group { at, ..before.clone() }) == *group {
            // Nothing is new, not even when it last changed.
            *group = before;
            return None;
        }
        Some(HouseholdWrite::Group(group.clone()))
    }

    /// The ids of a channel's groups.
    #[must_use]
    pub fn rooms(&self, channel: &str) -> Vec<String> {
        self.groups.values().filter(|group| group.channel == channel).map(|group| group.room.clone()).collect()
    }

    /// A grown-up has the house be silent in a group.
    ///
    /// # Errors
    ///
    /// When they are none, or there is none such.
    pub fn dismiss(&mut self, by: By, group: GroupId) -> Result<HouseholdWrite, PeopleError> {
        if !self.roster.role(by.member).is_some_and(is_grown_up) {
            return Err(PeopleError::NotAllowed);
        }
        let group = self.groups.get_mut(&group).ok_or(PeopleError::Unknown("group"))?;
        group.admitted = None;
        group.at = by.at;
        Ok(HouseholdWrite::Group(group.clone()))
    }

    /// A grown-up lets the house speak in a group.
    ///
    /// # Errors
    ///
    /// When they are none, do so in a group, or there is none such.
    pub fn admit(&mut self, by: By, group: GroupId) -> Result<HouseholdWrite, PeopleError> {
        if !self.roster.role(by.member).is_some_and(is_grown_up) {
            return Err(PeopleError::NotAllowed);
        }
        if by.from == Setting::Group {
            return Err(PairingError::InGroup.into());
        }
        let group = self.groups.get_mut(&group).ok_or(PeopleError::Unknown("group"))?;
        group.admitted = Some(by.member);
        group.at = by.at;
        Ok(HouseholdWrite::Group(group.clone()))
    }
}

#[cfg(test)]
pub(super) mod tests;
