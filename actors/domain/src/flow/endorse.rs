//! Endorsement: one question for a task that is stated by somebody outside ("do what the letter asks").
//!
//! The planner reads what is asked, or has values of it read, and proposes several calls in one reply. The member is shown the text as it
//! stands, every call with every value, and where it comes from. Each call is an [`Approval`] of its own that is never asked by itself: the
//! one answer is the answer to each. So a yes covers exactly these calls, each once, and each is checked again when it runs; what was not
//! shown still asks.

use serde::{Deserialize, Serialize};

use super::canonical::{digest, shown};
use super::value::Traced;
use crate::approval::reply::{code, how_once};
use crate::approval::{APPROVAL_SECONDS, Answer, AnswerError, Approval, Concern, State, card_names, later};
use crate::error::{Class, Classified};
use crate::household::Member;
use crate::ids::{ApprovalId, MemberId};
use crate::journal::Digest;
use crate::time::Timestamp;

/// Most calls of one question: more than a person reads.
pub const CALLS_MAX: usize = 12;
/// Most texts of one question.
pub const TEXTS_MAX: usize = 8;
/// Most questions of a turn before what is left is to be asked as one.
pub const QUESTIONS_MAX: usize = 3;

/// What is to be asked of a member, as one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Inquiry {
    /// The calls, as policy would ask about each.
    pub calls: Vec<Approval>,
    /// What somebody outside asks for.
    pub texts: Vec<Text>,
    /// Whether nobody else is present where it is asked.
    pub alone: bool,
}

/// Why no question can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndorseError {
    /// Nothing to ask.
    #[error("there is nothing to ask about")]
    Nothing,
    /// Too much to read.
    #[error("one question has at most {CALLS_MAX} calls and {TEXTS_MAX} texts; do it in parts")]
    TooMuch,
    /// Of several members or conversations.
    #[error("the calls are not all for the same member in the same conversation")]
    Mixed,
}

impl Classified for EndorseError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// What somebody outside asks for, as the member is shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The text, with what would hide in it written out.
    pub shown: String,
    /// Where it came in.
    pub from: String,
}

impl Text {
    /// A value that was read.
    #[must_use]
    pub fn of(read: &Traced) -> Self {
        Self { shown: shown(&read.value), from: card_names(&read.origin.outside) }
    }
}

/// One question about several calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endorsement {
    /// Its id.
    pub id: ApprovalId,
    /// The digest of all its effects.
    pub fingerprint: Digest,
    /// What somebody outside asks for.
    pub texts: Vec<Text>,
    /// The calls, as questions of their own that are never asked one by one.
    calls: Vec<Approval>,
    /// Who may answer.
    pub concern: Concern,
    /// When it was asked.
    pub asked: Timestamp,
    /// When it is void.
    pub expires: Timestamp,
    /// Where it stands.
    pub state: State,
}

impl Endorsement {
    /// One question instead of these: what the gate asked about each call, and what was read.
    ///
    /// # Errors
    ///
    /// Nothing, or too much for one question.
    pub fn propose(mut calls: Vec<Approval>, texts: Vec<Text>, now: Timestamp) -> Result<Self, EndorseError> {
        let first = calls.first().ok_or(EndorseError::Nothing)?;
        if calls.len() > CALLS_MAX || texts.len() > TEXTS_MAX {
            return Err(EndorseError::TooMuch);
        }
        let (member, conversation) = (first.call.member, first.call.conversation);
        if calls.iter().any(|one| (one.call.member, one.call.conversation) != (member, conversation)) {
            return Err(EndorseError::Mixed);
        }
        let minor = calls.iter().map(|one| one.concern).find(|concern| matches!(concern, Concern::Minor(_)));
        let house = calls.iter().map(|one| one.concern).find(|concern| *concern == Concern::House);
        let concern = minor.or(house).unwrap_or(first.concern);
        let prints: Vec<_> = calls.iter().map(|one| one.fingerprint.to_string()).collect();
        let mut parts = vec!["endorsement"];
        parts.extend(prints.iter().map(String::as_str));
        let fingerprint = digest(&parts);
        // Of its first call's question, which tells nothing of what is in it.
        let id = ApprovalId::derived(&["endorsement", &first.id.to_string(), &now.to_string()]);
        calls.iter_mut().for_each(|one| one.part_of = Some(id));
        Ok(Self { id, fingerprint, texts, calls, concern, asked: now, expires: later(now, APPROVAL_SECONDS), state: State::Pending })
    }

    /// The calls that it asks about.
    #[must_use]
    pub fn calls(&self) -> &[Approval] {
        &self.calls
    }

    /// For whom.
    #[must_use]
    pub fn member(&self) -> Option<MemberId> {
        self.calls.first().map(|one| one.call.member)
    }

    /// Whether it waits for this person.
    #[must_use]
    pub fn is_for(&self, who: &Member) -> bool {
        self.state == State::Pending && self.concern.may_answer(who)
    }

    /// The question in plain sentences.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut lines: Vec<_> = self.texts.iter().map(|text| format!("Somebody outside asks, in {}: {}", text.from, text.shown)).collect();
        lines.push(format!("Shall this be done? One yes covers all {}, each once, with these values and no others:", self.calls.len()));
        lines.extend((1_usize..).zip(&self.calls).map(|(at, one)| format!("{at}. {}", one.card.sentence())));
        lines.join("\n")
    }

    /// The same, with how it is answered.
    #[must_use]
    pub fn card(&self) -> String {
        format!("{}\n{}", self.sentence(), how_once(&code(self.id)))
    }

    /// Looks at the clock.
    pub fn expire(&mut self, now: Timestamp) {
        if self.state == State::Pending && (now >= self.expires || now < later(self.asked, -crate::approval::CLOCK_SLACK_SECONDS)) {
            self.state = State::Expired { at: now };
        }
    }

    /// Takes a person's answer: the first counts, for each of the calls. Only [`Answer::No`] and [`Answer::Once`] are answers.
    ///
    /// # Errors
    ///
    /// It does not count.
    pub fn answer(&mut self, who: &Member, answer: Answer, now: Timestamp) -> Result<&[Approval], AnswerError> {
        self.expire(now);
        if !self.concern.may_answer(who) {
            return Err(AnswerError::NotYours);
        }
        self.state = match (self.state, answer) {
            (State::Pending, Answer::No) => State::Denied { by: who.id, at: now },
            (State::Pending, Answer::Once | Answer::Times(1)) => State::Approved { by: who.id, at: now },
            (State::Pending, Answer::Times(_) | Answer::Until(_) | Answer::Always) => return Err(AnswerError::YesOrNo),
            (State::Expired { .. }, _) => return Err(AnswerError::Expired),
            (State::Approved { .. } | State::Denied { .. } | State::Used { .. }, _) => return Err(AnswerError::Answered),
        };
        self.calls.iter_mut().for_each(|one| one.state = self.state);
        Ok(&self.calls)
    }

    /// Nobody waits for the answer any more.
    pub fn withdraw(&mut self, now: Timestamp) {
        if self.state == State::Pending {
            self.state = State::Expired { at: now };
        }
    }
}

#[cfg(test)]
mod tests;
