//! Signed tokens (RFC 7519) that say who asks: as bearer of a request (GitHub Apps, Google's service accounts), or as the client's
//! assertion in a request for a token (RFC 7523).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::{Moment, SignError, sensitive};

/// Longest life of a token, in seconds.
pub const LIFE_MAX_S: u32 = 3600;
/// How far the issue time is set back for clocks that are behind, in seconds.
const SKEW_S: i64 = 30;

/// The algorithm (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSA with PKCS#1 v1.5 and SHA-256; of 2048 bits at least.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// What the token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtSpec {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Who says it.
    pub issuer: String,
    /// About whom.
    #[serde(default)]
    pub subject: Option<String>,
    /// To whom.
    #[serde(default)]
    pub audience: Option<String>,
    /// The rights that are asked for.
    #[serde(default)]
    pub scope: Option<String>,
    /// Which of the issuer's keys.
    #[serde(default)]
    pub key_id: Option<String>,
    /// How long it is good, in seconds, at most [`LIFE_MAX_S`].
    pub life_s: u32,
}

pub(super) fn headers(spec: &JwtSpec, key: &[u8], moment: &Moment<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    let token = token(spec, key, moment)?;
    Ok(vec![(AUTHORIZATION, sensitive(Zeroizing::new(format!("Bearer {}", token.as_str())))?)])
}

/// The token.
///
/// # Errors
///
/// [`SignError::Key`] when the key is none of the algorithm, [`SignError::Order`] when it would live too long.
pub fn token(spec: &JwtSpec, key: &[u8], moment: &Moment<'_>) -> Result<Zeroizing<String>, SignError> {
    if spec.life_s == 0 || spec.life_s > LIFE_MAX_S {
        return Err(SignError::Order);
    }
    let mut header = json!({ "alg": spec.algorithm, "typ": "JWT" });
    let now = moment.now.as_second();
    let mut claims = json!({
        "iss": spec.issuer,
        "iat": now.saturating_sub(SKEW_S),
        "exp": now.saturating_add(i64::from(spec.life_s)).saturating_sub(SKEW_S),
        "jti": moment.nonce,
    });
    set(&mut header, "kid", spec.key_id.as_ref());
    set(&mut claims, "sub", spec.subject.as_ref());
    set(&mut claims, "aud", spec.audience.as_ref());
    set(&mut claims, "scope", spec.scope.as_ref());
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = signature(spec.algorithm, key, input.as_bytes(), moment.random)?;
    Ok(Zeroizing::new(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

fn set(object: &mut serde_json::Value, name: &str, value: Option<&String>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(name.to_owned(), value.as_str().into());
    }
}

/// The signature of some bytes (RFC 7515 section 5.1), as it stands in a token before its encoding.
///
/// # Errors
///
/// [`SignError::Key`].
pub fn signature(algorithm: Algorithm, key: &[u8], message: &[u8], random: &dyn SecureRandom) -> Result<Vec<u8>, SignError> {
    let key = Key::read(key)?;
    match algorithm {
        Algorithm::Rs256 => {
            let pair =
                if key.pkcs1 { RsaKeyPair::from_der(&key.der) } else { RsaKeyPair::from_pkcs8(&key.der) }.map_err(|_| SignError::Key)?;
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, random, message, &mut signature).map_err(|_| SignError::Key)?;
            Ok(signature)
        }
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.der, random).map_err(|_| SignError::Key)?;
            Ok(pair.sign(random, message).map_err(|_| SignError::Key)?.as_ref().to_vec())
        }
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key.der).map_err(|_| SignError::Key)?;
            Ok(pair.sign(message).as_ref().to_vec())
        }
    }
}

/// A private key as DER.
struct Key {
    der: Zeroizing<Vec<u8>>,
    pkcs1: bool,
}

impl Key {
    /// From PEM (RFC 7468) or from DER itself, which is PKCS#8.
    fn read(bytes: &[u8]) -> Result<Self, SignError> {
        let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN ")) else {
            return Ok(Self { der: Zeroizing::new(bytes.to_vec()), pkcs1: false });
        };
        let pkcs1 = text.contains("-----BEGIN RSA PRIVATE KEY-----");
        let kind = if pkcs1 { "RSA PRIVATE KEY" } else { "PRIVATE KEY" };
        let (_, rest) = text.split_once(&format!("-----BEGIN {kind}-----")).ok_or(SignError::Key)?;
        let (body, _) = rest.split_once(&format!("-----END {kind}-----")).ok_or(SignError::Key)?;
        let mut plain = Zeroizing::new(Vec::with_capacity(body.len()));
        plain.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        let der = STANDARD.decode(plain.as_slice()).map_err(|_| SignError::Key)?;
        Ok(Self { der: Zeroizing::new(der), pkcs1 })
    }
}
