//! What the house takes away from itself before it has threads: files other than its own, the memory and environment of other
//! processes, and connections to anywhere.
//!
//! ```text
//! main ── Spawner (a thread that keeps everything, for the children: they confine themselves) ── apply ── the rest of the house
//! ```
//!
//! The vault's key is out of reach of every thread but the spawner's. That thread runs no code but [`hearth_supervisor::process::spawn`], but
//! it shares the house's memory: against code that somebody else brings into the house's own process this is a hurdle, not a wall. The walls
//! are around the other processes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use hearth_supervisor::process::confine::{self, Confinement, Files, Network, Profile};
use hearth_supervisor::process::spawn::Spawner;

use crate::config::Config;
use crate::{serve, socket, vaults};

/// What every program reads: libraries, names, time zones, certificates' folders, and what the machine is.
const READ: [&str; 12] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/sys",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/run/systemd/resolve",
];
/// Terminals, chance, nothing.
const DEVICES: &str = "/dev";

/// A house that may be raised: where it is, who starts its processes, and what it has taken away from itself.
#[derive(Debug, Clone)]
pub struct Confined {
    /// The data folder.
    pub data: PathBuf,
    /// Starts the other processes.
    pub spawner: Arc<Spawner>,
    /// Each part, and what became of it.
    pub report: Arc<Vec<(String, String)>>,
}

impl Confined {
    /// Confines this process. To be called before it has a thread; what is wrong with the machine is said in the report.
    pub fn now(config: &Config) -> anyhow::Result<Self> {
        let data = config.data()?;
        let spawner = spawner(config, &data)?;
        // Landlock speaks of folders that exist.
        serve::make_folder(&data)?;
        let report = confine::apply(&confinement(config, &data)).context("the house cannot confine itself")?;
        let parts = report.parts.iter().filter(|(_, outcome)| **outcome != confine::Outcome::NotWanted);
        let report = Arc::new(parts.map(|(part, outcome)| (part.to_string(), outcome.to_string())).collect());
        Ok(Self { data, spawner, report })
    }

    /// Leaves this process as it is: it reads a file that its owner named, and ends soon.
    pub fn not(config: &Config) -> anyhow::Result<Self> {
        let data = config.data()?;
        Ok(Self { spawner: spawner(config, &data)?, data, report: Arc::default() })
    }
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

/// Makes what the vault's process cannot make for itself, and the thread that starts it.
fn spawner(config: &Config, data: &Path) -> anyhow::Result<Arc<Spawner>> {
    if let Some(parent) = vaults::keys(config, data)?.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("the folder {} for the vault's key cannot be made", parent.display()))?;
    }
    Ok(Arc::new(Spawner::start().context("no process can be started for the vault")?))
}

fn confinement(config: &Config, data: &Path) -> Confinement {
    let own = PathBuf::from(format!("/proc/{}", std::process::id()));
    let read = READ.iter().map(PathBuf::from).chain([own]).collect();
    let mut write = vec![data.to_owned(), PathBuf::from(DEVICES)];
    // Where the path of the data folder is too long for a socket.
    write.extend(socket::path_for(data).parent().filter(|folder| *folder != data).map(Path::to_owned));
    let ports = remote_port(&config.store.location);
    Confinement {
        no_new_privileges: true,
        no_core_dumps: true,
        hidden: true,
        umask: true,
        files: Some(Files { read, write, execute: Vec::new() }),
        network: Some(Network::Server { ports }),
        calls: Some(Profile::House),
        other_threads: 1,
        ..Confinement::default()
    }
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
