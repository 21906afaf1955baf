//! Random programs of calls over random labels, and for each invariant a judge that shares no code with the gate: it keeps who may read
//! what as plain sets of names, counts words itself, and has its own list of what people said yes to.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::{Map, json};

use super::*;
use crate::approval::{APPROVAL_SECONDS, Answer, CLOCK_SLACK_SECONDS, State};
use crate::household::Role as Person;
use crate::ids::GrantId;
use crate::journal::Digest;
use crate::label::Readers;
use crate::sandbox::Role;

/// Everybody: an owner, an adult, a teen, a child, a guest.
pub(crate) const PEOPLE: [(&str, Person); 5] =
    [("Ada", Person::Owner), ("Ben", Person::Adult), ("Tom", Person::Teen), ("Mia", Person::Child), ("Zoe", Person::Guest)];
/// Words and values are drawn from these; none is a part of another.
const TOKENS: [&str; 6] = ["bo@example.org", "eve@evil.example", "GB29", "XX66", "https://news.example/a", "https://evil.example/?q=1"];
const ARGUMENTS: [(&str, Role); 7] = [
    ("to", Role::Recipient),
    ("url", Role::Url),
    ("path", Role::Path),
    ("amount", Role::Amount),
    ("id", Role::Id),
    ("when", Role::Schedule),
    ("text", Role::Content),
];
const EFFECTS: [Effect; 7] =
    [Effect::Read, Effect::WriteOwn, Effect::ExternalSend, Effect::Pay, Effect::Physical, Effect::Delete, Effect::Admin];

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(crate) fn person(who: usize) -> Member {
    let (name, role) = PEOPLE[who];
    Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "UTC".to_owned() }
}

pub(super) fn function(effect: Effect, tool: &str, release: u8) -> Function {
    Function {
        tool: tool.to_owned(),
        name: format!("{}__do", tool.replace('/', "__")),
        release: Digest::of(&[release]),
        parameters: json!({}),
        effect,
        arguments: ARGUMENTS.map(|(name, role)| (format!("/{name}"), role)).into(),
        fields: BTreeMap::new(),
    }
}

/// Who may read something, as the judge keeps it and as the house does.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    /// Who.
    pub(crate) may: BTreeSet<usize>,
    outside: bool,
    pub(crate) label: Label,
}

impl Tag {
    /// These may read what has this label.
    pub(crate) fn new(may: BTreeSet<usize>, label: Label) -> Self {
        Self { may, outside: label.integrity == Integrity::Outside, label }
    }
}

pub(crate) fn tag() -> impl Strategy<Value = Tag> {
    let everybody = || (0..PEOPLE.len()).collect::<BTreeSet<_>>();
    let (household, some) =
        (proptest::bool::weighted(0.3), proptest::option::weighted(0.1, proptest::collection::btree_set(0..PEOPLE.len(), 1..5)));
    (household, some, 0..3_u8).prop_map(move |(household, some, integrity)| {
        let mut readers = some.clone().map_or_else(Readers::public, |some| Readers::only(some.iter().map(|who| person(*who).id)));
        let mut may = some.unwrap_or_else(everybody);
        if household {
            readers = readers.meet(&Readers::household());
            may.retain(|who| PEOPLE[*who].1 != Person::Guest);
        }
        let integrity = [Integrity::Outside, Integrity::Member, Integrity::House][usize::from(integrity)];
        Tag { may, outside: integrity == Integrity::Outside, label: Label::new(readers, integrity) }
    })
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Act {
    /// A model, or the member at the console, wants this called; when it runs, this comes back.
    Call { effect: usize, tool: bool, arguments: BTreeMap<usize, usize>, console: bool, link: bool, result: Tag },
    /// What was asked about once is wanted again, perhaps with one argument changed.
    Again { which: usize, changed: Option<(usize, usize)>, result: Tag },
    /// Somebody answers a question, the newest first: one who may, or anybody.
    Answer { may: bool, who: usize, which: usize, answer: u8 },
    /// A result, a mail or the model says that all is allowed. Nothing comes of words.
    Claim,
    /// The clock moves, also back.
    Time(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let arguments = proptest::collection::btree_map(0..ARGUMENTS.len(), 0..TOKENS.len() + 4, 0..4);
    let call = (0..EFFECTS.len(), any::<bool>(), arguments, proptest::bool::weighted(0.1), any::<bool>(), tag());
    prop_oneof![
        8 => call.prop_map(|(effect, tool, arguments, console, link, result)| Act::Call { effect, tool, arguments, console, link, result }),
        8 => (0..3_usize, proptest::option::weighted(0.3, (0..ARGUMENTS.len(), 0..TOKENS.len() + 4)), tag())
            .prop_map(|(which, changed, result)| Act::Again { which, changed, result }),
        6 => (proptest::bool::weighted(0.8), 0..PEOPLE.len(), 0..3_usize, 0..5_u8)
            .prop_map(|(may, who, which, answer)| Act::Answer { may, who, which, answer }),
        1 => Just(Act::Claim),
        2 => prop_oneof![0..120_i64, -200..0_i64, Just(APPROVAL_SECONDS)].prop_map(Act::Time),
    ]
}

/// A value of an argument: a token as it is, or a number that nobody said or somebody did.
fn value(name: &str, n: usize) -> Value {
    match (name, TOKENS.get(n)) {
        ("amount", _) => json!([5, 50, 500, -1][n % 4]),
        (_, Some(token)) => json!(token),
        (_, None) => json!(format!("invented {n}")),
    }
}

/// A yes that the judge knows of.
#[derive(Debug, Clone)]
struct Yes {
    call: Call,
    effect_arguments: BTreeMap<String, Role>,
    /// How often it may still be used; none for no limit.
    left: Option<u32>,
    /// The yes to one call itself, and not what was allowed beyond.
    once: bool,
    /// All arguments, or what the call hits.
    exact: bool,
    /// Void from there on, and before there.
    until: i64,
    from: i64,
}

impl Yes {
    fn covers(&self, call: &Call, now: i64) -> bool {
        let same = (&self.call.tool, &self.call.function, self.call.release, self.call.member)
            == (&call.tool, &call.function, call.release, call.member);
        let here = self.left.is_none() || self.call.conversation == call.conversation;
        let hits = |call: &Call| -> BTreeMap<String, Value> {
            let all = call.arguments.as_object().unwrap().clone().into_iter();
            all.filter(|(name, _)| !matches!(self.effect_arguments.get(name), Some(Role::Content | Role::Schedule))).collect()
        };
        let fits = if self.exact {
            self.call.arguments == call.arguments
        } else {
            let (wanted, given) = (hits(&self.call), hits(call));
            wanted.len() == given.len()
                && given.iter().all(|(name, given)| match (self.effect_arguments.get(name), wanted.get(name)) {
                    (Some(Role::Amount), Some(wanted)) => (0..=wanted.as_i64().unwrap()).contains(&given.as_i64().unwrap()),
                    (_, wanted) => wanted == Some(given),
                })
        };
        same && here && fits && self.left != Some(0) && (self.from..self.until).contains(&now)
    }
}

/// Who may read what a question shows, and whether its member let it go.
#[derive(Debug, Clone)]
struct Shown {
    may: BTreeSet<usize>,
    let_go: bool,
}

/// The turn as the house has it, and as the judge does.
pub(super) struct Program {
    who: usize,
    present: BTreeSet<usize>,
    said: Vec<usize>,
    label: Label,
    taken: Taken,
    approvals: Vec<Approval>,
    grants: Vec<Grant>,
    asked: Vec<(Function, Value)>,
    now: i64,
    // The judge's.
    may: BTreeSet<usize>,
    outside: bool,
    yes: Vec<Yes>,
    shown: Vec<Shown>,
    grounded: BTreeMap<usize, usize>,
    followed: u32,
    /// How often what came about, by a word for it: programs that do nothing prove nothing.
    came: BTreeMap<&'static str, usize>,
}

impl Program {
    pub(super) fn new(who: usize, mut present: BTreeSet<usize>, said: Vec<usize>) -> Self {
        present.insert(who);
        let audience = Audience::of(present.iter().map(|who| (person(*who).id, PEOPLE[*who].1)));
        let label = Label::new(Readers::present(&audience), Integrity::Member);
        let (approvals, grants, yes, may) = (Vec::new(), Vec::new(), Vec::new(), present.clone());
        let (taken, grounded) = (Taken::default(), BTreeMap::new());
        Self {
            who,
            present,
            said,
            label,
            taken,
            approvals,
            grants,
            asked: Vec::new(),
            now: 0,
            may,
            outside: false,
            yes,
            shown: Vec::new(),
            grounded,
            followed: 0,
            came: BTreeMap::new(),
        }
    }

    fn run(mut self, acts: Vec<Act>) -> Result<BTreeMap<&'static str, usize>, TestCaseError> {
        for act in acts {
            match act {
                Act::Call { effect, tool, arguments, console, link, result } => {
                    let tool = if tool { "own/bank" } else { "web/mail" };
                    let arguments = arguments.into_iter().map(|(name, n)| (ARGUMENTS[name].0.to_owned(), value(ARGUMENTS[name].0, n)));
                    let mut question = self.question(function(EFFECTS[effect], tool, 0), Value::Object(arguments.collect::<Map<_, _>>()));
                    question.by = if console { Decider::Member } else { Decider::Model };
                    if link && question.arguments.get("url").is_some() {
                        question.links.insert("/url".to_owned());
                    }
                    self.call(&question, &result)?;
                }
                Act::Again { which, changed, result } => {
                    let Some((function, mut arguments)) = self.asked.iter().rev().nth(which).cloned() else { continue };
                    if let Some((name, n)) = changed {
                        arguments[ARGUMENTS[name].0] = value(ARGUMENTS[name].0, n);
                    }
                    let question = self.question(function, arguments);
                    self.call(&question, &result)?;
                }
                Act::Answer { may, who, which, answer } => {
                    let Some(at) = self.approvals.len().checked_sub(which + 1) else { continue };
                    let right = (0..PEOPLE.len()).find(|who| self.is_theirs(at, *who));
                    self.answer(right.filter(|_| may).unwrap_or(who), at, answer)?;
                }
                Act::Claim => {}
                Act::Time(by) => {
                    self.now += by;
                    // As the policy actor does it, from time to time.
                    self.approvals.iter_mut().for_each(|approval| approval.expire(at(self.now)));
                    self.grants.iter_mut().for_each(|grant| grant.expire(at(self.now)));
                    // What is over does not come back, whatever the clock shows later.
                    let over = |yes: &&mut Yes| self.now >= yes.until || yes.once && self.now < yes.from;
                    self.yes.iter_mut().filter(over).for_each(|yes| yes.left = Some(0));
                }
            }
        }
        Ok(self.came)
    }

    fn came(&mut self, word: &'static str) {
        *self.came.entry(word).or_default() += 1;
    }

    pub(super) fn question(&self, function: Function, arguments: Value) -> Question {
        Question {
            call: CallId::derived(&[&self.asked.len().to_string()]),
            function,
            leaves: written(&arguments, &control(&self.label, &BTreeSet::new())),
            fit: Fit::NoPlan,
            contested: BTreeSet::new(),
            arguments,
            conversation: ConversationId::derived(&["c"]),
            member: person(self.who),
            by: Decider::Model,
            audience: Audience::of(self.present.iter().map(|who| (person(*who).id, PEOPLE[*who].1))),
            label: self.label.clone(),
            sources: BTreeSet::new(),
            words: self.said.iter().map(|token| TOKENS[*token]).collect::<Vec<_>>().join(" and "),
            links: BTreeSet::new(),
            taken: self.taken.clone(),
        }
    }

    fn call(&mut self, question: &Question, result: &Tag) -> Result<(), TestCaseError> {
        let before = (self.approvals.clone(), self.grants.clone());
        let Weighed { verdict, taken } = question.weigh(&self.approvals, &self.grants, at(self.now));
        // I-8: to be asked changes nothing of what is allowed.
        prop_assert_eq!(&before, &(self.approvals.clone(), self.grants.clone()));
        // I-5: nothing is done with what somebody present, or the member, may not read.
        let readable = self.present.iter().all(|who| self.may.contains(who));
        prop_assert!(readable || matches!(verdict, Verdict::Deny(_)), "{verdict:?} with {:?} for {:?}", self.may, self.present);
        let now = at(self.now);
        match verdict {
            Verdict::Deny(denial) => {
                self.came(if denial == Denial::Audience { "not for all" } else { "denied" });
                return Ok(());
            }
            Verdict::Ask(approval) => {
                self.asked.push((question.function.clone(), question.arguments.clone()));
                self.came(if self.outside { "asked after outside" } else { "asked" });
                if self.approvals.iter().all(|known| known.id != approval.id) {
                    let everybody: Vec<_> = (0..PEOPLE.len()).map(person).collect();
                    self.approvals.push(approval.among(&everybody));
                    self.shown.push(Shown { may: self.may.clone(), let_go: false });
                }
                return Ok(());
            }
            Verdict::Allow(Because::Free) => {
                self.came(if !matches!(question.function.effect, Effect::Read | Effect::WriteOwn) { "named" } else { "free" });
                self.judge_free(question)?;
            }
            Verdict::Allow(Because::Approved(id)) => {
                self.came(if self.outside { "approved after outside" } else { "approved" });
                let call = question.exact();
                self.judge_yes(&call, true)?;
                let approval = self.approvals.iter_mut().find(|approval| approval.id == id).unwrap();
                prop_assert_eq!(approval.run(&call, now), Ok(()));
            }
            Verdict::Allow(Because::Granted(id)) => {
                self.came(if self.outside { "granted after outside" } else { "granted" });
                self.judge_yes(&question.exact(), false)?;
                self.grants.iter_mut().find(|grant| grant.id == id).unwrap().used(now);
            }
        }
        self.taken = taken;
        // What comes back is read by whoever goes on.
        self.label = self.label.join(&result.label);
        self.may.retain(|who| result.may.contains(who));
        self.outside |= result.outside;
        Ok(())
    }

    /// It ran by nobody's yes.
    fn judge_free(&mut self, question: &Question) -> Result<(), TestCaseError> {
        let (effect, console) = (question.function.effect, question.by == Decider::Member);
        let arguments = question.arguments.as_object().unwrap();
        let said = |value: &Value| value.as_str().and_then(|text| self.said.iter().find(|token| TOKENS[**token] == text)).copied();
        if effect == Effect::Read {
            // An address is said by the member, or one of few links that nobody has read yet.
            if arguments.get("url").is_some_and(|url| !console && said(url).is_none()) {
                prop_assert!(!self.outside && question.links.contains("/url") && self.followed < LINKS_MAX);
                self.came("followed");
                self.followed += 1;
            }
            return Ok(());
        }
        if effect == Effect::WriteOwn {
            let targets = arguments.iter().filter(|(name, _)| !matches!(name.as_str(), "text"));
            for (name, value) in targets {
                prop_assert!(!self.outside || console || said(value).is_some(), "{name} may be from outside: {value}");
            }
            return Ok(());
        }
        // I-6.
        prop_assert!(!self.outside, "{effect:?} after something from outside, by nobody's yes");
        if console {
            return Ok(());
        }
        let role = PEOPLE[self.who].1;
        let grown = matches!(role, Person::Owner | Person::Adult);
        prop_assert!(grown || role == Person::Teen && effect == Effect::ExternalSend, "{effect:?} by a {role}");
        let mut named = BTreeSet::new();
        for (name, value) in arguments.iter().filter(|(name, _)| !matches!(name.as_str(), "text" | "when")) {
            prop_assert!(said(value).is_some(), "{name} is nothing that the member said: {value}");
            named.extend(said(value));
        }
        prop_assert!(!named.is_empty());
        for token in named {
            let times = self.grounded.entry(token).or_default();
            *times += 1;
            prop_assert!(*times <= self.said.iter().filter(|said| **said == token).count(), "{} is used too often", TOKENS[token]);
        }
        Ok(())
    }

    /// It ran by a yes: of those that the judge knows there is one for exactly this.
    fn judge_yes(&mut self, call: &Call, once: bool) -> Result<(), TestCaseError> {
        let now = self.now;
        let fits = |yes: &&mut Yes| yes.covers(call, now) && once == yes.once;
        let Some(yes) = self.yes.iter_mut().find(fits) else {
            return Err(TestCaseError::fail(format!("nobody said yes to {call:?} at {now}; there is {:?}", self.yes)));
        };
        yes.left = yes.left.map(|left| left - 1);
        Ok(())
    }

    /// Whether a question waits for this person's consent before it is anybody's to decide.
    fn is_private(&self, which: usize) -> bool {
        let (approval, shown) = (&self.approvals[which], &self.shown[which]);
        let unreadable = (0..PEOPLE.len()).any(|who| may_answer(self.who, approval.card.effect, who) && !shown.may.contains(&who));
        let own = may_answer(self.who, approval.card.effect, self.who);
        !own && unreadable && hits_something(&approval.call.arguments, approval.card.effect) && !shown.let_go
    }

    fn is_theirs(&self, which: usize, who: usize) -> bool {
        let (approval, shown) = (&self.approvals[which], &self.shown[which]);
        if self.is_private(which) {
            return who == self.who;
        }
        let sees = who == self.who || shown.let_go || shown.may.contains(&who);
        may_answer(self.who, approval.card.effect, who) && (sees || !hits_something(&approval.call.arguments, approval.card.effect))
    }

    fn answer(&mut self, who: usize, which: usize, answer: u8) -> Result<(), TestCaseError> {
        let now = self.now;
        let (private, theirs) = (self.is_private(which), self.is_theirs(which, who));
        let approval = &mut self.approvals[which];
        let answer = match answer {
            0 => Answer::No,
            1 => Answer::Once,
            2 => Answer::Times(3),
            3 => Answer::Until(at(now + 300)),
            _ => Answer::Always,
        };
        let (pending, asked) = (approval.state == State::Pending, seconds(approval.asked));
        let grant = GrantId::derived(&["grant", &self.grants.len().to_string()]);
        let taken = approval.answer(&person(who), answer, at(now), grant);
        let in_time = pending && now < asked + APPROVAL_SECONDS && now >= asked - CLOCK_SLACK_SECONDS;
        let fits = !private || matches!(answer, Answer::No | Answer::Once);
        prop_assert_eq!(taken.is_ok(), in_time && theirs && fits, "{:?} at {}", taken, now);
        let Ok(taken) = taken else { return Ok(()) };
        if private {
            // To let others see it is no yes to it.
            self.shown[which].let_go = answer == Answer::Once;
            self.came("let go");
            return Ok(());
        }
        let call = approval.call.clone();
        if answer != Answer::No {
            let void = asked + APPROVAL_SECONDS;
            let effect_arguments: BTreeMap<_, _> = ARGUMENTS.map(|(name, role)| (name.to_owned(), role)).into();
            let from = asked - CLOCK_SLACK_SECONDS;
            self.yes.push(Yes {
                call: call.clone(),
                effect_arguments: effect_arguments.clone(),
                left: Some(1),
                once: true,
                exact: true,
                until: void,
                from,
            });
            let since = now - CLOCK_SLACK_SECONDS;
            let (left, until, exact) = match answer {
                Answer::Times(times) => (Some(times - 1), i64::MAX, true),
                Answer::Until(_) => (None, now + 300, true),
                Answer::No | Answer::Once | Answer::Always => (None, i64::MAX, false),
            };
            if !matches!(answer, Answer::Once) {
                self.yes.push(Yes { call, effect_arguments, left, once: false, exact, until, from: since });
            }
        }
        self.grants.extend(taken);
        Ok(())
    }
}

fn seconds(at: Timestamp) -> i64 {
    at.as_second() - 1_800_000_000
}

/// Whether others are shown a value of such a call.
fn hits_something(arguments: &Value, effect: Effect) -> bool {
    !matches!(effect, Effect::Read | Effect::WriteOwn) && arguments.as_object().unwrap().keys().any(|name| name != "text")
}

/// Whose word it takes, by the table of the household.
fn may_answer(asker: usize, effect: Effect, who: usize) -> bool {
    let (asks, answers) = (PEOPLE[asker].1, PEOPLE[who].1);
    let grown = matches!(answers, Person::Owner | Person::Adult);
    match asks {
        Person::Child | Person::Guest => grown,
        Person::Teen if matches!(effect, Effect::Pay | Effect::Physical | Effect::Delete | Effect::Admin) => grown,
        Person::Owner | Person::Adult if matches!(effect, Effect::Physical | Effect::Admin) => grown,
        Person::Owner | Person::Adult | Person::Teen => who == asker,
    }
}

fn program() -> impl Strategy<Value = (usize, BTreeSet<usize>, Vec<usize>, Vec<Act>)> {
    let (present, said) = (proptest::collection::btree_set(0..PEOPLE.len(), 0..4), proptest::collection::vec(0..TOKENS.len(), 0..4));
    (0..PEOPLE.len(), present, said, proptest::collection::vec(act(), 1..24))
}

#[test]
fn the_programs_take_every_way_through_the_gate() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut came = BTreeMap::<&str, usize>::new();
    for _ in 0..4_000 {
        let (who, present, said, acts) = program().new_tree(&mut runner).unwrap().current();
        for (word, times) in Program::new(who, present, said).run(acts).unwrap() {
            *came.entry(word).or_default() += times;
        }
    }
    for word in [
        "free",
        "named",
        "asked",
        "asked after outside",
        "approved",
        "approved after outside",
        "granted",
        "granted after outside",
        "denied",
        "not for all",
        "followed",
        "let go",
    ] {
        assert!(came.get(word).is_some_and(|times| *times >= 20), "{word}: {came:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// I-5, I-6, I-8.
    #[test]
    fn no_program_of_calls_breaks_what_the_judge_holds((who, present, said, acts) in program()) {
        Program::new(who, present, said).run(acts)?;
    }
}
