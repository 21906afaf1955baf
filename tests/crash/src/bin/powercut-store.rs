//! Proves what a store keeps through power cuts.
//!
//! `powercut-store` runs writers against a store under the tracing shim, cuts the power at seeded points, opens what is
//! left in a fresh process and counts acknowledged transactions that are missing. Exit code 1 if anything was wrong.

#![expect(clippy::print_stdout, reason = "a command: the table is its answer")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use hearth_crash::store::{self, Load};
use hearth_crash::{Campaign, Mode, Shim, Subject};

/// Counts what a store loses when the power goes.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    step: Option<Step>,
    /// Cuts per trace.
    #[arg(long, default_value_t = 200)]
    cuts: usize,
    /// Rounds of work after the first, each on what a cut left.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// How many disks of the first trace to go on with.
    #[arg(long, default_value_t = 8)]
    branches: usize,
    /// File systems to imitate.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Mode::Strict, Mode::Ext4])]
    mode: Vec<Mode>,
    /// Kill the process instead of cutting the power.
    #[arg(long)]
    kill: bool,
    /// Chooses the cuts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Microseconds added to every sync of the workload.
    #[arg(long, default_value_t = 200)]
    sync_delay: u64,
    /// Where to work; a fresh directory under the system's temporary one by default.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Keep the disks on which something was wrong (with --dir).
    #[arg(long)]
    keep: bool,
    /// Print JSON after the table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    load: Load,
}

#[derive(Debug, Clone, Subcommand)]
enum Step {
    /// The workload.
    #[command(hide = true)]
    Work { dir: PathBuf, round: u32 },
    /// The check.
    #[command(hide = true)]
    Verify { dir: PathBuf, acks: PathBuf },
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    match &options.step {
        Some(Step::Work { dir, round }) => {
            let (load, round) = (options.load, *round);
            runtime()?.block_on(store::work(dir, load, round))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Step::Verify { dir, acks }) => {
            let text = std::fs::read_to_string(acks)?;
            let acks: Vec<&str> = text.lines().collect();
            let verdict = runtime()?.block_on(store::verify(dir, options.load, &acks));
            println!("{}", serde_json::to_string(&verdict)?);
            // Nothing more is to be written to a disk that was only to be looked at.
            std::process::exit(0)
        }
        None => campaign(&options),
    }
}

fn campaign(options: &Options) -> Result<ExitCode> {
    let scratch = tempfile::tempdir()?;
    let campaign = Campaign {
        cuts: options.cuts,
        rounds: options.rounds,
        branches: options.branches,
        modes: options.mode.clone(),
        kill: options.kill,
        seed: options.seed,
        sync_delay: options.sync_delay,
        dir: options.dir.clone().unwrap_or_else(|| scratch.path().to_path_buf()),
        keep: options.keep && options.dir.is_some(),
        patience: Duration::from_secs(600),
    };
    let report = campaign.run(&Shim::locate()?, &Store { load: options.load })?;
    print!("{report}");
    if options.json {
        println!("{}", serde_json::to_string(&report.json())?);
    }
    Ok(if report.clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// This program as the subject of a campaign.
struct Store {
    load: Load,
}

impl Store {
    fn again(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| "powercut-store".into()));
        let load = self.load;
        for (name, value) in [
            ("--writers", u64::from(load.writers)),
            ("--commits", u64::from(load.commits)),
            ("--large-every", load.large_every as u64),
            ("--large", load.large as u64),
            ("--memtable", load.memtable),
            ("--blob-file", load.blob_file),
        ] {
            command.arg(name).arg(value.to_string());
        }
        if load.settle {
            command.arg("--settle");
        }
        command
    }
}

impl Subject for Store {
    fn work(&self, dir: &Path, round: u32) -> Command {
        let mut command = self.again();
        command.arg("work").arg(dir).arg(round.to_string());
        command
    }

    fn verify(&self, dir: &Path, acks: &Path) -> Command {
        let mut command = self.again();
        command.arg("verify").arg(dir).arg(acks);
        command
    }
}
