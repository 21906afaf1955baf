//! What the toolbox knows of each installed tool, and the way to its actor.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hearth_domain::tool::grant::{Grant, Question, Release, ask, widening};
use hearth_domain::tool::manifest::Manifest;
use hearth_domain::tool::record::{ToolInfo, ToolState};
use hearth_domain::tool::{ToolError, ToolOutput, ToolSpec};
use hearth_supervisor::link::{AskError, Link};
use hearth_supervisor::slot::Slot;
use hearth_supervisor::spec::handle::{StartChildError, SupervisorHandle};
use hearth_supervisor::spec::{ChildSpec, Restart};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{SLACK, Shown};
use crate::tool::log::Log;
use crate::tool::{Look, Made, Retire, Revoke, Run, ToolActor, ToolReport};

/// Times that an actor which is just ending is tried to be started.
const WAKE_ATTEMPTS: usize = 3;

/// What a tool asks for: what the store keeps as its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The manifest.
    pub(super) manifest: Manifest,
    /// Of which release.
    pub(super) release: Release,
}

/// An installed tool.
#[derive(Debug)]
pub(super) struct Entry {
    /// As it is in the store.
    pub(super) info: ToolInfo,
    /// What it asks for; none when that cannot be read.
    pub(super) asked: Option<Asked>,
    /// What it was granted, as far as that can be read.
    pub(super) grant: Option<Grant>,
    /// Its actor, when it may be called.
    pub(super) seat: Option<Arc<Seat>>,
    /// Actors that still do what they took before another one had their place.
    pub(super) old: Vec<Weak<Seat>>,
    /// What it said.
    pub(super) log: Log,
}

impl Entry {
    /// Of a row of the store. It has no seat yet.
    pub(super) fn new(info: ToolInfo, log: Log) -> Self {
        let asked: Option<Asked> = serde_json::from_value(info.manifest.clone()).ok();
        let grant = granted(&info);
        let mut entry = Self { info, asked, grant, seat: None, old: Vec::new(), log };
        let readable = entry.asked.is_some() && (entry.grant.is_some() || entry.info.state != ToolState::Granted);
        if !readable {
            entry.info.state = ToolState::Quarantined { reason: "what is stored of it cannot be read; install it again".to_owned() };
        }
        entry
    }

    /// What an adult has to say yes to.
    pub(super) fn questions(&self) -> Vec<Question> {
        let Some(Asked { manifest, release }) = &self.asked else {
            return Vec::new();
        };
        match (&self.info.state, &self.grant) {
            (ToolState::Granted, _) => Vec::new(),
            (ToolState::Waiting | ToolState::Quarantined { .. }, Some(grant)) => widening(grant, manifest, release),
            (ToolState::Waiting | ToolState::Quarantined { .. } | ToolState::Revoked, _) => ask(manifest, release),
        }
    }

    /// Takes away its actors, with those that still do what they took.
    pub(super) fn take_seats(&mut self) -> Vec<Arc<Seat>> {
        self.old.drain(..).filter_map(|seat| seat.upgrade()).chain(self.seat.take()).collect()
    }

    pub(super) fn shown(&self) -> Shown {
        let asked = self.asked.as_ref();
        Shown {
            name: self.info.name.clone(),
            version: self.info.version.clone(),
            description: asked.map(|asked| asked.manifest.description.clone()).unwrap_or_default(),
            component: self.info.component.clone(),
            author: asked.and_then(|asked| asked.release.author).map(|key| key.to_string()),
            state: self.info.state.clone(),
            questions: self.questions(),
            functions: asked.map(|asked| asked.manifest.specs().into_iter().map(|spec| spec.name).collect()).unwrap_or_default(),
            wants: asked.map(|asked| asked.manifest.wants.clone()),
            grant: self.grant.clone(),
            report: None,
        }
    }
}

/// What a tool was granted, as far as that can be read.
fn granted(info: &ToolInfo) -> Option<Grant> {
    info.grant.clone().and_then(|grant| serde_json::from_value(grant).ok())
}

/// The functions of a tool that may be called, as it is in the store.
pub(super) fn specs(info: &ToolInfo) -> Vec<ToolSpec> {
    let grant = granted(info).filter(|_| info.state == ToolState::Granted);
    grant.map(|grant| grant.specs()).unwrap_or_default()
}

/// Where the actor of one release and grant is reached.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) generation: u64,
    pub(super) grant: Arc<Grant>,
    slot: Slot<ToolActor>,
    run: Link<Run>,
    retire: Link<Retire>,
    revoke: Link<Revoke>,
    look: Link<Look>,
    made: Made,
    /// Held while the actor is being started.
    door: Mutex<()>,
}

impl Seat {
    pub(super) fn new(made: Made) -> Self {
        let name = format!("{}.{}", made.grant.tool().to_string().replace('/', "."), made.generation);
        let slot = Slot::new(name, made.limits.mailbox, &made.ports.wires);
        let (run, retire, revoke, look) = (slot.link(), slot.link(), slot.link(), slot.link());
        let (generation, grant) = (made.generation, Arc::clone(&made.grant));
        Self { generation, grant, slot, run, retire, revoke, look, made, door: Mutex::new(()) }
    }

    pub(super) fn is_running(&self) -> bool {
        self.slot.is_running()
    }

    pub(super) async fn look(&self, deadline: Duration) -> Option<ToolReport> {
        self.look.ask(Look, deadline).await.ok()
    }

    /// Lets it do what it took, then sees to it that it is gone.
    pub(super) async fn retire(&self, children: &SupervisorHandle, deadline: Duration) {
        if self.is_running() && self.retire.ask(Retire, deadline).await.is_ok() {
            tokio::time::sleep(self.made.limits.tool_deadline.saturating_add(deadline)).await;
        }
        let _ = children.stop_child(&**self.slot.name()).await;
    }

    /// Ends it now.
    pub(super) async fn revoke(&self, children: &SupervisorHandle, deadline: Duration) {
        // Nobody may start it between the two.
        let _door = self.door.lock().await;
        if self.is_running() {
            let _ = self.revoke.ask(Revoke, deadline).await;
        }
        let _ = children.stop_child(&**self.slot.name()).await;
    }

    fn spec(&self) -> ChildSpec {
        let made = self.made.clone();
        let make = move || {
            let actor = ToolActor::new(made.clone());
            async { Ok(actor) }
        };
        ChildSpec::worker(&self.slot, make).restart(Restart::Temporary)
    }
}

/// A way to one tool that starts its actor when there is none.
pub(super) struct Reach {
    pub(super) seat: Arc<Seat>,
    pub(super) children: SupervisorHandle,
}

impl Reach {
    /// Starts the actor, unless it runs.
    async fn wake(&self) -> Result<(), StartChildError> {
        let _door = self.seat.door.lock().await;
        for _ in 0..WAKE_ATTEMPTS {
            if self.seat.is_running() {
                return Ok(());
            }
            match self.children.start_child(self.seat.spec()).await {
                // It is ending just now: end that first.
                Err(StartChildError::Duplicate) => {
                    let _ = self.children.stop_child(&**self.seat.slot.name()).await;
                }
                result => return result,
            }
        }
        Err(StartChildError::Stopped)
    }

    /// Has a call run.
    pub(super) async fn run(self, run: Run, deadline: Duration) -> Result<ToolOutput, ToolError> {
        if let Err(error) = self.wake().await {
            tracing::warn!(tool = %self.seat.grant.tool(), %error, "a tool's actor could not be started");
            return Err(ToolError::Busy);
        }
        // The actor keeps the deadline; this is for an actor that does not answer at all.
        let ended = self.seat.run.ask(run, deadline.saturating_add(SLACK)).await;
        ended.unwrap_or_else(|error| {
            Err(match error {
                AskError::Full | AskError::Down => ToolError::Busy,
                AskError::TimedOut => ToolError::TimedOut,
                AskError::Lost => ToolError::Lost,
            })
        })
    }
}
