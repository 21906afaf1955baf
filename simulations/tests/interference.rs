//! Other secrets, and other private words of one member, change nothing of what others see; and a defect that makes them change it is found.

use std::sync::Once;

use hearth_simulations::interference::{Outcome, check};
use hearth_simulations::plants::Plant;
use hearth_simulations::recording::Observer;
use hearth_simulations::run::Job;
use hearth_simulations::scenarios::Scenario;
use hearth_simulations::world::PLANNED;

/// Planned panics are part of a run.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            if !info.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with(PLANNED)) {
                eprintln!("{info}");
            }
        }));
    });
}

/// Every seed is the same for everybody else, and in some of them there was something to see.
fn holds(scenario: Scenario, seeds: std::ops::Range<u64>) {
    quiet();
    let outcomes: Vec<Outcome> = seeds.map(|number| check(Job { number, scenario, plant: None })).collect();
    for outcome in &outcomes {
        assert!(outcome.is_well(), "{scenario}: {outcome:?}");
    }
    for changed in 0..2 {
        let known: usize = outcomes.iter().filter_map(|outcome| outcome.compared.get(changed)).map(|one| one.known).sum();
        assert!(known > 10, "{scenario}: only {known} things were other in comparison {changed}");
    }
}

#[test]
fn other_secrets_and_another_members_words_change_nothing_in_a_household() {
    holds(Scenario::Household, 4..8);
}

#[test]
fn other_secrets_and_another_members_words_change_nothing_among_hostile_tools_and_models() {
    holds(Scenario::Hostile, 2..6);
}

#[test]
fn a_use_of_a_secret_that_tells_of_its_value_is_found_in_journal_or_log() {
    quiet();
    let all = (3..20).map(|number| check(Job { number, scenario: Scenario::Household, plant: Some(Plant::TellingUse) }));
    let found = all.into_iter().find_map(|outcome| outcome.compared.into_iter().next()?.difference).expect("it is found");
    assert!(matches!(found.observer, Observer::Journal | Observer::Log), "{found}");
}

#[test]
fn an_answer_that_follows_from_what_somebody_else_said_is_found_where_it_is_shown() {
    quiet();
    let all = (3..20).map(|number| check(Job { number, scenario: Scenario::Household, plant: Some(Plant::Overhearing) }));
    let found = all.into_iter().find_map(|outcome| outcome.compared.into_iter().nth(1)?.difference).expect("it is found");
    assert!(matches!(found.observer, Observer::Screens(Some(_))), "{found}");
}
