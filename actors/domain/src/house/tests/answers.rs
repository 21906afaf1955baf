//! What is said after a tool ran, and how the tools and the help look.

use serde_json::{Value, json};

use super::{BERLIN, at};
use crate::house::{HouseContext, answer, help, no_model_note, tool_specs};

/// Checks one answer.
fn check(tool: &str, args: Value, result: Value, said: &str) {
    let now = at(BERLIN);
    assert_eq!(answer(tool, &args, &result, &HouseContext { now: &now, member: "Anna" }), said, "{tool} {args} {result}");
}

#[test]
fn memory_answers_in_sentences() {
    check("remember", json!({"text": "the bins go out on Tuesday"}), json!({"id": "1"}), "I'll remember that the bins go out on Tuesday.");
    check("remember", json!({"text": "I'm allergic to nuts"}), json!({"id": "1"}), "I'll remember this: “I'm allergic to nuts”");
    check("remember", json!({"text": "wifi: x"}), json!({"error": "Only members can do that."}), "Only members can do that.");
    check(
        "recall",
        json!({"query": "bins"}),
        json!({"found": [
            {"text": "the bins go out on Tuesday", "when": "2026-04-03T08:00:00Z"},
            {"text": "the bins are green", "when": "2026-04-20T23:30:00Z"},
            {"text": "the bins smell", "when": "2025-12-31T12:00:00Z"},
            {"text": "bins?", "when": "whenever"},
        ]}),
        "Here is what I remember:\n- the bins go out on Tuesday (said on Friday 3 April)\n- the bins are green (said today at 01:30)\n- the bins smell (said on Wednesday 31 December 2025)\n- bins?",
    );
    check("recall", json!({"query": "bins"}), json!({"found": []}), "I don't remember anything about “bins”.");
}

#[test]
fn forgetting_says_what_is_gone_or_asks_which() {
    check(
        "forget",
        json!({"query": "bins"}),
        json!({"forgotten": ["the bins are green"], "candidates": []}),
        "I've forgotten this: “the bins are green”",
    );
    check(
        "forget",
        json!({"query": "bins"}),
        json!({"forgotten": [], "candidates": ["a", "b"]}),
        "Which of these should I forget? Say a little more of it.\n- a\n- b",
    );
    check("forget", json!({"query": "bins"}), json!({}), "I don't remember anything about “bins”.");
}

#[test]
fn reminders_answer_with_the_full_time() {
    for (text, at, said) in [
        ("stretch", "2026-04-21T14:05:00+02:00[Europe/Berlin]", "I'll remind you to stretch at 14:05 (in 1 minute)."),
        ("stretch", "2026-04-21T12:04:30Z", "I'll remind you to stretch at 14:04 (in 30 seconds)."),
        ("call my mum", "2026-04-21T14:04:00Z", "I'll remind you to call your mum at 16:04 (in 2 hours)."),
        ("eat", "2026-04-21T17:06:00Z", "I'll remind you to eat at 19:06 (in 5 hours and 2 minutes)."),
        ("eat", "2026-04-22T07:00:00Z", "I'll remind you to eat tomorrow (Wednesday 22 April) at 09:00."),
        ("about the cake", "2026-04-24T10:00:00Z", "I'll remind you about the cake on Friday 24 April at 12:00 (in 3 days)."),
        ("that dinner is at 8", "2026-04-21T18:00:00+02:00", "At 18:00 (in 3 hours and 56 minutes) I'll remind you that dinner is at 8."),
        ("pay", "2027-04-24T10:00:00Z", "I'll remind you to pay on Saturday 24 April 2027 at 12:00."),
    ] {
        check("remind", json!({ "text": text }), json!({ "id": "1", "at": at }), said);
    }
    check(
        "remind",
        json!({"text": "take the bins out", "every": "week"}),
        json!({"id": "1", "at": "2026-04-27T08:00:00+02:00[Europe/Berlin]"}),
        "I'll remind you to take the bins out every week. The first time is on Monday 27 April at 08:00 (in 6 days).",
    );
}

#[test]
fn lists_and_notes_answer_in_sentences() {
    let shopping = json!({"list": "shopping"});
    check("list_add", shopping.clone(), json!({"added": ["milk", "eggs", "bread"]}), "I've put milk, eggs and bread on the shopping list.");
    check("list_add", shopping.clone(), json!({"added": []}), "That is on the shopping list already.");
    check(
        "list_show",
        shopping.clone(),
        json!({"list": "shopping", "items": [{"text": "milk", "done": true}, {"text": "eggs", "done": false}]}),
        "On the shopping list:\n- eggs\n- milk (done)",
    );
    check("list_show", shopping, json!({"list": "shopping", "items": []}), "There is nothing on the shopping list.");
    check("list_show", json!({}), json!({"lists": ["shopping", "todo"]}), "There are these lists: shopping and todo.");
    check("list_tick", json!({"item": "milk"}), json!({"ticked": "oat milk", "candidates": []}), "Ticked off: oat milk.");
    check(
        "list_tick",
        json!({"item": "milk"}),
        json!({"ticked": null, "candidates": ["oat milk", "milk"]}),
        "Which one do you mean: oat milk or milk?",
    );
    check("list_tick", json!({"item": "milk", "list": "shopping"}), json!({}), "I can't find “milk” on the shopping list.");
    check("note", json!({"text": "plumber came"}), json!({"notes": ["plumber came"]}), "Noted: plumber came");
    check("note", json!({}), json!({"notes": ["a", "b"]}), "Your notes:\n- a\n- b");
}

#[test]
fn clock_and_house_answer_in_sentences() {
    check("clock", json!({}), json!({"now": BERLIN}), "It's 14:04 on Tuesday 21 April 2026.");
    check("clock", json!({"zone": "Asia/Tokyo"}), json!({"now": "2026-04-21T12:04:00Z"}), "It's 21:04 on Tuesday 21 April 2026 in Tokyo.");
    check(
        "house",
        json!({"about": "who"}),
        json!({"members": [{"name": "Anna", "role": "owner"}, {"name": "Ben", "role": "adult"}]}),
        "In this household: Anna (owner) and Ben (adult).",
    );
    check("house", json!({"about": "status"}), json!({"lines": ["All well.", "No model."]}), "All well.\nNo model.");
    check(
        "house",
        json!({"about": "reminders"}),
        json!({"reminders": [{"text": "stretch", "at": "2026-04-21T14:05:00+02:00[Europe/Berlin]"}]}),
        "Your reminders:\n- stretch: at 14:05 (in 1 minute)",
    );
    check("house", json!({"about": "reminders"}), json!({"reminders": []}), "You have no reminders.");
}

#[test]
fn every_line_of_the_help_is_understood() {
    let help = help();
    assert!(help.lines().count() <= 20, "{} lines", help.lines().count());
    for line in help.lines().filter_map(|line| line.strip_prefix("  ")) {
        let got = super::read(line, BERLIN);
        assert!(!["-", "hint", "refused"].contains(&got.as_str()), "{line:?} → {got}");
    }
    assert!(no_model_note().contains("help"));
}

#[test]
fn the_tools_are_ten_and_short() {
    let tools = tool_specs();
    let text: usize = tools.iter().map(|tool| tool.name.len() + tool.description.len() + tool.schema.to_string().len()).sum();
    assert_eq!(tools.len(), 10);
    assert!(text < 1_500, "{text} bytes");
}
