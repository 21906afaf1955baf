//! Questions, what was allowed, the results of turns, and what was used of budgets: written and read.

use hearth_domain::approval::grant::Grant;
use hearth_domain::approval::{Approval, State};
use hearth_domain::budget::Spent;
use hearth_domain::flow::endorse::Endorsement;
use hearth_domain::ids::{ApprovalId, MemberId, TurnId};
use hearth_domain::policy::Freeze;
use hearth_domain::store::{StoreError, StoredResult};
use hearth_domain::time::Timestamp;
use surrealdb::types::{Number, Object, RecordId, Value};

use super::decode::{all, body as read};
use super::encode::{Draft, Encoded, Keyed, body, int, placed, record, time, uuid};
use super::link::Link;
use super::read::{ROW, with};

type Read<T> = Result<T, StoreError>;

/// A question about one effect.
pub(super) fn approval_row(row: &Approval) -> Encoded<Keyed> {
    let draft = Draft::new(record("approval", row.id.uuid()))
        .with("member", uuid(row.call.member.uuid()))
        .with("open", Value::Bool(!row.state.is_final()))
        .with("asked", time(row.asked)?)
        .with("body", body(row)?);
    Ok(draft.done())
}

/// A question about several effects, which are all of one member.
pub(super) fn endorsement_row(row: &Endorsement) -> Encoded<Keyed> {
    let draft = Draft::new(record("endorsement", row.id.uuid()))
        .with("member", row.calls().first().map_or(Value::None, |one| uuid(one.call.member.uuid())))
        .with("open", Value::Bool(row.state == State::Pending))
        .with("asked", time(row.asked)?)
        .with("body", body(row)?);
    Ok(draft.done())
}

/// What a member allowed.
pub(super) fn grant_row(row: &Grant) -> Encoded<Keyed> {
    let draft = Draft::new(record("permit", row.id.uuid()))
        .with("member", uuid(row.member.uuid()))
        .with("stands", Value::Bool(row.revoked.is_none() && row.left != Some(0)))
        .with("at", time(row.at)?)
        .with("body", body(row)?);
    Ok(draft.done())
}

/// The one row that says what the house is stopped by.
pub(super) fn freeze_record() -> RecordId {
    RecordId::new("freeze", "main")
}

/// What the house is stopped by.
pub(super) fn freeze_row(row: &Freeze) -> Encoded<Keyed> {
    Ok(Draft::new(freeze_record()).with("body", body(row)?).done())
}

/// What the house is stopped by.
pub(super) async fn freeze(link: &Link) -> Read<Option<Freeze>> {
    let found = link.ask(ROW, with([("row", Value::RecordId(freeze_record()))])).await?;
    Ok(all("freeze", found, read)?.pop())
}

/// The id of a result.
fn result_record(row: &StoredResult) -> RecordId {
    placed("result", row.turn.uuid(), Value::Number(Number::Int(i64::from(row.stored.id.0))))
}

/// A result of a turn.
pub(super) fn result_row(row: &StoredResult) -> Encoded<Keyed> {
    let draft = Draft::new(result_record(row)).with("conversation", uuid(row.conversation.uuid()));
    Ok(draft.with("at", time(row.at)?).with("body", body(row)?).done())
}

/// What a member has used of a day.
pub(super) fn spent_row(row: &Spent) -> Encoded<Keyed> {
    let id = placed("spent", row.member.uuid(), Value::String(row.day.to_string()));
    Ok(Draft::new(id).with("member", uuid(row.member.uuid())).with("number", int(row.number)?).with("body", body(row)?).done())
}

/// What members have used.
pub(super) async fn spent(link: &Link) -> Read<Vec<Spent>> {
    const ALL: &str = "SELECT * FROM spent ORDER BY id";
    all("spent", link.ask(ALL, Object::new()).await?, read)
}

/// Questions that are not settled.
pub(super) async fn open_approvals(link: &Link) -> Read<Vec<Approval>> {
    const OPEN: &str = "SELECT * FROM approval WHERE open = true ORDER BY asked, id";
    all("approval", link.ask(OPEN, Object::new()).await?, read)
}

/// Questions about a member's effects.
pub(super) async fn approvals(link: &Link, member: MemberId, since: Timestamp) -> Read<Vec<Approval>> {
    const ASKED: &str = "SELECT * FROM approval WHERE member = $member AND asked >= $from ORDER BY asked, id";
    // What is out of the database's range is before all that is in it.
    let since = time(since).or_else(|_| time(Timestamp::UNIX_EPOCH))?;
    all("approval", link.ask(ASKED, with([("member", uuid(member.uuid())), ("from", since)])).await?, read)
}

/// A question by its id.
pub(super) async fn approval(link: &Link, id: ApprovalId) -> Read<Option<Approval>> {
    let found = link.ask(ROW, with([("row", Value::RecordId(record("approval", id.uuid())))])).await?;
    Ok(all("approval", found, read)?.pop())
}

/// Questions about several effects that nobody has answered.
pub(super) async fn open_endorsements(link: &Link) -> Read<Vec<Endorsement>> {
    const OPEN: &str = "SELECT * FROM endorsement WHERE open = true ORDER BY asked, id";
    all("endorsement", link.ask(OPEN, Object::new()).await?, read)
}

/// A question about several effects by its id.
pub(super) async fn endorsement(link: &Link, id: ApprovalId) -> Read<Option<Endorsement>> {
    let found = link.ask(ROW, with([("row", Value::RecordId(record("endorsement", id.uuid())))])).await?;
    Ok(all("endorsement", found, read)?.pop())
}

/// What was allowed and stands.
pub(super) async fn grants(link: &Link, member: Option<MemberId>) -> Read<Vec<Grant>> {
    const ALL: &str = "SELECT * FROM permit WHERE stands = true ORDER BY at, id";
    const OF: &str = "SELECT * FROM permit WHERE member = $member AND stands = true ORDER BY at, id";
    let answer = match member {
        None => link.ask(ALL, Object::new()).await?,
        Some(member) => link.ask(OF, with([("member", uuid(member.uuid()))])).await?,
    };
    all("permit", answer, read)
}

/// The results of a turn.
pub(super) async fn results(link: &Link, turn: TurnId) -> Read<Vec<StoredResult>> {
    const OF: &str = "SELECT * FROM result:[$t, 0]..[$t, ..]";
    all("result", link.ask(OF, with([("t", uuid(turn.uuid()))])).await?, read)
}
