use proptest::prelude::*;

use super::*;
use crate::household::identity::Identity;
use crate::household::people::tests::{account, at, family, id};
use crate::household::places::household;
use crate::household::{Place, Role};

fn open(present: &[u64]) -> Group {
    let mut group = Group::new("telegram", "-1", at(0));
    group.on(Presence::Snapshot(present.iter().map(|n| account(*n).id()).collect(), Seen::Everybody), at(0));
    group
}

fn audience(group: &Group) -> Audience {
    let people = family();
    group.audience(&people.roster, &people.identities)
}

fn label(item: &(usize, Label)) -> &Label {
    &item.1
}

fn numbers(found: &Recall<(usize, Label)>) -> Vec<usize> {
    found.readable.iter().map(|(n, _)| *n).collect()
}

#[test]
fn members_are_present_as_what_they_are_and_others_as_guests() {
    let stranger = Identity::guest(account(9).id());
    let there = audience(&open(&[0, 3, 9]));
    assert_eq!(there, Audience::of([(id("Ada"), Role::Owner), (id("Mia"), Role::Child), (stranger, Role::Guest)]));
}

#[test]
fn while_the_channel_does_not_know_everybody_somebody_unseen_is_present() {
    let mut group = open(&[0]);
    assert_eq!(audience(&group).iter().count(), 1);
    group.on(Presence::Missed, at(1));
    let unseen: Vec<_> = audience(&group).iter().filter(|(_, role)| *role == Role::Guest).collect();
    assert_eq!(unseen.len(), 1);
    // Somebody else than the next time.
    group.on(Presence::Missed, at(2));
    assert!(audience(&group).iter().all(|one| one != unseen[0]));
    assert_eq!(audience(&Group::new("telegram", "-2", at(0))).iter().count(), 1);
}

#[test]
fn somebody_who_speaks_and_was_not_there_makes_the_list_doubtful() {
    let mut group = open(&[0, 1]);
    group.on(Presence::Spoke(account(0).id()), at(1));
    assert_eq!(group.seen, Seen::Everybody);
    group.on(Presence::Spoke(account(2).id()), at(1));
    assert_eq!(group.seen, Seen::Some);
    assert!(group.present.contains(&account(2).id()));
}

#[test]
fn a_group_beyond_its_bound_always_has_somebody_unseen() {
    let mut group = open(&[]);
    for n in 0..=GROUP_MAX as u64 {
        group.on(Presence::Joined(account(n).id()), at(1));
    }
    assert_eq!((group.present.len(), group.seen), (GROUP_MAX, Seen::Some));
}

#[test]
fn a_stranger_who_joins_narrows_recall_at_once() {
    let people = family();
    let mut group = open(&[0, 1]);
    let before = audience(&group);
    let private = Label::new(Readers::only([id("Ada")]), Integrity::Member);
    let house = Label::new(Readers::household(), Integrity::Member);
    let group_s = said(Speaker::Member(id("Ben")), &before);
    let labels: Vec<_> = [private, house, group_s, Label::neutral()].into_iter().enumerate().collect();
    let found = recall(labels.clone(), label, &before);
    assert_eq!(numbers(&found), [1, 2, 3]);
    assert_eq!(found.because(&people.roster), "Left out: 1, because not for everybody here: Ben.");
    group.on(Presence::Joined(account(9).id()), at(1));
    let found = recall(labels.clone(), label, &audience(&group));
    assert_eq!(numbers(&found), [3]);
    assert_eq!(found.because(&people.roster), "Left out: 3, because not for everybody here: Ben, somebody whom the house does not know.");
    group.on(Presence::Left(account(9).id()), at(2));
    assert_eq!(numbers(&recall(labels, label, &audience(&group))), [1, 2, 3]);
}

#[test]
fn before_nobody_nothing_is_recalled() {
    let found = recall([(1, Label::neutral())], label, &Audience::default());
    assert_eq!((found.readable.len(), found.because(&family().roster).as_str()), (0, "Left out: 1, because nobody is here."));
}

#[test]
fn private_group_and_household_conversations_are_different() {
    let people = family();
    let group = open(&[0]);
    let mut ids: BTreeSet<_> = people.roster.iter().map(|row| Place::main(row.member.id)).collect();
    ids.insert(group.conversation());
    ids.insert(Group::new("telegram", "-2", at(0)).conversation());
    ids.insert(Group::new("slack", "-1", at(0)).conversation());
    ids.insert(household(&people.roster).conversation);
    assert_eq!(ids.len(), people.roster.iter().count() + 4);
    // A group of one is still a group.
    assert_ne!(group.place(&people.roster, &people.identities).conversation, Place::main(id("Ada")));
}

#[test]
fn the_household_is_everybody_but_guests() {
    let place = household(&family().roster);
    assert!(Readers::household().cover(&place.audience));
    assert!(place.audience.iter().all(|(member, _)| member != id("Zoe")));
    assert_eq!(place.audience.iter().count(), 4);
}

#[test]
fn what_a_stranger_says_is_from_outside_and_its_name_is_no_matter() {
    let there = audience(&open(&[0, 9]));
    assert_eq!(said(Speaker::Stranger(account(9).id()), &there).integrity, Integrity::Outside);
    assert_eq!(said(Speaker::Member(id("Ada")), &there).integrity, Integrity::Member);
    assert_eq!(said(Speaker::Member(id("Ada")), &there).readers, Readers::present(&there));
}

#[test]
fn a_group_is_stored_without_anybody_s_account() {
    let text = serde_json::to_string(&open(&[912_345])).unwrap();
    assert!(!text.contains("912346"), "{text}");
    assert_eq!(serde_json::from_str::<Group>(&text).unwrap(), open(&[912_345]));
}

fn presence() -> impl Strategy<Value = Presence> {
    let who = || (0_u64..8).prop_map(|n| account(n).id());
    let all = proptest::collection::btree_set(who(), 0..5);
    prop_oneof![
        4 => who().prop_map(Presence::Joined),
        4 => who().prop_map(Presence::Left),
        2 => who().prop_map(Presence::Spoke),
        1 => (all, any::<bool>()).prop_map(|(all, every)| Presence::Snapshot(all, if every { Seen::Everybody } else { Seen::Some })),
        1 => Just(Presence::Missed),
        1 => Just(Presence::Closed),
    ]
}

proptest! {
    #[test]
    fn what_is_said_is_read_later_only_by_those_who_were_there(events in proptest::collection::vec(presence(), 0..30), cut in 0_usize..30) {
        let mut group = Group::new("telegram", "-1", at(0));
        // The truth beside it: who is there, as far as events tell.
        let mut there: BTreeSet<_> = BTreeSet::new();
        let mut heard = None;
        for (n, event) in events.iter().enumerate() {
            group.on(event.clone(), at(n as i64));
            match event {
                Presence::Joined(who) | Presence::Spoke(who) => { there.insert(*who); }
                Presence::Left(who) => { there.remove(who); }
                Presence::Snapshot(all, Seen::Everybody) => there.clone_from(all),
                Presence::Snapshot(all, Seen::Some) => there.extend(all),
                Presence::Missed => {}
                Presence::Closed => there.clear(),
            }
            prop_assert_eq!(&group.present, &there);
            // Whoever is there is in the audience.
            let now = audience(&group);
            prop_assert_eq!(now.iter().count(), there.len() + usize::from(group.seen == Seen::Some));
            let spoken = said(Speaker::Stranger(account(7).id()), &now);
            prop_assert!(spoken.readers.cover(&now));
            if n == cut {
                heard = Some((spoken, now));
            } else if let Some((label_then, then)) = &heard {
                let readable = !recall([(0, label_then.clone())], label, &now).readable.is_empty();
                let subset = now.iter().all(|one| then.iter().any(|other| other == one)) && !now.is_empty();
                prop_assert_eq!(readable, subset);
            }
        }
    }
}
