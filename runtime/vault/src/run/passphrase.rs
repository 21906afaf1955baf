//! A passphrase as an owner's command brings it: a text, and half a second's work away from the one thread.

use hearth_domain::error::Class;
use secrecy::SecretString;

use super::no::No;
use crate::admin::Hidden;

/// A passphrase or a recovery key.
pub(super) fn text(hidden: &Hidden) -> Result<SecretString, No> {
    hidden.text().ok_or_else(|| No::new(Class::Permanent, "a passphrase is a text"))
}

/// Runs what takes long on a thread of its own.
#[expect(clippy::disallowed_methods, reason = "a passphrase takes half a second, and this process has no other port for threads")]
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

pub(super) fn not_computed() -> No {
    No::new(Class::Transient, "the passphrase could not be computed")
}
