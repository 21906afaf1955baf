//! OAuth 1.0a with HMAC-SHA1 (RFC 5849), in the `Authorization` header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_domain::secret::SecretName;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Moment, SignError, ToSign, hmac_sha1, sensitive};
use crate::policy::percent;
use crate::policy::target::Target;

/// Who asks, in OAuth's terms. The key is the consumer's secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth1Spec {
    /// The client's identifier.
    pub consumer_key: String,
    /// The token, once there is one.
    #[serde(default)]
    pub token: Option<Token>,
    /// Further `oauth_` parameters of the flow: `oauth_callback`, `oauth_verifier`, `oauth_version`.
    #[serde(default)]
    pub more: Vec<(String, String)>,
}

/// A token: its public half, and where the other one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The token.
    pub token: String,
    /// The secret that belongs to it.
    pub secret: SecretName,
}

/// The headers of this signature.
pub(super) fn headers(
    spec: &OAuth1Spec,
    consumer_secret: &[u8],
    token_secret: Option<&[u8]>,
    request: &ToSign<'_>,
    moment: &Moment<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    let mut own: Vec<(String, String)> = spec.more.clone();
    if own.iter().any(|(name, _)| !matches!(name.as_str(), "oauth_callback" | "oauth_verifier" | "oauth_version")) {
        return Err(SignError::Field);
    }
    own.push(("oauth_consumer_key".to_owned(), spec.consumer_key.clone()));
    own.push(("oauth_signature_method".to_owned(), "HMAC-SHA1".to_owned()));
    own.push(("oauth_timestamp".to_owned(), moment.now.as_second().to_string()));
    own.push(("oauth_nonce".to_owned(), moment.nonce.to_owned()));
    own.extend(spec.token.as_ref().map(|token| ("oauth_token".to_owned(), token.token.clone())));
    let base = base_string(request, &own)?;
    let mut key = percent::encode(consumer_secret);
    key.push(b'&');
    let second = percent::encode(token_secret.unwrap_or_default());
    let signature = STANDARD.encode(hmac_sha1(&Zeroizing::new([key.as_slice(), second.as_slice()].concat()), &[base.as_bytes()])?);
    own.push(("oauth_signature".to_owned(), signature));
    let text: Vec<_> = own.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    Ok(vec![(AUTHORIZATION, sensitive(Zeroizing::new(format!("OAuth {}", text.join(", "))))?)])
}

/// RFC 5849 section 3.4.1.
fn base_string(request: &ToSign<'_>, own: &[(String, String)]) -> Result<String, SignError> {
    let mut all: Vec<(String, String)> = own.iter().map(|(name, value)| (escaped(name), escaped(value))).collect();
    let form = request.headers.get(CONTENT_TYPE).is_some_and(|kind| {
        kind.to_str().is_ok_and(|kind| {
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
        })
    });
    let body = if form { request.body.ok_or(SignError::NeedsBody)? } else { &[] };
    for pairs in [request.target.query.as_deref().unwrap_or_default().as_bytes(), body] {
        all.extend(url::form_urlencoded::parse(pairs).map(|(name, value)| (escaped(&name), escaped(&value))));
    }
    all.sort();
    let parameters = all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let Target { method, path, .. } = request.target;
    Ok(format!("{method}&{}&{}", escaped(&format!("{}{path}", request.target.origin())), escaped(&parameters)))
}

fn escaped(text: &str) -> String {
    String::from_utf8_lossy(&percent::encode(text.as_bytes())).into_owned()
}
