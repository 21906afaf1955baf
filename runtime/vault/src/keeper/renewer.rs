//! Renews access tokens: asks the provider by the vault's own way out, has the house store the answer, and lets requests wait for it.
//!
//! One renewal of a secret at a time: whoever comes meanwhile waits for it and then finds a token that is not due, or a pause. A renewal
//! runs by itself: a client that goes away does not end it between the provider's answer and its being stored.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hearth_domain::secret::SecretName;
use hyper::rt::Executor as _;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::time::{sleep, timeout};

use super::Keeper;
use super::change::{Begun, ChangeError};
use super::login::Standing as Going;
use super::renew::{Asking, BOUNDS, Due, RenewError, own_pass};
use crate::egress::limits::Bounds;
use crate::egress::own::OwnWay;
use crate::egress::ports::{self, Waiting};
use crate::sign::oauth2::{OAuthError, TokenRequest, Tokens, refresh, tokens};

/// How long a request waits for a renewal: longer than one may take.
const WAIT: Duration = Duration::from_secs(45);
/// Between two tries to store something while another change of the secret is under way.
const BREATH: Duration = Duration::from_millis(100);
/// Most of such tries.
const TRIES: u32 = 100;

/// Where changes are stored.
pub trait House: Send + Sync {
    /// Has a change stored, and waits until it is durable.
    fn store(&self, begun: Begun) -> BoxFuture<'static, Result<(), ChangeError>>;
}

/// The renewer; clones are the same one.
#[derive(Clone)]
pub struct Renewer {
    inner: Arc<Inner>,
}

struct Inner {
    keeper: Keeper,
    way: OwnWay,
    house: Arc<dyn House>,
    bounds: Bounds,
    turns: Mutex<BTreeMap<SecretName, Arc<Turn<()>>>>,
}

impl fmt::Debug for Renewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewer").finish_non_exhaustive()
    }
}

impl Renewer {
    /// Renews this keeper's secrets.
    #[must_use]
    pub fn new(keeper: Keeper, way: OwnWay, house: Arc<dyn House>) -> Self {
        Self::within(keeper, way, house, BOUNDS)
    }

    /// The same, with other bounds for what is asked of providers.
    #[must_use]
    pub fn within(keeper: Keeper, way: OwnWay, house: Arc<dyn House>, bounds: Bounds) -> Self {
        Self { inner: Arc::new(Inner { keeper, way, house, bounds, turns: Mutex::default() }) }
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.inner.bounds
    }

    pub(super) fn keeper(&self) -> &Keeper {
        &self.inner.keeper
    }

    pub(super) fn house(&self) -> &dyn House {
        &*self.inner.house
    }

    /// Waits until nothing is renewed under this name, and keeps it so.
    pub(super) async fn mine(&self, name: &SecretName) -> OwnedMutexGuard<()> {
        self.turn(name).lock_owned().await
    }

    fn turn(&self, name: &SecretName) -> Arc<Turn<()>> {
        let mut turns = self.inner.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody has, and nobody waits for.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(name.clone()).or_default())
    }

    /// Waits until a secret has been renewed, if that is due, or could not be. Gives the version that there is then.
    pub(super) async fn fresh(&self, name: &SecretName, rejected: Option<u32>) -> Option<u32> {
        let due = self.inner.keeper.due(name, rejected)?;
        let turn = self.turn(name);
        match due {
            Due::Not(version) => return Some(version),
            Due::Soon(version) => {
                // Nobody has to wait for that.
                if let Ok(mine) = turn.try_lock_owned() {
                    self.start(name.clone(), mine);
                }
                return Some(version);
            }
            Due::Now => {}
        }
        let renewed = async {
            let mine = turn.clone().lock_owned().await;
            if self.inner.keeper.due(name, rejected) == Some(Due::Now) {
                self.start(name.clone(), mine);
                // It is over when the turn is given back.
                drop(turn.lock().await);
            }
        };
        drop(timeout(WAIT, renewed).await);
        match self.inner.keeper.due(name, None)? {
            Due::Not(version) | Due::Soon(version) => Some(version),
            Due::Now => None,
        }
    }

    fn start(&self, name: SecretName, mine: OwnedMutexGuard<()>) {
        let renewer = self.clone();
        TokioExecutor::new().execute(async move {
            let mut place = String::new();
            let result = renewer.renew(&name, &mut place).await;
            if let Err(error) = &result {
                tracing::warn!(secret = %name, %error, "an access token was not renewed");
            }
            let again = renewer.inner.keeper.renewed(&name, &place, &result);
            drop(mine);
            // What a provider gave is not left to the next request: until it is stored, an end of this process loses it.
            if let Some(pause) = again {
                sleep(pause).await;
                renewer.fresh(&name, None).await;
            }
        });
    }

    async fn renew(&self, name: &SecretName, place: &mut String) -> Result<Going, RenewError> {
        let keeper = &self.inner.keeper;
        if let Asking::Renew(login, policy) = keeper.asking(name)? {
            let token = login.refresh.as_ref().ok_or(OAuthError::Grant)?;
            let sent = refresh(&login.provider.client(), token).map_err(|_| RenewError::Unwritable)?;
            let now = keeper.core().ports.clock.wall();
            let (pass, at) = own_pass(&policy, &login.provider.token, &sent, now, self.bounds())?;
            *place = at;
            let next = match self.ask(&pass, sent).await {
                Ok(tokens) => keeper.with(&login, tokens),
                Err(RenewError::Provider(OAuthError::Grant)) => login.ended(),
                Err(error) => return Err(error),
            };
            keeper.received(name, &next)?;
        }
        self.stored(name).await
    }

    /// Sends one request for tokens and reads the answer.
    pub(super) fn ask(&self, pass: &ports::Pass, sent: TokenRequest) -> impl Future<Output = Result<Tokens, RenewError>> {
        let body = Bytes::from_owner(sent.body);
        async move {
            let answer = self.inner.way.send(pass, body).await.map_err(|failed| RenewError::Way(failed.failure))?;
            let now = self.inner.keeper.core().ports.clock.wall();
            let tokens = tokens(answer.status, &answer.body, now)?;
            let long = |token: &secrecy::SecretString| secrecy::ExposeSecret::expose_secret(token).len() > super::login::TEXT_MAX;
            if long(&tokens.access) || tokens.refresh.as_ref().is_some_and(long) {
                return Err(OAuthError::Answer.into());
            }
            Ok(tokens)
        }
    }

    /// Has the house store what is in hand. Another change of the secret comes first.
    async fn stored(&self, name: &SecretName) -> Result<Going, RenewError> {
        let mut tries = 0;
        let (begun, going) = loop {
            match self.inner.keeper.begin_renewed(name) {
                Ok(Some(begun)) => break begun,
                Ok(None) => return Err(RenewError::Gone),
                Err(ChangeError::Underway | ChangeError::Busy) if tries < TRIES => {
                    tries += 1;
                    sleep(BREATH).await;
                }
                Err(error) => return Err(RenewError::Change(error)),
            }
        };
        self.inner.house.store(begun).await.map_err(RenewError::Change)?;
        Ok(going)
    }
}

/// Secrets, each with a version.
type Mentioned = Vec<(SecretName, Option<u32>)>;

/// The logins that one request mentions.
pub(super) struct Renewing {
    pub(super) renewer: Renewer,
    /// Each with the version that it goes out with.
    pub(super) names: Arc<Mutex<Mentioned>>,
}

impl Renewing {
    fn names(&self) -> Mentioned {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ports::Renewal for Renewing {
    fn ready(&self) -> Waiting<()> {
        let (renewer, known, names) = (self.renewer.clone(), Arc::clone(&self.names), self.names());
        Box::pin(async move {
            let mut there = Vec::with_capacity(names.len());
            for (name, _) in names {
                let version = renewer.fresh(&name, None).await;
                there.push((name, version));
            }
            *known.lock().unwrap_or_else(PoisonError::into_inner) = there;
        })
    }

    fn rejected(&self) -> Waiting<bool> {
        let (renewer, names) = (self.renewer.clone(), self.names());
        Box::pin(async move {
            let mut other = false;
            for (name, used) in names {
                let Some(used) = used else { continue };
                other |= renewer.fresh(&name, Some(used)).await.is_some_and(|version| version != used);
            }
            other
        })
    }
}
