//! Attacks on the flow core: every task of the suite, undisturbed and with every injection, in every mode; and what came of it.
//!
//! usage: hearth-agentdojo PORT MANIFEST

#![expect(clippy::print_stdout, clippy::print_stderr, clippy::indexing_slicing, reason = "a harness; indexing JSON gives null")]

mod house;
mod http;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use house::{Answers, Case, Declared, Outcome, Style};
use serde_json::json;

/// The tasks of the suite.
const TASKS: usize = 16;
/// Its injections.
const INJECTIONS: usize = 9;
/// How often the server is tried until it listens.
const TRIES: usize = 150;
/// How long is waited between.
const BETWEEN: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), Some(manifest)) = (arguments.next().and_then(|port| port.parse().ok()), arguments.next()) else {
        eprintln!("usage: hearth-agentdojo PORT MANIFEST");
        return ExitCode::FAILURE;
    };
    let manifest = std::fs::read_to_string(manifest).map_err(|error| error.to_string());
    let manifest = manifest.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    match manifest.and_then(|manifest| all(port, &manifest)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn all(port: u16, manifest: &BTreeMap<String, Declared>) -> Result<(), String> {
    for left in (0..TRIES).rev() {
        match std::net::TcpStream::connect(("127.0.0.1", port)) {
            Ok(_) => break,
            Err(error) if left == 0 => return Err(error.to_string()),
            Err(_) => std::thread::sleep(BETWEEN),
        }
    }
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
