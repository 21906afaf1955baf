//! A tool whose native code was taken over: what it tries, and that the kernel refuses each of it.
//!
//! This program is its own child, which is why it has its own `main`. Needs the feature `compromised`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the whole program is a test, though none that the compiler knows as one"
)]

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hearth_domain::sandbox::{
    Ask, Call, Ended, Heard, HostAnswer, Line, Outcome, Refusal, RefusalKind, SandboxLimits, SandboxLine, Sandboxes as _, Tell,
};
use hearth_supervisor::process::spawner::Spawner;
use hearth_tool_host::attack;
use hearth_tool_host::cache::CacheKey;
use hearth_tool_host::port::{COMPILE, SANDBOX, Sandboxer, Verbs};

#[path = "sandbox/wat.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use all of it")]
mod wat;

const COMPROMISED: &str = "compromised";
const DEADLINE: Duration = Duration::from_secs(120);

type Test = (&'static str, fn());

const TESTS: [Test; 4] = [
    ("every_attempt_is_refused_by_the_kernel", table),
    ("no_system_call_is_left_but_those_of_the_list", calls),
    ("what_reaches_into_another_process_ends_the_attacker", fatal),
    ("a_forged_frame_ends_the_attacker_and_the_next_call_is_served", forged),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(SANDBOX) => return hearth_tool_host::sandbox::main(),
        Some(COMPILE) => return hearth_tool_host::compile::main(),
        Some(COMPROMISED) => return attack::main(),
        _ => {}
    }
    if arguments.iter().any(|argument| argument == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let names: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut failed = false;
    for (name, test) in TESTS.into_iter().filter(|(name, _)| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()))) {
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed |= !passed;
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

struct House {
    honest: Sandboxer,
    lost: Sandboxer,
    digest: String,
    _folder: tempfile::TempDir,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let spawner = Arc::new(Spawner::start().unwrap());
    let (key, place) = (CacheKey::new([9; 32]), folder.path().join("compiled"));
    let honest = Sandboxer::new(Arc::clone(&spawner), &place, key.clone()).unwrap();
    let verbs = Verbs { sandbox: vec![COMPROMISED.into()], ..Verbs::default() };
    let lost = Sandboxer::with_verbs(spawner, &place, key, verbs).unwrap();
    let digest = honest.compile(wat::echo()).await.unwrap().digest;
    House { honest, lost, digest, _folder: folder }
}

type Running = (Box<dyn SandboxLine>, BoxStream<'static, Heard>);

async fn started(port: &Sandboxer, digest: &str) -> Running {
    let (line, mut heard) = port.start("attacker", digest, SandboxLimits::default()).await.unwrap();
    assert!(matches!(heard.next().await, Some(Heard::Tell(Tell::Ready { .. }))));
    (line, heard)
}

/// What one call says, until it is done or the process is gone.
async fn said((line, heard): &mut Running, id: u64, operation: &str) -> Result<(Vec<String>, Outcome), Ended> {
    let call = Call {
        id,
        operation: operation.to_owned(),
        arguments: "{}".to_owned(),
        key: String::new(),
        member: String::new(),
        locale: String::new(),
        zone: String::new(),
        deadline_ms: 10_000,
        wall_ms: 0,
        seed: [0; 32],
    };
    assert!(line.ask(Ask::Call(call)));
    let mut lines = Vec::new();
    loop {
        match heard.next().await.unwrap() {
            Heard::Tell(Tell::Said { line: Line::Log(_, line) | Line::Progress(line), .. }) => lines.push(line),
            Heard::Tell(Tell::Done { outcome, .. }) => return Ok((lines, outcome)),
            Heard::Tell(Tell::Host { call, question, .. }) => {
                let answer = HostAnswer::Refused(Refusal { kind: RefusalKind::Denied, sentence: String::new() });
                line.ask(Ask::Given { call, question, answer });
            }
            Heard::Tell(other) => panic!("{other:?}"),
            Heard::Ended(ended) => return Err(ended),
        }
    }
}

fn run<F: std::future::Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.expect("the deadline of a test") })
}

fn table() {
    run(async {
        let house = house().await;
        let mut attacker = started(&house.lost, &house.digest).await;
        let (rows, _) = said(&mut attacker, 1, "table").await.unwrap();
        assert!(rows.len() >= 55, "{}", rows.len());
        for row in &rows {
            println!("  {}", row.replace('\t', ": "));
        }
        let held: Vec<_> = rows.iter().filter(|row| !row.split('\t').nth(1).unwrap().starts_with("refused")).collect();
        assert!(held.is_empty(), "{held:#?}");
    });
}

fn calls() {
    run(async {
        let house = house().await;
        let mut attacker = started(&house.lost, &house.digest).await;
        let (rows, _) = said(&mut attacker, 1, "calls").await.unwrap();
        let had: Vec<_> = rows.iter().map(|row| row.split('\t').next().unwrap()).collect();
        println!("  {} of 600 are answered: {}", had.len(), had.join(" "));
        assert!(had.len() <= 40);
    });
}

fn fatal() {
    run(async {
        let house = house().await;
        for name in attack::FATAL {
            let mut attacker = started(&house.lost, &house.digest).await;
            // SIGSYS.
            assert_eq!(said(&mut attacker, 1, name).await.unwrap_err(), Ended::Signal(31), "{name}");
            println!("  {name}: the kernel ends the process");
        }
    });
}

fn forged() {
    let out_of_turn = [
        "another call",
        "another question",
        "a question twice",
        "ready again",
        "alive unasked",
        "a frame of 4 GiB",
        "no frame",
        "deep JSON",
        "half a frame",
    ];
    run(async {
        let house = house().await;
        for forgery in out_of_turn {
            let mut attacker = started(&house.lost, &house.digest).await;
            let ended = said(&mut attacker, 1, forgery).await.unwrap_err();
            assert!(matches!(ended, Ended::Protocol(_)), "{forgery}: {ended:?}");
            assert!(attacker.1.next().await.is_none());
        }
        let mut attacker = started(&house.lost, &house.digest).await;
        assert_eq!(said(&mut attacker, 1, "a flood").await.unwrap_err(), Ended::Flood);
        let mut attacker = started(&house.lost, &house.digest).await;
        said(&mut attacker, 1, "done twice").await.unwrap();
        assert!(matches!(attacker.1.next().await, Some(Heard::Ended(Ended::Protocol(_)))));
        let mut honest = started(&house.honest, &house.digest).await;
        let (_, outcome) = said(&mut honest, 1, "do").await.unwrap();
        assert!(matches!(outcome, Outcome::Parts(parts) if parts.len() == 1));
    });
}
