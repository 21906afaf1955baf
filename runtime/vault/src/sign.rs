//! Signatures that are made here because the key must not leave even as a header.
//!
//! A request orders a signature by the header [`SIGN`](hearth_domain::http::broker::SIGN): the secret's name, a space, and a [`SignSpec`] as JSON. The broker
//! takes the header away, asks the policy of each secret that the order names for [`hearth_domain::secret::Slot::Signature`], and
//! puts the headers of [`sign`] on. What is signed is the request as it is sent, after placeholders were replaced: call it last.
//!
//! | kind | source | key |
//! |---|---|---|
//! | `hmac` | RFC 2104; GitHub, Slack, Stripe and their like | bytes |
//! | `aws_v4` | AWS Signature Version 4 | secret access key |
//! | `o_auth1` | RFC 5849, HMAC-SHA1 | consumer secret, token secret |
//! | `jwt` | RFC 7519, RFC 7523; RS256, ES256, EdDSA | PKCS#8 or PKCS#1, PEM or DER |
//!
//! [`oauth2`] builds and reads what the flows of RFC 6749 and RFC 7636 send.

pub mod aws;
pub mod jwt;
pub mod oauth1;
pub mod oauth2;
pub mod webhook;

use bytes::Bytes;
use hearth_domain::error::{Class, Classified};
use hearth_domain::secret::SecretName;
use hmac::{Hmac, Mac as _};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use ring::rand::SecureRandom;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::policy::placeholder::Values;
use crate::policy::target::Target;

/// Longest order, in bytes.
pub const ORDER_MAX: usize = 4096;

/// How a request is signed. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SignSpec {
    /// A digest in a header.
    Hmac(webhook::HmacSpec),
    /// AWS Signature Version 4.
    AwsV4(aws::AwsSpec),
    /// OAuth 1.0a.
    OAuth1(oauth1::OAuth1Spec),
    /// A signed token as bearer.
    Jwt(jwt::JwtSpec),
}

/// What a request orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOrder {
    /// The key.
    pub secret: SecretName,
    /// How.
    pub spec: SignSpec,
}

impl SignOrder {
    /// The order of a header's value.
    ///
    /// # Errors
    ///
    /// [`SignError::Order`].
    pub fn parse(text: &str) -> Result<Self, SignError> {
        let (name, spec) = text.split_once(' ').ok_or(SignError::Order)?;
        if text.len() > ORDER_MAX {
            return Err(SignError::Order);
        }
        let secret = SecretName::new(name).map_err(|_| SignError::Order)?;
        Ok(Self { secret, spec: serde_json::from_str(spec).map_err(|_| SignError::Order)? })
    }

    /// The order as a header's value.
    ///
    /// # Errors
    ///
    /// [`SignError::Order`] when it cannot be written.
    pub fn text(&self) -> Result<String, SignError> {
        Ok(format!("{} {}", self.secret, serde_json::to_string(&self.spec).map_err(|_| SignError::Order)?))
    }

    /// The secrets whose policies have to allow it.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretName> {
        let second = match &self.spec {
            SignSpec::OAuth1(spec) => spec.token.as_ref().map(|token| &token.secret),
            SignSpec::Hmac(_) | SignSpec::AwsV4(_) | SignSpec::Jwt(_) => None,
        };
        std::iter::once(&self.secret).chain(second).collect()
    }

    /// Whether the signature covers the body, so that all of it has to be there first.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        match &self.spec {
            SignSpec::Hmac(spec) => spec.over.contains("{body}"),
            // S3 takes an unsigned body over TLS.
            SignSpec::AwsV4(spec) => spec.service != aws::S3,
            SignSpec::OAuth1(_) => true,
            SignSpec::Jwt(_) => false,
        }
    }
}

/// The request as it will be sent.
#[derive(Debug, Clone, Copy)]
pub struct ToSign<'a> {
    /// Where it goes.
    pub target: &'a Target,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, all of it; `None` when it streams and is not covered.
    pub body: Option<&'a [u8]>,
}

/// Time and chance of one signature.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The wall clock.
    pub now: jiff::Timestamp,
    /// A fresh text for this request, of letters and digits.
    pub nonce: &'a str,
    /// Chance for the algorithms that need it.
    pub random: &'a dyn SecureRandom,
}

impl std::fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moment").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Why nothing is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The order cannot be read.
    #[error("the order for a signature is no secret's name followed by a known kind with its fields")]
    Order,
    /// No key.
    #[error("the key for the signature is not known or was not allowed for this request")]
    Unknown,
    /// The key is of another kind.
    #[error("the secret is no key for this signature; enter the right one with `hearth secret rotate`")]
    Key,
    /// The body is needed as a whole.
    #[error("this signature covers the body, which has to be sent with its length and be within the limit")]
    NeedsBody,
    /// A field of the order cannot be put in a header.
    #[error("a field of the order for a signature does not fit into a header")]
    Field,
}

impl Classified for SignError {
    fn class(&self) -> Class {
        match self {
            Self::Unknown => Class::Denied,
            Self::Order | Self::Key | Self::NeedsBody | Self::Field => Class::Permanent,
        }
    }
}

/// The headers that sign a request. They replace those of the same names.
///
/// # Errors
///
/// When the order, the key or the request does not fit.
pub fn sign(
    order: &SignOrder,
    keys: &impl Values,
    request: &ToSign<'_>,
    moment: &Moment<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    let key = |name| match keys.value(name).map(|value| value.expose_secret()) {
        None => Err(SignError::Unknown),
        Some([]) => Err(SignError::Key),
        Some(key) => Ok(key),
    };
    let main = key(&order.secret)?;
    match &order.spec {
        SignSpec::Hmac(spec) => webhook::headers(spec, main, request, moment),
        SignSpec::AwsV4(spec) => aws::headers(spec, main, request, moment.now),
        SignSpec::OAuth1(spec) => {
            let token = spec.token.as_ref().map(|token| key(&token.secret)).transpose()?;
            oauth1::headers(spec, main, token, request, moment)
        }
        SignSpec::Jwt(spec) => jwt::headers(spec, main, moment),
    }
}

/// HMAC-SHA256 (RFC 2104, RFC 4231).
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, SignError> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).map_err(|_| SignError::Key)?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

/// HMAC-SHA1 (RFC 2104, RFC 2202): for interfaces that know nothing newer.
pub(crate) fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 20], SignError> {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(key).map_err(|_| SignError::Key)?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(mac.finalize().into_bytes().into())
}

fn plain(text: &str) -> Result<HeaderValue, SignError> {
    HeaderValue::from_str(text).map_err(|_| SignError::Field)
}

fn sensitive(text: Zeroizing<String>) -> Result<HeaderValue, SignError> {
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(Owned(text))).map_err(|_| SignError::Field)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Hands a text that zeroes itself over to a header without a copy.
struct Owned(Zeroizing<String>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
