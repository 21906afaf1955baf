//! What a tool declares: what it is called, what it wants of the house, and what it can do.
//!
//! A manifest comes with the tool and is written by its author: a request, never a right. [`Manifest::check`] says whether it is sound,
//! [`Manifest::agrees`] whether the component says the same of itself; what an adult granted of it is a [`super::grant::Grant`].
//!
//! ```text
//! manifest.toml ─▶ Manifest ─▶ check ─▶ (component's describe) agrees ─▶ ask ─▶ an adult ─▶ Grant
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::name::{ToolName, Version};
use super::reach::Rule;
use super::request::SAFE_METHODS;
use super::{Annotations, Effect, ToolSpec};
use crate::journal::Digest;
use crate::sandbox::{Operation, Role, SandboxLimits, Trust};

mod agree;
mod check;

pub use agree::Disagreement;
pub use check::{ManifestError, Problem, is_invisible};

/// Longest title and author, in bytes.
pub const TITLE_MAX: usize = 64;
/// Longest description, of a tool or of an operation, in bytes.
pub const DESCRIPTION_MAX: usize = 400;
/// Longest purpose of a slot or place, in bytes.
pub const PURPOSE_MAX: usize = 200;
/// Most rules.
pub const RULES_MAX: usize = 64;
/// Most secret slots, and most places.
pub const SLOTS_MAX: usize = 8;
/// Most operations.
pub const OPERATIONS_MAX: usize = 32;
/// Most annotated arguments, and most annotated fields, of one operation.
pub const ANNOTATIONS_MAX: usize = 64;
/// Longest JSON pointer, in bytes.
pub const POINTER_MAX: usize = 200;
/// Largest schema of an operation's arguments, in bytes.
pub const SCHEMA_MAX: usize = 16 * 1024;
/// Deepest schema, in arrays and objects within one another.
pub const SCHEMA_DEPTH_MAX: usize = 32;
/// Largest key-value quota, in bytes.
pub const KEYVALUE_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The most that any tool may use, whatever an adult says.
#[must_use]
pub const fn limits_max() -> SandboxLimits {
    SandboxLimits {
        memory_bytes: 512 * 1024 * 1024,
        table_elements: 200_000,
        fuel: 100_000_000_000,
        compute: std::time::Duration::from_secs(120),
        // A result stands in one message, escaped or in base64.
        result_bytes: 2 * 1024 * 1024,
        host_calls: 10_000,
        log_bytes: 1024 * 1024,
        resources: 64,
    }
}

/// What a tool declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `namespace/name`.
    pub name: ToolName,
    /// `major.minor.patch`.
    pub version: Version,
    /// For people, one line.
    pub title: String,
    /// Who made it, one line. Anybody can write anything here: who signed it is known by the key.
    pub author: String,
    /// What it is for, one line.
    pub description: String,
    /// What it wants of the house.
    #[serde(default)]
    pub wants: Wants,
    /// What a process of it may use.
    #[serde(default)]
    pub limits: SandboxLimits,
    /// What it can do.
    pub operations: Vec<Declared>,
}

/// What a tool wants of the house.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wants {
    /// Where it wants to send requests.
    pub http: Vec<Rule>,
    /// Bytes that it wants to keep for each member; 0 for none.
    pub keyvalue_bytes: u64,
    /// Whether it wants to search what the house remembers, as far as the member of the call may know it.
    pub memory: bool,
    /// Hosts that the adult names, by the place that stands for them in `http`.
    pub places: BTreeMap<String, WantedPlace>,
    /// Secrets that stand in its requests, by the slot under which it asks for them.
    pub secrets: BTreeMap<String, WantedSecret>,
}

/// A host that the adult names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedPlace {
    /// Which host it is, in a few words: `your CalDAV server`.
    pub purpose: String,
}

/// A secret that the adult names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedSecret {
    /// What it is for, in a few words: `the password of your calendar`.
    pub purpose: String,
    /// The well-known service whose key this is, as the vault calls it.
    #[serde(default)]
    pub service: Option<String>,
}

/// One thing that the tool can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// Its name, unique in the tool.
    pub name: String,
    /// For the model, one line.
    pub description: String,
    /// JSON Schema (2020-12) of the arguments, an object, as text.
    pub parameters: String,
    /// What it does to the world.
    pub effect: Effect,
    /// Whether a call of unknown outcome may be made again under the same key.
    #[serde(default)]
    pub idempotent: bool,
    /// What arguments are for, by their JSON pointer (RFC 6901; `*` for every element).
    #[serde(default)]
    pub arguments: BTreeMap<String, Role>,
    /// How far fields of the result are trusted, by their JSON pointer. What is not named is written by somebody outside.
    #[serde(default)]
    pub fields: BTreeMap<String, Trust>,
}

impl Manifest {
    /// The operation of that name.
    #[must_use]
    pub fn operation(&self, name: &str) -> Option<&Declared> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// What the model can call, in the order of the names: the same list for the same manifest. None for an operation whose schema is
    /// no JSON; [`Manifest::check`] lets none of those through.
    #[must_use]
    pub fn specs(&self) -> Vec<ToolSpec> {
        let spec = |operation: &Declared| {
            Some(ToolSpec {
                name: self.name.function(&operation.name),
                description: operation.description.clone(),
                parameters: serde_json::from_str(&operation.parameters).ok()?,
                effect: operation.effect,
                idempotent: operation.idempotent,
                annotations: Annotations {
                    tool: self.name.to_string(),
                    release: Digest::ZERO,
                    arguments: operation.arguments.clone(),
                    fields: operation.fields.clone(),
                },
            })
        };
        let mut specs: Vec<_> = self.operations.iter().filter_map(spec).collect();
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        specs
    }
}

impl From<&Operation> for Declared {
    /// What a component says of itself, in the form of a manifest. Of two annotations of the same thing the last counts:
    /// [`Manifest::agrees`] refuses such.
    fn from(operation: &Operation) -> Self {
        Self {
            name: operation.name.clone(),
            description: operation.description.clone(),
            parameters: operation.parameters.clone(),
            effect: operation.effect,
            idempotent: operation.idempotent,
            arguments: operation.arguments.iter().cloned().collect(),
            fields: operation.fields.iter().cloned().collect(),
        }
    }
}

/// Whether a method asks and changes nothing.
#[must_use]
pub fn is_safe(method: &str) -> bool {
    SAFE_METHODS.contains(&method)
}

/// What a request with this method is, in an operation that was declared so: a method that is not safe sends something out of the house,
/// whatever was declared.
#[must_use]
pub fn effect_of(method: &str, declared: Effect) -> Effect {
    if is_safe(method) { declared } else { declared.max(Effect::ExternalSend) }
}

/// Whether an operation that was declared so may make a request with this method.
#[must_use]
pub fn effect_allows(declared: Effect, method: &str) -> bool {
    effect_of(method, declared) == declared
}

#[cfg(test)]
pub(super) mod tests;
