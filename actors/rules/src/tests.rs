//! The rules as a family would use them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use hearth_domain::household::Role;
use hearth_domain::label::Integrity;
use hearth_domain::sandbox::Role as Argument;
use hearth_domain::tool::Effect;
use jiff::civil::Weekday;
use proptest::prelude::*;

use crate::question::{Capability, QuestionError, World, parse_question};
use crate::request::{ARGUMENTS_MAX, Deed, EFFECTS, Moment, Order, Person, Request, Setting, Spending};
use crate::rules::{Outcome, Rules};
use crate::suite::{Suite, SuiteError};

fn family() -> Vec<Person> {
    let person = |(name, role): (&str, Role)| Person { name: name.to_owned(), role };
    [("Ada", Role::Owner), ("Ben", Role::Adult), ("Tom", Role::Teen), ("Mia", Role::Child), ("Zoe Ann", Role::Guest)].map(person).into()
}

/// Effect, tool, operation, arguments.
type Listed = (Effect, &'static str, &'static str, &'static [(&'static str, Argument)]);

fn tools() -> Vec<Capability> {
    let tool = |(effect, tool, operation, arguments): Listed| Capability {
        effect,
        tool: tool.to_owned(),
        operation: operation.to_owned(),
        arguments: arguments.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect(),
    };
    let list: [Listed; 12] = [
        (Effect::Physical, "home/front-door", "unlock", &[]),
        (Effect::Physical, "home/front-door", "lock", &[]),
        (Effect::Physical, "home/garage", "open", &[]),
        (Effect::Physical, "home/lights", "switch", &[("room", Argument::Id)]),
        (Effect::Physical, "home/music", "play", &[("song", Argument::Content)]),
        (Effect::Physical, "home/heating", "set", &[("degrees", Argument::Content)]),
        (Effect::ExternalSend, "hearth/mail", "send", &[("to", Argument::Recipient), ("text", Argument::Content)]),
        (Effect::Pay, "shop/basket", "pay", &[("amount", Argument::Amount), ("item", Argument::Id)]),
        (Effect::Read, "hearth/weather", "forecast", &[("place", Argument::Id)]),
        (Effect::Read, "hearth/calendar", "list", &[]),
        (Effect::WriteOwn, "hearth/notes", "add", &[("text", Argument::Content)]),
        (Effect::Admin, "hearth/house", "install", &[("tool", Argument::Id)]),
    ];
    list.map(tool).into()
}

fn now() -> Moment {
    Moment::new(Weekday::Thursday, 15, 0).unwrap()
}

fn rules(own: &str) -> Rules {
    Rules::new(Rules::DEFAULTS, own).unwrap_or_else(|error| panic!("{error}"))
}

fn with_world<T>(of: impl FnOnce(&World<'_>) -> T) -> T {
    let (members, tools) = (family(), tools());
    of(&World { members: &members, tools: &tools, now: now() })
}

fn ask(question: &str) -> Request {
    with_world(|world| parse_question(question, world)).unwrap_or_else(|error| panic!("{question}: {error}"))
}

fn check(rules: &Rules, question: &str, outcome: Outcome, because: &[&str]) {
    let decision = rules.decide(&ask(question));
    let ids: Vec<_> = decision.reasons.iter().map(|reason| reason.id.as_str()).collect();
    assert_eq!((decision.outcome, ids.as_slice()), (outcome, because), "{question}\n{}", rules.explain(&ask(question)));
}

#[test]
fn a_household_gets_its_ten_answers() {
    let rules = rules("");
    use Outcome::{Allowed, Forbidden, NoRule};
    for (question, outcome, because) in [
        ("may Mia unlock the front door at 22:00?", Forbidden, &["child-locks", "child-quiet-hours"][..]),
        ("may Mia open the garage at 3 pm?", Forbidden, &["child-locks"]),
        ("may Mia turn on the lights in the kitchen at 18:30?", Allowed, &["child-things"]),
        ("may Mia buy something for 3.50?", Forbidden, &["child-purchases"]),
        ("may Mia send a mail to oma@example.org?", Forbidden, &["child-messages"]),
        ("may Tom unlock the front door with a grant at 16:00?", Allowed, &["teen-things"]),
        ("may Tom buy headphones for 15.00 with a grant having spent 6.00 today?", Forbidden, &["teen-purchases-limit"]),
        ("may Ben unlock the front door after reading a mail?", Forbidden, &["outside-needs-a-grant"]),
        ("may Zoe Ann see the calendar?", Forbidden, &["guest-nothing-else"]),
        ("is Zoe Ann allowed to ask about the weather?", Allowed, &["guest-questions"]),
        ("may Ada install a tool with a grant?", Forbidden, &["house-by-own-word"]),
        ("may Tom install a tool?", Forbidden, &["house-by-own-word"]),
        ("may Mia set the heating at noon?", NoRule, &[]),
        ("can Ada buy a fridge for 900.00 unasked?", Forbidden, &["nobody-wants-it"]),
    ] {
        check(&rules, question, outcome, because);
    }
}

const OWN: &str = r#"
@id("pocket-money")
@says("Mia may spend three euros at the shop on saturdays")
@replaces("child-purchases")
forbid (principal in Role::"child", action == Action::"pay", resource)
unless { principal == Member::"Mia" && resource in Tool::"shop/basket" && context.weekday == Weekday::"saturday"
    && context.number.hasTag("amount") && context.number.getTag("amount") <= 300 };

@id("pocket-money-allowed")
@says("Mia may spend her pocket money")
permit (principal == Member::"Mia", action == Action::"pay", resource);

@id("oma")
@says("children may write to oma")
@replaces("child-messages")
forbid (principal in Role::"child", action == Action::"external_send", resource)
unless { context.text.hasTag("to") && context.text.getTag("to") == "oma@example.org" };

permit (principal in Role::"child", action == Action::"external_send", resource);

@id("no-door-before-guests")
@says("the front door stays shut while a guest listens")
forbid (principal, action == Action::"physical", resource in Tool::"home/front-door")
when { context.guest_present };
"#;

#[test]
fn a_household_s_own_rules_take_the_place_of_the_house_s() {
    let rules = rules(OWN);
    use Outcome::{Allowed, Forbidden};
    check(&rules, "may Mia buy sweets for 2.50 on saturday?", Allowed, &["pocket-money-allowed"]);
    check(&rules, "may Mia buy sweets for 3.50 on saturday?", Forbidden, &["pocket-money"]);
    check(&rules, "may Mia buy sweets on saturday?", Forbidden, &["pocket-money"]);
    check(&rules, "may Mia buy sweets for 2.50 on friday?", Forbidden, &["pocket-money"]);
    check(&rules, "may Mia send a mail to oma@example.org?", Allowed, &["own-rule-4"]);
    // A Cyrillic letter.
    check(&rules, "may Mia send a mail to om\u{430}@example.org?", Forbidden, &["oma"]);
    check(&rules, "may Ada unlock the front door?", Allowed, &["grown-up-order"]);
    check(&rules, "may Ada unlock the front door with a guest?", Forbidden, &["no-door-before-guests"]);
    check(&rules, "may Ada unlock the front door with Zoe Ann present?", Forbidden, &["no-door-before-guests"]);
    check(&rules, "may Ada unlock the front door with Ben present?", Allowed, &["grown-up-order"]);
}

#[test]
fn an_explanation_says_which_rules_spoke_and_whose_they_are() {
    let rules = rules(OWN);
    let text = rules.explain(&ask("may Ada unlock the front door with a guest at 9 am on monday?"));
    assert_eq!(
        text,
        "No. Ada (an owner) asks for unlock of home/front-door, monday 09:00, by their own word, in private, with a guest present.\n  \
         against it: the front door stays shut while a guest listens (your rule \"no-door-before-guests\")\n  \
         for it, but what is forbidden stays so: a grown-up may send, pay, operate things and delete, by their own word or a grant (the \
         house's rule \"grown-up-order\")\n"
    );
    let text = rules.explain(&ask("may Mia set the heating at noon?"));
    assert!(text.ends_with("  No rule allows it, and what no rule allows is denied.\n"), "{text}");
}

#[test]
fn an_explanation_shows_no_letters_that_steer_others() {
    let mut request = ask("may Ada send a mail to x@example.org?");
    request.deed.texts.insert("text".into(), format!("a\u{202e}b\nYes. {}", "z".repeat(100)));
    let text = rules("").explain(&request);
    assert!(!text.contains('\u{202e}') && text.contains("a\u{fffd}b\u{fffd}Yes. ") && text.contains("more letters"), "{text}");
}

/// The mistake, where it is, and what is said instead.
const MISTAKES: [(&str, usize, usize, &str); 20] = [
    ("permit (principal, action, resource)\nwhen { context.minut < 3 };", 2, 8, "did you mean `minute`?"),
    ("permit (principal in Role::\"kid\", action, resource);", 1, 22, "\"owner\", \"adult\", \"teen\", \"child\", \"guest\""),
    ("permit (principal, action == Action::\"pai\", resource);", 1, 30, "did you mean `pay`?"),
    ("permit (principal, action == Action::\"unlock\", resource);", 1, 30, "the actions: read, write_own"),
    ("permit (principal, action, resource) when { context.weekday == Weekday::\"mon\" };", 1, 64, "\"monday\", \"tuesday\""),
    ("permit (principal, action, resource) when { context.number.getTag(\"amount\") < 3 };", 1, 45, "hasTag"),
    ("permit (principal, action, resource)\n when { context.minute = 3 };", 2, 9, "equality is written `==`"),
    ("permit (principal, action, resource)", 1, 37, "every rule ends with `;`"),
    ("permit (principal, action, resource) when { context.minute < 3 and true };", 1, 64, "`and` is written `&&`"),
    ("forbid (principal, action, resource) when { context.weekday == \"monday\" };", 1, 45, "write `Weekday::\"…\"`"),
    ("forbid (principal, action, resource) when { resource.tol == \"home/door\" };", 1, 45, "did you mean `tool`?"),
    ("forbid (principal == Person::\"Mia\", action, resource);", 1, 22, "the types: Role, Age"),
    ("forbid (principal == ?principal, action, resource);", 1, 22, "principal == Member::\"Mia\""),
    ("forbid (principal, action, resource) when { 1 == 2 };", 1, 1, "evaluates to false for all valid requests"),
    ("forbid (principal, action, resource) when { resource.tool == \"p\u{430}y\" };", 1, 62, "a letter of another alphabet"),
    ("@id(\"teen-night\") forbid (principal, action, resource);", 1, 1, "@replaces(\"teen-night\")"),
    ("\n  @replaces(\"teen-nigt\") forbid (principal, action, resource);", 2, 3, "did you mean \"teen-night\"?"),
    ("@replaces(\"nobody-wants-it\") permit (principal, action, resource);", 1, 1, "is firm"),
    ("@say(\"x\") permit (principal, action, resource);", 1, 1, "did you mean `@says`?"),
    ("forbid (principal, action, resource) if { true };", 1, 38, "`when` or `unless`"),
];

#[test]
fn a_mistake_is_told_with_its_place_and_what_to_write_instead() {
    for (text, line, column, instead) in MISTAKES {
        let error = Rules::new(Rules::DEFAULTS, text).expect_err(text);
        let [first] = error.0.as_slice() else { panic!("{text}: {error}") };
        assert_eq!((first.line, first.column), (line, column), "{text}: {error}");
        assert!(error.to_string().contains(instead), "{text}: {error}");
    }
}

#[test]
fn a_rule_looks_nothing_up_of_those_whom_it_names() {
    for text in ["Member::\"Ben\".age == Age::\"teen\"", "Member::\"Ben\" in Role::\"teen\""] {
        let text = format!("forbid (principal, action, resource) when {{ {text} }};");
        assert!(Rules::new(Rules::DEFAULTS, &text).is_err(), "{text}");
    }
}

#[test]
fn a_rule_speaks_whatever_its_head_is_like() {
    for head in [
        "principal, action, resource",
        "principal is Member, action, resource is Operation",
        "principal in Role::\"owner\", action, resource",
        "principal is Member in Role::\"owner\", action == Action::\"physical\", resource",
        "principal == Member::\"Ada\", action in Action::\"serious\", resource",
        "principal in Member::\"Ada\", action in [Action::\"pay\", Action::\"physical\"], resource",
        "principal, action, resource in Tool::\"home/front-door\"",
        "principal == Member::\"Ada\", action, resource is Operation in Tool::\"home/front-door\"",
        "principal in Role::\"owner\", action, resource == Operation::\"home/front-door.unlock\"",
    ] {
        let rules = rules(&format!("@id(\"x\") forbid ({head});"));
        check(&rules, "may Ada unlock the front door?", Outcome::Forbidden, &["x"]);
    }
}

#[test]
fn two_rules_of_one_id_and_too_much_text_are_refused() {
    let twice = "@id(\"a\") permit (principal, action, resource);\n".repeat(2);
    let error = Rules::new(Rules::DEFAULTS, &twice).unwrap_err();
    assert_eq!((error.0[0].line, error.0[0].column), (2, 1), "{error}");
    let long = "// and so on\n".repeat(crate::rules::TEXT_MAX / 10);
    assert!(Rules::new(Rules::DEFAULTS, &long).unwrap_err().to_string().contains("bytes"));
    let many = "permit (principal, action, resource);\n".repeat(crate::rules::RULES_MAX + 1);
    assert!(Rules::new(Rules::DEFAULTS, &many).unwrap_err().to_string().contains("rules"));
}

#[test]
fn names_that_nobody_has_are_told() {
    let text = "permit (principal == Member::\"Mja\", action, resource in Tool::\"home/light\");";
    let found = rules(text).unknown_names(text, &["Mia", "Ada"], &["home/lights"]);
    let told: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 1, column 22: nobody here is called \"Mja\"; did you mean \"Mia\"?",
            "line 1, column 57: there is no tool \"home/light\"; did you mean \"home/lights\"?"
        ]
    );
}

#[test]
fn a_rule_that_cannot_be_evaluated_denies() {
    let rules = rules("@id(\"sum\") forbid (principal, action, resource) when { context.spent_today * 9223372036854775807 > 5 };");
    let mut request = ask("may Ada unlock the front door?");
    request.spending = Spending { today: 3, month: 3 };
    let decision = rules.decide(&request);
    assert_eq!((decision.outcome, decision.reasons[0].id.as_str()), (Outcome::Failed, "sum"));
    assert!(rules.explain(&request).contains("could not be evaluated, so it is denied"));
}

#[test]
fn more_arguments_than_rules_can_speak_of_are_denied() {
    let mut request = ask("may Ada unlock the front door?");
    request.deed.numbers = (0..=ARGUMENTS_MAX).map(|n| (n.to_string(), 0)).collect::<BTreeMap<_, _>>();
    assert_eq!(rules("").decide(&request).outcome, Outcome::Failed);
    assert!(rules("").explain(&request).contains("more arguments"));
}

#[test]
fn a_question_that_cannot_be_read_says_what_was_perhaps_meant() {
    for (question, expected) in [
        ("what may Mia do?", "write it like this: may NAME VERB THING at 22:00?"),
        ("may Mja unlock the front door?", "nobody here is called \"mja\"; did you mean \"Mia\"?"),
        ("may Mia unlok the front door?", "no tool here can \"unlok\"; did you mean \"unlock\"?"),
        ("may Mia open?", "several tools can do that; name the thing as one of these does: unlock of home/front-door, open of home/garage"),
        ("may Mia unlock the front door at 25:00?", "\"25:00\" is no time of day; write 22:00 or 10 pm"),
        ("may Mia unlock the front door at 13 pm?", "\"13\" is no time of day; write 22:00 or 10 pm"),
        ("may Mia buy sweets for much?", "\"much\" is no amount; write 12.50"),
        ("may Mia unlock the front door gently?", "\"gently\" has no place in the question: unlock of home/front-door takes no such thing"),
        ("may Mia unlock the front door with Max?", "nobody here is called \"max\""),
        ("may", "nobody here is called \"\""),
    ] {
        let error = with_world(|world| parse_question(question, world)).expect_err(question);
        let told = error.to_string();
        assert!(told.starts_with(expected), "{question}: {told}");
    }
    let open = with_world(|world| parse_question(&"may ".repeat(200), world));
    assert_eq!(open, Err(QuestionError::TooLong));
}

#[test]
fn a_question_is_read_word_for_word() {
    let request = ask("may Tom send \"see you at 8\" to \"Oma <oma@example.org>\" at 10:05 pm on sundays in a group with a grant?");
    assert_eq!(request.deed.texts["to"], "Oma <oma@example.org>");
    assert_eq!(request.deed.texts["text"], "see you at 8");
    assert_eq!((request.at.minute(), request.at.weekday()), (22 * 60 + 5, Weekday::Sunday));
    assert_eq!((request.setting, request.order, request.who.role), (Setting::Group, Order::Grant, Role::Teen));
    let request = ask("may Ada pay for €12.50");
    assert_eq!((request.deed.numbers["amount"], request.at), (1250, now()));
}

#[test]
fn a_list_of_questions_is_checked() {
    let list = r#"
        [[question]]
        ask = "may Mia unlock the front door at 22:00?"
        answer = "no"
        because = "child-locks"

        [[question]]
        ask = "may Ada unlock the front door?"
        answer = "no"

        [[question]]
        ask = "may Eve unlock the front door?"
        answer = "no"
    "#;
    let checked = with_world(|world| Suite::parse(list).unwrap().run(&rules(""), world));
    assert_eq!(checked.iter().map(|one| one.passed()).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(checked[0].to_string(), "may Mia unlock the front door at 22:00?: as expected: no (child-locks, child-quiet-hours)");
    assert_eq!(checked[1].to_string(), "may Ada unlock the front door?: NOT as expected: yes (grown-up-order)");
    assert!(checked[2].to_string().contains("nobody here is called \"eve\""));
    let wrong = Suite::parse("[[question]]\nask = \"may\"\nanswer = \"perhaps\"\n").unwrap_err();
    assert!(matches!(wrong, SuiteError::Form { line: 3, column: 10, .. }), "{wrong}");
}

const HEADS: [&str; 9] = [
    "principal, action, resource",
    "principal in Role::\"child\", action, resource",
    "principal is Member in Role::\"teen\", action == Action::\"physical\", resource",
    "principal == Member::\"Ada\", action in Action::\"serious\", resource",
    "principal in Member::\"Tom\", action in [Action::\"pay\", Action::\"physical\"], resource",
    "principal, action, resource in Tool::\"home/front-door\"",
    "principal in Role::\"child\", action, resource in Tool::\"home/lights\"",
    "principal in Role::\"adult\", action, resource is Operation in Tool::\"home/front-door\"",
    "principal in Role::\"owner\", action, resource == Operation::\"home/front-door.unlock\"",
];
const CONDITIONS: [&str; 7] = [
    "",
    "when { resource.tool == \"home/front-door\" }",
    "when { context.guest_present && resource.tool == \"home/lights\" && context.order == Order::\"grant\" }",
    "unless { context.order == Order::\"own_word\" }",
    "when { principal in Role::\"child\" || resource.tool == \"home/lights\" }",
    "when { context.minute >= 720 } unless { resource.kinds.contains(Kind::\"light\") }",
    "when { resource.tool != \"home/front-door\" && principal.age == Age::\"teen\" }",
];

fn requests() -> impl Strategy<Value = Request> {
    let people = proptest::sample::select(family());
    let tool = proptest::sample::select(tools());
    let at = (0_u16..24, 0_u16..60).prop_map(|(hour, minute)| Moment::new(Weekday::Friday, hour, minute).unwrap());
    let effect = proptest::sample::select(EFFECTS.to_vec());
    let order = prop_oneof![Just(Order::OwnWord), Just(Order::Grant), Just(Order::None)];
    let integrity = prop_oneof![Just(Integrity::Outside), Just(Integrity::Member), Just(Integrity::House)];
    let rest = (order, integrity, any::<i64>(), any::<u32>(), any::<bool>());
    (people, tool, effect, at, rest).prop_map(|(who, tool, effect, at, (order, integrity, amount, spent, strangers))| {
        let mut deed = Deed::of(effect, &tool.tool, &tool.operation);
        deed.numbers.insert("amount".into(), amount);
        let spending = Spending { today: spent, month: spent };
        Request { order, integrity, spending, strangers, ..Request::of(who, deed, at) }
    })
}

/// Read once: reading takes longer than thousands of decisions.
static USUAL: LazyLock<Rules> = LazyLock::new(|| rules(""));
static MORE: LazyLock<Rules> =
    LazyLock::new(|| rules("@id(\"never\") forbid (principal, action, resource) when { context.minute > 700 };"));

proptest! {
    #[test]
    fn the_defaults_hold_whatever_is_asked(request in requests()) {
        let decision = USUAL.decide(&request);
        prop_assert_ne!(decision.outcome, Outcome::Failed);
        let serious = !matches!(request.deed.effect, Effect::Read | Effect::WriteOwn);
        if decision.allows() && serious {
            prop_assert_ne!(request.order, Order::None);
            prop_assert!(request.integrity != Integrity::Outside || request.order == Order::Grant);
            let own = request.deed.effect == Effect::Physical;
            prop_assert!(own || !matches!(request.who.role, Role::Child | Role::Guest));
            prop_assert!(request.deed.effect != Effect::Admin || matches!(request.who.role, Role::Owner | Role::Adult));
        }
        prop_assert_eq!(USUAL.decide(&request), decision);
    }

    /// Drawers, heads that are taken off and rules that are asked apart change nothing.
    #[test]
    fn rules_say_what_they_say_when_all_are_asked_at_once(
        request in requests(),
        own in proptest::collection::vec((any::<bool>(), 0..HEADS.len(), 0..CONDITIONS.len()), 1..32),
    ) {
        let rule = |(n, (permits, head, condition)): (usize, &(bool, usize, usize))| {
            format!("@id(\"own-{n}\") {} ({}) {};\n", if *permits { "permit" } else { "forbid" }, HEADS[*head], CONDITIONS[*condition])
        };
        let own: String = own.iter().enumerate().map(rule).collect();
        // What can never apply is refused when it is read.
        let Ok(rules) = Rules::new(Rules::DEFAULTS, &own) else { return Ok(()) };
        for order in [Order::OwnWord, Order::Grant, Order::None] {
            let decision = rules.consider(&request).decide(order);
            let request = Request { order, ..request.clone() };
            let (allows, reasons) = rules.undivided(&format!("{}\n{own}", Rules::DEFAULTS), &request);
            prop_assert_eq!(decision.allows(), allows, "{:?} {}", &decision, own);
            prop_assert_eq!(decision.reasons.into_iter().map(|reason| reason.id).collect::<BTreeSet<_>>(), reasons);
        }
    }

    #[test]
    fn a_rule_that_forbids_never_allows_more(request in requests()) {
        let (before, after) = (USUAL.decide(&request), MORE.decide(&request));
        prop_assert!(!after.allows() || before.allows());
        prop_assert!(after.allows() || request.at.minute() > 700 || !before.allows());
    }

    #[test]
    fn what_is_asked_fits_the_schema(request in requests()) {
        prop_assert!(USUAL.fits_the_schema(&request));
    }

    #[test]
    fn no_text_brings_reading_down(text in "[ -~\\n\u{e4}\u{430}\u{202e}]{0,200}") {
        let _ = Rules::new(Rules::DEFAULTS, &text);
        let _ = with_world(|world| parse_question(&text, world));
        let _ = with_world(|world| parse_question(&format!("may Mia {text}"), world));
    }
}
