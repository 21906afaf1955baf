//! Policies that an owner enters: whether they are sound, and whether a change allows more than before.

use hearth_domain::error::{Class, Classified};
use hearth_domain::pattern;
use hearth_domain::secret::{Rate, Scheme, SecretPolicy, Slot, TargetRule};
use url::Host;

use super::address::{AddressError, allowed};
use super::path::{self, PatternError};
use super::target::{Target, TargetError, plain_method};

/// Most users of one secret.
pub const USERS_MAX: usize = 64;
/// Most members that a secret is limited to.
pub const MEMBERS_MAX: usize = 256;
/// Most targets of one secret.
pub const TARGETS_MAX: usize = 64;
/// Most methods of one rule.
pub const METHODS_MAX: usize = 16;
/// Longest certificate authority of a rule, in bytes of PEM.
pub const AUTHORITY_PEM_MAX: usize = 64 * 1024;
/// Most bytes that a policy can allow one request.
pub const BYTES_OUT_MAX: u64 = 1 << 32;
/// Longest window of a rate, in seconds: 31 days.
pub const WINDOW_MAX_S: u32 = 31 * 24 * 3600;

/// What is wrong with one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The host is not written as it is sent.
    #[error("a rule's host is one exact name in lower-case letters (IDNA applied, no dot at the end) or an address")]
    Host,
    /// The port is 0.
    #[error("a rule's port is a number from 1 to 65535")]
    Port,
    /// Plain text to the internet.
    #[error("plain http is for hosts of the LAN only: write https, or mark the rule as `lan` if the host is a device of yours")]
    PlainWithoutLan,
    /// A local host without the LAN mark.
    #[error("{0}; mark the rule as `lan` if the host is a device of yours")]
    NotPublic(#[source] TargetError),
    /// An address that no mark allows.
    #[error("{0}")]
    Address(#[source] AddressError),
    /// No method, or too many, or one that is not sent.
    #[error("a rule has 1 to {METHODS_MAX} methods in upper-case letters, without CONNECT and TRACE")]
    Methods,
    /// The path.
    #[error("{0}")]
    Path(#[source] PatternError),
    /// No slot.
    #[error("a rule says where the secret may stand: header, path, query, body or signature")]
    Slots,
    /// The path names a placeholder, but the secret may not stand in a path.
    #[error("the rule's path holds a placeholder, so that the rule has to allow the path as a place for the secret")]
    PlaceholderWithoutSlot,
    /// A certificate authority for a host of the internet.
    #[error("a certificate authority of its own is for an https host of the LAN")]
    AuthorityWithoutLan,
    /// The authority is no PEM.
    #[error("the certificate authority is no PEM text of at most {AUTHORITY_PEM_MAX} bytes")]
    Authority,
}

/// What is wrong with a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Too many users.
    #[error("a secret has at most {USERS_MAX} users")]
    Users,
    /// Too many members.
    #[error("a secret is limited to at most {MEMBERS_MAX} members")]
    Members,
    /// Too many targets.
    #[error("a secret has at most {TARGETS_MAX} targets")]
    Targets,
    /// One of the rules, counted from 1.
    #[error("target {at}: {error}")]
    Rule {
        /// Which.
        at: usize,
        /// Why.
        #[source]
        error: RuleError,
    },
    /// The rate.
    #[error("a rate has at least one use in a window of 1 to {WINDOW_MAX_S} seconds")]
    Rate,
    /// The bytes.
    #[error("a request with the secret may have 1 to {BYTES_OUT_MAX} bytes")]
    Bytes,
}

impl Classified for PolicyError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// Whether a policy that an owner enters is sound.
///
/// # Errors
///
/// The first thing that is not.
pub fn check(policy: &SecretPolicy) -> Result<(), PolicyError> {
    if policy.users.len() > USERS_MAX {
        return Err(PolicyError::Users);
    }
    if policy.members.as_ref().is_some_and(|members| members.len() > MEMBERS_MAX) {
        return Err(PolicyError::Members);
    }
    if policy.targets.len() > TARGETS_MAX {
        return Err(PolicyError::Targets);
    }
    if policy.rate.is_some_and(|rate| rate.uses == 0 || rate.window_s == 0 || rate.window_s > WINDOW_MAX_S) {
        return Err(PolicyError::Rate);
    }
    if policy.bytes_out_max == 0 || policy.bytes_out_max > BYTES_OUT_MAX {
        return Err(PolicyError::Bytes);
    }
    (1..).zip(&policy.targets).try_for_each(|(at, rule)| check_rule(rule).map_err(|error| PolicyError::Rule { at, error }))
}

/// Whether one rule is sound.
///
/// # Errors
///
/// The first thing that is not.
pub fn check_rule(rule: &TargetRule) -> Result<(), RuleError> {
    if rule.port == 0 {
        return Err(RuleError::Port);
    }
    let authority = format!("{}:{}", rule.host, rule.port);
    let target = Target::of(&http::Method::GET, rule.scheme, &authority, "/").map_err(|_| RuleError::Host)?;
    if target.host_text() != rule.host || target.port != rule.port {
        return Err(RuleError::Host);
    }
    check_reach(rule, &target)?;
    let methods = (1..=METHODS_MAX).contains(&rule.methods.len());
    if !methods || !rule.methods.iter().all(|method| plain_method(method).is_ok()) {
        return Err(RuleError::Methods);
    }
    path::check_pattern(&rule.path).map_err(RuleError::Path)?;
    if rule.slots.is_empty() {
        return Err(RuleError::Slots);
    }
    if path::holds_placeholder(&rule.path) && !rule.slots.contains(&Slot::Path) {
        return Err(RuleError::PlaceholderWithoutSlot);
    }
    check_authority(rule)
}

fn check_reach(rule: &TargetRule, target: &Target) -> Result<(), RuleError> {
    if rule.scheme == Scheme::Http && !rule.lan {
        return Err(RuleError::PlainWithoutLan);
    }
    if !rule.lan {
        return target.check_public().map_err(RuleError::NotPublic);
    }
    let ip = match target.host {
        Host::Domain(_) => return Ok(()),
        Host::Ipv4(ip) => ip.into(),
        Host::Ipv6(ip) => ip.into(),
    };
    allowed(&[ip], true).map(drop).map_err(RuleError::Address)
}

fn check_authority(rule: &TargetRule) -> Result<(), RuleError> {
    let Some(pem) = &rule.authority else { return Ok(()) };
    if !rule.lan || rule.scheme != Scheme::Https {
        return Err(RuleError::AuthorityWithoutLan);
    }
    if pem.len() > AUTHORITY_PEM_MAX || !pem.contains("-----BEGIN CERTIFICATE-----") { Err(RuleError::Authority) } else { Ok(()) }
}

/// Whether a new policy may allow anything that the old one refused. Says yes when in doubt: what it says no to needs no owner's
/// proof.
#[must_use]
pub fn widens(old: &SecretPolicy, new: &SecretPolicy) -> bool {
    let narrower = (!old.canary || new.canary)
        && new.users.is_subset(&old.users)
        && within(old.members.as_ref(), new.members.as_ref(), |old, new| new.is_subset(old))
        && within(old.until.as_ref(), new.until.as_ref(), |old, new| new <= old)
        && within(old.rate.as_ref(), new.rate.as_ref(), slower)
        && new.bytes_out_max <= old.bytes_out_max
        && new.targets.iter().all(|rule| old.targets.iter().any(|known| includes(known, rule)));
    !narrower
}

/// A limit that may be missing: one that was there has to stay, and not to grow.
fn within<T>(old: Option<&T>, new: Option<&T>, narrower: impl Fn(&T, &T) -> bool) -> bool {
    match (old, new) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(old), Some(new)) => narrower(old, new),
    }
}

fn slower(old: &Rate, new: &Rate) -> bool {
    new.uses <= old.uses && new.window_s >= old.window_s
}

fn includes(old: &TargetRule, new: &TargetRule) -> bool {
    old.scheme == new.scheme
        && old.host == new.host
        && old.port == new.port
        && new.methods.is_subset(&old.methods)
        && new.slots.is_subset(&old.slots)
        && pattern::covers(&old.path, &new.path)
        && (old.lan || !new.lan)
        // Another authority is another set of servers.
        && old.authority == new.authority
}
