//! Access tokens that the vault renews: which are due, what is asked where, what came back, and that nothing of it counts before it is
//! stored. What waits and what is sent is [`super::renewer`]'s.
//!
//! ```text
//! due ─▶ asking (the policy still allows the address) ─▶ … ─▶ received ─▶ in hand, guarded ─▶ begin_renewed … stored ─▶ new version in use
//!                                                         └─▶ failed: a longer and longer pause     └─ not stored: stays in hand
//! ```
//!
//! Providers may use up a refresh token when they answer. Whatever they gave is therefore *in hand* (encrypted, in memory) until it is
//! durable, and a house that could not store it is asked again before the provider is. What is lost is what a vault held that was killed in
//! between: the fresh one asks with the old refresh token, and says so if the provider does not take it any more.

use std::time::Duration;

use hearth_domain::ids::SecretId;
use hearth_domain::secret::{Scheme, SecretName, SecretPolicy};
use hearth_domain::time::{Mono, Timestamp};
use hearth_domain::vault::{Used, VaultState};
use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};

use super::change::{Begun, ChangeError};
use super::head::port_target;
use super::login::{Age, Grant, Login, Standing as Going};
use super::no::{No, unknown};
use super::{Core, Keeper, Kept, Kind, Locked, OVERLAP, Standing};
use crate::egress::limits::Bounds;
use crate::egress::ports::{Pass, Why, Written};
use crate::policy::decide::{Refusal, decide_own};
use crate::policy::target::{Target, TargetError, scheme_text};
use crate::seal::Draft;
use crate::sign::oauth2::{ANSWER_MAX, OAuthError, TokenRequest, Tokens};

/// The first pause after a renewal failed; each further one is twice as long.
pub const PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(900);
/// How long after a renewal a token is not renewed again because a server does not accept it.
pub const REJECTED_PAUSE: Duration = Duration::from_secs(60);
/// How long a refresh token that was replaced stays known to the guard.
pub const USED_UP: Duration = Duration::from_secs(3600);
/// How long an access token stays known to the guard beyond its end: clocks differ.
const CLOCKS: Duration = Duration::from_secs(300);

/// What a renewal and a sign-in may take.
pub const BOUNDS: Bounds = Bounds {
    request_bytes: 64 * 1024,
    response_bytes: ANSWER_MAX as u64,
    connect: Duration::from_secs(10),
    answer: Duration::from_secs(20),
    silence: Duration::from_secs(10),
    total: Duration::from_secs(30),
};

/// What a renewal of one secret has come to in this process.
pub(super) struct Renewal {
    grant: Grant,
    /// Failures without a success between them.
    failures: u32,
    /// Before that it is not tried again.
    not_before: Mono,
    /// The last success.
    last: Option<Mono>,
    /// What went wrong, for its owner.
    why: Option<String>,
    /// What is not stored yet.
    hand: Option<Hand>,
}

/// A login that is not durable yet.
struct Hand {
    locked: Locked,
    going: Going,
}

/// Why a token is not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// It is gone, or something else by now.
    #[error("the secret is not there any more, or was signed in for anew")]
    Gone,
    /// The policy names the address no more.
    #[error("the secret's policy does not allow the address that gives its tokens: {0}")]
    Policy(#[source] Refusal),
    /// The address is none.
    #[error("the address that gives the tokens: {0}")]
    Address(#[source] TargetError),
    /// The request cannot be written.
    #[error("the request for a token cannot be written")]
    Unwritable,
    /// The provider.
    #[error(transparent)]
    Provider(#[from] OAuthError),
    /// No answer.
    #[error("the address that gives the tokens: {0}")]
    Way(#[source] crate::egress::failure::Failure),
    /// Not stored.
    #[error("the new token could not be stored: {0}")]
    Change(#[source] ChangeError),
}

/// What to ask a provider.
pub(super) enum Asking {
    /// Nothing: there is an answer that only waits to be stored.
    Nothing,
    /// For a new token.
    Renew(Box<Login>, SecretPolicy),
}

/// A secret that is signed in for, and how that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// Which.
    pub name: SecretName,
    /// When its access token ends, where the provider said so.
    pub until: Option<Timestamp>,
    /// Whether the token is renewed after that.
    pub renewed: bool,
    /// What is wrong: for its owner.
    pub trouble: Option<String>,
}

/// When a secret is to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Not now: this version, or nothing, is what there is.
    Not(u32),
    /// The token still serves; this version.
    Soon(u32),
    /// Nothing is sent before.
    Now,
}

/// The request to an address of a provider, as far as this secret's policy allows it.
pub(super) fn own_pass(
    policy: &SecretPolicy,
    address: &str,
    sent: &TokenRequest,
    now: Timestamp,
    bounds: Bounds,
) -> Result<(Pass, String), RenewError> {
    let target = Target::of_url(&Method::POST, address).map_err(RenewError::Address)?;
    let bytes = u64::try_from(sent.body.len()).unwrap_or(u64::MAX);
    let rule = decide_own(policy, now, bytes, &target).map_err(RenewError::Policy)?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(authorization) = &sent.authorization {
        headers.insert(header::AUTHORIZATION, authorization.clone());
    }
    let path_and_query: PathAndQuery = target.path_and_query().parse().map_err(|_| RenewError::Unwritable)?;
    let place = format!("POST {}://{}:{}", scheme_text(target.scheme), target.host, target.port);
    let pass = Pass {
        target: port_target(&target),
        written: Written { method: Method::POST, path_and_query, headers },
        rewriter: None,
        sign: None,
        lan: rule.lan,
        authority_pem: rule.authority.as_deref().map(std::sync::Arc::from),
        bounds,
    };
    Ok((pass, place))
}

/// Whether an owner's browser may be sent there: over TLS on the internet, or to a host of the LAN that the policy names.
pub(super) fn may_open(policy: &SecretPolicy, address: &str) -> Result<Target, OAuthError> {
    let target = Target::of_url(&Method::GET, address).map_err(|_| OAuthError::Endpoint)?;
    let named = policy
        .targets
        .iter()
        .any(|rule| rule.lan && (rule.scheme, rule.host.as_str(), rule.port) == (target.scheme, target.host_text().as_str(), target.port));
    let public = target.scheme == Scheme::Https && target.check_public().is_ok();
    if public || named { Ok(target) } else { Err(OAuthError::Endpoint) }
}

fn sign_in() -> No {
    let sentence = "the sign-in that this secret stands for has ended: its owner signs in again with `hearth secret sign-in`";
    No::new(Why::Denied, "sign_in", sentence)
}

fn not_renewed() -> No {
    let sentence = "the secret's access token is over and could not be renewed yet; it is tried again, and `hearth secret list` says more";
    No::new(Why::NotNow, "not_renewed", sentence)
}

impl Core {
    pub(super) fn login(&self, name: &SecretName) -> Option<(SecretId, u32, Login)> {
        let secret = self.secrets.get(name).filter(|secret| secret.kind == Kind::Login)?;
        let login = Login::read(&self.open_value(&secret.record)?)?;
        Some((secret.record.id, secret.record.version, login))
    }

    /// What is put in for a placeholder.
    pub(super) fn fill(&self, name: &SecretName) -> Result<SecretSlice<u8>, No> {
        let secret = self.secrets.get(name).ok_or_else(unknown)?;
        let value = self.open_value(&secret.record).ok_or_else(unknown)?;
        if secret.kind == Kind::Plain {
            return Ok(value);
        }
        let login = Login::read(&value).ok_or_else(unknown)?;
        if login.age(self.ports.clock.wall()) != Age::Over {
            return Ok(bytes_of(&login.access));
        }
        let ended = self.renewals.get(&secret.record.id).and_then(|renewal| renewal.hand.as_ref()).map(|hand| hand.going);
        Err(if login.needs_owner() || ended == Some(Going::Ended) { sign_in() } else { not_renewed() })
    }

    fn due(&self, name: &SecretName, rejected: Option<u32>) -> Option<Due> {
        let (id, version, login) = self.login(name)?;
        let (renewal, now) = (self.renewals.get(&id), self.ports.clock.mono());
        let hand = renewal.is_some_and(|renewal| renewal.hand.is_some());
        let paused = renewal.is_some_and(|renewal| renewal.not_before > now);
        if paused || (login.needs_owner() && !hand) {
            return Some(Due::Not(version));
        }
        if let Some(used) = rejected {
            let just = renewal.and_then(|renewal| renewal.last).is_some_and(|last| last.plus(REJECTED_PAUSE) > now);
            return Some(if used != version || just { Due::Not(version) } else { Due::Now });
        }
        Some(match login.age(self.ports.clock.wall()) {
            Age::Over => Due::Now,
            Age::Ending => Due::Soon(version),
            Age::Fresh if hand => Due::Soon(version),
            Age::Fresh => Due::Not(version),
        })
    }

    fn renewal(&mut self, id: SecretId, grant: Grant) -> &mut Renewal {
        let fresh = || Renewal { grant, failures: 0, not_before: Mono(Duration::ZERO), last: None, why: None, hand: None };
        let renewal = self.renewals.entry(id).or_insert_with(fresh);
        if renewal.grant != grant {
            *renewal = fresh();
        }
        renewal
    }

    fn in_hand(&self, id: SecretId) -> Option<Login> {
        let hand = self.renewals.get(&id)?.hand.as_ref()?;
        Login::read(&self.unlock(&hand.locked)?)
    }

    /// A new version of a secret counts: what was in hand for it is stored, or is of no use any more.
    pub(super) fn settle_renewal(&mut self, id: SecretId, name: &SecretName) {
        let Some(grant) = self.renewals.get(&id).map(|renewal| renewal.grant) else { return };
        let Some(stored) = self.login(name).map(|(_, _, login)| login).filter(|login| login.grant == grant) else {
            self.renewals.remove(&id);
            return;
        };
        // All of it: a provider may give a new refresh token with the same access token.
        let same = |hand: &Login| Some(hand.value()?.expose_secret() == stored.value()?.expose_secret());
        if self.in_hand(id).is_some_and(|hand| same(&hand) == Some(true)) {
            self.renewal(id, grant).hand = None;
        }
    }

    /// What the guard looks for in a value.
    pub(super) fn guarded(value: SecretSlice<u8>) -> Vec<SecretSlice<u8>> {
        match Login::read(&value) {
            Some(login) => login.secrets().into_iter().map(bytes_of).collect(),
            None => vec![value],
        }
    }

    /// What is on its way to the house.
    pub(super) fn hands(&self) -> Vec<(SecretName, SecretSlice<u8>)> {
        let of = |(name, secret): (&SecretName, &super::Secret)| self.in_hand(secret.record.id).map(|login| (name.clone(), login));
        let logins: Vec<(SecretName, Login)> = self.secrets.iter().filter_map(of).collect();
        logins.iter().flat_map(|(name, login)| login.secrets().into_iter().map(|secret| (name.clone(), bytes_of(secret)))).collect()
    }

    /// Keeps for the guard what a value had and the one after it has not. `after` is none for a secret that goes.
    pub(super) fn keep_before(&mut self, name: &SecretName, before: SecretSlice<u8>, after: Option<&SecretSlice<u8>>) {
        let now = self.ports.clock.wall().as_second();
        let left = |until: i64| Duration::from_secs(u64::try_from(until.saturating_sub(now)).unwrap_or(0)).saturating_add(CLOCKS);
        let mut old: Vec<(SecretSlice<u8>, Duration)> = Vec::new();
        match Login::read(&before) {
            Some(login) => {
                old.push((bytes_of(&login.access), login.until.map_or(OVERLAP, left)));
                // One that was replaced is used up; the others are good for as long as any value.
                let refresh = if after.is_some() { USED_UP } else { OVERLAP };
                old.extend(login.refresh.as_ref().map(|token| (bytes_of(token), refresh)));
                old.extend(login.provider.client_secret.as_ref().map(|secret| (bytes_of(secret), OVERLAP)));
            }
            None => old.push((before, OVERLAP)),
        }
        let newer: Vec<SecretSlice<u8>> = after.map(|value| Self::guarded(value.clone())).unwrap_or_default();
        for (value, time) in old {
            if !newer.iter().any(|new| new.expose_secret() == value.expose_secret()) {
                self.keep(name, &value, time);
            }
        }
    }

    fn sign_in(&self, name: &SecretName) -> Option<SignedIn> {
        let (id, _, login) = self.login(name)?;
        let ended = login.standing == Going::Ended || (login.age(self.ports.clock.wall()) == Age::Over && login.needs_owner());
        let trouble = if ended {
            Some(format!("its sign-in has ended: sign in again with `hearth secret sign-in {name}`"))
        } else {
            let why = self.renewals.get(&id).and_then(|renewal| renewal.why.as_ref());
            why.map(|why| format!("its access token could not be renewed, which is tried again: {why}"))
        };
        let until = login.until.and_then(|until| Timestamp::from_second(until).ok());
        Some(SignedIn { name: name.clone(), until, renewed: login.refresh.is_some(), trouble })
    }
}

fn bytes_of(text: &SecretString) -> SecretSlice<u8> {
    SecretSlice::from(Box::<[u8]>::from(text.expose_secret().as_bytes()))
}

impl Keeper {
    /// When a secret is to be renewed; `rejected` is the version that a server did not accept. `None` for what is not renewed at all.
    pub(super) fn due(&self, name: &SecretName, rejected: Option<u32>) -> Option<Due> {
        self.core().due(name, rejected)
    }

    /// What to ask.
    pub(super) fn asking(&self, name: &SecretName) -> Result<Asking, RenewError> {
        let core = self.core();
        let secret = core.secrets.get(name).filter(|secret| secret.standing == Standing::Good).ok_or(RenewError::Gone)?;
        let (id, _, login) = core.login(name).ok_or(RenewError::Gone)?;
        if core.in_hand(id).is_some() {
            return Ok(Asking::Nothing);
        }
        Ok(Asking::Renew(Box::new(login), (*secret.policy).clone()))
    }

    /// A provider has answered: this is in hand from now on, and known to the guard.
    pub(super) fn received(&self, name: &SecretName, login: &Login) -> Result<(), RenewError> {
        let mut core = self.core();
        let (id, _, known) = core.login(name).ok_or(RenewError::Gone)?;
        if known.grant != login.grant {
            return Err(RenewError::Gone);
        }
        let locked = login.value().and_then(|value| core.lock_away(&value)).ok_or(RenewError::Provider(OAuthError::Answer))?;
        core.renewal(id, login.grant).hand = Some(Hand { locked, going: login.standing });
        core.rebuild();
        Ok(())
    }

    /// A provider gave these; the login with them.
    pub(super) fn with(&self, login: &Login, tokens: Tokens) -> Login {
        login.renewed(tokens, self.core().ports.clock.wall())
    }

    /// Begins to store what is in hand, under the policy that the secret has by now; `None` when nothing is.
    pub(super) fn begin_renewed(&self, name: &SecretName) -> Result<Option<(Begun, Going)>, ChangeError> {
        let mut core = self.core();
        let (record, policy) = core.known(name)?;
        let Some(login) = core.in_hand(record.id) else { return Ok(None) };
        let value = login.value().ok_or(ChangeError::Value)?;
        let what = match login.standing {
            Going::Good => "access token renewed",
            Going::Ended => "its sign-in has ended",
        };
        let begun = core.begin_put(&Draft { id: record.id, owner: record.owner, name, policy: &policy, value: &value }, what)?;
        Ok(Some((begun, login.standing)))
    }

    /// A renewal came to its end. Failures make each other wait. Gives how long, when there is something in hand that is to be stored then.
    pub(super) fn renewed(&self, name: &SecretName, place: &str, result: &Result<Going, RenewError>) -> Option<Duration> {
        let mut core = self.core();
        let (now, at) = (core.ports.clock.mono(), core.ports.clock.wall());
        let mut again = None;
        if let Some((id, _, login)) = core.login(name) {
            let renewal = core.renewal(id, login.grant);
            match result {
                Ok(_) => (renewal.failures, renewal.not_before, renewal.last, renewal.why) = (0, now, Some(now), None),
                Err(error) => {
                    let pause = PAUSE.saturating_mul(1_u32.checked_shl(renewal.failures.min(20)).unwrap_or(u32::MAX)).min(PAUSE_MAX);
                    renewal.failures = renewal.failures.saturating_add(1);
                    (renewal.not_before, renewal.why) = (now.plus(pause), Some(error.to_string()));
                    again = renewal.hand.is_some().then_some(pause);
                }
            }
        }
        drop(core);
        let outcome = match result {
            Ok(Going::Good) => "refreshed",
            Ok(Going::Ended) => "sign-in-ended",
            Err(_) => "refresh-failed",
        };
        let (place, outcome) = (place.to_owned(), outcome.to_owned());
        self.events.push(Used { who: None, member: None, secrets: vec![name.clone()], place, outcome, alarm: false, times: 1, at });
        again
    }

    /// The secrets that are signed in for.
    #[must_use]
    pub fn signed_in(&self) -> Vec<SignedIn> {
        let core = self.core();
        core.secrets.keys().filter_map(|name| core.sign_in(name)).collect()
    }

    /// Whether there is anything that is renewed.
    pub(super) fn has_logins(&self) -> bool {
        let core = self.core();
        core.state() == VaultState::Open && core.logins > 0
    }
}

impl Kept {
    /// Whether its time is over.
    pub(super) fn is_over(&self, now: Mono) -> bool {
        self.until <= now
    }
}
