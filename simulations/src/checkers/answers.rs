//! I-10 in the store: every accepted message has exactly one logical answer or one visible failure.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_domain::conversation::{Accepted, SayError};
use hearth_domain::ids::{AnswerId, MessageId, TurnId};
use hearth_domain::message::{Message, Purpose};
use hearth_domain::store::{Turn, TurnState, Write};

use super::{Checker, Rest, Seen};

/// The checker.
#[derive(Debug, Default)]
pub struct Answers {
    accepted: BTreeMap<String, Accepted>,
    /// Whether every word about a message was that nothing happened.
    refused: BTreeMap<String, bool>,
    said: BTreeMap<String, MessageId>,
    answers: BTreeMap<AnswerId, (MessageId, u64)>,
    turns: BTreeMap<TurnId, Turn>,
}

/// Whether the word is certain: nothing was accepted.
fn is_certain(error: &SayError) -> bool {
    match error {
        SayError::Empty | SayError::TooLong { .. } | SayError::Busy { .. } | SayError::Unknown => true,
        SayError::Store(error) => error.nothing_written(),
        SayError::Unavailable => false,
    }
}

impl Answers {
    fn message(&mut self, message: &Message) -> Result<(), String> {
        if let (Purpose::Said, Some(origin)) = (message.purpose, &message.origin) {
            let known = self.said.insert(origin.external.clone(), message.id);
            if known.is_some_and(|known| known != message.id) {
                return Err(format!("{} was accepted twice: as {known:?} and as {}", origin.external, message.id));
            }
        }
        if let (Purpose::Answer | Purpose::Failure, Some(answer)) = (message.purpose, message.answer) {
            let known = self.answers.insert(answer, (message.id, message.seq));
            if let Some(known) = known.filter(|known| *known != (message.id, message.seq)) {
                return Err(format!("{answer} was given twice: {known:?} and {:?}", (message.id, message.seq)));
            }
        }
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) -> Result<(), String> {
        let known = self.turns.insert(turn.id, turn.clone());
        if let Some(known) = known.filter(|known| known.state != TurnState::Open && known.state != turn.state) {
            return Err(format!("{} ended as {:?} and then as {:?}", turn.id, known.state, turn.state));
        }
        if turn.state != TurnState::Open && !self.answers.contains_key(&turn.answer) {
            return Err(format!("{} ended as {:?} and nothing was said", turn.id, turn.state));
        }
        Ok(())
    }

    fn told(&mut self, origin: &str, outcome: &Result<Accepted, SayError>) -> Result<(), String> {
        let certain = outcome.as_ref().is_err_and(is_certain);
        let all = self.refused.entry(origin.to_owned()).or_insert(true);
        *all = *all && certain;
        let Ok(accepted) = outcome else {
            return Ok(());
        };
        if self.said.get(origin) != Some(&accepted.message) {
            return Err(format!("{origin} was accepted as {} before it was durable", accepted.message));
        }
        match self.accepted.insert(origin.to_owned(), *accepted) {
            Some(known) if known != *accepted => Err(format!("{origin} was accepted as {known:?} and then as {accepted:?}")),
            _ => Ok(()),
        }
    }
}

impl Checker for Answers {
    fn name(&self) -> &'static str {
        "I-10 every accepted message has exactly one answer or one visible failure"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Written(group) => group.writes.iter().try_for_each(|write| match write {
                Write::Message(message) => self.message(message),
                Write::Turn(turn) => self.turn(turn),
                _ => Ok(()),
            }),
            Seen::Told { origin, outcome } => self.told(origin, outcome),
            _ => Ok(()),
        }
    }

    fn unrest(&self, _: &Rest<'_>) -> Option<String> {
        let open = self.turns.values().find(|turn| turn.state == TurnState::Open)?;
        Some(format!("{} in {} is not answered", open.id, open.conversation))
    }

    fn at_rest(&self, _: &Rest<'_>) -> Result<(), String> {
        let both = self.refused.iter().find(|(origin, refused)| **refused && self.said.contains_key(*origin));
        both.map_or(Ok(()), |(origin, _)| Err(format!("{origin} was refused for certain, and accepted all the same")))
    }
}
