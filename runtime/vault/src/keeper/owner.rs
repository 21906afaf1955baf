//! The owner's proof. What takes half a second is given out as a closed piece of work, so that the lock is never held that long.

use secrecy::SecretString;

use super::change::{ChangeError, refusal};
use super::{Keeper, Lock};
use crate::seal::Seal;
use crate::seal::proof::{Attempt, Compared, OwnerProof, Verifier};
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
        RotateError::PassphraseNeeded => ChangeError::NeedsProof,
        RotateError::Proof(error) => error.into(),
        RotateError::Commit(error) => crate::seal::StepError::Commit(error).into(),
    }
}
