//! What the house takes away from itself before it has threads: files other than its own, other processes, new programs, and connections
//! to anywhere. A small process that was started before starts the others, which confine themselves.
//!
//! ```text
//! main ── Starter::launch ── apply ── runtime ── Spawner::over ── the rest of the house
//!              └── may start `vault`, `egress`, `sandbox`, `compile-tool` and the MCP servers with exactly these arguments, and nothing else
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use hearth_adapters::vault::VaultProgram;
use hearth_supervisor::process::confine::{self, Confinement, Files, Network, Outcome};
use hearth_supervisor::process::spawner::Spawner;
use hearth_supervisor::process::starter::{self, Allowed, Starter};

use crate::config::Config;
use crate::{places, sandboxes, vaults};

/// What is read of the machine beyond what every server reads: which device a file is on, for the database.
const READ: [&str; 1] = ["/sys/dev/block"];
/// The terminal of a chat.
const TERMINAL: &str = "/dev/tty";

/// A house that may be raised: where it is, who starts its processes, and what it has taken away from itself.
#[derive(Debug, Clone)]
pub struct Confined {
    /// The data folder. It is there.
    pub data: PathBuf,
    /// The vault, and the way out without keys.
    pub programs: [VaultProgram; 2],
    /// Starts the other processes.
    pub spawner: Arc<Spawner>,
    /// Each part, and what became of it.
    pub report: Arc<Vec<(String, String)>>,
}

impl Confined {
    /// Confines this process. To be called before it has a thread; what the kernel does not have is said in the report.
    pub fn now(config: &Config) -> anyhow::Result<Self> {
        // Before the confinement: Landlock speaks of folders that exist.
        let (data, programs) = prepared(config)?;
        let exactly = programs.iter().map(VaultProgram::command_line).chain(sandboxes::command_lines(config)).collect();
        let allowed = Allowed { exactly, ..Allowed::default() };
        let starter = Starter::launch(&allowed).context("no process can be started for the vault")?;
        let report = confine::apply(&confinement(config, &data)).context("the house cannot confine itself")?;
        let parts = report.parts.iter().filter(|(_, outcome)| **outcome != Outcome::NotWanted);
        let report = Arc::new(parts.map(|(part, outcome)| (part.to_string(), outcome.to_string())).collect());
        let spawner = Spawner::over(starter).context("no process can be started for the vault")?;
        Ok(Self { data, programs, spawner: Arc::new(spawner), report })
    }

    /// Leaves this process as it is: it reads a file that its owner named, and ends soon.
    pub fn not(config: &Config) -> anyhow::Result<Self> {
        let (data, programs) = prepared(config)?;
        let spawner = Spawner::start().context("no process can be started for the vault")?;
        Ok(Self { data, programs, spawner: Arc::new(spawner), report: Arc::default() })
    }
}

/// Runs the starter, when that is what this program was started for.
pub fn as_starter() -> Option<ExitCode> {
    std::env::args_os().nth(1).filter(|verb| verb == starter::VERB)?;
    // There is nobody to tell: the house sees the end of its starter.
    Some(if starter::run().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A process that confines itself when it has to raise a house, and then once.
#[derive(Debug)]
pub struct Later {
    how: fn(&Config) -> anyhow::Result<Confined>,
    done: Option<Confined>,
}

impl Later {
    /// By this function.
    #[must_use]
    pub const fn new(how: fn(&Config) -> anyhow::Result<Confined>) -> Self {
        Self { how, done: None }
    }

    /// Now.
    pub fn get(&mut self, config: &Config) -> anyhow::Result<Confined> {
        match &self.done {
            Some(done) => Ok(done.clone()),
            None => Ok(self.done.insert((self.how)(config)?).clone()),
        }
    }
}

/// The data folder, made, and the programs, with the folder made that the vault cannot make for its key itself.
fn prepared(config: &Config) -> anyhow::Result<(PathBuf, [VaultProgram; 2])> {
    let data = config.data()?;
    places::make_folder(&data)?;
    if let Some(parent) = vaults::keys(config, &data)?.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("the folder {} for the vault's key cannot be made", parent.display()))?;
    }
    let programs = vaults::programs(config, &data)?;
    Ok((data, programs))
}

fn confinement(config: &Config, data: &Path) -> Confinement {
    let mut write = vec![data.to_owned(), PathBuf::from(TERMINAL)];
    // Where the path of the data folder is too long for a socket.
    let channels = config.channels.iter().map(|channel| places::channel_for(data, &channel.name));
    let sockets = std::iter::once(places::path_for(data)).chain(channels);
    write.extend(sockets.filter_map(|socket| socket.parent().filter(|folder| !folder.starts_with(data)).map(Path::to_owned)));
    let files = Files { read: READ.map(PathBuf::from).into(), write, execute: Vec::new() };
    let bind = config.web.enabled.then(|| config.web.listen.port()).into_iter().collect();
    let network = Network::Server { bind, connect: remote_port(&config.store.location) };
    Confinement { umask: true, ..Confinement::house(files, network) }
}

/// The port of a remote database: the one connection that the house makes itself.
fn remote_port(location: &str) -> BTreeSet<u16> {
    const USUAL: u16 = 80;
    let Some(address) = location.strip_prefix("ws://") else {
        return BTreeSet::new();
    };
    let authority = address.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(USUAL);
    BTreeSet::from([port])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_remote_database_has_a_port() {
        assert_eq!(remote_port("embedded"), BTreeSet::new());
        assert_eq!(remote_port("ws://nas.lan:8000"), BTreeSet::from([8000]));
        assert_eq!(remote_port("ws://nas.lan:8000/rpc"), BTreeSet::from([8000]));
        assert_eq!(remote_port("ws://[::1]:8001"), BTreeSet::from([8001]));
        assert_eq!(remote_port("ws://nas.lan"), BTreeSet::from([80]));
    }
}
