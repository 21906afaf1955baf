//! Figures of the host: `cargo run --release -p hearth-tool-host --example host_speed [COMPONENT]`.
//!
//! Without a file it measures a component of its own, which gives its arguments back. This program is its own child.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measurement, run by hand"
)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hearth_domain::sandbox::{
    Ask, Call, Heard, HostAnswer, HostAsk, Line, Outcome, Refusal, RefusalKind, SandboxLimits, SandboxLine, Sandboxes as _, Tell,
};
use hearth_supervisor::process::spawner::Spawner;
use hearth_tool_host::cache::CacheKey;
use hearth_tool_host::port::{COMPILE, SANDBOX, Sandboxer};
use hearth_tool_host::runner::{Asked, House, Tool};
use hearth_tool_host::{compile, engine, sandbox};

#[path = "../tests/sandbox/wat.rs"]
#[expect(dead_code, reason = "shared with the tests, which use all of it")]
mod wat;

const CALLS: usize = 20_000;
const STARTS: usize = 200;
const FUNCTIONS: usize = 2_000;
const ARGUMENTS: &str = r#"{"place":"Lisboa","days":3,"units":"metric"}"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(SANDBOX) => return sandbox::main(),
        Some(COMPILE) => return compile::main(),
        _ => {}
    }
    let component = arguments.first().map_or_else(wat::echo, |path| std::fs::read(path).unwrap());
    let from = Instant::now();
    let compiled = engine::compiling().unwrap().precompile_component(&component).unwrap();
    println!("component {} bytes, compiled form {} bytes, compiled in {:?}", component.len(), compiled.len(), from.elapsed());
    let big = wat::tool("unreachable", &functions());
    let mut compiling =
        (0..5).map(|_| processor(|| drop(engine::compiling().unwrap().precompile_component(&big).unwrap()))).collect::<Vec<_>>();
    show(&format!("a component of {} bytes and {FUNCTIONS} functions, compiled, processor time", big.len()), &mut compiling);
    show("in this process, warm", &mut in_process(&compiled));
    show("bare pair of sockets, there and back", &mut bare());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(processes(component));
    ExitCode::SUCCESS
}

fn show(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 1000];
    println!("{what}: p50 {:?}, p90 {:?}, p99 {:?}, max {:?} (n = {})", at(500), at(900), at(990), at(1000), times.len());
}

/// Functions that have a little of everything.
fn functions() -> String {
    let one = |n: usize| {
        format!(
            "(func $f{n} (param i32 i64) (result i64) (local i32 i64)
               (loop $l
                 (local.set 2 (i32.add (local.get 2) (i32.load (i32.and (local.get 0) (i32.const 65532)))))
                 (if (i32.lt_s (local.get 2) (i32.const {n})) (then (i64.store (i32.const 8) (local.get 1))) (else (local.set 3 (i64.mul (local.get 3) (i64.const {n})))))
                 (local.set 1 (i64.xor (i64.rotl (local.get 1) (i64.const 7)) (i64.extend_i32_u (local.get 2))))
                 (br_if $l (i64.gt_u (local.get 1) (i64.const 1000))))
               (call $f{} (local.get 2) (local.get 3)))",
            (n + 1) % FUNCTIONS
        )
    };
    (0..FUNCTIONS).map(one).collect()
}

fn processor(work: impl FnOnce()) -> Duration {
    let now = || {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap())
    };
    let from = now();
    work();
    now() - from
}

fn call(id: u64) -> Call {
    Call {
        id,
        operation: "do".to_owned(),
        arguments: ARGUMENTS.to_owned(),
        key: format!("cal_{id:032x}"),
        member: "m_0123456789abcdef".to_owned(),
        locale: "en-GB".to_owned(),
        zone: "Europe/Lisbon".to_owned(),
        deadline_ms: 30_000,
        wall_ms: 1_700_000_000_000,
        seed: [0; 32],
    }
}

fn refused() -> HostAnswer {
    HostAnswer::Refused(Refusal { kind: RefusalKind::Denied, sentence: String::new() })
}

struct Nobody;

impl House for Nobody {
    fn ask(&mut self, _: u32, _: HostAsk, _: Duration) -> Asked {
        Asked::Answer(refused())
    }

    fn say(&mut self, _: Line) {}
}

fn in_process(compiled: &[u8]) -> Vec<Duration> {
    let tool = Tool::load(compiled, SandboxLimits::default()).unwrap();
    let one = |id| {
        let from = Instant::now();
        let (outcome, _) = tool.call(call(id), Box::new(Nobody));
        assert!(!matches!(outcome, Outcome::Fault(_)), "{outcome:?}");
        from.elapsed()
    };
    (0..CALLS as u64).map(one).collect()
}

/// Two threads and as many bytes as a small call has.
fn bare() -> Vec<Duration> {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let echo = std::thread::spawn(move || {
        let mut bytes = [0; 400];
        while far.read_exact(&mut bytes).is_ok() {
            far.write_all(&bytes).unwrap();
        }
    });
    let mut bytes = [7; 400];
    let times = (0..CALLS).map(|_| {
        let from = Instant::now();
        near.write_all(&bytes).unwrap();
        near.read_exact(&mut bytes).unwrap();
        from.elapsed()
    });
    let times = times.collect();
    drop(near);
    echo.join().unwrap();
    times
}

type Running = (Box<dyn SandboxLine>, BoxStream<'static, Heard>);

async fn one((line, heard): &mut Running, id: u64) {
    assert!(line.ask(Ask::Call(call(id))));
    loop {
        match heard.next().await.unwrap() {
            Heard::Tell(Tell::Done { outcome, .. }) => return assert!(!matches!(outcome, Outcome::Fault(_)), "{outcome:?}"),
            Heard::Tell(Tell::Host { call, question, .. }) => assert!(line.ask(Ask::Given { call, question, answer: refused() })),
            Heard::Tell(_) => {}
            Heard::Ended(ended) => panic!("{ended:?}"),
        }
    }
}

async fn start(port: &Sandboxer, digest: &str) -> Running {
    let (line, mut heard) = port.start("measured", digest, SandboxLimits::default()).await.unwrap();
    let first = heard.next().await;
    assert!(matches!(first, Some(Heard::Tell(Tell::Ready { .. }))), "{first:?}");
    (line, heard)
}

async fn processes(component: Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let port = Sandboxer::new(Arc::new(Spawner::start().unwrap()), folder.path(), CacheKey::new([1; 32])).unwrap();
    let from = Instant::now();
    let digest = port.compile(component).await.unwrap().digest;
    println!("compiled in a process of its own, kept and asked what it can do: {:?}", from.elapsed());

    let (mut ready, mut called) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let from = Instant::now();
        let mut running = start(&port, &digest).await;
        ready.push(from.elapsed());
        one(&mut running, 1).await;
        called.push(from.elapsed());
        running.0.kill();
        while running.1.next().await.is_some() {}
    }
    show("fresh process with the kept form, until ready", &mut ready);
    show("fresh process with the kept form, until its first call is done", &mut called);

    let mut running = start(&port, &digest).await;
    let mut warm = Vec::new();
    for id in 1..=CALLS as u64 {
        let from = Instant::now();
        one(&mut running, id).await;
        warm.push(from.elapsed());
    }
    show("warm, over the line", &mut warm);
    memory(running.0.pid());
}

/// Private memory of a process, from the kernel's own sum. It is not dumpable: only root reads that.
fn memory(pid: u32) {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else {
        println!("private memory: the kernel does not say it to this user");
        return;
    };
    for name in ["Rss:", "Pss:", "Private_Clean:", "Private_Dirty:"] {
        println!("memory of a live tool, {}", text.lines().find(|line| line.starts_with(name)).unwrap_or(name));
    }
}
