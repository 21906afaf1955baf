//! The gate of the process without keys: web pages, feeds, downloads, models of the LAN. No credential passes in any form.
//!
//! - A placeholder, an order for a signature or a credential of the caller's own is refused.
//! - `https` to any public host. `http` to a public host only where the request asks for it (`hearth-scheme: http`): feeds are still served
//!   so, and what comes back is as little to be trusted either way; a redirect never leads from `https` to `http`.
//! - Hosts of the LAN: exactly the origins given at start. Their scheme is taken from the list. No redirect leads from elsewhere to one.

use std::collections::BTreeSet;
use std::sync::Arc;

use hearth_domain::http::broker::SIGN;
use hearth_domain::secret::{PLACEHOLDER_BEGIN, Scheme};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};

use super::head::{no_own_credentials, port_target};
use crate::egress::limits::Bounds;
use crate::egress::ports::{self, Asked, Gate, Head, Hop, Pass, Refused, Rewrite, Rewriter, Why, Written};
use crate::policy::placeholder;
use crate::policy::redirect;
use crate::policy::target::{Target, TargetError};

/// Bytes of a body up to which it is looked through for placeholders; a larger one would lose its length by that.
const LOOKED_AT: u64 = 1 << 20;

/// An origin of the LAN: `scheme://host[:port]`, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

/// A text that names no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a LAN origin is written as `http://host[:port]` or `https://host[:port]`, without a path")]
pub struct OriginError;

impl std::str::FromStr for Origin {
    type Err = OriginError;
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let target = Target::of_url(&Method::GET, text).map_err(|_| OriginError)?;
        let bare = text.split_once("://").is_some_and(|(_, rest)| !rest.trim_end_matches('/').contains(['/', '?']));
        if bare { Ok(Self::of(&target)) } else { Err(OriginError) }
    }
}

impl Origin {
    fn of(target: &Target) -> Self {
        Self { scheme: target.scheme, host: target.host_text(), port: target.port }
    }
}

/// The gate.
#[derive(Debug, Clone)]
pub struct KeylessGate {
    lan: BTreeSet<Origin>,
    bounds: Bounds,
}

fn denied(code: &'static str, sentence: impl Into<String>) -> Refused {
    Refused { why: Why::Denied, code, sentence: sentence.into() }
}

fn bad_target(error: TargetError) -> Refused {
    Refused { why: Why::BadTarget, code: error.code(), sentence: error.to_string() }
}

fn placeholder_refused() -> Refused {
    denied("placeholder", "the request holds a placeholder, and this way out has no secrets: send it by the vault's socket")
}

impl KeylessGate {
    /// A gate that also lets these origins of the LAN be reached.
    #[must_use]
    pub const fn new(lan: BTreeSet<Origin>, bounds: Bounds) -> Self {
        Self { lan, bounds }
    }

    fn target(&self, head: &Head) -> Result<Target, Refused> {
        let of = |scheme| Target::of(&head.method, scheme, &head.authority, &head.path_and_query).map_err(bad_target);
        let plain = of(Scheme::Http)?;
        if head.asked == Asked::Plain || self.lan.contains(&Origin::of(&plain)) {
            return Ok(plain);
        }
        of(Scheme::Https)
    }

    fn pass(&self, head: &Head, target: &Target, lan: bool, body_len: Option<u64>) -> Result<Pass, Refused> {
        if !lan {
            target.check_public().map_err(|error| denied(error.code(), error.to_string()))?;
        }
        let path_and_query: PathAndQuery =
            target.path_and_query().parse().map_err(|_| denied("target_path", "the path cannot be written"))?;
        let method = Method::from_bytes(target.method.as_bytes()).unwrap_or_else(|_| head.method.clone());
        let short = head.upgrade || body_len.is_some_and(|bytes| bytes > 0 && bytes <= LOOKED_AT);
        let rewriter = short.then(|| Arc::new(NoPlaceholder) as Arc<dyn Rewriter>);
        let written = Written { method, path_and_query, headers: head.headers.clone() };
        Ok(Pass { target: port_target(target), written, rewriter, sign: None, lan, authority_pem: None, bounds: self.bounds })
    }
}

impl Gate for KeylessGate {
    fn admit(&self, head: &Head, body_len: Option<u64>) -> Result<Pass, Refused> {
        let target = self.target(head)?;
        let mentions = placeholder::names(&target, &head.headers).map_err(|_| placeholder_refused())?;
        if !mentions.is_empty() || head.headers.contains_key(SIGN) {
            return Err(placeholder_refused());
        }
        no_own_credentials(&head.headers, &target).map_err(|no| no.refused)?;
        let lan = self.lan.contains(&Origin::of(&target));
        self.pass(head, &target, lan, body_len)
    }

    fn redirect(&self, pass: &Pass, head: &Head, status: u16, location: &str, count: u32) -> Result<Option<Hop>, Refused> {
        let scheme = if pass.target.scheme == ports::Scheme::Https { Scheme::Https } else { Scheme::Http };
        let sent = pass.written.path_and_query.as_str();
        let from = Target::of(&pass.written.method, scheme, &pass.target.authority(), sent).map_err(bad_target)?;
        let of_redirect = |error: redirect::RedirectError| denied(error.code(), error.to_string());
        let status = StatusCode::from_u16(status).map_err(|_| of_redirect(redirect::RedirectError::NotARedirect))?;
        let hop = redirect::next(&from, status, location, count.saturating_sub(1)).map_err(of_redirect)?;
        // Who is outside does not choose what is asked of a device at home.
        let lan = hop.same_origin && pass.lan;
        let mut onward = self.pass(head, &hop.target, lan, Some(0))?;
        if hop.keep_body {
            onward.rewriter.clone_from(&pass.rewriter);
        }
        Ok(Some(Hop { pass: onward }))
    }
}

/// Passes a body on, or refuses it when it holds what begins a placeholder.
struct NoPlaceholder;

impl Rewriter for NoPlaceholder {
    fn start(&self) -> Box<dyn Rewrite> {
        Box::new(Looking { last: Vec::new() })
    }
}

struct Looking {
    /// The end of what went before.
    last: Vec<u8>,
}

impl Rewrite for Looking {
    fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        let begin = PLACEHOLDER_BEGIN.as_bytes();
        self.last.extend_from_slice(piece);
        if self.last.windows(begin.len()).any(|window| window == begin) {
            return Err(placeholder_refused());
        }
        let from = self.last.len().saturating_sub(begin.len().saturating_sub(1));
        self.last.drain(..from);
        out.extend_from_slice(piece);
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), Refused> {
        Ok(())
    }
}
