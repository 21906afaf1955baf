//! Power cuts: one run is traced, and a real house is started on what a disk could hold after each of many cuts of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hearth_scripted::server::Scripted;
use serde::Serialize;

use super::inspect::inspect;
use super::judge::{Fault, Tally};
use super::model;
use super::plant::{OLDER, Plant};
use super::process::Kit;
use super::progress::progress;
use super::talk::{Fact, talks_of};
use super::talker::MEMBERS;
use crate::disk::{Cut, Disk, Mode};
use crate::report::Report;
use crate::rng::Rng;
use crate::shim::Shim;
use crate::trace::{Event, Trace};
use crate::wire;

/// How long a house may take to come to rest after a cut.
const REST: Duration = Duration::from_secs(45);
/// Houses at once.
const JOBS: usize = 2;
/// File systems.
pub const MODES: [Mode; 2] = [Mode::Strict, Mode::Ext4];
/// Length of a folder's name from which on the socket is not in the folder: it is no data, and the trace need not know it.
const LONG: usize = 110;
/// Microseconds added to every sync, so that more happens while it runs.
const SYNC_DELAY: &str = "200";

/// A campaign.
#[derive(Debug, Clone)]
pub struct Cuts {
    /// The program whose `load` is traced: this one's `crash`.
    pub program: PathBuf,
    /// Points at which the power goes; at each, under every file system.
    pub cuts: usize,
    /// Seconds of each traced run.
    pub seconds: f64,
    /// Talkers.
    pub talkers: usize,
    /// Bytes of other words that some messages have in front, at most.
    pub padding: usize,
    /// Decides cuts and words.
    pub seed: u64,
    /// What is done wrong on purpose.
    pub plant: Option<Plant>,
    /// Where to work.
    pub dir: PathBuf,
    /// Keep the disks on which something was wrong.
    pub keep: bool,
}

/// One cut and what was found after it.
#[derive(Debug, Clone, Serialize)]
pub struct After {
    /// Names the run and the cut.
    pub name: String,
    /// How many crashes came before this one.
    pub round: u32,
    /// The cut.
    pub cut: Cut,
    /// Milliseconds from the start to rest and a checked journal.
    pub millis: f64,
    /// What was found.
    pub tally: Tally,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Cutting {
    /// The traces in numbers, and their gaps.
    pub traces: Report,
    /// All cuts.
    pub after: Vec<After>,
    /// Seconds in all.
    pub seconds: f64,
}

impl Cutting {
    /// Whether nothing was wrong, and the traces tell all.
    pub fn good(&self) -> bool {
        self.traces.clean() && self.after.iter().all(|after| after.tally.good())
    }
}

/// A disk to run on, and the facts from before.
struct Ground {
    data: PathBuf,
    facts: Vec<Fact>,
    round: u32,
}

impl Cuts {
    /// Runs it: half of the cuts on a run that begins with an empty folder, half on one that goes on after such a cut.
    pub fn run(&self) -> Result<Cutting> {
        let began = Instant::now();
        fs::create_dir_all(&self.dir)?;
        let shim = Shim::locate()?;
        let model = model::start()?;
        let mut cutting = Cutting::default();
        let mut ground = Ground { data: self.folder("r0"), facts: Vec::new(), round: 0 };
        let rounds = if self.cuts >= 2 && self.plant.is_none() { 2 } else { 1 };
        for round in 0..rounds {
            let trace = self.trace(&shim, &ground, &mut cutting.traces)?;
            let count = self.cuts / rounds + if round == 0 { self.cuts % rounds } else { 0 };
            progress(&format!("run {round}: {} records, {} facts", trace.records.len(), facts(&trace, trace.records.len())?.len()));
            cutting.after.extend(self.cut_all(&trace, &ground, count, &model)?);
            ground = self.next(&trace, ground)?;
        }
        cutting.seconds = began.elapsed().as_secs_f64();
        Ok(cutting)
    }

    /// A folder whose name is so long that the house has its socket elsewhere.
    fn folder(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name:_<LONG$}"))
    }

    /// Runs the load on a ground, traced.
    fn trace(&self, shim: &Shim, ground: &Ground, traces: &mut Report) -> Result<Trace> {
        let name = format!("r{}", ground.round);
        let path = self.dir.join(format!("{name}.trace"));
        let log = File::create(self.dir.join(format!("{name}.log")))?;
        let mut command = Command::new(&self.program);
        command.arg("load").arg("--data").arg(&ground.data).arg("--beside").arg(self.dir.join(&name));
        let first = usize::try_from(ground.round)? * 100;
        for (option, value) in [("--talkers", self.talkers), ("--first", first), ("--padding", self.padding)] {
            command.arg(option).arg(value.to_string());
        }
        command.arg("--seconds").arg(self.seconds.to_string()).arg("--seed").arg((self.seed + u64::from(ground.round)).to_string());
        shim.command(&mut command, &ground.data, &path)?;
        command.env(wire::ENV_SYNC_DELAY, SYNC_DELAY).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let status = command.status()?;
        let said = fs::read_to_string(self.dir.join(format!("{name}.log")))?;
        ensure!(status.success(), "the traced run: {status}: {}", said.trim());
        let trace = Trace::read(&path)?;
        traces.traced(&name, &trace, Disk::new(&trace).differences(&ground.data)?);
        fs::remove_file(&path)?;
        Ok(trace)
    }

    fn cut_all(&self, trace: &Trace, ground: &Ground, count: usize, model: &Scripted) -> Result<Vec<After>> {
        let kit = Kit::new(&self.dir.join(format!("after{}", ground.round)), &model::config(model, &MEMBERS))?;
        let (next, all) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count * MODES.len() {
                    return Ok(());
                }
                let after = runtime.block_on(self.examine(&kit, trace, ground, number))?;
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.push(after);
                if all.len() % 50 == 0 {
                    progress(&format!("run {}: {} of {} cuts", ground.round, all.len(), count * MODES.len()));
                }
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..JOBS).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow::anyhow!("a check broke"))?)
        })?;
        Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every second point is right behind a promise or in the middle of keeping one.
    fn choose(&self, trace: &Trace, ground: &Ground, number: usize) -> Cut {
        let mut rng = Rng::new(self.seed).split(u64::from(ground.round) + 77).split((number / MODES.len()) as u64);
        let mut at = rng.between(trace.beginning(), trace.records.len());
        if rng.once_in(2) {
            let promise =
                |event: &Event| matches!(event, Event::Ack(_) | Event::SyncEnd { .. } | Event::Unlink { .. } | Event::Rename { .. });
            let rest = trace.records.iter().enumerate().skip(at);
            at = rest.filter(|(_, record)| promise(&record.event)).map(|(index, _)| index + 1).next().unwrap_or(at);
        }
        Cut::seeded(at, MODES[number % MODES.len()], rng.draw())
    }

    async fn examine(&self, kit: &Kit, trace: &Trace, ground: &Ground, number: usize) -> Result<After> {
        let cut = self.choose(trace, ground, number);
        let name = format!("r{}-c{number}", ground.round);
        let data = self.folder(&name);
        let older = if self.plant == Some(Plant::LoseAcks) { OLDER } else { 0 };
        let disk = Cut { at: cut.at.saturating_sub(older).max(trace.beginning()), ..cut };
        Disk::new(trace).cut(&disk)?.write_to(&data)?;
        let mut talks = talks_of(ground.facts.iter().cloned().chain(facts(trace, cut.at)?));
        let log = self.dir.join(format!("{name}.log"));
        let mut house = kit.logging_to(log.clone()).start(&data)?;
        let mut tally = inspect(&mut house, &mut talks, REST).await;
        let millis = house.began.elapsed().as_secs_f64() * 1_000.0;
        let socket = house.socket.clone();
        if let Err(error) = house.kill() {
            tally.fault(Fault::House, format!("{error:#}"));
        }
        drop(fs::remove_file(&socket));
        fs::remove_dir_all(&data)?;
        if tally.good() {
            fs::remove_file(&log)?;
        } else if self.keep {
            Disk::new(trace).cut(&disk)?.write_to(&data)?;
        }
        Ok(After { name, round: ground.round, cut, millis, tally })
    }

    /// A disk on which the next run goes on: as a killed or a cut house left it in the middle.
    fn next(&self, trace: &Trace, ground: Ground) -> Result<Ground> {
        let mut rng = Rng::new(self.seed).split(u64::from(ground.round) + 99);
        let at = rng.between(trace.records.len() / 2, trace.records.len());
        let round = ground.round + 1;
        let data = self.folder(&format!("r{round}"));
        Disk::new(trace).cut(&Cut::seeded(at, Mode::Ext4, rng.draw()))?.write_to(&data)?;
        remove(&ground.data)?;
        let facts = ground.facts.into_iter().chain(facts(trace, at)?).collect();
        Ok(Ground { data, facts, round })
    }
}

fn remove(data: &Path) -> Result<()> {
    fs::remove_dir_all(data).with_context(|| format!("removing {}", data.display()))
}

/// The facts that were marked before a record.
fn facts(trace: &Trace, at: usize) -> Result<Vec<Fact>> {
    trace.acks_before(at).iter().map(|line| serde_json::from_str(line).with_context(|| format!("not a fact: {line}"))).collect()
}
