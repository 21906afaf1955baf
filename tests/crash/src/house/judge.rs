//! Compares what was promised and seen with what is in the house when all is at rest.

use std::collections::{BTreeMap, BTreeSet};

use hearth::wire::Said;
use hearth_domain::ids::{AnswerId, TurnId};
use hearth_domain::message::Purpose;
use serde::Serialize;

use super::model::DONE;
use super::script::{Deed, tokens};
use super::talk::{Line, Talk};

/// In which way something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Accepted or seen, and not there any more.
    Lost,
    /// The same answer or place delivered twice, or the same message accepted twice.
    Twice,
    /// Accepted, and neither answered nor failed.
    Unanswered,
    /// There, but not what was promised or seen; out of order; an answer to something else.
    Altered,
    /// In the house, and never delivered to its client.
    Undelivered,
    /// An effect that did not happen exactly once.
    Effect,
    /// A reminder that was not said exactly once.
    Reminder,
    /// The journal's chain.
    Chain,
    /// The house did not start, ended by itself, or did not come to rest.
    House,
}

/// All faults, as the table has them.
pub const FAULTS: [Fault; 9] = [
    Fault::Lost,
    Fault::Twice,
    Fault::Unanswered,
    Fault::Altered,
    Fault::Undelivered,
    Fault::Effect,
    Fault::Reminder,
    Fault::Chain,
    Fault::House,
];

/// Examples of faults that are kept.
const NOTES: usize = 24;

/// What was looked at, and what was wrong.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tally {
    /// Messages that were accepted.
    pub accepted: u64,
    /// Deliveries that clients saw.
    pub seen: u64,
    /// Messages in the house that ended in an answer.
    pub answered: u64,
    /// Messages in the house that ended in a visible failure.
    pub failed: u64,
    /// Deliveries that are not confirmed although every client has confirmed all.
    pub unsettled: u64,
    /// Failures that say that nobody knows what happened, and deliveries that are marked so.
    pub unknown: u64,
    /// Answers that the house gave itself because no model did.
    pub without_model: u64,
    /// Effects of tools that were looked for.
    pub effects: u64,
    /// Reminders that were looked for.
    pub reminders: u64,
    /// Entries of the journal.
    pub entries: u64,
    /// Faults by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// The first of them in words.
    pub notes: Vec<String>,
}

impl Tally {
    /// Notes a fault.
    pub fn fault(&mut self, fault: Fault, what: String) {
        *self.faults.entry(fault).or_default() += 1;
        if self.notes.len() < NOTES {
            self.notes.push(format!("{fault:?}: {what}"));
        }
    }

    /// Whether nothing was wrong.
    pub fn good(&self) -> bool {
        self.faults.is_empty()
    }

    /// How often this fault was found.
    pub fn count(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).copied().unwrap_or(0)
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.seen += other.seen;
        self.answered += other.answered;
        self.failed += other.failed;
        self.unsettled += other.unsettled;
        self.unknown += other.unknown;
        self.without_model += other.without_model;
        self.effects += other.effects;
        self.reminders += other.reminders;
        self.entries += other.entries;
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.notes.extend(other.notes);
        self.notes.truncate(NOTES);
    }
}

/// What is in the house of one talk.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Everything said, in order.
    pub history: Vec<Said>,
    /// What is on the list.
    pub items: Vec<String>,
    /// The notes.
    pub notes: Vec<String>,
}

/// Judges one talk, whose client has come once more and taken everything after its cursor.
pub fn judge(talk: &Talk, found: &Found, tally: &mut Tally) {
    let case = Case { talk, found, name: format!("{}/{}", talk.seat.member, talk.seat.thread) };
    for wrong in &talk.wrong {
        let fault = if wrong.contains("accepted twice") { Fault::Twice } else { Fault::Altered };
        tally.fault(fault, format!("{}: {wrong}", case.name));
    }
    case.order(tally);
    case.promises(tally);
    case.sight(tally);
    case.answers(tally);
    case.effects(tally);
    case.reminders(tally);
}

struct Case<'a> {
    talk: &'a Talk,
    found: &'a Found,
    name: String,
}

impl Case<'_> {
    /// Places are 1, 2, 3, …; each id and each answer is there once.
    fn order(&self, tally: &mut Tally) {
        let (mut ids, mut answers, mut words) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (place, said) in (1..).zip(&self.found.history) {
            if said.seq != place {
                tally.fault(Fault::Altered, format!("{}: place {place} has seq {}", self.name, said.seq));
                break;
            }
        }
        for said in &self.found.history {
            let again = !ids.insert(said.id) || said.answer.is_some_and(|answer| !answers.insert(answer));
            let token = tokens(&said.text).next().filter(|_| !said.house);
            if again || token.is_some_and(|token| !words.insert(token)) {
                tally.fault(Fault::Twice, format!("{}: {} ({:?}) is in the house twice", self.name, brief(&said.text), said.seq));
            }
        }
    }

    /// Every accepted message is there as promised.
    fn promises(&self, tally: &mut Tally) {
        for sent in &self.talk.sent {
            let Some(promise) = sent.promise else {
                tally.fault(Fault::House, format!("{}: {} was never accepted", self.name, sent.token));
                continue;
            };
            tally.accepted += 1;
            let there = self.found.history.iter().find(|said| said.id == promise.message);
            match there {
                None => tally.fault(Fault::Lost, format!("{}: {} was accepted at {} and is not there", self.name, sent.token, promise.seq)),
                Some(said) if said.seq != promise.seq || said.turn != Some(promise.turn) || said.text != sent.text || said.house => {
                    tally.fault(Fault::Altered, format!("{}: {} is not as it was accepted", self.name, sent.token));
                }
                Some(_) => self.promised_answer(&sent.token, promise.turn, promise.answer, tally),
            }
        }
    }

    fn promised_answer(&self, token: &str, turn: TurnId, answer: AnswerId, tally: &mut Tally) {
        let answers: Vec<_> = self.found.history.iter().filter(|said| said.house && said.turn == Some(turn)).collect();
        match answers.as_slice() {
            [] => {}
            [one] if one.answer == Some(answer) => {}
            _ => tally.fault(Fault::Altered, format!("{}: {token} was promised another answer than it has", self.name)),
        }
    }

    /// What the client saw came once and in order, and is there unchanged.
    fn sight(&self, tally: &mut Tally) {
        let (mut last, mut answers) = (0, BTreeSet::new());
        for line in &self.talk.seen {
            tally.seen += 1;
            if line.seq <= last || line.answer.is_some_and(|answer| !answers.insert(answer)) {
                tally.fault(Fault::Twice, format!("{}: the client was given {} after {last} ({:?})", self.name, line.seq, line.purpose));
            }
            last = last.max(line.seq);
            match self.found.history.iter().find(|said| said.seq == line.seq) {
                Some(said) if Line::from(said) == *line => {}
                Some(said) if said.id == line.id => {
                    tally.fault(Fault::Altered, format!("{}: {} is not what the client saw", self.name, line.seq));
                }
                _ => {
                    tally.fault(Fault::Lost, format!("{}: the client saw {} ({:?}), which is not there", self.name, line.seq, line.purpose))
                }
            }
        }
        let seen: BTreeSet<u64> = self.talk.seen.iter().map(|line| line.seq).collect();
        for said in self.found.history.iter().filter(|said| said.house && !seen.contains(&said.seq)) {
            tally.fault(Fault::Undelivered, format!("{}: {} was never delivered: {}", self.name, said.seq, brief(&said.text)));
        }
    }

    /// Every message in the house has one answer or failure, and one of its own.
    fn answers(&self, tally: &mut Tally) {
        let mut by_turn: BTreeMap<TurnId, Vec<&Said>> = BTreeMap::new();
        for said in self.found.history.iter().filter(|said| said.house && said.purpose != Purpose::Notice) {
            if let Some(turn) = said.turn {
                by_turn.entry(turn).or_default().push(said);
            }
        }
        for asked in self.found.history.iter().filter(|said| !said.house) {
            let answers = asked.turn.and_then(|turn| by_turn.remove(&turn)).unwrap_or_default();
            match answers.as_slice() {
                [] => tally.fault(Fault::Unanswered, format!("{}: nothing answers {}", self.name, brief(&asked.text))),
                [one] => self.answer(asked, one, tally),
                _ => tally.fault(Fault::Twice, format!("{}: {} answers to {}", self.name, answers.len(), brief(&asked.text))),
            }
        }
        for stray in by_turn.values().flatten() {
            tally.fault(Fault::Altered, format!("{}: an answer to nothing: {}", self.name, brief(&stray.text)));
        }
    }

    fn answer(&self, asked: &Said, answer: &Said, tally: &mut Tally) {
        let own: BTreeSet<&str> = tokens(&asked.text).collect();
        let shows = Deed::of(&asked.text).is_some_and(Deed::shows);
        if !shows && tokens(&answer.text).any(|token| !own.contains(token)) {
            tally.fault(Fault::Altered, format!("{}: {} is answered with {}", self.name, brief(&asked.text), brief(&answer.text)));
        }
        tally.answered += u64::from(answer.purpose == Purpose::Answer);
        tally.failed += u64::from(answer.purpose == Purpose::Failure);
        tally.unknown += u64::from(answer.purpose == Purpose::Failure && answer.text.contains("cannot tell whether it happened"));
        tally.without_model += u64::from(answer.text.contains("No language model"));
    }

    /// What a tool did is there once when it was told of, at most once when not, and nothing else is there.
    fn effects(&self, tally: &mut Tally) {
        self.effects_on("list", Deed::lists, &self.found.items, tally);
        self.effects_on("notes", Deed::notes, &self.found.notes, tally);
    }

    fn effects_on(&self, name: &str, wanted: fn(Deed) -> bool, entries: &[String], tally: &mut Tally) {
        let mut there: BTreeMap<&str, u64> = BTreeMap::new();
        for token in entries.iter().flat_map(|entry| tokens(entry)) {
            *there.entry(token).or_default() += 1;
        }
        for asked in self.found.history.iter().filter(|said| !said.house && Deed::of(&said.text).is_some_and(wanted)) {
            let Some(token) = tokens(&asked.text).next() else { continue };
            let count = there.remove(token).unwrap_or(0);
            let told = self
                .answer_to(asked)
                .is_some_and(|answer| answer.text.starts_with(DONE) || answer.text.contains(" put ") || answer.text.contains("already"));
            tally.effects += 1;
            if count > 1 || (told && count == 0) {
                tally.fault(Fault::Effect, format!("{}: {token} is {count} times in the {name}", self.name));
            }
        }
        for (token, count) in there {
            tally.fault(Fault::Effect, format!("{}: {token} is {count} times in the {name} and nobody asked for it", self.name));
        }
    }

    /// A reminder that the house has promised is said once; one that it has refused is not.
    fn reminders(&self, tally: &mut Tally) {
        for asked in self.found.history.iter().filter(|said| !said.house && Deed::of(&said.text) == Some(Deed::Remind)) {
            let (Some(token), Some(answer)) = (tokens(&asked.text).next(), self.answer_to(asked)) else { continue };
            let notices = self.found.history.iter().filter(|said| said.purpose == Purpose::Notice);
            let count = notices.filter(|said| tokens(&said.text).any(|other| other == token)).count();
            let promised = answer.text.contains("remind you");
            tally.reminders += 1;
            if count != usize::from(promised) {
                tally.fault(
                    Fault::Reminder,
                    format!("{}: {token} was said {count} times; the answer was: {}", self.name, brief(&answer.text)),
                );
            }
        }
    }

    fn answer_to(&self, asked: &Said) -> Option<&Said> {
        self.found.history.iter().find(|said| said.house && said.turn.is_some() && said.turn == asked.turn)
    }
}

/// The beginning of a text.
fn brief(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    let short: String = line.chars().take(80).collect();
    format!("“{short}”")
}

#[cfg(test)]
mod tests;
