use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::flow::value::{Control, leaves};
use crate::ids::ConversationId;
use crate::label::Label;
use crate::sandbox::Role as For;

pub(crate) fn person(name: &str, role: Role) -> Member {
    Member { id: Member::id_of(name), name: name.into(), role, zone: "UTC".into() }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn pay() -> Function {
    let arguments =
        [("/to", For::Recipient), ("/to/*", For::Recipient), ("/amount", For::Amount), ("/note", For::Content), ("/day", For::Schedule)];
    Function {
        tool: "own/bank".into(),
        name: "pay".into(),
        release: Digest::ZERO,
        parameters: json!({"type": "object"}),
        effect: Effect::Pay,
        arguments: arguments.into_iter().map(|(pointer, role)| (pointer.to_owned(), role)).collect(),
        fields: BTreeMap::new(),
    }
}

/// A question of Ada's.
pub(crate) fn sample() -> Approval {
    ask(json!({ "recipient": "DE1", "amount": 5 }), &person("Ada", Role::Adult))
}

fn call(arguments: Value) -> Call {
    Call::new(&pay(), arguments, Member::id_of("Ada"), ConversationId::derived(&["c"]))
}

fn ask(arguments: Value, member: &Member) -> Approval {
    let (call, function) = (call(arguments), pay());
    let mut all = Vec::new();
    leaves("", &Control::new(Label::neutral()).writes(call.arguments.clone()), &mut all);
    Approval::ask(Asked { call: &call, function: &function, leaves: &all, member }, BTreeSet::from([Why::NotNamed]), at(0))
}

fn grant_id() -> GrantId {
    GrantId::derived(&["g"])
}

fn granted(arguments: Value, answer: Answer) -> Grant {
    let ada = person("Ada", Role::Adult);
    ask(arguments, &ada).answer(&ada, answer, at(1), grant_id()).unwrap().unwrap()
}

#[test]
fn the_first_answer_counts_and_no_other() {
    let ada = person("Ada", Role::Adult);
    let mut approval = ask(json!({"to": "GB29", "amount": 5}), &ada);
    approval.answer(&ada, Answer::Once, at(1), grant_id()).unwrap();
    assert_eq!(approval.answer(&ada, Answer::No, at(2), grant_id()), Err(AnswerError::Answered));
    let call = approval.call.clone();
    assert_eq!(approval.run(&call, at(3)), Ok(()));
    assert_eq!(approval.run(&call, at(4)), Err(RunError::NotApproved));
}

#[test]
fn a_child_or_guest_never_answers_and_an_adult_answers_for_a_child() {
    let (kim, ben, eve) = (person("Kim", Role::Child), person("Ben", Role::Adult), person("Eve", Role::Guest));
    let mut approval = ask(json!({"to": "GB29"}), &kim);
    for who in [&kim, &eve, &person("Tia", Role::Teen)] {
        assert_eq!(approval.answer(who, Answer::Once, at(1), grant_id()), Err(AnswerError::NotYours));
    }
    assert_eq!(approval.answer(&ben, Answer::Once, at(1), grant_id()), Ok(None));
    assert_eq!(ask(json!({}), &person("Ada", Role::Adult)).answer(&ben, Answer::Once, at(1), grant_id()), Err(AnswerError::NotYours));
}

#[test]
fn a_changed_argument_is_another_effect() {
    let ada = person("Ada", Role::Adult);
    for changed in
        [json!({"to": "GB2\u{661}", "amount": 5}), json!({"to": ["GB29", "GB30"], "amount": 5}), json!({"to": "GB29", "amount": 5.01})]
    {
        let mut approval = ask(json!({"to": "GB29", "amount": 5}), &ada);
        approval.answer(&ada, Answer::Once, at(1), grant_id()).unwrap();
        assert_eq!(approval.run(&call(changed), at(2)), Err(RunError::OtherCall));
    }
}

#[test]
fn what_is_over_stays_over_when_the_clock_goes_back() {
    let ada = person("Ada", Role::Adult);
    let mut approval = ask(json!({"to": "GB29"}), &ada);
    assert_eq!(approval.answer(&ada, Answer::Once, at(APPROVAL_SECONDS), grant_id()), Err(AnswerError::Expired));
    assert_eq!(approval.answer(&ada, Answer::Once, at(1), grant_id()), Err(AnswerError::Expired));
    let mut early = ask(json!({"to": "GB29"}), &ada);
    assert_eq!(early.answer(&ada, Answer::Once, at(-CLOCK_SLACK_SECONDS - 1), grant_id()), Err(AnswerError::Expired));
    let mut grant = granted(json!({"to": "GB29"}), Answer::Until(at(100)));
    let call = call(json!({"to": "GB29"}));
    assert!(grant.covers(&call, &pay(), at(99)) && !grant.covers(&call, &pay(), at(100)));
    grant.expire(at(100));
    assert!(!grant.covers(&call, &pay(), at(50)));
}

#[test]
fn so_many_times_are_so_many_in_all() {
    let mut grant = granted(json!({"to": "GB29"}), Answer::Times(3));
    assert_eq!(grant.left, Some(2), "the first is the approval's own");
    let call = call(json!({"to": "GB29"}));
    for _ in 0..2 {
        assert!(grant.covers(&call, &pay(), at(5)));
        grant.used(at(5));
    }
    assert!(!grant.covers(&call, &pay(), at(5)));
    let ada = person("Ada", Role::Adult);
    for answer in [Answer::Times(0), Answer::Times(TIMES_MAX + 1), Answer::Until(at(0)), Answer::Until(Timestamp::MAX)] {
        assert_eq!(ask(json!({}), &ada).answer(&ada, answer, at(1), grant_id()), Err(AnswerError::TooMuch));
    }
}

#[test]
fn always_for_a_target_is_for_no_other_target_and_no_greater_amount() {
    let grant = granted(json!({"to": ["GB29"], "amount": 50, "note": "rent"}), Answer::Always);
    let covers = |arguments: Value| grant.covers(&call(arguments), &pay(), at(5));
    assert!(covers(json!({"to": ["GB29"], "amount": 50, "note": "more rent", "day": "2027-01-01"})));
    assert!(covers(json!({"to": ["GB29"], "amount": 49.5})));
    for other in [
        json!({"to": ["GB29"], "amount": 50.01}),
        json!({"to": ["GB29"], "amount": -1}),
        json!({"to": ["GB29", "GB30"], "amount": 50}),
        json!({"to": ["GB30"], "amount": 50}),
        json!({"to": "GB29", "amount": 50}),
        json!({"amount": 50}),
        json!({"to": ["GB29"], "amount": 50, "unheard": "x"}),
    ] {
        assert!(!covers(other.clone()), "{other}");
    }
}

#[test]
fn another_release_member_or_function_is_not_covered() {
    let grant = granted(json!({"to": "GB29"}), Answer::Always);
    let (call, function) = (call(json!({"to": "GB29"})), pay());
    let newer = Digest::of(b"2");
    assert!(grant.covers(&call, &function, at(5)));
    assert!(!grant.covers(&Call { release: newer, ..call.clone() }, &Function { release: newer, ..function.clone() }, at(5)));
    assert!(!grant.covers(&Call { member: Member::id_of("Ben"), ..call.clone() }, &function, at(5)));
    assert!(!grant.covers(&Call { function: "send".into(), ..call.clone() }, &Function { name: "send".into(), ..function.clone() }, at(5)));
    let mut grant = grant;
    assert!(!grant.revoke(&person("Kim", Role::Child), at(6)) && grant.covers(&call, &function, at(6)));
    assert!(grant.revoke(&person("Ada", Role::Adult), at(6)) && !grant.covers(&call, &function, at(6)));
}

#[test]
fn a_card_for_others_says_what_it_hits_and_not_what_the_member_says() {
    let kim = person("Kim", Role::Child);
    let card = ask(json!({"to": "GB29", "amount": 98.7, "note": "my diary", "secret key": "also mine"}), &kim).card;
    let text = card.for_others().sentence();
    assert!(text.contains("GB29") && text.contains("98.7"), "{text}");
    assert!(!text.contains("diary") && !text.contains("also mine") && !text.contains("secret key"), "{text}");
    assert!(card.sentence().contains("diary"));
}

#[test]
fn a_card_says_what_to_whom_how_much_and_why_and_hides_nothing() {
    let ada = person("Ada", Role::Adult);
    let note = format!("hi\u{202e}{}mallory", "a".repeat(60_000));
    let text = ask(json!({"to": "GB29\u{200b}", "amount": 98.7, "note": note}), &ada).card.sentence();
    for part in ["spend money", "GB29⟨U+200B⟩", "98.7", "mallory", "⟨U+202E⟩", "more bytes", "Asked because", "void at", "one recipient"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.len() < 2_000);
    assert!(ask(json!({"to": "p\u{430}ul"}), &ada).card.sentence().contains("two alphabets"));
}

#[test]
fn an_approval_is_read_back_from_what_is_stored() {
    let approval = ask(json!({"to": "GB29", "amount": 5.5}), &person("Ada", Role::Adult));
    assert_eq!(serde_json::from_str::<Approval>(&serde_json::to_string(&approval).unwrap()).unwrap(), approval);
    let grant = granted(json!({"to": "GB29", "amount": 5.5}), Answer::Always);
    assert_eq!(serde_json::from_str::<Grant>(&serde_json::to_string(&grant).unwrap()).unwrap(), grant);
}

#[derive(Debug, Clone)]
enum Act {
    Answer(usize, Answer),
    Run(bool),
    Look,
}

fn act() -> impl Strategy<Value = (Act, i64)> {
    let answer = prop_oneof![Just(Answer::No), Just(Answer::Once), Just(Answer::Always), (0_u32..4).prop_map(Answer::Times)];
    let act = prop_oneof![
        (0_usize..4, answer).prop_map(|(who, answer)| Act::Answer(who, answer)),
        any::<bool>().prop_map(Act::Run),
        Just(Act::Look)
    ];
    (act, -100_i64..2 * APPROVAL_SECONDS)
}

fn amounts() -> impl Strategy<Value = Value> {
    let to = prop_oneof![Just(json!("A")), Just(json!("B")), Just(json!(["A"])), Just(json!(["A", "B"]))];
    (proptest::option::of(to), proptest::option::of(0_i64..4), proptest::option::of("[xy]")).prop_map(|(to, amount, note)| {
        let pairs = [("to", to), ("amount", amount.map(Value::from)), ("note", note.map(Value::from))];
        Value::Object(pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
    })
}

proptest! {
    /// Whatever is answered, run and looked at, by whom and at what time: one winner, one use, nothing after the end.
    #[test]
    fn an_approval_is_answered_once_used_once_and_never_revived(acts in proptest::collection::vec(act(), 0..12)) {
        let people = [person("Ada", Role::Adult), person("Ben", Role::Adult), person("Kim", Role::Child), person("Eve", Role::Guest)];
        let mut approval = ask(json!({"to": "GB29"}), &people[0]);
        let (right, wrong) = (approval.call.clone(), call(json!({"to": "GB28"})));
        let (mut yes, mut answers, mut runs) = (0, 0, 0);
        for (act, second) in acts {
            let before = approval.state;
            match act {
                Act::Answer(who, answer) => if approval.answer(&people[who], answer, at(second), grant_id()).is_ok() {
                    prop_assert!(who == 0 && before == State::Pending && second < APPROVAL_SECONDS);
                    answers += 1;
                    yes += usize::from(answer != Answer::No);
                },
                Act::Run(exact) => if approval.run(if exact { &right } else { &wrong }, at(second)).is_ok() {
                    prop_assert!(exact && yes == 1 && second < APPROVAL_SECONDS);
                    runs += 1;
                },
                Act::Look => approval.expire(at(second)),
            }
            prop_assert!(!before.is_final() || approval.state == before);
        }
        prop_assert!(answers <= 1 && runs <= 1);
    }

    /// Exactly: these arguments and no others. For a target: the same targets, no more, no fewer, no greater amount.
    #[test]
    fn a_grant_covers_exactly_its_effect(first in amounts(), second in amounts()) {
        let exactly = granted(first.clone(), Answer::Times(2));
        prop_assert_eq!(exactly.covers(&call(second.clone()), &pay(), at(5)), first == second);
        let target = granted(first.clone(), Answer::Always);
        let same = first.get("to") == second.get("to") && match (first.get("amount"), second.get("amount")) {
            (None, None) => true,
            (Some(first), Some(second)) => second.as_i64() <= first.as_i64(),
            _ => false,
        };
        prop_assert_eq!(target.covers(&call(second), &pay(), at(5)), same);
    }

    #[test]
    fn equal_fingerprints_mean_equal_effects(first in amounts(), second in amounts(), elsewhere in any::<bool>()) {
        let (a, mut b) = (call(first.clone()), call(second.clone()));
        if elsewhere {
            b.conversation = ConversationId::derived(&["d"]);
        }
        prop_assert_eq!(a.fingerprint() == b.fingerprint(), first == second && !elsewhere);
    }
}
