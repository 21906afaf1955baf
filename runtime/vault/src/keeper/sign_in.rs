//! Signing in: a person agrees in a browser, and what comes back becomes a secret that renews itself (RFC 6749 section 4.1, RFC 7636).
//!
//! ```text
//! begin ─▶ address for the browser … the browser is sent back with code and state ─▶ finish ─▶ code exchanged ─▶ stored
//! ```
//!
//! State and verifier are chance, and stay in this process's memory for [`SIGN_IN`]; a vault that was started again knows of none. Each
//! serves once: a code that is given a second time finds no sign-in to belong to.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_domain::error::{Class, Classified};
use hearth_domain::ids::MemberId;
use hearth_domain::secret::{Scheme, SecretName, SecretPolicy};
use hearth_domain::time::Mono;
use hearth_domain::vault::Used;
use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::change::{Begun, ChangeError};
use super::login::{Grant, Login, Provider};
use super::renew::{RenewError, may_open, own_pass};
use super::renewer::Renewer;
use super::{Keeper, Kind};
use crate::policy::change::check;
use crate::policy::target::Target;
use crate::seal::Draft;
use crate::seal::crypto::EntropyError;
use crate::sign::oauth2::{OAuthError, Pkce, authorize_url_at, code_of, exchange, refresh};

/// How long a sign-in waits for its person.
pub const SIGN_IN: Duration = Duration::from_secs(600);
/// Most sign-ins that wait.
pub const SIGN_INS_MAX: usize = 16;
/// Chance in state and verifier, in bytes.
const CHANCE: usize = 32;

/// Why a sign-in does not go on.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Nobody signs in under that name.
    #[error("no sign-in waits under this name: it was finished, took more than ten minutes, or the vault was started anew; begin it again")]
    None,
    /// Too many.
    #[error("{SIGN_INS_MAX} sign-ins wait already; finish one of them, or try again in ten minutes")]
    Busy,
    /// What was entered cannot be kept.
    #[error("a client's identifier is needed, and neither it nor an address or scope holds control characters or is longer than 16 KiB")]
    Parameter,
    /// The browser would be sent somewhere else with a code.
    #[error("the address that the browser is sent back to is https, or http at 127.0.0.1, [::1] or localhost, without a fragment")]
    Redirect,
    /// No chance.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The flow.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The request for tokens.
    #[error(transparent)]
    Renew(#[from] RenewError),
    /// The change.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl Classified for SignInError {
    fn class(&self) -> Class {
        match self {
            Self::None | Self::Parameter | Self::Redirect => Class::Permanent,
            Self::Busy | Self::Entropy(_) => Class::Transient,
            Self::OAuth(error) => error.class(),
            Self::Renew(error) => error.class(),
            Self::Change(error) => error.class(),
        }
    }
}

impl Classified for RenewError {
    fn class(&self) -> Class {
        match self {
            Self::Gone | Self::Address(_) | Self::Unwritable => Class::Permanent,
            Self::Policy(refusal) => refusal.class(),
            Self::Provider(error) => error.class(),
            Self::Way(failure) => failure.class(),
            Self::Change(error) => error.class(),
        }
    }
}

/// What the sign-in is for.
#[derive(Debug, Clone)]
pub enum Aim {
    /// A secret that is not there yet.
    New {
        /// Whose.
        owner: MemberId,
        /// What it may be used for. It has to name the address that gives the tokens.
        policy: Box<SecretPolicy>,
        /// Where and as what.
        provider: Box<Provider>,
    },
    /// One that is there; its policy and its provider stay.
    Again,
}

/// A sign-in that waits for its person.
struct Waits {
    aim: Aim,
    provider: Provider,
    pkce: Pkce,
    state: SecretString,
    until: Mono,
}

/// The sign-ins of one vault.
#[derive(Debug)]
pub struct SignIns {
    renewer: Renewer,
    waiting: Mutex<BTreeMap<SecretName, Waits>>,
}

impl std::fmt::Debug for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waits").finish_non_exhaustive()
    }
}

impl SignIns {
    /// None yet.
    #[must_use]
    pub fn new(renewer: Renewer) -> Self {
        Self { renewer, waiting: Mutex::default() }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<SecretName, Waits>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.renewer.keeper().core().ports.clock.mono();
        waiting.retain(|_, waits| waits.until > now);
        waiting
    }

    /// Begins one, in place of another of this name. Gives the address to open in a browser.
    ///
    /// # Errors
    ///
    /// When nothing could come of it: a name that is taken, a policy that does not name the address of the tokens, addresses that are none.
    pub fn begin(&self, name: &SecretName, aim: Aim) -> Result<String, SignInError> {
        let keeper = self.renewer.keeper();
        let (policy, provider) = keeper.signing_in(name, &aim)?;
        if !provider.fits() {
            return Err(SignInError::Parameter);
        }
        if !may_return(&provider.redirect) {
            return Err(SignInError::Redirect);
        }
        // Said now rather than after the person has agreed.
        let longest = refresh(&provider.client(), &SecretString::from("")).map_err(|_| SignInError::Parameter)?;
        own_pass(&policy, &provider.token, &longest, keeper.core().ports.clock.wall(), self.renewer.bounds())?;
        let endpoint = may_open(&policy, &provider.authorize)?;
        let (pkce, state, until) = {
            let core = keeper.core();
            let (mut verifier, mut state) = (Zeroizing::new([0; CHANCE]), Zeroizing::new([0; CHANCE]));
            core.ports.entropy.fill(verifier.as_mut_slice())?;
            core.ports.entropy.fill(state.as_mut_slice())?;
            let state = SecretString::from(URL_SAFE_NO_PAD.encode(state.as_slice()));
            (Pkce::from_random(&verifier), state, core.ports.clock.mono().plus(SIGN_IN))
        };
        let Provider { client, redirect, scope, .. } = &provider;
        let address = authorize_url_at(&endpoint, client, redirect, scope, state.expose_secret(), &pkce);
        let mut waiting = self.waiting();
        if waiting.len() >= SIGN_INS_MAX && !waiting.contains_key(name) {
            return Err(SignInError::Busy);
        }
        waiting.insert(name.clone(), Waits { aim, provider, pkce, state, until });
        Ok(address)
    }

    /// Ends one with what the browser was sent back to: a whole address, its query, or `code=…&state=…`. Done means durable.
    ///
    /// # Errors
    ///
    /// When it belongs to no sign-in, the provider gives no tokens, or they could not be stored. A wrong state leaves the sign-in as it is.
    pub async fn finish(&self, name: &SecretName, answer: &SecretString) -> Result<(), SignInError> {
        let (waits, code) = {
            let mut waiting = self.waiting();
            let waits = waiting.get(name).ok_or(SignInError::None)?;
            let code = code_of(query(answer.expose_secret()), waits.state.expose_secret());
            if matches!(code, Err(OAuthError::State)) {
                return Err(OAuthError::State.into());
            }
            (waiting.remove(name).ok_or(SignInError::None)?, code?)
        };
        let keeper = self.renewer.keeper();
        // A renewal that is under way is stored first: the code serves once, and what comes of it has to find its place free.
        let _mine = self.renewer.mine(name).await;
        let (policy, _) = keeper.signing_in(name, &waits.aim)?;
        let sent = exchange(&waits.provider.client(), &code, &waits.provider.redirect, &waits.pkce).map_err(|_| SignInError::Parameter)?;
        let (pass, place) = own_pass(&policy, &waits.provider.token, &sent, keeper.core().ports.clock.wall(), self.renewer.bounds())?;
        let tokens = self.renewer.ask(&pass, sent).await;
        let outcome = if tokens.is_ok() { "signed-in" } else { "sign-in-failed" };
        keeper.told(name, place, outcome);
        let begun = keeper.begin_signed_in(name, waits.aim, waits.provider, tokens?)?;
        Ok(self.renewer.house().store(begun).await?)
    }
}

/// Whether a code may go there: to this machine (RFC 8252 section 7.3), or over TLS (RFC 6749 section 3.1.2).
fn may_return(address: &str) -> bool {
    let here = |target: &Target| ["127.0.0.1", "[::1]", "localhost"].contains(&target.host_text().as_str());
    Target::of_url(&Method::GET, address).is_ok_and(|target| target.scheme == Scheme::Https || here(&target))
}

/// The query of an address, or what is one by itself.
fn query(answer: &str) -> &str {
    let answer = answer.trim();
    let query = answer.split_once('?').map_or(answer, |(_, query)| query);
    query.split_once('#').map_or(query, |(query, _)| query)
}

impl Keeper {
    /// Policy and provider that a sign-in goes by, if it can be made.
    fn signing_in(&self, name: &SecretName, aim: &Aim) -> Result<(SecretPolicy, Provider), ChangeError> {
        let mut core = self.core();
        core.ready()?;
        match aim {
            Aim::New { policy, provider, .. } => {
                if core.secrets.contains_key(name) {
                    return Err(ChangeError::Exists);
                }
                check(policy).map_err(ChangeError::Policy)?;
                Ok(((**policy).clone(), (**provider).clone()))
            }
            Aim::Again => {
                let secret = core.secrets.get(name).ok_or(ChangeError::Unknown)?;
                if secret.kind != Kind::Login {
                    return Err(ChangeError::NotSignedIn);
                }
                let policy = (*secret.policy).clone();
                let (_, _, login) = core.login(name).ok_or(ChangeError::Value)?;
                Ok((policy, login.provider))
            }
        }
    }

    fn begin_signed_in(
        &self,
        name: &SecretName,
        aim: Aim,
        provider: Provider,
        tokens: crate::sign::oauth2::Tokens,
    ) -> Result<Begun, SignInError> {
        let login = {
            let core = self.core();
            let grant = Grant::fresh(&*core.ports.entropy)?;
            Login::new(provider, grant, tokens, core.ports.clock.wall())
        };
        let value = login.value().ok_or(SignInError::Parameter)?;
        match aim {
            Aim::New { owner, policy, .. } => Ok(self.begin_new((name, owner), *policy, &value, "signed in")?),
            Aim::Again => {
                let mut core = self.core();
                let (record, policy) = core.known(name)?;
                if core.secrets.get(name).is_none_or(|secret| secret.kind != Kind::Login) {
                    return Err(ChangeError::NotSignedIn.into());
                }
                let draft = Draft { id: record.id, owner: record.owner, name, policy: &policy, value: &value };
                Ok(core.begin_put(&draft, "signed in again")?)
            }
        }
    }

    fn told(&self, name: &SecretName, place: String, outcome: &str) {
        let at = self.core().ports.clock.wall();
        let (secrets, outcome) = (vec![name.clone()], outcome.to_owned());
        self.events.push(Used { who: None, member: None, secrets, place, outcome, alarm: false, times: 1, at });
    }
}
