//! A house for one tool: it answers from recordings, keeps what the tool keeps, and grants every secret.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hearth_domain::sandbox::{
    Ask, Call, Heard, HostAnswer, HostAsk, HttpAsk, Operation, Outcome, PIECE_BYTES, Refusal, RefusalKind, SandboxLine, Tell,
};
use hearth_tool::http::Request;
use hearth_tool::test::recorded::Recording;

/// 2026-03-01T12:00:00Z, as in the tools' own tests.
const NOW_MS: u64 = 1_772_366_400_000;

pub(crate) struct House {
    line: Box<dyn SandboxLine>,
    heard: BoxStream<'static, Heard>,
    recording: Recording,
    bodies: BTreeMap<u32, VecDeque<String>>,
    kept: BTreeMap<String, String>,
    calls: u64,
}

fn refused(kind: RefusalKind) -> HostAnswer {
    HostAnswer::Refused(Refusal { kind, sentence: "not granted".to_owned() })
}

impl House {
    pub(crate) fn new(line: Box<dyn SandboxLine>, heard: BoxStream<'static, Heard>, recorded: &Path) -> Self {
        let recording = if recorded.is_dir() { Recording::folder(recorded).unwrap() } else { Recording::default() };
        Self { line, heard, recording, bodies: BTreeMap::new(), kept: BTreeMap::new(), calls: 0 }
    }

    pub(crate) async fn ready(&mut self) -> Vec<Operation> {
        match self.heard.next().await.unwrap() {
            Heard::Tell(Tell::Ready { operations, .. }) => operations,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn call(&mut self, operation: &str, arguments: &str) -> Outcome {
        self.calls += 1;
        let id = self.calls;
        let call = Call {
            id,
            operation: operation.to_owned(),
            arguments: arguments.to_owned(),
            key: format!("call-{id}"),
            member: "member-1".to_owned(),
            locale: "en".to_owned(),
            zone: "UTC".to_owned(),
            deadline_ms: 60_000,
            wall_ms: NOW_MS,
            seed: [3; 32],
        };
        assert!(self.line.ask(Ask::Call(call)));
        loop {
            match self.heard.next().await.unwrap() {
                Heard::Tell(Tell::Done { call, outcome, .. }) if call == id => return outcome,
                Heard::Tell(Tell::Said { line, .. }) => println!("  {line:?}"),
                Heard::Tell(Tell::Host { call, question, ask }) => {
                    let answer = self.answer(ask);
                    assert!(self.line.ask(Ask::Given { call, question, answer }));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn answer(&mut self, ask: HostAsk) -> HostAnswer {
        match ask {
            HostAsk::Http(ask) => self.response(ask),
            HostAsk::Read { body } => HostAnswer::Piece { piece: self.bodies.get_mut(&body).unwrap().pop_front() },
            HostAsk::Close { body } => {
                self.bodies.remove(&body).unwrap();
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
            HostAsk::Search { .. } => HostAnswer::Found { found: vec![("the bins are on Tuesday".to_owned(), 60)] },
        }
    }

    fn response(&mut self, ask: HttpAsk) -> HostAnswer {
        let body = ask.body.map(|body| STANDARD.decode(body).unwrap());
        let request = Request { method: ask.method, url: ask.url, headers: ask.headers, body };
        let Some(exchange) = self.recording.exchanges.iter().find(|exchange| exchange.fits(&request).is_ok()) else {
            println!("  not recorded: {} {}", request.method, request.url);
            return refused(RefusalKind::Denied);
        };
        let body = u32::try_from(self.bodies.len()).unwrap();
        let pieces = exchange.response_body.chunks(PIECE_BYTES).map(|piece| STANDARD.encode(piece));
        self.bodies.insert(body, pieces.collect());
        HostAnswer::Response { status: exchange.status, headers: exchange.response_headers.clone(), body }
    }
}
