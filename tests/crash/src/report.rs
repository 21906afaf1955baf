//! What came of a campaign.

#![expect(clippy::wildcard_enum_match_arm, reason = "a count picks the events it is for")]

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::disk::{Cut, Mode};
use crate::trace::{Event, Trace};
use crate::verdict::{Verdict, way};

/// One cut and what was found after it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Names the trace and the cut: `r0.3-c17` is cut 17 of the work on what cut 3 of the first trace left.
    pub name: String,
    /// How many crashes came before this one.
    pub round: u32,
    /// The cut.
    pub cut: Cut,
    /// The finding.
    pub verdict: Verdict,
}

/// A trace in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Traced {
    /// Which.
    pub name: String,
    /// Records.
    pub records: usize,
    /// Bytes written.
    pub bytes: u64,
    /// Syncs that completed.
    pub syncs: usize,
    /// Acknowledgements.
    pub acks: usize,
    /// Renames and removals: signs of manifest updates and compaction.
    pub renames: usize,
    /// Files removed.
    pub unlinks: usize,
    /// What the trace does not tell; must be empty for the rest to mean anything.
    pub gaps: Vec<String>,
}

/// Cuts of one kind added up.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// Cuts.
    pub cuts: u64,
    /// After which it opened.
    pub opened: u64,
    /// Acknowledged things looked for, over all cuts.
    pub acked: u64,
    /// Of these missing, over all cuts.
    pub lost: u64,
    /// Cuts after which at least one was missing.
    pub losing: u64,
    /// Cuts after which something was there in part.
    pub torn: u64,
    /// Cuts after which it did not open.
    pub refused: u64,
}

/// Everything found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The traces.
    pub traces: Vec<Traced>,
    /// Work that failed on what a cut had left.
    pub broken: Vec<String>,
    /// All cuts.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// Notes a trace.
    pub fn traced(&mut self, name: &str, trace: &Trace, mut gaps: Vec<String>) {
        gaps.extend(trace.unmodelled());
        let bytes = trace.records.iter().map(|record| match &record.event {
            Event::Write { data, .. } => data.len() as u64,
            _ => 0,
        });
        self.traces.push(Traced {
            name: name.to_owned(),
            records: trace.records.len(),
            bytes: bytes.sum(),
            syncs: trace.count(|event| matches!(event, Event::SyncEnd { .. })),
            acks: trace.acks_before(trace.records.len()).len(),
            renames: trace.count(|event| matches!(event, Event::Rename { .. })),
            unlinks: trace.count(|event| matches!(event, Event::Unlink { .. })),
            gaps,
        });
    }

    /// Notes work that failed.
    pub fn broken(&mut self, name: &str, why: &str) {
        self.broken.push(format!("{name}: {why}"));
    }

    /// Notes a cut.
    pub fn add(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// The table: by file system and by how many crashes came before.
    pub fn rows(&self) -> BTreeMap<(Mode, u32), Row> {
        let mut rows: BTreeMap<(Mode, u32), Row> = BTreeMap::new();
        for Outcome { cut, round, verdict, .. } in &self.outcomes {
            let row = rows.entry((cut.mode, *round)).or_default();
            row.cuts += 1;
            row.refused += u64::from(verdict.refused.is_some());
            row.opened += u64::from(verdict.refused.is_none());
            row.acked += verdict.acked;
            row.lost += verdict.lost;
            row.losing += u64::from(verdict.lost > 0);
            row.torn += u64::from(verdict.torn > 0);
        }
        rows
    }

    /// Whether nothing was lost, torn or refused, and every trace was complete.
    pub fn clean(&self) -> bool {
        self.broken.is_empty()
            && self.outcomes.iter().all(|outcome| outcome.verdict.good())
            && self.traces.iter().all(|trace| trace.gaps.is_empty())
    }

    /// In what ways things were wrong: after how many cuts, how often, and the first such cut.
    pub fn ways(&self) -> BTreeMap<String, (u64, u64, String)> {
        let mut ways: BTreeMap<String, (u64, u64, String)> = BTreeMap::new();
        for Outcome { name, verdict, .. } in &self.outcomes {
            let refused = verdict.refused.iter().map(|why| (format!("refused: {}", way(why)), 1));
            for (why, count) in refused.chain(verdict.ways.clone()) {
                let entry = ways.entry(why).or_insert_with(|| (0, 0, name.clone()));
                entry.0 += 1;
                entry.1 += count;
            }
        }
        ways
    }

    /// The same as JSON, with the rows in it.
    pub fn json(&self) -> serde_json::Value {
        let rows = self.rows().into_iter().map(|((mode, round), row)| serde_json::json!({ "mode": mode, "round": round, "row": row }));
        serde_json::json!({ "clean": self.clean(), "ways": self.ways(), "rows": rows.collect::<Vec<_>>(), "all": self })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |of: fn(&Traced) -> u64| self.traces.iter().map(of).sum::<u64>();
        writeln!(
            f,
            "traces {}: records {}, bytes {}, syncs {}, acks {}, renames {}, unlinks {}",
            self.traces.len(),
            sum(|trace| trace.records as u64),
            sum(|trace| trace.bytes),
            sum(|trace| trace.syncs as u64),
            sum(|trace| trace.acks as u64),
            sum(|trace| trace.renames as u64),
            sum(|trace| trace.unlinks as u64),
        )?;
        for gap in self.traces.iter().flat_map(|trace| trace.gaps.iter().map(move |gap| (&trace.name, gap))).take(8) {
            writeln!(f, "  the trace {} is not complete: {}", gap.0, gap.1)?;
        }
        writeln!(
            f,
            "{:<8} {:>6} {:>6} {:>7} {:>9} {:>8} {:>7} {:>6} {:>8}",
            "mode", "crash", "cuts", "opened", "acked", "lost", "losing", "torn", "refused"
        )?;
        for ((mode, round), row) in self.rows() {
            let mode = format!("{mode:?}").to_lowercase();
            let crash = round + 1;
            writeln!(
                f,
                "{mode:<8} {crash:>6} {:>6} {:>7} {:>9} {:>8} {:>7} {:>6} {:>8}",
                row.cuts, row.opened, row.acked, row.lost, row.losing, row.torn, row.refused
            )?;
        }
        for line in self.broken.iter().take(8) {
            writeln!(f, "  work failed: {line}")?;
        }
        for (why, (cuts, count, first)) in self.ways() {
            writeln!(f, "  {cuts:>5} cuts, {count:>6} times, first {first}: {why}")?;
        }
        Ok(())
    }
}
