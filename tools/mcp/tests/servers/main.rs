//! MCP servers in processes of their own: this program is its own child, which is why it has its own `main`.
//!
//! With `mcp-server` it is such a process, with `hostile` the command in it. Otherwise it is a small house that starts servers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::exit,
    reason = "the whole program is a test, though none that the compiler knows as one"
)]

use std::future::Future;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Duration;

use hearth_supervisor::process::starter;

mod confined;
mod elsewhere;
mod hostile;
mod house;
mod talk;

/// The longest that a test waits for anything; reaching it is a failure.
const DEADLINE: Duration = Duration::from_secs(60);

type Test = (&'static str, fn());

fn tests() -> Vec<Test> {
    [talk::TESTS, confined::TESTS, elsewhere::TESTS].concat()
}

/// Runs a future on a runtime of its own, with the deadline.
fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.expect("the deadline of a test") })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [starter::VERB, ..] => return if starter::run().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        [hearth_mcp::server::VERB, ..] => return hearth_mcp::server::main(std::env::args_os().skip(2)),
        ["hostile", mode] => hostile::serve(mode),
        ["lasting", lock] => hostile::last(lock),
        ["house", folder] => confined::house(folder),
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
