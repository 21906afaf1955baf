//! The owner's proof, and the keys that are changed with it. What takes half a second is given out as a closed piece of work, so that the lock is never held that long.

use secrecy::SecretString;

use super::change::{ChangeError, refusal};
use super::{Keeper, Lock, seal_of};
use crate::seal::Seal;
use crate::seal::keys::Household;
use crate::seal::passphrase::{PassphraseKey, PassphraseSlot, Verifier};
use crate::seal::proof::{Attempt, Compared, OwnerProof};
use crate::seal::rotate::RotateError;

impl Keeper {
    /// Begins an attempt at the owner's proof; counted as failed until [`Self::judge`] has seen it succeed.
    ///
    /// # Errors
    ///
    /// Without an open vault or an owner's passphrase, or too soon after wrong attempts.
    pub fn attempt(&self) -> Result<Attempt, ChangeError> {
        self.with_seal(|seal, now| Ok(seal.attempt(now)?))
    }

    /// Makes a proof of a comparison, good for one change.
    ///
    /// # Errors
    ///
    /// After a wrong attempt.
    pub fn judge(&self, compared: &Compared) -> Result<OwnerProof, ChangeError> {
        self.with_seal(|seal, _| Ok(seal.judge(compared)?))
    }

    /// Sets the owner's passphrase for the first time. The recovery key is to be shown once. Gives the kit to be printed.
    ///
    /// # Errors
    ///
    /// When one is set already.
    pub fn set_owner(&self, owner: Verifier) -> Result<SecretString, ChangeError> {
        self.with_seal(|seal, _| {
            let household = seal.household();
            Ok(seal.set_owner(owner).map_err(of_rotation)?.kit(household))
        })
    }

    /// Replaces the owner's passphrase.
    ///
    /// # Errors
    ///
    /// When it could not be stored.
    pub fn change_owner(&self, proof: OwnerProof, owner: Verifier) -> Result<(), ChangeError> {
        self.with_seal(|seal, _| seal.change_owner(proof, owner).map_err(of_rotation))
    }

    /// Draws a new recovery key; the one before is void. Gives the kit to be printed.
    ///
    /// # Errors
    ///
    /// With another vault's proof, or when it could not be stored.
    pub fn new_recovery(&self, proof: OwnerProof) -> Result<SecretString, ChangeError> {
        self.with_seal(|seal, _| {
            let household = seal.household();
            Ok(seal.new_recovery(proof).map_err(of_rotation)?.kit(household))
        })
    }

    /// Puts a new vault key in place of the present one. No record changes, and everything is used as before. The recovery key
    /// is another one from then on: gives the kit to be printed.
    ///
    /// # Errors
    ///
    /// [`ChangeError::NeedsPassphrase`] for a passphrase vault without one; where the key is another's to replace; or when it could not be
    /// stored, and then one of both keys opens at the next start.
    pub fn rotate_key(&self, proof: OwnerProof, passphrase: Option<&PassphraseKey>) -> Result<SecretString, ChangeError> {
        self.with_seal(|seal, _| {
            let household = seal.household();
            let rotated = seal.rotate_vault_key(proof, passphrase).map_err(of_rotation)?;
            if let Some(error) = rotated.left {
                tracing::warn!(%error, "the new vault key lies beside the old one; the next start puts it in its place");
            }
            Ok(rotated.recovery.kit(household))
        })
    }

    /// Puts a passphrase vault under another passphrase.
    ///
    /// # Errors
    ///
    /// For a vault that opens without one, with another vault's proof, or when it could not be stored.
    pub fn change_passphrase(&self, proof: OwnerProof, passphrase: &PassphraseKey) -> Result<(), ChangeError> {
        self.with_seal(|seal, _| {
            if seal.passphrase_slot().is_none() {
                return Err(ChangeError::NoPassphrase);
            }
            seal.change_passphrase(proof, Some(passphrase)).map_err(of_rotation)
        })
    }

    /// What the vault's own passphrase is looked at with; none for a vault that opens without.
    #[must_use]
    pub fn passphrase_slot(&self) -> Option<(Household, PassphraseSlot)> {
        let core = self.core();
        let seal = seal_of(&core.lock)?;
        seal.passphrase_slot().map(|slot| (seal.household(), slot))
    }

    /// Nothing for an open vault.
    ///
    /// # Errors
    ///
    /// For one that is sealed or broken.
    pub fn open_or_refuse(&self) -> Result<(), ChangeError> {
        refusal(self.state()).map_or(Ok(()), Err)
    }

    fn with_seal<T>(&self, act: impl FnOnce(&mut Seal, hearth_domain::time::Mono) -> Result<T, ChangeError>) -> Result<T, ChangeError> {
        let mut core = self.core();
        let now = core.ports.clock.mono();
        if let Some(error) = refusal(core.state()) {
            return Err(error);
        }
        match &mut core.lock {
            Lock::Open(seal) => act(seal, now),
            Lock::Sealed | Lock::Broken => Err(ChangeError::Sealed),
        }
    }
}

fn of_rotation(error: RotateError) -> ChangeError {
    match error {
        RotateError::PassphraseNeeded => ChangeError::NeedsPassphrase,
        RotateError::Proof(error) => error.into(),
        RotateError::Commit(error) => crate::seal::StepError::Commit(error).into(),
    }
}
