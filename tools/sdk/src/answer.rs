//! What a call is made with and what comes of it.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// On whose behalf a call is made, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Names the call: the idempotency key towards a service.
    pub call: String,
    /// Stands for the member in this tool, and in no other.
    pub member: String,
    /// BCP 47.
    pub locale: String,
    /// IANA name.
    pub zone: String,
    /// Milliseconds that the call may take from its start.
    pub deadline_ms: u32,
}

/// Part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text for the model.
    Text(String),
    /// A value; the trust of an operation's fields is for these.
    Json(Value),
    /// Media type and bytes.
    Blob(String, Vec<u8>),
}

/// What a call gives: parts in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// In order.
    pub parts: Vec<Part>,
}

impl Answer {
    /// Whatever can be written as JSON.
    ///
    /// # Errors
    /// It cannot, because a map has keys that are not text.
    pub fn json(value: &impl Serialize) -> Result<Self, Failure> {
        let value = serde_json::to_value(value).map_err(|_unwritable| Failure::failed("the answer cannot be written as JSON"))?;
        Ok(value.into())
    }

    /// One more part.
    #[must_use]
    pub fn and(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// The first value among the parts.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        self.parts.iter().find_map(|part| match part {
            Part::Json(value) => Some(value),
            Part::Text(_) | Part::Blob(..) => None,
        })
    }

    /// All text of it, in order.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Json(_) | Part::Blob(..) => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

impl From<Part> for Answer {
    fn from(part: Part) -> Self {
        Self { parts: vec![part] }
    }
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Part::Json(value).into()
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Part::Text(text).into()
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Part::Text(text.to_owned()).into()
    }
}

/// Why a call has no answer. The sentence is shown to the model as the tool's own words: what failed and what can be done, and nothing
/// that a service said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The arguments cannot be meant.
    BadArguments(String),
    /// What was asked for is not there.
    NotFound(String),
    /// The service refused, or cannot be reached; it may be tried again.
    Unavailable(String),
    /// The house refused: not granted, or over a limit.
    Denied(String),
    /// Anything else.
    Failed(String),
}

impl Failure {
    /// The arguments cannot be meant.
    pub fn bad_arguments(why: impl Into<String>) -> Self {
        Self::BadArguments(why.into())
    }

    /// What was asked for is not there.
    pub fn not_found(why: impl Into<String>) -> Self {
        Self::NotFound(why.into())
    }

    /// The service refused, or cannot be reached; it may be tried again.
    pub fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable(why.into())
    }

    /// The house refused.
    pub fn denied(why: impl Into<String>) -> Self {
        Self::Denied(why.into())
    }

    /// Anything else.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadArguments(why) | Self::NotFound(why) | Self::Unavailable(why) | Self::Denied(why) | Self::Failed(why) => {
                f.write_str(why)
            }
        }
    }
}

impl std::error::Error for Failure {}
