//! Random values with random readers on a question, and a judge that keeps who may read what as plain sets of names.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::tests::{at, pay};
use super::super::{APPROVAL_SECONDS, Asked, Why};
use super::*;
use crate::flow::call::{Call, Function};
use crate::flow::value::{Leaf, Origin, Traced};
use crate::household::Role;
use crate::ids::{ConversationId, GrantId};
use crate::label::{Integrity, Label, Readers};
use crate::policy::programs::{PEOPLE, Tag, person, tag};
use crate::sandbox::Role as For;
use crate::tool::Effect;

const EFFECTS: [Effect; 6] = [Effect::WriteOwn, Effect::ExternalSend, Effect::Pay, Effect::Physical, Effect::Delete, Effect::Admin];
/// Names of arguments, and whether each says what a call hits.
const ARGUMENTS: [(&str, Option<For>); 5] =
    [("to", Some(For::Recipient)), ("amount", Some(For::Amount)), ("id", Some(For::Id)), ("note", Some(For::Content)), ("odd", None)];
const CHILD: usize = 3;

fn household() -> Vec<Member> {
    (0..PEOPLE.len()).map(person).collect()
}

fn function(effect: Effect) -> Function {
    let named = ARGUMENTS.iter().filter_map(|(name, role)| Some((format!("/{name}"), (*role)?)));
    Function { effect, arguments: named.collect(), ..pay() }
}

/// One argument: which, its readers, and whether the model wrote a name of its own below it.
type Given = (usize, Tag, bool);

/// A question of this person's with these arguments, among everybody. Value `n` is `zq{n}x`, the model's own name for it `zk{n}x`.
fn asked(asker: usize, effect: Effect, given: &[Given]) -> Approval {
    let (function, member) = (function(effect), person(asker));
    let (mut arguments, mut leaves) = (Map::new(), Vec::new());
    for (n, (which, tag, nested)) in given.iter().enumerate() {
        let name = ARGUMENTS[*which].0;
        let value = Value::from(format!("zq{n}x"));
        let traced = Traced { value: value.clone(), label: tag.label.clone(), origin: Origin::default() };
        let key = format!("zk{n}x");
        let pointer = if *nested { format!("/{name}/{key}") } else { format!("/{name}") };
        arguments.insert(name.to_owned(), if *nested { json!({ key: value }) } else { value });
        leaves.push(Leaf { pointer, traced });
    }
    let whys = leaves.iter().map(|leaf| Why::NotSaid { pointer: leaf.pointer.clone() }).collect();
    let call = Call::new(&function, Value::Object(arguments), member.id, ConversationId::derived(&["c"]));
    Approval::ask(Asked { call: &call, function: &function, leaves: &leaves, member: &member }, whys, at(0)).among(&household())
}

fn given() -> impl Strategy<Value = Vec<Given>> {
    proptest::collection::btree_map(0..ARGUMENTS.len(), (tag(), proptest::bool::weighted(0.2)), 0..4)
        .prop_map(|all| all.into_iter().map(|(which, (tag, nested))| (which, tag, nested)).collect())
}

/// What somebody may be shown of a question, by the judge's own word; `let_go` when its member said yes to that.
fn judge(text: &str, reader: usize, asker: usize, effect: Effect, given: &[Given], let_go: bool) -> Result<(), TestCaseError> {
    for (n, (which, tag, _)) in given.iter().enumerate() {
        if reader == asker {
            continue;
        }
        let hit = effect != Effect::WriteOwn && !matches!(ARGUMENTS[*which].1, Some(For::Content) | None);
        let may = hit && (let_go || tag.may.contains(&reader));
        prop_assert!(may || !text.contains(&format!("zq{n}x")), "{} may not see value {n}: {text}", PEOPLE[reader].0);
        prop_assert!(!text.contains(&format!("zk{n}x")), "{} is shown a name of the model's: {text}", PEOPLE[reader].0);
    }
    Ok(())
}

/// Everything that anybody is shown of it, in every way.
fn judge_all(approval: &Approval, asker: usize, given: &[Given], let_go: bool) -> Result<(), TestCaseError> {
    let cards = approval.cards(&household());
    for reader in 0..PEOPLE.len() {
        let who = person(reader);
        let shown = cards
            .get(&who.id)
            .cloned()
            .into_iter()
            .chain(approval.question_for(&who))
            .chain(approval.card_for(&who).map(|card| card.sentence()));
        for text in shown {
            judge(&text, reader, asker, approval.card.effect, given, let_go)?;
        }
        let answers = approval.clone().answer(&who, Answer::Once, at(1), GrantId::derived(&["g"])).is_ok();
        prop_assert!(!answers || approval.state != State::Pending || approval.question_for(&who).is_some(), "who answers is shown what");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn nothing_on_any_card_is_unreadable_for_its_reader_unless_its_member_let_go_exactly_it(
        asker in 0..PEOPLE.len(),
        effect in proptest::sample::select(EFFECTS.to_vec()),
        given in given(),
        answers in proptest::collection::vec((0..PEOPLE.len(), 0..4_u8), 0..5),
    ) {
        // What its member may not read is denied before anybody is asked.
        let given: Vec<_> = given.into_iter().filter(|(_, tag, _)| tag.may.contains(&asker)).collect();
        let mut approval = asked(asker, effect, &given);
        let role = PEOPLE[asker].1;
        let minor = matches!(role, Role::Child | Role::Guest)
            || role == Role::Teen && matches!(effect, Effect::Pay | Effect::Physical | Effect::Delete | Effect::Admin);
        let hits = |which: usize| effect != Effect::WriteOwn && !matches!(ARGUMENTS[which].1, Some(For::Content) | None);
        let unreadable = (0..2).any(|adult| given.iter().any(|(which, tag, _)| hits(*which) && !tag.may.contains(&adult)));
        let wanted = minor && unreadable;
        prop_assert_eq!(approval.consent == Consent::Wanted, wanted);
        let mut let_go = false;
        let mut told = BTreeSet::new();
        judge_all(&approval, asker, &given, let_go)?;
        told.extend(approval.cards(&household()).into_keys());
        if wanted {
            prop_assert_eq!(&told, &BTreeSet::from([person(asker).id]), "nobody else is told");
        } else if minor {
            prop_assert_eq!(told.len(), 3, "both adults, and the one who asks");
        }
        for (who, answer) in answers {
            let answer = [Answer::No, Answer::Once, Answer::Times(3), Answer::Always][usize::from(answer)];
            let before = approval.clone();
            let taken = approval.answer(&person(who), answer, at(1), GrantId::derived(&["g"]));
            let consents = before.consent == Consent::Wanted && before.state == State::Pending;
            if consents && who != asker {
                prop_assert!(taken.is_err(), "nobody decides upon what they may not see");
            }
            if consents && who == asker && answer == Answer::Once {
                let_go = true;
                let new: BTreeSet<_> = approval.cards(&household()).into_keys().collect();
                prop_assert_eq!(new.len(), 2, "both adults");
                prop_assert!(new.is_disjoint(&told), "nobody is told twice");
                told.extend(new);
                let (asked, shown) = (before.question_for(&person(asker)).unwrap(), approval.question_for(&person(0)).unwrap());
                prop_assert!(asked.contains(&shown), "exactly what the child was shown: {asked} and {shown}");
                let is_there = |(n, (which, ..)): (usize, &Given)| !hits(*which) || shown.contains(&format!("zq{n}x"));
                prop_assert!(given.iter().enumerate().all(is_there));
            }
            if consents && who == asker && answer == Answer::No {
                let denied = matches!(approval.state, State::Denied { .. });
                prop_assert!(denied);
            }
            prop_assert_eq!(matches!(approval.consent, Consent::Given { .. }), let_go);
            judge_all(&approval, asker, &given, let_go)?;
            let kept: Approval = serde_json::from_str(&serde_json::to_string(&approval).unwrap()).unwrap();
            prop_assert_eq!(&kept, &approval, "and over a restart");
        }
    }
}

fn private() -> Tag {
    Tag::new(BTreeSet::from([CHILD]), tag_of(Readers::only([person(CHILD).id])).label)
}

fn tag_of(readers: Readers) -> Tag {
    let label = Label::new(readers, Integrity::Member);
    Tag::new((0..PEOPLE.len()).collect(), label)
}

#[test]
fn what_an_adult_may_read_anyway_needs_no_consent() {
    for readers in [Readers::public(), Readers::household(), Readers::only((0..PEOPLE.len()).map(|who| person(who).id))] {
        assert_eq!(asked(CHILD, Effect::Pay, &[(0, tag_of(readers), false)]).consent, Consent::Needless);
    }
    assert_eq!(asked(CHILD, Effect::Pay, &[(0, private(), false)]).consent, Consent::Wanted);
    assert_eq!(asked(CHILD, Effect::Pay, &[(3, private(), false)]).consent, Consent::Needless, "what is said is not shown");
}

#[test]
fn a_consent_is_for_exactly_these_values_in_time_and_no_standing_word() {
    let (mut approval, kim) = (asked(CHILD, Effect::Pay, &[(0, private(), false)]), person(CHILD));
    let grant = || GrantId::derived(&["g"]);
    assert_eq!(approval.answer(&kim, Answer::Always, at(1), grant()), Err(AnswerError::YesOrNo));
    assert_eq!(approval.answer(&person(0), Answer::Once, at(1), grant()), Err(AnswerError::NotYours));
    assert_eq!(approval.clone().answer(&kim, Answer::Once, at(APPROVAL_SECONDS), grant()), Err(AnswerError::Expired));
    assert_eq!(approval.answer(&kim, Answer::Once, at(1), grant()), Ok(None));
    assert!(approval.card_for(&person(1)).is_some() && approval.state == State::Pending);
    assert_eq!(approval.answer(&kim, Answer::Once, at(2), grant()), Err(AnswerError::NotYours), "the child does not decide");
    let mut other = approval.clone();
    other.card.arguments[0].shown = "another value".to_owned();
    assert_eq!(other.card_for(&person(1)), None);
    assert_eq!(other.answer(&person(1), Answer::Once, at(3), grant()), Err(AnswerError::NotYours));
    assert_eq!(approval.answer(&person(1), Answer::Once, at(3), grant()), Ok(None));
    assert!(matches!(approval.state, State::Approved { .. }));
}

#[test]
fn somebody_who_comes_later_and_may_not_read_it_is_not_asked() {
    let three = Tag::new((0..4).collect(), Label::new(Readers::only((0..4).map(|who| person(who).id)), Integrity::Member));
    let approval = asked(CHILD, Effect::Pay, &[(0, three, false)]);
    let late = Member { id: Member::id_of("Uwe"), name: "Uwe".to_owned(), ..person(1) };
    assert!(approval.is_for(&person(1)) && !approval.is_for(&late) && approval.question_for(&late).is_none());
}
