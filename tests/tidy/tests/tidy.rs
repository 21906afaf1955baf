//! The rules of the source, held against this workspace.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use hearth_tidy::crates::{Metadata, edges, foreign, lints};
use hearth_tidy::source::{Source, files};
use hearth_tidy::{circles, habits, pages, shape};

/// Ends of the names of files that a person reads.
const READ: [&str; 11] = [".rs", ".toml", ".md", ".sh", ".yml", ".yaml", ".css", ".js", ".surql", "justfile", ".ci/run"];

static FILES: LazyLock<Vec<Source>> = LazyLock::new(|| files(&root(), &READ).unwrap_or_default());

/// Asked at run time: a test that was built in another checkout would look there.
fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    Path::new(&here).ancestors().nth(2).map(Path::to_owned).unwrap_or_default()
}

fn ending(end: &str) -> Vec<&'static Source> {
    FILES.iter().filter(|source| source.path.ends_with(end)).collect()
}

fn check(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn check_sources(rule: fn(&Source) -> Vec<String>) {
    let sources = ending(".rs");
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    check(&sources.into_iter().flat_map(rule).collect::<Vec<_>>());
}

#[test]
fn our_crates_depend_on_each_other_one_way_only() {
    check(&edges(&metadata().unwrap().packages));
}

#[test]
fn files_of_a_crate_use_each_other_one_way_only() {
    let found = circles::circles(&FILES);
    check(&circles::unlisted(&found, &circles::CIRCLES));
    check(&circles::freed(&found, &circles::CIRCLES));
}

#[test]
fn large_foreign_crates_are_named_in_their_place_only() {
    check(&foreign(&metadata().unwrap().packages));
}

#[test]
fn every_crate_inherits_the_lints() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    check(&metadata().unwrap().packages.iter().flat_map(|package| lints(&package.name, &read(&package.manifest_path))).collect::<Vec<_>>());
}

fn metadata() -> Result<Metadata, Box<dyn Error>> {
    let asked =
        Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root()).output()?;
    Ok(serde_json::from_slice(&asked.stdout)?)
}

#[test]
fn modules_are_named_after_themselves() {
    check_sources(shape::mod_files);
}

#[test]
fn no_file_is_too_long() {
    check_sources(shape::long_files);
}

#[test]
fn files_that_grow_long_are_named() {
    for source in ending(".rs") {
        let lines = shape::length(source);
        if lines > shape::FILE_LONG {
            println!("{}: {lines} lines without tests", source.path);
        }
    }
}

#[test]
fn no_function_is_too_long() {
    check_sources(shape::long_functions);
}

#[test]
fn every_file_says_what_it_is_for() {
    check_sources(shape::silent_files);
}

#[test]
fn no_select_is_decided_by_chance() {
    check_sources(habits::unbiased_selects);
}

#[test]
fn unsafe_code_stands_where_it_is_listed() {
    check_sources(habits::unsafe_code);
}

#[test]
fn nothing_is_left_for_later() {
    check_sources(habits::left_overs);
}

#[test]
fn every_test_runs() {
    check_sources(habits::ignored_tests);
}

#[test]
fn no_test_sleeps_in_order_to_wait() {
    check_sources(habits::sleeping_tests);
}

#[test]
fn every_exception_from_a_lint_says_why() {
    check_sources(habits::silent_exceptions);
}

#[test]
fn the_domain_is_pure() {
    check_sources(habits::impure_domain);
}

#[test]
fn exceptions_are_for_files_that_exist() {
    let gone = habits::UNSAFE.iter().chain(&habits::SLEEPS).filter(|(path, _)| !root().join(path).exists());
    check(&gone.map(|(path, _)| format!("{path} is excused and not there")).collect::<Vec<_>>());
}

#[test]
fn no_path_of_one_machine_is_in_any_file() {
    check(&FILES.iter().flat_map(habits::machine_paths).collect::<Vec<_>>());
}

#[test]
fn pages_link_to_what_is_there() {
    let dead = |page: &Source| {
        let folder = root().join(&page.path).parent().map(Path::to_owned).unwrap_or_default();
        pages::dead_links(&page.path, &page.text, &folder)
    };
    check(&ending(".md").into_iter().flat_map(dead).collect::<Vec<_>>());
}

#[test]
fn the_pages_and_the_lock_file_are_there() {
    let pages_of_the_root = [
        "README.md",
        "ARCHITECTURE.md",
        "SEMANTICS.md",
        "STYLE.md",
        "DECISIONS.md",
        "CHANGELOG.md",
        "Cargo.lock",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "justfile",
        "clippy.toml",
        "rustfmt.toml",
    ];
    check(&pages::missing(&root(), &pages_of_the_root));
}
