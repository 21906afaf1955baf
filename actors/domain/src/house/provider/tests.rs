use std::sync::Arc;

use super::*;
use crate::budget::{Amounts, Charge, Day};
use crate::house::tool_specs;
use crate::household::{Member, Role};
use crate::label::{Integrity, Label, Readers};
use crate::tool::{Annotations, Effect, ToolSpec};

const DOWN: Place = Place::Last(NoModel::AllDown);

fn said_by_member(text: &str) -> Utterance {
    Utterance::User { parts: vec![Part::Text { text: text.to_owned() }] }
}

fn request(history: Vec<Utterance>) -> ModelRequest {
    let tool = |spec: super::super::HouseToolSpec| ToolSpec {
        name: spec.name.to_owned(),
        description: spec.description.to_owned(),
        parameters: spec.schema,
        effect: Effect::Read,
        idempotent: true,
        annotations: Annotations::default(),
    };
    ModelRequest {
        system: String::new(),
        context: String::new(),
        history,
        tools: Arc::new(tool_specs().into_iter().map(tool).collect()),
        max_output_tokens: 100,
        label: Label { readers: Readers::household(), integrity: Integrity::Member },
        member: "Ada".to_owned(),
        now: "2026-04-21T14:05:00+02:00[Europe/Berlin]".parse().unwrap(),
        cache_key: String::new(),
        charge: Charge { member: Member::id_of("Ada"), role: Role::Adult, day: Day::ZERO, turn: None, before: Amounts::default() },
    }
}

fn with_result(text: &str, reply: &ModelReply, result: &Value) -> ModelRequest {
    let call = reply.calls[0].clone();
    let answered = Utterance::ToolResult { call: call.id.clone(), name: call.name.clone(), content: result.to_string() };
    let called = Utterance::Assistant { text: String::new(), calls: vec![call] };
    request(vec![said_by_member(text), called, answered])
}

#[test]
fn a_command_is_a_call_and_its_result_a_sentence() {
    let text = "remember that the bins go out on Tuesday";
    let first = complete(&request(vec![said_by_member(text)]), Place::First).unwrap();
    assert_eq!((first.calls[0].id.as_str(), first.calls[0].name.as_str()), (CALL, "remember"));
    assert_eq!((first.stop, first.provider.as_str(), first.usage), (StopReason::ToolUse, NAME, Usage::default()));
    let second = complete(&with_result(text, &first, &json!({ "id": "m1" })), Place::First).unwrap();
    assert_eq!((second.stop, second.calls.len()), (StopReason::End, 0));
    assert!(second.text.contains("bins"), "{}", second.text);
}

#[test]
fn at_the_first_place_everything_else_is_left_to_a_model() {
    let check = |history: Vec<Utterance>| {
        assert_eq!(complete(&request(history.clone()), Place::First), Err(ModelError::NotACommand), "{history:?}");
    };
    check(vec![said_by_member("write me a poem about the sea")]);
    check(Vec::new());
    let picture = Part::Image { media_type: "image/png".to_owned(), base64: "AA==".to_owned() };
    let remember = Part::Text { text: "remember that the bins go out on Tuesday".to_owned() };
    check(vec![Utterance::User { parts: vec![remember, picture] }]);
    let call = ToolCall { id: "toolu_1".to_owned(), name: "clock".to_owned(), arguments: Arguments::Json(json!({})) };
    let result = Utterance::ToolResult { call: "toolu_1".to_owned(), name: "clock".to_owned(), content: "{}".to_owned() };
    check(vec![said_by_member("status"), Utterance::Assistant { text: String::new(), calls: vec![call] }, result]);
}

#[test]
fn a_command_whose_tool_is_not_offered_is_no_command() {
    let mut request = request(vec![said_by_member("status")]);
    assert_eq!(complete(&request, Place::First).unwrap().calls[0].name, "house");
    request.tools = Arc::default();
    assert_eq!(complete(&request, Place::First), Err(ModelError::NotACommand));
}

#[test]
fn at_the_last_place_it_says_which_way_there_is_no_model() {
    let poem = || request(vec![said_by_member("write me a poem about the sea")]);
    let down = complete(&poem(), DOWN).unwrap();
    assert_eq!(down.text, no_model_note());
    let none = complete(&poem(), Place::Last(NoModel::NotConfigured)).unwrap();
    assert!(none.text.contains("configured") && none.text.contains("help"), "{}", none.text);
}

#[test]
fn at_the_last_place_a_question_is_looked_up() {
    let text = "which day do the bins go out?";
    let first = complete(&request(vec![said_by_member(text)]), DOWN).unwrap();
    assert_eq!(first.calls[0].name, "recall");
    let hit = json!({ "found": [{ "text": "the bins go out on Tuesday", "when": "2026-04-20T10:00:00Z" }] });
    let told = complete(&with_result(text, &first, &hit), DOWN).unwrap();
    assert!(told.text.contains("Tuesday"), "{}", told.text);
    let nothing = complete(&with_result(text, &first, &json!({ "found": [] })), DOWN).unwrap();
    assert_eq!(nothing.text, no_model_note());
}

#[test]
fn at_the_last_place_a_turn_that_a_model_left_still_ends() {
    let call = ToolCall { id: "toolu_1".to_owned(), name: "clock".to_owned(), arguments: Arguments::Json(json!({})) };
    let result = Utterance::ToolResult { call: "toolu_1".to_owned(), name: "clock".to_owned(), content: "{}".to_owned() };
    let left = vec![said_by_member("what now"), Utterance::Assistant { text: String::new(), calls: vec![call] }, result];
    assert_eq!(complete(&request(left), DOWN).unwrap().text, no_model_note());
}
