//! A house for one tool: it answers requests from recordings, keeps what the tool keeps, gives every slot a place, and its clock stands still.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hearth_domain::sandbox::{
    Ask, Call, Heard, HostAnswer, HostAsk, HttpAsk, Outcome, PIECE_BYTES, Refusal, RefusalKind, SandboxLine, Tell,
};
use hearth_tool::http::Request;
use hearth_tool::test::recorded::{Error, Exchange, Recording};

/// 2026-03-01T12:00:00Z, as in the kit's own house for tests.
const NOW_MS: u64 = 1_772_366_400_000;
/// Milliseconds that a call may take.
const DEADLINE_MS: u32 = 60_000;

/// Why the house cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    /// A recording.
    #[error("a recording cannot be read: {0}")]
    Recording(String),
    /// The process ended, or said something out of turn.
    #[error("the tool's process ended, or said something out of turn: {0}")]
    Process(String),
}

/// The house.
pub(crate) struct House {
    line: Box<dyn SandboxLine>,
    heard: BoxStream<'static, Heard>,
    /// Each, and whether it was played back.
    exchanges: Vec<(Exchange, bool)>,
    bodies: BTreeMap<u32, VecDeque<String>>,
    last_body: u32,
    kept: BTreeMap<String, String>,
    calls: u64,
    /// Requests of the call that are not recorded.
    missed: Vec<String>,
}

fn refused(kind: RefusalKind, sentence: &str) -> HostAnswer {
    HostAnswer::Refused(Refusal { kind, sentence: sentence.to_owned() })
}

impl House {
    /// With the recordings of a folder, which need not be there; the tool is ready then.
    pub(crate) async fn new(line: Box<dyn SandboxLine>, heard: BoxStream<'static, Heard>, recorded: &Path) -> Result<Self, HouseError> {
        let recording = if recorded.is_dir() { Recording::folder(recorded) } else { Ok(Recording::default()) };
        let recording = recording.map_err(|error: Error| HouseError::Recording(error.to_string()))?;
        let exchanges = recording.exchanges.into_iter().map(|exchange| (exchange, false)).collect();
        let (bodies, kept, missed) = Default::default();
        let mut house = Self { line, heard, exchanges, bodies, last_body: 0, kept, calls: 0, missed };
        match house.next().await? {
            Tell::Ready { .. } => Ok(house),
            other @ (Tell::Unfit(_) | Tell::Host { .. } | Tell::Said { .. } | Tell::Done { .. } | Tell::Beat { .. }) => {
                Err(HouseError::Process(format!("{other:?}")))
            }
        }
    }

    async fn next(&mut self) -> Result<Tell, HouseError> {
        match self.heard.next().await {
            Some(Heard::Tell(tell)) => Ok(tell),
            Some(Heard::Ended(ended)) => Err(HouseError::Process(format!("{ended:?}"))),
            None => Err(HouseError::Process("it is gone".to_owned())),
        }
    }

    /// What a call came to, and what it asked for that is not recorded.
    pub(crate) async fn call(&mut self, operation: &str, arguments: &str) -> Result<(Outcome, Vec<String>), HouseError> {
        self.calls = self.calls.saturating_add(1);
        let id = self.calls;
        let call = Call {
            id,
            operation: operation.to_owned(),
            arguments: arguments.to_owned(),
            key: format!("call-{id}"),
            member: "member-1".to_owned(),
            locale: "en".to_owned(),
            zone: "UTC".to_owned(),
            deadline_ms: DEADLINE_MS,
            wall_ms: NOW_MS,
            seed: [3; 32],
        };
        self.line.ask(Ask::Call(call));
        loop {
            match self.next().await? {
                Tell::Done { call, outcome, .. } if call == id => return Ok((outcome, std::mem::take(&mut self.missed))),
                Tell::Said { .. } => {}
                Tell::Host { call, question, ask } => {
                    let answer = self.answer(ask);
                    self.line.ask(Ask::Given { call, question, answer });
                }
                other @ (Tell::Ready { .. } | Tell::Unfit(_) | Tell::Done { .. } | Tell::Beat { .. }) => {
                    return Err(HouseError::Process(format!("{other:?}")));
                }
            }
        }
    }

    fn answer(&mut self, ask: HostAsk) -> HostAnswer {
        match ask {
            HostAsk::Http(ask) => self.response(ask),
            HostAsk::Read { body } => match self.bodies.get_mut(&body) {
                Some(pieces) => HostAnswer::Piece { piece: pieces.pop_front() },
                None => refused(RefusalKind::Unknown, "there is no such body, or it has ended"),
            },
            HostAsk::Close { body } => {
                self.bodies.remove(&body);
                HostAnswer::Done
            }
            HostAsk::Get { key } => HostAnswer::Value { value: self.kept.get(&key).cloned() },
            HostAsk::Set { key, value } => {
                self.kept.insert(key, value);
                HostAnswer::Done
            }
            HostAsk::Delete { key } => {
                self.kept.remove(&key);
                HostAnswer::Done
            }
            HostAsk::Keys { prefix } => {
                HostAnswer::Keys { keys: self.kept.keys().filter(|key| key.starts_with(&prefix)).cloned().collect() }
            }
            HostAsk::Secret { slot } => HostAnswer::Placeholder { text: hearth_tool::test::placeholder(&slot) },
            HostAsk::Search { .. } => HostAnswer::Found { found: Vec::new() },
        }
    }

    /// Equal requests get their answers in the order of the files; the last is played again.
    fn response(&mut self, ask: HttpAsk) -> HostAnswer {
        let HttpAsk { method, url, headers, body } = ask;
        let Ok(body) = body.map(|text| STANDARD.decode(text)).transpose() else {
            return refused(RefusalKind::Denied, "the request's body cannot be read");
        };
        let request = Request { method, url, headers, body };
        let mut fitting = self.exchanges.iter().enumerate().filter(|(_, (exchange, _))| exchange.fits(&request).is_ok());
        let first = fitting.find(|(_, (_, played))| !played).map(|(at, _)| at);
        let again = || self.exchanges.iter().rposition(|(exchange, _)| exchange.fits(&request).is_ok());
        let Some((exchange, played)) = first.or_else(again).and_then(|at| self.exchanges.get_mut(at)) else {
            self.missed.push(format!("not recorded: {} {}", request.method, request.url));
            return refused(RefusalKind::Denied, "not recorded");
        };
        *played = true;
        self.last_body = self.last_body.saturating_add(1);
        let pieces = exchange.response_body.chunks(PIECE_BYTES).map(|piece| STANDARD.encode(piece));
        self.bodies.insert(self.last_body, pieces.collect());
        HostAnswer::Response { status: exchange.status, headers: exchange.response_headers.clone(), body: self.last_body }
    }
}
