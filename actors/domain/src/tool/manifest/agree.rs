//! Whether a component says of itself what its manifest says.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Declared, Manifest};
use crate::error::{Class, Classified};
use crate::sandbox::Operation;

/// Where component and manifest differ. Names are the manifest's, which is checked; of the component's own words nothing is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// The manifest has an operation that the component does not have.
    #[error("the manifest declares the operation `{0}`, which the component does not have")]
    Missing(String),
    /// The component has operations that the manifest does not have.
    #[error("the component has {0} operations, the manifest declares {1}: both have to name the same ones")]
    Count(usize, usize),
    /// The component says something twice.
    #[error("the component describes the operation `{0}`, or something of it, twice")]
    Twice(String),
    /// The description.
    #[error("component and manifest describe the operation `{0}` differently")]
    Description(String),
    /// The schema.
    #[error("component and manifest have different schemas for the operation `{0}`")]
    Parameters(String),
    /// The effect.
    #[error("component and manifest declare different effects for the operation `{0}`")]
    Effect(String),
    /// Whether it may be repeated.
    #[error("component and manifest differ on whether the operation `{0}` is idempotent")]
    Idempotent(String),
    /// The roles of arguments.
    #[error("component and manifest annotate the arguments of the operation `{0}` differently")]
    Arguments(String),
    /// The trust of fields.
    #[error("component and manifest annotate the result of the operation `{0}` differently")]
    Fields(String),
}

impl Classified for Disagreement {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

impl Manifest {
    /// Whether these are the operations that it declares, in any order.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn agrees(&self, operations: &[Operation]) -> Result<(), Disagreement> {
        for declared in &self.operations {
            let mut said = operations.iter().filter(|operation| operation.name == declared.name);
            match (said.next(), said.next()) {
                (None, _) => return Err(Disagreement::Missing(declared.name.clone())),
                (Some(said), None) => compare(declared, said)?,
                (Some(_), Some(_)) => return Err(Disagreement::Twice(declared.name.clone())),
            }
        }
        if operations.len() == self.operations.len() { Ok(()) } else { Err(Disagreement::Count(operations.len(), self.operations.len())) }
    }
}

/// Makes a disagreement about the operation of that name.
type Differs = fn(String) -> Disagreement;

fn compare(declared: &Declared, said: &Operation) -> Result<(), Disagreement> {
    let arguments: BTreeMap<_, _> = said.arguments.iter().cloned().collect();
    let fields: BTreeMap<_, _> = said.fields.iter().cloned().collect();
    let once = arguments.len() == said.arguments.len() && fields.len() == said.fields.len();
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    let schema =
        declared.parameters == said.parameters || read(&declared.parameters).is_some_and(|schema| Some(schema) == read(&said.parameters));
    let table: [(bool, Differs); 7] = [
        (once, Disagreement::Twice),
        (declared.description == said.description, Disagreement::Description),
        (schema, Disagreement::Parameters),
        (declared.effect == said.effect, Disagreement::Effect),
        (declared.idempotent == said.idempotent, Disagreement::Idempotent),
        (declared.arguments == arguments, Disagreement::Arguments),
        (declared.fields == fields, Disagreement::Fields),
    ];
    let differs = table.iter().find(|(same, _)| !same);
    differs.map_or(Ok(()), |(_, disagreement)| Err(disagreement(declared.name.clone())))
}
