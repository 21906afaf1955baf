//! A channel: one of the ways to other people's platforms, whichever it is.
//!
//! ```text
//!            Came                      Ready                      unsettled, Said
//! (away) ────────────▶ greeting ───────────────▶ ready ──────────────────────────────▶ post ─▶ settled
//!    ▲  every room is in doubt   who is where      │                                        └─▶ again, later
//!    └──────────────────────── Gone ───────────────┘
//! ```
//!
//! | in | out | |
//! |---|---|---|
//! | [`Hand`] | | the outbox has something to say |
//!
//! The transport is asked for one thing after the other; the next is asked for when what it told is dealt with, so that a message never
//! overtakes the word that somebody came. What is to be said waits in the store while nobody is there to say it.
//!
//! Permanent. A restart has the transport begin anew, with all that it has not been told was taken. Invariants: I-5 once more, against who is
//! there when it is said; I-9: a sender who is nobody gets a code, once, and nothing else. Limits: [`WAITING_MAX`] deliveries in mind,
//! [`SENDING_MAX`] on their way, [`MESSAGES_PER_WINDOW`] messages of one account.

mod incoming;
mod outgoing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, WrapFuture};
use hearth_domain::channel::{Attendance, Heard, Incoming, Posted, Receipt, Transport};
use hearth_domain::delivery::{Delivery, DeliveryState};
use hearth_domain::household::MemberId;
use hearth_domain::household::audience::{Group, Presence, Seen};
use hearth_domain::household::identity::Identity;
use hearth_domain::ids::{AnswerId, ConversationId};
use hearth_domain::limits::Limits;
use hearth_domain::message::Message as Said;
use hearth_domain::store::Store;
use hearth_domain::time::{Clock, Mono};
use hearth_supervisor::context::Context;
use hearth_supervisor::link::Link;

use crate::channel::Hand;
use crate::conversations::Submit;
use crate::household::rooms::{Attend, Doubt, Gather, Locate};
use crate::household::{Arrive, Change};
use crate::memory::within;
use crate::outbox::Settle;
use crate::ports::Ports;
use incoming::{By, Fate, Taken};
use outgoing::{Unsettled, say, unsettled};

/// Deliveries that are in mind at once; more are read again from the store.
pub const WAITING_MAX: usize = 256;
/// Conversations into which something is being said at once.
pub const SENDING_MAX: usize = 16;
/// Deliveries by which one that was said already is known.
const DONE_MAX: usize = 4_096;
/// Messages of one account within the window.
pub const MESSAGES_PER_WINDOW: u32 = 60;
/// The period for that.
const WINDOW: Duration = Duration::from_secs(60);
/// Accounts whose messages are counted at once.
const SENDERS_MAX: usize = 4_096;
/// First wait before something is said again that was not taken; doubles with each attempt.
const POST_AGAIN: Duration = Duration::from_secs(2);
/// Time until the same thing is tried again inside the house.
const AGAIN: Duration = Duration::from_secs(1);

/// The links of a channel.
#[derive(Debug, Clone)]
pub struct Links {
    /// To the household.
    pub arrive: Link<Arrive>,
    /// To the household.
    pub gather: Link<Gather>,
    /// To the household.
    pub attend: Link<Attend>,
    /// To the household.
    pub doubt: Link<Doubt>,
    /// To the household.
    pub locate: Link<Locate>,
    /// To the household.
    pub change: Link<Change>,
    /// To the conversations.
    pub submit: Link<Submit>,
    /// To the outbox.
    pub settle: Link<Settle>,
}

/// What every piece of work needs.
#[derive(Debug, Clone)]
struct Around {
    transport: Arc<dyn Transport>,
    links: Links,
    limits: Limits,
}

/// Whether somebody is there who says things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nobody.
    Away,
    /// Somebody who has not yet said who is where.
    Greeting,
    /// Somebody.
    Ready,
}

/// Whether the store is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It is not.
    Not,
    /// It is.
    Once,
    /// It is, and has to be again.
    Twice,
}

/// How often an account has written.
#[derive(Debug, Clone, Copy)]
struct Pace {
    since: Mono,
    count: u32,
    /// Whether nobody knew them when they wrote last.
    stranger: bool,
}

/// What is to be said.
struct Waiting {
    said: Arc<Said>,
    attempts: u32,
    /// Its row, when it was found in the store.
    found: Option<Delivery>,
}

/// A channel.
pub struct BridgeActor {
    around: Around,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    phase: Phase,
    /// What is to be said, in order.
    waiting: BTreeMap<(ConversationId, u64), Waiting>,
    /// Whether the store has more of it than is in mind.
    more: bool,
    /// Where something is being said, or is not tried for a while.
    sending: BTreeSet<ConversationId>,
    reading: Reading,
    /// What was said in this life, and how that ended; the store may not know it yet.
    done: BTreeMap<AnswerId, DeliveryState>,
    done_order: VecDeque<AnswerId>,
    /// Words for the outbox that did not fit.
    settling: VecDeque<Settle>,
    /// By which of their accounts members wrote last.
    last: BTreeMap<MemberId, String>,
    paces: BTreeMap<String, Pace>,
}

impl std::fmt::Debug for BridgeActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BridgeActor").field("channel", &self.around.transport.name()).field("phase", &self.phase).finish_non_exhaustive()
    }
}

/// What a channel says of a room, by the ids of accounts.
fn presence(channel: &str, event: Attendance) -> Presence {
    let id = |account: &str| Identity::id_of(channel, account);
    match event {
        Attendance::Joined(account) => Presence::Joined(id(&account)),
        Attendance::Left(account) => Presence::Left(id(&account)),
        Attendance::Snapshot { accounts, complete } => {
            Presence::Snapshot(accounts.iter().map(|account| id(account)).collect(), if complete { Seen::Everybody } else { Seen::Some })
        }
        Attendance::Missed => Presence::Missed,
        Attendance::Closed => Presence::Closed,
    }
}

impl BridgeActor {
    /// A channel whose other side is not there.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, ports: &Ports, links: Links, limits: Limits) -> Self {
        Self {
            around: Around { transport, links, limits },
            store: Arc::clone(&ports.store),
            clock: Arc::clone(&ports.clock),
            phase: Phase::Away,
            waiting: BTreeMap::new(),
            more: false,
            sending: BTreeSet::new(),
            reading: Reading::Not,
            done: BTreeMap::new(),
            done_order: VecDeque::new(),
            settling: VecDeque::new(),
            last: BTreeMap::new(),
            paces: BTreeMap::new(),
        }
    }

    // === what is told ===

    /// Waits for the next thing.
    fn listen(&self, ctx: &mut Context<Self>) {
        let next = self.around.transport.next();
        ctx.spawn(next.into_actor(self).map(|heard, this, ctx| this.hear(heard, ctx)));
    }

    fn hear(&mut self, heard: Heard, ctx: &mut Context<Self>) {
        let (links, channel) = (&self.around.links, self.around.transport.name().to_owned());
        let deadline = self.around.limits.commit_deadline;
        match heard {
            Heard::Came { at } => {
                // Of whoever was there before, the end may have been passed over.
                self.waiting.clear();
                self.more = false;
                self.phase = Phase::Greeting;
                let doubted = links.doubt.ask(Doubt { channel, at }, deadline);
                ctx.spawn(doubted.into_actor(self).map(|doubted, this, ctx| this.noted(matches!(doubted, Ok(Ok(()))), ctx)));
            }
            Heard::Presence { room, event, at } if Group::is_room(&room) => {
                let event = presence(&channel, event);
                let attended = links.attend.ask(Attend { channel, room, event, at }, deadline);
                ctx.spawn(attended.into_actor(self).map(|attended, this, ctx| this.noted(matches!(attended, Ok(Ok(()))), ctx)));
            }
            Heard::Presence { .. } => {
                tracing::warn!(channel, "a room has an id that is none; what happens there is not heard");
                self.listen(ctx);
            }
            Heard::Ready => {
                self.phase = Phase::Ready;
                self.read(ctx);
                self.listen(ctx);
            }
            Heard::Gone => {
                self.away();
                self.listen(ctx);
            }
            Heard::Message(message) => self.take(message, ctx),
        }
    }

    /// Who is where was written down, or not: then it is told anew from the beginning.
    fn noted(&mut self, is_written: bool, ctx: &mut Context<Self>) {
        if is_written {
            return self.listen(ctx);
        }
        tracing::warn!(channel = self.around.transport.name(), "who is in its rooms could not be written; it begins anew");
        self.away();
        ctx.run_later(AGAIN, |this, ctx| {
            this.around.transport.begin();
            this.listen(ctx);
        });
    }

    /// Nobody is there: what waits is in the store.
    fn away(&mut self) {
        self.phase = Phase::Away;
        self.waiting.clear();
        self.more = false;
    }

    fn take(&mut self, message: Incoming, ctx: &mut Context<Self>) {
        let (id, from) = (message.id.clone(), message.from.clone());
        if !self.has_room(&from) {
            let is_stranger = self.paces.get(&from).is_some_and(|pace| pace.stranger);
            // Somebody whom nobody knows is not even told that. Of an account that is not known to be one no message is lost.
            let receipt = if is_stranger { Receipt::Taken } else { Receipt::Again("too many messages at once; wait a minute".to_owned()) };
            self.around.transport.receipt(&id, receipt);
            return self.listen(ctx);
        }
        let work = incoming::take(self.around.clone(), message);
        ctx.spawn(work.into_actor(self).map(move |Taken { fate, by }, this, ctx| {
            if let (By::Member(..) | By::Stranger, Some(pace)) = (&by, this.paces.get_mut(&from)) {
                pace.stranger = by == By::Stranger;
            }
            if let By::Member(member, account) = by {
                this.last.insert(member, account);
            }
            match fate {
                Fate::Taken => this.around.transport.receipt(&id, Receipt::Taken),
                Fate::Again(why) => this.around.transport.receipt(&id, Receipt::Again(why)),
                Fate::Unwritten => return this.noted(false, ctx),
            }
            this.listen(ctx);
        }));
    }

    /// Counts a message of an account; whether it may write one more now.
    fn has_room(&mut self, account: &str) -> bool {
        let now = self.clock.mono();
        if self.paces.len() >= SENDERS_MAX && !self.paces.contains_key(account) {
            self.paces.retain(|_, pace| now.since(pace.since) < WINDOW);
            if self.paces.len() >= SENDERS_MAX {
                return false;
            }
        }
        let pace = self.paces.entry(account.to_owned()).or_insert(Pace { since: now, count: 0, stranger: false });
        if now.since(pace.since) >= WINDOW {
            *pace = Pace { since: now, count: 0, ..*pace };
        }
        pace.count = pace.count.saturating_add(1);
        pace.count <= MESSAGES_PER_WINDOW
    }

    // === what is said ===

    /// Reads what the store has to be said here.
    fn read(&mut self, ctx: &mut Context<Self>) {
        match (self.phase, self.reading) {
            (Phase::Away | Phase::Greeting, _) => return,
            (Phase::Ready, Reading::Once | Reading::Twice) => {
                self.reading = Reading::Twice;
                return;
            }
            (Phase::Ready, Reading::Not) => self.reading = Reading::Once,
        }
        self.more = false;
        let known = (self.waiting.values().filter_map(|one| one.said.answer).collect(), self.done.keys().copied().collect());
        let (store, channel, room) = (Arc::clone(&self.store), self.around.transport.name().to_owned(), self.room());
        let read = within(self.around.limits.read_deadline, unsettled(store, channel, known, room));
        ctx.spawn(read.into_actor(self).map(|read, this, ctx| {
            let twice = std::mem::replace(&mut this.reading, Reading::Not) == Reading::Twice;
            match read {
                Ok(Unsettled { new, more, done }) => {
                    this.more |= more;
                    done.into_iter().for_each(|row| this.settle_again(row, ctx));
                    new.into_iter().for_each(|(said, row)| this.wait(Arc::new(said), Some(row)));
                    this.pump(ctx);
                    if twice {
                        this.read(ctx);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "what is to be said could not be read; trying again");
                    ctx.run_later(AGAIN, Self::read);
                }
            }
        }));
    }

    /// How many more deliveries fit.
    fn room(&self) -> usize {
        WAITING_MAX.saturating_sub(self.waiting.len())
    }

    fn wait(&mut self, said: Arc<Said>, found: Option<Delivery>) {
        if self.phase != Phase::Ready || said.answer.is_some_and(|answer| self.done.contains_key(&answer)) {
            return;
        }
        if self.room() == 0 {
            self.more = true;
            return;
        }
        self.waiting.entry((said.conversation, said.seq)).or_insert(Waiting { said, attempts: 0, found });
    }

    /// Says the first thing of each conversation in which nothing is being said.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if self.phase != Phase::Ready {
            return;
        }
        let mut next: BTreeMap<ConversationId, Arc<Said>> = BTreeMap::new();
        for ((conversation, _), Waiting { said, .. }) in
            self.waiting.iter().filter(|((conversation, _), _)| !self.sending.contains(conversation))
        {
            if !next.contains_key(conversation) && next.len().saturating_add(self.sending.len()) < SENDING_MAX {
                next.insert(*conversation, Arc::clone(said));
            }
        }
        for (conversation, said) in next {
            self.sending.insert(conversation);
            let work = say(self.around.clone(), Arc::clone(&said), self.last.clone());
            ctx.spawn(work.into_actor(self).map(move |posted, this, ctx| this.said(&said, posted, ctx)));
        }
        if self.waiting.is_empty() && self.more {
            self.read(ctx);
        }
    }

    fn said(&mut self, said: &Said, posted: Option<Posted>, ctx: &mut Context<Self>) {
        let place = (said.conversation, said.seq);
        let most = self.around.limits.delivery_attempts;
        let attempts = self.waiting.get_mut(&place).map_or(0, |one| {
            one.attempts = one.attempts.saturating_add(u32::from(posted.is_some()));
            one.attempts
        });
        let end = match posted {
            Some(Posted::Sent) => DeliveryState::Delivered,
            Some(Posted::Refused) => DeliveryState::Failed,
            Some(Posted::Unknown) => DeliveryState::Unknown,
            Some(Posted::NotNow) if attempts >= most => DeliveryState::Failed,
            Some(Posted::NotNow) => return self.try_again(said.conversation, POST_AGAIN.saturating_mul(1 << attempts.min(8)), ctx),
            Some(Posted::Away) | None => return self.try_again(said.conversation, AGAIN, ctx),
        };
        self.sending.remove(&said.conversation);
        let found = self.waiting.remove(&place).and_then(|one| one.found);
        if let Some(answer) = said.answer.filter(|answer| self.done.insert(*answer, end).is_none()) {
            self.done_order.push_back(answer);
            if self.done_order.len() > DONE_MAX
                && let Some(oldest) = self.done_order.pop_front()
            {
                self.done.remove(&oldest);
            }
        }
        self.settle(place, (end, found), ctx);
        self.pump(ctx);
    }

    fn settle(&mut self, place: (ConversationId, u64), (state, found): (DeliveryState, Option<Delivery>), ctx: &mut Context<Self>) {
        let (conversation, seq) = place;
        self.settling.push_back(Settle { channel: self.around.transport.name().to_owned(), conversation, seq, state, found });
        if self.settling.len() == 1 {
            self.settle_first(ctx);
        }
    }

    /// An outbox that died has forgotten what it was told; one that is about to write it pays no attention.
    fn settle_again(&mut self, row: Delivery, ctx: &mut Context<Self>) {
        if let Some(state) = self.done.get(&row.answer).copied() {
            self.settle((row.conversation, row.seq), (state, Some(row)), ctx);
        }
    }

    fn try_again(&mut self, conversation: ConversationId, after: Duration, ctx: &mut Context<Self>) {
        ctx.run_later(after, move |this, ctx| {
            this.sending.remove(&conversation);
            this.pump(ctx);
        });
    }

    /// Tells the outbox what has come to an end, until its mailbox is full.
    fn settle_first(&mut self, ctx: &mut Context<Self>) {
        while let Some(word) = self.settling.pop_front() {
            if let Err(refused) = self.around.links.settle.offer(word) {
                self.settling.push_front(refused.message);
                ctx.run_later(AGAIN, Self::settle_first);
                return;
            }
        }
    }
}

// === impl Actor ===

impl Actor for BridgeActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.around.transport.begin();
        self.listen(ctx);
    }
}

impl Handler<Hand> for BridgeActor {
    type Result = ();

    fn handle(&mut self, hand: Hand, ctx: &mut Context<Self>) {
        match hand {
            Hand::Said(said) => {
                self.wait(said, None);
                self.pump(ctx);
            }
            Hand::Again(_) => self.read(ctx),
        }
    }
}
