//! The broker's own answers: why there is none of the server's.

use std::time::Duration;

use bytes::Bytes;
use hearth_domain::error::{Class, Classified};
use hearth_domain::http::broker::{BROKER, OUTCOME};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use crate::egress::ports::{Leak, Refused, Why};

/// Whether the request may have reached the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No byte of it left: it can be sent again safely.
    NotSent,
    /// It may have arrived and acted.
    Unknown,
}

impl Outcome {
    /// As it stands in `hearth-outcome`.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotSent => "not-sent",
            Self::Unknown => "unknown",
        }
    }
}

/// What is wrong with a server's certificate or its TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Tls {
    /// It has expired or is not valid yet.
    #[error("the server's certificate has expired or is not valid yet; check the clock of both machines")]
    Expired,
    /// It is for another name.
    #[error("the server's certificate is for another name")]
    Name,
    /// Self-signed, or by an authority that is not trusted.
    #[error(
        "the server's certificate is self-signed or from an authority that this house does not trust; for a host of your own, give its authority"
    )]
    Issuer,
    /// Anything else.
    #[error("no secure connection could be made to the server")]
    Other,
}

/// Which deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    /// For name, connection and TLS.
    #[error("no connection to the server")]
    Connect,
    /// For the head of the answer.
    #[error("no answer of the server")]
    Answer,
    /// For the next piece of a body.
    #[error("silence in the middle of a body")]
    Silence,
    /// For all of it.
    #[error("the request is not done")]
    Total,
}

/// Why there is no answer of the server.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The gate said no.
    #[error("{0}")]
    Refused(#[source] Refused),
    /// A secret stands in what was to go out.
    #[error("the request holds a stored secret in plain sight; use its placeholder instead")]
    LeakOut(#[source] Leak),
    /// A secret stands in what came back.
    #[error("the answer holds a stored secret, so it is withheld")]
    LeakIn(#[source] Leak),
    /// The head does not say clearly where to.
    #[error("the request does not say clearly where it goes: {0}")]
    Target(&'static str),
    /// The body is longer than allowed.
    #[error("the body is longer than the {0} bytes allowed")]
    TooLarge(u64),
    /// The body is encoded in a way that cannot be looked through.
    #[error("the body is packed in a way that cannot be looked through; send it unpacked or as gzip")]
    Packed,
    /// Too many requests at once.
    #[error("too many requests at once; try again in a moment")]
    Overloaded,
    /// The name has no address.
    #[error("the server's name could not be resolved")]
    NoAddress,
    /// No connection.
    #[error("the server cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// No trustworthy connection.
    #[error("{0}")]
    Tls(Tls),
    /// The given authority is no certificate.
    #[error("the authority given for this host is not a certificate in PEM form")]
    Authority,
    /// Too slow.
    #[error("{0} after {1:?}")]
    Deadline(Wait, Duration),
    /// The connection broke.
    #[error("the connection to the server broke")]
    Broken(#[source] hyper::Error),
    /// The server's answer is no HTTP, or its head is too long.
    #[error("the server's answer cannot be read")]
    BadAnswer(#[source] hyper::Error),
    /// The answer is longer than allowed.
    #[error("the answer is longer than the {0} bytes allowed")]
    AnswerTooLarge(u64),
    /// The answer's packing is broken, unknown or a bomb.
    #[error("the answer is packed in a way that cannot be looked through")]
    AnswerPacked,
    /// Too many redirects.
    #[error("the server redirects more than {0} times")]
    Redirects(u32),
    /// The upgrade is not a WebSocket's, or the server does not agree.
    #[error("no WebSocket could be opened: {0}")]
    Upgrade(&'static str),
    /// The client went away in the middle of its body.
    #[error("the request's body broke off")]
    Client(#[source] hyper::Error),
    /// The request as rewritten is no HTTP.
    #[error("the request cannot be written as HTTP")]
    Unwritable,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Tls> for Failure {
    fn from(tls: Tls) -> Self {
        Self::Tls(tls)
    }
}

impl Failure {
    /// One word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.code,
            Self::LeakOut(_) => "leak-out",
            Self::LeakIn(_) => "leak-in",
            Self::Target(_) => "bad-target",
            Self::TooLarge(_) => "too-large",
            Self::Packed => "packed",
            Self::Overloaded => "overloaded",
            Self::NoAddress => "no-address",
            Self::Unreachable(_) => "unreachable",
            Self::Tls(Tls::Expired) => "tls-expired",
            Self::Tls(Tls::Name) => "tls-name",
            Self::Tls(Tls::Issuer) => "tls-issuer",
            Self::Tls(Tls::Other) => "tls",
            Self::Authority => "bad-authority",
            Self::Deadline(..) => "deadline",
            Self::Broken(_) => "broken",
            Self::BadAnswer(_) => "bad-answer",
            Self::AnswerTooLarge(_) => "answer-too-large",
            Self::AnswerPacked => "answer-packed",
            Self::Redirects(_) => "redirects",
            Self::Upgrade(_) => "upgrade",
            Self::Client(_) => "client",
            Self::Unwritable => "unwritable",
        }
    }

    /// The status that a client sees.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refused) => match refused.why {
                Why::Denied => StatusCode::FORBIDDEN,
                Why::BadTarget => StatusCode::BAD_REQUEST,
                Why::TooOften => StatusCode::TOO_MANY_REQUESTS,
                Why::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                Why::Sealed | Why::NotNow => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::LeakOut(_) => StatusCode::FORBIDDEN,
            Self::Target(_) | Self::Client(_) | Self::Unwritable => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Packed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Deadline(..) => StatusCode::GATEWAY_TIMEOUT,
            Self::LeakIn(_)
            | Self::NoAddress
            | Self::Unreachable(_)
            | Self::Tls(_)
            | Self::Authority
            | Self::Broken(_)
            | Self::BadAnswer(_)
            | Self::AnswerTooLarge(_)
            | Self::AnswerPacked
            | Self::Redirects(_)
            | Self::Upgrade(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

impl Classified for Failure {
    fn class(&self) -> Class {
        match self {
            Self::Refused(refused) => match refused.why {
                Why::TooOften | Why::Sealed | Why::NotNow => Class::Transient,
                Why::Denied | Why::BadTarget | Why::TooLarge => Class::Denied,
            },
            Self::LeakOut(_) | Self::LeakIn(_) => Class::Denied,
            Self::Overloaded
            | Self::NoAddress
            | Self::Unreachable(_)
            | Self::Deadline(..)
            | Self::Broken(_)
            | Self::Client(_)
            | Self::Tls(Tls::Other) => Class::Transient,
            Self::Target(_)
            | Self::TooLarge(_)
            | Self::Packed
            | Self::Tls(Tls::Expired | Tls::Name | Tls::Issuer)
            | Self::Authority
            | Self::BadAnswer(_)
            | Self::AnswerTooLarge(_)
            | Self::AnswerPacked
            | Self::Redirects(_)
            | Self::Upgrade(_) => Class::Permanent,
            Self::Unwritable => Class::Bug,
        }
    }
}

/// A failure, and whether the request may have arrived all the same.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub struct Failed {
    /// What happened.
    #[source]
    pub failure: Failure,
    /// What the house may do about it.
    pub outcome: Outcome,
}

impl Failed {
    /// Before any byte left.
    pub(super) fn unsent(failure: impl Into<Failure>) -> Self {
        Self { failure: failure.into(), outcome: Outcome::NotSent }
    }

    /// After a byte may have left.
    pub(super) fn unknown(failure: impl Into<Failure>) -> Self {
        Self { failure: failure.into(), outcome: Outcome::Unknown }
    }

    /// The answer that a client gets.
    pub(super) fn reply(&self) -> Response<Full<Bytes>> {
        let mut reply = Response::new(Full::new(Bytes::from(format!("{}.\n", self.failure))));
        *reply.status_mut() = self.failure.status();
        let headers = reply.headers_mut();
        headers.insert(BROKER, HeaderValue::from_static(self.failure.code()));
        headers.insert(OUTCOME, HeaderValue::from_static(self.outcome.word()));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        reply
    }
}
