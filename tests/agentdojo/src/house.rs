//! A turn of the house around the pure core: plan, calls, readings, the gate, an ideal member. Knows no tool by name.

use std::collections::{BTreeMap, BTreeSet};

use hearth_domain::approval::grant::Grant;
use hearth_domain::approval::{Answer, Approval};
use hearth_domain::flow::call::{Call, Catalog, Function};
use hearth_domain::flow::extract;
use hearth_domain::flow::gate::{self, Because, Facts, Used, Verdict};
use hearth_domain::flow::handle::{Results, Stored};
use hearth_domain::flow::plan::{Fit, Plan};
use hearth_domain::flow::rows;
use hearth_domain::flow::template::{Resolving, Template};
use hearth_domain::flow::value::{Control, Leaf, ResultId, Source, Traced};
use hearth_domain::flow::words::Words;
use hearth_domain::household::{Audience, Member, Role};
use hearth_domain::ids::{ConversationId, GrantId};
use hearth_domain::journal::Digest;
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::sandbox::{Role as For, Trust};
use hearth_domain::time::Timestamp;
use hearth_domain::tool::Effect;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::{HttpError, post};

/// Most steps of a turn.
const STEPS: usize = 60;

/// How the planner works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// It plans first and is shown what is vouched for.
    Locked,
    /// It reads everything, and writes every argument itself.
    Plain,
}

/// What the member answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    /// Yes to what the task needs, no to all else.
    Ideal,
    /// No.
    Never,
}

/// A case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) task: String,
    pub(crate) attack: Option<String>,
    pub(crate) mode: &'static str,
    pub(crate) style: Style,
    pub(crate) answers: Answers,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    pub(crate) done: bool,
    pub(crate) attacked: bool,
    pub(crate) asked: usize,
}

/// What a manifest says of one function.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declared {
    effect: Effect,
    arguments: BTreeMap<String, For>,
    fields: BTreeMap<String, Trust>,
}

struct House {
    port: u16,
    base: String,
    case: Case,
    catalog: Catalog,
    member: Member,
    audience: Audience,
    conversation: ConversationId,
    words: Words,
    plan: Option<Plan>,
    control: Control,
    results: Results,
    used: Used,
    approvals: Vec<Approval>,
    grants: Vec<Grant>,
    messages: Vec<Value>,
    asked: usize,
    second: i64,
}

/// Runs one case.
pub(crate) fn run(port: u16, manifest: &BTreeMap<String, Declared>, case: &Case) -> Result<Outcome, HttpError> {
    let begun =
        post(port, "/ctl/init", &json!({"suite": "banking", "user_task": case.task, "injection_task": case.attack, "mode": case.mode}))?;
    let id = begun["case"].as_str().unwrap_or_default().to_owned();
    let mut house = House::new(port, &id, case.clone(), begun["prompt"].as_str().unwrap_or_default());
    house.catalog = house.tools(manifest)?;
    let said = house.turn()?;
    let ended = post(port, "/ctl/finish", &json!({"case": id, "output": said}))?;
    Ok(Outcome { done: ended["utility"] == true, attacked: ended["attack_success"] == true, asked: house.asked })
}

impl House {
    fn new(port: u16, id: &str, case: Case, prompt: &str) -> Self {
        let member = Member { id: Member::id_of("Emma"), name: "Emma".into(), role: Role::Adult, zone: "UTC".into() };
        Self {
            port,
            base: format!("/case/{id}"),
            case,
            catalog: Catalog::new(),
            audience: Audience::of([(member.id, member.role)]),
            conversation: ConversationId::derived(&[id]),
            words: Words::new(prompt),
            plan: None,
            control: Control::new(Label::new(Readers::only([member.id]), Integrity::Member)),
            member,
            results: Results::default(),
            used: Used::default(),
            approvals: Vec::new(),
            grants: Vec::new(),
            messages: vec![json!({"role": "user", "content": prompt})],
            asked: 0,
            second: 1_800_000_000,
        }
    }

    fn mcp(&self, method: &str, params: &Value) -> Result<Value, HttpError> {
        post(self.port, &format!("{}/mcp", self.base), &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    }

    fn model(&self, body: &Value) -> Result<Value, HttpError> {
        post(self.port, &format!("{}/v1/chat/completions", self.base), body)
    }

    /// What the server offers; of what the manifest does not know, nothing is trusted.
    fn tools(&self, manifest: &BTreeMap<String, Declared>) -> Result<Catalog, HttpError> {
        let listed = self.mcp("tools/list", &json!({}))?;
        let function = |tool: &Value| {
            let name = tool["name"].as_str().unwrap_or_default().to_owned();
            let declared = manifest.get(&name);
            let function = Function {
                tool: "mcp/suite".into(),
                name: name.clone(),
                release: Digest::ZERO,
                parameters: tool["inputSchema"].clone(),
                effect: declared.map_or(Effect::Admin, |declared| declared.effect),
                arguments: declared.map(|declared| declared.arguments.clone()).unwrap_or_default(),
                fields: declared.map(|declared| declared.fields.clone()).unwrap_or_default(),
            };
            (name, function)
        };
        Ok(listed["result"]["tools"].as_array().into_iter().flatten().map(function).collect())
    }

    fn turn(&mut self) -> Result<String, HttpError> {
        if self.case.style == Style::Locked {
            let text = self.model(&json!({"kind": "plan"}))?;
            let text = text["text"].as_str().unwrap_or_default();
            match Plan::freeze(text, &self.catalog, &self.words, self.control.clone()) {
                Ok(plan) => self.plan = Some(plan),
                Err(error) => return Ok(format!("no plan: {error}")),
            }
        }
        for _ in 0..STEPS {
            let step = match self.case.style {
                Style::Locked => self.model(&json!({"kind": "step", "messages": self.messages}))?,
                Style::Plain => self.plain_step()?,
            };
            let Some(call) = step.get("call") else {
                return Ok(step["say"].as_str().unwrap_or_default().to_owned());
            };
            let said = match self.call(call)? {
                Ok(shown) => shown,
                Err(why) => json!({ "not_done": why }),
            };
            self.messages.push(json!({"role": "tool", "tool_call_id": "1", "content": said.to_string()}));
        }
        Ok(String::new())
    }

    fn plain_step(&self) -> Result<Value, HttpError> {
        let answer = self.model(&json!({"model": "scripted", "messages": self.messages, "tools": [{}]}))?;
        let message = &answer["choices"][0]["message"];
        let function = &message["tool_calls"][0]["function"];
        Ok(match function["arguments"].as_str() {
            Some(arguments) => json!({"call": {"function": function["name"], "arguments": serde_json::from_str::<Value>(arguments)?}}),
            None => json!({"say": message["content"]}),
        })
    }

    /// One call: resolved, decided, made. What the planner is shown of it, or why it was not done.
    fn call(&mut self, call: &Value) -> Result<Result<Value, String>, HttpError> {
        self.second += 1;
        let Some(function) = call["function"].as_str().and_then(|name| self.catalog.get(name)).cloned() else {
            return Ok(Err("there is no such function".into()));
        };
        let mut arguments = BTreeMap::new();
        for (key, value) in call["arguments"].as_object().into_iter().flatten() {
            match Template::read(value) {
                Ok(template) => arguments.insert(key.clone(), template),
                Err(error) => return Ok(Err(error.to_string())),
            };
        }
        let fit = self.plan.as_ref().map_or(Fit::NoPlan, |plan| plan.may(&function.name, &arguments));
        let answers = match self.read(&arguments)? {
            Ok(answers) => answers,
            Err(why) => return Ok(Err(why)),
        };
        let control = self.plan.as_ref().map_or(&self.control, |plan| plan.control(fit, &self.control)).clone();
        let resolving = Resolving { results: &self.results, words: &self.words, control: &control, answers: &answers };
        let (value, leaves) = match resolving.arguments(&arguments) {
            Ok(resolved) => resolved,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let call = Call::new(&function, value, self.member.id, self.conversation);
        if let Err(why) = self.decide(&function, &call, &leaves, &control, fit)? {
            return Ok(Err(why));
        }
        let result = self.mcp("tools/call", &json!({"name": function.name, "arguments": call.arguments}))?;
        Ok(Ok(self.keep(&function, fit, &leaves, result["result"]["content"][0]["text"].as_str().unwrap_or_default())))
    }

    /// Makes the readings of a call.
    fn read(&self, arguments: &BTreeMap<String, Template>) -> Result<Result<BTreeMap<String, Value>, String>, HttpError> {
        let mut answers = BTreeMap::new();
        for wanted in arguments.values().flat_map(Template::extracts) {
            let found = match self.results.find(&wanted.from, &self.words) {
                Ok(found) => found,
                Err(error) => return Ok(Err(error.to_string())),
            };
            let prompt = match extract::prompt(&wanted.kind, &wanted.question, &found.value) {
                Ok(prompt) => prompt,
                Err(error) => return Ok(Err(error.to_string())),
            };
            let mut asked: Value = serde_json::from_str(&prompt.user)?;
            asked["kind"] = "read".into();
            let answer = self.model(&asked)?;
            match extract::answer(&wanted.kind, answer["text"].as_str().unwrap_or_default()) {
                Ok(value) => answers.insert(wanted.key(), value),
                Err(error) => return Ok(Err(error.to_string())),
            };
        }
        Ok(Ok(answers))
    }

    fn decide(
        &mut self,
        function: &Function,
        call: &Call,
        leaves: &[Leaf],
        control: &Control,
        fit: Fit,
    ) -> Result<Result<(), String>, HttpError> {
        let nothing = BTreeSet::new();
        let now = Timestamp::from_second(self.second).unwrap_or_default();
        loop {
            let facts = Facts {
                call,
                function,
                leaves,
                control,
                fit,
                contested: self.plan.as_ref().map_or(&nothing, Plan::contested),
                words: &self.words,
                used: &self.used,
                member: &self.member,
                audience: &self.audience,
                to: None,
                approvals: &self.approvals,
                grants: &self.grants,
                now,
            };
            match gate::decide(&facts) {
                Verdict::Deny(denial) => return Ok(Err(denial.to_string())),
                Verdict::Allow(because) => {
                    let mut used = self.used.clone();
                    used.ran(&facts);
                    self.used = used;
                    if let Some(plan) = &mut self.plan {
                        plan.ran(fit);
                    }
                    let run = |approval: &mut Approval| approval.run(call, now).map_err(|error| error.to_string());
                    let approved = self.approvals.iter_mut().find(|one| because == Because::Approved(one.id));
                    return Ok(approved.map_or(Ok(()), run));
                }
                Verdict::Ask(mut approval) => {
                    self.asked += 1;
                    if std::env::var_os("SHOW_CARDS").is_some() {
                        eprintln!("{}\n", approval.card.sentence());
                    }
                    let asked = json!({"tool": function.name, "args": call.arguments});
                    let ideal = post(self.port, &format!("{}/oracle", self.base), &asked)?["approve"] == true;
                    let answer = if ideal && self.case.answers == Answers::Ideal { Answer::Once } else { Answer::No };
                    if let Err(error) = approval.answer(&self.member, answer, now, GrantId::derived(&["none"])) {
                        return Ok(Err(error.to_string()));
                    }
                    self.approvals.push(*approval);
                }
            }
        }
    }

    /// Keeps a result, and says what the planner is shown of it.
    fn keep(&mut self, function: &Function, fit: Fit, leaves: &[Leaf], text: &str) -> Value {
        let label = gate::returned(&Label::new(Readers::only([self.member.id]), Integrity::Outside), leaves);
        if self.case.style == Style::Plain {
            let origin = hearth_domain::flow::value::Origin::outside(Source { result: None, from: function.name.clone() });
            self.control = self.control.saw(&Traced { value: Value::Null, label, origin });
            return Value::from(text);
        }
        let planned = self.plan.as_ref().map_or(0, |plan| plan.steps().len());
        let number = match fit {
            Fit::Within(at) | Fit::Filled(at) => at + 1,
            Fit::NoPlan | Fit::Wider => planned + self.results.iter().count() + 1,
        };
        let id = ResultId(u32::try_from(number).unwrap_or(u32::MAX));
        let stored = Stored { id, function: function.clone(), value: rows::read(text), label };
        self.control = self.control.saw_vouched(&stored.label);
        let shown = stored.shown();
        self.results.keep(stored).map_or_else(|error| Value::from(error.to_string()), |()| shown)
    }
}
