//! Stored results, and typed references to what is in them.
//!
//! `$r3.transactions[0].iban` names a value without anybody reading it. `$r3.transactions[subject~"Rent" & recurring=true].id` finds the
//! one row in which that stands. The runtime evaluates both on what it stored; the planner is shown [`Stored::shown`] and nothing else.
//! A row that is found by what the member said is the member's choice; a row by its number, or found by anything else, is the planner's.
//! Of a single row nothing is chosen: what the member said is in it names it only where nobody outside wrote it.
//! A row that is found by text from outside may be the row that somebody outside meant: the bits of that choice are in the value's origin
//! ([`Origin::picked`]), and the gate has a budget for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::Function;
use super::canonical::canonical;
use super::value::{Chosen, Leaf, Origin, Pick, ResultId, Source, Traced, escaped};
use super::words::Words;
use crate::error::{Class, Classified};
use crate::label::{Integrity, Label};
use crate::message::is_harmful;
use crate::sandbox::Trust;
use crate::tool::manifest::is_invisible;

mod parse;

pub use parse::{Condition, How, REFERENCE_MAX_BYTES, Reference, ReferenceError, STEPS_MAX, Step};

/// Most results that a turn keeps.
pub const RESULTS_MAX: usize = 64;
/// Most rows of a list that are shown and searched.
pub const ROWS_MAX: usize = 256;
/// Longest vouched-for text that is shown, in bytes.
pub const VOUCHED_MAX_BYTES: usize = 200;
/// Deepest value that is shown.
pub const DEPTH_MAX: usize = 16;

/// A result as the runtime keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Its name.
    pub id: ResultId,
    /// The function that gave it, with the trust of its fields.
    pub function: Function,
    /// The value.
    pub value: Value,
    /// Of the whole: who may learn it, and who wrote what is not vouched for.
    pub label: Label,
}

/// Why a reference has no value. Closed sentences for the planner: nothing from outside is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// No such result.
    #[error("there is no such result yet")]
    NoResult,
    /// No such field.
    #[error("the result has no such field")]
    NoField,
    /// Not one row.
    #[error("not exactly one row fits the condition")]
    NotOneRow,
    /// Too many.
    #[error("the list has more than {ROWS_MAX} rows")]
    TooManyRows,
    /// Too many results.
    #[error("a turn keeps at most {RESULTS_MAX} results")]
    TooManyResults,
}

impl Classified for HandleError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

impl Stored {
    /// A field with its label and origin. The label's integrity is the whole result's; vouching stands in the origin and counts for the
    /// tool's own functions alone.
    fn field(&self, pointer: &str, value: &Value) -> Traced {
        let source = Source::result(self.id, &self.function.name);
        let (label, origin) = match self.function.trust(pointer) {
            Trust::Member => {
                (Label::new(self.label.readers.clone(), self.label.integrity.max(Integrity::Member)), Origin::service(&self.function.tool))
            }
            Trust::Service => (self.label.clone(), Origin::service(&self.function.tool)),
            Trust::Outside if self.label.integrity == Integrity::Outside => (self.label.clone(), Origin::outside(source)),
            // The house's own tools write nothing that they did not get from a member or the house.
            Trust::Outside => (self.label.clone(), Origin::service(&self.function.tool)),
        };
        Traced { value: value.clone(), label, origin }
    }

    /// Whether the planner may be shown a field as it is.
    fn is_vouched(&self, pointer: &str) -> bool {
        self.label.integrity != Integrity::Outside || self.function.trust(pointer) != Trust::Outside
    }

    /// What a planner is shown: the shape, lengths, and the values that are vouched for. Never a text of somebody outside, and no key that
    /// the manifest does not name.
    #[must_use]
    pub fn shown(&self) -> Value {
        json!({ "result": format!("${}", self.id), "value": self.shape("", &self.value, 0) })
    }

    fn shape(&self, pointer: &str, value: &Value, depth: usize) -> Value {
        if depth > DEPTH_MAX {
            return json!({ "hidden": "too deep" });
        }
        let next = depth.saturating_add(1);
        match value {
            Value::Array(values) => {
                let rows = values.iter().take(ROWS_MAX).enumerate();
                let rows: Vec<_> = rows.map(|(at, value)| self.shape(&format!("{pointer}/{at}"), value, next)).collect();
                if rows.len() < values.len() { json!({ "rows": values.len(), "first": rows }) } else { Value::Array(rows) }
            }
            Value::Object(values) => {
                let mut shape = Map::new();
                for (at, (key, value)) in values.iter().enumerate().take(ROWS_MAX) {
                    let inner = format!("{pointer}/{}", escaped(key));
                    let name = if self.names(&inner) { key.clone() } else { format!("[{at}]") };
                    shape.insert(name, self.shape(&inner, value, next));
                }
                Value::Object(shape)
            }
            Value::String(text) if !self.is_vouched(pointer) || !is_plain(text) => {
                json!({ "hidden": "text", "chars": text.chars().count() })
            }
            Value::Number(_) if !self.is_vouched(pointer) => json!({ "hidden": "number" }),
            Value::Bool(_) if !self.is_vouched(pointer) => json!({ "hidden": "yes or no" }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }

    /// Whether the manifest has a key at this place, so that the name is the manifest's and not the result's.
    fn names(&self, pointer: &str) -> bool {
        let parts: Vec<_> = pointer.split('/').collect();
        let last = parts.last().copied().unwrap_or_default();
        self.label.integrity != Integrity::Outside
            || self.function.fields.keys().any(|named| {
                let named: Vec<_> = named.split('/').take(parts.len()).collect();
                named.len() == parts.len()
                    && named.last().copied() == Some(last)
                    && named.iter().zip(&parts).all(|(want, have)| want == have || *want == "*")
            })
    }
}

/// A vouched-for text that cannot hold a story.
fn is_plain(text: &str) -> bool {
    text.len() <= VOUCHED_MAX_BYTES && !text.chars().any(|letter| is_harmful(letter) || is_invisible(letter) || letter == '\n')
}

/// The results of a turn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Results(BTreeMap<ResultId, Stored>);

/// What a reference leads to: leaves below an empty pointer, and the whole value.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The value.
    pub value: Value,
    /// Its leaves; pointers relative to the value.
    pub leaves: Vec<Leaf>,
}

impl Results {
    /// Keeps a result. One of the same name is replaced.
    ///
    /// # Errors
    ///
    /// There are too many.
    pub fn keep(&mut self, stored: Stored) -> Result<(), HandleError> {
        if self.0.len() >= RESULTS_MAX && !self.0.contains_key(&stored.id) {
            return Err(HandleError::TooManyResults);
        }
        self.0.insert(stored.id, stored);
        Ok(())
    }

    /// The result of that name.
    #[must_use]
    pub fn get(&self, id: ResultId) -> Option<&Stored> {
        self.0.get(&id)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Stored> {
        self.0.values()
    }

    /// Evaluates a reference.
    ///
    /// # Errors
    ///
    /// It leads nowhere, or not to one row.
    pub fn find(&self, reference: &Reference, words: &Words) -> Result<Found, HandleError> {
        let stored = self.0.get(&reference.result).ok_or(HandleError::NoResult)?;
        let mut walk = Walk { stored, words, value: &stored.value, pointer: String::new(), picked: None };
        for step in &reference.steps {
            walk.step(step)?;
        }
        let mut leaves = Vec::new();
        collect(stored, &walk.pointer, walk.value, "", &mut leaves);
        if let Some(picked) = &walk.picked {
            for leaf in &mut leaves {
                // Who may learn a row's value may have learnt by which text it was found.
                leaf.traced.origin = leaf.traced.origin.join(picked);
            }
        }
        Ok(Found { value: walk.value.clone(), leaves })
    }
}

fn collect(stored: &Stored, at: &str, value: &Value, relative: &str, into: &mut Vec<Leaf>) {
    let mut inner = |key: &str, value: &Value| collect(stored, &format!("{at}/{key}"), value, &format!("{relative}/{key}"), into);
    match value {
        Value::Array(values) if !values.is_empty() => values.iter().enumerate().for_each(|(n, value)| inner(&n.to_string(), value)),
        Value::Object(values) if !values.is_empty() => values.iter().for_each(|(key, value)| inner(&escaped(key), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            into.push(Leaf { pointer: relative.to_owned(), traced: stored.field(at, value) });
        }
    }
}

struct Walk<'a> {
    stored: &'a Stored,
    words: &'a Words,
    value: &'a Value,
    pointer: String,
    picked: Option<Origin>,
}

impl Walk<'_> {
    fn step(&mut self, step: &Step) -> Result<(), HandleError> {
        let (key, value) = match (step, self.value) {
            (Step::Key(key), Value::Object(values)) => (escaped(key), values.get(key)),
            (Step::At(at), Value::Array(values)) => {
                if values.len() > 1 {
                    self.pick(&Origin { chosen: Chosen::ByModel, ..Origin::default() });
                }
                (at.to_string(), values.get(*at))
            }
            (Step::At(at), Value::Object(values)) => {
                let (key, value) = values.iter().nth(*at).ok_or(HandleError::NoField)?;
                (escaped(key), Some(value))
            }
            (Step::Find(conditions), Value::Array(rows)) => {
                let at = self.row(conditions, rows)?;
                (at.to_string(), rows.get(at))
            }
            (Step::Key(_) | Step::At(_) | Step::Find(_), _) => return Err(HandleError::NoField),
        };
        self.value = value.ok_or(HandleError::NoField)?;
        self.pointer = format!("{}/{key}", self.pointer);
        Ok(())
    }

    fn row(&mut self, conditions: &[Condition], rows: &[Value]) -> Result<usize, HandleError> {
        if rows.len() > ROWS_MAX {
            return Err(HandleError::TooManyRows);
        }
        let fits = |row: &Value| conditions.iter().all(|condition| condition.fits(row));
        let mut found = rows.iter().enumerate().filter(|(_, row)| fits(row)).map(|(at, _)| at);
        let (Some(at), None) = (found.next(), found.next()) else {
            return Err(HandleError::NotOneRow);
        };
        let mut origin = Origin::default();
        let several = rows.len() > 1;
        for condition in conditions {
            let inner = format!("{}/{at}/{}", self.pointer, escaped(&condition.key));
            if !self.stored.is_vouched(&inner) {
                let source = Source::result(self.stored.id, &self.stored.function.name);
                let by = format!("{}{}", self.pointer, Step::Find(conditions.to_vec()));
                origin.picked.insert(Pick { source, by }, choice_bits(rows.len()));
                // No bits are counted, so whoever wrote the member's word into a single row would name it at no price.
                if !several {
                    continue;
                }
            }
            let said = condition.wanted.as_str().is_some_and(|text| self.words.say(text)).then(|| canonical(&condition.wanted));
            origin.mentions.extend(said.or_else(|| self.words.mention(&condition.wanted).map(|(mention, _)| mention)));
        }
        if several && origin.mentions.is_empty() {
            origin.chosen = Chosen::ByModel;
        }
        self.pick(&origin);
        Ok(at)
    }

    fn pick(&mut self, origin: &Origin) {
        self.picked = Some(self.picked.take().unwrap_or_default().join(origin));
    }
}

/// The bits by which one of so many is chosen, rounded up.
fn choice_bits(of: usize) -> u32 {
    of.checked_next_power_of_two().map_or(usize::BITS, usize::trailing_zeros)
}

#[cfg(test)]
mod tests;
