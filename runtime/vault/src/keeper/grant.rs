//! What the policies of the mentioned secrets say to a request: all of them yes, or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hearth_domain::secret::{Principal, Scheme, SecretName, SecretPolicy, Slot, TargetRule};
use hearth_domain::vault::VaultState;
use secrecy::SecretSlice;

use super::asker::Asker;
use super::no::{No, sealed, unknown};
use super::{Core, Keeper, Standing};
use crate::egress::ports::{Asked, Head, Why};
use crate::policy::decide::{Asking, decide, scheme_for};
use crate::policy::placeholder::Mentions;
use crate::policy::target::Target;

/// What a request may have.
pub(super) struct Granted {
    pub(super) values: BTreeMap<SecretName, SecretSlice<u8>>,
    pub(super) rule: TargetRule,
    pub(super) bytes_out_max: u64,
}

impl Core {
    /// How the request is sent.
    pub(super) fn scheme(&self, head: &Head, who: &Principal, mentions: &Mentions) -> Scheme {
        match head.asked {
            Asked::Plain => Scheme::Http,
            Asked::Tls => {
                let of_user = |policy: &SecretPolicy| policy.users.contains(who);
                let meant =
                    |name: &SecretName, policy: &SecretPolicy| mentions.contains_key(name) || (mentions.is_empty() && of_user(policy));
                let policies: Vec<&SecretPolicy> =
                    self.secrets.iter().filter(|(name, secret)| meant(name, &secret.policy)).map(|(_, secret)| &*secret.policy).collect();
                scheme_for(policies.iter().copied(), &head.authority)
            }
        }
    }

    fn usable(&self, name: &SecretName) -> Result<Arc<SecretPolicy>, No> {
        let secret = self.secrets.get(name).filter(|secret| secret.standing == Standing::Good);
        secret.map(|secret| Arc::clone(&secret.policy)).ok_or_else(unknown)
    }

    pub(super) fn rule_for(
        &mut self,
        name: &SecretName,
        asked: &Asker,
        target: &Target,
        slots: &BTreeSet<Slot>,
        bytes: u64,
    ) -> Result<TargetRule, No> {
        let policy = self.usable(name)?;
        let uses_in_window = self.window(name).map_or(0, |(window, now)| window.count(now));
        let now = self.ports.clock.wall();
        let asking = Asking { who: &asked.who, member: asked.member, now, uses_in_window, bytes_out: bytes, slots };
        Ok(decide(&policy, &asking, target)?.clone())
    }

    /// All of the mentioned secrets, or none.
    pub(super) fn grant(&mut self, asked: &Asker, target: &Target, mentions: &Mentions, bytes: u64) -> Result<Granted, No> {
        let mut rules = Vec::new();
        let mut bytes_out_max = u64::MAX;
        for (name, slots) in mentions {
            rules.push(self.rule_for(name, asked, target, slots, bytes)?);
            bytes_out_max = bytes_out_max.min(self.usable(name)?.bytes_out_max);
        }
        let rule = agreed(rules)?;
        let mut values = BTreeMap::new();
        for (name, slots) in mentions {
            // What only signs is opened when it signs.
            if slots.iter().any(|slot| *slot != Slot::Signature) {
                values.insert(name.clone(), self.fill(name)?);
            }
            self.count(name);
        }
        Ok(Granted { values, rule, bytes_out_max })
    }

    /// For a request whose head mentions nothing: a secret whose policy lets it stand in the body.
    pub(super) fn grant_for_body(&mut self, asked: &Asker, target: &Target, bytes: u64, has_body: bool) -> Result<Granted, No> {
        let (slots, names) = (BTreeSet::from([Slot::Body]), self.secrets.keys().cloned().collect::<Vec<_>>());
        for name in names.iter().filter(|_| has_body) {
            if let Ok(rule) = self.rule_for(name, asked, target, &slots, bytes) {
                let bytes_out_max = self.usable(name)?.bytes_out_max;
                return Ok(Granted { values: BTreeMap::new(), rule, bytes_out_max });
            }
        }
        let sentence = "the request mentions no secret; what needs none goes by the way out without keys";
        Err(No::new(Why::Denied, "no_placeholder", sentence))
    }

    /// The rule by which every one of these secrets names the target, wherever in the request it may stand.
    pub(super) fn named(&mut self, asked: &Asker, target: &Target, names: &BTreeSet<SecretName>, bytes: u64) -> Result<TargetRule, No> {
        let each = [Slot::Header, Slot::Path, Slot::Query, Slot::Body, Slot::Signature].map(|slot| BTreeSet::from([slot]));
        let mut rules = Vec::new();
        for name in names {
            let mut last = None;
            let rule = each.iter().find_map(|slots| self.rule_for(name, asked, target, slots, bytes).map_err(|no| last = Some(no)).ok());
            rules.push(rule.ok_or_else(|| last.unwrap_or_else(unknown))?);
        }
        if rules.is_empty() {
            return Ok(self.grant_for_body(asked, target, bytes, true)?.rule);
        }
        agreed(rules)
    }

    fn count(&mut self, name: &SecretName) {
        if let Some((window, now)) = self.window(name) {
            window.add(now);
        }
    }
}

impl Keeper {
    /// A secret that a body mentions: decided on, counted and opened. Also gives the most bytes that a request with it may have.
    pub(super) fn for_body(&self, name: &SecretName, asked: &Asker, target: &Target, bytes: u64) -> Result<(SecretSlice<u8>, u64), No> {
        let mut core = self.core();
        if core.state() != VaultState::Open {
            return Err(sealed(core.state()));
        }
        core.rule_for(name, asked, target, &BTreeSet::from([Slot::Body]), bytes)?;
        let value = core.fill(name)?;
        core.count(name);
        Ok((value, core.usable(name)?.bytes_out_max))
    }
}

/// Several secrets in one request: how their rules reach the host has to be the same.
fn agreed(rules: Vec<TargetRule>) -> Result<TargetRule, No> {
    let mut rules = rules.into_iter();
    let first = rules.next().ok_or_else(unknown)?;
    if rules.all(|rule| rule.lan == first.lan && rule.authority == first.authority) {
        return Ok(first);
    }
    let sentence = "the secrets of one request have rules that reach its host in different ways (lan, authority); make them the same";
    Err(No::new(Why::Denied, "rules_differ", sentence))
}
