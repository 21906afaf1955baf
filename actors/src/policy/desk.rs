//! What policy decides by: the questions that wait, what was allowed, and the rules of the household. Synchronous.
//!
//! The gate (`hearth_domain::policy`) says whether an effect needs a person's yes; the rules say whether it may be done at all, by whose word.
//! An effect needs both. Nobody is asked for what the rules would refuse anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hearth_domain::approval::grant::Grant;
use hearth_domain::approval::reply::{Reply, code};
use hearth_domain::approval::{Approval, State, Why};
use hearth_domain::budget::Charge;
use hearth_domain::flow::endorse::Endorsement;
use hearth_domain::flow::gate::{Because, Verdict};
use hearth_domain::household::Member;
use hearth_domain::ids::{ApprovalId, GrantId, MemberId};
use hearth_domain::policy::{Decision, Freeze, Question, Refusal, Taken, Weighed};
use hearth_domain::sandbox::Role;
use hearth_domain::time::Timestamp;
use hearth_rules::request::{Deed, Moment, Order, Person, Request, Setting, Spending};
use hearth_rules::rules::{Considered, Outcome, Rules};
use serde_json::Value;

use crate::budget::Purse;

/// Most questions that wait for people, all together.
const PENDING_MAX: usize = 64;
/// The tool whose functions are the house's own, as rules know it.
const HOUSE: &str = "house";
/// Cents of a unit of money.
const CENTS: f64 = 100.0;

/// The desk.
#[derive(Debug)]
pub(super) struct Desk {
    rules: Arc<Rules>,
    /// Those that wait, and those that ended a while ago, by member.
    approvals: BTreeMap<MemberId, Vec<Approval>>,
    grants: BTreeMap<MemberId, Vec<Grant>>,
    /// Questions about several calls that wait; the calls are among the approvals.
    endorsements: BTreeMap<ApprovalId, Endorsement>,
    freeze: Option<Freeze>,
    /// What members have paid.
    purse: Option<Purse>,
}

/// The question that a member means.
#[derive(Debug)]
pub(super) enum Meant {
    /// About one call.
    One(Box<Approval>),
    /// About several.
    Several(Box<Endorsement>),
}

/// What is to be done about a call.
#[derive(Debug)]
pub(super) enum Ruling {
    /// This, and nothing changes.
    Decided(Decision),
    /// Ask a person: this has to be saved first.
    Ask(Box<Approval>),
    /// It may run by this approval, which is used up: this has to be saved first.
    Approved(Box<Approval>, Taken),
    /// It may run by this grant, of which one use is gone: this has to be saved first.
    Granted(Box<Grant>, Taken),
}

impl Desk {
    /// With what the store has.
    pub(super) fn new(rules: Arc<Rules>, approvals: Vec<Approval>, grants: Vec<Grant>, freeze: Option<Freeze>) -> Self {
        let (approvals_of, grants_of, endorsements) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut desk = Self { rules, approvals: approvals_of, grants: grants_of, endorsements, freeze, purse: None };
        approvals.into_iter().for_each(|approval| desk.put_approval(approval));
        grants.into_iter().for_each(|grant| desk.put_grant(grant));
        desk
    }

    /// The same, where the rules hear of what members have paid.
    pub(super) fn with_purse(self, purse: Purse) -> Self {
        Self { purse: Some(purse), ..self }
    }

    /// What a member has paid so far.
    fn spending(&self, question: &Question, now: Timestamp) -> Spending {
        let Some(purse) = &self.purse else { return Spending::default() };
        let Charge { member, day, .. } = Charge::to(&question.member, now);
        let (today, month) = purse.paid(member, day);
        let cents = |sum: u64| u32::try_from(sum).unwrap_or(u32::MAX);
        Spending { today: cents(today), month: cents(month) }
    }

    /// Rules upon a call. Changes nothing.
    pub(super) fn rule(&self, question: &Question, now: Timestamp) -> Ruling {
        if self.freeze.is_some() && Freeze::holds(question.function.effect, &question.function.tool) {
            return Ruling::Decided(Decision::Deny(Refusal::Frozen));
        }
        let approvals = self.approvals.get(&question.member.id).map_or(&[][..], Vec::as_slice);
        let grants = self.grants.get(&question.member.id).map_or(&[][..], Vec::as_slice);
        let Weighed { verdict, taken } = question.weigh(approvals, grants, now);
        match verdict {
            Verdict::Deny(denial) => Ruling::Decided(Decision::Deny(denial.into())),
            Verdict::Allow(because) => {
                match (allows(&self.rules.consider(&request(question, now, self.spending(question, now))), order(because)), because) {
                    (Err(refusal), _) => Ruling::Decided(Decision::Deny(refusal)),
                    (Ok(()), Because::Free) => Ruling::Decided(Decision::Allow(taken)),
                    (Ok(()), Because::Approved(id)) => self.by_approval(id, question, taken, now),
                    (Ok(()), Because::Granted(id)) => self.by_grant(id, taken, now),
                }
            }
            Verdict::Ask(approval) => self.ask(question, *approval, taken, now),
        }
    }

    fn by_approval(&self, id: ApprovalId, question: &Question, taken: Taken, now: Timestamp) -> Ruling {
        let mut approval = self.approval(id).cloned();
        match approval.as_mut().map(|approval| approval.run(&question.exact(), now)) {
            Some(Ok(())) => {
                approval.map_or(Ruling::Decided(Decision::Deny(Refusal::Unavailable)), |used| Ruling::Approved(used.into(), taken))
            }
            Some(Err(_)) | None => Ruling::Decided(Decision::Deny(Refusal::Expired)),
        }
    }

    fn by_grant(&self, id: GrantId, taken: Taken, now: Timestamp) -> Ruling {
        let found = self.grants.values().flatten().find(|grant| grant.id == id).cloned();
        let Some(mut grant) = found else {
            return Ruling::Decided(Decision::Deny(Refusal::Unavailable));
        };
        grant.used(now);
        Ruling::Granted(grant.into(), taken)
    }

    /// A person is asked, unless the rules leave it to the member, or would refuse it whatever a person says.
    fn ask(&self, question: &Question, approval: Approval, taken: Taken, now: Timestamp) -> Ruling {
        let request = request(question, now, self.spending(question, now));
        let considered = self.rules.consider(&request);
        if approval.card.whys == BTreeSet::from([Why::Minor]) && allows(&considered, Order::OwnWord).is_ok() {
            return Ruling::Decided(Decision::Allow(taken));
        }
        if let Err(refusal) = allows(&considered, Order::Grant) {
            return Ruling::Decided(Decision::Deny(refusal));
        }
        if self.approval(approval.id).is_some() {
            return Ruling::Decided(Decision::Ask(approval.id));
        }
        if self.pending().count() >= PENDING_MAX {
            return Ruling::Decided(Decision::Deny(Refusal::Unavailable));
        }
        Ruling::Ask(Box::new(approval))
    }

    /// The one question that a member can mean.
    pub(super) fn meant(&self, who: &Member, reply: &Reply) -> Result<Meant, String> {
        let is_named = |id: ApprovalId| reply.code.as_ref().is_none_or(|named| *named == code(id));
        let ones = self.pending().filter(|one| one.is_for(who) && is_named(one.id));
        let several = self.endorsements().filter(|one| one.is_for(who) && is_named(one.id));
        let mut all: Vec<_> = ones.map(|one| (one.id, one.card.function.clone(), Meant::One(Box::new(one.clone())))).collect();
        all.extend(several.map(|one| (one.id, format!("{} calls", one.calls().len()), Meant::Several(Box::new(one.clone())))));
        match all.pop() {
            None => Err("No question waits for your answer. It may have been answered, or its time was over.".to_owned()),
            Some((_, _, meant)) if all.is_empty() => Ok(meant),
            Some(last) => {
                all.push(last);
                let codes: Vec<_> = all.iter().map(|(id, what, _)| format!("{} ({what})", code(*id))).collect();
                Err(format!("Several questions wait; say which with its code: {}.", codes.join(", ")))
            }
        }
    }

    /// The questions about several calls that wait.
    pub(super) fn endorsements(&self) -> impl Iterator<Item = &Endorsement> {
        self.endorsements.values()
    }

    /// One of them.
    pub(super) fn endorsement(&self, id: ApprovalId) -> Option<&Endorsement> {
        self.endorsements.get(&id)
    }

    /// The calls of such a question that are not over.
    pub(super) fn parts_of(&self, id: ApprovalId) -> impl Iterator<Item = &Approval> {
        self.approvals.values().flatten().filter(move |one| one.part_of == Some(id) && !one.state.is_final())
    }

    /// Takes such a question in, in its new state; one that is over goes.
    pub(super) fn put_endorsement(&mut self, endorsement: Endorsement) {
        if endorsement.state == State::Pending {
            self.endorsements.insert(endorsement.id, endorsement);
        } else {
            self.endorsements.remove(&endorsement.id);
        }
    }

    /// One whose time is over, marked so.
    pub(super) fn expired_endorsement(&self, now: Timestamp) -> Option<Endorsement> {
        let seen = self.endorsements.values().cloned().map(|mut one| {
            one.expire(now);
            one
        });
        seen.into_iter().find(|one| one.state != State::Pending)
    }

    /// Those that nobody has answered.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Approval> {
        self.approvals.values().flatten().filter(|approval| approval.state == State::Pending)
    }

    /// One of those that are known.
    pub(super) fn approval(&self, id: ApprovalId) -> Option<&Approval> {
        self.approvals.values().flatten().find(|approval| approval.id == id)
    }

    /// What stands of what was allowed.
    pub(super) fn standing(&self, now: Timestamp) -> impl Iterator<Item = &Grant> {
        self.grants.values().flatten().filter(move |grant| grant.stands(now))
    }

    /// What the house is stopped by.
    pub(super) const fn freeze(&self) -> Option<Freeze> {
        self.freeze
    }

    /// The house is stopped, or not any more.
    pub(super) const fn set_freeze(&mut self, freeze: Option<Freeze>) {
        self.freeze = freeze;
    }

    /// Takes an approval in, in its new state.
    pub(super) fn put_approval(&mut self, approval: Approval) {
        let own = self.approvals.entry(approval.call.member).or_default();
        own.retain(|known| known.id != approval.id);
        own.push(approval);
    }

    /// Takes a grant in; one that is over goes.
    pub(super) fn put_grant(&mut self, grant: Grant) {
        let own = self.grants.entry(grant.member).or_default();
        own.retain(|known| known.id != grant.id);
        if grant.revoked.is_none() && grant.left != Some(0) {
            own.push(grant);
        }
    }

    /// Those whose time is over, marked so; what ended and counts for nothing any more is forgotten.
    pub(super) fn expired(&mut self, now: Timestamp) -> Vec<Approval> {
        for own in self.approvals.values_mut() {
            own.retain(|approval| !approval.state.is_final() || now < approval.expires);
        }
        self.approvals.retain(|_, own| !own.is_empty());
        let open = self.approvals.values().flatten().filter(|approval| !approval.state.is_final());
        let seen = open.cloned().map(|mut approval| {
            approval.expire(now);
            approval
        });
        seen.filter(|approval| approval.state.is_final()).collect()
    }
}

/// What the rules say of a call, if it is by this word.
fn allows(considered: &Considered<'_>, order: Order) -> Result<(), Refusal> {
    let decision = considered.decide(order);
    match decision.outcome {
        Outcome::Allowed => Ok(()),
        Outcome::NoRule => Err(Refusal::NoRule),
        Outcome::Forbidden | Outcome::Failed => {
            let silent = || ("unreadable".to_owned(), "the rules of the household cannot speak of this".to_owned());
            let (id, says) = decision.reasons.into_iter().next().map_or_else(silent, |reason| (reason.id, reason.says));
            Err(Refusal::Rule { id, says })
        }
    }
}

const fn order(because: Because) -> Order {
    match because {
        Because::Free => Order::OwnWord,
        Because::Approved(_) | Because::Granted(_) => Order::Grant,
    }
}

/// The call as the rules know it.
fn request(question: &Question, now: Timestamp, spending: Spending) -> Request {
    let function = &question.function;
    let tool = if function.tool.is_empty() { HOUSE } else { &function.tool };
    let operation = function.name.rsplit("__").next().unwrap_or(&function.name);
    let mut deed = Deed::of(function.effect, tool, operation);
    for (name, value) in question.arguments.as_object().into_iter().flatten() {
        let is_amount = function.role(&format!("/{name}")) == Some(Role::Amount);
        match value {
            Value::String(text) => drop(deed.texts.insert(name.clone(), text.clone())),
            Value::Number(number) if is_amount => {
                // A number without cents: beyond 2^53 it is refused by the rules' own limits.
                let cents = number.as_f64().map(|units| (units * CENTS).round()).filter(|cents| cents.abs() < 9e15);
                deed.numbers.extend(cents.map(|cents| (name.clone(), cents as i64)));
            }
            Value::Number(number) => deed.numbers.extend(number.as_i64().map(|number| (name.clone(), number))),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }
    let who = Person { name: question.member.name.clone(), role: question.member.role };
    let named = |(id, role): (MemberId, _)| {
        let name = if id == question.member.id { who.name.clone() } else { id.to_string() };
        Person { name, role }
    };
    let audience: BTreeSet<_> = question.audience.iter().map(named).collect();
    Request {
        deed,
        at: Moment::of(&now.to_zoned(question.member.time_zone())),
        spending,
        integrity: question.label.integrity,
        // Decided for each word by which it may be: see [`Considered`].
        order: Order::None,
        setting: if audience.len() > 1 { Setting::Group } else { Setting::Private },
        audience,
        strangers: false,
        who,
    }
}

#[cfg(test)]
mod tests;
