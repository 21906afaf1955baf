//! What the house refuses in a tool's description, said to its author before.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Operation, Tool};

/// The most operations.
const OPERATIONS: usize = 32;
/// The longest name, in bytes.
const NAME_BYTES: usize = 24;
/// The longest description, in bytes.
const DESCRIPTION_BYTES: usize = 400;
/// The largest schema, in bytes.
const SCHEMA_BYTES: usize = 16 * 1_024;
/// The longest JSON pointer, in bytes.
const POINTER_BYTES: usize = 200;
/// The most arguments, and fields, of an operation that are annotated.
const ANNOTATIONS: usize = 64;

/// What is wrong with what the tool says about itself; nothing is as it should be.
#[must_use]
pub fn faults(tool: &Tool) -> Vec<String> {
    let mut faults = Vec::new();
    if tool.operations().is_empty() || tool.operations().len() > OPERATIONS {
        faults.push(format!("a tool has 1 to {OPERATIONS} operations"));
    }
    let mut names = BTreeSet::new();
    for operation in tool.operations() {
        let name = operation.name;
        if !is_name(name) {
            faults.push(format!("the name {name:?} is not a lower-case letter and then a-z, 0-9 and single _, at most {NAME_BYTES}"));
        }
        if !names.insert(name) {
            faults.push(format!("{name} is there twice"));
        }
        if !is_line(operation.description) || operation.description.len() > DESCRIPTION_BYTES {
            faults.push(format!("the description of {name} is not one line of 1 to {DESCRIPTION_BYTES} bytes"));
        }
        let schema = operation.schema();
        if schema.get("type").and_then(Value::as_str) != Some("object") || schema.to_string().len() > SCHEMA_BYTES {
            faults.push(format!("the parameters of {name} are not an object, or larger than {SCHEMA_BYTES} bytes"));
        }
        annotations(operation, &schema, &mut faults);
    }
    faults
}

fn annotations(operation: &Operation, schema: &Value, faults: &mut Vec<String>) {
    let name = operation.name;
    for argument in &operation.arguments {
        if !leads_somewhere(schema, argument.at) {
            faults.push(format!("{name} has no argument at {}", argument.at));
        }
    }
    let arguments: Vec<&str> = operation.arguments.iter().map(|argument| argument.at).collect();
    let fields: Vec<&str> = operation.fields.iter().map(|field| field.at).collect();
    for pointers in [arguments, fields] {
        if pointers.len() > ANNOTATIONS || pointers.iter().collect::<BTreeSet<_>>().len() != pointers.len() {
            faults.push(format!("{name} annotates something twice, or more than {ANNOTATIONS} places"));
        }
        let odd = pointers.iter().filter(|at| !at.starts_with('/') || at.len() > POINTER_BYTES);
        faults.extend(odd.map(|at| format!("{at:?} in {name} is not a JSON pointer that begins with a slash")));
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= NAME_BYTES
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && !name.contains("__")
        && !name.ends_with('_')
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}

/// Whether the schema knows this place of the arguments.
fn leads_somewhere(schema: &Value, at: &str) -> bool {
    let Some(rest) = at.strip_prefix('/') else { return false };
    let mut here = Some(schema);
    for step in rest.split('/') {
        here = match step {
            "*" => here.and_then(|schema| schema.get("items").or_else(|| schema.get("additionalProperties"))),
            name => here.and_then(|schema| schema.get("properties")).and_then(|properties| properties.get(name)),
        };
    }
    here.is_some()
}
