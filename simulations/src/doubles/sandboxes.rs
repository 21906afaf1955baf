//! Sandboxes in virtual time: processes that answer, are slow, trap, hang, die, flood, answer twice, forge ids, and ask for what was not
//! granted. What they are told and what they do is reported to the checker, which knows what the house may make of it.
//!
//! A process has no task of its own: it lives in the stream that its actor reads, and dies with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use hearth_actors::tools::Package;
use hearth_domain::journal::Digest;
use hearth_domain::sandbox::{
    Ask, Call, CompileError, Compiled, Ended, Fault, Heard, HostAnswer, HostAsk, HttpAsk, Level, Line, Operation, Outcome, Part,
    SandboxError, SandboxLimits, SandboxLine, Sandboxes, Started, Tell, ToolRefusal, ToolRefusalKind, Usage,
};
use hearth_domain::tool::Effect;
use hearth_domain::tool::manifest::{Declared, Manifest, Wants};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::checkers::sandboxes::{How, NAME};
use crate::plants::Plant;
use crate::seed::Draw;
use crate::world::{World, lock};

/// The tools that there can be.
pub const TOOLS: usize = 4;
/// Versions of each. The last one wants more than the others.
pub const VERSIONS: u32 = 3;
/// Where tools may send requests.
pub const GRANTED: &str = "https://api.example.com/v1/";
/// Bytes that a tool may keep for a member.
pub const QUOTA: u64 = 600;

/// What the tool of that number asks for, in that version.
#[must_use]
pub fn package(tool: usize, version: u32) -> Package {
    let operation = |name: &str, effect, idempotent| Declared {
        name: name.to_owned(),
        description: format!("Does {name}."),
        parameters: r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#.to_owned(),
        effect,
        idempotent,
        arguments: BTreeMap::new(),
        fields: BTreeMap::new(),
    };
    let sure = |text: &str| text.parse().unwrap_or_else(|_| unreachable!("{text}"));
    let wants = Wants {
        http: vec![format!("GET {GRANTED}**").parse().unwrap_or_else(|error| unreachable!("{error}"))],
        keyvalue_bytes: QUOTA + u64::from(version == VERSIONS),
        memory: true,
        ..Wants::default()
    };
    let manifest = Manifest {
        name: sure(&format!("sim/t{tool}")),
        version: format!("1.{version}.0").parse().unwrap_or_else(|error| unreachable!("{error}")),
        title: "A tool".to_owned(),
        author: "Nobody".to_owned(),
        description: "Is called in simulations.".to_owned(),
        wants,
        limits: SandboxLimits { host_calls: 40, log_bytes: 4_096, resources: 2, ..SandboxLimits::default() },
        operations: vec![operation("look", Effect::Read, true), operation("mark", Effect::WriteOwn, false)],
    };
    let digest = Digest::of(format!("{tool} {version}").as_bytes());
    let author = hearth_domain::tool::name::AuthorKey([7; 32]);
    Package { manifest, digest, component: component(tool, version), author: Some(author) }
}

fn component(tool: usize, version: u32) -> Vec<u8> {
    format!("component {tool} {version}").into_bytes()
}

/// Which tool and version this is the component of.
fn known(digest: &str) -> Option<(usize, u32)> {
    let all = (0..TOOLS).flat_map(|tool| (1..=VERSIONS).map(move |version| (tool, version)));
    all.into_iter().find(|(tool, version)| Digest::of(&component(*tool, *version)).to_string() == digest)
}

fn operations(tool: usize, version: u32) -> Vec<Operation> {
    let said = |operation: &Declared| Operation {
        name: operation.name.clone(),
        description: operation.description.clone(),
        parameters: operation.parameters.clone(),
        effect: operation.effect,
        idempotent: operation.idempotent,
        arguments: Vec::new(),
        fields: Vec::new(),
    };
    package(tool, version).manifest.operations.iter().map(said).collect()
}

/// The port.
#[derive(Debug)]
pub struct SimSandboxes {
    world: Arc<World>,
    chance: Arc<Mutex<Draw>>,
}

impl SimSandboxes {
    /// The sandboxes of one life of the house.
    #[must_use]
    pub fn new(world: &Arc<World>, life: usize) -> Self {
        let chance = Draw::of(&world.seed.child("sandboxes"), &life.to_string());
        Self { world: Arc::clone(world), chance: Arc::new(Mutex::new(chance)) }
    }
}

impl Sandboxes for SimSandboxes {
    fn compile(&self, bytes: Vec<u8>) -> BoxFuture<'static, Result<Compiled, CompileError>> {
        let digest = Digest::of(&bytes).to_string();
        let (pause, fails) = {
            let mut draw = lock(&self.chance);
            (draw.millis(10, 3_000), !self.world.is_calm() && draw.happens(self.world.plan.sandboxes.start))
        };
        async move {
            tokio::time::sleep(pause).await;
            match known(&digest) {
                Some(_) if fails => Err(CompileError::Limit),
                Some((tool, version)) => Ok(Compiled { digest, operations: operations(tool, version) }),
                None => Err(CompileError::Unfit(Fault::NotLoadable)),
            }
        }
        .boxed()
    }

    fn has(&self, digest: &str) -> BoxFuture<'static, bool> {
        std::future::ready(known(digest).is_some()).boxed()
    }

    fn retain(&self, _: BTreeSet<String>) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }

    fn start(&self, _: &str, digest: &str, _: SandboxLimits) -> BoxFuture<'static, Result<Started, SandboxError>> {
        let (world, chance, known) = (Arc::clone(&self.world), Arc::clone(&self.chance), known(digest));
        async move {
            let Some((tool, version)) = known else {
                return Err(SandboxError::NotCompiled);
            };
            let (pause, fails, draw) = {
                let mut draw = lock(&chance);
                let fails = !world.is_calm() && draw.happens(world.plan.sandboxes.start);
                let own = Draw::of(&world.seed.child("sandbox"), &draw.number(0, u64::MAX - 1).to_string());
                (draw.millis(1, 30), fails, own)
            };
            tokio::time::sleep(pause).await;
            if fails {
                world.note(format!("sandbox of t{tool}: could not be started"));
                return Err(SandboxError::NotStarted("no more processes".to_owned()));
            }
            Ok(started(&world, draw, tool, version))
        }
        .boxed()
    }
}

fn started(world: &Arc<World>, draw: Draw, tool: usize, version: u32) -> Started {
    let (asks, heard) = mpsc::unbounded_channel();
    let (tells, said) = mpsc::unbounded_channel();
    let (kill, killed) = oneshot::channel::<()>();
    let number = world.checkers().sandboxes.started();
    world.note(format!("sandbox {number} of t{tool} {version}"));
    let alive = Alive { world: Arc::clone(world), number };
    let process = Process { alive, world: Arc::clone(world), draw, tool, version, number, asks: heard, tells };
    let undying = world.plan.plant == Some(Plant::Undying);
    let life = async move {
        let life = process.live();
        if undying {
            return drop(actix::spawn(life).await);
        }
        futures_util::future::select(std::pin::pin!(life), killed).await;
    };
    let heard = stream::unfold((said, life.boxed()), |(mut said, mut life)| async move {
        let heard = tokio::select! {
            biased;
            heard = said.recv() => heard,
            () = &mut life => {
                life = std::future::pending().boxed();
                said.recv().await
            }
        };
        heard.map(|heard| (heard, (said, life)))
    });
    let line = Wire { asks, kill: Some(kill), pid: u32::try_from(number).unwrap_or(0) };
    (Box::new(line), heard.boxed())
}

/// The house's end.
struct Wire {
    asks: mpsc::UnboundedSender<Ask>,
    kill: Option<oneshot::Sender<()>>,
    pid: u32,
}

impl SandboxLine for Wire {
    fn ask(&mut self, ask: Ask) -> bool {
        self.asks.send(ask).is_ok()
    }

    fn kill(&mut self) {
        drop(self.kill.take());
    }

    fn pid(&self) -> u32 {
        self.pid
    }
}

/// Says when the process is gone.
struct Alive {
    world: Arc<World>,
    number: u64,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.world.note(format!("sandbox {} is gone", self.number));
        self.world.checkers().sandboxes.gone(self.number);
    }
}

/// What a process does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Answer,
    Refuse,
    Garbage,
    Fault(Fault),
    Die,
    DieAsking,
    Silent,
    HangAsking,
    Flood,
    Twice,
    Forge,
    WrongNumber,
    Unasked,
    TooMuch,
}

/// It has ended, in this way.
struct End(Ended);

/// One process.
struct Process {
    alive: Alive,
    world: Arc<World>,
    draw: Draw,
    tool: usize,
    version: u32,
    number: u64,
    asks: mpsc::UnboundedReceiver<Ask>,
    tells: mpsc::UnboundedSender<Heard>,
}

impl Process {
    async fn live(mut self) {
        let ended = match self.serve().await {
            Err(End(ended)) => ended,
            Ok(()) => Ended::Code(0),
        };
        self.world.note(format!("sandbox {}: {ended:?}", self.number));
        drop(self.tells.send(Heard::Ended(ended)));
        drop(self.alive);
    }

    fn tell(&self, tell: Tell) {
        drop(self.tells.send(Heard::Tell(tell)));
    }

    async fn serve(&mut self) -> Result<(), End> {
        tokio::time::sleep(self.draw.millis(1, 20)).await;
        let mut operations = operations(self.tool, self.version);
        if !self.world.is_calm() && self.draw.happens(self.world.plan.sandboxes.start) {
            match self.draw.number(0, 3) {
                0 => std::future::pending::<()>().await,
                1 => self.tell(Tell::Unfit(Fault::NotLoadable)),
                2 => return Err(End(Ended::Signal(9))),
                _ => operations.truncate(1),
            }
        }
        self.tell(Tell::Ready { operations, confined: vec![("seccomp".to_owned(), "on".to_owned())] });
        while let Some(ask) = self.asks.recv().await {
            if let Ask::Call(call) = ask {
                let n = number(&call);
                let found = self.world.checkers().sandboxes.began(self.world.now(), self.number, self.tool, n, &call.operation);
                if let Err(what) = found {
                    self.world.violate(NAME, what);
                }
                self.call(call, n).await?;
            }
        }
        Ok(())
    }

    async fn call(&mut self, call: Call, n: u64) -> Result<(), End> {
        let act = self.act();
        self.world.note(format!("sandbox {}: {} {n} {act:?}", self.number, call.operation));
        let slow = !self.world.is_calm() && self.draw.happens(self.world.plan.sandboxes.slow);
        tokio::time::sleep(if slow { self.draw.millis(100, 20_000) } else { self.draw.millis(0, 5) }).await;
        let (how, parts) = (How::of(act_fault(act)), vec![Part::Json(json!({ "n": self.mine(n), "t": self.tool }).to_string())]);
        let asked = if matches!(act, Act::Answer | Act::DieAsking | Act::HangAsking) { self.draw.number(0, 6) } else { 0 };
        let asked = u32::try_from(asked).unwrap_or(0);
        for question in 0..asked {
            self.ask(call.id, question, n).await?;
        }
        self.decide(act, n, how);
        let done = |outcome| Tell::Done { call: call.id, outcome, used: Usage::default() };
        let host = |question, ask| Tell::Host { call: call.id, question, ask };
        match act {
            Act::Answer => self.tell(done(Outcome::Parts(parts))),
            Act::Refuse => {
                let sentence = format!("n{}", self.mine(n));
                self.tell(done(Outcome::Refused(ToolRefusal { kind: ToolRefusalKind::NotFound, sentence })));
            }
            Act::Garbage => self.tell(done(Outcome::Parts(vec![Part::Json("[".repeat(100_000))]))),
            Act::Fault(fault) => self.tell(done(Outcome::Fault(fault))),
            Act::Die => return Err(End(if self.draw.coin() { Ended::Signal(9) } else { Ended::Code(3) })),
            Act::DieAsking => {
                self.tell(host(asked, HostAsk::Get { key: "k".to_owned() }));
                tokio::time::sleep(self.draw.millis(0, 20)).await;
                return Err(End(Ended::Signal(11)));
            }
            Act::Silent => std::future::pending::<()>().await,
            Act::HangAsking => {
                self.tell(host(asked, http("GET", &format!("{GRANTED}hang"))));
                std::future::pending::<()>().await;
            }
            Act::Flood => {
                for _ in 0..2_000 {
                    self.tell(Tell::Said { call: call.id, line: Line::Log(Level::Info, "x".repeat(100)) });
                }
            }
            Act::Twice => {
                self.tell(done(Outcome::Parts(parts)));
                return self.answer_again(call.id).await;
            }
            Act::Forge => self.tell(Tell::Done { call: call.id + 1, outcome: Outcome::Parts(parts), used: Usage::default() }),
            Act::WrongNumber => self.tell(host(asked + 3, HostAsk::Get { key: "k".to_owned() })),
            Act::Unasked => self.tell(Tell::Beat { id: 1 }),
            Act::TooMuch => {
                for question in asked..100 {
                    self.tell(host(question, HostAsk::Close { body: 9 }));
                    if self.given(call.id, question).await.is_err() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// What comes of it is decided here, and nowhere else.
    fn decide(&self, act: Act, n: u64, how: How) {
        match act {
            Act::Answer | Act::Refuse | Act::Twice => self.answered(n),
            Act::Garbage
            | Act::Fault(_)
            | Act::Die
            | Act::DieAsking
            | Act::Silent
            | Act::HangAsking
            | Act::Flood
            | Act::Forge
            | Act::WrongNumber
            | Act::Unasked
            | Act::TooMuch => self.world.checkers().sandboxes.broke(self.world.now(), self.tool, n, how),
        }
        if matches!(act, Act::Garbage | Act::Fault(_)) {
            self.world.checkers().sandboxes.over(self.number);
        }
    }

    /// Says the result of a call that is over while it does the next one: that one is lost by it.
    async fn answer_again(&mut self, old: u64) -> Result<(), End> {
        while let Some(ask) = self.asks.recv().await {
            if let Ask::Call(call) = ask {
                let (n, now) = (number(&call), self.world.now());
                let found = {
                    let mut checkers = self.world.checkers();
                    let found = checkers.sandboxes.began(now, self.number, self.tool, n, &call.operation);
                    checkers.sandboxes.broke(now, self.tool, n, How::Lost);
                    found
                };
                if let Err(what) = found {
                    self.world.violate(NAME, what);
                }
                let outcome = Outcome::Parts(vec![Part::Text("again".to_owned())]);
                self.tell(Tell::Done { call: old, outcome, used: Usage::default() });
            }
        }
        Ok(())
    }

    /// The number that belongs to this call; a planted defect says that of another one.
    fn mine(&mut self, n: u64) -> u64 {
        let crossed = self.world.plan.plant == Some(Plant::CrossedResult) && self.draw.happens(500);
        if crossed { n + 1 } else { n }
    }

    fn answered(&self, n: u64) {
        self.world.checkers().sandboxes.answered(n);
    }

    fn act(&mut self) -> Act {
        let mix = &self.world.plan.sandboxes;
        if self.world.is_calm() || !self.draw.happens(mix.trouble) {
            return if self.draw.happens(500) { Act::Refuse } else { Act::Answer };
        }
        let faults = [Fault::Trap, Fault::OutOfFuel, Fault::Deadline, Fault::Memory, Fault::Stack, Fault::HostCalls];
        match self.draw.number(0, 13) {
            0 | 1 => Act::Die,
            2 => Act::DieAsking,
            3 => Act::Silent,
            4 => Act::HangAsking,
            5 => Act::Flood,
            6 => Act::Twice,
            7 => Act::Forge,
            8 => Act::WrongNumber,
            9 => Act::Unasked,
            10 => Act::TooMuch,
            11 => Act::Garbage,
            _ => Act::Fault(*self.draw.pick(&faults)),
        }
    }

    /// Asks the house for something, and looks at what it gives.
    async fn ask(&mut self, call: u64, question: u32, n: u64) -> Result<(), End> {
        let key = format!("k{}", self.draw.number(0, 3));
        let value = base64_of(self.draw.size(0, 300));
        let (ask, granted) = match self.draw.number(0, 11) {
            0 => (HostAsk::Get { key }, true),
            1 => (HostAsk::Set { key, value }, true),
            2 => (HostAsk::Delete { key }, true),
            3 => (HostAsk::Keys { prefix: "k".to_owned() }, true),
            4 => (HostAsk::Search { query: "cellar".to_owned(), limit: 5 }, true),
            5 => (http("GET", &format!("{GRANTED}a")), true),
            6 => (HostAsk::Read { body: 1 }, true),
            7 => (http("GET", "https://evil.example.net/v1/a"), false),
            8 => (http("POST", &format!("{GRANTED}a")), false),
            9 => (HostAsk::Secret { slot: "token".to_owned() }, false),
            10 => (http("GET", &format!("{GRANTED}hearth_secret_mine_")), false),
            _ => (HostAsk::Set { key, value: base64_of(1_500) }, false),
        };
        let what = format!("{ask:?}").chars().take(60).collect::<String>();
        self.tell(Tell::Host { call, question, ask });
        let answer = self.given(call, question).await?;
        if !granted && !matches!(answer, HostAnswer::Refused(_)) {
            self.world.violate(NAME, format!("call {n} was served beyond its grant: {what} gave {answer:?}"));
        }
        Ok(())
    }

    /// Waits for the house's answer.
    async fn given(&mut self, call: u64, question: u32) -> Result<HostAnswer, End> {
        loop {
            match self.asks.recv().await {
                Some(Ask::Given { call: of, question: to, answer }) if (of, to) == (call, question) => return Ok(answer),
                Some(other) => self.world.violate(NAME, format!("a process that waits for an answer is told {other:?}")),
                None => return Err(End(Ended::Unknown)),
            }
        }
    }
}

const fn act_fault(act: Act) -> Option<Fault> {
    match act {
        Act::Fault(fault) => Some(fault),
        Act::Garbage => Some(Fault::Malformed),
        Act::TooMuch => Some(Fault::HostCalls),
        Act::Answer
        | Act::Refuse
        | Act::Die
        | Act::DieAsking
        | Act::Silent
        | Act::HangAsking
        | Act::Flood
        | Act::Twice
        | Act::Forge
        | Act::WrongNumber
        | Act::Unasked => None,
    }
}

fn http(method: &str, url: &str) -> HostAsk {
    HostAsk::Http(HttpAsk { method: method.to_owned(), url: url.to_owned(), headers: Vec::new(), body: None })
}

/// So many zero bytes, or a few more.
fn base64_of(bytes: usize) -> String {
    "AAAA".repeat(bytes.div_ceil(3))
}

fn number(call: &Call) -> u64 {
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
    arguments.get("n").and_then(Value::as_u64).unwrap_or_default()
}
