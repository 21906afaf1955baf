//! OAuth 2: what the flows send and receive (RFC 6749, RFC 7636, RFC 7523), as pure functions. Nothing here opens a connection; the
//! token's address is a target like any other, decided on by the policy of the client's secret.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hearth_domain::error::{Class, Classified};
use http::header::HeaderValue;
use http::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::SignError;
use crate::policy::percent;
use crate::policy::target::Target;

/// Longest answer of a token's address that is read, in bytes.
pub const ANSWER_MAX: usize = 64 * 1024;
/// Longest life of a token that is believed, in seconds.
pub const LIFE_MAX_S: u64 = 10 * 366 * 24 * 3600;
/// What a client's assertion is called in a request (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The proof that whoever redeems a code is who asked for it (RFC 7636).
#[derive(Debug)]
pub struct Pkce {
    verifier: SecretString,
}

impl Pkce {
    /// From 32 bytes of chance (section 4.1).
    #[must_use]
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self { verifier: SecretString::from(URL_SAFE_NO_PAD.encode(bytes)) }
    }

    /// The verifier, to be kept until the code is there.
    #[must_use]
    pub const fn verifier(&self) -> &SecretString {
        &self.verifier
    }

    /// The challenge of method `S256` (section 4.2).
    #[must_use]
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.expose_secret().as_bytes()))
    }
}

/// How a client proves who it is at the token's address.
#[derive(Debug)]
pub enum ClientProof<'a> {
    /// Not at all: a public client, with [`Pkce`].
    None,
    /// Identifier and secret as `Basic` (RFC 6749 section 2.3.1).
    Basic(&'a SecretString),
    /// The secret in the form.
    Form(&'a SecretString),
    /// A signed token of [`super::jwt`] (RFC 7523).
    Assertion(&'a str),
}

/// A client.
#[derive(Debug)]
pub struct Client<'a> {
    /// Its identifier.
    pub id: &'a str,
    /// Its proof.
    pub proof: ClientProof<'a>,
}

/// A request to a token's address: POST, `application/x-www-form-urlencoded`, `Accept: application/json`.
pub struct TokenRequest {
    /// The `Authorization` header, where the client has one.
    pub authorization: Option<HeaderValue>,
    /// The form.
    pub body: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRequest").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Why a flow does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The address of the authorization server.
    #[error("the authorization server's address is no public https address without a fragment")]
    Endpoint,
    /// The answer belongs to another question.
    #[error("the answer of the authorization server does not belong to this login: begin it again")]
    State,
    /// The person or server said no.
    #[error("the authorization server did not agree to the login: begin it again, and agree there")]
    NotGranted,
    /// `invalid_grant`: the code or refresh token is used up, revoked or too old.
    #[error("the login at the provider has ended: log in again")]
    Grant,
    /// `invalid_client`, `unauthorized_client`.
    #[error("the provider does not accept the client's identifier or secret: check both")]
    Client,
    /// `invalid_scope`.
    #[error("the provider does not give the rights that were asked for")]
    Scope,
    /// Anything else that it refuses.
    #[error("the provider refused the request for a token")]
    Refused,
    /// The provider is overloaded or broken.
    #[error("the provider has no answer right now: try again later")]
    Unavailable,
    /// The address of tokens sends on to another.
    #[error("the provider's address for tokens sends on to another one, which is not followed: enter the address that answers")]
    Redirect,
    /// The answer is none.
    #[error("the provider's answer is no token that can be used")]
    Answer,
}

impl Classified for OAuthError {
    fn class(&self) -> Class {
        match self {
            Self::Unavailable => Class::Transient,
            Self::State => Class::Denied,
            Self::Endpoint | Self::NotGranted | Self::Grant | Self::Client | Self::Scope | Self::Refused => Class::Permanent,
            Self::Redirect | Self::Answer => Class::Permanent,
        }
    }
}

/// The address at which a person agrees (RFC 6749 section 4.1.1). `state` is fresh chance, kept with the [`Pkce`] for
/// [`code_of`].
///
/// # Errors
///
/// [`OAuthError::Endpoint`].
pub fn authorize_url(
    endpoint: &str,
    client: &str,
    redirect_uri: &str,
    scope: &str,
    state: &str,
    pkce: &Pkce,
) -> Result<String, OAuthError> {
    let target = Target::of_url(&Method::GET, endpoint).map_err(|_| OAuthError::Endpoint)?;
    if target.check_public().is_err() || !endpoint.starts_with("https://") {
        return Err(OAuthError::Endpoint);
    }
    Ok(authorize_url_at(&target, client, redirect_uri, scope, state, pkce))
}

/// The same, for an address that was judged before.
#[must_use]
pub fn authorize_url_at(target: &Target, client: &str, redirect_uri: &str, scope: &str, state: &str, pkce: &Pkce) -> String {
    let challenge = pkce.challenge();
    let form = form(&[
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect_uri),
        ("scope", scope),
        ("state", state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let join = if target.query.is_some() { '&' } else { '?' };
    format!("{}{join}{}", target.url(), String::from_utf8_lossy(&form))
}

/// The code of an answer (RFC 6749 section 4.1.2): the query of the address that the person was sent back to.
///
/// # Errors
///
/// [`OAuthError::State`] when it belongs to another login, [`OAuthError::NotGranted`] when there is no code.
pub fn code_of(query: &str, state: &str) -> Result<SecretString, OAuthError> {
    let one = |wanted: &str| {
        let mut values = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
        let first = values.next().map(|(_, value)| value.into_owned());
        // A parameter that is there twice can be read in two ways.
        if values.next().is_some() { None } else { first }
    };
    let given = one("state").unwrap_or_default();
    if state.is_empty() || !bool::from(given.as_bytes().ct_eq(state.as_bytes())) {
        return Err(OAuthError::State);
    }
    match (one("error"), one("code")) {
        (None, Some(code)) if !code.is_empty() => Ok(SecretString::from(code)),
        _ => Err(OAuthError::NotGranted),
    }
}

/// The request that redeems a code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
///
/// # Errors
///
/// [`SignError::Field`] when the client's identifier or secret cannot stand in a header.
pub fn exchange(client: &Client<'_>, code: &SecretString, redirect_uri: &str, pkce: &Pkce) -> Result<TokenRequest, SignError> {
    let verifier = pkce.verifier.expose_secret();
    let own =
        [("grant_type", "authorization_code"), ("code", code.expose_secret()), ("redirect_uri", redirect_uri), ("code_verifier", verifier)];
    request(client, &own)
}

/// The request for a new access token (RFC 6749 section 6).
///
/// # Errors
///
/// As [`exchange`].
pub fn refresh(client: &Client<'_>, refresh_token: &SecretString) -> Result<TokenRequest, SignError> {
    request(client, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())])
}

fn request(client: &Client<'_>, own: &[(&str, &str)]) -> Result<TokenRequest, SignError> {
    let mut pairs = own.to_vec();
    let mut authorization = None;
    match client.proof {
        ClientProof::None => pairs.push(("client_id", client.id)),
        ClientProof::Basic(secret) => authorization = Some(basic(client.id, secret)?),
        ClientProof::Form(secret) => pairs.extend([("client_id", client.id), ("client_secret", secret.expose_secret())]),
        ClientProof::Assertion(token) => {
            pairs.extend([("client_id", client.id), ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", token)]);
        }
    }
    Ok(TokenRequest { authorization, body: form(&pairs) })
}

/// Both halves are encoded as in a form before they are joined (RFC 6749 section 2.3.1).
fn basic(id: &str, secret: &SecretString) -> Result<HeaderValue, SignError> {
    let mut pair = Zeroizing::new([percent::encode(id.as_bytes()).as_slice(), b":"].concat());
    let secret = percent::encode(secret.expose_secret().as_bytes());
    pair = Zeroizing::new([pair.as_slice(), secret.as_slice()].concat());
    let encoded = Zeroizing::new(STANDARD.encode(pair.as_slice()));
    super::sensitive(Zeroizing::new(format!("Basic {}", encoded.as_str())))
}

/// A form, made in one buffer.
fn form(pairs: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let parts: Vec<_> = pairs.iter().map(|(name, value)| (percent::encode(name.as_bytes()), percent::encode(value.as_bytes()))).collect();
    let size = parts.iter().map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(2)).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    for (name, value) in &parts {
        if !out.is_empty() {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
    out
}

/// What a token's address gave.
#[derive(Debug)]
pub struct Tokens {
    /// The access token.
    pub access: SecretString,
    /// The refresh token; where there is none, the old one stays good.
    pub refresh: Option<SecretString>,
    /// Until when the access token is good, where that was said.
    pub until: Option<jiff::Timestamp>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "hidden")]
    access_token: Option<SecretString>,
    #[serde(default, deserialize_with = "hidden")]
    refresh_token: Option<SecretString>,
    token_type: Option<String>,
    expires_in: Option<Seconds>,
    error: Option<String>,
}

/// Zeroed from here on, also when the rest cannot be read.
fn hidden<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(SecretString::from))
}

/// Some providers write numbers as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

/// Reads the answer of a token's address (RFC 6749 sections 5.1 and 5.2). What it says in words is not passed on.
///
/// # Errors
///
/// What the provider refused, or that it is no answer.
pub fn tokens(status: StatusCode, body: &[u8], now: jiff::Timestamp) -> Result<Tokens, OAuthError> {
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(OAuthError::Unavailable);
    }
    if status.is_redirection() {
        return Err(OAuthError::Redirect);
    }
    let answer = if body.len() > ANSWER_MAX { None } else { serde_json::from_slice::<Answer>(body).ok() };
    let Some(answer) = answer else {
        return Err(if status.is_success() { OAuthError::Answer } else { OAuthError::Refused });
    };
    let (access, refresh) = (answer.access_token, answer.refresh_token.filter(|token| !token.expose_secret().is_empty()));
    // Some providers report errors with a status of success.
    if let Some(error) = answer.error.as_deref().filter(|error| !error.is_empty()) {
        return Err(refused(error));
    }
    if !status.is_success() {
        return Err(OAuthError::Refused);
    }
    // Slack calls its bearer tokens by their holder.
    let bearer = |kind: &str| ["bearer", "bot", "user"].iter().any(|known| kind.eq_ignore_ascii_case(known));
    if !answer.token_type.as_deref().is_none_or(bearer) {
        return Err(OAuthError::Answer);
    }
    let access = access.filter(|token| usable(token.expose_secret())).ok_or(OAuthError::Answer)?;
    Ok(Tokens { access, refresh, until: answer.expires_in.and_then(|seconds| until(&seconds, now)) })
}

/// RFC 6750 section 2.1: what can stand behind `Bearer`.
fn usable(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn refused(error: &str) -> OAuthError {
    match error {
        "invalid_grant" => OAuthError::Grant,
        "invalid_client" | "unauthorized_client" => OAuthError::Client,
        "invalid_scope" => OAuthError::Scope,
        "temporarily_unavailable" | "slow_down" => OAuthError::Unavailable,
        _ => OAuthError::Refused,
    }
}

fn until(seconds: &Seconds, now: jiff::Timestamp) -> Option<jiff::Timestamp> {
    let seconds = match seconds {
        Seconds::Number(number) => number.trunc().to_string().parse::<u64>().ok()?,
        Seconds::Text(text) => text.parse().ok()?,
    };
    // None at all is what some say of a token that does not end; one that is over when it comes would be renewed at every use.
    let seconds = Some(seconds.min(LIFE_MAX_S)).filter(|seconds| *seconds > 0)?;
    now.checked_add(jiff::SignedDuration::from_secs(i64::try_from(seconds).ok()?)).ok()
}
