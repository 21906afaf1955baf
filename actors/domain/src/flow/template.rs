//! Templates of arguments: literals, references to results, readings of results, and small sums of them.
//!
//! ```text
//! "text" 5 true null [..] {..}                        as they stand; a text that begins like "$r3" is a reference
//! {"$extract": {"from": "$r3.body", "question": "..", "as": {"kind": ..}}}
//! {"$sum": [..]}  {"$difference": [a, b]}  {"$product": [..]}  {"$share": [a, 0.5]}  {"$text": [..]}
//! {"$open": true}                                     only in a plan: decided when the call is made
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::canonical::canonical;
use super::extract::{ExtractError, Kind};
use super::handle::{HandleError, Reference, ReferenceError, Results};
use super::value::{Chosen, Control, Leaf, Origin, Traced, escaped, leaves};
use super::words::Words;
use crate::error::{Class, Classified};
use crate::label::{Integrity, Label};

/// Most parts of a template, all levels together.
pub const PARTS_MAX: usize = 512;
/// Deepest template.
pub const DEPTH_MAX: usize = 12;
/// Longest literal, in bytes.
pub const LITERAL_MAX_BYTES: usize = 16 * 1024;
/// Decimal places that a computed number keeps.
const PLACES: f64 = 1e9;

/// What a number is computed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// All together.
    Sum,
    /// The first less the second.
    Difference,
    /// All by one another.
    Product,
    /// The first times the second, which is from 0 to 1: half of it, a third. The model may choose the part of an amount.
    Share,
}

/// A reading of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Extract {
    /// Of what.
    pub from: Reference,
    /// What is asked.
    pub question: String,
    /// What may be answered.
    pub kind: Kind,
}

impl Extract {
    /// The name under which its answer is kept: the same reading is made once.
    #[must_use]
    pub fn key(&self) -> String {
        let kind = serde_json::to_value(&self.kind).map(|kind| canonical(&kind)).unwrap_or_default();
        canonical(&Value::from(vec![self.from.to_string(), self.question.clone(), kind]))
    }
}

/// A template of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// A scalar.
    Literal(Value),
    /// A list.
    List(Vec<Template>),
    /// An object.
    Object(BTreeMap<String, Template>),
    /// A value of a result.
    Reference(Reference),
    /// A reading of one.
    Extract(Box<Extract>),
    /// A number that is computed.
    Compute(Operator, Vec<Template>),
    /// Texts after one another.
    Text(Vec<Template>),
    /// Not decided yet.
    Open,
}

/// Why a template cannot be read or has no value. Closed sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Too large.
    #[error("a template has at most {PARTS_MAX} parts, {DEPTH_MAX} levels and {LITERAL_MAX_BYTES} bytes in one literal")]
    TooLarge,
    /// An unknown or malformed `$` object.
    #[error(
        "an object with a `$` key is one of $extract, $sum, $difference, $product, $share, $text and $open, alone and with what belongs to it"
    )]
    Form,
    /// A malformed reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A type of reading that is not closed.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// A reference without a value.
    #[error(transparent)]
    Handle(#[from] HandleError),
    /// A reading that was not made.
    #[error("a reading that is needed has not been made")]
    NotRead,
    /// Something to be decided was not.
    #[error("a part that was left open has not been decided")]
    Open,
    /// No number, or no text.
    #[error("a sum takes numbers, and a text takes texts and numbers")]
    Operand,
}

impl Classified for TemplateError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenExtract {
    from: String,
    question: String,
    #[serde(rename = "as")]
    kind: Kind,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// It is too large or malformed.
    pub fn read(value: &Value) -> Result<Self, TemplateError> {
        read(value, 0, &mut 0)
    }

    /// The readings in it.
    #[must_use]
    pub fn extracts(&self) -> Vec<&Extract> {
        match self {
            Self::Extract(extract) => vec![extract],
            Self::List(inner) | Self::Compute(_, inner) | Self::Text(inner) => inner.iter().flat_map(Self::extracts).collect(),
            Self::Object(inner) => inner.values().flat_map(Self::extracts).collect(),
            Self::Literal(_) | Self::Reference(_) | Self::Open => Vec::new(),
        }
    }

    /// The references in it, those of readings included.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Reference(reference) => vec![reference],
            Self::Extract(extract) => vec![&extract.from],
            Self::List(inner) | Self::Compute(_, inner) | Self::Text(inner) => inner.iter().flat_map(Self::references).collect(),
            Self::Object(inner) => inner.values().flat_map(Self::references).collect(),
            Self::Literal(_) | Self::Open => Vec::new(),
        }
    }

    /// Whether a part is left open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Open => true,
            Self::List(inner) | Self::Compute(_, inner) | Self::Text(inner) => inner.iter().any(Self::is_open),
            Self::Object(inner) => inner.values().any(Self::is_open),
            Self::Literal(_) | Self::Reference(_) | Self::Extract(_) => false,
        }
    }

    /// Whether another template says the same wherever this one is decided.
    #[must_use]
    pub fn admits(&self, given: &Self) -> bool {
        match (self, given) {
            (Self::Open, given) => !given.is_open(),
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.admits(b)),
            (Self::Object(a), Self::Object(b)) => a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| a.admits(b))),
            (a, b) => a == b,
        }
    }
}

fn read(value: &Value, depth: usize, parts: &mut usize) -> Result<Template, TemplateError> {
    *parts = parts.saturating_add(1);
    if depth > DEPTH_MAX || *parts > PARTS_MAX {
        return Err(TemplateError::TooLarge);
    }
    let next = depth.saturating_add(1);
    Ok(match value {
        Value::String(text) if Reference::is_meant(text) => Template::Reference(text.parse()?),
        Value::String(text) if text.len() > LITERAL_MAX_BYTES => return Err(TemplateError::TooLarge),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Template::Literal(value.clone()),
        Value::Array(values) => Template::List(read_all(values, next, parts)?),
        Value::Object(values) => match values.iter().find(|(key, _)| key.starts_with('$')) {
            Some((key, inner)) if values.len() == 1 => special(key, inner, next, parts)?,
            Some(_) => return Err(TemplateError::Form),
            None => {
                let each = values.iter().map(|(key, value)| Ok((key.clone(), read(value, next, parts)?)));
                Template::Object(each.collect::<Result<_, TemplateError>>()?)
            }
        },
    })
}

fn read_all(values: &[Value], depth: usize, parts: &mut usize) -> Result<Vec<Template>, TemplateError> {
    values.iter().map(|value| read(value, depth, parts)).collect()
}

fn special(key: &str, inner: &Value, depth: usize, parts: &mut usize) -> Result<Template, TemplateError> {
    let operands = |parts: &mut usize| match inner {
        Value::Array(values) if !values.is_empty() => read_all(values, depth, parts),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => Err(TemplateError::Form),
    };
    Ok(match key {
        "$sum" => Template::Compute(Operator::Sum, operands(parts)?),
        "$product" => Template::Compute(Operator::Product, operands(parts)?),
        "$difference" | "$share" => match operands(parts)? {
            two if two.len() == 2 => Template::Compute(if key == "$share" { Operator::Share } else { Operator::Difference }, two),
            _ => return Err(TemplateError::Form),
        },
        "$text" => Template::Text(operands(parts)?),
        "$open" if *inner == Value::Bool(true) => Template::Open,
        "$extract" => {
            let written = WrittenExtract::deserialize(inner).map_err(|_| TemplateError::Form)?;
            written.kind.check()?;
            Template::Extract(Box::new(Extract { from: written.from.parse()?, question: written.question, kind: written.kind }))
        }
        _ => return Err(TemplateError::Form),
    })
}

/// What templates are resolved with.
#[derive(Debug, Clone, Copy)]
pub struct Resolving<'a> {
    /// The results of the turn.
    pub results: &'a Results,
    /// The member's words.
    pub words: &'a Words,
    /// What had decided when the template was written.
    pub control: &'a Control,
    /// What readers answered, by [`Extract::key`].
    pub answers: &'a BTreeMap<String, Value>,
}

impl Resolving<'_> {
    /// The arguments of a call, and their leaves.
    ///
    /// # Errors
    ///
    /// A part has no value.
    pub fn arguments(&self, arguments: &BTreeMap<String, Template>) -> Result<(Value, Vec<Leaf>), TemplateError> {
        let mut found = Vec::new();
        let mut values = Map::new();
        for (key, template) in arguments {
            values.insert(key.clone(), self.part(template, &format!("/{}", escaped(key)), &mut found)?);
        }
        Ok((Value::Object(values), found))
    }

    fn part(&self, template: &Template, pointer: &str, into: &mut Vec<Leaf>) -> Result<Value, TemplateError> {
        match template {
            Template::List(inner) if !inner.is_empty() => {
                let each = inner.iter().enumerate().map(|(at, one)| self.part(one, &format!("{pointer}/{at}"), into));
                Ok(Value::Array(each.collect::<Result<_, _>>()?))
            }
            Template::Object(inner) if !inner.is_empty() => {
                let each = inner.iter().map(|(key, one)| Ok((key.clone(), self.part(one, &format!("{pointer}/{}", escaped(key)), into)?)));
                Ok(Value::Object(each.collect::<Result<_, TemplateError>>()?))
            }
            Template::Reference(reference) => {
                let found = self.results.find(reference, self.words)?;
                into.extend(found.leaves.into_iter().map(|leaf| Leaf { pointer: format!("{pointer}{}", leaf.pointer), ..leaf }));
                Ok(found.value)
            }
            Template::Literal(_)
            | Template::Extract(_)
            | Template::Compute(..)
            | Template::Text(_)
            | Template::Open
            | Template::List(_)
            | Template::Object(_) => {
                let traced = self.scalar(template)?;
                leaves(pointer, &traced, into);
                Ok(traced.value)
            }
        }
    }

    fn scalar(&self, template: &Template) -> Result<Traced, TemplateError> {
        match template {
            Template::Literal(value) => Ok(self.literal(value)),
            Template::List(_) => Ok(self.control.writes(Value::Array(Vec::new()))),
            Template::Object(_) => Ok(self.control.writes(Value::Object(Map::new()))),
            Template::Reference(reference) => {
                let found = self.results.find(reference, self.words)?;
                Ok(whole(found.value, &found.leaves))
            }
            Template::Extract(extract) => {
                let found = self.results.find(&extract.from, self.words)?;
                let value = self.answers.get(&extract.key()).ok_or(TemplateError::NotRead)?;
                let mut traced = whole(extract.kind.accept(value.clone())?, &found.leaves);
                // The reader is a model that has read it.
                traced.origin.chosen = Chosen::ByModel;
                Ok(traced)
            }
            Template::Compute(operator, inner) => {
                let operands = inner.iter().map(|one| self.scalar(one)).collect::<Result<Vec<_>, _>>()?;
                let numbers = operands.iter().map(|one| one.value.as_f64().ok_or(TemplateError::Operand)).collect::<Result<Vec<_>, _>>()?;
                let value = compute(*operator, &numbers)?;
                let mut made = made_of(value, &operands);
                if let (Operator::Share, Some((whole, [part]))) = (operator, operands.split_first())
                    && part.origin.chosen == Chosen::ByModel
                    && part.origin.outside.is_empty()
                {
                    made.origin.chosen = whole.origin.chosen.max(Chosen::Bounded);
                }
                Ok(made)
            }
            Template::Text(inner) => {
                let operands = inner.iter().map(|one| self.scalar(one)).collect::<Result<Vec<_>, _>>()?;
                let mut text = String::new();
                for one in &operands {
                    match &one.value {
                        Value::String(part) => text.push_str(part),
                        Value::Number(number) => text.push_str(&number.to_string()),
                        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Err(TemplateError::Operand),
                    }
                }
                Ok(made_of(Value::String(text), &operands))
            }
            Template::Open => Err(TemplateError::Open),
        }
    }

    /// What stands in the member's words is the member's, whoever wrote it down.
    fn literal(&self, value: &Value) -> Traced {
        match self.words.mention(value) {
            Some((mention, _)) => {
                let label = Label::new(self.control.label.readers.clone(), self.control.label.integrity.max(Integrity::Member));
                Traced { value: value.clone(), label, origin: Origin::mention(mention) }
            }
            None => self.control.writes(value.clone()),
        }
    }
}

fn compute(operator: Operator, numbers: &[f64]) -> Result<Value, TemplateError> {
    let number = match (operator, numbers) {
        (Operator::Sum, numbers) => numbers.iter().sum(),
        (Operator::Product, numbers) => numbers.iter().product(),
        (Operator::Difference, [a, b]) => a - b,
        (Operator::Share, [whole, part]) if (0.0..=1.0).contains(part) => whole * part,
        (Operator::Difference | Operator::Share, _) => return Err(TemplateError::Operand),
    };
    let number: f64 = number;
    Number::from_f64((number * PLACES).round() / PLACES).map(Value::Number).ok_or(TemplateError::Operand)
}

/// A value that was made of all of these leaves.
fn whole(value: Value, parts: &[Leaf]) -> Traced {
    let label = Label::join_all(parts.iter().map(|leaf| &leaf.traced.label));
    let origin = parts.iter().fold(Origin::default(), |sum, leaf| sum.join(&leaf.traced.origin));
    Traced { value, label, origin }
}

fn made_of(value: Value, parts: &[Traced]) -> Traced {
    let label = Label::join_all(parts.iter().map(|part| &part.label));
    let origin = parts.iter().fold(Origin::default(), |sum, part| sum.join(&part.origin));
    Traced { value, label, origin }
}

#[cfg(test)]
mod tests;
