//! Whether the house is stopped, for whoever is about to do something or does it.
//!
//! Policy alone sets it, from its row in the store. A value beside the actors and not a message, so that nothing can begin between the stop and the
//! word of it.

use tokio::sync::watch;

/// Whether the house is stopped. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Frozen(watch::Sender<bool>);

impl Default for Frozen {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Frozen {
    /// Whether it is.
    #[must_use]
    pub fn is(&self) -> bool {
        *self.0.borrow()
    }

    /// It is, or not any more.
    pub(crate) fn set(&self, is: bool) {
        self.0.send_replace(is);
    }

    /// Does the work until it is done or the house is stopped; `None` in the latter case, with the work dropped.
    pub async fn hold<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut seen = self.0.subscribe();
        let begins = std::pin::pin!(seen.wait_for(|is| *is));
        let work = std::pin::pin!(work);
        match futures_util::future::select(begins, work).await {
            futures_util::future::Either::Left(_) => None,
            futures_util::future::Either::Right((output, _)) => Some(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn work_ends_with_the_stop_and_none_begins_after_it() {
        let frozen = Frozen::default();
        assert_eq!(frozen.hold(std::future::ready(1)).now_or_never(), Some(Some(1)));
        let other = frozen.clone();
        let mut held = Box::pin(async move { other.hold(std::future::pending::<()>()).await });
        assert_eq!(held.as_mut().now_or_never(), None);
        frozen.set(true);
        assert_eq!(held.now_or_never(), Some(None));
        assert_eq!(frozen.hold(std::future::ready(1)).now_or_never(), Some(None));
        frozen.set(false);
        assert!(!frozen.is());
    }
}
