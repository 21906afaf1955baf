//! Secrets at rest: what the house stores of them, what opens it, and what tells an old state from the current one.
//!
//! | file | what it is |
//! |---|---|
//! | [`envelope`] | one record: policy and value under a data key, the data key under the owner's member key |
//! | [`keys`] | vault key, what is derived from it, member keys |
//! | [`key_file`] | how a vault key is written into a file |
//! | [`source`] | where the vault key comes from: systemd credential (TPM), passphrase, key file |
//! | [`manifest`] | which version of which record is current; sealed, beside the key, out of the house's reach |
//! | [`passphrase`], [`recovery`] | what is computed of a passphrase; the recovery key |
//! | [`proof`] | that the owner was there, by one of the two |
//! | [`check`] | what is wrong with a set of records; coming to rest after a crash; restoring a backup |
//! | [`members`], [`rotate`] | member keys (re-keying, erasing), vault key, passphrase and recovery key, while running |
//! | [`folder`] | the files, their locks and their permissions |
//! | [`crypto`] | the functions that all of it stands on |
//!
//! A change has two phases, because two places must agree (the manifest here, the record in the house's database):
//!
//! ```text
//! begin_put ─▶ manifest says "at 3, next 4" (durable) ─▶ the house stores version 4 ─▶ finish_put ─▶ manifest says "at 4"
//!                   └── crash: 3 opens                        └── crash: whichever is stored opens; `settle` makes it final
//! ```
//!
//! **Claims.** Nothing about a record can be altered, exchanged or spliced without [`Trouble`] when it is opened; a version that is not
//! the current one (or, within a change, the next) is refused; one bad record keeps no other from being used.
//! **Not claimed.** Against one who copies key folder and data folder together and puts both back, see [`manifest`].
//! Who reads the vault key reads everything: `source` says what each source protects against.

pub mod check;
pub mod crypto;
pub mod envelope;
pub mod folder;
pub mod key_file;
pub mod keys;
pub mod manifest;
pub mod members;
pub mod passphrase;
pub mod proof;
pub mod recovery;
pub mod rotate;
pub mod source;

mod codec;

use hearth_domain::error::{Class, Classified};
use hearth_domain::ids::{MemberId, SecretId};
use hearth_domain::journal::check::Attested;
use hearth_domain::secret::{SealedRecord, SecretName, SecretPolicy};
use hearth_domain::time::Mono;
use secrecy::{ExposeSecret as _, SecretBox, SecretSlice};
use zeroize::Zeroizing;

use check::Trouble;
use crypto::{Entropy, EntropyError, KEY_BYTES, Key};
use envelope::{Binding, Envelope, Opened, POLICY_MAX, VALUE_MAX, VALUE_MIN};
use keys::{Hierarchy, Household, MemberKeyOf, VaultKey};
use manifest::{Entry, Head, MEMBERS_MAX, Manifest, ManifestError, MemberKey, MemberState, Phase, RECORDS_MAX, Slots, Stamp};
use passphrase::PassphraseKey;
use proof::{Attempt, Attempts, Compared, OwnerProof, ProofError};

/// Where manifest and key are kept. Each call returns once its effect is durable.
pub trait KeyStore: Send {
    /// Writes the first manifest; fails where there is one, so that no vault is ever set up over another.
    ///
    /// # Errors
    ///
    /// When it exists or is not durable.
    fn create_manifest(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Replaces the manifest at once: afterwards, also after a crash, there is either the old or the new one.
    ///
    /// # Errors
    ///
    /// When it is not durable; then either may be there.
    fn write_manifest(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Puts a new vault key beside the present one.
    ///
    /// # Errors
    ///
    /// When it is not durable, or the key does not lie here.
    fn stage_key(&mut self, key: &VaultKey) -> Result<(), StoreError>;

    /// Replaces the present vault key by the staged one; nothing to do where none is staged.
    ///
    /// # Errors
    ///
    /// When it is not durable; both may be there.
    fn adopt_key(&mut self) -> Result<(), StoreError>;
}

/// Why manifest or key are not written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be written.
    #[error("the vault's key folder could not be written ({step}); see that its disk has room and is writable, then try again")]
    Write {
        /// Which step of it.
        step: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is a vault already.
    #[error("there is a vault in this key folder already; nothing was changed")]
    Exists,
    /// The key is given by somebody else.
    #[error("the vault key comes from a systemd credential, which only the service's administrator can replace; nothing was changed")]
    FixedKey,
}

impl Classified for StoreError {
    fn class(&self) -> Class {
        match self {
            Self::Write { .. } => Class::Transient,
            Self::Exists | Self::FixedKey => Class::Permanent,
        }
    }
}

/// Why a change of the manifest did not happen. Nothing of it is in effect, but the file may have either state.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// It could not be sealed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for CommitError {
    fn class(&self) -> Class {
        match self {
            Self::Manifest(error) => error.class(),
            Self::Store(error) => error.class(),
        }
    }
}

impl From<EntropyError> for CommitError {
    fn from(error: EntropyError) -> Self {
        Self::Manifest(ManifestError::Entropy(error))
    }
}

/// Why a record was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// A value of no bytes, or of too many.
    #[error("a secret has {VALUE_MIN} to {VALUE_MAX} bytes")]
    ValueSize,
    /// A policy of too many bytes.
    #[error("a secret's policy has at most {POLICY_MAX} bytes; name fewer targets")]
    PolicySize,
    /// The id is another member's secret.
    #[error("that secret belongs to another member")]
    OtherOwner,
    /// The owner's key was destroyed.
    #[error("that member was erased from the vault; admit them again first")]
    Erased,
    /// A change of this secret is under way.
    #[error("this secret is being changed already; try again when that is done")]
    Underway,
    /// No room for another one.
    #[error("the vault holds its most secrets ({RECORDS_MAX}) or members ({MEMBERS_MAX}); remove some that are not used")]
    Full,
    /// 4 294 967 295 versions of one secret.
    #[error("this secret has had its last version; add it anew under another name")]
    Versions,
    /// The owner's key does not open.
    #[error("the owner's key in the vault's manifest does not open; restore the key folder from its backup")]
    OwnerKey,
    /// The manifest was not changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Classified for PutError {
    fn class(&self) -> Class {
        match self {
            Self::ValueSize | Self::PolicySize | Self::Full | Self::Versions | Self::OwnerKey => Class::Permanent,
            Self::OtherOwner | Self::Erased => Class::Denied,
            Self::Underway => Class::Transient,
            Self::Commit(error) => error.class(),
        }
    }
}

impl From<EntropyError> for PutError {
    fn from(error: EntropyError) -> Self {
        Self::Commit(error.into())
    }
}

/// Why a step of a change has no effect.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// No such record.
    #[error("the vault knows no such secret")]
    Unknown,
    /// The record is in another phase.
    #[error("this step does not follow from the last one: no such change of the secret is under way, or another is")]
    OutOfStep,
    /// The manifest was not changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Classified for StepError {
    fn class(&self) -> Class {
        match self {
            Self::Unknown => Class::Permanent,
            Self::OutOfStep => Class::Bug,
            Self::Commit(error) => error.class(),
        }
    }
}

/// What is to be sealed.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// Which secret.
    pub id: SecretId,
    /// Whose.
    pub owner: MemberId,
    /// Its name.
    pub name: &'a SecretName,
    /// What it may be used for.
    pub policy: &'a SecretPolicy,
    /// Its value, [`VALUE_MIN`] to [`VALUE_MAX`] bytes of any kind.
    pub value: &'a SecretSlice<u8>,
}

/// Where the key that the manifest is under lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StagedKey {
    /// In its place.
    Adopted,
    /// Still beside the one before: a rotation's last step failed.
    Left,
}

/// An open vault: keys, manifest, and where the manifest is kept. Everything but [`KeyStore`] and [`Entropy`] is computed here.
pub struct Seal {
    head: Head,
    key: VaultKey,
    keys: Hierarchy,
    manifest: Manifest,
    staged: StagedKey,
    attempts: Attempts,
    store: Box<dyn KeyStore>,
    entropy: Box<dyn Entropy>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal")
            .field("household", &self.head.household)
            .field("generation", &self.manifest.generation)
            .finish_non_exhaustive()
    }
}

impl Seal {
    /// A new vault without records. With a passphrase's key, its slot is there from the beginning.
    ///
    /// # Errors
    ///
    /// Where there is a vault already, or when it is not durable.
    pub fn create(
        household: Household,
        key: VaultKey,
        passphrase: Option<&PassphraseKey>,
        store: Box<dyn KeyStore>,
        entropy: Box<dyn Entropy>,
    ) -> Result<Self, CommitError> {
        let slot = passphrase.map(|passphrase| passphrase.slot(household, &key, &*entropy)).transpose()?;
        let head = Head { household, slots: Slots { passphrase: slot, recovery: None } };
        let (keys, manifest) = (key.hierarchy(household), Manifest::new());
        let mut seal = Self { head, key, keys, manifest, staged: StagedKey::Adopted, attempts: Attempts::default(), store, entropy };
        let bytes = manifest::seal(&seal.head, &seal.manifest, &seal.keys, &*seal.entropy)?;
        seal.store.create_manifest(&bytes)?;
        Ok(seal)
    }

    /// The vault of this manifest.
    ///
    /// # Errors
    ///
    /// A manifest that is damaged, newer than this program, or of another key.
    pub fn open(key: VaultKey, manifest: &[u8], store: Box<dyn KeyStore>, entropy: Box<dyn Entropy>) -> Result<Self, ManifestError> {
        let (head, manifest, keys) = manifest::open(manifest, |household| key.hierarchy(household))?;
        Ok(Self { head, key, keys, manifest, staged: StagedKey::Adopted, attempts: Attempts::default(), store, entropy })
    }

    /// Whose vault it is.
    #[must_use]
    pub const fn household(&self) -> Household {
        self.head.household
    }

    /// The manifest's generation: raised by every change.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.manifest.generation
    }

    /// The key for the leak guard's fingerprints. Another one after the vault key was rotated.
    #[must_use]
    pub fn fingerprint_key(&self) -> SecretBox<[u8; KEY_BYTES]> {
        self.keys.fingerprints()
    }

    /// Opens a record that is the current one, or within a change the next.
    ///
    /// # Errors
    ///
    /// What is wrong with it; never [`Trouble::Missing`].
    pub fn open_record(&self, record: &SealedRecord) -> Result<Opened, Trouble> {
        self.judge_record(record).map(|(opened, _)| opened)
    }

    /// Seals a new version and announces it. Once the house has stored the record, [`Seal::finish_put`] makes it the only one.
    ///
    /// # Errors
    ///
    /// Nothing is announced then.
    pub fn begin_put(&mut self, draft: Draft<'_>) -> Result<SealedRecord, PutError> {
        if !(VALUE_MIN..=VALUE_MAX).contains(&draft.value.expose_secret().len()) {
            return Err(PutError::ValueSize);
        }
        let policy = serde_json::to_vec(draft.policy).map(Zeroizing::new).map_err(|_| PutError::PolicySize)?;
        if policy.len() > POLICY_MAX {
            return Err(PutError::PolicySize);
        }
        let mut next = self.manifest.next();
        let (phase, stamp) = announce(next.records.get(&draft.id), draft.owner, next.generation)?;
        next.records.insert(draft.id, Entry { owner: draft.owner, phase });
        let (member_key, generation) = self.key_for_sealing(&mut next, draft.owner)?;
        if next.records.len() > RECORDS_MAX || next.members.len() > MEMBERS_MAX {
            return Err(PutError::Full);
        }
        let Draft { id, owner, name, .. } = draft;
        let binding = Binding { household: self.head.household, id, owner, name, version: stamp.version, stamp: stamp.generation };
        let envelope = envelope::seal((&member_key, generation), &binding, &policy, draft.value, &*self.entropy)?;
        let envelope = envelope.ok_or(PutError::ValueSize)?;
        self.commit(next)?;
        Ok(SealedRecord { id, owner, name: name.clone(), version: stamp.version, envelope })
    }

    /// The announced version is stored: from now on no other is accepted.
    ///
    /// # Errors
    ///
    /// When none was announced, or the manifest was not changed; the announcement stands then.
    pub fn finish_put(&mut self, id: SecretId) -> Result<(), StepError> {
        self.step(id, |next, entry| match entry.phase {
            Phase::Adding { next: at } | Phase::Changing { next: at, .. } => {
                next.records.insert(id, Entry { phase: Phase::Stored { at }, ..entry });
                true
            }
            Phase::Stored { .. } | Phase::Removing { .. } => false,
        })
    }

    /// The announced version is certainly not stored and never will be: the one before stays the current one.
    ///
    /// # Errors
    ///
    /// As [`Seal::finish_put`].
    pub fn abandon_put(&mut self, id: SecretId) -> Result<(), StepError> {
        self.step(id, |next, entry| match entry.phase {
            Phase::Changing { at, .. } => {
                next.records.insert(id, Entry { phase: Phase::Stored { at }, ..entry });
                true
            }
            Phase::Adding { .. } => {
                next.remove(id);
                true
            }
            Phase::Stored { .. } | Phase::Removing { .. } => false,
        })
    }

    /// Announces that the house removes a record.
    ///
    /// # Errors
    ///
    /// While another change of it is under way, or when the manifest was not changed.
    pub fn begin_remove(&mut self, id: SecretId) -> Result<(), StepError> {
        self.step(id, |next, entry| match entry.phase {
            Phase::Stored { at } | Phase::Removing { at } => {
                next.records.insert(id, Entry { phase: Phase::Removing { at }, ..entry });
                true
            }
            Phase::Adding { .. } | Phase::Changing { .. } => false,
        })
    }

    /// Announces that the house removes a record that does not open, whatever change of it was under way. The caller has looked that it
    /// does not.
    ///
    /// # Errors
    ///
    /// [`StepError::Unknown`] where nothing is known of it, so that there is nothing to finish either; or when the manifest was not changed.
    pub fn begin_forget(&mut self, id: SecretId) -> Result<(), StepError> {
        self.step(id, |next, entry| {
            let at = match entry.phase {
                Phase::Stored { at } | Phase::Changing { at, .. } | Phase::Removing { at } => at,
                Phase::Adding { next } => next,
            };
            next.records.insert(id, Entry { phase: Phase::Removing { at }, ..entry });
            true
        })
    }

    /// Whose secret the manifest says that it is.
    #[must_use]
    pub fn owner_of(&self, id: SecretId) -> Option<MemberId> {
        self.manifest.records.get(&id).map(|entry| entry.owner)
    }

    /// The house has removed the record: from now on it is refused where it turns up again.
    ///
    /// # Errors
    ///
    /// When no removal was announced, or the manifest was not changed.
    pub fn finish_remove(&mut self, id: SecretId) -> Result<(), StepError> {
        self.step(id, |next, entry| {
            let announced = matches!(entry.phase, Phase::Removing { .. });
            if announced {
                next.remove(id);
            }
            announced
        })
    }

    /// The newest attested end of the house's journal.
    #[must_use]
    pub const fn attested(&self) -> Option<Attested> {
        self.manifest.journal
    }

    /// Keeps an end of the house's journal that is further on than the one that is kept; one that is not is let be.
    ///
    /// # Errors
    ///
    /// When the manifest was not changed.
    pub fn attest(&mut self, journal: Attested) -> Result<(), CommitError> {
        if self.manifest.journal.is_some_and(|known| journal.head.seq <= known.head.seq) {
            return Ok(());
        }
        let mut next = self.manifest.next();
        next.journal = Some(journal);
        self.commit(next)
    }

    /// Begins an attempt at the owner's proof. It counts as failed until [`Seal::judge`] has seen it succeed.
    ///
    /// # Errors
    ///
    /// Without an owner's passphrase, or too soon after wrong attempts.
    pub fn attempt(&mut self, now: Mono) -> Result<Attempt, ProofError> {
        let owner = self.manifest.owner.ok_or(ProofError::NotSet)?;
        self.attempts.begin(now)?;
        Ok(Attempt { household: self.head.household, owner, recovery: self.manifest.recovery })
    }

    /// Makes a proof of a successful attempt.
    ///
    /// # Errors
    ///
    /// After a wrong attempt.
    pub fn judge(&mut self, compared: &Compared) -> Result<OwnerProof, ProofError> {
        if !compared.right {
            return Err(ProofError::Wrong);
        }
        if compared.household != self.head.household {
            return Err(ProofError::Elsewhere);
        }
        self.attempts.succeeded();
        Ok(OwnerProof { household: compared.household })
    }

    /// Alters an entry when `alter` says that the step follows.
    fn step(&mut self, id: SecretId, alter: impl FnOnce(&mut Manifest, Entry) -> bool) -> Result<(), StepError> {
        let mut next = self.manifest.next();
        let entry = next.records.get(&id).copied().ok_or(StepError::Unknown)?;
        if !alter(&mut next, entry) {
            return Err(StepError::OutOfStep);
        }
        Ok(self.commit(next)?)
    }

    /// Makes a manifest durable, then current.
    fn commit(&mut self, next: Manifest) -> Result<(), CommitError> {
        self.commit_with(next, self.head)
    }

    fn commit_with(&mut self, next: Manifest, head: Head) -> Result<(), CommitError> {
        // Used up even when the write fails: the file may have it.
        self.manifest.generation = next.generation;
        let bytes = manifest::seal(&head, &next, &self.keys, &*self.entropy)?;
        self.store.write_manifest(&bytes)?;
        (self.manifest, self.head) = (next, head);
        Ok(())
    }

    const fn member_key_of(&self, member: MemberId, generation: u32) -> MemberKeyOf {
        MemberKeyOf { household: self.head.household, member, generation }
    }

    /// The key under which a member's new versions are sealed; made at their first one.
    fn key_for_sealing(&self, next: &mut Manifest, member: MemberId) -> Result<(Key, u32), PutError> {
        let stored = match next.members.get(&member) {
            Some(MemberState::Live { key } | MemberState::Rekeying { new: key, .. }) => key,
            Some(MemberState::Erased { .. }) => return Err(PutError::Erased),
            None => {
                let (bare, key) = self.fresh_member_key(member, 1)?;
                next.members.insert(member, MemberState::Live { key });
                return Ok((bare, key.generation));
            }
        };
        let bare = self.keys.unwrap_key(self.member_key_of(member, stored.generation), &stored.wrapped).map_err(|_| PutError::OwnerKey)?;
        Ok((bare, stored.generation))
    }

    fn fresh_member_key(&self, member: MemberId, generation: u32) -> Result<(Key, MemberKey), EntropyError> {
        let bare = Key::fresh(&*self.entropy)?;
        let wrapped = self.keys.wrap(self.member_key_of(member, generation), &bare, &*self.entropy)?;
        Ok((bare, MemberKey { generation, wrapped }))
    }

    fn binding<'a>(&self, record: &'a SealedRecord, envelope: &Envelope<'_>) -> Binding<'a> {
        let SealedRecord { id, owner, name, version, .. } = record;
        Binding { household: self.head.household, id: *id, owner: *owner, name, version: *version, stamp: envelope.stamp }
    }
}

/// The phase in which a record is once its next version is announced.
fn announce(present: Option<&Entry>, owner: MemberId, generation: u64) -> Result<(Phase, Stamp), PutError> {
    match present {
        None => {
            let next = Stamp { version: 1, generation };
            Ok((Phase::Adding { next }, next))
        }
        Some(entry) if entry.owner != owner => Err(PutError::OtherOwner),
        Some(Entry { phase: Phase::Stored { at }, .. }) => {
            let next = Stamp { version: at.version.checked_add(1).ok_or(PutError::Versions)?, generation };
            Ok((Phase::Changing { at: *at, next }, next))
        }
        Some(_) => Err(PutError::Underway),
    }
}

#[cfg(test)]
mod tests;
