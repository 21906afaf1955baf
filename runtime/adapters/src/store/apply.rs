//! A group as one transaction of few statements, whatever the number of rows.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use hearth_domain::household::record::HouseholdWrite;
use hearth_domain::ids::{MessageId, ToolId};
use hearth_domain::store::{Group, StoreError, TurnState, Write};
use surrealdb::types::{Array, Number, Object, RecordId, Value};

use super::failure::{FENCED, Failure};
use super::household::{self, Erasure};
use super::link::Link;
use super::read;
use super::schema::{PAUSE, TRIES};
use super::{encode, erase, flow};

/// Most bytes of text, envelopes and components in one transaction. It has to fit into one of the engine's memtables, with its keys and its
/// index, or the engine has it in its log and cannot bring it to the table.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// What one transaction writes. A later write of the same row has replaced an earlier one.
#[derive(Default)]
struct Plan {
    /// Entries. They must not be there, and come first: a place that is taken already says most.
    entries: Vec<Value>,
    /// Claims. They must not be there either.
    claims: BTreeMap<RecordId, Value>,
    /// The rows before the last erasure of the group, in parts that follow each other: an erasure concerns what was written before it.
    before: Vec<Part>,
    /// The rows after it.
    last: Part,
    /// The messages of this group: what is written with the message that it belongs to is new as well.
    messages: BTreeSet<MessageId>,
    /// When sessions were used, for those that are there after all of this.
    seen: BTreeMap<RecordId, Value>,
    /// What was counted of those who are removed.
    foretold: Vec<(RecordId, Value)>,
}

/// Rows whose order does not matter, after what is removed by a condition.
#[derive(Default)]
struct Part {
    /// What is erased first.
    erased: Option<Erasure>,
    /// Rows of which this is known or likely to be the first write.
    fresh: BTreeMap<RecordId, Value>,
    /// Rows that may be there and are replaced.
    replaced: BTreeMap<RecordId, Value>,
    gone: BTreeSet<RecordId>,
    /// Rows that replace only what has a lower number.
    numbered: BTreeMap<RecordId, (u64, Value)>,
    /// Tools that are removed: what they kept before this group goes first.
    wiped: BTreeSet<String>,
    /// What tools keep by this group.
    kept: BTreeMap<String, BTreeSet<RecordId>>,
}

impl Plan {
    fn of(group: &Group) -> Result<Self, StoreError> {
        let mut plan = Self::default();
        for entry in &group.entries {
            plan.entries.push(encode::entry(entry)?.1);
        }
        for write in &group.writes {
            plan.write(write)?;
        }
        Ok(plan)
    }

    fn write(&mut self, write: &Write) -> Result<(), StoreError> {
        match write {
            Write::Claim { reminder, due, at } => {
                let (id, row) = encode::claim(*reminder, *due, *at)?;
                if self.claims.insert(id, row).is_some() {
                    return Err(StoreError::Claimed);
                }
            }
            Write::Message(row) => {
                self.messages.insert(row.id);
                let row = encode::message(row)?;
                self.last.first(row);
            }
            Write::Turn(row) if self.messages.contains(&row.message) && row.state == TurnState::Open => {
                let row = encode::turn(row)?;
                self.last.first(row);
            }
            Write::Delivery(row) if self.messages.contains(&row.message) => {
                let row = encode::delivery(row)?;
                self.last.first(row);
            }
            Write::Household(HouseholdWrite::EraseConversation { id }) => self.erase(Erasure::Conversation(*id)),
            Write::Household(HouseholdWrite::EraseOwn { member }) => self.erase(Erasure::Own(*member)),
            Write::Household(HouseholdWrite::EndSessions { member }) => self.erase(Erasure::Sessions(*member)),
            Write::SessionSeen { id, at } => drop(self.seen.insert(encode::record("session", id.uuid()), encode::time(*at)?)),
            Write::ForgetResults(turn) => self.erase(Erasure::Results(*turn)),
            Write::Household(change) => self.last.change(change)?,
            Write::Member(_)
            | Write::Conversation(_)
            | Write::Turn(_)
            | Write::Step(_)
            | Write::Memory(_)
            | Write::Forget(_)
            | Write::Reminder(_)
            | Write::Delivery(_)
            | Write::Session(_)
            | Write::EndSession(_)
            | Write::Secret(_)
            | Write::EraseSecret(_)
            | Write::Tool(_)
            | Write::ToolInfo(_)
            | Write::RemoveTool(_)
            | Write::ToolValue(_)
            | Write::ForgetToolValue { .. }
            | Write::Approval(_)
            | Write::Endorsement(_)
            | Write::Grant(_)
            | Write::Freeze(_)
            | Write::Result(_)
            | Write::Spent(_) => self.last.write(write)?,
        }
        Ok(())
    }

    fn erase(&mut self, erased: Erasure) {
        let before = std::mem::replace(&mut self.last, Part { erased: Some(erased), ..Part::default() });
        self.before.push(before);
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.before.iter().chain([&self.last])
    }

    fn bytes(&self) -> usize {
        let rows = self.parts().flat_map(|part| part.fresh.values().chain(part.replaced.values()));
        self.entries.iter().chain(self.claims.values()).chain(rows).map(bytes).fold(0, usize::saturating_add)
    }

    fn takes_rows_for_new(&self) -> bool {
        self.parts().any(|part| !part.fresh.is_empty())
    }

    /// The same rows, of which none is taken to be new.
    fn cautious(mut self) -> Self {
        for part in self.before.iter_mut().chain([&mut self.last]) {
            part.replaced.extend(std::mem::take(&mut part.fresh));
        }
        self
    }

    /// The text and the parameters. A statement costs more than a row does, so rows of all tables share one.
    fn query(&self, fence: Option<i64>) -> (Cow<'static, str>, Object) {
        let mut variables = Object::new();
        let mut text = String::from("BEGIN;");
        if let Some(epoch) = fence {
            text.push_str("IF house:main.epoch != $epoch { THROW '");
            text.push_str(FENCED);
            text.push_str("' };");
            variables.insert("epoch", Value::Number(Number::Int(epoch)));
        }
        let first: Vec<Value> = self.entries.iter().chain(self.claims.values()).cloned().collect();
        let mut first = Some(first);
        for (number, part) in self.parts().enumerate() {
            part.query(number, first.take().unwrap_or_default(), &mut text, &mut variables);
        }
        for (number, (id, at)) in self.seen.iter().enumerate() {
            text.push_str(&format!("UPDATE $seen_row_{number} SET seen = $seen_{number} RETURN NONE;"));
            variables.insert(format!("seen_row_{number}"), Value::RecordId(id.clone()));
            variables.insert(format!("seen_{number}"), at.clone());
        }
        for (number, (id, told)) in self.foretold.iter().enumerate() {
            text.push_str(&format!("UPDATE $gone_row_{number} SET foretold = $foretold_{number} RETURN NONE;"));
            variables.insert(format!("gone_row_{number}"), Value::RecordId(id.clone()));
            variables.insert(format!("foretold_{number}"), told.clone());
        }
        text.push_str("COMMIT;");
        (Cow::Owned(text), variables)
    }
}

impl Part {
    fn write(&mut self, write: &Write) -> Result<(), StoreError> {
        match write {
            Write::Member(row) => self.replace(encode::member(row)),
            Write::Conversation(row) => self.replace(encode::conversation(row)?),
            Write::Turn(row) => self.replace(encode::turn(row)?),
            Write::Step(row) => self.first(encode::step(row)?),
            Write::Memory(row) => self.replace(encode::memory(row)?),
            Write::Forget(id) => self.remove(encode::record("memory", id.uuid())),
            Write::Reminder(row) => self.replace(encode::reminder(row)?),
            Write::Delivery(row) => self.replace(encode::delivery(row)?),
            Write::Session(row) => self.replace(encode::session(row)?),
            Write::EndSession(id) => self.remove(encode::record("session", id.uuid())),
            Write::Secret(row) => self.replace(encode::secret(row)?),
            Write::EraseSecret(id) => self.remove(encode::record("secret", id.uuid())),
            Write::Tool(row) => {
                self.replace(encode::tool(&row.info)?);
                self.replace(encode::component(&row.info.name, &row.bytes));
            }
            Write::ToolInfo(row) => self.replace(encode::tool(row)?),
            Write::RemoveTool(name) => self.remove_tool(name),
            Write::ToolValue(row) => {
                let (id, value) = encode::tool_value(row)?;
                self.kept.entry(row.tool.clone()).or_default().insert(id.clone());
                self.replace((id, value));
            }
            Write::ForgetToolValue { tool, member, key } => self.remove(encode::value_record(tool, *member, key)),
            Write::Approval(row) => self.replace(flow::approval_row(row)?),
            Write::Endorsement(row) => self.replace(flow::endorsement_row(row)?),
            Write::Grant(row) => self.replace(flow::grant_row(row)?),
            Write::Freeze(Some(row)) => self.replace(flow::freeze_row(row)?),
            Write::Freeze(None) => self.remove(flow::freeze_record()),
            Write::Result(row) => self.replace(flow::result_row(row)?),
            Write::Spent(row) => {
                let (id, value) = flow::spent_row(row)?;
                if self.numbered.get(&id).is_none_or(|(number, _)| *number < row.number) {
                    self.numbered.insert(id, (row.number, value));
                }
            }
            // A plan has these itself.
            Write::Message(_) | Write::Claim { .. } | Write::Household(_) | Write::SessionSeen { .. } | Write::ForgetResults(_) => {}
        }
        Ok(())
    }

    fn change(&mut self, change: &HouseholdWrite) -> Result<(), StoreError> {
        match change {
            HouseholdWrite::Member(row) => self.replace(household::member(row)?),
            HouseholdWrite::Gone(row) => {
                self.remove(household::member_record(row.id));
                self.replace(household::gone(row)?);
            }
            HouseholdWrite::Identity(row) => self.replace(household::identity(row)?),
            HouseholdWrite::Unlink { id } => self.remove(encode::record("identity", id.uuid())),
            HouseholdWrite::Pairing(row) => self.replace(household::pairing(row)?),
            HouseholdWrite::ForgetPairing { id } => self.remove(encode::record("pairing", id.uuid())),
            HouseholdWrite::Group(row) => self.replace(household::group(row)?),
            HouseholdWrite::ForgetGroup { id } => self.remove(encode::record("room", id.uuid())),
            HouseholdWrite::EraseSecret { id } => self.remove(encode::record("secret", id.uuid())),
            // A plan has these itself.
            HouseholdWrite::EraseConversation { .. } | HouseholdWrite::EraseOwn { .. } | HouseholdWrite::EndSessions { .. } => {}
        }
        Ok(())
    }

    fn first(&mut self, (id, row): (RecordId, Value)) {
        if self.replaced.contains_key(&id) || self.gone.contains(&id) {
            return self.replace((id, row));
        }
        self.fresh.insert(id, row);
    }

    fn replace(&mut self, (id, row): (RecordId, Value)) {
        self.gone.remove(&id);
        match self.fresh.get_mut(&id) {
            Some(first) => *first = row,
            None => drop(self.replaced.insert(id, row)),
        }
    }

    fn remove(&mut self, id: RecordId) {
        self.fresh.remove(&id);
        self.replaced.remove(&id);
        self.gone.insert(id);
    }

    fn remove_tool(&mut self, name: &str) {
        self.remove(encode::tool_record(name));
        self.remove(encode::component_record(name));
        for id in self.kept.remove(name).unwrap_or_default() {
            self.replaced.remove(&id);
        }
        self.wiped.insert(name.to_owned());
    }

    /// Its statements; `before` are rows that must not be there.
    fn query(&self, number: usize, before: Vec<Value>, text: &mut String, variables: &mut Object) {
        if let Some(erased) = self.erased {
            let name = format!("erased_{number}");
            text.push_str(&erased.text(&name));
            variables.insert(name, erased.value());
        }
        let mut with = |name: &str, values: Vec<Value>| {
            let name = format!("{name}_{number}");
            variables.insert(name.clone(), Value::Array(Array::from(values)));
            name
        };
        if !self.wiped.is_empty() {
            let name = with("wiped", self.wiped.iter().map(|name| encode::uuid(ToolId::derived(&[name]).uuid())).collect());
            text.push_str(&format!("DELETE tool_value WHERE tool IN ${name} RETURN NONE;"));
        }
        let fresh: Vec<Value> = before.into_iter().chain(self.fresh.values().cloned()).collect();
        if !fresh.is_empty() {
            let name = with("fresh", fresh);
            text.push_str(&format!("INSERT ${name} RETURN NONE;"));
        }
        if !self.replaced.is_empty() {
            let name = with("replaced", self.replaced.values().cloned().collect());
            text.push_str(&format!("FOR $row IN ${name} {{ UPSERT $row.id CONTENT $row RETURN NONE }};"));
        }
        if !self.numbered.is_empty() {
            let name = with("numbered", self.numbered.values().map(|(_, row)| row.clone()).collect());
            text.push_str(&format!(
                "FOR $row IN ${name} {{ IF ($row.id.number ?? -1) < $row.number {{ UPSERT $row.id CONTENT $row RETURN NONE }} }};"
            ));
        }
        if !self.gone.is_empty() {
            let name = with("gone", self.gone.iter().cloned().map(Value::RecordId).collect());
            text.push_str(&format!("DELETE ${name} RETURN NONE;"));
        }
    }
}

/// Writes a group; `fence` is the epoch that must still be ours, where more than a lock on a folder is needed for
/// that. What a [`Failure::Commit`] left behind has to be looked up by the caller.
pub(super) async fn apply(link: &Link, fence: Option<i64>, group: &Group) -> Result<(), Failure> {
    let mut plan = Plan::of(group)?;
    for (member, told) in erase::foretold(link, group).await? {
        plan.foretold.push((encode::record("gone", member.uuid()), encode::body(&told)?));
    }
    if plan.bytes() > GROUP_BYTES {
        return Err(StoreError::Refused("too much at once".to_owned()).into());
    }
    for _ in 0..TRIES {
        let (text, variables) = plan.query(fence);
        match link.ask(text, variables).await {
            Ok(_) => return Ok(()),
            // The index of words is compacted beside us now and then.
            Err(Failure::Collision) => tokio::time::sleep(PAUSE).await,
            Err(Failure::Exists(table)) if table == "entry" => return repeated(link, group).await,
            Err(Failure::Exists(table)) if table == "claim" => return Err(StoreError::Claimed.into()),
            Err(Failure::Exists(_)) if plan.takes_rows_for_new() => plan = plan.cautious(),
            Err(failure) => return Err(failure),
        }
    }
    Err(StoreError::Busy.into())
}

/// The bytes of text, envelopes and components in a value; a fixed small number for anything else.
pub(super) fn bytes(value: &Value) -> usize {
    if let Value::String(text) = value {
        text.len()
    } else if let Value::Bytes(bytes) = value {
        bytes.len()
    } else if let Value::Array(values) = value {
        values.iter().map(bytes).fold(0, usize::saturating_add)
    } else if let Value::Object(fields) = value {
        fields.iter().map(|(name, value)| bytes(value).saturating_add(name.len())).fold(0, usize::saturating_add)
    } else {
        16
    }
}

/// A place in the chain is taken: by this very group, which then was written before, or by another house.
async fn repeated(link: &Link, group: &Group) -> Result<(), Failure> {
    if written(link, group).await? { Ok(()) } else { Err(StoreError::Fenced.into()) }
}

/// Whether this group is in the store: its entries are, and whatever is written with them is.
pub(super) async fn written(link: &Link, group: &Group) -> Result<bool, StoreError> {
    let Some(first) = group.entries.first() else { return Ok(false) };
    let stored = read::journal(link, first.seq.saturating_sub(1), group.entries.len()).await?;
    Ok(stored == group.entries)
}
