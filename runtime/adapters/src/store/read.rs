//! Reading: one round trip for each question.

use std::collections::BTreeMap;

use hearth_domain::delivery::Delivery;
use hearth_domain::household::{Audience, Member, Role};
use hearth_domain::ids::{ConversationId, MemberId, MessageId, ToolId, TurnId};
use hearth_domain::journal::{Digest, Entry, Head};
use hearth_domain::memory::Memory;
use hearth_domain::message::Message;
use hearth_domain::schedule::Reminder;
use hearth_domain::secret::SealedRecord;
use hearth_domain::session::Session;
use hearth_domain::store::{Conversation, ConversationState, Counts, Step, StoreError, Turn};
use hearth_domain::tool::record::ToolInfo;
use surrealdb::types::{Array, Number, Object, RecordId, RecordIdKeyRange, Value};

use super::decode::{self, Row, all, rows};
use super::encode::{before, component_record, int, record, uuid, value_record};
use super::link::Link;

type Read<T> = Result<T, StoreError>;

/// Parameters from names and values.
pub(super) fn with<const N: usize>(values: [(&str, Value); N]) -> Object {
    let mut object = Object::new();
    for (name, value) in values {
        object.insert(name, value);
    }
    object
}

/// A number that limits; more than the database can count is no limit.
pub(super) fn limit(number: usize) -> Value {
    Value::Number(Number::Int(i64::try_from(number).unwrap_or(i64::MAX)))
}

/// All members.
pub(super) async fn members(link: &Link) -> Read<Vec<Member>> {
    all("member", link.ask("SELECT * FROM member", Object::new()).await?, decode::member)
}

/// A conversation as it stands. A range is scanned through a function, for there the engine stops at the limit; as a
/// literal or a parameter it reads the whole range first (3.3.5, `plan_source`). The messages that began open turns are looked for only if the tail does not hold
/// them, which is after a crash behind a long queue.
const STATE: &str = "RETURN {
    LET $row = (SELECT * FROM ONLY $id);
    LET $upto = $row.summary.upto ?? 0;
    LET $tail = (SELECT * FROM array::first([message:[$c]..[$c, 0 - $upto]]) LIMIT $limit);
    LET $open = (SELECT * FROM turn WHERE state = 'open' AND conversation = $c);
    LET $missing = array::complement($open.message, $tail.name);
    LET $asked = IF array::len($missing) = 0 { [] } ELSE { (SELECT * FROM message:[$c]..[$c, 0] WHERE name IN $missing) };
    LET $steps = $open.map(|$turn| { LET $t = record::id($turn.id); RETURN (SELECT * FROM step:[$t, 0]..[$t, ..]) });
    RETURN { row: $row, tail: $tail, open: $open, asked: $asked, steps: array::flatten($steps) };
}";

/// A conversation, with its newest messages.
pub(super) async fn conversation(link: &Link, id: ConversationId, tail: usize) -> Read<ConversationState> {
    let key = Value::RecordId(record("conversation", id.uuid()));
    let answer = link.ask(STATE, with([("id", key), ("c", uuid(id.uuid())), ("limit", limit(tail))])).await?;
    let mut answer = Row::of("conversation", answer)?;
    let row = rows("conversation", answer.take("row"))?.pop().map(decode::conversation).transpose()?;
    let mut messages = all("message", answer.take("tail"), decode::message)?;
    messages.reverse();
    let mut asked: Vec<Message> = all("message", answer.take("asked"), decode::message)?;
    asked.reverse();
    let mut open: Vec<Turn> = all("turn", answer.take("open"), decode::turn)?;
    let places: BTreeMap<MessageId, u64> = messages.iter().chain(&asked).map(|message| (message.id, message.seq)).collect();
    open.sort_by_key(|turn| (places.get(&turn.message).copied().unwrap_or(u64::MAX), turn.at, turn.id));
    let mut steps: BTreeMap<TurnId, Vec<Step>> = BTreeMap::new();
    for step in all("step", answer.take("steps"), decode::step)? {
        steps.entry(step.turn).or_default().push(step);
    }
    Ok(ConversationState { row, messages, open, asked, steps, results: BTreeMap::new() })
}

/// The conversations with an open turn, oldest turn first.
pub(super) async fn unfinished(link: &Link) -> Read<Vec<Conversation>> {
    const OPEN: &str = "RETURN {
        LET $open = (SELECT conversation, at, id FROM turn WHERE state = 'open' ORDER BY at, id);
        LET $ids = array::distinct($open.conversation).map(|$c| type::record('conversation', $c));
        RETURN (SELECT * FROM $ids);
    }";
    all("conversation", link.ask(OPEN, Object::new()).await?, decode::conversation)
}

/// Messages of a conversation after a place, oldest first.
pub(super) async fn messages(link: &Link, conversation: ConversationId, after: u64, count: usize) -> Read<Vec<Message>> {
    // Places have no gaps, so a page is a range of them. Should there be one all the same, or the end: what is newer
    // than the cursor is looked through.
    const AFTER: &str = "RETURN {
        LET $page = (SELECT * FROM message:[$c, $last]..[$c, $after]);
        RETURN IF array::len($page) = $limit { $page } ELSE {
            LET $newer = (SELECT * FROM message:[$c]..[$c, $after]);
            RETURN array::slice($newer, math::max([0, array::len($newer) - $limit]))
        }
    }";
    let page = u64::try_from(count).unwrap_or(u64::MAX).min(PAGE);
    let last = after.saturating_add(page).min(PLACES);
    if after >= PLACES || page == 0 {
        return Ok(Vec::new());
    }
    let variables = with([("c", uuid(conversation.uuid())), ("after", before(after)?), ("last", before(last)?), ("limit", int(page)?)]);
    let mut messages = all("message", link.ask(AFTER, variables).await?, decode::message)?;
    messages.reverse();
    Ok(messages)
}

/// The largest place that the database can count to.
const PLACES: u64 = i64::MAX.unsigned_abs();

/// Most messages of one page.
const PAGE: u64 = 10_000;

/// The newest messages of a conversation, oldest first.
pub(super) async fn recent(link: &Link, conversation: ConversationId, count: usize) -> Read<Vec<Message>> {
    const NEWEST: &str = "SELECT * FROM array::first([message:[$c]..[$c, 0]]) LIMIT $limit";
    let variables = with([("c", uuid(conversation.uuid())), ("limit", limit(count))]);
    let mut messages = all("message", link.ask(NEWEST, variables).await?, decode::message)?;
    messages.reverse();
    Ok(messages)
}

/// The condition that everybody present may read a row: `Readers::cover`, in the database's words.
pub(super) const READABLE: &str = "(excludes_guests = false OR $guests = false) AND (only = NONE OR only CONTAINSALL $people)";

/// The parameters of [`READABLE`].
pub(super) fn audience(audience: &Audience, variables: &mut Object) {
    let people: Vec<Value> = audience.iter().map(|(member, _)| uuid(member.uuid())).collect();
    variables.insert("guests", Value::Bool(audience.iter().any(|(_, role)| role == Role::Guest)));
    variables.insert("people", Value::Array(Array::from(people)));
}

/// Notes and list items of a conversation that the audience may read, oldest first.
pub(super) async fn entries(link: &Link, conversation: ConversationId, present: &Audience) -> Read<Vec<Memory>> {
    let text = format!("SELECT * FROM memory WHERE conversation = $c AND kind IN ['note', 'item'] AND {READABLE} ORDER BY at, id");
    let mut variables = with([("c", uuid(conversation.uuid()))]);
    audience(present, &mut variables);
    all("memory", link.ask(text, variables).await?, decode::memory)
}

/// How many things a member has in memory.
pub(super) async fn memory_count(link: &Link, member: MemberId) -> Read<usize> {
    const COUNT: &str = "SELECT count() FROM memory WHERE member = $member GROUP ALL";
    let counted = link.ask(COUNT, with([("member", uuid(member.uuid()))])).await?;
    rows("memory", counted)?.pop().map_or(Ok(0), |mut row| row.number("count"))
}

/// The pending reminders, earliest first.
pub(super) async fn pending_reminders(link: &Link) -> Read<Vec<Reminder>> {
    const PENDING: &str = "SELECT * FROM reminder WHERE state = 'pending' ORDER BY due, id";
    all("reminder", link.ask(PENDING, Object::new()).await?, decode::reminder)
}

/// The deliveries that are not settled, oldest first.
pub(super) async fn unsettled_deliveries(link: &Link) -> Read<Vec<Delivery>> {
    const UNSETTLED: &str = "SELECT * FROM delivery WHERE state IN ['pending', 'sending', 'unknown'] ORDER BY at, id";
    all("delivery", link.ask(UNSETTLED, Object::new()).await?, decode::delivery)
}

/// The session of a token.
pub(super) async fn session(link: &Link, token: Digest) -> Read<Option<Session>> {
    const BY_TOKEN: &str = "SELECT * FROM session WHERE token = $cookie";
    let found = link.ask(BY_TOKEN, with([("cookie", Value::String(token.to_string()))])).await?;
    Ok(all("session", found, decode::session)?.pop())
}

/// The private conversations of a member, oldest first.
pub(super) async fn conversations(link: &Link, owner: MemberId) -> Read<Vec<Conversation>> {
    const THEIRS: &str = "SELECT * FROM conversation WHERE owner = $member ORDER BY at, id";
    let found = link.ask(THEIRS, with([("member", uuid(owner.uuid()))])).await?;
    all("conversation", found, decode::conversation)
}

/// The sessions of a member or of all, oldest first.
pub(super) async fn sessions(link: &Link, member: Option<MemberId>) -> Read<Vec<Session>> {
    const ALL: &str = "SELECT * FROM session ORDER BY at, id";
    const THEIRS: &str = "SELECT * FROM session WHERE member = $member ORDER BY at, id";
    let found = match member {
        None => link.ask(ALL, Object::new()).await?,
        Some(id) => link.ask(THEIRS, with([("member", uuid(id.uuid()))])).await?,
    };
    all("session", found, decode::session)
}

/// All sealed secrets, by name, then version.
pub(super) async fn secrets(link: &Link) -> Read<Vec<SealedRecord>> {
    const SEALED: &str = "SELECT * FROM secret ORDER BY name, version, id";
    all("secret", link.ask(SEALED, Object::new()).await?, decode::secret)
}

/// All tools, by name, without their components.
pub(super) async fn tools(link: &Link) -> Read<Vec<ToolInfo>> {
    const TOOLS: &str = "SELECT * FROM tool ORDER BY name, id";
    all("tool", link.ask(TOOLS, Object::new()).await?, decode::tool)
}

/// The row of that id, which may be there or not.
pub(super) const ROW: &str = "SELECT * FROM $row";

/// The component of a tool.
pub(super) async fn tool_component(link: &Link, name: &str) -> Read<Option<Vec<u8>>> {
    let found = link.ask(ROW, with([("row", Value::RecordId(component_record(name)))])).await?;
    Ok(all("tool_component", found, decode::component)?.pop())
}

/// What a tool keeps for a member under a key.
pub(super) async fn tool_value(link: &Link, tool: &str, member: MemberId, key: &str) -> Read<Option<Vec<u8>>> {
    let found = link.ask(ROW, with([("row", Value::RecordId(value_record(tool, member, key)))])).await?;
    Ok(all("tool_value", found, decode::tool_value)?.pop())
}

/// The parameters that name what a tool keeps for a member.
fn kept(tool: &str, member: MemberId) -> Object {
    with([("tool", uuid(ToolId::derived(&[tool]).uuid())), ("member", uuid(member.uuid()))])
}

/// The keys under which a tool keeps something for a member, in the order of their bytes.
pub(super) async fn tool_keys(link: &Link, tool: &str, member: MemberId, prefix: String, count: usize) -> Read<Vec<String>> {
    const KEYS: &str = "SELECT word FROM tool_value WHERE tool = $tool AND member = $member AND string::starts_with(word, $beginning)
        ORDER BY word LIMIT $limit";
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut variables = kept(tool, member);
    variables.insert("beginning", Value::String(prefix));
    variables.insert("limit", limit(count));
    all("tool_value", link.ask(KEYS, variables).await?, decode::tool_key)
}

/// The bytes of what a tool keeps for a member.
pub(super) async fn tool_value_bytes(link: &Link, tool: &str, member: MemberId) -> Read<u64> {
    const SUM: &str = "SELECT math::sum(size) AS total FROM tool_value WHERE tool = $tool AND member = $member GROUP ALL";
    let summed = link.ask(SUM, kept(tool, member)).await?;
    rows("tool_value", summed)?.pop().map_or(Ok(0), |mut row| row.number("total"))
}

/// Entries of the journal after a place, in order. The chain has no gaps, so a page of it is a range.
pub(super) async fn journal(link: &Link, after: u64, count: usize) -> Read<Vec<Entry>> {
    const PAGED: &str = "SELECT * FROM $page";
    let first = i64::try_from(after.saturating_add(1)).unwrap_or(i64::MAX);
    let last = first.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
    if count == 0 || first == i64::MAX {
        return Ok(Vec::new());
    }
    let page = RecordId::new("entry", RecordIdKeyRange::from(first..last));
    all("entry", link.ask(PAGED, with([("page", Value::RecordId(page))])).await?, decode::entry)
}

/// The end of the chain.
pub(super) async fn head(link: &Link) -> Read<Head> {
    const LAST: &str = "SELECT * FROM entry ORDER BY id DESC LIMIT 1";
    let last = all("entry", link.ask(LAST, Object::new()).await?, decode::entry)?.pop();
    Ok(last.map_or(Head::EMPTY, |entry| Head { seq: entry.seq, digest: entry.digest }))
}

/// How many rows there are.
pub(super) async fn counts(link: &Link) -> Read<Counts> {
    const COUNTS: &str = "RETURN {
        conversations: (SELECT count() FROM conversation GROUP ALL)[0].count ?? 0,
        messages: (SELECT count() FROM message GROUP ALL)[0].count ?? 0,
        open_turns: (SELECT count() FROM turn WHERE state = 'open' GROUP ALL)[0].count ?? 0,
        memories: (SELECT count() FROM memory GROUP ALL)[0].count ?? 0,
        pending_reminders: (SELECT count() FROM reminder WHERE state = 'pending' GROUP ALL)[0].count ?? 0,
        pending_deliveries: (SELECT count() FROM delivery WHERE state IN ['pending', 'sending'] GROUP ALL)[0].count ?? 0,
        unknown_deliveries: (SELECT count() FROM delivery WHERE state = 'unknown' GROUP ALL)[0].count ?? 0,
        secrets: (SELECT count() FROM secret GROUP ALL)[0].count ?? 0,
        tools: (SELECT count() FROM tool GROUP ALL)[0].count ?? 0,
    }";
    let mut row = Row::of("counts", link.ask(COUNTS, Object::new()).await?)?;
    Ok(Counts {
        conversations: row.number("conversations")?,
        messages: row.number("messages")?,
        open_turns: row.number("open_turns")?,
        memories: row.number("memories")?,
        pending_reminders: row.number("pending_reminders")?,
        pending_deliveries: row.number("pending_deliveries")?,
        unknown_deliveries: row.number("unknown_deliveries")?,
        secrets: row.number("secrets")?,
        tools: row.number("tools")?,
    })
}
