//! What the local socket serves of the toolbox: packages that come in pieces, the changes that an adult makes, and calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_actors::household::Resolve;
use hearth_actors::leash::leash;
use hearth_actors::tools::{
    Answers, CallTool, Change, GrantTool, Install, ListTools, Package, RemoveTool, RevokeTool, ShowTool, Shown, ToolLogs, ToolboxError,
};
use hearth_actors::tree::Doors;
use hearth_domain::household::Member;
use hearth_domain::journal::Digest;
use hearth_domain::limits::Limits;
use hearth_domain::sandbox::Sandboxes;
use hearth_domain::secret::SecretName;
use hearth_domain::tool::grant::Grant;
use hearth_domain::tool::name::Version;
use hearth_domain::tool::reach::{At, Place, Reach};
use hearth_domain::tool::record::ToolState;
use hearth_mcp::component;
use hearth_mcp::operations::manifest_of;
use hearth_tool_package::Unsigned;

use crate::wire::tools::{Granted, PIECE_BYTES, ShownTool, ToolAnswer, ToolAsk, ToolLine};

/// What is kept back of every deadline for the way there and back.
const SLACK: Duration = Duration::from_secs(5);
/// How often it is looked whether what is installed has been read.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Sentence for an ask without an answer.
const BUSY: &str = "the house is busy or restarting; try again in a moment";

/// The toolbox, for one client.
#[derive(Clone)]
pub struct Toolbox {
    doors: Doors,
    sandboxes: Arc<dyn Sandboxes>,
    limits: Limits,
    /// Whether what is installed has been read once, for every client.
    is_read: Arc<AtomicBool>,
}

impl std::fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Toolbox").finish_non_exhaustive()
    }
}

impl Toolbox {
    /// Behind these doors.
    #[must_use]
    pub fn new(doors: Doors, sandboxes: Arc<dyn Sandboxes>, limits: Limits) -> Self {
        Self { doors, sandboxes, limits, is_read: Arc::default() }
    }

    /// Takes a piece of a package.
    pub fn take(package: &mut Vec<u8>, base64: &str) -> Result<ToolAnswer, String> {
        let piece = STANDARD.decode(base64).map_err(|_| "a piece of a package is base64".to_owned())?;
        let bytes = package.len().saturating_add(piece.len());
        if piece.len() > PIECE_BYTES {
            return Err(format!("a piece of a package has at most {PIECE_BYTES} bytes"));
        }
        if let Err(error) = hearth_tool_package::check_length(u64::try_from(bytes).unwrap_or(u64::MAX)) {
            package.clear();
            return Err(error.to_string());
        }
        package.extend(piece);
        Ok(ToolAnswer::Taken)
    }

    /// Serves whatever is not a piece; the package is that of the pieces so far.
    pub async fn serve(self, member: Option<String>, ask: ToolAsk, package: Vec<u8>) -> Result<ToolAnswer, String> {
        let by = self.member(member).await?;
        self.until_read().await;
        let tools = &self.doors.tools;
        let (deadline, long) = (self.limits.commit_deadline + SLACK, self.limits.tool_compile + self.limits.commit_deadline + SLACK);
        let changed = match ask {
            ToolAsk::Piece { .. } => return Err("a piece comes before what it is a piece for".to_owned()),
            ToolAsk::Install { unsigned } => {
                let package = Box::new(read(&package, unsigned)?);
                tools.install.ask(Install { package, change: Change::Install, by }, long).await
            }
            ToolAsk::Update { unsigned } => {
                let package = Box::new(read(&package, unsigned)?);
                tools.install.ask(Install { package, change: Change::Update, by }, long).await
            }
            ToolAsk::Mcp { server } => {
                let (package, change) = self.listed(&server).await?;
                tools.install.ask(Install { package: Box::new(package), change, by }, long).await
            }
            ToolAsk::Grant { name, secrets, places, memory } => {
                let answers = answers(secrets, places, memory)?;
                tools.grant.ask(GrantTool { name, answers, by }, long).await
            }
            ToolAsk::Revoke { name } => tools.revoke.ask(RevokeTool { name, by }, deadline).await,
            ToolAsk::Remove { name } => tools.remove.ask(RemoveTool { name, by }, deadline).await,
            ToolAsk::Show { name } => tools.show.ask(ShowTool(name), deadline).await,
            ToolAsk::List => {
                let listed = tools.list.ask(ListTools, deadline).await.map_err(|_| BUSY.to_owned())?;
                let listed = listed.map_err(|error| error.to_string())?;
                return Ok(ToolAnswer::Tools { tools: listed.into_iter().map(shown).collect() });
            }
            ToolAsk::Logs { name } => {
                let lines = tools.logs.ask(ToolLogs(name), deadline).await.map_err(|_| BUSY.to_owned())?;
                let lines = lines.map_err(|error| error.to_string())?.into_iter().map(|line| ToolLine {
                    at: line.at.to_string(),
                    level: word(&line.level),
                    text: line.text,
                });
                return Ok(ToolAnswer::Lines { lines: lines.collect() });
            }
            ToolAsk::Call { function, arguments } => return self.call(function, arguments, by).await,
        };
        let changed = changed.map_err(|_| BUSY.to_owned())?;
        changed.map(|tool| ToolAnswer::Tool(Box::new(shown(tool)))).map_err(|error| error.to_string())
    }

    /// Waits while what is installed is being read, and compiled where that is needed: a house that has just started is no reason to say no.
    async fn until_read(&self) {
        if self.is_read.load(Ordering::Relaxed) {
            return;
        }
        let read = async {
            while let Ok(Err(ToolboxError::Busy)) = self.doors.tools.list.ask(ListTools, self.limits.ask_deadline).await {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        // What is asked then says what is the matter.
        let waited = tokio::time::timeout(self.limits.tool_compile, read).await;
        self.is_read.store(waited.is_ok(), Ordering::Relaxed);
    }

    /// A package of what an MCP server lists now: a new one, or one with the next version.
    async fn listed(&self, server: &str) -> Result<(Package, Change), String> {
        let component = component::of(server);
        let compiled = self.sandboxes.compile(component.clone()).await.map_err(|error| error.to_string())?;
        let name = component::tool(server).map(|name| name.to_string()).unwrap_or_default();
        let before = self.doors.tools.show.ask(ShowTool(name), self.limits.ask_deadline).await.map_err(|_| BUSY.to_owned())?.ok();
        let (version, change) = match before.and_then(|tool| tool.version.parse::<Version>().ok()) {
            Some(Version { major, minor, patch }) => (Version { major, minor, patch: patch.saturating_add(1) }, Change::Update),
            None => (Version { major: 1, minor: 0, patch: 0 }, Change::Install),
        };
        let manifest = manifest_of(server, version, &compiled.operations).map_err(|error| error.to_string())?;
        let written = serde_json::to_vec(&manifest).map_err(|error| error.to_string())?;
        Ok((Package { manifest, digest: Digest::of(&written), component, author: None }, change))
    }

    async fn member(&self, identity: Option<String>) -> Result<Member, String> {
        let asked = Resolve { identity, thread: String::new() };
        let resolved = self.doors.resolve.ask(asked, self.limits.ask_deadline).await.map_err(|_| BUSY.to_owned())?;
        Ok(resolved.map_err(|error| error.to_string())?.member)
    }

    /// Dropping this ends the call.
    async fn call(&self, function: String, arguments: serde_json::Value, member: Member) -> Result<ToolAnswer, String> {
        let (_tether, held) = leash();
        let (began, deadline) = (Instant::now(), self.limits.tool_deadline + SLACK);
        let called = self.doors.tools.call.ask(CallTool { function, arguments, member, leash: held }, deadline).await;
        let output = called.map_err(|_| BUSY.to_owned())?.map_err(|error| error.to_string())?;
        let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(ToolAnswer::Result { value: output.value, took_us })
    }
}

/// The package, its signature checked.
fn read(bytes: &[u8], unsigned: bool) -> Result<Package, String> {
    let unsigned = if unsigned { Unsigned::Allowed } else { Unsigned::Refused };
    let package = hearth_tool_package::read(bytes, unsigned).map_err(|error| error.to_string())?;
    let release = package.release;
    Ok(Package { manifest: package.manifest, digest: release.manifest, component: package.component, author: release.author })
}

fn answers(secrets: BTreeMap<String, String>, places: BTreeMap<String, String>, memory: bool) -> Result<Answers, String> {
    let secret = |(slot, name): (String, String)| match SecretName::new(&name) {
        Ok(name) => Ok((slot, name)),
        Err(error) => Err(format!("`{name}` is no name of a secret: {error}")),
    };
    let place = |(place, host): (String, String)| match host.parse::<Place>() {
        Ok(host) => Ok((place, host)),
        Err(error) => Err(format!("`{host}` is no host for `{place}`: {error}")),
    };
    let slots = secrets.into_iter().map(secret).collect::<Result<_, _>>()?;
    Ok(Answers { slots, places: places.into_iter().map(place).collect::<Result<_, _>>()?, memory })
}

fn shown(tool: Shown) -> ShownTool {
    let reason = if let ToolState::Quarantined { reason } = &tool.state { Some(reason.clone()) } else { None };
    let state = match tool.state {
        ToolState::Granted => "granted",
        ToolState::Waiting => "waiting",
        ToolState::Quarantined { .. } => "quarantined",
        ToolState::Revoked => "revoked",
    };
    ShownTool {
        name: tool.name,
        version: tool.version,
        description: tool.description,
        component: tool.component,
        author: tool.author,
        state: state.to_owned(),
        reason,
        questions: tool.questions.into_iter().map(|question| question.sentence).collect(),
        functions: tool.functions,
        wants: tool.wants,
        granted: tool.grant.as_ref().map(granted),
        process: tool.report.and_then(|report| serde_json::to_value(report).ok()),
    }
}

fn granted(grant: &Grant) -> Granted {
    Granted {
        rules: grant.reaches.iter().map(rule).collect(),
        secrets: grant.slots.iter().map(|(slot, name)| (slot.clone(), name.to_string())).collect(),
        places: grant.places.iter().map(|(name, place)| (name.clone(), String::from(place.clone()))).collect(),
        keyvalue_bytes: grant.keyvalue_bytes,
        memory: grant.memory,
    }
}

fn rule(reach: &Reach) -> String {
    let host = match &reach.at {
        At::Host(place) => place.to_string(),
        At::Public => "https://*".to_owned(),
    };
    format!("{} {host}{}", reach.method, reach.path)
}

/// A closed word as it is written.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
