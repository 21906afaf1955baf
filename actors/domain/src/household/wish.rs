//! What a member asks of the household in names, and what becomes of it: decided here, by [`People`], with the fact that the journal gets.

use std::collections::BTreeSet;

use super::people::{By, Changed, Enrol, People, PeopleError};
use super::record::HouseholdWrite;
use super::roster::{NewMember, RosterError};
use super::{Member, MemberId, Role, is_grown_up};
use crate::ids::{GroupId, IdentityId};
use crate::journal::FactKind;

/// Somebody new, in names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// The name.
    pub name: String,
    /// What they are to be.
    pub role: Role,
    /// IANA name of the time zone; that of the one who asks when it is not given.
    pub zone: Option<String>,
    /// The grown-ups of a child or teen, by name; for a child the one who asks when none is named.
    pub guardians: Vec<String>,
}

/// What a member asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Somebody new.
    Add(Newcomer),
    /// Another role.
    Role {
        /// Whose.
        name: String,
        /// Which.
        role: Role,
        /// The grown-ups of a child or teen, by name.
        guardians: Vec<String>,
    },
    /// Nobody any more.
    Remove {
        /// Who.
        name: String,
    },
    /// The sender of a code is a new member.
    PairNew {
        /// The code, as typed.
        code: String,
        /// Who.
        newcomer: Newcomer,
    },
    /// The sender of a code is somebody who is here.
    PairWith {
        /// The code, as typed.
        code: String,
        /// Who.
        name: String,
    },
    /// The sender of a code stays unknown.
    Deny {
        /// The code, as typed.
        code: String,
    },
    /// An account lets nobody in any more.
    Unlink {
        /// Which.
        id: IdentityId,
    },
    /// The house may speak in a group.
    Admit {
        /// Which.
        group: GroupId,
    },
    /// The house may not speak in a group any more.
    Dismiss {
        /// Which.
        group: GroupId,
    },
}

/// A change that was made, with what the journal says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The change.
    pub changed: Changed,
    /// What happened.
    pub kind: FactKind,
    /// The id of what it is about.
    pub subject: String,
    /// A closed word: a role, or nothing.
    pub detail: String,
}

impl People {
    /// Does what a member asks for. `fresh` is an id that nobody has had, for somebody new whose name's own is used up.
    ///
    /// # Errors
    ///
    /// When the member may not, or it does not fit. Nothing has changed then, but that a wrong code is counted.
    pub fn grant(&mut self, by: By, wish: Wish, fresh: MemberId) -> Result<Granted, PeopleError> {
        match wish {
            Wish::Add(newcomer) => {
                let new = self.newcomer(by, newcomer, fresh)?;
                let row = self.roster.add(by.member, new, by.at)?;
                let (member, role) = (row.member.id, row.member.role);
                let changed = Changed { member, writes: vec![HouseholdWrite::Member(row)], tell: BTreeSet::new() };
                Ok(granted(changed, FactKind::MemberAdded, role.to_string()))
            }
            Wish::Role { name, role, guardians } => {
                let of = self.id(&name)?;
                let guardians = self.guardians(by, role, &guardians)?;
                let row = self.roster.change_role(by.member, of, role, guardians, by.at)?;
                // Who is no grown-up any more is nobody's guardian.
                let others = self.roster.iter().filter(|other| other.member.id != of).cloned().map(HouseholdWrite::Member);
                // Nothing that began under the former role goes on.
                let ended = HouseholdWrite::EndSessions { member: of };
                let writes = std::iter::once(HouseholdWrite::Member(row)).chain(others).chain([ended]).collect();
                let tell = BTreeSet::from([of]).into_iter().filter(|told| *told != by.member).collect();
                Ok(granted(Changed { member: of, writes, tell }, FactKind::MemberChanged, role.to_string()))
            }
            Wish::Remove { name } => {
                let of = self.id(&name)?;
                let mut changed = self.remove(by, of)?;
                changed.writes.push(HouseholdWrite::EraseConversation { id: super::Place::main(of) });
                Ok(granted(changed, FactKind::MemberRemoved, String::new()))
            }
            Wish::PairNew { code, newcomer } => {
                let role = newcomer.role.to_string();
                let new = self.newcomer(by, newcomer, fresh)?;
                let changed = self.approve(by, &code, Enrol::New(new))?;
                Ok(granted(changed, FactKind::IdentityLinked, role))
            }
            Wish::PairWith { code, name } => {
                let of = self.id(&name)?;
                let changed = self.approve(by, &code, Enrol::Link(of))?;
                Ok(granted(changed, FactKind::IdentityLinked, String::new()))
            }
            Wish::Deny { code } => {
                let role = self.roster.role(by.member).unwrap_or(Role::Guest);
                let id = self.pairings.find(by.at, (by.member, role), by.from, &code)?.id;
                self.pairings.cancel(id);
                let changed = Changed { member: by.member, writes: vec![HouseholdWrite::ForgetPairing { id }], tell: BTreeSet::new() };
                Ok(Granted { subject: id.to_string(), ..granted(changed, FactKind::PairingDenied, String::new()) })
            }
            Wish::Unlink { id } => {
                let changed = self.unlink(by, id)?;
                Ok(Granted { subject: id.to_string(), ..granted(changed, FactKind::IdentityUnlinked, String::new()) })
            }
            Wish::Admit { group } => {
                let row = self.admit(by, group)?;
                Ok(of_group(by, group, row, FactKind::GroupAdmitted))
            }
            Wish::Dismiss { group } => {
                let row = self.dismiss(by, group)?;
                Ok(of_group(by, group, row, FactKind::GroupDismissed))
            }
        }
    }

    fn id(&self, name: &str) -> Result<MemberId, RosterError> {
        self.roster.named(name).map(|row| row.member.id).ok_or(RosterError::Unknown)
    }

    fn newcomer(&self, by: By, new: Newcomer, fresh: MemberId) -> Result<NewMember, RosterError> {
        let Newcomer { name, role, zone, guardians } = new;
        let own = Member::id_of(&name);
        // An id is given once: whoever comes after somebody of the same name gets another.
        let used = self.roster.get(own).is_some() || self.roster.gone().contains(&own);
        let zone = zone.or_else(|| self.roster.get(by.member).map(|row| row.member.zone.clone())).ok_or(RosterError::Unknown)?;
        let guardians = self.guardians(by, role, &guardians)?;
        Ok(NewMember { id: if used { fresh } else { own }, name: name.trim().to_owned(), role, guardians, zone })
    }

    fn guardians(&self, by: By, role: Role, named: &[String]) -> Result<BTreeSet<MemberId>, RosterError> {
        let asks = self.roster.role(by.member).is_some_and(is_grown_up);
        if named.is_empty() && role == Role::Child && asks {
            return Ok(BTreeSet::from([by.member]));
        }
        named.iter().map(|name| self.id(name)).collect()
    }
}

fn granted(changed: Changed, kind: FactKind, detail: String) -> Granted {
    Granted { subject: changed.member.to_string(), changed, kind, detail }
}

fn of_group(by: By, group: GroupId, row: HouseholdWrite, kind: FactKind) -> Granted {
    let changed = Changed { member: by.member, writes: vec![row], tell: BTreeSet::new() };
    Granted { subject: group.to_string(), ..granted(changed, kind, String::new()) }
}

#[cfg(test)]
mod tests {
    use super::super::open::open;
    use super::super::pairing::{PairingLimits, Reply, Setting};
    use super::super::record::HouseholdRows;
    use super::*;
    use crate::chance::Seed;
    use crate::household::identity::{Identity, Platform};
    use crate::ids::PairingId;
    use crate::time::Timestamp;

    fn people() -> People {
        let member = |name: &str, role| Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "Europe/Berlin".to_owned() };
        let configured = [member("Ada", Role::Owner), member("Ben", Role::Adult), member("Mia", Role::Child)];
        open(&configured, HouseholdRows::default(), PairingLimits::default(), now()).unwrap().people
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_780_000_000).unwrap()
    }

    fn by(name: &str) -> By {
        By { member: Member::id_of(name), from: Setting::Private, at: now() }
    }

    fn new(name: &str, role: Role) -> Newcomer {
        Newcomer { name: name.to_owned(), role, zone: None, guardians: Vec::new() }
    }

    fn fresh() -> MemberId {
        MemberId::derived(&["fresh"])
    }

    #[test]
    fn a_newcomer_has_the_zone_of_the_one_who_asks_and_a_child_their_care() {
        let mut people = people();
        let granted = people.grant(by("Ben"), Wish::Add(new("Leo", Role::Child)), fresh()).unwrap();
        assert_eq!((granted.kind, granted.detail.as_str(), granted.changed.member), (FactKind::MemberAdded, "child", Member::id_of("Leo")));
        let leo = people.roster.named("leo").unwrap();
        assert_eq!(
            (leo.member.zone.as_str(), &leo.guardians, leo.by),
            ("Europe/Berlin", &[Member::id_of("Ben")].into(), Some(Member::id_of("Ben")))
        );
    }

    #[test]
    fn who_comes_after_somebody_of_the_same_name_is_somebody_else() {
        let mut people = people();
        people.grant(by("Ada"), Wish::Remove { name: "mia".to_owned() }, fresh()).unwrap();
        let granted = people.grant(by("Ada"), Wish::Add(new("Mia", Role::Guest)), fresh()).unwrap();
        assert_eq!(granted.changed.member, fresh());
        assert_eq!(people.roster.named("Mia").unwrap().member.id, fresh());
    }

    #[test]
    fn a_child_changes_nobody_and_an_adult_no_adult() {
        let mut people = people();
        let before = people.clone();
        for (who, wish) in [
            ("Mia", Wish::Add(new("Leo", Role::Guest))),
            ("Mia", Wish::Remove { name: "Mia".to_owned() }),
            ("Ben", Wish::Remove { name: "Ada".to_owned() }),
            ("Ben", Wish::Role { name: "Ada".to_owned(), role: Role::Guest, guardians: Vec::new() }),
            ("Ben", Wish::Add(new("Leo", Role::Owner))),
            ("Nobody", Wish::Add(new("Leo", Role::Guest))),
        ] {
            assert!(people.grant(by(who), wish.clone(), fresh()).is_err(), "{who} {wish:?}");
            assert_eq!(people, before);
        }
    }

    #[test]
    fn a_code_lets_in_whom_a_grown_up_says_and_a_denied_one_nobody() {
        let mut people = people();
        let mut chance = Seed::from_u64(1).rng();
        let account = |n: &str| Identity::new(Platform::Telegram, "telegram", n).unwrap();
        let mut code = |people: &mut People, n: &str| match people.stranger(
            now(),
            &mut chance,
            PairingId::derived(&[n]),
            &account(n),
            Setting::Private,
        ) {
            Some(Reply::Code(code, _)) => code.to_string(),
            other => panic!("{other:?}"),
        };
        let (first, second) = (code(&mut people, "1"), code(&mut people, "2"));
        let denied = people.grant(by("Ben"), Wish::Deny { code: first.clone() }, fresh()).unwrap();
        assert_eq!(denied.kind, FactKind::PairingDenied);
        assert!(people.grant(by("Ben"), Wish::PairWith { code: first, name: "Ben".to_owned() }, fresh()).is_err());
        let paired =
            people.grant(by("Ben"), Wish::PairNew { code: second.to_lowercase(), newcomer: new("Uma", Role::Guest) }, fresh()).unwrap();
        assert_eq!((paired.kind, people.identities.member(&account("2"))), (FactKind::IdentityLinked, Some(Member::id_of("Uma"))));
        let id = account("2").id();
        let unlinked = people.grant(by("Ben"), Wish::Unlink { id }, fresh()).unwrap();
        assert_eq!((unlinked.kind, unlinked.subject), (FactKind::IdentityUnlinked, id.to_string()));
    }
}
