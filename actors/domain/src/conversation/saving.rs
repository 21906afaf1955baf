//! Commits under way: what each stands for, what follows when it is durable, and when it is not.

use super::*;

/// First and longest wait before a commit of a turn under way is tried again.
const SAVE_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// A commit under way, and what it stands for.
#[derive(Debug)]
pub(super) enum Saving {
    Accept { turn: TurnId, asks: Vec<AskId>, with_row: bool },
    Reply { turn: TurnId },
    Outcome { turn: TurnId },
    End { turn: TurnId, delivery: Delivery, message: Message },
    Notice { ask: AskId, delivery: Delivery, message: Message, reminder: Box<Reminder> },
    Summary { row: Box<Conversation> },
}

impl Core {
    /// A commit ended.
    pub fn on_saved(&mut self, cx: Cx<'_>, ticket: Ticket, result: Result<(), StoreError>) -> Vec<Effect> {
        let Some((saving, commit, wait)) = self.saving.remove(&ticket) else {
            return Vec::new();
        };
        let mut effects = match result {
            Ok(()) => self.saved(cx, saving),
            Err(error) => self.not_saved(saving, commit, wait, error),
        };
        // What is read again also finds what was held, in its order.
        if !effects.iter().any(|effect| matches!(effect, Effect::Reload(_))) {
            effects.extend(self.release());
        }
        effects
    }

    fn saved(&mut self, cx: Cx<'_>, saving: Saving) -> Vec<Effect> {
        match saving {
            Saving::Accept { turn, asks, with_row } => {
                self.row_saved |= with_row;
                self.accepted(cx, turn, &asks)
            }
            Saving::Reply { turn } | Saving::Outcome { turn } => self.step_saved(cx, turn),
            Saving::End { turn, delivery, message } => {
                self.remember(message.clone());
                self.held.insert(delivery.seq, (delivery, message));
                let mut effects = self.release();
                effects.extend(self.answer_stops(turn));
                if self.active.as_ref().is_some_and(|active| active.pending.turn.id == turn) {
                    self.active = None;
                }
                effects.extend(self.activate_next());
                effects.extend(self.summarise_if_long(cx));
                effects
            }
            Saving::Notice { ask, delivery, message, reminder } => {
                self.remember(message.clone());
                self.held.insert(delivery.seq, (delivery, message));
                vec![Effect::AnswerNotice(ask, Noticed::Said(reminder))]
            }
            Saving::Summary { row } => {
                self.summary_saved(*row);
                Vec::new()
            }
        }
    }

    fn accepted(&mut self, cx: Cx<'_>, turn: TurnId, asks: &[AskId]) -> Vec<Effect> {
        let known = self.origins.iter().find(|(_, accepted)| accepted.turn == turn).map(|(_, accepted)| *accepted);
        let answer = || known.ok_or(SayError::Unavailable);
        let mut effects: Vec<_> = asks.iter().map(|ask| Effect::AnswerSay(*ask, answer())).collect();
        if let Some(pending) = self.waiting.iter_mut().find(|pending| pending.turn.id == turn) {
            pending.saved = true;
            effects.extend(pending.reply());
        }
        if let Some(active) = self.active.as_mut().filter(|active| active.pending.turn.id == turn) {
            active.pending.saved = true;
            effects.extend(active.pending.reply());
            effects.extend(self.go_on(cx));
        }
        effects
    }

    fn not_saved(&mut self, saving: Saving, commit: Commit, wait: Duration, error: StoreError) -> Vec<Effect> {
        match saving {
            Saving::Accept { turn, asks, .. } if error.nothing_written() => {
                self.origins.retain(|(_, accepted)| accepted.turn != turn);
                self.waiting.retain(|pending| pending.turn.id != turn);
                if self.active.as_ref().is_some_and(|active| active.pending.turn.id == turn) {
                    self.active = None;
                }
                let mut effects: Vec<_> = asks.iter().map(|ask| Effect::AnswerSay(*ask, Err(SayError::Store(error.clone())))).collect();
                effects.extend(self.answer_stops(turn));
                effects.extend(self.activate_next());
                effects
            }
            Saving::Accept { .. } => vec![Effect::Reload("whether a message was saved is not known")],
            Saving::Notice { ask, message, .. } if error == StoreError::Claimed => {
                self.give_back(message.seq);
                vec![Effect::AnswerNotice(ask, Noticed::Before)]
            }
            Saving::Notice { ask, .. } if error.nothing_written() => vec![Effect::AnswerNotice(ask, Noticed::Failed(error))],
            Saving::Notice { ask, .. } => {
                // If it is there, its channel has not heard of it, and the next attempt will find it claimed.
                let why = Effect::Reload("whether a reminder was said is not known");
                vec![Effect::AnswerNotice(ask, Noticed::Failed(error)), why]
            }
            Saving::Summary { .. } => {
                self.summarising = None;
                Vec::new()
            }
            // Written again under its place, it could land behind what was said since, and a client's cursor be past it.
            Saving::End { .. } if !error.nothing_written() => vec![Effect::Reload("whether an answer was saved is not known")],
            Saving::End { turn, mut delivery, message } => {
                // It has no place until it is saved again, so nobody waits for it.
                delivery.seq = u64::MAX;
                let end = Saving::End { turn, delivery, message };
                let after = wait.saturating_mul(2).clamp(SAVE_AGAIN.0, SAVE_AGAIN.1);
                let ticket = self.count();
                self.saving.insert(ticket, (end, commit, after));
                vec![Effect::SaveAgain { ticket, after }]
            }
            // Steps carry their places, so writing them again is harmless even when they had arrived.
            again @ (Saving::Reply { .. } | Saving::Outcome { .. }) => {
                let wait = wait.saturating_mul(2).clamp(SAVE_AGAIN.0, SAVE_AGAIN.1);
                let ticket = self.count();
                self.saving.insert(ticket, (again, commit.clone(), wait));
                vec![Effect::Save { ticket, commit, after: wait }]
            }
        }
    }

    /// The wait before an end is saved again is over: it gets a new place, after all that was said meanwhile.
    pub fn on_again(&mut self, _: Cx<'_>, ticket: Ticket) -> Vec<Effect> {
        let seq = self.next_seq;
        let Some((Saving::End { delivery, message, .. }, commit, _)) = self.saving.get_mut(&ticket) else {
            return Vec::new();
        };
        (delivery.seq, message.seq) = (seq, seq);
        for write in &mut commit.writes {
            if let Write::Message(row) = write {
                row.seq = seq;
            } else if let Write::Delivery(row) = write {
                row.seq = seq;
            }
        }
        let commit = commit.clone();
        self.next_seq = seq.saturating_add(1);
        vec![Effect::Save { ticket, commit, after: Duration::ZERO }]
    }

    pub(super) fn save(&mut self, saving: Saving, commit: Commit) -> Effect {
        let ticket = self.count();
        self.saving.insert(ticket, (saving, commit.clone(), Duration::ZERO));
        Effect::Save { ticket, commit, after: Duration::ZERO }
    }

    /// Hands over what is durable, up to the first place that is not.
    fn release(&mut self) -> Vec<Effect> {
        let place = |saving: &Saving| match saving {
            Saving::End { delivery, .. } | Saving::Notice { delivery, .. } => Some(delivery.seq),
            Saving::Accept { .. } | Saving::Reply { .. } | Saving::Outcome { .. } | Saving::Summary { .. } => None,
        };
        let first = self.saving.values().filter_map(|(saving, ..)| place(saving)).min().unwrap_or(u64::MAX);
        let later = self.held.split_off(&first);
        let durable = std::mem::replace(&mut self.held, later);
        durable.into_values().map(|(delivery, message)| Effect::Deliver(delivery, message)).collect()
    }
}
