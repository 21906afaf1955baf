//! Houses as processes: started, reached, killed with all that they started, stopped well.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hearth::client::Client;
use hearth::places;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How often a house that is not yet there is looked for.
pub const LOOK: Duration = Duration::from_millis(2);
/// How long a house may take to stop.
const STOPPING: Duration = Duration::from_secs(30);
/// Bytes of the log that are told when a house ends by itself.
const TAIL: u64 = 600;

/// All that is needed to start houses.
#[derive(Debug, Clone)]
pub struct Kit {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
}

/// A house that runs.
#[derive(Debug)]
pub struct House {
    child: Child,
    log: PathBuf,
    /// Where its socket is.
    pub socket: PathBuf,
    /// When it was started.
    pub began: Instant,
}

impl Kit {
    /// Houses with this configuration, which is put into `folder` beside their log.
    pub fn new(folder: &Path, config: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let kit = Self { binary: binary()?, config: folder.join("house.toml"), log: folder.join("house.log") };
        fs::write(&kit.config, config)?;
        Ok(kit)
    }

    /// The same with a log of its own.
    pub fn logging_to(&self, log: PathBuf) -> Self {
        Self { log, ..self.clone() }
    }

    fn command(&self, data: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(&self.config).env("HEARTH_DATA", data).env("HEARTH_LOG", "warn");
        command.env_remove("HEARTH_STORE").env_remove("HEARTH_WEB_LISTEN").env_remove("HEARTH_CONFIG").stdin(Stdio::null());
        command
    }

    /// Starts a house in a process group of its own.
    pub fn start(&self, data: &Path) -> Result<House> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let began = Instant::now();
        let child = self.command(data).arg("up").process_group(0).stdout(Stdio::null()).stderr(log).spawn();
        let child = child.with_context(|| format!("starting {}", self.binary.display()))?;
        Ok(House { child, log: self.log.clone(), socket: places::path_for(data), began })
    }

    /// What `hearth verify` says of the house that runs on this folder.
    pub fn verify(&self, data: &Path) -> Result<String> {
        let output = self.command(data).arg("verify").output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        ensure!(output.status.success(), "hearth verify: {}", text(&output.stderr));
        Ok(text(&output.stdout))
    }
}

impl House {
    /// Kills the house and everything in its process group, as `kill -9` does.
    pub fn kill(&mut self) -> Result<()> {
        let pid = self.pid()?;
        // A house that has ended by itself is noticed by whoever looks at its status.
        kill_process_group(pid, Signal::KILL).ok();
        self.child.wait()?;
        Ok(())
    }

    /// Asks the house to stop and waits for it.
    pub fn stop(mut self) -> Result<()> {
        kill_process(self.pid()?, Signal::TERM)?;
        let began = Instant::now();
        while began.elapsed() < STOPPING {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the house stopped with {status}: {}", self.last_words());
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        bail!("the house did not stop within {} s", STOPPING.as_secs())
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// A client, as soon as the house takes one.
    pub async fn client(&mut self, patience: Duration) -> Result<Client> {
        let began = Instant::now();
        while began.elapsed() < patience {
            if let Ok(Some(client)) = Client::connect(&self.socket).await {
                return Ok(client);
            }
            if let Some(status) = self.ended()? {
                bail!("the house ended with {status}: {}", self.last_words());
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("the house did not come up within {} s: {}", patience.as_secs(), self.last_words())
    }

    /// The last line of its log.
    pub fn last_words(&self) -> String {
        let tail = || -> Result<String> {
            let mut file = File::open(&self.log)?;
            let size = file.metadata()?.len();
            file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).lines().last().unwrap_or_default().to_owned())
        };
        tail().unwrap_or_default()
    }

    fn pid(&self) -> Result<Pid> {
        let raw = i32::try_from(self.child.id())?;
        Pid::from_raw(raw).context("a process without a number")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // Ended already in the ordinary case.
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            drop(self.kill());
        }
    }
}

/// Finds the program: `HEARTH_BIN`, or beside this one, or built now with cargo.
fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HEARTH_BIN") {
        return Ok(path.into());
    }
    let here = std::env::current_exe()?;
    let profile = here.ancestors().find(|dir| dir.ends_with("release") || dir.ends_with("debug"));
    let profile = profile.context("not in a cargo target directory; set HEARTH_BIN")?;
    let beside = profile.join("hearth");
    if !beside.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--release", "-p", "hearth", "--target-dir"]);
        command.arg(profile.parent().context("no target directory")?);
        ensure!(command.status()?.success(), "cannot build the house");
    }
    Ok(beside)
}
