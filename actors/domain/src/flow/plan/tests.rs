use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::journal::Digest;
use crate::label::Label;
use crate::sandbox::Role;
use crate::tool::Effect;

fn catalog() -> Catalog {
    let function = |name: &str, effect, parameters, arguments: &[(&str, Role)]| Function {
        tool: "own/bank".into(),
        name: name.into(),
        release: Digest::ZERO,
        parameters,
        effect,
        arguments: arguments.iter().map(|(pointer, role)| ((*pointer).to_owned(), *role)).collect(),
        fields: BTreeMap::new(),
    };
    let pay = json!({"type": "object", "properties": {"to": {}, "amount": {}, "note": {}}, "required": ["to"]});
    [
        function("list", Effect::Read, json!({"type": "object", "properties": {}}), &[]),
        function("pay", Effect::Pay, pay, &[("/to", Role::Recipient), ("/amount", Role::Amount), ("/note", Role::Content)]),
    ]
    .into_iter()
    .map(|function| (function.name.clone(), function))
    .collect()
}

fn freeze(plan: &Value, words: &str) -> Result<Plan, PlanError> {
    Plan::freeze(&plan.to_string(), &catalog(), &Words::new(words), Control::new(Label::neutral()))
}

fn arguments(value: &Value) -> BTreeMap<String, Template> {
    value.as_object().unwrap().iter().map(|(key, value)| (key.clone(), Template::read(value).unwrap())).collect()
}

#[test]
fn a_call_is_within_the_plan_word_for_word_and_as_often_as_planned() {
    let pay = json!({"to": "GB29", "amount": 5});
    let mut plan = freeze(&json!({"steps": [{"function": "pay", "arguments": pay}]}), "pay 5 to GB29").unwrap();
    for other in [
        json!({"to": "GB28", "amount": 5}),
        json!({"to": "GB29", "amount": 6}),
        json!({"to": "GB29"}),
        json!({"to": "GB29", "amount": 5, "note": "x"}),
    ] {
        assert_eq!(plan.may("pay", &arguments(&other)), Fit::Wider, "{other}");
    }
    assert_eq!(plan.may("list", &BTreeMap::new()), Fit::Wider);
    let fit = plan.may("pay", &arguments(&pay));
    assert_eq!(fit, Fit::Within(0));
    plan.ran(fit);
    assert_eq!(plan.may("pay", &arguments(&pay)), Fit::Wider);
}

#[test]
fn what_was_left_open_is_decided_by_all_that_was_seen_since() {
    let plan =
        freeze(&json!({"steps": [{"function": "pay", "arguments": {"to": "GB29", "amount": {"$open": true}}}]}), "pay GB29").unwrap();
    let fit = plan.may("pay", &arguments(&json!({"to": "GB29", "amount": 7})));
    assert_eq!(fit, Fit::Filled(0));
    let tainted = Control::new(Label::new(crate::label::Readers::public(), crate::label::Integrity::Outside));
    assert_eq!(plan.control(fit, &tainted), &tainted);
    assert!(!plan.control(Fit::Within(0), &tainted).is_tainted());
}

#[test]
fn an_account_that_the_member_wrote_once_is_contested_by_a_second_payment() {
    let two = json!({"steps": [{"function": "pay", "arguments": {"to": "GB29", "amount": 0.01}}, {"function": "pay", "arguments": {"to": "GB29", "amount": 5}}]});
    assert_eq!(freeze(&two, "pay 5 to GB29").unwrap().contested(), &BTreeSet::from(["\"GB29\"".to_owned()]));
    assert!(freeze(&two, "pay 5 to GB29 and a cent to GB29").unwrap().contested().is_empty());
    let twice = json!({"steps": [{"function": "pay", "count": 2, "arguments": {"to": "GB29", "amount": {"$open": true}}}]});
    assert_eq!(freeze(&twice, "pay 5 to GB29").unwrap().contested().len(), 1);
}

#[test]
fn a_plan_that_does_not_fit_the_catalog_is_refused() {
    let refused = |plan: Value| freeze(&plan, "").unwrap_err();
    assert_eq!(refused(json!({"steps": [{"function": "nope"}]})), PlanError::Function(1));
    assert_eq!(refused(json!({"steps": [{"function": "pay", "arguments": {"to": "x", "more": 1}}]})), PlanError::Argument(1));
    assert_eq!(refused(json!({"steps": [{"function": "pay"}]})), PlanError::Argument(1));
    assert_eq!(refused(json!({"steps": [{"function": "pay", "arguments": {"to": "$r1"}}]})), PlanError::Order(1));
    assert_eq!(refused(json!({"steps": [{"function": "list", "count": 0}]})), PlanError::TooMany);
    assert_eq!(refused(json!({"steps": vec![json!({"function": "list"}); STEPS_MAX + 1]})), PlanError::TooMany);
    assert_eq!(refused(json!({"steps": [], "approved": true})), PlanError::Form);
    assert!(matches!(refused(json!({"steps": [{"function": "pay", "arguments": {"to": {"$sum": 1}}}]})), PlanError::Template(1, _)));
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader_of_plans(text in any::<String>()) {
        let _ = Plan::freeze(&text, &catalog(), &Words::new(&text), Control::new(Label::neutral()));
    }

    /// Whatever calls are tried, in whatever order, a step runs no more often than the plan says and with no other arguments.
    #[test]
    fn only_narrowing_is_silent(count in 1_u32..4, calls in proptest::collection::vec(("(GB29|GB28)", 4_u32..7), 0..12)) {
        let mut plan = freeze(&json!({"steps": [{"function": "pay", "count": count, "arguments": {"to": "GB29", "amount": 5}}]}), "").unwrap();
        let mut ran = 0;
        for (to, amount) in calls {
            let fit = plan.may("pay", &arguments(&json!({"to": to, "amount": amount})));
            prop_assert!(fit == Fit::Wider || (to == "GB29" && amount == 5));
            ran += u32::from(fit != Fit::Wider);
            plan.ran(fit);
        }
        prop_assert!(ran <= count);
    }
}
