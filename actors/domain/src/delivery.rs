//! Deliveries: one for each thing the house says, from pending to delivered.
//!
//! ```text
//! Pending ──(channel recognises repetitions: cursor or id)──▶ Delivered
//!    │                                                     ▲
//!    └─(it does not)─▶ Sending ──confirmed─────────────────┘
//!                         ├──refused, attempts left──▶ Pending      ──none left──▶ Failed
//!                         └──no word (crash, cut)────▶ Unknown   (marked, reconciled, never repeated by itself)
//! ```

use serde::{Deserialize, Serialize};

use crate::ids::{AnswerId, ConversationId, MessageId};
use crate::time::Timestamp;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Not confirmed, and sending it (again) does no harm.
    Pending,
    /// Handed to a channel that cannot recognise a repetition; no word yet.
    Sending,
    /// The channel confirmed it.
    Delivered,
    /// Whether it arrived is not known.
    Unknown,
    /// Given up; the member finds it in the conversation.
    Failed,
}

/// One delivery: the row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The logical answer that is delivered; the idempotency key.
    pub answer: AnswerId,
    /// Where to.
    pub conversation: ConversationId,
    /// The message that carries it.
    pub message: MessageId,
    /// That message's place in its conversation.
    pub seq: u64,
    /// The channel, bound when the question came in.
    pub channel: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// When it last changed.
    pub at: Timestamp,
}
