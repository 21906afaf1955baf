//! A tool that may not be repeated has its effect at most once per call, never before its intent is durable, and its member learns of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_domain::ids::{CallId, TurnId};
use hearth_domain::store::{StepBody, Write};

use super::{Checker, Rest, Seen};
use crate::doubles::tools::BELL;

/// The checker.
#[derive(Debug, Default)]
pub struct Effects {
    intents: BTreeMap<CallId, TurnId>,
    outcomes: BTreeSet<CallId>,
    rung: BTreeSet<CallId>,
    /// What was said in the end.
    said: BTreeMap<TurnId, String>,
}

impl Effects {
    fn written(&mut self, write: &Write) {
        match write {
            Write::Step(step) => match &step.body {
                StepBody::Intent { call, .. } => drop(self.intents.insert(*call, step.turn)),
                StepBody::Outcome { call, .. } => drop(self.outcomes.insert(*call)),
                StepBody::Reply { .. } | StepBody::Asked { .. } => {}
            },
            Write::Message(row) if row.answer.is_some() => {
                if let Some(turn) = row.turn {
                    self.said.insert(turn, row.text.clone());
                }
            }
            _ => {}
        }
    }
}

impl Checker for Effects {
    fn name(&self) -> &'static str {
        "effects: at most once, after their intent, and told"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Written(group) => group.writes.iter().for_each(|write| self.written(write)),
            Seen::Effect(call) => {
                if !self.intents.contains_key(&call.id) {
                    return Err(format!("{} of {} had its effect before its intent was durable", call.id, call.name));
                }
                if call.name == BELL && !self.rung.insert(call.id) {
                    return Err(format!("{} of {} had its effect twice", call.id, call.name));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn at_rest(&self, _: &Rest<'_>) -> Result<(), String> {
        let untold = self.rung.iter().find(|call| {
            let told = self.intents.get(call).and_then(|turn| self.said.get(turn)).is_some_and(|text| text.contains(BELL));
            !self.outcomes.contains(call) && !told
        });
        untold.map_or(Ok(()), |call| Err(format!("{call} of {BELL} had its effect, and neither its outcome nor a word about it was kept")))
    }
}
