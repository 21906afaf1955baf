use serde_json::json;

use super::*;
use crate::approval::Why;
use crate::approval::grant::Scope;
use crate::household::Role as Person;
use crate::label::Readers;
use crate::sandbox::Role;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn function(effect: Effect) -> Function {
    let arguments = [("/to", Role::Recipient), ("/text", Role::Content), ("/url", Role::Url)];
    Function {
        tool: "a/b".to_owned(),
        name: "a__b__do".to_owned(),
        release: crate::journal::Digest::ZERO,
        parameters: json!({}),
        effect,
        arguments: arguments.map(|(pointer, role)| (pointer.to_owned(), role)).into(),
        fields: BTreeMap::new(),
    }
}

fn outside() -> Label {
    Label::new(Readers::public(), Integrity::Outside)
}

fn question(role: Person, effect: Effect, words: &str, arguments: Value) -> Question {
    let member = Member { id: Member::id_of("Ada"), name: "Ada".into(), role, zone: "UTC".into() };
    Question {
        leaves: written(&arguments, &Control::new(Label::neutral())),
        fit: Fit::NoPlan,
        contested: BTreeSet::new(),
        call: CallId::derived(&["1"]),
        function: function(effect),
        arguments,
        conversation: ConversationId::derived(&["c"]),
        audience: Audience::of([(member.id, role)]),
        member,
        by: Decider::Model,
        label: Label::neutral(),
        sources: BTreeSet::new(),
        words: words.to_owned(),
        links: BTreeSet::new(),
        taken: Taken::default(),
    }
}

/// Leaves as a model writes them that has seen what the question says.
fn weighed(question: &Question) -> Weighed {
    let leaves = written(&question.arguments, &control(&question.label, &question.sources));
    Question { leaves, ..question.clone() }.weigh(&[], &[], at(0))
}

fn weigh(question: &Question) -> Verdict {
    weighed(question).verdict
}

fn whys(question: &Question) -> BTreeSet<Why> {
    match weigh(question) {
        Verdict::Ask(approval) => approval.card.whys,
        other @ (Verdict::Allow(_) | Verdict::Deny(_)) => panic!("{other:?}"),
    }
}

const FREE: Verdict = Verdict::Allow(Because::Free);

#[test]
fn what_a_member_names_is_sent_and_what_the_model_chose_is_asked() {
    let said = "tell bo@example.org that I am late";
    let named = question(Person::Adult, Effect::ExternalSend, said, json!({"to": "bo@example.org", "text": "I am late."}));
    assert_eq!(weigh(&named), FREE);
    let chosen = question(Person::Adult, Effect::ExternalSend, said, json!({"to": "eve@example.org", "text": "I am late."}));
    assert!(whys(&chosen).contains(&Why::NotSaid { pointer: "/to".to_owned() }));
}

#[test]
fn after_something_from_outside_even_what_was_named_is_asked() {
    let mut send = question(Person::Adult, Effect::ExternalSend, "tell bo@example.org", json!({"to": "bo@example.org", "text": "x"}));
    send.label = outside();
    send.sources = BTreeSet::from([Source::unknown()]);
    assert_eq!(whys(&send), BTreeSet::from([Why::Tainted { sources: send.sources.clone() }]));
}

#[test]
fn nothing_of_what_a_call_says_is_in_the_id_of_its_question_which_stays_while_it_waits() {
    let about =
        |text: &str| question(Person::Child, Effect::ExternalSend, "tell bo@example.org", json!({"to": "bo@example.org", "text": text}));
    let asked = |question: &Question, known: &[Approval]| match question.weigh(known, &[], at(0)).verdict {
        Verdict::Ask(approval) => *approval,
        other @ (Verdict::Allow(_) | Verdict::Deny(_)) => panic!("{other:?}"),
    };
    let (one, other) = (asked(&about("I am late."), &[]), asked(&about("I am sick."), &[]));
    assert_eq!(one.id, other.id);
    assert_ne!(one.fingerprint, other.fingerprint);
    let again = Question { call: CallId::derived(&["2"]), ..about("I am late.") };
    assert_eq!(asked(&again, std::slice::from_ref(&one)).id, one.id);
    assert_ne!(asked(&again, &[]).id, one.id);
}

#[test]
fn what_was_named_once_is_used_once() {
    let mut send = question(Person::Adult, Effect::ExternalSend, "tell bo@example.org", json!({"to": "bo@example.org", "text": "x"}));
    let first = weighed(&send);
    assert_eq!(first.verdict, FREE);
    send.taken = first.taken;
    assert_eq!(whys(&send), BTreeSet::from([Why::Contested { pointer: "/to".to_owned() }]));
}

#[test]
fn a_page_is_read_by_an_address_that_the_member_said_or_by_a_few_links_that_nobody_has_read() {
    let mut read = question(Person::Adult, Effect::Read, "what is new", json!({"url": "https://news.example/a?b=c"}));
    assert_eq!(whys(&read), BTreeSet::from([Why::NotSaid { pointer: "/url".to_owned() }]), "anything may be in an address");
    read.links.insert("/url".to_owned());
    for _ in 0..LINKS_MAX {
        let weighed = weighed(&read);
        assert_eq!(weighed.verdict, FREE);
        read.taken = weighed.taken;
    }
    assert!(!whys(&read).is_empty());
    read.taken = Taken::default();
    read.label = outside();
    assert!(!whys(&read).is_empty(), "a page that was read may want this one followed");
    read.words = "open news.example/a?b=c".to_owned();
    assert_eq!(weigh(&read), FREE, "an address that the member said");
}

#[test]
fn always_for_a_page_is_for_its_place_and_the_card_says_so() {
    let read = |url: &str| question(Person::Adult, Effect::Read, "what is new", json!({"url": url}));
    let target = |question: &Question| Scope::target(&question.exact(), &question.function);
    let page = read("https://news.example/a?b=c");
    assert_eq!(target(&page), target(&read("https://NEWS.example/other")));
    for other in ["http://news.example/a", "https://news.example:8443/a", "https://news.example.evil.example/a", "news.example/a"] {
        assert_ne!(target(&page), target(&read(other)), "{other}");
    }
    let Verdict::Ask(approval) = weigh(&page) else { panic!("asks") };
    assert!(approval.card.sentence().contains("Always is for every page of https://news.example."), "{}", approval.card.sentence());
}

#[test]
fn a_day_of_the_month_is_no_file() {
    let words = "What are we going to do on June 13? Delete the draft if it is old.";
    for id in [json!("13"), json!(13)] {
        let delete = question(Person::Adult, Effect::Delete, words, json!({"id": id}));
        assert!(whys(&delete).contains(&Why::NotSaid { pointer: "/id".to_owned() }), "{id}");
    }
    assert_eq!(weigh(&question(Person::Adult, Effect::Delete, "delete draft-13", json!({"id": "draft-13"}))), FREE);
}

#[test]
fn what_an_adult_orders_at_the_console_is_done_unless_it_came_from_outside() {
    for effect in [Effect::ExternalSend, Effect::Pay, Effect::Physical, Effect::Delete, Effect::Admin] {
        let mut order = question(Person::Owner, effect, "", json!({"to": "bo@example.org", "text": "x"}));
        order.by = Decider::Member;
        assert_eq!(weigh(&order), FREE, "{effect:?}");
        order.label = outside();
        assert!(whys(&order).iter().any(|why| matches!(why, Why::Tainted { .. })), "{effect:?}");
    }
}

#[test]
fn what_not_everybody_present_may_read_stops_the_call() {
    let mut read = question(Person::Owner, Effect::Read, "", json!({}));
    read.label = Label::new(Readers::nobody(), Integrity::Member);
    assert_eq!(weigh(&read), Verdict::Deny(Denial::Audience));
}

#[test]
fn only_adults_stop_a_house_and_it_holds_all_but_looking_up_at_home() {
    let may = |role| Freeze::may_be_changed_by(role);
    let all = [Person::Owner, Person::Adult, Person::Teen, Person::Child, Person::Guest];
    assert_eq!(all.map(may), [true, true, false, false, false]);
    assert!(!Freeze::holds(Effect::Read, ""));
    assert!(Freeze::holds(Effect::Read, "hearth/web"));
    for effect in [Effect::WriteOwn, Effect::ExternalSend, Effect::Pay, Effect::Physical, Effect::Delete, Effect::Admin] {
        assert!(Freeze::holds(effect, ""), "{effect:?}");
    }
}
