//! The checks. Each gets a store of its own, empty and open.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hearth_domain::flow::endorse::EndorseError;
use hearth_domain::household::identity::IdentityError;
use hearth_domain::journal::Head;
use hearth_domain::secret::NameError;
use hearth_domain::store::{Store, StoreError, Write};

use crate::sample;

mod chain;
mod conversations;
mod flow;
mod household;
mod lifecycle;
mod memories;
mod pending;
mod round_trips;
mod search;
mod secrets;
mod sessions;
mod tools;

/// How a check can end badly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The store said something else than it should have.
    #[error("{what}: expected {expected}, found {found}")]
    Differs {
        /// What was looked at.
        what: String,
        /// What it should have been.
        expected: String,
        /// What it was.
        found: String,
    },
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// A check names a secret as no secret can be named.
    #[error("the check itself is wrong: {0}")]
    Name(#[from] NameError),
    /// A check names an account as no account can be named.
    #[error("the check itself is wrong: {0}")]
    Account(#[from] IdentityError),
    /// A check asks what cannot be asked.
    #[error("the check itself is wrong: {0}")]
    Question(#[from] EndorseError),
}

/// How a check ends.
pub type Outcome = Result<(), Broken>;

/// One check.
#[derive(Clone, Copy)]
pub struct Check {
    /// What has to hold.
    pub name: &'static str,
    run: fn(House) -> BoxFuture<'static, Outcome>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Check {
    /// Runs the check on an empty store that is not open yet.
    pub async fn run(&self, store: Arc<dyn Store>) -> Outcome {
        let opened = store.open().await?;
        let house = House { store: Arc::clone(&store), head: opened.head };
        let outcome = (self.run)(house).await;
        store.close().await?;
        outcome
    }
}

/// All checks.
#[must_use]
pub fn checks() -> Vec<Check> {
    let files = [
        chain::CHECKS,
        conversations::CHECKS,
        flow::CHECKS,
        household::CHECKS,
        lifecycle::CHECKS,
        memories::CHECKS,
        pending::CHECKS,
        round_trips::CHECKS,
        search::CHECKS,
        secrets::CHECKS,
        sessions::CHECKS,
        tools::CHECKS,
    ];
    files.concat()
}

/// Runs all checks, each on a store that `make` gives, and names those that failed.
pub async fn all(make: impl Fn() -> Arc<dyn Store>) -> Vec<(&'static str, Broken)> {
    let mut broken = Vec::new();
    for check in checks() {
        if let Err(what) = check.run(make()).await {
            broken.push((check.name, what));
        }
    }
    broken
}

/// An open store and the end of its chain, as the store actor holds them.
pub(crate) struct House {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) head: Head,
}

impl House {
    /// Writes these rows as one group with one entry.
    pub(crate) async fn write(&mut self, writes: impl IntoIterator<Item = Write>) -> Result<(), StoreError> {
        let mut head = self.head;
        let group = sample::group(&mut head, writes);
        self.store.apply(group).await?;
        self.head = head;
        Ok(())
    }

    /// Closes and opens again.
    pub(crate) async fn reopen(&mut self) -> Result<(), StoreError> {
        self.store.close().await?;
        self.head = self.store.open().await?.head;
        Ok(())
    }
}

/// That two values are the same.
pub(crate) fn same<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, found: &T, expected: &T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(Broken::Differs { what: what.to_owned(), expected: format!("{expected:?}"), found: format!("{found:?}") })
}

/// A check from its name and its function.
pub(crate) const fn check(name: &'static str, run: fn(House) -> BoxFuture<'static, Outcome>) -> Check {
    Check { name, run }
}

/// Boxes what an async function gives.
pub(crate) fn boxed(future: impl Future<Output = Outcome> + Send + 'static) -> BoxFuture<'static, Outcome> {
    future.boxed()
}
