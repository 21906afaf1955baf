//! Tools: what a call costs through actor, policy, process and component; the same component in this process; a bare pair of sockets; a
//! fresh process; the memory of one that lives; how many calls four of them take; and kills (`kill`).

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::try_join_all;
use hearth_domain::sandbox::{Call, HostAnswer, HostAsk, Line, Outcome, Refusal, RefusalKind, SandboxLimits};
use hearth_own_tools::Own;
use hearth_tool_host::engine;
use hearth_tool_host::runner::{Asked, House, Tool};
use serde_json::{Value, json};

mod kill;

use super::house::Scratch;
use super::stats::percentile;
use super::{Figure, progress};
use crate::client::Client;
use crate::wire::tools::{PIECE_BYTES, ToolAnswer, ToolAsk};
use crate::wire::{ClientFrame, HouseFrame};

/// The tool that is called: one of the house's own, with JSON in and out and nothing to ask the house for.
const TOOL: &str = "hearth/convert";
const OPERATION: &str = "units";
/// Tools at once.
const TOOLS: usize = 4;
/// Warm calls that are measured.
const CALLS: usize = 5_000;
/// Fresh processes.
const STARTS: usize = 30;
/// How long calls are counted.
const COUNTED: Duration = Duration::from_secs(5);
/// How long the house may take for one thing: it compiles.
const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes of a small call as it stands on the line.
const WORD_BYTES: usize = 400;

/// A house that never quarantines a tool for being killed.
const CONFIG: &str = "[house]\nzone = \"UTC\"\n[web]\nenabled = false\n[limits]\ntool_failures = 1000000\n[[members]]\nname = \"Bench\"\n\
                      [budget.owner.day]\ntool_calls = 1_000_000_000\n";

fn arguments() -> Value {
    json!({ "value": 26.2, "from": "mi", "to": "km" })
}

pub(super) fn measure() -> anyhow::Result<Vec<Figure>> {
    let own = hearth_own_tools::find(TOOL).context("the program has no tool of its own to measure")?;
    let mut figures = vec![in_process(own)?, bare()?];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let mut house = Scratch::start(folder.path(), CONFIG)?;
        house.client().await?;
        let mut clients = Vec::new();
        for n in 1..=TOOLS {
            let name = format!("bench/t{n}");
            progress(&format!("{name} is installed"));
            let mut client = Client::connect(&house.socket).await?.context("the scratch house has gone")?;
            install(&mut client, own, &name).await?;
            clients.push((client, name));
        }
        let (first, name) = clients.first_mut().context("there is a tool")?;
        figures.extend(warm(first, name).await?);
        figures.push(fresh(first, name).await?);
        figures.push(throughput(&mut clients).await?);
        figures.push(private(&mut clients).await?);
        figures.extend(kill::measure(house, clients).await?);
        Ok(figures)
    })
}

/// Puts it in under a name of its own, so that it has a process of its own.
async fn install(client: &mut Client, own: &Own, name: &str) -> anyhow::Result<()> {
    let manifest = own.manifest.replace(&format!("name = \"{TOOL}\""), &format!("name = \"{name}\""));
    let package = hearth_tool_package::build(&manifest, own.component, None)?;
    for piece in package.chunks(PIECE_BYTES) {
        ask(client, ToolAsk::Piece { base64: STANDARD.encode(piece) }).await?;
    }
    ask(client, ToolAsk::Install { unsigned: true }).await?;
    grant(client, name).await
}

async fn grant(client: &mut Client, name: &str) -> anyhow::Result<()> {
    let (secrets, places) = Default::default();
    ask(client, ToolAsk::Grant { name: name.to_owned(), secrets, places, memory: false }).await.map(drop)
}

async fn ask(client: &mut Client, ask: ToolAsk) -> anyhow::Result<ToolAnswer> {
    match client.ask_within(&ClientFrame::Tool { member: None, ask }, PATIENCE).await? {
        HouseFrame::Tool { answer } => Ok(answer),
        _ => bail!("the scratch house gave an unexpected answer"),
    }
}

fn function(name: &str) -> String {
    format!("{}__{OPERATION}", name.replace('/', "__"))
}

/// Microseconds that a call took in the house.
async fn call(client: &mut Client, name: &str) -> anyhow::Result<f64> {
    match ask(client, ToolAsk::Call { function: function(name), arguments: arguments() }).await? {
        ToolAnswer::Result { value, took_us } => {
            ensure!(value.get("error").is_none(), "the tool refuses the bench's arguments: {value}");
            Ok(took_us as f64)
        }
        other => bail!("a call gave {other:?}"),
    }
}

async fn warm(client: &mut Client, name: &str) -> anyhow::Result<[Figure; 2]> {
    progress(&format!("{CALLS} warm calls"));
    call(client, name).await?;
    let mut samples = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        samples.push(call(client, name).await?);
    }
    let figure = |name: &str, share: f64, samples: &mut [f64]| Figure::new(name, percentile(samples, share), "us", CALLS);
    Ok([figure("call_p50_us", 0.5, &mut samples), figure("call_p99_us", 0.99, &mut samples)])
}

/// Calls that find no process: a grant that is given anew begins without one.
async fn fresh(client: &mut Client, name: &str) -> anyhow::Result<Figure> {
    progress(&format!("{STARTS} fresh processes"));
    let mut samples = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        ask(client, ToolAsk::Revoke { name: name.to_owned() }).await?;
        grant(client, name).await?;
        samples.push(call(client, name).await? / 1_000.0);
    }
    Ok(Figure::new("fresh_process_p50_ms", percentile(&mut samples, 0.5), "ms", STARTS))
}

/// Calls of all tools at once, each by a client of its own.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn throughput(clients: &mut [(Client, String)]) -> anyhow::Result<Figure> {
    progress(&format!("calls of {TOOLS} tools at once"));
    let began = Instant::now();
    let each = clients.iter_mut().map(|(client, name)| async move {
        let mut count = 0_usize;
        while began.elapsed() < COUNTED {
            call(client, name).await?;
            count = count.saturating_add(1);
        }
        anyhow::Ok(count)
    });
    let count: usize = try_join_all(each).await?.into_iter().sum();
    Ok(Figure::new(format!("calls_per_s@{TOOLS}"), count as f64 / began.elapsed().as_secs_f64(), "1/s", count))
}

/// Memory that a live tool has alone.
async fn private(clients: &mut [(Client, String)]) -> anyhow::Result<Figure> {
    let mut kib = Vec::new();
    for (client, name) in clients.iter_mut() {
        let ToolAnswer::Tool(tool) = ask(client, ToolAsk::Show { name: name.clone() }).await? else { bail!("no such tool") };
        let pid = tool.process.as_ref().and_then(|process| process.get("pid")).and_then(Value::as_u64).context("it has no process")?;
        match std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
            Ok(text) => kib.push(private_kib(&text)),
            Err(error) => progress(&format!("the kernel tells the memory of a hidden process to root alone ({error})")),
        }
    }
    Ok(Figure::new("private_mib_per_tool", percentile(&mut kib, 0.5) / 1_024.0, "MiB", kib.len()))
}

fn private_kib(rollup: &str) -> f64 {
    let value = |line: &str| line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok());
    rollup.lines().filter(|line| line.starts_with("Private_")).filter_map(value).sum()
}

// === for comparison ===

/// Asks for nothing.
struct Nobody;

impl House for Nobody {
    fn ask(&mut self, _: u32, _: HostAsk, _: Duration) -> Asked {
        Asked::Answer(HostAnswer::Refused(Refusal { kind: RefusalKind::Denied, sentence: String::new() }))
    }

    fn say(&mut self, _: Line) {}
}

/// The same component without actor, policy and process.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn in_process(own: &Own) -> anyhow::Result<Figure> {
    progress(&format!("{CALLS} calls in this process"));
    let compiled = engine::compiling()?.precompile_component(own.component).map_err(|error| anyhow::anyhow!("{error}"))?;
    let tool = Tool::load(&compiled, SandboxLimits::default())?;
    let mut samples = Vec::with_capacity(CALLS);
    for id in 0..CALLS as u64 {
        let call = Call {
            id,
            operation: OPERATION.to_owned(),
            arguments: arguments().to_string(),
            key: id.to_string(),
            member: "bench".to_owned(),
            locale: "en".to_owned(),
            zone: "UTC".to_owned(),
            deadline_ms: 30_000,
            wall_ms: 1_700_000_000_000,
            seed: [0; 32],
        };
        let from = Instant::now();
        let (outcome, _) = tool.call(call, Box::new(Nobody));
        samples.push(from.elapsed().as_secs_f64() * 1e6);
        ensure!(matches!(outcome, Outcome::Parts(_)), "in this process a call came to {outcome:?}");
    }
    Ok(Figure::new("in_process_p50_us", percentile(&mut samples, 0.5), "us", CALLS))
}

/// Two threads and as many bytes as a small call has.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time, between two threads")]
fn bare() -> anyhow::Result<Figure> {
    let (mut near, mut far) = UnixStream::pair()?;
    let echo = std::thread::spawn(move || {
        let mut bytes = [0; WORD_BYTES];
        while far.read_exact(&mut bytes).is_ok() && far.write_all(&bytes).is_ok() {}
    });
    let (mut bytes, mut samples) = ([7; WORD_BYTES], Vec::with_capacity(CALLS));
    for _ in 0..CALLS {
        let from = Instant::now();
        near.write_all(&bytes)?;
        near.read_exact(&mut bytes)?;
        samples.push(from.elapsed().as_secs_f64() * 1e6);
    }
    drop(near);
    echo.join().map_err(|_| anyhow::anyhow!("the other end of a pair of sockets has gone"))?;
    Ok(Figure::new("bare_sockets_p50_us", percentile(&mut samples, 0.5), "us", CALLS))
}
