//! The place of an actor in the tree: made before the tree is started, valid over restarts.
//!
//! ```text
//! Slot::new ─► link() … link()            (any time, from any thread)
//!     └──────► ChildSpec::worker(&slot, factory) ─► one actor at a time lives here
//! ```
//!
//! A restart replaces the actor and empties the mailbox; links, name, capacity and high-water mark stay.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use actix::dev::MessageResponse;
use actix::{Actor, Handler, Message};

use crate::context::Context;
use crate::exit::Place;
use crate::inbox::{Berth, Deliver, Inbox, Parcel};
use crate::link::{Arrival, Link, Port, Refused, Sender};
use crate::wires::Wires;

/// The place of an `A` in the tree.
pub struct Slot<A: Actor<Context = Context<A>>> {
    inbox: Arc<Inbox<A>>,
    wires: Wires,
}

impl<A: Actor<Context = Context<A>>> Clone for Slot<A> {
    fn clone(&self) -> Self {
        Self { inbox: Arc::clone(&self.inbox), wires: self.wires.clone() }
    }
}

impl<A: Actor<Context = Context<A>>> fmt::Debug for Slot<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("name", self.name()).field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

impl<A: Actor<Context = Context<A>>> Slot<A> {
    /// A place with a name and a mailbox of this many messages (at least one).
    pub fn new(name: impl AsRef<str>, capacity: usize, wires: &Wires) -> Self {
        Self { inbox: Arc::new(Inbox::new(Arc::from(name.as_ref()), capacity.max(1))), wires: wires.clone() }
    }

    /// The name, which is also the default id of the child.
    pub fn name(&self) -> &Arc<str> {
        self.inbox.name()
    }

    /// A link for one type of message.
    pub fn link<M>(&self) -> Link<M>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        Link::new(Arc::clone(&self.inbox) as Arc<dyn Port<M>>, &self.wires)
    }

    /// Messages that have been taken and whose handler has not begun.
    pub fn depth(&self) -> usize {
        self.inbox.depth()
    }

    /// The largest depth ever seen, over all restarts.
    pub fn high_water(&self) -> usize {
        self.inbox.high_water()
    }

    /// Whether an actor lives here that takes messages.
    pub fn is_running(&self) -> bool {
        self.inbox.is_open()
    }

    /// The largest depth allowed.
    pub fn capacity(&self) -> usize {
        self.inbox.capacity()
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox<A>> {
        &self.inbox
    }
}

/// A message with the place for its reply.
struct Post<M: Message> {
    message: M,
    reply: Option<Sender<M>>,
}

impl<A, M> Deliver<A> for Post<M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn deliver(self: Box<Self>, actor: &mut A, ctx: &mut Context<A>) {
        let Post { message, reply } = *self;
        if reply.as_ref().is_some_and(|reply| reply.is_closed()) {
            return;
        }
        ctx.doing(Place::Handler(type_name::<M>()));
        let response = <A as Handler<M>>::handle(actor, message, ctx);
        response.handle(ctx, reply);
        ctx.doing(Place::Future);
    }
}

impl<A, M> Port<M> for Inbox<A>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn name(&self) -> &str {
        Inbox::name(self)
    }

    fn push(&self, message: M, reply: Option<Sender<M>>) -> Result<(), Refused<M>> {
        Inbox::push(self, message, |message| Box::new(Post { message, reply })).map_err(|(reason, message)| Refused { reason, message })
    }

    fn reserve(self: Arc<Self>, message: M, reply: Option<Sender<M>>) -> Result<Arrival, Refused<M>> {
        match Inbox::reserve(&self) {
            Ok(ticket) => {
                let parcel: Parcel<A> = Box::new(Post { message, reply });
                Ok(Box::new(move || self.arrive(ticket, parcel)))
            }
            Err(reason) => Err(Refused { reason, message }),
        }
    }
}
