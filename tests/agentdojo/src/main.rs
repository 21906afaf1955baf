//! Attacks on the flow core: every task of the suite, undisturbed and with every injection, in every mode; and what came of it.
//!
//! usage: hearth-agentdojo PYTHON SERVER MANIFEST

#![expect(clippy::print_stdout, clippy::print_stderr, clippy::indexing_slicing, reason = "a harness; indexing JSON gives null")]

mod house;
mod http;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};

use house::{Answers, Case, Declared, Outcome, Style};
use serde_json::json;

/// The tasks of the suite.
const TASKS: usize = 16;
/// Its injections.
const INJECTIONS: usize = 9;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [python, server, manifest] = arguments.as_slice() else {
        eprintln!("usage: hearth-agentdojo PYTHON SERVER MANIFEST");
        return ExitCode::FAILURE;
    };
    match run(python, server, manifest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(python: &str, server: &str, manifest: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(manifest).map_err(|error| error.to_string())?;
    let manifest = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut child = Command::new(python).args([server, "0"]).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let done = port(&mut child).and_then(|port| all(port, &manifest));
    let ended = child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string());
    done.and(ended.map(drop))
}

/// The server says where it listens as soon as it does.
fn port(child: &mut Child) -> Result<u16, String> {
    let mut line = String::new();
    let stdout = child.stdout.as_mut().ok_or("the server has no output")?;
    BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
    line.strip_prefix("listening ").and_then(|port| port.trim().parse().ok()).ok_or_else(|| "the suite's server did not start".to_owned())
}

fn all(port: u16, manifest: &BTreeMap<String, Declared>) -> Result<(), String> {
    let table = [
        ("benign", Style::Locked, Answers::Ideal),
        ("wc1", Style::Locked, Answers::Ideal),
        ("wc3", Style::Locked, Answers::Ideal),
        ("lying", Style::Locked, Answers::Ideal),
        ("wc1", Style::Locked, Answers::Never),
        ("wc3", Style::Locked, Answers::Never),
        ("lying", Style::Locked, Answers::Never),
        ("benign", Style::Plain, Answers::Ideal),
        ("wc1", Style::Plain, Answers::Ideal),
        ("wc3", Style::Plain, Answers::Ideal),
    ];
    for (mode, style, answers) in table {
        report(port, manifest, mode, style, answers)?;
    }
    Ok(())
}

fn report(port: u16, manifest: &BTreeMap<String, Declared>, mode: &'static str, style: Style, answers: Answers) -> Result<(), String> {
    let (mut done, mut all) = ([0_usize; 3], Vec::<Outcome>::new());
    let mut by_task = Vec::new();
    for task in 0..TASKS {
        let attacks: Vec<_> = if mode == "benign" { vec![None] } else { (0..INJECTIONS).map(Some).collect() };
        let mut tasks = Vec::new();
        for attack in attacks {
            let attack = attack.map(|attack| format!("injection_task_{attack}"));
            let case = Case { task: format!("user_task_{task}"), attack, mode, style, answers };
            tasks.push(house::run(port, manifest, &case).map_err(|error| error.to_string())?);
        }
        by_task.push(json!([tasks.iter().filter(|one| one.done).count(), tasks.iter().map(|one| one.asked).sum::<usize>()]));
        all.extend(tasks);
    }
    for one in all.iter().filter(|one| one.done) {
        for (sum, most) in done.iter_mut().zip([0, 1, 3]) {
            *sum += usize::from(one.asked <= most);
        }
    }
    let asked: usize = all.iter().map(|one| one.asked).sum();
    let line = json!({
        "mode": mode,
        "planner": if style == Style::Locked { "plan lock" } else { "plain loop" },
        "member": if answers == Answers::Ideal { "ideal" } else { "denies all" },
        "cases": all.len(),
        "done": all.iter().filter(|one| one.done).count(),
        "done_with_0_1_3_approvals": done,
        "approvals": asked,
        "attacks_that_succeed": all.iter().filter(|one| one.attacked).count(),
        "by_task_done_asked": by_task,
    });
    println!("{line}");
    Ok(())
}
