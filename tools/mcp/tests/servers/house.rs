//! A house as small as it can be: the port, and one server of its configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hearth_domain::sandbox::{
    Ask, Call, Ended, Heard, Line, NoSandboxes, Operation, Outcome, SandboxLimits, SandboxLine, Sandboxes as _, Tell,
};
use hearth_mcp::component;
use hearth_mcp::config::{Limits, Server, Stdio, What};
use hearth_mcp::http::Ways;
use hearth_mcp::port::McpSandboxes;
use hearth_supervisor::process::spawner::Spawner;

pub(crate) const NAME: &str = "test";
pub(crate) const TOOL: &str = "mcp/test";

/// The configuration of a server that is this program, in that mode, with a folder of its own below this one.
pub(crate) fn hostile(mode: &str, below: &Path) -> Server {
    let own = std::env::current_exe().unwrap();
    let code = below.join("code");
    std::fs::create_dir_all(&code).unwrap();
    std::fs::write(code.join("part"), "code").unwrap();
    let stdio = Stdio {
        command: vec![own.to_str().unwrap().to_owned(), "hostile".to_owned(), mode.to_owned()],
        folder: below.join("own"),
        variables: BTreeMap::from([("COLOUR".to_owned(), "blue".to_owned())]),
        programs: vec![own, code],
    };
    Server { name: NAME.to_owned(), what: What::Stdio(stdio), tools: Vec::new(), says: BTreeMap::new(), limits: Limits::default() }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub(crate) fn port(server: Server) -> McpSandboxes {
    port_over(Arc::new(Spawner::start().unwrap()), server)
}

pub(crate) fn port_over(spawner: Arc<Spawner>, server: Server) -> McpSandboxes {
    McpSandboxes::new(spawner, Ways { vault: client(), egress: client() }, vec![server], Arc::new(NoSandboxes)).unwrap()
}

/// A conversation.
pub(crate) struct Talk {
    pub(crate) line: Box<dyn SandboxLine>,
    pub(crate) heard: BoxStream<'static, Heard>,
    calls: u64,
    _below: Option<tempfile::TempDir>,
    pub(crate) folder: PathBuf,
}

/// What a call came to, and what it said on the way.
pub(crate) type Came = (Result<Outcome, Ended>, Vec<Line>);

impl Talk {
    pub(crate) async fn start(port: &McpSandboxes) -> Self {
        let digest = component::digest(&component::of(NAME));
        let (line, heard) = port.start(TOOL, &digest, SandboxLimits::default()).await.unwrap();
        Self { line, heard, calls: 0, _below: None, folder: PathBuf::new() }
    }

    /// With a server of this program that has said what it can do.
    pub(crate) async fn with(mode: &str) -> Self {
        let below = tempfile::tempdir().unwrap();
        let mut talk = Self::start(&port(hostile(mode, below.path()))).await;
        talk.folder = below.path().join("own");
        talk._below = Some(below);
        talk.ready().await;
        talk
    }

    pub(crate) async fn hear(&mut self) -> Option<Heard> {
        self.heard.next().await
    }

    pub(crate) async fn ready(&mut self) -> (Vec<Operation>, BTreeMap<String, String>) {
        match self.hear().await {
            Some(Heard::Tell(Tell::Ready { operations, confined })) => (operations, confined.into_iter().collect()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn ask(&mut self, operation: &str, arguments: &str, deadline_ms: u32) -> u64 {
        self.calls += 1;
        let asked = self.line.ask(Ask::Call(Call {
            id: self.calls,
            operation: operation.to_owned(),
            arguments: arguments.to_owned(),
            key: String::new(),
            member: "nobody".to_owned(),
            locale: "en".to_owned(),
            zone: "Etc/UTC".to_owned(),
            deadline_ms,
            wall_ms: 0,
            seed: [0; 32],
        }));
        assert!(asked);
        self.calls
    }

    pub(crate) async fn call_with(&mut self, operation: &str, arguments: &str) -> Came {
        let id = self.ask(operation, arguments, 50_000);
        self.outcome(id).await
    }

    pub(crate) async fn call(&mut self, operation: &str) -> Came {
        self.call_with(operation, "{}").await
    }

    pub(crate) async fn outcome(&mut self, id: u64) -> Came {
        let mut lines = Vec::new();
        loop {
            match self.hear().await {
                Some(Heard::Tell(Tell::Said { call, line })) if call == id => lines.push(line),
                Some(Heard::Tell(Tell::Done { call, outcome, .. })) if call == id => return (Ok(outcome), lines),
                Some(Heard::Ended(ended)) => return (Err(ended), lines),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The end, and nothing after it.
    pub(crate) async fn end(&mut self) -> Ended {
        let Some(Heard::Ended(ended)) = self.hear().await else { panic!("no end") };
        assert_eq!(self.hear().await, None);
        ended
    }
}
