//! The rows of the household: written, read, and erased.

use std::collections::BTreeSet;

use hearth_domain::household::audience::Group;
use hearth_domain::household::pairing::Pairing;
use hearth_domain::household::record::{GoneRow, HouseholdRows, IdentityRow, MemberRow};
use hearth_domain::ids::{ConversationId, MemberId, TurnId};
use hearth_domain::store::StoreError;
use hearth_domain::time::Timestamp;
use surrealdb::types::{Array, Object, RecordId, Value};

use super::decode::{self, Decoded, Row, all};
use super::encode::{Draft, Encoded, Keyed, body, record, time, uuid};
use super::link::Link;

/// What a transaction erases before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Erasure {
    /// A conversation with all that is in it.
    Conversation(ConversationId),
    /// What a member alone has.
    Own(MemberId),
    /// The sessions of a member.
    Sessions(MemberId),
    /// The results of a turn.
    Results(TurnId),
}

impl Erasure {
    /// The statements, about the parameter of that name.
    pub(super) fn text(self, of: &str) -> String {
        match self {
            Self::Conversation(_) => conversation(of),
            Self::Sessions(_) => format!("DELETE session WHERE member = ${of} RETURN NONE;"),
            Self::Results(_) => format!("DELETE result:[${of}, 0]..[${of}, ..] RETURN NONE;"),
            Self::Own(_) => format!(
                "LET $places_{of} = (SELECT VALUE record::id(id) FROM conversation WHERE owner = ${of});
                FOR $place IN $places_{of} {{ {} }};
                DELETE secret WHERE owner = ${of} RETURN NONE;
                DELETE memory WHERE only = [${of}] RETURN NONE;
                DELETE reminder WHERE only = [${of}] RETURN NONE;
                UPDATE reminder SET state = 'cancelled' WHERE member = ${of} AND state = 'pending' RETURN NONE;
                DELETE session WHERE member = ${of} RETURN NONE;
                DELETE tool_value WHERE member = ${of} RETURN NONE;
                DELETE approval WHERE member = ${of} RETURN NONE;
                DELETE endorsement WHERE member = ${of} RETURN NONE;
                DELETE permit WHERE member = ${of} RETURN NONE;
                DELETE spent WHERE member = ${of} RETURN NONE;",
                conversation("place")
            ),
        }
    }

    /// What the parameter is.
    pub(super) fn value(self) -> Value {
        match self {
            Self::Conversation(id) => uuid(id.uuid()),
            Self::Own(id) | Self::Sessions(id) => uuid(id.uuid()),
            Self::Results(id) => uuid(id.uuid()),
        }
    }
}

/// The statements that erase a conversation with all that is in it, about the parameter of that name.
fn conversation(of: &str) -> String {
    format!(
        "FOR $turn IN (SELECT VALUE record::id(id) FROM turn WHERE conversation = ${of}) {{ DELETE step:[$turn, 0]..[$turn, ..] RETURN NONE }};
        DELETE turn WHERE conversation = ${of} RETURN NONE;
        DELETE result WHERE conversation = ${of} RETURN NONE;
        DELETE delivery WHERE conversation = ${of} RETURN NONE;
        DELETE message:[${of}]..[${of}, 0] RETURN NONE;
        DELETE type::record('conversation', ${of}) RETURN NONE;"
    )
}

/// The id of a member's row.
pub(super) fn member_record(id: MemberId) -> RecordId {
    record("member", id.uuid())
}

/// A member's row.
pub(super) fn member(row: &MemberRow) -> Encoded<Keyed> {
    let guardians: Vec<Value> = row.guardians.iter().map(|id| uuid(id.uuid())).collect();
    let (id, Value::Object(mut fields)) = super::encode::member(&row.member) else {
        return Err(StoreError::Refused("a member is no row".to_owned()));
    };
    fields.insert("guardians", Value::Array(Array::from(guardians)));
    fields.insert("since", time(row.at)?);
    if let Some(by) = row.by {
        fields.insert("who", uuid(by.uuid()));
    }
    Ok((id, Value::Object(fields)))
}

/// What is left of a member who was removed.
pub(super) fn gone(row: &GoneRow) -> Encoded<Keyed> {
    Ok(Draft::new(record("gone", row.id.uuid())).with("at", time(row.at)?).with("erased", Value::Bool(row.erased)).done())
}

/// An account.
pub(super) fn identity(row: &IdentityRow) -> Encoded<Keyed> {
    Ok(Draft::new(record("identity", row.id.uuid())).with("member", uuid(row.member.uuid())).with("body", body(row)?).done())
}

/// A pairing.
pub(super) fn pairing(row: &Pairing) -> Encoded<Keyed> {
    Ok(Draft::new(record("pairing", row.id.uuid())).with("body", body(row)?).done())
}

/// A group.
pub(super) fn group(row: &Group) -> Encoded<Keyed> {
    Ok(Draft::new(record("room", row.id.uuid())).with("body", body(row)?).done())
}

/// A member's row as it is stored.
pub(super) fn member_row(mut row: Row) -> Decoded<MemberRow> {
    let guardians = row.uuids("guardians")?.unwrap_or_default().into_iter().map(MemberId::from_uuid).collect::<BTreeSet<_>>();
    let by = row.optional_uuid("who")?.map(MemberId::from_uuid);
    let at = if row.has("since") { row.time("since")? } else { Timestamp::UNIX_EPOCH };
    Ok(MemberRow { member: decode::member(row)?, guardians, by, at })
}

fn gone_row(mut row: Row) -> Decoded<GoneRow> {
    Ok(GoneRow { id: MemberId::from_uuid(row.id()?), at: row.time("at")?, erased: row.flag("erased")? })
}

/// All rows.
pub(super) async fn rows(link: &Link) -> Result<HouseholdRows, StoreError> {
    const ALL: &str = "RETURN {
        members: (SELECT * FROM member), gone: (SELECT * FROM gone), identities: (SELECT * FROM identity),
        pairings: (SELECT * FROM pairing), groups: (SELECT * FROM room),
    }";
    let mut found = Row::of("household", link.ask(ALL, Object::new()).await?)?;
    Ok(HouseholdRows {
        members: all("member", found.take("members"), member_row)?,
        gone: all("gone", found.take("gone"), gone_row)?,
        identities: all("identity", found.take("identities"), decode::body)?,
        pairings: all("pairing", found.take("pairings"), decode::body)?,
        groups: all("room", found.take("groups"), decode::body)?,
    })
}
