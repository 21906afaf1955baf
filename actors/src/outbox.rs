//! The outbox actor: one logical delivery for each thing the house says.
//!
//! ```text
//! see hearth_domain::delivery for the states; the rule for a step is Delivery::next there
//! ```
//!
//! | in | out | |
//! |---|---|---|
//! | [`Deliver`] | | a conversation has said something, durably |
//! | [`Confirm`] | | a channel's client has everything up to here |
//! | [`Settle`] | | what became of one delivery at a channel |
//!
//! Permanent; deliveries are in the store and read at start. What a conversation said without knowing that it was saved is not told here: a
//! channel that finds it in the store says it, and says with its end what it found. A restart loses sends under way: a channel that recognises repetitions
//! gets them again, for any other they become `unknown` (I-10). Limits: `delivery_attempts`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, WrapFuture};
use hearth_domain::delivery::{Delivery, DeliveryState};
use hearth_domain::ids::ConversationId;
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::limits::Limits;
use hearth_domain::message::Message as Said;
use hearth_domain::store::{Commit, Store, Write};
use hearth_domain::time::{Clock, Timestamp};
use hearth_supervisor::context::Context;
use hearth_supervisor::exit::StartError;
use hearth_supervisor::link::Link;

use crate::channel::{Hand, LOCAL};
use crate::memory::within;
use crate::store::Save;

/// Time until a channel whose mailbox was full is handed the same thing again.
const HAND_AGAIN: Duration = Duration::from_millis(50);
/// How long confirmations are gathered before the store is told. A crash before that makes the channel be handed again what it
/// recognises.
const SETTLE_AFTER: Duration = Duration::from_millis(200);
/// The same after a commit that failed.
const SETTLE_AGAIN: Duration = Duration::from_secs(5);
/// Deliveries that are confirmed in one commit, unless one conversation alone has more.
const SETTLE_AT_ONCE: usize = 256;

/// Say this; it is durable.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum Deliver {
    /// Something new.
    Said {
        /// Its row.
        delivery: Delivery,
        /// What to say.
        message: Box<Said>,
    },
    /// A conversation has begun anew: what it said before may not have reached its channels.
    Again(ConversationId),
}

/// A client of the conversation has seen everything up to this place that its channel was to say.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Confirm {
    /// The channel.
    pub channel: String,
    /// The conversation.
    pub conversation: ConversationId,
    /// The place, inclusive.
    pub upto: u64,
}

/// One delivery has come to its end at a channel.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Settle {
    /// The channel.
    pub channel: String,
    /// The conversation.
    pub conversation: ConversationId,
    /// The place.
    pub seq: u64,
    /// How: delivered, failed, or unknown.
    pub state: DeliveryState,
    /// Its row, where the channel found it in the store; whoever said it may not have come to tell the outbox of it.
    pub found: Option<Delivery>,
}

/// A channel, as the outbox knows it.
#[derive(Debug, Clone)]
pub struct Outlet {
    /// Its configured name.
    pub channel: String,
    /// Where to hand things.
    pub hand: Link<Hand>,
}

/// A channel, and what waits for room in its mailbox, in order.
#[derive(Debug)]
struct Way {
    outlet: Outlet,
    waiting: VecDeque<Hand>,
}

/// The outbox actor.
pub struct OutboxActor {
    clock: Arc<dyn Clock>,
    save: Link<Save>,
    ways: Vec<Way>,
    limits: Limits,
    /// Not confirmed, by place.
    unsettled: BTreeMap<(ConversationId, u64), Delivery>,
    /// Up to where conversations have arrived at a channel, which the store has not been told.
    confirmed: BTreeMap<(ConversationId, String), u64>,
    /// What has ended one by one, which the store has not been told.
    ended: VecDeque<Delivery>,
    /// What the store is being told.
    telling: BTreeSet<(ConversationId, u64)>,
}

impl std::fmt::Debug for OutboxActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboxActor").field("unsettled", &self.unsettled.len()).finish_non_exhaustive()
    }
}

impl OutboxActor {
    /// Reads what is not confirmed.
    pub async fn load(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        save: Link<Save>,
        outlets: Vec<Outlet>,
        limits: Limits,
    ) -> Result<Self, StartError> {
        let read = within(limits.read_deadline, store.unsettled_deliveries()).await;
        let rows = read.map_err(|error| StartError::caused_by("the outbox could not be read", error))?;
        let unsettled = rows.into_iter().map(|row| ((row.conversation, row.seq), row)).collect();
        let ways = outlets.into_iter().map(|outlet| Way { outlet, waiting: VecDeque::new() }).collect();
        let (confirmed, ended, telling) = (BTreeMap::new(), VecDeque::new(), BTreeSet::new());
        Ok(Self { clock, save, ways, limits, unsettled, confirmed, ended, telling })
    }

    /// Hands something to its channel, after what waits there; a full mailbox is tried again, since the channel's clients wait for it.
    fn hand(&mut self, channel: &str, hand: Hand, ctx: &mut Context<Self>) {
        let Some((at, way)) = self.ways.iter_mut().enumerate().find(|(_, way)| way.outlet.channel == channel) else {
            tracing::warn!(channel, conversation = %hand.conversation(), "no such channel is configured any more");
            return;
        };
        way.waiting.push_back(hand);
        if way.waiting.len() > self.limits.mailbox {
            // It is in the store: one word for each conversation is enough.
            let conversations: BTreeSet<ConversationId> = way.waiting.iter().map(Hand::conversation).collect();
            way.waiting = conversations.into_iter().map(Hand::Again).collect();
        } else if way.waiting.len() == 1 {
            self.hand_first(at, ctx);
        }
    }

    /// Hands over what waits, until a mailbox is full.
    fn hand_first(&mut self, at: usize, ctx: &mut Context<Self>) {
        let Some(way) = self.ways.get_mut(at) else {
            return;
        };
        while let Some(hand) = way.waiting.pop_front() {
            if let Err(refused) = way.outlet.hand.offer(hand) {
                way.waiting.push_front(refused.message);
                ctx.run_later(HAND_AGAIN, move |this, ctx| this.hand_first(at, ctx));
                return;
            }
        }
    }

    /// Takes out the row of what has ended: the known one, or what the channel found. None for what has ended before and is on its way to the
    /// store.
    fn take_out(&mut self, place: (ConversationId, u64), found: Option<Delivery>) -> Option<Delivery> {
        let has_ended = self.telling.contains(&place) || self.ended.iter().any(|row| (row.conversation, row.seq) == place);
        self.unsettled.remove(&place).or(found.filter(|_| !has_ended))
    }

    /// Has every channel look into the store for what it may have missed.
    fn again(&mut self, conversation: ConversationId, ctx: &mut Context<Self>) {
        let channels: Vec<String> = self.ways.iter().map(|way| way.outlet.channel.clone()).collect();
        for channel in channels {
            self.hand(&channel, Hand::Again(conversation), ctx);
        }
    }

    /// Everything of that conversation up to there has arrived. Nobody waits for the store to know, so it is told of many at once.
    fn confirm_after(&mut self, wait: Duration, confirm: Confirm, ctx: &mut Context<Self>) {
        self.settle_after(wait, ctx);
        let upto = self.confirmed.entry((confirm.conversation, confirm.channel)).or_default();
        *upto = confirm.upto.max(*upto);
    }

    /// Tells the store after a while, unless that is going to happen anyway. To be called before there is something new to tell.
    fn settle_after(&self, wait: Duration, ctx: &mut Context<Self>) {
        if self.confirmed.is_empty() && self.ended.is_empty() {
            ctx.run_later(wait, Self::settle);
        }
    }

    /// Takes what has ended or was confirmed out of what has not, at most one commit of it, and leaves the rest for the next.
    fn take_settled(&mut self, now: Timestamp) -> Vec<Delivery> {
        let ended = self.ended.len().min(SETTLE_AT_ONCE);
        let mut settled: Vec<_> = self.ended.drain(..ended).collect();
        while let Some(((conversation, channel), upto)) = self.confirmed.pop_first() {
            let places = self.unsettled.range((conversation, 0)..=(conversation, upto)).filter(|(_, row)| row.channel == channel);
            let places: Vec<_> = places.map(|(place, _)| *place).collect();
            if !settled.is_empty() && settled.len().saturating_add(places.len()) > SETTLE_AT_ONCE {
                self.confirmed.insert((conversation, channel), upto);
                break;
            }
            let rows = places.iter().filter_map(|place| self.unsettled.remove(place));
            settled.extend(rows.map(|row| ended_as(row, DeliveryState::Delivered, now)));
        }
        settled
    }

    fn settle(&mut self, ctx: &mut Context<Self>) {
        let now = self.clock.wall();
        let settled = self.take_settled(now);
        if !self.confirmed.is_empty() || !self.ended.is_empty() {
            ctx.run_later(SETTLE_AFTER, Self::settle);
        }
        let Some(last) = settled.last() else {
            return;
        };
        let lost = settled.iter().filter(|row| row.state != DeliveryState::Delivered).count();
        let mut detail = format!("{} confirmed", settled.len().saturating_sub(lost));
        if lost > 0 {
            detail.push_str(&format!(", {lost} given up or unknown"));
        }
        let kind = match last.state {
            DeliveryState::Unknown => FactKind::DeliveryUnknown,
            DeliveryState::Failed => FactKind::DeliveryFailed,
            DeliveryState::Delivered | DeliveryState::Pending | DeliveryState::Sending => FactKind::Delivered,
        };
        let fact = Fact { kind, who: None, subject: last.answer.to_string(), detail, content: None, at: now };
        let commit = Commit { writes: settled.iter().cloned().map(Write::Delivery).collect(), fact };
        self.telling.extend(settled.iter().map(|row| (row.conversation, row.seq)));
        let saved = self.save.ask(Save(commit), self.limits.commit_deadline);
        ctx.spawn(saved.into_actor(self).map(move |saved, this, ctx| {
            for row in &settled {
                this.telling.remove(&(row.conversation, row.seq));
            }
            if !matches!(saved, Ok(Ok(()))) {
                // Not in the store, then: once more, later.
                this.settle_after(SETTLE_AGAIN, ctx);
                this.ended.extend(settled);
            }
        }));
    }
}

/// A delivery at its end.
fn ended_as(row: Delivery, state: DeliveryState, at: Timestamp) -> Delivery {
    Delivery { state, attempts: row.attempts.saturating_add(1), at, ..row }
}

// === impl Actor ===

impl Actor for OutboxActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // What a former life was handing over.
        let conversations: BTreeSet<ConversationId> = self.unsettled.keys().map(|(conversation, _)| *conversation).collect();
        for conversation in conversations {
            self.again(conversation, ctx);
        }
    }
}

impl Handler<Deliver> for OutboxActor {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, ctx: &mut Context<Self>) {
        match deliver {
            Deliver::Said { delivery, message } => {
                let (place, message) = ((delivery.conversation, delivery.seq), Arc::from(message));
                if delivery.channel != LOCAL {
                    // Whoever has the same conversation open at the page or a terminal sees it there as well; it is not waited for.
                    self.hand(LOCAL, Hand::Said(Arc::clone(&message)), ctx);
                }
                self.hand(&delivery.channel, Hand::Said(message), ctx);
                self.unsettled.insert(place, delivery);
            }
            Deliver::Again(conversation) => self.again(conversation, ctx),
        }
    }
}

impl Handler<Confirm> for OutboxActor {
    type Result = ();

    fn handle(&mut self, confirm: Confirm, ctx: &mut Context<Self>) {
        self.confirm_after(SETTLE_AFTER, confirm, ctx);
    }
}

impl Handler<Settle> for OutboxActor {
    type Result = ();

    fn handle(&mut self, Settle { channel, conversation, seq, state, found }: Settle, ctx: &mut Context<Self>) {
        let place = (conversation, seq);
        if self.unsettled.get(&place).is_some_and(|row| row.channel != channel) {
            return;
        }
        if let Some(row) = self.take_out(place, found) {
            self.settle_after(SETTLE_AFTER, ctx);
            self.ended.push_back(ended_as(row, state, self.clock.wall()));
        }
    }
}
