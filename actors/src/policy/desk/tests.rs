use hearth_domain::approval::Answer;
use hearth_domain::flow::call::Function;
use hearth_domain::flow::plan::Fit;
use hearth_domain::household::{Audience, Role as Person};
use hearth_domain::ids::{CallId, ConversationId};
use hearth_domain::journal::Digest;
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::policy::{Decider, control, written};
use hearth_domain::tool::Effect;
use serde_json::json;

use super::*;

fn at(seconds: i64) -> Timestamp {
    // A Tuesday, 12:00 UTC.
    Timestamp::from_second(1_700_568_000 + seconds).unwrap()
}

fn member(name: &str, role: Person) -> Member {
    Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "UTC".to_owned() }
}

/// Somebody's turn wants a function of a tool called, and their words were these.
fn question(who: &Member, effect: Effect, function: &str, words: &str, arguments: Value) -> Question {
    let roles = [("/to", Role::Recipient), ("/what", Role::Content), ("/id", Role::Id), ("/amount", Role::Amount)];
    let label = Label::new(Readers::only([who.id]), Integrity::Member);
    Question {
        leaves: written(&arguments, &control(&label, &BTreeSet::new())),
        fit: Fit::NoPlan,
        contested: BTreeSet::new(),
        call: CallId::derived(&["1"]),
        function: Function {
            tool: function.rsplit_once("__").unwrap().0.replace("__", "/"),
            name: function.to_owned(),
            release: Digest::ZERO,
            parameters: json!({}),
            effect,
            arguments: roles.map(|(pointer, role)| (pointer.to_owned(), role)).into(),
            fields: BTreeMap::new(),
        },
        arguments,
        conversation: ConversationId::derived(&["c"]),
        member: who.clone(),
        by: Decider::Model,
        audience: Audience::of([(who.id, who.role)]),
        label,
        sources: BTreeSet::new(),
        words: words.to_owned(),
        links: BTreeSet::new(),
        taken: Taken::default(),
    }
}

/// The model writes other arguments.
fn rewrite(question: &mut Question, arguments: Value) {
    question.leaves = written(&arguments, &control(&question.label, &question.sources));
    question.arguments = arguments;
}

fn tainted(mut question: Question) -> Question {
    question.label = Label::new(question.label.readers.clone(), Integrity::Outside);
    question.leaves = written(&question.arguments, &control(&question.label, &question.sources));
    question
}

fn desk() -> Desk {
    desk_with("")
}

fn desk_with(own: &str) -> Desk {
    Desk::new(Arc::new(Rules::new(Rules::DEFAULTS, own).unwrap()), Vec::new(), Vec::new(), None)
}

fn asked(desk: &mut Desk, question: &Question) -> Approval {
    match desk.rule(question, at(0)) {
        Ruling::Ask(approval) => {
            desk.put_approval((*approval).clone());
            *approval
        }
        other @ (Ruling::Decided(_) | Ruling::Approved(..) | Ruling::Granted(..)) => panic!("{other:?}"),
    }
}

fn one(meant: Result<Meant, String>) -> Approval {
    match meant.unwrap() {
        Meant::One(approval) => *approval,
        Meant::Several(several) => panic!("{several:?}"),
    }
}

fn refused(desk: &Desk, question: &Question) -> String {
    match desk.rule(question, at(0)) {
        Ruling::Decided(Decision::Deny(refusal)) => refusal.to_string(),
        other @ (Ruling::Decided(_) | Ruling::Ask(_) | Ruling::Approved(..) | Ruling::Granted(..)) => panic!("{other:?}"),
    }
}

fn is_free(desk: &Desk, question: &Question) -> bool {
    matches!(desk.rule(question, at(0)), Ruling::Decided(Decision::Allow(_)))
}

fn mail(who: &Member) -> Question {
    tainted(question(who, Effect::ExternalSend, "me__mail__send", "answer the mail", json!({"to": "eve@example.org", "what": "hi"})))
}

#[test]
fn what_a_rule_forbids_is_refused_in_its_own_words_and_nobody_is_asked() {
    let kim = member("Kim", Person::Child);
    let said = refused(&desk(), &question(&kim, Effect::ExternalSend, "me__mail__send", "mail oma", json!({"to": "oma", "what": "x"})));
    assert_eq!(said, "a child sends no messages out of the household");
    let bee = member("Bee", Person::Guest);
    assert!(refused(&desk(), &question(&bee, Effect::WriteOwn, "me__note__write", "note x", json!({"what": "x"}))).contains("a guest has"));
}

#[test]
fn what_the_rules_leave_to_a_child_needs_no_adult_and_what_they_do_not_say_is_denied() {
    let kim = member("Kim", Person::Child);
    let light = question(&kim, Effect::Physical, "home__light__switch", "switch the light in kitchen", json!({"id": "kitchen"}));
    assert!(is_free(&desk(), &light));
    let lamp = question(&kim, Effect::Physical, "home__light__switch", "make it bright", json!({"id": "kitchen"}));
    assert!(matches!(desk().rule(&lamp, at(0)), Ruling::Decided(Decision::Deny(_)) | Ruling::Ask(_)), "a model's wish alone");
    assert_eq!(
        refused(&desk(), &question(&kim, Effect::Delete, "me__files__delete", "delete a.txt", json!({"id": "a.txt"}))),
        "no rule allows this effect"
    );
}

#[test]
fn the_same_effect_is_asked_once_and_the_first_answer_wins() {
    let (mut desk, ada) = (desk(), member("Ada", Person::Adult));
    let first = asked(&mut desk, &mail(&ada));
    assert!(matches!(desk.rule(&mail(&ada), at(5)), Ruling::Decided(Decision::Ask(id)) if id == first.id));
    let reply = Reply { answer: Answer::Once, code: None };
    let mut approval = one(desk.meant(&ada, &reply));
    approval.answer(&ada, Answer::No, at(6), GrantId::derived(&["g"])).unwrap();
    desk.put_approval(approval);
    assert!(desk.meant(&ada, &reply).unwrap_err().contains("No question waits"));
    assert_eq!(refused(&desk, &mail(&ada)), "a member said no to this");
}

#[test]
fn several_questions_are_told_apart_by_their_codes() {
    let (mut desk, ada) = (desk(), member("Ada", Person::Adult));
    let first = asked(&mut desk, &mail(&ada));
    let mut other = mail(&ada);
    rewrite(&mut other, json!({"to": "eve2@example.org", "what": "hi"}));
    other.call = CallId::derived(&["other"]);
    asked(&mut desk, &other);
    let said = desk.meant(&ada, &Reply { answer: Answer::Once, code: None }).unwrap_err();
    assert!(said.contains(&code(first.id)), "{said}");
    assert_eq!(one(desk.meant(&ada, &Reply { answer: Answer::Once, code: Some(code(first.id)) })).id, first.id);
    assert!(desk.meant(&member("Bo", Person::Adult), &Reply { answer: Answer::Once, code: None }).is_err(), "not theirs");
}

#[test]
fn a_grant_covers_its_effect_and_is_counted() {
    let (mut desk, ada) = (desk(), member("Ada", Person::Adult));
    let mut approval = asked(&mut desk, &mail(&ada));
    let grant = approval.answer(&ada, Answer::Times(2), at(1), GrantId::derived(&["g"])).unwrap().unwrap();
    approval.run(&mail(&ada).exact(), at(2)).unwrap();
    desk.put_approval(approval);
    desk.put_grant(grant);
    let Ruling::Granted(used, _) = desk.rule(&mail(&ada), at(3)) else { panic!("it is allowed twice in all") };
    desk.put_grant(*used);
    assert!(matches!(desk.rule(&mail(&ada), at(4)), Ruling::Ask(_)));
    let mut elsewhere = mail(&ada);
    rewrite(&mut elsewhere, json!({"to": "\u{435}ve@example.org", "what": "hi"}));
    assert!(matches!(desk.rule(&elsewhere, at(3)), Ruling::Ask(_)), "a letter of another alphabet is another recipient");
}

#[test]
fn what_is_over_is_over_also_when_the_clock_goes_back() {
    let (mut desk, ada) = (desk(), member("Ada", Person::Adult));
    let approval = asked(&mut desk, &mail(&ada));
    assert!(desk.expired(at(60)).is_empty());
    let over = desk.expired(at(15 * 60));
    assert_eq!(over.len(), 1);
    over.into_iter().for_each(|approval| desk.put_approval(approval));
    assert!(desk.meant(&ada, &Reply { answer: Answer::Once, code: Some(code(approval.id)) }).is_err());
    assert!(matches!(desk.rule(&mail(&ada), at(10)), Ruling::Ask(_) | Ruling::Decided(_)));
}

#[test]
fn the_households_own_rules_count() {
    let own = "@id(\"no-mail\") @says(\"Ada sends no mail\") forbid (principal == Member::\"Ada\", action == Action::\"external_send\", resource);";
    assert_eq!(refused(&desk_with(own), &mail(&member("Ada", Person::Adult))), "Ada sends no mail");
}

#[test]
fn a_stopped_house_does_nothing_and_looks_up_only_what_is_its_own_until_that_is_lifted() {
    let (mut desk, ada) = (desk(), member("Ada", Person::Adult));
    let note = question(&ada, Effect::WriteOwn, "me__note__write", "write x", json!({"what": "x"}));
    let page = question(&ada, Effect::Read, "me__web__read", "read x", json!({"what": "x"}));
    let mut own = page.clone();
    own.function.tool = String::new();
    let asked_before = asked(&mut desk, &mail(&ada));
    assert!(is_free(&desk, &note) && is_free(&desk, &page));
    desk.set_freeze(Some(Freeze { by: ada.id, at: at(0) }));
    for held in [&note, &page, &mail(&ada)] {
        assert!(matches!(desk.rule(held, at(1)), Ruling::Decided(Decision::Deny(Refusal::Frozen))), "{}", held.function.name);
    }
    assert!(is_free(&desk, &own), "what is looked up at home stays free");
    assert_eq!(desk.pending().map(|approval| approval.id).collect::<Vec<_>>(), [asked_before.id], "what waits stays");
    desk.set_freeze(None);
    assert!(is_free(&desk, &note) && is_free(&desk, &page));
    assert!(matches!(desk.rule(&mail(&ada), at(2)), Ruling::Decided(Decision::Ask(id)) if id == asked_before.id));
}

#[test]
fn an_amount_is_known_to_the_rules_in_cents() {
    let tom = member("Tom", Person::Teen);
    let buy = |amount: f64| question(&tom, Effect::Pay, "me__shop__buy", "buy a game for 19.5", json!({"what": "game", "amount": amount}));
    assert!(matches!(desk().rule(&buy(19.5), at(0)), Ruling::Ask(_)), "an adult is asked");
    assert!(refused(&desk(), &buy(20.01)).contains("at most 20.00"));
}

#[test]
fn a_question_about_several_calls_is_meant_and_its_parts_are_not() {
    let (mut desk, ada) = (desk(), member("Ada", Person::Adult));
    let mut other = mail(&ada);
    rewrite(&mut other, json!({"to": "eve2@example.org", "what": "hi"}));
    other.call = CallId::derived(&["other"]);
    let parts = [mail(&ada), other].map(|question| match desk.rule(&question, at(0)) {
        Ruling::Ask(approval) => *approval,
        other @ (Ruling::Decided(_) | Ruling::Approved(..) | Ruling::Granted(..)) => panic!("{other:?}"),
    });
    let mut several = Endorsement::propose(parts.into(), Vec::new(), at(0)).unwrap();
    several.calls().iter().cloned().for_each(|part| desk.put_approval(part));
    desk.put_endorsement(several.clone());
    let reply = |code| Reply { answer: Answer::Once, code };
    assert!(matches!(desk.meant(&ada, &reply(None)), Ok(Meant::Several(found)) if found.id == several.id));
    assert!(matches!(desk.meant(&ada, &reply(Some(code(several.id)))), Ok(Meant::Several(_))));
    assert!(desk.meant(&ada, &reply(Some(code(several.calls()[0].id)))).is_err(), "no part by itself");
    assert!(desk.meant(&member("Bo", Person::Adult), &reply(None)).is_err(), "not theirs");
    // The same call again is the question that waits.
    let part = several.calls()[0].id;
    assert!(matches!(desk.rule(&mail(&ada), at(5)), Ruling::Decided(Decision::Ask(id)) if id == part));
    let answered = several.answer(&ada, Answer::Once, at(6)).unwrap().to_vec();
    answered.into_iter().for_each(|part| desk.put_approval(part));
    desk.put_endorsement(several);
    assert!(matches!(desk.rule(&mail(&ada), at(7)), Ruling::Approved(used, _) if used.id == part));
    assert!(desk.meant(&ada, &reply(None)).is_err() && desk.endorsements().count() == 0);
}
