//! How a link's messages come to the actor of a slot: packed with the place for their reply, handled in its context.

use std::any::type_name;
use std::sync::Arc;

use actix::dev::MessageResponse;
use actix::{Actor, Handler, Message};

use crate::context::Context;
use crate::exit::Place;
use crate::inbox::{Deliver, Inbox, Parcel};
use crate::link::{Arrival, Link, Port, Refused, Sender};
use crate::slot::Slot;

impl<A: Actor<Context = Context<A>>> Slot<A> {
    /// A link for one type of message.
    pub fn link<M>(&self) -> Link<M>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        Link::new(Arc::clone(self.inbox()) as Arc<dyn Port<M>>, self.wires())
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
