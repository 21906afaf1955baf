//! The decision upon an effect: deny by default, outside the model's context, from labels, roles and effects alone.
//!
//! These are the minimal rules that hold from the first day; grants, approvals and the household's own rules widen
//! them later, and only for a member who asks at the console (I-8).

use serde::{Deserialize, Serialize};

use crate::household::{Audience, Member, Role};
use crate::ids::CallId;
use crate::label::{Integrity, Label};
use crate::tool::Effect;

/// Who decided that a call is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// A model, in a turn.
    Model,
    /// The member, at the console, with exactly these arguments.
    Member,
}

/// What is asked of policy: may this call run?
#[derive(Debug, Clone)]
pub struct Question {
    /// The call.
    pub call: CallId,
    /// The tool's name.
    pub tool: String,
    /// What the tool does to the world.
    pub effect: Effect,
    /// On whose behalf.
    pub member: Member,
    /// Who wants it so.
    pub by: Decider,
    /// Who will see what comes of it.
    pub audience: Audience,
    /// The join of all that the turn has taken in.
    pub label: Label,
}

/// Why a call was refused: closed words, shown to the member and the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// I-9.
    #[error("guests have no tools here")]
    Guest,
    /// I-5.
    #[error("not everybody here may see what this turn has read")]
    Audience,
    /// I-6.
    #[error("this turn has read something from outside, so an effect like this needs a member's approval")]
    Outside,
    /// Deny by default.
    #[error("no rule allows this effect")]
    NoRule,
}

/// The decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may run.
    Allow,
    /// It may not.
    Deny(Refusal),
}

/// Decides. Pure: the same question has the same answer everywhere.
#[must_use]
pub fn decide(question: &Question) -> Decision {
    if question.member.role == Role::Guest {
        return Decision::Deny(Refusal::Guest);
    }
    if !question.label.readers.cover(&question.audience) {
        return Decision::Deny(Refusal::Audience);
    }
    match question.effect {
        Effect::Read | Effect::WriteOwn => Decision::Allow,
        Effect::ExternalSend | Effect::Pay | Effect::Physical | Effect::Delete | Effect::Admin => {
            // Their own order is what an approval would ask for.
            let is_adult = matches!(question.member.role, Role::Owner | Role::Adult);
            if question.by == Decider::Member && is_adult && question.label.integrity != Integrity::Outside {
                return Decision::Allow;
            }
            Decision::Deny(if question.label.integrity == Integrity::Outside { Refusal::Outside } else { Refusal::NoRule })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Readers;

    fn check(role: Role, effect: Effect, label: Label, expected: Decision) {
        check_by(Decider::Model, role, effect, label, expected);
    }

    fn check_by(by: Decider, role: Role, effect: Effect, label: Label, expected: Decision) {
        let member = Member { id: Member::id_of("Ada"), name: "Ada".into(), role, zone: "UTC".into() };
        let audience = Audience::of([(member.id, role)]);
        let question = Question { call: CallId::derived(&["1"]), tool: "t".into(), effect, member, by, audience, label };
        assert_eq!(decide(&question), expected, "{role} {effect:?}");
    }

    #[test]
    fn a_member_may_read_and_write_their_own_things() {
        check(Role::Adult, Effect::Read, Label::neutral(), Decision::Allow);
        check(Role::Child, Effect::WriteOwn, Label::neutral(), Decision::Allow);
    }

    #[test]
    fn a_guest_may_do_nothing() {
        check(Role::Guest, Effect::Read, Label::neutral(), Decision::Deny(Refusal::Guest));
    }

    #[test]
    fn an_effect_without_a_rule_is_denied_even_to_the_owner() {
        check(Role::Owner, Effect::Pay, Label::neutral(), Decision::Deny(Refusal::NoRule));
    }

    #[test]
    fn what_an_adult_orders_at_the_console_may_be_done_and_for_nobody_else() {
        let by = Decider::Member;
        for effect in [Effect::ExternalSend, Effect::Pay, Effect::Physical, Effect::Delete, Effect::Admin] {
            check_by(by, Role::Owner, effect, Label::neutral(), Decision::Allow);
            check_by(by, Role::Adult, effect, Label::neutral(), Decision::Allow);
            check_by(by, Role::Child, effect, Label::neutral(), Decision::Deny(Refusal::NoRule));
            check_by(by, Role::Guest, effect, Label::neutral(), Decision::Deny(Refusal::Guest));
            check_by(by, Role::Owner, effect, Label::new(Readers::public(), Integrity::Outside), Decision::Deny(Refusal::Outside));
        }
    }

    #[test]
    fn outside_content_is_named_as_the_reason() {
        let label = Label::new(Readers::public(), Integrity::Outside);
        check(Role::Owner, Effect::ExternalSend, label, Decision::Deny(Refusal::Outside));
    }

    #[test]
    fn what_not_everybody_present_may_read_stops_the_call() {
        let label = Label::new(Readers::nobody(), Integrity::Member);
        check(Role::Owner, Effect::Read, label, Decision::Deny(Refusal::Audience));
    }
}
