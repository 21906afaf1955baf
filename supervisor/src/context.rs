//! The execution context of every supervised actor: actix's own parts, fed from the slot's mailbox.
//!
//! An actor writes `type Context = Context<Self>;` and ordinary `Handler` impls; `MessageResult`, `ResponseActFuture`,
//! `AtomicResponse`, `ctx.spawn`, `ctx.wait`, timers and streams work as with `actix::Context`.
//!
//! ```text
//! started() ─► futures it waits for ─► intake attends ─► ready
//!                                        │  up to BATCH messages, then other tasks get their turn
//!                                        └─ stands back while ctx.wait / AtomicResponse is pending
//! ```
//!
//! The intake being attended is what a probe checks, so an actor answers probes without doing anything for it.
//! A restart loses the context with everything spawned on it.

use std::any::type_name;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use actix::dev::{AsyncContextParts, ContextFut, ContextParts, Envelope, EnvelopeProxy, Mailbox, MessageResponse, ToEnvelope};
use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, ActorState, Addr, AsyncContext, Handler, Message, SpawnHandle};
use tokio::sync::oneshot;

use crate::exit::Place;
use crate::inbox::Inbox;
use crate::slot::Slot;
use crate::watchdog::Pulse;

/// Messages handled in a row before other tasks on the thread get their turn.
const BATCH: usize = 64;

/// The context of a supervised actor.
pub struct Context<A>
where
    A: Actor<Context = Context<A>>,
{
    parts: ContextParts<A>,
    slot: Slot<A>,
    path: Arc<str>,
    doing: Place,
    attended: bool,
    /// Messages that may still be handled before other tasks get their turn.
    budget: usize,
    pulse: Option<Arc<Pulse>>,
}

impl<A> Context<A>
where
    A: Actor<Context = Context<A>>,
{
    /// The future that runs this actor in this slot.
    pub(crate) fn embody(actor: A, slot: &Slot<A>, path: &Arc<str>, pulse: Option<&Arc<Pulse>>) -> ContextFut<A, Self> {
        let mailbox = Mailbox::default();
        let mut context = Self {
            parts: ContextParts::new(mailbox.sender_producer()),
            slot: slot.clone(),
            path: Arc::clone(path),
            doing: Place::Started,
            attended: false,
            budget: BATCH,
            pulse: pulse.cloned(),
        };
        context.parts.spawn(Intake { inbox: Arc::clone(slot.inbox()) });
        ContextFut::new(context, actor, mailbox)
    }

    /// The place this actor lives in, for links to itself (bounded, unlike `notify`).
    pub fn slot(&self) -> &Slot<A> {
        &self.slot
    }

    /// Where this actor is in the tree, like `house/tools/weather`.
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    pub(crate) fn doing(&mut self, place: Place) {
        self.doing = place;
        if let Some(pulse) = &self.pulse {
            pulse.doing(place);
        }
    }

    /// What the actor did last; read after a panic.
    pub(crate) fn last_place(&self) -> Place {
        match self.parts.state() {
            ActorState::Stopping | ActorState::Stopped => Place::Stopping,
            ActorState::Started | ActorState::Running => self.doing,
        }
    }

    /// True when the intake has run since the last [`Context::expect_attention`].
    pub(crate) fn attended(&self) -> bool {
        self.attended
    }

    /// A new turn of the task begins. Not counted per run of the intake, because each atomic response runs it again.
    pub(crate) fn begin_turn(&mut self) {
        self.budget = BATCH;
    }

    pub(crate) fn expect_attention(&mut self) {
        self.attended = false;
    }
}

impl<A> fmt::Debug for Context<A>
where
    A: Actor<Context = Context<A>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("path", &self.path).field("doing", &self.doing).finish_non_exhaustive()
    }
}

impl<A> ActorContext for Context<A>
where
    A: Actor<Context = Context<A>>,
{
    fn stop(&mut self) {
        self.parts.stop();
    }

    fn terminate(&mut self) {
        self.parts.terminate();
    }

    fn state(&self) -> ActorState {
        self.parts.state()
    }
}

impl<A> AsyncContext<A> for Context<A>
where
    A: Actor<Context = Context<A>>,
{
    fn address(&self) -> Addr<A> {
        self.parts.address()
    }

    fn spawn<F>(&mut self, fut: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.parts.spawn(fut)
    }

    fn wait<F>(&mut self, fut: F)
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.parts.wait(fut);
    }

    fn waiting(&self) -> bool {
        self.parts.waiting()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.parts.cancel_future(handle)
    }
}

impl<A> AsyncContextParts<A> for Context<A>
where
    A: Actor<Context = Context<A>>,
{
    fn parts(&mut self) -> &mut ContextParts<A> {
        &mut self.parts
    }
}

/// Reads the slot's mailbox; always the first item on the context.
struct Intake<A: Actor<Context = Context<A>>> {
    inbox: Arc<Inbox<A>>,
}

impl<A> ActorFuture<A> for Intake<A>
where
    A: Actor<Context = Context<A>>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, actor: &mut A, ctx: &mut Context<A>, task: &mut task::Context<'_>) -> Poll<()> {
        ctx.attended = true;
        if ctx.doing == Place::Started {
            ctx.doing(Place::Future);
        }
        while ctx.budget > 0 {
            if ctx.waiting() {
                return Poll::Pending;
            }
            match self.inbox.pop() {
                Some(parcel) => {
                    ctx.budget = ctx.budget.saturating_sub(1);
                    parcel.deliver(actor, ctx);
                }
                None => return Poll::Pending,
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

// === messages that come through an actix address (`ctx.address()`), outside of any link ===

impl<A, M> ToEnvelope<A, M> for Context<A>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, reply: Option<oneshot::Sender<M::Result>>) -> Envelope<A> {
        Envelope::with_proxy(Box::new(Direct { message: Some(message), reply }))
    }
}

struct Direct<M: Message> {
    message: Option<M>,
    reply: Option<oneshot::Sender<M::Result>>,
}

impl<A, M> EnvelopeProxy<A> for Direct<M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn handle(&mut self, actor: &mut A, ctx: &mut Context<A>) {
        let reply = self.reply.take();
        if reply.as_ref().is_some_and(|reply| reply.is_closed()) {
            return;
        }
        if let Some(message) = self.message.take() {
            ctx.doing(Place::Handler(type_name::<M>()));
            let response = <A as Handler<M>>::handle(actor, message, ctx);
            response.handle(ctx, reply);
            ctx.doing(Place::Future);
        }
    }
}
