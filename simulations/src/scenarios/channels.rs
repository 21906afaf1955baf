//! A household as in [`super::household`] that reaches the house over other people's platforms as well, in private and in rooms: accounts that
//! nobody knows, who comes and goes, and channels that lose, repeat, delay and go away.

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
