//! What every error of the house can say about itself.

use serde::{Deserialize, Serialize};

/// What a caller can do about an error. Supervisors and retry code read this and nothing else of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The same request may succeed later.
    Transient,
    /// The same request will fail again until somebody changes something.
    Permanent,
    /// Refused by a rule; repeating it is no use and is noticed.
    Denied,
    /// We did something wrong.
    Bug,
}

/// An error that knows its class.
pub trait Classified {
    /// What a caller can do about it.
    fn class(&self) -> Class;
}
