//! Runs other people's test scripts of the component model (`*.wast`) in the house's own engines: the one that compiles, which has the
//! settings alone, and the one that runs a tool, which has room for one as well. See `run.sh`.
//!
//! ```text
//! folder ─▶ files ─▶ header: does it need what is off? ─▶ script: each directive in an engine ─▶ table
//!                    proposals: does a module of it?  ──────┘
//! ```

mod host;
mod proposals;
mod script;
mod text;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hearth_tool_host::engine;
use wasmtime::Engine;

use crate::script::{Counts, Trouble};

/// What became of a file in one engine.
enum End {
    /// Every directive that applies did what the script says.
    Passed(Counts),
    /// The script is about proposals that the engine has off.
    DoesNotApply(String),
    /// It needs more than the room of one tool.
    NoRoom(String),
    Failed(String),
}

/// What became of all files in one engine.
#[derive(Default)]
struct Totals {
    passed: usize,
    in_part: usize,
    failed: usize,
    no_room: usize,
    does_not_apply: BTreeMap<String, usize>,
    counts: Counts,
}

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("tools/host/wast/run.sh FOLDER");
        return ExitCode::FAILURE;
    };
    let mut files = Vec::new();
    scripts(&folder, &mut files);
    files.sort();
    let engines = [("settings alone", engine::compiling()), ("one tool's room", engine::running())];
    let mut right = !files.is_empty();
    for (name, engine) in engines {
        match engine {
            Ok(engine) => right &= report(name, &engine, &folder, &files),
            Err(error) => {
                eprintln!("{error}");
                right = false;
            }
        }
    }
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn scripts(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            scripts(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "wast") {
            into.push(path);
        }
    }
}

/// Runs all of them, says what became of each, and whether none failed.
fn report(name: &str, engine: &Engine, folder: &Path, files: &[PathBuf]) -> bool {
    println!("== {name}");
    let mut totals = Totals::default();
    for path in files {
        let shown = path.strip_prefix(folder).unwrap_or(path).display();
        match one(engine, path) {
            Ok(end) => totals.add(&shown.to_string(), &end),
            Err(error) => totals.add(&shown.to_string(), &End::Failed(error)),
        }
    }
    let Totals { passed, in_part, failed, no_room, does_not_apply, counts } = &totals;
    let apart: usize = does_not_apply.values().sum();
    println!(
        "-- {name}: {} files: {passed} passed, {in_part} of them in part, {failed} failed, {apart} do not apply, {no_room} without room",
        files.len()
    );
    println!("   directives: {counts}");
    for (reason, files) in does_not_apply {
        println!("   {files:4} do not apply: {reason}");
    }
    *failed == 0
}

impl Totals {
    fn add(&mut self, file: &str, end: &End) {
        match end {
            End::Passed(counts) => {
                self.passed += 1;
                self.in_part += usize::from(!counts.skipped.is_empty());
                self.counts.add(counts);
                println!("passed          {file}: {counts}");
            }
            End::DoesNotApply(reason) => {
                *self.does_not_apply.entry(reason.clone()).or_default() += 1;
                println!("does not apply  {file}: {reason}");
            }
            End::NoRoom(reason) => {
                self.no_room += 1;
                println!("no room         {file}: {reason}");
            }
            End::Failed(reason) => {
                self.failed += 1;
                println!("FAILED          {file}: {reason}");
            }
        }
    }
}

fn one(engine: &Engine, path: &Path) -> Result<End, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let off = proposals::of_header(&text)?;
    if !off.is_empty() {
        return Ok(End::DoesNotApply(off.join(", ")));
    }
    Ok(match script::run(engine, &path.display().to_string(), &text) {
        Ok(counts) if counts.ran == 0 && !counts.skipped.is_empty() => {
            End::DoesNotApply(counts.skipped.keys().cloned().collect::<Vec<_>>().join("; "))
        }
        Ok(counts) => End::Passed(counts),
        Err(Trouble::NoRoom(reason)) => End::NoRoom(reason),
        Err(Trouble::Wrong(reason)) => End::Failed(reason),
    })
}
