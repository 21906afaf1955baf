//! Break-glass: a grown-up reads a child's private conversations, for an hour, and the child is told first.
//!
//! ```text
//! asked, with a reason ─▶ in the journal ─▶ said to the child ─▶ open ──(an hour by either clock, a restart, another role)──▶ shut
//!                                                                 └─ each reading: in the journal first, then shown
//! ```
//!
//! It is for a child's account only: a teen's, like a grown-up's, is nobody else's. It widens no label: what is shown is shown to a person at
//! the console, and goes into no conversation, no memory and to no model. An opening lives in memory, so that no restart and no clock
//! revives one; the monotonic clock ends it where the wall clock is moved back.

use std::collections::BTreeMap;
use std::time::Duration;

use super::is_grown_up;
use super::record::MemberRow;
use super::{Member, MemberId, Role};
use crate::error::{Class, Classified};
use crate::journal::{Digest, Fact, FactKind};
use crate::label::Label;
use crate::message::is_harmful;
use crate::time::{Mono, Timestamp};

/// How long it is open.
pub const LASTS: Duration = Duration::from_secs(60 * 60);
/// Characters of a reason.
pub const REASON_MAX: usize = 300;
/// Messages of one conversation that are shown at once, the newest.
pub const SHOWN: usize = 200;

/// Why nothing is opened or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlassError {
    /// Not theirs.
    #[error("this is for a guardian of the child, or an owner")]
    NotAllowed,
    /// Not a child.
    #[error("this is for a child's account only: what a teen, a grown-up or a guest says to the house stays theirs, whoever asks")]
    NotAChild,
    /// No reason.
    #[error("say why, in 1 to {REASON_MAX} characters; the child reads it")]
    Reason,
    /// It is not open, or not any more.
    #[error(
        "it is not open, or not any more: open it with `hearth member break-glass NAME --reason TEXT`; it lasts an hour and ends with a restart"
    )]
    Shut,
}

impl Classified for GlassError {
    fn class(&self) -> Class {
        match self {
            Self::NotAllowed | Self::NotAChild | Self::Shut => Class::Denied,
            Self::Reason => Class::Permanent,
        }
    }
}

/// An opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// For whom.
    pub by: MemberId,
    /// Whose conversations.
    pub child: MemberId,
    /// Why: the child reads it, and nobody else.
    pub reason: String,
    /// When it began.
    pub at: Timestamp,
    /// Until when, by the wall clock.
    pub until: Timestamp,
    /// Until when, by the clock that never goes back.
    ends: Mono,
}

impl Opening {
    fn is_open(&self, wall: Timestamp, mono: Mono) -> bool {
        mono < self.ends && wall < self.until
    }

    /// What the journal gets: who, whose, until when, and a digest of the reason.
    #[must_use]
    pub fn fact(&self) -> Fact {
        Fact {
            kind: FactKind::GlassBroken,
            who: Some(self.by),
            subject: self.child.to_string(),
            detail: format!("until {} for {}", self.until, self.child),
            content: Some(Digest::of(self.reason.as_bytes())),
            at: self.at,
        }
    }

    /// What the journal gets before anything is shown: how many conversations.
    #[must_use]
    pub fn read(&self, conversations: usize, at: Timestamp) -> Fact {
        let detail = format!("{conversations} conversations for {}", self.child);
        Fact { kind: FactKind::GlassRead, who: Some(self.by), subject: self.child.to_string(), detail, content: None, at }
    }

    /// What the child is told.
    #[must_use]
    pub fn told(&self, by: &Member, child: &Member) -> String {
        let until = self.until.to_zoned(child.time_zone()).strftime("%H:%M");
        format!("{} may read your private conversations with the house until {until}. They said why: {}", by.name, self.reason)
    }
}

/// What is open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Glass(BTreeMap<(MemberId, MemberId), Opening>);

impl Glass {
    /// An opening that may be. It counts when the child was told: [`Self::admit`].
    ///
    /// # Errors
    ///
    /// When the one who asks may not, it is no child's account, or there is no reason.
    pub fn begin(by: &Member, child: &MemberRow, reason: &str, wall: Timestamp, mono: Mono) -> Result<Opening, GlassError> {
        may(by, child)?;
        let reason: String =
            reason.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|letter| !is_harmful(*letter)).collect();
        let until = wall.checked_add(LASTS).map_err(|_| GlassError::Shut)?;
        if reason.is_empty() || reason.chars().count() > REASON_MAX {
            return Err(GlassError::Reason);
        }
        Ok(Opening { by: by.id, child: child.member.id, reason, at: wall, until, ends: mono.plus(LASTS) })
    }

    /// It counts from now on.
    pub fn admit(&mut self, opening: Opening, wall: Timestamp, mono: Mono) {
        self.0.retain(|_, known| known.is_open(wall, mono));
        self.0.insert((opening.by, opening.child), opening);
    }

    /// The opening by which somebody may read now.
    ///
    /// # Errors
    ///
    /// When there is none, it is over, or either of the two is not what they were.
    pub fn may_read(&self, by: &Member, child: &MemberRow, wall: Timestamp, mono: Mono) -> Result<&Opening, GlassError> {
        may(by, child)?;
        let opening = self.0.get(&(by.id, child.member.id)).filter(|opening| opening.is_open(wall, mono));
        opening.ok_or(GlassError::Shut)
    }

    /// Those by which a child's conversations may be read now, for the child.
    pub fn on(&self, child: MemberId, wall: Timestamp, mono: Mono) -> impl Iterator<Item = &Opening> {
        self.0.values().filter(move |opening| opening.child == child && opening.is_open(wall, mono))
    }
}

fn may(by: &Member, child: &MemberRow) -> Result<(), GlassError> {
    let guards = child.guardians.contains(&by.id) || child.guardians.is_empty();
    if !is_grown_up(by.role) || !(guards || by.role == Role::Owner) {
        return Err(GlassError::NotAllowed);
    }
    if child.member.role == Role::Child { Ok(()) } else { Err(GlassError::NotAChild) }
}

/// Whether something that was said there is shown: what the child itself may read, and nothing else.
#[must_use]
pub fn is_shown(child: MemberId, label: &Label) -> bool {
    label.readers.limited_to().is_none_or(|only| only.contains(&child))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{Integrity, Readers};

    fn member(name: &str, role: Role) -> Member {
        Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "Europe/Berlin".to_owned() }
    }

    fn row(name: &str, role: Role, guardians: &[&str]) -> MemberRow {
        let guardians = guardians.iter().map(|name| Member::id_of(name)).collect();
        MemberRow { member: member(name, role), guardians, by: None, at: wall(0) }
    }

    fn wall(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + seconds).unwrap()
    }

    fn mono(seconds: u64) -> Mono {
        Mono(Duration::from_secs(1_000 + seconds))
    }

    fn opened(by: &Member, child: &MemberRow) -> Result<Glass, GlassError> {
        let opening = Glass::begin(by, child, "she has not come home", wall(0), mono(0))?;
        let mut glass = Glass::default();
        glass.admit(opening, wall(0), mono(0));
        Ok(glass)
    }

    #[test]
    fn a_childs_guardian_and_an_owner_open_it_and_nobody_else_and_nobody_elses_opens() {
        let mia = row("Mia", Role::Child, &["Ben"]);
        let may = |by: &str, role, of: &MemberRow| opened(&member(by, role), of).map(|_| ());
        assert_eq!(may("Ben", Role::Adult, &mia), Ok(()));
        assert_eq!(may("Ada", Role::Owner, &mia), Ok(()));
        for (by, role) in [("Eve", Role::Adult), ("Tim", Role::Teen), ("Mia", Role::Child), ("Uma", Role::Guest)] {
            assert_eq!(may(by, role, &mia), Err(GlassError::NotAllowed), "{by}");
        }
        for role in [Role::Teen, Role::Adult, Role::Guest, Role::Owner] {
            assert_eq!(may("Ada", Role::Owner, &row("Tim", role, &[])), Err(GlassError::NotAChild), "{role}");
        }
    }

    #[test]
    fn it_is_open_for_the_one_who_opened_it_and_ends_by_either_clock_and_by_another_role() {
        let (ben, mia) = (member("Ben", Role::Adult), row("Mia", Role::Child, &["Ben"]));
        let glass = opened(&ben, &mia).unwrap();
        let reads = |by: &Member, of: &MemberRow, wall, mono| glass.may_read(by, of, wall, mono).is_ok();
        assert!(reads(&ben, &mia, wall(3_599), mono(3_599)));
        assert!(!reads(&ben, &mia, wall(3_600), mono(10)), "the machine slept");
        assert!(!reads(&ben, &mia, wall(-86_400), mono(3_600)), "the clock was moved back");
        assert!(!reads(&member("Ada", Role::Owner), &mia, wall(1), mono(1)), "it is Ben's");
        assert!(!reads(&member("Ben", Role::Guest), &mia, wall(1), mono(1)));
        assert!(!reads(&ben, &row("Mia", Role::Teen, &["Ben"]), wall(1), mono(1)));
        assert!(!reads(&ben, &row("Lea", Role::Child, &["Ben"]), wall(1), mono(1)));
        assert!(Glass::default().may_read(&ben, &mia, wall(1), mono(1)).is_err());
        assert_eq!(glass.on(mia.member.id, wall(1), mono(1)).count(), 1);
        assert_eq!(glass.on(mia.member.id, wall(3_600), mono(1)).count(), 0);
    }

    #[test]
    fn the_child_reads_why_and_the_journal_has_a_digest() {
        let (ben, mia) = (member("Ben", Role::Adult), row("Mia", Role::Child, &["Ben"]));
        let opening = Glass::begin(&ben, &mia, " she has not\n\u{202e}come home ", wall(0), mono(0)).unwrap();
        assert!(opening.told(&ben, &mia.member).ends_with("They said why: she has not come home"));
        let fact = opening.fact();
        assert!(fact.detail.ends_with(&format!(" for {}", mia.member.id)) && !format!("{fact:?}").contains("home"));
        for reason in ["", " \n", &"x".repeat(REASON_MAX + 1)] {
            assert_eq!(Glass::begin(&ben, &mia, reason, wall(0), mono(0)), Err(GlassError::Reason));
        }
    }

    #[test]
    fn what_the_child_may_not_read_itself_is_not_shown() {
        let label = |readers| Label::new(readers, Integrity::Member);
        let (mia, ben) = (Member::id_of("Mia"), Member::id_of("Ben"));
        assert!(is_shown(mia, &label(Readers::only([mia]))) && is_shown(mia, &label(Readers::household())));
        assert!(!is_shown(mia, &label(Readers::only([ben]))));
    }
}
