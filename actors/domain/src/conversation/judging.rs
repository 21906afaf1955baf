//! The calls of a reply: their form, policy's word on each, and a person's, where policy asks for one.

use super::holding::{Resolved, contested};
use super::turning::{Active, Go, Judged, Phase, Ready};
use super::*;
use crate::flow::address::is_in;
use crate::flow::plan::Fit;
use crate::flow::tools;
use crate::model::Arguments;
use crate::policy::Refusal;
use crate::sandbox::Role;
use crate::store::StepBody;

impl Core {
    /// Checks each call's form, and asks policy about those that have one.
    pub(super) fn judge(&mut self, cx: Cx<'_>, reply: ModelReply) -> Vec<Effect> {
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        let judged = reply.calls.iter().map(|call| {
            let verdict = match (cx.tools.iter().any(|spec| spec.name == call.name), &call.arguments) {
                (false, _) => Some(ToolError::Unknown),
                (true, Arguments::Malformed(_)) => Some(ToolError::BadArguments("they are not JSON".to_owned())),
                (true, Arguments::Json(value)) if !value.is_object() => Some(ToolError::BadArguments("they are not an object".to_owned())),
                (true, Arguments::Json(_)) => None,
            };
            // What the conversation does itself shows no more than the turn's own results, and labels what it shows.
            let own = verdict.is_none() && tools::is_own(&call.name);
            let verdict = if own { Some(Ok(Go::Now)) } else { verdict.map(Err) };
            Judged { id: CallId::fresh(cx.ids), call: call.clone(), verdict, resolved: None, held: None }
        });
        let judged = judged.collect();
        active.phase = Phase::Deciding(Box::new(reply), judged);
        self.decide_next(cx)
    }

    /// One after the other: what one call takes of the member's words, the next one has not.
    pub(super) fn decide_next(&mut self, cx: Cx<'_>) -> Vec<Effect> {
        let conversation = self.id;
        let Some(active) = self.active.as_ref() else {
            return Vec::new();
        };
        let Phase::Deciding(_, judged) = &active.phase else {
            return Vec::new();
        };
        let is_open = |one: &&Judged| one.verdict.is_none() && one.held.is_none();
        let Some(next) = judged.iter().find(is_open) else {
            return self.ask_held(cx);
        };
        // Nobody is asked about one of several before it is known what is to be asked about the others.
        let waits = judged.len() > 1 || active.has_asked_enough();
        let (Some(spec), Arguments::Json(arguments)) = (cx.tools.iter().find(|spec| spec.name == next.call.name), &next.call.arguments)
        else {
            // It was there a moment ago.
            let call = next.id;
            return self.decided(cx, call, Decision::Deny(Refusal::Unavailable));
        };
        let call = next.id;
        let resolved = match active.resolve(&spec.function(), arguments) {
            Ok(resolved) => resolved,
            Err(error) => return self.settle(cx, call, Err(error)),
        };
        let question = active.question(cx, call, spec, &resolved, conversation);
        if let Some(Active { phase: Phase::Deciding(_, judged), .. }) = self.active.as_mut()
            && let Some(one) = judged.iter_mut().find(|one| one.id == call)
        {
            one.resolved = Some(resolved);
        }
        vec![if waits { Effect::Foresee(Box::new(question)) } else { Effect::Decide(Box::new(question)) }]
    }

    pub(super) fn decided(&mut self, cx: Cx<'_>, call: CallId, decision: Decision) -> Vec<Effect> {
        let verdict = match decision {
            Decision::Allow(taken) => {
                if let Some(active) = self.active.as_mut() {
                    active.taken = taken;
                }
                Ok(Go::Now)
            }
            Decision::Ask(approval) => Ok(Go::Approved(approval)),
            Decision::Deny(refusal) => Err(ToolError::Denied(refusal.to_string())),
        };
        self.settle(cx, call, verdict)
    }

    /// What is to become of a call is known.
    pub(super) fn settle(&mut self, cx: Cx<'_>, call: CallId, verdict: Result<Go, ToolError>) -> Vec<Effect> {
        let Some(Active { phase: Phase::Deciding(_, judged), plan, .. }) = self.active.as_mut() else {
            return Vec::new();
        };
        let Some(one) = judged.iter_mut().find(|one| one.id == call && one.verdict.is_none()) else {
            return Vec::new();
        };
        if let (Ok(_), None, Some(resolved), Some(plan)) = (&verdict, &one.held, &one.resolved, plan) {
            plan.ran(resolved.fit);
        }
        one.verdict = Some(verdict);
        self.decide_next(cx)
    }

    /// Saves the reply, the intents of what may run, and the outcomes of what may not, in one transaction.
    pub(super) fn save_reply(&mut self, cx: Cx<'_>) -> Vec<Effect> {
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        let Phase::Deciding(reply, judged) = std::mem::replace(&mut active.phase, Phase::SavingReply) else {
            return Vec::new();
        };
        let (mut allowed, mut asked, mut refused) = (Vec::new(), 0_usize, 0_usize);
        let mut writes = vec![active.step(
            cx,
            StepBody::Reply { text: reply.text, calls: reply.calls, provider: reply.provider, usage: reply.usage, stop: reply.stop },
        )];
        for Judged { id, call, verdict, resolved, .. } in judged {
            let written = match call.arguments {
                Arguments::Json(value) => value,
                Arguments::Malformed(text) => serde_json::Value::String(text),
            };
            let (carries, fit) = resolved.as_ref().map_or((Label::neutral(), Fit::NoPlan), |resolved| (resolved.carries(), resolved.fit));
            let arguments = resolved.map_or(written, |resolved| resolved.arguments);
            let go = match verdict.unwrap_or(Err(ToolError::Denied(Refusal::NoRule.to_string()))) {
                Ok(go) => go,
                Err(error) => {
                    refused = refused.saturating_add(1);
                    active.count_failure(&call.name, &arguments, &error);
                    writes.push(active.step(
                        cx,
                        StepBody::Outcome { call: id, provider_call: call.id, name: call.name, result: Err(error), taken: None },
                    ));
                    continue;
                }
            };
            let ready = Ready {
                id,
                provider_call: call.id,
                name: call.name,
                arguments,
                at: cx.now,
                repeated: false,
                asked: if let Go::Approved(approval) = go { Some(approval) } else { None },
                carries,
                fit,
            };
            match ready.asked {
                Some(_) => asked = asked.saturating_add(1),
                None => allowed.push(ready.name.clone()),
            }
            writes.push(active.begins(cx, &ready));
            active.queue.push_back(ready);
        }
        let turn = active.pending.turn.id;
        let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(" ") };
        let detail = format!("allowed {allowed}, asked {asked}, refused {refused}");
        let fact = fact(cx, FactKind::ModelReplied, Some(active.pending.member.id), turn.to_string(), &detail, "");
        vec![self.save(Saving::Reply { turn }, Commit { writes, fact })]
    }

    /// The first call of the queue waits for a person.
    pub(super) fn ask_person(&mut self, cx: Cx<'_>, approval: ApprovalId) -> Vec<Effect> {
        let conversation = self.id;
        let Some(active) = self.active.as_mut() else {
            return Vec::new();
        };
        let Some(Ready { id, name, arguments, .. }) = active.queue.front() else {
            return Vec::new();
        };
        let (id, spec) = (*id, cx.tools.iter().find(|spec| spec.name == *name));
        let call = spec.map(|spec| Call::new(&spec.function(), arguments.clone(), active.pending.member.id, conversation));
        active.phase = Phase::Asking(id);
        match call {
            Some(call) => vec![Effect::Await(id, approval, Box::new(call))],
            None => self.answered(cx, id, Err(Refusal::Unavailable)),
        }
    }

    /// A person answered about the call that waits, or nobody did.
    pub(super) fn answered(&mut self, cx: Cx<'_>, call: CallId, answer: Result<(), Refusal>) -> Vec<Effect> {
        let Some(active) = self.active.as_mut().filter(|active| matches!(active.phase, Phase::Asking(now) if now == call)) else {
            return Vec::new();
        };
        if let Err(refusal) = answer {
            active.phase = Phase::Running(call);
            return self.tool_ended(cx, call, Err(ToolError::Denied(refusal.to_string())));
        }
        let Some(ready) = active.queue.front_mut() else {
            return Vec::new();
        };
        ready.asked = None;
        ready.at = cx.now;
        let ready = ready.clone();
        // No call runs before its intent is saved.
        let write = active.begins(cx, &ready);
        active.phase = Phase::SavingReply;
        let (turn, member) = (active.pending.turn.id, active.pending.member.id);
        let fact = fact(cx, FactKind::CallApproved, Some(member), call.to_string(), &ready.name, "");
        vec![self.save(Saving::Reply { turn }, Commit { writes: vec![write], fact })]
    }
}

impl Active {
    /// The step with which a call begins, or begins to wait.
    fn begins(&mut self, cx: Cx<'_>, ready: &Ready) -> Write {
        let idempotent = cx.tools.iter().any(|spec| spec.name == ready.name && spec.idempotent);
        let Ready { id: call, provider_call, name, arguments, asked, carries, fit, .. } = ready.clone();
        let taken = self.taken.clone();
        self.step(
            cx,
            match asked {
                Some(approval) => StepBody::Asked { call, provider_call, name, arguments, approval, carries, fit },
                None => StepBody::Intent { call, provider_call, name, arguments, idempotent, taken, carries, fit },
            },
        )
    }

    /// What policy is asked about a call.
    fn question(&self, cx: Cx<'_>, call: CallId, spec: &ToolSpec, resolved: &Resolved, conversation: ConversationId) -> Question {
        let (function, arguments) = (spec.function(), &resolved.arguments);
        let is_link = |pointer: &&String, link: &str| function.role(pointer) == Some(Role::Url) && self.links_to(cx, spec, link);
        let texts = arguments.as_object().into_iter().flatten().filter_map(|(key, value)| Some((format!("/{key}"), value.as_str()?)));
        let links = texts.filter(|(pointer, link)| is_link(&pointer, link)).map(|(pointer, _)| pointer).collect();
        Question {
            call,
            function,
            arguments: arguments.clone(),
            leaves: resolved.leaves.clone(),
            fit: resolved.fit,
            contested: contested(self),
            conversation,
            member: self.pending.member.clone(),
            by: Decider::Model,
            audience: self.pending.audience.clone(),
            label: resolved.control.label.clone(),
            sources: resolved.control.sources.clone(),
            words: self.pending.message.text.clone(),
            links,
            taken: self.taken.clone(),
        }
    }

    /// Whether an earlier result of the same tool has this address in it, from its beginning to its end.
    fn links_to(&self, cx: Cx<'_>, spec: &ToolSpec, link: &str) -> bool {
        let same = |name: &str| cx.tools.iter().any(|other| other.name == name && other.annotations.tool == spec.annotations.tool);
        let holds = |value: &serde_json::Value| is_in(&value.to_string(), link);
        let kept = self.results.iter().any(|stored| stored.function.tool == spec.annotations.tool && holds(&stored.value));
        kept || self.pending.steps.iter().any(|step| match &step.body {
            StepBody::Outcome { name, result: Ok(value), .. } if same(name) => holds(value),
            StepBody::Outcome { .. } | StepBody::Reply { .. } | StepBody::Intent { .. } | StepBody::Asked { .. } => false,
        })
    }
}
