//! The conversation actor: a thin shell around [`hearth_domain::conversation::Core`], which has the state diagram.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Hear`] | `Result<Accepted, SayError>` | a member said something |
//! | [`Note`] | [`Noticed`] | a reminder came due here |
//! | [`Cease`] | `Option<bool>` | end the turn that runs; whether one ran |
//!
//! Transient, one per live conversation: it ends by itself when it has been idle for `park_after` and comes back with the next message. Everything it
//! needs is in the store, so a restart loses the call under way and nothing else: the turn resumes. Invariants: see the core.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Handler, Message, ResponseFuture, SpawnHandle, WrapFuture};
use hearth_domain::approval::APPROVAL_SECONDS;
use hearth_domain::budget::Spent;
use hearth_domain::budget::ledger::Moment;
use hearth_domain::conversation::{Accepted, AskId, Core, Cx, Effect, Notice, Noticed, Say, SayError, Setting};
use hearth_domain::flow::call::Call as FlowCall;
use hearth_domain::household::{Member, MemberId};
use hearth_domain::ids::{ApprovalId, CallId, ConversationId, TurnId};
use hearth_domain::journal::FactKind;
use hearth_domain::memory::MemorySearch;
use hearth_domain::message::Message as Said;
use hearth_domain::model::{ModelError, ModelRequest};
use hearth_domain::policy::{Decision, Foreseen, Refusal};
use hearth_domain::store::{Commit, ConversationState, StoreError, Write};
use hearth_domain::time::Mono;
use hearth_domain::tool::{Invocation, ToolError};
use hearth_supervisor::context::Context;
use hearth_supervisor::exit::StartError;
use hearth_supervisor::link::{AskError, Link};
use tokio::sync::oneshot;
use tracing::Span;

use crate::budget::Purse;
use crate::catalog::Catalog;
use crate::channel::Preview;
use crate::leash::{Tether, leash};
use crate::memory::{Recall, within};
use crate::models::{Complete, Purpose};
use crate::outbox::Deliver;
use crate::policy::together::{AskAbout, Foresee};
use crate::policy::{Decide, TakeReply, Wait, Withdraw};
use crate::ports::Ports;
use crate::store::{Save, Settle};
use crate::tools::Call;

/// Times that the actor may die over one turn.
pub const WAKES_MAX: u32 = 3;
/// Messages that a conversation has in mind when it wakes, and among which it knows one that is said again.
const TAIL: usize = 200;
/// Time until a full outbox is offered the same delivery again.
const DELIVER_AGAIN: Duration = Duration::from_millis(50);
/// Time until a policy that was not there is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// Time until a load that failed is tried again.
const LOAD_AGAIN: Duration = Duration::from_millis(250);

/// A member said something.
#[derive(Debug, Message)]
#[rtype(result = "Result<Accepted, SayError>")]
pub struct Hear(pub Box<Say>);

/// A reminder came due.
#[derive(Debug, Message)]
#[rtype(result = "Noticed")]
pub struct Note(pub Box<Notice>);

/// End the turn that runs. Answered when its end is durable; with `None` when the conversation was read again meanwhile and has to be asked anew.
#[derive(Debug, Message)]
#[rtype(result = "Option<bool>")]
pub struct Cease;

/// Park now, if nothing is under way.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Rest;

/// How often a conversation was loaded since one of its turns last ended. Kept beside the actor, so that it survives its crashes.
pub type Wakes = Arc<AtomicU32>;

/// The links and the setting of every conversation.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The ports.
    pub ports: Ports,
    /// What does not change.
    pub setting: Arc<Setting>,
    /// The tools that there are.
    pub tools: Catalog,
    /// What members may still use.
    pub purse: Purse,
    /// To the store.
    pub save: Link<Save>,
    /// To the store.
    pub settle: Link<Settle>,
    /// To memory.
    pub recall: Link<Recall>,
    /// To the models.
    pub complete: Link<Complete>,
    /// To policy.
    pub decide: Link<Decide>,
    /// To policy.
    pub foresee: Link<Foresee>,
    /// To policy.
    pub ask_about: Link<AskAbout>,
    /// To policy.
    pub wait: Link<Wait>,
    /// To policy.
    pub withdraw: Link<Withdraw>,
    /// To policy.
    pub take_reply: Link<TakeReply>,
    /// To the tools.
    pub call: Link<Call>,
    /// To the outbox.
    pub deliver: Link<Deliver>,
    /// To the channel that shows previews.
    pub preview: Link<Preview>,
}

/// A conversation.
#[derive(Debug)]
pub struct ConversationActor {
    wakes: Wakes,
    id: ConversationId,
    around: Surroundings,
    core: Core,
    /// What the core wants done at the beginning.
    first: Vec<Effect>,
    says: BTreeMap<AskId, oneshot::Sender<Result<Accepted, SayError>>>,
    notes: BTreeMap<AskId, oneshot::Sender<Noticed>>,
    stops: BTreeMap<AskId, oneshot::Sender<bool>>,
    last_ask: AskId,
    model: Option<(u64, Tether)>,
    tool: Option<(CallId, Tether)>,
    /// What was asked for the core, and is dropped with it.
    under_way: BTreeMap<u64, SpawnHandle>,
    last_work: u64,
    /// What is durable and not yet in the outbox, in order.
    undelivered: VecDeque<Deliver>,
    /// When something last happened.
    busy_at: Mono,
    /// The turn that runs, for the log.
    span: Span,
}

impl ConversationActor {
    /// Reads where the conversation stands. A turn at which the actor has died [`WAKES_MAX`] times in a row is not tried again: it
    /// ends in a visible failure, so that one message cannot keep the house busy for ever.
    pub async fn load(id: ConversationId, around: Surroundings, wakes: Wakes) -> Result<Self, StartError> {
        let found = read(id, &around).await.map_err(|error| StartError::caused_by("the conversation could not be read", error))?;
        let (mut core, mut first) = resume(id, &around, found);
        if core.open_turns() == 0 {
            wakes.store(0, Ordering::Relaxed);
        } else if wakes.fetch_add(1, Ordering::Relaxed) >= WAKES_MAX {
            let tools = around.tools.now();
            first.extend(core.on_hopeless(Cx { now: around.ports.clock.wall(), ids: &*around.ports.ids, tools: &tools }));
        }
        let busy_at = around.ports.clock.mono();
        Ok(Self {
            wakes,
            id,
            around,
            core,
            first,
            says: BTreeMap::new(),
            notes: BTreeMap::new(),
            stops: BTreeMap::new(),
            last_ask: 0,
            model: None,
            tool: None,
            under_way: BTreeMap::new(),
            last_work: 0,
            undelivered: VecDeque::new(),
            busy_at,
            span: Span::none(),
        })
    }

    /// Lets the core see an event and carries out what it wants.
    fn step(&mut self, ctx: &mut Context<Self>, event: impl FnOnce(&mut Core, Cx<'_>) -> Vec<Effect>) {
        let (ids, tools) = (Arc::clone(&self.around.ports.ids), self.around.tools.now());
        self.busy_at = self.around.ports.clock.mono();
        let effects = event(&mut self.core, Cx { now: self.around.ports.clock.wall(), ids: &*ids, tools: &tools });
        for effect in effects {
            self.carry_out(effect, ctx);
        }
    }

    /// Waits for something that a reload drops.
    fn begin<T: 'static>(
        &mut self,
        ctx: &mut Context<Self>,
        work: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, T, &mut Context<Self>) + 'static,
    ) {
        self.last_work = self.last_work.saturating_add(1);
        let key = self.last_work;
        let handle = ctx.spawn(work.into_actor(self).map(move |done, this, ctx| {
            this.under_way.remove(&key);
            then(this, done, ctx);
        }));
        self.under_way.insert(key, handle);
    }

    fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Save { ticket, commit, after } if after.is_zero() => self.save(ticket, commit, ctx),
            Effect::Save { ticket, commit, after } => {
                self.begin(ctx, tokio::time::sleep(after), move |this, (), ctx| this.save(ticket, commit, ctx));
            }
            Effect::SaveAgain { ticket, after } => {
                let again = move |this: &mut Self, (), ctx: &mut Context<Self>| this.step(ctx, |core, cx| core.on_again(cx, ticket));
                self.begin(ctx, tokio::time::sleep(after), again);
            }
            Effect::AnswerSay(ask, answer) => drop(self.says.remove(&ask).map(|asker| asker.send(answer))),
            Effect::AnswerNotice(ask, answer) => drop(self.notes.remove(&ask).map(|asker| asker.send(answer))),
            Effect::AnswerStop(ask, stopped) => drop(self.stops.remove(&ask).map(|asker| asker.send(stopped))),
            Effect::Recall(turn, search) => self.recall(turn, search, ctx),
            Effect::CallModel(call, request) => self.call_model(call, request, Purpose::Turn, ctx),
            Effect::Read(call, request) => self.call_model(call, request, Purpose::Reading, ctx),
            Effect::Summarise(call, request) => self.call_model(call, request, Purpose::Summary, ctx),
            Effect::CancelModel(call) => drop(self.model.take_if(|(now, _)| *now == call)),
            Effect::Decide(question) => {
                let call = question.call;
                let decided = self.around.decide.ask(Decide(question), self.around.setting.limits.ask_deadline);
                self.begin(ctx, decided, move |this, decision, ctx| {
                    let decision = decision.unwrap_or(Decision::Deny(Refusal::Unavailable));
                    this.step(ctx, |core, cx| core.on_decided(cx, call, decision));
                });
            }
            Effect::Foresee(question) => {
                let call = question.call;
                let foreseen = self.around.foresee.ask(Foresee(question), self.around.setting.limits.ask_deadline);
                self.begin(ctx, foreseen, move |this, foreseen, ctx| {
                    let foreseen = foreseen.unwrap_or(Foreseen::Decided(Decision::Deny(Refusal::Unavailable)));
                    this.step(ctx, |core, cx| core.on_foreseen(cx, call, foreseen));
                });
            }
            Effect::Ask(inquiry) => {
                let asked: BTreeSet<_> = inquiry.calls.iter().map(|one| one.id).collect();
                let answer = self.around.ask_about.ask(AskAbout(inquiry), self.around.setting.limits.ask_deadline);
                self.begin(ctx, answer, move |this, answer, ctx| {
                    let answer = answer.unwrap_or(Err(Refusal::Unavailable));
                    this.step(ctx, |core, cx| core.on_asked(cx, &asked, answer));
                });
            }
            Effect::Await(call, approval, exact) => self.wait_for_person(call, approval, exact, ctx),
            Effect::Withdraw(approval) => drop(self.around.withdraw.offer(Withdraw(approval))),
            Effect::TakeReply(turn, who, word) => {
                let taken = self.around.take_reply.ask(TakeReply { who, word }, self.around.setting.limits.commit_deadline);
                self.begin(ctx, taken, move |this, taken, ctx| {
                    let taken = taken.unwrap_or_else(|_| Err("The house is busy; say it again.".to_owned()));
                    let sentence = taken.unwrap_or_else(|refused| refused);
                    this.step(ctx, |core, cx| core.on_reply_taken(cx, turn, sentence));
                });
            }
            Effect::RunTool(invocation) => self.run_tool(invocation, ctx),
            Effect::CancelTool(call) => drop(self.tool.take_if(|(now, _)| *now == call)),
            Effect::ResetPreview(turn) => self.reset_preview(turn),
            Effect::Deliver(delivery, message) => {
                self.wakes.store(0, Ordering::Relaxed);
                tracing::info!(parent: &self.span, seq = message.seq, purpose = ?message.purpose, "said");
                self.deliver(Deliver::Said { delivery, message: Box::new(message) }, ctx);
            }
            Effect::Reload(why) => self.reload(why, ctx),
        }
    }

    /// Begins a turn's work: from here on its log has its name.
    fn recall(&mut self, turn: TurnId, search: MemorySearch, ctx: &mut Context<Self>) {
        self.span = tracing::info_span!("turn", %turn, conversation = %self.id);
        let found = self.around.recall.ask(Recall(search), self.around.setting.limits.ask_deadline);
        self.begin(ctx, found, move |this, found, ctx| {
            let hits = found.ok().and_then(Result::ok).unwrap_or_else(|| {
                tracing::warn!(%turn, "memory did not answer; the turn goes on without it");
                Vec::new()
            });
            this.step(ctx, |core, cx| core.on_recalled(cx, turn, hits));
        });
    }

    fn save(&mut self, ticket: u64, mut commit: Commit, ctx: &mut Context<Self>) {
        let row = self.budget_row(&commit);
        commit.writes.extend(row.map(Write::Spent));
        let saved = self.around.save.ask(Save(commit), self.around.setting.limits.commit_deadline);
        self.begin(ctx, saved, move |this, saved, ctx| {
            let result = saved.unwrap_or_else(|error| Err(not_asked(error)));
            if let (Ok(()), Some(row)) = (&result, &row) {
                this.around.purse.saved(row);
            }
            this.step(ctx, |core, cx| core.on_saved(cx, ticket, result));
        });
    }

    /// What the member has used goes along with what the turn writes anyway: before its next step, and when it has ended.
    fn budget_row(&self, commit: &Commit) -> Option<Spent> {
        let charge = self.core.charge(self.around.ports.clock.wall())?;
        let kind = commit.fact.kind;
        let ends = matches!(kind, FactKind::TurnAnswered | FactKind::TurnFailed | FactKind::TurnStopped | FactKind::OutcomeUnknown);
        match (ends, charge.turn) {
            (true, turn) => {
                turn.into_iter().for_each(|turn| self.around.purse.ended(turn));
                let more = self.core.open_turns() > 1;
                self.around.purse.row(&charge, if more { Moment::Before } else { Moment::After })
            }
            (false, Some(_)) => self.around.purse.row(&charge, Moment::Before),
            (false, None) => None,
        }
    }

    fn call_model(&mut self, call: u64, request: Arc<ModelRequest>, purpose: Purpose, ctx: &mut Context<Self>) {
        let (tether, leash) = leash();
        if purpose != Purpose::Summary {
            self.model = Some((call, tether));
        } else {
            // A summary is never cancelled; its tether lives as long as its answer is awaited.
            ctx.run_later(self.around.setting.limits.model_deadline, move |_, _| drop(tether));
        }
        let turn = self.core.previewing(call);
        let (link, conversation) = (self.around.preview.clone(), self.id);
        let preview = Arc::new(move |text: Option<&str>| {
            if let Some(turn) = turn {
                // Only a preview: what does not fit is missed.
                drop(link.offer(Preview { conversation, turn, text: text.map(Arc::from) }));
            }
        });
        let deadline = self.around.setting.limits.model_deadline.saturating_mul(8);
        let replied = self.around.complete.ask(Complete { request, purpose, preview, leash, span: self.span.clone() }, deadline);
        self.begin(ctx, replied, move |this, reply, ctx| {
            let reply = reply.unwrap_or_else(|error| Err(ModelError::Unavailable(error.to_string())));
            match purpose {
                Purpose::Turn | Purpose::Reading => this.step(ctx, |core, cx| core.on_replied(cx, call, reply)),
                Purpose::Summary => this.step(ctx, |core, cx| core.on_summarised(cx, call, reply)),
            }
        });
    }

    /// Asks again when policy was restarted meanwhile: it knows the question still.
    fn wait_for_person(&mut self, call: CallId, approval: ApprovalId, exact: Box<FlowCall>, ctx: &mut Context<Self>) {
        let deadline = Duration::from_secs(APPROVAL_SECONDS.unsigned_abs()).saturating_add(self.around.setting.limits.commit_deadline);
        let waited = self.around.wait.ask(Wait { approval, call: exact.clone() }, deadline);
        self.begin(ctx, waited, move |this, waited, ctx| match waited {
            Ok(answer) => this.step(ctx, |core, cx| core.on_answered(cx, call, answer)),
            Err(AskError::TimedOut) => this.step(ctx, |core, cx| core.on_answered(cx, call, Err(Refusal::Expired))),
            Err(AskError::Full | AskError::Down | AskError::Lost) => {
                let again = tokio::time::sleep(ASK_AGAIN);
                this.begin(ctx, again, move |this, (), ctx| this.wait_for_person(call, approval, exact, ctx));
            }
        });
    }

    fn run_tool(&mut self, invocation: Box<Invocation>, ctx: &mut Context<Self>) {
        let (tether, leash) = leash();
        let (call, deadline) = (invocation.id, invocation.deadline.saturating_add(Duration::from_secs(1)));
        self.tool = Some((call, tether));
        let ended = self.around.call.ask(Call { invocation, leash, span: self.span.clone() }, deadline);
        self.begin(ctx, ended, move |this, ended, ctx| {
            let result = ended.unwrap_or_else(|error| {
                Err(match error {
                    AskError::Full | AskError::Down => ToolError::Busy,
                    AskError::TimedOut => ToolError::TimedOut,
                    AskError::Lost => ToolError::Lost,
                })
            });
            this.tool = None;
            this.step(ctx, |core, cx| core.on_tool_ended(cx, call, result));
        });
    }

    fn reset_preview(&self, turn: TurnId) {
        drop(self.around.preview.offer(Preview { conversation: self.id, turn, text: None }));
    }

    /// Hands over what is durable, in order; a full outbox is offered it again, since somebody waits for it.
    fn deliver(&mut self, deliver: Deliver, ctx: &mut Context<Self>) {
        self.undelivered.push_back(deliver);
        if self.undelivered.len() == 1 {
            self.deliver_first(ctx);
        }
    }

    fn deliver_first(&mut self, ctx: &mut Context<Self>) {
        while let Some(deliver) = self.undelivered.pop_front() {
            if let Err(refused) = self.around.deliver.offer(deliver) {
                self.undelivered.push_front(refused.message);
                ctx.run_later(DELIVER_AGAIN, Self::deliver_first);
                return;
            }
        }
    }

    /// What is in the store is not known: read it, as after a crash. Whoever waits learns that their answer is lost.
    fn reload(&mut self, why: &'static str, ctx: &mut Context<Self>) {
        tracing::warn!(conversation = %self.id, why, "reading the conversation again");
        self.says.clear();
        self.notes.clear();
        self.stops.clear();
        self.model = None;
        self.tool = None;
        for handle in std::mem::take(&mut self.under_way).into_values() {
            ctx.cancel_future(handle);
        }
        let around = self.around.clone();
        let (id, again) = (self.id, read_until_it_works(self.id, around));
        ctx.wait(again.into_actor(self).map(move |found, this, ctx| {
            let (core, first) = resume(id, &this.around, found);
            this.core = core;
            this.go_on(first, ctx);
        }));
    }

    /// Begins where the store says the conversation stands. What was said by a former life may not have reached its channel.
    fn go_on(&mut self, first: Vec<Effect>, ctx: &mut Context<Self>) {
        self.deliver(Deliver::Again(self.id), ctx);
        for effect in first {
            self.carry_out(effect, ctx);
        }
    }

    fn park_if_idle(&mut self, ctx: &mut Context<Self>) {
        let idle = self.around.ports.clock.mono().since(self.busy_at);
        if self.core.is_idle() && self.undelivered.is_empty() && idle >= self.around.setting.limits.park_after {
            ctx.stop();
        }
    }

    fn next_ask(&mut self) -> AskId {
        self.last_ask = self.last_ask.saturating_add(1);
        self.last_ask
    }
}

/// What the store knows of a conversation.
struct Found {
    state: ConversationState,
    /// What stands before the state's messages, for those that are said again.
    earlier: Vec<Said>,
    /// Everybody whom it may concern.
    members: BTreeMap<MemberId, Member>,
}

/// Reads the conversation, once no commit of a former life can land any more.
async fn read(id: ConversationId, around: &Surroundings) -> Result<Found, StoreError> {
    let (store, limits) = (&around.ports.store, &around.setting.limits);
    around.settle.ask(Settle, limits.commit_deadline).await.map_err(not_asked)?;
    let mut state = within(limits.read_deadline, store.conversation(id, TAIL)).await?;
    for turn in &state.open {
        let results = within(limits.read_deadline, store.results(turn.id)).await?;
        state.results.insert(turn.id, results.into_iter().map(|result| result.stored).collect());
    }
    let summarised = state.row.as_ref().is_some_and(|row| row.summary.is_some());
    let earlier = if summarised { within(limits.read_deadline, store.recent(id, TAIL)).await? } else { Vec::new() };
    let members = if state.open.is_empty() { Vec::new() } else { within(limits.read_deadline, store.members()).await? };
    Ok(Found { state, earlier, members: members.into_iter().map(|member| (member.id, member)).collect() })
}

async fn read_until_it_works(id: ConversationId, around: Surroundings) -> Found {
    loop {
        match read(id, &around).await {
            Ok(all) => return all,
            Err(error) => tracing::warn!(conversation = %id, %error, "the conversation could not be read; trying again"),
        }
        tokio::time::sleep(LOAD_AGAIN).await;
    }
}

fn resume(id: ConversationId, around: &Surroundings, found: Found) -> (Core, Vec<Effect>) {
    let tools = around.tools.now();
    let cx = Cx { now: around.ports.clock.wall(), ids: &*around.ports.ids, tools: &tools };
    let (mut core, first) = Core::load(cx, Arc::clone(&around.setting), id, found.state, &found.members);
    core.remember_earlier(&found.earlier);
    (core, first)
}

/// What became of a commit whose ask had no answer.
fn not_asked(error: AskError) -> StoreError {
    match error {
        AskError::Full => StoreError::Busy,
        AskError::Down => StoreError::Closed,
        AskError::TimedOut | AskError::Lost => StoreError::Unavailable(error.to_string()),
    }
}

// === impl Actor ===

impl Actor for ConversationActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let first = std::mem::take(&mut self.first);
        self.go_on(first, ctx);
        let look = self.around.setting.limits.park_after / 4;
        ctx.run_interval(look.max(Duration::from_millis(10)), Self::park_if_idle);
    }
}

impl Handler<Hear> for ConversationActor {
    type Result = ResponseFuture<Result<Accepted, SayError>>;

    fn handle(&mut self, Hear(say): Hear, ctx: &mut Context<Self>) -> Self::Result {
        let ask = self.next_ask();
        let (asker, answer) = oneshot::channel();
        self.says.insert(ask, asker);
        self.step(ctx, |core, cx| core.on_said(cx, ask, *say));
        Box::pin(async { answer.await.unwrap_or(Err(SayError::Unavailable)) })
    }
}

impl Handler<Note> for ConversationActor {
    type Result = ResponseFuture<Noticed>;

    fn handle(&mut self, Note(notice): Note, ctx: &mut Context<Self>) -> Self::Result {
        let ask = self.next_ask();
        let (asker, answer) = oneshot::channel();
        self.notes.insert(ask, asker);
        self.step(ctx, |core, cx| core.on_notice(cx, ask, *notice));
        Box::pin(async { answer.await.unwrap_or(Noticed::Failed(StoreError::Closed)) })
    }
}

impl Handler<Cease> for ConversationActor {
    type Result = ResponseFuture<Option<bool>>;

    fn handle(&mut self, _: Cease, ctx: &mut Context<Self>) -> Self::Result {
        let ask = self.next_ask();
        let (asker, answer) = oneshot::channel();
        self.stops.insert(ask, asker);
        self.step(ctx, |core, cx| core.on_stop(cx, ask));
        Box::pin(async { answer.await.ok() })
    }
}

impl Handler<Rest> for ConversationActor {
    type Result = ();

    fn handle(&mut self, _: Rest, ctx: &mut Context<Self>) {
        if self.core.is_idle() && self.undelivered.is_empty() {
            ctx.stop();
        }
    }
}
