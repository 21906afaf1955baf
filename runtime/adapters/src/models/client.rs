//! The one HTTP client that all providers of a house share: its pool keeps connections (and so names and TLS sessions)
//! alive between calls.

use std::time::Duration;

use reqwest::redirect::Policy;

/// How long an unused connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(90);
/// How long it may take to open a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The client cannot be built: the TLS backend does not start.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built")]
pub struct ClientError(#[source] reqwest::Error);

/// What every client of a provider is built from: no proxy from the environment, no redirect followed, no retry, no
/// `Referer`. A caller may add where it connects to, such as a Unix socket.
pub fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(POOL_IDLE)
        .user_agent(concat!("hearth/", env!("CARGO_PKG_VERSION")))
}

/// The client of a house that reaches its providers directly.
///
/// # Errors
///
/// When the TLS backend does not start.
pub fn direct() -> Result<reqwest::Client, ClientError> {
    builder().build().map_err(ClientError)
}
