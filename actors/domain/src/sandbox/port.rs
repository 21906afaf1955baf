//! What starts the processes of tools, and what it says of them.

use std::collections::BTreeSet;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use super::{Ask, Fault, Operation, SandboxLimits, Tell};
use crate::error::{Class, Classified};

/// Why there is no sandbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// The process could not be started.
    #[error("the tool's process could not be started: {0}")]
    NotStarted(String),
    /// There is no compiled form of this component, or it was touched.
    #[error("the tool has no compiled form that can be trusted; install it again")]
    NotCompiled,
}

impl Classified for SandboxError {
    fn class(&self) -> Class {
        match self {
            Self::NotStarted(_) => Class::Transient,
            Self::NotCompiled => Class::Permanent,
        }
    }
}

/// How a process ended, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// What it said is no message, or out of turn.
    Protocol(String),
    /// It said more than it may before anybody asked.
    Flood,
    /// It cannot be known.
    Unknown,
}

/// What comes from the other side.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A message.
    Tell(Tell),
    /// The last: the process is gone.
    Ended(Ended),
}

/// A process that runs. Dropping it kills the process.
pub trait SandboxLine: Send {
    /// Says something; `false` when nobody hears it any more.
    fn ask(&mut self, ask: Ask) -> bool;
    /// Ends it now.
    fn kill(&mut self);
    /// The process's number, for whoever looks at it from outside.
    fn pid(&self) -> u32;
}

/// What a start gives: the line, and what comes from the other side until the process is gone.
pub type Started = (Box<dyn SandboxLine>, BoxStream<'static, Heard>);

/// Compiles components and starts their processes.
pub trait Sandboxes: Send + Sync {
    /// Compiles a component in a process of its own, keeps the compiled form, and says what the tool says that it can do. The digest is
    /// SHA-256 of the component, in hexadecimal digits.
    fn compile(&self, component: Vec<u8>) -> BoxFuture<'static, Result<Compiled, CompileError>>;
    /// Whether a compiled form of the component of this digest is kept that can be started.
    fn has(&self, digest: &str) -> BoxFuture<'static, bool>;
    /// Forgets the compiled forms of all components but these.
    fn retain(&self, digests: BTreeSet<String>) -> BoxFuture<'static, ()>;
    /// A fresh process with the compiled form of the component of this digest. Says `Load` itself; the first thing heard is
    /// [`Tell::Ready`] or [`Tell::Unfit`].
    fn start(&self, tool: &str, digest: &str, limits: SandboxLimits) -> BoxFuture<'static, Result<Started, SandboxError>>;
}

/// A house that can run no tools. For tests of other things, and for systems without processes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSandboxes;

impl Sandboxes for NoSandboxes {
    fn compile(&self, _component: Vec<u8>) -> BoxFuture<'static, Result<Compiled, CompileError>> {
        std::future::ready(Err(CompileError::Process("this house can run no tools".to_owned()))).boxed()
    }

    fn has(&self, _digest: &str) -> BoxFuture<'static, bool> {
        std::future::ready(false).boxed()
    }

    fn retain(&self, _digests: BTreeSet<String>) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }

    fn start(&self, _tool: &str, _digest: &str, _limits: SandboxLimits) -> BoxFuture<'static, Result<Started, SandboxError>> {
        std::future::ready(Err(SandboxError::NotStarted("this house can run no tools".to_owned()))).boxed()
    }
}

/// A component that was compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// SHA-256 of the component.
    pub digest: String,
    /// What it says that it can do.
    pub operations: Vec<Operation>,
}

/// Why a component was not compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// It is not fit for use.
    #[error("{0}")]
    Unfit(Fault),
    /// Larger than a component may be.
    #[error("the component has {bytes} bytes; {limit} are allowed")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The compiler took too long, or too much memory.
    #[error("compiling the component took more time or memory than it may")]
    Limit,
    /// The compiler's process could not be started, or ended.
    #[error("the component could not be compiled: {0}")]
    Process(String),
    /// The compiled form could not be kept.
    #[error("the compiled component could not be kept: {0}")]
    Keep(String),
}

impl Classified for CompileError {
    fn class(&self) -> Class {
        match self {
            Self::Unfit(_) | Self::TooLarge { .. } | Self::Limit => Class::Permanent,
            Self::Process(_) | Self::Keep(_) => Class::Transient,
        }
    }
}
