//! The rules against a small model of OTP, over random trees, exits and interleavings.
//!
//! `World` plays the shell for a tree of [`Rules`]: it carries out decisions and keeps what runs. Two kinds of property:
//! - at rest, each exit gives exactly the stops and starts that the model (written from OTP's documentation, recursive,
//!   without states in between) predicts, level by level up to the end of the tree;
//! - under any interleaving of exits, slow starts and slow stops, named invariants hold after every event.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proptest::prelude::{Just, ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Generate;
use tokio::time::Instant;

use super::*;

const PERIOD: Duration = Duration::from_secs(10);

// === a tree, as drawn ===

#[derive(Clone, Debug)]
struct Plan {
    strategy: Strategy,
    max_restarts: u32,
    children: Vec<(Restart, Option<Plan>)>,
}

fn restarts() -> impl Generate<Value = Restart> {
    prop_oneof![3 => Just(Restart::Permanent), 2 => Just(Restart::Transient), 1 => Just(Restart::Temporary)]
}

fn plans(restarts_below: u32) -> impl Generate<Value = Plan> {
    let strategies = || prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)];
    let leaf = (strategies(), 0..restarts_below, prop::collection::vec(restarts().prop_map(|restart| (restart, None)), 1..5))
        .prop_map(|(strategy, max_restarts, children)| Plan { strategy, max_restarts, children });
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let child = prop_oneof![
            2 => restarts().prop_map(|restart| (restart, None)),
            1 => (restarts(), inner.prop_map(Some)),
        ];
        (strategies(), 0..restarts_below, prop::collection::vec(child, 1..5)).prop_map(|(strategy, max_restarts, children)| Plan {
            strategy,
            max_restarts,
            children,
        })
    })
}

fn new_rules(plan: &Plan) -> Rules {
    let intensity = Intensity { max_restarts: plan.max_restarts, period: PERIOD };
    Rules::new(plan.strategy, intensity, Backoff::NONE, backoff::stream(1, "test", 1))
}

fn crash() -> ExitReason {
    ExitReason::Panicked { message: String::new(), place: crate::exit::Place::Future }
}

type Path = Vec<usize>;

/// What can be observed of a tree: leaves only, because supervisors have no work of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    Start(Path),
    Stop(Path),
}

// === the model ===

/// A supervisor at rest: for each child whether it runs, is parked, or is gone from the list.
struct Model {
    plan: Plan,
    slots: Vec<Slot>,
    restarts: Vec<Instant>,
}

enum Slot {
    Up(Option<Model>),
    Parked,
    Gone,
}

impl Model {
    fn start(plan: &Plan, path: &Path, acts: &mut Vec<Act>) -> Self {
        let mut model = Self { plan: plan.clone(), slots: Vec::new(), restarts: Vec::new() };
        for index in 0..plan.children.len() {
            model.slots.push(Slot::Gone);
            model.start_child(index, path, acts);
        }
        model
    }

    fn start_child(&mut self, index: usize, path: &Path, acts: &mut Vec<Act>) {
        let path = below(path, index);
        self.slots[index] = Slot::Up(match &self.plan.children[index].1 {
            Some(plan) => Some(Self::start(plan, &path, acts)),
            None => {
                acts.push(Act::Start(path));
                None
            }
        });
    }

    fn stop_child(&mut self, index: usize, path: &Path, acts: &mut Vec<Act>) {
        let path = below(path, index);
        match &mut self.slots[index] {
            Slot::Up(Some(model)) => model.stop(&path, acts),
            Slot::Up(None) => acts.push(Act::Stop(path)),
            Slot::Parked | Slot::Gone => {}
        }
    }

    fn stop(&mut self, path: &Path, acts: &mut Vec<Act>) {
        for index in (0..self.slots.len()).rev() {
            self.stop_child(index, path, acts);
        }
    }

    /// False when this supervisor gave up.
    fn on_exit(&mut self, now: Instant, target: &[usize], normal: bool, path: &Path, acts: &mut Vec<Act>) -> bool {
        let (index, rest) = (target[0], &target[1..]);
        if let Slot::Up(Some(inner)) = &mut self.slots[index]
            && !rest.is_empty()
            && inner.on_exit(now, rest, normal, &below(path, index), acts)
        {
            return true;
        }
        let normal = normal && rest.is_empty();
        self.slots[index] = Slot::Parked;
        match self.plan.children[index].0 {
            Restart::Temporary => {
                self.slots[index] = Slot::Gone;
                return true;
            }
            Restart::Transient if normal => return true,
            Restart::Transient | Restart::Permanent => {}
        }
        self.restarts.retain(|at| now - *at <= PERIOD);
        self.restarts.push(now);
        if self.restarts.len() > self.plan.max_restarts as usize {
            self.stop(path, acts);
            return false;
        }
        let concerned = match self.plan.strategy {
            Strategy::OneForOne => index..index + 1,
            Strategy::RestForOne => index..self.slots.len(),
            Strategy::OneForAll => 0..self.slots.len(),
        };
        for other in concerned.clone().rev().filter(|other| *other != index) {
            self.stop_child(other, path, acts);
            if self.plan.children[other].0 == Restart::Temporary {
                self.slots[other] = Slot::Gone;
            }
        }
        for other in concerned {
            if !matches!(self.slots[other], Slot::Gone) {
                self.start_child(other, path, acts);
            }
        }
        true
    }

    fn leaves(&self, path: &Path, into: &mut Vec<Path>) {
        for (index, slot) in self.slots.iter().enumerate() {
            match slot {
                Slot::Up(Some(model)) => model.leaves(&below(path, index), into),
                Slot::Up(None) => into.push(below(path, index)),
                Slot::Parked | Slot::Gone => {}
            }
        }
    }
}

fn below(path: &Path, index: usize) -> Path {
    let mut path = path.clone();
    path.push(index);
    path
}

// === the world ===

/// What waits to be told to a supervisor.
#[derive(Clone, Debug)]
enum Pending {
    Ready(Path, ChildKey),
    Exit(Path, ChildKey, ExitReason),
}

/// A tree of rules, with everything a child does being an event that can come later.
struct World {
    plan: Plan,
    rules: BTreeMap<Path, Rules>,
    /// Leaves that have been started and have not ended.
    live: BTreeMap<Path, Leaf>,
    pending: VecDeque<Pending>,
    acts: Vec<Act>,
    granted: BTreeMap<Path, Vec<Instant>>,
    end: Option<End>,
    now: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Leaf {
    Starting,
    Running,
    Stopping,
}

impl World {
    fn start(plan: &Plan) -> Self {
        let mut world = Self {
            plan: plan.clone(),
            rules: BTreeMap::new(),
            live: BTreeMap::new(),
            pending: VecDeque::new(),
            acts: Vec::new(),
            granted: BTreeMap::new(),
            end: None,
            now: Instant::now(),
        };
        world.open(&Vec::new());
        world
    }

    fn plan_of(&self, path: &Path) -> Option<&Plan> {
        path.iter().try_fold(&self.plan, |plan, index| plan.children[*index].1.as_ref())
    }

    fn open(&mut self, path: &Path) {
        let plan = self.plan_of(path).unwrap().clone();
        let mut rules = new_rules(&plan);
        for (restart, _) in &plan.children {
            let rule = ChildRule { restart: *restart, shutdown: Shutdown::Infinity, dynamic: false };
            let (_, decisions) = rules.add(self.now, rule).unwrap();
            assert!(decisions.is_empty());
        }
        let decisions = rules.begin(self.now);
        assert!(self.rules.insert(path.clone(), rules).is_none(), "two lives of the supervisor {path:?}");
        self.granted.insert(path.clone(), Vec::new());
        self.carry_out(path, decisions);
    }

    fn carry_out(&mut self, path: &Path, decisions: Decisions) {
        for decision in decisions {
            match decision {
                Decision::Start(key) => {
                    self.a_start_keeps_the_order(path, key);
                    let child = below(path, key.number() as usize);
                    if self.plan_of(&child).is_some() {
                        self.open(&child);
                    } else {
                        self.acts.push(Act::Start(child.clone()));
                        assert!(self.live.insert(child, Leaf::Starting).is_none(), "two lives of one child");
                        self.pending.push_back(Pending::Ready(path.clone(), key));
                    }
                }
                Decision::Stop(key) => {
                    let child = below(path, key.number() as usize);
                    if let Some(rules) = self.rules.get_mut(&child) {
                        let decisions = rules.shutdown(self.now);
                        self.carry_out(&child, decisions);
                    } else if let Some(leaf) = self.live.get_mut(&child) {
                        *leaf = Leaf::Stopping;
                        self.acts.push(Act::Stop(child));
                        self.pending.push_back(Pending::Exit(path.clone(), key, ExitReason::Shutdown));
                    }
                }
                Decision::Pausing { .. } => self.granted.get_mut(path).unwrap().push(self.now),
                Decision::Up => {
                    if let Some((_, parent)) = path.split_last() {
                        let key = ChildKey(*path.last().unwrap() as u64);
                        self.pending.push_back(Pending::Ready(parent.to_vec(), key));
                    }
                }
                Decision::Ended(end) => self.ended(path, end),
                Decision::Kill(_) | Decision::Parked(_) | Decision::Removed(_) | Decision::GivingUp(_) => {}
            }
        }
    }

    fn ended(&mut self, path: &Path, end: End) {
        let below: Vec<_> = self.live.keys().filter(|leaf| leaf.starts_with(path)).collect();
        assert!(below.is_empty(), "{path:?} ended over {below:?}");
        self.rules.remove(path);
        match path.split_last() {
            None => assert!(self.end.replace(end).is_none(), "the tree ended twice"),
            Some((index, parent)) => {
                let reason = match end {
                    End::Shutdown => ExitReason::Shutdown,
                    End::Killed | End::GaveUp { .. } | End::StartFailed { .. } => crash(),
                };
                self.pending.push_back(Pending::Exit(parent.to_vec(), ChildKey(*index as u64), reason));
            }
        }
    }

    /// A leaf ends by itself.
    fn exit(&mut self, leaf: &Path, reason: ExitReason) {
        let (index, parent) = leaf.split_last().unwrap();
        let key = ChildKey(*index as u64);
        self.forget(parent, key);
        self.pending.push_back(Pending::Exit(parent.to_vec(), key, reason));
    }

    /// What a child that has ended would still have said is not said.
    fn forget(&mut self, parent: &[usize], key: ChildKey) {
        self.pending.retain(|pending| match pending {
            Pending::Ready(path, other) | Pending::Exit(path, other, _) => path != parent || *other != key,
        });
    }

    fn step(&mut self, which: usize) -> bool {
        let which = which % self.pending.len().max(1);
        let Some(pending) = self.pending.remove(which) else {
            return false;
        };
        let (path, decisions) = match pending {
            Pending::Ready(path, key) => {
                if let Some(leaf @ Leaf::Starting) = self.live.get_mut(&below(&path, key.number() as usize)) {
                    *leaf = Leaf::Running;
                }
                let decisions = self.rules.get_mut(&path).map(|rules| rules.on_started(self.now, key));
                (path, decisions)
            }
            Pending::Exit(path, key, reason) => {
                self.live.remove(&below(&path, key.number() as usize));
                let decisions = self.rules.get_mut(&path).map(|rules| rules.on_exit(self.now, key, reason));
                (path, decisions)
            }
        };
        self.carry_out(&path, decisions.unwrap_or_default());
        true
    }

    fn settle(&mut self) {
        let mut steps = 0;
        while self.step(0) {
            steps += 1;
            assert!(steps < 10_000, "the tree never comes to rest");
        }
    }

    // === invariants ===

    fn check(&self) {
        self.no_window_grants_more_than_its_intensity();
        self.only_one_child_of_a_supervisor_starts_or_stops_in_a_sweep();
        if self.end.is_some() {
            assert!(self.live.is_empty() && self.rules.is_empty(), "something outlived the tree");
        }
    }

    fn no_window_grants_more_than_its_intensity(&self) {
        for (path, granted) in &self.granted {
            let Some(plan) = self.plan_of(path) else {
                continue;
            };
            for at in granted {
                let within = granted.iter().filter(|other| **other >= *at && **other - *at <= PERIOD).count();
                assert!(within <= plan.max_restarts as usize, "{path:?} granted {within} restarts");
            }
        }
    }

    fn only_one_child_of_a_supervisor_starts_or_stops_in_a_sweep(&self) {
        for (path, rules) in &self.rules {
            let busy = |wanted: Leaf| {
                let children =
                    self.live.iter().filter(|(leaf, state)| leaf.len() == path.len() + 1 && leaf.starts_with(path) && **state == wanted);
                children.count()
            };
            assert!(busy(Leaf::Stopping) <= 1, "{path:?} stops two children at once");
            if rules.strategy != Strategy::OneForOne {
                assert!(busy(Leaf::Starting) <= 1, "{path:?} starts two children at once");
            }
        }
    }

    /// Nothing starts in a supervisor that is ending, and in a sweep nothing starts before what comes earlier.
    fn a_start_keeps_the_order(&self, path: &Path, key: ChildKey) {
        let rules = &self.rules[path];
        assert!(!rules.is_ending(), "{path:?} starts {key:?} although it is ending");
        if rules.strategy == Strategy::OneForOne {
            return;
        }
        for (other, child) in &rules.children {
            let settled = match other.cmp(&key) {
                std::cmp::Ordering::Less => {
                    matches!(child.phase, Phase::Running { .. } | Phase::Parked)
                }
                std::cmp::Ordering::Equal => true,
                std::cmp::Ordering::Greater => !child.phase.is_live(),
            };
            assert!(settled, "{path:?} starts {key:?} while {other:?} is {:?}", child.phase);
        }
    }

    /// At rest: whatever must run runs, unless something above it is parked or gone.
    fn everything_that_must_run_runs(&self) {
        for (path, rules) in &self.rules {
            assert!(matches!(rules.sweep, Sweep::Rest), "{path:?} is not at rest: {:?}", rules.sweep);
            for (key, child) in &rules.children {
                let up = matches!(child.phase, Phase::Running { .. });
                let may_be_down = child.rule.restart == Restart::Transient && child.phase == Phase::Parked;
                assert!(up || may_be_down, "{path:?} {key:?} is {:?}", child.phase);
                let child_path = below(path, key.number() as usize);
                let exists = self.rules.contains_key(&child_path) || self.live.contains_key(&child_path);
                assert_eq!(up, exists, "{child_path:?}");
            }
        }
    }
}

// === properties ===

#[derive(Clone, Debug)]
struct Blow {
    leaf: prop::sample::Index,
    normal: bool,
    seconds_before: u64,
    steps_before: Vec<prop::sample::Index>,
}

fn blows() -> impl Generate<Value = Vec<Blow>> {
    let steps = prop::collection::vec(any::<prop::sample::Index>(), 0..10);
    let blow = (any::<prop::sample::Index>(), any::<bool>(), 0..8_u64, steps);
    let blow = blow.prop_map(|(leaf, normal, seconds_before, steps_before)| Blow { leaf, normal, seconds_before, steps_before });
    prop::collection::vec(blow, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_exit_at_rest_gives_the_stops_and_starts_of_the_model(plan in plans(4), blows in blows()) {
        let root = Vec::new();
        let mut expected = Vec::new();
        let mut model = Model::start(&plan, &root, &mut expected);
        let mut world = World::start(&plan);
        world.settle();
        prop_assert_eq!(std::mem::take(&mut world.acts), std::mem::take(&mut expected));
        for blow in blows {
            world.now += Duration::from_secs(blow.seconds_before);
            let mut leaves = Vec::new();
            model.leaves(&root, &mut leaves);
            prop_assert_eq!(&leaves, &world.live.keys().cloned().collect::<Vec<_>>());
            if leaves.is_empty() {
                break;
            }
            let leaf = blow.leaf.get(&leaves).clone();
            let goes_on = model.on_exit(world.now, &leaf, blow.normal, &root, &mut expected);
            world.exit(&leaf, if blow.normal { ExitReason::Normal } else { crash() });
            world.settle();
            world.check();
            prop_assert_eq!(std::mem::take(&mut world.acts), std::mem::take(&mut expected));
            prop_assert_eq!(world.end.is_none(), goes_on);
            if !goes_on {
                prop_assert!(matches!(world.end, Some(End::GaveUp { .. })), "{:?}", world.end);
                break;
            }
            world.everything_that_must_run_runs();
        }
    }

    #[test]
    fn the_invariants_hold_under_any_interleaving(
        plan in plans(20),
        blows in blows(),
        starts_in_peace in any::<bool>(),
        stop in any::<bool>(),
    ) {
        let mut world = World::start(&plan);
        if starts_in_peace {
            world.settle();
        }
        for blow in blows {
            world.now += Duration::from_secs(blow.seconds_before);
            for step in blow.steps_before {
                if !world.pending.is_empty() {
                    let which = step.index(world.pending.len());
                    world.step(which);
                    world.check();
                }
            }
            // Only leaves that have not yet said that they ended can end.
            let leaves: Vec<Path> = world.live.keys().filter(|leaf| !world.has_said_exit(leaf)).cloned().collect();
            if !leaves.is_empty() {
                let leaf = blow.leaf.get(&leaves).clone();
                world.exit(&leaf, if blow.normal { ExitReason::Normal } else { crash() });
            }
        }
        if stop && let Some(rules) = world.rules.get_mut(&Vec::new()) {
            let decisions = rules.shutdown(world.now);
            world.carry_out(&Vec::new(), decisions);
        }
        world.settle();
        world.check();
        if world.end.is_none() {
            prop_assert!(!stop);
            world.everything_that_must_run_runs();
        }
    }

    #[test]
    fn the_window_admits_what_a_count_over_all_history_admits(
        max_restarts in 0..5_u32,
        gaps in prop::collection::vec(0..15_u64, 1..60),
    ) {
        let mut window = Window::new(Intensity { max_restarts, period: PERIOD });
        let (mut now, mut history) = (Instant::now(), Vec::new());
        for gap in gaps {
            now += Duration::from_secs(gap);
            history.push(now);
            let within = history.iter().filter(|at| now - **at <= PERIOD).count();
            let admitted = window.admit(now);
            prop_assert_eq!(admitted, within <= max_restarts as usize);
            if !admitted {
                break;
            }
        }
    }
}

impl World {
    fn has_said_exit(&self, leaf: &Path) -> bool {
        let (index, parent) = leaf.split_last().unwrap();
        self.pending.iter().any(|pending| matches!(pending, Pending::Exit(path, key, _) if path == parent && key.number() == *index as u64))
    }
}
