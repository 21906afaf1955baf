//! The vault port: what the house and the processes that make its outside connections say to each other. Never a value of a secret.
//!
//! ```text
//!  house ──Records──▶ vault          at the beginning: what is sealed in the store
//!  house ◀──Up──────── vault         it can be used, or says why not
//!  house ◀──Write───── vault         an owner entered, changed or revoked something: store it
//!  house ──Written──▶ vault          only now the owner is told that it is done
//!  house ◀──Used────── vault         for the audit: who used what, where, with what outcome
//!  house ──Look─────▶ vault ──Found──▶ house      where in a text a stored secret stands
//! ```
//!
//! Requests that carry credentials do not come this way: clients speak HTTP over its socket.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::error::{Class, Classified};
use crate::household::MemberId;
use crate::ids::SecretId;
use crate::secret::{Principal, SealedRecord, SecretName};
use crate::time::Timestamp;

/// From the house to the vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// What is sealed in the store. The first thing that is said.
    Records {
        /// All records.
        records: Vec<SealedRecord>,
    },
    /// What became of a write.
    Written {
        /// Which one.
        ticket: u64,
        /// Whether it is durable.
        ok: bool,
    },
    /// Where do stored secrets stand in this text? Answered with [`Tell::Found`].
    Look {
        /// Names the question.
        id: u64,
        /// The text.
        text: String,
    },
    /// Which secrets are there? Answered with [`Tell::Listed`].
    List {
        /// Names the question.
        id: u64,
    },
    /// Is it alive? Answered with [`Tell::Beat`].
    Beat {
        /// Names the question.
        id: u64,
    },
    /// Seal everything and end; a fresh, sealed process takes over.
    Lock,
    /// End in order.
    Stop,
}

/// The most bytes of one message between house and vault: a secret of 1 MiB, sealed and written as hexadecimal digits, with room.
pub const MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// How an [`Ask`] goes over the socket: records one by one, so that no message has no bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// What is asked.
    pub ask: Ask,
    /// Whether further records follow.
    pub more: bool,
}

impl Ask {
    /// This, in pieces that each fit into a message.
    #[must_use]
    pub fn pieces(self) -> Vec<Sent> {
        let records = match self {
            Self::Records { records } if records.len() > 1 => records,
            ask => return vec![Sent { ask, more: false }],
        };
        let last = records.len().saturating_sub(1);
        let piece = |(n, record)| Sent { ask: Self::Records { records: vec![record] }, more: n < last };
        records.into_iter().enumerate().map(piece).collect()
    }
}

/// From the vault to the house.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum Tell {
    /// It has read the records.
    Up {
        /// Whether it can be used.
        state: VaultState,
        /// What is wrong with single records, as sentences.
        findings: Vec<String>,
        /// What confines the process, part by part: name, and what it came to.
        confined: Vec<(String, String)>,
    },
    /// The state has changed: an owner unsealed it.
    State {
        /// The state now.
        state: VaultState,
    },
    /// Store this; the owner waits for the word.
    Write {
        /// Names it in the answer.
        ticket: u64,
        /// Records to write, over those of the same id.
        put: Vec<SealedRecord>,
        /// Records to remove.
        erase: Vec<SecretId>,
        /// For the audit: what was done, without a value.
        what: String,
        /// For the audit: to which secret.
        name: SecretName,
    },
    /// A request with a credential was made, or refused.
    Used(Used),
    /// Where secrets stand in a text.
    Found {
        /// The question.
        id: u64,
        /// The places.
        spans: Vec<Span>,
    },
    /// The secrets that there are.
    Listed {
        /// The question.
        id: u64,
        /// Them, by name.
        secrets: Vec<SecretInfo>,
    },
    /// It is alive.
    Beat {
        /// The question.
        id: u64,
    },
}

/// Whether the vault can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VaultState {
    /// Its key is there.
    Open,
    /// It waits for its owner's passphrase: `hearth secret unseal`.
    Sealed,
    /// Its key is missing or wrong; what is stored cannot be opened.
    Broken,
}

/// One use of secrets, for the audit. Never a value, never a query or a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Who.
    pub who: Option<Principal>,
    /// For whom.
    pub member: Option<MemberId>,
    /// Which secrets.
    pub secrets: Vec<SecretName>,
    /// Method and origin, such as `POST https://api.example.com:443`.
    pub place: String,
    /// What it came to: `sent`, or the code of the refusal.
    pub outcome: String,
    /// A decoy was touched or a stored secret tried to leave: somebody has to be told.
    pub alarm: bool,
    /// When.
    pub at: Timestamp,
}

/// A place in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Whose value stands there.
    pub name: SecretName,
}

/// A secret as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretInfo {
    /// Its name.
    pub name: SecretName,
    /// Whose it is.
    pub owner: MemberId,
    /// The version that is used.
    pub version: u32,
    /// Who may use it.
    pub users: Vec<Principal>,
    /// Where it may be sent, in words.
    pub targets: Vec<String>,
    /// Whether the leak guard can find it.
    pub guarded: bool,
    /// Whether it is a decoy.
    pub canary: bool,
}

/// Why there is no vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The process could not be started.
    #[error("the vault's process could not be started: {0}")]
    NotStarted(String),
    /// It ended, or does not answer.
    #[error("the vault is being started again")]
    Gone,
}

impl Classified for VaultError {
    fn class(&self) -> Class {
        Class::Transient
    }
}

/// A process that runs. Dropping it kills the process.
pub trait VaultLine: Send {
    /// Says something; `false` when nobody hears it any more.
    fn ask(&mut self, ask: Ask) -> bool;
    /// Ends it now.
    fn kill(&mut self);
}

/// What a start gives: the line, and what comes from the other side until the process is gone.
pub type Started = (Box<dyn VaultLine>, BoxStream<'static, Tell>);

/// Starts the processes. The listening socket is made once and handed to each new process, so that clients wait in its queue
/// while one is being replaced.
pub trait VaultProcess: Send + Sync {
    /// A fresh process. One that ran before must be gone.
    fn start(&self) -> BoxFuture<'static, Result<Started, VaultError>>;
}
