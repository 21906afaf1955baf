//! The model port: one completion, streamed, with tool calls; and what can go wrong with it.
//!
//! A model's words are data. Its tool calls name a tool and carry arguments that may be malformed; nothing here
//! trusts either. Retries, breaker and fallback are decided by the provider actors, not by the port.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::budget::{Charge, Refused};
use crate::error::{Class, Classified};
use crate::label::Label;
use crate::message::Part;
use crate::time::Zoned;
use crate::tool::ToolSpec;

/// One entry of the conversation as a model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Utterance {
    /// What a member said.
    User {
        /// Text and pictures.
        parts: Vec<Part>,
    },
    /// What the model said before, with the tools it called.
    Assistant {
        /// Its text, maybe empty.
        text: String,
        /// Its calls, maybe none.
        calls: Vec<ToolCall>,
    },
    /// What a tool call came to.
    ToolResult {
        /// The provider's id of the call.
        call: String,
        /// The tool's name.
        name: String,
        /// The result as text (JSON).
        content: String,
    },
}

/// A call of a tool, as a model wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call, unique within the reply.
    pub id: String,
    /// The tool's name as the model wrote it; may be unknown.
    pub name: String,
    /// The arguments.
    pub arguments: Arguments,
}

/// The arguments of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// A JSON value.
    Json(Value),
    /// Text that is not JSON: truncated or malformed. Shown to the model as an error, never run.
    Malformed(String),
}

/// What is asked of a model.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The standing instructions: the stable prefix, the same bytes at every call of a conversation, so that providers cache it.
    pub system: String,
    /// What varies at each call and belongs to the system's voice: summary, recalled facts, the time.
    pub context: String,
    /// History and the turn so far, oldest first.
    pub history: Vec<Utterance>,
    /// The tools that may be called, in a stable order.
    pub tools: Arc<Vec<ToolSpec>>,
    /// Upper bound of the reply, tokens.
    pub max_output_tokens: u32,
    /// The join of all that the request holds.
    pub label: Label,
    /// The member's name, for providers that speak without a model.
    pub member: String,
    /// The member's local time.
    pub now: Zoned,
    /// A stable key of the conversation, for providers that route cached prefixes by it.
    pub cache_key: String,
    /// Whose budget it is asked on.
    pub charge: Charge,
}

impl ModelRequest {
    /// Shows every text that a provider is sent, always in the same order. Pictures are no text, and the tools are not the people's.
    pub fn each_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(&mut self.system);
        visit(&mut self.context);
        for one in &mut self.history {
            match one {
                Utterance::User { parts } => {
                    for part in parts {
                        if let Part::Text { text } = part {
                            visit(text);
                        }
                    }
                }
                Utterance::Assistant { text, calls } => {
                    visit(text);
                    calls.iter_mut().for_each(|call| call.each_text(visit));
                }
                Utterance::ToolResult { call, name, content } => [call, name, content].into_iter().for_each(&mut *visit),
            }
        }
        visit(&mut self.member);
    }
}

impl ToolCall {
    fn each_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(&mut self.id);
        visit(&mut self.name);
        match &mut self.arguments {
            Arguments::Json(value) => each_text_of(value, visit),
            Arguments::Malformed(text) => visit(text),
        }
    }
}

/// Every text of a JSON value: keys too, and numbers, which become texts when they are changed.
fn each_text_of(value: &mut Value, visit: &mut dyn FnMut(&mut String)) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            let before = number.to_string();
            let mut text = before.clone();
            visit(&mut text);
            if text != before {
                *value = Value::String(text);
            }
        }
        Value::String(text) => visit(text),
        Value::Array(values) => values.iter_mut().for_each(|value| each_text_of(value, visit)),
        Value::Object(map) => {
            let visited = std::mem::take(map).into_iter().map(|(mut key, mut value)| {
                visit(&mut key);
                each_text_of(&mut value, visit);
                (key, value)
            });
            *map = visited.collect();
        }
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It was done.
    End,
    /// It waits for tools.
    ToolUse,
    /// It reached the limit of tokens.
    Length,
    /// It, or the provider's filter, would not answer.
    Refused,
}

/// What a call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens in, cached ones included.
    pub input_tokens: u64,
    /// Of those, tokens that the provider had cached.
    pub cached_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Cost in millionths of a US dollar, from the configured prices; 0 where none is configured.
    pub micro_usd: u64,
}

impl Usage {
    /// The sum of two.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            micro_usd: self.micro_usd.saturating_add(other.micro_usd),
        }
    }
}

/// A whole reply. Empty text with no calls is possible and is not an error of the port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReply {
    /// The text.
    pub text: String,
    /// The calls, in order.
    pub calls: Vec<ToolCall>,
    /// What it used.
    pub usage: Usage,
    /// Why it stopped.
    pub stop: StopReason,
    /// The configured name of the provider that gave it.
    pub provider: String,
}

impl ModelReply {
    /// Shows every text of the reply, always in the same order.
    pub fn each_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(&mut self.text);
        self.calls.iter_mut().for_each(|call| call.each_text(visit));
    }
}

/// What can go wrong with one completion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Nothing within the deadline.
    #[error("the provider did not answer within {0:?}")]
    Timeout(Duration),
    /// 429: too many requests.
    #[error("the provider asks to slow down")]
    RateLimited {
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// 5xx, refused or broken connection.
    #[error("the provider is unavailable ({0})")]
    Unavailable(String),
    /// The stream ended in the middle.
    #[error("the provider's answer was cut off")]
    Cut,
    /// Something that is not a completion: a page of HTML, half a JSON object.
    #[error("the provider's answer is not a completion ({0})")]
    Garbled(String),
    /// 401, 403: the key is wrong or missing.
    #[error("the provider refuses the key; check it and the provider's address")]
    Unauthorised,
    /// The vault does not give the key: there is none, it is sealed, or its policy does not allow this use. In the vault's own words.
    #[error("the vault does not give its key: {0}")]
    NoKey(String),
    /// 400, 404, 422: the request or the model's name is wrong.
    #[error("the provider refuses the request ({0}); check the model's name")]
    Rejected(String),
    /// The deterministic interpreter did not understand; the next provider may.
    #[error("not a house command")]
    NotACommand,
    /// The breaker is open: the provider failed too often and rests.
    #[error("the provider rests after repeated failures")]
    Resting,
    /// The member's budget has not enough left for this call.
    #[error("{0}")]
    Spent(Refused),
    /// Nobody is configured, or everybody failed.
    #[error("no model provider could answer")]
    NobodyLeft,
}

impl Classified for ModelError {
    fn class(&self) -> Class {
        match self {
            Self::Timeout(_)
            | Self::RateLimited { .. }
            | Self::Unavailable(_)
            | Self::Cut
            | Self::Garbled(_)
            | Self::Resting
            | Self::NobodyLeft => Class::Transient,
            Self::Unauthorised | Self::NoKey(_) | Self::Spent(_) => Class::Denied,
            Self::Rejected(_) | Self::NotACommand => Class::Permanent,
        }
    }
}

/// Takes the pieces of text of a streamed reply, in order. A preview only: what counts is the [`ModelReply`].
pub type DeltaSink = Arc<dyn Fn(&str) + Send + Sync>;

/// One provider of completions. Dropping the future cancels the call.
pub trait Model: Send + Sync {
    /// The configured name.
    fn name(&self) -> &str;
    /// One attempt at one completion; no retries inside.
    fn complete(&self, request: Arc<ModelRequest>, deltas: DeltaSink) -> BoxFuture<'static, Result<ModelReply, ModelError>>;
    /// What so many tokens in and out cost at most, in millionths of a US dollar; nothing where no price is configured.
    fn costs_at_most(&self, _input_tokens: u64, _output_tokens: u64) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_of_a_reply_is_shown_and_can_be_changed() {
        let call = |id: &str, arguments| ToolCall { id: id.to_owned(), name: "send".to_owned(), arguments };
        let arguments = json!({ "to": ["b1", { "b2": 4711 }], "urgent": true });
        let mut reply = ModelReply {
            text: "b0".to_owned(),
            calls: vec![call("c1", Arguments::Json(arguments)), call("c2", Arguments::Malformed("{b3".to_owned()))],
            usage: Usage::default(),
            stop: StopReason::ToolUse,
            provider: "p".to_owned(),
        };
        let mut shown = Vec::new();
        reply.each_text(&mut |text| shown.push(text.clone()));
        assert_eq!(shown, ["b0", "c1", "send", "to", "b1", "b2", "4711", "urgent", "c2", "send", "{b3"]);
        reply.each_text(&mut |text| *text = text.replace('b', "x").replace("4711", "?"));
        assert_eq!(reply.text, "x0");
        assert_eq!(reply.calls[0].arguments, Arguments::Json(json!({ "to": ["x1", { "x2": "?" }], "urgent": true })));
        assert_eq!(reply.calls[1].arguments, Arguments::Malformed("{x3".to_owned()));
    }
}
