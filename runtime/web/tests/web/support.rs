//! A whole house on a thread of its own, over doubles, with its page on loopback.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hearth_actors::household::Change;
use hearth_actors::household::glass::{BreakGlass, ReadGlass};
use hearth_actors::ports::{House as Household, Ports};
use hearth_actors::tree::{Doors, build};
use hearth_conformance::double::MemoryStore;
use hearth_domain::budget::Settings;
use hearth_domain::chance::Seed;
use hearth_domain::household::pairing::Setting;
use hearth_domain::household::wish::Wish;
use hearth_domain::household::{Member, Role};
use hearth_domain::http::NoHttp;
use hearth_domain::ids::{Ids, MemberId};
use hearth_domain::journal::{Digest, FactKind};
use hearth_domain::limits::Limits;
use hearth_domain::message::Part;
use hearth_domain::meter::NoMeter;
use hearth_domain::model::{DeltaSink, Model, ModelError, ModelReply, ModelRequest, StopReason, Usage, Utterance};
use hearth_domain::sandbox::NoSandboxes;
use hearth_domain::store::Store;
use hearth_domain::time::{Clock, Mono, Timestamp};
use hearth_domain::tool::{Invocation, ToolError, ToolOutput, ToolSpec, Tools};
use hearth_domain::vault::NoVault;
use hearth_rules::rules::Rules;
use hearth_supervisor::root::{Root, RootOptions};
use hearth_supervisor::wires::Wires;
use hearth_web::login::LoginLinks;
use hearth_web::metrics::Metrics;
use hearth_web::server::{WebOptions, start};
use tokio::sync::{Notify, oneshot};

use crate::http::{Answer, Events, PATIENCE, send};

pub(crate) const METRICS_TOKEN: &str = "scrape-me";

/// A clock that a test can put forward.
pub(crate) struct TestClock {
    began: Instant,
    ahead: AtomicU64,
}

impl TestClock {
    pub(crate) fn put_forward(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }

    fn since(&self) -> Duration {
        self.began.elapsed() + Duration::from_secs(self.ahead.load(Ordering::SeqCst))
    }
}

impl Clock for TestClock {
    fn mono(&self) -> Mono {
        Mono(self.since())
    }
    fn wall(&self) -> Timestamp {
        "2026-04-21T12:05:00Z".parse::<Timestamp>().unwrap().checked_add(self.since()).unwrap()
    }
}

struct Counter(AtomicU64);

impl Ids for Counter {
    fn fresh(&self) -> uuid::Uuid {
        uuid::Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::SeqCst)))
    }
}

/// A model that says what it is told to: `say:TEXT` is answered with TEXT; `slow:TEXT` streams it and waits for the gate.
struct Echo(Arc<Notify>);

impl Model for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn complete(&self, request: Arc<ModelRequest>, deltas: DeltaSink) -> BoxFuture<'static, Result<ModelReply, ModelError>> {
        let gate = Arc::clone(&self.0);
        async move {
            let told = request.history.iter().rev().find_map(|utterance| match utterance {
                Utterance::User { parts } => {
                    parts.iter().find_map(|part| if let Part::Text { text } = part { Some(text.clone()) } else { None })
                }
                _ => None,
            });
            let told = told.unwrap_or_default();
            let text = match told.split_once("slow:") {
                Some((_, text)) => {
                    text.split_inclusive(' ').for_each(|piece| deltas(piece));
                    gate.notified().await;
                    text
                }
                None => told.split_once("say:").map_or("Indeed.", |(_, text)| text),
            };
            let usage = Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() };
            Ok(ModelReply { text: text.to_owned(), calls: Vec::new(), usage, stop: StopReason::End, provider: "echo".to_owned() })
        }
        .boxed()
    }
}

struct NoTools;

impl Tools for NoTools {
    fn specs(&self) -> Vec<ToolSpec> {
        Vec::new()
    }
    fn call(&self, _: Invocation) -> BoxFuture<'static, Result<ToolOutput, ToolError>> {
        async { Err(ToolError::Unknown) }.boxed()
    }
}

/// A running house.
pub(crate) struct House {
    pub(crate) port: u16,
    pub(crate) links: LoginLinks,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) store: Arc<MemoryStore>,
    /// Lets one slow answer go.
    pub(crate) gate: Arc<Notify>,
    doors: Doors,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

pub(crate) fn member(name: &str, role: Role) -> Member {
    Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "Europe/Berlin".to_owned() }
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self::over(limits, MemoryStore::new(), 0, 1)
    }

    /// The house after a restart: the same data and the same address.
    pub(crate) fn again(store: MemoryStore, port: u16) -> Self {
        Self::over(Limits::default(), store, port, 1_000_000)
    }

    fn over(limits: Limits, store: MemoryStore, port: u16, first_id: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let clock = Arc::new(TestClock { began: Instant::now(), ahead: AtomicU64::new(0) });
        let (store, gate) = (Arc::new(store), Arc::new(Notify::new()));
        let secrets = AtomicU64::new(0);
        let random = move |bytes: &mut [u8]| {
            let digest = Digest::of(&secrets.fetch_add(1, Ordering::SeqCst).to_be_bytes()).to_string();
            let mut digits = digest.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
            bytes.iter_mut().for_each(|byte| *byte = digits.next().unwrap());
        };
        let links = LoginLinks::new(clock.clone(), Arc::new(random));
        let ports = Ports {
            store: store.clone(),
            clock: clock.clone(),
            ids: Arc::new(Counter(AtomicU64::new(first_id))),
            models: vec![Arc::new(Echo(gate.clone()))],
            tools: Arc::new(NoTools),
            vault: Arc::new(NoVault),
            egress: Arc::new(NoVault),
            http: Arc::new(NoHttp),
            sandboxes: Arc::new(NoSandboxes),
            channels: Vec::new(),
            meter: Arc::new(NoMeter),
            seed: Seed::from_u64(1),
            wires: Wires::plain(),
        };
        let members = vec![member("Ada", Role::Owner), member("Bob", Role::Adult), member("Mia", Role::Child)];
        let (name, rules) = ("The Lovelace house".to_owned(), Arc::new(Rules::new(Rules::DEFAULTS, "").unwrap()));
        let household = Household { name, members, limits, rules, budgets: Settings::default() };
        let ((up, is_up), (stop, stopped)) = (mpsc::channel(), oneshot::channel());
        let login = links.clone();
        let thread = std::thread::Builder::new().spawn(move || {
            let serve = serve(listener, ports, household, login, up, stopped);
            actix::System::new().block_on(serve);
        });
        let doors = is_up.recv().unwrap();
        Self { port, links, clock, store, gate, doors, stop: Some(stop), thread: Some(thread.unwrap()) }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.host())
    }

    /// A read without a session.
    pub(crate) fn get(&self, path: &str) -> Answer {
        send(self.port, "GET", path, &[("Host", &self.host())], b"")
    }

    /// A login attempt as the login page makes it.
    pub(crate) fn try_login(&self, token: &str) -> Answer {
        let body = form(&[("token", token)]);
        let headers = [("Host", self.host()), ("Origin", self.origin()), ("Content-Type", FORM.to_owned())];
        post(self.port, "/login", &headers, &body)
    }

    /// Logs a member in.
    pub(crate) fn login(&self, name: &str) -> Browser<'_> {
        let answer = self.try_login(&self.links.issue(Member::id_of(name)));
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{}", answer.body);
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let mut browser = Browser { house: self, cookie, csrf: String::new() };
        let page = browser.get("/").body;
        browser.csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        browser
    }

    /// Has a member change the household.
    pub(crate) fn change(&self, by: &str, wish: Wish) {
        let change = Change { by: Member::id_of(by), from: Setting::Private, wish };
        let changed = self.doors.household.change.ask(change, PATIENCE);
        actix::System::new().block_on(changed).unwrap().unwrap();
    }

    /// Opens a child's conversations to a grown-up; the sentence when it is refused.
    pub(crate) fn break_glass(&self, by: &str, child: &str, reason: &str) -> Result<(), String> {
        let asked = BreakGlass { by: Member::id_of(by), child: child.to_owned(), reason: reason.to_owned() };
        let opened = self.doors.household.break_glass.ask(asked, PATIENCE);
        actix::System::new().block_on(opened).unwrap().map(drop).map_err(|error| error.to_string())
    }

    /// What a grown-up reads of them: the texts.
    pub(crate) fn read_glass(&self, by: &str, child: &str) -> Result<Vec<String>, String> {
        let asked = ReadGlass { by: Member::id_of(by), child: child.to_owned() };
        let read = actix::System::new().block_on(self.doors.household.read_glass.ask(asked, PATIENCE)).unwrap();
        read.map(|all| all.into_iter().flat_map(|(_, said)| said.into_iter().map(|said| said.text)).collect())
            .map_err(|error| error.to_string())
    }

    /// What was recorded of a kind: on whose behalf, and in which words.
    pub(crate) fn told(&self, kind: FactKind) -> Vec<(Option<MemberId>, String)> {
        let entries = self.store.journal(0, 10_000).now_or_never().unwrap().unwrap();
        entries.into_iter().filter(|entry| entry.fact.kind == kind).map(|entry| (entry.fact.who, entry.fact.detail)).collect()
    }

    /// How often something was recorded.
    pub(crate) fn facts(&self, kind: FactKind) -> usize {
        let entries = self.store.journal(0, 10_000).now_or_never().unwrap().unwrap();
        entries.iter().filter(|entry| entry.fact.kind == kind).count()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && !std::thread::panicking()
        {
            thread.join().unwrap();
        }
    }
}

async fn serve(
    listener: TcpListener,
    ports: Ports,
    house: Household,
    login: LoginLinks,
    up: mpsc::Sender<Doors>,
    stopped: oneshot::Receiver<()>,
) {
    let (spec, doors) = build(&ports, &house);
    let metrics = Arc::new(Metrics::new());
    let root = Root::start(spec, RootOptions { seed: 1, observer: Some(metrics.clone()), watchdog: None });
    root.started().await.unwrap();
    let options = WebOptions {
        listener,
        allowed_hosts: vec!["https://hearth.example".to_owned()],
        proxies: vec![std::net::Ipv4Addr::LOCALHOST.into()],
        household: house.name,
        metrics_token: Some(METRICS_TOKEN.to_owned()),
        limits: house.limits,
    };
    let server = start(options, doors.clone(), ports, root.tree(), login, metrics).unwrap();
    up.send(doors).unwrap();
    drop(stopped.await);
    server.stop().await;
    root.stop().await;
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A browser with a session.
pub(crate) struct Browser<'a> {
    pub(crate) house: &'a House,
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

impl Browser<'_> {
    pub(crate) fn get(&self, path: &str) -> Answer {
        send(self.house.port, "GET", path, &[("Host", &self.house.host()), ("Cookie", &self.cookie)], b"")
    }

    /// What the page's script sends; `changes` replaces headers (an empty value leaves one out).
    pub(crate) fn post_as(&self, path: &str, fields: &[(&str, &str)], changes: &[(&str, &str)]) -> Answer {
        let house = self.house;
        let mut headers = vec![
            ("Host", house.host()),
            ("Origin", house.origin()),
            ("Cookie", self.cookie.clone()),
            ("Content-Type", FORM.to_owned()),
            ("Accept", "application/json".to_owned()),
        ];
        for (name, value) in changes {
            headers.retain(|(known, _)| known != name);
            if !value.is_empty() {
                headers.push((name, (*value).to_owned()));
            }
        }
        post(house.port, path, &headers, &form(fields))
    }

    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("csrf", self.csrf.as_str())];
        all.extend(fields);
        self.post_as(path, &all, &[])
    }

    pub(crate) fn say(&self, nonce: &str, text: &str) -> Answer {
        self.post("/say", &[("nonce", nonce), ("text", text)])
    }

    pub(crate) fn events(&self, after: u64) -> Events {
        Events::open(self.house.port, &format!("/events?after={after}"), &[("Host", &self.house.host()), ("Cookie", &self.cookie)]).unwrap()
    }

    /// Says something and waits for its answer.
    pub(crate) fn talk(&self, nonce: &str, text: &str) -> u64 {
        let answer = self.say(nonce, text);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let seq = answer.json()["seq"].as_u64().unwrap();
        self.events(seq).until("message").id.unwrap()
    }
}

fn post(port: u16, path: &str, headers: &[(&str, String)], body: &str) -> Answer {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    send(port, "POST", path, &headers, body.as_bytes())
}

/// Fields as a form sends them.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes()
            .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect::<String>()
    };
    fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}
