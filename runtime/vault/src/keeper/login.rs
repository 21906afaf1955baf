//! The sealed value of a secret that its owner signs in for (OAuth 2): all that it takes to renew its access token, and the token.
//!
//! ```text
//! magic (15), format (1), standing (1), how the client proves itself (1), grant (16), since (8), until (8; the least number: not said),
//! then eight texts, each after its length (4): client, its secret, scope, address of authorization, of tokens, of the redirect,
//! refresh token, access token
//! ```
//!
//! Numbers are big-endian; times are seconds of Unix. A placeholder of such a secret means the access token. No value that is entered
//! begins like this one ([`is_login`]), so that none can be taken for it.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::seal::crypto::{Entropy, EntropyError};
use crate::sign::oauth2::{Client, ClientProof, Tokens};

/// Longest text of a login, in bytes: an address, a scope, a token.
pub const TEXT_MAX: usize = 16 * 1024;
/// How long before its end an access token is renewed at most, in seconds.
pub const MARGIN_S: i64 = 60;
/// The part of its life that this is at most.
const MARGIN_PART: i64 = 5;

const MAGIC: &[u8; 15] = b"\0hearth-oauth2\0";
const FORMAT: u8 = 1;
const GRANT_BYTES: usize = 16;
/// Bytes before the texts.
const HEAD_BYTES: usize = MAGIC.len() + 3 + GRANT_BYTES + 16;
const TEXTS: usize = 8;
const NOT_SAID: i64 = i64::MIN;

/// How a client proves at the tokens' address who it is (RFC 6749 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// In the header: what every server has to understand. Without a secret the client only says who it is.
    #[default]
    Basic,
    /// In the form.
    Form,
}

/// Where an owner signs in, and as what.
#[derive(Clone)]
pub struct Provider {
    /// The client's identifier.
    pub client: String,
    /// Its secret, where it has one.
    pub client_secret: Option<SecretString>,
    /// How that is shown.
    pub auth: ClientAuth,
    /// What is asked for: rights, separated by spaces.
    pub scope: String,
    /// Where a person agrees.
    pub authorize: String,
    /// Where codes and refresh tokens are exchanged.
    pub token: String,
    /// Where the person's browser is sent back to.
    pub redirect: String,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("auth", &self.auth).finish_non_exhaustive()
    }
}

impl Provider {
    /// As the flows name it.
    #[must_use]
    pub fn client(&self) -> Client<'_> {
        let proof = match (&self.client_secret, self.auth) {
            (None, _) => ClientProof::None,
            (Some(secret), ClientAuth::Basic) => ClientProof::Basic(secret),
            (Some(secret), ClientAuth::Form) => ClientProof::Form(secret),
        };
        Client { id: &self.client, proof }
    }

    /// Whether all of it can be kept.
    #[must_use]
    pub fn fits(&self) -> bool {
        let secret = self.client_secret.as_ref().map_or("", |secret| secret.expose_secret());
        let texts = [&self.client, secret, &self.scope, &self.authorize, &self.token, &self.redirect];
        let plain = |text: &str| text.len() <= TEXT_MAX && !text.bytes().any(|byte| byte.is_ascii_control());
        !self.client.is_empty() && texts.into_iter().all(plain)
    }
}

/// Whether the provider still renews it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As far as is known.
    Good,
    /// No: its owner has to sign in again.
    Ended,
}

/// One sign-in: the same for all tokens that came from it, and no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant([u8; GRANT_BYTES]);

impl Grant {
    /// A new one.
    ///
    /// # Errors
    ///
    /// Without chance.
    pub fn fresh(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = [0; GRANT_BYTES];
        entropy.fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

/// How an access token stands to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Good for a while, or without a known end.
    Fresh,
    /// Good, and soon not any more.
    Ending,
    /// Over.
    Over,
}

/// A login.
#[derive(Clone)]
pub struct Login {
    /// Where and as what.
    pub provider: Provider,
    /// Which sign-in.
    pub grant: Grant,
    /// Whether it is renewed.
    pub standing: Standing,
    /// When the access token came, in seconds of Unix.
    pub since: i64,
    /// When it ends, in seconds of Unix, where that was said.
    pub until: Option<i64>,
    /// What renews it.
    pub refresh: Option<SecretString>,
    /// What is put in for the placeholder.
    pub access: SecretString,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("standing", &self.standing).finish_non_exhaustive()
    }
}

/// Whether a value is a login, or looks like one.
#[must_use]
pub fn is_login(value: &SecretSlice<u8>) -> bool {
    value.expose_secret().starts_with(MAGIC)
}

impl Login {
    /// What a provider gave at a sign-in.
    #[must_use]
    pub fn new(provider: Provider, grant: Grant, tokens: Tokens, now: Timestamp) -> Self {
        let Tokens { access, refresh, until } = tokens;
        let until = until.map(Timestamp::as_second);
        Self { provider, grant, standing: Standing::Good, since: now.as_second(), until, refresh, access }
    }

    /// The same with what a provider gave when it was renewed. Where there is no new refresh token, the old one stays (RFC 6749 section 6).
    #[must_use]
    pub fn renewed(&self, tokens: Tokens, now: Timestamp) -> Self {
        let refresh = tokens.refresh.clone().or_else(|| self.refresh.clone());
        Self { refresh, ..Self::new(self.provider.clone(), self.grant, tokens, now) }
    }

    /// The same, after the provider said that it is over.
    #[must_use]
    pub fn ended(&self) -> Self {
        Self { standing: Standing::Ended, ..self.clone() }
    }

    /// How the access token stands.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Age {
        let Some(until) = self.until else { return Age::Fresh };
        let left = until.saturating_sub(now.as_second());
        let life = until.saturating_sub(self.since).max(0);
        if left <= 0 {
            Age::Over
        } else if left <= MARGIN_S.min(life / MARGIN_PART) {
            Age::Ending
        } else {
            Age::Fresh
        }
    }

    /// Whether nothing but its owner makes it good again, now that the token is over.
    #[must_use]
    pub fn needs_owner(&self) -> bool {
        self.standing == Standing::Ended || self.refresh.is_none()
    }

    /// What nobody is to see of it: the access token first.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretString> {
        std::iter::once(&self.access).chain(&self.refresh).chain(&self.provider.client_secret).collect()
    }

    /// As it is sealed; `None` when a text is too long.
    #[must_use]
    pub fn value(&self) -> Option<SecretSlice<u8>> {
        let Provider { client, client_secret, auth, scope, authorize, token, redirect } = &self.provider;
        let secret = client_secret.as_ref().map_or("", |secret| secret.expose_secret());
        let refresh = self.refresh.as_ref().map_or("", |refresh| refresh.expose_secret());
        let texts: [&str; TEXTS] = [client, secret, scope, authorize, token, redirect, refresh, self.access.expose_secret()];
        if texts.iter().any(|text| text.len() > TEXT_MAX) {
            return None;
        }
        let size = texts.iter().fold(HEAD_BYTES, |size, text| size.saturating_add(4).saturating_add(text.len()));
        // All of it at once: a buffer that grew would leave tokens behind where it was.
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        bytes.extend_from_slice(MAGIC);
        bytes.push(FORMAT);
        bytes.push(u8::from(self.standing == Standing::Ended));
        bytes.push(u8::from(*auth == ClientAuth::Form));
        bytes.extend_from_slice(&self.grant.0);
        bytes.extend_from_slice(&self.since.to_be_bytes());
        bytes.extend_from_slice(&self.until.unwrap_or(NOT_SAID).to_be_bytes());
        for text in texts {
            bytes.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        Some(SecretSlice::from(std::mem::take(&mut *bytes)))
    }

    /// Reads what [`Self::value`] wrote; `None` for anything else.
    #[must_use]
    pub fn read(value: &SecretSlice<u8>) -> Option<Self> {
        let (magic, rest) = value.expose_secret().split_first_chunk::<15>()?;
        let ([format, standing, auth], rest) = rest.split_first_chunk::<3>()?;
        let (grant, rest) = rest.split_first_chunk::<GRANT_BYTES>()?;
        let (since, rest) = rest.split_first_chunk::<8>()?;
        let (until, mut rest) = rest.split_first_chunk::<8>()?;
        if magic != MAGIC || *format != FORMAT {
            return None;
        }
        let mut text = || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (text, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
            rest = after;
            std::str::from_utf8(text).ok()
        };
        let (client, secret, scope, authorize) = (text()?, text()?, text()?, text()?);
        let (token, redirect, refresh, access) = (text()?, text()?, text()?, text()?);
        let hidden = |text: &str| (!text.is_empty()).then(|| SecretString::from(text));
        let provider = Provider {
            client: client.to_owned(),
            client_secret: hidden(secret),
            auth: if *auth == 0 { ClientAuth::Basic } else { ClientAuth::Form },
            scope: scope.to_owned(),
            authorize: authorize.to_owned(),
            token: token.to_owned(),
            redirect: redirect.to_owned(),
        };
        let login = Self {
            provider,
            grant: Grant(*grant),
            standing: if *standing == 0 { Standing::Good } else { Standing::Ended },
            since: i64::from_be_bytes(*since),
            until: Some(i64::from_be_bytes(*until)).filter(|until| *until != NOT_SAID),
            refresh: hidden(refresh),
            access: SecretString::from(access),
        };
        rest.is_empty().then_some(login)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn login(secret: Option<&str>, refresh: Option<&str>, access: &str, until: Option<i64>) -> Login {
        let provider = Provider {
            client: "c".into(),
            client_secret: secret.map(SecretString::from),
            auth: ClientAuth::Form,
            scope: "a b".into(),
            authorize: "https://a.example/".into(),
            token: "https://t.example/".into(),
            redirect: "http://127.0.0.1:1/".into(),
        };
        let (refresh, access) = (refresh.map(SecretString::from), SecretString::from(access));
        Login { provider, grant: Grant([7; 16]), standing: Standing::Ended, since: 1_000, until, refresh, access }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_renewed_before_its_end_and_a_short_one_later() {
        let long = login(None, None, "a", Some(4_600));
        assert_eq!([4_539, 4_540, 4_599, 4_600].map(|now| long.age(at(now))), [Age::Fresh, Age::Ending, Age::Ending, Age::Over]);
        let short = login(None, None, "a", Some(1_030));
        assert_eq!([1_023, 1_024, 1_030].map(|now| short.age(at(now))), [Age::Fresh, Age::Ending, Age::Over]);
        assert_eq!(login(None, None, "a", None).age(at(i64::from(i32::MAX))), Age::Fresh);
    }

    #[test]
    fn a_refresh_token_that_is_not_replaced_stays() {
        let tokens = |refresh: Option<&str>| Tokens { access: "n".into(), refresh: refresh.map(SecretString::from), until: None };
        let before = login(None, Some("r"), "a", None);
        let refresh = |login: Login| login.refresh.unwrap().expose_secret().to_owned();
        assert_eq!(
            (refresh(before.renewed(tokens(None), at(0))), refresh(before.renewed(tokens(Some("s")), at(0)))),
            ("r".into(), "s".into())
        );
        assert_eq!(before.renewed(tokens(None), at(0)).standing, Standing::Good);
    }

    proptest! {
        #[test]
        fn a_login_is_read_back_as_it_was(
            secret in prop::option::of("[ -~é]{1,40}"),
            refresh in prop::option::of("[!-~]{1,40}"),
            access in "[!-~]{1,40}",
            until in prop::option::of(0_i64..9_000_000_000),
        ) {
            let before = login(secret.as_deref(), refresh.as_deref(), &access, until);
            let value = before.value().unwrap();
            prop_assert!(is_login(&value));
            let after = Login::read(&value).unwrap();
            let all = |login: &Login| login.secrets().iter().map(|secret| secret.expose_secret().to_owned()).collect::<Vec<_>>();
            prop_assert_eq!(all(&before), all(&after));
            prop_assert_eq!((before.until, before.since, before.grant, before.standing), (after.until, after.since, after.grant, after.standing));
            let again = after.value().unwrap();
            prop_assert_eq!(again.expose_secret(), value.expose_secret());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), begin in any::<bool>()) {
            let bytes = if begin { [MAGIC.as_slice(), &[FORMAT], &bytes].concat() } else { bytes };
            let _ = Login::read(&SecretSlice::from(bytes));
        }
    }
}
