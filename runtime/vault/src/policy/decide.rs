//! Whether a secret may be used for a request. Denied by default: a rule of the secret's own policy has to say yes to everything.

use std::collections::BTreeSet;

use hearth_domain::error::{Class, Classified};
use hearth_domain::household::MemberId;
use hearth_domain::pattern;
use hearth_domain::secret::{Principal, Scheme, SecretPolicy, Slot, TargetRule};

use super::target::{Target, TargetError};

/// Who asks, for whom, and how much of the policy is used up.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Which part of the house.
    pub who: &'a Principal,
    /// For which member; `None` when it is the house's own doing.
    pub member: Option<MemberId>,
    /// The wall clock.
    pub now: jiff::Timestamp,
    /// Uses within the policy's window until now, without this one.
    pub uses_in_window: u32,
    /// Bytes of this request, body included, as far as they are known.
    pub bytes_out: u64,
    /// Where in the request the secret is mentioned.
    pub slots: &'a BTreeSet<Slot>,
}

/// Why a secret is not used. For the mismatches of a target: what the rule that came closest was missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is a decoy. Somebody has to be told.
    #[error("this secret is a decoy that nothing has a reason to use: its use was stopped and is an alarm")]
    Canary,
    /// Not one of its users.
    #[error("this part of the house may not use this secret; its owner can allow it with `hearth secret allow`")]
    User,
    /// Not for this member.
    #[error("this secret may not be used for this member; its owner can allow it with `hearth secret allow`")]
    Member,
    /// Its time is over.
    #[error("the secret's time is over; its owner can extend it with `hearth secret allow`")]
    Expired,
    /// No target is allowed at all.
    #[error("the secret may not be sent anywhere yet; its owner can allow a target with `hearth secret allow`")]
    NoTarget,
    /// The host.
    #[error("the secret may not be sent to this host; its owner can allow it with `hearth secret allow`")]
    Host,
    /// The port.
    #[error("the secret may not be sent to this port of the host")]
    Port,
    /// The scheme.
    #[error("the secret may not be sent in this way: https, unless its owner named a plain host of the LAN")]
    Scheme,
    /// The method.
    #[error("the secret may not be used with this method there")]
    Method,
    /// The path.
    #[error("the secret may not be sent to this path of the host")]
    Path,
    /// The place in the request.
    #[error("the secret may not stand in this place of the request (header, path, query, body or signature)")]
    Slot,
    /// A local name or an address that is not public, without a LAN rule.
    #[error("{0}")]
    NotPublic(#[source] TargetError),
    /// Too often.
    #[error("the secret was used as often as its policy allows; wait, or let its owner raise the rate")]
    Rate,
    /// Too much.
    #[error("the request is larger than the secret's policy allows")]
    Bytes,
}

impl Refusal {
    /// What a machine tells it by. Stable.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::User => "user",
            Self::Member => "member",
            Self::Expired => "expired",
            Self::NoTarget => "no_target",
            Self::Host => "host",
            Self::Port => "port",
            Self::Scheme => "scheme",
            Self::Method => "method",
            Self::Path => "path",
            Self::Slot => "slot",
            Self::NotPublic(_) => "not_public",
            Self::Rate => "rate",
            Self::Bytes => "bytes",
        }
    }
}

impl Classified for Refusal {
    fn class(&self) -> Class {
        if *self == Self::Rate { Class::Transient } else { Class::Denied }
    }
}

/// The rule that allows this use.
///
/// # Errors
///
/// The first reason that speaks against it.
pub fn decide<'p>(policy: &'p SecretPolicy, asking: &Asking<'_>, target: &Target) -> Result<&'p TargetRule, Refusal> {
    if policy.canary {
        return Err(Refusal::Canary);
    }
    if !policy.users.contains(asking.who) {
        return Err(Refusal::User);
    }
    if let Some(members) = &policy.members
        && !asking.member.is_some_and(|member| members.contains(&member))
    {
        return Err(Refusal::Member);
    }
    if policy.until.is_some_and(|until| asking.now >= until) {
        return Err(Refusal::Expired);
    }
    let rule = rule_for(&policy.targets, asking.slots, target)?;
    if policy.rate.is_some_and(|rate| asking.uses_in_window >= rate.uses) {
        return Err(Refusal::Rate);
    }
    check_bytes(policy, asking.bytes_out)?;
    Ok(rule)
}

/// The rule by which the vault itself may send to a target for this secret, as when it renews a token: wherever in a request that rule lets
/// the secret stand (`in signature` lets nobody else). Users, members and rate are about the house's requests.
///
/// # Errors
///
/// The first reason that speaks against it.
pub fn decide_own<'p>(policy: &'p SecretPolicy, now: jiff::Timestamp, bytes_out: u64, target: &Target) -> Result<&'p TargetRule, Refusal> {
    if policy.canary {
        return Err(Refusal::Canary);
    }
    if policy.until.is_some_and(|until| now >= until) {
        return Err(Refusal::Expired);
    }
    check_bytes(policy, bytes_out)?;
    let slots = [Slot::Signature, Slot::Header, Slot::Body, Slot::Query, Slot::Path].map(|slot| BTreeSet::from([slot]));
    let mut refusal = Refusal::NoTarget;
    for slots in &slots {
        match rule_for(&policy.targets, slots, target) {
            Ok(rule) => return Ok(rule),
            Err(why) => refusal = why,
        }
    }
    Err(refusal)
}

/// For a body whose length shows while it is sent: whether so many bytes of a request are still allowed.
///
/// # Errors
///
/// [`Refusal::Bytes`].
pub const fn check_bytes(policy: &SecretPolicy, bytes_out: u64) -> Result<(), Refusal> {
    if bytes_out > policy.bytes_out_max { Err(Refusal::Bytes) } else { Ok(()) }
}

fn rule_for<'p>(rules: &'p [TargetRule], slots: &BTreeSet<Slot>, target: &Target) -> Result<&'p TargetRule, Refusal> {
    let mut closest = (0, Refusal::NoTarget);
    for rule in rules {
        match misses(rule, slots, target) {
            None => return Ok(rule),
            Some(miss) if miss.0 > closest.0 => closest = miss,
            Some(_) => {}
        }
    }
    Err(closest.1)
}

/// What a rule does not allow of a target, and how far it came.
fn misses(rule: &TargetRule, slots: &BTreeSet<Slot>, target: &Target) -> Option<(u8, Refusal)> {
    let not_public = if rule.lan { None } else { target.check_public().err().map(Refusal::NotPublic) };
    let checks = [
        (rule.host == target.host_text(), Refusal::Host),
        // Plain text is for the LAN, whatever the rule says.
        (rule.scheme == target.scheme && (rule.scheme == Scheme::Https || rule.lan), Refusal::Scheme),
        (rule.port == target.port, Refusal::Port),
        (not_public.is_none(), not_public.unwrap_or(Refusal::Host)),
        (rule.methods.contains(&target.method), Refusal::Method),
        (pattern::matches(&rule.path, &target.path), Refusal::Path),
        (!slots.is_empty() && slots.is_subset(&rule.slots), Refusal::Slot),
    ];
    (1..).zip(checks).find(|(_, (fits, _))| !fits).map(|(step, (_, refusal))| (step, refusal))
}

/// How a request to this authority is sent: a client behind the broker's socket speaks `http://` in any case. TLS, unless a rule
/// of one of these policies names the host as a plain one of the LAN and none names it with TLS.
#[must_use]
pub fn scheme_for<'p>(policies: impl Iterator<Item = &'p SecretPolicy> + Clone, authority: &str) -> Scheme {
    let Ok(read) = Target::of(&http::Method::GET, Scheme::Https, authority, "/") else { return Scheme::Https };
    let host = read.host_text();
    let named = |scheme| {
        read.over(scheme, authority).is_ok_and(|target| {
            policies
                .clone()
                .flat_map(|policy| &policy.targets)
                .any(|rule| rule.scheme == scheme && rule.port == target.port && rule.host == host && (rule.lan || scheme == Scheme::Https))
        })
    };
    if !named(Scheme::Https) && named(Scheme::Http) { Scheme::Http } else { Scheme::Https }
}
