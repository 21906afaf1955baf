//! What the broker asks others: may this go out, does this hold a secret, where is that host.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method};

use crate::egress::limits::Bounds;

/// What the client asked for by `hearth-scheme`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nothing, or `https`: the broker adds TLS.
    Tls,
    /// `http`: a plain host, which the policy has to name.
    Plain,
}

/// A request's head as the client wrote it, placeholders and all. Without `hearth-*` and hop-by-hop headers.
#[derive(Debug, Clone)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// TLS or plain.
    pub asked: Asked,
    /// Host and port as written, not judged.
    pub authority: String,
    /// Path and query as written, not judged.
    pub path_and_query: String,
    /// The headers that are meant for the server.
    pub headers: HeaderMap,
    /// Who asks (`hearth-as`, for example `provider/NAME`), as claimed.
    pub asking: Option<String>,
    /// For whom (`hearth-for`, a member's id), as claimed.
    pub member: Option<String>,
    /// Whether it opens a WebSocket.
    pub upgrade: bool,
}

/// How the target is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// Over TLS.
    Https,
    /// In the clear: a LAN host that the owner named.
    Http,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// TLS or not.
    pub scheme: Scheme,
    /// A name in its one normal form, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// What stands in `Host` and `:authority`: without the scheme's own port.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.scheme, self.port) {
            (Scheme::Https, 443) | (Scheme::Http, 80) => host,
            (Scheme::Https | Scheme::Http, port) => format!("{host}:{port}"),
        }
    }
}

/// A head as it leaves the house, credentials put in. It does not print them.
#[derive(Clone)]
pub struct Written {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path_and_query: PathAndQuery,
    /// The headers. `Host`, lengths and hop-by-hop headers are the broker's own affair and are overwritten. Whatever carries a credential is
    /// marked sensitive: HTTP/2 then keeps it out of its tables, and a redirect to another origin leaves it behind.
    pub headers: HeaderMap,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").field("method", &self.method).finish_non_exhaustive()
    }
}

/// A request that may go out.
pub struct Pass {
    /// Where to.
    pub target: Target,
    /// The head that is sent.
    pub written: Written,
    /// Puts credentials into the body, or into each text message of a WebSocket; `None` when the body goes out as it is.
    pub rewriter: Option<Arc<dyn Rewriter>>,
    /// Signs the request when its body is complete. It makes the broker gather the body.
    pub sign: Option<Arc<dyn Sign>>,
    /// Whether the owner named this host as one of the LAN.
    pub lan: bool,
    /// The authority that signs this host's certificate instead of the machine's own list, in PEM.
    pub authority_pem: Option<Arc<str>>,
    /// How much and how long.
    pub bounds: Bounds,
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").field("scheme", &self.target.scheme).field("lan", &self.lan).finish_non_exhaustive()
    }
}

/// Where a redirect leads.
#[derive(Debug)]
pub struct Hop {
    /// The next request. When it changes the origin, the gate has left the credentials out; the broker leaves out what it knows as one.
    pub pass: Pass,
}

/// What kind of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The policy says no (403).
    Denied,
    /// The target cannot be understood (400).
    BadTarget,
    /// Too often (429).
    TooOften,
    /// More bytes than allowed (413).
    TooLarge,
    /// The vault is sealed (503).
    Sealed,
    /// Not just now, by no fault of the request (503).
    NotNow,
}

/// Why a request does not go out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refused {
    /// The kind.
    pub why: Why,
    /// One word for programs (`hearth-broker`).
    pub code: &'static str,
    /// What, why and what to do. Neither a secret nor anything from outside.
    pub sentence: String,
}

/// Decides about requests. Synchronous: everything it needs is in memory.
pub trait Gate: Send + Sync {
    /// Whether this request may go out, and as what. `body_len` in bytes, where the client declared it.
    ///
    /// # Errors
    /// It may not.
    fn admit(&self, head: &Head, body_len: Option<u64>) -> Result<Pass, Refused>;

    /// Whether the redirect number `count` (from 1) that `pass` was answered with may be followed. `head` is the original head with the
    /// method that the next request has. `None`: the redirect is handed to the client.
    ///
    /// # Errors
    /// It leads to a place that is refused.
    fn redirect(&self, pass: &Pass, head: &Head, status: u16, location: &str, count: u32) -> Result<Option<Hop>, Refused>;

    /// What of this request is renewed now and then by the gate itself; asked before [`Self::admit`]. `None` when there is nothing.
    fn renewal(&self, _head: &Head, _body_len: Option<u64>) -> Option<Box<dyn Renewal>> {
        None
    }
}

/// Something that takes a while.
pub type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Credentials of one request that are renewed now and then.
pub trait Renewal: Send + Sync {
    /// Until those that are over have been renewed, or could not be: then the gate refuses the request, and says why.
    fn ready(&self) -> Waiting<()>;
    /// The server did not accept them (401). Whether there are others now.
    fn rejected(&self) -> Waiting<bool>;
}

/// Makes one [`Rewrite`] for each body or message.
pub trait Rewriter: Send + Sync {
    /// A fresh one.
    fn start(&self) -> Box<dyn Rewrite>;
}

/// Replaces placeholders in a stream of bytes.
pub trait Rewrite: Send {
    /// Takes a piece and appends to `out` what is certain by now.
    ///
    /// # Errors
    /// The body holds a placeholder that may not be used there.
    fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Refused>;

    /// Appends what was held back.
    ///
    /// # Errors
    /// As for `feed`.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Refused>;
}

/// Signs a request.
pub trait Sign: Send + Sync {
    /// Changes the head so that it carries the signature. `body` is what is sent.
    ///
    /// # Errors
    /// It cannot be signed.
    fn sign(&self, target: &Target, written: &mut Written, body: &[u8]) -> Result<(), Refused>;
}

/// Something that the vault keeps was found where it must not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret was found")]
pub struct Leak {
    /// The secret's name, never its value. For the audit; a client is not told.
    pub what: String,
}

/// How many of the bytes seen last must not go on yet. The next pieces, or the end, decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held(pub usize);

/// Looks for secrets.
pub trait Watch: Send + Sync {
    /// For bytes that leave the house, before credentials are put in.
    fn outgoing(&self) -> Box<dyn Scan>;
    /// For bytes that come back.
    fn incoming(&self) -> Box<dyn Scan>;
}

/// Looks for secrets in one stream. `Sync` because a body is shared with the HTTP library.
pub trait Scan: Send + Sync {
    /// Takes a piece of any size. May hold back up to [`HELD_BYTES`].
    ///
    /// # Errors
    /// A secret was found.
    fn feed(&mut self, piece: &[u8]) -> Result<Held, Leak>;

    /// The stream has ended; without an error everything that was held may go on.
    ///
    /// # Errors
    /// A secret was found.
    fn finish(&mut self) -> Result<(), Leak>;
}

/// The most bytes that a scan may hold back; beyond it the stream is ended as if it leaked.
pub const HELD_BYTES: usize = 256 * 1024;

/// A name without an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name could not be resolved")]
pub struct NoAddress;

/// An answer on its way.
pub type Resolving = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send>>;

/// Finds addresses. Asked once for a connection.
pub trait Resolve: Send + Sync {
    /// All addresses of a host; none of them has been judged.
    fn resolve(&self, host: &str, port: u16) -> Resolving;
}

/// Says which of a host's addresses may be connected to; the flag says whether the owner named the host as one of the LAN.
pub type Judge = Arc<dyn Fn(&[IpAddr], bool) -> Result<Vec<IpAddr>, Refused> + Send + Sync>;
