use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::estimate::*;
use super::ledger::{Hold, Ledger, Moment};
use super::*;
use crate::flow::call::Function;
use crate::journal::Digest;
use crate::sandbox;
use crate::tool::Effect;

fn day(day: i8) -> Day {
    Day::new(2026, 11, day).unwrap()
}

fn charge(name: &str, turn: u8) -> Charge {
    let turn = TurnId::derived(&[&turn.to_string()]);
    Charge { member: Member::id_of(name), role: Role::Adult, day: day(26), turn: Some(turn), before: Amounts::default() }
}

fn tokens(tokens: u64) -> Amounts {
    Amounts { tokens, ..Amounts::default() }
}

/// With these caps on tokens, of a turn and of a day.
fn ledger(turn: u64, day: u64) -> Ledger {
    let cap = |tokens| Caps { tokens: Some(tokens), ..Caps::default() };
    Ledger::new(Settings { adult: Own { turn: cap(turn), day: cap(day) }, ..Settings::default() })
}

#[test]
fn a_member_has_what_the_configuration_says_of_them_else_of_their_role_else_the_usual() {
    let settings: Settings = serde_json::from_value(json!({
        "child": { "day": { "tokens": 10 } },
        "members": { "Mia": { "day": { "tool_calls": 3 } } }
    }))
    .unwrap();
    let usual = Budget::of(Role::Child);
    let of = |name: &str| settings.of(Member::id_of(name), Role::Child);
    assert_eq!(of("Tim"), Budget { day: Amounts { tokens: 10, ..usual.day }, ..usual });
    assert_eq!(of("mia"), Budget { day: Amounts { tokens: 10, tool_calls: 3, ..usual.day }, ..usual });
    assert!(serde_json::from_value::<Settings>(json!({ "child": { "day": { "token": 10 } } })).is_err());
}

#[test]
fn the_last_unit_goes_to_the_first_of_two_turns_and_the_other_is_told_why() {
    let mut ledger = ledger(100, 100);
    let first = ledger.reserve(charge("Ada", 1), tokens(60)).unwrap();
    let refused = ledger.reserve(charge("Ada", 2), tokens(60)).unwrap_err();
    assert_eq!((refused.kind, refused.span, refused.used, refused.cap), (Kind::Tokens, Span::Day, 60, 100));
    let sentence = refused.to_string();
    assert!(sentence.starts_with("Today's budget of tokens of language models is used up: 60 of 100 are used"), "{sentence}");
    // What was reserved and not used is there for the other.
    drop(ledger.settle(first, tokens(40)));
    let second = ledger.reserve(charge("Ada", 2), tokens(60)).unwrap();
    drop(ledger.settle(second, tokens(60)));
    assert_eq!(ledger.used(Member::id_of("Ada"), day(26)), tokens(100));
    assert!(ledger.reserve(charge("Ada", 3), tokens(1)).is_err());
    assert!(ledger.reserve(charge("Bo", 3), tokens(1)).is_ok_and(|hold| hold.amounts() == tokens(1)), "another's budget is another's");
    let tomorrow = Charge { day: day(27), ..charge("Ada", 4) };
    assert!(ledger.reserve(tomorrow, tokens(100)).is_ok_and(|hold| hold.charge() == tomorrow));
}

#[test]
fn a_turn_has_a_cap_of_its_own_which_begins_at_what_its_steps_say() {
    let mut one = ledger(50, 1_000);
    let hold = one.reserve(charge("Ada", 1), tokens(50)).unwrap();
    drop(one.settle(hold, tokens(30)));
    assert_eq!(one.reserve(charge("Ada", 1), tokens(21)).unwrap_err().span, Span::Turn);
    assert!(one.reserve(charge("Ada", 2), tokens(50)).is_ok_and(|hold| hold.amounts() == tokens(50)));
    let mut after_a_crash = ledger(50, 1_000);
    let resumed = Charge { before: tokens(30), ..charge("Ada", 1) };
    assert_eq!(after_a_crash.reserve(resumed, tokens(21)).unwrap_err().used, 30);
}

#[test]
fn four_fifths_are_told_once_for_each_kind_and_day() {
    let mut ledger = ledger(1_000, 100);
    let mut told = Vec::new();
    for (used, of) in [(79, 26), (1, 26), (10, 26), (80, 27)] {
        let hold = ledger.reserve(Charge { day: day(of), ..charge("Ada", 1) }, tokens(used)).unwrap();
        told.extend(ledger.settle(hold, tokens(used)).into_iter().map(|notice| (notice.day, notice.kind, notice.used)));
    }
    assert_eq!(told, [(day(26), Kind::Tokens, 80), (day(27), Kind::Tokens, 80)]);
}

#[test]
fn a_provider_that_says_it_used_more_than_was_reserved_is_counted_in_full() {
    let mut ledger = ledger(100, 100);
    let hold = ledger.reserve(charge("Ada", 1), tokens(10)).unwrap();
    drop(ledger.settle(hold, tokens(500)));
    assert_eq!(ledger.used(Member::id_of("Ada"), day(26)).tokens, 500);
    assert!(ledger.reserve(charge("Ada", 2), tokens(1)).is_err());
}

#[test]
fn at_rest_the_row_is_exact_and_while_something_runs_it_covers_it() {
    let mut ledger = ledger(1_000_000, 1_000_000);
    let charge = charge("Ada", 1);
    let before = ledger.row(&charge, Moment::Before).unwrap();
    let hold = ledger.reserve(charge, tokens(1_000)).unwrap();
    assert!(!ledger.is_covered(&charge), "the row is not durable yet");
    ledger.saved(&before);
    assert!(ledger.is_covered(&charge) && before.amounts.tokens >= 1_000);
    assert_eq!(ledger.row(&charge, Moment::After), None, "something runs");
    drop(ledger.settle(hold, tokens(700)));
    let after = ledger.row(&charge, Moment::After).unwrap();
    assert_eq!((after.amounts, after.number), (tokens(700), before.number + 1));
    // Whether it was written or not: what comes next needs a row of its own.
    let again = ledger.reserve(charge, tokens(1)).unwrap();
    assert!(!ledger.is_covered(&charge));
    ledger.saved(&before);
    assert!(!ledger.is_covered(&charge), "a word about an earlier row comes late");
    drop(ledger.settle(again, tokens(1)));
}

#[test]
fn a_call_takes_one_and_a_payment_its_amounts_rounded_up() {
    let mut pay = Function {
        tool: "example/bank".into(),
        name: "bank_pay".into(),
        release: Digest::ZERO,
        parameters: json!({}),
        effect: Effect::Pay,
        arguments: [("/amount".to_owned(), sandbox::Role::Amount), ("/to".to_owned(), sandbox::Role::Recipient)].into(),
        fields: BTreeMap::new(),
    };
    let taken = |function: &Function, amount: Value| of_call(function, &json!({ "amount": amount, "to": 7 }));
    for (amount, cents) in
        [(json!(12.5), 1_250), (json!("12.50"), 1_250), (json!(0.001), 1), (json!(-3), 0), (json!("much"), 0), (json!(1e300), u64::MAX)]
    {
        assert_eq!(taken(&pay, amount), Amounts { tool_calls: 1, paid_cents: cents, ..Amounts::default() });
    }
    pay.effect = Effect::ExternalSend;
    assert_eq!(taken(&pay, json!(12.5)).paid_cents, 0, "nothing is paid");
}

/// What happens in a house.
#[derive(Debug, Clone)]
enum Event {
    /// A turn wants a step that may take so much, and takes a part of it.
    Step { turn: u8, needs: u64, part: u64 },
    /// The oldest step ends.
    Ends,
    /// A turn ends.
    Rests { turn: u8 },
    /// The oldest row that waits is written, or is not.
    Written(bool),
    /// Power is lost: what was begun was used up, as far as anybody knows.
    Crash,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..4_u8, 1..80_000_u64, 0..=100_u64).prop_map(|(turn, needs, part)| Event::Step { turn, needs, part }),
        3 => Just(Event::Ends),
        1 => (0..4_u8).prop_map(|turn| Event::Rests { turn }),
        4 => any::<bool>().prop_map(Event::Written),
        1 => Just(Event::Crash),
    ];
    prop::collection::vec(event, 1..120)
}

/// A house with its store, and what was really used.
struct House {
    ledger: Ledger,
    cap: u64,
    row: Option<Spent>,
    waiting: Vec<Spent>,
    /// Begun, with what each will have used.
    running: Vec<(Hold, u64)>,
    really: u64,
}

impl House {
    fn new(cap: u64) -> Self {
        Self { ledger: ledger(u64::MAX, cap), cap, row: None, waiting: vec![], running: vec![], really: 0 }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Step { turn, needs, part } => {
                let charge = charge("Ada", turn);
                self.waiting.extend(self.ledger.row(&charge, Moment::Before));
                let Ok(hold) = self.ledger.reserve(charge, tokens(needs)) else { return };
                if self.ledger.is_covered(&charge) {
                    // It begins: from here on it may be used, whatever happens.
                    let used = needs * part / 100;
                    self.really += used;
                    self.running.push((hold, used));
                } else {
                    // Its row is saved first; here it gives up instead.
                    drop(self.ledger.settle(hold, Amounts::default()));
                    self.waiting.extend(self.ledger.row(&charge, Moment::Before));
                }
            }
            Event::Ends if self.running.is_empty() => {}
            Event::Ends => {
                let (hold, used) = self.running.remove(0);
                drop(self.ledger.settle(hold, tokens(used)));
            }
            Event::Rests { turn } => self.waiting.extend(self.ledger.row(&charge("Ada", turn), Moment::After)),
            Event::Written(_) if self.waiting.is_empty() => {}
            // One that was not heard of is written all the same, or is not.
            Event::Written(heard) => {
                let row = self.waiting.remove(0);
                if heard || row.number.is_multiple_of(2) {
                    self.row = self.row.filter(|known| known.number > row.number).or(Some(row));
                }
                if heard {
                    self.ledger.saved(&row);
                }
            }
            Event::Crash => {
                self.running.clear();
                self.waiting.clear();
                self.ledger = ledger(u64::MAX, self.cap);
                self.ledger.load(self.row);
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_races_and_crashes_a_cap_is_never_exceeded_and_the_store_never_knows_less_than_was_used(
        cap in 1..300_000_u64,
        events in events(),
    ) {
        let mut house = House::new(cap);
        for event in events {
            house.take(event);
            prop_assert!(house.really <= cap, "{} of {cap}", house.really);
            let stored = house.row.map_or(0, |row| row.amounts.tokens);
            prop_assert!(stored >= house.really, "the store knows {stored} of {}", house.really);
        }
    }

    #[test]
    fn without_a_crash_what_is_left_can_be_used_to_the_last_unit(cap in 1..1_000_u64, steps in prop::collection::vec(1..50_u64, 1..60)) {
        let mut ledger = ledger(u64::MAX, cap);
        for needs in steps {
            if let Ok(hold) = ledger.reserve(charge("Ada", 1), tokens(needs)) {
                drop(ledger.settle(hold, tokens(needs)));
            }
        }
        let left = cap - ledger.used(Member::id_of("Ada"), day(26)).tokens;
        prop_assert!(ledger.reserve(charge("Ada", 2), tokens(left + 1)).is_err());
        prop_assert!(left == 0 || ledger.reserve(charge("Ada", 2), tokens(left)).is_ok_and(|hold| hold.amounts() == tokens(left)));
    }
}
