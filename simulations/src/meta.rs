//! The meta test: the same seed in two processes, compared line by line. Without it no seed means anything.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::Context as _;

/// What the comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Not one difference in so many lines.
    Same(u64),
    /// The first difference.
    Different {
        /// The line's number.
        line: u64,
        /// What the first process wrote.
        first: String,
        /// What the second process wrote.
        second: String,
    },
}

/// Runs a seed twice through this program and compares the traces.
///
/// # Errors
///
/// When the program cannot be run.
pub fn compare(program: &Path, scenario: &str, seed: u64) -> anyhow::Result<Found> {
    let start = || -> anyhow::Result<(Child, BufReader<ChildStdout>)> {
        let mut child = Command::new(program)
            .args(["--trace", "--scenario", scenario, "--seed", &seed.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} could not be started", program.display()))?;
        let lines = child.stdout.take().context("no output")?;
        Ok((child, BufReader::new(lines)))
    };
    let ((mut one, first), (mut other, second)) = (start()?, start()?);
    let found = first_difference(&mut first.lines(), &mut second.lines())?;
    // Stops at the first difference: what is left unread ends them.
    for child in [&mut one, &mut other] {
        drop(child.kill());
        child.wait()?;
    }
    Ok(found)
}

fn first_difference(
    first: &mut impl Iterator<Item = std::io::Result<String>>,
    second: &mut impl Iterator<Item = std::io::Result<String>>,
) -> anyhow::Result<Found> {
    let mut line = 0;
    loop {
        let (one, other) = (first.next().transpose()?, second.next().transpose()?);
        match (one, other) {
            (None, None) => return Ok(Found::Same(line)),
            (one, other) if one == other => line += 1,
            (one, other) => {
                let text = |side: Option<String>| side.unwrap_or_else(|| "(the end)".to_owned());
                return Ok(Found::Different { line: line + 1, first: text(one), second: text(other) });
            }
        }
    }
}
