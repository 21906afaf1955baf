//! Secrets by the slot that the manifest declares. Never a value: what [`slot`] gives is written where the value is to stand in a
//! request, and becomes it when the request has left the house.

use std::fmt;

use crate::{Failure, port};

/// Why a slot gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The manifest declares no such slot.
    NoSuchSlot,
    /// No adult has filled it for this member.
    NotGranted,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchSlot => "the tool asked for a secret that its manifest does not declare",
            Self::NotGranted => "the secret that this needs was not granted; an adult of the house can grant it to this tool",
        })
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::denied(error.to_string())
    }
}

/// What stands for the secret of this slot in a request.
///
/// # Errors
/// There is no such slot, or nobody granted it.
pub fn slot(name: &str) -> Result<String, Error> {
    port::secret(name)
}
