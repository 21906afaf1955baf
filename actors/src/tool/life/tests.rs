use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn at(ms: u64) -> Mono {
    Mono(Duration::from_millis(ms))
}

fn life() -> Life {
    Life::new(at(0), &Limits::default())
}

/// A life whose process waits for a call.
fn idle() -> Life {
    let mut life = life();
    assert_eq!(life.submit(at(0), 1, at(60_000)), Ok(vec![Effect::Start]));
    assert_eq!(life.ready(at(10)), Some(vec![Effect::Say(1)]));
    assert_eq!(life.done(at(20)), Some(vec![]));
    life
}

#[test]
fn the_first_call_starts_the_process_and_the_next_ones_wait_their_turn() {
    let mut life = life();
    assert_eq!(life.due(), None);
    assert_eq!(life.submit(at(0), 1, at(60_000)), Ok(vec![Effect::Start]));
    assert_eq!(life.submit(at(1), 2, at(60_000)), Ok(vec![]));
    assert_eq!(life.done(at(2)), None, "nothing runs yet");
    assert_eq!(life.ready(at(10)), Some(vec![Effect::Say(1)]));
    assert_eq!(life.ready(at(11)), None, "twice");
    assert_eq!(life.done(at(20)), Some(vec![Effect::Say(2)]));
    assert_eq!(life.done(at(30)), Some(vec![]));
    assert_eq!(life.name(), "idle");
}

#[test]
fn an_end_loses_the_call_that_runs_and_no_other() {
    let mut life = idle();
    assert_eq!(life.submit(at(100), 2, at(60_000)), Ok(vec![Effect::Say(2)]));
    assert_eq!(life.submit(at(100), 3, at(60_000)), Ok(vec![]));
    let lost = vec![Effect::Kill, Effect::Answer(2, Verdict::Lost), Effect::Start];
    assert_eq!(life.failed(at(200), Failure::Signalled(9)), lost);
    assert_eq!(life.ready(at(210)), Some(vec![Effect::Say(3)]));
}

#[test]
fn the_first_failure_is_followed_at_once_and_more_of_them_ever_later_until_quarantine() {
    let mut life = life();
    let mut now = 0;
    let mut waits = Vec::new();
    life.submit(at(0), 1, at(600_000)).unwrap();
    for n in 1..5 {
        let effects = life.failed(at(now), Failure::NotStarted);
        waits.push(life.rest.since(at(now)).as_millis());
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Quarantine(_))), "{n}");
        now += u64::try_from(waits[n - 1]).unwrap();
        if n > 1 {
            assert_eq!(life.due(), Some(at(now)));
            assert_eq!(life.tick(at(now)), [Effect::Start]);
        }
    }
    assert_eq!(waits, [0, 50, 100, 200]);
    let last = life.failed(at(now), Failure::NotStarted);
    assert_eq!(last, [Effect::Kill, Effect::Answer(1, Verdict::Quarantined), Effect::Quarantine(Failure::NotStarted)]);
    assert_eq!(life.submit(at(now), 2, at(600_000)), Err(NotTaken::Quarantined));
    assert_eq!(life.due(), None);
}

#[test]
fn one_that_is_killed_between_calls_that_it_answers_is_back_at_once_and_its_failures_count() {
    let mut life = idle();
    for n in 2..5 {
        life.submit(at(100), n, at(60_000)).unwrap();
        assert_eq!(life.done(at(110)), Some(vec![]), "{n}");
        assert_eq!(life.failed(at(120), Failure::Signalled(9)), [Effect::Kill]);
        assert_eq!(life.submit(at(120), n + 10, at(60_000)), Ok(vec![Effect::Start]), "{n}");
        assert_eq!(life.ready(at(130)), Some(vec![Effect::Say(n + 10)]));
        assert_eq!(life.done(at(140)), Some(vec![]));
    }
    assert_eq!(life.failures(), 3);
}

#[test]
fn failures_that_are_far_apart_are_forgotten() {
    let mut life = idle();
    for n in 0..50_u64 {
        let now = 100_000 + n * 20_000;
        life.submit(at(now), n + 2, at(now + 10_000)).unwrap();
        let effects = life.failed(at(now + 1), Failure::Gone);
        assert!(effects.iter().all(|effect| !matches!(effect, Effect::Quarantine(_))));
        life.tick(at(now + 19_000));
    }
    assert_eq!(life.failures(), 3);
}

#[test]
fn a_fault_leaves_the_process_and_counts() {
    let mut life = idle();
    for n in 2..6 {
        life.submit(at(100), n, at(60_000)).unwrap();
        assert_eq!(life.broke(at(110), Fault::Trap), Some(vec![Effect::Answer(n, Verdict::Fault(Fault::Trap))]));
    }
    life.submit(at(100), 6, at(60_000)).unwrap();
    let quarantined = vec![Effect::Answer(6, Verdict::Fault(Fault::Trap)), Effect::Kill, Effect::Quarantine(Failure::Fault(Fault::Trap))];
    assert_eq!(life.broke(at(110), Fault::Trap), Some(quarantined));
}

#[test]
fn a_call_past_its_deadline_is_killed_and_one_that_waited_until_then_never_ran() {
    let mut life = idle();
    life.submit(at(100), 2, at(5_000)).unwrap();
    life.submit(at(100), 3, at(4_000)).unwrap();
    assert_eq!(life.due(), Some(at(4_000)));
    assert_eq!(life.tick(at(4_000)), [Effect::Answer(3, Verdict::Busy)]);
    assert_eq!(life.tick(at(5_000)), [Effect::Kill, Effect::Answer(2, Verdict::TimedOut)]);
}

#[test]
fn a_stop_kills_the_call_that_runs_and_is_no_failure() {
    let mut life = idle();
    life.submit(at(100), 2, at(60_000)).unwrap();
    life.submit(at(100), 3, at(60_000)).unwrap();
    life.submit(at(100), 4, at(60_000)).unwrap();
    assert_eq!(life.cancel(at(110), 3), []);
    assert_eq!(life.cancel(at(120), 2), [Effect::Kill, Effect::Start]);
    assert_eq!(life.failures(), 0);
    assert_eq!(life.ready(at(130)), Some(vec![Effect::Say(4)]));
}

#[test]
fn an_idle_process_is_parked_and_the_next_call_brings_it_back() {
    let mut life = idle();
    assert_eq!(life.due(), Some(at(120_020)));
    assert_eq!(life.tick(at(120_019)), []);
    assert_eq!(life.tick(at(120_020)), [Effect::Kill]);
    assert_eq!((life.name(), life.due(), life.failures()), ("parked", None, 0));
    assert_eq!(life.submit(at(200_000), 2, at(260_000)), Ok(vec![Effect::Start]));
}

#[test]
fn one_that_retires_does_what_it_took_and_one_that_is_revoked_does_not() {
    let mut life = idle();
    life.submit(at(100), 2, at(60_000)).unwrap();
    life.submit(at(100), 3, at(60_000)).unwrap();
    assert_eq!(life.retire(at(110)), []);
    assert_eq!(life.submit(at(110), 4, at(60_000)), Err(NotTaken::Retiring));
    assert_eq!(life.done(at(120)), Some(vec![Effect::Say(3)]));
    assert_eq!(life.done(at(130)), Some(vec![Effect::Kill, Effect::Retired]));

    let mut life = idle();
    life.submit(at(100), 2, at(60_000)).unwrap();
    life.submit(at(100), 3, at(60_000)).unwrap();
    let all = [Effect::Kill, Effect::Answer(2, Verdict::Revoked), Effect::Answer(3, Verdict::Revoked), Effect::Retired];
    assert_eq!(life.revoke(at(110)), all);
}

#[test]
fn without_a_compiled_form_it_is_quarantined_at_once() {
    let mut life = life();
    life.submit(at(0), 1, at(60_000)).unwrap();
    let quarantined = [Effect::Kill, Effect::Answer(1, Verdict::Quarantined), Effect::Quarantine(Failure::NotCompiled)];
    assert_eq!(life.failed(at(1), Failure::NotCompiled), quarantined);
}

#[test]
fn what_does_not_fit_is_given_back() {
    let mut life = Life::new(at(0), &Limits { tool_waiting: 2, ..Limits::default() });
    for call in 1..3 {
        life.submit(at(0), call, at(60_000)).unwrap();
    }
    assert_eq!(life.submit(at(0), 3, at(60_000)), Err(NotTaken::Full));
}

/// What may happen to a tool.
#[derive(Debug, Clone, Copy)]
enum Event {
    Submit(u64),
    Ready,
    Done,
    Broke,
    Failed,
    Cancel(usize),
    Pass(u64),
    Retire,
    Revoke,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        8 => (1_u64..5_000).prop_map(Event::Submit),
        5 => Just(Event::Ready),
        5 => Just(Event::Done),
        2 => Just(Event::Broke),
        2 => Just(Event::Failed),
        2 => (0_usize..8).prop_map(Event::Cancel),
        6 => (1_u64..20_000).prop_map(Event::Pass),
    ];
    let last = prop_oneof![4 => Just(None), 1 => Just(Some(Event::Retire)), 1 => Just(Some(Event::Revoke))];
    (proptest::collection::vec(event, 1..120), last, 0_usize..120).prop_map(|(mut events, last, at)| {
        if let Some(last) = last {
            events.insert(at.min(events.len()), last);
        }
        events
    })
}

/// What was seen of it from outside.
#[derive(Debug, Default)]
struct Outside {
    open: BTreeSet<u64>,
    answered: BTreeMap<u64, u32>,
    said: Vec<u64>,
    process: bool,
    called: Option<u64>,
    quarantined: u32,
    retired: u32,
}

impl Outside {
    fn see(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start => {
                    assert!(!self.process, "two processes");
                    self.process = true;
                }
                Effect::Say(call) => {
                    assert!(self.process && self.called.is_none(), "a process has one call");
                    assert!(self.open.contains(&call), "{call} is over");
                    self.called = Some(call);
                    self.said.push(call);
                }
                Effect::Kill => (self.process, self.called) = (false, None),
                Effect::Answer(call, _) => self.over(call),
                Effect::Quarantine(_) => self.quarantined += 1,
                Effect::Retired => self.retired += 1,
            }
        }
    }

    fn over(&mut self, call: u64) {
        assert!(self.open.remove(&call), "{call} is answered and not open");
        *self.answered.entry(call).or_default() += 1;
        self.called.take_if(|now| *now == call);
    }
}

proptest! {
    #[test]
    fn every_call_is_answered_once_in_order_and_one_process_does_one_call(events in events()) {
        let limits = Limits { tool_waiting: 6, tool_failures: 4, ..Limits::default() };
        let (mut life, mut outside, mut now, mut last) = (Life::new(at(0), &limits), Outside::default(), 0, 0);
        for event in events {
            match event {
                Event::Submit(span) => {
                    last += 1;
                    if let Ok(effects) = life.submit(at(now), last, at(now + span)) {
                        outside.open.insert(last);
                        outside.see(effects);
                    }
                }
                Event::Ready => outside.see(life.ready(at(now)).unwrap_or_default()),
                Event::Done => {
                    if let Some(call) = life.running() {
                        outside.over(call);
                        outside.see(life.done(at(now)).unwrap());
                    } else {
                        prop_assert_eq!(life.done(at(now)), None);
                    }
                }
                Event::Broke => outside.see(life.broke(at(now), Fault::Trap).unwrap_or_default()),
                Event::Failed => outside.see(life.failed(at(now), Failure::Gone)),
                Event::Cancel(n) => {
                    let call = outside.open.iter().nth(n).copied();
                    if let Some(call) = call {
                        outside.over(call);
                        outside.see(life.cancel(at(now), call));
                    }
                }
                Event::Pass(ms) => now += ms,
                Event::Retire => outside.see(life.retire(at(now))),
                Event::Revoke => outside.see(life.revoke(at(now))),
            }
            outside.see(life.tick(at(now)));
            prop_assert!(life.due().is_none_or(|due| due > at(now)), "something is due and not done");
            prop_assert_eq!(life.running().is_some(), outside.called.is_some());
        }
        // Time passes, and the process does nothing more.
        while let Some(due) = life.due() {
            outside.see(life.tick(due));
        }
        prop_assert!(outside.open.is_empty(), "never answered: {:?}", outside.open);
        prop_assert!(outside.answered.values().all(|count| *count == 1));
        prop_assert!(outside.said.is_sorted(), "{:?}", outside.said);
        prop_assert!(!outside.process && outside.quarantined <= 1 && outside.retired <= 1);
    }
}
