//! The tool port: what a tool is, what it may do, and what a call comes to.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::budget::Charge;
use crate::error::{Class, Classified};
use crate::flow::call::Function;
use crate::household::{Audience, Member};
use crate::ids::{CallId, ConversationId};
use crate::journal::Digest;
use crate::label::Label;
use crate::sandbox::{Role, Trust};
use crate::time::{Timestamp, Zoned};

pub mod grant;
pub mod manifest;
pub mod name;
pub mod reach;
pub mod record;
pub mod request;

/// What a tool does to the world. Decides what policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Looks something up for the member who asked.
    Read,
    /// Writes what belongs to the member who asked, inside the house.
    WriteOwn,
    /// Sends something out of the house.
    ExternalSend,
    /// Spends money.
    Pay,
    /// Moves something in the real world.
    Physical,
    /// Deletes what cannot be brought back.
    Delete,
    /// Changes the house itself.
    Admin,
}

/// A tool as the model and policy see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// The name, unique in the house.
    pub name: String,
    /// One line for the model.
    pub description: String,
    /// JSON Schema of the arguments.
    pub parameters: Value,
    /// What it does to the world.
    pub effect: Effect,
    /// Whether a call of unknown outcome may be repeated with the same [`CallId`].
    pub idempotent: bool,
    /// What is said of it besides.
    pub annotations: Annotations,
}

impl ToolSpec {
    /// What the flow gate knows of it.
    #[must_use]
    pub fn function(&self) -> Function {
        let Annotations { tool, release, arguments, fields } = self.annotations.clone();
        Function { tool, name: self.name.clone(), release, parameters: self.parameters.clone(), effect: self.effect, arguments, fields }
    }
}

/// What a tool says of the values that go in and come out: nothing, by default, and then every argument counts as one that is hit, and every
/// value of a result as written by somebody outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotations {
    /// The tool of which this is one function; empty for the house itself.
    pub tool: String,
    /// Digest of its release; zeros for the house itself, and for what is not granted.
    pub release: Digest,
    /// What arguments are for, by their JSON pointer.
    pub arguments: BTreeMap<String, Role>,
    /// How far fields of the result are trusted, by their JSON pointer.
    pub fields: BTreeMap<String, Trust>,
}

impl Default for Annotations {
    fn default() -> Self {
        Self { tool: String::new(), release: Digest::ZERO, arguments: BTreeMap::new(), fields: BTreeMap::new() }
    }
}

/// One call, authorised.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Its id: the idempotency key.
    pub id: CallId,
    /// The tool's name.
    pub name: String,
    /// The arguments, a JSON object.
    pub arguments: Value,
    /// On whose behalf.
    pub member: Member,
    /// Where the result will be seen.
    pub audience: Audience,
    /// The conversation from which it is called.
    pub conversation: ConversationId,
    /// The join of everything that the caller had taken in when it made the call.
    pub label: Label,
    /// The member's local time.
    pub now: Zoned,
    /// When the call was decided upon: the same each time that it is repeated, also after a crash.
    pub decided: Timestamp,
    /// How long it may take.
    pub deadline: Duration,
    /// Whose budget it runs on.
    pub charge: Charge,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// The result, JSON.
    pub value: Value,
    /// Who may learn it and who wrote it.
    pub label: Label,
}

/// What can go wrong with a call. `Display` is what the model sees: closed sentences, nothing interpolated from the
/// outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ToolError {
    /// No tool of that name.
    #[error("there is no such tool")]
    Unknown,
    /// The arguments are not JSON or not of the schema.
    #[error("the arguments do not fit the tool: {0}")]
    BadArguments(String),
    /// Policy refused.
    #[error("not allowed: {0}")]
    Denied(String),
    /// The member's budget has not enough left for this call. It did not run.
    #[error("{0}")]
    Spent(String),
    /// Not within the deadline; whether it had an effect is not known.
    #[error("the tool did not finish in time")]
    TimedOut,
    /// The tool stopped in the middle; whether it had an effect is not known.
    #[error("the tool stopped unexpectedly")]
    Lost,
    /// The tool said no.
    #[error("{0}")]
    Failed(String),
    /// The turn was stopped.
    #[error("stopped")]
    Stopped,
    /// The tool cannot take the call now.
    #[error("the tool is busy")]
    Busy,
}

impl Classified for ToolError {
    fn class(&self) -> Class {
        match self {
            Self::Unknown | Self::BadArguments(_) | Self::Failed(_) | Self::Stopped => Class::Permanent,
            Self::Denied(_) | Self::Spent(_) => Class::Denied,
            Self::TimedOut | Self::Lost | Self::Busy => Class::Transient,
        }
    }
}

/// Tools that live outside the actor tree. Dropping the future cancels the call.
pub trait Tools: Send + Sync {
    /// The tools that can be called.
    fn specs(&self) -> Vec<ToolSpec>;
    /// Calls one.
    fn call(&self, invocation: Invocation) -> BoxFuture<'static, Result<ToolOutput, ToolError>>;
}
