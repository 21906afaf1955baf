//! What came of the campaigns, for people and for programs.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use super::judge::{FAULTS, Fault, Tally};
use super::kill::Killed;
use super::power::{Cutting, MODES};

/// Both campaigns.
#[derive(Debug, Default)]
pub struct Outcome {
    /// `kill -9`.
    pub kills: Option<Killed>,
    /// Power cuts.
    pub cuts: Option<Cutting>,
}

/// One line of the table.
struct Row<'a> {
    name: String,
    crashes: usize,
    tally: &'a Tally,
}

impl Outcome {
    /// Whether nothing was wrong.
    pub fn good(&self) -> bool {
        self.kills.as_ref().is_none_or(|killed| killed.tally.good()) && self.cuts.as_ref().is_none_or(Cutting::good)
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let kills = self.kills.as_ref().map(|killed| {
            json!({
                "kills": killed.moments.values().sum::<u64>(), "moments": killed.moments, "starts": killed.starts, "seconds": killed.seconds,
                "up_ms": spread(&killed.up_ms), "first_answer_ms": spread(&killed.answer_ms), "tally": killed.tally,
            })
        });
        let cuts = self.cuts.as_ref().map(|cutting| {
            let bad: Vec<_> = cutting.after.iter().filter(|after| !after.tally.good()).collect();
            let times: Vec<f64> = cutting.after.iter().map(|after| after.millis).collect();
            json!({
                "cuts": cutting.after.len(), "seconds": cutting.seconds, "check_ms": spread(&times), "traces": cutting.traces.traces,
                "tally": sum(cutting.after.iter().map(|after| &after.tally)), "bad": bad,
            })
        });
        json!({ "good": self.good(), "kills": kills, "cuts": cuts })
    }

    fn notes(&self) -> Vec<String> {
        let kills = self.kills.iter().flat_map(|killed| killed.tally.notes.iter().cloned());
        let after = self.cuts.iter().flat_map(|cutting| &cutting.after);
        let cuts = after
            .flat_map(|after| after.tally.notes.iter().map(|note| format!("{} {:?} {}: {note}", after.name, after.cut.mode, after.cut.at)));
        kills.chain(cuts).take(40).collect()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head =
            format!("{:<22} {:>7} {:>8} {:>8} {:>8} {:>7} {:>8}", "", "crashes", "accepted", "seen", "answered", "failed", "unknown");
        for fault in FAULTS {
            let name = format!("{fault:?}").to_lowercase();
            write!(head, " {:>w$}", name, w = name.len().max(5))?;
        }
        writeln!(f, "{head}")?;
        if let Some(killed) = &self.kills {
            let crashes = usize::try_from(killed.moments.values().sum::<u64>()).unwrap_or(0);
            row(f, &Row { name: "kill -9".to_owned(), crashes, tally: &killed.tally })?;
        }
        for (round, mode) in [0, 1].into_iter().flat_map(|round| MODES.map(|mode| (round, mode))) {
            let here = || self.cuts.iter().flat_map(|cuts| &cuts.after).filter(|after| after.round == round && after.cut.mode == mode);
            if here().next().is_some() {
                let again = if round == 0 { "" } else { ", again" };
                let name = format!("power, {}{again}", format!("{mode:?}").to_lowercase());
                row(f, &Row { name, crashes: here().count(), tally: &sum(here().map(|after| &after.tally)) })?;
            }
        }
        self.details(f)?;
        self.notes().iter().try_for_each(|note| writeln!(f, "  {note}"))?;
        writeln!(f, "{}", if self.good() { "nothing was lost, nothing came twice, everything was answered" } else { "WRONG: see above" })
    }
}

impl Outcome {
    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(killed) = &self.kills {
            let moments: Vec<_> =
                killed.moments.iter().map(|(moment, count)| format!("{} {count}", format!("{moment:?}").to_lowercase())).collect();
            writeln!(f, "kill -9: {}; {} starts in {:.0} s", moments.join(", "), killed.starts, killed.seconds)?;
            writeln!(f, "  start to first client served: {}; to first answer: {}", times(&killed.up_ms), times(&killed.answer_ms))?;
            more(f, &killed.tally)?;
        }
        if let Some(cutting) = &self.cuts {
            for trace in &cutting.traces.traces {
                writeln!(
                    f,
                    "power, run {}: {} records, {:.1} MB, {} syncs, {} facts, {} renames, {} removed",
                    trace.name,
                    trace.records,
                    trace.bytes as f64 / 1e6,
                    trace.syncs,
                    trace.acks,
                    trace.renames,
                    trace.unlinks
                )?;
                trace.gaps.iter().try_for_each(|gap| writeln!(f, "  the trace does not tell all: {gap}"))?;
            }
            let millis: Vec<f64> = cutting.after.iter().map(|after| after.millis).collect();
            writeln!(f, "  start to everything checked: {}; {:.0} s in all", times(&millis), cutting.seconds)?;
            more(f, &sum(cutting.after.iter().map(|after| &after.tally)))?;
        }
        Ok(())
    }
}

fn more(f: &mut fmt::Formatter<'_>, tally: &Tally) -> fmt::Result {
    writeln!(
        f,
        "  looked for: {} effects of tools, {} reminders; {} journal entries; {} answers without a model; {} deliveries never settled",
        tally.effects, tally.reminders, tally.entries, tally.without_model, tally.unsettled
    )
}

fn row(f: &mut fmt::Formatter<'_>, row: &Row<'_>) -> fmt::Result {
    let Row { name, crashes, tally } = row;
    write!(
        f,
        "{name:<22} {crashes:>7} {:>8} {:>8} {:>8} {:>7} {:>8}",
        tally.accepted, tally.seen, tally.answered, tally.failed, tally.unknown
    )?;
    for fault in FAULTS {
        let width = format!("{fault:?}").len().max(5);
        write!(f, " {:>width$}", tally.count(fault))?;
    }
    writeln!(f)
}

fn sum<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Tally {
    tallies.fold(Tally::default(), |mut all, tally| {
        all.add(tally.clone());
        all
    })
}

/// Mean and percentiles.
fn spread(samples: &[f64]) -> Value {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted.get(((sorted.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or(0.0);
    let mean = sorted.iter().sum::<f64>() / sorted.len().max(1) as f64;
    json!({ "n": sorted.len(), "mean": mean, "p50": at(0.5), "p95": at(0.95), "max": at(1.0) })
}

fn times(samples: &[f64]) -> String {
    let spread = spread(samples);
    let ms = |name: &str| format!("{:.0}", spread[name].as_f64().unwrap_or(0.0));
    format!("mean {} ms, p50 {}, p95 {}, max {} (n {})", ms("mean"), ms("p50"), ms("p95"), ms("max"), spread["n"])
}

/// Whether this fault was found anywhere.
pub fn found(outcome: &Outcome, fault: Fault) -> u64 {
    let kills = outcome.kills.iter().map(|killed| killed.tally.count(fault)).sum::<u64>();
    let cuts = outcome.cuts.iter().flat_map(|cuts| &cuts.after).map(|after| after.tally.count(fault)).sum::<u64>();
    kills + cuts
}
