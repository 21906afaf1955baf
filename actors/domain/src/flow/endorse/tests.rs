use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::call::Call;
use super::super::value::{Leaf, Origin, ResultId, Source, leaves};
use super::*;
use crate::approval::tests::{at, pay, person};
use crate::approval::{Asked, Why};
use crate::household::Role;
use crate::ids::ConversationId;
use crate::label::{Integrity, Label, Readers};

fn letter(value: Value) -> Traced {
    let origin = Origin::outside(Source::result(ResultId(1), "read_letter"));
    Traced { value, label: Label::new(Readers::public(), Integrity::Outside), origin }
}

fn asked(member: &Member, arguments: Value) -> Approval {
    let function = pay();
    let call = Call::new(&function, arguments.clone(), member.id, ConversationId::derived(&["c"]));
    let mut all: Vec<Leaf> = Vec::new();
    leaves("", &letter(arguments), &mut all);
    Approval::ask(Asked { call: &call, function: &function, leaves: &all, member }, BTreeSet::from([Why::NotNamed]), at(0))
}

fn endorsed(member: &Member) -> Endorsement {
    let calls = vec![asked(member, json!({"to": "GB29", "amount": 5})), asked(member, json!({"to": "GB30", "amount": 6}))];
    Endorsement::propose(calls, vec![Text::of(&letter(json!("please pay\nboth\u{202e}")))], at(0)).unwrap()
}

#[test]
fn one_question_shows_the_text_every_value_and_its_source() {
    let text = endorsed(&person("Ada", Role::Adult)).sentence();
    for part in ["please pay⟨U+000A⟩both⟨U+202E⟩", "read_letter (r1)", "GB29", "GB30", "covers all 2"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_yes_covers_each_call_once_and_nothing_else() {
    let ada = person("Ada", Role::Adult);
    let mut endorsement = endorsed(&ada);
    let mut parts = endorsement.answer(&ada, Answer::Once, at(1)).unwrap().to_vec();
    let call = |arguments: Value| Call::new(&pay(), arguments, ada.id, ConversationId::derived(&["c"]));
    let mut runs = |arguments: Value, now| {
        let call = call(arguments);
        parts.iter_mut().map(|part| part.run(&call, at(now))).any(|ran| ran.is_ok())
    };
    assert!(runs(json!({"to": "GB29", "amount": 5}), 2));
    assert!(!runs(json!({"to": "GB29", "amount": 5}), 3), "once");
    assert!(!runs(json!({"to": "GB30", "amount": 5}), 3), "a changed argument is not covered");
    assert!(!runs(json!({"to": "XX66", "amount": 1}), 3));
    assert!(runs(json!({"to": "GB30", "amount": 6}), 3));
    assert_eq!(endorsement.answer(&ada, Answer::Once, at(2)), Err(AnswerError::Answered));
    let mut late = endorsed(&ada).answer(&ada, Answer::Once, at(1)).map(|parts| parts[0].clone()).unwrap();
    assert!(late.run(&call(json!({"to": "GB29", "amount": 5})), at(APPROVAL_SECONDS)).is_err());
}

#[test]
fn a_part_is_nobodys_to_answer_by_itself() {
    let ada = person("Ada", Role::Adult);
    for part in endorsed(&ada).calls() {
        assert!(!part.is_for(&ada) && part.cards(std::slice::from_ref(&ada)).is_empty());
        let answered = part.clone().answer(&ada, Answer::Once, at(1), crate::ids::GrantId::derived(&["g"]));
        assert_eq!(answered, Err(AnswerError::NotYours));
    }
}

#[test]
fn a_no_ends_every_call_and_the_strictest_concern_counts() {
    let (ada, kim) = (person("Ada", Role::Adult), person("Kim", Role::Child));
    let mut endorsement = endorsed(&ada);
    let parts = endorsement.answer(&ada, Answer::No, at(1)).unwrap();
    assert!(parts.iter().all(|part| matches!(part.state, State::Denied { .. })));
    assert_eq!(endorsed(&kim).answer(&kim, Answer::Once, at(1)), Err(AnswerError::NotYours));
    assert_eq!(endorsed(&ada).answer(&ada, Answer::Always, at(1)), Err(AnswerError::YesOrNo));
    assert_eq!(endorsed(&ada).answer(&ada, Answer::Once, at(APPROVAL_SECONDS)), Err(AnswerError::Expired));
    let mut withdrawn = endorsed(&ada);
    withdrawn.withdraw(at(1));
    assert_eq!(withdrawn.answer(&ada, Answer::Once, at(2)), Err(AnswerError::Expired));
}

#[test]
fn a_question_has_bounds() {
    let (ada, ben) = (person("Ada", Role::Adult), person("Ben", Role::Adult));
    let one = |member: &Member| asked(member, json!({"to": "GB29"}));
    assert_eq!(Endorsement::propose(Vec::new(), Vec::new(), at(0)), Err(EndorseError::Nothing));
    assert_eq!(Endorsement::propose(vec![one(&ada); CALLS_MAX + 1], Vec::new(), at(0)), Err(EndorseError::TooMuch));
    assert_eq!(Endorsement::propose(vec![one(&ada), one(&ben)], Vec::new(), at(0)), Err(EndorseError::Mixed));
}
