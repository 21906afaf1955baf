//! Budgets, as a conversation meets them.

use super::*;
use crate::budget::{Amounts, Kind, Refused, Span};

fn refused() -> Refused {
    Refused { kind: Kind::Tokens, span: Span::Day, used: 90, cap: 100, needs: 20 }
}

fn used(tokens: u64) -> ModelReply {
    ModelReply { usage: Usage { input_tokens: tokens, ..Usage::default() }, ..calls(&["note"]) }
}

#[test]
fn a_turn_whose_budget_is_used_up_ends_with_the_sentence_and_with_what_was_done() {
    let mut world = World::new();
    world.say("1", "note it");
    let (call, _) = world.model();
    world.reply(call, used(90));
    let tool = world.tool();
    world.tool_done(&tool);
    let (call, _) = world.model();
    world.event(|core, cx| core.on_replied(cx, call, Err(ModelError::Spent(refused()))));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered[0].text, format!("{} Done before that: note.", refused()));
    assert_eq!((world.delivered[0].purpose, world.rows.open.len()), (Purpose::Failure, 0));
}

#[test]
fn a_call_that_does_not_fit_ends_the_turn_and_nothing_is_unknown() {
    let mut world = World::new();
    world.say("1", "send it");
    let (call, _) = world.model();
    world.reply(call, calls(&["send", "send"]));
    let tool = world.tool();
    world.tool_fails(&tool, ToolError::Spent(refused().to_string()));
    assert!(world.until_outside().is_none(), "neither the other call nor a model");
    assert_eq!(world.delivered.iter().map(|message| message.text.clone()).collect::<Vec<_>>(), [refused().to_string()]);
}

#[test]
fn whatever_a_turn_does_is_charged_to_its_member_and_begins_after_a_crash_at_what_its_steps_say() {
    let mut world = World::new();
    world.say("1", "note it");
    let (call, request) = world.model();
    let charge = request.charge;
    assert_eq!((charge.member, charge.role, charge.day.to_string().as_str()), (member().id, Role::Adult, "1970-01-01"));
    assert_eq!((charge.before, charge.turn), (Amounts::default(), Some(world.rows.open[0].id)));
    world.reply(call, used(90));
    let tool = world.tool();
    assert_eq!((tool.charge.turn, tool.charge.before.tokens, tool.charge.before.tool_calls), (charge.turn, 90, 0));
    world.tool_done(&tool);
    world.model();
    world.crash();
    let (_, request) = world.model();
    assert_eq!((request.charge.turn, request.charge.before.tokens, request.charge.before.tool_calls), (charge.turn, 90, 1));
}
