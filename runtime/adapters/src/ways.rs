//! The two ways out of the house, each an HTTP client that providers and tools share. None of them opens an outside connection: they speak
//! to the sockets of the processes that do, in the clear, and say in headers of the house's own who asks.

use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;

/// How long an unused connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(90);
/// How long it may take to open a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built")]
pub struct ClientError(#[source] reqwest::Error);

/// The ways out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ways {
    /// For requests that carry a credential's placeholder.
    pub(crate) vault: reqwest::Client,
    /// For all others.
    pub(crate) egress: reqwest::Client,
}

impl Ways {
    /// Through the processes that listen at these sockets; whether they do is seen at the first request.
    ///
    /// # Errors
    ///
    /// When a client cannot be built.
    pub fn new(vault: &Path, egress: &Path) -> Result<Self, ClientError> {
        Ok(Self { vault: through(vault)?, egress: through(egress)? })
    }

    /// The clients themselves, for a library that brings its own protocol: to the vault, and to the process without keys.
    #[must_use]
    pub fn clients(&self) -> (reqwest::Client, reqwest::Client) {
        (self.vault.clone(), self.egress.clone())
    }
}

/// A client without proxy from the environment, redirects, retries and `Referer`.
fn through(socket: &Path) -> Result<reqwest::Client, ClientError> {
    let builder = reqwest::Client::builder()
        .unix_socket(socket)
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(POOL_IDLE)
        .user_agent(concat!("hearth/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(ClientError)
}
