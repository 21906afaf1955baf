//! What a server lists, as operations of a tool, and the manifest that asks an adult for them.
//!
//! Nothing that a server says of its own tools is believed. What the owner says of them in the configuration counts; of the others, each sends
//! something out, none may be repeated, no argument and no field of a result is annotated. Hints such as `readOnlyHint` are not read.

use std::collections::{BTreeMap, BTreeSet};

use hearth_domain::sandbox::{Fault, Operation, SandboxLimits};
use hearth_domain::tool::Effect;
use hearth_domain::tool::manifest::{
    DESCRIPTION_MAX, Declared, Manifest, OPERATIONS_MAX, SCHEMA_DEPTH_MAX, SCHEMA_MAX, Wants, is_invisible, limits_max,
};
use hearth_domain::tool::name::{OPERATION_MAX, Version, is_operation};
use rmcp::model::Tool;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::component;
use crate::config::Said;
use crate::text::one_line;

/// Digits by which a name that was cut is told from others that begin alike.
const SUFFIX: usize = 6;
/// Longest part of a server's own words in the house's log, in bytes.
const LOGGED_BYTES: usize = 60;

/// What a server can do: the operations, and how it calls each of them itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// In the order of their names.
    pub operations: Vec<Operation>,
    /// The server's own name of each operation.
    pub names: BTreeMap<String, String>,
}

/// The operations of what a server lists, of `only` these when that names any. A tool that no operation can stand for is left out and
/// logged, and so is what is more than a tool may have.
///
/// # Errors
/// [`Fault::Malformed`] when two of its tools would be the same operation: one of them would stand in the other's place.
/// [`Fault::Exports`] when nothing is left.
pub fn listed(server: &str, tools: &[Tool], only: &[String], says: &BTreeMap<String, Said>) -> Result<Listed, Fault> {
    let wanted = |tool: &&Tool| only.is_empty() || only.iter().any(|name| *name == tool.name);
    let mut seen = BTreeSet::new();
    let mut listed = Listed::default();
    for tool in tools.iter().filter(wanted) {
        let name = operation_name(&tool.name);
        if !seen.insert(name.clone()) {
            tracing::warn!(target: "hearth::tools", server, operation = name, "an MCP server has two tools of one name and is not used");
            return Err(Fault::Malformed);
        }
        match operation(&name, tool, says.get(&*tool.name)) {
            Ok(_) if listed.operations.len() >= OPERATIONS_MAX => left_out(server, tool, "there are more than a tool may have"),
            Ok(operation) => {
                listed.operations.push(operation);
                listed.names.insert(name, tool.name.to_string());
            }
            Err(why) => left_out(server, tool, why),
        }
    }
    for said in says.keys().filter(|said| !listed.names.values().any(|name| name == *said)) {
        tracing::warn!(target: "hearth::tools", server, tool = %said, "the configuration speaks of a tool that the MCP server does not list");
    }
    listed.operations.sort_by(|a, b| a.name.cmp(&b.name));
    if listed.operations.is_empty() { Err(Fault::Exports) } else { Ok(listed) }
}

fn left_out(server: &str, tool: &Tool, why: &str) {
    let tool = one_line(&tool.name, LOGGED_BYTES);
    tracing::warn!(target: "hearth::tools", server, tool, why, "a tool of an MCP server is left out");
}

fn operation(name: &str, tool: &Tool, said: Option<&Said>) -> Result<Operation, &'static str> {
    let schema = Value::Object((*tool.input_schema).clone());
    if schema.get("type").is_none_or(|of| of != "object") {
        return Err("its arguments are no object");
    }
    if depth(&schema) > SCHEMA_DEPTH_MAX {
        return Err("its schema is nested too deeply");
    }
    let parameters = schema.to_string();
    if parameters.len() > SCHEMA_MAX {
        return Err("its schema is too large");
    }
    if parameters.chars().any(is_invisible) {
        return Err("its schema holds invisible letters");
    }
    Ok(Operation {
        name: name.to_owned(),
        description: description(tool),
        parameters,
        effect: said.map_or(Effect::ExternalSend, |said| said.effect),
        idempotent: said.is_some_and(|said| said.idempotent),
        arguments: said.into_iter().flat_map(|said| said.arguments.clone()).collect(),
        fields: said.into_iter().flat_map(|said| said.fields.clone()).collect(),
    })
}

fn description(tool: &Tool) -> String {
    let said = [tool.description.as_deref(), tool.title.as_deref(), Some(&*tool.name)];
    let line = said.into_iter().flatten().map(|text| one_line(text, DESCRIPTION_MAX)).find(|line| !line.is_empty());
    line.unwrap_or_else(|| "no description".to_owned())
}

/// What was parsed is at most 128 deep.
fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(values) => values.iter().map(depth).max(),
        Value::Object(values) => values.values().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    inner.unwrap_or_default().saturating_add(1)
}

/// An operation's name for any text: `getTinyImage` is `get_tiny_image`. One that does not say the whole text ends in digits of its digest.
#[must_use]
pub fn operation_name(text: &str) -> String {
    let mut name = String::new();
    let mut whole = true;
    let mut before = None;
    for letter in text.chars() {
        match letter {
            'a'..='z' | '0'..='9' => name.push(letter),
            'A'..='Z' => {
                if before.is_some_and(|before: char| before.is_ascii_lowercase() || before.is_ascii_digit()) {
                    name.push('_');
                }
                name.push(letter.to_ascii_lowercase());
            }
            '_' | '-' | '.' | '/' | ':' | ' ' => {
                if !name.ends_with('_') {
                    name.push('_');
                }
            }
            _ => whole = false,
        }
        before = Some(letter);
    }
    let mut name = name.trim_matches('_').to_owned();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert_str(0, "t_");
    }
    if whole && is_operation(&name) {
        return name;
    }
    let digest = hex::encode(Sha256::digest(text));
    name.truncate(OPERATION_MAX.saturating_sub(SUFFIX).saturating_sub(1));
    let begin = Some(name.trim_matches('_')).filter(|begin| !begin.is_empty()).unwrap_or("tool");
    format!("{begin}_{}", digest.get(..SUFFIX).unwrap_or_default())
}

/// A server of that name cannot be a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no tool can be called after this MCP server; give it another name in the configuration")]
pub struct ManifestNameError;

/// What asks an adult for the operations of the server of that name. `wait` is how long a call may take, in the house's own bounds. The
/// version goes up when the operations have changed.
///
/// # Errors
/// [`ManifestNameError`].
pub fn manifest_of(server: &str, version: Version, operations: &[Operation]) -> Result<Manifest, ManifestNameError> {
    let name = component::tool(server).ok_or(ManifestNameError)?;
    Ok(Manifest {
        name,
        version,
        title: format!("MCP server {server}"),
        author: "the owner's configuration".to_owned(),
        description: format!("What the MCP server `{server}` lists. The words of each operation are that server's own."),
        wants: Wants::default(),
        limits: SandboxLimits { compute: limits_max().compute, ..SandboxLimits::default() },
        operations: operations.iter().map(Declared::from).collect(),
    })
}

#[cfg(test)]
mod tests;
