//! The tools as models see them, shared by whoever must know them: the toolbox changes them, conversations read them at every event.
//!
//! The house's own come first, then those of the port, then installed ones; after them, where one of these can do something that leaves the
//! house, what a planner does with results that it is not shown. A name is never taken from the one that has it.

use std::sync::{Arc, PoisonError, RwLock};

use hearth_domain::flow::tools as flow;
use hearth_domain::tool::ToolSpec;

/// The tools that there are just now. A clone is the same catalog.
#[derive(Debug, Clone)]
pub struct Catalog {
    fixed: Arc<Vec<ToolSpec>>,
    all: Arc<RwLock<Arc<Vec<ToolSpec>>>>,
}

impl Catalog {
    /// A catalog of those that are always there; of two with the same name, the first counts.
    #[must_use]
    pub fn new(fixed: impl IntoIterator<Item = ToolSpec>) -> Self {
        let fixed = Arc::new(added(Vec::new(), fixed));
        Self { all: Arc::new(RwLock::new(Arc::new(offered(fixed.to_vec())))), fixed }
    }

    /// The tools at this moment.
    #[must_use]
    pub fn now(&self) -> Arc<Vec<ToolSpec>> {
        Arc::clone(&self.all.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// These are installed, and no others.
    pub fn install(&self, installed: impl IntoIterator<Item = ToolSpec>) {
        let all = Arc::new(offered(added(self.fixed.to_vec(), installed)));
        *self.all.write().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

/// What is installed cannot take the names of what the conversation does itself.
fn offered(all: Vec<ToolSpec>) -> Vec<ToolSpec> {
    let mut others: Vec<_> = all.into_iter().filter(|spec| !flow::is_own(&spec.name)).collect();
    if flow::are_needed(&others) {
        others.extend(flow::specs());
    }
    others
}

fn added(mut all: Vec<ToolSpec>, more: impl IntoIterator<Item = ToolSpec>) -> Vec<ToolSpec> {
    for spec in more {
        if !all.iter().any(|known| known.name == spec.name) {
            all.push(spec);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use hearth_domain::tool::{Annotations, Effect};
    use serde_json::json;

    use super::*;

    fn spec(name: &str, description: &str) -> ToolSpec {
        let (name, description, annotations) = (name.into(), description.into(), Annotations::default());
        ToolSpec { name, description, parameters: json!({}), effect: Effect::Read, idempotent: true, annotations }
    }

    fn names(catalog: &Catalog) -> Vec<String> {
        catalog.now().iter().map(|spec| format!("{} {}", spec.name, spec.description)).collect()
    }

    #[test]
    fn installed_tools_come_and_go_behind_the_fixed_ones_and_shadow_none() {
        let catalog = Catalog::new([spec("note", "house"), spec("clock", "port"), spec("note", "port")]);
        let other = catalog.clone();
        assert_eq!(names(&catalog), ["note house", "clock port"]);
        catalog.install([spec("a__b__c", "first"), spec("clock", "thief"), spec("a__b__c", "second")]);
        assert_eq!(names(&other), ["note house", "clock port", "a__b__c first"]);
        catalog.install([]);
        assert_eq!(names(&other), ["note house", "clock port"]);
    }
}
