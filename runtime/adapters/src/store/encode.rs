//! Domain values as rows.

use hearth_domain::delivery::Delivery;
use hearth_domain::household::{Audience, Member};
use hearth_domain::ids::{ConversationId, MemberId, ReminderId, ToolId, TurnId};
use hearth_domain::journal::Entry;
use hearth_domain::label::Label;
use hearth_domain::memory::{Memory, MemoryKind};
use hearth_domain::message::{Author, Message, Part};
use hearth_domain::model::Usage;
use hearth_domain::schedule::Reminder;
use hearth_domain::secret::SealedRecord;
use hearth_domain::session::Session;
use hearth_domain::store::{Conversation, Step, StoreError, Summary, Turn};
use hearth_domain::time::Timestamp;
use hearth_domain::tool::record::{ToolInfo, ToolState, ToolValue};
use serde::Serialize;
use surrealdb::types::{Array, Bytes, Datetime, Number, Object, RecordId, RecordIdKey, Value};
use uuid::Uuid;

/// A value that the database cannot hold.
pub(super) type Encoded<T> = Result<T, StoreError>;

/// A row and its id.
pub(super) type Keyed = (RecordId, Value);

/// A row under construction.
pub(super) struct Draft(RecordId, Object);

impl Draft {
    pub(super) fn new(id: RecordId) -> Self {
        let mut row = Object::new();
        row.insert("id", Value::RecordId(id.clone()));
        Self(id, row)
    }

    pub(super) fn with(mut self, field: &str, value: Value) -> Self {
        // Left out and NONE are the same to the database; leaving out is cheaper.
        if value != Value::None {
            self.1.insert(field, value);
        }
        self
    }

    fn label(self, label: &Label) -> Self {
        self.with("excludes_guests", Value::Bool(label.readers.excludes_guests()))
            .with("only", only(label))
            .with("integrity", word(&label.integrity))
    }

    pub(super) fn done(self) -> Keyed {
        (self.0, Value::Object(self.1))
    }
}

/// The record of that table with that UUID.
pub(super) fn record(table: &str, id: Uuid) -> RecordId {
    RecordId::new(table, RecordIdKey::Uuid(id.into()))
}

/// The record of that table at a place inside a parent.
pub(super) fn placed(table: &str, parent: Uuid, place: Value) -> RecordId {
    RecordId::new(table, RecordIdKey::Array(Array::from(vec![uuid(parent), place])))
}

/// The id of a message: its place counts down, so that the newest comes first in the order of keys.
pub(super) fn message_record(conversation: ConversationId, seq: u64) -> Encoded<RecordId> {
    Ok(placed("message", conversation.uuid(), before(seq)?))
}

/// A place in a conversation as a key has it.
pub(super) fn before(seq: u64) -> Encoded<Value> {
    let place = i64::try_from(seq).map_err(|_| StoreError::Refused(format!("{seq} is too large")))?;
    Ok(Value::Number(Number::Int(place.saturating_neg())))
}

/// The id of a step.
pub(super) fn step_record(turn: TurnId, index: u32) -> RecordId {
    placed("step", turn.uuid(), Value::Number(Number::Int(i64::from(index))))
}

/// A UUID.
pub(super) fn uuid(id: Uuid) -> Value {
    Value::Uuid(id.into())
}

/// A whole number; the database has 63 bits for it.
pub(super) fn int(number: u64) -> Encoded<Value> {
    let number = i64::try_from(number).map_err(|_| StoreError::Refused(format!("{number} is too large")))?;
    Ok(Value::Number(Number::Int(number)))
}

/// A point in time, to the nanosecond.
pub(super) fn time(at: Timestamp) -> Encoded<Value> {
    // Before 1970 the fraction counts back; the database's always counts on.
    let (mut second, mut nanos) = (at.as_second(), at.subsec_nanosecond());
    if nanos < 0 {
        (second, nanos) = (second.saturating_sub(1), nanos.saturating_add(1_000_000_000));
    }
    let fraction = u32::try_from(nanos).ok().and_then(|nanos| Datetime::from_timestamp(second, nanos));
    fraction.map(Value::Datetime).ok_or_else(|| StoreError::Refused(format!("{at} is out of range")))
}

/// A closed word of the domain, as serde writes it.
pub(super) fn word<T: Serialize>(value: &T) -> Value {
    if let Ok(serde_json::Value::String(word)) = serde_json::to_value(value) { Value::String(word) } else { Value::None }
}

/// A value as JSON text.
pub(super) fn body<T: Serialize>(value: &T) -> Encoded<Value> {
    serde_json::to_string(value).map(Value::String).map_err(|error| StoreError::Refused(error.to_string()))
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn optional(id: Option<Uuid>) -> Value {
    id.map_or(Value::None, uuid)
}

fn array(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(values.into_iter().collect::<Vec<_>>().into())
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let mut object = Object::new();
    for (field, value) in fields {
        object.insert(field, value);
    }
    Value::Object(object)
}

fn only(label: &Label) -> Value {
    label.readers.limited_to().map_or(Value::None, |members| array(members.iter().map(|member| uuid(member.uuid()))))
}

fn people(audience: &Audience) -> Value {
    array(audience.iter().map(|(member, role)| object([("member", uuid(member.uuid())), ("role", word(&role))])))
}

fn used(usage: Usage) -> Encoded<Value> {
    Ok(object([
        ("input_tokens", int(usage.input_tokens)?),
        ("cached_tokens", int(usage.cached_tokens)?),
        ("output_tokens", int(usage.output_tokens)?),
        ("micro_usd", int(usage.micro_usd)?),
    ]))
}

fn summary(summary: Option<&Summary>) -> Encoded<Value> {
    let Some(summary) = summary else { return Ok(Value::None) };
    Ok(object([
        ("text", text(&summary.text)),
        ("upto", int(summary.upto)?),
        ("excludes_guests", Value::Bool(summary.label.readers.excludes_guests())),
        ("only", only(&summary.label)),
        ("integrity", word(&summary.label.integrity)),
    ]))
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text { text: words } => object([("kind", text("text")), ("text", text(words))]),
        Part::Image { media_type, base64 } => object([("kind", text("image")), ("media_type", text(media_type)), ("base64", text(base64))]),
    }
}

/// A member's row.
pub(super) fn member(row: &Member) -> Keyed {
    let draft = Draft::new(record("member", row.id.uuid()));
    draft.with("name", text(&row.name)).with("role", word(&row.role)).with("zone", text(&row.zone)).done()
}

/// A conversation's row.
pub(super) fn conversation(row: &Conversation) -> Encoded<Keyed> {
    let draft = Draft::new(record("conversation", row.id.uuid()))
        .with("owner", optional(row.owner.map(|id| id.uuid())))
        .with("thread", text(&row.thread))
        .with("audience", people(&row.audience))
        .with("summary", summary(row.summary.as_ref())?)
        .with("at", time(row.at)?);
    Ok(draft.done())
}

/// A message's row.
pub(super) fn message(row: &Message) -> Encoded<Keyed> {
    let author = match row.author {
        Author::Member(id) => uuid(id.uuid()),
        Author::House => Value::None,
    };
    let origin = row.origin.as_ref();
    let origin = origin.map_or(Value::None, |origin| object([("channel", text(&origin.channel)), ("external", text(&origin.external))]));
    let draft = Draft::new(message_record(row.conversation, row.seq)?)
        .with("name", uuid(row.id.uuid()))
        .with("turn", optional(row.turn.map(|id| id.uuid())))
        .with("answer", optional(row.answer.map(|id| id.uuid())))
        .with("author", author)
        .with("purpose", word(&row.purpose))
        .with("origin", origin)
        .with("text", text(&row.text))
        .with("images", array(row.images.iter().map(part)))
        .label(&row.label)
        .with("at", time(row.at)?);
    Ok(draft.done())
}

/// A turn's row.
pub(super) fn turn(row: &Turn) -> Encoded<Keyed> {
    let draft = Draft::new(record("turn", row.id.uuid()))
        .with("conversation", uuid(row.conversation.uuid()))
        .with("member", uuid(row.member.uuid()))
        .with("message", uuid(row.message.uuid()))
        .with("answer", uuid(row.answer.uuid()))
        .with("channel", text(&row.channel))
        .with("state", word(&row.state))
        .with("sources", array(row.sources.iter().map(|id| uuid(id.uuid()))))
        .with("usage", used(row.usage)?)
        .with("at", time(row.at)?);
    Ok(draft.done())
}

/// A step's row.
pub(super) fn step(row: &Step) -> Encoded<Keyed> {
    let draft = Draft::new(step_record(row.turn, row.index)).with("body", body(&row.body)?).label(&row.label);
    Ok(draft.with("at", time(row.at)?).done())
}

/// A remembered thing's row.
pub(super) fn memory(row: &Memory) -> Encoded<Keyed> {
    let (kind, list, done) = match &row.kind {
        MemoryKind::Fact => ("fact", Value::None, false),
        MemoryKind::Note => ("note", Value::None, false),
        MemoryKind::Item { list, done } => ("item", text(list), *done),
    };
    let draft = Draft::new(record("memory", row.id.uuid()))
        .with("member", uuid(row.member.uuid()))
        .with("conversation", uuid(row.conversation.uuid()))
        .with("kind", text(kind))
        .with("list", list)
        .with("done", Value::Bool(done))
        .with("text", text(&row.text))
        .label(&row.label)
        .with("at", time(row.at)?);
    Ok(draft.done())
}

/// A reminder's row.
pub(super) fn reminder(row: &Reminder) -> Encoded<Keyed> {
    let draft = Draft::new(record("reminder", row.id.uuid()))
        .with("member", uuid(row.member.uuid()))
        .with("conversation", uuid(row.conversation.uuid()))
        .with("channel", text(&row.channel))
        .with("text", text(&row.text))
        .label(&row.label)
        .with("due", time(row.due)?)
        .with("first", time(row.first)?)
        .with("zone", text(&row.zone))
        .with("every", row.every.as_ref().map_or(Value::None, word))
        .with("state", word(&row.state));
    Ok(draft.done())
}

/// A claim's row.
pub(super) fn claim(reminder: ReminderId, due: Timestamp, at: Timestamp) -> Encoded<Keyed> {
    Ok(Draft::new(placed("claim", reminder.uuid(), time(due)?)).with("at", time(at)?).done())
}

/// A delivery's row.
pub(super) fn delivery(row: &Delivery) -> Encoded<Keyed> {
    let draft = Draft::new(record("delivery", row.answer.uuid()))
        .with("conversation", uuid(row.conversation.uuid()))
        .with("message", uuid(row.message.uuid()))
        .with("seq", int(row.seq)?)
        .with("channel", text(&row.channel))
        .with("state", word(&row.state))
        .with("attempts", int(u64::from(row.attempts))?)
        .with("at", time(row.at)?);
    Ok(draft.done())
}

/// A session's row.
pub(super) fn session(row: &Session) -> Encoded<Keyed> {
    let draft = Draft::new(record("session", row.id.uuid()))
        .with("member", uuid(row.member.uuid()))
        .with("role", word(&row.role))
        .with("token", text(&row.token.to_string()))
        .with("device", text(&row.device))
        .with("at", time(row.at)?)
        .with("seen", time(row.seen)?)
        .with("until", time(row.until)?);
    Ok(draft.done())
}

/// A sealed secret's row.
pub(super) fn secret(row: &SealedRecord) -> Encoded<Keyed> {
    let draft = Draft::new(record("secret", row.id.uuid()))
        .with("owner", uuid(row.owner.uuid()))
        .with("name", text(row.name.as_str()))
        .with("version", int(u64::from(row.version))?)
        .with("envelope", Value::Bytes(Bytes::from(row.envelope.clone())));
    Ok(draft.done())
}

/// The id of the row of a tool.
pub(super) fn tool_record(name: &str) -> RecordId {
    record("tool", ToolId::derived(&[name]).uuid())
}

/// The id of the row of a tool's component.
pub(super) fn component_record(name: &str) -> RecordId {
    record("tool_component", ToolId::derived(&[name]).uuid())
}

/// The id of the row of what a tool keeps. Derived, so that a key may hold anything.
pub(super) fn value_record(tool: &str, member: MemberId, key: &str) -> RecordId {
    record("tool_value", ToolId::derived(&[tool, &member.to_string(), key]).uuid())
}

fn json(value: &serde_json::Value) -> Value {
    Value::String(value.to_string())
}

/// The row of a tool, without its component.
pub(super) fn tool(row: &ToolInfo) -> Encoded<Keyed> {
    let (state, reason) = match &row.state {
        ToolState::Granted => ("granted", Value::None),
        ToolState::Waiting => ("waiting", Value::None),
        ToolState::Quarantined { reason } => ("quarantined", text(reason)),
        ToolState::Revoked => ("revoked", Value::None),
    };
    let draft = Draft::new(tool_record(&row.name))
        .with("name", text(&row.name))
        .with("version", text(&row.version))
        .with("component", text(&row.component))
        .with("manifest", json(&row.manifest))
        .with("granted", row.grant.as_ref().map_or(Value::None, json))
        .with("state", text(state))
        .with("reason", reason)
        .with("who", uuid(row.by.uuid()))
        .with("at", time(row.at)?);
    Ok(draft.done())
}

/// The row of a tool's component.
pub(super) fn component(name: &str, bytes: &[u8]) -> Keyed {
    Draft::new(component_record(name)).with("wasm", Value::Bytes(Bytes::from(bytes.to_vec()))).done()
}

/// The row of what a tool keeps.
pub(super) fn tool_value(row: &ToolValue) -> Encoded<Keyed> {
    let draft = Draft::new(value_record(&row.tool, row.member, &row.key))
        .with("tool", uuid(ToolId::derived(&[&row.tool]).uuid()))
        .with("member", uuid(row.member.uuid()))
        .with("word", text(&row.key))
        .with("size", int(row.bytes())?)
        .with("data", Value::Bytes(Bytes::from(row.value.clone())));
    Ok(draft.done())
}

/// An entry's row.
pub(super) fn entry(row: &Entry) -> Encoded<Keyed> {
    let seq = i64::try_from(row.seq).map_err(|_| StoreError::Refused("the journal is full".to_owned()))?;
    let fact = &row.fact;
    let draft = Draft::new(RecordId::new("entry", RecordIdKey::Number(seq)))
        .with("kind", word(&fact.kind))
        .with("who", optional(fact.who.map(|id| id.uuid())))
        .with("subject", text(&fact.subject))
        .with("detail", text(&fact.detail))
        .with("content", fact.content.map_or(Value::None, |digest| Value::String(digest.to_string())))
        .with("at", time(fact.at)?)
        .with("previous", Value::String(row.previous.to_string()))
        .with("digest", Value::String(row.digest.to_string()));
    Ok(draft.done())
}
