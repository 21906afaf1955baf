//! The house's own tools as components, in processes of their own, through the port: this program is its own child, as in `sandbox`.
//!
//! Their HTTP is what their own tests recorded. `HEARTH_GUESTS` names another folder of components, `built` by another toolchain.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "the whole program is a test, though none that the compiler knows as one"
)]

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_domain::sandbox::{Outcome, Part, SandboxLimits, Sandboxes as _, ToolRefusalKind};
use hearth_domain::tool::manifest::Manifest;
use hearth_supervisor::process::spawner::Spawner;
use hearth_tool_host::cache::CacheKey;
use hearth_tool_host::port::Sandboxer;
use serde_json::{Value, json};

#[path = "guests/house.rs"]
mod house;
#[path = "guests/table.rs"]
mod table;

use house::House;
use table::{CALLS, FAULTS, Step};

/// The longest that a test waits for anything; reaching it is a failure.
const DEADLINE: Duration = Duration::from_secs(300);

fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests")
}

fn component(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("HEARTH_GUESTS").map_or_else(|| guests().join("built"), PathBuf::from);
    std::fs::read(folder.join(format!("{name}.wasm"))).unwrap()
}

fn manifest(name: &str) -> Manifest {
    let text = std::fs::read_to_string(guests().join(name).join("manifest.toml")).unwrap();
    hearth_tool_package::read_manifest(&text).unwrap()
}

/// Every tool of `guests`.
fn names() -> Vec<String> {
    let folders = std::fs::read_dir(guests()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = folders
        .filter(|folder| folder.join("manifest.toml").is_file())
        .map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Runs one tool: compiled in a process, started in another, agreeing with its manifest, and called as the table says.
/// What came otherwise.
async fn one(port: &Sandboxer, name: &str) -> Vec<String> {
    let (manifest, component) = (manifest(name), component(name));
    let bytes = component.len();
    let begun = Instant::now();
    let compiled = port.compile(component).await.unwrap();
    let compile = begun.elapsed();
    manifest.agrees(&compiled.operations).unwrap();
    let begun = Instant::now();
    let (line, heard) = port.start(name, &compiled.digest, manifest.limits).await.unwrap();
    let mut house = House::new(line, heard, &guests().join(name).join("recorded"));
    manifest.agrees(&house.ready().await).unwrap();
    let start = begun.elapsed();
    let steps: Vec<&Step> = CALLS.iter().filter(|step| step.tool == name).collect();
    assert!(!steps.is_empty(), "{name} is in no line of the table");
    let mut slowest = Duration::ZERO;
    let mut wrong = Vec::new();
    for step in steps {
        let begun = Instant::now();
        let outcome = house.call(step.operation, step.arguments).await;
        // A refusal may be that of a script which computed as long as it may.
        slowest = slowest.max(if step.refused.is_none() { begun.elapsed() } else { Duration::ZERO });
        wrong.extend(check(step, &outcome).err());
    }
    println!("{name}: {bytes} bytes, compiled in {compile:?}, started in {start:?}, slowest call {slowest:?}");
    wrong
}

fn check(step: &Step, outcome: &Outcome) -> Result<(), String> {
    let said = || format!("{} {} {}: {outcome:?}", step.tool, step.operation, step.arguments);
    let value = match (outcome, step.refused) {
        (Outcome::Refused(refusal), Some(kind)) if refusal.kind == kind && refusal.sentence == step.is => return Ok(()),
        (Outcome::Parts(parts), None) => match parts.first() {
            Some(Part::Json(text)) => serde_json::from_str(text).map_err(|_| said())?,
            Some(Part::Text(text)) => json!(text),
            _ => return Err(said()),
        },
        _ => return Err(said()),
    };
    let wanted: Value = serde_json::from_str(step.is).unwrap();
    if value.pointer(step.at) == Some(&wanted) { Ok(()) } else { Err(said()) }
}

fn run(test: impl AsyncFnOnce(&Sandboxer)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all = async {
        let folder = tempfile::tempdir().unwrap();
        let spawner = Arc::new(Spawner::start().unwrap());
        let key = CacheKey::of(&folder.path().join("keys")).unwrap();
        test(&Sandboxer::new(spawner, &folder.path().join("compiled"), key).unwrap()).await;
    };
    runtime.block_on(async { tokio::time::timeout(DEADLINE, all).await.expect("the deadline of a test") });
}

fn every_tool_is_what_its_manifest_says_and_works() {
    run(async |port| {
        let mut wrong = Vec::new();
        for name in names() {
            wrong.extend(one(port, &name).await);
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

/// The template for authors of JavaScript, made into a component by the house.
fn a_tool_is_made_of_a_source_and_works() {
    run(async |port| {
        let template = guests().join("../sdk/template/js");
        let source = std::fs::read_to_string(template.join("tool.js")).unwrap();
        let manifest = std::fs::read_to_string(template.join("manifest.toml")).unwrap();
        let manifest = hearth_tool_package::read_manifest(&manifest).unwrap();
        let component = hearth_tool_package::javascript::component_of(&source).unwrap();
        let compiled = port.compile(component).await.unwrap();
        manifest.agrees(&compiled.operations).unwrap();
        let (line, heard) = port.start("js", &compiled.digest, manifest.limits).await.unwrap();
        let mut house = House::new(line, heard, &template.join("recorded"));
        manifest.agrees(&house.ready().await).unwrap();
        for asked in 1..=2 {
            let Outcome::Parts(parts) = house.call("define", r#"{"word": "hearth"}"#).await else { panic!("no answer") };
            let [Part::Json(text)] = parts.as_slice() else { panic!("{parts:?}") };
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(value.pointer("/meanings/0/kind"), Some(&json!("noun")));
            assert_eq!(value.pointer("/asked"), Some(&json!(asked)));
        }
        let unknown = house.call("define", r#"{"word": "xyzzy"}"#).await;
        assert!(matches!(&unknown, Outcome::Refused(refusal) if refusal.kind == ToolRefusalKind::NotFound), "{unknown:?}");
        let broken = hearth_tool_package::javascript::component_of("operation({").unwrap();
        let said = port.compile(broken).await.unwrap().operations;
        assert!(
            said.iter().all(|operation| operation.name == "broken_source" && operation.description.starts_with("line 1: ")),
            "{said:?}"
        );
    });
}

fn what_no_tool_must_do_ends_as_what_it_is_and_the_next_call_is_served() {
    run(async |port| {
        let limits = SandboxLimits { fuel: 100_000_000, memory_bytes: 16 << 20, ..SandboxLimits::default() };
        let compiled = port.compile(component("probe")).await.unwrap();
        let (line, heard) = port.start("probe", &compiled.digest, limits).await.unwrap();
        let mut house = House::new(line, heard, Path::new("none"));
        house.ready().await;
        for (operation, fault) in FAULTS {
            assert_eq!(house.call(operation, "{}").await, Outcome::Fault(*fault), "{operation}");
            assert!(matches!(house.call("echo", "{}").await, Outcome::Parts(_)), "after {operation}");
        }
    });
}

fn the_table_names_only_tools_that_are_there() {
    let names = names();
    assert!(CALLS.iter().all(|step| names.iter().any(|name| name == step.tool)));
    assert!(CALLS.iter().any(|step| step.refused == Some(ToolRefusalKind::NotFound)));
}

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("the_table_names_only_tools_that_are_there", the_table_names_only_tools_that_are_there),
    ("every_tool_is_what_its_manifest_says_and_works", every_tool_is_what_its_manifest_says_and_works),
    ("a_tool_is_made_of_a_source_and_works", a_tool_is_made_of_a_source_and_works),
    (
        "what_no_tool_must_do_ends_as_what_it_is_and_the_next_call_is_served",
        what_no_tool_must_do_ends_as_what_it_is_and_the_next_call_is_served,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(hearth_tool_host::port::SANDBOX) => return hearth_tool_host::sandbox::main(),
        Some(hearth_tool_host::port::COMPILE) => return hearth_tool_host::compile::main(),
        _ => {}
    }
    if arguments.iter().any(|argument| argument == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let names: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
    let mut failed = false;
    for (name, test) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed |= !passed;
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
