//! A connector for a test: people on a platform that is none, spoken for at the socket of a bridge.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use hearth::bridge::lines::{Account, ConnectorLine, HouseLine, Room, VERSION};
use hearth::places;
use hearth_domain::channel::Attendance;
use hearth_domain::time::Timestamp;

use crate::support::DEADLINE;

/// Something that the house said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) delivery: String,
    /// The account or the room.
    pub(crate) to: String,
    pub(crate) is_room: bool,
    pub(crate) text: String,
    pub(crate) answers: Vec<String>,
}

/// A connector, and everything that it was told to say.
#[derive(Debug)]
pub(crate) struct Connector {
    lines: BufReader<UnixStream>,
    out: UnixStream,
    pub(crate) said: Vec<Said>,
    taken: BTreeSet<String>,
    count: usize,
    /// When the next messages were written; nothing is said of it while this is none.
    pub(crate) written: Option<Timestamp>,
}

impl Connector {
    /// Connects and greets; who is in the rooms has not been said yet.
    pub(crate) fn greet(data: &Path, channel: &str) -> Self {
        let out = UnixStream::connect(places::channel_for(data, channel)).unwrap();
        out.set_read_timeout(Some(DEADLINE)).unwrap();
        let lines = BufReader::new(out.try_clone().unwrap());
        let mut connector = Self { lines, out, said: Vec::new(), taken: BTreeSet::new(), count: 0, written: None };
        connector.send(&ConnectorLine::Hello { version: VERSION, at: None });
        match connector.next() {
            Some(HouseLine::Welcome { version: VERSION, channel: named }) => assert_eq!(named, channel),
            other => panic!("no welcome but {other:?}"),
        }
        connector
    }

    /// The same, with these people in these rooms and nobody else.
    pub(crate) fn at(data: &Path, channel: &str, rooms: &[(&str, &[&str])]) -> Self {
        let mut connector = Self::greet(data, channel);
        for (room, accounts) in rooms {
            connector.everybody(room, accounts);
        }
        connector.send(&ConnectorLine::Ready {});
        connector
    }

    /// Says that exactly these are in a room.
    pub(crate) fn everybody(&mut self, room: &str, accounts: &[&str]) {
        let accounts = accounts.iter().map(|account| (*account).to_owned()).collect();
        self.happens(room, Attendance::Snapshot { accounts, complete: true });
    }

    pub(crate) fn happens(&mut self, room: &str, event: Attendance) {
        self.send(&ConnectorLine::Presence { room: room.to_owned(), event, at: None });
    }

    /// The same, at this time of the platform's clock.
    pub(crate) fn happens_at(&mut self, room: &str, event: Attendance, at: Timestamp) {
        self.send(&ConnectorLine::Presence { room: room.to_owned(), event, at: Some(at) });
    }

    pub(crate) fn send(&mut self, line: &ConnectorLine) {
        self.raw(&serde_json::to_string(line).unwrap());
    }

    /// A line as it stands.
    pub(crate) fn raw(&mut self, line: &str) {
        self.out.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The next line; none when the house has ended the connection.
    pub(crate) fn next(&mut self) -> Option<HouseLine> {
        let mut line = String::new();
        (self.lines.read_line(&mut line).unwrap() > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Takes lines until there is what is looked for; each thing that is to be said is said.
    pub(crate) fn wait<T>(&mut self, what: &str, found: impl Fn(&Self) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            match self.next() {
                Some(HouseLine::Send { delivery, to, room, text, answers }) => {
                    self.send(&ConnectorLine::Sent { delivery: delivery.clone() });
                    let is_room = room.is_some();
                    self.said.push(Said { delivery, to: to.or(room).unwrap(), is_room, text, answers });
                }
                Some(HouseLine::Taken { id }) => drop(self.taken.insert(id)),
                other => panic!("before {what}: {other:?}, after {:?}", self.said),
            }
        }
    }

    /// An account says something, in private or in a room; back when the house has dealt with it. How much had been said before.
    pub(crate) fn tell(&mut self, (from, name): (&str, &str), room: Option<&str>, text: &str) -> usize {
        self.count += 1;
        let id = format!("m{}", self.count);
        self.tell_as(&id, (from, name), room, text)
    }

    /// The same, under this id.
    pub(crate) fn tell_as(&mut self, id: &str, (from, name): (&str, &str), room: Option<&str>, text: &str) -> usize {
        let before = self.said.len();
        self.taken.remove(id);
        let from = Account { id: from.to_owned(), name: Some(name.to_owned()) };
        let room = room.map(|room| Room { id: room.to_owned() });
        self.send(&ConnectorLine::Message { id: id.to_owned(), from, room, text: text.to_owned(), written: self.written });
        let wanted = id.to_owned();
        self.wait("a receipt", move |connector| connector.taken.contains(&wanted).then_some(()));
        before
    }

    /// What the house says there next, after so many things.
    pub(crate) fn answer(&mut self, to: &str, before: usize) -> Said {
        let to = to.to_owned();
        self.wait("an answer", move |connector| connector.said[before..].iter().find(|said| said.to == to).cloned())
    }

    /// Asks, and gives the answer.
    pub(crate) fn ask(&mut self, from: &str, room: Option<&str>, text: &str) -> Said {
        let before = self.tell((from, "somebody"), room, text);
        self.answer(room.unwrap_or(from), before)
    }
}
