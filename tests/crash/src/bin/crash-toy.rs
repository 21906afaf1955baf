//! A toy append-only log, right and wrong, to see that the harness tells the two apart.
//!
//! `crash-toy work <how> <dir> <round>` appends and acknowledges numbers; `crash-toy verify <dir> <acks>` looks for them.
//! `how` is `good`, `nosync` (never syncs), `nodir` (syncs the file, not the directory) or `early` (acknowledges before
//! it syncs).

#![expect(clippy::print_stdout, reason = "a command: the verdict is its answer")]

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use hearth_crash::{Ack, Verdict};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["work", how, dir, round] => work(how, Path::new(dir), round),
        ["verify", dir, acks] => verify(Path::new(dir), Path::new(acks)),
        _ => bail!("usage: crash-toy work <how> <dir> <round> | verify <dir> <acks>"),
    }
}

fn work(how: &str, dir: &Path, round: &str) -> Result<()> {
    let ack = Ack::open()?;
    let path = dir.join(format!("log{round}"));
    let mut log = OpenOptions::new().create(true).append(true).open(&path)?;
    if matches!(how, "good" | "early") {
        File::open(dir)?.sync_all()?;
    }
    for number in 0..100 {
        let line = format!("{round}/{number:0>600}\n");
        log.write_all(line.as_bytes())?;
        if how == "early" {
            ack.mark(line.trim_end())?;
        }
        if how != "nosync" {
            log.sync_data()?;
        }
        if how != "early" {
            ack.mark(line.trim_end())?;
        }
    }
    Ok(())
}

fn verify(dir: &Path, acks: &Path) -> Result<()> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).context("the directory")? {
        let bytes = fs::read(entry?.path())?;
        found.extend(String::from_utf8_lossy(&bytes).lines().map(str::to_owned));
    }
    let wanted = fs::read_to_string(acks)?;
    let lost = wanted.lines().filter(|line| !found.contains(*line)).count() as u64;
    let verdict = Verdict { acked: wanted.lines().count() as u64, lost, ..Verdict::default() };
    println!("{}", serde_json::to_string(&verdict)?);
    Ok(())
}
