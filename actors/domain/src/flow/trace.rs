//! Where a value stands that a planner wrote down instead of passing on a reference.
//!
//! Most models copy what they are shown. A copy is as good as the reference that they could have written: so the references that lead to
//! the value are looked for, found by the member's words where a row has to be chosen, and the best one gives label and origin. Numbers are
//! looked for as small sums of such values and of the numbers that the member named. A hostile planner gains nothing by it: whatever is
//! found here, it could have written as a [`super::template::Template`].
//!
//! What stands only in a text of somebody outside keeps that text as its source, so that a question can say so.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde_json::Value;

use super::call::{Function, is_named};
use super::handle::{Condition, Found, How, Reference, Results, Step, Stored};
use super::value::{Chosen, Control, Leaf, Origin, Source, Traced, escaped};
use super::words::{Words, is_too_bare};
use crate::label::{Integrity, Label};
use crate::sandbox::Trust;

/// Most places of a value that are looked at, in one result.
pub const SPOTS_MAX: usize = 32;
/// Most values that sums are made of.
pub const OPERANDS_MAX: usize = 64;
/// Shortest word by which a row is found in text from outside, in characters.
const WORD_MIN_CHARS: usize = 4;
/// Shortest copy of a text from outside that is told apart from chance, in characters.
const COPY_MIN_CHARS: usize = 4;

/// Gives every leaf that the planner wrote down the best origin that it has; of what a call hits, also that it stands in a text of somebody
/// outside.
#[must_use]
pub fn trace(results: &Results, words: &Words, control: &Control, function: &Function, leaves: Vec<Leaf>) -> Vec<Leaf> {
    let tracer = Tracer { results, words, control };
    let traced = |leaf: Leaf| {
        let leaf = if is_bare(&leaf, function) { Leaf { traced: control.writes(leaf.traced.value), ..leaf } } else { leaf };
        let is_written = leaf.traced.origin.chosen == Chosen::ByModel && leaf.traced.origin.mentions.is_empty();
        let hits = is_named(function.role(&leaf.pointer));
        match is_written.then(|| tracer.find(&leaf.traced, hits)).flatten() {
            // The call is made with what was written: 50 where the result has 50.0.
            Some(found) => without_bare(Leaf { pointer: leaf.pointer, traced: Traced { value: leaf.traced.value, ..found } }, function),
            None => leaf,
        }
    };
    leaves.into_iter().map(traced).collect()
}

/// Whether a leaf counts as named by its own few digits, also where a row was looked for by them.
fn is_bare(leaf: &Leaf, function: &Function) -> bool {
    let value = &leaf.traced.value;
    leaf.traced.origin.mentions.contains(&value.to_string()) && is_too_bare(value, function.role(&leaf.pointer))
}

fn without_bare(mut leaf: Leaf, function: &Function) -> Leaf {
    if is_bare(&leaf, function) {
        leaf.traced.origin.mentions.remove(&leaf.traced.value.to_string());
        if leaf.traced.origin.mentions.is_empty() {
            leaf.traced.origin.chosen = Chosen::ByModel;
        }
    }
    leaf
}

struct Tracer<'a> {
    results: &'a Results,
    words: &'a Words,
    control: &'a Control,
}

/// A place in a result: the way to it.
struct Spot<'a> {
    steps: Vec<Step>,
    /// Where in the way a row was taken, the rows, and which.
    rows: Vec<(usize, &'a [Value], usize)>,
}

impl Tracer<'_> {
    fn find(&self, written: &Traced, hits: bool) -> Option<Traced> {
        let value = &written.value;
        let scalar = match value {
            Value::String(text) => text.chars().count() >= 2,
            Value::Number(_) => true,
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
        };
        if !scalar {
            return None;
        }
        let copies = self.results.iter().flat_map(|stored| self.copies(stored, value));
        let best = copies.min_by_key(rank).filter(|traced| traced.origin.outside.is_empty() && traced.origin.chosen == Chosen::Found);
        best.or_else(|| value.as_f64().and_then(|number| self.sum(number))).or_else(|| self.outside(written).filter(|_| hits))
    }

    /// The value at every place of a result where it stands.
    fn copies(&self, stored: &Stored, value: &Value) -> Vec<Traced> {
        let mut spots = Vec::new();
        let same = |have: &Value| equal(have, value);
        spot(&stored.value, &mut Vec::new(), &mut Vec::new(), &same, &mut spots);
        spots.iter().filter_map(|spot| self.best_way(stored, spot)).collect()
    }

    /// The best reference that leads to a place.
    fn best_way(&self, stored: &Stored, spot: &Spot<'_>) -> Option<Traced> {
        let mut ways = vec![spot.steps.clone()];
        let mut add = |at: usize, condition| {
            let mut steps = spot.steps.clone();
            steps.splice(at..=at, [Step::Find(vec![condition])]);
            ways.push(steps);
        };
        // The innermost list of several rows, and no other: its row is found by what the member said.
        if let Some((at, rows, row)) = spot.rows.iter().rfind(|(_, rows, _)| rows.len() > 1)
            && let Some(found) = rows.get(*row)
        {
            let only = |condition: &Condition| rows.iter().filter(|row| condition.fits(row)).count() == 1;
            self.conditions(found).into_iter().filter(only).for_each(|condition| add(*at, condition));
        }
        // Of a single row nothing is chosen, but it can be named.
        for (at, rows, _) in &spot.rows {
            if let [row] = rows {
                let way = spot.steps.get(..=*at).unwrap_or_default();
                self.named(stored, &pointer(way), row).into_iter().for_each(|condition| add(*at, condition));
            }
        }
        let found = ways.into_iter().filter_map(|steps| self.results.find(&Reference { result: stored.id, steps }, self.words).ok());
        found.filter_map(one).min_by_key(rank)
    }

    /// The texts of a single row that the member wrote, as the manifest says, and that the member's words say in full. A part of a text
    /// would be in too many rows, and a planner may have chosen by its search which row stands alone; a service's own words ("received")
    /// say nothing of which row is meant.
    fn named(&self, stored: &Stored, row: &str, fields: &Value) -> Vec<Condition> {
        let own = |key: &str| stored.function.trust(&format!("{row}/{}", escaped(key))) == Trust::Member;
        let said = |value: &Value| value.as_str().is_some_and(|text| self.words.say(text));
        let fields = fields.as_object().into_iter().flatten().filter(|(key, value)| own(key) && said(value));
        fields.map(|(key, value)| Condition { key: key.clone(), how: How::Is, wanted: value.clone() }).collect()
    }

    /// What the member's words say of a row, each in its own field.
    fn conditions(&self, row: &Value) -> Vec<Condition> {
        let fields = row.as_object().into_iter().flatten();
        let mut found = Vec::new();
        for (key, value) in fields {
            let condition = |how, wanted| Condition { key: key.clone(), how, wanted };
            match value {
                Value::String(text) => {
                    let lower = text.to_lowercase();
                    let said =
                        self.words.each().filter(|word| word.chars().count() >= WORD_MIN_CHARS && lower.contains(&word.to_lowercase()));
                    found.extend(said.map(|word| condition(How::Holds, Value::from(word))));
                }
                Value::Number(_) if self.words.mention(value).is_some() => found.push(condition(How::Is, value.clone())),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {}
            }
        }
        found
    }

    /// A sum of a value that is vouched for and of numbers that the member named: `a·m`, `a±m`, `a·m±n`, and with the half of a number.
    fn sum(&self, wanted: f64) -> Option<Traced> {
        let named = self.words.numbers();
        let operands = self.numbers();
        for whole in &operands {
            let a = whole.value.as_f64()?;
            for m in &named {
                let half = || named.iter().map(|n| (n * 0.5, *n));
                let tries = [(a * m, None), (a + m, None), (a - m, None), (m - a, None), (a + a * m, None), (a - a * m, None)];
                let twice = named.iter().flat_map(|n| [(a * m + n, Some(*n)), (a * m - n, Some(*n))]);
                let halves = half().flat_map(|(part, n)| [(a + part, Some(n)), (a - part, Some(n)), (part - a, Some(n))]);
                if let Some((_, other)) = tries.into_iter().chain(twice).chain(halves).find(|(value, _)| near(*value, wanted)) {
                    let mut made = whole.clone();
                    let mentions = std::iter::once(*m).chain(other).filter_map(|number| self.words.mention(&Value::from(number)));
                    made.origin.mentions.extend(mentions.map(|(mention, _)| mention));
                    return Some(made);
                }
            }
        }
        None
    }

    /// The numbers that a service vouches for and to which the member's words lead.
    fn numbers(&self) -> Vec<Traced> {
        let mut found: Vec<Traced> = Vec::new();
        for stored in self.results.iter() {
            let mut spots = Vec::new();
            spot(&stored.value, &mut Vec::new(), &mut Vec::new(), &Value::is_number, &mut spots);
            let ways = spots.iter().filter_map(|spot| self.best_way(stored, spot));
            found.extend(ways.filter(|traced| traced.origin.outside.is_empty() && traced.origin.chosen == Chosen::Found));
        }
        found.truncate(OPERANDS_MAX);
        found
    }

    /// The texts of somebody outside in which the value stands: a planner that copies what it was not shown has it from there.
    fn outside(&self, written: &Traced) -> Option<Traced> {
        let text = written.value.as_str().map_or_else(|| written.value.to_string(), ToOwned::to_owned);
        if text.chars().count() < COPY_MIN_CHARS && !written.value.is_number() {
            return None;
        }
        let holds = |have: &Value| have.as_str().map_or_else(|| equal(have, &written.value), |have| have.contains(&text));
        let mut sources = BTreeSet::new();
        let mut label = written.label.clone();
        for stored in self.results.iter() {
            let mut spots = Vec::new();
            spot(&stored.value, &mut Vec::new(), &mut Vec::new(), &holds, &mut spots);
            let ways = spots.into_iter().map(|spot| Reference { result: stored.id, steps: spot.steps });
            let mut found = ways.filter_map(|way| self.results.find(&way, self.words).ok()).filter_map(one);
            if found.any(|traced| !traced.origin.outside.is_empty()) {
                sources.insert(Source::result(stored.id, &stored.function.name));
                label = Label::new(label.readers.meet(&stored.label.readers), Integrity::Outside);
            }
        }
        if sources.is_empty() {
            return None;
        }
        let origin =
            Origin { chosen: Chosen::ByModel, outside: self.control.sources.union(&sources).cloned().collect(), ..Origin::default() };
        Some(Traced { value: written.value.clone(), label, origin })
    }
}

/// Every place where it is so, with the way to it.
fn spot<'a>(
    value: &'a Value,
    way: &mut Vec<Step>,
    rows: &mut Vec<(usize, &'a [Value], usize)>,
    is: &impl Fn(&Value) -> bool,
    into: &mut Vec<Spot<'a>>,
) {
    if into.len() >= SPOTS_MAX || way.len() >= super::handle::DEPTH_MAX {
        return;
    }
    match value {
        Value::Array(values) => {
            for (at, one) in values.iter().enumerate().take(super::handle::ROWS_MAX) {
                rows.push((way.len(), values, at));
                way.push(Step::At(at));
                spot(one, way, rows, is, into);
                way.pop();
                rows.pop();
            }
        }
        Value::Object(values) => {
            for (key, one) in values {
                way.push(Step::Key(key.clone()));
                spot(one, way, rows, is, into);
                way.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            if is(value) {
                into.push(Spot { steps: way.clone(), rows: rows.clone() });
            }
        }
    }
}

/// The pointer of a place in a result.
fn pointer(way: &[Step]) -> String {
    let part = |step: &Step| match step {
        Step::Key(key) => format!("/{}", escaped(key)),
        Step::At(at) => format!("/{at}"),
        Step::Find(_) => "/*".to_owned(),
    };
    way.iter().map(part).collect()
}

/// The one scalar that was found.
fn one(found: Found) -> Option<Traced> {
    let mut leaves = found.leaves.into_iter();
    match (leaves.next(), leaves.next()) {
        (Some(leaf), None) => Some(leaf.traced),
        _ => None,
    }
}

/// The best origin is first: vouched for, found by what the member said, and by few choices of somebody outside.
fn rank(traced: &Traced) -> (usize, Chosen, u32, Reverse<usize>) {
    let bits = traced.origin.picked.values().fold(0_u32, |sum, bits| sum.saturating_add(*bits));
    let words = traced.origin.mentions.iter().map(String::len).max().unwrap_or_default();
    (traced.origin.outside.len(), traced.origin.chosen, bits, Reverse(words))
}

fn equal(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Number(have), Value::Number(want)) => have.as_f64().zip(want.as_f64()).is_some_and(|(a, b)| near(a, b)),
        (have, want) => have == want,
    }
}

/// The same number, to the places that people write.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(1.0)
}

#[cfg(test)]
mod tests;
