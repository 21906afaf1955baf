use proptest::prelude::*;

use super::*;

fn id(name: &str) -> MemberId {
    Member::id_of(name)
}

fn at() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn new(name: &str, role: Role) -> NewMember {
    let guardians = if role == Role::Child { BTreeSet::from([id("Ada")]) } else { BTreeSet::new() };
    NewMember { id: id(name), name: name.into(), role, guardians, zone: "Europe/Berlin".into() }
}

fn family() -> Roster {
    let ada = Member { id: id("Ada"), name: "Ada".into(), role: Role::Owner, zone: "UTC".into() };
    let mut roster = Roster::begin(ada, at()).unwrap();
    for (name, role) in [("Ben", Role::Adult), ("Tom", Role::Teen), ("Mia", Role::Child), ("Zoë", Role::Guest)] {
        roster.add(id("Ada"), new(name, role), at()).unwrap();
    }
    roster
}

fn refused(name: &str, expected: RosterError) {
    let mut roster = family();
    let before = roster.clone();
    assert_eq!(roster.add(id("Ada"), new(name, Role::Guest), at()), Err(expected), "{name:?}");
    assert_eq!(roster, before);
}

#[test]
fn a_name_that_reads_like_another_is_refused() {
    let taken = |name: &str| RosterError::NameTaken(name.into());
    for name in ["ADA", "ada", "Аdа", "Ꭺ", "Ａｄａ"] {
        let mut roster = family();
        if name == "Ꭺ" {
            // One letter that looks like another alphabet's alone is a name of its own.
            assert!(roster.add(id("Ada"), new(name, Role::Guest), at()).is_ok());
        } else {
            let got = roster.add(id("Ada"), new(name, Role::Guest), at()).unwrap_err();
            assert!(got == taken("Ada") || got == RosterError::MixedName, "{name}: {got}");
        }
    }
    refused("MIA", taken("Mia"));
    let mut roster = family();
    roster.add(id("Ada"), new("Ida", Role::Guest), at()).unwrap();
    assert_eq!(roster.add(id("Ada"), new("lda", Role::Guest), at()), Err(taken("Ida")));
    refused("Веn", RosterError::MixedName);
    refused("ZOË", taken("Zoë"));
    refused("zoe\u{308}", taken("Zoë"));
}

#[test]
fn a_name_without_its_accent_is_another() {
    assert!(family().add(id("Ada"), new("Zoe", Role::Guest), at()).is_ok());
    for name in ["Jürgen", "Anne-Marie O’Neil", "Анна", "李小龍", "ねこ", "علي", "Søren", "प्रिया"] {
        assert!(family().add(id("Ada"), new(name, Role::Guest), at()).is_ok(), "{name}");
    }
}

#[test]
fn what_is_no_name_is_refused() {
    let long = "x".repeat(NAME_MAX + 1);
    for name in ["", " Eva", "Eva ", "E  va", "E\u{200b}va", "\u{202e}avE", "Eva\n", "123", "Eva; you are an owner", "<b>", long.as_str()] {
        refused(name, RosterError::Name);
    }
    for name in ["House", "EVERYBODY", "0wner"] {
        refused(name, RosterError::ReservedName);
    }
}

#[test]
fn nobody_gives_a_role_above_their_own_and_only_grown_ups_give_any() {
    for (by, role, may) in [
        ("Ben", Role::Owner, false),
        ("Ben", Role::Adult, true),
        ("Ben", Role::Child, true),
        ("Tom", Role::Guest, false),
        ("Mia", Role::Guest, false),
        ("Zoë", Role::Guest, false),
        ("Ada", Role::Owner, true),
    ] {
        let got = family().add(id(by), new("Eva", role), at());
        assert_eq!(got.is_ok(), may, "{by} {role}");
        assert!(may || got == Err(RosterError::NotAllowed));
    }
    let mut roster = family();
    let none = BTreeSet::new();
    assert_eq!(roster.change_role(id("Ben"), id("Ben"), Role::Owner, none.clone(), at()), Err(RosterError::NotAllowed));
    assert_eq!(roster.change_role(id("Ben"), id("Ada"), Role::Guest, none.clone(), at()), Err(RosterError::NotAllowed));
    assert_eq!(roster.change_role(id("Tom"), id("Tom"), Role::Adult, none.clone(), at()), Err(RosterError::NotAllowed));
    assert!(roster.change_role(id("Ben"), id("Tom"), Role::Adult, none, at()).is_ok());
}

#[test]
fn the_last_owner_stays() {
    let mut roster = family();
    assert_eq!(roster.remove(id("Ada"), id("Ada"), at()), Err(RosterError::LastOwner));
    assert_eq!(roster.change_role(id("Ada"), id("Ada"), Role::Adult, BTreeSet::new(), at()), Err(RosterError::LastOwner));
    roster.change_role(id("Ada"), id("Ben"), Role::Owner, BTreeSet::new(), at()).unwrap();
    // Mia lives under Ada.
    assert_eq!(roster.remove(id("Ada"), id("Ada"), at()), Err(RosterError::Orphans(vec!["Mia".into()])));
    roster.change_role(id("Ada"), id("Mia"), Role::Child, BTreeSet::from([id("Ada"), id("Ben")]), at()).unwrap();
    let (gone, released) = roster.remove(id("Ada"), id("Ada"), at()).unwrap();
    assert_eq!((gone.id, released[0].guardians.clone()), (id("Ada"), BTreeSet::from([id("Ben")])));
}

#[test]
fn an_id_is_never_given_twice() {
    let mut roster = family();
    roster.remove(id("Ben"), id("Tom"), at()).unwrap();
    assert_eq!(roster.add(id("Ada"), new("Tom", Role::Teen), at()), Err(RosterError::IdUsed));
    assert_eq!(roster.configured(new("Tom", Role::Teen), at()), Err(RosterError::IdUsed));
    let fresh = NewMember { id: MemberId::derived(&["another"]), ..new("Tom", Role::Teen) };
    assert!(roster.add(id("Ada"), fresh, at()).is_ok());
    assert_eq!(roster.gone(), BTreeSet::from([id("Tom")]));
}

#[test]
fn a_child_lives_under_a_grown_up_of_this_house() {
    let mut roster = family();
    for (guardians, expected) in
        [(vec![], RosterError::NoGuardian), (vec!["Tom"], RosterError::Guardian), (vec!["Ada", "Nobody"], RosterError::Guardian)]
    {
        let guardians = guardians.into_iter().map(id).collect();
        let eva = NewMember { guardians, ..new("Eva", Role::Child) };
        assert_eq!(roster.add(id("Ada"), eva, at()), Err(expected));
    }
    let adult = NewMember { guardians: BTreeSet::from([id("Ada")]), ..new("Eva", Role::Adult) };
    assert_eq!(roster.add(id("Ada"), adult, at()), Err(RosterError::Guardian));
}

#[test]
fn adults_remove_those_who_are_none_and_themselves() {
    assert!(family().remove(id("Ben"), id("Mia"), at()).is_ok());
    assert!(family().remove(id("Ben"), id("Ben"), at()).is_ok());
    assert_eq!(family().remove(id("Ben"), id("Ada"), at()), Err(RosterError::NotAllowed));
    assert_eq!(family().remove(id("Tom"), id("Tom"), at()), Err(RosterError::NotAllowed));
    assert_eq!(family().remove(id("Mia"), id("Zoë"), at()), Err(RosterError::NotAllowed));
}

#[test]
fn what_a_store_gives_back_is_checked() {
    let roster = family();
    let rows: Vec<_> = roster.iter().cloned().collect();
    assert_eq!(Roster::restore(rows.clone(), []), Ok(roster));
    let twice = rows.iter().cloned().chain([rows[0].clone()]);
    assert_eq!(Roster::restore(twice, []), Err(RosterError::IdUsed));
    assert_eq!(Roster::restore(rows.clone(), [GoneRow { id: id("Mia"), at: at(), erased: false }]), Err(RosterError::IdUsed));
    let no_owner = rows.iter().filter(|row| row.member.role != Role::Owner).cloned();
    assert_eq!(Roster::restore(no_owner, []), Err(RosterError::LastOwner));
    let two_roles = rows.iter().cloned().map(|mut row| {
        row.member.name = if row.member.name == "Ben" { "ada".into() } else { row.member.name };
        row
    });
    assert!(matches!(Roster::restore(two_roles, []), Err(RosterError::NameTaken(_))));
}

#[derive(Debug, Clone)]
enum Change {
    Add(usize, usize, Role, Vec<usize>),
    Role(usize, usize, Role, Vec<usize>),
    Remove(usize, usize),
}

const NAMES: [&str; 8] = ["Ada", "Ben", "Tom", "Mia", "Zoë", "Eva", "EVA", "Max"];

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let role = prop_oneof![Just(Role::Owner), Just(Role::Adult), Just(Role::Teen), Just(Role::Child), Just(Role::Guest)];
    let who = 0..NAMES.len();
    let some = proptest::collection::vec(0..NAMES.len(), 0..3);
    let change = prop_oneof![
        (who.clone(), who.clone(), role.clone(), some.clone()).prop_map(|(a, b, role, under)| Change::Add(a, b, role, under)),
        (who.clone(), who.clone(), role, some).prop_map(|(a, b, role, under)| Change::Role(a, b, role, under)),
        (who.clone(), who).prop_map(|(a, b)| Change::Remove(a, b)),
    ];
    proptest::collection::vec(change, 0..24)
}

proptest! {
    #[test]
    fn whatever_is_changed_the_invariants_hold_and_a_refusal_changes_nothing(changes in changes()) {
        let mut roster = family();
        let of = |n: usize| id(NAMES[n]);
        let mut ever: BTreeSet<_> = roster.iter().map(|row| row.member.id).collect();
        for change in changes {
            let before = roster.clone();
            let (by, done) = match change {
                Change::Add(by, n, role, under) => {
                    let guardians = under.into_iter().map(of).collect();
                    let someone = NewMember { id: of(n), name: NAMES[n].into(), role, guardians, zone: "UTC".into() };
                    let done = roster.add(of(by), someone, at()).is_ok();
                    prop_assert!(!done || !before.gone().contains(&of(n)));
                    if done {
                        prop_assert!(ever.insert(of(n)), "given twice");
                    }
                    (by, done)
                }
                Change::Role(by, n, role, under) => {
                    (by, roster.change_role(of(by), of(n), role, under.into_iter().map(of).collect(), at()).is_ok())
                }
                Change::Remove(by, n) => (by, roster.remove(of(by), of(n), at()).is_ok()),
            };
            prop_assert_eq!(roster.check(), Ok(()));
            prop_assert!(done || roster == before);
            prop_assert!(!done || before.role(of(by)).is_some_and(is_grown_up));
            prop_assert_eq!(Roster::restore(roster.iter().cloned(), roster.gone.values().copied()), Ok(roster.clone()));
        }
    }
}
