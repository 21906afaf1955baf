//! The gate: may this call run?
//!
//! Every leaf of the call's arguments arrives with its label and origin; the gate compares them with the call, so that no value passes
//! without. What may be done silently: reads towards the member who asked, at an address that may be asked for; writing the member's own things with targets that nobody outside
//! wrote; an effect that leaves the house when the member's own words, or the service itself, name everything that it hits. All else asks.
//!
//! Known and accepted: text from outside may decide which of a service's own values is meant, within [`Budget`] (0 bits closes it); a model
//! that is hostile from the first word may use what the member named for another purpose of the same kind, once for each mention.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::address;
use super::call::{Call, Function, is_inside, is_named, is_target};
use super::extract::Budget;
use super::plan::Fit;
use super::value::{Chosen, Control, Leaf, Pick, Traced, leaves};
use super::words::Words;
use crate::approval::grant::{Compared, Grant};
use crate::approval::{Approval, Asked, Concern, State, Why};
use crate::household::{Audience, Member};
use crate::ids::{ApprovalId, GrantId};
use crate::label::{Integrity, Label};
use crate::sandbox::Role;
use crate::secret::{PLACEHOLDER_BEGIN, PLACEHOLDER_END, SecretName};
use crate::time::Timestamp;
use crate::tool::Effect;

/// What the effects of a turn have used up so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    /// How many effects each mention of the member's words has grounded.
    pub mentions: BTreeMap<String, usize>,
    /// The bits of outside text.
    pub budget: Budget,
}

/// Everything by which the gate decides.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The call.
    pub call: &'a Call,
    /// What it calls.
    pub function: &'a Function,
    /// The leaves of its arguments.
    pub leaves: &'a [Leaf],
    /// What decided upon this call: [`super::plan::Plan::control`].
    pub control: &'a Control,
    /// Whether it is within the plan.
    pub fit: Fit,
    /// The mentions that the plan uses too often: [`super::plan::Plan::contested`].
    pub contested: &'a BTreeSet<String>,
    /// The member's words.
    pub words: &'a Words,
    /// What earlier effects of the turn used.
    pub used: &'a Used,
    /// On whose behalf.
    pub member: &'a Member,
    /// Who will see what comes of it.
    pub audience: &'a Audience,
    /// The members to whom the call itself brings its content, if it does.
    pub to: Option<&'a Audience>,
    /// Earlier questions, the newest last.
    pub approvals: &'a [Approval],
    /// What members allowed.
    pub grants: &'a [Grant],
    /// The wall clock.
    pub now: Timestamp,
}

/// Why it may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// It needs nobody's yes.
    Free,
    /// Somebody said yes: [`Approval::run`] when it goes.
    Approved(ApprovalId),
    /// A grant covers it: [`Grant::used`] when it goes.
    Granted(GrantId),
}

/// Why it may not. Closed words, for the member and the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// I-5.
    #[error("not everybody here may see what this turn has read")]
    Audience,
    /// The member may not read what it would pass on.
    #[error("this holds something that is not yours to pass on")]
    Readers,
    /// A value without a label, or a label without its value.
    #[error("the values of the call are not those that were checked")]
    Unlabelled,
    /// A secret where none may be, or something else where one must be.
    #[error("a secret is passed on by its name or placeholder, in the argument that is meant for it")]
    Secret,
    /// A person said no to exactly this.
    #[error("a member said no to this")]
    Refused,
}

/// The decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It may run.
    Allow(Because),
    /// When a person says yes. The same question as long as one waits for its answer.
    Ask(Box<Approval>),
    /// It may not.
    Deny(Denial),
}

/// Decides. Pure: the same facts have the same answer everywhere.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> Verdict {
    if let Some(denial) = denial(facts) {
        return Verdict::Deny(denial);
    }
    let whys = whys(facts);
    if whys.is_empty() {
        return Verdict::Allow(Because::Free);
    }
    let fingerprint = facts.call.fingerprint();
    let mut earlier = None;
    for approval in facts.approvals.iter().filter(|approval| approval.fingerprint == fingerprint) {
        let mut approval = approval.clone();
        let void = facts.now >= approval.expires;
        approval.expire(facts.now);
        match approval.state {
            State::Approved { .. } => return Verdict::Allow(Because::Approved(approval.id)),
            State::Pending => earlier = Some(Verdict::Ask(Box::new(approval))),
            // A no counts as long as a yes would.
            State::Denied { .. } if !void => earlier = Some(Verdict::Deny(Denial::Refused)),
            State::Denied { .. } | State::Expired { .. } | State::Used { .. } => {}
        }
    }
    let compared = Compared::new(facts.call, facts.function);
    if let Some(grant) = facts.grants.iter().find(|grant| grant.covers_compared(&compared, facts.now)) {
        return Verdict::Allow(Because::Granted(grant.id));
    }
    let asked = Asked { call: facts.call, function: facts.function, leaves: facts.leaves, member: facts.member };
    earlier.unwrap_or_else(|| Verdict::Ask(Box::new(Approval::ask(asked, whys, facts.now))))
}

impl Used {
    /// Counts a call that runs: what it took of the member's words and of the bits of outside text.
    pub fn ran(&mut self, facts: &Facts<'_>) {
        if is_inside(facts.function.effect) {
            return;
        }
        for mention in mentions(facts) {
            let times = self.mentions.entry(mention.to_owned()).or_default();
            *times = times.saturating_add(1);
        }
        // Over the budget a member was asked, and said yes to the value itself.
        let _ = self.budget.pick(&picked(facts));
    }
}

/// The label of what comes back of a call: nobody learns by it what an argument held, who could not before.
#[must_use]
pub fn returned(result: &Label, leaves: &[Leaf]) -> Label {
    let readers = leaves.iter().fold(result.readers.clone(), |sum, leaf| sum.meet(&leaf.traced.label.readers));
    Label::new(readers, result.integrity)
}

fn denial(facts: &Facts<'_>) -> Option<Denial> {
    if !facts.control.label.readers.cover(facts.audience) {
        return Some(Denial::Audience);
    }
    if facts.leaves.iter().any(|leaf| !leaf.traced.label.readers.allow(facts.member.id, facts.member.role)) {
        return Some(Denial::Readers);
    }
    if !is_labelled(facts) {
        return Some(Denial::Unlabelled);
    }
    let misplaced = |leaf: &Leaf| match facts.function.role(&leaf.pointer) {
        Some(Role::SecretRef) => !leaf.traced.value.as_str().is_some_and(is_reference),
        _ => leaf.pointer.contains(PLACEHOLDER_BEGIN) || leaf.traced.value.as_str().is_some_and(|text| text.contains(PLACEHOLDER_BEGIN)),
    };
    facts.leaves.iter().any(misplaced).then_some(Denial::Secret)
}

/// Whether the leaves are those of the call, each once, and the call is one of this function by this member.
fn is_labelled(facts: &Facts<'_>) -> bool {
    let (call, function) = (facts.call, facts.function);
    let same =
        (&call.tool, &call.function, call.release, call.member) == (&function.tool, &function.name, function.release, facts.member.id);
    let mut wanted = Vec::new();
    leaves("", &facts.control.writes(call.arguments.clone()), &mut wanted);
    wanted.retain(|leaf| !leaf.pointer.is_empty());
    let wanted: BTreeMap<_, _> = wanted.iter().map(|leaf| (&leaf.pointer, &leaf.traced.value)).collect();
    let given: BTreeMap<_, _> = facts.leaves.iter().map(|leaf| (&leaf.pointer, &leaf.traced.value)).collect();
    same && call.arguments.is_object() && given.len() == facts.leaves.len() && wanted == given
}

/// Whether a text names a secret: by the name that its tool's grant has for it, or by its placeholder.
fn is_reference(text: &str) -> bool {
    let placeholder = text.strip_prefix(PLACEHOLDER_BEGIN).and_then(|rest| rest.strip_suffix(PLACEHOLDER_END));
    let name = if text.starts_with(PLACEHOLDER_BEGIN) { placeholder } else { Some(text) };
    name.is_some_and(|name| SecretName::try_from(name.to_owned()).is_ok())
}

/// Everything for which a person has to be asked.
fn whys(facts: &Facts<'_>) -> BTreeSet<Why> {
    let mut whys = BTreeSet::new();
    let effect = facts.function.effect;
    let outward = !is_inside(effect);
    for leaf in facts.leaves {
        let role = facts.function.role(&leaf.pointer);
        let weighed = match effect {
            // An address that is asked for is sent to whoever keeps it.
            Effect::Read => role == Some(Role::Url),
            Effect::WriteOwn | Effect::ExternalSend | Effect::Pay | Effect::Physical | Effect::Delete | Effect::Admin => is_target(role),
        };
        if weighed {
            whys.extend(foreign(facts, leaf));
            if (outward && is_named(role)) || effect == Effect::Read {
                whys.extend(unnamed(facts, leaf));
            }
        }
        if outward && role == Some(Role::Content) {
            whys.extend(linked(facts, leaf));
        }
        if facts.to.is_some_and(|to| !leaf.traced.label.readers.cover(to)) {
            whys.insert(Why::Readers { pointer: leaf.pointer.clone() });
        }
    }
    let all = picked(facts);
    if !facts.used.budget.allows(&all) {
        let pointer = facts.leaves.iter().find(|leaf| !leaf.traced.origin.picked.is_empty()).map(|leaf| leaf.pointer.clone());
        whys.insert(Why::Picked { pointer: pointer.unwrap_or_default(), sources: all.into_keys().map(|pick| pick.source).collect() });
    }
    if effect == Effect::Read {
        return whys;
    }
    if facts.fit == Fit::Wider {
        whys.insert(Why::Wider);
    }
    if !outward {
        let again = |leaf: &Leaf| matches!(facts.function.role(&leaf.pointer), Some(Role::Schedule | Role::Code));
        if facts.control.is_tainted() && facts.leaves.iter().any(again) {
            whys.insert(Why::Standing);
        }
        return whys;
    }
    if facts.control.is_tainted() {
        whys.insert(Why::Tainted { sources: facts.control.sources.clone() });
    }
    if mentions(facts).next().is_none() {
        whys.insert(Why::NotNamed);
    }
    if matches!(Concern::of(facts.member, effect), Concern::Minor(_)) {
        whys.insert(Why::Minor);
    }
    whys
}

/// Whether somebody outside, or another service, wrote a leaf.
fn foreign(facts: &Facts<'_>, leaf: &Leaf) -> Option<Why> {
    let (origin, pointer) = (&leaf.traced.origin, leaf.pointer.clone());
    if !origin.outside.is_empty() {
        return Some(Why::Outside { pointer, sources: origin.outside.clone() });
    }
    if leaf.traced.label.integrity != Integrity::Outside {
        return None;
    }
    if origin.services.is_empty() {
        // From outside, and nothing says from where.
        return Some(Why::Outside { pointer, sources: BTreeSet::new() });
    }
    origin.services.iter().any(|tool| *tool != facts.function.tool).then_some(Why::Foreign { pointer })
}

/// Whether the member did not name a leaf, or named it for something else.
fn unnamed(facts: &Facts<'_>, leaf: &Leaf) -> Option<Why> {
    let (origin, pointer) = (&leaf.traced.origin, leaf.pointer.clone());
    let decides_nothing = matches!(leaf.traced.value, Value::Bool(_) | Value::Null);
    let chosen = match origin.chosen {
        Chosen::Found => false,
        Chosen::Bounded => facts.function.role(&leaf.pointer) != Some(Role::Amount),
        Chosen::ByModel => true,
    };
    if chosen && !decides_nothing {
        return Some(Why::NotSaid { pointer });
    }
    let contested = |mention: &String| {
        let before = facts.used.mentions.get(mention).copied().unwrap_or_default();
        facts.contested.contains(mention) || before >= facts.words.count(mention)
    };
    let outward = !is_inside(facts.function.effect);
    (outward && origin.mentions.iter().any(contested)).then_some(Why::Contested { pointer })
}

/// Whether a leaf brings whoever reads it a link of which the member said nothing. Words are a model's to choose; a link is a way to act on
/// others in the member's name.
fn linked(facts: &Facts<'_>, leaf: &Leaf) -> Option<Why> {
    let Traced { value, origin, .. } = &leaf.traced;
    let is_vouched = origin.chosen == Chosen::Found && origin.outside.is_empty();
    let unsaid = || value.as_str().is_some_and(|text| address::unsaid(facts.words, text).next().is_some());
    (!is_vouched && unsaid()).then(|| Why::Link { pointer: leaf.pointer.clone() })
}

/// The mentions by which the member named what the call hits.
fn mentions<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a str> {
    let function = facts.function;
    let named = facts.leaves.iter().filter(move |leaf| is_named(function.role(&leaf.pointer)));
    let all: BTreeSet<_> = named.flat_map(|leaf| leaf.traced.origin.mentions.iter().map(String::as_str)).collect();
    all.into_iter()
}

/// The choices of outside text among what the call hits.
fn picked(facts: &Facts<'_>) -> BTreeMap<Pick, u32> {
    let targets = facts.leaves.iter().filter(|leaf| facts.function.effect != Effect::Read && is_target(facts.function.role(&leaf.pointer)));
    targets.flat_map(|leaf| leaf.traced.origin.picked.clone()).collect()
}

#[cfg(test)]
mod tests;
