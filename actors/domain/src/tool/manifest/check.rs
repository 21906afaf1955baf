//! Whether a manifest is sound: the first thing that is wrong, and where.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::{
    ANNOTATIONS_MAX, DESCRIPTION_MAX, Declared, KEYVALUE_MAX_BYTES, Manifest, OPERATIONS_MAX, POINTER_MAX, PURPOSE_MAX, RULES_MAX,
    SCHEMA_DEPTH_MAX, SCHEMA_MAX, SLOTS_MAX, TITLE_MAX, effect_allows, limits_max,
};
use crate::error::{Class, Classified};
use crate::message::is_harmful;
use crate::sandbox::SandboxLimits;
use crate::tool::name::{FUNCTION_MAX, is_label, is_operation};
use crate::tool::reach;

/// What is wrong with a manifest. Its words are ours; what the manifest says is not in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ManifestError {
    /// Which field, such as `operations[2].description` (counted from 1).
    pub field: String,
    /// What is wrong with it.
    #[source]
    pub problem: Problem,
}

/// What can be wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nothing is there.
    #[error("write something here")]
    Empty,
    /// Too long.
    #[error("at most {0} bytes are allowed")]
    TooLong(usize),
    /// Too many.
    #[error("at most {0} are allowed")]
    TooMany(usize),
    /// None at all.
    #[error("a tool has at least one operation")]
    NoOperation,
    /// Not one line of visible letters.
    #[error("write one line, without control characters, invisible letters or changes of the direction of text")]
    NotPlain,
    /// A bad name.
    #[error("use lower-case letters, digits and inner hyphens (in an operation's name: single inner underscores), beginning with a letter")]
    Name,
    /// Twice.
    #[error("this stands here twice")]
    Twice,
    /// More than the house allows to any tool.
    #[error("more than the house allows to any tool, or nothing at all; at most {0}")]
    Limit(u64),
    /// No schema.
    #[error("this is no JSON Schema of an object: write JSON with `\"type\": \"object\"`, at most {SCHEMA_DEPTH_MAX} deep")]
    Schema,
    /// No JSON pointer.
    #[error("this is no JSON pointer: write `/name/inner`, `*` for every element, at most {POINTER_MAX} bytes")]
    Pointer,
    /// A rule with a place that is not declared.
    #[error("the rule's place is not declared under wants.places")]
    PlaceUnknown,
    /// A place that no rule has.
    #[error("no rule under wants.http has this place")]
    PlaceUnused,
    /// A secret without a request.
    #[error("a tool without rules under wants.http has no use for a secret")]
    SecretUnused,
    /// The method decides.
    #[error("the rule has a method that sends something, but no operation declares external_send or more: the method decides")]
    Sends,
}

impl Classified for ManifestError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

fn wrong<T>(field: impl fmt::Display, problem: Problem) -> Result<T, ManifestError> {
    Err(ManifestError { field: field.to_string(), problem })
}

impl Manifest {
    /// Whether it is sound.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, and where.
    pub fn check(&self) -> Result<(), ManifestError> {
        line("title", &self.title, TITLE_MAX)?;
        line("author", &self.author, TITLE_MAX)?;
        line("description", &self.description, DESCRIPTION_MAX)?;
        self.check_wants()?;
        check_limits(&self.limits)?;
        if self.operations.is_empty() {
            return wrong("operations", Problem::NoOperation);
        }
        at_most("operations", self.operations.len(), OPERATIONS_MAX)?;
        let mut names = BTreeSet::new();
        let left = FUNCTION_MAX.saturating_sub(self.name.function("").len());
        for (at, operation) in (1_usize..).zip(&self.operations) {
            check_operation(at, operation)?;
            if operation.name.len() > left {
                return wrong(format_args!("operations[{at}].name"), Problem::TooLong(left));
            }
            if !names.insert(&operation.name) {
                return wrong(format_args!("operations[{at}].name"), Problem::Twice);
            }
        }
        self.check_methods()
    }

    fn check_wants(&self) -> Result<(), ManifestError> {
        let wants = &self.wants;
        at_most("wants.http", wants.http.len(), RULES_MAX)?;
        at_most("wants.places", wants.places.len(), SLOTS_MAX)?;
        at_most("wants.secrets", wants.secrets.len(), SLOTS_MAX)?;
        if wants.keyvalue_bytes > KEYVALUE_MAX_BYTES {
            return wrong("wants.keyvalue_bytes", Problem::Limit(KEYVALUE_MAX_BYTES));
        }
        for (at, (name, place)) in (1_usize..).zip(&wants.places) {
            label(format_args!("wants.places[{at}]"), name)?;
            line(format_args!("wants.places[{at}].purpose"), &place.purpose, PURPOSE_MAX)?;
            if !wants.http.iter().any(|rule| rule.place() == Some(name)) {
                return wrong(format_args!("wants.places[{at}]"), Problem::PlaceUnused);
            }
        }
        for (at, (name, secret)) in (1_usize..).zip(&wants.secrets) {
            label(format_args!("wants.secrets[{at}]"), name)?;
            line(format_args!("wants.secrets[{at}].purpose"), &secret.purpose, PURPOSE_MAX)?;
            secret.service.as_ref().map_or(Ok(()), |service| label(format_args!("wants.secrets[{at}].service"), service))?;
            if wants.http.is_empty() {
                return wrong(format_args!("wants.secrets[{at}]"), Problem::SecretUnused);
            }
        }
        let unknown = wants.http.iter().position(|rule| rule.place().is_some_and(|place| !wants.places.contains_key(place)));
        unknown.map_or(Ok(()), |at| wrong(format_args!("wants.http[{}]", at.saturating_add(1)), Problem::PlaceUnknown))
    }

    /// A method that no operation may use is a claim of too small an effect.
    fn check_methods(&self) -> Result<(), ManifestError> {
        let used = |method: &String| self.operations.iter().any(|operation| effect_allows(operation.effect, method));
        let unused = self.wants.http.iter().position(|rule| !rule.methods().iter().all(used));
        unused.map_or(Ok(()), |at| wrong(format_args!("wants.http[{}]", at.saturating_add(1)), Problem::Sends))
    }
}

fn check_limits(limits: &SandboxLimits) -> Result<(), ManifestError> {
    let max = limits_max();
    let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    let table = [
        ("memory_bytes", limits.memory_bytes, max.memory_bytes),
        ("table_elements", limits.table_elements.into(), max.table_elements.into()),
        ("fuel", limits.fuel, max.fuel),
        (
            "compute",
            u64::try_from(limits.compute.as_millis()).unwrap_or(u64::MAX),
            u64::try_from(max.compute.as_millis()).unwrap_or(u64::MAX),
        ),
        ("result_bytes", wide(limits.result_bytes), wide(max.result_bytes)),
        ("host_calls", limits.host_calls.into(), max.host_calls.into()),
        ("log_bytes", wide(limits.log_bytes), wide(max.log_bytes)),
        ("resources", limits.resources.into(), max.resources.into()),
    ];
    let over = table.iter().find(|(name, value, max)| {
        // A tool may well say nothing, ask for nothing and hold nothing open.
        let may_be_none = matches!(*name, "host_calls" | "log_bytes" | "resources" | "table_elements");
        value > max || *value == 0 && !may_be_none
    });
    over.map_or(Ok(()), |(name, _, max)| wrong(format_args!("limits.{name}"), Problem::Limit(*max)))
}

fn check_operation(at: usize, operation: &Declared) -> Result<(), ManifestError> {
    let field = |name: &str| format!("operations[{at}].{name}");
    if !is_operation(&operation.name) {
        return wrong(field("name"), Problem::Name);
    }
    line(field("description"), &operation.description, DESCRIPTION_MAX)?;
    if operation.parameters.len() > SCHEMA_MAX {
        return wrong(field("parameters"), Problem::TooLong(SCHEMA_MAX));
    }
    let schema = serde_json::from_str::<Value>(&operation.parameters);
    let sound = schema.is_ok_and(|schema| schema.get("type").is_some_and(|of| of == "object") && depth(&schema) <= SCHEMA_DEPTH_MAX);
    // The schema is read by the model, too.
    if !sound || operation.parameters.chars().any(is_invisible) {
        return wrong(field("parameters"), Problem::Schema);
    }
    for (name, keys) in
        [("arguments", operation.arguments.keys().collect::<Vec<_>>()), ("fields", operation.fields.keys().collect::<Vec<_>>())]
    {
        at_most(field(name), keys.len(), ANNOTATIONS_MAX)?;
        if keys.iter().any(|pointer| !is_pointer(pointer)) {
            return wrong(field(name), Problem::Pointer);
        }
    }
    Ok(())
}

/// The recursion ends: the parser refuses what is more than 128 deep.
fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(values) => values.iter().map(depth).max(),
        Value::Object(values) => values.values().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    inner.unwrap_or_default().saturating_add(1)
}

fn is_pointer(text: &str) -> bool {
    let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    let plain = !text.chars().any(|letter| is_harmful(letter) || is_invisible(letter) || matches!(letter, '\n' | '\t'));
    text.starts_with('/') && text.len() <= POINTER_MAX && escapes && plain
}

/// Whether a letter shows nothing, so that two texts look alike or a text holds more than a person sees: soft hyphen, zero-width letters,
/// invisible operators, variation selectors, tags and fillers.
pub const fn is_invisible(letter: char) -> bool {
    crate::message::hides(letter)
        || matches!(
            letter,
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}'
                | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

fn line(field: impl fmt::Display, text: &str, max: usize) -> Result<(), ManifestError> {
    if text.trim().is_empty() {
        return wrong(field, Problem::Empty);
    }
    if text.len() > max {
        return wrong(field, Problem::TooLong(max));
    }
    let plain = text.trim() == text && !text.chars().any(|letter| letter.is_control() || is_invisible(letter));
    if plain { Ok(()) } else { wrong(field, Problem::NotPlain) }
}

fn label(field: impl fmt::Display, text: &str) -> Result<(), ManifestError> {
    if is_label(text, reach::LABEL_MAX) { Ok(()) } else { wrong(field, Problem::Name) }
}

fn at_most(field: impl fmt::Display, count: usize, max: usize) -> Result<(), ManifestError> {
    if count <= max { Ok(()) } else { wrong(field, Problem::TooMany(max)) }
}
