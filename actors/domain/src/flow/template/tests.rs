use proptest::prelude::*;
use serde_json::json;

use super::super::call::Function;
use super::super::handle::Stored;
use super::super::value::ResultId;
use super::*;
use crate::journal::Digest;
use crate::label::Readers;
use crate::sandbox::Trust;
use crate::tool::Effect;

fn results() -> Results {
    let function = Function {
        tool: "own/bank".into(),
        name: "list".into(),
        release: Digest::ZERO,
        parameters: json!({"type": "object"}),
        effect: Effect::Read,
        arguments: BTreeMap::new(),
        fields: BTreeMap::from([("/*/amount".to_owned(), Trust::Service), ("/*/to".to_owned(), Trust::Service)]),
    };
    let label = Label::new(Readers::public(), Integrity::Outside);
    let value = json!([{"to": "SE35", "amount": 50.0, "subject": "Spotify"}, {"to": "US12", "amount": 1000.0, "subject": "iPhone"}]);
    let mut results = Results::default();
    results.keep(Stored { id: ResultId(1), function, value, label }).unwrap();
    results
}

fn resolve(template: Value, words: &str, answers: &BTreeMap<String, Value>) -> Result<Traced, TemplateError> {
    let (results, words) = (results(), Words::new(words));
    let control = Control::new(Label::new(Readers::public(), Integrity::Member));
    let resolving = Resolving { results: &results, words: &words, control: &control, answers };
    let arguments = BTreeMap::from([("x".to_owned(), Template::read(&template)?)]);
    let (_, leaves) = resolving.arguments(&arguments)?;
    let [leaf] = leaves.as_slice() else { panic!("one leaf: {leaves:?}") };
    assert_eq!(leaf.pointer, "/x");
    Ok(leaf.traced.clone())
}

#[test]
fn a_number_is_computed_from_what_the_member_said_and_the_service_vouches_for() {
    let template = json!({"$sum": [{"$product": ["$r1[subject~\"iPhone\"].amount", 0.195]}, 5.29]});
    let found = resolve(template, "an additional 19.5% of the iPhone + a fee of 5.29", &BTreeMap::new()).unwrap();
    assert_eq!(found.value, json!(200.29));
    assert_eq!(found.origin.chosen, Chosen::Found);
    assert_eq!(found.origin.mentions.len(), 3);
}

#[test]
fn a_number_that_nobody_said_makes_the_sum_the_models() {
    let found = resolve(json!({"$product": ["$r1[subject~\"Spotify\"].amount", 0.2]}), "10% of Spotify", &BTreeMap::new()).unwrap();
    assert_eq!(found.origin.chosen, Chosen::ByModel);
}

#[test]
fn half_of_an_amount_is_bounded_by_it_and_more_than_all_of_it_is_refused() {
    let share = |part: f64| json!({"$difference": ["$r1[subject~\"Spotify\"].amount", {"$share": [12, part]}]});
    let found = resolve(share(0.5), "Spotify sent 12", &BTreeMap::new()).unwrap();
    assert_eq!((found.value, found.origin.chosen), (json!(44.0), Chosen::Bounded));
    assert_eq!(resolve(share(1.5), "Spotify sent 12", &BTreeMap::new()), Err(TemplateError::Operand));
    assert_eq!(resolve(share(0.5), "Spotify", &BTreeMap::new()).unwrap().origin.chosen, Chosen::ByModel);
}

#[test]
fn a_reading_stays_from_outside_and_is_the_readers_choice() {
    let template = json!({"$extract": {"from": "$r1[0].subject", "question": "what?", "as": {"kind": "text", "max_chars": 20}}});
    assert_eq!(resolve(template.clone(), "", &BTreeMap::new()), Err(TemplateError::NotRead));
    let key = Template::read(&template).unwrap().extracts()[0].key();
    let found = resolve(template, "", &BTreeMap::from([(key, json!("Spotify"))])).unwrap();
    assert!(found.label.integrity == Integrity::Outside && !found.origin.outside.is_empty() && found.origin.chosen == Chosen::ByModel);
}

#[test]
fn what_is_malformed_is_refused() {
    for template in [
        json!({"$sum": 1}),
        json!({"$sum": []}),
        json!({"$difference": [1]}),
        json!({"$open": 1}),
        json!({"$eval": "1"}),
        json!({"$sum": [1], "more": 1}),
        json!("$r1["),
        json!({"$extract": {"from": "$r1", "question": "q", "as": {"kind": "number", "min": 2, "max": 1}}}),
        json!({"$extract": {"from": "$r1", "question": "q", "as": {"kind": "yes_no"}, "tools": []}}),
        json!("x".repeat(LITERAL_MAX_BYTES + 1)),
        json!(vec![1; PARTS_MAX + 1]),
    ] {
        assert!(Template::read(&template).is_err(), "{template}");
    }
    let deep = (0..=DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(Template::read(&deep), Err(TemplateError::TooLarge));
}

proptest! {
    /// No template lowers a label: whatever is made with something from outside is from outside.
    #[test]
    fn a_value_made_with_something_from_outside_is_from_outside(words in "[a-z ]{0,20}", before in "[a-z]{0,5}", sum in any::<bool>()) {
        let inner = json!("$r1[0].subject");
        let template = if sum { json!({"$text": [before, {"$text": [inner, "x"]}]}) } else { inner };
        let found = resolve(template, &words, &BTreeMap::new()).unwrap();
        prop_assert!(found.label.integrity == Integrity::Outside && !found.origin.outside.is_empty());
    }
}
