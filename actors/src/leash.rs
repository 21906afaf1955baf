//! Cancelling what was asked for: the asker holds a [`Tether`], the worker watches the [`Leash`].
//!
//! Dropping the tether, by intent or because its holder died, makes the leash resolve, and the worker drops what it
//! does. Without it a model stream or a tool call would go on for an asker that is gone.

use tokio::sync::oneshot;

/// The asker's end.
#[derive(Debug)]
pub struct Tether {
    _end: oneshot::Sender<()>,
}

/// The worker's end.
#[derive(Debug)]
pub struct Leash(oneshot::Receiver<()>);

/// Both ends.
#[must_use]
pub fn leash() -> (Tether, Leash) {
    let (end, other) = oneshot::channel();
    (Tether { _end: end }, Leash(other))
}

impl Leash {
    /// Does the work until it is done or the tether is gone; `None` in the latter case, with the work dropped.
    pub async fn hold<F: Future>(self, work: F) -> Option<F::Output> {
        let work = std::pin::pin!(work);
        match futures_util::future::select(self.0, work).await {
            futures_util::future::Either::Left(_) => None,
            futures_util::future::Either::Right((output, _)) => Some(output),
        }
    }
}
