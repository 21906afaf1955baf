//! Pairing: how somebody whom the house does not know becomes a member's account.
//!
//! ```text
//! unknown sender, in private ──▶ a code, and nothing else ──▶ Open ──(a grown-up names the code)──▶ Used
//!                                                              └──(time)──▶ gone
//! ```
//!
//! The sender's messages do nothing but ask for a code; a grown-up's word enrols. Invariants: no sequence of strangers' messages enrols
//! anybody; a code works once and not after its end, also when the clock is set back; who may not approve learns nothing of a code.
//! Codes have [`CODE_BITS`] bits and are kept as digests; how many are given out and how often a wrong one may be named is limited.

use std::collections::BTreeMap;
use std::time::Duration;

use rand_chacha::rand_core::RngCore;
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::{MemberId, Role, is_grown_up};
use crate::error::{Class, Classified};
use crate::ids::{IdentityId, PairingId};
use crate::journal::Digest;
use crate::time::Timestamp;

/// Letters and digits of a code: Crockford's, without those that are taken for others. 32, so that five bits choose one evenly.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a code.
const CODE_LETTERS: usize = 8;
/// Bits of chance in a code.
pub const CODE_BITS: usize = CODE_LETTERS * 5;

/// Bounds of pairing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairingLimits {
    /// How long a code works.
    #[serde(with = "humantime_serde")]
    pub code_lasts: Duration,
    /// Codes that are open at once.
    pub open: usize,
    /// The period for the following.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// Codes for one account within the period.
    pub codes_per_account: usize,
    /// Codes for all within the period.
    pub codes_in_all: usize,
    /// Wrong codes that one member may name within the period.
    pub wrong_per_member: usize,
    /// Wrong codes that all may name within the period.
    pub wrong_in_all: usize,
}

impl Default for PairingLimits {
    fn default() -> Self {
        Self {
            code_lasts: Duration::from_secs(15 * 60),
            open: 16,
            window: Duration::from_secs(60 * 60),
            codes_per_account: 3,
            codes_in_all: 60,
            wrong_per_member: 5,
            wrong_in_all: 20,
        }
    }
}

/// A code, as the unknown sender is shown it: once.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; CODE_LETTERS]);

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(..)")
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, letter) in self.0.iter().enumerate() {
            if n == CODE_LETTERS / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

impl Code {
    fn fresh(chance: &mut dyn RngCore) -> Self {
        let mut bytes = [0; CODE_LETTERS];
        chance.fill_bytes(&mut bytes);
        // The mask keeps the index within the alphabet.
        Self(bytes.map(|byte| ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'0')))
    }

    /// A code as somebody types it: case, spaces and hyphens do not count, and O, I and L are the digits that they look like.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        let letters = text.chars().filter(|letter| !matches!(letter, ' ' | '-'));
        let read = |letter: char| match letter.to_ascii_uppercase() {
            'O' => Some(b'0'),
            'I' | 'L' => Some(b'1'),
            letter => u8::try_from(letter).ok().filter(|byte| ALPHABET.contains(byte)),
        };
        let letters: Option<Vec<_>> = letters.take(CODE_LETTERS.saturating_add(1)).map(read).collect();
        letters?.try_into().ok().map(Self)
    }

    /// Bound to the pairing, so that a digest says nothing of another's code.
    fn digest(&self, of: PairingId) -> Digest {
        Digest::of(&[b"pairing\0".as_slice(), of.uuid().as_bytes(), &self.0].concat())
    }
}

/// Where a pairing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PairingState {
    /// Its code works.
    Open,
    /// Somebody approved it. Kept to its end, so that a second grown-up is told.
    Used {
        /// Who.
        by: MemberId,
    },
}

/// A pairing: its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairing {
    /// Its id.
    pub id: PairingId,
    /// The account that asks.
    pub identity: Identity,
    /// The digest of its code; the code is nowhere.
    pub digest: Digest,
    /// When it was asked for.
    pub at: Timestamp,
    /// When its code ends.
    pub until: Timestamp,
    /// Where it stands.
    pub state: PairingState,
}

/// Where something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// In a chat with the house alone, at the page or the console.
    Private,
    /// Where others read along.
    Group,
}

/// What an unknown sender gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A code, and the row to be written before it is shown.
    Code(Code, Pairing),
    /// Nothing.
    Silence(Why),
}

/// Why an unknown sender gets nothing. For the journal, never for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was said in a group: whoever is not paired is a guest there.
    Group,
    /// The account has an open code.
    HasCode,
    /// The account has had its codes of this period.
    TooOften,
    /// Everybody together has.
    TooMany,
}

/// Why a code does not enrol. A person gets the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// Not theirs to approve. Whether there is such a code is not said.
    #[error("only an owner or adult approves a code")]
    NotAllowed,
    /// In a group everybody would read along.
    #[error("approve codes in private, at the page or with `hearth member pair`, not in a group")]
    InGroup,
    /// Not open: never given, at its end, or mistyped.
    #[error("no such code is open; ask the other person to write to the house again for a new one")]
    Wrong,
    /// It was used.
    #[error("this code was approved already")]
    Used,
    /// Too many wrong ones.
    #[error("too many wrong codes; codes can be approved again from {until}")]
    Locked {
        /// Until when.
        until: Timestamp,
    },
}

impl Classified for PairingError {
    fn class(&self) -> Class {
        match self {
            Self::NotAllowed | Self::InGroup | Self::Used => Class::Denied,
            Self::Wrong => Class::Permanent,
            Self::Locked { .. } => Class::Transient,
        }
    }
}

/// All pairings, and how often was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairings {
    limits: PairingLimits,
    rows: BTreeMap<PairingId, Pairing>,
    given: Vec<(Timestamp, IdentityId)>,
    wrong: Vec<(Timestamp, MemberId)>,
    /// The latest time that was ever seen: a clock that is set back revives nothing.
    latest: Timestamp,
}

impl Pairings {
    /// Those that were stored. `latest` is the time of the journal's last entry.
    #[must_use]
    pub fn restore(limits: PairingLimits, rows: impl IntoIterator<Item = Pairing>, latest: Timestamp) -> Self {
        let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
        let mut given: Vec<_> = rows.values().map(|row| (row.at, row.identity.id())).collect();
        given.sort_unstable();
        let latest = given.last().map_or(latest, |(at, _)| latest.max(*at));
        Self { limits, rows, given, wrong: Vec::new(), latest }
    }

    /// Moves time on and gives the pairings that are over, to be removed from the store.
    pub fn sweep(&mut self, now: Timestamp) -> Vec<PairingId> {
        let now = self.now(now);
        let over: Vec<_> = self.rows.values().filter(|row| row.until <= now).map(|row| row.id).collect();
        for id in &over {
            self.rows.remove(id);
        }
        over
    }

    fn now(&mut self, now: Timestamp) -> Timestamp {
        self.latest = self.latest.max(now);
        let (latest, window) = (self.latest, self.limits.window);
        self.given.retain(|(at, _)| within(*at, window, latest));
        self.wrong.retain(|(at, _)| within(*at, window, latest));
        latest
    }

    /// A message of an account that is nobody's. Whatever it says, this is all that comes of it.
    pub fn stranger(&mut self, now: Timestamp, chance: &mut dyn RngCore, id: PairingId, identity: &Identity, setting: Setting) -> Reply {
        if setting == Setting::Group {
            return Reply::Silence(Why::Group);
        }
        let now = self.now(now);
        let account = identity.id();
        let open = |row: &&Pairing| row.until > now && row.state == PairingState::Open;
        if self.rows.values().filter(open).any(|row| row.identity == *identity) {
            return Reply::Silence(Why::HasCode);
        }
        if self.given.iter().filter(|(_, whose)| *whose == account).count() >= self.limits.codes_per_account {
            return Reply::Silence(Why::TooOften);
        }
        let full = self.rows.values().filter(open).count() >= self.limits.open || self.given.len() >= self.limits.codes_in_all;
        let Some(until) = now.checked_add(self.limits.code_lasts).ok().filter(|_| !full && !self.rows.contains_key(&id)) else {
            return Reply::Silence(Why::TooMany);
        };
        let code = Code::fresh(chance);
        let row = Pairing { id, identity: identity.clone(), digest: code.digest(id), at: now, until, state: PairingState::Open };
        self.given.push((now, account));
        self.rows.insert(id, row.clone());
        Reply::Code(code, row)
    }

    /// Looks up the open pairing of a code that a member named. Counts a wrong one.
    ///
    /// # Errors
    ///
    /// When the member may not approve, has named too many wrong ones, or the code is not open.
    pub fn find(&mut self, now: Timestamp, by: (MemberId, Role), from: Setting, typed: &str) -> Result<&Pairing, PairingError> {
        let (member, role) = by;
        // Before anything of the code is looked at: whoever may not approve is no oracle's guest.
        if !is_grown_up(role) {
            return Err(PairingError::NotAllowed);
        }
        if from == Setting::Group {
            return Err(PairingError::InGroup);
        }
        let now = self.now(now);
        if let Some(until) = self.locked(member) {
            return Err(PairingError::Locked { until });
        }
        let code = Code::typed(typed);
        // The digests are of what nobody chose, so that the time of a comparison says nothing.
        let fits = |row: &&Pairing| row.until > now && code.as_ref().is_some_and(|code| code.digest(row.id) == row.digest);
        match self.rows.values().find(fits) {
            None => {
                self.wrong.push((now, member));
                Err(PairingError::Wrong)
            }
            Some(Pairing { state: PairingState::Used { .. }, .. }) => Err(PairingError::Used),
            Some(row) => Ok(row),
        }
    }

    /// Until when this member may name no code.
    fn locked(&self, member: MemberId) -> Option<Timestamp> {
        let end = |at: Timestamp| at.checked_add(self.limits.window).unwrap_or(Timestamp::MAX);
        let nth = |of: &[Timestamp], most: usize| of.len().checked_sub(most.max(1)).and_then(|n| of.get(n)).map(|at| end(*at));
        let all: Vec<_> = self.wrong.iter().map(|(at, _)| *at).collect();
        let own: Vec<_> = self.wrong.iter().filter(|(_, whose)| *whose == member).map(|(at, _)| *at).collect();
        nth(&own, self.limits.wrong_per_member).max(nth(&all, self.limits.wrong_in_all))
    }

    /// Marks a pairing as used; gives its row, or none if it is not open any more.
    pub fn close(&mut self, id: PairingId, by: MemberId) -> Option<Pairing> {
        let row = self.rows.get_mut(&id).filter(|row| row.state == PairingState::Open)?;
        row.state = PairingState::Used { by };
        Some(row.clone())
    }

    /// Removes a pairing, open or not.
    pub fn cancel(&mut self, id: PairingId) {
        self.rows.remove(&id);
    }

    /// Removes the pairings of these accounts, open or not.
    pub fn forget(&mut self, accounts: &[IdentityId]) -> Vec<PairingId> {
        let theirs: Vec<_> = self.rows.values().filter(|row| accounts.contains(&row.identity.id())).map(|row| row.id).collect();
        for id in &theirs {
            self.rows.remove(id);
        }
        self.given.retain(|(_, account)| !accounts.contains(account));
        theirs
    }

    /// Those that wait for a grown-up, oldest first.
    #[must_use]
    pub fn open(&self) -> Vec<&Pairing> {
        let mut open: Vec<_> = self.rows.values().filter(|row| row.state == PairingState::Open && row.until > self.latest).collect();
        open.sort_by_key(|row| row.at);
        open
    }
}

fn within(at: Timestamp, window: Duration, now: Timestamp) -> bool {
    at.checked_add(window).unwrap_or(Timestamp::MAX) > now
}

#[cfg(test)]
mod tests;
