//! Where a redirect leads, and what goes along (RFC 9110 section 15.4). The next target is decided on anew by the caller; here is
//! only what no policy may allow.

use hearth_domain::error::{Class, Classified};
use hearth_domain::secret::{PLACEHOLDER_BEGIN, Scheme};
use http::{Method, StatusCode};
use url::Url;

use super::target::{Target, TargetError};

/// Most redirects that are followed for one request.
pub const REDIRECTS_MAX: u32 = 10;
/// Longest `Location` that is read, in bytes.
pub const LOCATION_MAX: usize = 8 * 1024;

/// The next request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Where it goes, with the method it has there.
    pub target: Target,
    /// Whether the body goes along.
    pub keep_body: bool,
    /// Scheme, host and port are the same: only then may the credentials go along, if the policy allows the new target.
    pub same_origin: bool,
}

/// Why a redirect is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// The status is none that is followed.
    #[error("the answer is no redirect that is followed")]
    NotARedirect,
    /// Too many.
    #[error("the host redirects more than {REDIRECTS_MAX} times")]
    TooMany,
    /// The location is too long.
    #[error("the host redirects to an address of more than {LOCATION_MAX} bytes")]
    TooLong,
    /// Another scheme than http and https, or an address that is not written out.
    #[error("the host redirects to something else than an https or http address")]
    Scheme,
    /// From TLS to plain text.
    #[error("the host redirects from https to http")]
    Downgrade,
    /// A placeholder: no server is ever told one.
    #[error("the host redirects to an address that holds a placeholder, which no host has a way to know")]
    Placeholder,
    /// What it leads to is no target.
    #[error("the host redirects to an address that is not sent to: {0}")]
    Target(#[source] TargetError),
}

impl RedirectError {
    /// What a machine tells it by. Stable.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotARedirect => "redirect_none",
            Self::TooMany => "redirect_too_many",
            Self::TooLong => "redirect_too_long",
            Self::Scheme => "redirect_scheme",
            Self::Downgrade => "redirect_downgrade",
            Self::Placeholder => "redirect_placeholder",
            Self::Target(_) => "redirect_target",
        }
    }
}

impl Classified for RedirectError {
    fn class(&self) -> Class {
        Class::Denied
    }
}

/// Whether a status is one whose `Location` is followed.
#[must_use]
pub fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The hop that an answer asks for. `count` is how many were made for this request before it.
///
/// # Errors
///
/// When it is not followed.
pub fn next(from: &Target, status: StatusCode, location: &str, count: u32) -> Result<Hop, RedirectError> {
    if !is_redirect(status) {
        return Err(RedirectError::NotARedirect);
    }
    if count >= REDIRECTS_MAX {
        return Err(RedirectError::TooMany);
    }
    if location.len() > LOCATION_MAX {
        return Err(RedirectError::TooLong);
    }
    if location.contains(PLACEHOLDER_BEGIN) {
        return Err(RedirectError::Placeholder);
    }
    let (method, keep_body) = method_after(from, status)?;
    let target = resolve(from, &method, without_fragment(location))?;
    if from.scheme == Scheme::Https && target.scheme == Scheme::Http {
        return Err(RedirectError::Downgrade);
    }
    Ok(Hop { same_origin: from.same_origin(&target), target, keep_body })
}

/// 303 becomes a GET (section 15.4.4); 301 and 302 make one of a POST, as every client does (sections 15.4.2, 15.4.3); 307 and
/// 308 change nothing.
fn method_after(from: &Target, status: StatusCode) -> Result<(Method, bool), RedirectError> {
    let to_get = match status.as_u16() {
        303 => from.method != "HEAD",
        301 | 302 => from.method == "POST",
        _ => false,
    };
    if to_get {
        return Ok((Method::GET, false));
    }
    let method = Method::from_bytes(from.method.as_bytes()).map_err(|_| RedirectError::Target(TargetError::Method))?;
    Ok((method, status.as_u16() != 303))
}

fn without_fragment(location: &str) -> &str {
    location.split('#').next().unwrap_or_default()
}

/// The target of a URI reference (RFC 3986 section 4.1). Whatever names a host is read as written, so that no unusual spelling
/// gets lost in the parser.
fn resolve(from: &Target, method: &Method, location: &str) -> Result<Target, RedirectError> {
    let bad = RedirectError::Target;
    if let Some(kind) = scheme_of(location) {
        // `https:host` and `https:/host` are read as `https://host` by some.
        let written_out = kind.eq_ignore_ascii_case("https") || kind.eq_ignore_ascii_case("http");
        let rest = location.get(kind.len()..).unwrap_or_default();
        if !written_out || !rest.starts_with("://") {
            return Err(RedirectError::Scheme);
        }
        return Target::of_url(method, &format!("{}{rest}", kind.to_ascii_lowercase())).map_err(bad);
    }
    if location.contains('\\') {
        return Err(bad(TargetError::Backslash));
    }
    if location.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return Err(bad(TargetError::Control));
    }
    let scheme = super::target::scheme_text(from.scheme);
    if location.starts_with("//") {
        return Target::of_url(method, &format!("{scheme}:{location}")).map_err(bad);
    }
    let authority = from.authority();
    if location.starts_with('/') {
        return Target::of(method, from.scheme, &authority, location).map_err(bad);
    }
    if location.is_empty() || location.starts_with('?') {
        let query = if location.is_empty() {
            from.query.as_ref().map_or_else(String::new, |query| format!("?{query}"))
        } else {
            location.to_owned()
        };
        return Target::of(method, from.scheme, &authority, &format!("{}{query}", from.path)).map_err(bad);
    }
    beside(from, method, location)
}

/// A reference relative to a path: the only place where `..` has a meaning of its own. Encoded dots have none.
fn beside(from: &Target, method: &Method, location: &str) -> Result<Target, RedirectError> {
    let path = location.split('?').next().unwrap_or_default();
    if path.to_ascii_lowercase().contains("%2e") || path.contains("//") {
        return Err(RedirectError::Target(TargetError::Path(super::path::PathError::DotSegment)));
    }
    let base = Url::parse(&format!("{}{}", from.origin(), from.path)).map_err(|_| RedirectError::Target(TargetError::Host))?;
    let joined = base.join(location).map_err(|_| RedirectError::Target(TargetError::Host))?;
    let query = joined.query().map_or_else(String::new, |query| format!("?{query}"));
    Target::of(method, from.scheme, &from.authority(), &format!("{}{query}", joined.path())).map_err(RedirectError::Target)
}

/// The scheme that a reference begins with (RFC 3986 section 3.1).
fn scheme_of(location: &str) -> Option<&str> {
    let (before, _) = location.split_once(':')?;
    let mut bytes = before.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    (begins && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))).then_some(before)
}
