//! The harness finds what is wrong, and nothing where nothing is wrong.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hearth_crash::report::Report;
use hearth_crash::{Campaign, Mode, Shim, Subject};

struct Toy(&'static str);

impl Subject for Toy {
    fn work(&self, dir: &Path, round: u32) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crash-toy"));
        command.args(["work", self.0]).arg(dir).arg(round.to_string());
        command
    }

    fn verify(&self, dir: &Path, acks: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crash-toy"));
        command.arg("verify").arg(dir).arg(acks);
        command
    }
}

fn run(how: &'static str) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let campaign = Campaign {
        cuts: 40,
        rounds: 1,
        branches: 2,
        modes: vec![Mode::Strict, Mode::Ext4],
        kill: false,
        seed: 1,
        sync_delay: 0,
        dir: dir.path().to_path_buf(),
        keep: false,
        patience: Duration::from_secs(60),
    };
    campaign.run(&Shim::locate().unwrap(), &Toy(how)).unwrap()
}

fn losing(report: &Report, mode: Mode) -> u64 {
    report.rows().into_iter().filter(|((row, _), _)| *row == mode).map(|(_, row)| row.losing).sum()
}

#[test]
fn a_log_that_syncs_loses_nothing() {
    let report = run("good");
    assert!(report.clean(), "{report}");
    assert!(report.outcomes.iter().map(|outcome| outcome.verdict.acked).sum::<u64>() > 1000, "{report}");
}

#[test]
fn a_log_that_never_syncs_is_caught_on_both_file_systems() {
    let report = run("nosync");
    assert!(losing(&report, Mode::Strict) > 5 && losing(&report, Mode::Ext4) > 5, "{report}");
}

#[test]
fn a_log_that_forgets_its_directory_is_caught_on_the_strict_file_system_only() {
    let report = run("nodir");
    assert!(losing(&report, Mode::Strict) > 5 && losing(&report, Mode::Ext4) == 0, "{report}");
}

#[test]
fn a_log_that_acknowledges_too_early_is_caught() {
    let report = run("early");
    assert!(losing(&report, Mode::Ext4) > 0, "{report}");
}
