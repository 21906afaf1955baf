//! Samples for `hearth bench policy`: decisions by exactly the code that the policy actor runs for a call, without its mailbox.
//!
//! The desk has the house's rules, [`RULES`] of a household in five shapes spread over effects, roles, members and tools, and [`GRANTS`] grants,
//! all of the member who asks most, so that each call of theirs that is asked about is compared with all of them. The questions are those of
//! five people in a group: what was named and what was not, before and after something from outside, reads, notes, sends, payments, locks.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use hearth_domain::approval::grant::{Grant, Scope};
use hearth_domain::flow::call::Function;
use hearth_domain::flow::plan::Fit;
use hearth_domain::household::{Audience, Member, Role as Person};
use hearth_domain::ids::{CallId, ConversationId, GrantId};
use hearth_domain::journal::Digest;
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::policy::{Decider, Question, Taken, control, written};
use hearth_domain::sandbox::Role;
use hearth_domain::time::Timestamp;
use hearth_domain::tool::Effect;
use hearth_rules::problem::RulesError;
use hearth_rules::rules::Rules;
use serde_json::{Value, json};

use super::desk::{Desk, Ruling};

/// Rules of the household, besides those of the house.
pub const RULES: usize = 200;
/// Grants that stand.
pub const GRANTS: usize = 50;
/// Labels that the prompt of a long turn joins: history, what is recalled, results.
pub const LABELS: usize = 100;
/// Decisions before the first that counts.
const WARM: usize = 2_000;
/// Decisions that count.
const DECISIONS: usize = 50_000;
/// Joins of [`LABELS`] labels that count.
const JOINS: usize = 2_000;
/// A Tuesday, 12:00 UTC.
const NOON: i64 = 1_700_568_000;

/// What was measured, in microseconds.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Each decision: labels, gate, grants, rules.
    pub decisions_us: Vec<f64>,
    /// The median of each question, by what it is: what a busy machine disturbs less than the tail of all.
    pub by_question_us: Vec<(String, f64)>,
    /// Each join of [`LABELS`] labels.
    pub joins_us: Vec<f64>,
    /// How many decisions let the call run, asked somebody, and refused: whether all ways are measured.
    pub outcomes: [usize; 3],
}

/// Measures.
///
/// # Errors
///
/// When the rules of the bench are none: a mistake of ours.
pub fn run(progress: impl Fn(&str)) -> Result<Samples, RulesError> {
    let own = household_rules(RULES);
    let rules = Rules::new(Rules::DEFAULTS, &own)?;
    progress(&format!("{} rules in force, {GRANTS} grants, {DECISIONS} decisions", rules.iter().count()));
    let now = Timestamp::from_second(NOON).unwrap_or(Timestamp::UNIX_EPOCH);
    let desk = Desk::new(Arc::new(rules), Vec::new(), grants(now), None);
    let questions = questions();
    let mut samples =
        Samples { decisions_us: Vec::with_capacity(DECISIONS), by_question_us: Vec::new(), joins_us: joins(), outcomes: [0; 3] };
    for (n, question) in questions.iter().cycle().take(WARM.saturating_add(DECISIONS)).enumerate() {
        let began = Instant::now();
        let ruling = desk.rule(question, now);
        let took = began.elapsed();
        if n < WARM {
            continue;
        }
        samples.decisions_us.push(took.as_secs_f64() * 1e6);
        let outcome = match ruling {
            Ruling::Decided(hearth_domain::policy::Decision::Deny(_)) => 2,
            Ruling::Ask(_) | Ruling::Decided(hearth_domain::policy::Decision::Ask(_)) => 1,
            Ruling::Decided(hearth_domain::policy::Decision::Allow(_)) | Ruling::Approved(..) | Ruling::Granted(..) => 0,
        };
        if let Some(count) = samples.outcomes.get_mut(outcome) {
            *count = count.saturating_add(1);
        }
    }
    samples.by_question_us = medians(&questions, &samples.decisions_us);
    Ok(samples)
}

/// The slowest first.
fn medians(questions: &[Question], samples: &[f64]) -> Vec<(String, f64)> {
    let mut of = vec![Vec::new(); questions.len()];
    for (n, took) in samples.iter().enumerate() {
        if let Some(of) = of.get_mut(n.saturating_add(WARM) % questions.len().max(1)) {
            of.push(*took);
        }
    }
    let named = |question: &Question| format!("{} {} {:?}", question.member.name, question.function.name, question.label.integrity);
    let mut all: Vec<_> = questions.iter().map(named).zip(of.into_iter().map(median)).collect();
    all.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    all
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

/// So many rules of a household, in five shapes: by child and tool, by amount, by member, by argument, and about anybody.
#[must_use]
pub fn household_rules(count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        let rule = match n % 5 {
            0 => format!(
                "forbid (principal in Role::\"child\", action == Action::\"physical\", resource in Tool::\"home/thing-{n}\") when {{ \
                 context.minute >= {} || context.guest_present }};",
                n * 5
            ),
            1 => format!(
                "forbid (principal, action == Action::\"pay\", resource) when {{ context.number.hasTag(\"amount\") && \
                 context.number.getTag(\"amount\") + context.spent_today > {} }};",
                1_000_000 + n
            ),
            2 => format!(
                "forbid (principal == Member::\"Somebody {n}\", action in Action::\"serious\", resource) when {{ context.weekday == \
                 Weekday::\"sunday\" }};"
            ),
            3 => format!(
                "permit (principal in Role::\"teen\", action == Action::\"external_send\", resource) when {{ context.text.hasTag(\"to\") && \
                 context.text.getTag(\"to\") == \"friend{n}@example.org\" && context.minute < 1260 }};"
            ),
            _ => format!(
                "forbid (principal, action, resource) when {{ resource.tool == \"home/old-{n}\" && resource.kinds.contains(Kind::\"camera\") \
                 && context.place == Place::\"group\" }};"
            ),
        };
        // A string takes every text.
        let _ = writeln!(text, "@id(\"rule-{n}\") @says(\"rule {n}\")\n{rule}");
    }
    text
}

fn people() -> Vec<Member> {
    let all = [("Ada", Person::Owner), ("Ben", Person::Adult), ("Tom", Person::Teen), ("Mia", Person::Child), ("Zoe", Person::Guest)];
    all.map(|(name, role)| Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "Europe/Berlin".to_owned() }).into()
}

/// All of Ben's: half of one payment each, half always for one address; the last one is the one that fits.
fn grants(now: Timestamp) -> Vec<Grant> {
    let ben = Member::id_of("Ben");
    let one = |n: usize| {
        let to = if n + 1 == GRANTS { "oma@example.org".to_owned() } else { format!("friend{n}@example.org") };
        let targets = BTreeMap::from([("/to".to_owned(), json!(to)), ("/amount".to_owned(), json!(40))]);
        let exactly = format!("{{\"amount\":{n},\"text\":\"see you\",\"to\":\"{to}\"}}");
        Grant {
            id: GrantId::derived(&["bench", &n.to_string()]),
            member: ben,
            tool: "shop/basket".to_owned(),
            function: "shop__basket__pay".to_owned(),
            release: Digest::ZERO,
            conversation: None,
            scope: if n.is_multiple_of(2) { Scope::Exactly(exactly) } else { Scope::Target(targets) },
            left: None,
            until: None,
            by: ben,
            at: now,
            revoked: None,
        }
    };
    (0..GRANTS).map(one).collect()
}

fn function(effect: Effect, tool: &str, operation: &str) -> Function {
    let roles = [("/to", Role::Recipient), ("/text", Role::Content), ("/amount", Role::Amount), ("/id", Role::Id), ("/url", Role::Url)];
    Function {
        tool: tool.to_owned(),
        name: format!("{}__{operation}", tool.replace('/', "__")),
        release: Digest::ZERO,
        parameters: Value::Null,
        effect,
        arguments: roles.map(|(pointer, role)| (pointer.to_owned(), role)).into(),
        fields: BTreeMap::new(),
    }
}

fn questions() -> Vec<Question> {
    let deeds = [
        (Effect::Read, "hearth/calendar", "list", json!({"id": "7", "text": "what is on"})),
        (Effect::Read, "hearth/web", "fetch", json!({"url": "https://news.example/today?page=2"})),
        (Effect::WriteOwn, "hearth/notes", "put", json!({"id": "shopping", "text": "milk and two lemons"})),
        (Effect::ExternalSend, "hearth/mail", "send", json!({"to": "oma@example.org", "text": "see you at eight"})),
        (Effect::Pay, "shop/basket", "pay", json!({"to": "oma@example.org", "amount": 12.5, "text": "see you"})),
        (Effect::Pay, "shop/basket", "pay", json!({"to": "nobody@example.org", "amount": 3, "text": "see you"})),
        (Effect::Physical, "home/front-door", "unlock", json!({"id": "front"})),
        (Effect::Physical, "home/lights", "switch", json!({"id": "kitchen"})),
        (Effect::Delete, "hearth/files", "delete", json!({"id": "draft 3"})),
    ];
    let all = people();
    let audience = Audience::of(all.iter().map(|member| (member.id, member.role)));
    let mut questions = Vec::new();
    for member in &all {
        for (effect, tool, operation, arguments) in &deeds {
            for integrity in [Integrity::Member, Integrity::Outside] {
                let label = Label::new(Readers::present(&audience), integrity);
                questions.push(Question {
                    call: CallId::derived(&["bench"]),
                    function: function(*effect, tool, operation),
                    leaves: written(arguments, &control(&label, &BTreeSet::new())),
                    fit: Fit::NoPlan,
                    contested: BTreeSet::new(),
                    arguments: arguments.clone(),
                    conversation: ConversationId::derived(&["bench"]),
                    member: member.clone(),
                    by: Decider::Model,
                    audience: audience.clone(),
                    label,
                    sources: BTreeSet::new(),
                    words: "please tell oma@example.org that we come at eight, pay her the 12.50, and switch on the kitchen".to_owned(),
                    links: BTreeSet::new(),
                    taken: Taken::default(),
                });
            }
        }
    }
    questions
}

fn joins() -> Vec<f64> {
    let all = people();
    let readers = |n: usize| Readers::only(all.iter().cycle().skip(n).take(4).map(|member| member.id));
    let labels: Vec<_> = (0..LABELS).map(|n| Label::new(readers(n), Integrity::Member)).collect();
    let mut samples = Vec::with_capacity(JOINS);
    for _ in 0..JOINS {
        let began = Instant::now();
        let joined = std::hint::black_box(Label::join_all(&labels));
        samples.push(began.elapsed().as_secs_f64() * 1e6);
        drop(joined);
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_questions_of_the_bench_take_every_way_through_a_decision() {
        let rules = Rules::new(Rules::DEFAULTS, &household_rules(RULES)).unwrap();
        let now = Timestamp::from_second(NOON).unwrap();
        let desk = Desk::new(Arc::new(rules), Vec::new(), grants(now), None);
        let rulings: Vec<_> = questions().iter().map(|question| desk.rule(question, now)).collect();
        assert!(rulings.iter().any(|ruling| matches!(ruling, Ruling::Granted(grant, _) if grant.id == GrantId::derived(&["bench", "49"]))));
        for wanted in ["Ask(", "Allow(", "Deny(Rule", "Deny(NoRule"] {
            assert!(rulings.iter().any(|ruling| format!("{ruling:?}").contains(wanted)), "{wanted}");
        }
    }
}
