//! The figures of `hearth bench supervisor`, measured in this process on a thread of their own.
//!
//! Memory is the growth of the resident set while children are added (so it includes what the allocator wastes); it is
//! measured first, bare actors before supervised ones, and nothing is freed in between. Panics are raised without the
//! process's panic hook, whose cost is not the supervisor's.

use std::time::Duration;

use actix::{Actor, Addr, Handler, Message};
use serde::Serialize;
use tokio::time::Instant;

use crate::context::Context;
use crate::exit::ExitReason;
use crate::link::{AskError, Link, Refusal};
use crate::root::{Root, RootHandle, RootOptions};
use crate::slot::Slot;
use crate::spec::handle::{StartChildError, SupervisorHandle};
use crate::spec::{Backoff, ChildSpec, Restart, Strategy, SupervisorSpec};
use crate::wires::Wires;

/// Children started for `children_started_per_s` and the memory figures.
const CHILDREN: u32 = 10_000;
/// Messages between two waits for the counting actor, and the capacity of its mailbox.
const BATCH: u32 = 1_000;
/// Batches for the messages figures.
const BATCHES: u32 = 2_000;
/// Restarts timed.
const RESTARTS: u32 = 2_000;
const MAILBOX: usize = 16;
const DEADLINE: Duration = Duration::from_secs(30);

/// One measured number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// As in the table of figures.
    pub name: &'static str,
    /// The number.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// How many events it rests on.
    pub n: u64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The thread or the memory figure of the system failed.
    #[error("the system refused")]
    System(#[from] std::io::Error),
    /// `/proc/self/status` has no resident set.
    #[error("the resident set of this process is unknown")]
    NoResidentSet,
    /// The tree did not start.
    #[error("the tree did not start: {0}")]
    Tree(ExitReason),
    /// A child did not start.
    #[error("a child did not start")]
    Child(#[from] StartChildError),
    /// An actor did not answer.
    #[error("an actor did not answer")]
    Ask(#[from] AskError),
    /// An actor took no message.
    #[error("an actor took no message")]
    Offer(#[from] Refusal),
    /// A bare actor took no message.
    #[error("a bare actor did not answer")]
    Bare,
    /// The measuring thread ended early.
    #[error("the measuring thread ended early")]
    Died,
}

/// Measures everything; call it outside of any runtime. `progress` is told what comes next.
#[expect(clippy::disallowed_methods, reason = "the bench measures on a thread of its own, outside of any house")]
pub fn run(progress: impl Fn(&str) + Send + 'static) -> Result<Vec<Figure>, BenchError> {
    let measure = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        actix::System::with_tokio_rt(|| runtime).block_on(all(&progress))
    };
    let thread = std::thread::Builder::new().name("bench".to_owned()).spawn(measure)?;
    thread.join().map_err(|_| BenchError::Died)?
}

async fn all(progress: &dyn Fn(&str)) -> Result<Vec<Figure>, BenchError> {
    progress("memory per child, children started");
    let mut figures = children().await?;
    progress("messages per second");
    figures.extend(messages().await?);
    progress("restarts");
    figures.extend(restarts().await?);
    Ok(figures)
}

// === actors ===

/// Counts, under either kind of context.
struct Counter {
    count: u64,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Count;

#[derive(Message)]
#[rtype(result = "u64")]
struct Total;

#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Count> for Counter {
    type Result = ();

    fn handle(&mut self, _: Count, _: &mut Self::Context) {
        self.count = self.count.wrapping_add(1);
    }
}

impl Handler<Total> for Counter {
    type Result = u64;

    fn handle(&mut self, _: Total, _: &mut Self::Context) -> u64 {
        self.count
    }
}

impl Handler<Crash> for Counter {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        std::panic::resume_unwind(Box::new("bench"));
    }
}

struct BareCounter {
    count: u64,
}

impl Actor for BareCounter {
    type Context = actix::Context<Self>;
}

impl Handler<Count> for BareCounter {
    type Result = ();

    fn handle(&mut self, _: Count, _: &mut Self::Context) {
        self.count = self.count.wrapping_add(1);
    }
}

impl Handler<Total> for BareCounter {
    type Result = u64;

    fn handle(&mut self, _: Total, _: &mut Self::Context) -> u64 {
        self.count
    }
}

fn counter(name: &str, capacity: usize) -> (Slot<Counter>, ChildSpec) {
    let slot = Slot::new(name, capacity, &Wires::plain());
    let spec = ChildSpec::worker(&slot, || async { Ok(Counter { count: 0 }) });
    (slot, spec)
}

async fn start(spec: SupervisorSpec) -> Result<RootHandle, BenchError> {
    let root = Root::start(spec, RootOptions::default());
    root.started().await.map_err(BenchError::Tree)?;
    Ok(root)
}

// === measurements ===

async fn children() -> Result<Vec<Figure>, BenchError> {
    let before = resident_bytes()?;
    let bare: Vec<Addr<BareCounter>> = (0..CHILDREN).map(|_| BareCounter { count: 0 }.start()).collect();
    if let Some(last) = bare.last() {
        last.send(Total).await.map_err(|_| BenchError::Bare)?;
    }
    let bare_bytes = resident_bytes()?.saturating_sub(before);

    let handle = SupervisorHandle::new();
    let root = start(SupervisorSpec::new("bench", Strategy::OneForOne).handle(&handle)).await?;
    let before = resident_bytes()?;
    let begun = Instant::now();
    for number in 0..CHILDREN {
        let (_, spec) = counter(&format!("conversation-{number}"), MAILBOX);
        handle.start_child(spec.restart(Restart::Transient)).await?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let bytes = resident_bytes()?.saturating_sub(before);
    root.stop().await;
    drop(bare);

    let count = f64::from(CHILDREN);
    let figure = |name, value, unit| Figure { name, value, unit, n: u64::from(CHILDREN) };
    Ok(vec![
        figure("children_started_per_s", count / seconds, "1/s"),
        figure("child_bytes", bytes as f64 / count, "B"),
        figure("bare_child_bytes", bare_bytes as f64 / count, "B"),
    ])
}

async fn messages() -> Result<Vec<Figure>, BenchError> {
    let sent = u64::from(BATCH).saturating_mul(u64::from(BATCHES));
    let figure = |name, seconds: f64| Figure { name, value: sent as f64 / seconds, unit: "1/s", n: sent };
    let link_seconds = through_a_link().await?;
    let bare_seconds = through_an_address().await?;
    Ok(vec![figure("link_msgs_per_s", link_seconds), figure("bare_msgs_per_s", bare_seconds)])
}

async fn through_a_link() -> Result<f64, BenchError> {
    let (slot, spec) = counter("counter", usize::try_from(BATCH).unwrap_or(usize::MAX));
    let root = start(SupervisorSpec::new("bench", Strategy::OneForOne).child(spec)).await?;
    let (count, total): (Link<Count>, Link<Total>) = (slot.link(), slot.link());
    let begun = Instant::now();
    for _ in 0..BATCHES {
        for _ in 1..BATCH {
            count.offer(Count).map_err(|refused| refused.reason)?;
        }
        total.ask(Total, DEADLINE).await?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    root.stop().await;
    Ok(seconds)
}

#[expect(clippy::disallowed_methods, reason = "bare actix is what a link is compared with")]
async fn through_an_address() -> Result<f64, BenchError> {
    let address = BareCounter { count: 0 }.start();
    let begun = Instant::now();
    for _ in 0..BATCHES {
        for _ in 1..BATCH {
            address.do_send(Count);
        }
        address.send(Total).await.map_err(|_| BenchError::Bare)?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

async fn restarts() -> Result<Vec<Figure>, BenchError> {
    let (slot, spec) = counter("crasher", MAILBOX);
    let spec =
        SupervisorSpec::new("bench", Strategy::OneForOne).backoff(Backoff::NONE).intensity(u32::MAX, Duration::from_secs(1)).child(spec);
    let root = start(spec).await?;
    let (crash, total): (Link<Crash>, Link<Total>) = (slot.link(), slot.link());
    let mut latencies = Vec::new();
    for _ in 0..RESTARTS {
        let begun = Instant::now();
        crash.offer(Crash).map_err(|refused| refused.reason)?;
        loop {
            match total.ask(Total, DEADLINE).await {
                Ok(_) => break,
                Err(AskError::Down | AskError::Lost) => tokio::task::yield_now().await,
                Err(error @ (AskError::Full | AskError::TimedOut)) => return Err(error.into()),
            }
        }
        latencies.push(begun.elapsed());
    }
    root.stop().await;
    latencies.sort_unstable();
    let figure =
        |name, percent| Figure { name, value: percentile(&latencies, percent).as_secs_f64() * 1000.0, unit: "ms", n: u64::from(RESTARTS) };
    Ok(vec![figure("restart_p50_ms", 50), figure("restart_p99_ms", 99)])
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = sorted.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

fn resident_bytes() -> Result<u64, BenchError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or(BenchError::NoResidentSet)?;
    let number = line.trim().trim_end_matches("kB").trim().parse::<u64>().map_err(|_| BenchError::NoResidentSet)?;
    Ok(number.saturating_mul(1024))
}
