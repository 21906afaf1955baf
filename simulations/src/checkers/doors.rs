//! I-9 at the channels: an account that nobody has let in gets a code for what it says in private, and nothing else; what it says is nowhere
//! in the house and before no model, whatever it calls itself; and the house speaks in no room that no grown-up has let it into.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_domain::channel::{Attendance, Heard, Post, To};
use hearth_domain::household::identity::Identity;
use hearth_domain::ids::{GroupId, IdentityId};
use hearth_domain::store::Write;

use super::known::Known;
use super::privacy::{canaries, is_private};
use super::rooms::{group_word, group_words};
use super::{Checker, Seen};
use crate::doubles::models::everything;
use crate::plan::Plan;

/// How what a stranger is shown begins.
const CODE: &str = "This house does not know you. Ask an adult who lives here to approve this code: ";

/// Whether the house may speak in a room.
#[derive(Debug, Clone, Copy, Default)]
struct Leave {
    given: bool,
    /// Grown-ups who ask for it just now, or never learned what became of it.
    asked: u32,
}

/// The checker.
#[derive(Debug)]
pub struct Doors {
    known: Known,
    names: Vec<String>,
    leave: BTreeMap<GroupId, Leave>,
    /// What an account has written in private, and what it was shown, as long as it is nobody's.
    wrote: BTreeMap<IdentityId, u64>,
    shown: BTreeMap<IdentityId, u64>,
    /// By which account each word was said that is said in rooms, or by a borrowed account.
    spoken: BTreeMap<u64, IdentityId>,
}

impl Doors {
    /// Nobody is let in.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let names = plan.members.iter().map(|member| member.name.clone()).collect();
        Self {
            known: Known::new(plan),
            names,
            leave: BTreeMap::new(),
            wrote: BTreeMap::new(),
            shown: BTreeMap::new(),
            spoken: BTreeMap::new(),
        }
    }

    /// Whether an account is somebody's.
    #[must_use]
    pub fn is_paired(&self, channel: &str, account: &str) -> bool {
        self.known.member_of(Identity::id_of(channel, account)).is_some()
    }

    fn posted(&mut self, channel: &str, post: &Post) -> Result<(), String> {
        match &post.to {
            To::Room(room) => {
                let leave = self.leave.get(&GroupId::derived(&[channel, room])).copied().unwrap_or_default();
                if leave.given || leave.asked > 0 {
                    Ok(())
                } else {
                    Err(format!("{room} of {channel} hears the house, and nobody let it: {:.200}", post.text))
                }
            }
            To::Account(account) => {
                let id = Identity::id_of(channel, account);
                if self.known.member_of(id).is_some() {
                    return Ok(());
                }
                let shown = self.shown.entry(id).or_default();
                *shown += 1;
                let is_code = post.text.strip_prefix(CODE).is_some_and(|code| code.len() == 9 && !code.contains(' '));
                if !is_code
                    || !post.answers.is_empty()
                    || is_private(&post.text)
                    || self.names.iter().any(|name| post.text.contains(name.as_str()))
                {
                    return Err(format!("{account} of {channel} is nobody and was told: {:.200}", post.text));
                }
                if *shown > self.wrote.get(&id).copied().unwrap_or_default() {
                    return Err(format!("{account} of {channel} is nobody and was shown more than it asked for"));
                }
                Ok(())
            }
        }
    }

    /// What strangers say is nowhere.
    fn kept(&self, text: &str, what: &str) -> Result<(), String> {
        let strangers = self.known.strangers();
        if let Some(human) = canaries(text, b"q").find(|human| strangers.contains(human)) {
            return Err(format!("{what} holds words of {human}, who is nobody: {text:.200}"));
        }
        let nobody = |word: &u64| self.spoken.get(word).is_some_and(|account| self.known.member_of(*account).is_none());
        let found = group_words(text).find(nobody);
        found.map_or(Ok(()), |word| Err(format!("{what} holds {}, which nobody said: {text:.200}", group_word(word))))
    }

    fn written(&self, write: &Write) -> Result<(), String> {
        match write {
            Write::Message(row) => self.kept(&row.text, "a message"),
            Write::Memory(row) => self.kept(&row.text, "a memory"),
            Write::Reminder(row) => self.kept(&row.text, "a reminder"),
            _ => Ok(()),
        }
    }

    fn leave(&mut self, group: GroupId) -> &mut Leave {
        self.leave.entry(group).or_default()
    }
}

impl Checker for Doors {
    fn name(&self) -> &'static str {
        "I-9 at a channel a stranger gets a code and nothing else"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Written(group) => {
                self.known.written(group);
                return group.writes.iter().try_for_each(|write| self.written(write));
            }
            Seen::Prompt(request) => return self.kept(&everything(request), "a prompt"),
            Seen::Incoming { channel, message } => {
                let account = Identity::id_of(channel, &message.from);
                self.spoken.extend(group_words(&message.text).map(|word| (word, account)));
                if message.room.is_none() {
                    *self.wrote.entry(account).or_default() += 1;
                }
            }
            Seen::Post { channel, post } => return self.posted(channel, post),
            Seen::Dealt { channel, heard: Heard::Presence { room, event: Attendance::Closed, .. } } => {
                self.leave(GroupId::derived(&[channel, room])).given = false;
            }
            Seen::Admits(group) => self.leave(*group).asked += 1,
            Seen::Admitted { group, given } => {
                let leave = self.leave(*group);
                leave.asked -= 1;
                leave.given |= given;
            }
            Seen::Dismissed(group) => self.leave(*group).given = false,
            _ => {}
        }
        Ok(())
    }
}
