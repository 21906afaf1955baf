//! Children that are processes: this program is its own child, which is why it has its own `main`.
//!
//! Without arguments, or with parts of names, it runs the tests below, one after the other. With `role` it is a child, with
//! `starter` a starter.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "the whole program is a test, though none that the compiler knows as one"
)]

use std::future::Future;
use std::panic::catch_unwind;
use std::process::exit;
use std::time::Duration;

use hearth_supervisor::process::starter;

mod confined;
mod housed;
mod lives;
mod roles;
mod started;
mod talk;

/// The longest that a test waits for anything; reaching it is a failure.
const DEADLINE: Duration = Duration::from_secs(30);

type Test = (&'static str, fn());

fn tests() -> Vec<Test> {
    [lives::TESTS, talk::TESTS, confined::TESTS, started::TESTS, housed::TESTS].concat()
}

/// Runs a future on a runtime of its own, with the deadline.
fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.expect("the deadline of a test") })
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == "role") {
        let arguments: Vec<String> = arguments.skip(1).collect();
        roles::play(&arguments);
    }
    if arguments.peek().is_some_and(|first| first == starter::VERB) {
        exit(starter::run().map_or(roles::STARTER_FAILED, |()| 0));
    }
    let arguments: Vec<String> = arguments.collect();
    if arguments.iter().any(|argument| argument == "--list") {
        tests().iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let names: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
    let mut failed = 0;
    for (name, test) in tests().into_iter().filter(|(name, _)| wanted(name)) {
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += i32::from(!passed);
    }
    exit(failed);
}
