//! The `hearth` binary.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // Before anything else: such a process confines itself before it has a thread.
    if let Some(ended) = hearth::confine::as_starter().or_else(hearth::sandboxes::as_process).or_else(hearth::vaults::as_process) {
        return ended;
    }
    match hearth::run::run(hearth::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            hearth::run::complain(&error);
            ExitCode::FAILURE
        }
    }
}
