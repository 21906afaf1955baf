//! A client, directly to the server or through the vault.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use hearth_domain::secret::SecretName;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{ClientBuilder, RequestBuilder, StatusCode};

use super::USER;
use super::far::{Far, ID};

/// What is asked, of the size of a short call of a service.
const BODY: &str = concat!(
    r#"{"model":"instant","stream":false,"messages":[{"role":"system","content":"You keep the lists of this house. Be brief, and name "#,
    r#"things as the household does."},{"role":"user","content":"put milk, two lemons and the good bread on the list for Saturday"},"#,
    r#"{"role":"assistant","content":"Done: milk, two lemons, the good bread."},{"role":"user","content":"and what else is on it?"}]}"#
);
/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of the two ways.
#[derive(Debug)]
pub(super) struct Way {
    client: reqwest::Client,
    base: String,
}

/// What became of a request that may meet a vault that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The server's answer.
    Answered,
    /// The broker's own, with its word on whether the request may have arrived.
    NotSent,
    Unknown,
    /// The connection ended without an answer.
    Broken,
}

impl Way {
    /// Straight to the server, with the secret itself.
    pub(super) fn direct(far: &Far) -> anyhow::Result<Self> {
        Self::new(reqwest::Client::builder(), HeaderMap::new(), far.value(), far)
    }

    /// Through the vault at this socket, with the placeholder.
    pub(super) fn broker(far: &Far, secret: &SecretName, socket: &Path) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("hearth-as"), HeaderValue::from_static(USER));
        headers.insert(HeaderName::from_static("hearth-scheme"), HeaderValue::from_static("http"));
        Self::new(reqwest::Client::builder().unix_socket(socket), headers, &secret.placeholder(), far)
    }

    fn new(builder: ClientBuilder, mut headers: HeaderMap, credential: &str, far: &Far) -> anyhow::Result<Self> {
        headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {credential}"))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let builder = builder.no_proxy().retry(reqwest::retry::never()).timeout(PATIENCE).default_headers(headers);
        Ok(Self { client: builder.build()?, base: far.base() })
    }

    fn request(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base)).body(BODY)
    }

    /// One request and its whole answer.
    pub(super) async fn ask(&self, path: &str) -> anyhow::Result<()> {
        let answer = self.request(path).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(status == StatusCode::OK, "HTTP {status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }

    /// The time until the first piece of the answer's body; then reads the rest.
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    pub(super) async fn first_byte(&self, path: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let mut answer = self.request(path).send().await?.error_for_status()?;
        let first = answer.chunk().await?;
        let took = began.elapsed();
        ensure!(first.is_some_and(|first| !first.is_empty()), "a streamed answer was empty");
        while answer.chunk().await?.is_some() {}
        Ok(took)
    }

    /// One request with a number, and what became of it.
    pub(super) async fn try_once(&self, path: &str, id: u64) -> Fate {
        let Ok(answer) = self.request(path).header(ID, id).send().await else { return Fate::Broken };
        let outcome = answer.headers().get("hearth-outcome").map(|word| word == "not-sent");
        let status = answer.status();
        match (answer.bytes().await, outcome) {
            (Err(_), _) => Fate::Broken,
            (Ok(_), Some(true)) => Fate::NotSent,
            (Ok(_), None) if status == StatusCode::OK => Fate::Answered,
            (Ok(_), Some(false) | None) => Fate::Unknown,
        }
    }
}
