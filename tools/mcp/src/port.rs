//! The port `Sandboxes` for MCP servers, beside the one for components of the engine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use hearth_domain::error::{Class, Classified};
use hearth_domain::sandbox::{CompileError, Compiled, Ended, Fault, Heard, SandboxError, SandboxLimits, Sandboxes, Started, Tell};
use hearth_domain::tool::name::ToolName;
use hearth_supervisor::process::confine::Report;
use hearth_supervisor::process::frame::{Assembler, Frame, Life, read_async};
use hearth_supervisor::process::spawn::{Log, Program};
use hearth_supervisor::process::spawner::Spawner;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::component;
use crate::config::{self, ConfigError, Http, Server, What};
use crate::far::{ASKS, Confined, Far, Greeting, Near, State, UNREACHABLE, own_code};
use crate::greeting::{Refused, greet};
use crate::guard::{Guard, Guarded, Shared};
use crate::http::{self, Ways};
use crate::lines::Lines;
use crate::server::REPORT_BYTES;

/// Most bytes of a component of this kind.
pub const COMPONENT_BYTES: usize = 256;

/// Why there is no port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("MCP server number {number} of the configuration: {why}")]
pub struct PortError {
    /// Which one, counted from 1.
    pub number: usize,
    /// What is wrong with it.
    #[source]
    pub why: ConfigError,
}

impl Classified for PortError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// The port. A clone is the same.
#[derive(Clone)]
pub struct McpSandboxes {
    inner: Arc<Inner>,
}

struct Inner {
    spawner: Arc<Spawner>,
    ways: Ways,
    /// By the digest of the component that names each.
    servers: BTreeMap<String, (ToolName, Arc<Server>)>,
    others: Arc<dyn Sandboxes>,
}

impl fmt::Debug for McpSandboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpSandboxes").field("servers", &self.inner.servers.len()).finish_non_exhaustive()
    }
}

impl McpSandboxes {
    /// A port for these servers, with these ways to those that are elsewhere. `others` is the port for every component that names no server.
    ///
    /// # Errors
    /// [`PortError`].
    pub fn new(spawner: Arc<Spawner>, ways: Ways, servers: Vec<Server>, others: Arc<dyn Sandboxes>) -> Result<Self, PortError> {
        config::check(&servers).map_err(|(at, why)| PortError { number: at.saturating_add(1), why })?;
        let known = servers.into_iter().filter_map(|server| {
            let component = component::of(&server.name);
            Some((component::digest(&component), (component::tool(&server.name)?, Arc::new(server))))
        });
        Ok(Self { inner: Arc::new(Inner { spawner, ways, servers: known.collect(), others }) })
    }
}

impl Sandboxes for McpSandboxes {
    fn compile(&self, component: Vec<u8>) -> BoxFuture<'static, Result<Compiled, CompileError>> {
        if !component::is_ours(&component) {
            return self.inner.others.compile(component);
        }
        let inner = Arc::clone(&self.inner);
        async move { inner.compile(&component).await }.boxed()
    }

    /// A server that the configuration names has nothing to compile.
    fn has(&self, digest: &str) -> BoxFuture<'static, bool> {
        if self.inner.servers.contains_key(digest) { std::future::ready(true).boxed() } else { self.inner.others.has(digest) }
    }

    fn retain(&self, digests: BTreeSet<String>) -> BoxFuture<'static, ()> {
        self.inner.others.retain(digests)
    }

    /// For a server, `tool` has to be the tool that is named after it: another tool that stands on it is not started.
    fn start(&self, tool: &str, digest: &str, limits: SandboxLimits) -> BoxFuture<'static, Result<Started, SandboxError>> {
        let Some((name, server)) = self.inner.servers.get(digest).cloned() else { return self.inner.others.start(tool, digest, limits) };
        if name.to_string() != tool {
            let why = SandboxError::NotStarted(format!("the MCP server of `{name}` is that tool's alone"));
            return std::future::ready(Err(why)).boxed();
        }
        let inner = Arc::clone(&self.inner);
        async move { inner.start(&name, server, limits).await }.boxed()
    }
}

impl Inner {
    /// Starts it once, and lets it say what it can do.
    async fn compile(&self, component: &[u8]) -> Result<Compiled, CompileError> {
        if component.len() > COMPONENT_BYTES {
            return Err(CompileError::TooLarge { bytes: component.len(), limit: COMPONENT_BYTES });
        }
        let process = |why: &str| CompileError::Process(why.to_owned());
        component::server(component).ok_or(CompileError::Unfit(Fault::NotLoadable))?;
        let digest = component::digest(component);
        let (name, server) = self.servers.get(&digest).cloned().ok_or_else(|| process("the configuration names no such MCP server"))?;
        let started = self.start(&name, server, SandboxLimits::default()).await;
        let (_line, mut heard) = started.map_err(|error| process(&error.to_string()))?;
        match heard.next().await {
            Some(Heard::Tell(Tell::Ready { operations, .. })) => Ok(Compiled { digest, operations }),
            Some(Heard::Tell(Tell::Unfit(fault))) => Err(CompileError::Unfit(fault)),
            Some(Heard::Ended(Ended::Protocol(why))) => Err(process(&format!("the MCP server does not keep to the protocol: {why}"))),
            Some(Heard::Ended(Ended::Unknown)) => Err(process(UNREACHABLE)),
            Some(Heard::Ended(ended)) => {
                let own = if let Ended::Code(code) = ended { own_code(code) } else { None };
                Err(own.map_or_else(|| process(&format!("the MCP server ended ({ended:?})")), process))
            }
            Some(Heard::Tell(_)) | None => Err(process("the MCP server did not say what it can do")),
        }
    }

    async fn start(&self, name: &ToolName, server: Arc<Server>, limits: SandboxLimits) -> Result<Started, SandboxError> {
        let not_started = |error: &dyn fmt::Display| SandboxError::NotStarted(error.to_string());
        let (to, events) = mpsc::unbounded_channel();
        let shared = Shared::new(Guard::new(server.limits.unasked, limits.log_bytes), to);
        let (process, greeting) = match (&server.what, server.arguments()) {
            (What::Stdio(_), Some(arguments)) => {
                let mut program = Program::new(format!("hearth {name}"), arguments);
                // What a server writes besides its messages is no part of the house's log.
                program.log = Log::Null;
                let spawned = self.spawner.spawn(program).await.map_err(|error| not_started(&error))?;
                spawned.socket.set_nonblocking(true).map_err(|error| not_started(&error))?;
                let socket = UnixStream::from_std(spawned.socket).map_err(|error| not_started(&error))?;
                (Some(Arc::new(spawned.process)), near(socket, shared.clone(), Arc::clone(&server)))
            }
            (What::Http(http), _) => (None, elsewhere(&self.ways, http, name, shared.clone(), Arc::clone(&server))?),
            (What::Stdio(_), None) => return Err(not_started(&"the configuration names no command")),
        };
        let (asks, asked) = mpsc::channel(ASKS);
        let line = Near::new(asks, process.clone());
        let state = State::Greeting(greeting, Box::pin(sleep(server.limits.start)));
        let (said, beats) = (VecDeque::new(), VecDeque::new());
        let far = Far { asked: Some(asked), events, shared, process, server, limits, state, said, beats };
        Ok((Box::new(line), stream::unfold(far, Far::next).boxed()))
    }
}

/// A process of ours: what confines it, before anything of the command's own.
fn near(socket: UnixStream, shared: Shared, server: Arc<Server>) -> Greeting {
    let (mut from, to) = socket.into_split();
    async move {
        let report = match read_async::<(), _>(&mut from, &mut Assembler::new(REPORT_BYTES)).await {
            Ok(Some(Frame::Life(Life::Ready { report }))) => report,
            Ok(Some(_)) => return Err(Refused::Ended(Ended::Protocol("it is no process of a server".to_owned()))),
            Ok(None) | Err(_) => return Err(Refused::Gone),
        };
        let lines = Lines::new(from, to, server.limits.message_bytes, shared.clone());
        let up = greet(Guarded::new(lines, shared.clone()), &shared, &server).await?;
        Ok((up, confined(&report)))
    }
    .boxed()
}

fn confined(report: &Report) -> Confined {
    report.parts.iter().map(|(part, outcome)| (part.to_string(), outcome.to_string())).collect()
}

fn elsewhere(ways: &Ways, http: &Http, name: &ToolName, shared: Shared, server: Arc<Server>) -> Result<Greeting, SandboxError> {
    let transport = http::transport(ways, http, name, server.limits.message_bytes);
    let transport = transport.ok_or_else(|| SandboxError::NotStarted("the address of the MCP server cannot be asked for".to_owned()))?;
    let greeting = async move {
        let up = greet(Guarded::new(transport, shared.clone()), &shared, &server).await?;
        Ok((up, vec![("its place".to_owned(), "elsewhere: it does what it likes with what it is sent".to_owned())]))
    };
    Ok(greeting.boxed())
}
