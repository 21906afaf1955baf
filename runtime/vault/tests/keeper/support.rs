//! A vault without its process: key folder, keeper, broker on a socket, and a server of the LAN that writes down what it is sent.

use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_domain::ids::{Ids, MemberId};
use hearth_domain::secret::{Principal, SealedRecord, SecretName, SecretPolicy};
use hearth_domain::time::{Clock, Mono, Timestamp};
use hearth_domain::vault::{Tell, Used};
use hearth_vault::egress::connect::SystemResolver;
use hearth_vault::egress::limits::{Bounds, Limits};
use hearth_vault::egress::ports::{Gate, Watch};
use hearth_vault::egress::server::{Entrance, serve};
use hearth_vault::egress::{Broker, Settings};
use hearth_vault::keeper::change::{Begun, ChangeError, targets};
use hearth_vault::keeper::gate::KeeperGate;
use hearth_vault::keeper::watch::{Guarded, judge};
use hearth_vault::keeper::{Keeper, Ports};
use hearth_vault::seal::Seal;
use hearth_vault::seal::crypto::SystemEntropy;
use hearth_vault::seal::folder::KeyFolder;
use hearth_vault::seal::source::{Found, ORDER, find, open_folder, set_up};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustls::RootCertStore;
use secrecy::SecretSlice;
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::net::{Answering, Body, INSIDE, Server, text};

pub(crate) const VALUE: &str = "sk-kq83Hd02nPzx71LmWvTe5r9B";
pub(crate) const PLACE: &str = "hearth_secret_key_";

/// Hands that the test moves.
#[derive(Default)]
pub(crate) struct Hands(pub(crate) Mutex<Duration>);

impl Clock for Hands {
    fn mono(&self) -> Mono {
        Mono(*self.0.lock().unwrap())
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + i64::try_from(self.0.lock().unwrap().as_secs()).unwrap()).unwrap()
    }
}

#[derive(Default)]
pub(crate) struct Counter(Mutex<u128>);

impl Ids for Counter {
    fn fresh(&self) -> Uuid {
        let mut last = self.0.lock().unwrap();
        *last += 1;
        Uuid::from_u128(*last)
    }
}

pub(crate) fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

pub(crate) fn owner() -> MemberId {
    MemberId::from_uuid(Uuid::from_u128(77))
}

pub(crate) fn value(text: &str) -> SecretSlice<u8> {
    SecretSlice::from(text.as_bytes().to_vec())
}

pub(crate) fn policy(secret: &str, rules: &[String]) -> SecretPolicy {
    SecretPolicy {
        users: BTreeSet::from([Principal::Provider("p".into())]),
        members: None,
        targets: targets(rules, &name(secret)).unwrap(),
        rate: None,
        bytes_out_max: 1 << 20,
        until: None,
        canary: false,
    }
}

/// A keeper over a key folder, and what the house has stored.
pub(crate) struct Vault {
    pub(crate) keeper: Keeper,
    pub(crate) clock: Arc<Hands>,
    /// Goes on over a restart: an id is given once.
    pub(crate) ids: Arc<Counter>,
    pub(crate) stored: Vec<SealedRecord>,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn opened(keys: PathBuf) -> Seal {
    let folder = KeyFolder::open(&keys).unwrap();
    if folder.manifest().unwrap().is_none() {
        return set_up(folder, None, Box::new(SystemEntropy)).unwrap();
    }
    let Found::Keys { source, keys } = find(&ORDER, &folder, None).unwrap() else { panic!("no key file") };
    open_folder(folder, source, keys, Box::new(SystemEntropy)).unwrap()
}

pub(crate) fn keeper(clock: &Arc<Hands>, ids: &Arc<Counter>) -> Keeper {
    Keeper::new(Ports { clock: clock.clone(), ids: ids.clone(), entropy: Arc::new(SystemEntropy) }).unwrap()
}

impl Vault {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, ids) = (Arc::new(Hands::default()), Arc::new(Counter::default()));
        let keeper = keeper(&clock, &ids);
        assert!(keeper.open(opened(folder.path().join("keys"))).is_empty());
        assert!(keeper.load(Vec::new()).is_empty());
        Self { keeper, clock, ids, stored: Vec::new(), folder }
    }

    /// The process was killed, and a fresh one has what the house has stored.
    pub(crate) fn restarted(self) -> (Self, Vec<String>) {
        let Self { keeper: old, clock, ids, stored, folder } = self;
        drop(old);
        let keeper = keeper(&clock, &ids);
        let mut findings = keeper.open(opened(folder.path().join("keys")));
        findings.extend(keeper.load(stored.clone()));
        (Self { keeper, clock, ids, stored, folder }, findings)
    }

    /// The same where something of the old one still runs: the fresh one has a copy of the key folder as it was at that moment.
    pub(crate) fn killed(self) -> (Self, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (self.folder.path().join("keys"), folder.path().join("keys"));
        std::fs::DirBuilder::new().mode(0o700).create(&to).unwrap();
        for file in std::fs::read_dir(from).unwrap().map(|file| file.unwrap()) {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
        Self { folder, ..self }.restarted()
    }

    /// What a house does with a change.
    pub(crate) fn store(&mut self, begun: Begun) -> Result<(), ChangeError> {
        let Begun { write, mut done } = begun;
        let Tell::Write { ticket, put, erase, .. } = write else { panic!("not a write") };
        self.stored.retain(|record| !erase.contains(&record.id) && put.iter().all(|new| new.id != record.id));
        self.stored.extend(put);
        self.keeper.written(ticket, true);
        done.try_recv().unwrap()
    }

    pub(crate) fn add(&mut self, secret: &str, text: &str, policy: SecretPolicy) {
        let begun = self.keeper.begin_add(&name(secret), owner(), policy, &value(text)).unwrap();
        self.store(begun).unwrap();
    }

    pub(crate) fn used(&self) -> Vec<Used> {
        self.keeper.events().take(usize::MAX)
    }

    pub(crate) fn serve(&self) -> Door {
        let gate = Arc::new(KeeperGate::new(self.keeper.clone(), Bounds::default()));
        Door::new(gate, Arc::new(Guarded::new(self.keeper.clone())))
    }
}

/// A broker on a socket.
pub(crate) struct Door {
    pub(crate) socket: PathBuf,
    _tasks: JoinSet<()>,
    _folder: tempfile::TempDir,
}

impl Door {
    pub(crate) fn new(gate: Arc<dyn Gate>, watch: Arc<dyn Watch>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("broker");
        let listener = UnixListener::bind(&socket).unwrap();
        let (resolver, roots) = (Arc::new(SystemResolver), RootCertStore::empty());
        let broker = Broker::new(Settings { gate, watch, resolver, judge: judge(), roots, limits: Limits::default() });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(broker, Entrance::Listener(listener), std::future::pending()));
        Self { socket, _tasks: tasks, _folder: folder }
    }

    pub(crate) fn client(&self) -> reqwest::Client {
        reqwest::Client::builder().unix_socket(self.socket.clone()).redirect(reqwest::redirect::Policy::none()).build().unwrap()
    }
}

/// What a server was sent, as text.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// A server of the LAN that writes down what it is sent.
pub(crate) async fn server(answer: impl Fn(&str) -> Response<Body> + Send + Sync + 'static) -> (Server, Seen) {
    let seen = Seen::default();
    let (notes, answer) = (seen.clone(), Arc::new(answer));
    let server = Server::http(INSIDE, move |request| written_down(request, notes.clone(), answer.clone())).await;
    (server, seen)
}

pub(crate) async fn silent() -> (Server, Seen) {
    server(|_| text("fine")).await
}

type Answers = dyn Fn(&str) -> Response<Body> + Send + Sync;

fn written_down(request: Request<Incoming>, seen: Seen, answer: Arc<Answers>) -> Answering {
    Box::pin(async move {
        let (parts, body) = request.into_parts();
        let mut lines = format!("{} {}\n", parts.method, parts.uri);
        for (name, value) in &parts.headers {
            lines.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        let Ok(body) = body.collect().await else { return text("broken off") };
        lines.push_str(&String::from_utf8_lossy(&body.to_bytes()));
        let answer = answer(parts.uri.path());
        seen.lock().unwrap().push(lines);
        answer
    })
}

/// The broker's own answer: status and code.
pub(crate) fn told(answer: &reqwest::Response) -> (u16, String) {
    let code = answer.headers().get("hearth-broker").map_or("", |value| value.to_str().unwrap());
    (answer.status().as_u16(), code.to_owned())
}
