//! An author's key.

use ed25519_dalek::SigningKey;
use hearth_domain::error::{Class, Classified};
use hearth_domain::tool::name::AuthorKey;
use zeroize::Zeroizing;

/// How the file of a key begins.
const BEGIN: &str = "hearth author key 1\nsecret ";
/// What stands before the public half, which is there to be copied.
const PUBLIC: &str = "\npublic ";

/// A text that is no author's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no author's key, or a damaged one: take it from your backup, or have `hearth tool build` make a new one")]
pub struct KeyError;

impl Classified for KeyError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// The secret half of an author's ed25519 key (RFC 8032). Zeroed when it is dropped.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of these random bytes: drawn by the caller from the system, and used for nothing else.
    #[must_use]
    pub fn of_seed(seed: &Zeroizing<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The key of a file.
    ///
    /// # Errors
    ///
    /// It is not what [`SecretKey::to_text`] writes, or its halves do not belong together.
    pub fn of_text(text: &str) -> Result<Self, KeyError> {
        let (secret, public) = text.strip_prefix(BEGIN).and_then(|rest| rest.split_once(PUBLIC)).ok_or(KeyError)?;
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(secret, seed.as_mut_slice()).map_err(|_| KeyError)?;
        let key = Self::of_seed(&seed);
        let public = public.strip_suffix('\n').unwrap_or(public);
        if public.parse() == Ok(key.public()) { Ok(key) } else { Err(KeyError) }
    }

    /// The key as its author keeps it, in a file that nobody else may read.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(hex::encode(self.0.as_bytes()));
        // Made in its final size, so that no copy is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(BEGIN.len() + PUBLIC.len() + 2 * 64 + 1));
        text.push_str(BEGIN);
        text.push_str(&secret);
        text.push_str(PUBLIC);
        text.push_str(&self.public().to_string());
        text.push('\n');
        text
    }

    /// The public half: by it, everybody knows the author.
    #[must_use]
    pub fn public(&self) -> AuthorKey {
        AuthorKey(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn signing(&self) -> &SigningKey {
        &self.0
    }
}

/// The public half alone.
impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretKey").field("public", &self.public()).finish_non_exhaustive()
    }
}
