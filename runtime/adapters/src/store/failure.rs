//! What the database says went wrong, as errors of the port.
//!
//! The engine reports causes of its own as text, so they are recognised by the words that the operating system and
//! the engine use for them. What is not recognised is said as it is.

use std::io::ErrorKind;

use hearth_domain::store::StoreError;
use surrealdb::types::{AlreadyExistsError, Error, QueryError};

/// What a transaction throws when another house has opened the store.
pub(super) const FENCED: &str = "fenced by another house";

/// How a statement or a transaction failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It collided with another transaction; nothing was written, and trying again helps.
    Collision,
    /// A row of that table is there already; nothing was written.
    Exists(String),
    /// The commit failed; whether it happened has to be looked up.
    Commit(String),
    /// Anything else; nothing was written, except where the error says that nobody knows.
    Other(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Other(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Collision => Self::Busy,
            Failure::Exists(table) => Self::Refused(format!("a row of {table} is there already")),
            Failure::Commit(cause) => Self::Unavailable(cause),
            Failure::Other(error) => error,
        }
    }
}

/// The failure that an error of the database stands for.
pub(super) fn failure(error: &Error) -> Failure {
    let text = error.message();
    if let Some(AlreadyExistsError::Record { id }) = error.already_exists_details() {
        return Failure::Exists(id.split(':').next().unwrap_or_default().to_owned());
    }
    if matches!(error.query_details(), Some(QueryError::TransactionConflict)) || text.contains("can be retried") {
        return Failure::Collision;
    }
    if error.is_thrown() && text.contains(FENCED) {
        return Failure::Other(StoreError::Fenced);
    }
    if text.starts_with("Cannot COMMIT") {
        return Failure::Commit(text.to_owned());
    }
    if error.is_connection() {
        return Failure::Other(StoreError::Unavailable(text.to_owned()));
    }
    // Only what the engine says about itself is looked through for causes: a refused value is quoted as well.
    let engine = text.starts_with("There was a problem") || text.starts_with("IO error");
    let cause = if engine { known_cause(text) } else { None };
    Failure::Other(cause.unwrap_or_else(|| StoreError::Refused(unquoted(text))))
}

/// A refusal without the value that was refused: it may be private.
fn unquoted(text: &str) -> String {
    shorten(text.split(" but found").next().unwrap_or_default())
}

/// The error that a text of the engine or of the operating system names, if it names one.
pub(super) fn known_cause(text: &str) -> Option<StoreError> {
    const FULL: &[&str] = &["os error 28", "os error 122", "os error 27", "No space left", "Disk quota", "File too large"];
    const READ_ONLY: &[&str] = &["os error 30", "os error 13", "os error 1)", "Read-only file system", "Permission denied"];
    const DAMAGED: &[&str] = &[
        "orrupt",
        "hecksum",
        "anifest",
        "WAL error",
        "Invalid table",
        "invalid table",
        "SSTable error",
        "Failed to deserialize",
        "revision",
    ];
    let lists = [(FULL, StoreError::DiskFull), (READ_ONLY, StoreError::ReadOnly), (DAMAGED, StoreError::Damaged(shorten(text)))];
    lists.into_iter().find(|(words, _)| words.iter().any(|word| text.contains(word))).map(|(_, error)| error)
}

/// The error of the port for one of the file system.
pub(super) fn io_failure(error: &std::io::Error) -> StoreError {
    const FULL: &[ErrorKind] = &[ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
    const NOT_OURS: &[ErrorKind] =
        &[ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem, ErrorKind::NotADirectory, ErrorKind::AlreadyExists];
    let kind = error.kind();
    if FULL.contains(&kind) {
        StoreError::DiskFull
    } else if NOT_OURS.contains(&kind) {
        StoreError::ReadOnly
    } else {
        known_cause(&error.to_string()).unwrap_or_else(|| StoreError::Unavailable(error.to_string()))
    }
}

/// The beginning of a text, for an error that a person reads.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Failure {
        failure(&Error::internal(text.to_owned()))
    }

    #[test]
    fn causes_of_the_system_are_recognised_in_the_engines_words() {
        assert_eq!(of("IO error: No space left on device (os error 28)"), StoreError::DiskFull.into());
        assert_eq!(of("IO error: Read-only file system (os error 30)"), StoreError::ReadOnly.into());
        let damage = of("There was a problem with a transaction: WAL corruption in segment 1 at offset 7: x");
        assert!(matches!(damage, Failure::Other(StoreError::Damaged(_))));
    }

    #[test]
    fn a_refused_value_is_neither_quoted_nor_looked_through() {
        let refused = StoreError::Refused("Couldn't coerce value for field `at`: Expected `datetime`".to_owned());
        assert_eq!(of("Couldn't coerce value for field `at`: Expected `datetime` but found 'a corrupt secret'"), refused.into());
    }

    #[test]
    fn a_row_that_is_there_names_its_table() {
        let details = AlreadyExistsError::Record { id: "claim:[u'1', d'2']".to_owned() };
        assert_eq!(failure(&Error::already_exists("x".to_owned(), details)), Failure::Exists("claim".to_owned()));
    }

    #[test]
    fn what_was_thrown_by_the_fence_is_the_fence() {
        assert_eq!(failure(&Error::thrown(format!("An error occurred: {FENCED}"))), StoreError::Fenced.into());
    }

    #[test]
    fn a_failed_commit_is_not_taken_for_nothing_written() {
        let error = Error::query("Cannot COMMIT: IO error: No space left".to_owned(), Some(QueryError::NotExecuted));
        assert!(matches!(failure(&error), Failure::Commit(_)));
        let conflict = Error::query("Cannot COMMIT: conflict".to_owned(), Some(QueryError::TransactionConflict));
        assert_eq!(failure(&conflict), Failure::Collision);
    }
}
