//! The turn that is active: from recalled facts to its one logical answer.

use super::holding::Resolved;
use super::*;
use crate::approval::Approval;
use crate::flow::handle::Results;
use crate::flow::plan::{Fit, Plan};
use crate::flow::tools;
use crate::flow::value::Source;
use crate::model::{StopReason, ToolCall, Usage};
use crate::policy::Taken;
use crate::store::StepBody;
use crate::tool;

/// The turn at work.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) pending: Pending,
    pub(super) phase: Phase,
    /// What was recalled, once it was.
    pub(super) recalled: Option<Vec<MemoryHit>>,
    /// The join of all that the turn has taken in.
    pub(super) label: Label,
    /// Calls that are allowed and saved, in order; the first one runs or is next.
    pub(super) queue: VecDeque<Ready>,
    pub(super) model_calls: usize,
    pub(super) tool_calls: usize,
    pub(super) usage: Usage,
    /// How often the same call failed, by digest of name and arguments.
    pub(super) failures: BTreeMap<Digest, usize>,
    /// Whether an empty reply was asked again.
    pub(super) asked_again: bool,
    /// What of it came from outside.
    pub(super) sources: BTreeSet<Source>,
    /// What its calls took so far of the member's words.
    pub(super) taken: Taken,
    /// The results that are passed on without being shown.
    pub(super) results: Results,
    /// What the turn will do, when that was frozen.
    pub(super) plan: Option<Plan>,
}

/// Where the turn stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// Waits until the message is durable and memory was searched.
    Gathering,
    /// Waits for that model call.
    Modelling(u64),
    /// Waits for policy.
    Deciding(Box<ModelReply>, Vec<Judged>),
    /// Waits until reply and intents are durable.
    SavingReply,
    /// A person was asked about that call, and has not answered.
    Asking(CallId),
    /// A tool is at work.
    Running(CallId),
    /// A reader is asked by that model call.
    Reading(CallId, u64),
    /// Waits until the outcome is durable.
    SavingOutcome,
    /// Waits until the end is durable.
    Ending,
}

/// A call that a model made, and what is to become of it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) id: CallId,
    pub(super) call: ToolCall,
    pub(super) verdict: Option<Result<Go, ToolError>>,
    /// The call as it would run.
    pub(super) resolved: Option<Resolved>,
    /// What a person would be asked about it, until they are.
    pub(super) held: Option<Box<Approval>>,
}

/// When a call may run.
#[derive(Debug)]
pub(super) enum Go {
    /// In its turn.
    Now,
    /// When a person said yes to this question.
    Approved(ApprovalId),
}

/// A call that may run.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) id: CallId,
    pub(super) provider_call: String,
    pub(super) name: String,
    pub(super) arguments: serde_json::Value,
    pub(super) at: Timestamp,
    /// Whether it was run a second time, since what became of the first is not known.
    pub(super) repeated: bool,
    /// The question to a person that it waits for.
    pub(super) asked: Option<ApprovalId>,
    /// The label of what the arguments carry, beside the turn's.
    pub(super) carries: Label,
    /// Its place in the turn's plan.
    pub(super) fit: Fit,
}

/// Whether a call of this tool can have had an effect. A tool that is gone meanwhile cannot say what it may have done.
fn may_act(cx: Cx<'_>, name: &str) -> bool {
    cx.tools.iter().find(|spec| spec.name == name).is_none_or(|spec| spec.effect != tool::Effect::Read)
}

/// How a turn ends.
struct Ending<'a> {
    state: TurnState,
    purpose: Purpose,
    kind: FactKind,
    detail: &'a str,
    text: String,
}

impl Pending {
    /// What is to be done with its message, if that answers a question of the house.
    pub(super) fn reply(&self) -> Option<Effect> {
        let word = Word::read(&self.message.text)?;
        Some(Effect::TakeReply(self.turn.id, self.member.id, word))
    }
}

impl Active {
    pub(super) fn new(pending: Pending) -> Self {
        let label = pending.message.label.clone();
        Self {
            pending,
            phase: Phase::Gathering,
            recalled: None,
            label,
            queue: VecDeque::new(),
            model_calls: 0,
            tool_calls: 0,
            usage: Usage::default(),
            failures: BTreeMap::new(),
            asked_again: false,
            sources: BTreeSet::new(),
            taken: Taken::default(),
            results: Results::default(),
            plan: None,
        }
    }

    pub(super) fn is_modelling(&self, call: u64) -> bool {
        matches!(self.phase, Phase::Modelling(now) if now == call)
    }

    fn is(&self, turn: TurnId) -> bool {
        self.pending.turn.id == turn
    }

    /// Counts a failure of this call. One that was not allowed was not tried: who has a model ask for it again and again ends at the bound of
    /// model calls, and not the member's turn before what the member wants.
    pub(super) fn count_failure(&mut self, name: &str, arguments: &serde_json::Value, error: &ToolError) {
        if !matches!(error, ToolError::Denied(_)) {
            let count = self.failures.entry(Digest::of(format!("{name}\n{arguments}").as_bytes())).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn next_index(&self) -> u32 {
        u32::try_from(self.pending.steps.len()).unwrap_or(u32::MAX)
    }

    /// Runs the first call of the queue.
    fn run(&mut self, cx: Cx<'_>, ready: Ready, conversation: ConversationId, deadline: Duration) -> Effect {
        self.phase = Phase::Running(ready.id);
        let (member, charge) = (self.pending.member.clone(), self.charge(cx.now));
        Effect::RunTool(Box::new(Invocation {
            id: ready.id,
            name: ready.name,
            arguments: ready.arguments,
            now: cx.now.to_zoned(member.time_zone()),
            decided: ready.at,
            member,
            audience: self.pending.audience.clone(),
            conversation,
            label: self.label.join(&ready.carries),
            deadline,
            charge,
        }))
    }

    /// Who pays for what the turn does now.
    pub(super) fn charge(&self, now: Timestamp) -> Charge {
        let calls = self.pending.steps.iter().filter(|step| matches!(step.body, StepBody::Outcome { .. })).count();
        let before = Amounts { tool_calls: u64::try_from(calls).unwrap_or(u64::MAX), ..self.usage.into() };
        Charge::to(&self.pending.member, now).within(self.pending.turn.id, before)
    }

    /// The turn has read this, of that tool.
    pub(super) fn takes_in(&mut self, name: &str, label: &Label) {
        self.label = self.label.join(label);
        if label.integrity == Integrity::Outside {
            self.sources.insert(Source { result: None, from: name.to_owned() });
        }
    }

    /// Adds a step and gives the write of it.
    pub(super) fn step(&mut self, cx: Cx<'_>, body: StepBody) -> Write {
        let step = Step { turn: self.pending.turn.id, index: self.next_index(), body, label: self.label.clone(), at: cx.now };
        self.pending.steps.push(step.clone());
        Write::Step(step)
    }
}

impl Core {
    /// Makes the oldest waiting turn the active one.
    pub(super) fn activate_next(&mut self) -> Vec<Effect> {
        if self.active.is_some() {
            return Vec::new();
        }
        let Some(pending) = self.waiting.pop_front() else {
            return Vec::new();
        };
        let search =
            MemorySearch { words: pending.message.text.clone(), audience: pending.audience.clone(), limit: self.setting.limits.recalled };
        let turn = pending.turn.id;
        self.active = Some(Active::new(pending));
        vec![Effect::Recall(turn, search)]
    }

    pub(super) fn recalled(&mut self, cx: Cx<'_>, turn: TurnId, hits: Vec<MemoryHit>) -> Vec<Effect> {
        let Some(active) = self.active.as_mut().filter(|active| active.is(turn) && active.recalled.is_none()) else {
            return Vec::new();
        };
        // Only what everybody present may read: the store has filtered already, this is the second lock (I-7).
        let hits: Vec<_> = hits.into_iter().filter(|hit| hit.memory.label.readers.cover(&active.pending.audience)).collect();
        let labels = Label::join_all(hits.iter().map(|hit| &hit.memory.label));
        active.label = active.label.join(&labels);
        active.recalled = Some(hits);
        self.go_on(cx)
    }

    /// From Gathering: on to the next thing, when everything is there.
    pub(super) fn go_on(&mut self, cx: Cx<'_>) -> Vec<Effect> {
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        if !matches!(active.phase, Phase::Gathering) || !active.pending.saved {
            return Vec::new();
        }
        if active.pending.stop {
            return self.stop_active(cx).1;
        }
        if active.pending.message.text.trim() == STOP_WORD {
            return self.answer(cx, "Stopped what was running. What waits behind it goes on.".to_owned());
        }
        if active.pending.reply().is_some() {
            return active.pending.taken.take().map(|sentence| self.answer(cx, sentence)).unwrap_or_default();
        }
        if active.recalled.is_none() {
            return Vec::new();
        }
        self.next_call_or_model(cx)
    }

    fn next_call_or_model(&mut self, cx: Cx<'_>) -> Vec<Effect> {
        let limits = &self.setting.limits;
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        if let Some(Ready { asked: Some(approval), .. }) = active.queue.front() {
            let approval = *approval;
            return self.ask_person(cx, approval);
        }
        if let Some(ready) = active.queue.front().filter(|ready| tools::is_own(&ready.name)).cloned() {
            return self.run_own(cx, &ready);
        }
        if let Some(ready) = active.queue.front().cloned() {
            return vec![active.run(cx, ready, self.id, limits.tool_deadline)];
        }
        if active.model_calls >= limits.model_calls {
            let text = format!("I asked the model {} times without coming to an end, so I stopped here.", active.model_calls);
            return self.fail(cx, "model_calls", text);
        }
        self.call_model(cx)
    }

    fn call_model(&mut self, cx: Cx<'_>) -> Vec<Effect> {
        let call = self.count();
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        active.model_calls = active.model_calls.saturating_add(1);
        active.phase = Phase::Modelling(call);
        let summary = self.row.as_ref().and_then(|row| row.summary.as_ref());
        let request = prompt::request(cx, &self.setting, self.id, summary, &self.history, active);
        active.label = request.label.clone();
        vec![Effect::CallModel(call, Arc::new(request))]
    }

    pub(super) fn replied(&mut self, cx: Cx<'_>, call: u64, result: Result<ModelReply, ModelError>) -> Vec<Effect> {
        let limits = self.setting.limits.clone();
        if let Some(Phase::Reading(asked, model)) = self.active.as_ref().map(|active| &active.phase)
            && *model == call
        {
            let asked = *asked;
            return self.reader_replied(cx, asked, result);
        }
        let Some(active) = self.active.as_mut().filter(|active| active.is_modelling(call)) else {
            return Vec::new();
        };
        let reply = match result {
            Ok(reply) => reply,
            Err(ModelError::Spent(refused)) => return self.spent(cx, refused.to_string()),
            Err(error) => {
                return self.fail(cx, "model", format!("I could not answer: {error}. Your message is kept; say it again in a while."));
            }
        };
        active.usage = active.usage.plus(reply.usage);
        if reply.calls.is_empty() {
            return self.ends(cx, reply);
        }
        active.tool_calls = active.tool_calls.saturating_add(reply.calls.len());
        if reply.calls.len() > limits.calls_per_reply || active.tool_calls > limits.calls_per_turn {
            let text = format!(
                "The model wanted {} tool calls ({} in one answer); {} in one answer and {} in one turn are allowed. None of the last ones were run.",
                active.tool_calls,
                reply.calls.len(),
                limits.calls_per_reply,
                limits.calls_per_turn
            );
            return self.fail(cx, "too_many_calls", text);
        }
        self.judge(cx, reply)
    }

    /// A reply without calls ends the turn.
    fn ends(&mut self, cx: Cx<'_>, reply: ModelReply) -> Vec<Effect> {
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        let empty = reply.text.trim().is_empty();
        match reply.stop {
            StopReason::Refused if empty => self.fail(cx, "refused", "The model declined to answer this.".to_owned()),
            StopReason::Length if empty => {
                self.fail(cx, "length", "The model used up its answer before saying anything. Ask for less at once.".to_owned())
            }
            StopReason::End | StopReason::ToolUse if empty && !active.asked_again => {
                active.asked_again = true;
                self.call_model(cx)
            }
            StopReason::End | StopReason::ToolUse if empty => {
                self.fail(cx, "empty", "The model answered twice with nothing. Try to say it in other words.".to_owned())
            }
            StopReason::Length => self.answer(cx, format!("{}\n\n(The answer was cut at its length limit.)", reply.text)),
            StopReason::End | StopReason::ToolUse | StopReason::Refused => self.answer(cx, reply.text),
        }
    }

    pub(super) fn tool_ended(&mut self, cx: Cx<'_>, call: CallId, result: Result<ToolOutput, ToolError>) -> Vec<Effect> {
        let limit = self.setting.limits.tool_result_bytes;
        if self.active.as_ref().is_none_or(|active| !matches!(active.phase, Phase::Running(now) if now == call)) {
            return Vec::new();
        }
        if matches!(result, Err(ToolError::TimedOut | ToolError::Lost))
            && let Some(effects) = self.outcome_unclear(cx)
        {
            return effects;
        }
        if let Err(ToolError::Spent(sentence)) = result {
            return self.spent(cx, sentence);
        }
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        let Some(ready) = active.queue.front().cloned() else {
            return Vec::new();
        };
        match result {
            Ok(output) => {
                let (shown, kept) = active.takes(cx, &ready, output, limit);
                self.outcome(cx, call, Ok(shown), kept)
            }
            Err(error) => self.outcome(cx, call, Err(error), None),
        }
    }

    /// Saves what the first call of the queue came to, and what is kept of it.
    pub(super) fn outcome(
        &mut self,
        cx: Cx<'_>,
        call: CallId,
        result: Result<serde_json::Value, ToolError>,
        kept: Option<Write>,
    ) -> Vec<Effect> {
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        let Some(ready) = active.queue.pop_front() else {
            return Vec::new();
        };
        if let Err(error) = &result {
            active.count_failure(&ready.name, &ready.arguments, error);
        }
        let detail = if result.is_ok() { "ok" } else { "error" };
        let content = result.as_ref().map(ToString::to_string).unwrap_or_default();
        // What was shown of outside text counts also after a crash, before anybody is shown it.
        let taken = tools::is_own(&ready.name).then(|| active.taken.clone());
        let write =
            active.step(cx, StepBody::Outcome { call, provider_call: ready.provider_call, name: ready.name.clone(), result, taken });
        active.phase = Phase::SavingOutcome;
        let turn = active.pending.turn.id;
        let fact = fact(
            cx,
            FactKind::ToolFinished,
            Some(active.pending.member.id),
            call.to_string(),
            &format!("{}: {detail}", ready.name),
            &content,
        );
        let writes = std::iter::once(write).chain(kept).collect();
        vec![self.save(Saving::Outcome { turn }, Commit { writes, fact })]
    }

    /// The call that runs may have had an effect or not. As after a crash: it is repeated under its own id, once, if its tool allows that;
    /// otherwise the member is asked, since a model would repeat it under another id. `None` when it can have had no effect.
    fn outcome_unclear(&mut self, cx: Cx<'_>) -> Option<Vec<Effect>> {
        let deadline = self.setting.limits.tool_deadline;
        let active = self.active.as_mut()?;
        let ready = active.queue.front_mut()?;
        let spec = cx.tools.iter().find(|spec| spec.name == ready.name);
        if spec.is_some_and(|spec| spec.idempotent) && !ready.repeated {
            ready.repeated = true;
            let again = ready.clone();
            return Some(vec![active.run(cx, again, self.id, deadline)]);
        }
        let name = ready.name.clone();
        may_act(cx, &name).then(|| self.unknown_outcome(cx, &name))
    }

    /// Reply or outcome is durable: on with the next call or the model, unless the same thing fails again and again.
    pub(super) fn step_saved(&mut self, cx: Cx<'_>, turn: TurnId) -> Vec<Effect> {
        let most = self.setting.limits.repeated_failures;
        let Some(active) = self.active.as_mut().filter(|active| active.is(turn)) else {
            return Vec::new();
        };
        if !matches!(active.phase, Phase::SavingReply | Phase::SavingOutcome) {
            return Vec::new();
        }
        if active.failures.values().any(|count| *count >= most) {
            let text = format!("The same tool call failed {most} times, so I stopped trying.");
            return self.fail(cx, "repeated_failures", text);
        }
        self.next_call_or_model(cx)
    }

    pub(super) fn stop_active(&mut self, cx: Cx<'_>) -> (Option<TurnId>, Vec<Effect>) {
        let Some(active) = self.active.as_mut() else {
            return (None, Vec::new());
        };
        let turn = active.pending.turn.id;
        if !active.pending.saved {
            // The message is not durable yet; the turn ends as soon as it is.
            active.pending.stop = true;
            return (Some(turn), Vec::new());
        }
        let running = active.queue.front().filter(|_| matches!(active.phase, Phase::Running(_)));
        let cut = running.map(|ready| ready.name.clone()).filter(|name| may_act(cx, name));
        let mut effects = match &active.phase {
            Phase::Modelling(call) => vec![Effect::CancelModel(*call), Effect::ResetPreview(turn)],
            Phase::Reading(_, call) => vec![Effect::CancelModel(*call)],
            Phase::Running(call) => vec![Effect::CancelTool(*call)],
            Phase::Ending => return (None, Vec::new()),
            Phase::Asking(_) | Phase::Gathering | Phase::Deciding(..) | Phase::SavingReply | Phase::SavingOutcome => Vec::new(),
        };
        let asked: BTreeSet<_> = active.queue.iter().filter_map(|ready| ready.asked).collect();
        effects.extend(asked.into_iter().map(Effect::Withdraw));
        let done = done_so_far(&active.pending.steps);
        let mut text = if done.is_empty() { "Stopped.".to_owned() } else { format!("Stopped. Done before that: {}.", done.join(", ")) };
        if let Some(tool) = cut {
            text.push_str(&format!(" `{tool}` was at work, and I cannot tell whether it happened."));
        }
        effects.extend(
            self.end(cx, Ending { state: TurnState::Stopped, purpose: Purpose::Failure, kind: FactKind::TurnStopped, detail: "", text }),
        );
        (Some(turn), effects)
    }

    /// A call's outcome is not known and it may not be repeated: the member is told, nothing is tried again.
    pub(super) fn unknown_outcome(&mut self, cx: Cx<'_>, tool: &str) -> Vec<Effect> {
        let text = format!(
            "I was interrupted while `{tool}` was at work, and I cannot tell whether it happened. I did not repeat it: please check, and tell me if I should do it again."
        );
        self.end(cx, Ending { state: TurnState::Failed, purpose: Purpose::Failure, kind: FactKind::OutcomeUnknown, detail: tool, text })
    }

    pub(super) fn give_up(&mut self, cx: Cx<'_>) -> Vec<Effect> {
        self.fail(
            cx,
            "gave_up",
            "Something in the house breaks at this message, again and again, so I gave it up. The log says more.".to_owned(),
        )
    }

    /// The budget has not enough left for the next step: the member is told, with what was done before.
    fn spent(&mut self, cx: Cx<'_>, sentence: String) -> Vec<Effect> {
        let done = self.active.as_ref().map(|active| done_so_far(&active.pending.steps)).unwrap_or_default();
        let text = if done.is_empty() { sentence } else { format!("{sentence} Done before that: {}.", done.join(", ")) };
        self.fail(cx, "budget", text)
    }

    fn fail(&mut self, cx: Cx<'_>, detail: &str, text: String) -> Vec<Effect> {
        self.end(cx, Ending { state: TurnState::Failed, purpose: Purpose::Failure, kind: FactKind::TurnFailed, detail, text })
    }

    fn answer(&mut self, cx: Cx<'_>, text: String) -> Vec<Effect> {
        self.end(cx, Ending { state: TurnState::Answered, purpose: Purpose::Answer, kind: FactKind::TurnAnswered, detail: "", text })
    }

    /// Ends the turn: answer, state and delivery in one transaction.
    fn end(&mut self, cx: Cx<'_>, mut ending: Ending<'_>) -> Vec<Effect> {
        let seq = self.take_seq();
        let limit = self.setting.limits.reply_bytes;
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        active.phase = Phase::Ending;
        self.payer = Some(Charge { turn: None, ..active.charge(cx.now) });
        let mut label = active.label.clone();
        if !label.readers.cover(&active.pending.audience) {
            // I-5. The words of the refusal are the house's own.
            label = Label::new(Readers::present(&active.pending.audience), Integrity::House);
            ending = Ending {
                state: TurnState::Failed,
                purpose: Purpose::Failure,
                kind: FactKind::TurnFailed,
                detail: "audience",
                text: "The answer draws on something that not everybody here may see. Ask me in private.".to_owned(),
            };
        }
        truncate(&mut ending.text, limit);
        let mut turn = active.pending.turn.clone();
        turn.state = ending.state;
        turn.usage = active.usage;
        turn.sources = active.recalled.iter().flatten().map(|hit| hit.memory.id).collect();
        let message = Message {
            id: MessageId::fresh(cx.ids),
            conversation: turn.conversation,
            seq,
            turn: Some(turn.id),
            answer: Some(turn.answer),
            author: Author::House,
            purpose: ending.purpose,
            origin: None,
            text: ending.text,
            images: Vec::new(),
            label,
            at: cx.now,
        };
        let kept = active.results.iter().next().is_some();
        let asked = active.pending.message.clone();
        let who = Some(active.pending.member.id);
        self.remember(asked);
        let delivery = self.delivery(cx, &message, turn.answer, &turn.channel);
        let fact = fact(cx, ending.kind, who, turn.id.to_string(), ending.detail, &message.text);
        let id = turn.id;
        let mut writes = vec![Write::Message(message.clone()), Write::Turn(turn), Write::Delivery(delivery.clone())];
        writes.extend(kept.then_some(Write::ForgetResults(id)));
        vec![self.save(Saving::End { turn: id, delivery, message }, Commit { writes, fact })]
    }
}

/// The names of the tools that have finished well, in order.
fn done_so_far(steps: &[Step]) -> Vec<String> {
    steps
        .iter()
        .filter_map(|step| match &step.body {
            StepBody::Outcome { name, result: Ok(_), .. } => Some(name.clone()),
            StepBody::Outcome { .. } | StepBody::Reply { .. } | StepBody::Intent { .. } | StepBody::Asked { .. } => None,
        })
        .collect()
}

/// A result that a model can be shown: cut where it is too long, and saying so.
pub(super) fn bounded(value: serde_json::Value, limit: usize) -> serde_json::Value {
    let text = value.to_string();
    if text.len() <= limit {
        return value;
    }
    let mut head = text.clone();
    truncate(&mut head, limit);
    serde_json::json!({ "cut": head, "bytes": text.len() })
}

/// Cuts at a character's boundary.
fn truncate(text: &mut String, limit: usize) {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}
