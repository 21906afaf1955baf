//! Those who come and go while a conversation goes on.

use super::*;
use crate::ids::ReminderId;
use crate::schedule::ReminderState;

fn group(people: &[(&str, Role)]) -> Place {
    let audience = Audience::of(people.iter().map(|(name, role)| (Member::id_of(name), *role)));
    Place { conversation: Place::main(member().id), audience }
}

impl World {
    fn say_before(&mut self, people: &[(&str, Role)], nonce: &str, text: &str) -> (u64, String) {
        self.say_late(people, people, nonce, text)
    }

    /// The same, written before those who are there now.
    fn say_late(&mut self, then: &[(&str, Role)], now: &[(&str, Role)], nonce: &str, text: &str) -> (u64, String) {
        let origin = Origin { channel: "signal".into(), external: nonce.into() };
        let (place, readers) = (group(now), Readers::present(&group(then).audience));
        let say = Say { member: member(), place, readers, thread: String::new(), origin, text: text.into(), images: vec![] };
        self.event(|core, cx| core.on_said(cx, 0, say));
        let (call, request) = self.model();
        (call, format!("{:?} {}", request.history, request.context))
    }
}

const ALONE: [(&str, Role); 2] = [("Ada", Role::Adult), ("Bo", Role::Adult)];
const WITH_A_STRANGER: [(&str, Role); 3] = [("Ada", Role::Adult), ("Bo", Role::Adult), ("Eve", Role::Guest)];

#[test]
fn what_was_said_before_a_stranger_came_is_as_if_it_had_not_been_until_they_go() {
    let mut world = World::new();
    let (call, _) = world.say_before(&ALONE, "1", "the lawyer is zk1");
    world.reply(call, text("zk1, then"));
    let (call, seen) = world.say_before(&WITH_A_STRANGER, "2", "who is it?");
    assert!(!seen.contains("zk1") && seen.contains("who is it?"), "{seen}");
    world.reply(call, text("I cannot say"));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.last().unwrap().text, "I cannot say", "it is answered all the same");
    let (call, seen) = world.say_before(&ALONE, "3", "and now?");
    assert!(seen.contains("zk1") && seen.contains("who is it?"), "{seen}");
    world.reply(call, text("zk1"));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.last().unwrap().text, "zk1");
}

#[test]
fn what_was_written_before_a_stranger_came_is_answered_with_nothing_that_they_may_not_see_and_the_next_message_as_ever() {
    let mut world = World::new();
    let (call, _) = world.say_before(&ALONE, "1", "the lawyer is zk1");
    world.reply(call, text("zk1, then"));
    let (call, seen) = world.say_late(&ALONE, &WITH_A_STRANGER, "2", "tell zk2");
    assert!(!seen.contains("zk1"), "it is recalled before whoever is there now: {seen}");
    world.reply(call, calls(&["look"]));
    let (call, request) = world.model();
    assert!(format!("{:?}", request.history).contains("not allowed"), "no tool runs with it: {:?}", request.history);
    world.reply(call, text("zk2"));
    assert!(world.until_outside().is_none());
    let answer = world.delivered.last().unwrap().clone();
    assert!(answer.text.contains("Ask me in private") && answer.label.readers.cover(&group(&WITH_A_STRANGER).audience), "{answer:?}");
    let asked = world.rows.messages.iter().find(|message| message.text == "tell zk2").unwrap();
    assert_eq!(asked.label.readers, Readers::present(&group(&ALONE).audience));
    let (call, seen) = world.say_before(&WITH_A_STRANGER, "3", "and now?");
    assert!(!seen.contains("zk2"), "{seen}");
    world.reply(call, text("good day"));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.last().unwrap().text, "good day");
    let (_, seen) = world.say_before(&ALONE, "4", "and now?");
    assert!(seen.contains("zk1") && seen.contains("zk2"), "{seen}");
}

#[test]
fn a_summary_from_before_a_stranger_came_is_not_shown_either() {
    let mut world = World::new();
    let (call, _) = world.say_before(&ALONE, "1", "the lawyer is zk1");
    world.reply(call, text("good"));
    assert!(world.until_outside().is_none());
    let label = world.delivered.last().unwrap().label.clone();
    world.core.row.as_mut().unwrap().summary = Some(crate::store::Summary { text: "zk-summary".into(), label, upto: 2 });
    let (call, seen) = world.say_before(&WITH_A_STRANGER, "2", "who is it?");
    assert!(!seen.contains("zk-summary"), "{seen}");
    world.reply(call, text("I cannot say"));
    assert!(world.until_outside().is_none());
    let (_, seen) = world.say_before(&ALONE, "3", "and now?");
    assert!(seen.contains("zk-summary"), "{seen}");
}

#[test]
fn a_group_s_conversation_is_nobody_s_and_a_private_one_its_member_s() {
    let mut world = World::new();
    world.say("1", "hello");
    assert!(world.until_outside().is_some());
    assert_eq!(world.rows.row.as_ref().unwrap().owner, Some(member().id));
    let group = crate::household::audience::Group::new("signal", "fam", Timestamp::UNIX_EPOCH);
    let cx = Cx { now: Timestamp::UNIX_EPOCH, ids: &world.ids, tools: &world.tools };
    let (mut core, _) = Core::load(cx, Arc::clone(&world.setting), group.conversation(), ConversationState::default(), &BTreeMap::new());
    let place = Place { conversation: group.conversation(), audience: Audience::of([(member().id, Role::Adult)]) };
    let origin = Origin { channel: "signal".into(), external: "1".into() };
    let readers = Readers::only([member().id]);
    let say = Say { member: member(), place, readers, thread: String::new(), origin, text: "hello".into(), images: vec![] };
    let owners: Vec<_> = core
        .on_said(cx, 0, say)
        .into_iter()
        .filter_map(|effect| if let Effect::Save { commit, .. } = effect { Some(commit.writes) } else { None })
        .flatten()
        .filter_map(|write| if let Write::Conversation(row) = write { Some(row.owner) } else { None })
        .collect();
    assert_eq!(owners, [None]);
}

#[test]
fn what_the_house_says_by_itself_goes_where_the_member_last_spoke() {
    let mut world = World::new();
    let (call, _) = world.say_before(&ALONE, "1", "hello");
    world.reply(call, text("good day"));
    assert!(world.until_outside().is_none());
    let reminder = Reminder {
        id: ReminderId::derived(&["1"]),
        member: member().id,
        conversation: Place::main(member().id),
        channel: "local".into(),
        text: "tea".into(),
        label: Label::neutral(),
        due: Timestamp::UNIX_EPOCH,
        first: Timestamp::UNIX_EPOCH,
        zone: "UTC".into(),
        every: None,
        state: ReminderState::Pending,
    };
    let mut channels = Vec::new();
    let mut again = |world: &mut World| {
        let notice = Notice { reminder: reminder.clone(), text: "tea".into() };
        world.event(|core, cx| core.on_notice(cx, 1, notice));
        let saved = world.todo.iter().find_map(|effect| if let Effect::Save { commit, .. } = effect { Some(commit) } else { None });
        let row = saved.unwrap().writes.iter().find_map(|write| if let Write::Delivery(row) = write { Some(row) } else { None });
        channels.push(row.unwrap().channel.clone());
        world.todo.clear();
    };
    again(&mut world);
    let state = world.rows.clone();
    let cx = Cx { now: Timestamp::UNIX_EPOCH, ids: &world.ids, tools: &world.tools };
    world.core = Core::load(cx, Arc::clone(&world.setting), Place::main(member().id), state, &BTreeMap::new()).0;
    again(&mut world);
    assert_eq!(channels, ["signal", "signal"]);
}
