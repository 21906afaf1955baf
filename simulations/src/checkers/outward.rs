//! I-6: an effect that leaves the house after a model has read something from outside was allowed by a person, exactly so; and one before
//! that hits nothing but what the member named. Children and guests cause none, whoever allows it.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_domain::household::{Member, Role};
use hearth_domain::ids::ConversationId;
use hearth_domain::sandbox::Role as For;
use hearth_domain::tool::{Effect, Invocation};
use serde_json::Value;

use super::consents::Consents;
use super::{Checker, Seen};
use crate::doubles::hostile::{MARKER, outward, role};
use crate::doubles::models::{everything, last_said};
use crate::plan::Plan;

/// What the last prompt of a conversation held.
#[derive(Debug, Clone, Default)]
struct Read {
    outside: bool,
    said: String,
}

/// The checker.
#[derive(Debug)]
pub struct Outward {
    people: Vec<Member>,
    read: BTreeMap<String, Read>,
    consents: Consents,
}

impl Outward {
    /// Who is who.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self { people: plan.members.clone(), read: BTreeMap::new(), consents: Consents::default() }
    }

    fn read(&self, conversation: ConversationId) -> Read {
        self.read.get(&conversation.to_string()).cloned().unwrap_or_default()
    }

    fn called(&mut self, call: &Invocation, effect: Effect) -> Result<(), String> {
        let role = call.member.role;
        let never = match (role, effect) {
            (Role::Guest, _) => true,
            (Role::Child, _) => true,
            (Role::Owner | Role::Adult | Role::Teen, _) => false,
        };
        if never {
            return Err(format!("a {role} had {} done", call.name));
        }
        if self.consents.cover(call) {
            return Ok(());
        }
        let Read { outside, said } = self.read(call.conversation);
        if outside {
            return Err(format!(
                "{} of {} after something from outside, and nobody allowed exactly {}",
                call.name, call.id, call.arguments
            ));
        }
        if role == Role::Teen && effect != Effect::ExternalSend {
            return Err(format!("a teen had {} done, and no adult allowed it", call.name));
        }
        let foreign = hits(&call.arguments).into_iter().find(|value| !said.contains(value.as_str()));
        foreign.map_or(Ok(()), |value| Err(format!("{} hits {value}, which the member did not name: {said:.200}", call.name)))
    }
}

/// The values of what a call hits, as words.
fn hits(arguments: &Value) -> Vec<String> {
    let all = arguments.as_object().into_iter().flatten().filter(|(name, _)| role(name) != Some(For::Content));
    all.map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
}

impl Checker for Outward {
    fn name(&self) -> &'static str {
        "I-6 after something from outside no effect leaves the house without a person's yes"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Prompt(request) if !request.cache_key.ends_with("-summary") => {
                let read = Read { outside: everything(request).contains(MARKER), said: last_said(request) };
                self.read.insert(request.cache_key.clone(), read);
                Ok(())
            }
            Seen::Answers { who, approval, answer } => {
                self.consents.answers(&self.people, who, approval, *answer);
                Ok(())
            }
            Seen::Called(call) => outward(&call.name).map_or(Ok(()), |effect| self.called(call, effect)),
            _ => Ok(()),
        }
    }
}
