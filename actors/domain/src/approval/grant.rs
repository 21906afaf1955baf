//! What a member allowed for more than once. Not to be mistaken for [`crate::tool::grant::Grant`], which is what a tool may do at all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CLOCK_SLACK_SECONDS, later};
use crate::flow::address::place;
use crate::flow::call::{Call, Function, is_target};
use crate::flow::canonical::{canonical, shown};
use crate::flow::value::{Control, Leaf, leaves};
use crate::household::{Member, Role as Person};
use crate::ids::{ConversationId, GrantId, MemberId};
use crate::journal::Digest;
use crate::label::Label;
use crate::sandbox::Role;
use crate::time::Timestamp;

/// Which calls of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// With exactly these arguments, in canonical form.
    Exactly(String),
    /// With exactly these targets, by JSON pointer: no other, no more and no fewer; an amount may be smaller. Where pages are read, any
    /// page of the same place ([`place`]).
    Target(BTreeMap<String, Value>),
}

impl Scope {
    /// This call and no other.
    #[must_use]
    pub fn exactly(call: &Call) -> Self {
        Self::Exactly(canonical(&call.arguments))
    }

    /// Calls that hit what this call hits.
    #[must_use]
    pub fn target(call: &Call, function: &Function) -> Self {
        Self::Target(targets(call, function))
    }
}

/// What a call hits, by JSON pointer. When is not a part of it.
fn targets(call: &Call, function: &Function) -> BTreeMap<String, Value> {
    let mut all = Vec::new();
    leaves("", &Control::new(Label::neutral()).writes(call.arguments.clone()), &mut all);
    let names = |pointer: &str| {
        let role = function.role(pointer);
        is_target(role) && role != Some(Role::Schedule)
    };
    let value = |leaf: Leaf| {
        let place = leaf.traced.value.as_str().filter(|_| function.is_page(&leaf.pointer)).and_then(place);
        (leaf.pointer, place.map_or(leaf.traced.value, Value::from))
    };
    all.into_iter().filter(|leaf| !leaf.pointer.is_empty() && names(&leaf.pointer)).map(value).collect()
}

/// What a call is compared by, made once for many grants.
#[derive(Debug, Clone)]
pub struct Compared<'a> {
    call: &'a Call,
    function: &'a Function,
    exactly: String,
    targets: BTreeMap<String, Value>,
}

impl<'a> Compared<'a> {
    /// A call of a function.
    #[must_use]
    pub fn new(call: &'a Call, function: &'a Function) -> Self {
        Self { call, function, exactly: canonical(&call.arguments), targets: targets(call, function) }
    }
}

/// What a member allowed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// For whom.
    pub member: MemberId,
    /// The tool.
    pub tool: String,
    /// The function.
    pub function: String,
    /// The release: another one is not covered.
    pub release: Digest,
    /// Where, if not everywhere.
    pub conversation: Option<ConversationId>,
    /// Which calls.
    pub scope: Scope,
    /// How many times more, if limited.
    pub left: Option<u32>,
    /// Until when, if limited.
    pub until: Option<Timestamp>,
    /// Who allowed it.
    pub by: MemberId,
    /// When.
    pub at: Timestamp,
    /// Who took it back, and when.
    pub revoked: Option<(MemberId, Timestamp)>,
}

impl Grant {
    /// Whether it covers a call of a function now. A clock before the grant's own time covers nothing.
    #[must_use]
    pub fn covers(&self, call: &Call, function: &Function, now: Timestamp) -> bool {
        self.covers_compared(&Compared::new(call, function), now)
    }

    /// The same for a call that is compared with many.
    #[must_use]
    pub fn covers_compared(&self, compared: &Compared<'_>, now: Timestamp) -> bool {
        let (call, function) = (compared.call, compared.function);
        let same = self.member == call.member
            && (&self.tool, &self.function, self.release) == (&call.tool, &call.function, call.release)
            && (&function.tool, &function.name, function.release) == (&call.tool, &call.function, call.release)
            && self.conversation.is_none_or(|conversation| conversation == call.conversation);
        same && self.stands(now) && self.has_in_scope(compared)
    }

    /// Whether it is neither used up, over nor taken back.
    #[must_use]
    pub fn stands(&self, now: Timestamp) -> bool {
        let in_time = now >= later(self.at, -CLOCK_SLACK_SECONDS) && self.until.is_none_or(|until| now < until);
        self.revoked.is_none() && self.left != Some(0) && in_time
    }

    fn has_in_scope(&self, compared: &Compared<'_>) -> bool {
        match &self.scope {
            Scope::Exactly(arguments) => compared.exactly == *arguments,
            Scope::Target(wanted) => {
                let given = &compared.targets;
                let fits = |(pointer, given): (&String, &Value)| match wanted.get(pointer) {
                    Some(wanted) if compared.function.role(pointer) == Some(Role::Amount) => is_within(given, wanted),
                    Some(wanted) => canonical(wanted) == canonical(given),
                    None => false,
                };
                given.len() == wanted.len() && given.iter().all(fits)
            }
        }
    }

    /// Counts one use; marks for good what is over.
    pub fn used(&mut self, now: Timestamp) {
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.expire(now);
    }

    /// Marks for good what is over, so that a clock that goes back does not revive it.
    pub fn expire(&mut self, now: Timestamp) {
        if self.until.is_some_and(|until| now >= until) {
            self.left = Some(0);
        }
    }

    /// Takes it back, if this person may: the member itself, or an adult. Says whether.
    pub fn revoke(&mut self, who: &Member, now: Timestamp) -> bool {
        let may = who.id == self.member || matches!(who.role, Person::Owner | Person::Adult);
        if may && self.revoked.is_none() {
            self.revoked = Some((who.id, now));
        }
        may
    }

    /// One line for this reader's list. Whoever allowed it for somebody else was shown what it hits, at most, and not the rest.
    #[must_use]
    pub fn sentence(&self, reader: MemberId) -> String {
        let what = match &self.scope {
            _ if reader != self.member => "what the question was about".to_owned(),
            Scope::Exactly(arguments) => shown(&Value::String(arguments.clone())),
            Scope::Target(targets) if targets.is_empty() => "whatever the content".to_owned(),
            Scope::Target(targets) => {
                let each = targets.iter().map(|(pointer, value)| format!("{} {}", pointer.trim_start_matches('/'), shown(value)));
                each.collect::<Vec<_>>().join(", ")
            }
        };
        let left = self.left.map_or_else(String::new, |left| format!(", {left} times more"));
        let until = self.until.map_or_else(String::new, |until| format!(", until {until}"));
        let gone = if self.revoked.is_some() { " (taken back)" } else { "" };
        format!("`{}` of {}: {what}{left}{until}{gone}", self.function, self.tool)
    }
}

/// An amount that is no number is only itself.
fn is_within(given: &Value, wanted: &Value) -> bool {
    match (given.as_f64(), wanted.as_f64()) {
        (Some(given), Some(wanted)) => (0.0..=wanted).contains(&given),
        _ => canonical(given) == canonical(wanted),
    }
}
