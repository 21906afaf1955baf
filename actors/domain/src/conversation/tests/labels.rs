//! Random labels through whole turns: who may read what is kept here as plain sets of people, beside the house's own labels.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::memory::MemoryKind;
use crate::policy::programs::{PEOPLE, Tag, person, tag};

fn remembered(n: usize, tag: &Tag) -> MemoryHit {
    let memory = crate::memory::Memory {
        id: crate::ids::MemoryId::derived(&[&n.to_string()]),
        member: member().id,
        conversation: ConversationId::derived(&["elsewhere"]),
        kind: MemoryKind::Fact,
        text: canary(n),
        label: tag.label.clone(),
        at: Timestamp::UNIX_EPOCH,
    };
    MemoryHit { memory, score: 1.0 }
}

fn canary(n: usize) -> String {
    format!("canary-{n}-")
}

proptest! {
    /// I-5 and I-7, from what is remembered to what is said.
    #[test]
    fn a_turn_shows_nobody_present_what_they_may_not_read(
        present in proptest::collection::btree_set(0..PEOPLE.len(), 0..4),
        hits in proptest::collection::vec(tag(), 0..5),
        results in proptest::collection::vec(tag(), 0..4),
    ) {
        let present: BTreeSet<usize> = present.into_iter().chain([0]).collect();
        let all_may_read = |may: &BTreeSet<usize>| present.iter().all(|who| may.contains(who));
        let audience = Audience::of(present.iter().map(|who| (person(*who).id, PEOPLE[*who].1)));
        let mut world = World::new();
        world.hits = hits.iter().enumerate().map(|(n, tag)| remembered(n, tag)).collect();
        let say = Say {
            member: person(0),
            readers: Readers::present(&audience),
            place: Place { conversation: world.core.id, audience },
            thread: String::new(),
            origin: Origin { channel: "local".into(), external: "1".into() },
            text: "what is new".into(),
            images: vec![],
        };
        world.event(|core, cx| core.on_said(cx, 0, say));
        let (mut call, request) = world.model();
        for (n, tag) in hits.iter().enumerate() {
            prop_assert_eq!(request.context.contains(&canary(n)), all_may_read(&tag.may), "{:?} for {:?}", tag, &present);
        }
        let mut may: BTreeSet<usize> = present.clone();
        for result in &results {
            world.reply(call, calls(&["look"]));
            call = match world.until_outside() {
                Some(Effect::RunTool(invocation)) => {
                    prop_assert!(all_may_read(&may), "a tool runs with what not everybody here may read");
                    may.retain(|who| result.may.contains(who));
                    let output = ToolOutput { value: json!({ "found": "x" }), label: result.label.clone() };
                    world.event(|core, cx| core.on_tool_ended(cx, invocation.id, Ok(output)));
                    world.model().0
                }
                // Not allowed: the model is told.
                Some(Effect::CallModel(call, _)) => call,
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
        }
        prop_assert_eq!(world.core.previewing(call).is_some(), all_may_read(&may));
        world.reply(call, text("it says x"));
        prop_assert!(world.until_outside().is_none());
        let said = world.delivered.last().map(|message| message.text.clone()).unwrap_or_default();
        prop_assert_eq!(said == "it says x", all_may_read(&may), "{} with {:?} for {:?}", said, &may, &present);
    }
}
