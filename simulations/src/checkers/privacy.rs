//! I-5 and I-7: nobody and nothing that acts for somebody is shown another member's private words. Each member's messages carry
//! canary words (`zq`, the member's number, `x`, a number) that nobody else says. What tools give back that is one member's alone has others
//! (`zk…`): a model may be shown those, and whoever may not read them sees, keeps and passes on nothing that was made of them.
//!
//! A question to a grown-up about what somebody else wants done is no exception: it holds none of their private words, unless they were asked
//! about that question themselves, before, and said yes to exactly these. Groups have a checker of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_domain::approval::reply::{code, offered};
use hearth_domain::approval::{Answer, Approval};
use hearth_domain::household::{Member, Role};
use hearth_domain::ids::{ConversationId, MemberId};
use hearth_domain::message::{Message, Purpose};
use hearth_domain::store::Write;

use super::known::Known;
use super::rooms::group_words;
use super::{Checker, Device, Seen};
use crate::changed::Changed;
use crate::doubles::models::everything;
use crate::plan::Plan;

/// What a model is shown, by its word in a report.
const PROMPT: &str = "a prompt";

/// The checker.
#[derive(Debug)]
pub struct Privacy {
    known: Known,
    /// Grown-ups, by number: those who decide for others.
    grown: BTreeSet<usize>,
    /// The words that their own people let grown-ups see, by the code of the question.
    let_go: BTreeMap<String, BTreeSet<String>>,
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

/// Whether there are any canary words in a text, of one person or of those in a room.
#[must_use]
pub fn is_private(text: &str) -> bool {
    canaries(text, b"qk").next().is_some() || group_words(text).next().is_some()
}

/// The canary words of a text, whole.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| canaries(word, b"qk").next().is_some())
}

/// The members whose canary words of these kinds are in a text.
pub fn canaries(text: &str, kinds: &'static [u8]) -> impl Iterator<Item = usize> {
    text.as_bytes().windows(4).filter_map(|at| match at {
        [b'z', kind, digit @ b'0'..=b'9', b'x'] if kinds.contains(kind) => Some(usize::from(digit.saturating_sub(b'0'))),
        _ => None,
    })
}

impl Privacy {
    /// Who is who.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let is_grown = |member: &Member| matches!(member.role, Role::Owner | Role::Adult);
        let grown = plan.members.iter().enumerate().filter(|(_, member)| is_grown(member)).map(|(n, _)| n).collect();
        Self { known: Known::new(plan), grown, let_go: BTreeMap::new(), devices: BTreeMap::new() }
    }

    /// Somebody answers a question about what they want done themselves: a yes lets grown-ups see what it shows.
    fn answers(&mut self, who: &Member, approval: &Approval, answer: Answer) {
        if who.id == approval.call.member && answer == Answer::Once {
            let arguments = approval.call.arguments.to_string();
            self.let_go.entry(code(approval.id)).or_default().extend(words(&arguments).map(str::to_owned));
        }
    }

    fn check(&self, owner: Option<usize>, text: &str, what: &str) -> Result<(), String> {
        // What only a model is shown has to be readable by all present as well, but for what a tool has just brought.
        let kinds: &[u8] = if what == PROMPT { b"q" } else { b"qk" };
        let all = || self.let_go.values().flatten().map(String::as_str).collect::<BTreeSet<_>>();
        let grown = owner.is_some_and(|owner| self.grown.contains(&owner));
        let foreign = |word: &&str| canaries(word, kinds).any(|human| Some(human) != owner);
        let stranger = words(text).find(|word| foreign(word) && !(grown && all().contains(word)));
        stranger.map_or(Ok(()), |word| Err(format!("{what} of member {owner:?} holds private words of another, {word}: {text:.200}")))
    }

    /// A question to somebody: what it shows of others, they let go for this question.
    fn question(&self, row: &Message) -> Result<(), String> {
        let offers = offered(&row.text);
        let (Some(first), Purpose::Notice) = (offers.first(), row.purpose) else { return Ok(()) };
        let named = first.split_whitespace().last().unwrap_or_default();
        let let_go = self.let_go.get(named);
        let owner = self.known.owner(row.conversation);
        let foreign = |word: &&str| canaries(word, b"qk").any(|human| Some(human) != owner);
        let shown = words(&row.text).find(|word| foreign(word) && !let_go.is_some_and(|words| words.contains(*word)));
        shown.map_or(Ok(()), |word| {
            Err(format!("a question to member {owner:?} shows {word}, and nobody let it be seen: {:.300}", row.text))
        })
    }

    fn here(&self, conversation: ConversationId, text: &str, what: &str) -> Result<(), String> {
        if self.known.room(conversation).is_some() { Ok(()) } else { self.check(self.known.owner(conversation), text, what) }
    }

    fn of(&self, member: MemberId, text: &str, what: &str) -> Result<(), String> {
        self.check(self.known.human(member), text, what)
    }

    fn written(&self, write: &Write) -> Result<(), String> {
        match write {
            Write::Message(row) => self.question(row).and_then(|()| self.here(row.conversation, &row.text, "a message")),
            Write::Conversation(row) => row.summary.as_ref().map_or(Ok(()), |summary| self.here(row.id, &summary.text, "a summary")),
            Write::Memory(row) => self.of(row.member, &row.text, "a memory"),
            Write::Reminder(row) => self.of(row.member, &row.text, "a reminder"),
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
            Seen::Written(group) => {
                self.known.written(group);
                group.writes.iter().try_for_each(|write| self.written(write))
            }
            Seen::Answers { who, approval, answer } => {
                self.answers(who, approval, *answer);
                Ok(())
            }
            Seen::Prompt(request) => {
                let all = everything(request);
                let conversation = conversation_of(&request.cache_key);
                conversation.parse().map_or_else(|_| self.check(None, &all, PROMPT), |conversation| self.here(conversation, &all, PROMPT))
            }
            Seen::Called(call) => self.of(call.member.id, &call.arguments.to_string(), "a call"),
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
