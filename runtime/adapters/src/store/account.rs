//! All that is stored of how a message of the house came about. Rarely asked, by a person: one round trip for each kind of row.

use hearth_domain::ids::{ConversationId, MessageId};
use hearth_domain::store::StoreError;
use hearth_domain::why::Account;
use surrealdb::types::{Array, RecordId, Value};

use super::decode::{self, Row, all, rows};
use super::encode::{message_record, record, uuid};
use super::link::Link;
use super::read::{ROW, with};

type Read<T> = Result<T, StoreError>;

/// A message of the house, with its turn. Each has a delivery, whose rows are small: they are looked through for it.
pub(super) async fn account(link: &Link, id: MessageId) -> Read<Option<Account>> {
    const PLACE: &str = "SELECT conversation, seq FROM delivery WHERE message = $name LIMIT 1";
    let found = link.ask(PLACE, with([("name", uuid(id.uuid()))])).await?;
    let Some(mut place) = rows("delivery", found)?.pop() else { return Ok(None) };
    let (conversation, seq) = (ConversationId::from_uuid(place.uuid("conversation")?), place.number("seq")?);
    let row = one(link, record("conversation", conversation.uuid()), "conversation", decode::conversation).await?;
    let message = one(link, message_record(conversation, seq)?, "message", decode::message).await?;
    let (Some(conversation), Some(message)) = (row, message.filter(|message| message.id == id)) else { return Ok(None) };
    let Some(turn) = message.turn else {
        return Ok(Some(Account { conversation, message, turn: None, steps: Vec::new(), memories: Vec::new() }));
    };
    let steps = link.ask("SELECT * FROM step:[$t, 0]..[$t, ..]", with([("t", uuid(turn.uuid()))])).await?;
    let steps = all("step", steps, decode::step)?;
    let turn = one(link, record("turn", turn.uuid()), "turn", decode::turn).await?;
    let recalled = turn.iter().flat_map(|turn| &turn.sources).map(|id| Value::RecordId(record("memory", id.uuid())));
    let recalled: Vec<_> = recalled.collect();
    let memories = if recalled.is_empty() {
        Vec::new()
    } else {
        all("memory", link.ask("SELECT * FROM $ids", with([("ids", Value::Array(Array::from(recalled)))])).await?, decode::memory)?
    };
    Ok(Some(Account { conversation, message, turn, steps, memories }))
}

async fn one<T>(link: &Link, id: RecordId, table: &'static str, read: fn(Row) -> decode::Decoded<T>) -> Read<Option<T>> {
    let found = link.ask(ROW, with([("row", Value::RecordId(id))])).await?;
    Ok(all(table, found, read)?.pop())
}
