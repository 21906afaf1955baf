//! The results of the turn: what is shown of them, what is passed on, what is asked about them, and the plan that the turn keeps to.
//!
//! A result of somebody outside is kept whole in the store as long as its turn is open, and shown as a reference, where a tool could do
//! something with what it says. Where none can, or something from outside was shown already, it is shown as it is.

use super::turning::{Active, Phase, Ready};
use super::*;
use crate::flow::call::{Catalog, Function};
use crate::flow::extract::{self, Kind};
use crate::flow::handle::{Found, Stored};
use crate::flow::plan::{Fit, Plan};
use crate::flow::rows;
use crate::flow::template::{Resolving, Template};
use crate::flow::tools;
use crate::flow::trace::trace;
use crate::flow::value::{Control, Leaf, Origin, ResultId, Source};
use crate::flow::words::Words;
use crate::model::{ModelReply, Utterance};
use crate::policy::{control, written};
use crate::store::{StepBody, StoredResult};
use serde_json::{Value, json};

/// Longest answer of a reader, in tokens.
const READ_TOKENS: u32 = 400;

/// The arguments of a call with every reference replaced.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resolved {
    pub(super) arguments: Value,
    pub(super) leaves: Vec<Leaf>,
    pub(super) fit: Fit,
    /// The control that decided upon the call.
    pub(super) control: Control,
}

impl Resolved {
    /// The label of what the call carries, beside the turn's.
    pub(super) fn carries(&self) -> Label {
        Label::join_all(self.leaves.iter().map(|leaf| &leaf.traced.label))
    }
}

impl Active {
    pub(super) fn words(&self) -> Words {
        Words::new(self.pending.message.text.clone())
    }

    pub(super) fn control(&self) -> Control {
        control(&self.label, &self.sources)
    }

    /// The arguments of a call as it would run.
    pub(super) fn resolve(&self, function: &Function, arguments: &Value) -> Result<Resolved, ToolError> {
        let (words, now) = (self.words(), self.control());
        if self.results.iter().next().is_none() && self.plan.is_none() {
            return Ok(Resolved { leaves: written(arguments, &now), arguments: arguments.clone(), fit: Fit::NoPlan, control: now });
        }
        let bad = |error: &dyn std::fmt::Display| ToolError::BadArguments(error.to_string());
        let mut templates = BTreeMap::new();
        for (key, value) in arguments.as_object().into_iter().flatten() {
            templates.insert(key.clone(), Template::read(value).map_err(|error| bad(&error))?);
        }
        if templates.values().any(|template| !template.extracts().is_empty()) {
            return Err(ToolError::BadArguments(format!("ask with `{}` first, and pass its result on", tools::ASK)));
        }
        let fit = self.plan.as_ref().map_or(Fit::NoPlan, |plan| plan.may(&function.name, &templates));
        let control = self.plan.as_ref().map_or(&now, |plan| plan.control(fit, &now)).clone();
        let answers = BTreeMap::new();
        let resolving = Resolving { results: &self.results, words: &words, control: &control, answers: &answers };
        let (arguments, leaves) = resolving.arguments(&templates).map_err(|error| bad(&error))?;
        Ok(Resolved { leaves: trace(&self.results, &words, &control, function, leaves), arguments, fit, control })
    }

    /// Takes a result in: what is shown of it, and the write that keeps it.
    pub(super) fn takes(&mut self, cx: Cx<'_>, ready: &Ready, output: ToolOutput, limit: usize) -> (Value, Option<Write>) {
        let ToolOutput { value, label } = output;
        let spec = cx.tools.iter().find(|spec| spec.name == ready.name);
        let hides = label.integrity == Integrity::Outside && !self.control().is_tainted() && tools::are_needed(cx.tools);
        if let Some(spec) = spec.filter(|_| hides) {
            let function = Function { parameters: Value::Null, ..spec.function() };
            let stored = Stored { id: self.number(ready.fit), function, value: structured(value.clone()), label: label.clone() };
            if let Some(kept) = self.keeps(cx, stored) {
                return kept;
            }
        }
        self.takes_in(&ready.name, &label);
        (super::turning::bounded(value, limit), None)
    }

    /// Keeps a result, and says what is shown of it. `None` when there are too many.
    fn keeps(&mut self, cx: Cx<'_>, stored: Stored) -> Option<(Value, Option<Write>)> {
        let (shown, seen) = (stored.shown(), self.control().saw_vouched(&stored.label));
        self.results.keep(stored.clone()).ok()?;
        self.label = seen.label;
        let Pending { turn, .. } = &self.pending;
        let kept = StoredResult { turn: turn.id, conversation: turn.conversation, stored, at: cx.now };
        Some((shown, Some(Write::Result(kept))))
    }

    /// The number of the next result: that of its step in the plan, else the next one after all of them.
    fn number(&self, fit: Fit) -> ResultId {
        let planned = self.plan.as_ref().map_or(0, |plan| plan.steps().len());
        let number = match fit {
            Fit::Within(at) | Fit::Filled(at) => at.saturating_add(1),
            Fit::NoPlan | Fit::Wider => {
                let last = self.results.iter().map(|stored| stored.id.0).max().unwrap_or_default();
                planned.max(usize::try_from(last).unwrap_or(usize::MAX)).saturating_add(1)
            }
        };
        ResultId(u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// Freezes a plan that stands in these arguments.
    pub(super) fn freeze(&mut self, cx: Cx<'_>, arguments: &Value) -> Result<Value, ToolError> {
        let refused = |sentence: &str| Err(ToolError::BadArguments(sentence.to_owned()));
        if self.plan.is_some() || self.results.iter().next().is_some() || self.control().is_tainted() {
            return refused("a plan is made once, before anything is looked up");
        }
        let catalog: Catalog =
            cx.tools.iter().filter(|spec| spec.name != tools::PLAN).map(|spec| (spec.name.clone(), spec.function())).collect();
        match Plan::freeze(&arguments.to_string(), &catalog, &self.words(), self.control()) {
            Ok(plan) => {
                let steps = plan.steps().len();
                self.plan = Some(plan);
                Ok(json!({ "frozen": steps }))
            }
            Err(error) => refused(&error.to_string()),
        }
    }

    /// Shows a result as it is.
    fn open(&mut self, arguments: &Value, limit: usize) -> Result<Value, ToolError> {
        let reference = tools::opened(arguments).map_err(|error| ToolError::BadArguments(error.to_string()))?;
        let found = self.results.find(&reference, &self.words()).map_err(|error| ToolError::BadArguments(error.to_string()))?;
        let label = Label::join_all(found.leaves.iter().map(|leaf| &leaf.traced.label));
        let from = self.results.get(reference.result).map(|stored| Source::result(stored.id, &stored.function.name));
        self.label = self.label.join(&label);
        self.sources.extend(from);
        Ok(super::turning::bounded(found.value, limit))
    }

    /// What a reader is asked, and the label of what it reads.
    fn reading(&self, cx: Cx<'_>, arguments: &Value, key: String) -> Result<ModelRequest, ToolError> {
        let bad = |error: &dyn std::fmt::Display| ToolError::BadArguments(error.to_string());
        let asked = tools::asked(arguments).map_err(|error| bad(&error))?;
        let found = self.results.find(&asked.from, &self.words()).map_err(|error| bad(&error))?;
        let extract::Reading { system, user } = extract::prompt(&asked.kind, &asked.question, &found.value).map_err(|error| bad(&error))?;
        Ok(ModelRequest {
            system,
            context: String::new(),
            history: vec![Utterance::User { parts: vec![Part::Text { text: user }] }],
            tools: Arc::new(Vec::new()),
            max_output_tokens: READ_TOKENS,
            label: self.label.join(&label_of(&found)),
            member: String::new(),
            now: cx.now.to_zoned(crate::time::TimeZone::UTC),
            cache_key: key,
            charge: self.charge(cx.now),
        })
    }

    /// What a reader answered: kept, and shown where its type is narrow and its source has bits left.
    fn read(&mut self, cx: Cx<'_>, arguments: &Value, reply: &str) -> Result<(Value, Option<Write>), ToolError> {
        let bad = |error: &dyn std::fmt::Display| ToolError::BadArguments(error.to_string());
        let asked = tools::asked(arguments).map_err(|error| bad(&error))?;
        let found = self.results.find(&asked.from, &self.words()).map_err(|error| bad(&error))?;
        let value = extract::answer(&asked.kind, reply).map_err(|error| ToolError::Failed(error.to_string()))?;
        let Some(function) = self.results.get(asked.from.result).map(|stored| stored.function.clone()) else {
            return Err(ToolError::BadArguments("there is no such result yet".to_owned()));
        };
        let label = Label::new(label_of(&found).readers, Integrity::Outside);
        let origin = found.leaves.iter().fold(Origin::default(), |sum, leaf| sum.join(&leaf.traced.origin));
        let mut sources = origin.outside;
        sources.insert(Source::result(asked.from.result, &function.name));
        // Nothing that a reader says is vouched for.
        let function = Function { fields: BTreeMap::new(), ..function };
        let stored = Stored { id: self.number(Fit::NoPlan), function, value: value.clone(), label };
        let id = stored.id;
        let (hidden, write) = self.keeps(cx, stored).ok_or_else(|| ToolError::Failed("there are too many results".to_owned()))?;
        let shown = match self.taken.budget.show(&asked.kind, &sources) {
            Ok(()) => json!({ "result": format!("${id}"), "value": value }),
            // That there is no answer would tell something, too.
            Err(_) if value.is_null() => json!({ "result": format!("${id}"), "value": { "hidden": word(&asked.kind) } }),
            Err(_) => hidden,
        };
        Ok((shown, write))
    }

    /// The results of an open turn, after a restart; what was shown of them is in the steps.
    pub(super) fn holds(&mut self, results: Vec<Stored>) {
        for stored in results {
            // The store has no more than there were.
            let _ = self.results.keep(stored);
        }
    }
}

impl Core {
    /// Carries out what the conversation does itself.
    pub(super) fn run_own(&mut self, cx: Cx<'_>, ready: &Ready) -> Vec<Effect> {
        let limit = self.setting.limits.tool_result_bytes;
        let most = self.setting.limits.model_calls;
        let (model, key) = (self.count(), format!("{}-read", self.id));
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        let result = match ready.name.as_str() {
            tools::PLAN => active.freeze(cx, &ready.arguments),
            tools::OPEN => active.open(&ready.arguments, limit),
            _ if active.model_calls >= most => Err(ToolError::Failed("no more questions can be asked in this turn".to_owned())),
            _ => match active.reading(cx, &ready.arguments, key) {
                Ok(request) => {
                    active.model_calls = active.model_calls.saturating_add(1);
                    active.phase = Phase::Reading(ready.id, model);
                    return vec![Effect::Read(model, Arc::new(request))];
                }
                Err(error) => Err(error),
            },
        };
        active.phase = Phase::Running(ready.id);
        self.outcome(cx, ready.id, result, None)
    }

    /// A reader answered, or could not.
    pub(super) fn reader_replied(&mut self, cx: Cx<'_>, call: CallId, result: Result<ModelReply, ModelError>) -> Vec<Effect> {
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        let Some(arguments) = active.queue.front().filter(|ready| ready.id == call).map(|ready| ready.arguments.clone()) else {
            return Vec::new();
        };
        active.phase = Phase::Running(call);
        let read = result.map_err(|error| ToolError::Failed(error.to_string())).and_then(|reply| {
            active.usage = active.usage.plus(reply.usage);
            active.read(cx, &arguments, &reply.text)
        });
        match read {
            Ok((shown, write)) => self.outcome(cx, call, Ok(shown), write),
            Err(error) => self.outcome(cx, call, Err(error), None),
        }
    }
}

fn label_of(found: &Found) -> Label {
    Label::join_all(found.leaves.iter().map(|leaf| &leaf.traced.label))
}

/// A result in the form in which its fields have names: a single text may be rows that an encoder wrote.
fn structured(value: Value) -> Value {
    let text = value.as_object().filter(|parts| parts.len() == 1).and_then(|parts| parts.get("text")).and_then(Value::as_str);
    match text.map(rows::read) {
        Some(read @ (Value::Array(_) | Value::Object(_))) => read,
        _ => value,
    }
}

const fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::YesNo {} => "yes or no",
        Kind::Number { .. } | Kind::Decimal {} => "number",
        Kind::OneOf { .. } | Kind::Date {} | Kind::Shape { .. } | Kind::Text { .. } => "text",
    }
}

/// The steps of an open turn say which plan it had made, and how far it is.
pub(super) fn replanned(active: &mut Active, cx: Cx<'_>, step: &Step, plans: &mut BTreeMap<CallId, Value>) {
    match &step.body {
        StepBody::Intent { call, name, arguments, .. } if name == tools::PLAN => {
            plans.insert(*call, arguments.clone());
        }
        StepBody::Outcome { call, name, result: Ok(_), .. } if name == tools::PLAN => {
            if let Some(arguments) = plans.remove(call) {
                // It was frozen before, by the same words.
                let _ = active.freeze(cx, &arguments);
            }
        }
        StepBody::Intent { fit, .. } => {
            if let Some(plan) = &mut active.plan {
                plan.ran(*fit);
            }
        }
        StepBody::Outcome { .. } | StepBody::Reply { .. } | StepBody::Asked { .. } => {}
    }
}

/// The mentions that the turn's plan uses too often.
pub(super) fn contested(active: &Active) -> BTreeSet<String> {
    active.plan.as_ref().map(|plan| plan.contested().clone()).unwrap_or_default()
}
