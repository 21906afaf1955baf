//! A household as in [`super::household`] that reaches the house over other people's platforms as well, in private and in rooms: accounts that
//! nobody knows, who comes and goes, and channels that lose, repeat, delay and go away.
//!
//! Not among the seeds that have to hold yet: in some of them an answer is not said at a channel when the house comes to rest. Whether the
//! house or the simulated platform is at fault is not known. (For one: seed 1.)

use hearth_domain::chance::Seed;

use crate::plan::Plan;
use crate::plan::draws::channels;
use crate::plants::Plant;
use crate::seed::Draw;

/// The plan of a seed.
#[must_use]
pub fn plan(number: u64, seed: &Seed, plant: Option<Plant>) -> Plan {
    let mut plan = super::household::plan(number, seed, plant);
    // A planted defect has channels of its own.
    if plant.is_none() {
        plan.channels = channels(&mut Draw::of(&seed.child("channels"), "channels"), plan.people.acts, plan.people.pause_ms, false);
    }
    plan
}
