use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::call::{Call, Function};
use super::super::value::{Leaf, Origin, ResultId, Source, leaves};
use super::*;
use crate::approval::tests::{at, pay, person};
use crate::approval::{Asked, Why};
use crate::household::Role;
use crate::ids::ConversationId;
use crate::label::{Integrity, Label, Readers};

struct Counted(std::sync::atomic::AtomicU64);

impl Ids for Counted {
    fn fresh(&self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed).into())
    }
}

fn ids() -> Counted {
    Counted(std::sync::atomic::AtomicU64::new(1))
}

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
    let mut grants = endorsement.answer(&ada, Answer::Once, at(1), &ids()).unwrap();
    let function: Function = pay();
    let covers = |grants: &[Grant], arguments: Value, now| {
        let call = Call::new(&function, arguments, ada.id, ConversationId::derived(&["c"]));
        grants.iter().position(|grant| grant.covers(&call, &function, at(now)))
    };
    let first = covers(&grants, json!({"to": "GB29", "amount": 5}), 2).unwrap();
    grants[first].used(at(2));
    assert_eq!(covers(&grants, json!({"to": "GB29", "amount": 5}), 3), None);
    assert!(covers(&grants, json!({"to": "GB30", "amount": 6}), 3).is_some());
    assert_eq!(covers(&grants, json!({"to": "GB30", "amount": 7}), 3), None);
    assert_eq!(covers(&grants, json!({"to": "XX66", "amount": 1}), 3), None);
    assert_eq!(covers(&grants, json!({"to": "GB30", "amount": 6}), ENDORSED_SECONDS + 1), None);
    assert_eq!(endorsement.answer(&ada, Answer::Once, at(2), &ids()), Err(AnswerError::Answered));
}

#[test]
fn a_no_gives_nothing_and_the_strictest_concern_counts() {
    let (ada, kim) = (person("Ada", Role::Adult), person("Kim", Role::Child));
    assert_eq!(endorsed(&ada).answer(&ada, Answer::No, at(1), &ids()), Ok(Vec::new()));
    assert_eq!(endorsed(&kim).answer(&kim, Answer::Once, at(1), &ids()), Err(AnswerError::NotYours));
    assert_eq!(endorsed(&ada).answer(&ada, Answer::Always, at(1), &ids()), Err(AnswerError::TooMuch));
    assert_eq!(endorsed(&ada).answer(&ada, Answer::Once, at(APPROVAL_SECONDS), &ids()), Err(AnswerError::Expired));
}

#[test]
fn a_question_has_bounds() {
    let (ada, ben) = (person("Ada", Role::Adult), person("Ben", Role::Adult));
    let one = |member: &Member| asked(member, json!({"to": "GB29"}));
    assert_eq!(Endorsement::propose(Vec::new(), Vec::new(), at(0)), Err(EndorseError::Nothing));
    assert_eq!(Endorsement::propose(vec![one(&ada); CALLS_MAX + 1], Vec::new(), at(0)), Err(EndorseError::TooMuch));
    assert_eq!(Endorsement::propose(vec![one(&ada), one(&ben)], Vec::new(), at(0)), Err(EndorseError::Mixed));
}
