//! Going on where the store says the conversation stood.

use super::holding::replanned;
use super::*;
use crate::flow::handle::Stored;
use crate::store::StepBody;
use turning::{Phase, Ready};

pub(super) fn load(
    cx: Cx<'_>,
    setting: Arc<Setting>,
    id: ConversationId,
    state: ConversationState,
    members: &BTreeMap<MemberId, Member>,
) -> (Core, Vec<Effect>) {
    let ConversationState { row, messages, open, asked, mut steps, mut results } = state;
    let newest = messages.iter().chain(&asked).map(|message| message.seq).max().unwrap_or(0);
    let upto = row.as_ref().and_then(|row| row.summary.as_ref()).map_or(0, |summary| summary.upto);
    let channel = last_channel(asked.iter().chain(&messages));
    let mut core = Core {
        channel,
        setting,
        id,
        next_seq: newest.max(upto).saturating_add(1),
        origins: origins(&messages, &open),
        history: Vec::new(),
        waiting: VecDeque::new(),
        active: None,
        saving: BTreeMap::new(),
        held: BTreeMap::new(),
        stops: Vec::new(),
        summarising: None,
        payer: None,
        counter: 0,
        row_saved: row.is_some(),
        row,
    };
    for turn in open {
        let message = messages.iter().chain(&asked).find(|message| message.id == turn.message);
        let (Some(message), Some(member)) = (message, members.get(&turn.member)) else {
            // The member is gone, and with them the right to an answer; the turn stays in the journal.
            continue;
        };
        let audience = core.row.as_ref().map_or_else(|| Audience::of([(member.id, member.role)]), |row| row.audience.clone());
        core.waiting.push_back(Pending {
            message: message.clone(),
            member: member.clone(),
            audience,
            steps: steps.remove(&turn.id).unwrap_or_default(),
            saved: true,
            stop: false,
            taken: None,
            turn,
        });
    }
    let is_open = |message: &Message| core.waiting.iter().any(|pending| pending.message.id == message.id);
    core.history = messages.into_iter().filter(|message| message.seq > upto && !is_open(message)).collect();
    super::prompt::fade_pictures(&mut core.history, core.setting.limits.history_pictures);
    let mut effects: Vec<_> = core.waiting.iter().filter_map(Pending::reply).collect();
    effects.extend(core.activate_next());
    let held = core.active.as_ref().and_then(|active| results.remove(&active.pending.turn.id)).unwrap_or_default();
    if let Some(active) = &core.active {
        // What a former life had shown of its answer is void.
        effects.push(Effect::ResetPreview(active.pending.turn.id));
    }
    effects.extend(core.resume_active(cx, held));
    (core, effects)
}

/// The channel of the latest of these that a member said.
pub(super) fn last_channel<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Option<String> {
    let said = messages.into_iter().filter_map(|message| Some((message.seq, &message.origin.as_ref()?.channel)));
    said.max().map(|(_, channel)| channel.clone())
}

/// Messages by which a repeated hand-over is recognised. Ended turns are named by their messages.
pub(super) fn origins(messages: &[Message], open: &[Turn]) -> VecDeque<(Origin, Accepted)> {
    let answer_of = |turn: TurnId| {
        let ended = messages.iter().find_map(|message| message.answer.filter(|_| message.turn == Some(turn)));
        ended.or_else(|| open.iter().find(|row| row.id == turn).map(|row| row.answer))
    };
    let known = messages.iter().filter_map(|message| {
        let turn = message.turn?;
        let accepted = Accepted { message: message.id, turn, answer: answer_of(turn)?, seq: message.seq };
        Some((message.origin.clone()?, accepted))
    });
    let mut known: VecDeque<_> = known.collect();
    while known.len() > REMEMBERED_ORIGINS {
        known.pop_front();
    }
    known
}

impl Core {
    /// Puts the active turn where its steps say it stood.
    pub(super) fn resume_active(&mut self, cx: Cx<'_>, held: Vec<Stored>) -> Vec<Effect> {
        let Some(active) = self.active.as_mut().filter(|active| !active.pending.steps.is_empty()) else {
            return Vec::new();
        };
        let mut intents: VecDeque<(Ready, bool)> = VecDeque::new();
        let mut plans = BTreeMap::new();
        for step in active.pending.steps.clone() {
            active.label = active.label.join(&step.label);
            replanned(active, cx, &step, &mut plans);
            match step.body {
                StepBody::Reply { calls, usage, .. } => {
                    active.model_calls = active.model_calls.saturating_add(1);
                    active.tool_calls = active.tool_calls.saturating_add(calls.len());
                    active.usage = active.usage.plus(usage);
                }
                StepBody::Asked { call, provider_call, name, arguments, approval, carries, fit } => {
                    let asked = Some(approval);
                    // What waits has not begun, so that it may be asked about again.
                    let ready = Ready { id: call, provider_call, name, arguments, at: step.at, repeated: false, asked, carries, fit };
                    intents.push_back((ready, true));
                }
                StepBody::Intent { call, provider_call, name, arguments, idempotent, taken, carries, fit } => {
                    active.taken = taken;
                    let ready = Ready { id: call, provider_call, name, arguments, at: step.at, repeated: false, asked: None, carries, fit };
                    match intents.iter_mut().find(|(asked, _)| asked.id == call) {
                        Some(asked) => *asked = (ready, idempotent),
                        None => intents.push_back((ready, idempotent)),
                    }
                }
                StepBody::Outcome { call, result, name, taken, .. } => {
                    active.taken = taken.unwrap_or_else(|| active.taken.clone());
                    if result.is_ok() {
                        active.takes_in(&name, &step.label);
                    }
                    let intent = intents.iter().position(|(ready, _)| ready.id == call).and_then(|at| intents.remove(at));
                    if let Err(error) = &result {
                        let arguments = intent.map_or(serde_json::Value::Null, |(ready, _)| ready.arguments);
                        active.count_failure(&name, &arguments, error);
                    }
                }
            }
        }
        active.holds(held);
        // Calls run one after the other, so only the first without an outcome can have begun.
        let begun = intents.front().cloned();
        active.queue = intents.into_iter().map(|(ready, _)| ready).collect();
        match begun {
            Some((ready, false)) => {
                active.phase = Phase::Running(ready.id);
                self.unknown_outcome(cx, &ready.name)
            }
            Some((_, true)) | None => Vec::new(),
        }
    }
}
