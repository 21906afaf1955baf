//! Whether those who decide may see what a question shows them.
//!
//! An adult decides for a child, and is shown what the call hits. A model puts there what it likes, also the child's own words. So a value
//! stands on a card only if its reader is among the value's readers, or if the child has let it go: shown exactly what the adults will see,
//! on the child's own channel, for this one question. That is a declassification: bound to these values by their digest, and a fact.
//!
//! ```text
//!  asked ─┬─ whoever decides may read it ──────▶ Needless ─▶ their cards
//!         └─ else ─▶ Wanted ─▶ the member's card ─┬─ yes ─▶ Given ─▶ their cards
//!                                                 └─ no ──▶ the question is denied
//! ```
//!
//! Where the member may decide as well (a matter of the house), nobody has to let anything go: who may not read it is not asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::reply::{code, how, how_once};
use super::{Answer, AnswerError, Approval, Card, Concern, State};
use crate::flow::canonical::digest;
use crate::household::Member;
use crate::ids::MemberId;
use crate::journal::Digest;
use crate::time::Timestamp;

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "consent", rename_all = "snake_case")]
pub enum Consent {
    /// Nobody is shown what they may not read.
    #[default]
    Needless,
    /// The member is asked first, and nobody else yet.
    Wanted,
    /// The member let those who decide see this.
    Given {
        /// Who.
        by: MemberId,
        /// When.
        at: Timestamp,
        /// The digest of exactly what they see.
        values: Digest,
    },
}

impl Approval {
    /// The question for this household: whether its member has to be asked first.
    #[must_use]
    pub fn among(mut self, household: &[Member]) -> Self {
        let decides = |who: &&Member| who.id != self.call.member && self.concern.may_answer(who);
        let is_unreadable = household.iter().filter(decides).any(|who| !self.card.is_readable_for(who));
        if matches!(self.concern, Concern::Minor(_)) && is_unreadable {
            self.consent = Consent::Wanted;
        }
        self
    }

    /// What others are shown, as one digest: of this question, with these values.
    #[must_use]
    pub fn shown_values(&self) -> Digest {
        let (id, fingerprint) = (self.id.to_string(), self.fingerprint.to_string());
        let mut parts = vec!["shown", &id, &fingerprint];
        parts.extend(self.card.hits().flat_map(|one| [one.pointer.as_str(), one.shown.as_str()]));
        digest(&parts)
    }

    /// The card as this person may see it; none when they may not.
    #[must_use]
    pub fn card_for(&self, who: &Member) -> Option<Card> {
        if who.id == self.call.member {
            return Some(self.card.clone());
        }
        let let_go = match self.consent {
            Consent::Needless => false,
            Consent::Wanted => return None,
            Consent::Given { values, .. } => values == self.shown_values(),
        };
        (let_go || self.card.is_readable_for(who)).then(|| self.card.for_others())
    }

    /// Whether it waits for this person, by the role that they have now. Nobody answers what they may not see.
    #[must_use]
    pub fn is_for(&self, who: &Member) -> bool {
        match self.consent {
            _ if self.part_of.is_some() => false,
            Consent::Wanted => who.id == self.call.member,
            Consent::Needless | Consent::Given { .. } => self.concern.may_answer(who) && self.card_for(who).is_some(),
        }
    }

    /// The question for this person, without how it is answered; none when it is not for them to see.
    #[must_use]
    pub fn question_for(&self, who: &Member) -> Option<String> {
        if self.consent == Consent::Wanted && who.id == self.call.member {
            let theirs = self.card.for_others().sentence();
            return Some(format!("An adult has to say yes to this. They will see:\n{theirs}\nAsk them?"));
        }
        self.card_for(who).map(|card| card.sentence())
    }

    /// Who is told what about it as it stands. Nobody is told twice in its life: the member who was asked first is not told again.
    #[must_use]
    pub fn cards(&self, household: &[Member]) -> BTreeMap<MemberId, String> {
        let (asker, code) = (self.call.member, code(self.id));
        let mut cards = BTreeMap::new();
        for who in household.iter().filter(|_| self.part_of.is_none()) {
            let Some(question) = self.question_for(who) else { continue };
            let text = match self.consent {
                Consent::Wanted => format!("{question}\n{}", how_once(&code)),
                Consent::Given { .. } if who.id == asker => continue,
                Consent::Needless | Consent::Given { .. } if self.concern.may_answer(who) => format!("{question}\n{}", how(&code)),
                Consent::Needless if who.id == asker => format!("{question}\nAn adult of the household is asked."),
                Consent::Needless | Consent::Given { .. } => continue,
            };
            cards.insert(who.id, text);
        }
        cards
    }

    /// The member's answer to whether those who decide may see it.
    pub(super) fn let_see(&mut self, who: &Member, answer: Answer, now: Timestamp) -> Result<(), AnswerError> {
        match answer {
            Answer::No => self.state = State::Denied { by: who.id, at: now },
            Answer::Once | Answer::Times(1) => self.consent = Consent::Given { by: who.id, at: now, values: self.shown_values() },
            Answer::Times(_) | Answer::Until(_) | Answer::Always => return Err(AnswerError::YesOrNo),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
