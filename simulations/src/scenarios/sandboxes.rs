//! Installed tools whose processes fail in every way, while they are called, stopped, updated and revoked all the time.

use hearth_domain::chance::Seed;
use hearth_domain::limits::Limits;

use crate::plan::{Behaviour, HouseMix, Plan, SandboxMix, StoreMix, WireMix};
use crate::plants::Plant;
use crate::seed::Draw;

/// The plan of a seed.
#[must_use]
pub fn plan(number: u64, seed: &Seed, plant: Option<Plant>) -> Plan {
    let seed = seed.child("sandboxes");
    let mut plan = Plan::draw(number, &seed, plant);
    if plant.is_some() {
        return plan;
    }
    let mut draw = Draw::of(&seed, "sandboxes only");
    plan.storm = draw.millis(600_000, 1_800_000);
    plan.people.acts = plan.people.acts.min(8);
    plan.model.models = plan.model.models.max(1);
    plan.model.weights = vec![(Behaviour::Answer, 30), (Behaviour::Installed, 60), (Behaviour::HouseTools, 10)];
    plan.sandboxes = SandboxMix {
        tools: draw.size(1, 4),
        callers: draw.size(1, 6),
        pause_ms: draw.number(10, 20_000),
        change_ms: draw.number(5_000, 120_000),
        trouble: u32::try_from(draw.number(0, 5_000)).unwrap_or(0),
        slow: u32::try_from(draw.number(0, 2_000)).unwrap_or(0),
        start: if draw.coin() { u32::try_from(draw.number(1, 2_000)).unwrap_or(0) } else { 0 },
        stop: u32::try_from(draw.number(0, 3_000)).unwrap_or(0),
    };
    plan.limits = Limits {
        tool_waiting: draw.size(1, 16),
        tool_start: draw.millis(200, 10_000),
        tool_park_after: draw.millis(500, 120_000),
        tool_failures: draw.size(2, 8),
        tool_window: draw.millis(5_000, 120_000),
        ..plan.limits
    };
    // In half of all seeds nothing fails but tools: then every word of the house about a call is certain.
    if draw.coin() {
        (plan.wires, plan.store, plan.house) = (WireMix::default(), StoreMix::default(), HouseMix::default());
        plan.tools.crash = 0;
    }
    plan
}
