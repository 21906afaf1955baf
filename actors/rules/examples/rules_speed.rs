//! How long a decision takes: the house's rules, 200 of a household, and 50 standing grants written as rules.
//!
//! `cargo run --release -p hearth-rules --example rules_speed`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "an example that measures and prints")]

use std::fmt::Write as _;
use std::time::Instant;

use hearth_domain::household::Role;
use hearth_domain::tool::Effect;
use hearth_rules::request::{Deed, Moment, Order, Person, Request, Setting};
use hearth_rules::rules::Rules;
use jiff::civil::Weekday;

/// Rules of a household.
const RULES: usize = 200;
/// Standing grants.
const GRANTS: usize = 50;
/// Decisions that are measured.
const DECISIONS: usize = 50_000;
/// Decisions before that.
const WARM_UP: usize = 2_000;

/// Rules of several kinds, spread over the effects.
fn household() -> String {
    let mut text = String::new();
    for n in 0..RULES {
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
    for n in 0..GRANTS {
        let _ = writeln!(
            text,
            "@id(\"grant-{n}\") @says(\"grant {n}\")\npermit (principal == Member::\"Tom\", action == Action::\"{}\", resource in \
             Tool::\"home/thing-{n}\") when {{ context.order == Order::\"grant\" && context.minute < {} }};",
            ["physical", "pay", "external_send"].get(n % 3).unwrap_or(&"pay"),
            700 + n
        );
    }
    text
}

fn requests() -> Vec<Request> {
    let people = [("Ada", Role::Owner), ("Ben", Role::Adult), ("Tom", Role::Teen), ("Mia", Role::Child), ("Zoe", Role::Guest)];
    let deeds = [
        (Effect::Physical, "home/front-door", "unlock"),
        (Effect::Physical, "home/lights", "switch"),
        (Effect::Pay, "shop/basket", "pay"),
        (Effect::ExternalSend, "hearth/mail", "send"),
        (Effect::Read, "hearth/calendar", "list"),
        (Effect::Delete, "hearth/files", "delete"),
    ];
    let mut requests = Vec::new();
    for (name, role) in people {
        for (effect, tool, operation) in deeds {
            for order in [Order::OwnWord, Order::Grant] {
                let mut deed = Deed::of(effect, tool, operation);
                deed.texts.insert("to".to_owned(), "friend3@example.org".to_owned());
                deed.texts.insert("text".to_owned(), "see you at eight".to_owned());
                deed.numbers.insert("amount".to_owned(), 1_250);
                let at = Moment::new(Weekday::Thursday, 18, 30).unwrap_or_else(|| unreachable!("a time of day"));
                let mut request = Request::of(Person { name: name.to_owned(), role }, deed, at);
                request.audience = people.iter().map(|(name, role)| Person { name: (*name).to_owned(), role: *role }).collect();
                request.order = order;
                request.setting = Setting::Group;
                requests.push(request);
            }
        }
    }
    requests
}

fn main() {
    let own = household();
    let began = Instant::now();
    let rules = match Rules::new(Rules::DEFAULTS, &own) {
        Ok(rules) => rules,
        Err(error) => return println!("{error}"),
    };
    let read = began.elapsed();
    let requests = requests();
    let mut allowed = 0_usize;
    let mut took = Vec::with_capacity(DECISIONS);
    for (n, request) in requests.iter().cycle().take(WARM_UP + DECISIONS).enumerate() {
        let began = Instant::now();
        allowed += usize::from(rules.decide(request).allows());
        if n >= WARM_UP {
            took.push(began.elapsed());
        }
    }
    // By request, which a busy machine disturbs less than the tail of all.
    let mut of: Vec<Vec<_>> = vec![Vec::new(); requests.len()];
    for (n, time) in took.iter().enumerate() {
        if let Some(of) = of.get_mut((n + WARM_UP) % requests.len()) {
            of.push(*time);
        }
    }
    of.iter_mut().for_each(|times| times.sort_unstable());
    let slowest = of.iter().filter_map(|times| times.get(times.len() / 2)).max().map_or(0.0, |time| time.as_secs_f64() * 1e6);
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 1_000).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    println!("{} rules in force, read and checked in {read:?}", rules.iter().count());
    println!("{DECISIONS} decisions over {} requests, {allowed} allowed", requests.len());
    println!("p50 {:.1} us, p90 {:.1} us, p99 {:.1} us, p99.9 {:.1} us", at(500), at(900), at(990), at(999));
    println!("median of the slowest request {slowest:.1} us");
}
