//! No text makes the interpreter panic, and what it calls can always be answered.

use jiff::Zoned;
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{BERLIN, at, ordinary, utterances};
use crate::house::{HouseContext, Interpretation, answer, fallback_query, interpret, tool_specs};

/// Text with the words the grammar looks for, in any order.
const WORDS: [&str; 48] = [
    "remind",
    "me",
    "to",
    "at",
    "7",
    "tomorrow",
    "remember",
    "that",
    ":",
    ",",
    ".",
    "?",
    "in",
    "half",
    "an",
    "hour",
    "and",
    "a",
    "every",
    "day",
    "monday",
    "on",
    "the",
    "3rd",
    "of",
    "may",
    "2027",
    "add",
    "milk",
    "shopping",
    "list",
    "tick",
    "off",
    "note:",
    "what's",
    "time",
    "is",
    "it",
    "Tokyo",
    "quarter",
    "past",
    "12am",
    "99:99",
    "½",
    "-5",
    "“",
    "mins",
    "forget about",
];

/// Fields of all results.
const FIELDS: [&str; 15] = [
    "found",
    "forgotten",
    "items",
    "lists",
    "at",
    "now",
    "members",
    "reminders",
    "lines",
    "added",
    "ticked",
    "candidates",
    "list",
    "zone",
    "about",
];

/// Reads a text, and says an answer when it is a call.
fn run(text: &str, now: &Zoned) {
    let cx = HouseContext { now, member: "Anna" };
    assert!(fallback_query(text).is_none_or(|query| !query.is_empty()));
    if let Interpretation::Call(call) = interpret(text, &cx) {
        assert!(tool_specs().iter().any(|tool| tool.name == call.tool), "{} is a tool", call.tool);
        if let Some(at) = call.args.get("at").and_then(Value::as_str) {
            assert!(at.parse::<Zoned>().expect("a zoned time") > *now, "{text:?} is ahead");
        }
        assert!(!answer(call.tool, &call.args, &json!({}), &cx).is_empty(), "{text:?} is answered");
    }
}

#[test]
fn every_beginning_and_end_of_every_example_is_read() {
    let now = at(BERLIN);
    for text in utterances::UNDERSTOOD.iter().map(|(text, _)| *text).chain(ordinary::ORDINARY.iter().copied()) {
        for (cut, _) in text.char_indices() {
            let (start, end) = text.split_at(cut);
            run(start, &now);
            run(end, &now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        run(&text, &at(BERLIN));
    }

    #[test]
    fn any_text_behind_a_command_is_read(
        start in prop::sample::select(vec!["remind me ", "remember that ", "/note ", "add ", "what time is it in ", "/forget "]),
        text in "\\PC{0,60}",
    ) {
        run(&format!("{start}{text}"), &at(BERLIN));
    }

    #[test]
    fn any_words_of_the_grammar_are_read_at_any_time(
        words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..14),
        seconds in 0_i64..4_000_000_000,
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    ) {
        let zone = TimeZoneDatabase::bundled().get(zone).expect("a zone");
        let now = jiff::Timestamp::from_second(seconds).expect("a timestamp").to_zoned(zone);
        let words = words.join(" ");
        run(&words, &now);
        run(&format!("remind me {words}"), &now);
        run(&format!("remind me {words} to go"), &now);
    }

    #[test]
    fn any_result_is_answered(text in any::<String>()) {
        let now = at(BERLIN);
        let cx = HouseContext { now: &now, member: "Anna" };
        let entry = json!({ "text": text, "when": text, "at": text, "name": text, "done": text });
        for value in [json!(text), json!([text, entry]), entry, json!(null), json!(7), json!([""])] {
            let all: Value = FIELDS.iter().map(|field| ((*field).to_owned(), value.clone())).collect::<serde_json::Map<_, _>>().into();
            for tool in tool_specs() {
                prop_assert!(!answer(tool.name, &all, &all, &cx).is_empty(), "{}", tool.name);
                prop_assert!(!answer(tool.name, &value, &value, &cx).is_empty(), "{}", tool.name);
            }
        }
    }
}
