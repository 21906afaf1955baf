//! Other people's platforms, as they are beside the house and over all its lives: who has which account there, who is in which room, what
//! was written and not yet taken, what was said. A platform is where the faults of channels are: what it tells comes late, twice, in another
//! order or not at all, and now and then nobody is there who could tell or say anything. Its clock is its own, and right; one shows seconds
//! and no more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use hearth_domain::channel::{Attendance, Heard, Incoming, Post, Posted, To};
use hearth_domain::household::identity::Platform as Kind;
use hearth_domain::ids::AnswerId;
use hearth_domain::time::Timestamp;
use tokio::sync::Notify;

use crate::plan::{ChannelMix, Plan};
use crate::seed::Draw;
use crate::world::lock;

/// The first of those who do not live here, by number; members come before them.
pub const OUTSIDERS: usize = 5;
/// After how long a message that was not taken is told again.
const TELL_AGAIN: Duration = Duration::from_secs(90);
/// The first message of an account in a fresh connection comes after that at the latest.
const CALM_AWAY: Duration = Duration::from_millis(200);

/// An account of a person at a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The channel.
    pub channel: &'static str,
    /// The platform's own id of it.
    pub account: String,
    /// Whose, by number: members first, then [`OUTSIDERS`].
    pub human: usize,
}

/// Whether a platform recognises what it is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// It does.
    Recognises,
    /// It does not: what is in doubt stays in doubt.
    Forgets,
}

/// All platforms that there may be: the name of the channel, what accounts look like, and whether repetitions are recognised.
const ALL: [(&str, Kind, Memory); 2] = [("chat", Kind::Whatsapp, Memory::Forgets), ("talk", Kind::Telegram, Memory::Recognises)];

/// Everybody's accounts: two of each person at the first platform, one at the second.
#[must_use]
pub fn accounts(plan: &Plan) -> Vec<Account> {
    let members = 0..plan.members.len();
    let humans = members.chain((0..plan.channels.outsiders).map(|n| OUTSIDERS.saturating_add(n)));
    let of = |human: usize| {
        let account =
            |(n, channel): (usize, &'static str)| Account { channel, account: format!("4915{}{human}{n}", 100_000 + human), human };
        [(1, "chat"), (2, "chat"), (1, "talk")].map(account)
    };
    let here = |account: &Account| ALL.iter().take(plan.channels.platforms).any(|(name, ..)| *name == account.channel);
    humans.flat_map(of).filter(here).collect()
}

/// All rooms, by channel and name.
pub fn rooms(plan: &Plan) -> impl Iterator<Item = (&'static str, String)> {
    let channels = ALL.into_iter().take(plan.channels.platforms).map(|(name, ..)| name);
    channels.flat_map(|channel| (0..plan.channels.rooms).map(move |n| (channel, format!("room-{n}"))))
}

/// A platform.
#[derive(Debug)]
pub struct Platform {
    /// The channel's name.
    pub name: &'static str,
    /// What accounts look like.
    pub kind: Kind,
    /// Whether it recognises repetitions.
    pub memory: Memory,
    state: Mutex<State>,
    /// There is something new to tell.
    pub news: Notify,
}

/// What a platform has to tell.
#[derive(Debug, Clone)]
enum News {
    /// Somebody came or went, and when.
    Presence(String, Attendance, Timestamp),
    /// A message, as long as it is not taken.
    Message(String),
    /// One that was taken, once more.
    Again(Incoming),
}

/// Whether somebody is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Nobody, until then.
    Down(Duration),
    /// Somebody, until then; `None` for ever.
    Up(Option<Duration>),
}

/// What became of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    /// It was being said.
    Doubt,
    /// It was said.
    Sent,
}

#[derive(Debug, Default, Clone)]
struct Room {
    /// Who is there.
    present: BTreeSet<String>,
    /// Whether the house is out of it.
    closed: bool,
    /// Whether the platform never says who all are there.
    large: bool,
}

/// A platform's clock.
#[derive(Debug, Clone, Copy)]
struct Watch {
    start: Timestamp,
    /// Whether it shows whole seconds only.
    coarse: bool,
}

impl Watch {
    fn at(self, now: Duration) -> Timestamp {
        let time = self.start.checked_add(now).unwrap_or(self.start);
        if self.coarse { Timestamp::from_second(time.as_second()).unwrap_or(time) } else { time }
    }
}

#[derive(Debug)]
struct State {
    watch: Watch,
    rooms: BTreeMap<String, Room>,
    line: Line,
    connection: u64,
    script: VecDeque<Heard>,
    news: BTreeMap<(Duration, u64), News>,
    count: u64,
    messages: BTreeMap<String, Incoming>,
    told: Option<Heard>,
    posts: BTreeMap<AnswerId, Trace>,
    shown: BTreeMap<String, VecDeque<String>>,
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// This.
    Tell(Heard),
    /// Nothing, for so long at most.
    Wait(Duration),
}

impl Platform {
    /// The platforms of a plan.
    #[must_use]
    pub fn all(plan: &Plan, draw: &mut Draw) -> Vec<Self> {
        let people = accounts(plan);
        let one = |(name, kind, memory): (&'static str, Kind, Memory)| {
            let here: Vec<_> = people.iter().filter(|account| account.channel == name && account.human < OUTSIDERS).collect();
            let rooms = (0..plan.channels.rooms).map(|n| {
                let present = here.iter().filter(|_| draw.happens(6_000)).map(|account| account.account.clone()).collect();
                (format!("room-{n}"), Room { present, closed: false, large: n == 1 })
            });
            let rooms = rooms.collect();
            let watch = Watch { start: plan.start, coarse: kind == Kind::Telegram };
            Self { name, kind, memory, state: Mutex::new(State::new(watch, rooms)), news: Notify::new() }
        };
        ALL.into_iter().take(plan.channels.platforms).map(one).collect()
    }

    // === people ===

    /// Somebody writes something.
    pub fn write(&self, now: Duration, from: &str, room: Option<&str>, text: String, late: Duration) {
        let mut state = lock(&self.state);
        state.count += 1;
        let id = format!("m{}", state.count);
        let written = state.watch.at(now);
        let message = Incoming { id: id.clone(), from: from.to_owned(), room: room.map(str::to_owned), text, written };
        state.messages.insert(id.clone(), message);
        state.push(now.saturating_add(late), News::Message(id));
        self.news.notify_one();
    }

    /// The rooms in which an account is, and whether the house is there.
    #[must_use]
    pub fn rooms_of(&self, account: &str) -> Vec<String> {
        let state = lock(&self.state);
        state.rooms.iter().filter(|(_, room)| room.present.contains(account)).map(|(name, _)| name.clone()).collect()
    }

    /// All rooms.
    #[must_use]
    pub fn rooms(&self) -> Vec<String> {
        lock(&self.state).rooms.keys().cloned().collect()
    }

    /// An account comes to a room or leaves it; `is_missed` when nobody tells.
    pub fn turn(&self, now: Duration, account: &str, room: &str, is_missed: bool) {
        let mut state = lock(&self.state);
        let Some(found) = state.rooms.get_mut(room) else { return };
        let event = if found.present.remove(account) {
            Attendance::Left(account.to_owned())
        } else {
            found.present.insert(account.to_owned());
            Attendance::Joined(account.to_owned())
        };
        if !is_missed && !found.closed {
            let at = state.watch.at(now);
            state.push(now, News::Presence(room.to_owned(), event, at));
            self.news.notify_one();
        }
    }

    /// The house is put out of a room, or taken in again.
    pub fn close(&self, now: Duration, room: &str) {
        let mut state = lock(&self.state);
        let Some(found) = state.rooms.get_mut(room) else { return };
        found.closed = !found.closed;
        let event = if found.closed { Attendance::Closed } else { found.snapshot() };
        let at = state.watch.at(now);
        state.push(now, News::Presence(room.to_owned(), event, at));
        self.news.notify_one();
    }

    /// The time by its clock.
    #[must_use]
    pub fn time(&self, now: Duration) -> Timestamp {
        lock(&self.state).watch.at(now)
    }

    /// What an account was shown last.
    #[must_use]
    pub fn shown(&self, account: &str) -> Vec<String> {
        lock(&self.state).shown.get(account).into_iter().flatten().cloned().collect()
    }

    /// Whether all that was written is taken and all that happened is told.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let state = lock(&self.state);
        state.messages.is_empty() && state.script.is_empty() && matches!(state.line, Line::Up(_))
    }

    /// Messages that the house has not taken.
    #[must_use]
    pub fn untaken(&self) -> usize {
        lock(&self.state).messages.len()
    }

    // === the channel ===

    /// Begins anew. What was told last and not acknowledged.
    pub fn begin(&self, now: Duration, away: Duration) -> Option<Heard> {
        let mut state = lock(&self.state);
        state.line = Line::Down(now.saturating_add(away));
        state.connection += 1;
        state.script.clear();
        self.news.notify_one();
        state.told.take()
    }

    /// What was told last: whoever asks for the next thing has dealt with it.
    pub fn dealt_with(&self) -> Option<Heard> {
        lock(&self.state).told.take()
    }

    /// What there is to tell.
    pub fn step(&self, now: Duration, is_calm: bool, mix: &ChannelMix, draw: &mut Draw) -> Step {
        let mut state = lock(&self.state);
        let step = state.step(now, is_calm, mix, draw);
        if let Step::Tell(heard) = &step {
            state.told = Some(heard.clone());
        }
        step
    }

    /// The message of that id, as it was told.
    #[must_use]
    pub fn message(&self, id: &str) -> Option<Incoming> {
        lock(&self.state).messages.get(id).cloned()
    }

    /// It is dealt with; told again after that time all the same, if one is given.
    pub fn take(&self, id: &str, again: Option<Duration>) {
        let mut state = lock(&self.state);
        let Some(message) = state.messages.remove(id) else { return };
        if let Some(at) = again {
            state.push(at, News::Again(message));
        }
    }

    /// The connection that is there.
    #[must_use]
    pub fn connection(&self) -> Option<u64> {
        let state = lock(&self.state);
        matches!(state.line, Line::Up(_)).then_some(state.connection)
    }

    /// Begins to say something; the answer, when it is known at once.
    pub fn begin_post(&self, post: &Post, forgets: bool) -> Option<Posted> {
        let mut state = lock(&self.state);
        let there = match &post.to {
            To::Account(_) => true,
            To::Room(room) => state.rooms.get(room).is_some_and(|room| !room.closed),
        };
        if !there {
            return Some(Posted::Refused);
        }
        if forgets {
            return None;
        }
        match (state.posts.get(&post.delivery).copied(), self.memory) {
            (Some(Trace::Sent), _) => Some(Posted::Sent),
            (Some(Trace::Doubt), Memory::Forgets) => Some(Posted::Unknown),
            (Some(Trace::Doubt), Memory::Recognises) => {
                state.posts.insert(post.delivery, Trace::Sent);
                Some(Posted::Sent)
            }
            (None, _) => None,
        }
    }

    /// Says it. From here on it is in doubt.
    pub fn say(&self, post: &Post) {
        let mut state = lock(&self.state);
        state.posts.insert(post.delivery, Trace::Doubt);
        if let To::Account(account) = &post.to {
            let shown = state.shown.entry(account.clone()).or_default();
            shown.push_back(post.text.clone());
            if shown.len() > 8 {
                shown.pop_front();
            }
        }
    }

    /// Nobody knows whether it was said.
    pub fn doubt(&self, delivery: AnswerId) {
        lock(&self.state).posts.insert(delivery, Trace::Doubt);
    }

    /// It was said, and that is known.
    pub fn sent(&self, delivery: AnswerId) {
        lock(&self.state).posts.insert(delivery, Trace::Sent);
    }
}

impl Room {
    fn snapshot(&self) -> Attendance {
        let some = |accounts: &BTreeSet<String>| accounts.iter().step_by(2).cloned().collect();
        let accounts = if self.large { some(&self.present) } else { self.present.clone() };
        Attendance::Snapshot { accounts, complete: !self.large }
    }
}

impl State {
    const fn new(watch: Watch, rooms: BTreeMap<String, Room>) -> Self {
        Self {
            watch,
            rooms,
            line: Line::Down(Duration::ZERO),
            connection: 0,
            script: VecDeque::new(),
            news: BTreeMap::new(),
            count: 0,
            messages: BTreeMap::new(),
            told: None,
            posts: BTreeMap::new(),
            shown: BTreeMap::new(),
        }
    }

    fn push(&mut self, at: Duration, news: News) {
        self.count += 1;
        self.news.insert((at, self.count), news);
    }

    /// Somebody connects: who is where, and then what was not taken, in whatever order.
    fn connect(&mut self, now: Duration, is_calm: bool, mix: &ChannelMix, draw: &mut Draw) {
        let lives = (mix.cut_ms > 0 && !is_calm).then(|| now.saturating_add(draw.millis(10, mix.cut_ms)));
        self.line = Line::Up(lives);
        let at = self.watch.at(now);
        self.script = VecDeque::from([Heard::Came { at }]);
        let open = self.rooms.iter().filter(|(_, room)| !room.closed);
        self.script.extend(open.map(|(name, room)| Heard::Presence { room: name.clone(), event: room.snapshot(), at }));
        self.script.push_back(Heard::Ready);
        // What is still on its way is told when it arrives.
        self.news.retain(|(at, _), news| *at > now && !matches!(news, News::Presence(..)));
        let under_way: BTreeSet<_> =
            self.news.values().filter_map(|news| if let News::Message(id) = news { Some(id.clone()) } else { None }).collect();
        let mut ids: Vec<_> = self.messages.keys().filter(|id| !under_way.contains(*id)).cloned().collect();
        if draw.happens(3_000) {
            ids.reverse();
        }
        ids.into_iter().for_each(|id| self.push(now, News::Message(id)));
    }

    fn step(&mut self, now: Duration, is_calm: bool, mix: &ChannelMix, draw: &mut Draw) -> Step {
        match self.line {
            Line::Down(until) if is_calm && until > now.saturating_add(CALM_AWAY) => return Step::Wait(CALM_AWAY),
            Line::Down(until) if until > now => return Step::Wait(until.saturating_sub(now)),
            Line::Down(_) => self.connect(now, is_calm, mix, draw),
            Line::Up(Some(until)) if until <= now && !is_calm => {
                self.line = Line::Down(now.saturating_add(draw.millis(1, mix.away_ms)));
                self.connection += 1;
                self.script.clear();
                return Step::Tell(Heard::Gone);
            }
            Line::Up(_) => {}
        }
        if let Some(heard) = self.script.pop_front() {
            return Step::Tell(heard);
        }
        while let Some(entry) = self.news.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                break;
            }
            match entry.remove() {
                News::Presence(room, event, at) => return Step::Tell(Heard::Presence { room, event, at }),
                News::Again(message) => return Step::Tell(Heard::Message(message)),
                News::Message(id) => {
                    if let Some(message) = self.messages.get(&id).cloned() {
                        self.push(now.saturating_add(TELL_AGAIN), News::Message(id));
                        return Step::Tell(Heard::Message(message));
                    }
                }
            }
        }
        let news = self.news.first_key_value().map(|((at, _), _)| at.saturating_sub(now));
        let cut = if let Line::Up(Some(until)) = self.line
            && !is_calm
        {
            Some(until.saturating_sub(now))
        } else {
            None
        };
        // Looked at now and then: when the storm ends, nothing is cut any more.
        Step::Wait([news, cut].into_iter().flatten().min().unwrap_or(TELL_AGAIN).min(TELL_AGAIN).max(Duration::from_millis(1)))
    }
}
