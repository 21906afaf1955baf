//! What an owner's command says to the vault, over the vault's own socket ([`SOCKET`] in the key folder): one frame each way.
//!
//! Secret values travel as hexadecimal digits in a type that shows nothing and zeroes itself. Enums are tagged from the outside: other
//! forms make the parser keep copies. The socket is its user's only, and whoever connects is looked at; both sides do that.

use std::fmt;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use hearth_domain::error::{Class, Classified};
use hearth_domain::household::MemberId;
use hearth_domain::secret::{Principal, Rate, SecretName, SecretPolicy};
use hearth_domain::vault::{MESSAGE_BYTES, SecretInfo};
use hearth_supervisor::process::frame::{self, Assembler, Frame, ReadError, WriteError};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::keeper::Census;
use crate::keeper::change::{Allowance, ChangeError, targets};
use crate::keeper::login::ClientAuth;
use crate::keeper::renew::SignedIn;
use crate::keeper::trouble::Troubled;

/// The socket's name in the key folder.
pub const SOCKET: &str = "admin.sock";
/// How long a command waits for the vault: longer than the house may take to store something, and a passphrase to be computed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes that nobody is shown.
#[derive(Clone)]
pub struct Hidden(SecretSlice<u8>);

impl Hidden {
    /// Hides these bytes; they are moved.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(SecretSlice::from(bytes))
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &SecretSlice<u8> {
        &self.0
    }

    /// The bytes as a text; `None` when they are none.
    #[must_use]
    pub fn text(&self) -> Option<SecretString> {
        std::str::from_utf8(self.0.expose_secret()).ok().map(SecretString::from)
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

impl From<&SecretString> for Hidden {
    fn from(text: &SecretString) -> Self {
        Self::new(text.expose_secret().as_bytes().to_vec())
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let digits = Zeroizing::new(hex::encode(self.0.expose_secret()));
        to.serialize_str(&digits)
    }
}

struct Digits;

impl Visitor<'_> for Digits {
    type Value = Hidden;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hexadecimal digits")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hidden, E> {
        hex::decode(text).map(Hidden::new).map_err(|_| E::custom("not hexadecimal digits"))
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Digits).map_err(|_| D::Error::custom("not hexadecimal digits"))
    }
}

/// That the owner is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The owner's passphrase.
    Passphrase(Hidden),
    /// The recovery key, as it was written down.
    Recovery(Hidden),
}

/// What a command can do about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Ask again with the owner's proof.
    ProofNeeded,
    /// Ask again with the vault's own passphrase.
    PassphraseNeeded,
    /// Show the sentence.
    #[default]
    Other,
}

/// A secret to be added.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// Its name.
    pub name: SecretName,
    /// Whose it is.
    pub owner: MemberId,
    /// Its value. Only a decoy may be without: one is drawn then and told, to be planted somewhere.
    pub value: Option<Hidden>,
    /// Who may use it.
    pub users: Vec<Principal>,
    /// Where it may be sent: rules as `policy::rule` reads them, or `@SERVICE`.
    pub targets: Vec<String>,
    /// PEM of the authority of those targets, for LAN hosts.
    pub authority: Option<String>,
    /// For whom; `None` for everybody.
    pub members: Option<Vec<MemberId>>,
    /// How often.
    pub rate: Option<Rate>,
    /// Most bytes of one request.
    pub bytes_out_max: u64,
    /// Until when.
    pub until: Option<jiff::Timestamp>,
    /// Whether it is a decoy.
    pub canary: bool,
}

impl NewSecret {
    /// The policy that its owner wants.
    pub(crate) fn policy(self) -> Result<SecretPolicy, ChangeError> {
        let Self { name, users, authority, members, rate, bytes_out_max, until, canary, .. } = self;
        let mut targets = targets(&self.targets, &name)?;
        targets.iter_mut().for_each(|target| target.authority.clone_from(&authority));
        let members = members.map(|members| members.into_iter().collect());
        Ok(SecretPolicy { users: users.into_iter().collect(), members, targets, rate, bytes_out_max, until, canary })
    }
}

/// A secret that its owner signs in for (OAuth 2). Its placeholder is filled with the access token, which the vault renews.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSignIn {
    /// Name, owner and policy, without a value. A target has to name the address of the tokens, for POST; `in signature` lets nobody but the
    /// vault use it.
    pub secret: NewSecret,
    /// Where a person agrees: https, or a LAN host that a target names.
    pub authorize: String,
    /// Where codes and refresh tokens are exchanged.
    pub token: String,
    /// The client's identifier.
    pub client: String,
    /// The client's secret, where it has one.
    pub client_secret: Option<Hidden>,
    /// How that is shown.
    #[serde(default)]
    pub auth: ClientAuth,
    /// The rights that are asked for, separated by spaces.
    pub scope: String,
    /// Where the browser is sent back to, as it was registered with the provider.
    pub redirect: String,
}

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminAsk {
    /// Add a secret.
    Add(Box<NewSecret>),
    /// Give one a new value.
    Rotate {
        /// Which.
        name: SecretName,
        /// The new value.
        value: Hidden,
    },
    /// Change a policy.
    Allow {
        /// Whose.
        name: SecretName,
        /// How.
        change: Box<Allowance>,
        /// Needed when it would allow more.
        proof: Option<Proof>,
    },
    /// Show a policy.
    ShowPolicy {
        /// Whose.
        name: SecretName,
    },
    /// Which secrets are there?
    List,
    /// Remove one.
    Revoke {
        /// Which.
        name: SecretName,
    },
    /// Make one request with it. A use like any other.
    Test {
        /// Which.
        name: SecretName,
        /// Where; otherwise its first target.
        url: Option<String>,
        /// In which header; otherwise `authorization`, as bearer.
        header: Option<String>,
    },
    /// Set up a vault that opens by this passphrase, where there is none.
    SetUp {
        /// The passphrase.
        passphrase: Hidden,
    },
    /// Open the vault.
    Unseal {
        /// Its passphrase; for one that opens by itself and was locked, the owner's proof where one is set.
        proof: Option<Proof>,
    },
    /// Seal everything until it is unsealed; a fresh process takes over.
    Lock,
    /// Open a vault whose passphrase is forgotten or whose key is lost.
    Recover {
        /// The recovery key, as it was written down.
        key: Hidden,
        /// The new passphrase of a vault that opens by one.
        new: Option<Hidden>,
    },
    /// What is stored counts from now on: a backup was restored.
    AcceptRestore {
        /// That it is the owner.
        proof: Proof,
    },
    /// A new vault key in place of the present one. Voids the recovery key; the answer is a new kit.
    RotateKey {
        /// That it is the owner.
        proof: Proof,
        /// The vault's present passphrase, where it opens by one.
        passphrase: Option<Hidden>,
    },
    /// A new key for a member, under which all of their records are put. Goes on where it stopped.
    Rekey {
        /// Whose.
        member: MemberId,
    },
    /// Destroy a member's key and remove their records.
    Erase {
        /// Whose.
        member: MemberId,
        /// That it is the owner.
        proof: Proof,
    },
    /// Let an erased member have secrets again.
    Admit {
        /// Whom.
        member: MemberId,
        /// That it is the owner.
        proof: Proof,
    },
    /// Put a passphrase vault under another passphrase. The owner's is another one: [`AdminAsk::SetProof`].
    ChangePassphrase {
        /// That it is the owner.
        proof: Proof,
        /// The vault's new passphrase.
        new: Hidden,
    },
    /// A new recovery key; the one before is void.
    NewRecovery {
        /// That it is the owner.
        proof: Proof,
    },
    /// Remove a record that does not open.
    Forget {
        /// Its id, or the name that is written on it.
        which: String,
    },
    /// Set or change the owner's passphrase.
    SetProof {
        /// The present one; none for the first time.
        old: Option<Proof>,
        /// The new one.
        new: Hidden,
    },
    /// Begin to sign in for a new secret. Answered with [`AdminAnswer::Open`].
    SignIn(Box<NewSignIn>),
    /// Begin to sign in anew for one that is there; its policy, provider and client stay. Answered with [`AdminAnswer::Open`].
    SignInAgain {
        /// Which.
        name: SecretName,
    },
    /// The person has agreed: exchange the code and store what comes of it.
    SignedIn {
        /// Which.
        name: SecretName,
        /// The address that the browser was sent back to, its query, or `code=…&state=…`. It serves once.
        answer: Hidden,
    },
    /// How is it?
    Status,
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminAnswer {
    /// It is done, and durable.
    Done,
    /// Done; this is the decoy's value.
    Planted {
        /// To be put where only an intruder looks.
        value: Hidden,
    },
    /// Done; this is the recovery kit, to be shown once.
    Kit {
        /// A page of text with the key in it.
        text: Hidden,
    },
    /// A policy.
    Policy {
        /// It.
        policy: Box<SecretPolicy>,
        /// Its targets in words.
        targets: Vec<String>,
    },
    /// The secrets.
    Listed {
        /// By name.
        secrets: Vec<SecretInfo>,
        /// Those of them that are signed in for.
        #[serde(default)]
        signed_in: Vec<SignedIn>,
        /// Records that are not used, and why.
        #[serde(default)]
        troubled: Vec<Troubled>,
    },
    /// What is stored counts.
    Restored {
        /// Secrets that can be used.
        usable: usize,
        /// How many of them had been refused before.
        regained: usize,
        /// What still cannot be.
        troubled: Vec<Troubled>,
    },
    /// To be opened in a browser.
    Open {
        /// The address. Nothing in it is secret.
        address: String,
        /// How long the vault waits for what comes back, in seconds.
        seconds: u64,
    },
    /// So many records are under a new key.
    Rewrapped {
        /// How many were put under it this time.
        records: usize,
    },
    /// So many records are gone for good.
    Erased {
        /// How many.
        records: usize,
    },
    /// What a test came to.
    Tested {
        /// The status of the answer.
        status: u16,
        /// The broker's own word, where the answer is not the server's.
        broker: Option<String>,
    },
    /// How it is.
    Status(Census),
    /// It was not done.
    Refused {
        /// What can be done about it.
        class: Class,
        /// What a command can do about it.
        #[serde(default)]
        code: Code,
        /// What, why, what to do.
        sentence: String,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No connection.
    #[error("the vault cannot be reached at its socket; is the house running?")]
    Connect(#[source] io::Error),
    /// Somebody else is there.
    #[error("the vault's socket is served by another user; nothing was sent")]
    Stranger,
    /// Not sent.
    #[error("the vault could not be asked")]
    Write(#[from] WriteError),
    /// Not answered.
    #[error("the vault's answer cannot be read")]
    Read(#[from] ReadError),
    /// It ended, or took too long. A change may have been made.
    #[error("the vault gave no answer; look with `hearth secret list` what it did")]
    NoAnswer,
}

impl Classified for AdminError {
    fn class(&self) -> Class {
        match self {
            Self::Connect(_) | Self::NoAnswer | Self::Read(_) => Class::Transient,
            Self::Stranger => Class::Denied,
            Self::Write(_) => Class::Permanent,
        }
    }
}

/// Asks the vault and waits for its answer. Blocks for up to [`PATIENCE`].
///
/// # Errors
///
/// When there is no answer; a refusal is an answer.
pub fn ask(socket: &Path, ask: &AdminAsk) -> Result<AdminAnswer, AdminError> {
    let mut stream = UnixStream::connect(socket).map_err(AdminError::Connect)?;
    let peer = rustix::net::sockopt::socket_peercred(stream.as_fd()).map_err(|error| AdminError::Connect(error.into()))?;
    if !may_talk(peer.uid.as_raw()) {
        return Err(AdminError::Stranger);
    }
    stream.set_read_timeout(Some(PATIENCE)).map_err(AdminError::Connect)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(AdminError::Connect)?;
    frame::write(&mut stream, &Frame::Message(ask), MESSAGE_BYTES)?;
    match frame::read(&mut stream, &mut Assembler::new(MESSAGE_BYTES)) {
        Ok(Some(Frame::Message(answer))) => Ok(answer),
        Ok(Some(Frame::Life(_)) | None) => Err(AdminError::NoAnswer),
        Err(ReadError::Io(error)) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Err(AdminError::NoAnswer)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a user is this one, or the administrator.
pub(crate) fn may_talk(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_value_survives_the_wire_and_shows_itself_nowhere() {
        let value = Hidden::new(b"sk-1234 \x00\xff\n".to_vec());
        let ask = AdminAsk::Rotate { name: SecretName::new("a").unwrap(), value };
        let json = serde_json::to_string(&ask).unwrap();
        let AdminAsk::Rotate { value, .. } = serde_json::from_str(&json).unwrap() else { panic!("another") };
        assert_eq!(value.bytes().expose_secret(), b"sk-1234 \x00\xff\n");
        assert!(!format!("{ask:?}").contains("sk-1234") && !json.contains("sk-1234"));
        assert!(serde_json::from_str::<Hidden>("\"xyz\"").is_err());
    }
}
