use proptest::prelude::*;

use super::*;
use crate::household::identity::Identity;
use crate::household::people::tests::{account, at, family, id};
use crate::household::places::household;
use crate::household::{Place, Role};

fn open(present: &[u64]) -> Group {
    let mut group = Group::new("telegram", "-1", at(0));
    group.on(Presence::Snapshot(present.iter().map(|n| account(*n).id()).collect(), Seen::Everybody), at(0), at(0));
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
    group.on(Presence::Missed, at(1), at(1));
    let unseen: Vec<_> = audience(&group).iter().filter(|(_, role)| *role == Role::Guest).collect();
    assert_eq!(unseen.len(), 1);
    // Somebody else than the next time.
    group.on(Presence::Missed, at(2), at(2));
    assert!(audience(&group).iter().all(|one| one != unseen[0]));
    assert_eq!(audience(&Group::new("telegram", "-2", at(0))).iter().count(), 1);
}

#[test]
fn somebody_who_speaks_and_was_not_there_makes_the_list_doubtful() {
    let mut group = open(&[0, 1]);
    group.on(Presence::Spoke(account(0).id()), at(1), at(1));
    assert_eq!(group.seen, Seen::Everybody);
    group.on(Presence::Spoke(account(2).id()), at(1), at(1));
    assert_eq!(group.seen, Seen::Some);
    assert!(group.present.contains_key(&account(2).id()));
}

/// By numbers, to whom something was said that account 0, Ada's, wrote at that time; 99 is whoever is unseen.
fn heard(group: &Group, written: i64) -> BTreeSet<u64> {
    let people = family();
    let heard = group.heard(&people.roster, &people.identities, (id("Ada"), Role::Owner), at(written));
    let numbers: BTreeMap<_, _> = [(id("Ada"), 0), (id("Ben"), 1), (Identity::guest(account(9).id()), 9), (group.unseen(), 99)].into();
    heard.iter().map(|(member, _)| numbers[&member]).collect()
}

#[test]
fn who_came_after_a_message_was_written_did_not_hear_it_though_they_are_there_when_it_is_taken() {
    let mut group = open(&[0, 1]);
    group.on(Presence::Joined(account(9).id()), at(10), at(60));
    assert_eq!(heard(&group, 9), [0, 1].into());
    assert_eq!(heard(&group, 10), [0, 1, 9].into(), "at one time, the one that was told first was first");
    assert_eq!(heard(&group, 1_000_000), [0, 1, 9].into(), "a time that is yet to come is now");
    assert_eq!(audience(&group).iter().count(), 3, "before them it is answered");
    // Who goes has heard nothing, as far as that matters from then on; who comes back came then.
    group.on(Presence::Left(account(1).id()), at(20), at(70));
    assert_eq!(heard(&group, 15), [0, 9].into());
    group.on(Presence::Joined(account(1).id()), at(30), at(80));
    assert_eq!((heard(&group, 15), heard(&group, 30)), ([0, 9].into(), [0, 1, 9].into()));
    assert_eq!(heard(&group, -5), [0].into(), "whoever wrote it, always");
}

#[test]
fn a_list_of_who_is_there_and_a_first_word_say_since_when_and_no_doubt_makes_that_younger() {
    let mut group = open(&[0]);
    let list = |numbers: &[u64], seen| Presence::Snapshot(numbers.iter().map(|n| account(*n).id()).collect(), seen);
    group.on(list(&[0, 1], Seen::Everybody), at(10), at(10));
    assert_eq!((heard(&group, 5), heard(&group, 10)), ([0].into(), [0, 1].into()));
    group.on(list(&[0, 1], Seen::Everybody), at(20), at(20));
    group.on(Presence::Spoke(account(1).id()), at(2), at(21));
    assert_eq!(heard(&group, 12), [0, 1].into(), "they were known before");
    group.on(Presence::Spoke(account(9).id()), at(30), at(40));
    assert_eq!((heard(&group, 29), heard(&group, 30)), ([0, 1].into(), [0, 1, 9, 99].into()));
    group.on(Presence::Missed, at(50), at(50));
    group.on(list(&[9], Seen::Some), at(50), at(50));
    assert_eq!(heard(&group, 30), [0, 1, 9].into());
    assert_eq!(heard(&group, 50), [0, 1, 9, 99].into());
}

#[test]
fn whoever_is_unseen_since_a_doubt_did_not_hear_what_was_written_before_and_no_word_that_waited_makes_the_doubt_older() {
    let mut group = open(&[0]);
    group.on(Presence::Missed, at(50), at(50));
    assert_eq!((heard(&group, 49), heard(&group, 50)), ([0].into(), [0, 99].into()));
    group.on(Presence::Spoke(account(9).id()), at(40), at(60));
    assert_eq!((heard(&group, 45), heard(&group, 50)), ([0].into(), [0, 9, 99].into()));
    let mut group = open(&[0]);
    group.on(Presence::Snapshot([account(0).id()].into(), Seen::Everybody), at(50), at(50));
    group.on(Presence::Spoke(account(9).id()), at(-1_000_000), at(60));
    assert_eq!((heard(&group, 45), heard(&group, 50)), ([0].into(), [0, 9, 99].into()), "whoever says so was not there at the last list");
}

#[test]
fn a_clock_that_was_set_back_leaves_nobody_out_from_the_next_greeting_on() {
    let mut group = open(&[0]);
    group.on(Presence::Joined(account(1).id()), at(90_000), at(90_000));
    group.on(Presence::Missed, at(10), at(10));
    assert_eq!(heard(&group, 11), [0, 1, 99].into());
}

#[test]
fn a_group_beyond_its_bound_always_has_somebody_unseen() {
    let mut group = open(&[]);
    for n in 0..=GROUP_MAX as u64 {
        group.on(Presence::Joined(account(n).id()), at(1), at(1));
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
    group.on(Presence::Joined(account(9).id()), at(1), at(1));
    let found = recall(labels.clone(), label, &audience(&group));
    assert_eq!(numbers(&found), [3]);
    assert_eq!(found.because(&people.roster), "Left out: 3, because not for everybody here: Ben, somebody whom the house does not know.");
    group.on(Presence::Left(account(9).id()), at(2), at(2));
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

#[test]
fn a_group_s_row_from_before_there_were_times_counts_from_its_last_change() {
    let mut group = open(&[0, 1]);
    group.on(Presence::Spoke(account(1).id()), at(7), at(7));
    let mut row = serde_json::to_value(&group).unwrap();
    let names: Vec<_> = group.present.keys().collect();
    row["present"] = serde_json::to_value(names).unwrap();
    row.as_object_mut().unwrap().remove("doubted");
    let read: Group = serde_json::from_value(row).unwrap();
    assert_eq!(read.present.values().collect::<Vec<_>>(), [&at(7), &at(7)]);
    assert_eq!(Group { present: group.present.clone(), doubted: at(0), ..read.clone() }, group);
    assert_eq!((read.doubted, heard(&read, 6), heard(&read, 7)), (at(7), [0].into(), [0, 1].into()));
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
    fn nobody_heard_what_was_written_before_they_came_and_who_is_known_to_have_been_there_did(
        events in proptest::collection::vec(presence(), 0..30), written in 0_i64..30,
    ) {
        let mut group = Group::new("telegram", "-1", at(0));
        // The truth beside it: who was there without a break from then on, and who came since, as far as that was told.
        let (mut then, mut since): (BTreeSet<_>, BTreeSet<_>) = Default::default();
        for (n, event) in (0_i64..).zip(events) {
            let before: BTreeSet<_> = group.present.keys().copied().collect();
            group.on(event.clone(), at(n), at(100 + n));
            let now: BTreeSet<_> = group.present.keys().copied().collect();
            let came = if let Presence::Joined(who) = event { [who].into() } else { now.difference(&before).copied().collect::<BTreeSet<_>>() };
            since.extend(came.into_iter().filter(|_| n > written));
            since.retain(|who| now.contains(who));
            then = now.difference(&since).copied().collect();
        }
        let ids = family().identities;
        let heard = group.heard(&family().roster, &ids, (id("Ada"), Role::Owner), at(written));
        let is = |who: &IdentityId| heard.iter().any(|(member, _)| member == ids.member_of(*who).unwrap_or(Identity::guest(*who)));
        prop_assert!(then.iter().all(is));
        let by_another = |who: &IdentityId| ids.member_of(*who).is_some_and(|member| {
            member == id("Ada") || then.iter().any(|other| ids.member_of(*other) == Some(member))
        });
        prop_assert!(since.iter().all(|who| !is(who) || by_another(who)));
    }

    #[test]
    fn what_is_said_is_read_later_only_by_those_who_were_there(events in proptest::collection::vec(presence(), 0..30), cut in 0_usize..30) {
        let mut group = Group::new("telegram", "-1", at(0));
        // The truth beside it: who is there, as far as events tell.
        let mut there: BTreeSet<_> = BTreeSet::new();
        let mut heard = None;
        for (n, event) in events.iter().enumerate() {
            group.on(event.clone(), at(n as i64), at(n as i64));
            match event {
                Presence::Joined(who) | Presence::Spoke(who) => { there.insert(*who); }
                Presence::Left(who) => { there.remove(who); }
                Presence::Snapshot(all, Seen::Everybody) => there.clone_from(all),
                Presence::Snapshot(all, Seen::Some) => there.extend(all),
                Presence::Missed => {}
                Presence::Closed => there.clear(),
            }
            prop_assert!(group.present.keys().eq(&there));
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
