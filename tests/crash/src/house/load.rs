//! The traced half of the power campaign: house, model and talkers in one process, every fact marked in the trace.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::LocalSet;

use super::inspect::UP;
use super::model;
use super::process::Kit;
use super::talk::Fact;
use super::talker::{MEMBERS, Phase, Stage, Talker, Witness};
use crate::shim::Ack;

/// How long the talkers may take to bring everything to its end.
const REST: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Debug, Clone, clap::Args)]
pub struct Load {
    /// The data folder, which is watched.
    #[arg(long)]
    pub data: PathBuf,
    /// Where the configuration and the log are.
    #[arg(long)]
    pub beside: PathBuf,
    /// Seconds of new messages.
    #[arg(long)]
    pub seconds: f64,
    /// Talkers.
    #[arg(long)]
    pub talkers: usize,
    /// The number of the first talker; hundreds.
    #[arg(long)]
    pub first: usize,
    /// Decides the words.
    #[arg(long)]
    pub seed: u64,
    /// Bytes of other words that some messages have in front, at most.
    #[arg(long)]
    pub padding: usize,
}

impl Load {
    /// Runs it, on a house of its own.
    pub fn run(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, self.talk())
    }

    async fn talk(&self) -> Result<()> {
        let model = model::start()?;
        let kit = Kit::new(&self.beside, &model::config(&model, &MEMBERS))?;
        let ack = Ack::open()?;
        let witness: Witness = Rc::new(move |fact: &Fact| ack.mark(&serde_json::to_string(fact)?));
        let stage = Stage::new(self.talkers);
        let mut house = kit.start(&self.data)?;
        let talkers: Vec<_> = (0..self.talkers)
            .map(|number| {
                let number = self.first + number;
                let talker = Talker::new(number, house.socket.clone(), Rc::clone(&stage), Rc::clone(&witness), self.seed, self.padding);
                tokio::task::spawn_local(talker.run())
            })
            .collect();
        drop(house.client(UP).await?);
        tokio::time::sleep(Duration::from_secs_f64(self.seconds)).await;
        stage.phase.set(Phase::Drain);
        let began = Instant::now();
        while stage.open() > 0 && began.elapsed() < REST {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stage.phase.set(Phase::End);
        ensure!(stage.open() == 0, "{} things open at the end: {}", stage.open(), house.last_words());
        for talker in talkers {
            let wrong: Vec<String> = talker.await?.into_iter().flat_map(|talk| talk.wrong).collect();
            ensure!(wrong.is_empty(), "while talking: {}", wrong.join("; "));
        }
        house.stop()
    }
}
