//! Faults of the store: busy, full disk, broken off with and without effect, slow.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use hearth_conformance::double::{Operation, Ruling, StoreFaults, Verdict};
use hearth_domain::store::StoreError;

use crate::seed::Draw;
use crate::world::{World, lock};

/// The faults of one world's store, over all lives of the house.
#[derive(Debug)]
pub struct SimStoreFaults {
    world: Weak<World>,
    chance: Mutex<Draw>,
}

impl SimStoreFaults {
    /// This world's faults.
    #[must_use]
    pub fn new(world: &Arc<World>) -> Self {
        Self { world: Arc::downgrade(world), chance: Mutex::new(Draw::of(&world.seed, "store")) }
    }
}

fn error(operation: Operation, draw: &mut Draw) -> StoreError {
    let broken = StoreError::Unavailable("broken off".to_owned());
    match operation {
        Operation::Apply => match draw.number(0, 10) {
            0..=4 => StoreError::Busy,
            5..=6 => StoreError::DiskFull,
            7..=9 => broken,
            _ => StoreError::Refused("a rule".to_owned()),
        },
        Operation::Read | Operation::Open | Operation::Close => broken,
    }
}

impl StoreFaults for SimStoreFaults {
    fn rule(&self, operation: Operation) -> Ruling {
        let Some(world) = self.world.upgrade() else {
            return Ruling::default();
        };
        if world.is_calm() {
            return Ruling { before: Duration::from_millis(1), ..Ruling::default() };
        }
        let (mix, mut draw) = (&world.plan.store, lock(&self.chance));
        let verdict = if draw.happens(mix.fail) {
            Verdict::Fail(error(operation, &mut draw))
        } else if operation == Operation::Apply && draw.happens(mix.fail_after) {
            Verdict::FailAfterApplying(StoreError::Unavailable("broken off late".to_owned()))
        } else {
            Verdict::Proceed
        };
        let time = |draw: &mut Draw| if draw.happens(mix.slow) { draw.millis(1, mix.slow_ms) } else { draw.millis(0, 3) };
        let ruling = Ruling { verdict, before: time(&mut draw), after: time(&mut draw) };
        if !matches!(ruling.verdict, Verdict::Proceed) {
            world.note(format!("store: {operation:?} {:?}", ruling.verdict));
        }
        ruling
    }
}
