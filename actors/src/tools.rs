//! The toolbox: every call goes through here, to the house's own tools, to the tool port, or to the actor of an installed tool; and what is
//! installed is changed here alone.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Call`] | `Result<ToolOutput, ToolError>` | runs an authorised call, within its deadline |
//! | [`Install`], [`GrantTool`], [`RevokeTool`], [`RemoveTool`] | `Result<Shown, ToolboxError>` | when the change is durable |
//! | [`ListTools`], [`ShowTool`], [`ToolLogs`] | | what is installed, and how it is |
//! | [`CallTool`] | `Result<ToolOutput, ToolError>` | a call that a member makes without a model |
//! | [`Fell`] | `bool` | a tool's actor: it failed too often |
//!
//! Permanent. What is installed is in the store and read at start; until it is, the house's own tools work, and calls of others wait for it within
//! their deadlines: a turn that goes on after a restart is not told that its tool is missing. Beneath the same
//! supervisor, behind this one, is an actor for each tool in use ([`crate::tool`]), started by its first call and temporary: one that dies is started by
//! the next call, and all of them end when this one does, so that no tool outlives what the toolbox knows of it.
//!
//! Invariants: a change is answered when it is durable, and takes effect then; one change at a time. A tool runs by its grant as it is in the store.
//! A revocation ends calls at once. Names of installed tools never shadow others. Limits: `tools`, `tool_compile`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, Handler, Message, MessageResult, ResponseActFuture, ResponseFuture, WrapFuture};
use hearth_domain::budget::estimate::of_call;
use hearth_domain::budget::{Amounts, Charge};
use hearth_domain::flow::plan::Fit;
use hearth_domain::flow::value::Control;
use hearth_domain::household::{Member, Place, Role};
use hearth_domain::ids::CallId;
use hearth_domain::journal::Digest;
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::limits::Limits;
use hearth_domain::policy::{Decider, Decision, Freeze, Question as PolicyQuestion, Refusal, Taken, written};
use hearth_domain::tool::grant::{Grant, Question};
use hearth_domain::tool::manifest::Wants;
use hearth_domain::tool::name::ToolName;
use hearth_domain::tool::record::ToolState;
use hearth_domain::tool::{Invocation, ToolError, ToolOutput, Tools};
use hearth_supervisor::context::Context;
use hearth_supervisor::link::Link;
use hearth_supervisor::spec::handle::SupervisorHandle;
use serde_json::Value;
use tokio::sync::watch;
use tracing::{Instrument as _, Span};

use crate::budget::Purse;
use crate::catalog::Catalog;
use crate::frozen::Frozen;
use crate::house_tools::HouseTools;
use crate::leash::{Leash, leash};
use crate::memory::{Recall, within};
use crate::policy::Decide;
use crate::ports::Ports;
use crate::scheduler::Announce;
use crate::store::{Save, Settle};
use crate::tool::log::LogLine;
use crate::tool::{Fell, QUARANTINED, REVOKED, Run, ToolReport};
pub use changes::{Answers, Change, Package, ToolboxError};
use entries::{Entry, Reach};

mod changes;
mod entries;

/// How long a call of a tool may take beyond its own deadline until it has its answer.
const SLACK: Duration = Duration::from_millis(500);
/// What a call of a tool without a grant is told.
const WAITING: &str = "an adult of the household has not said yes to what this tool asks for";

/// Run this call.
#[derive(Debug, Message)]
#[rtype(result = "Result<ToolOutput, ToolError>")]
pub struct Call {
    /// What to run.
    pub invocation: Box<Invocation>,
    /// Ends the call when its asker is gone.
    pub leash: Leash,
    /// The turn that it belongs to, for the log.
    pub span: Span,
}

/// Install a package whose signature was checked, or put it in the place of what is installed. Compiles: this may take minutes.
#[derive(Debug, Message)]
#[rtype(result = "Result<Shown, ToolboxError>")]
pub struct Install {
    /// The package.
    pub package: Box<Package>,
    /// Whether it is new.
    pub change: Change,
    /// Who wants that.
    pub by: Member,
}

/// Say yes to what a tool asks for.
#[derive(Debug, Message)]
#[rtype(result = "Result<Shown, ToolboxError>")]
pub struct GrantTool {
    /// The tool.
    pub name: String,
    /// What was answered.
    pub answers: Answers,
    /// By whom.
    pub by: Member,
}

/// Take the grant back. What runs is killed.
#[derive(Debug, Message)]
#[rtype(result = "Result<Shown, ToolboxError>")]
pub struct RevokeTool {
    /// The tool.
    pub name: String,
    /// By whom.
    pub by: Member,
}

/// Remove a tool with all that it keeps.
#[derive(Debug, Message)]
#[rtype(result = "Result<Shown, ToolboxError>")]
pub struct RemoveTool {
    /// The tool.
    pub name: String,
    /// By whom.
    pub by: Member,
}

/// What is installed?
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Shown>, ToolboxError>")]
pub struct ListTools;

/// How is this tool?
#[derive(Debug, Message)]
#[rtype(result = "Result<Shown, ToolboxError>")]
pub struct ShowTool(pub String);

/// What did this tool say? Oldest first.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<LogLine>, ToolboxError>")]
pub struct ToolLogs(pub String);

/// Call a function of a tool for a member, outside of any conversation. Policy decides, as ever.
#[derive(Debug, Message)]
#[rtype(result = "Result<ToolOutput, ToolError>")]
pub struct CallTool {
    /// `namespace__name__operation`, or a tool of the house.
    pub function: String,
    /// A JSON object.
    pub arguments: Value,
    /// For whom.
    pub member: Member,
    /// Ends the call when its asker is gone.
    pub leash: Leash,
}

/// A tool, for a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line of its author's about what it is for.
    pub description: String,
    /// SHA-256 of the component, in hexadecimal digits.
    pub component: String,
    /// The key of the author's signature, if it has one.
    pub author: Option<String>,
    /// Whether it can be called.
    pub state: ToolState,
    /// What an adult has to say yes to; empty when nothing is left to ask.
    pub questions: Vec<Question>,
    /// The functions that models may call.
    pub functions: Vec<String>,
    /// What it asks for; none when that cannot be read.
    pub wants: Option<Wants>,
    /// What it was granted last, as far as that can be read.
    pub grant: Option<Grant>,
    /// How its process is, when it is in use.
    pub report: Option<ToolReport>,
}

/// The links of the toolbox.
#[derive(Debug, Clone)]
pub struct Links {
    /// To the store.
    pub save: Link<Save>,
    /// To the store.
    pub settle: Link<Settle>,
    /// To memory, for tools that may search it.
    pub recall: Link<Recall>,
    /// To policy.
    pub decide: Link<Decide>,
    /// To the conversations, for what an adult has to know.
    pub announce: Link<Announce>,
    /// To the toolbox itself, for its tools.
    pub fell: Link<Fell>,
}

/// Where the toolbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// What is installed is being read.
    Reading,
    /// It is known.
    Ready,
    /// Something is being changed.
    Changing,
}

/// The toolbox actor.
pub struct ToolsActor {
    house: HouseTools,
    others: Arc<dyn Tools>,
    ports: Ports,
    links: Links,
    limits: Limits,
    catalog: Catalog,
    frozen: Frozen,
    purse: Purse,
    /// Starts and stops the actors of tools.
    children: SupervisorHandle,
    phase: Phase,
    /// Whether it is known what is installed, for calls that wait for it.
    known: watch::Sender<bool>,
    /// What names members in tools comes from here.
    epoch: Digest,
    installed: BTreeMap<String, Entry>,
    generations: u64,
}

impl std::fmt::Debug for ToolsActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolsActor").field("phase", &self.phase).field("installed", &self.installed.len()).finish_non_exhaustive()
    }
}

impl ToolsActor {
    /// A toolbox with the house's own tools; what is installed is read when it has started.
    #[must_use]
    pub fn new(
        house: HouseTools,
        ports: Ports,
        links: Links,
        (catalog, frozen, purse): (Catalog, Frozen, Purse),
        children: SupervisorHandle,
        limits: Limits,
    ) -> Self {
        Self {
            house,
            others: Arc::clone(&ports.tools),
            ports,
            links,
            limits,
            catalog,
            frozen,
            purse,
            children,
            phase: Phase::Reading,
            known: watch::Sender::new(false),
            epoch: Digest::ZERO,
            installed: BTreeMap::new(),
            generations: 0,
        }
    }

    /// Models and policy know from the first moment what was granted, also before it can be called.
    pub(crate) async fn foretell(&self) {
        match within(self.limits.read_deadline, self.ports.store.tools()).await {
            Ok(tools) => self.catalog.install(tools.iter().flat_map(entries::specs)),
            Err(error) => tracing::warn!(%error, "the installed tools could not be read; they are read again"),
        }
    }

    /// Waits until it is known what is installed, but for tools that are always there; how much of this time is left then.
    fn when_known(&self, name: &str, deadline: Duration) -> ResponseFuture<Duration> {
        if *self.known.borrow() || HouseTools::knows(name) {
            return Box::pin(std::future::ready(deadline));
        }
        let (clock, mut known) = (Arc::clone(&self.ports.clock), self.known.subscribe());
        let began = clock.mono();
        Box::pin(async move {
            // What is not known by then is answered as unknown so far.
            let _ = tokio::time::timeout(deadline, known.wait_for(|known| *known)).await;
            deadline.saturating_sub(clock.mono().since(began))
        })
    }

    /// The work of a call on its member's budget: reserved before, and counted whatever comes of it.
    fn charged(&self, invocation: Box<Invocation>, held: Leash, span: Span) -> ResponseActFuture<Self, Result<ToolOutput, ToolError>> {
        let tools = self.catalog.now();
        let spec = tools.iter().find(|spec| spec.name == invocation.name);
        let amounts = spec.map_or(Amounts { tool_calls: 1, ..Amounts::default() }, |spec| of_call(&spec.function(), &invocation.arguments));
        let purse = self.purse.clone();
        let reserving =
            async move { purse.reserve(invocation.charge, amounts, move || amounts).await.map(|reserved| (reserved, invocation)) };
        Box::pin(reserving.into_actor(self).then(move |reserved, this, _| {
            let work: ResponseFuture<_> = match reserved {
                Err(error) => Box::pin(std::future::ready(Err(error.into()))),
                Ok((reserved, invocation)) => {
                    let work = this.work(invocation, held, span.clone()).instrument(span);
                    Box::pin(async move {
                        let ended = work.await;
                        reserved.took(taken(amounts, &ended));
                        ended
                    })
                }
            };
            work.into_actor(this)
        }))
    }

    /// The work of a call, wherever it is done, unless the house is stopped. An installed tool keeps the leash itself.
    fn work(&self, invocation: Box<Invocation>, held: Leash, span: Span) -> ResponseFuture<Result<ToolOutput, ToolError>> {
        let tools = self.catalog.now();
        let spec = tools.iter().find(|spec| spec.name == invocation.name);
        if spec.is_some_and(|spec| !Freeze::holds(spec.effect, &spec.annotations.tool)) {
            return self.run(invocation, held, span);
        }
        if self.frozen.is() {
            return Box::pin(std::future::ready(Err(ToolError::Denied(Refusal::Frozen.to_string()))));
        }
        // It ends when its asker is gone or the house is stopped: then nobody knows what it came to.
        let (tether, inner) = leash();
        let (frozen, run) = (self.frozen.clone(), self.run(invocation, inner, span));
        Box::pin(async move {
            let ended = held.hold(frozen.hold(run)).await;
            drop(tether);
            match ended {
                None => Err(ToolError::Stopped),
                Some(ended) => ended.unwrap_or(Err(ToolError::Lost)),
            }
        })
    }

    fn run(&self, invocation: Box<Invocation>, held: Leash, span: Span) -> ResponseFuture<Result<ToolOutput, ToolError>> {
        let deadline = invocation.deadline;
        let here = if HouseTools::knows(&invocation.name) {
            Box::pin(self.house.clone().call(*invocation)) as ResponseFuture<_>
        } else if let Some((name, operation)) = ToolName::of_function(&invocation.name) {
            return match self.reach(&name.to_string(), operation) {
                Ok(reach) => {
                    let run = Run { operation: operation.to_owned(), invocation, leash: held, span };
                    Box::pin(reach.run(run, deadline))
                }
                Err(error) => Box::pin(std::future::ready(Err(error))),
            };
        } else {
            self.others.call(*invocation)
        };
        Box::pin(async move {
            match held.hold(tokio::time::timeout(deadline, here)).await {
                None => Err(ToolError::Stopped),
                Some(ended) => ended.unwrap_or(Err(ToolError::TimedOut)),
            }
        })
    }

    /// The way to an installed tool that may be called.
    fn reach(&self, name: &str, operation: &str) -> Result<Reach, ToolError> {
        let Some(entry) = self.installed.get(name) else {
            return Err(if self.phase == Phase::Reading { ToolError::Busy } else { ToolError::Unknown });
        };
        match &entry.info.state {
            ToolState::Granted => {}
            ToolState::Waiting => return Err(ToolError::Denied(WAITING.to_owned())),
            ToolState::Quarantined { .. } => return Err(ToolError::Denied(QUARANTINED.to_owned())),
            ToolState::Revoked => return Err(ToolError::Denied(REVOKED.to_owned())),
        }
        let seat = entry.seat.as_ref().ok_or(ToolError::Busy)?;
        seat.grant.manifest.operation(operation).ok_or(ToolError::Unknown)?;
        Ok(Reach { seat: Arc::clone(seat), children: self.children.clone() })
    }

    /// The call of a member, as an invocation, and what policy is asked about it.
    fn invoke(&self, function: &str, arguments: Value, member: Member) -> Result<(Invocation, PolicyQuestion), ToolError> {
        let tools = self.catalog.now();
        let Some(spec) = tools.iter().find(|spec| spec.name == function) else {
            // One that models are not told of may be there all the same: its member learns why it is not called.
            let reached = ToolName::of_function(function).map(|(name, operation)| self.reach(&name.to_string(), operation));
            return Err(reached.and_then(Result::err).unwrap_or(ToolError::Unknown));
        };
        if !arguments.is_object() {
            return Err(ToolError::BadArguments("they are not an object".to_owned()));
        }
        let Place { conversation, audience } = Place::private(&member, "");
        let now = self.ports.clock.wall();
        let label = Label::new(Readers::present(&audience), Integrity::Member);
        let id = CallId::fresh(&*self.ports.ids);
        let question = PolicyQuestion {
            call: id,
            function: spec.function(),
            leaves: written(&arguments, &Control::new(label.clone())),
            fit: Fit::NoPlan,
            contested: BTreeSet::new(),
            arguments: arguments.clone(),
            conversation,
            member: member.clone(),
            by: Decider::Member,
            audience: audience.clone(),
            label: label.clone(),
            sources: BTreeSet::new(),
            words: String::new(),
            links: BTreeSet::new(),
            taken: Taken::default(),
        };
        let (zone, charge) = (member.time_zone(), Charge::to(&member, now));
        let invocation = Invocation {
            id,
            name: function.to_owned(),
            arguments,
            member,
            audience,
            conversation,
            label,
            now: now.to_zoned(zone),
            decided: now,
            deadline: self.limits.tool_deadline,
            charge,
        };
        Ok((invocation, question))
    }

    /// A call that a member makes: policy decides, then it is done.
    fn ordered(
        &self,
        function: &str,
        arguments: Value,
        member: Member,
        held: Leash,
    ) -> ResponseActFuture<Self, Result<ToolOutput, ToolError>> {
        let (invocation, question) = match self.invoke(function, arguments, member) {
            Ok(asked) => asked,
            Err(error) => return Box::pin(actix::fut::ready(Err(error))),
        };
        let decided = self.links.decide.ask(Decide(Box::new(question)), self.limits.ask_deadline);
        Box::pin(decided.into_actor(self).then(move |decision, this, _| {
            let refused = match decision {
                Ok(Decision::Allow(_)) => {
                    let span = tracing::info_span!("tool", call = %invocation.id, name = invocation.name);
                    return this.charged(Box::new(invocation), held, span);
                }
                // The order of a member is that member's own yes; what it is not enough for is not asked of others here.
                Ok(Decision::Ask(_)) => ToolError::Denied(Refusal::NoRule.to_string()),
                Ok(Decision::Deny(refusal)) => ToolError::Denied(refusal.to_string()),
                Err(_) => ToolError::Busy,
            };
            Box::pin(actix::fut::ready(Err(refused))) as ResponseActFuture<Self, _>
        }))
    }
}

/// What a call took: nothing is paid by one that certainly did not begin. A tool's own no is not believed so far.
const fn taken(amounts: Amounts, ended: &Result<ToolOutput, ToolError>) -> Amounts {
    match ended {
        Err(ToolError::Unknown | ToolError::BadArguments(_) | ToolError::Denied(_) | ToolError::Spent(_) | ToolError::Busy) => {
            Amounts { paid_cents: 0, ..amounts }
        }
        Ok(_) | Err(ToolError::TimedOut | ToolError::Lost | ToolError::Failed(_) | ToolError::Stopped) => amounts,
    }
}

/// Whether somebody may change what is installed.
const fn is_adult(member: &Member) -> bool {
    matches!(member.role, Role::Owner | Role::Adult)
}

// === impl Actor ===

impl Actor for ToolsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.read_installed(ctx);
    }
}

impl Handler<Call> for ToolsActor {
    type Result = ResponseActFuture<Self, Result<ToolOutput, ToolError>>;

    fn handle(&mut self, Call { mut invocation, leash, span }: Call, _: &mut Context<Self>) -> Self::Result {
        let span = tracing::info_span!(parent: &span, "tool", call = %invocation.id, name = invocation.name);
        let known = self.when_known(&invocation.name, invocation.deadline);
        Box::pin(known.into_actor(self).then(move |left, this, _| {
            invocation.deadline = left;
            this.charged(invocation, leash, span)
        }))
    }
}

impl Handler<CallTool> for ToolsActor {
    type Result = ResponseActFuture<Self, Result<ToolOutput, ToolError>>;

    fn handle(&mut self, CallTool { function, arguments, member, leash }: CallTool, _: &mut Context<Self>) -> Self::Result {
        let known = self.when_known(&function, self.limits.tool_deadline);
        Box::pin(known.into_actor(self).then(move |_, this, _| this.ordered(&function, arguments, member, leash)))
    }
}

impl Handler<Install> for ToolsActor {
    type Result = ResponseActFuture<Self, Result<Shown, ToolboxError>>;

    fn handle(&mut self, Install { package, change, by }: Install, _: &mut Context<Self>) -> Self::Result {
        self.install(*package, change, by)
    }
}

impl Handler<GrantTool> for ToolsActor {
    type Result = ResponseActFuture<Self, Result<Shown, ToolboxError>>;

    fn handle(&mut self, GrantTool { name, answers, by }: GrantTool, _: &mut Context<Self>) -> Self::Result {
        self.grant(name, answers, &by)
    }
}

impl Handler<RevokeTool> for ToolsActor {
    type Result = ResponseActFuture<Self, Result<Shown, ToolboxError>>;

    fn handle(&mut self, RevokeTool { name, by }: RevokeTool, ctx: &mut Context<Self>) -> Self::Result {
        self.revoke(&name, &by, ctx)
    }
}

impl Handler<RemoveTool> for ToolsActor {
    type Result = ResponseActFuture<Self, Result<Shown, ToolboxError>>;

    fn handle(&mut self, RemoveTool { name, by }: RemoveTool, ctx: &mut Context<Self>) -> Self::Result {
        self.remove(&name, &by, ctx)
    }
}

impl Handler<ListTools> for ToolsActor {
    type Result = MessageResult<ListTools>;

    fn handle(&mut self, _: ListTools, _: &mut Context<Self>) -> Self::Result {
        let shown = self.installed.values().map(Entry::shown).collect();
        MessageResult(if self.phase == Phase::Reading { Err(ToolboxError::Busy) } else { Ok(shown) })
    }
}

impl Handler<ShowTool> for ToolsActor {
    type Result = ResponseFuture<Result<Shown, ToolboxError>>;

    fn handle(&mut self, ShowTool(name): ShowTool, _: &mut Context<Self>) -> Self::Result {
        let Some(entry) = self.installed.get(&name) else {
            let error = if self.phase == Phase::Reading { ToolboxError::Busy } else { ToolboxError::Unknown };
            return Box::pin(std::future::ready(Err(error)));
        };
        let (shown, seat, deadline) = (entry.shown(), entry.seat.clone(), self.limits.ask_deadline);
        Box::pin(async move {
            let report = match seat.filter(|seat| seat.is_running()) {
                Some(seat) => seat.look(deadline).await,
                None => None,
            };
            Ok(Shown { report, ..shown })
        })
    }
}

impl Handler<ToolLogs> for ToolsActor {
    type Result = MessageResult<ToolLogs>;

    fn handle(&mut self, ToolLogs(name): ToolLogs, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.installed.get(&name).map(|entry| entry.log.lines()).ok_or(ToolboxError::Unknown))
    }
}

impl Handler<Fell> for ToolsActor {
    type Result = ResponseActFuture<Self, bool>;

    fn handle(&mut self, fell: Fell, _: &mut Context<Self>) -> Self::Result {
        self.fell(&fell)
    }
}
