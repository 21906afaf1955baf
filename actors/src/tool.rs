//! The actor of one tool in use: its calls, one after the other, in one process that is not believed.
//!
//! ```text
//!  parked ─▶ starting ─▶ idle ◀─▶ calling ─▶ (process gone) ─▶ parked | quarantined          see tool/life.rs
//! ```
//!
//! | in | out | |
//! |---|---|---|
//! | [`Run`] | `Result<ToolOutput, ToolError>` | a call, within its deadline; over when its leash is |
//! | [`Retire`] | | no more calls: ends when those that were taken have ended |
//! | [`Revoke`] | | ends now; calls are answered `Denied` |
//! | [`Look`] | [`ToolReport`] | how it is |
//! | → [`Fell`] | `bool` | it failed too often: to the toolbox, until that has stored it |
//!
//! Transient, one per release of a tool in use. The end of the process is not the end of the actor. A restart of the actor loses the call that runs and
//! those that wait, whose askers learn `Lost`, and the failures that were counted.
//!
//! Invariants: I-2 (an end loses the call in hand and no other); nothing is served that the grant does not say, nor for a call that is over; what
//! comes out of turn ends the process. Limits: `tool_waiting`, `tool_start`, `tool_park_after`, `tool_failures`, `tool_window`, the grant's own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_stream;
use actix::{
    Actor, ActorContext, ActorFutureExt, ActorStreamExt, AsyncContext, Handler, Message, MessageResult, ResponseFuture, SpawnHandle,
    WrapFuture,
};
use futures_util::StreamExt as _;
use hearth_domain::journal::Digest;
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::limits::Limits;
use hearth_domain::sandbox::{
    Ask, Call, Fault, Heard, HostAsk, Line, Operation, Outcome, SandboxError, SandboxLine, Sandboxes, Started, Tell, Usage,
};
use hearth_domain::time::{Clock, Mono};
use hearth_domain::tool::grant::Grant;
use hearth_domain::tool::{Invocation, ToolError, ToolOutput};
use hearth_supervisor::context::Context;
use hearth_supervisor::link::Link;
use serde::Serialize;
use tokio::sync::oneshot;
use tracing::{Instrument as _, Span};

use crate::leash::Leash;
use crate::memory::Recall;
use crate::ports::Ports;
use crate::store::Save;
use life::{Effect, Failure, Life, NotTaken, Verdict};
use log::{Log, LogLine};
use schema::Schemas;
use serving::{Given, House, Serving};
use turn::Turn;

mod life;
pub mod log;
mod outcome;
pub(crate) mod schema;
mod serving;
mod turn;

/// The language that tools are told; members have none of their own yet.
const LOCALE: &str = "en";
/// Most bytes of a call's arguments: with what stands beside them they fit into one message.
const ARGUMENTS_MAX: usize = 1024 * 1024;
/// Time until the toolbox is told again that the tool has fallen.
const TELL_AGAIN: Duration = Duration::from_secs(5);
/// Parts of the confinement that are kept.
const CONFINED_MAX: usize = 100;

/// What a call of a quarantined tool is told.
pub(crate) const QUARANTINED: &str =
    "this tool failed again and again and is not called any more, until an adult of the household has looked at it";
/// What a call of a revoked tool is told.
pub(crate) const REVOKED: &str = "the grant of this tool was taken back";

/// Run this.
#[derive(Debug, Message)]
#[rtype(result = "Result<ToolOutput, ToolError>")]
pub struct Run {
    /// The call, authorised.
    pub invocation: Box<Invocation>,
    /// The operation of the tool.
    pub operation: String,
    /// Ends the call when its asker is gone.
    pub leash: Leash,
    /// What it belongs to, for the log.
    pub span: Span,
}

/// Take no more calls; end when those that were taken have ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Retire;

/// End now. Answered when every call is.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Revoke;

/// How is it?
#[derive(Debug, Message)]
#[rtype(result = "ToolReport")]
pub struct Look;

/// A tool failed too often: what its actor tells the toolbox. Answered with whether that is known for good.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Fell {
    /// The tool.
    pub name: String,
    /// Which of its actors.
    pub generation: u64,
    /// Why, in the house's own words.
    pub reason: String,
}

/// How a tool's process is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ToolReport {
    /// The state: parked, starting, idle, calling or quarantined.
    pub state: String,
    /// Calls that wait.
    pub waiting: usize,
    /// Calls that ended with a result.
    pub served: u64,
    /// Failures within the window.
    pub failures: usize,
    /// Processes that were started.
    pub starts: u64,
    /// The number of the process, while there is one.
    pub pid: Option<u32>,
    /// The last failure, as a sentence.
    pub trouble: Option<String>,
    /// What the last call used.
    #[serde(skip)]
    pub used: Option<Usage>,
    /// What confines the process, part by part.
    pub confined: Vec<(String, String)>,
}

/// What an actor of a tool is made of.
#[derive(Clone)]
pub struct Made {
    /// What the tool may.
    pub grant: Arc<Grant>,
    /// What fits its operations.
    pub(crate) schemas: Arc<Schemas>,
    /// Which actor of this tool it is: one for each grant and release.
    pub generation: u64,
    /// What names members in this tool comes from here: known to nobody outside.
    pub epoch: Digest,
    /// Where its lines go.
    pub log: Log,
    /// The ports.
    pub ports: Ports,
    /// To the store.
    pub save: Link<Save>,
    /// To memory.
    pub recall: Link<Recall>,
    /// To the toolbox.
    pub fell: Link<Fell>,
    /// The bounds.
    pub limits: Limits,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("tool", self.grant.tool()).field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// A call that was taken.
struct Job {
    invocation: Arc<Invocation>,
    operation: String,
    arguments: String,
    until: Mono,
    answer: oneshot::Sender<Result<ToolOutput, ToolError>>,
    span: Span,
}

/// The process, and what came with it.
struct Process {
    number: u64,
    line: Option<Box<dyn SandboxLine>>,
    /// Starting, then listening.
    work: SpawnHandle,
    /// Dropped, it ends what comes from the other side.
    _end: oneshot::Sender<()>,
}

/// The call that runs.
struct Running {
    call: u64,
    turn: Turn,
    serving: Serving,
    /// The question that is being answered.
    work: Option<SpawnHandle>,
}

/// The actor of a tool.
pub struct ToolActor {
    made: Made,
    sandboxes: Arc<dyn Sandboxes>,
    clock: Arc<dyn Clock>,
    life: Life,
    wake: Option<SpawnHandle>,
    jobs: BTreeMap<u64, Job>,
    last_call: u64,
    process: Option<Process>,
    last_process: u64,
    running: Option<Running>,
    report: ToolReport,
}

impl std::fmt::Debug for ToolActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolActor").field("tool", self.made.grant.tool()).field("life", &self.life).finish_non_exhaustive()
    }
}

impl ToolActor {
    /// A tool without a process; its first call starts one.
    #[must_use]
    pub fn new(made: Made) -> Self {
        let (sandboxes, clock) = (Arc::clone(&made.ports.sandboxes), Arc::clone(&made.ports.clock));
        Self {
            life: Life::new(clock.mono(), &made.limits),
            made,
            sandboxes,
            clock,
            wake: None,
            jobs: BTreeMap::new(),
            last_call: 0,
            process: None,
            last_process: 0,
            running: None,
            report: ToolReport::default(),
        }
    }

    fn name(&self) -> String {
        self.made.grant.tool().to_string()
    }

    /// Carries out what life wants, does what is due, and sleeps until something is.
    fn drive(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        effects.into_iter().for_each(|effect| self.carry_out(effect, ctx));
        let due = self.life.tick(self.clock.mono());
        due.into_iter().for_each(|effect| self.carry_out(effect, ctx));
        if let Some(old) = self.wake.take() {
            ctx.cancel_future(old);
        }
        if let Some(due) = self.life.due() {
            let pause = due.since(self.clock.mono()).max(Duration::from_millis(1));
            self.wake = Some(ctx.run_later(pause, |this, ctx| this.drive(Vec::new(), ctx)));
        }
    }

    fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Start => self.start(ctx),
            Effect::Say(call) => self.call(call),
            Effect::Kill => self.kill(ctx),
            Effect::Answer(call, verdict) => self.answer(call, Err(of_verdict(verdict))),
            Effect::Quarantine(why) => self.fall(why.to_string(), ctx),
            Effect::Retired => ctx.stop(),
        }
    }

    fn answer(&mut self, call: u64, result: Result<ToolOutput, ToolError>) {
        if let Some(job) = self.jobs.remove(&call) {
            // Nobody listens when the asker is gone.
            let _ = job.answer.send(result);
        }
    }

    // === the process ===

    fn start(&mut self, ctx: &mut Context<Self>) {
        self.last_process = self.last_process.saturating_add(1);
        self.report.starts = self.report.starts.saturating_add(1);
        let (number, grant) = (self.last_process, &self.made.grant);
        let started = self.sandboxes.start(&grant.tool().to_string(), &grant.release.component.to_string(), grant.limits);
        let (end, ended) = oneshot::channel();
        let work = ctx.spawn(started.into_actor(self).map(move |started, this, ctx| this.started(number, started, ended, ctx)));
        self.process = Some(Process { number, line: None, work, _end: end });
    }

    fn started(&mut self, number: u64, started: Result<Started, SandboxError>, ended: oneshot::Receiver<()>, ctx: &mut Context<Self>) {
        let Some(process) = self.process.as_mut().filter(|process| process.number == number) else {
            return;
        };
        match started {
            Ok((line, tells)) => {
                self.report.pid = Some(line.pid());
                process.line = Some(line);
                // Whatever it still says when its end was decided is not heard.
                let tells = wrap_stream(tells.take_until(ended));
                let listening = tells.map(move |heard, this: &mut Self, ctx: &mut Context<Self>| this.hear(number, heard, ctx)).finish();
                let gone = move |(), this: &mut Self, ctx: &mut Context<Self>| this.failed(number, Failure::Gone, ctx);
                process.work = ctx.spawn(listening.map(gone));
            }
            Err(error) => {
                tracing::warn!(tool = self.name(), %error, "no process");
                let why = if error == SandboxError::NotCompiled { Failure::NotCompiled } else { Failure::NotStarted };
                self.failed(number, why, ctx);
            }
        }
    }

    /// Ends the process, and all that was done for its call.
    fn kill(&mut self, ctx: &mut Context<Self>) {
        self.end_running(ctx);
        if let Some(mut process) = self.process.take() {
            process.line.iter_mut().for_each(|line| line.kill());
            ctx.cancel_future(process.work);
        }
        self.report.pid = None;
    }

    fn end_running(&mut self, ctx: &mut Context<Self>) {
        if let Some(work) = self.running.take().and_then(|running| running.work) {
            ctx.cancel_future(work);
        }
    }

    fn failed(&mut self, number: u64, why: Failure, ctx: &mut Context<Self>) {
        if self.process.as_ref().is_some_and(|process| process.number == number) {
            self.trouble(why);
            let effects = self.life.failed(self.clock.mono(), why);
            self.drive(effects, ctx);
        }
    }

    fn trouble(&mut self, why: Failure) {
        tracing::warn!(tool = self.name(), %why, failures = self.life.failures(), "a tool failed");
        self.report.trouble = Some(why.to_string());
    }

    /// Tells the toolbox, until that has stored it.
    fn fall(&self, reason: String, ctx: &mut Context<Self>) {
        let fell = Fell { name: self.name(), generation: self.made.generation, reason: reason.clone() };
        let told = self.made.fell.ask(fell, self.made.limits.commit_deadline.saturating_mul(2));
        ctx.spawn(told.into_actor(self).map(|told, _, ctx| {
            if told != Ok(true) {
                ctx.run_later(TELL_AGAIN, move |this, ctx| this.fall(reason, ctx));
            }
        }));
    }

    // === what it says ===

    fn hear(&mut self, number: u64, heard: Heard, ctx: &mut Context<Self>) {
        if self.process.as_ref().is_none_or(|process| process.number != number) {
            return;
        }
        let said = match heard {
            Heard::Ended(ended) => Err(Failure::from(&ended)),
            Heard::Tell(Tell::Ready { operations, confined }) => self.ready(&operations, confined),
            Heard::Tell(Tell::Unfit(fault)) => Err(Failure::Unfit(fault)),
            Heard::Tell(Tell::Host { call, question, ask }) => self.serve(call, question, ask, ctx).map(|()| Vec::new()),
            Heard::Tell(Tell::Said { call, line }) => self.note(call, line).map(|()| Vec::new()),
            Heard::Tell(Tell::Done { call, outcome, used }) => self.done(call, outcome, used, ctx),
            // Nobody asked.
            Heard::Tell(Tell::Beat { .. }) => Err(Failure::Protocol),
        };
        match said {
            Ok(effects) if effects.is_empty() => {}
            Ok(effects) => self.drive(effects, ctx),
            Err(why) => self.failed(number, why, ctx),
        }
    }

    fn ready(&mut self, operations: &[Operation], mut confined: Vec<(String, String)>) -> Result<Vec<Effect>, Failure> {
        confined.truncate(CONFINED_MAX);
        self.report.confined = confined;
        self.made.grant.manifest.agrees(operations).map_err(|_| Failure::Changed)?;
        self.life.ready(self.clock.mono()).ok_or(Failure::Protocol)
    }

    fn call(&mut self, call: u64) {
        let (clock, grant) = (Arc::clone(&self.clock), Arc::clone(&self.made.grant));
        let (Some(job), Some(process)) = (self.jobs.get(&call), self.process.as_mut()) else {
            return;
        };
        let member = job.invocation.member.id.to_string();
        let ask = Call {
            id: call,
            operation: job.operation.clone(),
            arguments: job.arguments.clone(),
            key: derived(&self.made.epoch, "call", &[&grant.tool().to_string(), &job.invocation.id.to_string()]).to_string(),
            member: derived(&self.made.epoch, "member", &[&grant.tool().to_string(), &member]).to_string(),
            locale: LOCALE.to_owned(),
            zone: job.invocation.member.zone.clone(),
            deadline_ms: u32::try_from(job.until.since(clock.mono()).as_millis()).unwrap_or(u32::MAX),
            wall_ms: u64::try_from(clock.wall().as_millisecond()).unwrap_or(0),
            seed: derived(&self.made.epoch, "chance", &[&grant.tool().to_string(), &job.invocation.id.to_string()]).bytes(),
        };
        let made = &self.made;
        let house = House {
            http: Arc::clone(&made.ports.http),
            store: Arc::clone(&made.ports.store),
            clock,
            save: made.save.clone(),
            recall: made.recall.clone(),
            limits: made.limits.clone(),
        };
        let turn = Turn::new(call, &grant.limits);
        let serving = Serving::new(house, grant, job.operation.clone(), Arc::clone(&job.invocation), job.until);
        self.running = Some(Running { call, turn, serving, work: None });
        // When nobody hears it, the other side ends too, and that is what counts.
        let _ = process.line.as_mut().is_some_and(|line| line.ask(Ask::Call(ask)));
    }

    fn serve(&mut self, call: u64, question: u32, ask: HostAsk, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let running = self.running.as_mut().ok_or(Failure::Protocol)?;
        running.turn.asks(call, question)?;
        let given = running.serving.begin(ask).into_actor(self);
        let work = ctx.spawn(given.map(move |given, this, _| this.given(call, question, given)));
        if let Some(running) = &mut self.running {
            running.work = Some(work);
        }
        Ok(())
    }

    /// Cancelled with the call: what comes here is for the one that runs.
    fn given(&mut self, call: u64, question: u32, given: Given) {
        let Some(running) = self.running.as_mut().filter(|running| running.call == call) else {
            return;
        };
        running.work = None;
        running.turn.answered();
        let answer = running.serving.finish(given);
        if let Some(line) = self.process.as_mut().and_then(|process| process.line.as_mut()) {
            line.ask(Ask::Given { call, question, answer });
        }
    }

    fn note(&mut self, call: u64, line: Line) -> Result<(), Failure> {
        let running = self.running.as_mut().ok_or(Failure::Protocol)?;
        running.turn.says(call, &line)?;
        let Some(job) = self.jobs.get(&call) else {
            return Ok(());
        };
        match line {
            Line::Log(level, text) => self.made.log.add(LogLine { at: self.clock.wall(), call: job.invocation.id, level, text }),
            // Its words may be about anything: how long they are is all that goes into the house's own log.
            Line::Progress(text) => tracing::debug!(parent: &job.span, bytes = text.len(), "a tool goes on"),
        }
        Ok(())
    }

    fn done(&mut self, call: u64, outcome: Outcome, used: Usage, ctx: &mut Context<Self>) -> Result<Vec<Effect>, Failure> {
        let running = self.running.as_ref().filter(|running| running.turn.may_end(call, &outcome)).ok_or(Failure::Protocol)?;
        let heard = running.serving.label().clone();
        let value = match outcome {
            Outcome::Parts(parts) => outcome::value(parts, &self.made.grant.limits).ok_or(Fault::Malformed),
            Outcome::Refused(refusal) => Ok(outcome::refused(refusal)),
            Outcome::Fault(fault) => Err(fault),
        };
        self.end_running(ctx);
        self.report.used = Some(used);
        let now = self.clock.mono();
        match value {
            Ok(value) => {
                self.report.served = self.report.served.saturating_add(1);
                let label = self.jobs.get(&call).map(|job| label(&job.invocation, &heard));
                self.answer(call, label.map(|label| ToolOutput { value, label }).ok_or(ToolError::Lost));
                self.life.done(now).ok_or(Failure::Protocol)
            }
            Err(fault) => {
                self.trouble(Failure::Fault(fault));
                self.life.broke(now, fault).ok_or(Failure::Protocol)
            }
        }
    }

    fn take(&mut self, run: Run, ctx: &mut Context<Self>) -> ResponseFuture<Result<ToolOutput, ToolError>> {
        let Run { invocation, operation, leash, span } = run;
        let arguments = invocation.arguments.to_string();
        if arguments.len() > ARGUMENTS_MAX {
            return Box::pin(std::future::ready(Err(ToolError::BadArguments("they are too long".to_owned()))));
        }
        if let Err(sentence) = self.made.schemas.check(&operation, &invocation.arguments) {
            return Box::pin(std::future::ready(Err(ToolError::BadArguments(sentence))));
        }
        self.last_call = self.last_call.saturating_add(1);
        let call = self.last_call;
        let now = self.clock.mono();
        let until = now.plus(invocation.deadline);
        let effects = match self.life.submit(now, call, until) {
            Ok(effects) => effects,
            Err(NotTaken::Full | NotTaken::Retiring) => return Box::pin(std::future::ready(Err(ToolError::Busy))),
            Err(NotTaken::Quarantined) => return Box::pin(std::future::ready(Err(ToolError::Denied(QUARANTINED.to_owned())))),
        };
        let (answer, answered) = oneshot::channel();
        self.jobs.insert(call, Job { invocation: Arc::new(*invocation), operation, arguments, until, answer, span: span.clone() });
        self.drive(effects, ctx);
        // Outside of this actor, so that an answer arrives also when it is the last thing that the actor does.
        let (stop, stopped) = oneshot::channel();
        ctx.spawn(stopped.into_actor(self).map(move |stopped, this, ctx| {
            if stopped.is_ok() {
                this.jobs.remove(&call);
                let effects = this.life.cancel(this.clock.mono(), call);
                this.drive(effects, ctx);
            }
        }));
        let held = async move {
            let Some(answer) = leash.hold(answered).await else {
                let _ = stop.send(());
                return Err(ToolError::Stopped);
            };
            answer.unwrap_or(Err(ToolError::Lost))
        };
        Box::pin(held.instrument(span))
    }
}

/// What stands for a thing in this house, and tells nobody which thing it is.
fn derived(epoch: &Digest, what: &str, parts: &[&str]) -> Digest {
    Digest::of(format!("{epoch} {what} {}", parts.join(" ")).as_bytes())
}

/// The label of a result: written outside, for nobody who might not know what went in.
fn label(call: &Invocation, heard: &Label) -> Label {
    let present = Label::new(Readers::present(&call.audience), Integrity::Outside);
    present.join(&call.label).join(heard)
}

fn of_verdict(verdict: Verdict) -> ToolError {
    match verdict {
        Verdict::Lost => ToolError::Lost,
        Verdict::TimedOut | Verdict::Fault(Fault::Deadline) => ToolError::TimedOut,
        Verdict::Busy => ToolError::Busy,
        Verdict::Fault(fault) => ToolError::Failed(fault.to_string()),
        Verdict::Quarantined => ToolError::Denied(QUARANTINED.to_owned()),
        Verdict::Revoked => ToolError::Denied(REVOKED.to_owned()),
    }
}

// === impl Actor ===

impl Actor for ToolActor {
    type Context = Context<Self>;
}

impl Handler<Run> for ToolActor {
    type Result = ResponseFuture<Result<ToolOutput, ToolError>>;

    fn handle(&mut self, run: Run, ctx: &mut Context<Self>) -> Self::Result {
        self.take(run, ctx)
    }
}

impl Handler<Retire> for ToolActor {
    type Result = ();

    fn handle(&mut self, _: Retire, ctx: &mut Context<Self>) {
        let effects = self.life.retire(self.clock.mono());
        self.drive(effects, ctx);
    }
}

impl Handler<Revoke> for ToolActor {
    type Result = ();

    fn handle(&mut self, _: Revoke, ctx: &mut Context<Self>) {
        let effects = self.life.revoke(self.clock.mono());
        self.drive(effects, ctx);
    }
}

impl Handler<Look> for ToolActor {
    type Result = MessageResult<Look>;

    fn handle(&mut self, _: Look, _: &mut Context<Self>) -> Self::Result {
        let (state, waiting, failures) = (self.life.name().to_owned(), self.life.waiting(), self.life.failures());
        MessageResult(ToolReport { state, waiting, failures, ..self.report.clone() })
    }
}
