//! Heads of requests: what of one counts as what, and how it is written with the values in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hearth_domain::http::broker::SIGN;
use hearth_domain::secret::{Scheme, SecretName, TargetRule};
use http::HeaderMap;
use http::header::{self, HeaderName};
use http::uri::PathAndQuery;
use secrecy::SecretSlice;
use zeroize::Zeroizing;

use super::no::No;
use crate::egress::limits::Bounds;
use crate::egress::ports::{self, Head, Pass, Sign, Why, Written};
use crate::policy::placeholder::{self, BodyKind};
use crate::policy::target::{Target, scheme_text};
use crate::sign::{SignError, SignOrder};

/// Headers that are credentials by their name: what stands in them comes from the vault or not at all.
const CREDENTIALS: [&str; 13] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-goog-api-key",
    "x-auth-token",
    "x-access-token",
    "x-auth-key",
    "private-token",
    "x-amz-security-token",
    "x-vault-token",
];

pub(super) fn without_order(headers: &HeaderMap) -> Result<(Cow<'_, HeaderMap>, Option<SignOrder>), No> {
    let mut orders = headers.get_all(SIGN).iter();
    let Some(order) = orders.next() else { return Ok((Cow::Borrowed(headers), None)) };
    let text = order.to_str().ok().filter(|_| orders.next().is_none()).ok_or(SignError::Order)?;
    let order = SignOrder::parse(text)?;
    let mut rest = headers.clone();
    rest.remove(SIGN);
    Ok((Cow::Owned(rest), Some(order)))
}

/// A target of which nothing but the headers can mention a secret.
pub(super) fn bare(target: &Target) -> Target {
    Target { path: "/".to_owned(), query: None, ..target.clone() }
}

fn mentions_one(name: &HeaderName, value: &header::HeaderValue, target: &Target) -> bool {
    let one = HeaderMap::from_iter([(name.clone(), value.clone())]);
    placeholder::names(target, &one).is_ok_and(|mentions| !mentions.is_empty())
}

pub(super) fn no_own_credentials(headers: &HeaderMap, target: &Target) -> Result<(), No> {
    let target = bare(target);
    let own =
        |(name, value): (&HeaderName, &header::HeaderValue)| CREDENTIALS.contains(&name.as_str()) && !mentions_one(name, value, &target);
    if headers.iter().any(own) {
        let sentence = "the request brings a credential of its own (such as Authorization, Cookie or x-api-key): enter it as a secret and use its placeholder";
        return Err(No::new(Why::Denied, "own_credential", sentence));
    }
    Ok(())
}

pub(super) fn without_placeholders(headers: &HeaderMap, target: &Target) -> HeaderMap {
    let target = bare(target);
    headers.iter().filter(|(name, value)| !mentions_one(name, value, &target)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Where a redirect came from. After the first one the path is what was sent last.
pub(super) fn came_from(pass: &Pass, head: &Head, count: u32) -> Result<Target, No> {
    let scheme = match pass.target.scheme {
        ports::Scheme::Https => Scheme::Https,
        ports::Scheme::Http => Scheme::Http,
    };
    let sent = pass.written.path_and_query.as_str();
    let path = if count <= 1 { head.path_and_query.as_str() } else { sent };
    Ok(Target::of(&pass.written.method, scheme, &pass.target.authority(), path)?)
}

pub(super) fn kind_of(headers: &HeaderMap) -> BodyKind {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map_or(BodyKind::Opaque, BodyKind::of);
    if headers.contains_key(header::CONTENT_ENCODING) { BodyKind::Opaque } else { kind }
}

/// Method and origin with its port, and nothing that may hold a token.
pub(super) fn place(head: &Head, target: Option<&Target>) -> String {
    match target {
        None => format!("{} (no clear target)", head.method),
        Some(target) => format!("{} {}://{}:{}", target.method, scheme_text(target.scheme), target.host, target.port),
    }
}

pub(super) fn head_bytes(head: &Head) -> u64 {
    let lines: usize = head.headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()).saturating_add(4)).sum();
    let first = head.path_and_query.len().saturating_add(head.authority.len());
    u64::try_from(lines.saturating_add(first)).unwrap_or(u64::MAX)
}

/// The head with the values in it.
pub(super) fn fill(
    head: &Head,
    target: &Target,
    headers: &HeaderMap,
    values: &BTreeMap<SecretName, SecretSlice<u8>>,
) -> Result<Written, No> {
    let mut filled = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let with = placeholder::header(name, value, values)?;
        filled.append(name.clone(), with.unwrap_or_else(|| value.clone()));
    }
    let path = placeholder::path(&target.path, values)?;
    let query = target.query.as_deref().map(|query| placeholder::query(query, values)).transpose()?;
    let size = path.len().saturating_add(query.as_ref().map_or(0, |query| query.len().saturating_add(1)));
    let mut all = Zeroizing::new(Vec::with_capacity(size));
    all.extend_from_slice(path.as_bytes());
    if let Some(query) = &query {
        all.push(b'?');
        all.extend_from_slice(query.as_bytes());
    }
    let unwritable = |_| No::new(Why::BadTarget, "target_path", "the path cannot be written");
    let path_and_query = PathAndQuery::from_maybe_shared(Bytes::from_owner(all)).map_err(unwritable)?;
    let method = http::Method::from_bytes(target.method.as_bytes()).unwrap_or_else(|_| head.method.clone());
    Ok(Written { method, path_and_query, headers: filled })
}

/// The broker's own form of a target.
pub(super) fn port_target(target: &Target) -> ports::Target {
    let scheme = match target.scheme {
        Scheme::Https => ports::Scheme::Https,
        Scheme::Http => ports::Scheme::Http,
    };
    let host = target.host_text().trim_matches(['[', ']']).to_owned();
    ports::Target { scheme, host, port: target.port }
}

pub(super) fn pass_of(
    target: &Target,
    written: Written,
    rewriter: Option<Arc<dyn ports::Rewriter>>,
    sign: Option<Arc<dyn Sign>>,
    rule: &TargetRule,
    bounds: Bounds,
) -> Pass {
    let authority_pem = rule.authority.as_deref().map(Arc::from);
    Pass { target: port_target(target), written, rewriter, sign, lan: rule.lan, authority_pem, bounds }
}
