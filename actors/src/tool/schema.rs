//! Whether the arguments of a call are those that the tool was granted with. Pure. JSON Schema 2020-12, which refers to nothing outside of itself.

use std::collections::BTreeMap;

use hearth_domain::tool::manifest::Manifest;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// Most bytes of one compiled pattern: an author's pattern costs memory, and its matching grows with the text alone.
const PATTERN_BYTES: usize = 256 * 1024;
/// Longest sentence about arguments that do not fit, in bytes.
const SENTENCE_MAX: usize = 300;

/// An operation whose schema is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema of `{operation}` cannot be used: {reason}")]
pub struct SchemaError {
    /// The operation.
    pub operation: String,
    /// Why, about the author's schema.
    pub reason: String,
}

/// The schemas of a tool's operations.
#[derive(Debug, Clone)]
pub(crate) struct Schemas(BTreeMap<String, Validator>);

impl Schemas {
    /// Of a manifest that has been checked.
    pub(crate) fn of(manifest: &Manifest) -> Result<Self, SchemaError> {
        let read = |operation: &hearth_domain::tool::manifest::Declared| {
            let no = |reason: String| SchemaError { operation: operation.name.clone(), reason: cut(reason) };
            let schema: Value = serde_json::from_str(&operation.parameters).map_err(|error| no(error.to_string()))?;
            let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
            let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true).with_pattern_options(patterns);
            let validator = options.offline().build(&schema).map_err(|error| no(error.to_string()))?;
            Ok((operation.name.clone(), validator))
        };
        manifest.operations.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Where, and why, these arguments do not fit. The sentence names nothing of what they hold.
    pub(crate) fn check(&self, operation: &str, arguments: &Value) -> Result<(), String> {
        let Some(validator) = self.0.get(operation) else { return Err("the tool has no such operation".to_owned()) };
        validator.validate(arguments).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "the object".to_owned() } else { format!("`{place}`") };
            cut(format!("{place}: {}", error.masked()))
        })
    }
}

fn cut(mut sentence: String) -> String {
    sentence.truncate(sentence.floor_char_boundary(SENTENCE_MAX));
    sentence
}

#[cfg(test)]
mod tests {
    use hearth_domain::tool::Effect;
    use hearth_domain::tool::manifest::Declared;
    use serde_json::json;

    use super::*;

    fn schemas(parameters: &Value) -> Result<Schemas, SchemaError> {
        let operation = Declared {
            name: "list".to_owned(),
            description: "Lists.".to_owned(),
            parameters: parameters.to_string(),
            effect: Effect::Read,
            idempotent: true,
            arguments: BTreeMap::new(),
            fields: BTreeMap::new(),
        };
        let manifest = Manifest {
            name: "test/list".to_owned().try_into().unwrap(),
            version: "1.0.0".parse().unwrap(),
            title: "A".to_owned(),
            author: "B".to_owned(),
            description: "C".to_owned(),
            wants: hearth_domain::tool::manifest::Wants::default(),
            limits: hearth_domain::sandbox::SandboxLimits::default(),
            operations: vec![operation],
        };
        Schemas::of(&manifest)
    }

    #[test]
    fn arguments_fit_or_it_is_said_where_they_do_not_without_their_words() {
        let schemas = schemas(&json!({
            "type": "object",
            "properties": { "day": { "type": "string", "format": "date" }, "n": { "type": "integer", "maximum": 5 } },
            "required": ["day"],
            "additionalProperties": false
        }))
        .unwrap();
        assert_eq!(schemas.check("list", &json!({ "day": "2026-11-26", "n": 5 })), Ok(()));
        for (arguments, place) in [
            (json!({ "day": "secret words" }), "`/day`"),
            (json!({ "day": "2026-11-26", "n": 6 }), "`/n`"),
            (json!({}), "the object"),
            (json!({ "day": "2026-11-26", "more": 1 }), "the object"),
            (json!([]), "the object"),
        ] {
            let said = schemas.check("list", &arguments).unwrap_err();
            assert!(said.starts_with(place) && !said.contains("secret"), "{said}");
        }
        assert!(schemas.check("other", &json!({})).is_err());
    }

    #[test]
    fn a_schema_that_is_none_or_leads_outside_is_refused() {
        for schema in [
            json!({ "type": "wish" }),
            json!({ "$ref": "https://example.com/schema.json" }),
            json!({ "properties": { "a": { "pattern": "(" } } }),
            json!({ "properties": { "a": { "pattern": "(a{1000}){1000}" } } }),
        ] {
            let error = schemas(&schema).unwrap_err();
            assert_eq!(error.operation, "list", "{schema}");
        }
    }
}
