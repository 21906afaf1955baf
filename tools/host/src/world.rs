//! The interface of a tool: what the compiler of bindings makes of `tools/wit`, and the house's side of every import.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_domain::sandbox::{Fault, HostAnswer, HostAsk, HttpAsk, Level, Line, Refusal, RefusalKind};
use rand_chacha::rand_core::RngCore as _;
use wasmtime::component::Resource;

use crate::runner::state::{Broken, State};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "tool",
        imports: { default: trappable },
        with: { "hearth:tool/http.body": super::Body },
    });
}

pub(crate) use bindings::hearth::tool::types;
pub(crate) use bindings::{Tool, ToolPre};

use bindings::hearth::tool::{host, http, keyvalue, memory, secrets};

/// Most bytes of chance at once.
pub(crate) const RANDOM_BYTES: u32 = 64 * 1024;
/// Most words about how far a call is that are passed on.
pub(crate) const PROGRESS_LINES: u32 = 64;
/// Most bytes of one line.
pub(crate) const LINE_BYTES: usize = 4096;
/// Most lines of a call's log that are kept.
pub(crate) const LOG_LINES: u32 = 256;

/// A body that the house holds.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the bindings name it so")]
pub struct Body(u32);

type Answer<T> = wasmtime::Result<T>;

/// An answer of another kind than the question: the house is not what it should be.
fn odd<T>() -> Answer<T> {
    Err(Broken(Fault::Trap).into())
}

fn decoded(text: &str) -> Answer<Vec<u8>> {
    STANDARD.decode(text).map_err(|_| Broken(Fault::Trap).into())
}

impl From<Refusal> for http::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal.kind {
            RefusalKind::Denied | RefusalKind::Unknown => Self::Denied(refusal.sentence),
            RefusalKind::Limit => Self::Limit(refusal.sentence),
            RefusalKind::Unavailable => Self::Unreachable(refusal.sentence),
        }
    }
}

impl http::Host for State {
    fn send(&mut self, request: http::Request) -> Answer<Result<http::Response, http::Error>> {
        if !self.has_room() {
            return Ok(Err(http::Error::Limit("too many bodies are open".to_owned())));
        }
        let headers = request.headers.into_iter().map(|header| (header.name, header.value)).collect();
        let body = request.body.map(|body| STANDARD.encode(body));
        let asked = self.ask(HostAsk::Http(HttpAsk { method: request.method, url: request.url, headers, body }))?;
        match asked {
            HostAnswer::Response { status, headers, body } => {
                let headers = headers.into_iter().map(|(name, value)| http::Header { name, value }).collect();
                let body = self.bodies.push(Body(body)).map_err(|_| Broken(Fault::HostCalls))?;
                self.open = self.open.saturating_add(1);
                Ok(Ok(http::Response { status, headers, body }))
            }
            HostAnswer::Refused(refusal) => Ok(Err(refusal.into())),
            HostAnswer::Piece { .. }
            | HostAnswer::Value { .. }
            | HostAnswer::Keys { .. }
            | HostAnswer::Placeholder { .. }
            | HostAnswer::Found { .. }
            | HostAnswer::Done => odd(),
        }
    }
}

impl http::HostBody for State {
    fn read(&mut self, own: Resource<Body>) -> Answer<Result<Option<Vec<u8>>, http::Error>> {
        let body = self.bodies.get(&own).map_err(|_| Broken(Fault::Malformed))?.0;
        match self.ask(HostAsk::Read { body })? {
            HostAnswer::Piece { piece } => Ok(Ok(piece.as_deref().map(decoded).transpose()?)),
            HostAnswer::Refused(refusal) => Ok(Err(refusal.into())),
            HostAnswer::Response { .. }
            | HostAnswer::Value { .. }
            | HostAnswer::Keys { .. }
            | HostAnswer::Placeholder { .. }
            | HostAnswer::Found { .. }
            | HostAnswer::Done => odd(),
        }
    }

    fn drop(&mut self, own: Resource<Body>) -> Answer<()> {
        let body = self.bodies.delete(own).map_err(|_| Broken(Fault::Malformed))?.0;
        self.open = self.open.saturating_sub(1);
        // Whatever is still open when the call ends, the house closes by itself.
        self.ask(HostAsk::Close { body }).map(drop)
    }
}

impl From<Refusal> for keyvalue::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal.kind {
            RefusalKind::Limit => Self::Quota,
            RefusalKind::Unknown => Self::InvalidKey,
            RefusalKind::Denied | RefusalKind::Unavailable => Self::Unavailable,
        }
    }
}

impl State {
    fn done(&mut self, ask: HostAsk) -> Answer<Result<(), keyvalue::Error>> {
        match self.ask(ask)? {
            HostAnswer::Done => Ok(Ok(())),
            HostAnswer::Refused(refusal) => Ok(Err(refusal.into())),
            HostAnswer::Response { .. }
            | HostAnswer::Piece { .. }
            | HostAnswer::Value { .. }
            | HostAnswer::Keys { .. }
            | HostAnswer::Placeholder { .. }
            | HostAnswer::Found { .. } => odd(),
        }
    }
}

impl keyvalue::Host for State {
    fn get(&mut self, key: String) -> Answer<Result<Option<Vec<u8>>, keyvalue::Error>> {
        match self.ask(HostAsk::Get { key })? {
            HostAnswer::Value { value } => Ok(Ok(value.as_deref().map(decoded).transpose()?)),
            HostAnswer::Refused(refusal) => Ok(Err(refusal.into())),
            HostAnswer::Response { .. }
            | HostAnswer::Piece { .. }
            | HostAnswer::Keys { .. }
            | HostAnswer::Placeholder { .. }
            | HostAnswer::Found { .. }
            | HostAnswer::Done => odd(),
        }
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Answer<Result<(), keyvalue::Error>> {
        self.done(HostAsk::Set { key, value: STANDARD.encode(value) })
    }

    fn delete(&mut self, key: String) -> Answer<Result<(), keyvalue::Error>> {
        self.done(HostAsk::Delete { key })
    }

    fn keys(&mut self, prefix: String) -> Answer<Result<Vec<String>, keyvalue::Error>> {
        match self.ask(HostAsk::Keys { prefix })? {
            HostAnswer::Keys { keys } => Ok(Ok(keys)),
            HostAnswer::Refused(refusal) => Ok(Err(refusal.into())),
            HostAnswer::Response { .. }
            | HostAnswer::Piece { .. }
            | HostAnswer::Value { .. }
            | HostAnswer::Placeholder { .. }
            | HostAnswer::Found { .. }
            | HostAnswer::Done => odd(),
        }
    }
}

impl secrets::Host for State {
    fn get(&mut self, slot: String) -> Answer<Result<String, secrets::Error>> {
        match self.ask(HostAsk::Secret { slot })? {
            HostAnswer::Placeholder { text } => Ok(Ok(text)),
            HostAnswer::Refused(Refusal { kind: RefusalKind::Unknown, .. }) => Ok(Err(secrets::Error::NoSuchSlot)),
            HostAnswer::Refused(_) => Ok(Err(secrets::Error::NotGranted)),
            HostAnswer::Response { .. }
            | HostAnswer::Piece { .. }
            | HostAnswer::Value { .. }
            | HostAnswer::Keys { .. }
            | HostAnswer::Found { .. }
            | HostAnswer::Done => odd(),
        }
    }
}

impl memory::Host for State {
    fn search(&mut self, query: String, limit: u32) -> Answer<Result<Vec<memory::Found>, memory::Error>> {
        match self.ask(HostAsk::Search { query, limit })? {
            HostAnswer::Found { found } => Ok(Ok(found.into_iter().map(|(text, age_s)| memory::Found { text, age_s }).collect())),
            HostAnswer::Refused(Refusal { kind: RefusalKind::Denied, .. }) => Ok(Err(memory::Error::NotGranted)),
            HostAnswer::Refused(_) => Ok(Err(memory::Error::Unavailable)),
            HostAnswer::Response { .. }
            | HostAnswer::Piece { .. }
            | HostAnswer::Value { .. }
            | HostAnswer::Keys { .. }
            | HostAnswer::Placeholder { .. }
            | HostAnswer::Done => odd(),
        }
    }
}

/// The beginning of a line, on a boundary of its letters.
fn shortened(mut line: String) -> String {
    line.truncate(line.floor_char_boundary(LINE_BYTES));
    line
}

impl host::Host for State {
    fn log(&mut self, level: host::Level, line: String) -> Answer<()> {
        let line = shortened(line);
        if self.log_lines >= LOG_LINES || line.len() > self.log_left {
            self.used.lines_lost = self.used.lines_lost.saturating_add(1);
            return Ok(());
        }
        self.log_lines = self.log_lines.saturating_add(1);
        self.log_left = self.log_left.saturating_sub(line.len());
        let level = match level {
            host::Level::Debug => Level::Debug,
            host::Level::Info => Level::Info,
            host::Level::Warn => Level::Warn,
            host::Level::Error => Level::Error,
        };
        self.say(Line::Log(level, line))
    }

    fn progress(&mut self, line: String) -> Answer<()> {
        if self.progress_lines >= PROGRESS_LINES {
            return Ok(());
        }
        self.progress_lines = self.progress_lines.saturating_add(1);
        self.say(Line::Progress(shortened(line)))
    }

    fn wall_ms(&mut self) -> Answer<u64> {
        Ok(self.wall_ms.saturating_add(u64::try_from(self.budget.elapsed().as_millis()).unwrap_or(u64::MAX)))
    }

    fn monotonic_ns(&mut self) -> Answer<u64> {
        Ok(u64::try_from(self.budget.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn random(&mut self, bytes: u32) -> Answer<Vec<u8>> {
        if bytes > RANDOM_BYTES {
            return Err(Broken(Fault::HostCalls).into());
        }
        let mut drawn = vec![0; usize::try_from(bytes).unwrap_or(0)];
        self.chance.fill_bytes(&mut drawn);
        Ok(drawn)
    }
}

impl types::Host for State {}

/// As long as a component may take to say what it can do.
pub(crate) const DESCRIBE: Duration = Duration::from_secs(2);
