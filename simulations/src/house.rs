//! One life of the house: the product's own wiring over the doubles.

use std::sync::{Arc, LazyLock};

use hearth_actors::ports::{House, Ports};
use hearth_domain::budget::Settings;
use hearth_domain::house::provider::{NoModel, Place};
use hearth_domain::meter::NoMeter;
use hearth_domain::model::Model;
use hearth_domain::store::Store;
use hearth_domain::vault::NoVault;
use hearth_rules::rules::Rules;
use hearth_supervisor::tree::{Event, Observer};
use hearth_supervisor::wires::Wires;

use crate::checkers::Seen;
use crate::doubles::channels::SimChannel;
use crate::doubles::http::SimHttp;
use crate::doubles::ids::SimIds;
use crate::doubles::models::{HouseModel, SimModel};
use crate::doubles::sandboxes::SimSandboxes;
use crate::doubles::store::SimStore;
use crate::doubles::tools::SimTools;
use crate::doubles::vault::SimVault;
use crate::faults::wires::SimWires;
use crate::plants::Plant;
use crate::seed::Draw;
use crate::world::World;

/// The ports of one life.
#[must_use]
pub fn ports(world: &Arc<World>, store: &Arc<SimStore>, life: usize) -> Ports {
    let draw = Draw::of(&world.seed.child("ids"), &life.to_string());
    let repeats = world.plan.plant == Some(Plant::RepeatIds);
    Ports {
        store: Arc::clone(store) as Arc<dyn Store>,
        clock: world.clock.clone(),
        ids: Arc::new(SimIds::new(draw, repeats)),
        models: models(world, life),
        tools: Arc::new(SimTools::new(world, life)),
        vault: Arc::new(SimVault::new(world, life)),
        egress: Arc::new(NoVault),
        http: Arc::new(SimHttp::new(world, life)),
        sandboxes: Arc::new(SimSandboxes::new(world, life)),
        channels: SimChannel::all(world, life),
        meter: Arc::new(NoMeter),
        seed: world.seed.child("house").child(&life.to_string()),
        wires: Wires::intercepted(Arc::new(SimWires::new(world, life))),
    }
}

fn models(world: &Arc<World>, life: usize) -> Vec<Arc<dyn Model>> {
    let mix = &world.plan.model;
    let mut models: Vec<Arc<dyn Model>> = Vec::new();
    if mix.house_first {
        models.push(Arc::new(HouseModel(Place::First)));
    }
    for name in ["alpha", "beta"].iter().take(mix.models) {
        models.push(Arc::new(SimModel::new(world, name, life)));
    }
    let reason = if mix.models == 0 { NoModel::NotConfigured } else { NoModel::AllDown };
    models.push(Arc::new(HouseModel(Place::Last(reason))));
    models
}

/// The rules with which a house comes, read once for all lives.
#[expect(clippy::panic, reason = "they come with the house; its own tests read them")]
static RULES: LazyLock<Arc<Rules>> =
    LazyLock::new(|| Arc::new(Rules::new(Rules::DEFAULTS, "").unwrap_or_else(|error| panic!("the rules of the house: {error}"))));

/// What the configuration says.
#[must_use]
pub fn house(world: &World) -> House {
    let (members, limits) = (world.plan.members.clone(), world.plan.limits.clone());
    House { name: "the Simulated".to_owned(), members, limits, rules: Arc::clone(&RULES), budgets: Settings::default() }
}

/// Writes the tree's events into the world.
#[derive(Debug)]
pub struct Watcher(pub Arc<World>);

impl Observer for Watcher {
    fn on_event(&self, event: &Event) {
        self.0.note(format!("tree: {} {:?}", event.path, event.kind));
        self.0.observe(&Seen::Tree(event));
    }
}
