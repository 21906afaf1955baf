//! The two processes that make the house's connections: `hearth vault` with the keys, `hearth egress` without any.
//!
//! ```text
//! main ─▶ child::enter ─▶ options ─▶ confined ─▶ (vault) key folder, key, manifest ─▶ runtime of one thread
//!      ─▶ records and the listening socket from the house ─▶ Tell::Up ─▶ broker, owner's socket, words with the house
//! ```
//!
//! They end when their line to the house does, when told to, or when somebody locks the vault: what is in memory is zeroed as it is
//! dropped. A fresh process opens by itself again, unless its key comes from a passphrase or the vault was locked: then it waits for its
//! owner.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use hearth_supervisor::process::child::{self, EnterError};
use hearth_supervisor::process::confine::{self, ConfineError, Confinement, Files, Network, Profile, Report};

use crate::keeper::{Keeper, Ports};
use crate::seal::crypto::{EntropyError, SystemEntropy};

mod acts;
mod admin;
mod door;
mod house;
mod no;
pub mod options;
mod passphrase;
pub mod ports;
mod process;
mod sign_in;
mod trial;

use door::Door;
use options::{OptionError, Options};

/// Most memory of its own that a process may have, in bytes.
pub const MEMORY_BYTES: u64 = 1 << 30;
/// Most descriptors: clients, servers, and what waits.
pub const DESCRIPTORS: u64 = 4096;
/// What names, authorities and hosts are looked up in.
const READ: [&str; 5] = ["/etc", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/run/systemd/resolve", "/dev/urandom"];

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// With the keys, for requests with credentials.
    Vault,
    /// Without any, for everything else.
    Egress,
}

/// Why a process did not come up, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not as a child.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// An option.
    #[error(transparent)]
    Options(#[from] OptionError),
    /// Not confined as it must be.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// No chance.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// No runtime.
    #[error("the process could not be set up")]
    Runtime(#[source] std::io::Error),
    /// The line to the house.
    #[error("the line to the house cannot be read")]
    Read(#[from] hearth_supervisor::process::frame::ReadError),
    /// The line to the house.
    #[error("the line to the house cannot be written")]
    Write(#[from] hearth_supervisor::process::frame::WriteError),
    /// The house began with something else.
    #[error("the house did not begin with its records and the socket for clients")]
    Beginning,
}

/// Runs one of the processes to its end. To be called at the very start of `main`, with the arguments after the verb; a subscriber of
/// `tracing` that writes to standard error is the caller's affair.
pub fn main(role: Role, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match run(role, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, ?role, "the process ends");
            ExitCode::FAILURE
        }
    }
}

fn run(role: Role, arguments: impl IntoIterator<Item = OsString>) -> Result<(), RunError> {
    let entered = child::enter(child::expected_parent()?)?;
    if entered.closed > 0 {
        tracing::warn!(closed = entered.closed, "descriptors were inherited that should not have been");
    }
    let options = Options::read(role, arguments)?;
    // Landlock speaks of folders that exist.
    if let Some(keys) = &options.keys {
        make_folder(keys);
    }
    let report = confine::apply(&confinement(&options))?;
    for (part, outcome) in report.gaps() {
        tracing::warn!(%part, %outcome, "not confined in full");
    }
    let part = match role {
        Role::Vault => house::Part::Vault(Box::new(vault(&options)?)),
        Role::Egress => house::Part::Egress { lan: options.lan },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
    let ended = runtime.block_on(house::serve(entered.socket, part, confined(&report)));
    // Whatever still computes a passphrase is not waited for.
    runtime.shutdown_background();
    ended
}

fn make_folder(path: &Path) {
    use std::os::unix::fs::DirBuilderExt as _;
    if let Err(error) = std::fs::DirBuilder::new().mode(0o700).create(path)
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        tracing::warn!(%error, "the key folder could not be made");
    }
}

fn confinement(options: &Options) -> Confinement {
    let write: Vec<PathBuf> = options.keys.iter().cloned().collect();
    let read = READ.iter().map(PathBuf::from).chain(options.credentials.iter().cloned()).collect();
    Confinement {
        descriptors: Some(DESCRIPTORS),
        memory_bytes: Some(MEMORY_BYTES),
        files: Some(Files { read, write, execute: Vec::new() }),
        network: Some(Network::Client { ports: None }),
        ..Confinement::strict(Profile::Vault)
    }
}

/// A report as the house is told it.
fn confined(report: &Report) -> Vec<(String, String)> {
    report.parts.iter().map(|(part, outcome)| (part.to_string(), outcome.to_string())).collect()
}

fn vault(options: &Options) -> Result<Door, RunError> {
    let ports = Ports { clock: Arc::new(ports::SystemClock::new()), ids: Arc::new(ports::SystemIds), entropy: Arc::new(SystemEntropy) };
    let clock = Arc::clone(&ports.clock);
    let keeper = Keeper::new(ports)?;
    Ok(Door::look(keeper, clock, options))
}
