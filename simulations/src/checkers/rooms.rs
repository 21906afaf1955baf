//! I-5 and I-7 at the channels: what is said to an account or into a room, what a model is shown there, and what is kept of it holds
//! nothing but what everybody who is there may learn. Each thing that somebody says in a room has a word of its own (`zg`, a number, `x`);
//! who was there when it was written and still was when the house was told of it may learn it, and nobody else. Who is there, and since when,
//! is what the platform has told and the house has dealt with: the checker keeps it itself, by accounts and by whose they really are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_domain::channel::{Attendance, Heard, Incoming, Post, To};
use hearth_domain::household::identity::{Identity, Platform};
use hearth_domain::ids::IdentityId;
use hearth_domain::label::Label;
use hearth_domain::model::ModelRequest;
use hearth_domain::store::Write;
use hearth_domain::time::Timestamp;

use super::known::{Known, Reader};
use super::privacy::canaries;
use super::{Checker, Seen};
use crate::doubles::models::{everything, last_said};
use crate::plan::Plan;

/// All kinds of private words.
const ALL: &[u8] = b"qk";

/// A word of something that was said in a room.
#[must_use]
pub fn group_word(number: u64) -> String {
    format!("zg{number}x")
}

/// The numbers of such words in a text.
pub fn group_words(text: &str) -> impl Iterator<Item = u64> {
    text.match_indices("zg").filter_map(|(at, _)| {
        let digits: String = text.get(at.saturating_add(2)..)?.chars().take_while(char::is_ascii_digit).collect();
        let end = at.saturating_add(2).saturating_add(digits.len());
        text.get(end..)?.starts_with('x').then(|| digits.parse().ok())?
    })
}

/// A room, over all channels.
fn place(channel: &str, room: &str) -> String {
    format!("{channel}/{room}")
}

/// Who is in a room.
#[derive(Debug, Clone, Default)]
struct View {
    /// Since when.
    present: BTreeMap<IdentityId, Timestamp>,
    complete: bool,
    doubts: u32,
    /// When the last of them was, or everybody was listed last.
    doubted: Timestamp,
    /// Those of whom the house was told and did not say that it had dealt with it: it may believe that they are there, since then.
    maybe: BTreeMap<IdentityId, Timestamp>,
}

impl View {
    fn doubt(&mut self, at: Timestamp) {
        self.complete = false;
        self.doubts = self.doubts.saturating_add(1);
        self.doubted = at;
    }

    /// Since when the house may believe that somebody is there of whom it is told now.
    fn since(&self, account: &IdentityId, at: Timestamp) -> Timestamp {
        let known = [self.present.get(account), self.maybe.get(account)].into_iter().flatten().min();
        known.copied().unwrap_or(at)
    }

    fn on(&mut self, channel: &str, event: &Attendance, at: Timestamp) {
        let id = |account: &String| Identity::id_of(channel, account);
        match event {
            Attendance::Joined(account) => {
                self.present.insert(id(account), at);
                self.maybe.remove(&id(account));
            }
            Attendance::Left(account) => {
                self.present.remove(&id(account));
                self.maybe.remove(&id(account));
            }
            Attendance::Snapshot { accounts, complete: true } => {
                self.present = accounts.iter().map(id).map(|account| (account, self.since(&account, at))).collect();
                self.maybe.clear();
                (self.complete, self.doubted) = (true, at);
            }
            Attendance::Snapshot { accounts, complete: false } => {
                if self.complete {
                    self.doubt(at);
                }
                let there: Vec<_> = accounts.iter().map(id).map(|account| (account, self.since(&account, at))).collect();
                self.present.extend(there);
            }
            Attendance::Missed => self.doubt(at),
            Attendance::Closed => {
                self.present.clear();
                self.doubt(at);
            }
        }
    }

    /// Somebody spoke. Whoever the house may know to be there makes it doubt nothing, as far as can be told.
    fn spoke(&mut self, account: IdentityId, written: Timestamp) {
        let since = self.since(&account, written.max(self.doubted));
        if !self.present.contains_key(&account) {
            if !self.maybe.contains_key(&account) {
                self.doubt(written.max(self.doubted));
            }
            self.present.insert(account, since);
        }
    }

    fn readers(&self, known: &Known, place: &str) -> BTreeSet<Reader> {
        let unseen = (!self.complete).then(|| Reader::Unseen(place.to_owned(), self.doubts));
        self.present.keys().map(|account| known.reader(*account)).chain(unseen).collect()
    }

    /// Who of them was there when something was written.
    fn hearers(&self, known: &Known, place: &str, by: Option<IdentityId>, written: Timestamp) -> BTreeSet<Reader> {
        let unseen = (!self.complete && self.doubted <= written).then(|| Reader::Unseen(place.to_owned(), self.doubts));
        let there = self.present.iter().chain(&self.maybe).filter(|(_, since)| **since <= written).map(|(account, _)| *account);
        there.chain(by).map(|account| known.reader(account)).chain(unseen).collect()
    }
}

/// The checker.
#[derive(Debug)]
pub struct Rooms {
    known: Known,
    kinds: BTreeMap<&'static str, Platform>,
    views: BTreeMap<(String, String), View>,
    /// What a view was until the instant in which it changed: what was decided before may be said in it.
    before: BTreeMap<(String, String), (Duration, View)>,
    /// Who may have been told each word. More than one set when the house was told of it more than once: of some who were there when it was
    /// written it may have heard meanwhile that they are gone.
    words: BTreeMap<u64, Vec<BTreeSet<Reader>>>,
}

impl Rooms {
    /// Who is who.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let kinds = BTreeMap::from([("chat", Platform::Whatsapp), ("talk", Platform::Telegram)]);
        Self { known: Known::new(plan), kinds, views: BTreeMap::new(), before: BTreeMap::new(), words: BTreeMap::new() }
    }

    /// The account, when it is one.
    fn account(&self, channel: &str, account: &str) -> Option<IdentityId> {
        Identity::new(*self.kinds.get(channel)?, channel, account).ok().map(|identity| identity.id())
    }

    fn change(&mut self, now: Duration, channel: &str, room: &str, change: impl FnOnce(&mut View)) {
        let place = (channel.to_owned(), room.to_owned());
        let view = self.views.entry(place.clone()).or_default();
        let kept = self.before.get(&place).is_some_and(|(at, _)| *at == now);
        if !kept {
            self.before.insert(place, (now, view.clone()));
        }
        change(view);
    }

    fn dealt(&mut self, now: Duration, channel: &str, heard: &Heard) {
        match heard {
            Heard::Came { at } => {
                let rooms: Vec<_> = self.views.keys().filter(|(at, _)| at == channel).map(|(_, room)| room.clone()).collect();
                for room in rooms {
                    self.change(now, channel, &room, |view| view.doubt(*at));
                }
            }
            Heard::Presence { room, event, at } => self.change(now, channel, room, |view| view.on(channel, event, *at)),
            Heard::Message(Incoming { from, room: Some(room), written, .. }) => {
                if let Some(account) = self.account(channel, from) {
                    self.change(now, channel, room, |view| view.spoke(account, *written));
                }
            }
            Heard::Message(_) | Heard::Ready | Heard::Gone => {}
        }
    }

    /// It may count, or not.
    fn passed(&mut self, now: Duration, channel: &str, heard: &Heard) {
        let id = |account: &String| Identity::id_of(channel, account);
        let (room, accounts, at) = match heard {
            Heard::Presence { room, event: Attendance::Joined(account), at } => (room, vec![id(account)], *at),
            Heard::Presence { room, event: Attendance::Snapshot { accounts, .. }, at } => (room, accounts.iter().map(id).collect(), *at),
            Heard::Message(Incoming { from, room: Some(room), written, .. }) => {
                let doubted = self.views.get(&(channel.to_owned(), room.clone())).map_or(*written, |view| view.doubted);
                (room, self.account(channel, from).into_iter().collect(), doubted.max(*written))
            }
            _ => return,
        };
        self.change(now, channel, room, |view| {
            for account in accounts {
                let since = view.since(&account, at);
                view.maybe.insert(account, since);
            }
        });
    }

    /// The house is told of something that was said in a room.
    fn heard(&mut self, channel: &str, message: &Incoming) {
        let Some(room) = &message.room else { return };
        let mut view = self.views.get(&(channel.to_owned(), room.clone())).cloned().unwrap_or_default();
        if let Some(account) = self.account(channel, &message.from) {
            view.spoke(account, message.written);
        }
        let by = self.account(channel, &message.from);
        let hearers = view.hearers(&self.known, &place(channel, room), by, message.written);
        for word in group_words(&message.text) {
            let known = self.words.entry(word).or_default();
            if !known.contains(&hearers) {
                known.push(hearers.clone());
            }
        }
    }

    /// Whether everybody of these may learn all that is in a text; the error is what somebody may not.
    fn may_learn(&self, text: &str, kinds: &'static [u8], who: &BTreeSet<Reader>) -> Result<(), String> {
        for human in canaries(text, kinds) {
            if let Some(other) = who.iter().find(|reader| **reader != Reader::Human(human)) {
                return Err(format!("private words of {human} are for {other:?}"));
            }
        }
        for word in group_words(text) {
            let told = self.words.get(&word).map_or(&[][..], Vec::as_slice);
            if !told.iter().any(|told| who.is_subset(told)) {
                return Err(format!("{} is for {who:?}, and was said to {told:?}", group_word(word)));
            }
        }
        Ok(())
    }

    fn posted(&self, now: Duration, channel: &str, post: &Post) -> Result<(), String> {
        let found = match &post.to {
            To::Account(account) => {
                let reader = self.known.reader(Identity::id_of(channel, account));
                self.may_learn(&post.text, ALL, &BTreeSet::from([reader]))
            }
            To::Room(room) => {
                let (place, name) = ((channel.to_owned(), room.clone()), place(channel, room));
                let here = self.views.get(&place).cloned().unwrap_or_default();
                let before = self.before.get(&place).filter(|(at, _)| *at == now).map(|(_, view)| view);
                let allowed = |view: &View| self.may_learn(&post.text, ALL, &view.readers(&self.known, &name));
                allowed(&here).or_else(|error| before.map_or(Err(error.clone()), |view| allowed(view).map_err(|_| error)))
            }
        };
        found.map_err(|why| format!("said to {:?} of {channel}: {why}: {:.200}", post.to, post.text))
    }

    /// A model is asked for somebody who spoke in a room: everybody who heard that may learn all that it is shown. What a tool has just
    /// brought is kept back later.
    fn asked(&self, request: &ModelRequest) -> Result<(), String> {
        let conversation = request.cache_key.parse().ok();
        let room = conversation.and_then(|conversation| self.known.room(conversation));
        let (Some(room), Some(word)) = (room, group_words(&last_said(request)).last()) else { return Ok(()) };
        let all = everything(request);
        let told = self.words.get(&word).map_or(&[][..], Vec::as_slice);
        let mut last = Ok(());
        for hearers in told {
            last = self.may_learn(&all, b"q", hearers);
            if last.is_ok() {
                return Ok(());
            }
        }
        last.map_err(|why| format!("a model is shown in {room}: {why}"))
    }

    /// A row says who may learn it.
    fn labelled(&self, text: &str, label: &Label, what: &str) -> Result<(), String> {
        let Some(readers) = label.readers.limited_to() else {
            let any = group_words(text).next().is_some() || canaries(text, ALL).next().is_some();
            return if any { Err(format!("{what} is for anybody: {text:.200}")) } else { Ok(()) };
        };
        let readers = readers.iter().filter_map(|member| self.known.human(*member)).map(Reader::Human).collect();
        self.may_learn(text, ALL, &readers).map_err(|why| format!("{what}: {why}: {text:.200}"))
    }

    fn written(&self, write: &Write) -> Result<(), String> {
        match write {
            Write::Message(row) if self.known.room(row.conversation).is_some() => {
                self.labelled(&row.text, &row.label, "a message in a group")
            }
            Write::Memory(row) if group_words(&row.text).next().is_some() => self.labelled(&row.text, &row.label, "a memory"),
            _ => Ok(()),
        }
    }
}

impl Checker for Rooms {
    fn name(&self) -> &'static str {
        "I-5, I-7 at a channel everybody who is there may learn what is said"
    }

    fn on_event(&mut self, now: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Written(group) => {
                self.known.written(group);
                return group.writes.iter().try_for_each(|write| self.written(write));
            }
            Seen::Dealt { channel, heard } => self.dealt(now, channel, heard),
            Seen::Passed { channel, heard } => self.passed(now, channel, heard),
            Seen::Incoming { channel, message } => self.heard(channel, message),
            Seen::Post { channel, post } => return self.posted(now, channel, post),
            Seen::Prompt(request) => return self.asked(request),
            _ => {}
        }
        Ok(())
    }
}
