//! The rules while children are added, stopped and killed, with back-off and deadlines: one supervisor, any order of
//! events, named invariants after each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::{Just, ProptestConfig, any, prop, prop_oneof, proptest};
use proptest::strategy::Strategy as Generate;
use tokio::time::Instant;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
enum Move {
    Add(Restart, Shutdown),
    StopChild(prop::sample::Index),
    Ready(prop::sample::Index),
    Crash(prop::sample::Index),
    Leave(prop::sample::Index),
    /// A child that was asked to stop, or killed, is gone.
    Gone(prop::sample::Index),
    Wait(u32),
}

fn moves() -> impl Generate<Value = Vec<Move>> {
    let child = any::<prop::sample::Index>;
    let restart = prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)];
    let shutdown =
        prop_oneof![Just(Shutdown::Kill), Just(Shutdown::Infinity), (1..20_u32).prop_map(|seconds| Shutdown::Deadline(seconds * SECOND)),];
    let moves = prop_oneof![
        3 => (restart, shutdown).prop_map(|(restart, shutdown)| Move::Add(restart, shutdown)),
        2 => child().prop_map(Move::StopChild),
        6 => child().prop_map(Move::Ready),
        2 => child().prop_map(Move::Crash),
        1 => child().prop_map(Move::Leave),
        4 => child().prop_map(Move::Gone),
        2 => (0..8_u32).prop_map(Move::Wait),
    ];
    prop::collection::vec(moves, 1..120)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Starting,
    Running,
    Asked { kill_at: Option<Instant> },
    Killed,
}

struct Yard {
    rules: Rules,
    now: Instant,
    live: BTreeMap<ChildKey, Life>,
    listed: BTreeMap<ChildKey, ChildRule>,
    parked: BTreeSet<ChildKey>,
    end: Option<End>,
}

impl Yard {
    fn new(strategy: Strategy) -> Self {
        let intensity = Intensity { max_restarts: 12, period: 30 * SECOND };
        let backoff = Backoff { first: SECOND, max: 4 * SECOND, factor: 2.0, jitter: 0.5 };
        let rules = Rules::new(strategy, intensity, backoff, backoff::stream(1, "yard", 1));
        let (live, listed) = (BTreeMap::new(), BTreeMap::new());
        Self { rules, now: Instant::now(), live, listed, parked: BTreeSet::new(), end: None }
    }

    fn add(&mut self, restart: Restart, shutdown: Shutdown, dynamic: bool) {
        let rule = ChildRule { restart, shutdown, dynamic };
        let ending = self.rules.is_ending();
        match self.rules.add(self.now, rule) {
            Some((key, decisions)) => {
                assert!(!ending);
                self.listed.insert(key, rule);
                self.carry_out(decisions);
            }
            None => assert!(ending),
        }
    }

    fn carry_out(&mut self, decisions: Decisions) {
        for decision in decisions {
            assert!(self.end.is_none(), "{decision:?} after the end");
            match decision {
                Decision::Start(key) => {
                    assert!(self.listed.contains_key(&key), "{key:?} starts and is not in the list");
                    self.parked.remove(&key);
                    assert!(self.live.insert(key, Life::Starting).is_none(), "two lives of {key:?}");
                }
                Decision::Stop(key) => {
                    let kill_at = match self.listed[&key].shutdown {
                        Shutdown::Deadline(limit) => Some(self.now + limit),
                        Shutdown::Infinity => None,
                        Shutdown::Kill => panic!("{key:?} is to be killed and is asked to stop"),
                    };
                    let before = self.live.insert(key, Life::Asked { kill_at });
                    assert!(matches!(before, Some(Life::Starting | Life::Running)), "{key:?} asked while {before:?}");
                }
                Decision::Kill(key) => {
                    let before = self.live.insert(key, Life::Killed);
                    assert!(before.is_some_and(|life| life != Life::Killed), "{key:?} killed while {before:?}");
                }
                Decision::Removed(key) => {
                    assert!(!self.live.contains_key(&key), "{key:?} removed while it lives");
                    assert!(self.listed.remove(&key).is_some());
                }
                // Said again when a parked child is stopped again, so that the second caller has an answer too.
                Decision::Parked(key) => {
                    self.parked.insert(key);
                    assert!(!self.live.contains_key(&key), "{key:?} parked while it lives");
                }
                Decision::Ended(end) => {
                    assert!(self.live.is_empty(), "ended over {:?}", self.live);
                    self.end = Some(end);
                }
                Decision::Pausing { .. } | Decision::Up | Decision::GivingUp(_) => {}
            }
        }
    }

    fn exit(&mut self, key: ChildKey, reason: ExitReason) {
        self.live.remove(&key);
        let decisions = self.rules.on_exit(self.now, key, reason);
        self.carry_out(decisions);
    }

    /// Moves the clock from alarm to alarm.
    fn wait(&mut self, until: Instant) {
        while let Some(alarm) = self.rules.next_alarm().filter(|alarm| *alarm <= until) {
            self.now = self.now.max(alarm);
            let decisions = self.rules.on_timer(self.now);
            self.carry_out(decisions);
            assert_ne!(self.rules.next_alarm(), Some(alarm), "an alarm goes off twice");
        }
        self.now = until;
        for (key, life) in &self.live {
            let late = matches!(life, Life::Asked { kill_at: Some(at) } if *at < self.now);
            assert!(!late, "{key:?} was to be killed and was not");
        }
    }

    fn pick(&self, which: prop::sample::Index, wanted: fn(Life) -> bool) -> Option<ChildKey> {
        let found: Vec<_> = self.live.iter().filter(|(_, life)| wanted(**life)).map(|(key, _)| *key).collect();
        (!found.is_empty()).then(|| *which.get(&found))
    }

    fn play(&mut self, next: Move) {
        let may_act = |life| matches!(life, Life::Starting | Life::Running);
        let crash = ExitReason::Panicked { message: String::new(), place: crate::exit::Place::Future };
        match next {
            Move::Add(restart, shutdown) => self.add(restart, shutdown, true),
            Move::StopChild(which) => {
                let keys: Vec<_> = self.listed.keys().copied().collect();
                if !keys.is_empty() {
                    let decisions = self.rules.stop_child(self.now, *which.get(&keys));
                    self.carry_out(decisions);
                }
            }
            Move::Ready(which) => {
                if let Some(key) = self.pick(which, |life| life == Life::Starting) {
                    self.live.insert(key, Life::Running);
                    let decisions = self.rules.on_started(self.now, key);
                    self.carry_out(decisions);
                }
            }
            Move::Crash(which) => {
                if let Some(key) = self.pick(which, may_act) {
                    self.exit(key, crash);
                }
            }
            Move::Leave(which) => {
                if let Some(key) = self.pick(which, may_act) {
                    self.exit(key, ExitReason::Normal);
                }
            }
            Move::Gone(which) => {
                if let Some(key) = self.pick(which, |life| matches!(life, Life::Asked { .. } | Life::Killed)) {
                    self.exit(key, ExitReason::Shutdown);
                }
            }
            Move::Wait(seconds) => self.wait(self.now + seconds * SECOND),
        }
    }

    /// Everything that can still happen without a failure happens.
    fn come_to_rest(&mut self) {
        for _ in 0..100_000 {
            if self.end.is_some() {
                return;
            }
            if let Some((key, life)) = self.live.iter().find(|(_, life)| **life != Life::Running) {
                let (key, life) = (*key, *life);
                if life == Life::Starting {
                    self.live.insert(key, Life::Running);
                    let decisions = self.rules.on_started(self.now, key);
                    self.carry_out(decisions);
                } else {
                    self.exit(key, ExitReason::Shutdown);
                }
            } else if let Some(alarm) = self.rules.next_alarm() {
                self.wait(alarm.max(self.now));
            } else {
                return;
            }
        }
        panic!("never comes to rest: {:?}", self.rules);
    }

    fn the_list_is_what_runs_or_is_parked(&self) {
        for (key, rule) in &self.listed {
            let parked = self.parked.contains(key) && !rule.dynamic;
            assert!(self.live.contains_key(key) || parked, "{key:?} {rule:?} neither runs nor is parked");
        }
        assert_eq!(self.listed.len(), self.rules.children.len());
        assert!(self.rules.alarms.is_empty(), "alarms are left: {:?}", self.rules.alarms);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn children_that_come_and_go_are_never_doubled_lost_or_left(
        strategy in prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)],
        fixed in 0..4_usize,
        moves in moves(),
        kill in any::<bool>(),
    ) {
        let mut yard = Yard::new(strategy);
        for _ in 0..fixed {
            yard.add(Restart::Permanent, Shutdown::Deadline(5 * SECOND), false);
        }
        let decisions = yard.rules.begin(yard.now);
        yard.carry_out(decisions);
        for next in moves {
            if yard.end.is_none() {
                yard.play(next);
            }
        }
        yard.come_to_rest();
        if yard.end.is_none() {
            yard.the_list_is_what_runs_or_is_parked();
            let decisions = if kill { yard.rules.kill(yard.now) } else { yard.rules.shutdown(yard.now) };
            yard.carry_out(decisions);
            yard.come_to_rest();
            let expected = if kill { End::Killed } else { End::Shutdown };
            assert_eq!(yard.end, Some(expected));
        }
    }
}
