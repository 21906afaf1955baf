//! The vault's process is killed again and again, under load: how soon the next request is answered, and that none arrives twice.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::{join, join_all};
use rustix::process::{Pid, Signal, kill_process};

use super::far::{ANSWER, Far, SLOW};
use super::way::{Fate, Way};
use super::{LOOK, LOOKS};
use crate::bench::house::Scratch;
use crate::bench::stats::percentile;
use crate::bench::{Figure, progress};

/// How long a process must have been up for its end to be the first one again.
pub(super) const STEADY: Duration = Duration::from_millis(50);
/// Kills.
const KILLS: usize = 500;
/// From an answer to the next kill.
const PAUSE: Duration = Duration::from_millis(150);
/// Connections with a request under way at every kill.
const LOAD: usize = 4;
/// Rest of such a connection after a request that failed.
const REST: Duration = Duration::from_millis(1);
/// How often one request is sent again before the vault counts as gone for good.
const AGAIN_MAX: u32 = 100_000;

/// What was sent.
#[derive(Debug, Default)]
struct Sent {
    next: Cell<u64>,
    over: Cell<bool>,
    /// How often each request was sent.
    times: RefCell<BTreeMap<u64, u32>>,
    /// What became of requests of the load: answered, not sent, unknown, broken.
    load: Cell<[usize; 4]>,
}

impl Sent {
    fn number(&self) -> u64 {
        self.next.set(self.next.get().saturating_add(1));
        self.next.get()
    }

    async fn send(&self, way: &Way, path: &str, id: u64) -> Fate {
        let mut times = self.times.borrow_mut();
        let count = times.entry(id).or_default();
        *count = count.saturating_add(1);
        drop(times);
        way.try_once(path, id).await
    }

    /// Sends request after request, each once, until it is over.
    async fn keep_busy(&self, way: &Way) {
        while !self.over.get() {
            let fate = self.send(way, SLOW, self.number()).await;
            let [mut answered, mut not_sent, mut unknown, mut broken] = self.load.get();
            let count = match fate {
                Fate::Answered => &mut answered,
                Fate::NotSent => &mut not_sent,
                Fate::Unknown => &mut unknown,
                Fate::Broken => &mut broken,
            };
            *count = count.saturating_add(1);
            self.load.set([answered, not_sent, unknown, broken]);
            if fate != Fate::Answered {
                tokio::time::sleep(REST).await;
            }
        }
    }

    /// Requests that arrived more often than they were sent.
    fn doubled(&self, far: &Far) -> usize {
        self.times.borrow().iter().filter(|(id, times)| far.arrived(**id) > **times).count()
    }
}

pub(super) async fn measure(house: &Scratch, way: &Way, far: &Far) -> anyhow::Result<Figure> {
    progress(&format!("{KILLS} kills of the vault's process"));
    let sent = Sent::default();
    let kills = async {
        let samples = kills(house, way, &sent).await;
        sent.over.set(true);
        samples
    };
    let load = join_all((0..LOAD).map(|_| sent.keep_busy(way)));
    let (samples, _) = join(kills, load).await;
    let mut samples = samples?;
    let [answered, not_sent, unknown, broken] = sent.load.get();
    progress(&format!("load: {answered} answered, {not_sent} not sent, {unknown} unknown, {broken} without an answer; none sent again"));
    progress(&format!(
        "kill to answer, ms: least {:.1}, p50 {:.1}, p95 {:.1}, most {:.1}",
        percentile(&mut samples, 0.0),
        percentile(&mut samples, 0.5),
        percentile(&mut samples, 0.95),
        percentile(&mut samples, 1.0)
    ));
    let doubled = sent.doubled(far);
    ensure!(doubled == 0, "{doubled} requests arrived more often than they were sent");
    Ok(Figure::new("kill_to_answer_p99_ms", percentile(&mut samples, 0.99), "ms", samples.len()))
}

/// Milliseconds from each kill to the next answer.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn kills(house: &Scratch, way: &Way, sent: &Sent) -> anyhow::Result<Vec<f64>> {
    let mut samples = Vec::with_capacity(KILLS);
    let mut again = [0_u32; 3];
    let mut last = None;
    for _ in 0..KILLS {
        let vault = another(house, last).await?;
        let id = sent.number();
        let began = Instant::now();
        kill_process(Pid::from_raw(i32::try_from(vault)?).context("a process has no number")?, Signal::KILL)?;
        loop {
            let [not_sent, unknown, broken] = &mut again;
            let count = match sent.send(way, ANSWER, id).await {
                Fate::Answered => break,
                Fate::NotSent => not_sent,
                Fate::Unknown => unknown,
                Fate::Broken => broken,
            };
            *count = count.saturating_add(1);
            ensure!(again.iter().sum::<u32>() < AGAIN_MAX, "the vault does not come back");
        }
        samples.push(began.elapsed().as_secs_f64() * 1e3);
        last = Some(vault);
        tokio::time::sleep(PAUSE).await;
    }
    let [not_sent, unknown, broken] = again;
    progress(&format!("sent again by the bench: {not_sent} not sent, {unknown} unknown, {broken} without an answer"));
    Ok(samples)
}

/// The vault's process, when it is not the one of before.
async fn another(house: &Scratch, last: Option<u32>) -> anyhow::Result<u32> {
    for _ in 0..LOOKS {
        if let Some(found) = house.child("hearth vault").filter(|found| Some(*found) != last) {
            return Ok(found);
        }
        tokio::time::sleep(LOOK).await;
    }
    anyhow::bail!("the scratch house has no process of the vault")
}
