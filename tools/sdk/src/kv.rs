//! What the tool keeps for the member of the call, in the house's database: small values under short keys, within the tool's quota.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Failure, port};

/// Why nothing was kept or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The value is larger than one may be.
    TooLarge,
    /// Everything together is larger than the tool's quota.
    Quota,
    /// The key is empty, too long or not printable.
    InvalidKey,
    /// The database does not answer.
    Unavailable,
    /// What is kept is not what the caller expects there.
    Unreadable,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the tool wanted to keep a value that is too large",
            Self::Quota => "the tool has used up the space that it may keep; an adult of the house can grant more",
            Self::InvalidKey => "the tool wanted to keep something under a key that is not allowed",
            Self::Unavailable => "what the tool keeps cannot be reached just now; try again later",
            Self::Unreadable => "what the tool kept earlier cannot be read by it any more",
        })
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLarge | Error::InvalidKey | Error::Unreadable => Self::failed(error.to_string()),
            Error::Quota => Self::denied(error.to_string()),
            Error::Unavailable => Self::unavailable(error.to_string()),
        }
    }
}

/// What is kept under this key.
///
/// # Errors
/// See [`Error`].
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    port::kv_get(key)
}

/// Keeps a value in place of what was there.
///
/// # Errors
/// See [`Error`].
pub fn set(key: &str, value: &[u8]) -> Result<(), Error> {
    port::kv_set(key, value)
}

/// Forgets it; no error if there is none.
///
/// # Errors
/// See [`Error`].
pub fn delete(key: &str) -> Result<(), Error> {
    port::kv_delete(key)
}

/// The keys that begin so, in order, at most 1 000.
///
/// # Errors
/// See [`Error`].
pub fn keys(prefix: &str) -> Result<Vec<String>, Error> {
    port::kv_keys(prefix)
}

/// What [`set_json`] kept.
///
/// # Errors
/// See [`Error`].
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Error> {
    let Some(bytes) = get(key)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|_other_shape| Error::Unreadable)
}

/// Keeps whatever can be written as JSON.
///
/// # Errors
/// See [`Error`].
pub fn set_json(key: &str, value: &impl Serialize) -> Result<(), Error> {
    let bytes = serde_json::to_vec(value).map_err(|_unwritable| Error::Unreadable)?;
    set(key, &bytes)
}
