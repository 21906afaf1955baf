//! The `hearth` binary.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match hearth::run::run(hearth::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            hearth::run::complain(&error);
            ExitCode::FAILURE
        }
    }
}
