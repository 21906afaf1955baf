//! Crashes a whole house while people talk to it: `kill -9` and power cuts. Prints a table; exit code 1 if anything was
//! lost, came twice or was left without an answer.

#![expect(clippy::print_stdout, reason = "a command: the table is its answer")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use hearth_crash::house::kill::Kills;
use hearth_crash::house::load::Load;
use hearth_crash::house::plant::Plant;
use hearth_crash::house::power::Cuts;
use hearth_crash::house::table::Outcome;

/// Crashes a house, again and again, and looks whether it kept its promises.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    step: Option<Step>,
    /// Times that the house is killed; 0 for none.
    #[arg(long, default_value_t = 500)]
    kills: usize,
    /// Points at which the power goes, each on two file systems; 0 for none.
    #[arg(long, default_value_t = 200)]
    cuts: usize,
    /// Clients that talk.
    #[arg(long, default_value_t = 12)]
    talkers: usize,
    /// Seconds of each traced run.
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// Bytes of other words that some messages of the traced runs have in front, at most.
    #[arg(long, default_value_t = 6_000)]
    padding: usize,
    /// Decides moments, cuts and words.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Does something wrong on purpose, to see that it is found.
    #[arg(long, value_enum)]
    plant: Option<Plant>,
    /// Where to work; a fresh directory under /tmp by default. Short: a socket's path has 107 bytes.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Keep the disks on which something was wrong (with --dir).
    #[arg(long)]
    keep: bool,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// The traced run of the power campaign.
    #[command(hide = true)]
    Load(Load),
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if let Some(Step::Load(load)) = &options.step {
        load.run()?;
        return Ok(ExitCode::SUCCESS);
    }
    let scratch = tempfile::Builder::new().prefix("hearth-crash-").tempdir_in("/tmp")?;
    let dir = options.dir.clone().unwrap_or_else(|| scratch.path().to_path_buf());
    let Options { talkers, seed, plant, .. } = options;
    let mut outcome = Outcome::default();
    if options.kills > 0 {
        outcome.kills = Some(Kills { kills: options.kills, talkers, seed, plant, dir: dir.join("k") }.run()?);
    }
    if options.cuts > 0 {
        let keep = options.keep && options.dir.is_some();
        let Options { cuts, seconds, padding, .. } = options;
        outcome.cuts =
            Some(Cuts { program: std::env::current_exe()?, cuts, seconds, talkers, padding, seed, plant, dir: dir.join("p"), keep }.run()?);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&outcome.json())?);
    } else {
        print!("{outcome}");
    }
    Ok(if outcome.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
