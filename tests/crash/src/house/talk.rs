//! What a client knows of one conversation: what it said, what it was promised, what it saw.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use hearth::wire::Said;
use hearth_domain::ids::{AnswerId, MessageId, TurnId};
use hearth_domain::message::Purpose;
use serde::{Deserialize, Serialize};

/// Where a conversation is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seat {
    /// Whose.
    pub member: String,
    /// The thread.
    pub thread: String,
}

/// The promise that `Accepted` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// The message.
    pub message: MessageId,
    /// Its turn.
    pub turn: TurnId,
    /// The answer to come.
    pub answer: AnswerId,
    /// The message's place.
    pub seq: u64,
}

/// One thing said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sent {
    /// The nonce, which is also the word by which everything that comes of it is known.
    pub token: String,
    /// The words.
    pub text: String,
    /// What was promised, once it was.
    pub promise: Option<Promise>,
}

/// A message as the client saw it, its text as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its place.
    pub seq: u64,
    /// Its id.
    pub id: MessageId,
    /// Whether the house said it.
    pub house: bool,
    /// What kind of thing it is.
    pub purpose: Purpose,
    /// The logical answer that it is.
    pub answer: Option<AnswerId>,
    /// Its text.
    pub text: u64,
}

impl From<&Said> for Line {
    fn from(said: &Said) -> Self {
        let Said { seq, id, house, purpose, answer, .. } = *said;
        Self { seq, id, house, purpose, answer, text: digest(&said.text) }
    }
}

/// A number for a text, the same in every process of this program.
pub fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A conversation as one client knows it.
#[derive(Debug, Clone)]
pub struct Talk {
    /// Where.
    pub seat: Seat,
    /// What was said, in order.
    pub sent: Vec<Sent>,
    /// What was seen, in order, over all connections.
    pub seen: Vec<Line>,
    /// The last place that it has.
    pub cursor: u64,
    /// What was wrong at once: other promises for the same nonce, refusals without reason.
    pub wrong: Vec<String>,
}

impl Talk {
    /// Nothing said yet.
    pub fn new(seat: Seat) -> Self {
        Self { seat, sent: Vec::new(), seen: Vec::new(), cursor: 0, wrong: Vec::new() }
    }

    /// Notes a promise. The same nonce must get the same one each time.
    pub fn promised(&mut self, token: &str, promise: Promise) {
        let Some(sent) = self.sent.iter_mut().find(|sent| sent.token == token) else {
            return self.wrong.push(format!("{token}: accepted without having been said"));
        };
        match sent.promise {
            None => sent.promise = Some(promise),
            Some(before) if before == promise => {}
            Some(before) => self.wrong.push(format!(
                "{token}: accepted twice, as {} at {} and as {} at {}",
                before.message, before.seq, promise.message, promise.seq
            )),
        }
    }

    /// Notes a message.
    pub fn saw(&mut self, line: Line) {
        self.cursor = self.cursor.max(line.seq);
        self.seen.push(line);
    }

    /// Things said that were not answered yet, or not even accepted.
    pub fn open(&self) -> usize {
        let answered = |promise: &Promise| self.seen.iter().any(|line| line.answer == Some(promise.answer));
        self.sent.iter().filter(|sent| !sent.promise.as_ref().is_some_and(answered)).count()
    }
}

/// A fact that a client may rely on from now on: one line of the record of acknowledgements.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A message was accepted.
    Accepted(Seat, Sent),
    /// A message was seen.
    Saw(Seat, Line),
}

/// The talks of which these facts tell, in the order of their first fact.
pub fn talks_of(facts: impl IntoIterator<Item = Fact>) -> Vec<Talk> {
    let mut talks: Vec<Talk> = Vec::new();
    for fact in facts {
        let (Fact::Accepted(seat, _) | Fact::Saw(seat, _)) = &fact;
        let at = talks.iter().position(|talk| talk.seat == *seat).unwrap_or_else(|| {
            talks.push(Talk::new(seat.clone()));
            talks.len() - 1
        });
        match fact {
            Fact::Accepted(_, sent) => match (talks[at].sent.iter().any(|known| known.token == sent.token), sent.promise) {
                (true, Some(promise)) => talks[at].promised(&sent.token, promise),
                (true, None) => {}
                (false, _) => talks[at].sent.push(sent),
            },
            Fact::Saw(_, line) => talks[at].saw(line),
        }
    }
    talks
}
