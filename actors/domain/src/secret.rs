//! Secrets as the house knows them: names, who may use one for what, sealed records. Never a value.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::household::MemberId;
use crate::ids::SecretId;

/// Longest name of a secret, in bytes.
pub const NAME_MAX: usize = 63;

/// The name of a secret within its household: lower-case letters, digits and hyphens, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// A name that no secret can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret's name has 1 to {NAME_MAX} lower-case letters, digits and hyphens, and begins with a letter or digit")]
pub struct NameError;

impl SecretName {
    /// The name of that text.
    ///
    /// # Errors
    ///
    /// When it holds anything else than lower-case ASCII letters, digits and inner hyphens, or is too long.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let fits = (1..=NAME_MAX).contains(&text.len()) && !text.starts_with('-');
        let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits && plain { Ok(Self(text.to_owned())) } else { Err(NameError) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the journal calls the secret: the same for the same name, and nothing that a person wrote. Not the id of its row, for the vault
    /// tells uses by names.
    #[must_use]
    pub fn pseudonym(&self) -> String {
        SecretId::derived(&["name", &self.0]).to_string()
    }

    /// What stands for the secret's value in a request. URL-safe, and untouched by form, JSON and query encoders.
    #[must_use]
    pub fn placeholder(&self) -> String {
        format!("{PLACEHOLDER_BEGIN}{}{PLACEHOLDER_END}", self.0)
    }
}

/// How a placeholder begins; the name and [`PLACEHOLDER_END`] follow.
pub const PLACEHOLDER_BEGIN: &str = "hearth_secret_";
/// How a placeholder ends. No name holds it.
pub const PLACEHOLDER_END: &str = "_";

impl std::fmt::Display for SecretName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SecretName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

/// Who uses a secret: a part of the house, by kind and name. Shown as `provider/anthropic`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Principal {
    /// A model provider, by its name in the configuration.
    Provider(String),
    /// A channel, by its name.
    Channel(String),
    /// A tool, by its name, which may have a namespace and a slash before it.
    Tool(String),
}

/// A text that names no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a user of secrets: write provider/NAME, channel/NAME or tool/NAME")]
pub struct PrincipalError;

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Provider(name) => write!(f, "provider/{name}"),
            Self::Channel(name) => write!(f, "channel/{name}"),
            Self::Tool(name) => write!(f, "tool/{name}"),
        }
    }
}

impl std::str::FromStr for Principal {
    type Err = PrincipalError;
    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        let (kind, name) = text.split_once('/').ok_or(PrincipalError)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        // A tool's name has its author's before it: `tool/hearth/weather`.
        let (space, last) = name.split_once('/').filter(|_| kind == "tool").map_or((None, name), |(space, last)| (Some(space), last));
        let fits = |part: &str| !part.is_empty() && part.bytes().all(plain);
        if name.len() > NAME_MAX || !fits(last) || !space.is_none_or(fits) {
            return Err(PrincipalError);
        }
        match kind {
            "provider" => Ok(Self::Provider(name.to_owned())),
            "channel" => Ok(Self::Channel(name.to_owned())),
            "tool" => Ok(Self::Tool(name.to_owned())),
            _ => Err(PrincipalError),
        }
    }
}

/// How a request reaches its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// TLS.
    Https,
    /// Plain text: for a host of the LAN that the owner named, and nothing else.
    Http,
}

/// Where in a request a secret may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// In the value of a header.
    Header,
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a JSON or form body, or in a message of a WebSocket. A model's prompt is a body, too: what is put in there can be
    /// said back, so that no rule has this by itself.
    Body,
    /// Nowhere: it signs the request and stays in the vault.
    Signature,
}

impl Slot {
    /// What a rule has that names no slots.
    #[must_use]
    pub fn usual() -> BTreeSet<Self> {
        BTreeSet::from([Self::Header])
    }
}

/// One place where a secret may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRule {
    /// How.
    pub scheme: Scheme,
    /// The exact host: a name in lower-case ASCII (IDNA applied, no trailing dot) or an address as `url` prints it.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Methods, in upper case.
    pub methods: BTreeSet<String>,
    /// The path: literal segments, `*` for exactly one segment, and `**` at the end for any rest.
    /// Matched on the normalised path that is sent.
    pub path: String,
    /// Where in the request the secret may stand.
    #[serde(default = "Slot::usual")]
    pub slots: BTreeSet<Slot>,
    /// The owner named this host of the LAN: private addresses are allowed for it.
    #[serde(default)]
    pub lan: bool,
    /// PEM of the authority that signs a LAN host's certificate; the system's authorities otherwise.
    #[serde(default)]
    pub authority: Option<String>,
}

/// How often a secret may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Uses within the window.
    pub uses: u32,
    /// The window, in seconds.
    pub window_s: u32,
}

/// What a secret may be used for. Sealed in the same envelope as the value, so that only the vault changes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretPolicy {
    /// Who may use it.
    pub users: BTreeSet<Principal>,
    /// For whom; `None` for everybody.
    #[serde(default)]
    pub members: Option<BTreeSet<MemberId>>,
    /// Where it may be sent.
    pub targets: Vec<TargetRule>,
    /// How often; `None` for no limit.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Most bytes of one request that carries it, body included.
    pub bytes_out_max: u64,
    /// Until when; `None` for no end.
    #[serde(default)]
    pub until: Option<jiff::Timestamp>,
    /// A decoy: it is never sent, and an attempt to use it raises an alarm.
    #[serde(default)]
    pub canary: bool,
}

/// A secret at rest. The house stores it; only the vault can open it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedRecord {
    /// Which secret.
    pub id: SecretId,
    /// Whose it is.
    pub owner: MemberId,
    /// Its name. Bound inside the envelope, as is all of this.
    pub name: SecretName,
    /// Which version of it, from 1.
    pub version: u32,
    /// The envelope: format, nonces, wrapped data key, ciphertext of value and policy.
    #[serde(with = "envelope")]
    pub envelope: Vec<u8>,
}

/// An envelope in a message: hexadecimal digits.
mod envelope {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        hex::decode(text.as_bytes()).map_err(|_| serde::de::Error::custom("not hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_read_back_from_what_it_prints() {
        for text in ["provider/anthropic", "channel/telegram", "tool/weather", "tool/hearth/weather", "tool/a.b/c_d-e"] {
            assert_eq!(text.parse::<Principal>().map(|principal| principal.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_text_that_could_name_two_principals_names_none() {
        let long = format!("tool/{}/{}", "a".repeat(40), "b".repeat(40));
        for text in [
            "tool",
            "tool/",
            "tool//a",
            "tool/a/",
            "tool/a/b/c",
            "tool/a b",
            "tool/a/\u{e9}",
            "provider/a/b",
            "channel/a/b",
            "owner/a",
            &long,
        ] {
            assert_eq!(text.parse::<Principal>(), Err(PrincipalError), "{text}");
        }
    }
}
