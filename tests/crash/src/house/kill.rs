//! `kill -9` at seeded moments, hundreds of times on one data folder, and a few times on fresh ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use tokio::task::LocalSet;

use super::inspect::{UP, count, counts, inspect};
use super::judge::{Fault, Tally};
use super::model;
use super::plant::{self, Plant};
use super::process::{House, Kit};
use super::progress::progress;
use super::talk::Talk;
use super::talker::{MEMBERS, Phase, Stage, Talker, Witness};
use crate::rng::Rng;

/// How long a moment of its kind is waited for.
const MOMENT: Duration = Duration::from_secs(3);
/// How long the talkers may take to bring everything to its end, once nobody kills any more.
const REST: Duration = Duration::from_secs(90);
/// The same where something was planted, so that rest may never come.
const PLANTED_REST: Duration = Duration::from_secs(10);
/// One kill in so many is on an empty folder.
const FRESH: usize = 20;
/// After so many kills the progress is told.
const TOLD: usize = 50;

/// When the house is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// While it makes its tables in an empty folder.
    Migrating,
    /// Right after it was started.
    Starting,
    /// When it has just begun to serve, and resumes what was open.
    Resuming,
    /// When something was just said to it, so that it is being committed.
    Committing,
    /// When an answer has just come, so that it is being confirmed.
    Delivering,
    /// At any time.
    Anytime,
}

impl Moment {
    fn pick(rng: &mut Rng) -> Self {
        match rng.below(20) {
            0..=2 => Self::Starting,
            3..=5 => Self::Resuming,
            6..=9 => Self::Committing,
            10..=12 => Self::Delivering,
            _ => Self::Anytime,
        }
    }
}

/// A campaign.
#[derive(Debug, Clone)]
pub struct Kills {
    /// How many.
    pub kills: usize,
    /// Talkers.
    pub talkers: usize,
    /// Decides moments and words.
    pub seed: u64,
    /// What is done wrong on purpose.
    pub plant: Option<Plant>,
    /// Where to work.
    pub dir: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Killed {
    /// Kills by moment.
    pub moments: BTreeMap<Moment, u64>,
    /// Times that the house was started.
    pub starts: u64,
    /// Milliseconds from a start to the first client that was served, for each start that got so far.
    pub up_ms: Vec<f64>,
    /// Milliseconds from a start to the first answer.
    pub answer_ms: Vec<f64>,
    /// Seconds in all.
    pub seconds: f64,
    /// What was found.
    pub tally: Tally,
}

impl Kills {
    /// Runs it.
    pub fn run(&self) -> Result<Killed> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, self.campaign())
    }

    async fn campaign(&self) -> Result<Killed> {
        let began = Instant::now();
        let model = model::start()?;
        let kit = Kit::new(&self.dir, &model::config(&model, &MEMBERS))?;
        let mut killed = Killed::default();
        let fresh = if self.plant.is_some() { 0 } else { self.kills / FRESH };
        let rng = Rng::new(self.seed);
        self.under_load(&kit, self.kills - fresh, &mut rng.split(1), &mut killed).await?;
        for number in 0..fresh {
            self.migrating(&kit, number, &mut rng.split(2 + number as u64), &mut killed).await?;
        }
        killed.seconds = began.elapsed().as_secs_f64();
        Ok(killed)
    }

    async fn under_load(&self, kit: &Kit, kills: usize, rng: &mut Rng, killed: &mut Killed) -> Result<()> {
        let data = self.dir.join("data");
        let stage = Stage::new(self.talkers);
        let mut house = start(kit, &data, &stage, killed)?;
        let nobody: Witness = Rc::new(|_| Ok(()));
        let talkers: Vec<_> = (0..self.talkers)
            .map(|number| {
                let talker = Talker::new(number, house.socket.clone(), Rc::clone(&stage), Rc::clone(&nobody), self.seed, 0);
                tokio::task::spawn_local(talker.run())
            })
            .collect();
        for kill in 0..kills {
            let moment = Moment::pick(rng);
            wait_for(moment, &house, &stage, rng).await;
            if let Some(status) = house.ended()? {
                killed.tally.fault(Fault::House, format!("ended by itself with {status}: {}", house.last_words()));
            }
            house.kill()?;
            *killed.moments.entry(moment).or_default() += 1;
            killed.note(&house, &stage);
            self.plant(kill, kills, &data, &stage)?;
            house = start(kit, &data, &stage, killed)?;
            if (kill + 1) % TOLD == 0 {
                progress(&format!("{} kills, {} things open", kill + 1, stage.open()));
            }
        }
        self.drain(&mut house, &stage, &mut killed.tally).await;
        killed.note(&house, &stage);
        let mut talks: Vec<Talk> = Vec::new();
        for talker in talkers {
            talks.extend(talker.await?);
        }
        killed.finish(kit, &data, house, &mut talks, self.patience()).await
    }

    fn patience(&self) -> Duration {
        if self.plant.is_some() { PLANTED_REST } else { REST }
    }

    /// Waits until everything that was said is answered.
    async fn drain(&self, house: &mut House, stage: &Stage, tally: &mut Tally) {
        stage.phase.set(Phase::Drain);
        let began = Instant::now();
        let mut quiet = false;
        while began.elapsed() < self.patience() && !quiet {
            tokio::time::sleep(Duration::from_millis(50)).await;
            quiet = stage.open() == 0 && at_rest(house).await;
        }
        if !quiet {
            tally.fault(Fault::House, format!("{} things open {} s after the last kill", stage.open(), self.patience().as_secs()));
        }
        stage.phase.set(Phase::End);
    }

    /// Does wrong what is to be done wrong, while the house is dead.
    fn plant(&self, kill: usize, kills: usize, data: &Path, stage: &Stage) -> Result<()> {
        let older = self.dir.join("older");
        match self.plant {
            Some(Plant::LoseAcks) if kill == kills / 2 => plant::copy(data, &older),
            Some(Plant::LoseAcks) if kill == kills * 3 / 4 => plant::copy(&older, data),
            Some(Plant::ForgetCursor) => {
                stage.forgetful.set(kill >= kills / 2);
                Ok(())
            }
            Some(Plant::LoseAcks) | None => Ok(()),
        }
    }

    /// An empty folder, killed while its tables are made, and again while it starts on what is left.
    async fn migrating(&self, kit: &Kit, number: usize, rng: &mut Rng, killed: &mut Killed) -> Result<()> {
        let data = self.dir.join(format!("fresh-{number}"));
        let stage = Stage::new(0);
        let mut house = start(kit, &data, &stage, killed)?;
        tokio::time::sleep(Duration::from_millis(rng.below(250) as u64)).await;
        house.kill()?;
        *killed.moments.entry(Moment::Migrating).or_default() += 1;
        let mut house = start(kit, &data, &stage, killed)?;
        let tally = inspect(&mut house, &mut [], UP).await;
        killed.tally.add(Tally { entries: 0, ..tally });
        house.stop()?;
        Ok(std::fs::remove_dir_all(&data)?)
    }
}

/// Whether no turn is open and no reminder is to come.
async fn at_rest(house: &mut House) -> bool {
    let look = async {
        let mut client = house.client(UP).await?;
        let counts = counts(&mut client).await?;
        anyhow::Ok(count(&counts, "open_turns") == Some(0) && count(&counts, "pending_reminders") == Some(0))
    };
    look.await.unwrap_or(false)
}

fn start(kit: &Kit, data: &Path, stage: &Stage, killed: &mut Killed) -> Result<House> {
    stage.first_open.set(None);
    stage.first_answer.set(None);
    killed.starts += 1;
    kit.start(data)
}

/// Waits until the house is at such a moment.
async fn wait_for(moment: Moment, house: &House, stage: &Stage, rng: &mut Rng) {
    let mut micros = |most: usize| Duration::from_micros(rng.below(most) as u64);
    match moment {
        Moment::Starting | Moment::Migrating => tokio::time::sleep(micros(90_000)).await,
        Moment::Anytime => {
            let most = if rng.once_in(10) { 3_000 } else { 900 };
            tokio::time::sleep(Duration::from_millis(rng.between(50, most) as u64)).await;
        }
        Moment::Resuming => {
            while stage.first_open.get().is_none() && house.began.elapsed() < MOMENT {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(micros(25_000)).await;
        }
        Moment::Committing | Moment::Delivering => {
            let event = if moment == Moment::Committing { &stage.said } else { &stage.answered };
            // Not the first one only: the house is to be at work.
            for _ in 0..rng.below(12) {
                drop(tokio::time::timeout(MOMENT, event.notified()).await);
            }
            drop(tokio::time::timeout(MOMENT, event.notified()).await);
            // Finer than the runtime's clock. The clients stand still meanwhile; the house does not.
            std::thread::sleep(Duration::from_micros(rng.below(3_000) as u64));
        }
    }
}

impl Killed {
    /// Takes the times of a life.
    fn note(&mut self, house: &House, stage: &Stage) {
        let since = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(house.began).as_secs_f64() * 1_000.0);
        self.up_ms.extend(since(stage.first_open.get()));
        self.answer_ms.extend(since(stage.first_answer.get()));
    }

    /// Stops the house well and looks at everything with a fresh one.
    async fn finish(&mut self, kit: &Kit, data: &Path, house: House, talks: &mut [Talk], patience: Duration) -> Result<()> {
        if let Err(error) = house.stop() {
            self.tally.fault(Fault::House, format!("{error:#}"));
        }
        let mut house = kit.start(data)?;
        self.starts += 1;
        let tally = inspect(&mut house, talks, patience).await;
        self.tally.add(tally);
        let verified = kit.verify(data).and_then(|said| {
            ensure!(said.contains("whole"), said);
            Ok(())
        });
        if let Err(error) = verified {
            self.tally.fault(Fault::Chain, format!("{error:#}"));
        }
        house.stop().context("after the inspection")
    }
}
