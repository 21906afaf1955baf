//! A trial: the calls of `calls.toml`, made in a real sandbox whose house plays back `recorded/*.http`.
//!
//! ```toml
//! [[call]]
//! operation = "define"
//! arguments = { word = "hearth" }
//! expect = { "/word" = "hearth" }      # by JSON pointer; "" is the whole answer
//!
//! [[call]]
//! operation = "define"
//! arguments = { word = "xyzzy" }
//! refused = "not_found"                # the tool's own no
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use hearth_domain::sandbox::{CompileError, Fault, Outcome, Part, SandboxError, Sandboxes, ToolRefusalKind};
use hearth_domain::tool::manifest::Manifest;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::recorded::{House, HouseError};

/// The file of the calls.
pub const CALLS: &str = "calls.toml";

/// Why there is no trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The calls cannot be read.
    #[error("{0} cannot be read; it says which calls are made and what must come of them")]
    Read(PathBuf, #[source] io::Error),
    /// The calls are not understood.
    #[error("{0} is not understood")]
    Calls(PathBuf, #[source] Box<toml::de::Error>),
    /// The component is none.
    #[error("no house would take this component")]
    Compile(#[from] CompileError),
    /// No process.
    #[error("the tool's process could not be started")]
    Start(#[from] SandboxError),
    /// The house of the trial.
    #[error(transparent)]
    House(#[from] HouseError),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Calls {
    #[serde(default)]
    call: Vec<Asked>,
}

/// A call, and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    operation: String,
    #[serde(default)]
    arguments: Value,
    #[serde(default)]
    expect: BTreeMap<String, Value>,
    #[serde(default)]
    refused: Option<ToolRefusalKind>,
}

/// What came of one call.
#[derive(Debug)]
pub struct Tried {
    /// The operation and its arguments.
    pub what: String,
    /// What was wrong, a sentence each; empty when it came out as it must.
    pub wrong: Vec<String>,
}

/// Tries the component of a folder. Requests for which nothing is recorded are refused, and said.
///
/// # Errors
/// [`TrialError`].
pub async fn run(folder: &Path, component: Vec<u8>, manifest: &Manifest, sandboxes: &dyn Sandboxes) -> Result<Vec<Tried>, TrialError> {
    let path = folder.join(CALLS);
    let text = fs::read_to_string(&path).map_err(|error| TrialError::Read(path.clone(), error))?;
    let calls: Calls = toml::from_str(&text).map_err(|error| TrialError::Calls(path, Box::new(error)))?;
    let compiled = sandboxes.compile(component).await?;
    let (line, heard) = sandboxes.start("trial", &compiled.digest, manifest.limits).await?;
    let mut house = House::new(line, heard, &folder.join("recorded")).await?;
    let mut tried = Vec::with_capacity(calls.call.len());
    for call in calls.call {
        let arguments = if call.arguments.is_null() { json!({}) } else { call.arguments.clone() };
        let (outcome, mut wrong) = house.call(&call.operation, &arguments.to_string()).await?;
        wrong.extend(call.compared(&outcome));
        tried.push(Tried { what: format!("{} {arguments}", call.operation), wrong });
    }
    Ok(tried)
}

impl Asked {
    /// What is other than it must be.
    fn compared(&self, outcome: &Outcome) -> Vec<String> {
        match (outcome, self.refused) {
            (Outcome::Refused(said), Some(kind)) if said.kind == kind => Vec::new(),
            (Outcome::Refused(said), _) => vec![format!("the tool says no ({:?}): {}", said.kind, said.sentence)],
            (Outcome::Fault(fault), _) => vec![faulty(*fault)],
            (Outcome::Parts(parts), Some(kind)) => vec![format!("a refusal ({kind:?}) must come, and came {}", value(parts))],
            (Outcome::Parts(parts), None) => {
                let value = value(parts);
                let differs = self.expect.iter().filter(|(at, wanted)| value.pointer(at) != Some(*wanted));
                differs
                    .map(|(at, wanted)| format!("at `{at}` must be {wanted}, and is {}", value.pointer(at).unwrap_or(&Value::Null)))
                    .collect()
            }
        }
    }
}

fn faulty(fault: Fault) -> String {
    format!("the call broke: {fault}")
}

/// As a model would get it: one part is the answer itself.
fn value(parts: &[Part]) -> Value {
    let one = |part: &Part| match part {
        Part::Text(text) => json!(text),
        Part::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Part::Blob { media_type, base64 } => json!({ "media_type": media_type, "base64": base64 }),
    };
    match parts {
        [only] => one(only),
        several => several.iter().map(one).collect(),
    }
}
