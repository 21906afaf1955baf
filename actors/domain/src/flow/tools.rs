//! What a planner can do with results that it is not shown: pass them on, have one question about one answered, or read one in full.
//!
//! They are offered beside the tools whenever one of those can do something that leaves the house, and are carried out by the conversation
//! itself. `plan` freezes what the turn will do; `result_ask` is the quarantined reading; `result_open` shows, and what is shown counts as
//! having decided whatever comes after it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::is_inside;
use super::extract::Kind;
use super::handle::{Reference, ReferenceError};
use crate::tool::{Annotations, Effect, ToolSpec};

/// Freezes the turn's calls.
pub const PLAN: &str = "plan";
/// Has a question about a result answered.
pub const ASK: &str = "result_ask";
/// Shows a result.
pub const OPEN: &str = "result_open";

/// Whether the conversation carries it out itself.
#[must_use]
pub fn is_own(name: &str) -> bool {
    matches!(name, PLAN | ASK | OPEN)
}

/// Whether results are kept from the planner: only where one of the tools could do harm with what they say.
#[must_use]
pub fn are_needed(specs: &[ToolSpec]) -> bool {
    specs.iter().any(|spec| !is_inside(spec.effect))
}

/// What is asked about which result.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Of what.
    pub from: Reference,
    /// The question.
    pub question: String,
    /// What may be answered.
    pub kind: Kind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAsk {
    from: String,
    question: String,
    #[serde(rename = "as")]
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOpen {
    result: String,
}

/// Arguments that do not fit. For the planner: nothing of them is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OwnError {
    /// The form.
    #[error("they are not what the tool takes")]
    Form,
    /// The reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

/// The arguments of [`ASK`].
///
/// # Errors
///
/// They do not fit.
pub fn asked(arguments: &Value) -> Result<Asked, OwnError> {
    let WrittenAsk { from, question, kind } = WrittenAsk::deserialize(arguments).map_err(|_| OwnError::Form)?;
    Ok(Asked { from: from.parse()?, question, kind })
}

/// The argument of [`OPEN`].
///
/// # Errors
///
/// It does not fit.
pub fn opened(arguments: &Value) -> Result<Reference, OwnError> {
    let WrittenOpen { result } = WrittenOpen::deserialize(arguments).map_err(|_| OwnError::Form)?;
    Ok(result.parse()?)
}

/// As a model sees them. Every word is paid for on every turn.
#[must_use]
pub fn specs() -> Vec<ToolSpec> {
    let spec = |name: &str, description: &str, properties: Value, required: &[&str]| ToolSpec {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: json!({ "type": "object", "properties": properties, "required": required }),
        effect: Effect::Read,
        idempotent: true,
        annotations: Annotations::default(),
    };
    let text = || json!({ "type": "string" });
    vec![
        spec(
            OPEN,
            "What others wrote comes as {\"result\": \"$r1\"} with its text hidden. Pass it on unread: any argument may be \"$r1.field\", \
             \"$r1.rows[2].id\", \"$r1[subject~\\\"Rent\\\"].amount\", or {\"$sum\"|\"$difference\"|\"$product\"|\"$share\"|\"$text\": [..]}. This \
             shows one; whatever you do after it that leaves the house is asked first.",
            json!({ "result": text() }),
            &["result"],
        ),
        spec(
            ASK,
            "Have one question about a hidden result answered. as: {\"kind\":\"yes_no\"}, {\"kind\":\"one_of\",\"of\":[..]}, \
             {\"kind\":\"number\",\"min\":0,\"max\":9}; or, answered as a new result to pass on: {\"kind\":\"decimal\"}, {\"kind\":\"date\"}, \
             {\"kind\":\"shape\",\"shape\":\"account\"|\"mail\"|\"phone\"|\"name\"}, {\"kind\":\"text\",\"max_chars\":80}.",
            json!({ "from": text(), "question": text(), "as": { "type": "object" } }),
            &["from", "question", "as"],
        ),
        spec(
            PLAN,
            "Before anything else: every call that the request needs, in order, $rN for the result of step N, {\"$open\": true} for what is \
             decided later. Calls within it are not asked again for what was read since.",
            json!({ "steps": { "type": "array", "items": { "type": "object", "properties": {
                "function": text(), "count": { "type": "integer" }, "arguments": { "type": "object" } }, "required": ["function", "arguments"] } } }),
            &["steps"],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_has_a_closed_type() {
        let fine = json!({ "from": "$r1.text", "question": "is it a bill?", "as": { "kind": "yes_no" } });
        assert_eq!(asked(&fine).unwrap().kind, Kind::YesNo {});
        let wide = json!({ "from": "$r1", "question": "what?", "as": { "kind": "anything" } });
        assert_eq!(asked(&wide), Err(OwnError::Form));
        assert_eq!(asked(&json!({ "from": "the mail", "question": "what?", "as": { "kind": "date" } })), Err(ReferenceError.into()));
        assert_eq!(opened(&json!({ "result": "$r2", "more": 1 })), Err(OwnError::Form));
        assert!(opened(&json!({ "result": "$r2.items[0]" })).is_ok());
    }
}
