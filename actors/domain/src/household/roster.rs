//! The members as data: who they are, what they are here, and who may change that.
//!
//! Invariants, held by every change and checked of what a store gives back ([`Roster::restore`]):
//! there is an owner; no id is given twice, not even that of somebody who left; no two names read alike; a child has a grown-up.

use std::collections::{BTreeMap, BTreeSet};

use unicode_security::{MixedScript as _, skeleton};

use super::record::{GoneRow, MemberRow};
use super::{Member, MemberId, Role, is_grown_up};
use crate::error::{Class, Classified};
use crate::message::is_harmful;
use crate::time::Timestamp;
use crate::tool::manifest::is_invisible;

/// Longest name, in bytes.
pub const NAME_MAX: usize = 64;
/// Most members, guests included.
pub const MEMBERS_MAX: usize = 64;
/// Names that would be taken for something else than a person.
const RESERVED: [&str; 12] =
    ["house", "hearth", "household", "everybody", "everyone", "all", "nobody", "me", "guest", "owner", "system", "admin"];

/// Why a change of the roster is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// The name is no name.
    #[error("a name has 1 to {NAME_MAX} bytes of letters, with single spaces, hyphens or apostrophes between them")]
    Name,
    /// The name mixes alphabets.
    #[error("the name mixes letters of several alphabets, so that it could be taken for another; type it in one")]
    MixedName,
    /// The name is a word with a meaning of its own.
    #[error("that word means something else in this house; choose another name")]
    ReservedName,
    /// It reads like the name of somebody here.
    #[error("the name reads like {0}'s; choose one that can be told apart")]
    NameTaken(String),
    /// The id is or was somebody's.
    #[error("that id is or was another member's; ids are not given twice")]
    IdUsed,
    /// No such member.
    #[error("nobody of that name lives here")]
    Unknown,
    /// The time zone is not known.
    #[error("that time zone is not known; write one such as Europe/Berlin")]
    Zone,
    /// Too many.
    #[error("a household has at most {MEMBERS_MAX} members; remove one first")]
    Full,
    /// It would leave the house without an owner.
    #[error("the house needs an owner; make somebody else one first")]
    LastOwner,
    /// A child without a grown-up.
    #[error("a child lives here under an owner or adult; name one")]
    NoGuardian,
    /// Guardians of somebody who has none, or who are no grown-ups.
    #[error("only children and teens have guardians, and those are owners or adults of this house")]
    Guardian,
    /// These children would have no grown-up left.
    #[error("{} would have no grown-up left; name another for them first", .0.join(", "))]
    Orphans(Vec<String>),
    /// The one who asks may not.
    #[error("that is for an owner, or for an adult where the other is no owner and no adult")]
    NotAllowed,
}

impl Classified for RosterError {
    fn class(&self) -> Class {
        match self {
            Self::NotAllowed | Self::LastOwner => Class::Denied,
            Self::Name
            | Self::MixedName
            | Self::ReservedName
            | Self::NameTaken(_)
            | Self::IdUsed
            | Self::Unknown
            | Self::Zone
            | Self::Full
            | Self::NoGuardian
            | Self::Guardian
            | Self::Orphans(_) => Class::Permanent,
        }
    }
}

/// Somebody new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMember {
    /// A fresh id.
    pub id: MemberId,
    /// The name.
    pub name: String,
    /// What they are to be.
    pub role: Role,
    /// The grown-ups of a child or teen.
    pub guardians: BTreeSet<MemberId>,
    /// IANA name of the time zone.
    pub zone: String,
}

/// Everybody here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    rows: BTreeMap<MemberId, MemberRow>,
    gone: BTreeMap<MemberId, GoneRow>,
}

impl Roster {
    /// A household of one: the first owner, as the configuration names them.
    ///
    /// # Errors
    ///
    /// When they are no owner, or their name or zone cannot be used.
    pub fn begin(owner: Member, at: Timestamp) -> Result<Self, RosterError> {
        if owner.role != Role::Owner {
            return Err(RosterError::LastOwner);
        }
        let mut roster = Self { rows: BTreeMap::new(), gone: BTreeMap::new() };
        let new = NewMember { id: owner.id, name: owner.name, role: owner.role, guardians: BTreeSet::new(), zone: owner.zone };
        roster.insert(new, None, at)?;
        Ok(roster)
    }

    /// The household that was stored.
    ///
    /// # Errors
    ///
    /// When an invariant does not hold: then something else than the house has written there.
    pub fn restore(rows: impl IntoIterator<Item = MemberRow>, gone: impl IntoIterator<Item = GoneRow>) -> Result<Self, RosterError> {
        let mut roster = Self { rows: BTreeMap::new(), gone: gone.into_iter().map(|row| (row.id, row)).collect() };
        for row in rows {
            let id = row.member.id;
            if roster.gone.contains_key(&id) || roster.rows.insert(id, row).is_some() {
                return Err(RosterError::IdUsed);
            }
        }
        roster.check()?;
        Ok(roster)
    }

    /// Adds a member of the configuration who is not here yet. Somebody who was removed stays removed: their id is used up.
    ///
    /// # Errors
    ///
    /// As [`Roster::add`].
    pub fn configured(&mut self, new: NewMember, at: Timestamp) -> Result<MemberRow, RosterError> {
        self.insert(new, None, at)
    }

    /// Adds a member, on a grown-up's word. Nobody gives a role above their own.
    ///
    /// # Errors
    ///
    /// When the one who asks may not, or the new member does not fit.
    pub fn add(&mut self, by: MemberId, new: NewMember, at: Timestamp) -> Result<MemberRow, RosterError> {
        let role = self.role(by).ok_or(RosterError::Unknown)?;
        if !is_grown_up(role) || new.role < role {
            return Err(RosterError::NotAllowed);
        }
        self.insert(new, Some(by), at)
    }

    fn insert(&mut self, new: NewMember, by: Option<MemberId>, at: Timestamp) -> Result<MemberRow, RosterError> {
        if self.rows.len() >= MEMBERS_MAX {
            return Err(RosterError::Full);
        }
        fit_name(&new.name)?;
        if let Some(other) = self.rows.values().find(|row| alike(&row.member.name, &new.name)) {
            return Err(RosterError::NameTaken(other.member.name.clone()));
        }
        if self.rows.contains_key(&new.id) || self.gone.contains_key(&new.id) {
            return Err(RosterError::IdUsed);
        }
        if jiff::tz::TimeZone::get(&new.zone).is_err() {
            return Err(RosterError::Zone);
        }
        self.fit_guardians(new.role, &new.guardians)?;
        let member = Member { id: new.id, name: new.name, role: new.role, zone: new.zone };
        let row = MemberRow { member, guardians: new.guardians, by, at };
        self.rows.insert(new.id, row.clone());
        Ok(row)
    }

    /// Changes what somebody is, on a grown-up's word. Owners and adults are changed by an owner, nobody is raised above the one who asks.
    ///
    /// # Errors
    ///
    /// When the one who asks may not, or an invariant would not hold.
    pub fn change_role(
        &mut self,
        by: MemberId,
        of: MemberId,
        role: Role,
        guardians: BTreeSet<MemberId>,
        at: Timestamp,
    ) -> Result<MemberRow, RosterError> {
        let whose = self.role(by).ok_or(RosterError::Unknown)?;
        let row = self.rows.get(&of).ok_or(RosterError::Unknown)?;
        let was = row.member.role;
        let may = whose == Role::Owner || (whose == Role::Adult && !is_grown_up(was));
        if !may || role < whose {
            return Err(RosterError::NotAllowed);
        }
        let mut after = self.clone();
        let changed = MemberRow { member: Member { role, ..row.member.clone() }, guardians, by: Some(by), at };
        after.rows.insert(of, changed.clone());
        if was == Role::Owner && !after.rows.values().any(|row| row.member.role == Role::Owner) {
            return Err(RosterError::LastOwner);
        }
        after.fit_guardians(role, &changed.guardians)?;
        if !is_grown_up(role) {
            after.release(of)?;
        }
        *self = after;
        Ok(changed)
    }

    /// Removes somebody, on a grown-up's word: an owner anybody, an adult those who are none, and everybody grown up themselves. Gives
    /// what is left and the rows of those whose guardian is gone.
    ///
    /// # Errors
    ///
    /// When the one who asks may not, or the house would have no owner, or a child no grown-up.
    pub fn remove(&mut self, by: MemberId, of: MemberId, at: Timestamp) -> Result<(GoneRow, Vec<MemberRow>), RosterError> {
        let whose = self.role(by).ok_or(RosterError::Unknown)?;
        let was = self.role(of).ok_or(RosterError::Unknown)?;
        let may = whose == Role::Owner || (whose == Role::Adult && (by == of || !is_grown_up(was)));
        if !may {
            return Err(RosterError::NotAllowed);
        }
        let mut after = self.clone();
        after.rows.remove(&of);
        if was == Role::Owner && !after.rows.values().any(|row| row.member.role == Role::Owner) {
            return Err(RosterError::LastOwner);
        }
        let released = after.release(of)?;
        let gone = GoneRow { id: of, at, erased: false };
        after.gone.insert(of, gone);
        *self = after;
        Ok((gone, released))
    }

    /// Takes somebody who is no grown-up here any more out of all guardianships.
    fn release(&mut self, of: MemberId) -> Result<Vec<MemberRow>, RosterError> {
        let mut orphans = Vec::new();
        let mut released = Vec::new();
        for row in self.rows.values_mut().filter(|row| row.guardians.contains(&of)) {
            row.guardians.remove(&of);
            if row.member.role == Role::Child && row.guardians.is_empty() {
                orphans.push(row.member.name.clone());
            }
            released.push(row.clone());
        }
        if orphans.is_empty() { Ok(released) } else { Err(RosterError::Orphans(orphans)) }
    }

    fn fit_guardians(&self, role: Role, guardians: &BTreeSet<MemberId>) -> Result<(), RosterError> {
        let grown = |id: &MemberId| self.role(*id).is_some_and(is_grown_up);
        match role {
            Role::Child if guardians.is_empty() => Err(RosterError::NoGuardian),
            Role::Child | Role::Teen if guardians.iter().all(grown) => Ok(()),
            Role::Owner | Role::Adult | Role::Guest if guardians.is_empty() => Ok(()),
            Role::Owner | Role::Adult | Role::Teen | Role::Child | Role::Guest => Err(RosterError::Guardian),
        }
    }

    /// Checks all invariants.
    ///
    /// # Errors
    ///
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), RosterError> {
        if !self.rows.values().any(|row| row.member.role == Role::Owner) {
            return Err(RosterError::LastOwner);
        }
        if self.rows.len() > MEMBERS_MAX {
            return Err(RosterError::Full);
        }
        for (id, row) in &self.rows {
            if *id != row.member.id || self.gone.contains_key(id) {
                return Err(RosterError::IdUsed);
            }
            // A name that only the configuration stands for is its owner's to choose.
            if row.by.is_some() {
                fit_name(&row.member.name)?;
            }
            self.fit_guardians(row.member.role, &row.guardians)?;
            let twin = self.rows.values().find(|other| other.member.id != *id && alike(&other.member.name, &row.member.name));
            if let Some(twin) = twin {
                return Err(RosterError::NameTaken(twin.member.name.clone()));
            }
        }
        Ok(())
    }

    /// Somebody's row.
    #[must_use]
    pub fn get(&self, id: MemberId) -> Option<&MemberRow> {
        self.rows.get(&id)
    }

    /// What somebody is here.
    #[must_use]
    pub fn role(&self, id: MemberId) -> Option<Role> {
        self.rows.get(&id).map(|row| row.member.role)
    }

    /// The member of that name; case does not count.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&MemberRow> {
        let name = name.trim().to_lowercase();
        self.rows.values().find(|row| row.member.name.to_lowercase() == name)
    }

    /// Everybody, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &MemberRow> {
        self.rows.values()
    }

    /// The ids of those who left.
    #[must_use]
    pub fn gone(&self) -> BTreeSet<MemberId> {
        self.gone.keys().copied().collect()
    }
}

/// Whether a text can be a person's name.
fn fit_name(name: &str) -> Result<(), RosterError> {
    let between = |letter: char| matches!(letter, ' ' | '-' | '\'' | '’');
    // Marks that belong to a letter follow one.
    let spelled = name.chars().all(|letter| {
        letter.is_alphanumeric()
            || between(letter)
            || matches!(letter, '\u{300}'..='\u{36f}' | '\u{900}'..='\u{dff}' | '\u{e31}'..='\u{e4e}')
    });
    let ends = |letter: Option<char>| letter.is_some_and(|letter| !between(letter));
    let doubled = name.chars().zip(name.chars().skip(1)).any(|(a, b)| between(a) && between(b));
    let hidden = name.chars().any(|letter| is_harmful(letter) || is_invisible(letter));
    let fits = (1..=NAME_MAX).contains(&name.len()) && ends(name.chars().next()) && ends(name.chars().last());
    if !fits || !spelled || doubled || hidden || !name.chars().any(char::is_alphabetic) {
        return Err(RosterError::Name);
    }
    if !name.is_single_script() {
        return Err(RosterError::MixedName);
    }
    if RESERVED.iter().any(|word| alike(word, name)) { Err(RosterError::ReservedName) } else { Ok(()) }
}

/// Whether two names read alike: equal but for case, or confusable in either case (UTS #39, skeletons), so that neither `ADA`, `Ada` with
/// a Cyrillic letter, nor `lda` beside `Ida` is another name.
fn alike(a: &str, b: &str) -> bool {
    let folded = |name: &str| skeleton(&name.to_lowercase()).collect::<String>();
    let seen = |name: &str| skeleton(name).collect::<String>().to_lowercase();
    folded(a) == folded(b) || seen(a) == seen(b)
}

#[cfg(test)]
mod tests;
