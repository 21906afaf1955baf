//! Many tool calls that fail, hang and crash, with kills of the whole house: effects at most once, and told.

use hearth_domain::chance::Seed;

use crate::plan::{Behaviour, Plan};
use crate::plants::Plant;
use crate::seed::Draw;

/// The plan of a seed.
#[must_use]
pub fn plan(number: u64, seed: &Seed, plant: Option<Plant>) -> Plan {
    let seed = seed.child("tools");
    let mut plan = Plan::draw(number, &seed, plant);
    if plant.is_some() {
        return plan;
    }
    let mut draw = Draw::of(&seed, "tools only");
    plan.model.models = plan.model.models.max(1);
    plan.model.weights = vec![(Behaviour::Answer, 20), (Behaviour::CountingTools, 70), (Behaviour::HouseTools, 10)];
    plan.tools.slow = 5_000;
    plan.tools.hang = u32::try_from(draw.number(0, 2_000)).unwrap_or(0);
    plan.tools.crash = u32::try_from(draw.number(0, 1_500)).unwrap_or(0);
    plan
}
