//! The sandbox port: what the house and the process of a tool say to each other.
//!
//! ```text
//!  house ──Load──────▶ sandbox       the limits; the compiled component as a descriptor beside it
//!  house ◀──Ready───── sandbox       it can be called; what it says that it can do; what confines it
//!  house ──Call──────▶ sandbox       one at a time
//!  house ◀──Host────── sandbox ──────┐
//!  house ──Given─────▶ sandbox ◀─────┘ as often as the call asks for something
//!  house ◀──Done────── sandbox       what it came to
//! ```
//!
//! Everything from a sandbox is untrusted: it may be attacker's code that speaks this. Each message has a bound ([`MESSAGE_BYTES`]), each
//! id is compared with the one call that is under way, and what is out of turn ends the process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tool::Effect;

mod port;

pub use port::{CompileError, Compiled, Ended, Heard, NoSandboxes, SandboxError, SandboxLine, Sandboxes, Started};

/// The most bytes of one message between house and sandbox.
pub const MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes of one piece of a body.
pub const PIECE_BYTES: usize = 64 * 1024;

/// What one process may use. The house keeps the same times by its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxLimits {
    /// Bytes of the component's memory.
    pub memory_bytes: u64,
    /// Elements of all its tables.
    pub table_elements: u32,
    /// Fuel of one call: about one unit per instruction.
    pub fuel: u64,
    /// How long one call may compute, waiting for the house not counted.
    #[serde(with = "humantime_serde")]
    pub compute: Duration,
    /// Bytes of a result.
    pub result_bytes: usize,
    /// Calls to the host in one call.
    pub host_calls: u32,
    /// Bytes that the log of one call keeps.
    pub log_bytes: usize,
    /// Resources (bodies) that are open at once.
    pub resources: u32,
}

impl Default for SandboxLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 * 1024 * 1024,
            table_elements: 20_000,
            fuel: 5_000_000_000,
            compute: Duration::from_secs(10),
            result_bytes: 1024 * 1024,
            host_calls: 1_000,
            log_bytes: 64 * 1024,
            resources: 16,
        }
    }
}

/// From the house to a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// The first message; the compiled component is the one descriptor beside it.
    Load {
        /// What it may use.
        limits: SandboxLimits,
    },
    /// Do this.
    Call(Call),
    /// What the house gives to a [`Tell::Host`].
    Given {
        /// The call.
        call: u64,
        /// Its question.
        question: u32,
        /// The answer.
        answer: HostAnswer,
    },
    /// Is it alive? Answered with [`Tell::Beat`] when no call is under way.
    Beat {
        /// Names the question.
        id: u64,
    },
}

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Names it between the two processes; never used twice.
    pub id: u64,
    /// The operation.
    pub operation: String,
    /// Its arguments, JSON.
    pub arguments: String,
    /// The idempotency key.
    pub key: String,
    /// Stands for the member in this tool.
    pub member: String,
    /// BCP 47.
    pub locale: String,
    /// IANA name.
    pub zone: String,
    /// Milliseconds that it may take.
    pub deadline_ms: u32,
    /// Milliseconds since 1970 when it began.
    pub wall_ms: u64,
    /// Chance for this call: the sandbox expands it, so that a repeated call draws the same.
    pub seed: [u8; 32],
}

/// From a sandbox to the house.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum Tell {
    /// It can be called.
    Ready {
        /// What it says that it can do.
        operations: Vec<Operation>,
        /// What confines the process, part by part.
        confined: Vec<(String, String)>,
    },
    /// It cannot be used: [`Fault`] says why.
    Unfit(Fault),
    /// The call asks for something.
    Host {
        /// The call.
        call: u64,
        /// Names the question; counts up from 0 in each call.
        question: u32,
        /// What for.
        ask: HostAsk,
    },
    /// Something for the log, or how far it is. Not answered.
    Said {
        /// The call.
        call: u64,
        /// What.
        line: Line,
    },
    /// What a call came to.
    Done {
        /// The call.
        call: u64,
        /// The result, the tool's own refusal, or how it failed.
        outcome: Outcome,
        /// What it used.
        used: Usage,
    },
    /// It is alive.
    Beat {
        /// The question.
        id: u64,
    },
}

/// What a tool says about one of its operations. Untrusted: it is compared with what was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Its name, unique in the tool.
    pub name: String,
    /// For the model.
    pub description: String,
    /// JSON Schema of the arguments, as text.
    pub parameters: String,
    /// What it does to the world.
    pub effect: Effect,
    /// Whether it may be repeated under the same key.
    pub idempotent: bool,
    /// Arguments by their JSON pointer, and what they are for.
    pub arguments: Vec<(String, Role)>,
    /// Fields of the result by their JSON pointer, and how far they are trusted.
    pub fields: Vec<(String, Trust)>,
}

/// What an argument is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Free text.
    Content,
    /// To whom something goes.
    Recipient,
    /// An address on the web.
    Url,
    /// A path.
    Path,
    /// How much.
    Amount,
    /// What names a thing in the tool's service.
    Id,
    /// When.
    Schedule,
    /// Something that is run.
    Code,
    /// A secret, by name.
    SecretRef,
}

/// How far a field of a result is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Somebody outside wrote it. So is whatever is not annotated.
    Outside,
    /// The service itself wrote it.
    Service,
    /// The member wrote it.
    Member,
}

/// What a call may ask of the house.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "host", rename_all = "snake_case")]
pub enum HostAsk {
    /// Make this request. Answered with [`HostAnswer::Response`].
    Http(HttpAsk),
    /// The next piece of a body. Answered with [`HostAnswer::Piece`].
    Read {
        /// The body.
        body: u32,
    },
    /// A body is not wanted any more. Answered with [`HostAnswer::Done`].
    Close {
        /// The body.
        body: u32,
    },
    /// What is kept under this key. Answered with [`HostAnswer::Value`].
    Get {
        /// The key.
        key: String,
    },
    /// Keep this. Answered with [`HostAnswer::Done`].
    Set {
        /// The key.
        key: String,
        /// The value, base64.
        value: String,
    },
    /// Keep it no longer. Answered with [`HostAnswer::Done`].
    Delete {
        /// The key.
        key: String,
    },
    /// Which keys begin so? Answered with [`HostAnswer::Keys`].
    Keys {
        /// The beginning.
        prefix: String,
    },
    /// What stands for this slot's secret in a request? Answered with [`HostAnswer::Placeholder`].
    Secret {
        /// The slot.
        slot: String,
    },
    /// What does the house remember? Answered with [`HostAnswer::Found`].
    Search {
        /// Words.
        query: String,
        /// At most so many.
        limit: u32,
    },
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAsk {
    /// The method.
    pub method: String,
    /// The address.
    pub url: String,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body, base64.
    pub body: Option<String>,
}

/// What the house gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "given", rename_all = "snake_case")]
pub enum HostAnswer {
    /// What a server answered; the body is read piece by piece.
    Response {
        /// The status.
        status: u16,
        /// The headers, in order.
        headers: Vec<(String, String)>,
        /// Names the body.
        body: u32,
    },
    /// A piece of a body, base64; none at its end.
    Piece {
        /// The piece.
        piece: Option<String>,
    },
    /// A value, base64; none when there is none.
    Value {
        /// The value.
        value: Option<String>,
    },
    /// Keys, in order.
    Keys {
        /// The keys.
        keys: Vec<String>,
    },
    /// What stands for a secret.
    Placeholder {
        /// It.
        text: String,
    },
    /// What is remembered: texts, and their age in seconds.
    Found {
        /// The texts.
        found: Vec<(String, u64)>,
    },
    /// It is done.
    Done,
    /// It is not.
    Refused(Refusal),
}

/// Why the house does not give something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind.
    pub kind: RefusalKind,
    /// A sentence for the tool. Nothing in it that the tool may not know.
    pub sentence: String,
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// Not granted.
    Denied,
    /// There is no such slot, body or key.
    Unknown,
    /// Over a limit or a quota.
    Limit,
    /// Not now: a server that cannot be reached, a store that is busy.
    Unavailable,
}

/// What a call says besides its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// For the tool's log: how bad, and what.
    Log(Level, String),
    /// How far it is.
    Progress(String),
}

/// How bad a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For its author.
    Debug,
    /// Ordinary.
    Info,
    /// Odd.
    Warn,
    /// Wrong.
    Error,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The result.
    Parts(Vec<Part>),
    /// The tool said no.
    Refused(ToolRefusal),
    /// It broke.
    Fault(Fault),
}

/// Part of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Text.
    Text(String),
    /// JSON, as text. Not parsed yet: it may be anything.
    Json(String),
    /// Something else.
    Blob {
        /// What.
        media_type: String,
        /// The bytes, base64.
        base64: String,
    },
}

/// Why a tool said no, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolRefusal {
    /// The kind.
    pub kind: ToolRefusalKind,
    /// The tool's own words: untrusted.
    pub sentence: String,
}

/// The kinds of a tool's own refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolRefusalKind {
    /// The arguments cannot be meant.
    BadArguments,
    /// It is not there.
    NotFound,
    /// Its service refused or cannot be reached.
    Unavailable,
    /// A host call was refused.
    Denied,
    /// Anything else.
    Failed,
}

/// How a component breaks. Closed: nothing of the component's own words is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It is no component, or one of another engine.
    #[error("the component cannot be loaded")]
    NotLoadable,
    /// It imports what no tool has.
    #[error("the component imports something that no tool may have")]
    Imports,
    /// It does not export what a tool has.
    #[error("the component is no tool of this version")]
    Exports,
    /// It trapped.
    #[error("the tool crashed")]
    Trap,
    /// It used all its fuel.
    #[error("the tool computed longer than it may")]
    OutOfFuel,
    /// It did not end in its time.
    #[error("the tool did not finish in time")]
    Deadline,
    /// It wanted more memory or tables than it may have.
    #[error("the tool needed more memory than it may have")]
    Memory,
    /// Its stack is used up.
    #[error("the tool called itself too deeply")]
    Stack,
    /// Its result is larger than allowed.
    #[error("the tool's result is too large")]
    ResultSize,
    /// It asked the host for more than it may.
    #[error("the tool asked the house for too much")]
    HostCalls,
    /// What it gave is not what its type says.
    #[error("the tool gave something that cannot be read")]
    Malformed,
}

/// What a call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Fuel.
    pub fuel: u64,
    /// Bytes of memory at its highest.
    pub memory_bytes: u64,
    /// Calls to the host.
    pub host_calls: u32,
    /// Lines of its log that were not kept.
    pub lines_lost: u32,
}
