//! I-11: each occurrence of a reminder is said at most once, and once when it has come due; none is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_domain::ids::{AnswerId, MessageId, ReminderId};
use hearth_domain::message::Purpose;
use hearth_domain::schedule::{Reminder, ReminderState};
use hearth_domain::store::{Group, StepBody, Write};
use hearth_domain::time::Timestamp;

use super::{Checker, Rest, Seen};

/// Seconds after which a reminder that is due must have been said, once faults have stopped.
const LATE_SECONDS: i64 = 150;

/// The checker.
#[derive(Debug, Default)]
pub struct Reminders {
    rows: BTreeMap<ReminderId, Reminder>,
    claims: BTreeSet<(ReminderId, Timestamp)>,
    said: BTreeMap<AnswerId, MessageId>,
}

impl Reminders {
    fn written(&mut self, group: &Group) -> Result<(), String> {
        for write in &group.writes {
            match write {
                Write::Claim { reminder, due, .. } => {
                    if !self.claims.insert((*reminder, *due)) {
                        return Err(format!("the occurrence of {reminder} at {due} was claimed twice"));
                    }
                }
                Write::Message(row) if row.purpose == Purpose::Notice => {
                    let Some(answer) = row.answer else {
                        return Err(format!("the notice {} has no answer id", row.id));
                    };
                    if self.said.insert(answer, row.id).is_some_and(|known| known != row.id) {
                        return Err(format!("an occurrence was said twice, the second time as {} ({})", row.id, row.text));
                    }
                }
                Write::Reminder(row) => self.reminder(row)?,
                Write::Step(step) => self.promised(&step.body)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn reminder(&mut self, row: &Reminder) -> Result<(), String> {
        let Some(known) = self.rows.insert(row.id, row.clone()) else {
            return Ok(());
        };
        let moved = known.due != row.due || known.state != row.state;
        if moved && known.state == ReminderState::Pending && !self.claims.contains(&(row.id, known.due)) {
            return Err(format!("{} moved on from {} without its being said", row.id, known.due));
        }
        Ok(())
    }

    /// The tool has said that a reminder is set: then it is.
    fn promised(&self, body: &StepBody) -> Result<(), String> {
        let StepBody::Outcome { name, result: Ok(value), .. } = body else {
            return Ok(());
        };
        let id = value.get("id").and_then(|id| id.as_str()).and_then(|id| id.parse::<ReminderId>().ok());
        match id.filter(|_| name == "remind") {
            Some(id) if !self.rows.contains_key(&id) => Err(format!("{id} was promised and is not set")),
            _ => Ok(()),
        }
    }
}

impl Checker for Reminders {
    fn name(&self) -> &'static str {
        "I-11 each occurrence is said once"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        if let Seen::Written(group) = seen { self.written(group) } else { Ok(()) }
    }

    fn unrest(&self, rest: &Rest<'_>) -> Option<String> {
        let overdue = self.rows.values().find(|row| {
            let late = rest.wall.as_second().saturating_sub(row.due.as_second()) > LATE_SECONDS;
            row.state == ReminderState::Pending && late && !self.claims.contains(&(row.id, row.due))
        })?;
        Some(format!("{} was due at {} and has not been said", overdue.id, overdue.due))
    }
}
