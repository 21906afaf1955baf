//! Calls about which a person is asked.

use super::*;
use crate::approval::reply::Reply;
use crate::flow::call::Call;
use crate::sandbox::Role;
use crate::store::StepBody;

const QUESTION: &str = "0";

fn mail() -> ToolSpec {
    let arguments = [("/to".to_owned(), Role::Recipient), ("/what".to_owned(), Role::Content)].into();
    let annotations = tool::Annotations { tool: "me/mail".into(), arguments, ..Default::default() };
    ToolSpec { name: "mail".into(), effect: tool::Effect::ExternalSend, annotations, ..tools()[1].clone() }
}

fn to(recipients: &[&str]) -> ModelReply {
    let call = |to: &&str| ToolCall { id: (*to).into(), name: "mail".into(), arguments: Arguments::Json(json!({ "to": to, "what": "x" })) };
    ModelReply { calls: recipients.iter().map(call).collect(), stop: StopReason::ToolUse, ..text("") }
}

/// A world in which a model has been asked these words.
fn world(words: &str) -> (World, u64) {
    let mut world = World::new();
    world.tools = Arc::new(vec![mail()]);
    world.say(QUESTION, words);
    let (call, _) = world.model();
    (world, call)
}

impl World {
    fn asks(&mut self) -> (CallId, ApprovalId, Box<Call>) {
        match self.until_outside() {
            Some(Effect::Await(call, approval, exact)) => (call, approval, exact),
            other => panic!("expected a question to a person, got {other:?}"),
        }
    }
}

#[test]
fn what_the_member_named_runs_and_what_the_model_chose_waits_for_a_person() {
    let (mut world, model) = world("tell bo@example.org");
    world.reply(model, to(&["bo@example.org", "eve@example.org"]));
    let first = world.tool();
    assert_eq!(first.arguments["to"], "bo@example.org");
    world.tool_done(&first);
    let (call, _, exact) = world.asks();
    assert_eq!((exact.function.as_str(), &exact.arguments["to"]), ("mail", &json!("eve@example.org")));
    world.event(|core, cx| core.on_answered(cx, call, Ok(())));
    let second = world.tool();
    assert_eq!((second.id, &second.arguments["to"]), (call, &json!("eve@example.org")));
    let steps = world.rows.steps.values().next().unwrap();
    assert!(matches!(steps.last().unwrap().body, StepBody::Intent { call: begun, .. } if begun == call), "saved before it runs");
}

#[test]
fn two_calls_of_one_reply_do_not_share_one_mention() {
    let (mut world, model) = world("tell bo@example.org");
    world.reply(model, to(&["bo@example.org", "bo@example.org"]));
    let first = world.tool();
    world.tool_done(&first);
    world.asks();
}

#[test]
fn a_no_is_told_to_the_model_and_the_turn_goes_on() {
    let (mut world, model) = world("tell somebody");
    world.reply(model, to(&["eve@example.org"]));
    let (call, ..) = world.asks();
    world.event(|core, cx| core.on_answered(cx, call, Err(Refusal::Refused)));
    let (_, request) = world.model();
    assert!(matches!(request.history.last(), Some(Utterance::ToolResult { content, .. }) if content.contains("said no")));
}

#[test]
fn a_crash_while_a_person_is_asked_asks_the_same_again_and_one_after_the_yes_runs_nothing_twice() {
    let (mut world, model) = world("tell somebody");
    world.reply(model, to(&["eve@example.org"]));
    let (call, approval, exact) = world.asks();
    world.crash();
    assert_eq!(world.asks(), (call, approval, exact));
    world.event(|core, cx| core.on_answered(cx, call, Ok(())));
    world.tool();
    world.crash();
    assert!(world.until_outside().is_none());
    assert!(world.delivered[0].text.contains("I cannot tell whether it happened"), "{}", world.delivered[0].text);
}

#[test]
fn a_stop_withdraws_the_question() {
    let (mut world, model) = world("tell somebody");
    world.reply(model, to(&["eve@example.org"]));
    let (_, approval, _) = world.asks();
    world.event(|core, cx| core.on_stop(cx, 9));
    assert!(matches!(world.until_outside(), Some(Effect::Withdraw(withdrawn)) if withdrawn == approval));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered[0].text, "Stopped.");
}

#[test]
fn a_members_answer_is_taken_while_the_turn_that_asked_waits_and_is_answered_after_it() {
    let (mut world, model) = world("tell somebody");
    world.reply(model, to(&["eve@example.org"]));
    let (call, ..) = world.asks();
    world.say("1", "/yes");
    let Some(Effect::TakeReply(turn, who, Word::Reply(Reply { code: None, .. }))) = world.until_outside() else {
        panic!("it is taken at once")
    };
    assert_eq!(who, member().id);
    world.event(|core, cx| core.on_reply_taken(cx, turn, "Noted.".to_owned()));
    assert!(world.until_outside().is_none(), "the turn that asked is first");
    world.event(|core, cx| core.on_answered(cx, call, Ok(())));
    let sent = world.tool();
    world.tool_done(&sent);
    let (model, _) = world.model();
    world.reply(model, text("It is sent."));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["It is sent.", "Noted."]);
}
