//! The few cryptographic functions on which sealing stands, each a thin call of a reviewed crate and tested with published vectors.
//!
//! | function | what | source |
//! |---|---|---|
//! | `seal_in_place`, `open_in_place` | XChaCha20-Poly1305 | draft-irtf-cfrg-xchacha-03, over RFC 8439 |
//! | `derive` | HKDF-SHA256, 32 bytes | RFC 5869 |
//! | `argon2id` | Argon2id version 0x13, 32 bytes | RFC 9106 |
//!
//! Keys live in `Key`, which zeroes itself. The cipher zeroes its own copy of the key, Argon2 its memory; the working state of
//! SHA-256 within HKDF stays on the stack until it is written over, which the crates that we use do not prevent.

use chacha20poly1305::aead::{AeadInPlace as _, KeyInit as _};
use chacha20poly1305::{Key as CipherKey, XChaCha20Poly1305};
use hearth_domain::error::{Class, Classified};
use hkdf::Hkdf;
use secrecy::{ExposeSecret as _, ExposeSecretMut as _, SecretBox};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of every symmetric key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a nonce; random, which 192 bits allow for any number of messages that a house will ever seal.
pub const NONCE_BYTES: usize = 24;
/// Bytes of an authentication tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of a wrapped key: the key and its tag.
pub(crate) const WRAPPED_BYTES: usize = KEY_BYTES + TAG_BYTES;

/// Where chance comes from: the operating system in the product, a seed in tests.
pub trait Entropy: Send + Sync {
    /// Fills all of `bytes` with chance that is fit for keys.
    ///
    /// # Errors
    ///
    /// When the source has none.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes; nothing was sealed, and the same request may succeed later")]
pub struct EntropyError(#[source] pub std::io::Error);

impl Classified for EntropyError {
    fn class(&self) -> Class {
        Class::Transient
    }
}

/// The operating system's source (`getrandom(2)`).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(bytes).map_err(|error| EntropyError(std::io::Error::other(error)))
    }
}

/// Fresh bytes that are no secret: nonces, salts, ids.
pub(crate) fn fresh<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], EntropyError> {
    let mut bytes = [0_u8; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}

/// A symmetric key that zeroes itself. It has no `Clone`, no text form, and one place in memory.
pub(crate) struct Key(SecretBox<[u8; KEY_BYTES]>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A key that `fill` writes in place.
    pub(crate) fn filled<E>(fill: impl FnOnce(&mut [u8; KEY_BYTES]) -> Result<(), E>) -> Result<Self, E> {
        let mut key = SecretBox::<[u8; KEY_BYTES]>::default();
        fill(key.expose_secret_mut())?;
        Ok(Self(key))
    }

    pub(crate) fn fresh(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        Self::filled(|bytes| entropy.fill(bytes))
    }

    pub(crate) fn copied(from: &[u8; KEY_BYTES]) -> Self {
        Self(SecretBox::init_with_mut(|bytes: &mut [u8; KEY_BYTES]| bytes.copy_from_slice(from)))
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.expose_secret()
    }

    pub(crate) fn into_secret(self) -> SecretBox<[u8; KEY_BYTES]> {
        self.0
    }
}

/// What does not fit its tag: altered, under another key, or bound to something else. There is no telling which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not authentic")]
pub(crate) struct Forged;

/// Encrypts in place and gives the tag. `None` only beyond the cipher's limit of 256 GiB.
pub(crate) fn seal_in_place(key: &Key, nonce: &[u8; NONCE_BYTES], bound: &[u8], text: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
    let cipher = XChaCha20Poly1305::new(<&CipherKey>::from(key.bytes()));
    cipher.encrypt_in_place_detached(nonce.into(), bound, text).ok().map(Into::into)
}

/// Checks the tag and decrypts in place; what is not authentic stays ciphertext.
pub(crate) fn open_in_place(
    key: &Key,
    nonce: &[u8; NONCE_BYTES],
    bound: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), Forged> {
    let cipher = XChaCha20Poly1305::new(<&CipherKey>::from(key.bytes()));
    cipher.decrypt_in_place_detached(nonce.into(), bound, text, tag.into()).map_err(|_| Forged)
}

/// A key under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wrapped {
    pub(crate) nonce: super::codec::Hex<NONCE_BYTES>,
    pub(crate) sealed: super::codec::Hex<WRAPPED_BYTES>,
}

impl Wrapped {
    /// Wraps `key` under `outer`, bound to `bound`.
    pub(crate) fn new(outer: &Key, bound: &[u8], key: &Key, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let nonce = fresh(entropy)?;
        let mut text = Zeroizing::new(*key.bytes());
        // 32 bytes are within every limit of the cipher. Were they not, the result would be a key that never opens, not a bare one.
        let Some(tag) = seal_in_place(outer, &nonce, bound, text.as_mut_slice()) else {
            return Ok(Self { nonce: super::codec::Hex(nonce), sealed: super::codec::Hex([0; WRAPPED_BYTES]) });
        };
        let mut sealed = [0_u8; WRAPPED_BYTES];
        sealed.iter_mut().zip(text.iter().chain(&tag)).for_each(|(to, from)| *to = *from);
        Ok(Self { nonce: super::codec::Hex(nonce), sealed: super::codec::Hex(sealed) })
    }

    pub(crate) fn open(&self, outer: &Key, bound: &[u8]) -> Result<Key, Forged> {
        let (text, tag) = self.sealed.0.split_first_chunk::<KEY_BYTES>().ok_or(Forged)?;
        let tag = tag.first_chunk::<TAG_BYTES>().ok_or(Forged)?;
        Key::filled(|bytes| {
            bytes.copy_from_slice(text);
            open_in_place(outer, &self.nonce.0, bound, bytes, tag)
        })
    }
}

/// A key from key material (RFC 5869 extract and expand). The label keeps the uses apart.
pub(crate) fn derive(salt: &[u8], material: &[u8], label: &[u8]) -> Key {
    let mut key = SecretBox::<[u8; KEY_BYTES]>::default();
    // Only an output beyond 255 blocks is refused; this is one block.
    let filled = Hkdf::<Sha256>::new(Some(salt), material).expand(label, key.expose_secret_mut());
    debug_assert!(filled.is_ok(), "one block is within HKDF's limit");
    Key(key)
}

/// What a passphrase costs whoever tries one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

/// A cost outside of what we compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the passphrase's cost is outside its bounds: {MEMORY_MIN_KIB} to {MEMORY_MAX_KIB} KiB, {PASSES_MIN} to {PASSES_MAX} passes, 1 to {LANES_MAX} lanes"
)]
pub struct CostError;

impl Classified for CostError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// Least memory in KiB: 19 MiB, with [`PASSES_MIN`] the floor of OWASP's password storage cheat sheet.
pub const MEMORY_MIN_KIB: u32 = 19 * 1024;
/// Most memory in KiB, so that an altered file cannot make the vault ask for more than a home server has.
pub const MEMORY_MAX_KIB: u32 = 1024 * 1024;
/// Fewest passes.
pub const PASSES_MIN: u32 = 2;
/// Most passes.
pub const PASSES_MAX: u32 = 64;
/// Most lanes. They are computed one after another here; a file of another maker may have some.
pub const LANES_MAX: u32 = 8;

impl Cost {
    /// The floor: OWASP's smallest.
    pub const FLOOR: Self = Self { memory_kib: MEMORY_MIN_KIB, passes: PASSES_MIN, lanes: 1 };

    /// A cost within the bounds.
    ///
    /// # Errors
    ///
    /// Below the floor or above the ceiling.
    pub fn new(memory_kib: u32, passes: u32) -> Result<Self, CostError> {
        let fits = (MEMORY_MIN_KIB..=MEMORY_MAX_KIB).contains(&memory_kib) && (PASSES_MIN..=PASSES_MAX).contains(&passes);
        if fits { Ok(Self { memory_kib, passes, lanes: 1 }) } else { Err(CostError) }
    }

    /// Memory in KiB.
    #[must_use]
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over that memory.
    #[must_use]
    pub const fn passes(self) -> u32 {
        self.passes
    }

    /// Whether a cost that was read may be computed. The floor is not asked for here: a stored cost that was lowered only makes a key
    /// that opens nothing.
    pub(crate) fn computable(self) -> bool {
        self.memory_kib <= MEMORY_MAX_KIB && self.passes <= PASSES_MAX && (1..=LANES_MAX).contains(&self.lanes)
    }
}

/// Argon2id could not be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StretchError {
    /// Parameters that the function does not have.
    #[error("the stored cost of the passphrase is not one that can be computed; the file is damaged")]
    Cost,
    /// No room for its memory.
    #[error("there is not enough free memory to check the passphrase; free some and try again")]
    Memory,
}

impl Classified for StretchError {
    fn class(&self) -> Class {
        match self {
            Self::Cost => Class::Permanent,
            Self::Memory => Class::Transient,
        }
    }
}

/// What goes into Argon2id beside its cost.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'a> {
    pub(crate) password: &'a [u8],
    pub(crate) salt: &'a [u8],
    /// RFC 9106's secret value; empty in all that we store.
    pub(crate) pepper: &'a [u8],
    /// RFC 9106's associated data: what the result is for, at most 32 bytes.
    pub(crate) label: &'a [u8],
}

/// A key from a passphrase.
pub(crate) fn argon2id(cost: Cost, of: Stretch<'_>) -> Result<Key, StretchError> {
    use argon2::{Algorithm, Argon2, AssociatedData, Block, ParamsBuilder, Version};
    if !cost.computable() {
        return Err(StretchError::Cost);
    }
    let label = AssociatedData::new(of.label).map_err(|_| StretchError::Cost)?;
    let params = ParamsBuilder::new()
        .m_cost(cost.memory_kib)
        .t_cost(cost.passes)
        .p_cost(cost.lanes)
        .data(label)
        .output_len(KEY_BYTES)
        .build()
        .map_err(|_| StretchError::Cost)?;
    let count = params.block_count();
    let function = Argon2::new_with_secret(of.pepper, Algorithm::Argon2id, Version::V0x13, params).map_err(|_| StretchError::Cost)?;
    let mut memory = Zeroizing::new(Vec::<Block>::new());
    memory.try_reserve_exact(count).map_err(|_| StretchError::Memory)?;
    memory.resize(count, Block::default());
    Key::filled(|bytes| {
        function.hash_password_into_with_memory(of.password, of.salt, bytes, memory.as_mut_slice()).map_err(|_| StretchError::Cost)
    })
}

#[cfg(test)]
mod tests;
