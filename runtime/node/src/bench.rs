//! `hearth bench NAME`: figures of this machine. Measures and never judges.
//!
//! Each bench starts its own scratch house in a temporary folder, as a process of its own, and leaves nothing behind. Progress goes
//! to standard error; the figures, with their units and sample counts, to standard output.

mod house;
mod idle;
mod model;
mod policy;
pub(crate) mod stats;
mod tool;
mod turn;
mod vault;

use std::io::Write as _;

use anyhow::Context as _;
use hearth_adapters::system::SystemClock;
use hearth_domain::time::Clock as _;
use serde::Serialize;

use crate::terminal::Terminal;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// Turns: the runtime's own share of each, at several numbers of conversations.
    Turn,
    /// The supervision tree: children, messages, restarts.
    Supervisor,
    /// A house at rest: its memory, and the time from its start to its first answer.
    Idle,
    /// The vault: what its way adds to a request, and how soon it is back after a kill.
    Vault,
    /// Policy: a decision with many rules and grants, and what labels and gate add to a turn.
    Policy,
    /// Tools: calls, fresh processes, memory.
    Tool,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Figure {
    /// Its name; the same over time, so that results can be compared.
    name: String,
    /// Its value.
    value: f64,
    /// The unit of the value.
    unit: &'static str,
    /// Samples behind it.
    n: u64,
}

impl Figure {
    fn new(name: impl Into<String>, value: f64, unit: &'static str, n: usize) -> Self {
        Self { name: name.into(), value: (value * 1_000.0).round() / 1_000.0, unit, n: u64::try_from(n).unwrap_or(u64::MAX) }
    }
}

#[derive(Serialize)]
struct Report {
    bench: String,
    version: &'static str,
    commit: &'static str,
    cores: usize,
    started: String,
    figures: Vec<Figure>,
}

/// Measures and prints.
pub fn run(name: Name, json: bool) -> anyhow::Result<()> {
    let started = SystemClock.wall().to_string();
    let figures = match name {
        Name::Turn => turn::measure()?,
        Name::Supervisor => supervisor()?,
        Name::Idle => idle::measure()?,
        Name::Vault => vault::measure()?,
        Name::Policy => policy::measure()?,
        Name::Tool => tool::measure()?,
    };
    let terminal = Terminal::new();
    if !json {
        for figure in &figures {
            terminal.line(&format!("{:<26} {:>14} {:<8} n={}", figure.name, figure.value, figure.unit, figure.n));
        }
        return Ok(());
    }
    let report = Report {
        bench: format!("{name:?}").to_lowercase(),
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("HEARTH_COMMIT"),
        cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        started,
        figures,
    };
    terminal.line(&serde_json::to_string_pretty(&report)?);
    Ok(())
}

fn supervisor() -> anyhow::Result<Vec<Figure>> {
    let figures = hearth_supervisor::bench::run(progress).context("the supervisor could not be measured")?;
    let figure =
        |one: hearth_supervisor::bench::Figure| Figure::new(one.name, one.value, one.unit, usize::try_from(one.n).unwrap_or(usize::MAX));
    Ok(figures.into_iter().map(figure).collect())
}

/// Says how far it is, on standard error.
fn progress(text: &str) {
    // Nobody reads a standard error that is gone.
    drop(writeln!(std::io::stderr(), "bench: {text}"));
}
