//! The decision upon an effect: deny by default, outside the model's context, from where its values come from.
//!
//! What a model writes is as trusted as all that it was shown ([`crate::flow::value::Control`]); what it passes on as a reference keeps the
//! label and origin of what it names. [`Question::weigh`] puts a call before the gate ([`crate::flow::gate`]) with the origin of each value: the
//! member's own words, an earlier result, or the model. The rules of the household are asked besides, by the policy actor.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::Approval;
use crate::approval::grant::Grant;
use crate::flow::address;
use crate::flow::call::{Call, Function};
use crate::flow::extract::Budget;
use crate::flow::gate::{self, Because, Denial, Facts, Used, Verdict};
use crate::flow::plan::Fit;
use crate::flow::value::{Control, Leaf, Origin, Source, Traced, leaves};
use crate::flow::words::Words;
use crate::household::{Audience, Member, Role as Person};
use crate::ids::{ApprovalId, CallId, ConversationId, MemberId};
use crate::label::{Integrity, Label};
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
    /// The bits of outside text that were shown, or that decided between values.
    #[serde(default)]
    pub budget: Budget,
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
    /// Its scalars, each with its label and origin: [`written`], or what references led to.
    pub leaves: Vec<Leaf>,
    /// Whether it is within the turn's plan.
    pub fit: Fit,
    /// The mentions that the plan uses too often.
    pub contested: BTreeSet<String>,
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

/// A stop of the house by a grown-up: nothing is done and nothing leaves it until somebody lifts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Who.
    pub by: MemberId,
    /// Since when.
    pub at: Timestamp,
}

impl Freeze {
    /// Whether somebody may stop the house, and lift that again.
    #[must_use]
    pub const fn may_be_changed_by(role: Person) -> bool {
        match role {
            Person::Owner | Person::Adult => true,
            Person::Teen | Person::Child | Person::Guest => false,
        }
    }

    /// Whether a call waits for its end: all but what only reads and is the house's own. What an installed tool does goes through a process
    /// with ways out of its own, also where it reads.
    #[must_use]
    pub fn holds(effect: Effect, tool: &str) -> bool {
        effect != Effect::Read || !tool.is_empty()
    }
}

/// Why a call was refused: shown to the member and the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The gate: I-5, I-6.
    #[error(transparent)]
    Gate(#[from] Denial),
    /// A rule of the household, in its own words.
    #[error("{says}")]
    Rule {
        /// Which.
        id: String,
        /// What it says.
        says: String,
    },
    /// The house is stopped.
    #[error("the house is stopped: nothing is done until an adult lifts that with `/estop lift`")]
    Frozen,
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

impl Refusal {
    /// Its reason for the journal: a closed word, or a rule's id.
    #[must_use]
    pub fn word(&self) -> String {
        let word = match self {
            Self::Gate(Denial::Audience) => "audience",
            Self::Gate(Denial::Readers) => "readers",
            Self::Gate(Denial::Unlabelled) => "unlabelled",
            Self::Gate(Denial::Secret) => "secret",
            Self::Gate(Denial::Refused) | Self::Refused => "no",
            Self::Rule { id, .. } => return format!("rule {id}"),
            Self::Frozen => "stopped",
            Self::NoRule => "no_rule",
            Self::Unavailable => "unavailable",
            Self::Expired => "over",
        };
        word.to_owned()
    }
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

/// What policy says of one of several calls.
#[derive(Debug, Clone, PartialEq)]
pub enum Foreseen {
    /// Its decision.
    Decided(Decision),
    /// It would ask this. Nobody was asked, and nothing is saved: perhaps they are asked about several at once.
    Asks(Box<Approval>),
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
        let leaves: Vec<_> = self.leaves.iter().map(|leaf| self.traced(leaf, &control, &words)).collect();
        let used = Used { mentions: self.taken.mentions.clone(), budget: self.taken.budget.clone() };
        let facts = Facts {
            call: &call,
            function: &self.function,
            leaves: &leaves,
            control: &control,
            fit: self.fit,
            contested: &self.contested,
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
        if let Verdict::Ask(approval) = &mut verdict
            && approvals.iter().all(|known| known.id != approval.id)
        {
            // Whoever decides for a member sees the question's code: nothing of what the member says may follow from it.
            approval.id = ApprovalId::derived(&[&self.call.to_string(), &now.to_string()]);
        }
        let mut after = used.clone();
        after.ran(&facts);
        let followed = u32::from(self.leaves.iter().any(|leaf| self.follows(leaf, &control) && self.said(leaf, &words).is_none()));
        Weighed {
            verdict,
            taken: Taken { mentions: after.mentions, links: self.taken.links.saturating_add(followed), budget: after.budget },
        }
    }

    fn control(&self) -> Control {
        control(&self.label, &self.sources)
    }

    /// A value with the best origin that it has.
    fn traced(&self, leaf: &Leaf, control: &Control, words: &Words) -> Leaf {
        let Leaf { pointer, traced } = leaf;
        let with =
            |label: Label, origin: Origin| Leaf { pointer: pointer.clone(), traced: Traced { value: traced.value.clone(), label, origin } };
        if let Some(mention) = self.said(leaf, words) {
            let label = Label::new(traced.label.readers.clone(), traced.label.integrity.max(Integrity::Member));
            return with(label, Origin::mention(mention));
        }
        if self.follows(leaf, control) { with(traced.label.clone(), Origin::service(&self.function.tool)) } else { leaf.clone() }
    }

    /// The mention of a value in the member's words.
    fn said(&self, leaf: &Leaf, words: &Words) -> Option<String> {
        let named = words.names(&leaf.traced.value, self.function.role(&leaf.pointer)).map(|(mention, _)| mention);
        named.or_else(|| address::said(words, leaf.traced.value.as_str().filter(|_| self.function.is_page(&leaf.pointer))?))
    }

    /// Whether it is a link that may be followed. Whoever has read what is outside may follow what that wants followed.
    fn follows(&self, leaf: &Leaf, control: &Control) -> bool {
        self.function.is_page(&leaf.pointer) && self.links.contains(&leaf.pointer) && self.taken.links < LINKS_MAX && !control.is_tainted()
    }
}

/// What decided so far what a turn does: the label of all that its model was shown, and what of it came from outside.
#[must_use]
pub fn control(label: &Label, sources: &BTreeSet<Source>) -> Control {
    let mut control = Control::new(label.clone());
    if control.is_tainted() && !sources.is_empty() {
        control.sources.clone_from(sources);
    }
    control
}

/// The scalars of arguments that a model, or a member at the console, wrote down.
#[must_use]
pub fn written(arguments: &Value, control: &Control) -> Vec<Leaf> {
    let mut found = Vec::new();
    leaves("", &control.writes(arguments.clone()), &mut found);
    found.retain(|leaf| !leaf.pointer.is_empty());
    found
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
#[expect(clippy::wildcard_enum_match_arm, reason = "of what a conversation wants done, only what is judged is carried out")]
mod passing;
#[cfg(test)]
pub(crate) mod programs;
#[cfg(test)]
mod tests;
