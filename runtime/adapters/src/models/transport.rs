//! The socket below the wire formats: sends one request, hands the answer on in pieces, and bounds everything.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use hearth_domain::http::broker::{ASKING, BROKER, SCHEME};
use hearth_domain::secret::{Principal, SecretName};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rig_core::http_client::{BoxedStream, Error, HttpClientExt, LazyBody, MultipartForm};
use rig_core::http_client::{Request, Response, Result, StreamingResponse};

use crate::models::failure::Failure;

/// Bytes that are read of the body of a refusal.
const REFUSAL_BYTES: usize = 16 * 1024;
/// Headers that only this file fills.
const KEY_HEADERS: [&str; 3] = ["authorization", "x-api-key", "x-goog-api-key"];
/// How long the end of a body is waited for when the reply in it has already ended.
const REST: Duration = Duration::from_millis(10);

/// How a provider wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPlace {
    /// `Authorization: Bearer …`.
    Bearer,
    /// A header of its own.
    Header(&'static str),
}

/// Where requests may go: scheme, host and port of the configured address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address(reqwest::Url);

impl Address {
    /// Reads an address; `None` when it is not `http`/`https` or holds a user or a password.
    pub(super) fn read(text: &str) -> Option<Self> {
        let url = reqwest::Url::parse(text).ok()?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        (matches!(url.scheme(), "http" | "https") && url.has_host() && plain).then_some(Self(url))
    }

    fn admits(&self, url: &reqwest::Url) -> bool {
        url.origin() == self.0.origin() && url.username().is_empty() && url.password().is_none()
    }
}

/// Sends the requests of one provider. Cheap to clone.
#[derive(Clone)]
pub(super) struct Transport {
    inner: Arc<Inner>,
    /// What a reply's reader left of the body: it stops at the reply's end, and a connection is kept only when the body
    /// was read to its own.
    rest: Arc<Mutex<Option<Pieces>>>,
}

struct Inner {
    client: reqwest::Client,
    address: Address,
    asking: HeaderValue,
    key: Option<(HeaderName, HeaderValue)>,
    silence: Duration,
    wire_bytes: usize,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("address", &self.inner.address.0.as_str()).finish_non_exhaustive()
    }
}

/// The header that carries a key: its placeholder, which the vault replaces.
pub(super) fn key_header(place: KeyPlace, key: &SecretName) -> Option<(HeaderName, HeaderValue)> {
    let (name, text) = match place {
        KeyPlace::Bearer => (AUTHORIZATION, format!("Bearer {}", key.placeholder())),
        KeyPlace::Header(name) => (HeaderName::from_static(name), key.placeholder()),
    };
    Some((name, HeaderValue::from_str(&text).ok()?))
}

/// The header that says who asks; `None` when the name does not fit into one.
pub(super) fn asking(provider: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&Principal::Provider(provider.to_owned()).to_string()).ok()
}

impl Transport {
    pub(super) fn new(
        client: reqwest::Client,
        address: Address,
        asking: HeaderValue,
        key: Option<(HeaderName, HeaderValue)>,
        silence: Duration,
        wire_bytes: usize,
    ) -> Self {
        Self { inner: Arc::new(Inner { client, address, asking, key, silence, wire_bytes }), rest: Arc::default() }
    }

    /// A transport for one call.
    pub(super) fn for_a_call(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), rest: Arc::default() }
    }

    /// After a reply that ended well: reads what stands behind it, so that the connection can be used again.
    pub(super) async fn finish(&self) {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut pieces) = rest {
            let end = async { while let Some(Ok(_)) = pieces.next().await {} };
            // Whoever does not end the body in time gets a new connection next time.
            drop(tokio::time::timeout(REST, end).await);
        }
    }
}

impl Inner {
    /// The request as it goes to the broker: only for the configured address, with the key's placeholder in its header and nowhere else,
    /// and in the clear, since the broker adds what is needed on the way.
    fn prepare(&self, request: Request<Bytes>) -> std::result::Result<reqwest::Request, Failure> {
        let mut request = reqwest::Request::try_from(request).map_err(|_| Failure::Unsendable)?;
        if !self.address.admits(request.url()) {
            return Err(Failure::Elsewhere);
        }
        without_key(request.url_mut());
        let headers = request.headers_mut();
        // The formats put in headers for the keys that they are not told.
        KEY_HEADERS.iter().for_each(|name| drop(headers.remove(*name)));
        if let Some((name, value)) = &self.key {
            headers.insert(name, value.clone());
        }
        headers.insert(ASKING, self.asking.clone());
        if request.url().scheme() == "http" {
            request.headers_mut().insert(SCHEME, HeaderValue::from_static("http"));
        } else if request.url_mut().set_scheme("http").is_err() {
            return Err(Failure::Unsendable);
        }
        Ok(request)
    }

    async fn send(&self, request: Request<Bytes>) -> std::result::Result<reqwest::Response, Failure> {
        let request = self.prepare(request)?;
        match tokio::time::timeout(self.silence, self.client.execute(request)).await {
            Ok(Ok(answer)) => match answer.headers().get(BROKER).map(|code| code.to_str().unwrap_or_default().to_owned()) {
                Some(code) => Err(Failure::Broker { code, sentence: Pieces::of(answer, self).sentence().await }),
                None => Ok(answer),
            },
            Ok(Err(error)) => Err(Failure::of_sending(&error, self.silence)),
            Err(_) => Err(Failure::Silent(self.silence)),
        }
    }

    /// Bytes that may be read of an answer of this status.
    fn room(&self, answer: &reqwest::Response) -> usize {
        if answer.status().is_success() { self.wire_bytes } else { REFUSAL_BYTES }
    }
}

/// Takes a `key` out of the query (Gemini's format puts one there): keys travel in headers.
fn without_key(url: &mut reqwest::Url) {
    let Some(query) = url.query() else { return };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("key=")).collect();
    let kept = kept.join("&");
    url.set_query((!kept.is_empty()).then_some(kept.as_str()));
}

/// An answer's body in pieces, with a bound on silence and on size. A refusal's body just ends at its bound.
struct Pieces {
    answer: reqwest::Response,
    refusal: bool,
    room: usize,
    silence: Duration,
}

impl Pieces {
    fn of(answer: reqwest::Response, inner: &Inner) -> Self {
        Self { refusal: !answer.status().is_success(), room: inner.room(&answer), silence: inner.silence, answer }
    }

    async fn next(&mut self) -> Option<std::result::Result<Bytes, Failure>> {
        let piece = match tokio::time::timeout(self.silence, self.answer.chunk()).await {
            Err(_) => return Some(Err(Failure::Silent(self.silence))),
            Ok(Err(_)) => return Some(Err(Failure::Broke)),
            Ok(Ok(None)) => return None,
            Ok(Ok(Some(piece))) => piece,
        };
        if piece.len() <= self.room {
            self.room -= piece.len();
            return Some(Ok(piece));
        }
        if self.refusal {
            let kept = piece.slice(..self.room);
            self.room = 0;
            return (!kept.is_empty()).then_some(Ok(kept));
        }
        Some(Err(Failure::TooLong))
    }

    /// What the broker says of itself.
    async fn sentence(self) -> String {
        let body = self.whole().await.unwrap_or_default();
        String::from_utf8_lossy(&body).chars().filter(|c| !c.is_control()).take(REFUSAL_BYTES).collect()
    }

    async fn whole(mut self) -> std::result::Result<Bytes, Failure> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.next().await {
            match piece {
                Ok(piece) => body.extend_from_slice(&piece),
                // What a refusal says is a courtesy; its status is what counts.
                Err(_) if self.refusal => break,
                Err(failure) => return Err(failure),
            }
        }
        Ok(body.freeze())
    }
}

/// The pieces as a stream, which gives back what it has not read.
struct Reading {
    pieces: Option<Pieces>,
    rest: Arc<Mutex<Option<Pieces>>>,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<Bytes>> {
        let piece = self.pieces.as_mut()?.next().await;
        if !matches!(piece, Some(Ok(_))) {
            self.pieces = None;
        }
        match piece? {
            Ok(piece) => Some(Ok(piece)),
            Err(failure) => Some(Err(Error::instance(failure))),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Streams of HTTP/2 end one by one; their connection stays.
        let unread = self.pieces.take().filter(|pieces| !pieces.refusal && pieces.answer.version() <= reqwest::Version::HTTP_11);
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = unread;
    }
}

fn head(answer: &mut reqwest::Response) -> Response<()> {
    let mut head = Response::new(());
    *head.status_mut() = answer.status();
    *head.headers_mut() = std::mem::take(answer.headers_mut());
    head
}

impl HttpClientExt for Transport {
    fn send<T, U>(&self, req: Request<T>) -> impl Future<Output = Result<Response<LazyBody<U>>>> + Send + 'static
    where
        T: Into<Bytes> + Send,
        U: From<Bytes> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let request = req.map(Into::into);
        async move {
            let mut answer = inner.send(request).await.map_err(Error::instance)?;
            let head = head(&mut answer);
            let pieces = Pieces::of(answer, &inner);
            let body: LazyBody<U> = Box::pin(async move { pieces.whole().await.map(U::from).map_err(Error::instance) });
            Ok(head.map(|()| body))
        }
    }

    fn send_multipart<U>(&self, _req: Request<MultipartForm>) -> impl Future<Output = Result<Response<LazyBody<U>>>> + Send + 'static
    where
        U: From<Bytes> + Send + 'static,
    {
        // No completion is a form.
        std::future::ready(Err(Error::instance(Failure::Unsendable)))
    }

    async fn send_streaming<T>(&self, req: Request<T>) -> Result<StreamingResponse>
    where
        T: Into<Bytes> + Send,
    {
        let mut answer = self.inner.send(req.map(Into::into)).await.map_err(Error::instance)?;
        let head = head(&mut answer);
        let reading = Reading { pieces: Some(Pieces::of(answer, &self.inner)), rest: Arc::clone(&self.rest) };
        let body = stream::unfold(reading, |mut reading| async move { reading.next().await.map(|piece| (piece, reading)) });
        Ok(head.map(|()| -> BoxedStream { Box::pin(body) }))
    }
}
