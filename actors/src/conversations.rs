//! The directory of conversations: wakes the one that a message belongs to, and lets few be awake at once.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Submit`] | `Result<Accepted, SayError>` | a resolved message for its conversation |
//! | [`Announce`] | [`Noticed`] | a reminder for its conversation |
//! | [`Stop`] | `bool` | ends the turn that runs in a conversation; whether one ran |
//!
//! Permanent. Conversations are transient children of the supervisor beside it, added when a message comes; at start, those with an open turn are woken, so
//! that what a crash interrupted goes on. A restart loses the list of who is awake; each is found again by its next message.
//! A message that meets a conversation just parked, or dying, is handed over again once: it carries its origin, by which it is accepted once.
//! Limits: `live_conversations`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, ResponseFuture, WrapFuture};
use hearth_domain::conversation::{Accepted, Noticed, Say, SayError};
use hearth_domain::ids::ConversationId;
use hearth_domain::store::StoreError;
use hearth_domain::time::Mono;
use hearth_supervisor::context::Context;
use hearth_supervisor::link::{AskError, Link};
use hearth_supervisor::slot::Slot;
use hearth_supervisor::spec::handle::{StartChildError, SupervisorHandle};
use hearth_supervisor::spec::{ChildSpec, Restart};
use tokio::sync::Mutex;

use crate::conversation::{Cease, ConversationActor, Hear, Note, Rest, Surroundings, Wakes};
use crate::memory::within;
use crate::scheduler::Announce;

/// Times that a conversation which is just ending is tried to be started.
const WAKE_ATTEMPTS: usize = 3;
/// Times that a conversation is asked to stop its turn, when it was read again before it could say that it had.
const STOP_ATTEMPTS: usize = 3;
/// Time until waking the unfinished is tried again, when they could not be read.
const WAKE_AGAIN: Duration = Duration::from_secs(1);
/// Time between two looks for a turn that is open and not at work: its conversation could not be woken, or ended on the way.
const LOOK: Duration = Duration::from_secs(30);

/// A resolved message for its conversation.
#[derive(Debug, Message)]
#[rtype(result = "Result<Accepted, SayError>")]
pub struct Submit(pub Box<Say>);

/// End the turn that runs in this conversation.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Stop(pub ConversationId);

/// The directory actor.
#[derive(Debug)]
pub struct ConversationsActor {
    around: Surroundings,
    handle: SupervisorHandle,
    awake: BTreeMap<ConversationId, Rc<Seat>>,
}

/// Where one conversation is reached.
#[derive(Debug)]
struct Seat {
    id: ConversationId,
    slot: Slot<ConversationActor>,
    hear: Link<Hear>,
    note: Link<Note>,
    cease: Link<Cease>,
    rest: Link<Rest>,
    used: Cell<Mono>,
    /// How often it was loaded since a turn last ended; see [`ConversationActor::load`].
    wakes: Wakes,
    /// Held while a message is handed over, so that messages keep their order while the conversation is being woken.
    door: Mutex<()>,
}

impl ConversationsActor {
    /// An empty directory whose children live beneath `handle`.
    #[must_use]
    pub fn new(around: Surroundings, handle: SupervisorHandle) -> Self {
        Self { around, handle, awake: BTreeMap::new() }
    }

    fn seat(&mut self, id: ConversationId) -> Rc<Seat> {
        let now = self.around.ports.clock.mono();
        let live = self.around.setting.limits.live_conversations;
        if !self.awake.contains_key(&id) && self.awake.len() >= live {
            self.make_room(live);
        }
        let around = &self.around;
        let seat = self.awake.entry(id).or_insert_with(|| {
            let slot = Slot::new(id.to_string(), around.setting.limits.mailbox, &around.ports.wires);
            let (hear, note, cease, rest) = (slot.link(), slot.link(), slot.link(), slot.link());
            Rc::new(Seat { id, slot, hear, note, cease, rest, used: Cell::new(now), wakes: Wakes::default(), door: Mutex::new(()) })
        });
        seat.used.set(now);
        Rc::clone(seat)
    }

    /// Forgets the seats of conversations that are parked; when that is not enough, asks those used longest ago to park.
    fn make_room(&mut self, live: usize) {
        self.awake.retain(|_, seat| seat.slot.is_running() || Rc::strong_count(seat) > 1);
        let mut unused: Vec<_> = self.awake.values().filter(|seat| Rc::strong_count(seat) == 1).collect();
        unused.sort_by_key(|seat| seat.used.get());
        for seat in unused.into_iter().take(self.awake.len().saturating_sub(live / 2)) {
            // One that is busy, or does not take the message, stays awake; the supervisor's own bound is the hard one.
            drop(seat.rest.offer(Rest));
        }
    }

    fn is_awake(&self, id: ConversationId) -> bool {
        self.awake.get(&id).is_some_and(|seat| seat.slot.is_running())
    }

    fn reach(&mut self, id: ConversationId) -> Reach {
        Reach { seat: self.seat(id), around: self.around.clone(), handle: self.handle.clone() }
    }

    /// Wakes the conversations that have an open turn and sleep: loading them resumes it. Looks again now and then.
    fn wake_unfinished(&mut self, ctx: &mut Context<Self>) {
        let read = within(self.around.setting.limits.read_deadline, self.around.ports.store.unfinished());
        ctx.spawn(read.into_actor(self).map(|found, this, ctx| match found {
            Ok(rows) => {
                for row in rows.into_iter().filter(|row| !this.is_awake(row.id)).collect::<Vec<_>>() {
                    let reach = this.reach(row.id);
                    let woken = async move {
                        let _door = reach.seat.door.lock().await;
                        reach.wake().await
                    };
                    ctx.spawn(woken.into_actor(this).map(|_, _, _| ()));
                }
                ctx.run_later(LOOK, Self::wake_unfinished);
            }
            Err(error) => {
                tracing::warn!(%error, "unfinished turns could not be read; trying again");
                ctx.run_later(WAKE_AGAIN, Self::wake_unfinished);
            }
        }));
    }
}

/// A way to one conversation that wakes it when it sleeps.
struct Reach {
    seat: Rc<Seat>,
    around: Surroundings,
    handle: SupervisorHandle,
}

impl Reach {
    /// Starts the conversation, unless it runs.
    async fn wake(&self) -> Result<(), StartChildError> {
        let id = self.seat.id;
        for _ in 0..WAKE_ATTEMPTS {
            if self.seat.slot.is_running() {
                return Ok(());
            }
            let (around, wakes) = (self.around.clone(), Arc::clone(&self.seat.wakes));
            let spec = conversation_spec(&self.seat.slot, id, around, wakes);
            match self.handle.start_child(spec).await {
                // It is ending just now, or waits to be restarted: end that first.
                Err(StartChildError::Duplicate) => drop(self.handle.stop_child(id.to_string()).await),
                result => return result,
            }
        }
        Err(StartChildError::Stopped)
    }

    /// Hands a message over with `ask`, and once more when it met a conversation that was asleep or dying.
    async fn ask<T, F: Future<Output = Result<T, AskError>>>(&self, ask: impl Fn(&Seat) -> F) -> Option<T> {
        let first = {
            let _door = self.seat.door.lock().await;
            if self.wake().await.is_ok() { Some(ask(&self.seat)) } else { None }
        };
        match first?.await {
            Ok(answer) => Some(answer),
            Err(AskError::Full | AskError::TimedOut) => None,
            Err(AskError::Down | AskError::Lost) => {
                let again = {
                    let _door = self.seat.door.lock().await;
                    self.wake().await.ok()?;
                    ask(&self.seat)
                };
                again.await.ok()
            }
        }
    }
}

fn conversation_spec(slot: &Slot<ConversationActor>, id: ConversationId, around: Surroundings, wakes: Wakes) -> ChildSpec {
    ChildSpec::worker(slot, move || ConversationActor::load(id, around.clone(), Arc::clone(&wakes))).restart(Restart::Transient)
}

// === impl Actor ===

impl Actor for ConversationsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.wake_unfinished(ctx);
    }
}

impl Handler<Submit> for ConversationsActor {
    type Result = ResponseFuture<Result<Accepted, SayError>>;

    fn handle(&mut self, Submit(say): Submit, _: &mut Context<Self>) -> Self::Result {
        let reach = self.reach(say.place.conversation);
        let deadline = self.around.setting.limits.commit_deadline;
        Box::pin(async move {
            let heard = reach.ask(|seat| seat.hear.ask(Hear(say.clone()), deadline)).await;
            heard.unwrap_or(Err(SayError::Unavailable))
        })
    }
}

impl Handler<Announce> for ConversationsActor {
    type Result = ResponseFuture<Noticed>;

    fn handle(&mut self, Announce(notice): Announce, _: &mut Context<Self>) -> Self::Result {
        let reach = self.reach(notice.reminder.conversation);
        let deadline = self.around.setting.limits.commit_deadline;
        Box::pin(async move {
            let noted = reach.ask(|seat| seat.note.ask(Note(notice.clone()), deadline)).await;
            noted.unwrap_or(Noticed::Failed(StoreError::Closed))
        })
    }
}

impl Handler<Stop> for ConversationsActor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, Stop(id): Stop, _: &mut Context<Self>) -> Self::Result {
        // Woken for it when it sleeps: it may have been brought down at work.
        let reach = self.reach(id);
        let deadline = self.around.setting.limits.commit_deadline;
        Box::pin(async move {
            for _ in 0..STOP_ATTEMPTS {
                // Read again meanwhile: its turn may have been resumed.
                if let Some(stopped) = reach.ask(|seat| seat.cease.ask(Cease, deadline)).await.flatten() {
                    return stopped;
                }
            }
            false
        })
    }
}
