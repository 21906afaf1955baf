//! I-8: what is allowed, and who is what here, changes by a member's own word alone. Every row that widens is held against what people
//! said themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_domain::approval::consent::Consent;
use hearth_domain::approval::grant::Grant;
use hearth_domain::approval::{Approval, State};
use hearth_domain::household::Member;
use hearth_domain::household::record::HouseholdWrite;
use hearth_domain::ids::{GrantId, GroupId, IdentityId};
use hearth_domain::store::Write;

use super::consents::Consents;
use super::{Checker, Seen};
use crate::plan::Plan;

/// The checker.
#[derive(Debug)]
pub struct Widening {
    people: Vec<Member>,
    consents: Consents,
    grants: BTreeMap<GrantId, Grant>,
    /// Accounts that a grown-up asked to let in, and as whom.
    paired: BTreeMap<IdentityId, BTreeSet<String>>,
    newcomers: Vec<String>,
    /// Rooms in which a grown-up asked the house to speak.
    admitted: BTreeSet<GroupId>,
}

impl Widening {
    /// Who is who.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let people = plan.members.clone();
        let (paired, admitted) = (BTreeMap::new(), BTreeSet::new());
        Self { people, consents: Consents::default(), grants: BTreeMap::new(), paired, newcomers: Vec::new(), admitted }
    }

    fn approval(&self, approval: &Approval) -> Result<(), String> {
        if let Consent::Given { by, .. } = approval.consent
            && !(by == approval.call.member && self.consents.lets_see(approval.id, by))
        {
            return Err(format!("{} is shown to others by a word of {by}, and nobody said so", approval.id));
        }
        let by = match approval.state {
            State::Approved { by, .. } => Some(by),
            State::Used { .. } => None,
            State::Pending | State::Denied { .. } | State::Expired { .. } => return Ok(()),
        };
        let known = self.consents.has(approval.id, by);
        if known { Ok(()) } else { Err(format!("{} counts as {:?}, and nobody said so", approval.id, approval.state)) }
    }

    fn grant(&mut self, grant: &Grant) -> Result<(), String> {
        if !self.consents.has_more(grant.by, grant.member, &grant.function, grant.left) {
            return Err(format!("{} allows {} to {}, and nobody said so", grant.id, grant.function, grant.member));
        }
        let wider = |known: &Grant| {
            let more = known.left.is_some_and(|known| grant.left.is_none_or(|left| left > known));
            let other = (&known.scope, known.until, known.release, known.conversation)
                != (&grant.scope, grant.until, grant.release, grant.conversation);
            more || other || known.revoked.is_some() && grant.revoked.is_none()
        };
        let known = self.grants.insert(grant.id, grant.clone());
        if known.as_ref().is_some_and(wider) { Err(format!("{} became {grant:?} from {known:?}", grant.id)) } else { Ok(()) }
    }

    fn household(&self, write: &HouseholdWrite) -> Result<(), String> {
        match write {
            HouseholdWrite::Member(row) => {
                let planned = self.people.contains(&row.member);
                let guest = self.newcomers.contains(&row.member.name) && row.member.role == hearth_domain::household::Role::Guest;
                if planned || guest { Ok(()) } else { Err(format!("{:?} is here, and nobody asked for that", row.member)) }
            }
            HouseholdWrite::Identity(row) => {
                let asked = self.paired.get(&row.id);
                let planned = self.people.iter().find(|member| member.id == row.member);
                // Of somebody new the store knows more: the id is theirs from then on.
                let right = asked.is_some_and(|names| planned.is_none_or(|member| names.contains(&member.name)));
                if right { Ok(()) } else { Err(format!("{} is {}'s account, and no adult let it in so", row.identity, row.member)) }
            }
            HouseholdWrite::Group(row) if row.admitted.is_some() && !self.admitted.contains(&row.id) => {
                Err(format!("the house speaks in {}, and no adult let it", row.id))
            }
            _ => Ok(()),
        }
    }
}

impl Checker for Widening {
    fn name(&self) -> &'static str {
        "I-8 nothing widens but by a member's own word"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Answers { who, approval, answer } => self.consents.answers(&self.people, who, approval, *answer),
            Seen::Agrees { who, named: false } => self.consents.agrees(*who),
            Seen::Pairs { account, name } => {
                self.paired.entry(*account).or_default().insert((*name).to_owned());
                if self.people.iter().all(|member| member.name != *name) {
                    self.newcomers.push((*name).to_owned());
                }
            }
            Seen::Admits(group) => drop(self.admitted.insert(*group)),
            Seen::Written(group) => {
                for write in &group.writes {
                    match write {
                        Write::Approval(approval) => self.approval(approval)?,
                        Write::Grant(grant) => self.grant(grant)?,
                        Write::Household(write) => self.household(write)?,
                        // Simulated grown-ups do not stop the house, nor lift that: whoever else says so is not heard.
                        Write::Freeze(freeze) => return Err(format!("the house is stopped, or not any more, by {freeze:?}")),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
