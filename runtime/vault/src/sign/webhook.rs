//! A digest over parts of the request, in a header: what GitHub, Slack, Stripe and many others call a webhook's signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::policy::placeholder::no_place;

use super::{Moment, SignError, ToSign, hmac_sha1, hmac_sha256, plain, sensitive};

/// The digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hash {
    /// HMAC-SHA256.
    Sha256,
    /// HMAC-SHA1.
    Sha1,
}

/// How a digest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal, lower case.
    Hex,
    /// Base64 with padding.
    Base64,
}

/// A digest in a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HmacSpec {
    /// The digest.
    pub hash: Hash,
    /// How it is written.
    pub encoding: Encoding,
    /// The header it stands in.
    pub header: String,
    /// The header's text; `{digest}` and `{timestamp}` stand for themselves: `sha256={digest}`, `t={timestamp},v1={digest}`.
    pub text: String,
    /// What is signed: text in which `{body}`, `{timestamp}` (seconds since 1970), `{method}` and `{path}` (with query) are
    /// replaced once each from left to right: `v0:{timestamp}:{body}`.
    pub over: String,
    /// A header of its own for the timestamp.
    #[serde(default)]
    pub timestamp_header: Option<String>,
}

/// The headers of this signature.
pub(super) fn headers(
    spec: &HmacSpec,
    key: &[u8],
    request: &ToSign<'_>,
    moment: &Moment<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).ok().filter(|name| !no_place(name)).ok_or(SignError::Field);
    let timestamp = moment.now.as_second().to_string();
    let path = request.target.path_and_query();
    let parts = parts(&spec.over, &timestamp, &path, request)?;
    let digest = match spec.hash {
        Hash::Sha256 => Zeroizing::new(hmac_sha256(key, &parts)?.to_vec()),
        Hash::Sha1 => Zeroizing::new(hmac_sha1(key, &parts)?.to_vec()),
    };
    let digest = match spec.encoding {
        Encoding::Hex => hex::encode(digest.as_slice()),
        Encoding::Base64 => STANDARD.encode(digest.as_slice()),
    };
    let text = spec.text.replace("{digest}", &digest).replace("{timestamp}", &timestamp);
    let mut headers = vec![(name(&spec.header)?, sensitive(Zeroizing::new(text))?)];
    if let Some(header) = &spec.timestamp_header {
        headers.push((name(header)?, plain(&timestamp)?));
    }
    Ok(headers)
}

fn parts<'a>(over: &'a str, timestamp: &'a str, path: &'a str, request: &ToSign<'a>) -> Result<Vec<&'a [u8]>, SignError> {
    let mut parts = Vec::new();
    let mut rest = over;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        parts.push(before.as_bytes());
        let (word, after) = from.split_once('}').ok_or(SignError::Order)?;
        parts.push(match word {
            "{body" => request.body.ok_or(SignError::NeedsBody)?,
            "{timestamp" => timestamp.as_bytes(),
            "{method" => request.target.method.as_bytes(),
            "{path" => path.as_bytes(),
            _ => return Err(SignError::Order),
        });
        rest = after;
    }
    parts.push(rest.as_bytes());
    Ok(parts)
}
