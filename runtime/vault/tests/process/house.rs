//! A small house: it starts the processes, stores what it is told to, and asks through their sockets. The program that holds it is its own
//! child, which is why it has its own `main`.

use std::collections::BTreeMap;
use std::future::Future;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::time::Duration;

use hearth_domain::ids::SecretId;
use hearth_domain::secret::{SealedRecord, SecretName};
use hearth_domain::vault::{Ask, MESSAGE_BYTES, Sent, Tell, Used, VaultState};
use hearth_supervisor::process::channel::{FrameReceiver, FrameSender, channel};
use hearth_supervisor::process::frame::Frame;
use hearth_supervisor::process::spawn::{Process, Program};
use hearth_supervisor::process::spawner::Spawner;
use hearth_vault::admin::{self, AdminAnswer, AdminAsk, Hidden, SOCKET};
use hearth_vault::run::{self, Role};

const DEADLINE: Duration = Duration::from_secs(60);

/// Its name, and what is done.
pub(crate) type Test = (&'static str, fn());

pub(crate) fn main(tests: &[Test]) {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let role = match arguments.peek().and_then(|first| first.to_str()) {
        Some("vault") => Some(Role::Vault),
        Some("egress") => Some(Role::Egress),
        _ => None,
    };
    if let Some(role) = role {
        let _ = run::main(role, arguments.skip(1));
        std::process::exit(0);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let names: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut failed = 0;
    for (name, test) in tests.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()))) {
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += i32::from(!passed);
    }
    std::process::exit(failed);
}

pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.expect("the deadline of a test") })
}

/// What outlives a process.
pub(crate) struct House {
    folder: tempfile::TempDir,
    listener: UnixListener,
    spawner: Spawner,
    pub(crate) store: BTreeMap<SecretId, SealedRecord>,
    /// Members who were removed.
    pub(crate) gone: Vec<hearth_domain::ids::MemberId>,
    pub(crate) used: Vec<Used>,
    /// Everything it was told, as it was told.
    pub(crate) told: Vec<String>,
}

pub(crate) struct Line {
    pub(crate) process: Process,
    pub(crate) to: FrameSender,
    pub(crate) from: FrameReceiver,
}

pub(crate) fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("vault.sock")).unwrap();
        Self {
            folder,
            listener,
            spawner: Spawner::start().unwrap(),
            store: BTreeMap::new(),
            gone: Vec::new(),
            used: Vec::new(),
            told: Vec::new(),
        }
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    pub(crate) fn admin(&self) -> PathBuf {
        self.keys().join(SOCKET)
    }

    pub(crate) fn client(&self) -> reqwest::Client {
        reqwest::Client::builder().unix_socket(self.folder.path().join("vault.sock")).build().unwrap()
    }

    pub(crate) async fn start(&self, arguments: Vec<String>) -> (Line, VaultState, Vec<String>, Vec<(String, String)>) {
        let spawned = self.spawner.spawn(Program::new("hearth-test", arguments)).await.unwrap();
        let (mut to, mut from) = channel(spawned.socket, MESSAGE_BYTES).unwrap();
        let records = self.store.values().cloned().collect();
        let pieces = Ask::Records { records, gone: self.gone.clone() }.pieces();
        for (at, sent) in pieces.into_iter().enumerate() {
            let descriptors = [self.listener.as_fd()];
            to.send(&Frame::Message(sent), if at == 0 { &descriptors } else { &[] }).await.unwrap();
        }
        let Some(Frame::Message(Tell::Up { state, findings, confined })) = from.recv::<Tell>().await.unwrap().map(|got| got.frame) else {
            panic!("it did not come up")
        };
        (Line { process: spawned.process, to, from }, state, findings, confined)
    }

    pub(crate) async fn vault(&self) -> (Line, VaultState, Vec<String>, Vec<(String, String)>) {
        self.start(vec!["vault".into(), "--keys".into(), self.keys().display().to_string()]).await
    }

    /// Does what a house does, until the future is done.
    pub(crate) async fn meanwhile<T>(&mut self, line: &mut Line, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                biased;
                done = &mut future => return done,
                got = line.from.recv::<Tell>() => {
                    let Ok(Some(got)) = got else { return future.await };
                    if let Frame::Message(tell) = got.frame {
                        self.hear(&mut line.to, tell).await;
                    }
                }
            }
        }
    }

    pub(crate) async fn hear(&mut self, to: &mut FrameSender, tell: Tell) {
        self.told.push(serde_json::to_string(&tell).unwrap());
        match tell {
            Tell::Write { ticket, put, erase, .. } => {
                self.store.extend(put.into_iter().map(|record| (record.id, record)));
                erase.iter().for_each(|id| drop(self.store.remove(id)));
                // The process may be gone.
                drop(to.send(&Frame::Message(Sent { ask: Ask::Written { ticket, ok: true }, more: false }), &[]).await);
            }
            Tell::Used { uses } => self.used.extend(uses),
            _ => {}
        }
    }

    pub(crate) async fn ask(&mut self, line: &mut Line, ask: AdminAsk) -> AdminAnswer {
        let socket = self.admin();
        let asking = tokio::task::spawn_blocking(move || admin::ask(&socket, &ask).unwrap());
        self.meanwhile(line, asking).await.unwrap()
    }
}

pub(crate) fn hidden(text: &str) -> Hidden {
    Hidden::new(text.as_bytes().to_vec())
}

pub(crate) fn refused(answer: &AdminAnswer) -> &str {
    match answer {
        AdminAnswer::Refused { sentence, .. } => sentence,
        _ => "not refused",
    }
}
