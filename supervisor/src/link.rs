//! The only way to reach an actor: a typed, bounded, restart-proof end of a wire.
//!
//! ```text
//! offer(msg) ──► Ok: queued          ──► handled | lost with the receiver's restart
//!            └─► Err(Refused{Full|Down, msg}): given back
//! ask(msg)   ──► reply | Full | Down | TimedOut (it may still be handled) | Lost (receiver died or dropped the reply)
//! ```
//!
//! A link holds no actor. Messages on one link are handled in the order they were offered; a restart loses the queue.

use std::any::type_name;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::wires::{Interceptor, Manner, Passage, Verdict, Wires};

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The mailbox is at its capacity.
    #[error("the mailbox is full")]
    Full,
    /// No actor is running behind the link.
    #[error("nothing is running there")]
    Down,
}

/// A message that was not taken, given back.
#[derive(thiserror::Error)]
#[error("{reason}")]
pub struct Refused<M> {
    /// Why.
    pub reason: Refusal,
    /// The message.
    pub message: M,
}

impl<M> fmt::Debug for Refused<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Why an ask has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The mailbox is at its capacity; the message was not taken.
    #[error("the mailbox is full")]
    Full,
    /// No actor is running behind the link; the message was not taken.
    #[error("nothing is running there")]
    Down,
    /// No answer by the deadline. The message may have been handled, or may still be.
    #[error("no answer by the deadline")]
    TimedOut,
    /// The receiver died, was restarted or dropped the reply. The message may have been handled.
    #[error("the receiver was lost before it answered")]
    Lost,
}

impl From<Refusal> for AskError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::Full,
            Refusal::Down => Self::Down,
        }
    }
}

/// Delivers a message that has already been taken.
pub(crate) type Arrival = Box<dyn FnOnce() + Send>;

/// The sending half of an ask.
pub(crate) type Sender<M> = oneshot::Sender<<M as Message>::Result>;

/// What is behind a link.
pub(crate) trait Port<M: Message>: Send + Sync {
    fn name(&self) -> &str;
    fn push(&self, message: M, reply: Option<Sender<M>>) -> Result<(), Refused<M>>;
    /// Takes a seat now; the arrival fills it.
    fn reserve(self: Arc<Self>, message: M, reply: Option<Sender<M>>) -> Result<Arrival, Refused<M>>;
}

/// A typed end of a wire to whatever is running at its other end.
pub struct Link<M: Message> {
    port: Arc<dyn Port<M>>,
    tap: Option<Arc<Tap>>,
}

impl<M: Message> Clone for Link<M> {
    fn clone(&self) -> Self {
        Self { port: Arc::clone(&self.port), tap: self.tap.clone() }
    }
}

impl<M: Message> fmt::Debug for Link<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("to", &self.port.name()).field("message", &type_name::<M>()).finish()
    }
}

impl<M> Link<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    pub(crate) fn new(port: Arc<dyn Port<M>>, wires: &Wires) -> Self {
        Self { port, tap: wires.interceptor().map(|interceptor| Arc::new(Tap::new(Arc::clone(interceptor)))) }
    }

    /// A link without an actor: the closure takes each message together with the place for its reply.
    pub fn from_fn<F>(name: &str, take: F) -> Self
    where
        F: Fn(M, Reply<M>) -> Result<(), Refused<M>> + Send + Sync + 'static,
    {
        Self { port: Arc::new(FnPort { name: Arc::from(name), take }), tap: None }
    }

    /// A link into a bounded channel; asks are answered through [`Letter::reply`].
    pub fn channel(name: &str, capacity: usize) -> (Self, mpsc::Receiver<Letter<M>>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        let link = Self::from_fn(name, move |message, reply| {
            sender.try_send(Letter { message, reply }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(letter) => Refused { reason: Refusal::Full, message: letter.message },
                mpsc::error::TrySendError::Closed(letter) => Refused { reason: Refusal::Down, message: letter.message },
            })
        });
        (link, receiver)
    }

    /// The same link with the faults of these wires; for links that were not made from a slot.
    pub fn over(&self, wires: &Wires) -> Self {
        Self::new(Arc::clone(&self.port), wires)
    }

    /// The name of the slot at the other end.
    pub fn name(&self) -> &str {
        self.port.name()
    }

    /// Hands the message over, or gives it back at once.
    pub fn offer(&self, message: M) -> Result<(), Refused<M>> {
        match &self.tap {
            None => self.port.push(message, None),
            Some(tap) => tap.send(&self.port, message, None, Manner::Offer).map(|_| ()),
        }
    }

    /// Hands the message over now and waits for the reply, at most until the deadline, which runs from this call.
    ///
    /// Dropping the future gives up the reply; a message whose asker is gone before its handler begins is skipped.
    pub fn ask(&self, message: M, deadline: Duration) -> impl Future<Output = Result<M::Result, AskError>> + Send + 'static + use<M> {
        let until = Instant::now().checked_add(deadline);
        let (sender, receiver) = oneshot::channel();
        let sent = match &self.tap {
            None => self.port.push(message, Some(sender)).map(|()| Fate::Normal),
            Some(tap) => tap.send(&self.port, message, Some(sender), Manner::Ask),
        };
        let sent = sent.map_err(|refused| refused.reason);
        async move {
            match sent? {
                Fate::Normal => answer(receiver, until).await,
                Fate::ReplyLost => {
                    match until {
                        Some(until) => tokio::time::sleep_until(until).await,
                        None => std::future::pending().await,
                    }
                    drop(receiver);
                    Err(AskError::TimedOut)
                }
            }
        }
    }
}

async fn answer<R>(receiver: oneshot::Receiver<R>, until: Option<Instant>) -> Result<R, AskError> {
    let reply = match until {
        Some(until) => tokio::time::timeout_at(until, receiver).await.map_err(|_| AskError::TimedOut)?,
        None => receiver.await,
    };
    reply.map_err(|_| AskError::Lost)
}

/// Where the reply to one message goes; nowhere for an offer.
pub struct Reply<M: Message>(Option<Sender<M>>);

impl<M: Message> Reply<M> {
    /// Answers. Does nothing when nobody asked, or nobody waits any more.
    pub fn send(self, result: M::Result) {
        if let Some(sender) = self.0 {
            let _ = sender.send(result);
        }
    }

    /// True when somebody waits for the answer.
    pub fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|sender| !sender.is_closed())
    }
}

impl<M: Message> fmt::Debug for Reply<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("asked", &self.0.is_some()).finish()
    }
}

/// A message in the channel of [`Link::channel`].
pub struct Letter<M: Message> {
    /// The message.
    pub message: M,
    /// The place for its reply.
    pub reply: Reply<M>,
}

impl<M: Message> fmt::Debug for Letter<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("reply", &self.reply).finish_non_exhaustive()
    }
}

struct FnPort<F> {
    name: Arc<str>,
    take: F,
}

impl<M, F> Port<M> for FnPort<F>
where
    M: Message + Send + 'static,
    M::Result: Send,
    F: Fn(M, Reply<M>) -> Result<(), Refused<M>> + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn push(&self, message: M, reply: Option<Sender<M>>) -> Result<(), Refused<M>> {
        (self.take)(message, Reply(reply))
    }

    fn reserve(self: Arc<Self>, message: M, reply: Option<Sender<M>>) -> Result<Arrival, Refused<M>> {
        Ok(Box::new(move || drop((self.take)(message, Reply(reply)))))
    }
}

// === faults ===

enum Fate {
    Normal,
    ReplyLost,
}

/// The interceptor's end of one link, with what is on its way on it.
struct Tap {
    interceptor: Arc<dyn Interceptor>,
    transit: Arc<Mutex<VecDeque<(Instant, Arrival)>>>,
}

impl Tap {
    fn new(interceptor: Arc<dyn Interceptor>) -> Self {
        Self { interceptor, transit: Arc::default() }
    }

    fn send<M>(&self, port: &Arc<dyn Port<M>>, message: M, reply: Option<Sender<M>>, manner: Manner) -> Result<Fate, Refused<M>>
    where
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let passage = Passage { to: port.name(), message: type_name::<M>(), manner };
        let verdict = self.interceptor.judge(&passage);
        let delay = match verdict {
            Verdict::Refuse => {
                return Err(Refused { reason: Refusal::Full, message });
            }
            Verdict::Delay(delay) => delay,
            Verdict::Pass | Verdict::LoseReply => Duration::ZERO,
        };
        let fate = if verdict == Verdict::LoseReply { Fate::ReplyLost } else { Fate::Normal };
        let runtime = tokio::runtime::Handle::try_current().ok();
        let behind = self.last_due();
        match runtime {
            Some(runtime) if behind.is_some() || !delay.is_zero() => {
                let arrival = Arc::clone(port).reserve(message, reply)?;
                let now = Instant::now();
                let due = now.checked_add(delay).unwrap_or(now).max(behind.unwrap_or(now));
                self.enqueue(&runtime, due, arrival);
            }
            Some(_) | None => port.push(message, reply)?,
        }
        Ok(fate)
    }

    fn last_due(&self) -> Option<Instant> {
        self.transit.lock().unwrap_or_else(PoisonError::into_inner).back().map(|(due, _)| *due)
    }

    /// One task per link carries what is delayed, in order; it ends when nothing is left.
    fn enqueue(&self, runtime: &tokio::runtime::Handle, due: Instant, arrival: Arrival) {
        let mut transit = self.transit.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = transit.is_empty();
        transit.push_back((due, arrival));
        drop(transit);
        if idle {
            runtime.spawn(carry(Arc::clone(&self.transit)));
        }
    }
}

async fn carry(transit: Arc<Mutex<VecDeque<(Instant, Arrival)>>>) {
    let first_due = || transit.lock().unwrap_or_else(PoisonError::into_inner).front().map(|(due, _)| *due);
    while let Some(due) = first_due() {
        tokio::time::sleep_until(due).await;
        // The entry leaves the queue only after it has arrived, so that a later message cannot slip past it.
        let arrival = {
            let mut transit = transit.lock().unwrap_or_else(PoisonError::into_inner);
            transit.front_mut().map(|(_, arrival)| std::mem::replace(arrival, Box::new(|| ())))
        };
        if let Some(arrival) = arrival {
            arrival();
        }
        drop(transit.lock().unwrap_or_else(PoisonError::into_inner).pop_front());
    }
}
