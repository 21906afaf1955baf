//! The household as it begins: the configuration's members, and all that was changed in the house since.
//!
//! ```text
//! configuration ─▶ names, zones, roles ──┐
//! store ─▶ roles that a member changed, ─┴─▶ People, and the rows that are new
//!          members who were added or removed, accounts, pairings, groups
//! ```
//!
//! What a member decided in the house counts before the configuration: a role that was changed stays, and who was removed stays away,
//! whatever the configuration says. Who is in neither is not here: a row that only an earlier configuration stands for is passed over.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::Identities;
use super::pairing::{PairingLimits, Pairings};
use super::people::People;
use super::record::{HouseholdRows, MemberRow};
use super::roster::{Roster, RosterError};
use super::{Member, MemberId, Role, is_grown_up};
use crate::time::Timestamp;

/// What the household is at a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Everybody.
    pub people: People,
    /// Members' rows that are not in the store as they are.
    pub changed: Vec<MemberRow>,
    /// Members of the configuration who were removed, by their names there.
    pub away: Vec<String>,
}

/// The household of a configuration and of what was stored. `now` is the wall clock.
///
/// # Errors
///
/// When the two do not fit together: no owner, or two members whose names read alike.
pub fn open(configured: &[Member], stored: HouseholdRows, limits: PairingLimits, now: Timestamp) -> Result<Opened, RosterError> {
    let HouseholdRows { members, gone, identities, pairings, groups } = stored;
    let before: BTreeMap<_, _> = members.into_iter().map(|row| (row.member.id, row)).collect();
    let left: BTreeSet<_> = gone.iter().map(|row| row.id).collect();
    let (here, away): (Vec<_>, Vec<_>) = configured.iter().partition(|member| !left.contains(&member.id));
    let mut rows: BTreeMap<MemberId, MemberRow> = here.into_iter().map(|member| (member.id, of(member, before.get(&member.id)))).collect();
    let added = before.values().filter(|row| row.by.is_some() && !rows.contains_key(&row.member.id)).cloned().collect::<Vec<_>>();
    rows.extend(added.into_iter().map(|row| (row.member.id, row)));
    appoint(&mut rows);
    let mut changed = Vec::new();
    for (id, row) in &mut rows {
        if before.get(id).is_none_or(|was| !same(was, row)) {
            row.at = now;
            changed.push(row.clone());
        }
    }
    let latest = rows.values().map(|row| row.at).chain(gone.iter().map(|row| row.at)).fold(now, Timestamp::max);
    let roster = Roster::restore(rows.into_values(), gone)?;
    let mut accounts = Identities::default();
    for row in identities.into_iter().filter(|row| roster.get(row.member).is_some()) {
        // One that does not fit any more lets nobody in.
        drop(accounts.link(row.identity, row.member));
    }
    let groups = groups.into_iter().map(|group| (group.id, group)).collect();
    let people = People { roster, identities: accounts, pairings: Pairings::restore(limits, pairings, latest), groups };
    Ok(Opened { people, changed, away: away.into_iter().map(|member| member.name.clone()).collect() })
}

/// A configured member's row. A role that somebody gave stays.
fn of(member: &Member, before: Option<&MemberRow>) -> MemberRow {
    match before {
        Some(row) if row.by.is_some() => MemberRow { member: Member { role: row.member.role, ..member.clone() }, ..row.clone() },
        Some(row) => MemberRow { member: member.clone(), ..row.clone() },
        None => MemberRow { member: member.clone(), guardians: BTreeSet::new(), by: None, at: Timestamp::UNIX_EPOCH },
    }
}

/// Guardians are grown-ups who are here; a child without one has all of them.
fn appoint(rows: &mut BTreeMap<MemberId, MemberRow>) {
    let grown: BTreeSet<_> = rows.values().filter(|row| is_grown_up(row.member.role)).map(|row| row.member.id).collect();
    for row in rows.values_mut() {
        match row.member.role {
            Role::Child | Role::Teen => row.guardians.retain(|guardian| grown.contains(guardian)),
            Role::Owner | Role::Adult | Role::Guest => row.guardians.clear(),
        }
        if row.member.role == Role::Child && row.guardians.is_empty() {
            row.guardians.clone_from(&grown);
        }
    }
}

/// Whether nothing has to be written. A row from before there were changes of the household is written again once.
fn same(was: &MemberRow, row: &MemberRow) -> bool {
    was.at != Timestamp::UNIX_EPOCH && (&was.member, &was.guardians, was.by) == (&row.member, &row.guardians, row.by)
}

#[cfg(test)]
mod tests {
    use super::super::record::GoneRow;
    use super::*;

    fn member(name: &str, role: Role) -> Member {
        Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "UTC".to_owned() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn family() -> Vec<Member> {
        vec![member("Ada", Role::Owner), member("Ben", Role::Adult), member("Mia", Role::Child)]
    }

    fn opened(configured: &[Member], stored: HouseholdRows) -> Opened {
        open(configured, stored, PairingLimits::default(), at(100)).unwrap()
    }

    fn row(member: Member, by: Option<&str>) -> MemberRow {
        MemberRow { member, guardians: BTreeSet::new(), by: by.map(Member::id_of), at: at(5) }
    }

    #[test]
    fn the_configuration_alone_is_a_household_in_which_a_child_has_the_grown_ups() {
        let first = opened(&family(), HouseholdRows::default());
        assert_eq!(first.changed.len(), 3);
        let mia = first.people.roster.named("mia").unwrap();
        assert_eq!(mia.guardians, [Member::id_of("Ada"), Member::id_of("Ben")].into());
        let again = opened(&family(), HouseholdRows { members: first.changed, ..HouseholdRows::default() });
        assert_eq!(again.changed, []);
    }

    #[test]
    fn a_role_that_was_changed_in_the_house_stays_and_a_name_follows_the_configuration() {
        let members = vec![row(member("Ben", Role::Guest), Some("Ada")), row(member("Mia", Role::Teen), None)];
        let opened = opened(&family(), HouseholdRows { members, ..HouseholdRows::default() });
        let role = |name: &str| opened.people.roster.named(name).map(|row| row.member.role);
        assert_eq!((role("Ben"), role("Mia")), (Some(Role::Guest), Some(Role::Child)));
    }

    #[test]
    fn who_was_removed_stays_away_and_who_left_the_configuration_is_not_here() {
        let gone = vec![GoneRow { id: Member::id_of("Ben"), at: at(9), erased: true }];
        let members = vec![row(member("Eve", Role::Adult), None), row(member("Uma", Role::Guest), Some("Ada"))];
        let opened = opened(&family(), HouseholdRows { members, gone, ..HouseholdRows::default() });
        let here = |name: &str| opened.people.roster.named(name).is_some();
        assert_eq!((here("Ben"), here("Eve"), here("Uma")), (false, false, true));
        assert_eq!(opened.away, ["Ben"]);
        assert_eq!(opened.people.roster.named("Mia").unwrap().guardians, [Member::id_of("Ada")].into());
    }

    #[test]
    fn a_configured_name_that_reads_like_an_added_member_s_is_refused() {
        let members = vec![row(Member { id: MemberId::derived(&["x"]), ..member("lda", Role::Guest) }, Some("Ada"))];
        let mut configured = family();
        configured.push(member("Ida", Role::Adult));
        let stored = HouseholdRows { members, ..HouseholdRows::default() };
        assert!(matches!(open(&configured, stored, PairingLimits::default(), at(100)), Err(RosterError::NameTaken(_))));
    }

    #[test]
    fn the_name_that_a_machine_gives_its_owner_is_taken_as_it_is() {
        let opened = opened(&[member("Owner", Role::Owner)], HouseholdRows::default());
        assert!(opened.people.roster.named("owner").is_some());
    }
}
