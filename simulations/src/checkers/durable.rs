//! I-12: what was acknowledged is never lost, over any crash; nothing that was written is written over.
//!
//! A shadow of the store holds every group that was acknowledged, and every group of unknown outcome that turns out to be there.
//! After each crash and in the end the store must be equal to its shadow, row by row.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_conformance::double::Rows;
use hearth_domain::ids::ConversationId;
use hearth_domain::store::{Group, StoreError, Write};

use super::{Checker, Seen};

/// The name of the invariant.
pub const NAME: &str = "I-12 acknowledged commits are never lost";

/// The checker.
#[derive(Debug, Default)]
pub struct Durable {
    shadow: Rows,
    /// Groups that were handed over and not answered.
    open: BTreeMap<u64, Group>,
    count: u64,
    summaries: BTreeMap<ConversationId, u64>,
    messages: BTreeMap<(ConversationId, u64), hearth_domain::ids::MessageId>,
}

impl Durable {
    /// What is known to be written.
    #[must_use]
    pub const fn rows(&self) -> &Rows {
        &self.shadow
    }

    /// A group is handed to the store.
    pub fn attempt(&mut self, group: &Group) -> u64 {
        self.count = self.count.saturating_add(1);
        self.open.insert(self.count, group.clone());
        self.count
    }

    /// The store has answered, or broken off. Gives the groups that are known to be written now, in order.
    ///
    /// # Errors
    ///
    /// When an acknowledged group does not follow from what was acknowledged before.
    pub fn ended(&mut self, attempt: u64, result: &Result<(), StoreError>, actual: impl FnOnce() -> Rows) -> Result<Vec<Group>, String> {
        let alone = self.open.len() == 1;
        let Some(group) = self.open.remove(&attempt) else {
            return Ok(Vec::new());
        };
        if alone && result.is_ok() {
            return self.add(group).map(|group| vec![group]);
        }
        let actual = actual();
        let mut landed = self.resolve(&actual)?;
        if result.is_ok() || is_in(&group, &actual) {
            landed.push(self.add(group)?);
        }
        Ok(landed)
    }

    /// Groups without an answer that are in the store all the same.
    fn resolve(&mut self, actual: &Rows) -> Result<Vec<Group>, String> {
        let there: Vec<u64> = self.open.iter().filter(|(_, group)| is_in(group, actual)).map(|(n, _)| *n).collect();
        let groups: Vec<Group> = there.iter().filter_map(|n| self.open.remove(n)).collect();
        groups.into_iter().map(|group| self.add(group)).collect()
    }

    fn add(&mut self, group: Group) -> Result<Group, String> {
        let places: Vec<u64> = group.entries.iter().map(|entry| entry.seq).collect();
        self.shadow.apply(group.clone()).map_err(|error| format!("a group at {places:?} was acknowledged but does not fit: {error}"))?;
        Ok(group)
    }

    /// After a crash, or in the end: the store is its shadow. Gives the groups that are known to be written only now.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn compare(&mut self, actual: &Rows) -> Result<Vec<Group>, String> {
        let landed = self.resolve(actual)?;
        self.open.clear();
        if self.shadow == *actual { Ok(landed) } else { Err(difference(&self.shadow, actual)) }
    }
}

fn is_in(group: &Group, actual: &Rows) -> bool {
    !group.entries.is_empty() && group.entries.iter().all(|entry| actual.journal.get(&entry.seq) == Some(entry))
}

fn difference(shadow: &Rows, actual: &Rows) -> String {
    fn table<K: Ord + std::fmt::Debug, V: PartialEq>(name: &str, shadow: &BTreeMap<K, V>, actual: &BTreeMap<K, V>) -> Option<String> {
        let lost = shadow
            .iter()
            .find(|(key, row)| actual.get(key) != Some(row))
            .map(|(key, _)| format!("{name} {key:?} was acknowledged and is lost or different"));
        lost.or_else(|| {
            actual.keys().find(|key| !shadow.contains_key(key)).map(|key| format!("{name} {key:?} is there and nobody wrote it"))
        })
    }
    table("journal entry", &shadow.journal, &actual.journal)
        .or_else(|| table("message", &shadow.messages, &actual.messages))
        .or_else(|| table("turn", &shadow.turns, &actual.turns))
        .or_else(|| table("step", &shadow.steps, &actual.steps))
        .or_else(|| table("memory", &shadow.memories, &actual.memories))
        .or_else(|| table("reminder", &shadow.reminders, &actual.reminders))
        .or_else(|| table("claim", &shadow.claims, &actual.claims))
        .or_else(|| table("secret", &shadow.secrets, &actual.secrets))
        .or_else(|| table("delivery", &shadow.deliveries, &actual.deliveries))
        .or_else(|| table("conversation", &shadow.conversations, &actual.conversations))
        .or_else(|| table("tool", &shadow.tools, &actual.tools))
        .or_else(|| table("component", &shadow.components, &actual.components))
        .or_else(|| table("tool value", &shadow.tool_values, &actual.tool_values))
        .unwrap_or_else(|| "some row is different".to_owned())
}

impl Checker for Durable {
    fn name(&self) -> &'static str {
        NAME
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Written(group) = seen else {
            return Ok(());
        };
        for write in &group.writes {
            match write {
                Write::Message(row) => {
                    let known = self.messages.insert((row.conversation, row.seq), row.id);
                    if known.is_some_and(|known| known != row.id) {
                        return Err(format!("message {} of {} was written over by {}", row.seq, row.conversation, row.id));
                    }
                }
                Write::Conversation(row) => {
                    let upto = row.summary.as_ref().map_or(0, |summary| summary.upto);
                    let known = self.summaries.insert(row.id, upto).unwrap_or(0);
                    if upto < known {
                        return Err(format!("the summary of {} went back from {known} to {upto}", row.id));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
