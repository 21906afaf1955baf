//! Tells the binary which commit it was built from, for the figures that it prints.

use std::path::Path;
use std::process::Command;

fn main() {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    println!("cargo::rustc-env=HEARTH_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    // Where these are, git says: in a worktree `.git` is no folder. A path that is not there would have this built every time.
    let branch = git(&["rev-parse", "--symbolic-full-name", "HEAD"]);
    for watched in [Some("HEAD"), branch.as_deref(), Some("packed-refs")].into_iter().flatten() {
        let Some(path) = git(&["rev-parse", "--git-path", watched]) else { continue };
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(said.trim().to_owned())
}
