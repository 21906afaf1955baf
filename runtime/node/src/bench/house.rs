//! A scratch house: this very binary, serving a temporary folder.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::client::Client;
use crate::places;

/// How long a house may take to come up.
const UP: Duration = Duration::from_secs(60);

/// A house that serves until it is dropped.
pub(super) struct Scratch {
    process: Child,
    /// Its socket.
    pub(super) socket: PathBuf,
}

impl Scratch {
    /// Starts a house on this data folder with this configuration.
    pub(super) fn start(data: &std::path::Path, config: &str) -> anyhow::Result<Self> {
        Self::start_with(data, config, &[])
    }

    /// The same with more in its environment.
    pub(super) fn start_with(data: &std::path::Path, config: &str, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let file = data.join("bench.toml");
        std::fs::write(&file, config)?;
        let process = Command::new(std::env::current_exe()?)
            .arg("--config")
            .arg(&file)
            .arg("up")
            .env("HEARTH_DATA", data)
            .env("HEARTH_LOG", "error")
            .env_remove("HEARTH_STORE")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("the scratch house could not be started")?;
        Ok(Self { process, socket: places::path_for(data) })
    }

    /// A client, as soon as the house takes one. Looks every half millisecond.
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    pub(super) async fn client(&mut self) -> anyhow::Result<Client> {
        let began = Instant::now();
        while began.elapsed() < UP {
            if let Some(client) = Client::connect(&self.socket).await? {
                return Ok(client);
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("the scratch house ended: {status}");
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        bail!("the scratch house did not come up")
    }

    /// Resident memory, MiB: of the house and every process that it started.
    pub(super) fn resident_mib(&self) -> anyhow::Result<f64> {
        let mut kib = resident_kib(self.process.id())?;
        for child in children(self.process.id()) {
            // One that has just ended has no memory.
            kib += resident_kib(child).unwrap_or(0.0);
        }
        Ok(kib / 1_024.0)
    }

    /// Its process of this name.
    pub(super) fn child(&self, name: &str) -> Option<u32> {
        let named = |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(name.as_bytes()));
        children(self.process.id()).into_iter().find(named)
    }

    /// The number of its process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the house as a power cut would.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Ends the house well and waits for it.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let id = i32::try_from(self.process.id())?;
        let pid = rustix::process::Pid::from_raw(id).context("a process has no number")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Ended already when it was stopped.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Resident memory, KiB: what it has alone, and its share of what it has together with others, so that the sum over all processes counts
/// shared pages once. The kernel tells that of a hidden process to root alone; to others all that it has.
fn resident_kib(pid: u32) -> anyhow::Result<f64> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
    let (text, key) = match read("smaps_rollup") {
        Ok(text) => (text, "Pss:"),
        Err(_) => (read("status").context("memory is measured on Linux only")?, "VmRSS:"),
    };
    let line = text.lines().find_map(|line| line.strip_prefix(key)).context("the kernel gives no resident memory")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// Whether there is such a process, and it has not ended.
pub(super) fn alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// Whether it has ended and nobody asked how.
pub(super) fn is_zombie(pid: u32) -> bool {
    state(pid) == Some('Z')
}

fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Children of every thread, and theirs: the house has a process that starts the others.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let read = threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    let own: Vec<u32> = read.flat_map(|read| read.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<_>>()).collect();
    let theirs: Vec<u32> = own.iter().flat_map(|child| children(*child)).collect();
    own.into_iter().chain(theirs).collect()
}
