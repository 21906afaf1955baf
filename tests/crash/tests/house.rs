//! A small campaign of each kind, and the same with something planted, which must be found.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;

use hearth_crash::house::judge::Fault;
use hearth_crash::house::kill::Kills;
use hearth_crash::house::plant::Plant;
use hearth_crash::house::power::Cuts;
use hearth_crash::house::table::{Outcome, found};

/// A folder with a short path, for the socket.
fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("hc-").tempdir_in("/tmp").unwrap()
}

fn killed(kills: usize, plant: Option<Plant>) -> Outcome {
    let folder = folder();
    let campaign = Kills { kills, talkers: 4, seed: 5, plant, dir: folder.path().to_owned() };
    Outcome { kills: Some(campaign.run().unwrap()), cuts: None }
}

fn cut(cuts: usize, plant: Option<Plant>) -> Outcome {
    let folder = folder();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_crash"));
    let campaign =
        Cuts { program, cuts, seconds: 1.0, talkers: 4, padding: 2_000, seed: 5, plant, dir: folder.path().to_owned(), keep: false };
    Outcome { kills: None, cuts: Some(campaign.run().unwrap()) }
}

#[test]
fn a_house_that_is_killed_keeps_its_promises() {
    let outcome = killed(20, None);
    assert!(outcome.good(), "{outcome}");
    assert!(outcome.kills.as_ref().unwrap().tally.accepted > 20, "{outcome}");
}

#[test]
fn a_house_that_loses_power_keeps_its_promises() {
    let outcome = cut(10, None);
    assert!(outcome.good(), "{outcome}");
}

#[test]
fn a_store_that_loses_what_it_acknowledged_is_found_after_kills() {
    let outcome = killed(12, Some(Plant::LoseAcks));
    assert!(found(&outcome, Fault::Lost) > 0, "{outcome}");
}

#[test]
fn a_store_that_loses_what_it_acknowledged_is_found_after_cuts() {
    let outcome = cut(4, Some(Plant::LoseAcks));
    assert!(found(&outcome, Fault::Lost) > 0, "{outcome}");
}

#[test]
fn an_answer_that_is_delivered_twice_is_found() {
    let outcome = killed(12, Some(Plant::ForgetCursor));
    assert!(found(&outcome, Fault::Twice) > 0, "{outcome}");
}
