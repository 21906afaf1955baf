//! The written form of a reference: `$r3.list[0].field`, `$r3[subject~"Rent" & recurring=true].id`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::super::canonical::canonical;
use super::super::value::ResultId;
use crate::error::{Class, Classified};

/// Longest reference, in bytes.
pub const REFERENCE_MAX_BYTES: usize = 512;
/// Most steps of a reference, and most conditions of one step.
pub const STEPS_MAX: usize = 16;

/// A text that is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a reference is `$r` and a result's number, then `.field`, `[row]` or `[field=value & field~\"part\"]`; at most {REFERENCE_MAX_BYTES} \
     bytes and {STEPS_MAX} steps"
)]
pub struct ReferenceError;

impl Classified for ReferenceError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It is the value.
    Is,
    /// It is a text that holds the value, whatever the case of the letters.
    Holds,
}

/// What must be so in a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The field.
    pub key: String,
    /// How.
    pub how: How,
    /// The scalar with which it is compared.
    pub wanted: Value,
}

impl Condition {
    /// Whether a row fits.
    #[must_use]
    pub fn fits(&self, row: &Value) -> bool {
        match (row.get(&self.key), self.how, &self.wanted) {
            (Some(Value::Number(have)), How::Is, Value::Number(want)) => have.as_f64() == want.as_f64(),
            (Some(have), How::Is, want) => have == want,
            (Some(Value::String(have)), How::Holds, Value::String(want)) => have.to_lowercase().contains(&want.to_lowercase()),
            (Some(_) | None, _, _) => false,
        }
    }
}

/// One step into a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A field.
    Key(String),
    /// A row, or a field of which the planner does not know the name, by its place.
    At(usize),
    /// The one row that fits.
    Find(Vec<Condition>),
}

/// A reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Into which result.
    pub result: ResultId,
    /// How to get there.
    pub steps: Vec<Step>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, ".{key}"),
            Self::At(at) => write!(f, "[{at}]"),
            Self::Find(conditions) => {
                let each = |one: &Condition| {
                    let how = if one.how == How::Is { '=' } else { '~' };
                    format!("{}{how}{}", one.key, canonical(&one.wanted))
                };
                write!(f, "[{}]", conditions.iter().map(each).collect::<Vec<_>>().join(" & "))
            }
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.result)?;
        self.steps.iter().try_for_each(|step| write!(f, "{step}"))
    }
}

impl Reference {
    /// Whether a text is written as one, right or wrong.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.strip_prefix("$r").is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.len() > REFERENCE_MAX_BYTES {
            return Err(ReferenceError);
        }
        let rest = text.strip_prefix("$r").ok_or(ReferenceError)?;
        let (number, mut rest) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len()));
        let result = ResultId(number.parse().map_err(|_| ReferenceError)?);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = step(rest)?;
            steps.push(step);
            rest = after;
            if steps.len() > STEPS_MAX {
                return Err(ReferenceError);
            }
        }
        Ok(Self { result, steps })
    }
}

fn step(text: &str) -> Result<(Step, &str), ReferenceError> {
    if let Some(rest) = text.strip_prefix('.') {
        let (key, rest) = key(rest)?;
        return Ok((Step::Key(key), rest));
    }
    let rest = text.strip_prefix('[').ok_or(ReferenceError)?;
    if rest.starts_with(|letter: char| letter.is_ascii_digit()) {
        let (number, rest) = rest.split_once(']').ok_or(ReferenceError)?;
        return Ok((Step::At(number.parse().map_err(|_| ReferenceError)?), rest));
    }
    let (mut conditions, mut rest) = (Vec::new(), rest);
    loop {
        let (condition, after) = condition(rest)?;
        conditions.push(condition);
        if conditions.len() > STEPS_MAX {
            return Err(ReferenceError);
        }
        if let Some(after) = after.strip_prefix(']') {
            return Ok((Step::Find(conditions), after));
        }
        rest = after.trim_start().strip_prefix('&').ok_or(ReferenceError)?.trim_start();
    }
}

fn key(text: &str) -> Result<(String, &str), ReferenceError> {
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    let (key, rest) = text.split_at(text.find(|letter| !is_part(letter)).unwrap_or(text.len()));
    if key.is_empty() { Err(ReferenceError) } else { Ok((key.to_owned(), rest)) }
}

fn condition(text: &str) -> Result<(Condition, &str), ReferenceError> {
    let (key, rest) = key(text)?;
    let (how, rest) = match rest.strip_prefix('=') {
        Some(rest) => (How::Is, rest),
        None => (How::Holds, rest.strip_prefix('~').ok_or(ReferenceError)?),
    };
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    let wanted = values.next().and_then(Result::ok).ok_or(ReferenceError)?;
    let rest = rest.get(values.byte_offset()..).ok_or(ReferenceError)?;
    let scalar = !matches!(wanted, Value::Array(_) | Value::Object(_)) && (how == How::Is || wanted.is_string());
    // An empty part is in every text.
    if !scalar || wanted.as_str().is_some_and(str::is_empty) {
        return Err(ReferenceError);
    }
    Ok((Condition { key, how, wanted }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reference_is_read_back_from_what_it_prints() {
        for text in ["$r3", "$r3.transactions[0].iban", "$r1[subject~\"Rent & more]\" & recurring=true & n=-1.5].id", "$r0[2][3]"] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "r3",
            "$r",
            "$r1.",
            "$r1[",
            "$r1[]",
            "$r1[-1]",
            "$r1[a]",
            "$r1[a=]",
            "$r1[a~1]",
            "$r1[a=[1]]",
            "$r1[a=\"\"]",
            "$r1 ",
            "$r99999999999",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        assert!(format!("$r1{}", "[0]".repeat(STEPS_MAX + 1)).parse::<Reference>().is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser_and_what_parses_prints_the_same_meaning(text in "\\$r[0-9]{1,2}[-.a-b0-9\\[\\]=~\" &]{0,20}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
            }
        }
    }
}
