//! What is wrong with records, one by one; coming to rest after a crash; restoring a backup.

use std::collections::{BTreeMap, BTreeSet};

use hearth_domain::error::{Class, Classified};
use hearth_domain::ids::{MemberId, SecretId};
use hearth_domain::secret::SealedRecord;
use secrecy::SecretSlice;

use super::crypto::{Forged, Key};
use super::envelope::{Binding, Envelope, Opened};
use super::manifest::{Entry, Manifest, MemberState, Phase, Stamp};
use super::members::held_keys;
use super::proof::{OwnerProof, ProofError};
use super::{CommitError, Seal};

/// What is wrong with one record. Others stay usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Trouble {
    /// Altered, cut, spliced, or bound to another id, owner, name or version.
    #[error("this secret's record is damaged or was altered; enter the secret again, or restore a backup")]
    Damaged,
    /// Sealed in another household.
    #[error("this secret's record belongs to another household; enter the secret here")]
    OtherHousehold,
    /// Authentic, but never finished here.
    #[error("the vault knows nothing of this secret; if it comes from a backup, restore it with the owner's proof")]
    Unknown,
    /// It was removed and has been put back.
    #[error("this secret was removed and its record has been put back; enter the secret again if it is wanted")]
    Removed,
    /// Its owner was erased.
    #[error("this secret's owner was erased and its key destroyed; nothing can open it any more")]
    Erased,
    /// Sealed under a member key that has been replaced.
    #[error("this secret's record is under a key that was replaced; enter the secret again")]
    KeyGone,
    /// An older version was put back.
    #[error(
        "an older version ({found}) of this secret was put back, version {expected} is the current one; restoring a backup takes the owner's proof"
    )]
    RolledBack {
        /// The current version.
        expected: u32,
        /// The one that is stored.
        found: u32,
    },
    /// Newer than the manifest: an older manifest was put back.
    #[error(
        "this secret's record (version {found}) is newer than the vault's manifest (version {expected}): an older key folder was put back; restoring takes the owner's proof"
    )]
    Ahead {
        /// The version that the manifest has.
        expected: u32,
        /// The one that is stored.
        found: u32,
    },
    /// Not among the records.
    #[error("this secret's record is gone from the house's database; enter the secret again, or restore a backup")]
    Missing,
}

impl Classified for Trouble {
    fn class(&self) -> Class {
        match self {
            Self::Damaged | Self::Erased | Self::KeyGone | Self::Missing => Class::Permanent,
            Self::OtherHousehold | Self::Unknown | Self::Removed | Self::RolledBack { .. } | Self::Ahead { .. } => Class::Denied,
        }
    }
}

/// One record's trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Which secret.
    pub id: SecretId,
    /// What is wrong.
    pub trouble: Trouble,
}

/// What a set of records is worth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// Secrets with a record that opens.
    pub usable: BTreeSet<SecretId>,
    /// What is wrong with the others, by record.
    pub troubles: Vec<Finding>,
}

/// Why a backup was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The proof does not fit.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The manifest was not changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Classified for RestoreError {
    fn class(&self) -> Class {
        match self {
            Self::Proof(error) => error.class(),
            Self::Commit(error) => error.class(),
        }
    }
}

/// A record that opens, whatever the manifest says of its version.
struct Authentic<T> {
    opened: T,
    stamp: Stamp,
    key_generation: u32,
}

/// What is taken out of an envelope.
type Open<'r, T> = fn(&Envelope<'r>, &Key, &Binding<'_>) -> Result<T, Forged>;

impl Seal {
    /// Looks at all records that the house has. Changes nothing.
    #[must_use]
    pub fn check_all(&self, records: &[SealedRecord]) -> Findings {
        self.look(records).0
    }

    /// Looks at all records and ends every change that was under way, by what is stored: for the start, and after a store whose outcome
    /// is not known. Call it with nothing in flight: a version that is not yet stored counts as one that never will be.
    ///
    /// # Errors
    ///
    /// When the manifest could not be changed; records open as before.
    pub fn settle(&mut self, records: &[SealedRecord]) -> Result<Findings, CommitError> {
        let (findings, found) = self.look(records);
        let present: BTreeSet<_> = records.iter().map(|record| record.id).collect();
        let mut next = self.manifest.next();
        for (id, entry) in &self.manifest.records {
            let seen = found.get(id).copied();
            match (entry.phase, seen) {
                (Phase::Adding { next: at } | Phase::Changing { next: at, .. }, Some(stamp)) if stamp == at => {
                    next.records.insert(*id, Entry { phase: Phase::Stored { at }, ..*entry });
                }
                (Phase::Changing { at, .. } | Phase::Removing { at }, Some(_)) => {
                    next.records.insert(*id, Entry { phase: Phase::Stored { at }, ..*entry });
                }
                // A damaged record is neither stored nor absent: it stays as it is until somebody acts.
                (Phase::Adding { .. } | Phase::Removing { .. }, None) if !present.contains(id) => next.remove(*id),
                (Phase::Adding { .. } | Phase::Stored { .. } | Phase::Changing { .. } | Phase::Removing { .. }, _) => {}
            }
        }
        if next.records != self.manifest.records {
            self.commit(next)?;
        }
        Ok(findings)
    }

    /// Takes the given records as the current state, older or not: the explicit act after a restore. What the manifest knows and is not among
    /// them counts as removed. Erased members stay erased, and what is not authentic stays refused.
    ///
    /// # Errors
    ///
    /// With another vault's proof, or when the manifest could not be changed.
    pub fn accept_restore(&mut self, proof: OwnerProof, records: &[SealedRecord]) -> Result<Findings, RestoreError> {
        self.admits(&proof)?;
        let mut newest = BTreeMap::<SecretId, (MemberId, Stamp)>::new();
        for record in records {
            if let Ok(Authentic { stamp, .. }) = self.authentic(record, Envelope::open) {
                let known = newest.entry(record.id).or_insert((record.owner, stamp));
                if stamp.generation > known.1.generation {
                    *known = (record.owner, stamp);
                }
            }
        }
        let mut next = self.manifest.next();
        // No stamp may be drawn a second time, also when the manifest is the older part.
        let ahead = newest.values().map(|(_, stamp)| stamp.generation).max().unwrap_or(0);
        next.generation = next.generation.max(ahead.saturating_add(1));
        restore_into(&mut next, &newest);
        // The journal is the backup's as well: its end is attested anew.
        next.journal = None;
        self.commit(next)?;
        Ok(self.check_all(records))
    }

    /// Whether this proof was given to this vault.
    pub(crate) fn admits(&self, proof: &OwnerProof) -> Result<(), ProofError> {
        if proof.household == self.head.household { Ok(()) } else { Err(ProofError::Elsewhere) }
    }

    /// Opens a record and says under which generation of its member key it is.
    pub(crate) fn judge_record(&self, record: &SealedRecord) -> Result<(Opened, u32), Trouble> {
        self.current(record, Envelope::open).map(|authentic| (authentic.opened, authentic.key_generation))
    }

    /// The value of a record whose policy has been read before.
    ///
    /// # Errors
    ///
    /// As [`Seal::open_record`].
    pub fn open_value(&self, record: &SealedRecord) -> Result<SecretSlice<u8>, Trouble> {
        self.current(record, Envelope::open_value).map(|authentic| authentic.opened)
    }

    fn look(&self, records: &[SealedRecord]) -> (Findings, BTreeMap<SecretId, Stamp>) {
        let (mut findings, mut found) = (Findings::default(), BTreeMap::<SecretId, Stamp>::new());
        let mut present = BTreeSet::new();
        for record in records {
            present.insert(record.id);
            match self.current(record, Envelope::open) {
                Ok(Authentic { stamp, .. }) => {
                    findings.usable.insert(record.id);
                    let known = found.entry(record.id).or_insert(stamp);
                    if stamp.generation > known.generation {
                        *known = stamp;
                    }
                }
                Err(trouble) => findings.troubles.push(Finding { id: record.id, trouble }),
            }
        }
        let missing = self.manifest.records.iter().filter(|(id, entry)| !entry.phase.may_miss() && !present.contains(id));
        findings.troubles.extend(missing.map(|(id, _)| Finding { id: *id, trouble: Trouble::Missing }));
        (findings, found)
    }

    /// An authentic record of a version that is accepted.
    fn current<'r, T>(&self, record: &'r SealedRecord, open: Open<'r, T>) -> Result<Authentic<T>, Trouble> {
        let authentic = self.authentic(record, open)?;
        let Some(entry) = self.manifest.records.get(&record.id) else {
            return Err(if self.manifest.removed.contains_key(&record.id) { Trouble::Removed } else { Trouble::Unknown });
        };
        if entry.phase.good().any(|good| good == authentic.stamp) {
            return Ok(authentic);
        }
        let expected = entry.phase.good().last().unwrap_or(authentic.stamp);
        let found = authentic.stamp.version;
        // Within a change that was given up, a version may have the number of the current one; its stamp tells.
        if authentic.stamp.generation > expected.generation {
            return Err(Trouble::Ahead { expected: expected.version, found });
        }
        Err(Trouble::RolledBack { expected: expected.version, found })
    }

    fn authentic<'r, T>(&self, record: &'r SealedRecord, open: Open<'r, T>) -> Result<Authentic<T>, Trouble> {
        let envelope = Envelope::parse(&record.envelope).ok_or(Trouble::Damaged)?;
        if envelope.household != self.head.household {
            return Err(Trouble::OtherHousehold);
        }
        let state = self.manifest.members.get(&record.owner).ok_or(Trouble::Unknown)?;
        if matches!(state, MemberState::Erased { .. }) {
            return Err(Trouble::Erased);
        }
        let key = held_keys(state).find(|key| key.generation == envelope.key_generation).ok_or(Trouble::KeyGone)?;
        let of = self.member_key_of(record.owner, key.generation);
        let bare = self.keys.unwrap_key(of, &key.wrapped).map_err(|_| Trouble::Damaged)?;
        let binding: Binding<'_> = self.binding(record, &envelope);
        let opened = open(&envelope, &bare, &binding).map_err(|_| Trouble::Damaged)?;
        let stamp = Stamp { version: record.version, generation: envelope.stamp };
        Ok(Authentic { opened, stamp, key_generation: envelope.key_generation })
    }
}

fn restore_into(next: &mut Manifest, newest: &BTreeMap<SecretId, (MemberId, Stamp)>) {
    let gone: Vec<_> = next.records.keys().filter(|id| !newest.contains_key(id)).copied().collect();
    for id in gone {
        next.remove(id);
    }
    for (id, (owner, at)) in newest {
        next.removed.remove(id);
        next.records.insert(*id, Entry { owner: *owner, phase: Phase::Stored { at: *at } });
    }
}
