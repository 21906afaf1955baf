//! A small house: the port, and a line to one tool.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hearth_domain::sandbox::{
    Ask, Call, Compiled, Ended, Fault, Heard, HostAnswer, HostAsk, Line, Outcome, Part, Refusal, RefusalKind, SandboxLimits, SandboxLine,
    Sandboxes as _, Tell, Usage,
};
use hearth_supervisor::process::spawner::Spawner;
use hearth_tool_host::cache::CacheKey;
use hearth_tool_host::port::Sandboxer;
use tempfile::TempDir;

pub(crate) struct House {
    pub(crate) port: Sandboxer,
    pub(crate) folder: TempDir,
}

pub(crate) fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let spawner = Arc::new(Spawner::start().unwrap());
    let key = CacheKey::of(&folder.path().join("keys")).unwrap();
    House { port: Sandboxer::new(spawner, &folder.path().join("compiled"), key).unwrap(), folder }
}

impl House {
    pub(crate) async fn compiled(&self, component: Vec<u8>) -> Compiled {
        self.port.compile(component).await.unwrap()
    }

    pub(crate) async fn start(&self, digest: &str, limits: SandboxLimits) -> Running {
        let (line, heard) = self.port.start("test", digest, limits).await.unwrap();
        Running { line, heard, next: 1, lines: Vec::new(), asked: Vec::new() }
    }

    /// Compiled, started and ready.
    pub(crate) async fn tool(&self, component: Vec<u8>, limits: SandboxLimits) -> Running {
        let compiled = self.compiled(component).await;
        let mut running = self.start(&compiled.digest, limits).await;
        running.ready().await;
        running
    }
}

pub(crate) struct Running {
    pub(crate) line: Box<dyn SandboxLine>,
    pub(crate) heard: BoxStream<'static, Heard>,
    pub(crate) next: u64,
    pub(crate) lines: Vec<Line>,
    pub(crate) asked: Vec<HostAsk>,
}

pub(crate) fn call(id: u64, arguments: &str, deadline_ms: u32) -> Call {
    Call {
        id,
        operation: "do".to_owned(),
        arguments: arguments.to_owned(),
        key: format!("key {id}"),
        member: "member".to_owned(),
        locale: "en".to_owned(),
        zone: "UTC".to_owned(),
        deadline_ms,
        wall_ms: 1_700_000_000_000,
        seed: [3; 32],
    }
}

impl Running {
    pub(crate) async fn hear(&mut self) -> Heard {
        self.heard.next().await.expect("something is heard until the end")
    }

    pub(crate) async fn ready(&mut self) -> Vec<(String, String)> {
        match self.hear().await {
            Heard::Tell(Tell::Ready { confined, .. }) => confined,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn end(&mut self) -> Ended {
        loop {
            if let Heard::Ended(ended) = self.hear().await {
                assert!(self.heard.next().await.is_none());
                return ended;
            }
        }
    }

    pub(crate) async fn call(&mut self, arguments: &str) -> (Outcome, Usage) {
        self.call_within(arguments, 60_000).await.unwrap()
    }

    /// One call; what it asks for is refused, but keys `k` has the value `value`. How the process ended, if it did.
    pub(crate) async fn call_within(&mut self, arguments: &str, deadline_ms: u32) -> Result<(Outcome, Usage), Ended> {
        let id = self.next;
        self.next += 1;
        assert!(self.line.ask(Ask::Call(call(id, arguments, deadline_ms))));
        loop {
            match self.hear().await {
                Heard::Tell(Tell::Done { call, outcome, used }) => {
                    assert_eq!(call, id);
                    return Ok((outcome, used));
                }
                Heard::Tell(Tell::Said { line, .. }) => self.lines.push(line),
                Heard::Tell(Tell::Host { call, question, ask }) => {
                    let answer = match &ask {
                        HostAsk::Get { key } if key == "k" => HostAnswer::Value { value: Some("dmFsdWU=".to_owned()) },
                        _ => HostAnswer::Refused(Refusal { kind: RefusalKind::Denied, sentence: "no".to_owned() }),
                    };
                    self.asked.push(ask);
                    assert!(self.line.ask(Ask::Given { call, question, answer }));
                }
                Heard::Ended(ended) => return Err(ended),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn fault(&mut self) -> Fault {
        match self.call("").await.0 {
            Outcome::Fault(fault) => fault,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn text(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Parts(parts) => match parts.as_slice() {
            [Part::Text(text)] => text,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

impl Running {
    pub(crate) async fn ready_or_end(&mut self) -> Result<(), Ended> {
        match self.hear().await {
            Heard::Tell(Tell::Ready { .. }) => Ok(()),
            Heard::Ended(ended) => Err(ended),
            other => panic!("{other:?}"),
        }
    }
}

impl Running {
    /// Whether it can be called, or what is wrong with it.
    pub(crate) async fn ready_or_unfit(&mut self) -> Result<(), Fault> {
        match self.hear().await {
            Heard::Tell(Tell::Ready { .. }) => Ok(()),
            Heard::Tell(Tell::Unfit(fault)) => Err(fault),
            other => panic!("{other:?}"),
        }
    }
}
