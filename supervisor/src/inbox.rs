//! A slot's mailbox: a bounded queue that outlives the actors which read it, one after the other.
//!
//! ```text
//! vacant ──claim──► claimed ──open──► open ──close──► claimed ──vacate──► vacant
//!                   (factory runs)    (messages are   (the actor is
//!                                      taken)          dropped)
//! ```
//!
//! One lock guards queue, counts, waker and command, so that the depth is exact and the bound is never passed.
//! `close` drops what is queued (an asker then sees `Lost`); the high-water mark stays.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use actix::Actor;

use crate::link::Refusal;

/// A message on its way to the handler of an `A`.
pub(crate) type Parcel<A> = Box<dyn Deliver<A> + Send>;

/// Something that can be handed to an actor.
pub(crate) trait Deliver<A: Actor> {
    fn deliver(self: Box<Self>, actor: &mut A, ctx: &mut A::Context);
}

/// What the supervisor wants of the actor in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Command {
    Run,
    Stop,
    Kill,
}

/// The view of a mailbox that does not know its actor.
pub(crate) trait Berth: Send + Sync {
    fn depth(&self) -> usize;
    fn high_water(&self) -> usize;
    fn capacity(&self) -> usize;
    fn command(&self, command: Command);
}

pub(crate) struct Inbox<A: Actor> {
    name: Arc<str>,
    capacity: usize,
    state: Mutex<State<A>>,
}

struct State<A: Actor> {
    queue: VecDeque<Parcel<A>>,
    in_transit: usize,
    high_water: usize,
    phase: Phase,
    life: u64,
    reader_waits: bool,
    waker: Option<Waker>,
    command: Command,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Vacant,
    Claimed,
    Open,
}

impl<A: Actor> Inbox<A> {
    pub(crate) fn new(name: Arc<str>, capacity: usize) -> Self {
        let state = State {
            queue: VecDeque::new(),
            in_transit: 0,
            high_water: 0,
            phase: Phase::Vacant,
            life: 0,
            reader_waits: false,
            waker: None,
            command: Command::Run,
        };
        Self { name, capacity, state: Mutex::new(state) }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn lock(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the slot for one incarnation; false when another one has it.
    pub(crate) fn claim(&self) -> bool {
        let mut state = self.lock();
        if state.phase != Phase::Vacant {
            return false;
        }
        state.phase = Phase::Claimed;
        state.life = state.life.wrapping_add(1);
        state.command = Command::Run;
        true
    }

    /// From now on messages are taken.
    pub(crate) fn open(&self) {
        self.lock().phase = Phase::Open;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    /// Takes no more messages and drops what is queued, outside the lock, because a message's drop may use this slot.
    pub(crate) fn close(&self) {
        let (queue, waker) = {
            let mut state = self.lock();
            state.phase = Phase::Claimed;
            state.in_transit = 0;
            state.reader_waits = false;
            (std::mem::take(&mut state.queue), state.waker.take())
        };
        drop(waker);
        for parcel in queue {
            if catch_unwind(AssertUnwindSafe(|| drop(parcel))).is_err() {
                tracing::error!(slot = %self.name, "a message panicked while it was dropped from a closed mailbox");
            }
        }
    }

    /// Frees the slot for the next incarnation.
    pub(crate) fn vacate(&self) {
        self.lock().phase = Phase::Vacant;
    }

    /// Remembers whom to wake and says what the supervisor wants.
    pub(crate) fn attend(&self, waker: &Waker) -> Command {
        let mut state = self.lock();
        let known = state.waker.as_ref().is_some_and(|known| known.will_wake(waker));
        let replaced = if known { None } else { state.waker.replace(waker.clone()) };
        let command = state.command;
        drop(state);
        drop(replaced);
        command
    }

    /// The next message. On `None` the reader is woken by the next arrival.
    pub(crate) fn pop(&self) -> Option<Parcel<A>> {
        let mut state = self.lock();
        let parcel = state.queue.pop_front();
        state.reader_waits = parcel.is_none();
        parcel
    }

    /// Queues a message, or gives it back.
    pub(crate) fn push<M>(&self, message: M, pack: impl FnOnce(M) -> Parcel<A>) -> Result<(), (Refusal, M)> {
        let mut state = self.lock();
        if let Err(refusal) = self.admits(&state) {
            return Err((refusal, message));
        }
        state.queue.push_back(pack(message));
        state.note_depth();
        state.wake_reader();
        Ok(())
    }

    /// Takes a seat for a message that arrives later; the ticket is for [`Inbox::arrive`].
    pub(crate) fn reserve(&self) -> Result<u64, Refusal> {
        let mut state = self.lock();
        self.admits(&state)?;
        state.in_transit = state.in_transit.saturating_add(1);
        state.note_depth();
        Ok(state.life)
    }

    /// Queues a message that has a seat. It is dropped when the incarnation it was sent to has ended.
    pub(crate) fn arrive(&self, ticket: u64, parcel: Parcel<A>) {
        let late = {
            let mut state = self.lock();
            if state.phase == Phase::Open && state.life == ticket {
                state.in_transit = state.in_transit.saturating_sub(1);
                state.queue.push_back(parcel);
                state.wake_reader();
                None
            } else {
                Some(parcel)
            }
        };
        drop(late);
    }

    fn admits(&self, state: &State<A>) -> Result<(), Refusal> {
        if state.phase != Phase::Open {
            return Err(Refusal::Down);
        }
        if state.depth() >= self.capacity {
            return Err(Refusal::Full);
        }
        Ok(())
    }
}

impl<A: Actor> State<A> {
    fn depth(&self) -> usize {
        self.queue.len().saturating_add(self.in_transit)
    }

    fn note_depth(&mut self) {
        self.high_water = self.high_water.max(self.depth());
    }

    fn wake_reader(&mut self) {
        if self.reader_waits {
            self.reader_waits = false;
            if let Some(waker) = &self.waker {
                waker.wake_by_ref();
            }
        }
    }
}

impl<A: Actor> Berth for Inbox<A> {
    fn depth(&self) -> usize {
        self.lock().depth()
    }

    fn high_water(&self) -> usize {
        self.lock().high_water
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn command(&self, command: Command) {
        let mut state = self.lock();
        if state.phase != Phase::Vacant && command > state.command {
            state.command = command;
            if let Some(waker) = &state.waker {
                waker.wake_by_ref();
            }
        }
    }
}
