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
//!
//! Permanent; deliveries are in the store and read at start. A restart loses sends under way: a channel that recognises repetitions
//! gets them again, for any other they become `unknown` (I-10). Limits: `delivery_attempts`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, WrapFuture};
use hearth_domain::delivery::{Delivery, DeliveryState};
use hearth_domain::ids::ConversationId;
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::limits::Limits;
use hearth_domain::message::Message as Said;
use hearth_domain::store::{Commit, Store, Write};
use hearth_domain::time::Clock;
use hearth_supervisor::context::Context;
use hearth_supervisor::exit::StartError;
use hearth_supervisor::link::Link;

use crate::memory::within;
use crate::store::Save;

/// Time until a channel whose mailbox was full is handed the same thing again.
const HAND_AGAIN: Duration = Duration::from_millis(50);

/// Say this; it is durable.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Deliver {
    /// Its row.
    pub delivery: Delivery,
    /// What to say.
    pub message: Said,
}

/// A client of the conversation has seen everything up to this place.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Confirm {
    /// The conversation.
    pub conversation: ConversationId,
    /// The place, inclusive.
    pub upto: u64,
}

/// Hand this to the channel's clients. What the channel is asked to do.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Hand(pub Arc<Said>);

/// A channel, as the outbox knows it.
#[derive(Debug, Clone)]
pub struct Outlet {
    /// Its configured name.
    pub channel: String,
    /// Where to hand things.
    pub hand: Link<Hand>,
}

/// The outbox actor.
pub struct OutboxActor {
    clock: Arc<dyn Clock>,
    save: Link<Save>,
    outlets: Vec<Outlet>,
    limits: Limits,
    /// Not confirmed, by place.
    unsettled: BTreeMap<(ConversationId, u64), Delivery>,
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
        Ok(Self { clock, save, outlets, limits, unsettled })
    }

    /// Hands a message to its channel; a full mailbox is tried again, since the channel's clients wait for it.
    fn hand(&self, channel: &str, hand: Hand, ctx: &mut Context<Self>) {
        let Some(outlet) = self.outlets.iter().find(|outlet| outlet.channel == channel) else {
            tracing::warn!(channel, message = %hand.0.id, "no such channel is configured any more");
            return;
        };
        if let Err(refused) = outlet.hand.offer(hand) {
            let channel = channel.to_owned();
            ctx.run_later(HAND_AGAIN, move |this, ctx| this.hand(&channel, refused.message, ctx));
        }
    }

    /// Everything of that conversation up to there has arrived.
    fn confirm(&mut self, confirm: Confirm, ctx: &mut Context<Self>) {
        let range = (confirm.conversation, 0)..=(confirm.conversation, confirm.upto);
        let now = self.clock.wall();
        let settled: Vec<Delivery> = self
            .unsettled
            .range(range)
            .map(|(_, row)| Delivery { state: DeliveryState::Delivered, attempts: row.attempts.saturating_add(1), at: now, ..row.clone() })
            .collect();
        let Some(last) = settled.last() else {
            return;
        };
        for row in &settled {
            self.unsettled.remove(&(row.conversation, row.seq));
        }
        let fact = Fact {
            kind: FactKind::Delivered,
            who: None,
            subject: last.answer.to_string(),
            detail: format!("{} confirmed", settled.len()),
            content: None,
            at: now,
        };
        let commit = Commit { writes: settled.iter().cloned().map(Write::Delivery).collect(), fact };
        let saved = self.save.ask(Save(commit), self.limits.commit_deadline);
        ctx.spawn(saved.into_actor(self).map(move |saved, this, _| {
            if !matches!(saved, Ok(Ok(()))) {
                // Not confirmed in the store, then: the next confirmation, or the next start, settles it.
                for row in settled {
                    let pending = Delivery { state: DeliveryState::Pending, ..row };
                    this.unsettled.insert((pending.conversation, pending.seq), pending);
                }
            }
        }));
    }
}

// === impl Actor ===

impl Actor for OutboxActor {
    type Context = Context<Self>;
}

impl Handler<Deliver> for OutboxActor {
    type Result = ();

    fn handle(&mut self, Deliver { delivery, message }: Deliver, ctx: &mut Context<Self>) {
        let place = (delivery.conversation, delivery.seq);
        self.hand(&delivery.channel, Hand(Arc::new(message)), ctx);
        self.unsettled.insert(place, delivery);
    }
}

impl Handler<Confirm> for OutboxActor {
    type Result = ();

    fn handle(&mut self, confirm: Confirm, ctx: &mut Context<Self>) {
        self.confirm(confirm, ctx);
    }
}
