//! The port `Sandboxes` made real: processes that compile, processes that run, and what is kept between them.
//!
//! ```text
//! compile ─▶ `compile-tool` process ─▶ cache ─▶ start ─▶ what it says that it can do
//! start ───▶ cache, its key checked ─▶ sealed memory ─▶ `sandbox` process ─▶ line (asks, queued) + stream (what it tells)
//! ```

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::StreamExt as _;
use hearth_domain::sandbox::{
    Ask, CompileError, Compiled, Ended, Heard, MESSAGE_BYTES, SandboxError, SandboxLimits, Sandboxes, Started, Tell,
};
use hearth_supervisor::process::channel::channel;
use hearth_supervisor::process::frame::Frame;
use hearth_supervisor::process::spawn::{Exit, Log, Process, Program};
use hearth_supervisor::process::spawner::Spawner;

use crate::cache::{self, COMPILED_BYTES, Cache, CacheError, CacheKey};
use crate::compile::{self, COMPONENT_BYTES, Order, WORD_BYTES};
use crate::engine::{self, EngineError};
use crate::sealed;

mod line;
mod turn;

/// The verb of the process of a tool.
pub const SANDBOX: &str = "sandbox";
/// The verb of the process that compiles.
pub const COMPILE: &str = "compile-tool";
/// How long compiling may take by the clock.
pub const COMPILE_DEADLINE: Duration = Duration::from_secs(120);
/// How long a component that was just compiled may take until it has said what it can do.
pub const DESCRIBE_DEADLINE: Duration = Duration::from_secs(10);

/// How the processes are started: what follows the program's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verbs {
    /// For the process of a tool.
    pub sandbox: Vec<OsString>,
    /// For the one that compiles.
    pub compile: Vec<OsString>,
}

impl Default for Verbs {
    fn default() -> Self {
        Self { sandbox: vec![SANDBOX.into()], compile: vec![COMPILE.into()] }
    }
}

/// Why there is no port.
#[derive(Debug, thiserror::Error)]
pub enum SandboxerError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The folder.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// The port. A clone is the same.
#[derive(Debug, Clone)]
pub struct Sandboxer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    spawner: Arc<Spawner>,
    cache: Mutex<Kept>,
    verbs: Verbs,
}

/// What is kept of compiling.
#[derive(Debug)]
enum Kept {
    /// Not opened yet: whose folder it lies in may be decided later.
    Folder(PathBuf, [u8; 32]),
    /// Opened.
    Open(Cache),
}

impl Sandboxer {
    /// A port that keeps compiled forms in this folder, under this key.
    ///
    /// # Errors
    /// [`SandboxerError`].
    pub fn new(spawner: Arc<Spawner>, folder: &Path, key: CacheKey) -> Result<Self, SandboxerError> {
        Self::with_verbs(spawner, folder, key, Verbs::default())
    }

    /// As [`Self::new`], for a program whose verbs are others.
    ///
    /// # Errors
    /// [`SandboxerError`].
    pub fn with_verbs(spawner: Arc<Spawner>, folder: &Path, key: CacheKey, verbs: Verbs) -> Result<Self, SandboxerError> {
        let cache = Cache::open(folder, key, engine::compatibility(&engine::compiling()?))?;
        Ok(Self { inner: Arc::new(Inner { spawner, cache: Mutex::new(Kept::Open(cache)), verbs }) })
    }

    /// As [`Self::new`], with the key in the folder, neither of which is touched before it is needed: then whoever has the folder is known
    /// to have it alone.
    ///
    /// # Errors
    /// [`SandboxerError::Engine`].
    pub fn later(spawner: Arc<Spawner>, folder: &Path) -> Result<Self, SandboxerError> {
        let kept = Kept::Folder(folder.to_owned(), engine::compatibility(&engine::compiling()?));
        Ok(Self { inner: Arc::new(Inner { spawner, cache: Mutex::new(kept), verbs: Verbs::default() }) })
    }
}

impl Sandboxes for Sandboxer {
    fn compile(&self, component: Vec<u8>) -> BoxFuture<'static, Result<Compiled, CompileError>> {
        let inner = Arc::clone(&self.inner);
        async move { inner.compile(component).await }.boxed()
    }

    fn has(&self, digest: &str) -> BoxFuture<'static, bool> {
        let (inner, digest) = (Arc::clone(&self.inner), digest.to_owned());
        async move { apart(move || inner.cache().is_ok_and(|cache| cache.find(&digest).is_some())).await.unwrap_or(false) }.boxed()
    }

    fn retain(&self, digests: BTreeSet<String>) -> BoxFuture<'static, ()> {
        let inner = Arc::clone(&self.inner);
        let removed = apart(move || inner.cache()?.retain(&digests));
        async move {
            if let Err(error) = removed.await.and_then(|removed| removed) {
                tracing::warn!(target: "hearth::tools", %error, "compiled forms that are of no use any more cannot be removed");
            }
        }
        .boxed()
    }

    fn start(&self, tool: &str, digest: &str, limits: SandboxLimits) -> BoxFuture<'static, Result<Started, SandboxError>> {
        let (inner, tool, digest) = (Arc::clone(&self.inner), tool.to_owned(), digest.to_owned());
        async move { inner.start(&tool, &digest, limits).await }.boxed()
    }
}

/// Reading, hashing and writing of whole files, which would hold up everything else.
#[expect(clippy::disallowed_methods, reason = "this is a port: what takes a processor or a disk for milliseconds has a thread")]
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

impl Inner {
    /// What is kept, opened now if it was not. Reads and writes the disk.
    fn cache(&self) -> io::Result<Cache> {
        let mut kept = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = match &*kept {
            Kept::Open(cache) => return Ok(cache.clone()),
            Kept::Folder(folder, engine) => {
                CacheKey::of(folder).and_then(|key| Cache::open(folder, key, *engine)).map_err(io::Error::other)?
            }
        };
        *kept = Kept::Open(cache.clone());
        Ok(cache)
    }

    async fn start(self: &Arc<Self>, tool: &str, digest: &str, limits: SandboxLimits) -> Result<Started, SandboxError> {
        let not_started = |error: &dyn std::fmt::Display| SandboxError::NotStarted(error.to_string());
        let (own, wanted) = (Arc::clone(self), digest.to_owned());
        let found = apart(move || Ok(own.cache()?.find(&wanted).map(|compiled| sealed::sealed("component", &compiled))));
        let found = found.await.and_then(|found: io::Result<_>| found).map_err(|error| not_started(&error))?;
        let compiled = found.ok_or(SandboxError::NotCompiled)?;
        let compiled = compiled.map_err(|error| not_started(&error))?;
        let program = program(&format!("hearth sandbox {tool}"), &self.verbs.sandbox);
        let spawned = self.spawner.spawn(program).await.map_err(|error| not_started(&error))?;
        let (sender, receiver) = channel(spawned.socket, MESSAGE_BYTES).map_err(|error| not_started(&error))?;
        let mut started = line::Started { process: spawned.process, sender, receiver, limits };
        let load = Frame::Message(Ask::Load { limits });
        // A process that is gone already is heard to be: that says more.
        if let Err(error) = started.sender.send(&load, &[compiled.as_fd()]).await {
            tracing::debug!(target: "hearth::tools", %error, "a new process does not hear");
        }
        Ok(started.line())
    }

    async fn compile(self: &Arc<Self>, component: Vec<u8>) -> Result<Compiled, CompileError> {
        if component.len() > COMPONENT_BYTES {
            return Err(CompileError::TooLarge { bytes: component.len(), limit: COMPONENT_BYTES });
        }
        if !engine::is_component(&component) {
            return Err(CompileError::Unfit(hearth_domain::sandbox::Fault::NotLoadable));
        }
        let process = |error: io::Error| CompileError::Process(error.to_string());
        let prepared = apart(move || (cache::digest(&component), sealed::sealed("component", &component), sealed::memory("compiled")));
        let (digest, component, to) = prepared.await.map_err(process)?;
        let (component, to) = (component.map_err(process)?, to.map_err(process)?);
        self.compile_apart(component, &to).await?;
        let (own, name) = (Arc::clone(self), digest.clone());
        let kept = apart(move || own.cache()?.keep(&name, &sealed::read(&to, COMPILED_BYTES)?));
        kept.await.and_then(|kept| kept).map_err(|error| CompileError::Keep(error.to_string()))?;
        let described = tokio::time::timeout(DESCRIBE_DEADLINE, self.describe(&digest)).await;
        let described = described.unwrap_or(Err(CompileError::Limit));
        if described.is_err()
            && let Err(error) = self.cache().and_then(|cache| cache.remove(&digest))
        {
            tracing::warn!(target: "hearth::tools", %error, "a compiled form that is of no use cannot be removed");
        }
        Ok(Compiled { digest, operations: described? })
    }

    /// Returns when the compiler has ended: then nobody writes there any more.
    async fn compile_apart(&self, component: OwnedFd, to: &File) -> Result<(), CompileError> {
        let process = |error: &dyn std::fmt::Display| CompileError::Process(error.to_string());
        let program = program("hearth compile-tool", &self.verbs.compile);
        let spawned = self.spawner.spawn(program).await.map_err(|error| process(&error))?;
        let (mut sender, mut receiver) = channel(spawned.socket, WORD_BYTES).map_err(|error| process(&error))?;
        let work = async {
            sender.send(&Frame::Message(Order::Compile), &[component.as_fd(), to.as_fd()]).await.ok()?;
            receiver.recv::<compile::Compiled>().await.ok().flatten()
        };
        let said = tokio::time::timeout(COMPILE_DEADLINE, work).await;
        let exit = ended(&spawned.process, said.is_err()).await;
        match said.ok().flatten().map(|received| received.frame) {
            Some(Frame::Message(compile::Compiled::Written)) => Ok(()),
            Some(Frame::Message(compile::Compiled::Unfit(fault))) => Err(CompileError::Unfit(fault)),
            Some(Frame::Message(compile::Compiled::TooLarge)) => Err(CompileError::Limit),
            // The system ends it for time, and it ends itself for memory.
            Some(Frame::Life(_)) | None => match exit {
                Ended::Signal(_) => Err(CompileError::Limit),
                Ended::Code(_) | Ended::Protocol(_) | Ended::Flood | Ended::Unknown => {
                    Err(process(&format!("its process ended ({exit:?})")))
                }
            },
        }
    }

    async fn describe(self: &Arc<Self>, digest: &str) -> Result<Vec<hearth_domain::sandbox::Operation>, CompileError> {
        let started = self.start("new", digest, SandboxLimits::default()).await;
        let (_line, mut heard) = started.map_err(|error| CompileError::Process(error.to_string()))?;
        match heard.next().await {
            Some(Heard::Tell(Tell::Ready { operations, .. })) => Ok(operations),
            Some(Heard::Tell(Tell::Unfit(fault))) => Err(CompileError::Unfit(fault)),
            Some(Heard::Tell(_)) | None => Err(CompileError::Process("it said something else than what it can do".to_owned())),
            Some(Heard::Ended(ended)) => Err(CompileError::Process(format!("the new tool's process ended ({ended:?})"))),
        }
    }
}

fn program(name: &str, verbs: &[OsString]) -> Program {
    let mut program = Program::new(name, verbs.iter().cloned());
    // What a tool writes is no part of the house's log.
    program.log = Log::Null;
    program
}

/// How a process ended, which it is made to unless it does so by itself.
async fn ended(process: &Process, by_force: bool) -> Ended {
    if by_force && let Err(error) = process.kill() {
        tracing::warn!(target: "hearth::tools", %error, "a process cannot be ended");
    }
    match process.wait().await {
        Ok(Exit::Code(code)) => Ended::Code(code),
        Ok(Exit::Signal { number, .. }) => Ended::Signal(number),
        Err(_) => Ended::Unknown,
    }
}
