//! The local channel: the terminal and the page, clients of this house on this machine.
//!
//! ```text
//! (subscribed at a cursor) ──▶ catching up: reads what is in the store, page by page ──▶ live: each message as it is said
//!                                      ▲                                              │
//!                                      └───────────── a client that reads too slowly ─┘
//! ```
//!
//! | in | out | |
//! |---|---|---|
//! | [`Subscribe`] | `Result<Subscribed, ChannelError>` | a client wants a conversation from its cursor on |
//! | [`Unsubscribe`] | | it is gone |
//! | [`Tell`] | `Result<Accepted, SayError>` | a client says something |
//! | [`Halt`] | `bool` | a client stops the turn that runs; whether one ran |
//! | [`Seen`] | | a client has shown everything up to there |
//! | [`Hand`] | | the outbox has something to say |
//! | [`Preview`] | | a piece of streamed text; may be missed |
//!
//! Permanent. A client that comes again with its cursor gets each message after it once: the cursor is what makes this channel recognise
//! repetitions. A restart ends the clients' streams; they come back. Limits: `subscribers`, `replay`, and [`QUEUE`] events per client.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, ResponseActFuture, ResponseFuture, WrapFuture};
use hearth_domain::conversation::{Accepted, Say, SayError};
use hearth_domain::household::Member;
use hearth_domain::ids::{ConversationId, TurnId};
use hearth_domain::limits::Limits;
use hearth_domain::message::{Message as Said, Origin, Part};
use hearth_domain::store::{Store, StoreError};
use hearth_supervisor::context::Context;
use hearth_supervisor::link::Link;
use tokio::sync::mpsc;

use crate::channel::{Hand, LOCAL, Preview};
use crate::conversations::{Stop, Submit};
use crate::household::{Resolve, Stranger};
use crate::memory::within;
use crate::outbox::Confirm;

/// Events that wait for one client.
pub const QUEUE: usize = 256;

/// A client's id, given by the channel.
pub type ClientId = u64;

/// What a client gets.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message, once, in order.
    Message(Arc<Said>),
    /// A piece of an answer that is being written.
    Delta {
        /// The turn.
        turn: TurnId,
        /// The piece.
        text: Arc<str>,
    },
    /// The pieces so far are void.
    Reset {
        /// The turn.
        turn: TurnId,
    },
    /// All that was in the store has been handed over.
    CaughtUp,
}

/// A client wants a conversation.
#[derive(Debug, Message)]
#[rtype(result = "Result<Subscribed, ChannelError>")]
pub struct Subscribe {
    /// As whom; none for the owner.
    pub identity: Option<String>,
    /// The thread; empty for the main one.
    pub thread: String,
    /// Everything after this place; none for the newest few.
    pub cursor: Option<u64>,
    /// Where events go.
    pub events: mpsc::Sender<Event>,
}

/// What a subscribed client knows.
#[derive(Debug, Clone)]
pub struct Subscribed {
    /// The client.
    pub client: ClientId,
    /// Who it is.
    pub member: Member,
    /// The conversation.
    pub conversation: ConversationId,
}

/// Why there is no subscription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// Nobody of that name.
    #[error("{0}")]
    Stranger(Stranger),
    /// Too many clients.
    #[error("{0} clients are connected already; close one")]
    Full(usize),
    /// The house cannot serve just now.
    #[error("the house is busy or restarting; try again in a moment")]
    Unavailable,
}

/// The client is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Unsubscribe(pub ClientId);

/// A client says something.
#[derive(Debug, Message)]
#[rtype(result = "Result<Accepted, SayError>")]
pub struct Tell {
    /// As whom; none for the owner.
    pub identity: Option<String>,
    /// The thread.
    pub thread: String,
    /// The client's own id of the message: said again with the same one, it is accepted once.
    pub nonce: String,
    /// The text.
    pub text: String,
    /// Pictures.
    pub images: Vec<Part>,
}

/// A client stops the turn that runs.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Halt {
    /// As whom; none for the owner.
    pub identity: Option<String>,
    /// The thread.
    pub thread: String,
}

/// A client has shown everything up to there.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Seen {
    /// The client.
    pub client: ClientId,
    /// The place, inclusive.
    pub upto: u64,
}

/// The local channel.
pub struct LocalActor {
    store: Arc<dyn Store>,
    limits: Limits,
    resolve: Link<Resolve>,
    submit: Link<Submit>,
    stop: Link<Stop>,
    confirm: Link<Confirm>,
    clients: BTreeMap<ClientId, Client>,
    last_client: ClientId,
    /// Who waits for a page of the store, in order.
    pages: VecDeque<ClientId>,
    /// Whether a page is being read. One at a time: clients that come and go must not keep the store from its writes.
    reading: Reading,
}

/// What the channel reads of the store just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Nothing.
    Nothing,
    /// A page for one client.
    Page,
}

impl std::fmt::Debug for LocalActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalActor").field("clients", &self.clients.len()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Client {
    conversation: ConversationId,
    events: mpsc::Sender<Event>,
    /// The last message that it was handed; `None` while it waits for the newest page.
    cursor: Option<u64>,
    feed: Feed,
}

/// How a client gets messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feed {
    /// From the store; `missed` when something was said since the last page was asked for.
    CatchingUp { missed: bool },
    /// As they are said.
    Live,
}

impl LocalActor {
    /// A channel without clients.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        limits: Limits,
        resolve: Link<Resolve>,
        submit: Link<Submit>,
        stop: Link<Stop>,
        confirm: Link<Confirm>,
    ) -> Self {
        Self {
            store,
            limits,
            resolve,
            submit,
            stop,
            confirm,
            clients: BTreeMap::new(),
            last_client: 0,
            pages: VecDeque::new(),
            reading: Reading::Nothing,
        }
    }

    /// Asks for the next page for a client that catches up.
    fn read_page(&mut self, id: ClientId, ctx: &mut Context<Self>) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.feed = Feed::CatchingUp { missed: false };
            self.pages.push_back(id);
            self.read_next(ctx);
        }
    }

    /// Reads the page of whoever waits longest and is still there: after its cursor, or the newest for one that has none. A page that is
    /// not full is all there is; a full one leads on to what was said meanwhile.
    fn read_next(&mut self, ctx: &mut Context<Self>) {
        if self.reading == Reading::Page {
            return;
        }
        let here = |id: &ClientId| self.clients.get(id).filter(|client| !client.events.is_closed());
        let next = std::iter::from_fn(|| self.pages.pop_front()).find_map(|id| here(&id).map(|client| (id, client)));
        let Some((id, client)) = next else {
            return;
        };
        let limit = self.limits.replay;
        let page = match client.cursor {
            Some(cursor) => self.store.messages(client.conversation, cursor, limit),
            None => self.store.recent(client.conversation, limit),
        };
        self.reading = Reading::Page;
        ctx.spawn(within(self.limits.read_deadline, page).into_actor(self).map(move |page, this, ctx| {
            this.reading = Reading::Nothing;
            let sent = this.send_page(id, page, limit);
            ctx.spawn(sent);
            this.read_next(ctx);
        }));
    }

    /// Sends a page at the client's own speed, then goes on.
    fn send_page(&mut self, id: ClientId, page: Result<Vec<Said>, StoreError>, limit: usize) -> ResponseActFuture<Self, ()> {
        let events = self.clients.get(&id).map(|client| client.events.clone());
        let (Some(events), Ok(page)) = (events, page) else {
            // Without its stream the client comes again.
            self.clients.remove(&id);
            return Box::pin(actix::fut::ready(()));
        };
        let (full, last) = (page.len() >= limit, page.last().map(|message| message.seq));
        let sent = async move {
            for message in page {
                if events.send(Event::Message(Arc::new(message))).await.is_err() {
                    return false;
                }
            }
            true
        };
        Box::pin(sent.into_actor(self).map(move |alive, this, ctx| {
            let Some(client) = this.clients.get_mut(&id).filter(|_| alive) else {
                this.clients.remove(&id);
                return;
            };
            client.cursor = Some(client.cursor.max(last).unwrap_or(0));
            if full || client.feed == (Feed::CatchingUp { missed: true }) {
                this.read_page(id, ctx);
            } else {
                client.feed = Feed::Live;
                if let Err(mpsc::error::TrySendError::Full(word)) = client.events.try_send(Event::CaughtUp) {
                    // It waits for this word: at its own speed, then, though what is said meanwhile may come before it.
                    let events = client.events.clone();
                    ctx.spawn(async move { drop(events.send(word).await) }.into_actor(this));
                }
            }
        }))
    }

    /// Something was said.
    fn said(&mut self, message: &Arc<Said>, ctx: &mut Context<Self>) {
        let mut slow = Vec::new();
        self.clients.retain(|id, client| {
            if client.conversation != message.conversation || client.cursor >= Some(message.seq) {
                return true;
            }
            if let Feed::CatchingUp { .. } = client.feed {
                client.feed = Feed::CatchingUp { missed: true };
                return true;
            }
            match client.events.try_send(Event::Message(Arc::clone(message))) {
                Ok(()) => client.cursor = Some(message.seq),
                Err(mpsc::error::TrySendError::Full(_)) => slow.push(*id),
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
            }
            true
        });
        for id in slow {
            self.read_page(id, ctx);
        }
    }

    /// Something may have been missed: everybody there looks into the store.
    fn again(&mut self, conversation: ConversationId, ctx: &mut Context<Self>) {
        let mut live = Vec::new();
        for (id, client) in self.clients.iter_mut().filter(|(_, client)| client.conversation == conversation) {
            match &mut client.feed {
                Feed::CatchingUp { missed } => *missed = true,
                Feed::Live => live.push(*id),
            }
        }
        for id in live {
            self.read_page(id, ctx);
        }
    }
}

// === impl Actor ===

impl Actor for LocalActor {
    type Context = Context<Self>;
}

impl Handler<Subscribe> for LocalActor {
    type Result = ResponseActFuture<Self, Result<Subscribed, ChannelError>>;

    fn handle(&mut self, asked: Subscribe, _: &mut Context<Self>) -> Self::Result {
        // Those who left without a word.
        self.clients.retain(|_, client| !client.events.is_closed());
        if self.clients.len() >= self.limits.subscribers {
            return Box::pin(actix::fut::ready(Err(ChannelError::Full(self.clients.len()))));
        }
        let Subscribe { identity, thread, cursor, events } = asked;
        let resolved = self.resolve.ask(Resolve { identity, thread }, self.limits.ask_deadline);
        Box::pin(resolved.into_actor(self).map(move |resolved, this, ctx| {
            let resolved = resolved.map_err(|_| ChannelError::Unavailable)?.map_err(ChannelError::Stranger)?;
            this.last_client = this.last_client.saturating_add(1);
            let id = this.last_client;
            let conversation = resolved.place.conversation;
            this.clients.insert(id, Client { conversation, events, cursor, feed: Feed::CatchingUp { missed: false } });
            this.read_page(id, ctx);
            Ok(Subscribed { client: id, member: resolved.member, conversation })
        }))
    }
}

impl Handler<Unsubscribe> for LocalActor {
    type Result = ();

    fn handle(&mut self, Unsubscribe(id): Unsubscribe, _: &mut Context<Self>) {
        self.clients.remove(&id);
    }
}

impl Handler<Tell> for LocalActor {
    type Result = ResponseFuture<Result<Accepted, SayError>>;

    fn handle(&mut self, told: Tell, _: &mut Context<Self>) -> Self::Result {
        let limits = &self.limits;
        if told.text.len() > limits.message_bytes {
            let error = SayError::TooLong { bytes: told.text.len(), limit: limits.message_bytes };
            return Box::pin(async { Err(error) });
        }
        let resolved = self.resolve.ask(Resolve { identity: told.identity, thread: told.thread.clone() }, limits.ask_deadline);
        let (submit, deadline) = (self.submit.clone(), limits.commit_deadline);
        Box::pin(async move {
            let resolved = resolved.await.map_err(|_| SayError::Unavailable)?.map_err(|_| SayError::Unknown)?;
            let say = Say {
                origin: Origin { channel: LOCAL.to_owned(), external: format!("{}/{}", resolved.member.id, told.nonce) },
                member: resolved.member,
                place: resolved.place,
                readers: resolved.readers,
                thread: told.thread,
                text: told.text,
                images: told.images,
            };
            submit.ask(Submit(Box::new(say)), deadline).await.map_err(|_| SayError::Unavailable)?
        })
    }
}

impl Handler<Halt> for LocalActor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, halt: Halt, _: &mut Context<Self>) -> Self::Result {
        let (deadline, durable) = (self.limits.ask_deadline, self.limits.commit_deadline);
        let resolved = self.resolve.ask(Resolve { identity: halt.identity, thread: halt.thread }, deadline);
        let stop = self.stop.clone();
        Box::pin(async move {
            match resolved.await {
                // It is answered when the end is durable.
                Ok(Ok(resolved)) => stop.ask(Stop(resolved.place.conversation), durable).await.unwrap_or(false),
                Ok(Err(_)) | Err(_) => false,
            }
        })
    }
}

impl Handler<Seen> for LocalActor {
    type Result = ();

    fn handle(&mut self, seen: Seen, _: &mut Context<Self>) {
        if let Some(client) = self.clients.get(&seen.client) {
            // A confirmation that does not fit is made good by the next one.
            let upto = seen.upto.min(client.cursor.unwrap_or(0));
            drop(self.confirm.offer(Confirm { channel: LOCAL.to_owned(), conversation: client.conversation, upto }));
        }
    }
}

impl Handler<Hand> for LocalActor {
    type Result = ();

    fn handle(&mut self, hand: Hand, ctx: &mut Context<Self>) {
        match hand {
            Hand::Said(message) => self.said(&message, ctx),
            Hand::Again(conversation) => self.again(conversation, ctx),
        }
    }
}

impl Handler<Preview> for LocalActor {
    type Result = ();

    fn handle(&mut self, preview: Preview, _: &mut Context<Self>) {
        for client in self.clients.values().filter(|client| client.conversation == preview.conversation) {
            let event = match &preview.text {
                Some(text) => Event::Delta { turn: preview.turn, text: Arc::clone(text) },
                None => Event::Reset { turn: preview.turn },
            };
            // Only a preview: a client that reads too slowly gets the answer whole.
            drop(client.events.try_send(event));
        }
    }
}
