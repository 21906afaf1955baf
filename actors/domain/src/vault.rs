//! The vault port: what the house and the processes that make its outside connections say to each other. Never a value of a secret.
//!
//! ```text
//!  house ──Records──▶ vault          at the beginning: what is sealed in the store
//!  house ◀──Up──────── vault         it can be used, or says why not
//!  house ◀──Write───── vault         an owner entered, changed or revoked something: store it
//!  house ──Written──▶ vault          only now the owner is told that it is done
//!  house ◀──Used────── vault         for the audit: who used what, where, with what outcome
//!  house ──Look─────▶ vault ──Found──▶ house      where in a text a stored secret stands
//!  house ──Part─────▶ vault          somebody was removed: their key is destroyed, and with it every copy of what is under it
//!  house ──Attest───▶ vault ──Attested▶ house     keeps the journal's end beside its key, out of the store's reach
//! ```
//!
//! Requests that carry credentials do not come this way: clients speak HTTP over its socket.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::error::{Class, Classified};
use crate::household::MemberId;
use crate::ids::SecretId;
use crate::journal::Head;
use crate::journal::check::Attested;
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
        /// Everybody who was ever removed: what is under a key of theirs is not to be opened any more.
        #[serde(default)]
        gone: Vec<MemberId>,
    },
    /// These members were removed: their keys are to be destroyed. A vault that is sealed does so when it is opened.
    Part {
        /// Whose.
        gone: Vec<MemberId>,
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
    /// What is the newest attested end of the journal; and is this one newer? Answered with [`Tell::Attested`].
    Attest {
        /// Names the question.
        id: u64,
        /// The journal's end, once the house has checked that it goes on from the newest attested one; none to ask only.
        head: Option<Head>,
        /// When.
        at: Timestamp,
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
        let (records, gone) = match self {
            Self::Records { records, gone } if records.len() > 1 => (records, gone),
            ask @ (Self::Records { .. }
            | Self::Part { .. }
            | Self::Written { .. }
            | Self::Look { .. }
            | Self::Attest { .. }
            | Self::List { .. }
            | Self::Beat { .. }
            | Self::Lock
            | Self::Stop) => return vec![Sent { ask, more: false }],
        };
        let last = records.len().saturating_sub(1);
        let mut gone = Some(gone);
        let piece = |(n, record)| {
            let gone = gone.take().unwrap_or_default();
            Sent { ask: Self::Records { records: vec![record], gone }, more: n < last }
        };
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
    /// Requests with credentials were made, or refused.
    Used {
        /// What was gathered for a moment; more follows when there is more.
        uses: Vec<Used>,
    },
    /// Where secrets stand in a text.
    Found {
        /// The question.
        id: u64,
        /// The places.
        spans: Vec<Span>,
    },
    /// The newest attested end of the journal; why it is not known, when it is not.
    Attested {
        /// The question.
        id: u64,
        /// It: never one with a lower number than was told before.
        newest: Result<Option<Attested>, VaultState>,
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
    /// It waits for its owner, who has its passphrase or locked it: `hearth secret unseal`.
    Sealed,
    /// Its key is missing or wrong; what is stored cannot be opened.
    Broken,
}

/// A use of secrets, or several that are the same, for the audit. Never a value, never a query or a body.
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
    /// How often, at least once.
    pub times: u64,
    /// When, the last time.
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
    /// It waits for its passphrase.
    #[error("the vault is sealed; its owner opens it with `hearth secret unseal`")]
    Sealed,
    /// Its key is missing or wrong.
    #[error("the vault cannot open what is stored, because its key is missing or wrong; `hearth doctor` says more")]
    Broken,
    /// Too many questions wait for it.
    #[error("the vault has too much to do just now; try again in a moment")]
    Busy,
}

impl Classified for VaultError {
    fn class(&self) -> Class {
        match self {
            Self::NotStarted(_) | Self::Gone | Self::Busy => Class::Transient,
            Self::Sealed | Self::Broken => Class::Denied,
        }
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

/// A house without a vault: nothing starts. For tests of other things.
#[derive(Debug, Clone, Copy)]
pub struct NoVault;

impl VaultProcess for NoVault {
    fn start(&self) -> BoxFuture<'static, Result<Started, VaultError>> {
        std::future::ready(Err(VaultError::NotStarted("this house has none".to_owned()))).boxed()
    }
}

/// Several texts as one, so that they are looked through at once and a secret that is split over two of them is found.
#[derive(Debug, Default)]
pub struct Joined(String);

impl Joined {
    /// Adds a text.
    pub fn add(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// All of them.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

/// Takes the secrets that were found in a [`Joined`] text out of its parts, which come in the same order.
#[derive(Debug)]
pub struct Covering<'a> {
    spans: &'a [Span],
    /// Where the next part begins.
    at: usize,
}

impl<'a> Covering<'a> {
    /// From the first part on.
    #[must_use]
    pub const fn new(spans: &'a [Span]) -> Self {
        Self { spans, at: 0 }
    }

    /// Covers what was found in the next part.
    pub fn next(&mut self, text: &mut String) {
        let (from, to) = (self.at, self.at.saturating_add(text.len()));
        self.at = to.saturating_add(1);
        let here = self.spans.iter().filter(|span| span.start < to && span.end > from);
        let shift = |at: usize| at.clamp(from, to).saturating_sub(from);
        let spans: Vec<Span> = here.map(|span| Span { start: shift(span.start), end: shift(span.end), name: span.name.clone() }).collect();
        if !spans.is_empty() {
            *text = cover(text, &spans);
        }
    }
}

/// The text with `[secret NAME]` in each of these places. Places that overlap become one, under the name of the first; one that cuts a
/// character in two takes all of it; what lies beyond the text is nothing.
#[must_use]
pub fn cover(text: &str, spans: &[Span]) -> String {
    let mut spans: Vec<&Span> = spans.iter().filter(|span| span.start < span.end && span.start < text.len()).collect();
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut covered = String::with_capacity(text.len());
    let mut done = 0;
    for span in spans {
        let start = (0..=span.start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (span.end..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        if start >= done {
            covered.push_str(text.get(done..start).unwrap_or_default());
            covered.push_str("[secret ");
            covered.push_str(span.name.as_str());
            covered.push(']');
        }
        done = done.max(end);
    }
    covered.push_str(text.get(done..).unwrap_or_default());
    covered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(start: usize, end: usize, name: &str) -> Span {
        Span { start, end, name: SecretName::new(name).unwrap() }
    }

    #[test]
    fn a_secret_is_covered_and_the_rest_stays() {
        assert_eq!(cover("the key is hunter2.", &[span(11, 18, "door")]), "the key is [secret door].");
        assert_eq!(cover("nothing", &[]), "nothing");
        assert_eq!(cover("", &[span(0, 9, "a")]), "");
        assert_eq!(cover("abc", &[span(3, 9, "a"), span(2, 2, "b")]), "abc");
    }

    #[test]
    fn places_come_in_any_order_and_overlapping_ones_become_one() {
        assert_eq!(cover("abcdef", &[span(4, 6, "b"), span(0, 2, "a")]), "[secret a]cd[secret b]");
        assert_eq!(cover("abcdef", &[span(1, 4, "a"), span(3, 5, "b")]), "a[secret a]f");
        assert_eq!(cover("abcdef", &[span(1, 2, "b"), span(1, 4, "a"), span(2, 3, "c")]), "a[secret a]ef");
        assert_eq!(cover("abcd", &[span(0, 2, "a"), span(2, 4, "b")]), "[secret a][secret b]");
    }

    #[test]
    fn a_character_that_is_cut_is_covered_whole() {
        assert_eq!(cover("é家x", &[span(1, 3, "a")]), "[secret a]x");
        assert_eq!(cover("x家é", &[span(2, 3, "a")]), "x[secret a]é");
        assert_eq!(cover("x家", &[span(1, 99, "a")]), "x[secret a]");
    }

    #[test]
    fn a_secret_that_is_split_over_two_parts_is_covered_in_both() {
        let mut parts = ["my key: hun".to_owned(), "ter2 it is".to_owned(), String::new(), "hunter2".to_owned()];
        let mut joined = Joined::default();
        parts.iter().for_each(|part| joined.add(part));
        let text = joined.into_text();
        assert_eq!(text, "my key: hun\nter2 it is\n\nhunter2\n");
        let spans = [span(8, 16, "a"), span(24, 31, "a")];
        let mut covering = Covering::new(&spans);
        parts.iter_mut().for_each(|part| covering.next(part));
        assert_eq!(parts, ["my key: [secret a]", "[secret a] it is", "", "[secret a]"]);
    }

    proptest! {
        #[test]
        fn nothing_of_a_covered_place_is_left(text in "[a-cé家]{0,40}", places in prop::collection::vec((0_usize..130, 0_usize..130), 0..6)) {
            let spans: Vec<Span> = places.iter().map(|(start, length)| span(*start, start + length, "x")).collect();
            let covered = cover(&text, &spans);
            let inside = |at: usize| spans.iter().any(|span| span.start < at + 1 && at < span.end);
            // What is left are the characters of which no byte was found, in their order.
            let rest: String = text
                .char_indices()
                .filter(|(at, letter)| !(*at..at + letter.len_utf8()).any(inside))
                .map(|(_, letter)| letter)
                .collect();
            prop_assert_eq!(covered.replace("[secret x]", ""), rest);
        }
    }
}
