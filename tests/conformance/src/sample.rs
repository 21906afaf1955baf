//! Rows to write: every type, with every kind of field filled or left out.

use hearth_domain::approval::grant::{Grant, Scope};
use hearth_domain::approval::{Approval, Asked, Why};
use hearth_domain::budget::{Amounts, Day, Spent};
use hearth_domain::delivery::{Delivery, DeliveryState};
use hearth_domain::flow::call::{Call, Function};
use hearth_domain::flow::endorse::{EndorseError, Endorsement, Text};
use hearth_domain::flow::handle::Stored;
use hearth_domain::flow::value::{Leaf, Origin, Pick, ResultId, Source, Traced};
use hearth_domain::household::{Audience, Member, Role};
use hearth_domain::ids::{AnswerId, ConversationId, GrantId, MemberId, MemoryId, MessageId, ReminderId, SecretId, SessionId, TurnId};
use hearth_domain::journal::{Digest, Entry, Fact, FactKind, Head};
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::memory::{Memory, MemoryKind};
use hearth_domain::message::{Author, Message, Purpose};
use hearth_domain::model::Usage;
use hearth_domain::sandbox::{Role as ArgumentRole, Trust};
use hearth_domain::schedule::{Reminder, ReminderState};
use hearth_domain::secret::{NameError, SealedRecord, SecretName};
use hearth_domain::session::Session;
use hearth_domain::store::{Conversation, Group, StoredResult, Turn, TurnState, Write};
use hearth_domain::time::Timestamp;
use hearth_domain::tool::Effect;
use hearth_domain::tool::record::{ToolInfo, ToolRecord, ToolState, ToolValue};
use serde_json::json;

/// A point in time, with all nine digits of a second in use.
#[must_use]
pub fn at(second: i64) -> Timestamp {
    Timestamp::new(1_780_000_000_i64.saturating_add(second), 123_456_789).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A member's id.
#[must_use]
pub fn who(name: &str) -> MemberId {
    Member::id_of(name)
}

/// A member.
#[must_use]
pub fn member(name: &str, role: Role) -> Member {
    Member { id: who(name), name: name.to_owned(), role, zone: "Europe/Berlin".to_owned() }
}

/// Who may read what was said to these people, written by a member.
#[must_use]
pub fn said_to(names: &[&str]) -> Label {
    Label::new(Readers::only(names.iter().map(|name| who(name))), Integrity::Member)
}

/// An audience of adults.
#[must_use]
pub fn adults(names: &[&str]) -> Audience {
    Audience::of(names.iter().map(|name| (who(name), Role::Adult)))
}

/// A conversation's id.
#[must_use]
pub fn place(name: &str) -> ConversationId {
    ConversationId::derived(&[name])
}

/// A private conversation's row.
#[must_use]
pub fn conversation(name: &str) -> Conversation {
    Conversation { id: place(name), owner: Some(who("ada")), thread: String::new(), audience: adults(&["ada"]), summary: None, at: at(0) }
}

/// The id of the turn that a message of that place began.
#[must_use]
pub fn turn_id(name: &str, seq: u64) -> TurnId {
    TurnId::derived(&[name, &seq.to_string()])
}

/// The id of the message of that place.
#[must_use]
pub fn message_id(name: &str, seq: u64) -> MessageId {
    MessageId::derived(&[name, &seq.to_string()])
}

/// What a member said.
#[must_use]
pub fn message(name: &str, seq: u64, text: &str) -> Message {
    Message {
        id: message_id(name, seq),
        conversation: place(name),
        seq,
        turn: Some(turn_id(name, seq)),
        answer: None,
        author: Author::Member(who("ada")),
        purpose: Purpose::Said,
        origin: None,
        text: text.to_owned(),
        images: Vec::new(),
        label: said_to(&["ada"]),
        at: at(i64::try_from(seq).unwrap_or_default()),
    }
}

/// An open turn that the message of that place began.
#[must_use]
pub fn turn(name: &str, seq: u64) -> Turn {
    Turn {
        id: turn_id(name, seq),
        conversation: place(name),
        member: who("ada"),
        message: message_id(name, seq),
        answer: AnswerId::derived(&[name, &seq.to_string()]),
        channel: "local".to_owned(),
        state: TurnState::Open,
        sources: Vec::new(),
        usage: Usage::default(),
        at: at(i64::try_from(seq).unwrap_or_default()),
    }
}

/// Something that ada asked to remember.
#[must_use]
pub fn memory(name: &str, kind: MemoryKind, text: &str) -> Memory {
    Memory {
        id: MemoryId::derived(&[name]),
        member: who("ada"),
        conversation: place("kitchen"),
        kind,
        text: text.to_owned(),
        label: said_to(&["ada"]),
        at: at(0),
    }
}

/// A fact that ada asked to remember.
#[must_use]
pub fn fact(name: &str, text: &str) -> Memory {
    memory(name, MemoryKind::Fact, text)
}

/// A reminder.
#[must_use]
pub fn reminder(name: &str, due: i64, state: ReminderState) -> Reminder {
    Reminder {
        id: ReminderId::derived(&[name]),
        member: who("ada"),
        conversation: place("kitchen"),
        channel: "local".to_owned(),
        text: "water the plants".to_owned(),
        label: said_to(&["ada"]),
        due: at(due),
        first: at(0),
        zone: "Europe/Berlin".to_owned(),
        every: None,
        state,
    }
}

/// A delivery.
#[must_use]
pub fn delivery(seq: u64, state: DeliveryState) -> Delivery {
    Delivery {
        answer: AnswerId::derived(&["kitchen", &seq.to_string()]),
        conversation: place("kitchen"),
        message: message_id("kitchen", seq),
        seq,
        channel: "local".to_owned(),
        state,
        attempts: 2,
        at: at(i64::try_from(seq).unwrap_or_default()),
    }
}

/// A session.
#[must_use]
pub fn session(name: &str) -> Session {
    Session {
        id: SessionId::derived(&[name]),
        member: who("ada"),
        role: Role::Owner,
        token: Digest::of(name.as_bytes()),
        device: format!("{name} ✓"),
        at: at(0),
        seen: at(1),
        until: at(3_600),
    }
}

/// A sealed secret. Its envelope holds every byte there is.
///
/// # Errors
///
/// When no secret can have that name.
pub fn secret(name: &str, version: u32) -> Result<SealedRecord, NameError> {
    let name = SecretName::new(name)?;
    let id = SecretId::derived(&[name.as_str()]);
    Ok(SealedRecord { id, owner: who("ada"), name, version, envelope: (0..=u8::MAX).collect() })
}

/// A tool that waits for its grant. Its component holds every byte there is.
#[must_use]
pub fn tool(name: &str, version: &str) -> ToolRecord {
    let bytes: Vec<u8> = (0..=u8::MAX).chain(version.bytes()).collect();
    let info = ToolInfo {
        name: name.to_owned(),
        version: version.to_owned(),
        component: Digest::of(&bytes).to_string(),
        manifest: json!({ "name": name, "hosts": ["api.example"], "limits": { "memory_bytes": 1_u64 << 26 } }),
        grant: None,
        state: ToolState::Waiting,
        by: who("ada"),
        at: at(0),
    };
    ToolRecord { info, bytes }
}

/// Something that a tool keeps for a member.
#[must_use]
pub fn kept(tool: &str, member: &str, key: &str, value: &[u8]) -> ToolValue {
    ToolValue { tool: tool.to_owned(), member: who(member), key: key.to_owned(), value: value.to_vec() }
}

/// A function of a tool that sends something.
#[must_use]
pub fn function() -> Function {
    Function {
        tool: "example/bank".to_owned(),
        name: "bank_pay".to_owned(),
        release: Digest::of(b"release"),
        parameters: json!({ "type": "object" }),
        effect: Effect::Pay,
        arguments: [("/to".to_owned(), ArgumentRole::Recipient), ("/amount".to_owned(), ArgumentRole::Amount)].into(),
        fields: [("/id".to_owned(), Trust::Service)].into(),
    }
}

/// A call of it for a member, and what its arguments are made of.
fn call(name: &str) -> (Call, Vec<Leaf>) {
    let arguments = json!({ "to": "u'x' \u{202e} Ω", "amount": 12.5, "big": u64::MAX });
    let call = Call::new(&function(), arguments, who(name), place("kitchen"));
    let source = Source::result(ResultId(3), "mail_read");
    let origin = Origin::outside(source.clone())
        .join(&Origin { picked: [(Pick { source, by: "[subject~\"Rent\"]".to_owned() }, 3)].into(), ..Origin::mention("Rent") });
    let traced = Traced { value: json!("u'x' \u{202e} Ω"), label: said_to(&[name]), origin };
    (call, vec![Leaf { pointer: "/to".to_owned(), traced }])
}

/// A question about a member's effect, asked in that second.
#[must_use]
pub fn approval(name: &str, second: i64) -> Approval {
    let (call, leaves) = call(name);
    let member = member(name, Role::Adult);
    let sources = [Source::result(ResultId(3), "mail_read"), Source::unknown()].into();
    let whys = [Why::Outside { pointer: "/to".to_owned(), sources }, Why::Wider].into();
    Approval::ask(Asked { call: &call, function: &function(), leaves: &leaves, member: &member }, whys, at(second))
}

/// A question about two effects of a member, asked in that second.
///
/// # Errors
///
/// When nothing can be asked so.
pub fn endorsement(name: &str, second: i64) -> Result<Endorsement, EndorseError> {
    let text = Text { shown: "please \"pay\"".to_owned(), from: "mail_read (r3)".to_owned() };
    Endorsement::propose(vec![approval(name, second), approval(name, second.saturating_add(1))], vec![text], at(second))
}

/// What a member allowed, for what the sample's call hits.
#[must_use]
pub fn grant(member: &str, name: &str) -> Grant {
    let (call, _) = call(member);
    Grant {
        id: GrantId::derived(&[name]),
        member: who(member),
        tool: call.tool.clone(),
        function: call.function.clone(),
        release: call.release,
        conversation: None,
        scope: Scope::target(&call, &function()),
        left: None,
        until: None,
        by: who("ada"),
        at: at(0),
        revoked: None,
    }
}

/// A day of November.
#[must_use]
pub const fn day(of: i8) -> Day {
    Day::constant(2026, 11, of)
}

/// What a member has used of that day.
#[must_use]
pub fn used(name: &str, of: i8, number: u64, tokens: u64) -> Spent {
    let amounts = Amounts { tokens, tool_calls: 1, cost_micro_usd: i64::MAX.unsigned_abs(), paid_cents: 0 };
    Spent { member: who(name), day: day(of), number, amounts }
}

/// A result of the turn of that place.
#[must_use]
pub fn result(name: &str, seq: u64, number: u32) -> StoredResult {
    let value = json!({ "id": "a:b", "n": 1.0, "big": u64::MAX, "deep": [[null, { "": "2026-01-01T00:00:00Z" }]], "Ω": "u'x'" });
    StoredResult {
        turn: turn_id(name, seq),
        conversation: place(name),
        stored: Stored {
            id: ResultId(number),
            function: function(),
            value,
            label: Label::new(said_to(&["ada"]).readers, Integrity::Outside),
        },
        at: at(i64::try_from(seq).unwrap_or_default()),
    }
}

/// A fact for the journal.
#[must_use]
pub fn happened(kind: FactKind, subject: &str) -> Fact {
    Fact {
        kind,
        who: Some(who("ada")),
        subject: subject.to_owned(),
        detail: "word".to_owned(),
        content: Some(Digest::of(b"text")),
        at: at(0),
    }
}

/// These rows and one entry, at the end of the chain.
pub fn group(head: &mut Head, writes: impl IntoIterator<Item = Write>) -> Group {
    let entries: Vec<Entry> = vec![head.append(happened(FactKind::MessageAccepted, "subject"))];
    Group { writes: writes.into_iter().collect(), entries }
}
