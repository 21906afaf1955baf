//! The plan lock: what the member's words alone ask for, frozen before anything from outside is read.
//!
//! ```text
//! {"steps": [{"function": "own__bank__list", "arguments": {}},
//!            {"function": "own__bank__pay", "count": 1, "arguments": {"to": "$r1[subject~\"Spotify\"].to", "amount": 5}}]}
//! ```
//!
//! The result of step 1 is `$r1`, and so on. Leaving a step out, or doing it less often, is silent; anything else asks. A name or number
//! that the member wrote once and that two effects of the plan use is contested: both ask.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Catalog, Function, is_inside, is_named};
use super::handle::{Reference, Step as Into};
use super::template::{Template, TemplateError};
use super::value::{Control, escaped};
use super::words::Words;
use crate::error::{Class, Classified};

/// Longest plan, in bytes.
pub const PLAN_MAX_BYTES: usize = 64 * 1024;
/// Most steps.
pub const STEPS_MAX: usize = 24;
/// Most times that one step may be done.
pub const COUNT_MAX: u32 = 16;

/// What is wrong with a plan. For the planner: closed sentences, with the step's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No JSON of the form.
    #[error("a plan is a JSON object {{\"steps\": [{{\"function\", \"count\", \"arguments\"}}]}} of at most {PLAN_MAX_BYTES} bytes")]
    Form,
    /// Too many.
    #[error("a plan has at most {STEPS_MAX} steps, each done 1 to {COUNT_MAX} times")]
    TooMany,
    /// Unknown function.
    #[error("step {0}: there is no such function")]
    Function(usize),
    /// An argument that the function does not have.
    #[error("step {0}: the function has no such argument, or needs one that is not there")]
    Argument(usize),
    /// A reference to a step that is not before.
    #[error("step {0}: it refers to the result of a step that does not come before it")]
    Order(usize),
    /// A template.
    #[error("step {0}: {1}")]
    Template(usize, #[source] TemplateError),
}

impl Classified for PlanError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The function.
    pub function: String,
    /// How often at most.
    pub count: u32,
    /// The arguments.
    pub arguments: BTreeMap<String, Template>,
}

/// A plan that is frozen.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    steps: Vec<Step>,
    done: Vec<u32>,
    control: Control,
    contested: BTreeSet<String>,
}

/// Whether a call is within the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// No plan was made: the control label says what decided.
    #[default]
    NoPlan,
    /// It is what this step says, word for word. It was decided when the plan was frozen.
    Within(usize),
    /// It is what this step says where that was decided; the rest is decided now.
    Filled(usize),
    /// It is not.
    Wider,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    steps: Vec<WrittenStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    function: String,
    #[serde(default = "once")]
    count: u32,
    #[serde(default)]
    arguments: BTreeMap<String, Value>,
}

const fn once() -> u32 {
    1
}

impl Plan {
    /// Reads, checks and freezes a plan. `control` is what the planner had seen: of what it writes nothing is more trusted than that.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn freeze(text: &str, catalog: &Catalog, words: &Words, control: Control) -> Result<Self, PlanError> {
        if text.len() > PLAN_MAX_BYTES {
            return Err(PlanError::Form);
        }
        let written: Written = serde_json::from_str(text).map_err(|_| PlanError::Form)?;
        if written.steps.len() > STEPS_MAX || written.steps.iter().any(|step| !(1..=COUNT_MAX).contains(&step.count)) {
            return Err(PlanError::TooMany);
        }
        let numbered = (1_usize..).zip(written.steps);
        let steps = numbered.map(|(at, step)| check(at, step, catalog)).collect::<Result<Vec<_>, _>>()?;
        let contested = contested(&steps, catalog, words);
        Ok(Self { done: vec![0; steps.len()], steps, control, contested })
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether a call is within the plan. Arguments are compared as templates, before anything is put in their place.
    #[must_use]
    pub fn may(&self, function: &str, arguments: &BTreeMap<String, Template>) -> Fit {
        let planned = Template::Object(arguments.clone());
        let fits = |step: &Step, done: u32| {
            step.function == function && done < step.count && Template::Object(step.arguments.clone()).admits(&planned)
        };
        let found = self.steps.iter().zip(&self.done).position(|(step, done)| fits(step, *done));
        match found.and_then(|at| Some((at, self.steps.get(at)?))) {
            Some((at, step)) if step.arguments.values().any(Template::is_open) => Fit::Filled(at),
            Some((at, _)) => Fit::Within(at),
            None => Fit::Wider,
        }
    }

    /// Counts a call that runs.
    pub fn ran(&mut self, fit: Fit) {
        let (Fit::Within(at) | Fit::Filled(at)) = fit else {
            return;
        };
        if let Some(done) = self.done.get_mut(at) {
            *done = done.saturating_add(1);
        }
    }

    /// What decided upon a call: the member's words, when the plan had it word for word, else everything that was seen since.
    #[must_use]
    pub fn control<'a>(&'a self, fit: Fit, now: &'a Control) -> &'a Control {
        match fit {
            Fit::Within(_) => &self.control,
            Fit::NoPlan | Fit::Filled(_) | Fit::Wider => now,
        }
    }

    /// The mentions that more effects use than the member made.
    #[must_use]
    pub const fn contested(&self) -> &BTreeSet<String> {
        &self.contested
    }
}

fn check(at: usize, step: WrittenStep, catalog: &Catalog) -> Result<Step, PlanError> {
    let function = catalog.get(&step.function).ok_or(PlanError::Function(at))?;
    let properties = function.parameters.get("properties").and_then(Value::as_object);
    if step.arguments.keys().any(|key| !properties.is_some_and(|known| known.contains_key(key))) {
        return Err(PlanError::Argument(at));
    }
    let required = function.parameters.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    if required.into_iter().any(|key| !step.arguments.contains_key(key)) {
        return Err(PlanError::Argument(at));
    }
    let mut arguments = BTreeMap::new();
    for (key, value) in &step.arguments {
        let template = Template::read(value).map_err(|error| PlanError::Template(at, error))?;
        let before = |reference: &&Reference| usize::try_from(reference.result.0).is_ok_and(|result| (1..at).contains(&result));
        if !template.references().iter().all(before) {
            return Err(PlanError::Order(at));
        }
        arguments.insert(key.clone(), template);
    }
    Ok(Step { function: step.function, count: step.count, arguments })
}

/// A mention grounds as many effects as the member made of it.
fn contested(steps: &[Step], catalog: &Catalog, words: &Words) -> BTreeSet<String> {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for step in steps {
        let Some(function) = catalog.get(&step.function).filter(|function| !is_inside(function.effect)) else {
            continue;
        };
        let mut here = BTreeSet::new();
        for (key, template) in &step.arguments {
            mentions(template, function, &format!("/{}", escaped(key)), words, &mut here);
        }
        for mention in here {
            let sum = uses.entry(mention).or_default();
            *sum = sum.saturating_add(usize::try_from(step.count).unwrap_or(usize::MAX));
        }
    }
    uses.into_iter().filter(|(mention, uses)| *uses > words.count(mention)).map(|(mention, _)| mention).collect()
}

fn mentions(template: &Template, function: &Function, pointer: &str, words: &Words, into: &mut BTreeSet<String>) {
    let names = is_named(function.role(pointer));
    match template {
        Template::Literal(value) if names => into.extend(words.mention(value).map(|(mention, _)| mention)),
        Template::List(inner) => {
            inner.iter().enumerate().for_each(|(at, one)| mentions(one, function, &format!("{pointer}/{at}"), words, into))
        }
        Template::Object(inner) => {
            inner.iter().for_each(|(key, one)| mentions(one, function, &format!("{pointer}/{}", escaped(key)), words, into));
        }
        Template::Compute(_, inner) | Template::Text(inner) => inner.iter().for_each(|one| mentions(one, function, pointer, words, into)),
        Template::Reference(reference) if names => {
            for step in &reference.steps {
                if let Into::Find(conditions) = step {
                    let said = conditions.iter().map(|condition| condition.wanted.to_string()).filter(|mention| words.count(mention) > 0);
                    into.extend(said);
                }
            }
        }
        Template::Literal(_) | Template::Reference(_) | Template::Extract(_) | Template::Open => {}
    }
}

#[cfg(test)]
mod tests;
