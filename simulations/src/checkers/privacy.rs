//! I-5 and I-7: nobody and nothing that acts for somebody is shown another member's private words. Each member's messages carry
//! canary words (`zq`, the member's number, `x`, a number) that nobody else says. What tools give back that is one member's alone has others
//! (`zk…`): a model may be shown those, and whoever may not read them sees, keeps and passes on nothing that was made of them.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_domain::household::Place;
use hearth_domain::ids::{ConversationId, MemberId};
use hearth_domain::store::Write;

use super::{Checker, Device, Seen};
use crate::changed::Changed;
use crate::doubles::models::everything;
use crate::plan::Plan;

/// What a model is shown, by its word in a report.
const PROMPT: &str = "a prompt";

/// The checker.
#[derive(Debug)]
pub struct Privacy {
    members: BTreeMap<MemberId, usize>,
    /// Whose conversation it is.
    owners: BTreeMap<String, usize>,
    devices: BTreeMap<Device, ConversationId>,
}

/// The canary word of that member and number.
#[must_use]
pub fn canary(changed: Changed, member: usize, number: u64) -> String {
    format!("zq{member}x{}", changed.word(member, number))
}

/// The same of something that a tool keeps for that member alone.
#[must_use]
pub fn kept(changed: Changed, member: usize, number: u64) -> String {
    format!("zk{member}x{}", changed.word(member, number))
}

/// The conversation that a model is asked about, as it is shown: its turns, its summary, and what is read for it.
#[must_use]
pub fn conversation_of(cache_key: &str) -> &str {
    let stripped = ["-summary", "-read"].iter().find_map(|suffix| cache_key.strip_suffix(suffix));
    stripped.unwrap_or(cache_key)
}

/// Whether there are any canary words in a text.
#[must_use]
pub fn is_private(text: &str) -> bool {
    canaries(text, b"qk").next().is_some()
}

/// The members whose canary words of these kinds are in a text.
fn canaries(text: &str, kinds: &'static [u8]) -> impl Iterator<Item = usize> {
    text.as_bytes().windows(4).filter_map(|at| match at {
        [b'z', kind, digit @ b'0'..=b'9', b'x'] if kinds.contains(kind) => Some(usize::from(digit.saturating_sub(b'0'))),
        _ => None,
    })
}

impl Privacy {
    /// Who is who.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let members = plan.members.iter().enumerate().map(|(n, member)| (member.id, n)).collect();
        let mut owners = BTreeMap::new();
        for (n, member) in plan.members.iter().enumerate() {
            for thread in crate::people::threads(plan) {
                owners.insert(Place::private(member, &thread).conversation.to_string(), n);
            }
        }
        Self { members, owners, devices: BTreeMap::new() }
    }

    fn check(owner: Option<usize>, text: &str, what: &str) -> Result<(), String> {
        // What only a model is shown has to be readable by all present as well, but for what a tool has just brought.
        let kinds: &[u8] = if what == PROMPT { b"q" } else { b"qk" };
        let stranger = canaries(text, kinds).find(|canary| Some(*canary) != owner);
        stranger.map_or(Ok(()), |stranger| Err(format!("{what} of member {owner:?} holds private words of member {stranger}: {text:.200}")))
    }

    fn here(&self, conversation: ConversationId, text: &str, what: &str) -> Result<(), String> {
        Self::check(self.owners.get(&conversation.to_string()).copied(), text, what)
    }

    fn written(&self, write: &Write) -> Result<(), String> {
        match write {
            Write::Message(row) => self.here(row.conversation, &row.text, "a message"),
            Write::Conversation(row) => row.summary.as_ref().map_or(Ok(()), |summary| self.here(row.id, &summary.text, "a summary")),
            Write::Memory(row) => Self::check(self.members.get(&row.member).copied(), &row.text, "a memory"),
            Write::Reminder(row) => Self::check(self.members.get(&row.member).copied(), &row.text, "a reminder"),
            _ => Ok(()),
        }
    }
}

impl Checker for Privacy {
    fn name(&self) -> &'static str {
        "I-5, I-7 nobody is shown another member's private words"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Written(group) => group.writes.iter().try_for_each(|write| self.written(write)),
            Seen::Prompt(request) => {
                let conversation = conversation_of(&request.cache_key);
                Self::check(self.owners.get(conversation).copied(), &everything(request), PROMPT)
            }
            Seen::Called(call) => Self::check(self.members.get(&call.member.id).copied(), &call.arguments.to_string(), "a call"),
            Seen::Connected { device, conversation, .. } => {
                self.devices.insert(*device, *conversation);
                Ok(())
            }
            Seen::Shown(device, message) => self.devices.get(device).map_or(Ok(()), |at| self.here(*at, &message.text, "a screen")),
            Seen::Preview(device, text) => self.devices.get(device).map_or(Ok(()), |at| self.here(*at, text, "a preview")),
            _ => Ok(()),
        }
    }
}
