//! Every row of the store, as the domain knows it: for whoever looks at all of them.

use hearth_domain::household::erase::Row as Kept;
use hearth_domain::ids::{MemberId, ReminderId};
use hearth_domain::store::StoreError;
use hearth_domain::time::Timestamp;
use hearth_domain::tool::record::ToolValue;
use surrealdb::types::{Array, Object, RecordIdKey, Value};

use super::decode::{self, Decoded, Row};
use super::household;
use super::link::Link;
use super::read::with;

/// Every table but the one row about the store itself. What others are learnt from comes first.
pub(super) const TABLES: [&str; 25] = [
    "conversation",
    "identity",
    "turn",
    "reminder",
    "member",
    "gone",
    "pairing",
    "room",
    "message",
    "step",
    "memory",
    "claim",
    "delivery",
    "session",
    "secret",
    "tool",
    "tool_component",
    "tool_value",
    "approval",
    "endorsement",
    "permit",
    "result",
    "spent",
    "freeze",
    "entry",
];
/// How many of them.
pub(super) const LEARNT: usize = 4;
/// Rows that are read at once. A message may hold pictures.
pub(super) const ROWS: usize = 32;

/// A row as the domain knows it.
pub(super) enum Known {
    Member(hearth_domain::household::record::MemberRow),
    Identity(hearth_domain::household::record::IdentityRow),
    Pairing(hearth_domain::household::pairing::Pairing),
    Group(hearth_domain::household::audience::Group),
    Conversation(hearth_domain::store::Conversation),
    Message(Box<hearth_domain::message::Message>),
    Turn(hearth_domain::store::Turn),
    Step(Box<hearth_domain::store::Step>),
    Memory(hearth_domain::memory::Memory),
    Reminder(hearth_domain::schedule::Reminder),
    Claim(ReminderId, Timestamp),
    Delivery(hearth_domain::delivery::Delivery),
    Session(hearth_domain::session::Session),
    Secret(hearth_domain::secret::SealedRecord),
    Tool(hearth_domain::tool::record::ToolInfo),
    ToolValue(ToolValue),
    Approval(Box<hearth_domain::approval::Approval>),
    Endorsement(Box<hearth_domain::flow::endorse::Endorsement>),
    Grant(Box<hearth_domain::approval::grant::Grant>),
    Result(Box<hearth_domain::store::StoredResult>),
    Spent(hearth_domain::budget::Spent),
    /// Ids, digests and components: of nobody.
    Nobodys,
}

impl Known {
    /// Shows it to somebody.
    pub(super) fn shown(&self, mut to: impl FnMut(Kept<'_>)) {
        match self {
            Self::Member(row) => to(Kept::MemberRow(row)),
            Self::Identity(row) => to(Kept::Identity(row)),
            Self::Pairing(row) => to(Kept::Pairing(row)),
            Self::Group(row) => to(Kept::Group(row)),
            Self::Conversation(row) => to(Kept::Conversation(row)),
            Self::Message(row) => to(Kept::Message(row)),
            Self::Turn(row) => to(Kept::Turn(row)),
            Self::Step(row) => to(Kept::Step(row)),
            Self::Memory(row) => to(Kept::Memory(row)),
            Self::Reminder(row) => to(Kept::Reminder(row)),
            Self::Claim(reminder, due) => to(Kept::Claim(*reminder, *due)),
            Self::Delivery(row) => to(Kept::Delivery(row)),
            Self::Session(row) => to(Kept::Session(row)),
            Self::Secret(row) => to(Kept::Secret(row)),
            Self::Tool(row) => to(Kept::Tool(row)),
            Self::ToolValue(row) => to(Kept::ToolValue(row)),
            Self::Approval(row) => to(Kept::Approval(row)),
            Self::Endorsement(row) => to(Kept::Endorsement(row)),
            Self::Grant(row) => to(Kept::Grant(row)),
            Self::Result(row) => to(Kept::Result(row)),
            Self::Spent(row) => to(Kept::Spent(row)),
            Self::Nobodys => {}
        }
    }
}

/// A row of this table.
pub(super) fn known(table: &str, value: &Value) -> Decoded<Known> {
    let row = |table| Row::of(table, value.clone());
    Ok(match table {
        "member" => Known::Member(household::member_row(row("member")?)?),
        "identity" => Known::Identity(decode::body(row("identity")?)?),
        "pairing" => Known::Pairing(decode::body(row("pairing")?)?),
        "room" => Known::Group(decode::body(row("room")?)?),
        "conversation" => Known::Conversation(decode::conversation(row("conversation")?)?),
        "message" => Known::Message(Box::new(decode::message(row("message")?)?)),
        "turn" => Known::Turn(decode::turn(row("turn")?)?),
        "step" => Known::Step(Box::new(decode::step(row("step")?)?)),
        "memory" => Known::Memory(decode::memory(row("memory")?)?),
        "reminder" => Known::Reminder(decode::reminder(row("reminder")?)?),
        "claim" => claim(row("claim")?)?,
        "delivery" => Known::Delivery(decode::delivery(row("delivery")?)?),
        "session" => Known::Session(decode::session(row("session")?)?),
        "secret" => Known::Secret(decode::secret(row("secret")?)?),
        "tool" => Known::Tool(decode::tool(row("tool")?)?),
        "tool_value" => Known::ToolValue(kept(row("tool_value")?)?),
        "approval" => Known::Approval(Box::new(decode::body(row("approval")?)?)),
        "endorsement" => Known::Endorsement(Box::new(decode::body(row("endorsement")?)?)),
        "permit" => Known::Grant(Box::new(decode::body(row("permit")?)?)),
        "result" => Known::Result(Box::new(decode::body(row("result")?)?)),
        "spent" => Known::Spent(decode::body(row("spent")?)?),
        _ => Known::Nobodys,
    })
}

/// Whose it is; what it is, nobody asks.
fn kept(mut row: Row) -> Decoded<ToolValue> {
    Ok(ToolValue { tool: String::new(), member: MemberId::from_uuid(row.uuid("member")?), key: String::new(), value: Vec::new() })
}

fn claim(mut row: Row) -> Decoded<Known> {
    let damage = || StoreError::Damaged("claim.id cannot be read".to_owned());
    let RecordIdKey::Array(parts) = row.key()? else { return Err(damage()) };
    let parts = parts.into_vec();
    let [Value::Uuid(reminder), Value::Datetime(_)] = parts.as_slice() else { return Err(damage()) };
    // When it was due decides nothing.
    Ok(Known::Claim(ReminderId::from_uuid(reminder.into_inner()), Timestamp::UNIX_EPOCH))
}

/// The ids of a table.
pub(super) async fn ids(link: &Link, table: &str) -> Result<Vec<Value>, StoreError> {
    listed(table, link.ask(format!("SELECT VALUE id FROM {table}"), Object::new()).await?)
}

/// A table that gives no list is not an empty one.
pub(super) fn listed(table: &str, found: Value) -> Result<Vec<Value>, StoreError> {
    let Value::Array(ids) = found else { return Err(StoreError::Damaged(format!("the table {table} cannot be read"))) };
    Ok(ids.into_vec())
}

/// The rows of these ids.
pub(super) async fn rows(link: &Link, ids: &[Value]) -> Result<Vec<Value>, StoreError> {
    let found = link.ask("SELECT * FROM $ids", with([("ids", Value::Array(Array::from(ids.to_vec())))])).await?;
    let Value::Array(rows) = found else { return Err(StoreError::Damaged("rows that are there cannot be read".to_owned())) };
    if rows.len() == ids.len() { Ok(rows.into_vec()) } else { Err(StoreError::Damaged("a row that is there cannot be read".to_owned())) }
}

/// How many rows a table has.
pub(super) async fn count(link: &Link, table: &str) -> Result<usize, StoreError> {
    let text = format!("RETURN {{ count: (SELECT count() FROM {table} GROUP ALL)[0].count ?? 0 }}");
    Row::of("count", link.ask(text, Object::new()).await?)?.number("count")
}
