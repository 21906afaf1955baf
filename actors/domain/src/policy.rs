//! The decision upon an effect: deny by default, outside the model's context, from where its values come from.
//!
//! A turn runs as a plain loop: the model reads every result, so what it writes is as trusted as all that it has read
//! ([`crate::flow::value::Control`]). [`Question::weigh`] puts a call before the gate ([`crate::flow::gate`]) with the origin of each value: the
//! member's own words, a link in an earlier result, or the model. The rules of the household are asked besides, by the policy actor.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::Approval;
use crate::approval::grant::Grant;
use crate::flow::call::{Call, Function};
use crate::flow::gate::{self, Because, Denial, Facts, Used, Verdict};
use crate::flow::plan::Fit;
use crate::flow::value::{Control, Leaf, Origin, Source, Traced, leaves};
use crate::flow::words::Words;
use crate::household::{Audience, Member};
use crate::ids::{ApprovalId, CallId, ConversationId};
use crate::label::{Integrity, Label};
use crate::sandbox::Role;
use crate::time::Timestamp;
use crate::tool::Effect;

/// Most links of outside results that a turn follows without a question: which one it follows tells whoever keeps them something.
pub const LINKS_MAX: u32 = 5;

/// Who decided that a call is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// A model, in a turn.
    Model,
    /// The member, at the console, with exactly these arguments.
    Member,
}

/// What the calls of a turn took so far of what its member said, and of what it may do without a question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// How many effects each mention of the member's words has grounded.
    pub mentions: BTreeMap<String, usize>,
    /// Links of outside results that were followed.
    pub links: u32,
}

/// What is asked of policy: may this call run?
#[derive(Debug, Clone)]
pub struct Question {
    /// The call.
    pub call: CallId,
    /// What it calls.
    pub function: Function,
    /// With these arguments, a JSON object.
    pub arguments: Value,
    /// From where.
    pub conversation: ConversationId,
    /// On whose behalf.
    pub member: Member,
    /// Who wants it so.
    pub by: Decider,
    /// Who will see what comes of it.
    pub audience: Audience,
    /// The join of all that the turn has taken in.
    pub label: Label,
    /// What of it came from outside.
    pub sources: BTreeSet<Source>,
    /// The member's words.
    pub words: String,
    /// The arguments, by JSON pointer, that stand as a link in an earlier result of the same tool.
    pub links: BTreeSet<String>,
    /// What earlier calls of the turn took.
    pub taken: Taken,
}

/// Why a call was refused: shown to the member and the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The gate: I-5, I-6.
    #[error(transparent)]
    Gate(#[from] Denial),
    /// A rule of the household, in its own words.
    #[error("{0}")]
    Rule(String),
    /// Deny by default.
    #[error("no rule allows this effect")]
    NoRule,
    /// Nobody could be asked in time.
    #[error("the house could not decide upon this just now; it was not done")]
    Unavailable,
    /// A person said no.
    #[error("a member said no to this")]
    Refused,
    /// Nobody said anything.
    #[error("nobody said yes in time; it was not done")]
    Expired,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may run, and then the turn has taken this much.
    Allow(Taken),
    /// When a person says yes to this question.
    Ask(ApprovalId),
    /// It may not.
    Deny(Refusal),
}

/// What the gate says of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    /// Its decision.
    pub verdict: Verdict,
    /// What the turn has taken once the call has run.
    pub taken: Taken,
}

impl Question {
    /// The exact call.
    #[must_use]
    pub fn exact(&self) -> Call {
        Call::new(&self.function, self.arguments.clone(), self.member.id, self.conversation)
    }

    /// Puts the call before the gate. Pure: the same question has the same answer everywhere.
    #[must_use]
    pub fn weigh(&self, approvals: &[Approval], grants: &[Grant], now: Timestamp) -> Weighed {
        let (call, control) = (self.exact(), self.control());
        let words = match self.by {
            Decider::Model => Words::new(self.words.clone()),
            // An order at the console names all that it hits.
            Decider::Member => Words::new(spoken(&self.arguments)),
        };
        let leaves = self.leaves(&control, &words);
        let used = Used { mentions: self.taken.mentions.clone(), ..Used::default() };
        let facts = Facts {
            call: &call,
            function: &self.function,
            leaves: &leaves,
            control: &control,
            fit: Fit::NoPlan,
            contested: &BTreeSet::new(),
            words: &words,
            used: &used,
            member: &self.member,
            audience: &self.audience,
            to: None,
            approvals,
            grants,
            now,
        };
        let mut verdict = gate::decide(&facts);
        if self.by == Decider::Member && control.label.integrity != Integrity::Outside && matches!(verdict, Verdict::Ask(_)) {
            verdict = Verdict::Allow(Because::Free);
        }
        let mut after = used.clone();
        after.ran(&facts);
        let followed = u32::from(!self.links.is_empty() && control.is_tainted());
        Weighed { verdict, taken: Taken { mentions: after.mentions, links: self.taken.links.saturating_add(followed) } }
    }

    fn control(&self) -> Control {
        let mut control = Control::new(self.label.clone());
        if control.is_tainted() && !self.sources.is_empty() {
            control.sources.clone_from(&self.sources);
        }
        control
    }

    fn leaves(&self, control: &Control, words: &Words) -> Vec<Leaf> {
        let mut found = Vec::new();
        leaves("", &control.writes(self.arguments.clone()), &mut found);
        found.retain(|leaf| !leaf.pointer.is_empty());
        for leaf in &mut found {
            leaf.traced = self.traced(leaf, control, words);
        }
        found
    }

    /// A value with the best origin that it has.
    fn traced(&self, leaf: &Leaf, control: &Control, words: &Words) -> Traced {
        let Leaf { pointer, traced } = leaf;
        if let Some((mention, _)) = words.mention(&traced.value) {
            let label = Label::new(traced.label.readers.clone(), traced.label.integrity.max(Integrity::Member));
            return Traced { value: traced.value.clone(), label, origin: Origin::mention(mention) };
        }
        let reads = self.function.effect == Effect::Read && self.function.role(pointer) == Some(Role::Url);
        // What is only looked up goes where the model says, as long as nobody outside can have said it.
        let own = reads && !control.is_tainted();
        let follows = reads && self.links.contains(pointer) && self.taken.links < LINKS_MAX;
        if own || follows {
            return Traced { origin: Origin::service(&self.function.tool), ..traced.clone() };
        }
        traced.clone()
    }
}

/// Every scalar of some arguments, as words.
fn spoken(arguments: &Value) -> String {
    match arguments {
        Value::Array(values) => values.iter().map(spoken).collect::<Vec<_>>().join("\n"),
        Value::Object(values) => values.values().map(spoken).collect::<Vec<_>>().join("\n"),
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) => arguments.to_string(),
    }
}

#[cfg(test)]
mod exactly;
#[cfg(test)]
pub(crate) mod programs;
#[cfg(test)]
mod tests;
