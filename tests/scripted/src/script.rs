//! What the server answers, as data.

use serde::{Deserialize, Serialize};

/// A call of a tool within a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its id; may be empty or one that another call has.
    #[serde(default)]
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as text, JSON or not.
    pub arguments: String,
}

impl Call {
    /// A call with these arguments.
    #[must_use]
    pub fn new(id: &str, name: &str, arguments: &serde_json::Value) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_string() }
    }
}

/// Tokens that the reply says it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Used {
    /// In, cached ones included.
    pub input: u64,
    /// Of those, cached.
    pub cached: u64,
    /// Out.
    pub output: u64,
}

/// How a reply says that it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// As its content says: done, or waiting for tools.
    #[default]
    Natural,
    /// At the limit of tokens.
    Length,
    /// The provider's filter stopped it.
    Filtered,
    /// The model refused, in the form that its wire format has for that.
    Refused,
    /// Not at all: the stream just stops.
    Missing,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reply {
    /// The text; streamed word by word.
    pub text: String,
    /// The calls.
    pub calls: Vec<Call>,
    /// What it used.
    pub used: Used,
    /// How it ends.
    pub ending: Ending,
}

impl Reply {
    /// A text and nothing else.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// These calls and nothing else.
    #[must_use]
    pub fn calls(calls: Vec<Call>) -> Self {
        Self { calls, ..Self::default() }
    }

    /// The same reply that used this much.
    #[must_use]
    pub const fn using(mut self, input: u64, cached: u64, output: u64) -> Self {
        self.used = Used { input, cached, output };
        self
    }

    /// The same reply with this ending.
    #[must_use]
    pub const fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }
}

/// What to do with one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Answer.
    Reply(Reply),
    /// Answer with so many milliseconds before each piece.
    Slow {
        /// The answer.
        reply: Reply,
        /// Milliseconds before each piece.
        every_ms: u64,
    },
    /// Refuse with a status and the body that the wire format has for it.
    Status {
        /// The status.
        code: u16,
        /// `Retry-After`, as it stands.
        #[serde(default)]
        retry_after: Option<String>,
        /// The message in the body.
        #[serde(default)]
        message: String,
    },
    /// Send so many pieces of a reply and break the connection. Not streamed: half of the body.
    CutAfter {
        /// The reply.
        reply: Reply,
        /// The pieces.
        pieces: usize,
    },
    /// Send so many pieces of a reply and no more, the connection left open.
    HangAfter {
        /// The reply.
        reply: Reply,
        /// The pieces.
        pieces: usize,
    },
    /// Take the request and never answer.
    Hang,
    /// Take the request and close the connection.
    Close,
    /// A page of HTML with status 200.
    Html,
    /// Half a JSON object with status 200, complete as far as HTTP knows.
    HalfJson,
    /// A body of this many bytes with status 200.
    Flood(usize),
    /// A redirect to this address.
    Redirect(String),
    /// An error in the middle of a stream, in the wire format's form, with this type.
    ErrorInStream(String),
}

impl Step {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Reply(Reply::text(text))
    }

    /// These calls.
    #[must_use]
    pub fn calls(calls: Vec<Call>) -> Self {
        Self::Reply(Reply::calls(calls))
    }

    /// So many calls of one tool, each with an id of its own.
    #[must_use]
    pub fn many_calls(count: usize, name: &str) -> Self {
        let call = |n| Call { id: format!("call-{n}"), name: name.to_owned(), arguments: format!("{{\"n\":{n}}}") };
        Self::calls((0..count).map(call).collect())
    }

    /// A call whose arguments are this text.
    #[must_use]
    pub fn malformed_call(name: &str, arguments: &str) -> Self {
        Self::calls(vec![Call { id: "call-0".to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }])
    }

    /// Nothing said, nothing called.
    #[must_use]
    pub fn empty() -> Self {
        Self::Reply(Reply::default())
    }

    /// A refusal in these words.
    #[must_use]
    pub fn refusal(text: &str) -> Self {
        Self::Reply(Reply::text(text).ending(Ending::Refused))
    }

    /// A status without more.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None, message: "no".to_owned() }
    }

    /// 429 with this `Retry-After`.
    #[must_use]
    pub fn rate_limited(retry_after: &str) -> Self {
        Self::Status { code: 429, retry_after: Some(retry_after.to_owned()), message: "slow down".to_owned() }
    }
}
