//! Passphrases: what is computed of one, so that it opens the vault or is known again.
//!
//! What is stored of the owner's is its Argon2id digest within the sealed manifest; the vault's own opens a slot of the manifest that has
//! the vault key. Each guess costs the stored [`Cost`]: [`calibrate`] finds it for the machine at hand. Limits: [`PASSPHRASE_MIN`],
//! [`PASSPHRASE_MAX`].

use std::time::Duration;

use hearth_domain::error::{Class, Classified};
use hearth_domain::time::Clock;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::codec::Hex;
use super::crypto::{
    Cost, Entropy, EntropyError, KEY_BYTES, Key, MEMORY_MIN_KIB, PASSES_MAX, PASSES_MIN, Stretch, StretchError, Wrapped, argon2id, fresh,
};
use super::keys::{Household, VaultKey};

/// Fewest characters of a passphrase.
pub const PASSPHRASE_MIN: usize = 10;
/// Most bytes of a passphrase.
pub const PASSPHRASE_MAX: usize = 1024;
/// What checking a passphrase should take on the machine at hand.
pub const TARGET: Duration = Duration::from_millis(500);
/// The memory that [`calibrate`] begins with, in KiB: what a home server can spare for half a second.
pub const MEMORY_KIB: u32 = 64 * 1024;
/// Bytes of a salt.
pub(crate) const SALT_BYTES: usize = 16;

const OWNER: &[u8] = b"hearth vault 1 owner proof";
const SLOT: &[u8] = b"hearth vault 1 passphrase slot";

/// Why a passphrase is not taken or not computed.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Too short.
    #[error("a passphrase has at least {PASSPHRASE_MIN} characters; several words are easy to remember")]
    Short,
    /// Too long.
    #[error("a passphrase has at most {PASSPHRASE_MAX} bytes")]
    Long,
    /// It opens nothing.
    #[error("that is not the passphrase")]
    Wrong,
    /// It could not be computed.
    #[error(transparent)]
    Stretch(#[from] StretchError),
    /// No chance.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl Classified for PassphraseError {
    fn class(&self) -> Class {
        match self {
            Self::Short | Self::Long => Class::Permanent,
            Self::Wrong => Class::Denied,
            Self::Stretch(error) => error.class(),
            Self::Entropy(error) => error.class(),
        }
    }
}

fn checked(passphrase: &SecretString) -> Result<&[u8], PassphraseError> {
    let text = passphrase.expose_secret();
    if text.len() > PASSPHRASE_MAX {
        return Err(PassphraseError::Long);
    }
    if text.chars().count() < PASSPHRASE_MIN { Err(PassphraseError::Short) } else { Ok(text.as_bytes()) }
}

fn stretched(text: &[u8], salt: &[u8], label: &[u8], cost: Cost) -> Result<Key, StretchError> {
    argon2id(cost, Stretch { password: text, salt, pepper: b"", label })
}

/// What an owner's passphrase is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verifier {
    salt: Hex<SALT_BYTES>,
    cost: Cost,
    digest: Hex<KEY_BYTES>,
}

impl Verifier {
    /// The verifier of a passphrase. Takes as long as checking one.
    ///
    /// # Errors
    ///
    /// A passphrase that is too short or too long, no memory, no chance.
    pub fn new(passphrase: &SecretString, cost: Cost, entropy: &dyn Entropy) -> Result<Self, PassphraseError> {
        let text = checked(passphrase)?;
        let salt: [u8; SALT_BYTES] = fresh(entropy)?;
        let digest = stretched(text, &salt, OWNER, cost)?;
        Ok(Self { salt: Hex(salt), cost, digest: Hex(*digest.bytes()) })
    }

    /// Whether it was made of this passphrase.
    pub(crate) fn fits(&self, passphrase: &SecretString) -> Result<bool, StretchError> {
        let text = passphrase.expose_secret().as_bytes();
        if text.len() > PASSPHRASE_MAX {
            return Ok(false);
        }
        let digest = stretched(text, &self.salt.0, OWNER, self.cost)?;
        Ok(digest.bytes().ct_eq(&self.digest.0).into())
    }
}

/// A key from a passphrase, for a slot of the manifest. Takes as long as checking a passphrase.
#[derive(Debug)]
pub struct PassphraseKey {
    salt: [u8; SALT_BYTES],
    cost: Cost,
    key: Key,
}

impl PassphraseKey {
    /// The key of this passphrase with a fresh salt.
    ///
    /// # Errors
    ///
    /// As [`Verifier::new`].
    pub fn new(passphrase: &SecretString, cost: Cost, entropy: &dyn Entropy) -> Result<Self, PassphraseError> {
        let text = checked(passphrase)?;
        let salt = fresh(entropy)?;
        let key = stretched(text, &salt, SLOT, cost)?;
        Ok(Self { salt, cost, key })
    }

    pub(crate) fn slot(&self, household: Household, key: &VaultKey, entropy: &dyn Entropy) -> Result<PassphraseSlot, EntropyError> {
        let wrapped = Wrapped::new(&self.key, &slot_bound(household), &key.0, entropy)?;
        Ok(PassphraseSlot { salt: self.salt, cost: self.cost, wrapped })
    }
}

/// The vault key under a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassphraseSlot {
    pub(crate) salt: [u8; SALT_BYTES],
    pub(crate) cost: Cost,
    pub(crate) wrapped: Wrapped,
}

impl PassphraseSlot {
    /// The vault key, by its passphrase.
    ///
    /// # Errors
    ///
    /// [`PassphraseError::Wrong`] when it opens nothing; the passphrase and an altered slot cannot be told apart.
    pub fn unlock(&self, household: Household, passphrase: &SecretString) -> Result<VaultKey, PassphraseError> {
        let text = passphrase.expose_secret();
        if text.len() > PASSPHRASE_MAX {
            return Err(PassphraseError::Long);
        }
        let key = stretched(text.as_bytes(), &self.salt, SLOT, self.cost)?;
        self.wrapped.open(&key, &slot_bound(household)).map(VaultKey).map_err(|_| PassphraseError::Wrong)
    }
}

fn slot_bound(household: Household) -> Vec<u8> {
    [SLOT, &household.bytes()].concat()
}

/// A cost for this machine, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calibrated {
    /// The cost.
    pub cost: Cost,
    /// How long one passphrase took with it.
    pub took: Duration,
}

/// Finds the cost at which one passphrase takes about `target`: as much memory as two passes allow, up to [`MEMORY_KIB`], then more passes.
/// Never below [`Cost::FLOOR`], however slow the machine.
///
/// # Errors
///
/// When Argon2id cannot be computed.
pub fn calibrate(clock: &dyn Clock, target: Duration) -> Result<Calibrated, StretchError> {
    calibrate_with(target, |cost| {
        let begun = clock.mono();
        stretched(b"calibration", &[0; SALT_BYTES], OWNER, cost)?;
        Ok(clock.mono().since(begun))
    })
}

fn calibrate_with(target: Duration, mut measure: impl FnMut(Cost) -> Result<Duration, StretchError>) -> Result<Calibrated, StretchError> {
    let mut cost = Cost { memory_kib: MEMORY_KIB, passes: PASSES_MIN, lanes: 1 };
    let mut least = measure(cost)?;
    while least > target && cost.memory_kib > MEMORY_MIN_KIB {
        cost.memory_kib = (cost.memory_kib / 2).max(MEMORY_MIN_KIB);
        least = measure(cost)?;
    }
    let fit = |rest: Duration, pass: Duration| u32::try_from(rest.as_nanos() / pass.as_nanos().max(1)).unwrap_or(PASSES_MAX);
    cost.passes = fit(target, least / PASSES_MIN).clamp(PASSES_MIN, PASSES_MAX);
    if cost.passes == PASSES_MIN {
        return Ok(Calibrated { cost, took: least });
    }
    // The first passes also pay for the memory itself; what one more costs is seen from two measurements.
    let pass = measure(cost)?.saturating_sub(least) / cost.passes.saturating_sub(PASSES_MIN);
    cost.passes = PASSES_MIN.saturating_add(fit(target.saturating_sub(least), pass)).clamp(PASSES_MIN, PASSES_MAX);
    Ok(Calibrated { cost, took: measure(cost)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine on which a pass over a MiB takes so long.
    fn machine(pass_per_mib: Duration) -> Calibrated {
        calibrate_with(TARGET, |cost| Ok(pass_per_mib * (cost.memory_kib / 1024) * cost.passes)).unwrap()
    }

    #[test]
    fn calibration_hits_the_target_and_never_goes_below_the_floor() {
        let fast = machine(Duration::from_micros(700));
        assert_eq!((fast.cost.memory_kib, fast.cost.passes), (MEMORY_KIB, 11));
        assert!(fast.took <= TARGET && fast.took > TARGET * 9 / 10);
        let slow = machine(Duration::from_millis(6));
        assert_eq!((slow.cost.memory_kib, slow.cost.passes), (MEMORY_KIB / 2, 2));
        let slowest = machine(Duration::from_secs(1));
        assert_eq!(slowest.cost, Cost::FLOOR);
        assert_eq!(machine(Duration::from_nanos(1)).cost.passes, PASSES_MAX);
    }

    #[test]
    fn calibration_sees_through_what_the_memory_costs_once() {
        let machine = |cost: Cost| Ok(Duration::from_millis(60) + Duration::from_millis(40) * cost.passes);
        assert_eq!(calibrate_with(TARGET, machine).unwrap().cost.passes, 11);
    }

    #[test]
    fn short_and_endless_passphrases_are_refused() {
        let refuse = |text: String| checked(&SecretString::from(text)).unwrap_err().class();
        assert_eq!(refuse("ninechars".to_owned()), Class::Permanent);
        assert_eq!(refuse("a".repeat(PASSPHRASE_MAX + 1)), Class::Permanent);
        assert!(checked(&SecretString::from("äöüäöüäöüä")).is_ok());
    }
}
