//! The owner's proof: a passphrase or a recovery key, given to the vault directly, that the house never holds.
//!
//! ```text
//! attempt (counted as failed) ─▶ compare, half a second, on any thread ─▶ judge ─▶ OwnerProof, good for one operation
//!                                                                             └─▶ wrong; from the third on each waits twice as long
//! ```
//!
//! A passphrase is compared with its digest in the sealed manifest ([`super::passphrase`]), a recovery key, which has 160 random bits, with an
//! HKDF output, both in constant time. Failures are counted in memory: a restart of the vault forgets them, so that what really bounds
//! guessing is the cost of each guess; the waiting makes it be seen. Limits: [`TRIES_FREE`], [`WAIT_MAX`].

use std::time::Duration;

use hearth_domain::error::{Class, Classified};
use hearth_domain::time::Mono;
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;

use super::codec::Hex;
use super::crypto::{KEY_BYTES, StretchError};
use super::keys::Household;
use super::passphrase::Verifier;
use super::recovery::RecoveryKey;

/// Wrong attempts without a wait.
pub const TRIES_FREE: u32 = 3;
/// The first wait.
pub const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
pub const WAIT_MAX: Duration = Duration::from_secs(900);

/// That the owner was there. Made by [`super::Seal::judge`] alone, and used up by the operation that asks for it.
#[derive(Debug)]
pub struct OwnerProof {
    pub(crate) household: Household,
}

/// Why there is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No passphrase was set yet.
    #[error("no owner's passphrase is set yet; set one with `hearth secret passphrase`")]
    NotSet,
    /// Set already.
    #[error("an owner's passphrase is set already; changing it takes the present one or the recovery key")]
    AlreadySet,
    /// Too many wrong ones.
    #[error("too many wrong attempts; try again in {} seconds", .wait.as_secs().saturating_add(1))]
    TooSoon {
        /// How long until the next attempt is looked at.
        wait: Duration,
    },
    /// Wrong.
    #[error("that is neither the owner's passphrase nor the recovery key")]
    Wrong,
    /// A proof for another vault.
    #[error("that proof was given to another vault")]
    Elsewhere,
    /// It could not be computed.
    #[error(transparent)]
    Stretch(#[from] StretchError),
}

impl Classified for ProofError {
    fn class(&self) -> Class {
        match self {
            Self::NotSet | Self::AlreadySet => Class::Permanent,
            Self::TooSoon { .. } => Class::Transient,
            Self::Wrong | Self::Elsewhere => Class::Denied,
            Self::Stretch(error) => error.class(),
        }
    }
}

/// Counts wrong attempts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attempts {
    failed: u32,
    not_before: Mono,
}

impl Attempts {
    /// Counts an attempt as failed before it is compared, so that many at once are counted, too.
    pub(crate) fn begin(&mut self, now: Mono) -> Result<(), ProofError> {
        let wait = self.not_before.since(now);
        if !wait.is_zero() {
            return Err(ProofError::TooSoon { wait });
        }
        self.failed = self.failed.saturating_add(1);
        if self.failed >= TRIES_FREE {
            let doublings = self.failed.saturating_sub(TRIES_FREE).min(16);
            self.not_before = now.plus(WAIT_FIRST.saturating_mul(1 << doublings).min(WAIT_MAX));
        }
        Ok(())
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

/// One attempt at a proof: what it is compared with, free of the vault, so that comparing can take its time elsewhere.
#[derive(Debug)]
pub struct Attempt {
    pub(crate) household: Household,
    pub(crate) owner: Verifier,
    pub(crate) recovery: Option<Hex<KEY_BYTES>>,
}

/// How an attempt went; [`super::Seal::judge`] makes a proof or an error of it.
#[derive(Debug)]
pub struct Compared {
    pub(crate) household: Household,
    pub(crate) right: bool,
}

impl Attempt {
    /// Compares a passphrase. Takes about [`TARGET`](super::passphrase::TARGET) of one core and the memory of the stored cost.
    ///
    /// # Errors
    ///
    /// When it cannot be computed.
    pub fn passphrase(self, passphrase: &SecretString) -> Result<Compared, StretchError> {
        Ok(Compared { household: self.household, right: self.owner.fits(passphrase)? })
    }

    /// Compares a recovery key.
    #[must_use]
    pub fn recovery(self, key: &RecoveryKey) -> Compared {
        let right = self.recovery.is_some_and(|stored| key.verifier(self.household).bytes().ct_eq(&stored.0).into());
        Compared { household: self.household, right }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour_and_end_with_a_right_one() {
        let (mut attempts, mut now) = (Attempts::default(), Mono::default());
        let mut waits = Vec::new();
        for _ in 0..16 {
            attempts.begin(now).unwrap();
            match attempts.begin(now) {
                Err(ProofError::TooSoon { wait }) => {
                    waits.push(wait.as_secs());
                    now = now.plus(wait);
                }
                _ => waits.push(0),
            }
        }
        assert_eq!(waits[..5], [0, 1, 2, 4, 8]);
        assert_eq!(waits.last(), Some(&WAIT_MAX.as_secs()));
        attempts.succeeded();
        assert!((0..TRIES_FREE).all(|_| attempts.begin(now).is_ok()));
    }
}
