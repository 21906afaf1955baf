//! Members' keys: changed while running, and destroyed.
//!
//! Re-keying: `begin_rekey` makes a new key beside the old one and gives back the member's records with their data keys wrapped anew; the
//! house stores them; `finish_rekey` looks that none is left under the old key and destroys it. Until then both open, so that a
//! crash in between costs nothing. Versions do not change: the content is the same.
//!
//! Erasing destroys the one wrapped key of a member in the manifest. What was written before may still be in old blocks of the disk and
//! in backups of the key folder, readable with the vault key of that time: rotate the vault key afterwards, and let old backups lapse.
//! Erasing takes no owner's proof here: the house, which stores the records, can destroy them anyway. Who is asked at the owner's socket gives one.

use hearth_domain::error::{Class, Classified};
use hearth_domain::ids::{MemberId, SecretId};
use hearth_domain::secret::SealedRecord;

use super::crypto::{EntropyError, Key};
use super::envelope::{Envelope, RewrapError};
use super::manifest::{MemberKey, MemberState};
use super::proof::{OwnerProof, ProofError};
use super::{CommitError, Seal};

/// Why a member's key was not changed.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// No such member, or one without secrets.
    #[error("the vault holds no key for that member")]
    Unknown,
    /// Erased.
    #[error("that member was erased from the vault")]
    Erased,
    /// Not erased.
    #[error("that member was not erased; there is nothing to admit again")]
    NotErased,
    /// No change of the key is under way.
    #[error("that member's key is not being changed")]
    NotUnderway,
    /// The stored key does not open.
    #[error("the member's key in the vault's manifest does not open; restore the key folder from its backup")]
    Key,
    /// Records are still under the old key.
    #[error("{left} records are still under the member's old key, or gone; change the key once more in a moment")]
    Left {
        /// How many.
        left: usize,
    },
    /// No more generations of this key.
    #[error("that member's key was changed too often")]
    Generations,
    /// The proof does not fit.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The manifest was not changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Classified for MemberError {
    fn class(&self) -> Class {
        match self {
            Self::Unknown | Self::NotErased | Self::NotUnderway | Self::Key | Self::Generations => Class::Permanent,
            Self::Erased => Class::Denied,
            Self::Left { .. } => Class::Transient,
            Self::Proof(error) => error.class(),
            Self::Commit(error) => error.class(),
        }
    }
}

impl From<EntropyError> for MemberError {
    fn from(error: EntropyError) -> Self {
        Self::Commit(error.into())
    }
}

/// The keys of a member that open records.
pub(super) fn held_keys(state: &MemberState) -> impl Iterator<Item = &MemberKey> {
    let (first, second) = match state {
        MemberState::Live { key } => (Some(key), None),
        MemberState::Rekeying { old, new } => (Some(old), Some(new)),
        MemberState::Erased { .. } => (None, None),
    };
    first.into_iter().chain(second)
}

impl Seal {
    /// Whether something may be under a key of this member.
    #[must_use]
    pub fn has_key(&self, member: MemberId) -> bool {
        self.manifest.members.get(&member).is_some_and(|state| held_keys(state).next().is_some())
    }

    /// Gives a member a new key and wraps their records' data keys under it. Called again, it goes on with the same new key.
    /// The records that come back are to be stored in place of those with the same id and version.
    ///
    /// # Errors
    ///
    /// For an unknown or erased member, or when the manifest could not be changed.
    pub fn begin_rekey(&mut self, member: MemberId, records: &[SealedRecord]) -> Result<Vec<SealedRecord>, MemberError> {
        let (old, new) = match self.manifest.members.get(&member).ok_or(MemberError::Unknown)? {
            MemberState::Live { key } => {
                let old = *key;
                let (_, new) = self.fresh_member_key(member, old.generation.checked_add(1).ok_or(MemberError::Generations)?)?;
                let mut next = self.manifest.next();
                next.members.insert(member, MemberState::Rekeying { old, new });
                self.commit(next)?;
                (old, new)
            }
            MemberState::Rekeying { old, new } => (*old, *new),
            MemberState::Erased { .. } => return Err(MemberError::Erased),
        };
        let (from, to) = (self.bare(member, &old)?, self.bare(member, &new)?);
        let mut wrapped = Vec::new();
        for record in records.iter().filter(|record| record.owner == member) {
            // What does not open is reported by `check_all`; there is nothing to wrap in it.
            if matches!(self.judge_record(record), Ok((_, generation)) if generation == old.generation) {
                wrapped.extend(self.rewrapped(record, &from, (&to, new.generation))?);
            }
        }
        Ok(wrapped)
    }

    /// Whether a record is under a key of its owner that is being replaced. Looks at its outside only.
    #[must_use]
    pub fn is_behind(&self, record: &SealedRecord) -> bool {
        let Some(MemberState::Rekeying { old, .. }) = self.manifest.members.get(&record.owner) else { return false };
        Envelope::parse(&record.envelope).is_some_and(|envelope| envelope.key_generation == old.generation)
    }

    /// Destroys the old key of a member, once none of the records needs it.
    ///
    /// # Errors
    ///
    /// [`MemberError::Left`] when a record is under the old key or is not among those given.
    pub fn finish_rekey(&mut self, member: MemberId, records: &[SealedRecord]) -> Result<(), MemberError> {
        let Some(MemberState::Rekeying { old, new }) = self.manifest.members.get(&member).copied() else {
            return Err(MemberError::NotUnderway);
        };
        let under_old = |record: &&SealedRecord| matches!(self.judge_record(record), Ok((_, generation)) if generation == old.generation);
        let still = records.iter().filter(|record| record.owner == member).filter(under_old).count();
        let mine = self.manifest.records.iter().filter(|(_, entry)| entry.owner == member && !entry.phase.may_miss());
        let absent = mine.filter(|(id, _)| !records.iter().any(|record| record.id == **id)).count();
        let left = still.saturating_add(absent);
        if left > 0 {
            return Err(MemberError::Left { left });
        }
        let mut next = self.manifest.next();
        next.members.insert(member, MemberState::Live { key: new });
        Ok(self.commit(next)?)
    }

    /// Destroys a member's key. Says which secrets can never be opened again; the house removes their records when it likes.
    ///
    /// # Errors
    ///
    /// For a member without a key, or when the manifest could not be changed.
    pub fn erase_member(&mut self, member: MemberId) -> Result<Vec<SecretId>, MemberError> {
        let state = self.manifest.members.get(&member).ok_or(MemberError::Unknown)?;
        let generation = match state {
            MemberState::Live { key } | MemberState::Rekeying { new: key, .. } => key.generation,
            MemberState::Erased { .. } => return Err(MemberError::Erased),
        };
        let mut next = self.manifest.next();
        next.members.insert(member, MemberState::Erased { generation });
        let gone: Vec<_> = next.records.iter().filter(|(_, entry)| entry.owner == member).map(|(id, _)| *id).collect();
        for id in &gone {
            next.remove(*id);
        }
        self.commit(next)?;
        Ok(gone)
    }

    /// Gives an erased member, or another one of the same name, a new key. What was erased stays so.
    ///
    /// # Errors
    ///
    /// For a member that was not erased, with another vault's proof, or when the manifest could not be changed.
    pub fn admit_again(&mut self, proof: OwnerProof, member: MemberId) -> Result<(), MemberError> {
        self.admits(&proof)?;
        let Some(MemberState::Erased { generation }) = self.manifest.members.get(&member) else {
            return Err(MemberError::NotErased);
        };
        let (_, key) = self.fresh_member_key(member, generation.checked_add(1).ok_or(MemberError::Generations)?)?;
        let mut next = self.manifest.next();
        next.members.insert(member, MemberState::Live { key });
        Ok(self.commit(next)?)
    }

    fn bare(&self, member: MemberId, key: &MemberKey) -> Result<Key, MemberError> {
        self.keys.unwrap_key(self.member_key_of(member, key.generation), &key.wrapped).map_err(|_| MemberError::Key)
    }

    fn rewrapped(&self, record: &SealedRecord, from: &Key, to: (&Key, u32)) -> Result<Option<SealedRecord>, MemberError> {
        let Some(envelope) = Envelope::parse(&record.envelope) else { return Ok(None) };
        match envelope.rewrap(from, to, &self.binding(record, &envelope), &*self.entropy) {
            Ok(envelope) => Ok(Some(SealedRecord { envelope, ..record.clone() })),
            Err(RewrapError::Forged(_)) => Ok(None),
            Err(RewrapError::Entropy(error)) => Err(error.into()),
        }
    }
}
