//! What the house says at a channel: found in the store, and said where its conversation is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hearth_domain::channel::{Post, Posted, To, answers};
use hearth_domain::delivery::{Delivery, DeliveryState};
use hearth_domain::household::MemberId;
use hearth_domain::household::identity::Identity;
use hearth_domain::ids::AnswerId;
use hearth_domain::message::Message as Said;
use hearth_domain::store::{Store, StoreError};

use super::Around;
use crate::household::rooms::{Locate, Spot};

/// How long the other side may take to say what became of a post.
const POST_DEADLINE: Duration = Duration::from_secs(60);
/// What is said where an answer may not be: somebody has come since it was asked for.
const WITHHELD: &str = "Not everybody who is here now may see my answer. Ask me in private.";

/// What the store has for a channel.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    /// What is to be said, oldest first, with its row.
    pub(super) new: Vec<(Said, Delivery)>,
    /// Whether there is more of it.
    pub(super) more: bool,
    /// What was said in this life, as the store does not know: whoever was to write that was lost.
    pub(super) done: Vec<Delivery>,
}

/// What the store has to be said at a channel, at most so much of it, but for what is about to be said.
pub(super) async fn unsettled(
    store: Arc<dyn Store>,
    channel: String,
    (waiting, done): (BTreeSet<AnswerId>, BTreeSet<AnswerId>),
    most: usize,
) -> Result<Unsettled, StoreError> {
    let wanted = |row: &Delivery| row.channel == channel && row.state == DeliveryState::Pending && !waiting.contains(&row.answer);
    let rows = store.unsettled_deliveries().await?.into_iter().filter(wanted);
    let (done, rows): (Vec<_>, Vec<_>) = rows.partition(|row| done.contains(&row.answer));
    let more = rows.len() > most;
    let mut new = Vec::new();
    for row in rows.into_iter().take(most) {
        let at = store.messages(row.conversation, row.seq.saturating_sub(1), 1).await?;
        new.extend(at.into_iter().find(|message| message.id == row.message).map(|message| (message, row)));
    }
    Ok(Unsettled { new, more, done })
}

/// Says something where its conversation is, if everybody who is there now may learn it (I-5); `None` when the house could not say where
/// that is.
pub(super) async fn say(around: Around, said: Arc<Said>, last: BTreeMap<MemberId, String>) -> Option<Posted> {
    let asked = Locate { channel: around.transport.name().to_owned(), conversation: said.conversation };
    let spot = around.links.locate.ask(asked, around.limits.ask_deadline).await.ok()?;
    let (to, audience) = match spot {
        Some(Spot::Room(room, audience)) => (To::Room(room), audience),
        Some(Spot::Private(accounts, audience)) => {
            let wrote = audience.iter().find_map(|(member, _)| last.get(&member));
            let account = accounts.iter().map(Identity::account).find(|account| Some(*account) == wrote.map(String::as_str));
            let Some(account) = account.or_else(|| accounts.first().map(Identity::account)) else {
                return Some(Posted::Refused);
            };
            (To::Account(account.to_owned()), audience)
        }
        // Nobody's account and nobody's room any more; who it was for finds it in the conversation.
        None => return Some(Posted::Refused),
    };
    let may = said.label.readers.cover(&audience);
    let (text, answers) = if may { (said.text.clone(), answers(&said)) } else { (WITHHELD.to_owned(), Vec::new()) };
    let delivery = said.answer.unwrap_or_else(|| AnswerId::derived(&["message", &said.id.to_string()]));
    let posted = around.transport.post(Post { delivery, to, text, answers });
    Some(tokio::time::timeout(POST_DEADLINE, posted).await.unwrap_or(Posted::NotNow))
}
