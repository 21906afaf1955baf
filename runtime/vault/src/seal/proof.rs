//! The owner's proof: a passphrase or a recovery key, given to the vault directly, that the house never holds.
//!
//! ```text
//! attempt (counted as failed) ─▶ compare, half a second, on any thread ─▶ judge ─▶ OwnerProof, good for one operation
//!                                                                             └─▶ wrong; from the third on each waits twice as long
//! ```
//!
//! What is stored of a passphrase is its Argon2id digest within the sealed manifest; of a recovery key, which has 160 random bits, an HKDF
//! output. Both are compared in constant time. Failures are counted in memory: a restart of the vault forgets them, so that what really
//! bounds guessing is the cost of each guess; the waiting makes it be seen. Limits: [`TRIES_FREE`], [`WAIT_MAX`], [`PASSPHRASE_MIN`].

use std::time::Duration;

use hearth_domain::error::{Class, Classified};
use hearth_domain::time::{Clock, Mono};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::codec::Hex;
use super::crypto::{
    Cost, Entropy, EntropyError, KEY_BYTES, Key, MEMORY_MIN_KIB, PASSES_MAX, PASSES_MIN, Stretch, StretchError, Wrapped, argon2id, fresh,
};
use super::keys::{Household, VaultKey};
use super::manifest::{PassphraseSlot, SALT_BYTES};
use super::recovery::RecoveryKey;

/// Fewest characters of a passphrase.
pub const PASSPHRASE_MIN: usize = 10;
/// Most bytes of a passphrase.
pub const PASSPHRASE_MAX: usize = 1024;
/// Wrong attempts without a wait.
pub const TRIES_FREE: u32 = 3;
/// The first wait.
pub const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
pub const WAIT_MAX: Duration = Duration::from_secs(900);
/// What checking a passphrase should take on the machine at hand.
pub const TARGET: Duration = Duration::from_millis(500);
/// The memory that [`calibrate`] begins with, in KiB: what a home server can spare for half a second.
pub const MEMORY_KIB: u32 = 64 * 1024;

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

fn slot_bound(household: Household) -> Vec<u8> {
    [SLOT, &household.bytes()].concat()
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
    /// Compares a passphrase. Takes about [`TARGET`] of one core and the memory of the stored cost.
    ///
    /// # Errors
    ///
    /// When it cannot be computed.
    pub fn passphrase(self, passphrase: &SecretString) -> Result<Compared, StretchError> {
        let text = passphrase.expose_secret().as_bytes();
        if text.len() > PASSPHRASE_MAX {
            return Ok(Compared { household: self.household, right: false });
        }
        let digest = stretched(text, &self.owner.salt.0, OWNER, self.owner.cost)?;
        let right = digest.bytes().ct_eq(&self.owner.digest.0).into();
        Ok(Compared { household: self.household, right })
    }

    /// Compares a recovery key.
    #[must_use]
    pub fn recovery(self, key: &RecoveryKey) -> Compared {
        let right = self.recovery.is_some_and(|stored| key.verifier(self.household).bytes().ct_eq(&stored.0).into());
        Compared { household: self.household, right }
    }
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

    #[test]
    fn short_and_endless_passphrases_are_refused() {
        let refuse = |text: String| checked(&SecretString::from(text)).unwrap_err().class();
        assert_eq!(refuse("ninechars".to_owned()), Class::Permanent);
        assert_eq!(refuse("a".repeat(PASSPHRASE_MAX + 1)), Class::Permanent);
        assert!(checked(&SecretString::from("äöüäöüäöüä")).is_ok());
    }
}
