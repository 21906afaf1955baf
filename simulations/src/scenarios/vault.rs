//! A vault whose process dies and falls silent all the time, while its owners enter, change and revoke secrets and people say them.

use hearth_domain::chance::Seed;

use crate::plan::{Behaviour, Plan, VaultMix};
use crate::plants::Plant;
use crate::seed::Draw;

/// The plan of a seed.
#[must_use]
pub fn plan(number: u64, seed: &Seed, plant: Option<Plant>) -> Plan {
    let seed = seed.child("vault");
    let mut plan = Plan::draw(number, &seed, plant);
    if plant.is_some() {
        return plan;
    }
    let mut draw = Draw::of(&seed, "vault only");
    plan.model.models = plan.model.models.max(1);
    plan.model.weights = vec![(Behaviour::Answer, 50), (Behaviour::TellAll, 30), (Behaviour::HouseTools, 20)];
    plan.vault = VaultMix {
        secrets: draw.number(1, 12),
        pause_ms: draw.number(500, 20_000),
        die: 9_000,
        silent: 1_000,
        lives_ms: draw.number(1_000, 60_000),
        fail: u32::try_from(draw.number(0, 1_000)).unwrap_or(0),
        said: 4_000,
    };
    plan
}
