//! The vault port made real: the process, the line to it, and the listening socket that outlives it.
//!
//! ```text
//! VaultPort::start ── Spawner ──▶ `hearth vault …`           its end of the line is descriptor 0
//!        │  first message: the records, with the listening socket beside them
//!        ▼
//! line (asks, queued) + stream (what it tells, until the process is gone)
//! ```
//!
//! Clients connect to the socket's path whether a process is there or not: the kernel queues them until the next one accepts.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use hearth_domain::vault::{Ask, MESSAGE_BYTES, Sent, Started, Tell, VaultError, VaultLine, VaultProcess};
use hearth_supervisor::process::channel::{FrameReceiver, FrameSender, channel};
use hearth_supervisor::process::frame::Frame;
use hearth_supervisor::process::spawn::{Process, Program};
use hearth_supervisor::process::spawner::Spawner;
use tokio::sync::mpsc;

/// Asks that wait to be written; a process that reads none of them is as good as gone.
const ASKS: usize = 1024;

/// How one of the two processes is started.
#[derive(Debug, Clone)]
pub struct VaultProgram {
    /// The name under which it is seen, and its verb.
    pub verb: &'static str,
    /// What follows the verb. Never a secret.
    pub arguments: Vec<OsString>,
    /// What it has of the environment.
    pub environment: Vec<(OsString, OsString)>,
}

impl VaultProgram {
    /// All its arguments, the verb first.
    #[must_use]
    pub fn command_line(&self) -> Vec<OsString> {
        std::iter::once(OsString::from(self.verb)).chain(self.arguments.iter().cloned()).collect()
    }
}

/// The port.
#[derive(Debug)]
pub struct VaultPort {
    spawner: Arc<Spawner>,
    program: VaultProgram,
    path: PathBuf,
    door: Mutex<Option<Arc<UnixListener>>>,
}

impl VaultPort {
    /// A port whose clients connect at `path`. The socket is made with the first process, when the store is open: only then is it
    /// certain that no other house has the folder.
    #[must_use]
    pub fn new(spawner: Arc<Spawner>, program: VaultProgram, path: &Path) -> Self {
        Self { spawner, program, path: path.to_owned(), door: Mutex::new(None) }
    }

    /// The listening socket, made anew the first time.
    fn door(&self) -> io::Result<Arc<UnixListener>> {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = &*door {
            return Ok(Arc::clone(door));
        }
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let made = UnixListener::bind(&self.path)?;
        std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(0o600))?;
        made.set_nonblocking(true)?;
        Ok(Arc::clone(door.insert(Arc::new(made))))
    }
}

impl VaultProcess for VaultPort {
    fn start(&self) -> BoxFuture<'static, Result<Started, VaultError>> {
        let (spawner, door, program, path) = (Arc::clone(&self.spawner), self.door(), self.program.clone(), self.path.clone());
        async move {
            let not_started = |error: &dyn std::fmt::Display| VaultError::NotStarted(error.to_string());
            let door = door.map_err(|error| VaultError::NotStarted(format!("the socket {} cannot be made: {error}", path.display())))?;
            let mut start = Program::new(format!("hearth {}", program.verb), program.command_line());
            start.environment.extend(program.environment);
            let spawned = spawner.spawn(start).await.map_err(|error| not_started(&error))?;
            let (sender, receiver) = channel(spawned.socket, MESSAGE_BYTES).map_err(|error| not_started(&error))?;
            let (asks, asked) = mpsc::channel(ASKS);
            let process = Arc::new(spawned.process);
            let line = Line { asks, process: Arc::clone(&process) };
            let told = Told { sender, receiver, asked, door: Some(door), _process: process };
            Ok((Box::new(line) as Box<dyn VaultLine>, told.stream()))
        }
        .boxed()
    }
}

/// The near end of the line.
struct Line {
    asks: mpsc::Sender<Ask>,
    process: Arc<Process>,
}

impl VaultLine for Line {
    fn ask(&mut self, ask: Ask) -> bool {
        self.asks.try_send(ask).is_ok()
    }

    fn kill(&mut self) {
        if let Err(error) = self.process.kill() {
            tracing::debug!(target: "hearth::vault", %error, "it is gone already");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The far end: writes what is asked and reads what is told, as long as somebody listens.
struct Told {
    sender: FrameSender,
    receiver: FrameReceiver,
    asked: mpsc::Receiver<Ask>,
    /// Handed over beside the first message.
    door: Option<Arc<UnixListener>>,
    _process: Arc<Process>,
}

impl Told {
    fn stream(self) -> BoxStream<'static, Tell> {
        stream::unfold(self, Self::next).boxed()
    }

    async fn next(mut self) -> Option<(Tell, Self)> {
        loop {
            let heard = tokio::select! {
                biased;
                ask = self.asked.recv() => {
                    self.say(ask?).await?;
                    continue;
                }
                heard = self.receiver.recv::<Tell>() => heard,
            };
            match heard {
                Ok(Some(received)) => {
                    if let Frame::Message(tell) = received.frame {
                        return Some((tell, self));
                    }
                }
                Ok(None) => return None,
                Err(error) => {
                    tracing::warn!(target: "hearth::vault", %error, "what the process said cannot be read");
                    return None;
                }
            }
        }
    }

    /// `None` when the process does not hear any more.
    async fn say(&mut self, ask: Ask) -> Option<()> {
        for piece in ask.pieces() {
            let door = self.door.take();
            let descriptors: Vec<BorrowedFd<'_>> = door.iter().map(|door| door.as_fd()).collect();
            let sent: Frame<Sent> = Frame::Message(piece);
            if let Err(error) = self.sender.send(&sent, &descriptors).await {
                tracing::warn!(target: "hearth::vault", %error, "the process does not hear");
                return None;
            }
        }
        Some(())
    }
}
