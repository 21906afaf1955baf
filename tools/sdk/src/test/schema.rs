//! What the house refuses in a tool's description, said to its author before.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Tool;

/// The longest description, in bytes.
const DESCRIPTION_BYTES: usize = 400;

/// What is wrong with what the tool says about itself; nothing is as it should be.
#[must_use]
pub fn faults(tool: &Tool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for operation in tool.operations() {
        let name = operation.name;
        if name.is_empty() || !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
            faults.push(format!("the name {name:?} is not of a-z, 0-9 and _"));
        }
        if !names.insert(name) {
            faults.push(format!("{name} is there twice"));
        }
        if operation.description.is_empty() || operation.description.len() > DESCRIPTION_BYTES {
            faults.push(format!("the description of {name} is empty or longer than {DESCRIPTION_BYTES} bytes"));
        }
        let schema = operation.schema();
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            faults.push(format!("the parameters of {name} are not an object"));
        }
        for argument in &operation.arguments {
            if !leads_somewhere(&schema, argument.at) {
                faults.push(format!("{name} has no argument at {}", argument.at));
            }
        }
        faults.extend(operation.fields.iter().filter(|field| !field.at.is_empty() && !field.at.starts_with('/')).map(|field| {
            format!("the field {} of {name} is not a JSON pointer", field.at)
        }));
    }
    faults
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
