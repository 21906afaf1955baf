//! Owner, adult, teen, child and guest, with tools whose results give orders, models that obey them (WC1) or are hostile from the first word
//! (WC3), people who answer what they are asked, and strangers at the door.

use hearth_domain::chance::Seed;
use hearth_domain::household::{Member, Role};

use crate::plan::{Behaviour, HostileMix, Plan};
use crate::plants::Plant;
use crate::seed::Draw;

/// The plan of a seed.
#[must_use]
pub fn plan(number: u64, seed: &Seed, plant: Option<Plant>) -> Plan {
    let seed = seed.child("hostile");
    let mut plan = Plan::draw(number, &seed, plant);
    if plan.members.iter().all(|member| member.role != Role::Guest) {
        let zone = plan.members.first().map_or_else(|| "UTC".to_owned(), |first| first.zone.clone());
        plan.members.push(Member { id: Member::id_of("Guy"), name: "Guy".to_owned(), role: Role::Guest, zone });
    }
    if plant.is_some() {
        return plan;
    }
    let mut draw = Draw::of(&seed, "hostile only");
    // In some houses models obey, in some they are hostile, in some both.
    let kind = draw.number(0, 2);
    let some = |wanted: bool, weight: u32| if wanted { weight } else { 0 };
    plan.model.weights = vec![
        (Behaviour::Ideal, 30),
        (Behaviour::Obey, some(kind != 1, 30)),
        (Behaviour::Evil, some(kind != 0, 30)),
        (Behaviour::TellAll, 8),
        (Behaviour::HouseTools, 8),
        (Behaviour::Hostile, 2),
    ];
    plan.model.models = plan.model.models.max(1);
    plan.hostile = HostileMix {
        tools: true,
        answers: u32::try_from(draw.number(0, 3_000)).unwrap_or(0),
        strangers: u32::try_from(draw.number(0, 1_500)).unwrap_or(0),
    };
    plan
}
