//! Why a child ended, told apart as far as the runtime can see it.
//!
//! ```text
//! starting ──► StartFailed | StartPanicked | StartTimedOut
//!    │
//!    ▼
//! running  ──► Normal (stopped itself) | Panicked | Stuck | GaveUp (a supervisor)
//!    │
//!    ▼
//! stopping ──► Shutdown (asked to) | Killed (asked to, did not)
//! ```
//!
//! Nothing here survives a restart except as the `last_exit` of the tree's node.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Longest panic message that is kept, in bytes.
const PANIC_MESSAGE_BYTES_MAX: usize = 512;

/// Why a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// The actor stopped itself.
    Normal,
    /// The actor, or a future on its context, panicked.
    Panicked {
        /// The panic's message.
        message: String,
        /// What ran when it panicked.
        place: Place,
    },
    /// The factory returned an error.
    StartFailed(StartError),
    /// The factory or the start of the actor panicked before the actor could take a message.
    StartPanicked {
        /// The panic's message.
        message: String,
    },
    /// The child was not ready to take a message by its start deadline.
    StartTimedOut,
    /// A probe was not answered by its deadline; the actor was cut off.
    Stuck,
    /// The child was asked to stop, did not by its deadline, and was cut off (or is always cut off: `Shutdown::Kill`).
    Killed,
    /// The child stopped because its supervisor asked it to.
    Shutdown,
    /// A supervisor had more restarts than its intensity allows and stopped itself.
    GaveUp {
        /// The child whose exit was one too many.
        child: Arc<str>,
        /// How that child ended.
        last: Box<ExitReason>,
    },
    /// A supervisor could not start because one of its children could not.
    ChildFailedToStart {
        /// The child that could not be started.
        child: Arc<str>,
        /// How that child ended.
        last: Box<ExitReason>,
    },
}

impl ExitReason {
    /// True when a transient child with this reason is not restarted.
    pub fn is_normal(&self) -> bool {
        matches!(self, Self::Normal | Self::Shutdown)
    }

    /// A short fixed word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Panicked { .. } => "panicked",
            Self::StartFailed(_) => "start_failed",
            Self::StartPanicked { .. } => "start_panicked",
            Self::StartTimedOut => "start_timed_out",
            Self::Stuck => "stuck",
            Self::Killed => "killed",
            Self::Shutdown => "shutdown",
            Self::GaveUp { .. } => "gave_up",
            Self::ChildFailedToStart { .. } => "child_failed_to_start",
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("stopped itself"),
            Self::Panicked { message, place } => write!(f, "panicked in {place}: {message}"),
            Self::StartFailed(error) => write!(f, "could not start: {}", error.chain()),
            Self::StartPanicked { message } => write!(f, "panicked while starting: {message}"),
            Self::StartTimedOut => f.write_str("was not ready by its start deadline"),
            Self::Stuck => f.write_str("did not answer a probe"),
            Self::Killed => f.write_str("was killed"),
            Self::Shutdown => f.write_str("was asked to stop"),
            Self::GaveUp { child, last } => write!(f, "gave up on {child}, which {last}"),
            Self::ChildFailedToStart { child, last } => {
                write!(f, "could not start {child}, which {last}")
            }
        }
    }
}

/// What an actor was doing when it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In `started`, or in a future that `started` waits for.
    Started,
    /// In the handler of the message type named.
    Handler(&'static str),
    /// In a future, stream or timer on the actor's context.
    Future,
    /// In `stopping` or `stopped`.
    Stopping,
    /// In the `Drop` of the actor or of something it holds.
    Dropping,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Handler(message) => write!(f, "the handler of {message}"),
            Self::Future => f.write_str("a future on its context"),
            Self::Stopping => f.write_str("stopping"),
            Self::Dropping => f.write_str("its drop"),
        }
    }
}

/// Why a factory could not build its actor.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    message: String,
    #[source]
    source: Option<Arc<dyn Error + Send + Sync + 'static>>,
}

impl StartError {
    /// An error without a deeper cause.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// An error with its cause.
    pub fn caused_by(message: impl Into<String>, source: impl Error + Send + Sync + 'static) -> Self {
        Self { message: message.into(), source: Some(Arc::new(source)) }
    }

    /// The message followed by every cause, for logs.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut next = self.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

impl PartialEq for StartError {
    fn eq(&self, other: &Self) -> bool {
        self.message == other.message
    }
}

impl Eq for StartError {}

/// The text of a panic payload, cut to a bounded length.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = match (payload.downcast_ref::<&'static str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "(a panic without a text)",
    };
    let mut end = text.len().min(PANIC_MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_error_prints_its_own_layer_and_chains_on_demand() {
        let error = StartError::caused_by("open the store", StartError::new("locked"));
        assert_eq!(error.to_string(), "open the store");
        assert_eq!(error.chain(), "open the store: locked");
    }

    #[test]
    fn a_long_panic_message_is_cut_at_a_character() {
        let text = "ä".repeat(PANIC_MESSAGE_BYTES_MAX);
        let cut = panic_message(&text);
        assert!(cut.len() <= PANIC_MESSAGE_BYTES_MAX);
        assert!(cut.chars().all(|c| c == 'ä'));
    }
}
