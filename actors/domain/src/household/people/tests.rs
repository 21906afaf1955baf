use proptest::prelude::*;
use rand_chacha::rand_core::RngCore;

use super::*;
use crate::chance::Seed;
use crate::household::Member;
use crate::household::identity::Platform;
use crate::household::pairing::{Code, PairingLimits, Why};

pub(in crate::household) fn id(name: &str) -> MemberId {
    Member::id_of(name)
}

pub(in crate::household) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(in crate::household) fn account(n: u64) -> Identity {
    Identity::new(Platform::Telegram, "telegram", &(n + 1).to_string()).unwrap()
}

pub(in crate::household) fn new(name: &str, role: Role) -> NewMember {
    let guardians = if role == Role::Child { BTreeSet::from([id("Ada")]) } else { BTreeSet::new() };
    NewMember { id: id(name), name: name.into(), role, guardians, zone: "UTC".into() }
}

/// Ada, Ben, Tom, Mia and Zoe; accounts 0 to 4 are theirs.
pub(in crate::household) fn family() -> People {
    let ada = Member { id: id("Ada"), name: "Ada".into(), role: Role::Owner, zone: "UTC".into() };
    let mut roster = Roster::begin(ada, at(0)).unwrap();
    for (name, role) in [("Ben", Role::Adult), ("Tom", Role::Teen), ("Mia", Role::Child), ("Zoe", Role::Guest)] {
        roster.add(id("Ada"), new(name, role), at(0)).unwrap();
    }
    let mut identities = Identities::default();
    for (n, name) in ["Ada", "Ben", "Tom", "Mia", "Zoe"].into_iter().enumerate() {
        identities.link(account(n as u64), id(name)).unwrap();
    }
    People { roster, identities, pairings: Pairings::restore(PairingLimits::default(), [], at(0)), groups: BTreeMap::new() }
}

fn by(name: &str, seconds: i64) -> By {
    By { member: id(name), from: Setting::Private, at: at(seconds) }
}

fn ask(people: &mut People, n: u64, seconds: i64) -> Reply {
    let pairing = PairingId::derived(&[&n.to_string(), &seconds.to_string()]);
    let mut chance = Seed::from_u64(n).child(&seconds.to_string()).rng();
    people.stranger(at(seconds), &mut chance, pairing, &account(n), Setting::Private).unwrap()
}

fn code(people: &mut People, n: u64, seconds: i64) -> Code {
    match ask(people, n, seconds) {
        Reply::Code(code, _) => code,
        Reply::Silence(why) => panic!("{why:?}"),
    }
}

fn refused(people: &mut People, by: By, code: &str, enrol: Enrol, expected: &PeopleError) {
    let (roster, identities) = (people.roster.clone(), people.identities.clone());
    assert_eq!(people.approve(by, code, enrol), Err(expected.clone()));
    assert_eq!((&people.roster, &people.identities), (&roster, &identities));
}

#[test]
fn a_stranger_becomes_a_member_by_a_grown_up_s_word_and_the_code_is_used_up() {
    let mut people = family();
    let code = code(&mut people, 9, 0).to_string();
    let done = people.approve(by("Ben", 60), &code.to_lowercase().replace('-', " "), Enrol::New(new("Eva", Role::Teen))).unwrap();
    assert_eq!((done.member, done.writes.len()), (id("Eva"), 3));
    assert_eq!(people.speaker(&account(9)), Speaker::Member(id("Eva")));
    // The second grown-up, a moment later.
    refused(&mut people, by("Ada", 60), &code, Enrol::New(new("Max", Role::Guest)), &PairingError::Used.into());
    assert_eq!(people.stranger(at(61), &mut Seed::from_u64(1).rng(), PairingId::derived(&["x"]), &account(9), Setting::Private), None);
}

#[test]
fn children_teens_guests_and_people_who_left_approve_nothing() {
    let mut people = family();
    let code = code(&mut people, 9, 0).to_string();
    for who in ["Tom", "Mia", "Zoe", "Nobody"] {
        refused(&mut people, by(who, 1), &code, Enrol::New(new("Eva", Role::Guest)), &PairingError::NotAllowed.into());
        // Nor do they learn whether a code is open.
        refused(&mut people, by(who, 1), "0000-0000", Enrol::New(new("Eva", Role::Guest)), &PairingError::NotAllowed.into());
    }
    people.remove(by("Ada", 2), id("Ben")).unwrap();
    refused(&mut people, by("Ben", 3), &code, Enrol::New(new("Eva", Role::Guest)), &PairingError::NotAllowed.into());
    let in_group = By { from: Setting::Group, ..by("Ada", 4) };
    refused(&mut people, in_group, &code, Enrol::New(new("Eva", Role::Guest)), &PairingError::InGroup.into());
    assert!(people.approve(by("Ada", 5), &code, Enrol::New(new("Eva", Role::Guest))).is_ok());
}

#[test]
fn a_code_that_is_over_never_works_and_a_clock_set_back_does_not_revive_it() {
    let mut people = family();
    let code = code(&mut people, 9, 0).to_string();
    let eva = || Enrol::New(new("Eva", Role::Guest));
    refused(&mut people, by("Ada", 15 * 60), &code, eva(), &PairingError::Wrong.into());
    refused(&mut people, by("Ada", 10), &code, eva(), &PairingError::Wrong.into());
    // Nor does a restart with the clock set back.
    let rows: Vec<_> = people.pairings.open().into_iter().cloned().collect();
    people.pairings = Pairings::restore(PairingLimits::default(), rows, at(15 * 60));
    refused(&mut people, by("Ada", 10), &code, eva(), &PairingError::Wrong.into());
    assert_eq!(people.pairings.sweep(at(0)), []);
}

#[test]
fn what_does_not_fit_leaves_the_code_open() {
    let mut people = family();
    let code = code(&mut people, 9, 0).to_string();
    let taken = RosterError::NameTaken("Ada".into());
    refused(&mut people, by("Ben", 1), &code, Enrol::New(NewMember { id: id("x"), ..new("ADA", Role::Guest) }), &taken.into());
    refused(&mut people, by("Ben", 1), &code, Enrol::New(new("Eva", Role::Owner)), &RosterError::NotAllowed.into());
    assert!(people.approve(by("Ben", 2), &code, Enrol::New(new("Eva", Role::Adult))).is_ok());
}

#[test]
fn nobody_gets_an_account_of_somebody_else() {
    for (who, whose, may) in [
        ("Ben", "Ada", false),
        ("Ada", "Ben", false),
        ("Ben", "Ben", true),
        ("Ben", "Tom", false),
        ("Ada", "Tom", false),
        ("Ben", "Mia", false),
        ("Ada", "Mia", true),
        ("Ben", "Zoe", true),
    ] {
        let mut people = family();
        let code = code(&mut people, 9, 0).to_string();
        let done = people.approve(by(who, 1), &code, Enrol::Link(id(whose)));
        assert_eq!(done.is_ok(), may, "{who} {whose} {done:?}");
        if let Ok(done) = done {
            // Whoever did not do it themselves is told.
            assert_eq!(done.tell.contains(&id(whose)), who != whose);
        } else {
            assert_eq!(done, Err(PeopleError::Theirs(whose.into())));
            assert_eq!(people.speaker(&account(9)), Speaker::Stranger(account(9).id()));
        }
    }
}

#[test]
fn a_member_without_an_account_gets_the_first_from_an_owner() {
    let mut people = family();
    people.unlink(by("Ben", 0), account(1).id()).unwrap();
    let code = code(&mut people, 9, 1).to_string();
    assert!(people.approve(by("Ada", 2), &code, Enrol::Link(id("Ben"))).is_ok());
}

#[test]
fn wrong_codes_are_counted_per_member_and_in_all() {
    let mut people = family();
    let code = code(&mut people, 9, 0).to_string();
    let eva = || Enrol::New(new("Eva", Role::Guest));
    for n in 0..5 {
        refused(&mut people, by("Ben", n), "0000-0000", eva(), &PairingError::Wrong.into());
    }
    let locked = PairingError::Locked { until: at(3600) };
    refused(&mut people, by("Ben", 5), &code, eva(), &locked.into());
    refused(&mut people, by("Ben", 6), "not a code", eva(), &locked.into());
    assert!(people.approve(by("Ada", 7), &code, eva()).is_ok());
    // Ben again after the period.
    refused(&mut people, by("Ben", 3601), "0000-0000", eva(), &PairingError::Wrong.into());
}

#[test]
fn a_thousand_strangers_get_few_codes_and_one_account_fewer() {
    let mut people = family();
    let given = (10..1010).filter(|n| matches!(ask(&mut people, *n, 0), Reply::Code(..))).count();
    assert_eq!(given, PairingLimits::default().open);
    let mut people = family();
    assert!(matches!(ask(&mut people, 9, 0), Reply::Code(..)));
    assert_eq!(ask(&mut people, 9, 1), Reply::Silence(Why::HasCode));
    let replies: Vec<_> = (1..4).map(|n| ask(&mut people, 9, n * 900)).collect();
    assert!(matches!(replies.as_slice(), [Reply::Code(..), Reply::Code(..), Reply::Silence(Why::TooOften)]), "{replies:?}");
}

#[test]
fn an_unknown_sender_in_a_group_stays_a_guest() {
    let mut people = family();
    let mut chance = Seed::from_u64(1).rng();
    let reply = people.stranger(at(0), &mut chance, PairingId::derived(&["1"]), &account(9), Setting::Group);
    assert_eq!(reply, Some(Reply::Silence(Why::Group)));
    assert_eq!(people.speaker(&account(9)), Speaker::Stranger(account(9).id()));
}

#[test]
fn pairing_in_private_lets_nobody_speak_to_the_house_in_a_group() {
    let mut people = family();
    let code = code(&mut people, 9, 0).to_string();
    people.approve(by("Ada", 1), &code, Enrol::New(new("Eva", Role::Adult))).unwrap();
    people.presence(("telegram", "-1"), Presence::Spoke(account(9).id()), at(2), at(2)).unwrap();
    let group = people.groups.values().next().unwrap();
    let (group, admitted) = (group.id, group.admitted);
    assert_eq!(admitted, None);
    assert_eq!(people.admit(by("Mia", 3), group), Err(PeopleError::NotAllowed));
    assert!(people.admit(By { from: Setting::Group, ..by("Ada", 3) }, group).is_err());
    assert!(people.admit(by("Ada", 3), group).is_ok());
    people.presence(("telegram", "-1"), Presence::Closed, at(4), at(4)).unwrap();
    assert_eq!(people.groups[&group].admitted, None);
}

#[test]
fn who_is_removed_is_nobody_at_once() {
    let mut people = family();
    let changed = people.remove(by("Ada", 1), id("Ben")).unwrap();
    assert_eq!(people.speaker(&account(1)), Speaker::Stranger(account(1).id()));
    assert!(changed.writes.contains(&HouseholdWrite::Unlink { id: account(1).id() }));
    let text = serde_json::to_string(&changed.writes).unwrap();
    assert!(!text.contains("Ben"), "{text}");
}

#[test]
fn accounts_are_taken_away_by_whoever_may() {
    for (who, n, may) in [("Ben", 1, true), ("Ben", 0, false), ("Ada", 1, true), ("Ben", 3, true), ("Tom", 3, false), ("Mia", 3, true)] {
        assert_eq!(family().unlink(by(who, 1), account(n).id()).is_ok(), may, "{who} {n}");
    }
    assert_eq!(family().unlink(by("Ada", 1), account(77).id()), Err(PeopleError::Unknown("account")));
}

#[derive(Debug, Clone)]
enum Step {
    /// A stranger writes something.
    Writes(u64, Setting),
    /// Somebody names a code that was given: the nth.
    Names(usize, usize, Setting),
    /// Somebody names a code that was not.
    Guesses(usize, u64),
    /// Time goes on, or is set back.
    Waits(i64),
}

fn steps(who: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let setting = prop_oneof![4 => Just(Setting::Private), 1 => Just(Setting::Group)];
    let step = prop_oneof![
        4 => (9_u64..13, setting.clone()).prop_map(|(n, setting)| Step::Writes(n, setting)),
        4 => (who.clone(), 0_usize..20, setting).prop_map(|(who, n, setting)| Step::Names(who, n, setting)),
        1 => (who, any::<u64>()).prop_map(|(who, n)| Step::Guesses(who, n)),
        2 => (-2000_i64..2000).prop_map(Step::Waits),
    ];
    proptest::collection::vec(step, 0..60)
}

/// Plays the steps; gives the accounts that were enrolled, each with the code, who named it, and whether it was open by what the test
/// remembers of it.
fn play(steps: &[Step]) -> (People, Vec<(String, usize, bool)>) {
    const WHO: [&str; 6] = ["Ada", "Ben", "Tom", "Mia", "Zoe", "Nobody"];
    let (mut people, mut clock, mut latest) = (family(), 0_i64, 0_i64);
    let mut given: Vec<(String, i64)> = Vec::new();
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut enrolled = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        // Only what the house is told of the time can it hold against a clock that is set back.
        let told = match step {
            Step::Writes(stranger, setting) => *setting == Setting::Private && people.identities.member(&account(*stranger)).is_none(),
            Step::Names(who, which, setting) => *setting == Setting::Private && *who < 2 && *which < given.len(),
            Step::Guesses(who, _) => *who < 2,
            Step::Waits(_) => false,
        };
        latest = if told { latest.max(clock) } else { latest };
        let new = |n: usize| {
            Enrol::New(NewMember {
                id: MemberId::derived(&[&n.to_string()]),
                ..new(["Eva", "Max", "Lea", "Jon", "Pia"][n % 5], Role::Guest)
            })
        };
        match step {
            Step::Writes(stranger, setting) => {
                let (pairing, mut chance) = (PairingId::derived(&[&n.to_string()]), Seed::from_u64(n as u64).rng());
                if let Some(Reply::Code(code, _)) = people.stranger(at(clock), &mut chance, pairing, &account(*stranger), *setting) {
                    given.push((code.to_string(), latest));
                }
            }
            Step::Names(who, which, setting) => {
                let Some((code, since)) = given.get(*which).cloned() else { continue };
                let by = By { member: id(WHO[*who]), from: *setting, at: at(clock) };
                if people.approve(by, &code, new(n)).is_ok() {
                    let fine = *setting == Setting::Private && latest < since + 15 * 60 && used.insert(code.clone());
                    enrolled.push((code, *who, fine));
                }
            }
            Step::Guesses(who, guess) => {
                let mut chance = Seed::from_u64(*guess).child("guess").rng();
                let code: String = (0..8).map(|_| char::from(b"0123456789ABCDEF"[(chance.next_u32() % 16) as usize])).collect();
                let by = By { member: id(WHO[*who]), from: Setting::Private, at: at(clock) };
                if people.approve(by, &code, new(n)).is_ok() {
                    enrolled.push((code, *who, false));
                }
            }
            Step::Waits(seconds) => {
                clock += seconds;
                if seconds % 3 == 0 {
                    people.pairings.sweep(at(clock));
                    latest = latest.max(clock);
                }
            }
        }
    }
    (people, enrolled)
}

proptest! {
    #[test]
    fn no_sequence_of_messages_of_whoever_may_not_approve_enrols_anybody(steps in steps(2..6)) {
        let (people, enrolled) = play(&steps);
        prop_assert!(enrolled.is_empty());
        prop_assert_eq!(&people.roster, &family().roster);
        prop_assert_eq!(&people.identities, &family().identities);
    }

    #[test]
    fn whatever_happens_a_code_enrols_once_within_its_time_by_a_grown_up_in_private(steps in steps(0..6)) {
        let (people, enrolled) = play(&steps);
        for (code, who, fine) in &enrolled {
            prop_assert!(*fine && *who < 2, "{} {}", code, who);
        }
        prop_assert_eq!(people.roster.iter().count(), 5 + enrolled.len());
        prop_assert_eq!(people.roster.check(), Ok(()));
    }
}
