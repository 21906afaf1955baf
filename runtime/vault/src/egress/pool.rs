//! Connections that are kept. The key holds all that made a connection allowed, so nothing is reached over another's permission.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::egress::connect::Line;
use crate::egress::failure::Failure;
use crate::egress::limits::Limits;
use crate::egress::ports::{Pass, Target};
use crate::egress::upload::Outgoing;

/// What two requests must have in common to share a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    target: Target,
    lan: bool,
    authority_pem: Option<Arc<str>>,
}

impl Key {
    pub(super) fn of(pass: &Pass) -> Self {
        Self { target: pass.target.clone(), lan: pass.lan, authority_pem: pass.authority_pem.clone() }
    }
}

/// The sending end of a connection.
pub(super) enum Sender {
    Http1(http1::SendRequest<Outgoing>),
    Http2(http2::SendRequest<Outgoing>),
}

impl Sender {
    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }

    fn is_ready(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_ready(),
            Self::Http2(sender) => sender.is_ready(),
        }
    }

    /// Sends; a request that was certainly not written is given back in the error.
    pub(super) async fn send(
        &mut self,
        request: http::Request<Outgoing>,
    ) -> Result<http::Response<Incoming>, TrySendError<http::Request<Outgoing>>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(request).await,
            Self::Http2(sender) => sender.try_send_request(request).await,
        }
    }
}

/// A connection in use.
pub(super) struct Leased {
    pub(super) sender: Sender,
    pub(super) reused: bool,
    key: Key,
    born: Instant,
}

struct Idle {
    sender: Sender,
    born: Instant,
    since: Instant,
}

#[derive(Default)]
struct Shelf {
    lines: BTreeMap<Key, Vec<Idle>>,
    count: usize,
}

/// Idle connections, and the shared ones of HTTP/2.
pub(super) struct Pool {
    limits: Limits,
    shelf: Mutex<Shelf>,
}

impl Pool {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, shelf: Mutex::default() }
    }

    fn is_usable(&self, idle: &Idle, now: Instant) -> bool {
        !idle.sender.is_closed() && now < idle.born + self.limits.connection_age && now < idle.since + self.limits.idle_time
    }

    /// One that is ready, the most recently used first.
    pub(super) fn take(&self, key: &Key) -> Option<Leased> {
        let now = Instant::now();
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = shelf.lines.get_mut(key)?;
        let before = lines.len();
        lines.retain(|idle| self.is_usable(idle, now));
        let place = lines.iter().rposition(|idle| idle.sender.is_ready());
        let found = place.and_then(|place| match lines.get_mut(place) {
            Some(Idle { sender: Sender::Http2(sender), born, since }) => {
                *since = now;
                Some(Leased { sender: Sender::Http2(sender.clone()), reused: true, key: key.clone(), born: *born })
            }
            Some(Idle { sender: Sender::Http1(_), .. }) => {
                let idle = lines.remove(place);
                Some(Leased { sender: idle.sender, reused: true, key: key.clone(), born: idle.born })
            }
            None => None,
        });
        let (after, none_left) = (lines.len(), lines.is_empty());
        shelf.count -= before - after;
        if none_left {
            shelf.lines.remove(key);
        }
        found
    }

    /// A new connection has been made. One of HTTP/2 is shared from now on.
    pub(super) async fn begin(&self, line: Line, key: Key) -> Result<Leased, Failure> {
        let speaks_http2 = line.is_http2();
        let sender = match line {
            Line::Plain(stream) => http1(stream, self.limits).await?,
            Line::Tls(stream) if speaks_http2 => http2(*stream, self.limits).await?,
            Line::Tls(stream) => http1(*stream, self.limits).await?,
        };
        let leased = Leased { sender, reused: false, key, born: Instant::now() };
        if let Sender::Http2(sender) = &leased.sender {
            self.shelve(leased.key.clone(), Sender::Http2(sender.clone()), leased.born);
        }
        Ok(leased)
    }

    /// The answer has been read to its end.
    pub(super) fn give_back(&self, leased: Leased) {
        if !leased.sender.is_http2() && !leased.sender.is_closed() {
            self.shelve(leased.key, leased.sender, leased.born);
        }
    }

    fn shelve(&self, key: Key, sender: Sender, born: Instant) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.count >= self.limits.idle {
            return;
        }
        let lines = shelf.lines.entry(key).or_default();
        if lines.len() < self.limits.idle_per_target {
            lines.push(Idle { sender, born, since: Instant::now() });
            shelf.count += 1;
        }
    }

    /// Closes what has been idle for too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        for lines in shelf.lines.values_mut() {
            lines.retain(|idle| self.is_usable(idle, now));
        }
        shelf.lines.retain(|_, lines| !lines.is_empty());
        shelf.count = shelf.lines.values().map(Vec::len).sum();
    }
}

trait Wire: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static {}
impl Wire for TcpStream {}
impl Wire for TlsStream<TcpStream> {}

async fn http1(wire: impl Wire, limits: Limits) -> Result<Sender, Failure> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits.head_bytes).max_headers(limits.header_lines);
    let (sender, connection) = builder.handshake(TokioIo::new(wire)).await.map_err(Failure::Broken)?;
    run(connection);
    Ok(Sender::Http1(sender))
}

async fn http2(wire: impl Wire, limits: Limits) -> Result<Sender, Failure> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    builder.max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX));
    let (sender, connection) = builder.handshake(TokioIo::new(wire)).await.map_err(Failure::Broken)?;
    run(connection);
    Ok(Sender::Http2(sender))
}

/// Drives a connection until its last sender is gone. How it ended is seen by whoever waits on it.
pub(super) fn run<F>(connection: F)
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    TokioExecutor::new().execute(async move { drop(connection.await) });
}
