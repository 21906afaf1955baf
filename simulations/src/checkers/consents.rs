//! What people said yes to, as the people themselves know it: the judge of I-6 and I-8 believes them, and no row of the house.

use std::collections::{BTreeMap, BTreeSet};

use hearth_domain::approval::consent::Consent;
use hearth_domain::approval::{Answer, Approval};
use hearth_domain::household::{Member, Role};
use hearth_domain::ids::{ApprovalId, CallId, ConversationId, MemberId};
use hearth_domain::sandbox::Role as For;
use hearth_domain::tool::{Effect, Invocation};
use serde_json::Value;

use crate::doubles::hostile::{outward, role};

/// One yes.
#[derive(Debug, Clone)]
struct Yes {
    by: MemberId,
    member: MemberId,
    conversation: ConversationId,
    function: String,
    arguments: Value,
    answer: Answer,
    /// The calls that it let go: one that is repeated under its id is one.
    calls: BTreeSet<CallId>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Consents {
    /// By question: the same answer given twice is one.
    all: BTreeMap<(ApprovalId, MemberId), Vec<Yes>>,
    /// Those who said yes without a word to what.
    loose: BTreeSet<MemberId>,
    /// The questions that their members let others see.
    let_see: BTreeSet<(ApprovalId, MemberId)>,
}

/// Whose word counts, by the table of the household.
fn may_answer(asker: &Member, effect: Option<Effect>, who: &Member) -> bool {
    let grown = matches!(who.role, Role::Owner | Role::Adult);
    match asker.role {
        Role::Child | Role::Guest => grown,
        Role::Teen if effect != Some(Effect::ExternalSend) && effect.is_some() => grown,
        Role::Owner | Role::Adult if effect == Some(Effect::Physical) => grown,
        Role::Owner | Role::Adult | Role::Teen => who.id == asker.id,
    }
}

impl Consents {
    /// Somebody is about to answer a question that they have read.
    pub fn answers(&mut self, people: &[Member], who: &Member, approval: &Approval, answer: Answer) {
        let call = &approval.call;
        if approval.consent == Consent::Wanted && who.id == call.member {
            // No yes to the effect.
            self.let_see.extend((answer == Answer::Once).then_some((approval.id, who.id)));
            return;
        }
        let asker = people.iter().find(|member| member.id == call.member);
        if answer == Answer::No || !asker.is_some_and(|asker| may_answer(asker, outward(&call.function), who)) {
            return;
        }
        let yes = Yes {
            by: who.id,
            member: call.member,
            conversation: call.conversation,
            function: call.function.clone(),
            arguments: call.arguments.clone(),
            answer,
            calls: BTreeSet::new(),
        };
        let known = self.all.entry((approval.id, who.id)).or_default();
        if known.iter().all(|known| known.answer != answer) {
            known.push(yes);
        }
    }

    /// Somebody says yes to whatever waits.
    pub fn agrees(&mut self, who: MemberId) {
        self.loose.insert(who);
    }

    /// Whether this person let others see what that question shows.
    #[must_use]
    pub fn lets_see(&self, approval: ApprovalId, by: MemberId) -> bool {
        self.loose.contains(&by) || self.let_see.contains(&(approval, by))
    }

    /// Whether somebody said yes to exactly this call, and that is not used up.
    pub fn cover(&mut self, call: &Invocation) -> bool {
        let fits = |yes: &&mut Yes| {
            let same = (yes.member, yes.function.as_str()) == (call.member.id, call.name.as_str());
            let (exact, uses) = match yes.answer {
                Answer::Once => (true, Some(1)),
                Answer::Times(times) => (true, usize::try_from(times).ok()),
                Answer::Until(_) => (true, None),
                Answer::Always => (false, None),
                Answer::No => (true, Some(0)),
            };
            let fits = if exact { yes.arguments == call.arguments } else { same_targets(&yes.arguments, &call.arguments) };
            let here = uses.is_none() || yes.conversation == call.conversation;
            same && fits && here && (yes.calls.contains(&call.id) || uses.is_none_or(|uses| yes.calls.len() < uses))
        };
        let found = self.all.values_mut().flatten().find(fits);
        found.map(|yes| yes.calls.insert(call.id)).is_some()
    }

    /// Whether somebody said yes to this question; this person, when one is named.
    #[must_use]
    pub fn has(&self, approval: ApprovalId, by: Option<MemberId>) -> bool {
        let loose = by.map_or(!self.loose.is_empty(), |by| self.loose.contains(&by));
        loose || self.all.iter().any(|((id, who), _)| *id == approval && by.is_none_or(|by| by == *who))
    }

    /// Whether this person allowed more than one call of this function for that member, and so much.
    #[must_use]
    pub fn has_more(&self, by: MemberId, member: MemberId, function: &str, left: Option<u32>) -> bool {
        self.loose.contains(&by)
            || self.all.values().flatten().any(|yes| {
                let more = match yes.answer {
                    Answer::No | Answer::Once => false,
                    Answer::Times(times) => left.is_some_and(|left| left < times),
                    // What is over is marked by nothing being left.
                    Answer::Until(_) | Answer::Always => left.is_none_or(|left| left == 0),
                };
                more && (yes.by, yes.member, yes.function.as_str()) == (by, member, function)
            })
    }
}

/// The same but for the content, and not more of an amount.
fn same_targets(allowed: &Value, wanted: &Value) -> bool {
    let hits = |value: &Value| -> BTreeMap<String, Value> {
        let all = value.as_object().into_iter().flatten();
        all.filter(|(name, _)| role(name) != Some(For::Content)).map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let (allowed, wanted) = (hits(allowed), hits(wanted));
    allowed.len() == wanted.len()
        && wanted.iter().all(|(name, value)| match (role(name), allowed.get(name)) {
            (Some(For::Amount), Some(most)) => value.as_i64().zip(most.as_i64()).is_some_and(|(value, most)| value <= most),
            (_, most) => most == Some(value),
        })
}
