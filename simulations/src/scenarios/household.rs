//! Four members, sometimes a guest: they chat, set reminders, stop turns, reconnect, say things again, and flood.

use hearth_domain::chance::Seed;

use crate::plan::Plan;
use crate::plants::Plant;

/// The plan of a seed.
#[must_use]
pub fn plan(number: u64, seed: &Seed, plant: Option<Plant>) -> Plan {
    Plan::draw(number, &seed.child("household"), plant)
}
