//! `simulate`: runs seeds, and says of each in one line what came of it.

use std::io::{BufWriter, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use hearth_simulations::interference::{self, Compared, Outcome};
use hearth_simulations::meta::{self, Found};
use hearth_simulations::plants::Plant;
use hearth_simulations::run::{Job, Report, run};
use hearth_simulations::scenarios::Scenario;
use hearth_simulations::world::PLANNED;

/// Real time after which a seed is called wedged: it burns time and none passes in its world.
const WEDGED: Duration = Duration::from_secs(240);

/// Simulates the house from seeds.
#[derive(Debug, Parser)]
struct Arguments {
    /// One seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// That many seeds.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// What is simulated.
    #[arg(long, value_enum, default_value_t = Scenario::Household)]
    scenario: Scenario,
    /// Seeds at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Goes on after a violation.
    #[arg(long)]
    keep_going: bool,
    /// A defect that is there on purpose.
    #[arg(long, value_enum)]
    plant: Option<Plant>,
    /// Writes every event to standard output.
    #[arg(long)]
    trace: bool,
    /// Runs each seed again with other secrets, and with other private words of one member: all that others see stays the same, byte for byte.
    #[arg(long, conflicts_with_all = ["trace", "last"])]
    non_interference: bool,
    /// Last events that a violation shows.
    #[arg(long, default_value_t = 60)]
    last: usize,
    #[command(subcommand)]
    command: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Runs a seed in two processes and compares every event.
    Meta {
        /// The seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// What is simulated.
        #[arg(long, value_enum, default_value_t = Scenario::Household)]
        scenario: Scenario,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    quiet_planned_panics();
    if let Some(What::Meta { seed, scenario }) = arguments.command {
        return compare(seed, scenario);
    }
    if arguments.non_interference && arguments.scenario == Scenario::Sandboxes {
        anyhow::bail!("what processes of installed tools are told is not recorded; compare another scenario");
    }
    let seeds = arguments.seed.map_or(arguments.from..arguments.from.saturating_add(arguments.seeds), |seed| seed..seed.saturating_add(1));
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                while arguments.keep_going || !failed.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds.end {
                        return;
                    }
                    if !one(&arguments, number) {
                        failed.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Ok(ExitCode::from(u8::from(failed.into_inner())))
}

fn compare(seed: u64, scenario: Scenario) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("this program has no path")?;
    let (text, code) = match meta::compare(&program, &scenario.to_string(), seed)? {
        Found::Same(lines) => (format!("seed {seed}: two processes, {lines} lines, no difference"), 0),
        Found::Different { line, first, second } => (format!("seed {seed} differs at line {line}:\n  {first}\n  {second}"), 1),
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::from(code))
}

/// Runs one seed and prints what came of it; whether all went well.
fn one(arguments: &Arguments, number: u64) -> bool {
    let job = Job { number, scenario: arguments.scenario, plant: arguments.plant };
    let (traced, compares) = (arguments.trace, arguments.non_interference);
    let (done, report) = mpsc::channel();
    let work = move || {
        let sink = traced.then(|| Box::new(BufWriter::new(std::io::stdout())) as Box<dyn std::io::Write + Send>);
        drop(done.send(if compares { Done::Compared(interference::check(job)) } else { Done::Ran(Box::new(run(job, sink))) }));
    };
    #[expect(clippy::disallowed_methods, reason = "each seed has a thread of its own, since actix keeps things by thread")]
    let thread = std::thread::Builder::new().name(format!("seed {number}")).stack_size(16 << 20).spawn(work);
    let text = match (thread, report.recv_timeout(WEDGED)) {
        (Ok(_), Ok(Done::Ran(report))) => (report.violation.is_none(), describe(arguments, &report)),
        (Ok(_), Ok(Done::Compared(outcome))) => (outcome.is_well(), describe_compared(arguments, &outcome)),
        (Ok(_), Err(_)) => (false, format!("seed {number} is wedged, or its thread died\n{}", again(arguments, number))),
        (Err(error), _) => (false, format!("seed {number}: no thread: {error}")),
    };
    // A reader that is gone has seen enough.
    drop(writeln!(std::io::stdout(), "{}", text.1));
    text.0
}

/// What came of a seed.
enum Done {
    Ran(Box<Report>),
    Compared(Outcome),
}

/// One line for each comparison; the first difference with its place.
fn describe_compared(arguments: &Arguments, outcome: &Outcome) -> String {
    let Outcome { number, violation, compared } = outcome;
    let mut lines: Vec<_> = compared.iter().map(|one| format!("seed {number} {}", describe_one(one))).collect();
    if let Some(violation) = violation {
        lines.push(format!("seed {number} BROKEN as it is: {}: {}", violation.invariant, violation.what));
    }
    if !outcome.is_well() {
        lines.push(again(arguments, *number));
    }
    lines.join("\n")
}

fn describe_one(one: &Compared) -> String {
    let Compared { changed, views, sights, known, difference } = one;
    let (what, theirs) = changed.words_of.map_or_else(
        || ("other secrets".to_owned(), "values in the vault".to_owned()),
        |member| (format!("other words of member {member}"), "things that are theirs to see".to_owned()),
    );
    match difference {
        None => format!("same: {what} change {known} {theirs}, and nothing of {sights} in {views} other views"),
        Some(difference) => format!("DIFFERS: {what} change more than {known} {theirs}: {difference}"),
    }
}

fn again(arguments: &Arguments, number: u64) -> String {
    let plant = arguments.plant.map_or_else(String::new, |plant| format!(" --plant {}", name(plant)));
    let compares = if arguments.non_interference { " --non-interference" } else { "" };
    format!("again: cargo run --release -p hearth-simulations -- --scenario {} --seed {number}{plant}{compares}", arguments.scenario)
}

fn name(plant: Plant) -> String {
    use clap::ValueEnum as _;
    plant.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn describe(arguments: &Arguments, report: &Report) -> String {
    let (messages, turns, claims) = report.rows;
    let line = format!(
        "seed {} {}: {} events, {} s, {} lives, {messages} messages, {turns} turns, {claims} reminders said, trace {:016x}",
        report.number,
        if report.violation.is_some() { "BROKEN" } else { "ok" },
        report.events,
        report.seconds,
        report.lives,
        report.digest
    );
    let Some(violation) = &report.violation else {
        return if arguments.seed.is_some() { format!("{line}\n  {}", report.plan) } else { line };
    };
    let skip = report.last.len().saturating_sub(arguments.last);
    let last: Vec<_> = report.last.iter().skip(skip).map(|line| format!("    {line}")).collect();
    let again = again(arguments, report.number);
    format!("{line}\n  {}\n{}\n  {}: {}\n  {again}", report.plan, last.join("\n"), violation.invariant, violation.what)
}

/// Planned panics are part of a run; others are worth their message.
fn quiet_planned_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let planned = info.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with(PLANNED));
        if !planned {
            before(info);
        }
    }));
}
