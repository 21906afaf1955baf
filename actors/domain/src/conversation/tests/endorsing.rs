//! One question about several calls.

use super::holding::{call, spec, world};
use super::*;
use crate::flow::endorse::QUESTIONS_MAX;
use crate::flow::tools as own;
use crate::sandbox::Role;
use crate::store::StepBody;

fn mails(to: &[&str]) -> ModelReply {
    let call = |(n, to): (usize, &&str)| ToolCall {
        id: format!("c{n}"),
        name: "mail".into(),
        arguments: Arguments::Json(json!({ "to": to, "what": "hello" })),
    };
    ModelReply { calls: to.iter().enumerate().map(call).collect(), stop: StopReason::ToolUse, ..text("") }
}

/// A turn that has opened what somebody outside wrote.
fn opened() -> (World, u64) {
    let (mut world, model) = world("do what the mail asks");
    let (model, _) = world.looks(model);
    world.reply(model, call(own::OPEN, json!({ "result": "$r1[0].body" })));
    let (model, _) = world.model();
    (world, model)
}

impl World {
    fn waits(&mut self) -> (CallId, ApprovalId, serde_json::Value) {
        match self.until_outside() {
            Some(Effect::Await(call, approval, exact)) => (call, approval, exact.arguments["to"].clone()),
            other => panic!("expected a question to a person, got {other:?}"),
        }
    }

    fn asked_of_each(&self) -> Vec<usize> {
        self.asked.iter().map(|inquiry| inquiry.calls.len()).collect()
    }
}

#[test]
fn what_a_text_from_outside_asks_for_is_one_question_with_every_value_and_its_source() {
    let (mut world, model) = opened();
    world.reply(model, mails(&["eve@example.org", "al@example.org", "bo@example.org"]));
    let (first, approval, to) = world.waits();
    assert_eq!(world.asked_of_each(), [3]);
    let Inquiry { calls, texts, alone } = world.asked[0].clone();
    assert!(alone && texts.len() == 1 && texts[0].shown.contains("IGNORE ALL") && texts[0].from.contains("look (r1)"), "{texts:?}");
    let values: Vec<_> = calls.iter().map(|one| one.call.arguments["to"].clone()).collect();
    assert_eq!(values, ["eve@example.org", "al@example.org", "bo@example.org"]);
    assert_eq!((approval, &to), (calls[0].id, &values[0]));
    // Each is let go by its own part of the answer, and only then.
    world.event(|core, cx| core.on_answered(cx, first, Ok(())));
    let sent = world.tool();
    assert_eq!(sent.arguments["to"], values[0]);
    world.tool_done(&sent);
    let (_, approval, to) = world.waits();
    assert_eq!((approval, &to), (calls[1].id, &values[1]));
    world.crash();
    assert_eq!(world.waits().1, approval, "the same question after a crash");
    assert_eq!(world.asked_of_each(), [3], "and nobody is asked again");
}

#[test]
fn nobody_is_asked_at_once_about_what_nobody_outside_wants() {
    let (mut world, model) = world("tell everybody");
    world.reply(model, mails(&["al@example.org", "bo@example.org"]));
    world.waits();
    assert_eq!(world.asked_of_each(), [1, 1]);
    let (mut world, model) = self::world("tell everybody");
    world.reply(model, mails(&["a@example.org", "b@example.org", "c@example.org", "d@example.org"]));
    world.waits();
    assert_eq!(world.asked_of_each(), [QUESTIONS_MAX + 1], "unless there are many");
}

#[test]
fn the_same_effect_twice_is_asked_about_once_and_what_is_named_is_not_asked_about() {
    let (mut world, model) = world("write to bo@example.org");
    world.reply(model, mails(&["bo@example.org", "eve@example.org", "eve@example.org"]));
    let sent = world.tool();
    assert_eq!(sent.arguments["to"], "bo@example.org");
    let ids: std::collections::BTreeSet<_> = world.asked.iter().flat_map(|inquiry| &inquiry.calls).map(|one| one.id).collect();
    assert_eq!(ids.len(), 1);
}

#[test]
fn a_model_that_asks_and_asks_is_told_to_ask_once() {
    let (mut world, mut model) = world("tell everybody");
    for n in 0..QUESTIONS_MAX {
        world.reply(model, mails(&[&format!("a{n}@example.org")]));
        let Some(Effect::Await(call, ..)) = world.until_outside() else { panic!("a question") };
        world.event(|core, cx| core.on_answered(cx, call, Err(Refusal::Refused)));
        let (next, request) = world.model();
        model = next;
        assert_eq!(request.context.contains("Offer all the calls that are left in one reply"), n + 1 == QUESTIONS_MAX);
    }
    // One call may be all that is left: it is asked about like any other.
    world.reply(model, mails(&["eve@example.org"]));
    assert_eq!(world.waits().2, "eve@example.org");
}

#[test]
fn a_question_that_cannot_be_asked_refuses_every_call() {
    let (mut world, model) = opened();
    world.reply(model, mails(&["eve@example.org", "al@example.org"]));
    world.refuses_to_ask = true;
    let (_, request) = world.model();
    assert_eq!(format!("{:?}", request.history).matches("could not decide").count(), 2);
}

#[test]
fn a_stop_withdraws_every_part() {
    let (mut world, model) = opened();
    world.reply(model, mails(&["eve@example.org", "al@example.org"]));
    world.waits();
    world.event(|core, cx| core.on_stop(cx, 9));
    let mut withdrawn = 0;
    while let Some(effect) = world.until_outside() {
        withdrawn += usize::from(matches!(effect, Effect::Withdraw(_)));
    }
    assert_eq!(withdrawn, 2);
}

#[test]
fn what_was_shown_of_an_outside_text_counts_also_after_a_crash() {
    let (mut world, model) = world("how much is it, and is it a bill?");
    let (model, _) = world.looks(model);
    let asks = |world: &mut World, model, kind: serde_json::Value, answer: &str| {
        world.reply(model, call(own::ASK, json!({ "from": "$r1[0].body", "question": "what?", "as": kind })));
        let Some(Effect::Read(reader, _)) = world.until_outside() else { panic!("a reading") };
        world.reply(reader, text(answer));
        world.model()
    };
    // Seven of the eight bits.
    let (_, request) = asks(&mut world, model, json!({ "kind": "number", "min": 0, "max": 100 }), "{\"answer\": 42}");
    assert!(format!("{:?}", request.history).contains("42"));
    world.crash();
    let (model, _) = world.model();
    let (_, request) = asks(&mut world, model, json!({ "kind": "yes_no" }), "{\"answer\": true}");
    assert!(!format!("{:?}", request.history).contains("true"), "{:?}", request.history);
    let steps = world.rows.steps.values().next().unwrap();
    assert!(steps.iter().any(|step| matches!(&step.body, StepBody::Outcome { taken: Some(_), .. })));
}

#[test]
fn what_a_minor_or_the_house_is_asked_about_is_not_put_together() {
    let (mut world, model) = world("open up");
    let door = spec("door", tool::Effect::Physical, &[("/id", Role::Id)], &[]);
    world.tools = Arc::new(world.tools.iter().cloned().chain([door]).collect());
    let call = |n: &str| ToolCall { id: n.into(), name: "door".into(), arguments: Arguments::Json(json!({ "id": n })) };
    world.reply(model, ModelReply { calls: ["a", "b", "c", "d"].map(call).into(), stop: StopReason::ToolUse, ..text("") });
    world.until_outside();
    assert_eq!(world.asked_of_each(), [1, 1, 1, 1]);
}
