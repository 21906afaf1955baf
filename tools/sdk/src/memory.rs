//! What the house remembers, as far as the member of this call may know it.

use std::fmt;

use crate::{Failure, port};

/// Something remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// In the house's words.
    pub text: String,
    /// How old it is, in seconds.
    pub age_s: u64,
}

/// Why the search gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// This tool may not search.
    NotGranted,
    /// Not now.
    Unavailable,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotGranted => "this tool may not search the house's memory; an adult of the house can grant it",
            Self::Unavailable => "the house's memory cannot be searched just now; try again later",
        })
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotGranted => Self::denied(error.to_string()),
            Error::Unavailable => Self::unavailable(error.to_string()),
        }
    }
}

/// The nearest memories, best first.
///
/// # Errors
/// Not granted, or not now.
pub fn search(query: &str, limit: u32) -> Result<Vec<Found>, Error> {
    port::search(query, limit)
}
