//! Many power cuts of one workload, and of the workload begun again on what an earlier cut left.

#![expect(clippy::indexing_slicing, reason = "the index is taken modulo the length")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::disk::{Cut, Disk, Mode};
use crate::report::{Outcome, Report};
use crate::rng::Rng;
use crate::shim::Shim;
use crate::trace::{Event, Trace};
use crate::verdict::Verdict;
use crate::wire;

/// What is put to the test.
pub trait Subject {
    /// A process that works on `dir` and acknowledges through [`Ack`](crate::Ack), then ends. `round` differs each time.
    fn work(&self, dir: &Path, round: u32) -> Command;
    /// A process that opens `dir` and prints a [`Verdict`] as one line of JSON; `acks` is a file of acknowledged lines.
    fn verify(&self, dir: &Path, acks: &Path) -> Command;
}

/// How much to do.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// Cuts per trace.
    pub cuts: usize,
    /// Further rounds: each works on what a cut of the round before left, and is cut as often.
    pub rounds: u32,
    /// How many different disks of the first trace, of those on which all was well, are worked on again.
    pub branches: usize,
    /// File systems; cuts take them in turn.
    pub modes: Vec<Mode>,
    /// Kill the process instead of cutting the power: everything written is kept.
    pub kill: bool,
    /// Chooses cuts.
    pub seed: u64,
    /// Microseconds added to every sync of the workload.
    pub sync_delay: u64,
    /// Where to work.
    pub dir: PathBuf,
    /// Keep the disks on which something was wrong.
    pub keep: bool,
    /// How long one process may take.
    pub patience: Duration,
}

/// A disk to work on, and what was acknowledged before it came about.
struct Ground {
    name: String,
    dir: PathBuf,
    acks: Vec<String>,
    round: u32,
    /// The file system of the cut it came from: one machine has one.
    mode: Option<Mode>,
}

impl Campaign {
    /// Runs it all.
    pub fn run(&self, shim: &Shim, subject: &dyn Subject) -> Result<Report> {
        fs::create_dir_all(&self.dir)?;
        let mut report = Report::default();
        let first = Ground { name: "r0".into(), dir: self.dir.join("r0"), acks: Vec::new(), round: 0, mode: None };
        fs::create_dir_all(&first.dir)?;
        let mut grounds = vec![first];
        while let Some(ground) = grounds.pop() {
            let next = self.round(shim, subject, &ground, &mut report);
            grounds.extend(next.with_context(|| format!("in {}", ground.name))?);
            fs::remove_dir_all(&ground.dir)?;
        }
        Ok(report)
    }

    /// Works on one ground, cuts it many times, and returns the disks to go on with.
    fn round(&self, shim: &Shim, subject: &dyn Subject, ground: &Ground, report: &mut Report) -> Result<Vec<Ground>> {
        let path = self.dir.join(format!("{}.trace", ground.name));
        let mut command = subject.work(&ground.dir, ground.round);
        shim.command(&mut command, &ground.dir, &path)?;
        command.env(wire::ENV_SYNC_DELAY, self.sync_delay.to_string());
        if let Err(error) = self.run_child(command, "work") {
            report.broken(&ground.name, &format!("{error:#}"));
            return Ok(Vec::new());
        }
        let trace = Trace::read(&path)?;
        report.traced(&ground.name, &trace, Disk::new(&trace).differences(&ground.dir)?);
        let mut next = Vec::new();
        for number in 0..self.cuts {
            let cut = self.choose(ground, &trace, number);
            let good = self.examine(subject, ground, &trace, &cut, number, report)?;
            // Only from a disk on which all was well, so that every row counts losses of its own.
            let wanted = if ground.round == 0 { self.branches } else { 1 };
            if good && ground.round < self.rounds && next.len() < wanted {
                next.push(self.branch(ground, &trace, &cut, number)?);
            }
        }
        fs::remove_file(&path)?;
        Ok(next)
    }

    /// The `number`th cut of a trace: one in three right after an acknowledgement or a sync, where promises are made.
    fn choose(&self, ground: &Ground, trace: &Trace, number: usize) -> Cut {
        let salt = ground.name.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(257).wrapping_add(u64::from(byte)));
        let mut rng = Rng::new(self.seed).split(salt).split(number as u64);
        let mut at = rng.between(trace.beginning(), trace.records.len());
        if rng.once_in(3) {
            let promise = |event: &Event| matches!(event, Event::Ack(_) | Event::SyncEnd { .. } | Event::Unlink { .. });
            let rest = trace.records.iter().enumerate().skip(at);
            at = rest.filter(|(_, record)| promise(&record.event)).map(|(index, _)| index + 1).next().unwrap_or(at);
        }
        let mode = ground.mode.unwrap_or(self.modes[number % self.modes.len()]);
        if self.kill { Cut { mode, ..Cut::kill(at) } } else { Cut::seeded(at, mode, rng.draw()) }
    }

    /// Makes a cut, has it verified, and returns whether all was well.
    fn examine(
        &self,
        subject: &dyn Subject,
        ground: &Ground,
        trace: &Trace,
        cut: &Cut,
        number: usize,
        report: &mut Report,
    ) -> Result<bool> {
        let name = format!("{}-c{number}", ground.name);
        let dir = self.dir.join(&name);
        Disk::new(trace).cut(cut)?.write_to(&dir)?;
        let acks = self.dir.join(format!("{name}.acks"));
        let mut lines = ground.acks.clone();
        lines.extend(trace.acks_before(cut.at));
        fs::write(&acks, lines.join("\n"))?;
        let verdict = self.verdict(subject.verify(&dir, &acks), lines.len() as u64)?;
        let good = verdict.good();
        report.add(Outcome { name, round: ground.round, cut: *cut, verdict });
        fs::remove_dir_all(&dir)?;
        if self.keep && !good {
            Disk::new(trace).cut(cut)?.write_to(&dir)?;
        } else {
            fs::remove_file(&acks)?;
        }
        Ok(good)
    }

    fn branch(&self, ground: &Ground, trace: &Trace, cut: &Cut, number: usize) -> Result<Ground> {
        let name = format!("{}.{number}", ground.name);
        let dir = self.dir.join(&name);
        Disk::new(trace).cut(cut)?.write_to(&dir)?;
        let mut acks = ground.acks.clone();
        acks.extend(trace.acks_before(cut.at));
        Ok(Ground { name, dir, acks, round: ground.round + 1, mode: Some(cut.mode) })
    }

    fn verdict(&self, mut command: Command, acked: u64) -> Result<Verdict> {
        let out = tempfile::NamedTempFile::new_in(&self.dir)?;
        let errors = tempfile::NamedTempFile::new_in(&self.dir)?;
        let refused = |why: String| Verdict { refused: Some(why), acked, ..Verdict::default() };
        command.stdin(Stdio::null()).stdout(out.reopen()?).stderr(errors.reopen()?);
        let mut child = command.spawn()?;
        let Some(status) = wait(&mut child, self.patience)? else { return Ok(refused("hangs".into())) };
        let text = fs::read_to_string(out.path())?;
        match text.lines().rev().find_map(|line| serde_json::from_str::<Verdict>(line).ok()) {
            Some(verdict) => Ok(verdict),
            None => {
                let said = String::from_utf8_lossy(&fs::read(errors.path())?).into_owned();
                Ok(refused(format!("{status}: {}", said.lines().last().unwrap_or_default())))
            }
        }
    }

    fn run_child(&self, mut command: Command, what: &str) -> Result<()> {
        let log = self.dir.join(format!("{what}.log"));
        let out = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let mut child = command.spawn().with_context(|| format!("starting to {what}"))?;
        let Some(status) = wait(&mut child, self.patience)? else { bail!("{what}: hangs") };
        let said = fs::read_to_string(&log)?;
        ensure!(status.success(), "{what}: {status}: {}", said.lines().last().unwrap_or_default());
        Ok(())
    }
}

/// Waits for the end of a child, or ends it after `patience` and returns nothing.
fn wait(child: &mut Child, patience: Duration) -> Result<Option<std::process::ExitStatus>> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begin.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
