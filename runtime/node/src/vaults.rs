//! The two processes that make the house's connections: how they are started, and where their sockets and keys are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use directories::ProjectDirs;
use hearth_adapters::models::remote;
use hearth_adapters::vault::{VaultPort, VaultProgram};
use hearth_adapters::ways::Ways;
use hearth_domain::journal::Digest;
use hearth_domain::vault::VaultProcess;
use hearth_supervisor::process::spawner::Spawner;
use hearth_vault::run::{self, Role};

use crate::config::{Config, KeySource};
use crate::places;

/// Letters of the digest that tells key folders of several data folders apart.
const FOLDER_LETTERS: usize = 16;

/// The ways out of the house.
pub struct Exits {
    /// With keys.
    pub vault: Arc<dyn VaultProcess>,
    /// Without.
    pub egress: Arc<dyn VaultProcess>,
    /// The clients that speak to both.
    pub ways: Ways,
}

impl std::fmt::Debug for Exits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exits").finish_non_exhaustive()
    }
}

/// Prepares both programs, the vault and the way out without keys. No process runs yet; the tree has this spawner start them.
pub fn exits(data: &Path, [vault, egress]: [VaultProgram; 2], spawner: &Arc<Spawner>) -> anyhow::Result<Exits> {
    let (vault_socket, egress_socket) = (places::beside(data, "vault"), places::beside(data, "egress"));
    let vault = VaultPort::new(Arc::clone(spawner), vault, &vault_socket);
    let egress = VaultPort::new(Arc::clone(spawner), egress, &egress_socket);
    Ok(Exits { vault: Arc::new(vault), egress: Arc::new(egress), ways: Ways::new(&vault_socket, &egress_socket)? })
}

/// How the two are started: the vault, and the way out without keys.
pub fn programs(config: &Config, data: &Path) -> anyhow::Result<[VaultProgram; 2]> {
    Ok([vault_program(config, &keys(config, data)?), egress_program(config)])
}

/// The key folder: as configured, or one for this data folder among the user's configuration, so that no copy of the data holds the key.
pub fn keys(config: &Config, data: &Path) -> anyhow::Result<PathBuf> {
    if let Some(keys) = &config.vault.keys {
        return Ok(keys.clone());
    }
    let folders = ProjectDirs::from("", "", "hearth").context("no home folder is known; set vault.keys to a folder outside of the data")?;
    let data = std::path::absolute(data)?;
    let digest = Digest::of(data.as_os_str().as_encoded_bytes()).to_string();
    Ok(folders.config_dir().join("keys").join(digest.chars().take(FOLDER_LETTERS).collect::<String>()))
}

fn vault_program(config: &Config, keys: &Path) -> VaultProgram {
    let mut arguments = vec![OsString::from("--keys"), keys.into()];
    for source in &config.vault.sources {
        let name = match source {
            KeySource::Credential => "credential",
            KeySource::Passphrase => "passphrase",
            KeySource::KeyFile => "key-file",
        };
        arguments.extend([OsString::from("--source"), name.into()]);
    }
    if let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|_| config.vault.sources.contains(&KeySource::Credential)) {
        arguments.extend([OsString::from("--credentials"), folder]);
    }
    VaultProgram { verb: "vault", arguments, environment: Vec::new() }
}

/// The addresses of models without a key, and the devices that the configuration names, are the owner's own word: hosts of the LAN among
/// them may be reached.
fn egress_program(config: &Config) -> VaultProgram {
    let origins = config.models.iter().filter_map(remote::open_origin).chain(config.egress.lan.iter().cloned());
    let arguments = origins.flat_map(|origin| [OsString::from("--lan"), origin.into()]).collect();
    VaultProgram { verb: "egress", arguments, environment: Vec::new() }
}

/// Runs one of the processes, when that is what this program was started for.
pub fn as_process() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let role = match arguments.next()?.to_str()? {
        "vault" => Role::Vault,
        "egress" => Role::Egress,
        _ => return None,
    };
    // What is wrong with it, the house says; here is what ends it.
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_max_level(tracing::Level::ERROR).init();
    Some(run::main(role, arguments))
}
