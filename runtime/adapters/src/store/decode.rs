//! Rows as domain values. What does not fit is damage, named by table and field.

use std::str::FromStr;

use hearth_domain::delivery::Delivery;
use hearth_domain::household::{Audience, Member, Role};
use hearth_domain::ids::{AnswerId, ConversationId, MemberId, MemoryId, MessageId, ReminderId, SecretId, SessionId, TurnId};
use hearth_domain::journal::{Digest, Entry, Fact};
use hearth_domain::label::{Label, Readers};
use hearth_domain::memory::{Memory, MemoryKind};
use hearth_domain::message::{Author, Message, Origin, Part};
use hearth_domain::model::Usage;
use hearth_domain::schedule::Reminder;
use hearth_domain::secret::SealedRecord;
use hearth_domain::session::Session;
use hearth_domain::store::{Conversation, Step, StoreError, Summary, Turn};
use hearth_domain::time::Timestamp;
use hearth_domain::tool::record::{ToolInfo, ToolState};
use serde::de::DeserializeOwned;
use surrealdb::types::{Number, Object, RecordIdKey, Value};
use uuid::Uuid;

/// A value, or the damage that was found in its place.
pub(super) type Decoded<T> = Result<T, StoreError>;

/// A row, taken apart field by field.
pub(super) struct Row {
    table: &'static str,
    fields: Object,
}

impl Row {
    /// The row in a value.
    pub(super) fn of(table: &'static str, value: Value) -> Decoded<Self> {
        let Value::Object(fields) = value else { return Err(StoreError::Damaged(format!("{table} is not a row"))) };
        Ok(Self { table, fields })
    }

    fn damage(&self, field: &str) -> StoreError {
        StoreError::Damaged(format!("{}.{field} cannot be read", self.table))
    }

    /// A field's value; NONE when it is not there.
    pub(super) fn take(&mut self, field: &str) -> Value {
        self.fields.remove(field).unwrap_or_default()
    }

    /// A field's value, if it has one.
    fn given(&mut self, field: &str) -> Option<Value> {
        self.fields.remove(field).filter(|value| !matches!(value, Value::None | Value::Null))
    }

    /// Whether a field has a value.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|value| !matches!(value, Value::None | Value::Null))
    }

    fn inner(&mut self, field: &str) -> Decoded<Option<Self>> {
        self.given(field).map(|value| Self::of(self.table, value)).transpose()
    }

    pub(super) fn uuid(&mut self, field: &str) -> Decoded<Uuid> {
        self.optional_uuid(field)?.ok_or_else(|| self.damage(field))
    }

    pub(super) fn optional_uuid(&mut self, field: &str) -> Decoded<Option<Uuid>> {
        let Some(value) = self.given(field) else { return Ok(None) };
        uuid_in(value).ok_or_else(|| self.damage(field)).map(Some)
    }

    pub(super) fn text(&mut self, field: &str) -> Decoded<String> {
        self.optional_text(field)?.ok_or_else(|| self.damage(field))
    }

    fn optional_text(&mut self, field: &str) -> Decoded<Option<String>> {
        let Some(value) = self.given(field) else { return Ok(None) };
        let Value::String(text) = value else { return Err(self.damage(field)) };
        Ok(Some(text))
    }

    pub(super) fn flag(&mut self, field: &str) -> Decoded<bool> {
        let Value::Bool(flag) = self.take(field) else { return Err(self.damage(field)) };
        Ok(flag)
    }

    /// A whole number.
    pub(super) fn number<T: TryFrom<i64>>(&mut self, field: &str) -> Decoded<T> {
        let Value::Number(Number::Int(number)) = self.take(field) else { return Err(self.damage(field)) };
        T::try_from(number).map_err(|_| self.damage(field))
    }

    /// A score.
    pub(super) fn float(&mut self, field: &str) -> Decoded<f64> {
        let Value::Number(Number::Float(number)) = self.take(field) else { return Err(self.damage(field)) };
        Ok(number)
    }

    fn bytes(&mut self, field: &str) -> Decoded<Vec<u8>> {
        let Value::Bytes(bytes) = self.take(field) else { return Err(self.damage(field)) };
        Ok(bytes.to_vec())
    }

    /// JSON that was written as text.
    fn optional_json(&mut self, field: &str) -> Decoded<Option<serde_json::Value>> {
        let text = self.optional_text(field)?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| self.damage(field))
    }

    pub(super) fn time(&mut self, field: &str) -> Decoded<Timestamp> {
        let Value::Datetime(at) = self.take(field) else { return Err(self.damage(field)) };
        let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default();
        Timestamp::new(at.timestamp(), nanos).map_err(|_| self.damage(field))
    }

    fn word<T: DeserializeOwned>(&mut self, field: &str) -> Decoded<T> {
        self.optional_word(field)?.ok_or_else(|| self.damage(field))
    }

    fn optional_word<T: DeserializeOwned>(&mut self, field: &str) -> Decoded<Option<T>> {
        let word = self.optional_text(field)?.map(serde_json::Value::String);
        word.map(serde_json::from_value).transpose().map_err(|_| self.damage(field))
    }

    fn digest(&mut self, field: &str) -> Decoded<Digest> {
        self.optional_digest(field)?.ok_or_else(|| self.damage(field))
    }

    fn optional_digest(&mut self, field: &str) -> Decoded<Option<Digest>> {
        let text = self.optional_text(field)?;
        text.map(|text| Digest::from_str(&text)).transpose().map_err(|_| self.damage(field))
    }

    pub(super) fn uuids(&mut self, field: &str) -> Decoded<Option<Vec<Uuid>>> {
        let Some(value) = self.given(field) else { return Ok(None) };
        let Value::Array(values) = value else { return Err(self.damage(field)) };
        let ids: Option<Vec<Uuid>> = values.into_iter().map(uuid_in).collect();
        ids.ok_or_else(|| self.damage(field)).map(Some)
    }

    /// The rows in a field.
    fn rows(&mut self, field: &str) -> Decoded<Vec<Self>> {
        rows(self.table, self.take(field))
    }

    pub(super) fn key(&mut self) -> Decoded<RecordIdKey> {
        let Value::RecordId(id) = self.take("id") else { return Err(self.damage("id")) };
        Ok(id.key)
    }

    pub(super) fn id(&mut self) -> Decoded<Uuid> {
        let RecordIdKey::Uuid(id) = self.key()? else { return Err(self.damage("id")) };
        Ok(id.into_inner())
    }

    /// The parent and the place of a row that has its place as its id.
    fn place<T: TryFrom<i64>>(&mut self) -> Decoded<(Uuid, T)> {
        let RecordIdKey::Array(parts) = self.key()? else { return Err(self.damage("id")) };
        let parts = parts.into_vec();
        let [Value::Uuid(parent), Value::Number(Number::Int(place))] = parts.as_slice() else { return Err(self.damage("id")) };
        let place = T::try_from(*place).map_err(|_| self.damage("id"))?;
        Ok((parent.into_inner(), place))
    }

    fn label(&mut self) -> Decoded<Label> {
        let only = self.uuids("only")?.map(|ids| Readers::only(ids.into_iter().map(MemberId::from_uuid)));
        let mut readers = only.unwrap_or(const { Readers::public() });
        if self.flag("excludes_guests")? {
            readers = readers.meet(&Readers::household());
        }
        Ok(Label::new(readers, self.word("integrity")?))
    }
}

fn uuid_in(value: Value) -> Option<Uuid> {
    if let Value::Uuid(id) = value { Some(id.into_inner()) } else { None }
}

/// The rows in a value; none when it is NONE.
pub(super) fn rows(table: &'static str, value: Value) -> Decoded<Vec<Row>> {
    if matches!(value, Value::None | Value::Null) {
        return Ok(Vec::new());
    }
    let values = if let Value::Array(values) = value { values.into_vec() } else { vec![value] };
    values.into_iter().map(|value| Row::of(table, value)).collect()
}

/// All rows in a value, read by `read`.
pub(super) fn all<T>(table: &'static str, value: Value, read: fn(Row) -> Decoded<T>) -> Decoded<Vec<T>> {
    rows(table, value)?.into_iter().map(read).collect()
}

/// What was written as JSON text.
pub(super) fn body<T: DeserializeOwned>(mut row: Row) -> Decoded<T> {
    let body = row.text("body")?;
    serde_json::from_str(&body).map_err(|_| row.damage("body"))
}

/// A member.
pub(super) fn member(mut row: Row) -> Decoded<Member> {
    Ok(Member { id: MemberId::from_uuid(row.id()?), name: row.text("name")?, role: row.word("role")?, zone: row.text("zone")? })
}

fn person(mut row: Row) -> Decoded<(MemberId, Role)> {
    Ok((MemberId::from_uuid(row.uuid("member")?), row.word("role")?))
}

fn summary(mut row: Row) -> Decoded<Summary> {
    Ok(Summary { text: row.text("text")?, upto: row.number("upto")?, label: row.label()? })
}

/// A conversation's row.
pub(super) fn conversation(mut row: Row) -> Decoded<Conversation> {
    let people = row.rows("audience")?.into_iter().map(person).collect::<Decoded<Vec<_>>>()?;
    Ok(Conversation {
        id: ConversationId::from_uuid(row.id()?),
        owner: row.optional_uuid("owner")?.map(MemberId::from_uuid),
        thread: row.text("thread")?,
        audience: Audience::of(people),
        summary: row.inner("summary")?.map(summary).transpose()?,
        at: row.time("at")?,
    })
}

fn part(mut row: Row) -> Decoded<Part> {
    match row.text("kind")?.as_str() {
        "text" => Ok(Part::Text { text: row.text("text")? }),
        "image" => Ok(Part::Image { media_type: row.text("media_type")?, base64: row.text("base64")? }),
        _ => Err(row.damage("images")),
    }
}

fn origin(mut row: Row) -> Decoded<Origin> {
    Ok(Origin { channel: row.text("channel")?, external: row.text("external")? })
}

/// A message.
pub(super) fn message(mut row: Row) -> Decoded<Message> {
    let (conversation, place): (_, i64) = row.place()?;
    let seq = place.checked_neg().and_then(|seq| u64::try_from(seq).ok()).ok_or_else(|| row.damage("id"))?;
    Ok(Message {
        id: MessageId::from_uuid(row.uuid("name")?),
        conversation: ConversationId::from_uuid(conversation),
        seq,
        turn: row.optional_uuid("turn")?.map(TurnId::from_uuid),
        answer: row.optional_uuid("answer")?.map(AnswerId::from_uuid),
        author: row.optional_uuid("author")?.map_or(Author::House, |id| Author::Member(MemberId::from_uuid(id))),
        purpose: row.word("purpose")?,
        origin: row.inner("origin")?.map(origin).transpose()?,
        text: row.text("text")?,
        images: row.rows("images")?.into_iter().map(part).collect::<Decoded<_>>()?,
        label: row.label()?,
        at: row.time("at")?,
    })
}

fn used(mut row: Row) -> Decoded<Usage> {
    Ok(Usage {
        input_tokens: row.number("input_tokens")?,
        cached_tokens: row.number("cached_tokens")?,
        output_tokens: row.number("output_tokens")?,
        micro_usd: row.number("micro_usd")?,
    })
}

/// A turn.
pub(super) fn turn(mut row: Row) -> Decoded<Turn> {
    let usage = row.inner("usage")?.map(used).transpose()?;
    Ok(Turn {
        id: TurnId::from_uuid(row.id()?),
        conversation: ConversationId::from_uuid(row.uuid("conversation")?),
        member: MemberId::from_uuid(row.uuid("member")?),
        message: MessageId::from_uuid(row.uuid("message")?),
        answer: AnswerId::from_uuid(row.uuid("answer")?),
        channel: row.text("channel")?,
        state: row.word("state")?,
        sources: row.uuids("sources")?.unwrap_or_default().into_iter().map(MemoryId::from_uuid).collect(),
        usage: usage.ok_or_else(|| row.damage("usage"))?,
        at: row.time("at")?,
    })
}

/// A step.
pub(super) fn step(mut row: Row) -> Decoded<Step> {
    let (turn, index) = row.place()?;
    let body = row.text("body")?;
    Ok(Step {
        turn: TurnId::from_uuid(turn),
        index,
        body: serde_json::from_str(&body).map_err(|_| row.damage("body"))?,
        label: row.label()?,
        at: row.time("at")?,
    })
}

fn kind(row: &mut Row) -> Decoded<MemoryKind> {
    match row.text("kind")?.as_str() {
        "fact" => Ok(MemoryKind::Fact),
        "note" => Ok(MemoryKind::Note),
        "item" => Ok(MemoryKind::Item { list: row.text("list")?, done: row.flag("done")? }),
        _ => Err(row.damage("kind")),
    }
}

/// A remembered thing.
pub(super) fn memory(mut row: Row) -> Decoded<Memory> {
    Ok(Memory {
        id: MemoryId::from_uuid(row.id()?),
        member: MemberId::from_uuid(row.uuid("member")?),
        conversation: ConversationId::from_uuid(row.uuid("conversation")?),
        kind: kind(&mut row)?,
        text: row.text("text")?,
        label: row.label()?,
        at: row.time("at")?,
    })
}

/// A reminder.
pub(super) fn reminder(mut row: Row) -> Decoded<Reminder> {
    Ok(Reminder {
        id: ReminderId::from_uuid(row.id()?),
        member: MemberId::from_uuid(row.uuid("member")?),
        conversation: ConversationId::from_uuid(row.uuid("conversation")?),
        channel: row.text("channel")?,
        text: row.text("text")?,
        label: row.label()?,
        due: row.time("due")?,
        first: row.time("first")?,
        zone: row.text("zone")?,
        every: row.optional_word("every")?,
        state: row.word("state")?,
    })
}

/// A delivery.
pub(super) fn delivery(mut row: Row) -> Decoded<Delivery> {
    Ok(Delivery {
        answer: AnswerId::from_uuid(row.id()?),
        conversation: ConversationId::from_uuid(row.uuid("conversation")?),
        message: MessageId::from_uuid(row.uuid("message")?),
        seq: row.number("seq")?,
        channel: row.text("channel")?,
        state: row.word("state")?,
        attempts: row.number("attempts")?,
        at: row.time("at")?,
    })
}

/// A session.
pub(super) fn session(mut row: Row) -> Decoded<Session> {
    Ok(Session {
        id: SessionId::from_uuid(row.id()?),
        member: MemberId::from_uuid(row.uuid("member")?),
        role: row.word("role")?,
        token: row.digest("token")?,
        device: row.text("device")?,
        at: row.time("at")?,
        seen: row.time("seen")?,
        until: row.time("until")?,
    })
}

/// A sealed secret.
pub(super) fn secret(mut row: Row) -> Decoded<SealedRecord> {
    Ok(SealedRecord {
        id: SecretId::from_uuid(row.id()?),
        owner: MemberId::from_uuid(row.uuid("owner")?),
        name: row.word("name")?,
        version: row.number("version")?,
        envelope: row.bytes("envelope")?,
    })
}

fn tool_state(row: &mut Row) -> Decoded<ToolState> {
    match row.text("state")?.as_str() {
        "granted" => Ok(ToolState::Granted),
        "waiting" => Ok(ToolState::Waiting),
        "quarantined" => Ok(ToolState::Quarantined { reason: row.text("reason")? }),
        "revoked" => Ok(ToolState::Revoked),
        _ => Err(row.damage("state")),
    }
}

/// A tool, without its component.
pub(super) fn tool(mut row: Row) -> Decoded<ToolInfo> {
    Ok(ToolInfo {
        name: row.text("name")?,
        version: row.text("version")?,
        component: row.text("component")?,
        manifest: row.optional_json("manifest")?.ok_or_else(|| row.damage("manifest"))?,
        grant: row.optional_json("granted")?,
        state: tool_state(&mut row)?,
        by: MemberId::from_uuid(row.uuid("who")?),
        at: row.time("at")?,
    })
}

/// A tool's component.
pub(super) fn component(mut row: Row) -> Decoded<Vec<u8>> {
    row.bytes("wasm")
}

/// What a tool keeps under a key.
pub(super) fn tool_value(mut row: Row) -> Decoded<Vec<u8>> {
    row.bytes("data")
}

/// A key under which a tool keeps something.
pub(super) fn tool_key(mut row: Row) -> Decoded<String> {
    row.text("word")
}

/// An entry of the journal.
pub(super) fn entry(mut row: Row) -> Decoded<Entry> {
    let RecordIdKey::Number(seq) = row.key()? else { return Err(row.damage("id")) };
    let fact = Fact {
        kind: row.word("kind")?,
        who: row.optional_uuid("who")?.map(MemberId::from_uuid),
        subject: row.text("subject")?,
        detail: row.text("detail")?,
        content: row.optional_digest("content")?,
        at: row.time("at")?,
    };
    Ok(Entry {
        seq: u64::try_from(seq).map_err(|_| row.damage("id"))?,
        fact,
        previous: row.digest("previous")?,
        digest: row.digest("digest")?,
    })
}
