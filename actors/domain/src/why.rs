//! Why the house said what it said: what a reply drew on, each with its label, and what was decided in its turn. Pure.
//!
//! Everything is read from what the turn left: its row names what was recalled, its steps hold each call with the join of all that the turn had
//! taken in by then. Only whoever may read the reply may ask; to everybody else there is no such message.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::approval::{Approval, State};
use crate::household::Member;
use crate::ids::{ApprovalId, CallId, MemberId, MemoryId, MessageId, TurnId};
use crate::label::{Integrity, Label};
use crate::memory::Memory;
use crate::message::{Author, Message};
use crate::store::{Conversation, Step, StepBody, Turn};
use crate::tool::ToolError;

/// A message that the house said, with all that is stored of how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Where.
    pub conversation: Conversation,
    /// The message.
    pub message: Message,
    /// The turn whose end it is; none of what the house said by itself.
    pub turn: Option<Turn>,
    /// The turn's steps, in order.
    pub steps: Vec<Step>,
    /// What was recalled into it, as far as it is still there.
    pub memories: Vec<Memory>,
}

/// Something that a reply drew on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "drew_on", rename_all = "snake_case")]
pub enum Drawn {
    /// Something remembered.
    Memory {
        /// Which.
        id: MemoryId,
        /// Its label; none when it was forgotten since.
        label: Option<Label>,
    },
    /// The result of a call.
    Result {
        /// The call.
        call: CallId,
        /// The function, as the model named it.
        function: String,
        /// The turn's label once it had read that.
        label: Label,
    },
}

/// What was decided upon a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decided {
    /// It ran without a question: free, or by what was allowed beforehand.
    Allowed,
    /// A person was asked, and said yes.
    Approved {
        /// Who, where that is known.
        by: Option<MemberId>,
    },
    /// A person was asked; nobody has answered, or the turn ended before.
    Asked,
    /// It was refused.
    Refused {
        /// Why: the words of policy, or of the person's no.
        why: String,
        /// Who was asked and said no.
        by: Option<MemberId>,
    },
    /// It was no call of a tool that there is.
    Invalid,
}

/// A call of the turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Which.
    pub call: CallId,
    /// The function, as the model named it.
    pub function: String,
    /// What was decided.
    pub decided: Decided,
}

/// Why the house said something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The message.
    pub message: MessageId,
    /// Its turn.
    pub turn: Option<TurnId>,
    /// Who may learn it, and who wrote what is in it.
    pub label: Label,
    /// The models that called tools for it, in the order of their names.
    pub models: BTreeSet<String>,
    /// What it drew on, in the order of reading.
    pub sources: Vec<Drawn>,
    /// What was decided, in the order of the calls.
    pub calls: Vec<Judged>,
}

impl Account {
    /// The questions that were asked in the turn.
    pub fn questions(&self) -> impl Iterator<Item = ApprovalId> {
        self.steps.iter().filter_map(|step| match step.body {
            StepBody::Asked { approval, .. } => Some(approval),
            StepBody::Reply { .. } | StepBody::Intent { .. } | StepBody::Outcome { .. } => None,
        })
    }

    /// Whether somebody may read the message, and so ask about it.
    #[must_use]
    pub fn may_be_asked_by(&self, who: &Member) -> bool {
        let present = self.conversation.audience.iter().any(|(member, _)| member == who.id);
        present && self.message.author == Author::House && self.message.label.readers.allow(who.id, who.role)
    }

    /// Why it was said; `approvals` are the turn's questions, as far as they are there.
    #[must_use]
    pub fn explain(&self, approvals: &BTreeMap<ApprovalId, Approval>) -> Why {
        let recalled = self.turn.iter().flat_map(|turn| &turn.sources);
        let label_of = |id: MemoryId| self.memories.iter().find(|memory| memory.id == id).map(|memory| memory.label.clone());
        let mut sources: Vec<_> = recalled.map(|id| Drawn::Memory { id: *id, label: label_of(*id) }).collect();
        let (mut models, mut calls) = (BTreeSet::new(), Vec::<Judged>::new());
        let mut questions = BTreeMap::new();
        for step in &self.steps {
            match &step.body {
                StepBody::Reply { provider, .. } => drop(models.insert(provider.clone())),
                StepBody::Asked { call, name, approval, .. } => {
                    questions.insert(*call, approvals.get(approval).map(|approval| approval.state));
                    put(&mut calls, *call, name, Decided::Asked);
                }
                StepBody::Intent { call, name, .. } => {
                    let decided = match questions.get(call) {
                        Some(state) => Decided::Approved { by: state.and_then(who_said_yes) },
                        None => Decided::Allowed,
                    };
                    put(&mut calls, *call, name, decided);
                }
                StepBody::Outcome { call, name, result: Ok(_), .. } => {
                    sources.push(Drawn::Result { call: *call, function: name.clone(), label: step.label.clone() });
                }
                StepBody::Outcome { call, name, result: Err(ToolError::Denied(why)), .. } => {
                    let by = questions.get(call).copied().flatten().and_then(who_said_no);
                    put(&mut calls, *call, name, Decided::Refused { why: why.clone(), by });
                }
                StepBody::Outcome { call, name, result: Err(ToolError::Unknown | ToolError::BadArguments(_)), .. } => {
                    if !calls.iter().any(|known| known.call == *call) {
                        put(&mut calls, *call, name, Decided::Invalid);
                    }
                }
                StepBody::Outcome { .. } => {}
            }
        }
        let turn = self.turn.as_ref().map(|turn| turn.id);
        Why { message: self.message.id, turn, label: self.message.label.clone(), models, sources, calls }
    }
}

fn put(calls: &mut Vec<Judged>, call: CallId, function: &str, decided: Decided) {
    match calls.iter_mut().find(|known| known.call == call) {
        Some(known) => known.decided = decided,
        None => calls.push(Judged { call, function: function.to_owned(), decided }),
    }
}

const fn who_said_yes(state: State) -> Option<MemberId> {
    match state {
        State::Approved { by, .. } => Some(by),
        State::Used { by, .. } => by,
        State::Pending | State::Denied { .. } | State::Expired { .. } => None,
    }
}

const fn who_said_no(state: State) -> Option<MemberId> {
    if let State::Denied { by, .. } = state { Some(by) } else { None }
}

impl Why {
    /// It, line by line; `name` gives the name of a member.
    #[must_use]
    pub fn lines(&self, name: impl Fn(MemberId) -> String) -> Vec<String> {
        let mut lines = vec![format!("Readers: {}.", readers(&self.label, &name)), format!("Written by: {}.", writers(&self.label))];
        if self.turn.is_none() {
            lines.push("The house said it by itself: a reminder, or a word to you.".to_owned());
        }
        if !self.models.is_empty() {
            lines.push(format!("Models that called tools: {}.", self.models.iter().cloned().collect::<Vec<_>>().join(", ")));
        }
        lines.push(
            if self.sources.is_empty() { "It drew on nothing but the conversation." } else { "It drew on the conversation, and:" }
                .to_owned(),
        );
        for source in &self.sources {
            lines.push(match source {
                Drawn::Memory { id, label: None } => format!("  {id}, remembered then and forgotten since"),
                Drawn::Memory { id, label: Some(label) } => {
                    format!("  {id}, remembered (readers: {}; written by: {})", readers(label, &name), writers(label))
                }
                Drawn::Result { call, function, label } => {
                    format!(
                        "  the result of `{function}` ({call}); after it readers: {}; written by: {}",
                        readers(label, &name),
                        writers(label)
                    )
                }
            });
        }
        if !self.calls.is_empty() {
            lines.push("Decided in its turn:".to_owned());
        }
        for Judged { call, function, decided } in &self.calls {
            let by = |who: &Option<MemberId>| who.map_or_else(|| "somebody".to_owned(), &name);
            let what = match decided {
                Decided::Allowed => "allowed without a question".to_owned(),
                Decided::Approved { by: who } => format!("asked, and {} said yes", by(who)),
                Decided::Asked => "asked, and not answered".to_owned(),
                Decided::Refused { why, by: Some(who) } => format!("asked, and {} said no: {why}", name(*who)),
                Decided::Refused { why, by: None } => format!("refused: {why}"),
                Decided::Invalid => "not a call of a tool that there is".to_owned(),
            };
            lines.push(format!("  `{function}` ({call}): {what}"));
        }
        lines
    }
}

fn readers(label: &Label, name: impl Fn(MemberId) -> String) -> String {
    let guests = if label.readers.excludes_guests() { ", but no guest" } else { "" };
    match label.readers.limited_to() {
        None if label.readers.excludes_guests() => "everybody but guests".to_owned(),
        None => "anybody".to_owned(),
        Some(only) if only.is_empty() => "nobody".to_owned(),
        Some(only) => format!("{}{guests}", only.iter().map(|id| name(*id)).collect::<Vec<_>>().join(", ")),
    }
}

const fn writers(label: &Label) -> &'static str {
    match label.integrity {
        Integrity::Outside => "somebody outside, in part",
        Integrity::Member => "members and the house",
        Integrity::House => "the house alone",
    }
}

#[cfg(test)]
mod tests;
