//! The scenarios: what kind of plan a seed draws. The name on the command line is the file's.

use hearth_domain::chance::Seed;

use crate::plan::Plan;
use crate::plants::Plant;

pub mod channels;
pub mod hostile;
pub mod household;
pub mod sandboxes;
pub mod tools;
pub mod vault;

/// A scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Four members, sometimes a guest, over some hours.
    Household,
    /// A household of five with tools that give orders, models that obey them or are hostile themselves, and strangers at the door.
    Hostile,
    /// The same as the first over other people's platforms as well, private and in rooms.
    Channels,
    /// Many tool calls that fail in every way.
    Tools,
    /// Installed tools whose processes fail in every way.
    Sandboxes,
    /// A vault that dies all the time while its owner enters secrets.
    Vault,
}

impl Scenario {
    /// What this seed draws here.
    #[must_use]
    pub fn plan(self, number: u64, seed: &Seed, plant: Option<Plant>) -> Plan {
        match self {
            Self::Household => household::plan(number, seed, plant),
            Self::Hostile => hostile::plan(number, seed, plant),
            Self::Channels => channels::plan(number, seed, plant),
            Self::Tools => tools::plan(number, seed, plant),
            Self::Sandboxes => sandboxes::plan(number, seed, plant),
            Self::Vault => vault::plan(number, seed, plant),
        }
    }
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Household => "household",
            Self::Hostile => "hostile",
            Self::Channels => "channels",
            Self::Tools => "tools",
            Self::Sandboxes => "sandboxes",
            Self::Vault => "vault",
        })
    }
}
