//! The vault key, the owner's passphrase and the recovery key: set and replaced while running.
//!
//! Rotating the vault key wraps the member keys anew; no record changes. Three durable steps, in this order: the new key beside the old
//! one, the manifest under the new key, the new key in place of the old. After a crash between any two, one of the two keys opens
//! the manifest, and `source::open_folder` ends the change accordingly. The slots are renewed with keys of their own (the passphrase is asked for again, the
//! recovery key is a new one): were they kept, the old vault key would still lead to the new one.
//!
//! Rotation is for a key that may have been seen. Whoever saw it together with manifest and records has seen the values: those are to be
//! changed where they are good for something.

use hearth_domain::error::{Class, Classified};

use super::codec::Hex;
use super::crypto::EntropyError;
use super::keys::VaultKey;
use super::manifest::{Head, ManifestError, Slots};
use super::passphrase::{PassphraseKey, PassphraseSlot, Verifier};
use super::proof::{OwnerProof, ProofError};
use super::recovery::RecoveryKey;
use super::{CommitError, Seal, StagedKey, StoreError, manifest};

/// Why keys were not replaced. The present ones stay good.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The vault opens by a passphrase, which is asked for again.
    #[error("this vault opens by a passphrase: give it again so that the new key is put under it")]
    PassphraseNeeded,
    /// The proof does not fit.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The manifest was not changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Classified for RotateError {
    fn class(&self) -> Class {
        match self {
            Self::PassphraseNeeded => Class::Permanent,
            Self::Proof(error) => error.class(),
            Self::Commit(error) => error.class(),
        }
    }
}

impl From<EntropyError> for RotateError {
    fn from(error: EntropyError) -> Self {
        Self::Commit(error.into())
    }
}

impl From<StoreError> for RotateError {
    fn from(error: StoreError) -> Self {
        Self::Commit(error.into())
    }
}

impl From<ManifestError> for RotateError {
    fn from(error: ManifestError) -> Self {
        Self::Commit(error.into())
    }
}

/// A rotated vault key.
#[derive(Debug)]
pub struct Rotated {
    /// The recovery key that is good from now on. The one before is void.
    pub recovery: RecoveryKey,
    /// The last step, the new key file in place of the old, did not succeed. The vault goes on; the next start repeats the step.
    pub left: Option<StoreError>,
}

impl Seal {
    /// Whether an owner's passphrase is set.
    #[must_use]
    pub const fn has_owner(&self) -> bool {
        self.manifest.owner.is_some()
    }

    /// The slot that a passphrase opens, where the vault has one.
    #[must_use]
    pub const fn passphrase_slot(&self) -> Option<PassphraseSlot> {
        self.head.slots.passphrase
    }

    /// Sets the owner's passphrase for the first time and draws the recovery key, to be shown once.
    ///
    /// # Errors
    ///
    /// When one is set, or nothing could be changed.
    pub fn set_owner(&mut self, owner: Verifier) -> Result<RecoveryKey, RotateError> {
        if self.has_owner() {
            return Err(ProofError::AlreadySet.into());
        }
        self.renew_recovery(Some(owner))
    }

    /// Draws a new recovery key. The one before is void.
    ///
    /// # Errors
    ///
    /// With another vault's proof, or when nothing could be changed.
    pub fn new_recovery(&mut self, proof: OwnerProof) -> Result<RecoveryKey, RotateError> {
        self.admits(&proof)?;
        self.renew_recovery(self.manifest.owner)
    }

    /// Replaces the owner's passphrase.
    ///
    /// # Errors
    ///
    /// With another vault's proof, or when nothing could be changed.
    pub fn change_owner(&mut self, proof: OwnerProof, owner: Verifier) -> Result<(), RotateError> {
        self.admits(&proof)?;
        let mut next = self.manifest.next();
        next.owner = Some(owner);
        Ok(self.commit(next)?)
    }

    /// Puts the vault key under a passphrase, new or other than before; `None` takes the slot away, where the key has another source.
    ///
    /// # Errors
    ///
    /// With another vault's proof, or when nothing could be changed.
    pub fn change_passphrase(&mut self, proof: OwnerProof, passphrase: Option<&PassphraseKey>) -> Result<(), RotateError> {
        self.admits(&proof)?;
        let household = self.head.household;
        let slot = passphrase.map(|passphrase| passphrase.slot(household, &self.key, &*self.entropy)).transpose()?;
        let head = Head { household, slots: Slots { passphrase: slot, ..self.head.slots } };
        Ok(self.commit_with(self.manifest.next(), head)?)
    }

    /// Replaces the vault key. A passphrase vault is given its passphrase's key again (it may be another passphrase).
    ///
    /// # Errors
    ///
    /// With another vault's proof, without a passphrase that is needed, where the key is fixed, or when nothing could be changed.
    pub fn rotate_vault_key(&mut self, proof: OwnerProof, passphrase: Option<&PassphraseKey>) -> Result<Rotated, RotateError> {
        self.admits(&proof)?;
        if self.head.slots.passphrase.is_some() && passphrase.is_none() {
            return Err(RotateError::PassphraseNeeded);
        }
        self.come_to_rest()?;
        let household = self.head.household;
        let key = VaultKey::fresh(&*self.entropy)?;
        let keys = key.hierarchy(household);
        let recovery = RecoveryKey::fresh(&*self.entropy)?;
        let slots = Slots {
            passphrase: passphrase.map(|passphrase| passphrase.slot(household, &key, &*self.entropy)).transpose()?,
            recovery: Some(recovery.slot(household, &key, &*self.entropy)?),
        };
        let head = Head { household, slots };
        let mut next = self.manifest.rewrapped(household, &self.keys, &keys, &*self.entropy)?;
        next.recovery = Some(Hex(*recovery.verifier(household).bytes()));
        let bytes = manifest::seal(&head, &next, &keys, &*self.entropy)?;
        self.store.stage_key(&key)?;
        self.manifest.generation = next.generation;
        self.store.write_manifest(&bytes)?;
        (self.manifest, self.head, self.key, self.keys) = (next, head, key, keys);
        let left = self.store.adopt_key().err();
        self.staged = if left.is_some() { StagedKey::Left } else { StagedKey::Adopted };
        Ok(Rotated { recovery, left })
    }

    /// Before a new key is staged, the one in its place has to open the manifest on the disk: after a step of unknown outcome the staged
    /// key might be the only one that does, and it is about to be written over.
    fn come_to_rest(&mut self) -> Result<(), CommitError> {
        if self.staged == StagedKey::Left {
            self.store.adopt_key()?;
            self.staged = StagedKey::Adopted;
        }
        self.commit(self.manifest.next())
    }

    fn renew_recovery(&mut self, owner: Option<Verifier>) -> Result<RecoveryKey, RotateError> {
        let household = self.head.household;
        let recovery = RecoveryKey::fresh(&*self.entropy)?;
        let head =
            Head { household, slots: Slots { recovery: Some(recovery.slot(household, &self.key, &*self.entropy)?), ..self.head.slots } };
        let mut next = self.manifest.next();
        next.owner = owner;
        next.recovery = Some(Hex(*recovery.verifier(household).bytes()));
        self.commit_with(next, head)?;
        Ok(recovery)
    }
}
