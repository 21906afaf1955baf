//! Tools in processes of their own: this program is its own child, which is why it has its own `main`.
//!
//! With `sandbox` or `compile-tool` it is such a process. Otherwise it is a small house that compiles components and calls them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "the whole program is a test, though none that the compiler knows as one"
)]

use std::future::Future;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Duration;

mod calls;
mod ends;
mod faults;
mod house;
mod smith;
mod wat;

/// The longest that a test waits for anything; reaching it is a failure.
const DEADLINE: Duration = Duration::from_secs(300);

type Test = (&'static str, fn());

fn tests() -> Vec<Test> {
    [calls::TESTS, faults::TESTS, ends::TESTS, smith::TESTS].concat()
}

/// Runs a future on a runtime of its own, with the deadline.
fn run<F: Future>(future: F) -> F::Output {
    run_steps(async { within(future).await })
}

/// As [`run`], for a future whose steps have the deadline, each by itself.
fn run_steps<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("the deadline of a test")
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(hearth_tool_host::port::SANDBOX) => return hearth_tool_host::sandbox::main(),
        Some(hearth_tool_host::port::COMPILE) => return hearth_tool_host::compile::main(),
        Some(ends::BRIEF) => ends::brief(),
        _ => {}
    }
    if arguments.iter().any(|argument| argument == "--list") {
        tests().iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let names: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
    let mut failed = false;
    for (name, test) in tests().into_iter().filter(|(name, _)| wanted(name)) {
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed |= !passed;
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
