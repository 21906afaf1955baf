//! Changes of what is installed: each is durable before it is answered, with its fact, and takes effect then. One at a time.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::{ActorFutureExt as _, WrapFuture as _};
use actix::{AsyncContext as _, ResponseActFuture};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hearth_domain::conversation::{Notice, Noticed};
use hearth_domain::error::{Class, Classified};
use hearth_domain::household::{Member, Place};
use hearth_domain::ids::{MemberId, ReminderId};
use hearth_domain::journal::{Digest, Fact, FactKind};
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::limits::Limits;
use hearth_domain::sandbox::{CompileError, Sandboxes};
use hearth_domain::schedule::{Reminder, ReminderState};
use hearth_domain::secret::SecretName;
use hearth_domain::store::{Commit, Store, StoreError, Write};
use hearth_domain::tool::grant::{Answer, Grant, Release};
use hearth_domain::tool::manifest::{Disagreement, Manifest, ManifestError};
use hearth_domain::tool::name::AuthorKey;
use hearth_domain::tool::reach::Place as Host;
use hearth_domain::tool::record::{COMPONENT_BYTES, ToolInfo, ToolRecord, ToolState};
use hearth_supervisor::context::Context;
use serde_json::Value;

use super::entries::{Asked, Entry, Seat};
use super::{Phase, Shown, ToolsActor, is_adult};
use crate::channel::LOCAL;
use crate::memory::within;
use crate::scheduler::Announce;
use crate::store::{Save, Settle};
use crate::tool::log::Log;
use crate::tool::schema::{SchemaError, Schemas};
use crate::tool::{Fell, Made};

/// Time until what is installed is read again, when it could not be.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// Time until an adult is told again, when that could not be saved.
const TELL_AGAIN: Duration = Duration::from_secs(30);

/// What an answer of an adult says besides yes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// The secret of each slot; one that is left out gets none.
    pub slots: BTreeMap<String, SecretName>,
    /// The host of each place; one that is left out leads nowhere.
    pub places: BTreeMap<String, Host>,
    /// Whether it may search the house's memory, if it wants to.
    pub memory: bool,
}

/// Whether a package is new, or takes the place of what is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// New.
    Install,
    /// Another version.
    Update,
}

/// A package whose signature was checked.
#[derive(Clone)]
pub struct Package {
    /// What it asks for.
    pub manifest: Manifest,
    /// SHA-256 of the manifest as it was written.
    pub digest: Digest,
    /// The component.
    pub component: Vec<u8>,
    /// Whose signature it has; none when it has none, and an adult wants it all the same.
    pub author: Option<AuthorKey>,
}

impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { manifest, component, .. } = self;
        f.debug_struct("Package").field("name", &manifest.name).field("bytes", &component.len()).finish_non_exhaustive()
    }
}

/// Why nothing was changed. The sentence is for the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolboxError {
    /// Not for children and guests.
    #[error("only an adult of the household can change what is installed")]
    NotAdult,
    /// No such tool.
    #[error("no tool of this name is installed; see `hearth tool list`")]
    Unknown,
    /// It is there already.
    #[error("a tool of this name is installed already; update it instead")]
    Exists,
    /// Too many.
    #[error("{0} tools are installed, and no more fit; remove one first")]
    Full(usize),
    /// Something else is being changed.
    #[error("the house is changing or reading its tools just now; try again in a moment")]
    Busy,
    /// The manifest is not sound.
    #[error("the manifest is not sound: {0}")]
    Manifest(#[source] ManifestError),
    /// The component is too large.
    #[error("the component has {0} bytes; at most {COMPONENT_BYTES} fit")]
    TooLarge(usize),
    /// It could not be compiled.
    #[error("{0}")]
    Compile(#[source] CompileError),
    /// An operation's schema is none.
    #[error("{0}")]
    Schema(#[source] SchemaError),
    /// Component and manifest differ.
    #[error("{0}")]
    Disagrees(#[source] Disagreement),
    /// What is stored of it cannot be read.
    #[error("what is stored of this tool cannot be read; remove it and install it again")]
    Unreadable,
    /// The store did not serve.
    #[error("{0}")]
    Store(#[source] StoreError),
}

impl Classified for ToolboxError {
    fn class(&self) -> Class {
        match self {
            Self::NotAdult => Class::Denied,
            Self::Unknown
            | Self::Exists
            | Self::Full(_)
            | Self::Manifest(_)
            | Self::TooLarge(_)
            | Self::Schema(_)
            | Self::Disagrees(_)
            | Self::Unreadable => Class::Permanent,
            Self::Busy => Class::Transient,
            Self::Compile(error) => error.class(),
            Self::Store(error) => error.class(),
        }
    }
}

type Changed = ResponseActFuture<ToolsActor, Result<Shown, ToolboxError>>;

fn no(error: ToolboxError) -> Changed {
    Box::pin(actix::fut::ready(Err(error)))
}

/// What is to be stored, and what the toolbox has afterwards.
struct Planned {
    commit: Commit,
    after: After,
}

/// How an actor whose place is taken ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Close {
    /// It does what it took.
    Retire,
    /// Now.
    Revoke,
}

enum After {
    /// The tool is so.
    Is(Box<ToolInfo>),
    /// There is none of that name; it was so.
    Gone(Box<ToolInfo>),
}

impl ToolsActor {
    // === reading ===

    /// Reads what is installed, once no commit of a former life can land any more; until that works.
    pub(super) fn read_installed(&mut self, ctx: &mut Context<Self>) {
        self.phase = Phase::Reading;
        let (store, limits, settle) = (Arc::clone(&self.ports.store), self.limits.clone(), self.links.settle.clone());
        let sandboxes = Arc::clone(&self.ports.sandboxes);
        let read = async move {
            settle.ask(Settle, limits.commit_deadline).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let first = within(limits.read_deadline, store.journal(0, 1)).await?;
            let tools = within(limits.read_deadline, store.tools()).await?;
            sandboxes.retain(tools.iter().map(|info| info.component.clone()).collect()).await;
            for info in tools.iter().filter(|info| info.state == ToolState::Granted) {
                make_ready(info, &*store, &*sandboxes, &limits).await;
            }
            Ok::<_, StoreError>((first, tools))
        };
        ctx.spawn(read.into_actor(self).map(|read, this, ctx| match read {
            Ok((first, tools)) => {
                // The first thing that happened in this house: the same in every life of it, and in no other house.
                this.epoch = first.first().map_or(Digest::ZERO, |entry| entry.digest);
                this.phase = Phase::Ready;
                this.adopt_all(tools, ctx);
                this.known.send_replace(true);
            }
            Err(error) => {
                tracing::warn!(%error, "the installed tools could not be read; trying again");
                ctx.run_later(READ_AGAIN, Self::read_installed);
            }
        }));
    }

    fn adopt_all(&mut self, tools: Vec<ToolInfo>, ctx: &mut Context<Self>) {
        let gone: Vec<String> = self.installed.keys().filter(|name| tools.iter().all(|info| info.name != **name)).cloned().collect();
        gone.iter().for_each(|name| self.forget(name, ctx));
        for info in tools {
            let shut = |entry: &Entry| entry.seat.is_none() && info.state == ToolState::Granted;
            if self.installed.get(&info.name).is_none_or(|entry| entry.info != info || shut(entry)) {
                self.adopt(info, ctx);
            }
        }
        self.publish();
    }

    /// From now on the tool is so.
    fn adopt(&mut self, info: ToolInfo, ctx: &mut Context<Self>) -> Shown {
        let known = self.installed.remove(&info.name);
        let log = known.as_ref().map_or_else(|| Log::new(self.limits.tool_log_lines), |entry| entry.log.clone());
        let mut entry = Entry::new(info, log);
        let seats = known.map(|mut known| known.take_seats()).unwrap_or_default();
        if matches!(entry.info.state, ToolState::Granted | ToolState::Waiting) {
            // What was taken before ends as ever; those that are closing already are told nothing new by it.
            entry.old = seats.iter().map(Arc::downgrade).collect();
            seats.into_iter().for_each(|seat| self.close(seat, Close::Retire, ctx));
        } else {
            seats.into_iter().for_each(|seat| self.close(seat, Close::Revoke, ctx));
        }
        if let (ToolState::Granted, Some(grant)) = (&entry.info.state, entry.grant.clone()) {
            match Schemas::of(&grant.manifest) {
                Ok(schemas) => entry.seat = Some(Arc::new(Seat::new(self.made(grant, schemas, entry.log.clone())))),
                Err(error) => entry.info.state = ToolState::Quarantined { reason: error.to_string() },
            }
        }
        if let ToolState::Quarantined { reason } = &entry.info.state {
            self.tell_fallen(&entry.info, entry.grant.as_ref().map_or(entry.info.by, |grant| grant.by), reason, ctx);
        }
        let shown = entry.shown();
        self.installed.insert(entry.info.name.clone(), entry);
        shown
    }

    fn made(&mut self, grant: Grant, schemas: Schemas, log: Log) -> Made {
        self.generations = self.generations.saturating_add(1);
        Made {
            grant: Arc::new(grant),
            schemas: Arc::new(schemas),
            generation: self.generations,
            epoch: self.epoch,
            log,
            ports: self.ports.clone(),
            save: self.links.save.clone(),
            recall: self.links.recall.clone(),
            fell: self.links.fell.clone(),
            limits: self.limits.clone(),
        }
    }

    fn forget(&mut self, name: &str, ctx: &mut Context<Self>) {
        let seats = self.installed.remove(name).map(|mut entry| entry.take_seats());
        seats.into_iter().flatten().for_each(|seat| self.close(seat, Close::Revoke, ctx));
    }

    /// Nobody reaches it any more. What it took, it does, or it ends now.
    fn close(&self, seat: Arc<Seat>, close: Close, ctx: &mut Context<Self>) {
        let (children, deadline) = (self.children.clone(), self.limits.ask_deadline);
        let closed = async move {
            match close {
                Close::Retire => seat.retire(&children, deadline).await,
                Close::Revoke => seat.revoke(&children, deadline).await,
            }
        };
        ctx.spawn(closed.into_actor(self).map(|(), _, _| ()));
    }

    /// Models see the tools that there are.
    fn publish(&self) {
        let granted = self.installed.values().filter_map(|entry| entry.seat.as_ref());
        self.catalog.install(granted.flat_map(|seat| seat.grant.specs()));
    }

    // === changing ===

    fn may_change(&self, by: &Member) -> Result<(), ToolboxError> {
        if !is_adult(by) {
            Err(ToolboxError::NotAdult)
        } else if self.phase == Phase::Ready {
            Ok(())
        } else {
            Err(ToolboxError::Busy)
        }
    }

    /// The tool that somebody wants to change.
    fn changed(&self, name: &str, by: &Member) -> Result<&Entry, ToolboxError> {
        self.may_change(by)?;
        self.installed.get(name).ok_or(ToolboxError::Unknown)
    }

    pub(super) fn install(&mut self, package: Package, change: Change, by: Member) -> Changed {
        if let Err(error) = self.admit(&package, change, &by) {
            return no(error);
        }
        self.phase = Phase::Changing;
        let compiled = self.compile(package.component.clone(), package.manifest.clone());
        Box::pin(compiled.into_actor(self).then(move |compiled, this, _| match compiled {
            Ok(()) => {
                let planned = this.plan_install(package, change, &by);
                this.store(planned)
            }
            Err(error) => this.give_up(error),
        }))
    }

    fn admit(&self, package: &Package, change: Change, by: &Member) -> Result<(), ToolboxError> {
        self.may_change(by)?;
        package.manifest.check().map_err(ToolboxError::Manifest)?;
        Schemas::of(&package.manifest).map_err(ToolboxError::Schema)?;
        let known = self.installed.contains_key(&package.manifest.name.to_string());
        match change {
            Change::Install if known => return Err(ToolboxError::Exists),
            Change::Install if self.installed.len() >= self.limits.tools => return Err(ToolboxError::Full(self.installed.len())),
            Change::Update if !known => return Err(ToolboxError::Unknown),
            Change::Install | Change::Update => {}
        }
        if package.component.len() > COMPONENT_BYTES {
            return Err(ToolboxError::TooLarge(package.component.len()));
        }
        Ok(())
    }

    /// Compiles, and compares what the component says of itself.
    fn compile(&self, component: Vec<u8>, manifest: Manifest) -> BoxFuture<'static, Result<(), ToolboxError>> {
        let digest = Digest::of(&component).to_string();
        // Now, when nothing else is being compiled.
        let tidied = self.ports.sandboxes.retain(self.installed.values().map(|entry| entry.info.component.clone()).collect());
        let compiled = tokio::time::timeout(self.limits.tool_compile, self.ports.sandboxes.compile(component));
        async move {
            tidied.await;
            let compiled = compiled.await.unwrap_or(Err(CompileError::Limit)).map_err(ToolboxError::Compile)?;
            if compiled.digest != digest {
                return Err(ToolboxError::Compile(CompileError::Keep("it is kept under another name".to_owned())));
            }
            manifest.agrees(&compiled.operations).map_err(ToolboxError::Disagrees)
        }
        .boxed()
    }

    fn plan_install(&self, package: Package, change: Change, by: &Member) -> Result<Planned, ToolboxError> {
        let Package { manifest, digest, component, author } = package;
        let release = Release { component: Digest::of(&component), manifest: digest, author };
        let entry = self.installed.get(&manifest.name.to_string());
        let known = entry.and_then(|entry| entry.grant.clone());
        let granted = entry.is_some_and(|entry| entry.info.state == ToolState::Granted);
        // What widens nothing needs no asking, as long as nothing else was the matter.
        let kept = known.as_ref().filter(|_| granted).and_then(|grant| grant.updated(manifest.clone(), release).ok());
        let state = if kept.is_some() { ToolState::Granted } else { ToolState::Waiting };
        let info = ToolInfo {
            name: manifest.name.to_string(),
            version: manifest.version.to_string(),
            component: release.component.to_string(),
            grant: kept.or(known).map(|grant| json(&grant)).transpose()?,
            manifest: json(&Asked { manifest, release })?,
            state,
            by: by.id,
            at: self.ports.clock.wall(),
        };
        let kind = if change == Change::Install { FactKind::ToolInstalled } else { FactKind::ToolUpdated };
        let fact = self.fact(kind, Some(by.id), &info, Some(release.component));
        let write = Write::Tool(ToolRecord { info: info.clone(), bytes: component });
        Ok(Planned { commit: Commit { writes: vec![write], fact }, after: After::Is(Box::new(info)) })
    }

    pub(super) fn grant(&mut self, name: String, answers: Answers, by: &Member) -> Changed {
        let entry = match self.changed(&name, by) {
            Ok(entry) => entry,
            Err(error) => return no(error),
        };
        let Some(Asked { manifest, release }) = entry.asked.clone() else {
            return no(ToolboxError::Unreadable);
        };
        // One that fell may have lost its compiled form.
        let fell = matches!(entry.info.state, ToolState::Quarantined { .. });
        let Answers { slots, places, memory } = answers;
        let answer = Answer { slots, places, memory, by: by.id, at: self.ports.clock.wall() };
        let granted = json(&Grant::given(manifest.clone(), release, answer));
        let info = granted.map(|grant| ToolInfo {
            grant: Some(grant),
            state: ToolState::Granted,
            by: by.id,
            at: self.ports.clock.wall(),
            ..entry.info.clone()
        });
        let planned = info.map(|info| {
            let fact = self.fact(FactKind::ToolGranted, Some(by.id), &info, None);
            Planned { commit: Commit { writes: vec![Write::ToolInfo(info.clone())], fact }, after: After::Is(Box::new(info)) }
        });
        self.phase = Phase::Changing;
        let compiled = if fell { self.compile_again(name, manifest) } else { ready(Ok(())).boxed() };
        Box::pin(compiled.into_actor(self).then(move |compiled, this, _| match compiled {
            Ok(()) => this.store(planned),
            Err(error) => this.give_up(error),
        }))
    }

    fn compile_again(&self, name: String, manifest: Manifest) -> BoxFuture<'static, Result<(), ToolboxError>> {
        let read = within(self.limits.read_deadline, self.ports.store.tool_component(name));
        let (sandboxes, deadline) = (Arc::clone(&self.ports.sandboxes), self.limits.tool_compile);
        async move {
            let component = read.await.map_err(ToolboxError::Store)?.ok_or(ToolboxError::Unreadable)?;
            let compiled = tokio::time::timeout(deadline, sandboxes.compile(component)).await;
            let compiled = compiled.unwrap_or(Err(CompileError::Limit)).map_err(ToolboxError::Compile)?;
            manifest.agrees(&compiled.operations).map_err(ToolboxError::Disagrees)
        }
        .boxed()
    }

    pub(super) fn revoke(&mut self, name: &str, by: &Member, ctx: &mut Context<Self>) -> Changed {
        let entry = match self.changed(name, by) {
            Ok(entry) => entry,
            Err(error) => return no(error),
        };
        let at = self.ports.clock.wall();
        let grant = entry.grant.clone().map(|grant| json(&grant.revoked(by.id, at))).transpose();
        let planned = grant.map(|grant| {
            let info = ToolInfo { grant, state: ToolState::Revoked, by: by.id, at, ..entry.info.clone() };
            let fact = self.fact(FactKind::ToolRevoked, Some(by.id), &info, None);
            Planned { commit: Commit { writes: vec![Write::ToolInfo(info.clone())], fact }, after: After::Is(Box::new(info)) }
        });
        // At once, whatever the store says.
        self.shut(name, ctx);
        self.phase = Phase::Changing;
        self.store(planned)
    }

    pub(super) fn remove(&mut self, name: &str, by: &Member, ctx: &mut Context<Self>) -> Changed {
        let entry = match self.changed(name, by) {
            Ok(entry) => entry,
            Err(error) => return no(error),
        };
        let info = entry.info.clone();
        let fact = self.fact(FactKind::ToolRemoved, Some(by.id), &info, None);
        let commit = Commit { writes: vec![Write::RemoveTool(info.name.clone())], fact };
        self.shut(name, ctx);
        self.phase = Phase::Changing;
        self.store(Ok(Planned { commit, after: After::Gone(Box::new(info)) }))
    }

    /// Ends what runs of it, and lets no call in.
    fn shut(&mut self, name: &str, ctx: &mut Context<Self>) {
        let seats = self.installed.get_mut(name).map(Entry::take_seats);
        seats.into_iter().flatten().for_each(|seat| self.close(seat, Close::Revoke, ctx));
        self.publish();
    }

    fn give_up(&mut self, error: ToolboxError) -> Changed {
        self.phase = Phase::Ready;
        no(error)
    }

    /// Stores what was planned; when that is not certain to have worked, reads what is there.
    fn store(&mut self, planned: Result<Planned, ToolboxError>) -> Changed {
        let Planned { commit, after } = match planned {
            Ok(planned) => planned,
            Err(error) => return self.give_up(error),
        };
        let saved = self.links.save.ask(Save(commit), self.limits.commit_deadline);
        Box::pin(saved.into_actor(self).map(move |saved, this, ctx| {
            let saved = saved.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())));
            if let Err(error) = saved {
                // What was shut comes back by this, should the store say so.
                this.read_installed(ctx);
                return Err(ToolboxError::Store(error));
            }
            this.phase = Phase::Ready;
            Ok(this.take_effect(after, ctx))
        }))
    }

    fn take_effect(&mut self, after: After, ctx: &mut Context<Self>) -> Shown {
        let shown = match after {
            After::Is(info) => self.adopt(*info, ctx),
            After::Gone(info) => {
                self.forget(&info.name, ctx);
                Entry::new(ToolInfo { state: ToolState::Revoked, ..*info }, Log::new(0)).shown()
            }
        };
        self.publish();
        shown
    }

    // === a tool that fails ===

    pub(super) fn fell(&mut self, fell: &Fell) -> ResponseActFuture<Self, bool> {
        let Some(entry) = self.installed.get(&fell.name) else {
            return Box::pin(actix::fut::ready(self.phase != Phase::Reading));
        };
        if entry.seat.as_ref().is_none_or(|seat| seat.generation != fell.generation) {
            // Another one has its place, or it is known.
            return Box::pin(actix::fut::ready(self.phase == Phase::Ready));
        }
        if self.phase != Phase::Ready {
            return Box::pin(actix::fut::ready(false));
        }
        let state = ToolState::Quarantined { reason: fell.reason.clone() };
        let info = ToolInfo { state, at: self.ports.clock.wall(), ..entry.info.clone() };
        let fact = self.fact(FactKind::ToolQuarantined, None, &info, None);
        let commit = Commit { writes: vec![Write::ToolInfo(info.clone())], fact };
        self.phase = Phase::Changing;
        let stored = self.store(Ok(Planned { commit, after: After::Is(Box::new(info)) }));
        Box::pin(stored.map(|stored, _, _| stored.is_ok()))
    }

    /// An adult is told, once: the same notice again is claimed already.
    fn tell_fallen(&self, info: &ToolInfo, adult: MemberId, reason: &str, ctx: &mut Context<Self>) {
        let text = format!(
            "The tool {} is quarantined, because it failed again and again: {reason}. It is not called any more. \
             Look at it with `hearth tool show {0}`, then grant it anew, update it or remove it.",
            info.name
        );
        let reminder = Reminder {
            id: ReminderId::derived(&["quarantine", &info.name, &info.at.to_string()]),
            member: adult,
            conversation: Place::main(adult),
            channel: LOCAL.to_owned(),
            text: text.clone(),
            label: Label::new(Readers::only([adult]), Integrity::House),
            due: info.at,
            first: info.at,
            zone: "UTC".to_owned(),
            every: None,
            state: ReminderState::Pending,
        };
        self.tell(Notice { reminder, text }, ctx);
    }

    fn tell(&self, notice: Notice, ctx: &mut Context<Self>) {
        let said = self.links.announce.ask(Announce(Box::new(notice.clone())), self.limits.commit_deadline);
        ctx.spawn(said.into_actor(self).map(|said, _, ctx| {
            if !matches!(said, Ok(Noticed::Said(_) | Noticed::Before)) {
                ctx.run_later(TELL_AGAIN, move |this, ctx| this.tell(notice, ctx));
            }
        }));
    }

    fn fact(&self, kind: FactKind, who: Option<MemberId>, info: &ToolInfo, content: Option<Digest>) -> Fact {
        let detail = format!("{} {}", info.name, info.version);
        Fact { kind, who, subject: info.id().to_string(), detail, content, at: self.ports.clock.wall() }
    }
}

/// Compiles a component whose compiled form is gone: another engine came with a new release of the house, or somebody touched it. When
/// that fails, the tool's first call says so.
async fn make_ready(info: &ToolInfo, store: &dyn Store, sandboxes: &dyn Sandboxes, limits: &Limits) {
    if sandboxes.has(&info.component).await {
        return;
    }
    tracing::info!(tool = info.name, "this tool has no compiled form; it is compiled");
    let failed: Option<String> = match within(limits.read_deadline, store.tool_component(info.name.clone())).await {
        Err(error) => Some(error.to_string()),
        Ok(None) => Some("it is not in the store".to_owned()),
        Ok(Some(component)) => match tokio::time::timeout(limits.tool_compile, sandboxes.compile(component)).await {
            Ok(compiled) => compiled.err().map(|error| error.to_string()),
            Err(_) => Some(CompileError::Limit.to_string()),
        },
    };
    if let Some(error) = failed {
        tracing::warn!(tool = info.name, error, "the tool could not be compiled");
    }
}

fn json(value: &impl serde::Serialize) -> Result<Value, ToolboxError> {
    serde_json::to_value(value).map_err(|_| ToolboxError::Unreadable)
}
