//! The HTTP port: how the house makes a request for somebody who may not make one himself.
//!
//! ```text
//!  tool ──ask──▶ house: is it granted? ──▶ Way::Vault   carries a credential's placeholder; the vault puts the value in
//!                                     └──▶ Way::Egress  carries none, and none passes
//! ```
//!
//! No redirect is followed: where one leads is a request of its own, which is authorised like any other. The address that was authorised is
//! the one that is asked: what could be read in two ways is refused.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::error::{Class, Classified};
use crate::ids::MemberId;
use crate::secret::Principal;

pub mod broker;

/// By which of the two processes a request leaves the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// By the vault: the request carries a placeholder, or orders a signature.
    Vault,
    /// By the one that knows no secrets.
    Egress,
}

/// A request.
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who asks.
    pub principal: Principal,
    /// For whom; none when it is for the house.
    pub member: Option<MemberId>,
    /// The method, in upper case.
    pub method: String,
    /// The address: absolute, `http` or `https`, the host as it is printed by a library for URLs.
    pub url: String,
    /// The headers, in order. What concerns a connection, and what the house itself says to the processes, is taken out.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// How long all of it may take, to the last byte of the answer.
    pub deadline: Duration,
}

impl std::fmt::Debug for Asked {
    /// Neither address nor headers nor body: they may be private.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("principal", &self.principal).field("method", &self.method).finish_non_exhaustive()
    }
}

impl Asked {
    /// Whether the method is one that changes nothing (RFC 9110 9.2.1).
    #[must_use]
    pub fn is_safe(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

/// A body on its way, in pieces of at most [`crate::sandbox::PIECE_BYTES`]. An error is the last item. Dropping it ends the request.
pub type Body = BoxStream<'static, Result<Vec<u8>, HttpError>>;

/// What a server answered. All of it was written outside.
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The headers, in order, without those that concern a connection. What is not UTF-8 in them is replaced.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answered").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why there is no answer. The sentences are the house's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// A rule refused it: nothing was sent, or what came back is withheld.
    #[error("{0}")]
    Denied(String),
    /// The server, or the way to it, is not there. Nothing was sent, or nothing that could have an effect.
    #[error("{0}")]
    Unreachable(String),
    /// More than is allowed, in one direction or too often.
    #[error("{0}")]
    Limit(String),
    /// It was sent and not answered, and its method may change something.
    #[error("the request was sent and not answered; whether it had an effect is not known")]
    Unknown,
}

impl Classified for HttpError {
    fn class(&self) -> Class {
        match self {
            Self::Denied(_) => Class::Denied,
            Self::Limit(_) => Class::Permanent,
            Self::Unreachable(_) | Self::Unknown => Class::Transient,
        }
    }
}

/// Makes requests. Dropping the future cancels the request.
pub trait Http: Send + Sync {
    /// Sends a request that was authorised, and waits for the head of its answer.
    fn send(&self, way: Way, asked: Asked) -> BoxFuture<'static, Result<Answered, HttpError>>;
}

/// A house without a way out. For tests of other things.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHttp;

impl Http for NoHttp {
    fn send(&self, _way: Way, _asked: Asked) -> BoxFuture<'static, Result<Answered, HttpError>> {
        std::future::ready(Err(HttpError::Unreachable("this house has no way out".to_owned()))).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_not_shown_by_debug() {
        let asked = Asked {
            principal: Principal::Tool("hearth/web".to_owned()),
            member: None,
            method: "POST".to_owned(),
            url: "https://clinic.example/".to_owned(),
            headers: vec![("x-clinic".to_owned(), "clinic".to_owned())],
            body: Some(b"clinic".to_vec()),
            deadline: Duration::from_secs(1),
        };
        assert!(!format!("{asked:?}").contains("clinic"));
        assert!(!asked.is_safe());
    }
}
