//! The place where a simulation reaches every link: an optional interceptor that is asked before a message enters a mailbox.
//!
//! ```text
//! Link::offer / ask ──► interceptor? ──none──────────────► mailbox
//!                            ├─ Pass ─────────────────────► mailbox
//!                            ├─ Refuse ──► given back as Full
//!                            ├─ Delay(d) ─► seat taken now, delivered later, in order per link
//!                            └─ LoseReply ► mailbox, the reply of an ask never arrives
//! ```
//!
//! A restart of the receiver loses what is delayed, as it loses its mailbox.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What happens to one message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Deliver now.
    Pass,
    /// Give it back as if the mailbox were full.
    Refuse,
    /// Take a seat in the mailbox now and deliver after this time; later messages on the same link stay behind it.
    Delay(Duration),
    /// Deliver, but let the asker wait until its deadline. For an offer the same as `Pass`.
    LoseReply,
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// `Link::offer`.
    Offer,
    /// `Link::ask`.
    Ask,
}

/// One message about to enter a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage<'a> {
    /// The name of the receiving slot.
    pub to: &'a str,
    /// The type name of the message.
    pub message: &'static str,
    /// Offer or ask.
    pub manner: Manner,
}

/// Decides about every message on every link made from one [`Wires`].
pub trait Interceptor: Send + Sync {
    /// The verdict for this message.
    fn judge(&self, passage: &Passage<'_>) -> Verdict;
}

/// What all slots of a tree share.
#[derive(Clone, Default)]
pub struct Wires {
    interceptor: Option<Arc<dyn Interceptor>>,
}

impl Wires {
    /// Plain wires: every message passes, at no cost.
    pub fn plain() -> Self {
        Self::default()
    }

    /// Wires on which this interceptor judges every message.
    pub fn intercepted(interceptor: Arc<dyn Interceptor>) -> Self {
        Self { interceptor: Some(interceptor) }
    }

    pub(crate) fn interceptor(&self) -> Option<&Arc<dyn Interceptor>> {
        self.interceptor.as_ref()
    }
}

impl fmt::Debug for Wires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wires").field("intercepted", &self.interceptor.is_some()).finish()
    }
}
