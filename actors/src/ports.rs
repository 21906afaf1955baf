//! What the actors need from outside, and what they are told about the household. The one argument of [`crate::tree::build`].

use std::sync::Arc;

use hearth_domain::budget::Settings;
use hearth_domain::chance::Seed;
use hearth_domain::channel::Transport;
use hearth_domain::household::Member;
use hearth_domain::http::Http;
use hearth_domain::ids::Ids;
use hearth_domain::limits::Limits;
use hearth_domain::meter::Meter;
use hearth_domain::model::Model;
use hearth_domain::sandbox::Sandboxes;
use hearth_domain::store::Store;
use hearth_domain::time::Clock;
use hearth_domain::tool::Tools;
use hearth_domain::vault::VaultProcess;
use hearth_rules::rules::Rules;
use hearth_supervisor::wires::Wires;

/// The ports. Real in the product, doubles in simulation.
#[derive(Clone)]
pub struct Ports {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<dyn Ids>,
    /// Providers in the order in which they are asked; the last one always answers.
    pub models: Vec<Arc<dyn Model>>,
    /// Tools that live outside the tree.
    pub tools: Arc<dyn Tools>,
    /// Makes the processes of the vault.
    pub vault: Arc<dyn VaultProcess>,
    /// Makes the processes of the way out that has no keys.
    pub egress: Arc<dyn VaultProcess>,
    /// Makes requests for tools.
    pub http: Arc<dyn Http>,
    /// Compiles tools and starts their processes.
    pub sandboxes: Arc<dyn Sandboxes>,
    /// Ways to other people's platforms, one for each configured channel.
    pub channels: Vec<Arc<dyn Transport>>,
    /// Counts what the house does.
    pub meter: Arc<dyn Meter>,
    /// The root of all chance.
    pub seed: Seed,
    /// Where simulation reaches the links.
    pub wires: Wires,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").field("models", &self.models.len()).finish_non_exhaustive()
    }
}

/// What the configuration says about the household.
#[derive(Debug, Clone)]
pub struct House {
    /// The household's name, as the agent knows it.
    pub name: String,
    /// Everybody who is enrolled; the first is the owner.
    pub members: Vec<Member>,
    /// The bounds.
    pub limits: Limits,
    /// What may be done in it, by whose word.
    pub rules: Arc<Rules>,
    /// What members may use.
    pub budgets: Settings,
}
