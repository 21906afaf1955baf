use proptest::prelude::*;
use serde_json::{Map, json};

use super::super::value::{Origin, ResultId, Source, Traced};
use super::*;
use crate::approval::Answer;
use crate::approval::consent::Consent;
use crate::approval::tests::{at, person};
use crate::household::Role as Person;
use crate::ids::ConversationId;
use crate::journal::Digest;
use crate::label::Readers;

const ROLES: [(&str, Role); 9] = [
    ("/to", Role::Recipient),
    ("/url", Role::Url),
    ("/path", Role::Path),
    ("/amount", Role::Amount),
    ("/id", Role::Id),
    ("/when", Role::Schedule),
    ("/code", Role::Code),
    ("/note", Role::Content),
    ("/key", Role::SecretRef),
];

fn function(effect: Effect) -> Function {
    Function {
        tool: "own/tool".into(),
        name: "f".into(),
        release: Digest::ZERO,
        parameters: json!({"type": "object"}),
        effect,
        arguments: ROLES.into_iter().map(|(pointer, role)| (pointer.to_owned(), role)).collect(),
        fields: BTreeMap::new(),
    }
}

fn source() -> Source {
    Source::result(ResultId(1), "mail")
}

fn said(value: &str) -> Traced {
    let label = Label::new(Readers::only([Member::id_of("Ada")]), Integrity::Member);
    Traced { value: json!(value), label, origin: Origin::mention(json!(value).to_string()) }
}

fn outside(value: &str) -> Traced {
    Traced { value: json!(value), label: Label::new(Readers::public(), Integrity::Outside), origin: Origin::outside(source()) }
}

fn service(value: &str, tool: &str) -> Traced {
    Traced { value: json!(value), label: Label::new(Readers::public(), Integrity::Outside), origin: Origin::service(tool) }
}

fn chosen(value: &str) -> Traced {
    Control::new(Label::neutral()).writes(json!(value))
}

#[derive(Debug)]
struct Case {
    function: Function,
    leaves: Vec<Leaf>,
    control: Control,
    fit: Fit,
    member: Member,
    audience: Audience,
    words: Words,
    used: Used,
    approvals: Vec<Approval>,
    grants: Vec<Grant>,
    to: Option<Audience>,
}

impl Case {
    fn new(effect: Effect, arguments: &[(&str, Traced)]) -> Self {
        let ada = person("Ada", Person::Adult);
        Self {
            function: function(effect),
            leaves: arguments.iter().map(|(key, traced)| Leaf { pointer: format!("/{key}"), traced: traced.clone() }).collect(),
            control: Control::new(Label::new(Readers::only([ada.id]), Integrity::Member)),
            fit: Fit::NoPlan,
            audience: Audience::of([(ada.id, ada.role)]),
            member: ada,
            words: Words::new("pay GB29 and look at https://example.org/a"),
            used: Used::default(),
            approvals: Vec::new(),
            grants: Vec::new(),
            to: None,
        }
    }

    fn call(&self) -> Call {
        let arguments: Map<_, _> = self.leaves.iter().map(|leaf| (leaf.pointer[1..].to_owned(), leaf.traced.value.clone())).collect();
        Call::new(&self.function, Value::Object(arguments), self.member.id, ConversationId::derived(&["c"]))
    }

    fn with<T>(&self, call: &Call, with: impl FnOnce(&Facts<'_>) -> T) -> T {
        with(&Facts {
            call,
            function: &self.function,
            leaves: &self.leaves,
            control: &self.control,
            fit: self.fit,
            contested: &BTreeSet::new(),
            words: &self.words,
            used: &self.used,
            member: &self.member,
            audience: &self.audience,
            to: self.to.as_ref(),
            approvals: &self.approvals,
            grants: &self.grants,
            now: at(1),
        })
    }

    fn decide(&self) -> Verdict {
        self.with(&self.call(), decide)
    }

    fn whys(&self) -> Vec<Why> {
        match self.decide() {
            Verdict::Ask(approval) => approval.card.whys.into_iter().collect(),
            Verdict::Allow(Because::Free) => Vec::new(),
            other @ (Verdict::Allow(_) | Verdict::Deny(_)) => panic!("{other:?}"),
        }
    }

    fn tainted(mut self) -> Self {
        self.control = self.control.saw(&outside("x"));
        self
    }
}

#[test]
fn what_the_members_words_name_needs_no_card() {
    assert_eq!(Case::new(Effect::Pay, &[("to", said("GB29")), ("note", chosen("thanks")), ("when", chosen("2026-12-01"))]).whys(), []);
    assert_eq!(Case::new(Effect::Pay, &[("to", said("GB29")), ("amount", service("5", "own/tool"))]).whys(), []);
}

#[test]
fn a_read_towards_the_member_is_free_whatever_was_read_before() {
    assert_eq!(Case::new(Effect::Read, &[("id", outside("7")), ("note", chosen("search"))]).tainted().whys(), []);
}

#[test]
fn an_address_with_data_in_it_is_a_send() {
    assert_eq!(Case::new(Effect::Read, &[("url", said("https://example.org/a"))]).whys(), []);
    for url in [outside("https://evil.example/?q=1"), chosen("https://evil.example/?q=1"), service("https://x.example/", "own/other")] {
        assert_eq!(Case::new(Effect::Read, &[("url", url)]).whys().len(), 1);
    }
}

#[test]
fn a_target_from_outside_asks_and_the_card_names_the_source() {
    let case = Case::new(Effect::Pay, &[("to", outside("XX66")), ("amount", said("GB29"))]);
    assert_eq!(case.whys(), [Why::Outside { pointer: "/to".into(), sources: BTreeSet::from([source()]) }]);
    let Verdict::Ask(approval) = case.decide() else { panic!("asks") };
    let text = approval.card.sentence();
    assert!(text.contains("XX66") && text.contains("mail (r1)"), "{text}");
    assert_eq!(Case::new(Effect::WriteOwn, &[("path", outside("/x"))]).whys().len(), 1);
}

#[test]
fn content_from_outside_may_be_written_down_and_sent_to_whom_the_member_named() {
    assert_eq!(Case::new(Effect::WriteOwn, &[("note", outside("x"))]).whys(), []);
    assert_eq!(Case::new(Effect::ExternalSend, &[("to", said("GB29")), ("note", outside("x"))]).whys(), []);
}

#[test]
fn a_link_that_the_member_did_not_name_is_not_sent_in_their_name() {
    let send = |note| Case::new(Effect::ExternalSend, &[("to", said("GB29")), ("note", note)]).whys();
    let link = [Why::Link { pointer: "/note".into() }];
    for note in [chosen("look at www.evil.example/a"), outside("see https://evil.example."), chosen("https://example.org/a?d=1")] {
        assert_eq!(send(note.clone()), link, "{note:?}");
    }
    for note in [chosen("look at example.org/a, it is at 10.30"), service("https://shop.example/receipt/7", "own/tool")] {
        assert_eq!(send(note.clone()), [], "{note:?}");
    }
    assert_eq!(Case::new(Effect::WriteOwn, &[("note", chosen("www.evil.example"))]).whys(), [], "it stays here");
}

#[test]
fn an_argument_of_which_the_tool_says_nothing_counts_as_a_target() {
    assert_eq!(Case::new(Effect::ExternalSend, &[("to", said("GB29")), ("unheard", outside("x"))]).whys().len(), 1);
}

#[test]
fn what_another_service_vouches_for_is_no_target() {
    let case = Case::new(Effect::Pay, &[("to", service("XX66", "own/other")), ("amount", said("GB29"))]);
    assert_eq!(case.whys(), [Why::Foreign { pointer: "/to".into() }]);
}

#[test]
fn what_only_the_model_says_is_no_target_and_an_effect_is_named_by_the_member() {
    assert!(Case::new(Effect::Pay, &[("to", chosen("XX66"))]).whys().contains(&Why::NotSaid { pointer: "/to".into() }));
    assert_eq!(Case::new(Effect::Physical, &[]).whys(), [Why::NotNamed]);
}

#[test]
fn one_mention_grounds_one_effect() {
    let mut case = Case::new(Effect::Pay, &[("to", said("GB29"))]);
    assert_eq!(case.whys(), []);
    let mut used = Used::default();
    case.with(&case.call(), |facts| used.ran(facts));
    case.used = used;
    assert_eq!(case.whys(), [Why::Contested { pointer: "/to".into() }]);
}

#[test]
fn a_tainted_turn_causes_no_effect_and_no_routine_without_a_yes() {
    assert!(matches!(Case::new(Effect::Pay, &[("to", said("GB29"))]).tainted().whys()[..], [Why::Tainted { .. }]));
    assert_eq!(Case::new(Effect::WriteOwn, &[("when", said("GB29"))]).tainted().whys(), [Why::Standing]);
}

#[test]
fn what_is_not_in_the_plan_asks() {
    let mut case = Case::new(Effect::Pay, &[("to", said("GB29"))]);
    case.fit = Fit::Wider;
    assert_eq!(case.whys(), [Why::Wider]);
    case.function.effect = Effect::Read;
    assert_eq!(case.whys(), []);
}

#[test]
fn outside_text_decides_between_vouched_values_within_the_budget_only() {
    let mut to = service("GB29", "own/tool").clone();
    to.origin.mentions.insert("\"GB29\"".into());
    to.origin.picked.insert(Pick { source: source(), by: "a".into() }, 5);
    let mut case = Case::new(Effect::Pay, &[("to", to)]);
    assert_eq!(case.whys(), []);
    case.used.budget = Budget::new(4);
    assert!(matches!(case.whys()[..], [Why::Picked { .. }]));
}

#[test]
fn a_child_asks_an_adult() {
    let mut case = Case::new(Effect::Pay, &[("to", said("GB29"))]);
    case.member.role = Person::Child;
    assert_eq!(case.whys(), [Why::Minor]);
    let Verdict::Ask(approval) = case.decide() else { panic!("asks") };
    assert!(!approval.concern.may_answer(&case.member));
}

#[test]
fn a_secret_is_a_name_or_a_placeholder_in_its_own_argument() {
    let placeholder = SecretName::try_from("bank".to_owned()).unwrap().placeholder();
    let decide = |key: &str, value: &str| Case::new(Effect::Read, &[(key, chosen(value))]).decide();
    assert_eq!(decide("key", &placeholder), Verdict::Allow(Because::Free));
    assert_eq!(decide("key", "token"), Verdict::Allow(Because::Free), "the name that its grant has for it");
    assert_eq!(decide("key", "hunter 2!"), Verdict::Deny(Denial::Secret));
    assert_eq!(decide("key", &format!("x{placeholder}")), Verdict::Deny(Denial::Secret));
    assert_eq!(decide("note", &format!("it is {placeholder}")), Verdict::Deny(Denial::Secret));
}

#[test]
fn members_who_may_not_read_it_yet_are_asked_about() {
    let mut case = Case::new(Effect::WriteOwn, &[("note", said("GB29"))]);
    case.to = Some(Audience::of([(Member::id_of("Ben"), Person::Adult)]));
    assert_eq!(case.whys(), [Why::Readers { pointer: "/note".into() }]);
}

#[test]
fn a_value_without_its_label_goes_nowhere() {
    let case = Case::new(Effect::Read, &[("note", said("GB29"))]);
    for arguments in [json!({"note": "GB28"}), json!({"note": "GB29", "to": "x"}), json!({}), json!("GB29")] {
        let call = Call { arguments, ..case.call() };
        assert_eq!(case.with(&call, decide), Verdict::Deny(Denial::Unlabelled));
    }
    assert_eq!(case.with(&Call { member: Member::id_of("Ben"), ..case.call() }, decide), Verdict::Deny(Denial::Unlabelled));
}

#[test]
fn there_is_one_card_for_one_effect_and_a_no_is_a_no() {
    let mut case = Case::new(Effect::Pay, &[("to", outside("XX66"))]);
    let Verdict::Ask(first) = case.decide() else { panic!("asks") };
    case.approvals = vec![(*first).clone()];
    let Verdict::Ask(second) = case.decide() else { panic!("asks") };
    assert_eq!(first.id, second.id);
    let grant = GrantId::derived(&["g"]);
    case.approvals[0].answer(&case.member, Answer::No, at(1), grant).unwrap();
    assert_eq!(case.decide(), Verdict::Deny(Denial::Refused));
    case.approvals = vec![*second];
    case.approvals[0].answer(&case.member, Answer::Once, at(1), grant).unwrap();
    assert_eq!(case.decide(), Verdict::Allow(Because::Approved(first.id)));
    let call = case.call();
    case.approvals[0].run(&call, at(1)).unwrap();
    assert!(matches!(case.decide(), Verdict::Ask(_)), "used up");
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        Just(Effect::Read),
        Just(Effect::WriteOwn),
        Just(Effect::ExternalSend),
        Just(Effect::Pay),
        Just(Effect::Physical),
        Just(Effect::Delete),
        Just(Effect::Admin)
    ]
}

fn readers() -> impl Strategy<Value = Readers> {
    prop_oneof![
        4 => Just(Readers::public()),
        4 => Just(Readers::only([Member::id_of("Ada")])),
        1 => Just(Readers::household()),
        1 => Just(Readers::only([Member::id_of("Ben")])),
        1 => Just(Readers::nobody()),
    ]
}

fn integrity() -> impl Strategy<Value = Integrity> {
    prop_oneof![Just(Integrity::Outside), Just(Integrity::Member), Just(Integrity::House)]
}

fn traced() -> impl Strategy<Value = Traced> {
    (readers(), integrity(), super::super::value::tests::origin(), "[a-c]{1,2}").prop_map(|(readers, integrity, origin, text)| Traced {
        value: json!(text),
        label: Label::new(readers, integrity),
        origin,
    })
}

fn case() -> impl Strategy<Value = Case> {
    let role = prop_oneof![Just(Person::Owner), Just(Person::Adult), Just(Person::Teen), Just(Person::Child), Just(Person::Guest)];
    let keys = ["to", "url", "path", "amount", "id", "when", "code", "note", "unheard"];
    let arguments = proptest::collection::btree_map(proptest::sample::select(keys.to_vec()), traced(), 0..4);
    let fit = prop_oneof![Just(Fit::NoPlan), Just(Fit::Within(0)), Just(Fit::Filled(0)), Just(Fit::Wider)];
    (effect(), arguments, role, fit, readers(), integrity(), "[a-c ]{0,12}").prop_map(
        |(effect, arguments, role, fit, readers, integrity, words)| {
            let arguments: Vec<_> = arguments.into_iter().collect();
            let mut case = Case::new(effect, &arguments);
            case.member.role = role;
            case.audience = Audience::of([(case.member.id, role)]);
            (case.fit, case.words, case.control) = (fit, Words::new(words), Control::new(Label::new(readers, integrity)));
            case
        },
    )
}

fn is_free(verdict: &Verdict) -> bool {
    *verdict == Verdict::Allow(Because::Free)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// T-1: no target that somebody outside wrote, without a yes.
    #[test]
    fn nothing_from_outside_is_the_target_of_an_effect_without_a_yes(case in case()) {
        let verdict = case.decide();
        let foreign = case.leaves.iter().any(|leaf| {
            let (origin, label) = (&leaf.traced.origin, &leaf.traced.label);
            let outside = !origin.outside.is_empty() || label.integrity == Integrity::Outside && origin.services.is_empty();
            outside && is_target(case.function.role(&leaf.pointer))
        });
        prop_assert!(!(foreign && case.function.effect != Effect::Read && is_free(&verdict)));
    }

    /// I-6.
    #[test]
    fn tainted_control_causes_no_effect_that_leaves_the_house_without_a_yes(case in case()) {
        prop_assert!(!(case.control.is_tainted() && !is_inside(case.function.effect) && matches!(case.decide(), Verdict::Allow(_))));
    }

    /// I-5.
    #[test]
    fn nothing_is_passed_on_by_the_order_of_a_member_who_may_not_read_it(case in case()) {
        let readable = case.leaves.iter().all(|leaf| leaf.traced.label.readers.allow(case.member.id, case.member.role));
        let covered = case.control.label.readers.cover(&case.audience);
        prop_assert!(readable && covered || matches!(case.decide(), Verdict::Deny(_)));
    }

    /// Ordinary use needs no card.
    #[test]
    fn a_read_without_an_address_is_free_or_forbidden_and_never_asked(mut case in case()) {
        case.function.effect = Effect::Read;
        case.leaves.retain(|leaf| leaf.pointer != "/url");
        prop_assert!(!matches!(case.decide(), Verdict::Ask(_)));
    }

    /// Monotone: what is joined with something from outside, or seen by fewer, is never let go where it was not before.
    #[test]
    fn a_lower_label_never_opens_the_gate(case in case(), at in any::<proptest::sample::Index>(), more in traced()) {
        let before = is_free(&case.decide());
        let mut lower = case;
        if !lower.leaves.is_empty() {
            let at = at.index(lower.leaves.len());
            let traced = &mut lower.leaves[at].traced;
            traced.label = traced.label.join(&more.label);
            // Mentions are what the member adds; a join with somebody else's value adds none.
            traced.origin = traced.origin.join(&Origin { mentions: BTreeSet::new(), services: BTreeSet::new(), ..more.origin });
        }
        prop_assert!(before || !is_free(&lower.decide()));
        let tainted = lower.tainted();
        prop_assert!(before || !is_free(&tainted.decide()));
    }

    /// A program of calls, silent ones only: no mention grounds more effects than the member made of it, no source decides with more bits
    /// than it has, and after something from outside was read no effect leaves the house.
    #[test]
    fn a_program_uses_no_more_than_the_member_said(cases in proptest::collection::vec(case(), 1..12), seen in proptest::collection::vec(traced(), 12)) {
        let words = Words::new("a b bb ab c");
        let (mut used, mut control) = (Used::default(), Control::new(Label::new(Readers::public(), Integrity::Member)));
        let (mut mentions_used, mut bits) = (BTreeMap::<String, usize>::new(), BTreeMap::<Pick, u32>::new());
        for (mut case, seen) in cases.into_iter().zip(seen) {
            (case.words, case.used, case.control) = (words.clone(), used.clone(), control.clone());
            if is_free(&case.decide()) {
                let call = case.call();
                case.with(&call, |facts| {
                    if !is_inside(facts.function.effect) {
                        mentions(facts).for_each(|mention| *mentions_used.entry(mention.to_owned()).or_default() += 1);
                        bits.extend(picked(facts));
                    }
                    used.ran(facts);
                });
                prop_assert!(is_inside(case.function.effect) || !control.is_tainted());
                if case.function.effect == Effect::Read {
                    control = control.saw(&seen);
                }
            }
        }
        prop_assert!(mentions_used.iter().all(|(mention, times)| *times <= words.count(mention)));
        let mut of_source = BTreeMap::<Source, u32>::new();
        bits.into_iter().for_each(|(pick, bits)| *of_source.entry(pick.source).or_default() += bits);
        prop_assert!(of_source.values().all(|bits| *bits <= super::super::extract::SHOWN_BITS));
    }

    /// A yes to one effect is a yes to no other one.
    #[test]
    fn an_approval_opens_the_gate_for_its_own_effect_only(mut case in case(), other in case()) {
        if let Verdict::Ask(mut approval) = case.decide() {
            let adult = person(if case.member.role == Person::Teen { "Ada" } else { "Zoe" }, Person::Owner);
            let who = if approval.concern.may_answer(&case.member) { case.member.clone() } else { adult };
            *approval = approval.among(std::slice::from_ref(&who));
            if approval.consent == Consent::Wanted {
                approval.answer(&case.member, Answer::Once, at(1), GrantId::derived(&["g"])).unwrap();
                prop_assert!(matches!(case.decide(), Verdict::Ask(_)), "to let somebody see it is no yes to it");
            }
            approval.answer(&who, Answer::Once, at(1), GrantId::derived(&["g"])).unwrap();
            case.approvals = vec![*approval.clone()];
            prop_assert_eq!(case.decide(), Verdict::Allow(Because::Approved(approval.id)));
            let mut other = other;
            other.approvals = vec![*approval];
            let same = other.call().fingerprint() == case.call().fingerprint();
            prop_assert!(same || !matches!(other.decide(), Verdict::Allow(Because::Approved(_))));
        }
    }
}
