//! The hierarchy of keys.
//!
//! ```text
//! vault key (32 random bytes; from a source, see `source`)
//!  ├─ HKDF "wrapping"     ─▶ wraps each member key     ─▶ wraps each data key ─▶ seals one version of one record
//!  ├─ HKDF "manifest"     ─▶ seals the manifest
//!  └─ HKDF "fingerprints" ─▶ the leak guard's keyed fingerprints
//! ```
//!
//! HKDF's salt is the household's id, so that one key file used for two households gives two hierarchies. Member keys are random, and
//! only the manifest holds them, wrapped: destroying that one wrapped key makes every record of the member unreadable.

use hearth_domain::ids::MemberId;
use secrecy::SecretBox;
use serde::{Deserialize, Serialize};

use super::crypto::{Entropy, EntropyError, Forged, KEY_BYTES, Key, Wrapped, derive, fresh};

/// Which household a vault belongs to: 16 random bytes, drawn when the vault is created. Shown as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Household([u8; Household::BYTES]);

impl Household {
    /// Bytes of the id.
    pub const BYTES: usize = 16;

    /// A new household.
    ///
    /// # Errors
    ///
    /// Without chance.
    pub fn fresh(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        fresh(entropy).map(Self)
    }

    pub(crate) const fn of(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bare bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; Self::BYTES] {
        self.0
    }
}

impl std::fmt::Display for Household {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Household {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A source of the vault key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// `$CREDENTIALS_DIRECTORY/hearth-vault-key`; with a TPM, systemd seals it to that.
    SystemdCredential,
    /// The operating system's keyring. Not supported.
    Keyring,
    /// A slot of the manifest that a passphrase opens.
    Passphrase,
    /// `vault.key` in the key folder.
    KeyFile,
}

/// The key above all others. It zeroes itself, and has neither `Clone` nor a text form.
#[derive(Debug)]
pub struct VaultKey(pub(crate) Key);

impl VaultKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// Without chance.
    pub fn fresh(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        Key::fresh(entropy).map(Self)
    }

    /// The hierarchy beneath it.
    pub(crate) fn hierarchy(&self, household: Household) -> Hierarchy {
        let derive = |label| derive(&household.bytes(), self.0.bytes(), label);
        Hierarchy {
            wrapping: derive(b"hearth vault 1 wrapping"),
            manifest: derive(b"hearth vault 1 manifest"),
            fingerprints: derive(b"hearth vault 1 fingerprints"),
        }
    }
}

/// The derived keys.
#[derive(Debug)]
pub(crate) struct Hierarchy {
    pub(crate) wrapping: Key,
    pub(crate) manifest: Key,
    fingerprints: Key,
}

impl Hierarchy {
    pub(crate) fn fingerprints(&self) -> SecretBox<[u8; KEY_BYTES]> {
        Key::copied(self.fingerprints.bytes()).into_secret()
    }

    /// Wraps a member's key.
    pub(crate) fn wrap(&self, of: MemberKeyOf, key: &Key, entropy: &dyn Entropy) -> Result<Wrapped, EntropyError> {
        Wrapped::new(&self.wrapping, &of.bound(), key, entropy)
    }

    /// Unwraps a member's key, for one operation.
    pub(crate) fn unwrap_key(&self, of: MemberKeyOf, wrapped: &Wrapped) -> Result<Key, Forged> {
        wrapped.open(&self.wrapping, &of.bound())
    }
}

/// What a wrapped member key is bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemberKeyOf {
    pub(crate) household: Household,
    pub(crate) member: MemberId,
    pub(crate) generation: u32,
}

impl MemberKeyOf {
    fn bound(self) -> Vec<u8> {
        [b"hearth member key 1".as_slice(), &self.household.bytes(), self.member.uuid().as_bytes(), &self.generation.to_be_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_use_has_a_key_of_its_own() {
        let key = VaultKey(Key::copied(&[9; KEY_BYTES]));
        let of = |household: u8| {
            let keys = key.hierarchy(Household::of([household; 16]));
            [*keys.wrapping.bytes(), *keys.manifest.bytes(), *keys.fingerprints.bytes()]
        };
        let all: std::collections::BTreeSet<_> = of(1).into_iter().chain(of(2)).chain([[9; KEY_BYTES]]).collect();
        assert_eq!(all.len(), 7);
        assert_eq!(of(1), of(1));
    }
}
