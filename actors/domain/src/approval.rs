//! An approval: one question to a person about one exact effect, and what becomes of it.
//!
//! ```text
//!              answer(yes)             ran
//!  Pending ─────────────────▶ Approved ─────▶ Used
//!     │  answer(no)              │
//!     ├────────────▶ Denied      │ its time is over, or the clock went back
//!     └──────────────────────────┴──────────▶ Expired
//! ```
//!
//! While it is pending, its member may have to let those who decide see what it shows: [`consent`].
//!
//! Drawn from the canonical call by the house; no word in it is a model's. Invariants (property-tested in `approval/tests.rs`): the first
//! answer counts and no other; no state is left again once it is final; it allows nothing but the call with its fingerprint, once; a child or
//! guest never answers; a [`Grant`] that comes of it covers exactly its effect.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{Class, Classified};
use crate::flow::call::{Call, Function};
use crate::flow::value::{Leaf, Source};
use crate::household::{Member, Role};
use crate::ids::{ApprovalId, GrantId, MemberId};
use crate::journal::Digest;
use crate::time::Timestamp;
use crate::tool::Effect;

mod card;
pub mod consent;
pub mod grant;
pub mod reply;

pub(crate) use card::names as card_names;
pub use card::{Argument, Card};
use consent::Consent;
use grant::{Grant, Scope};

/// How long a question waits for an answer, and the answer for its effect, in seconds.
pub const APPROVAL_SECONDS: i64 = 15 * 60;
/// How far the clock may go back before what was asked later is void, in seconds.
pub const CLOCK_SLACK_SECONDS: i64 = 60;
/// Most times that one answer can allow.
pub const TIMES_MAX: u32 = 100;
/// Longest time that one answer can allow, in seconds.
pub const UNTIL_MAX_SECONDS: i64 = 90 * 24 * 60 * 60;

/// Why it is asked. The sources are named; what they say is not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Why {
    /// The turn has read something from outside, and what it does may be what that wants (I-6).
    Tainted {
        /// What it has read.
        sources: BTreeSet<Source>,
    },
    /// Somebody outside wrote this argument.
    Outside {
        /// Which.
        pointer: String,
        /// Where it came in.
        sources: BTreeSet<Source>,
    },
    /// Another service vouches for this argument, not the one that is asked to act on it.
    Foreign {
        /// Which.
        pointer: String,
    },
    /// The model chose this argument; it is not in the member's words.
    NotSaid {
        /// Which.
        pointer: String,
    },
    /// There is a link in what is said, and the member said nothing of it.
    Link {
        /// Where.
        pointer: String,
    },
    /// The member wrote this once, and it is used for more than one effect.
    Contested {
        /// Which.
        pointer: String,
    },
    /// Text from outside decided which of many values this is, more than is allowed silently.
    Picked {
        /// Which.
        pointer: String,
        /// Whose text.
        sources: BTreeSet<Source>,
    },
    /// It is not in the plan that was made from the member's words.
    Wider,
    /// Nothing in the call is named in the member's words.
    NotNamed,
    /// Some to whom it goes may not read this yet (I-5).
    Readers {
        /// Which.
        pointer: String,
    },
    /// It would be done again and again, and the turn has read something from outside.
    Standing,
    /// A child asks, or a teen for what is an adult's to decide.
    Minor,
}

impl Why {
    /// It, for the journal: a closed word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Tainted { .. } => "tainted",
            Self::Outside { .. } => "outside",
            Self::Foreign { .. } => "foreign",
            Self::NotSaid { .. } => "not_said",
            Self::Link { .. } => "link",
            Self::Contested { .. } => "contested",
            Self::Picked { .. } => "picked",
            Self::Wider => "wider",
            Self::NotNamed => "not_named",
            Self::Readers { .. } => "readers",
            Self::Standing => "standing",
            Self::Minor => "minor",
        }
    }

    /// The same about an argument that has another name; none when it has none.
    pub(super) fn renamed(&self, name: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let mut why = self.clone();
        match &mut why {
            Self::Outside { pointer, .. }
            | Self::Foreign { pointer }
            | Self::NotSaid { pointer }
            | Self::Link { pointer }
            | Self::Contested { pointer }
            | Self::Picked { pointer, .. }
            | Self::Readers { pointer } => *pointer = name(pointer)?,
            Self::Tainted { .. } | Self::Wider | Self::NotNamed | Self::Standing | Self::Minor => {}
        }
        Some(why)
    }

    /// Whether somebody outside is the reason.
    #[must_use]
    pub const fn is_outside(&self) -> bool {
        match self {
            Self::Tainted { .. } | Self::Outside { .. } | Self::Foreign { .. } | Self::Picked { .. } | Self::Standing => true,
            Self::NotSaid { .. }
            | Self::Link { .. }
            | Self::Contested { .. }
            | Self::Wider
            | Self::NotNamed
            | Self::Readers { .. }
            | Self::Minor => false,
        }
    }

    /// Whose texts are the reason.
    #[must_use]
    pub const fn sources(&self) -> Option<&BTreeSet<Source>> {
        match self {
            Self::Tainted { sources } | Self::Outside { sources, .. } | Self::Picked { sources, .. } => Some(sources),
            Self::Foreign { .. }
            | Self::NotSaid { .. }
            | Self::Link { .. }
            | Self::Contested { .. }
            | Self::Wider
            | Self::NotNamed
            | Self::Readers { .. }
            | Self::Standing
            | Self::Minor => None,
        }
    }

    /// The argument that it is about, if it is about one.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        match self {
            Self::Outside { pointer, .. }
            | Self::Foreign { pointer }
            | Self::NotSaid { pointer }
            | Self::Link { pointer }
            | Self::Contested { pointer }
            | Self::Picked { pointer, .. }
            | Self::Readers { pointer } => Some(pointer),
            Self::Tainted { .. } | Self::Wider | Self::NotNamed | Self::Standing | Self::Minor => None,
        }
    }
}

/// Whose matter it is: who may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// The member's own.
    Own(MemberId),
    /// A minor's: an adult answers.
    Minor(MemberId),
    /// The house's: any adult answers.
    House,
}

impl Concern {
    /// Whose matter an effect is that this member causes.
    #[must_use]
    pub const fn of(member: &Member, effect: Effect) -> Self {
        match (member.role, effect) {
            (Role::Child | Role::Guest, _) | (Role::Teen, Effect::Pay | Effect::Physical | Effect::Delete | Effect::Admin) => {
                Self::Minor(member.id)
            }
            (Role::Owner | Role::Adult, Effect::Physical | Effect::Admin) => Self::House,
            (Role::Owner | Role::Adult | Role::Teen, _) => Self::Own(member.id),
        }
    }

    /// Whether this person may answer. By the role that the person has now, not the one at the time of asking.
    #[must_use]
    pub fn may_answer(self, who: &Member) -> bool {
        match (who.role, self) {
            (Role::Child | Role::Guest, _) => false,
            (Role::Owner | Role::Adult, Self::Minor(_) | Self::House) => true,
            (Role::Owner | Role::Adult | Role::Teen, Self::Own(member)) => who.id == member,
            (Role::Teen, Self::Minor(_) | Self::House) => false,
        }
    }
}

/// What a person answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// No.
    No,
    /// Yes, this once.
    Once,
    /// Yes, exactly this, so many times in all.
    Times(u32),
    /// Yes, exactly this, until then.
    Until(Timestamp),
    /// Yes, always, for this target: whatever the content, never a greater amount.
    Always,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Nobody has answered.
    Pending,
    /// Somebody said yes.
    Approved {
        /// Who.
        by: MemberId,
        /// When.
        at: Timestamp,
    },
    /// Somebody said no.
    Denied {
        /// Who.
        by: MemberId,
        /// When.
        at: Timestamp,
    },
    /// Its time was over before it was used.
    Expired {
        /// When that was seen.
        at: Timestamp,
    },
    /// Its effect was let go.
    Used {
        /// Who had said yes; not known of one from before that was kept.
        #[serde(default)]
        by: Option<MemberId>,
        /// When.
        at: Timestamp,
    },
}

impl State {
    /// Whether nothing changes it any more.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Pending | Self::Approved { .. } => false,
            Self::Denied { .. } | Self::Expired { .. } | Self::Used { .. } => true,
        }
    }
}

/// Why an answer does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not this person's to answer.
    #[error("this is not yours to answer")]
    NotYours,
    /// Somebody was faster.
    #[error("this was answered already")]
    Answered,
    /// Too late.
    #[error("the time for an answer is over; ask for it again")]
    Expired,
    /// More than can be allowed at once.
    #[error("at most {TIMES_MAX} times, and at most {} days from now", UNTIL_MAX_SECONDS / 86_400)]
    TooMuch,
    /// Neither yes nor no.
    #[error("this takes a /yes or a /no, and nothing more")]
    YesOrNo,
}

impl Classified for AnswerError {
    fn class(&self) -> Class {
        match self {
            Self::NotYours => Class::Denied,
            Self::Answered | Self::Expired | Self::TooMuch | Self::YesOrNo => Class::Permanent,
        }
    }
}

/// Why an effect is not let go at the last moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The call is not the one that was approved.
    #[error("the call is not the one that was approved")]
    OtherCall,
    /// Nobody said yes, or it was used.
    #[error("there is no approval for this any more")]
    NotApproved,
    /// Too late.
    #[error("the approval's time is over; ask for it again")]
    Expired,
}

impl Classified for RunError {
    fn class(&self) -> Class {
        match self {
            Self::OtherCall | Self::NotApproved => Class::Denied,
            Self::Expired => Class::Permanent,
        }
    }
}

/// A question about one effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id: of the call that was asked about first, not of what is in it.
    pub id: ApprovalId,
    /// The exact call.
    pub call: Call,
    /// The digest of the effect.
    pub fingerprint: Digest,
    /// What a person is shown.
    pub card: Card,
    /// Who may answer.
    pub concern: Concern,
    /// What the target is, for [`Answer::Always`].
    target: Scope,
    /// When it was asked.
    pub asked: Timestamp,
    /// When it is void.
    pub expires: Timestamp,
    /// Where it stands.
    pub state: State,
    /// Whether its member let those who decide see it.
    #[serde(default)]
    pub consent: Consent,
    /// The one question of which it is a part, and with which it is answered.
    #[serde(default)]
    pub part_of: Option<ApprovalId>,
}

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The exact call.
    pub call: &'a Call,
    /// What it calls.
    pub function: &'a Function,
    /// Its leaves.
    pub leaves: &'a [Leaf],
    /// For whom.
    pub member: &'a Member,
}

impl Approval {
    /// The question about a call.
    #[must_use]
    pub fn ask(asked: Asked<'_>, whys: BTreeSet<Why>, now: Timestamp) -> Self {
        let fingerprint = asked.call.fingerprint();
        let expires = later(now, APPROVAL_SECONDS);
        Self {
            id: ApprovalId::derived(&[&fingerprint.to_string(), &now.to_string()]),
            fingerprint,
            card: Card::of(asked, whys, expires),
            concern: Concern::of(asked.member, asked.function.effect),
            target: Scope::target(asked.call, asked.function),
            call: asked.call.clone(),
            asked: now,
            expires,
            state: State::Pending,
            consent: Consent::Needless,
            part_of: None,
        }
    }

    /// What the call hits.
    #[must_use]
    pub const fn target(&self) -> &Scope {
        &self.target
    }

    /// Looks at the clock: what is over is over, also when the clock goes back afterwards.
    pub fn expire(&mut self, now: Timestamp) {
        let back = now < later(self.asked, -CLOCK_SLACK_SECONDS);
        if !self.state.is_final() && (now >= self.expires || back) {
            self.state = State::Expired { at: now };
        }
    }

    /// Takes a person's answer. The first one counts. More than once becomes a grant, whose first use is this effect. As long as its member's
    /// consent is wanted, theirs is an answer to that: a yes leaves it pending, and asks those who decide.
    ///
    /// # Errors
    ///
    /// It does not count; then nothing has changed, but that what is over is marked so.
    pub fn answer(&mut self, who: &Member, answer: Answer, now: Timestamp, grant: GrantId) -> Result<Option<Grant>, AnswerError> {
        self.expire(now);
        if !self.is_for(who) {
            return Err(AnswerError::NotYours);
        }
        match self.state {
            State::Pending if self.consent == Consent::Wanted => return self.let_see(who, answer, now).map(|()| None),
            State::Pending => {}
            State::Expired { .. } => return Err(AnswerError::Expired),
            State::Approved { .. } | State::Denied { .. } | State::Used { .. } => return Err(AnswerError::Answered),
        }
        let (scope, left, until) = match answer {
            Answer::No => {
                self.state = State::Denied { by: who.id, at: now };
                return Ok(None);
            }
            Answer::Once | Answer::Times(1) => {
                self.state = State::Approved { by: who.id, at: now };
                return Ok(None);
            }
            Answer::Times(times) if (2..=TIMES_MAX).contains(&times) => (Scope::exactly(&self.call), Some(times.saturating_sub(1)), None),
            Answer::Until(until) if until > now && until <= later(now, UNTIL_MAX_SECONDS) => {
                (Scope::exactly(&self.call), None, Some(until))
            }
            Answer::Times(_) | Answer::Until(_) => return Err(AnswerError::TooMuch),
            Answer::Always => (self.target.clone(), None, None),
        };
        self.state = State::Approved { by: who.id, at: now };
        let call = &self.call;
        Ok(Some(Grant {
            id: grant,
            member: call.member,
            tool: call.tool.clone(),
            function: call.function.clone(),
            release: call.release,
            // What is counted belongs to what was going on; what lasts is the member's everywhere.
            conversation: left.map(|_| call.conversation),
            scope,
            left,
            until,
            by: who.id,
            at: now,
            revoked: None,
        }))
    }

    /// Lets the effect go, once, if it is still exactly the one that was approved.
    ///
    /// # Errors
    ///
    /// It is not, or not any more.
    pub fn run(&mut self, call: &Call, now: Timestamp) -> Result<(), RunError> {
        self.expire(now);
        match self.state {
            State::Approved { by, .. } if call.fingerprint() == self.fingerprint && *call == self.call => {
                self.state = State::Used { by: Some(by), at: now };
                Ok(())
            }
            State::Approved { .. } => Err(RunError::OtherCall),
            State::Expired { .. } => Err(RunError::Expired),
            State::Pending | State::Denied { .. } | State::Used { .. } => Err(RunError::NotApproved),
        }
    }
}

/// So many seconds later; the end of time where there is no later.
pub(crate) fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
pub(crate) mod tests;
