//! Placeholders: which secrets a request mentions and where, and their values put in, encoded for where they stand.
//!
//! | place | how the value goes in |
//! |---|---|
//! | header | as it is; refused with control characters or white space at its ends (RFC 9110 section 5.5) |
//! | `Authorization: Basic` | decoded, replaced, encoded; a user name has no colon (RFC 7617) |
//! | path, query, form | everything but unreserved characters escaped; a path is checked again with it |
//! | JSON | escaped for a string (RFC 8259 section 7); placeholders stand in strings |
//!
//! What begins like a placeholder and is none, or names a secret that was not allowed, is an error: nothing of it is sent on.

mod body;
mod scan;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use hearth_domain::error::{Class, Classified};
use hearth_domain::secret::{PLACEHOLDER_BEGIN, SecretName, Slot};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretSlice};
use zeroize::Zeroizing;

use super::path;
use super::percent;
use super::target::Target;

pub use body::{BodyKind, HELD_MAX, Piece, Substituter};
pub use scan::{Found, find};

/// Most placeholders of one text: a header, a path, a query or one piece of a body.
pub const PLACEHOLDERS_MAX: usize = 32;

/// How `Basic` credentials begin.
const BASIC: &[u8; 6] = b"Basic ";

/// Headers in which no credential stands: the connection's own, and what the broker fills itself (RFC 9110, RFC 9112, RFC 6455).
const NO_PLACE: [&str; 16] = [
    "host",
    "connection",
    "content-length",
    "content-encoding",
    "content-type",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "user-agent",
];

/// Where the values come from: those whose policies allowed this request, and no others.
pub trait Values {
    /// The value of a secret; `None` when it was not allowed for this request, or is not known.
    fn value(&self, name: &SecretName) -> Option<&SecretSlice<u8>>;
}

impl Values for BTreeMap<SecretName, SecretSlice<u8>> {
    fn value(&self, name: &SecretName) -> Option<&SecretSlice<u8>> {
        self.get(name)
    }
}

/// Why a request with placeholders is not sent. Never a value, and never what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// It begins like a placeholder and goes on otherwise.
    #[error("the request holds something that begins like a placeholder and is none: `{PLACEHOLDER_BEGIN}NAME_` is the form")]
    Malformed,
    /// It ends within a placeholder.
    #[error("the request ends in the middle of a placeholder")]
    Cut,
    /// No value for it.
    #[error("the request mentions a secret that is not known or was not allowed for it")]
    Unknown,
    /// It stands where none may.
    #[error(
        "a placeholder stands where no secret is put in: the name of a header, a header of the connection, or a body that is neither JSON nor a form"
    )]
    NotHere,
    /// Too many.
    #[error("the request holds more than {PLACEHOLDERS_MAX} placeholders in one place")]
    TooMany,
    /// The value would end the header or is not allowed in it.
    #[error("the secret's value cannot stand in a header: it holds a control character (such as a line break) or white space at an end")]
    NotAHeader,
    /// The value would end the user name.
    #[error("the secret's value cannot be a user name of `Basic`: it holds a colon or a control character")]
    NotAUser,
    /// The value would change the path's segments.
    #[error("the secret's value cannot stand in a path: it holds a slash, a backslash, a control character, or is a dot segment")]
    NotAPath,
    /// The value is no text.
    #[error("the secret's value cannot stand in JSON: it is no UTF-8")]
    NotText,
}

impl PlaceholderError {
    /// What a machine tells it by. Stable.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "placeholder_malformed",
            Self::Cut => "placeholder_cut",
            Self::Unknown => "placeholder_unknown",
            Self::NotHere => "placeholder_not_here",
            Self::TooMany => "placeholder_too_many",
            Self::NotAHeader => "placeholder_not_a_header",
            Self::NotAUser => "placeholder_not_a_user",
            Self::NotAPath => "placeholder_not_a_path",
            Self::NotText => "placeholder_not_text",
        }
    }
}

impl Classified for PlaceholderError {
    fn class(&self) -> Class {
        Class::Denied
    }
}

/// The secrets that a request mentions, and where: what the policy is asked about each.
pub type Mentions = BTreeMap<SecretName, BTreeSet<Slot>>;

/// What the head of a request mentions. A body is looked at while it streams; with its placeholders in mind, the caller adds
/// [`Slot::Body`] for the secrets that it means to give to a [`Substituter`].
///
/// # Errors
///
/// When a placeholder is malformed or stands where none may.
pub fn names(target: &Target, headers: &HeaderMap) -> Result<Mentions, PlaceholderError> {
    let mut mentions = Mentions::new();
    let mut note = |found: Vec<Found>, slot: Slot| {
        for one in found {
            mentions.entry(one.name).or_default().insert(slot);
        }
    };
    note(find(target.path.as_bytes())?, Slot::Path);
    note(find(target.query.as_deref().unwrap_or_default().as_bytes())?, Slot::Query);
    for (name, value) in headers {
        // Also a header that was not read as one: its name goes out, too.
        if name.as_str().contains(PLACEHOLDER_BEGIN) {
            return Err(PlaceholderError::NotHere);
        }
        let mut found = find(value.as_bytes())?;
        if let Some(decoded) = basic(name, value) {
            found.extend(find(&decoded.plain)?);
        }
        if !found.is_empty() && no_place(name) {
            return Err(PlaceholderError::NotHere);
        }
        note(found, Slot::Header);
    }
    Ok(mentions)
}

/// Whether a header is none in which a credential or signature may stand.
#[must_use]
pub fn no_place(name: &HeaderName) -> bool {
    NO_PLACE.contains(&name.as_str())
}

/// A header's value with the secrets in it, marked sensitive; `None` when it mentions none.
///
/// # Errors
///
/// When a placeholder cannot be replaced there.
pub fn header(name: &HeaderName, value: &HeaderValue, values: &impl Values) -> Result<Option<HeaderValue>, PlaceholderError> {
    if let Some(decoded) = basic(name, value) {
        let found = find(&decoded.plain)?;
        return if found.is_empty() { Ok(None) } else { basic_with(&decoded, &found, values).map(Some) };
    }
    let text = value.as_bytes();
    let found = find(text)?;
    if found.is_empty() {
        return Ok(None);
    }
    if no_place(name) {
        return Err(PlaceholderError::NotHere);
    }
    let filled = fill(text, &found, values, |_, value| {
        if in_a_header(value) { Ok(Zeroizing::new(value.to_vec())) } else { Err(PlaceholderError::NotAHeader) }
    })?;
    sensitive(filled).map(Some)
}

/// The path with the secrets in it.
///
/// # Errors
///
/// When a placeholder cannot be replaced, or the path could be read in two ways with what takes its place.
pub fn path(path: &str, values: &impl Values) -> Result<Zeroizing<String>, PlaceholderError> {
    let found = find(path.as_bytes())?;
    let filled = fill(path.as_bytes(), &found, values, |_, value| Ok(percent::encode(value)))?;
    let filled = text(filled)?;
    if !found.is_empty() {
        path::check(&filled).map_err(|_| PlaceholderError::NotAPath)?;
    }
    Ok(filled)
}

/// The query with the secrets in it.
///
/// # Errors
///
/// When a placeholder cannot be replaced.
pub fn query(query: &str, values: &impl Values) -> Result<Zeroizing<String>, PlaceholderError> {
    let found = find(query.as_bytes())?;
    text(fill(query.as_bytes(), &found, values, |_, value| Ok(percent::encode(value)))?)
}

fn text(mut bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, PlaceholderError> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(PlaceholderError::NotText)
        }
    }
}

fn in_a_header(value: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    // Tab is allowed within; CR, LF and NUL are what an injection is made of.
    let visible = value.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f));
    visible && !blank(value.first()) && !blank(value.last())
}

/// The header takes the buffer over without a copy, and the buffer is zeroed with the last handle to it.
fn sensitive(bytes: Zeroizing<Vec<u8>>) -> Result<HeaderValue, PlaceholderError> {
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes)).map_err(|_| PlaceholderError::NotAHeader)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A text with its placeholders replaced by what `encode` makes of their values. Made in its final size.
fn fill(
    text: &[u8],
    found: &[Found],
    values: &impl Values,
    encode: impl Fn(&Found, &[u8]) -> Result<Zeroizing<Vec<u8>>, PlaceholderError>,
) -> Result<Zeroizing<Vec<u8>>, PlaceholderError> {
    let mut parts = Vec::with_capacity(found.len());
    for one in found {
        let value = values.value(&one.name).ok_or(PlaceholderError::Unknown)?;
        parts.push(encode(one, value.expose_secret())?);
    }
    let size = text.len().saturating_add(parts.iter().map(|part| part.len()).sum());
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    let mut from = 0;
    for (one, part) in found.iter().zip(&parts) {
        out.extend_from_slice(text.get(from..one.range.start).unwrap_or_default());
        out.extend_from_slice(part);
        from = one.range.end;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    Ok(out)
}

/// What `Basic` credentials hold.
struct Basic {
    plain: Zeroizing<Vec<u8>>,
}

/// The decoded credentials of an `Authorization: Basic` header; `None` for anything else.
fn basic(name: &HeaderName, value: &HeaderValue) -> Option<Basic> {
    if *name != AUTHORIZATION {
        return None;
    }
    let (kind, rest) = value.as_bytes().split_at_checked(BASIC.len())?;
    if !kind.eq_ignore_ascii_case(BASIC) {
        return None;
    }
    let rest = rest.trim_ascii();
    let plain = STANDARD.decode(rest).or_else(|_| STANDARD_NO_PAD.decode(rest)).ok()?;
    Some(Basic { plain: Zeroizing::new(plain) })
}

fn basic_with(basic: &Basic, found: &[Found], values: &impl Values) -> Result<HeaderValue, PlaceholderError> {
    let colon = basic.plain.iter().position(|byte| *byte == b':').unwrap_or(basic.plain.len());
    let filled = fill(&basic.plain, found, values, |one, value| {
        let user = one.range.start < colon;
        let ends_it = |byte: &u8| byte.is_ascii_control() || (user && *byte == b':');
        if value.iter().any(ends_it) { Err(PlaceholderError::NotAUser) } else { Ok(Zeroizing::new(value.to_vec())) }
    })?;
    let size = BASIC.len().saturating_add(filled.len().div_ceil(3).saturating_mul(4));
    let mut out = Zeroizing::new(vec![0; size]);
    let (begin, rest) = out.split_at_mut_checked(BASIC.len()).ok_or(PlaceholderError::NotAHeader)?;
    begin.copy_from_slice(BASIC);
    STANDARD.encode_slice(filled.as_slice(), rest).map_err(|_| PlaceholderError::NotAHeader)?;
    sensitive(out)
}
