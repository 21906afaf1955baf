//! Several calls of one reply about which a person would be asked: as one question, where somebody outside is the reason or there are many.
//!
//! Policy first says of each what it would ask ([`Effect::Foresee`]), and nobody is asked. What can be asked at once is ([`Effect::Ask`]); the
//! rest is asked one by one. Whatever was asked, each call waits for its own yes, and is checked again when it runs.

use super::holding::Resolved;
use super::turning::{Active, Go, Judged, Phase};
use super::*;
use crate::approval::{Approval, Concern, Why};
use crate::flow::endorse::{CALLS_MAX, QUESTIONS_MAX, TEXTS_MAX, Text};
use crate::flow::value::{Origin, Source, Traced};
use crate::store::StepBody;

impl Core {
    /// What policy would decide upon one of several calls.
    pub(super) fn foreseen(&mut self, cx: Cx<'_>, call: CallId, foreseen: Foreseen) -> Vec<Effect> {
        let approval = match foreseen {
            Foreseen::Decided(decision) => return self.decided(cx, call, decision),
            Foreseen::Asks(approval) => approval,
        };
        let Some(Active { phase: Phase::Deciding(_, judged), plan, .. }) = self.active.as_mut() else {
            return Vec::new();
        };
        // The same effect twice in a reply is one question.
        let same = judged.iter().filter_map(|one| one.held.as_ref()).find(|held| held.fingerprint == approval.fingerprint).cloned();
        let Some(one) = judged.iter_mut().find(|one| one.id == call && one.verdict.is_none() && one.held.is_none()) else {
            return Vec::new();
        };
        one.held = Some(same.unwrap_or(approval));
        if let (Some(Resolved { fit, .. }), Some(plan)) = (&one.resolved, plan) {
            plan.ran(*fit);
        }
        self.decide_next(cx)
    }

    /// Asks about what is held, one question after the other; saves the reply when nothing is.
    pub(super) fn ask_held(&mut self, cx: Cx<'_>) -> Vec<Effect> {
        let Some(active) = self.active.as_ref() else {
            return Vec::new();
        };
        let Phase::Deciding(_, judged) = &active.phase else {
            return Vec::new();
        };
        let open: Vec<_> = judged.iter().filter(|one| one.verdict.is_none()).filter_map(|one| Some((one, one.held.as_deref()?))).collect();
        let Some((_, approval)) = open.first() else {
            return self.save_reply(cx);
        };
        let calls = together(&open, active.questions());
        let is_one = calls.len() < 2;
        let calls = if is_one { vec![(*approval).clone()] } else { calls };
        let texts = if is_one { Vec::new() } else { active.asked_for(&calls) };
        let member = active.pending.member.id;
        let alone = active.pending.audience.iter().all(|(present, _)| present == member);
        vec![Effect::Ask(Box::new(Inquiry { calls, texts, alone }))]
    }

    /// A person was asked, or could not be.
    pub(super) fn asked(&mut self, cx: Cx<'_>, asked: &BTreeSet<ApprovalId>, result: Result<(), Refusal>) -> Vec<Effect> {
        let Some(Active { phase: Phase::Deciding(_, judged), .. }) = self.active.as_mut() else {
            // The turn was stopped meanwhile: nobody waits for what was asked.
            return if result.is_ok() { asked.iter().copied().map(Effect::Withdraw).collect() } else { Vec::new() };
        };
        for one in judged.iter_mut().filter(|one| one.verdict.is_none()) {
            if let Some(approval) = one.held.as_ref().map(|held| held.id).filter(|id| asked.contains(id)) {
                one.verdict = Some(match &result {
                    Ok(()) => Ok(Go::Approved(approval)),
                    Err(refusal) => Err(ToolError::Denied(refusal.to_string())),
                });
            }
        }
        self.ask_held(cx)
    }
}

/// The questions that are asked as one, each effect once; none when they are better asked one by one.
fn together(open: &[(&Judged, &Approval)], questions: usize) -> Vec<Approval> {
    let mut all: Vec<Approval> = Vec::new();
    for (_, approval) in open.iter().filter(|(_, approval)| matches!(approval.concern, Concern::Own(_))) {
        if all.iter().all(|known| known.id != approval.id) {
            all.push((*approval).clone());
        }
    }
    let is_outside = all.iter().any(|one| one.card.whys.iter().any(Why::is_outside));
    let is_much = questions.saturating_add(all.len()) > QUESTIONS_MAX;
    all.truncate(if is_outside || is_much { CALLS_MAX } else { 0 });
    all
}

impl Active {
    /// How many of the turn's replies people were asked about.
    fn questions(&self) -> usize {
        let mut counted = BTreeSet::new();
        let mut reply = 0_usize;
        for step in &self.pending.steps {
            match step.body {
                StepBody::Reply { .. } => reply = reply.saturating_add(1),
                StepBody::Asked { .. } => drop(counted.insert(reply)),
                StepBody::Intent { .. } | StepBody::Outcome { .. } => {}
            }
        }
        counted.len()
    }

    /// Whether people were asked so often that what is left is to be asked at once: the model is told so, and nothing is refused for it.
    pub(super) fn has_asked_enough(&self) -> bool {
        self.questions() >= QUESTIONS_MAX
    }

    /// What somebody outside says, for whose sake these calls are asked about.
    fn asked_for(&self, calls: &[Approval]) -> Vec<Text> {
        let sources: BTreeSet<&Source> = calls.iter().flat_map(|one| &one.card.whys).filter_map(Why::sources).flatten().collect();
        let member = &self.pending.member;
        let text = |source: &Source| {
            let stored = self.results.get(source.result?).filter(|stored| stored.label.readers.allow(member.id, member.role))?;
            let read = Traced { value: stored.value.clone(), label: stored.label.clone(), origin: Origin::outside(source.clone()) };
            Some(Text::of(&read))
        };
        sources.into_iter().filter_map(text).take(TEXTS_MAX).collect()
    }
}
