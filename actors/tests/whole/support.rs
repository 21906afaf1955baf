//! A house over doubles, in the test's own system.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use hearth_actors::audit::{AttestNow, AuditError};
use hearth_actors::local::Tell;
use hearth_actors::ports::{House as Household, Ports};
use hearth_actors::tree::{Doors, build};
use hearth_conformance::double::{MemoryStore, Operation, Ruling, Sleeper, StoreFaults, Verdict};
use hearth_domain::budget::Settings;
use hearth_domain::chance::Seed;
use hearth_domain::channel::Transport;
use hearth_domain::household::{Member, Place, Role};
use hearth_domain::http::NoHttp;
use hearth_domain::ids::Ids;
use hearth_domain::journal::check::Attested;
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::limits::Limits;
use hearth_domain::message::{Author, Part};
use hearth_domain::meter::NoMeter;
use hearth_domain::model::{Arguments, DeltaSink, Model, ModelError, ModelReply, ModelRequest, StopReason, ToolCall, Usage, Utterance};
use hearth_domain::sandbox::{NoSandboxes, Role as For, Sandboxes};
use hearth_domain::store::StoreError;
use hearth_domain::time::{Clock, Mono, Timestamp};
use hearth_domain::tool::{Annotations, Effect, Invocation, ToolError, ToolOutput, ToolSpec, Tools};
use hearth_domain::vault::{Ask, NoVault, Started, Tell as Told, VaultError, VaultLine, VaultProcess, VaultState};
use hearth_rules::rules::Rules;
use hearth_supervisor::root::{Root, RootHandle, RootOptions};
use hearth_supervisor::wires::Wires;
use serde_json::json;
use tokio::sync::{mpsc, watch};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A child operates what an adult allows, at any time.
const OWN_RULE: &str = "@id(\"mia-asks\")\n@says(\"Mia operates what an adult allows\")\npermit (principal == Member::\"Mia\", action == Action::\"physical\", \
                        resource)\nwhen { context.order == Order::\"grant\" };\n@id(\"late\")\n@says(\"nobody sleeps\")\n@replaces(\"child-quiet-hours\")\nforbid \
                        (principal, action, resource) when { context.minute < 0 };\n";

/// Time goes on with every look at it.
#[derive(Default)]
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn wall(&self) -> Timestamp {
        Timestamp::from_second(1_780_000_000).unwrap()
    }
    fn mono(&self) -> Mono {
        Mono(Duration::from_millis(self.0.fetch_add(1, Ordering::SeqCst)))
    }
}

struct Counted(Arc<AtomicU64>);

impl Ids for Counted {
    fn fresh(&self) -> uuid::Uuid {
        uuid::Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::SeqCst)))
    }
}

/// A disk that fills up.
pub(crate) struct Disk {
    fails: Mutex<Option<StoreError>>,
    failed: watch::Sender<usize>,
}

impl Disk {
    pub(crate) fn fail_with(&self, error: Option<StoreError>) {
        *self.fails.lock().unwrap() = error;
    }

    /// When so many writes failed.
    pub(crate) async fn failed(&self, count: usize) {
        self.failed.subscribe().wait_for(|failed| *failed >= count).await.unwrap();
    }
}

impl StoreFaults for Disk {
    fn rule(&self, operation: Operation) -> Ruling {
        match self.fails.lock().unwrap().clone().filter(|_| operation == Operation::Apply) {
            Some(error) => {
                self.failed.send_modify(|failed| *failed += 1);
                Ruling { verdict: Verdict::Fail(error), ..Ruling::default() }
            }
            None => Ruling::default(),
        }
    }
}

/// A model that calls something once in each turn and then says what it was told: `act`, or what the words ask for, with targets of its own.
pub(crate) struct Caller {
    held: watch::Sender<bool>,
    asked: watch::Sender<usize>,
}

impl Caller {
    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    pub(crate) fn go_on(&self) {
        self.held.send_replace(false);
    }

    pub(crate) async fn asked(&self) {
        self.asked.subscribe().wait_for(|asked| *asked > 0).await.unwrap();
    }
}

struct Port(Arc<Caller>);

impl Model for Port {
    fn name(&self) -> &str {
        "caller"
    }

    fn complete(&self, request: Arc<ModelRequest>, _: DeltaSink) -> BoxFuture<'static, Result<ModelReply, ModelError>> {
        let caller = Arc::clone(&self.0);
        async move {
            caller.asked.send_modify(|asked| *asked += 1);
            caller.held.subscribe().wait_for(|held| !held).await.unwrap();
            let told = match request.history.last() {
                Some(Utterance::ToolResult { content, .. }) => Some(content.clone()),
                _ => None,
            };
            let (text, calls, stop) = match told {
                Some(told) => (format!("I was told: {told}"), Vec::new(), StopReason::End),
                None => (String::new(), wanted(&request), StopReason::ToolUse),
            };
            Ok(ModelReply { text, calls, usage: Usage::default(), stop, provider: "caller".to_owned() })
        }
        .boxed()
    }
}

/// The calls for what somebody said last.
fn wanted(request: &ModelRequest) -> Vec<ToolCall> {
    let said = request.history.iter().rev().find_map(|one| match one {
        Utterance::User { parts } => parts.iter().find_map(|part| if let Part::Text { text } = part { Some(text.clone()) } else { None }),
        Utterance::Assistant { .. } | Utterance::ToolResult { .. } => None,
    });
    let said = said.unwrap_or_default();
    let call = |(n, (name, arguments)): (usize, (&str, serde_json::Value))| ToolCall {
        id: n.to_string(),
        name: name.to_owned(),
        arguments: Arguments::Json(arguments),
    };
    let calls = match said.split_once(' ') {
        Some(("switch", rest)) => vec![("lamp__switch", json!({ "id": format!("the one of {rest}") }))],
        Some(("tidy", _)) => ["one", "two", "three", "four"].map(|id| ("files__remove", json!({ "id": id }))).into(),
        _ => vec![("act", json!({}))],
    };
    calls.into_iter().enumerate().map(call).collect()
}

/// A tool with an effect that takes until it is told to finish.
pub(crate) struct Act {
    calls: watch::Sender<usize>,
    waited_for: AtomicUsize,
    finish: watch::Sender<bool>,
    pub(crate) dropped: AtomicUsize,
}

impl Act {
    /// When one more call than before has begun.
    pub(crate) async fn started(&self) {
        let count = self.waited_for.fetch_add(1, Ordering::SeqCst);
        self.calls.subscribe().wait_for(|calls| *calls > count).await.unwrap();
    }

    pub(crate) fn finish(&self) {
        self.finish.send_replace(true);
    }

    pub(crate) fn calls(&self) -> usize {
        *self.calls.borrow()
    }
}

struct Work(Arc<Act>, bool);

impl Drop for Work {
    fn drop(&mut self) {
        if !self.1 {
            self.0.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

struct Acts(Arc<Act>);

impl Tools for Acts {
    fn specs(&self) -> Vec<ToolSpec> {
        let spec = |name: &str, effect| ToolSpec {
            name: name.to_owned(),
            description: "Acts.".to_owned(),
            parameters: json!({ "type": "object" }),
            effect,
            idempotent: false,
            annotations: Annotations {
                tool: name.split_once("__").map_or(String::new(), |(tool, _)| format!("own/{tool}")),
                arguments: [("/id".to_owned(), For::Id)].into(),
                ..Annotations::default()
            },
        };
        vec![spec("act", Effect::WriteOwn), spec("lamp__switch", Effect::Physical), spec("files__remove", Effect::Delete)]
    }

    fn call(&self, invocation: Invocation) -> BoxFuture<'static, Result<ToolOutput, ToolError>> {
        let act = Arc::clone(&self.0);
        async move {
            let mut work = Work(Arc::clone(&act), false);
            act.calls.send_modify(|calls| *calls += 1);
            act.finish.subscribe().wait_for(|finish| *finish).await.unwrap();
            work.1 = true;
            Ok(ToolOutput { value: json!("done"), label: invocation.label })
        }
        .boxed()
    }
}

/// A vault that keeps nothing but the journal's end.
#[derive(Clone, Default)]
pub(crate) struct Keeper(Arc<Mutex<Option<Attested>>>);

impl Keeper {
    pub(crate) fn newest(&self) -> Option<Attested> {
        *self.0.lock().unwrap()
    }

    fn answer(&self, ask: Ask) -> Option<Told> {
        match ask {
            Ask::Records { .. } => Some(Told::Up { state: VaultState::Open, findings: Vec::new(), confined: Vec::new() }),
            Ask::Attest { id, head, at } => {
                let mut newest = self.0.lock().unwrap();
                if let Some(head) = head.filter(|head| newest.is_none_or(|known| head.seq > known.head.seq)) {
                    *newest = Some(Attested { head, at });
                }
                Some(Told::Attested { id, newest: Ok(*newest) })
            }
            Ask::Beat { id } => Some(Told::Beat { id }),
            Ask::Look { id, .. } => Some(Told::Found { id, spans: Vec::new() }),
            Ask::List { id } => Some(Told::Listed { id, secrets: Vec::new() }),
            Ask::Written { .. } | Ask::Part { .. } | Ask::Lock | Ask::Stop => None,
        }
    }
}

struct Line(mpsc::UnboundedSender<Ask>);

impl VaultLine for Line {
    fn ask(&mut self, ask: Ask) -> bool {
        self.0.send(ask).is_ok()
    }
    fn kill(&mut self) {}
}

impl VaultProcess for Keeper {
    fn start(&self) -> BoxFuture<'static, Result<Started, VaultError>> {
        let (asks, heard) = mpsc::unbounded_channel();
        let keeper = self.clone();
        let heard = futures_util::stream::unfold(heard, |mut heard| async move { heard.recv().await.map(|ask| (ask, heard)) });
        let tells = heard.filter_map(move |ask| std::future::ready(keeper.answer(ask))).boxed();
        let started: Started = (Box::new(Line(asks)), tells);
        std::future::ready(Ok(started)).boxed()
    }
}

/// What a house is over.
pub(crate) struct Doubles {
    pub(crate) store: MemoryStore,
    pub(crate) disk: Arc<Disk>,
    pub(crate) model: Arc<Caller>,
    pub(crate) tool: Arc<Act>,
    pub(crate) vault: Keeper,
    pub(crate) ids: Arc<AtomicU64>,
    pub(crate) budgets: Settings,
    pub(crate) sandboxes: Arc<dyn Sandboxes>,
    pub(crate) channels: Vec<Arc<dyn Transport>>,
}

impl Doubles {
    pub(crate) fn new(store: MemoryStore) -> Self {
        Self {
            store,
            disk: Arc::new(Disk { fails: Mutex::default(), failed: watch::Sender::new(0) }),
            model: Arc::new(Caller { held: watch::Sender::new(false), asked: watch::Sender::new(0) }),
            tool: Arc::new(Act {
                calls: watch::Sender::new(0),
                waited_for: AtomicUsize::new(0),
                finish: watch::Sender::new(false),
                dropped: AtomicUsize::new(0),
            }),
            vault: Keeper::default(),
            ids: Arc::new(AtomicU64::new(1)),
            budgets: Settings::default(),
            sandboxes: Arc::new(NoSandboxes),
            channels: Vec::new(),
        }
    }

    /// With a disk that can fail.
    pub(crate) fn faulty() -> Self {
        let doubles = Self::new(MemoryStore::new());
        let sleeper: Sleeper = Arc::new(|_| std::future::ready(()).boxed());
        Self { store: doubles.store.clone().with_faults(doubles.disk.clone(), sleeper), ..doubles }
    }

    /// As the next house finds them: what is stored, and nothing under way.
    pub(crate) fn again(self) -> Self {
        let fresh = Self::new(self.store.successor());
        Self { vault: self.vault, ids: self.ids, budgets: self.budgets, ..fresh }
    }

    /// The facts of a kind, in order.
    pub(crate) fn facts(&self, kind: FactKind) -> Vec<Fact> {
        self.store.rows().journal.into_values().map(|entry| entry.fact).filter(|fact| fact.kind == kind).collect()
    }
}

/// A house that is up.
pub(crate) struct House {
    root: RootHandle,
    pub(crate) doors: Doors,
    store: MemoryStore,
    said: AtomicUsize,
}

impl House {
    pub(crate) fn member(name: &str, role: Role) -> Member {
        Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "UTC".to_owned() }
    }

    pub(crate) async fn raise(doubles: &Doubles) -> Self {
        let ports = Ports {
            store: Arc::new(doubles.store.clone()),
            clock: Arc::new(Ticking::default()),
            ids: Arc::new(Counted(doubles.ids.clone())),
            models: vec![Arc::new(Port(doubles.model.clone()))],
            tools: Arc::new(Acts(doubles.tool.clone())),
            vault: Arc::new(doubles.vault.clone()),
            egress: Arc::new(NoVault),
            http: Arc::new(NoHttp),
            sandboxes: doubles.sandboxes.clone(),
            channels: doubles.channels.clone(),
            meter: Arc::new(NoMeter),
            seed: Seed::from_u64(1),
            wires: Wires::plain(),
        };
        let members = vec![Self::member("Ada", Role::Owner), Self::member("Mia", Role::Child), Self::member("Tom", Role::Teen)];
        let rules = Arc::new(Rules::new(Rules::DEFAULTS, OWN_RULE).unwrap());
        let (name, limits, budgets) = ("home".to_owned(), Limits::default(), doubles.budgets.clone());
        let (spec, doors) = build(&ports, &Household { name, members, limits, rules, budgets });
        let root = Root::start(spec, RootOptions { seed: 1, observer: None, watchdog: None });
        root.started().await.unwrap();
        Self { root, doors, store: doubles.store.clone(), said: AtomicUsize::new(doubles.store.rows().messages.len()) }
    }

    /// Ada says something.
    pub(crate) async fn say(&self, text: &str) {
        self.say_as(None, text).await;
    }

    /// Somebody says something.
    pub(crate) async fn say_as(&self, who: Option<&str>, text: &str) {
        let nonce = self.said.fetch_add(1, Ordering::SeqCst).to_string();
        let tell = Tell { identity: who.map(str::to_owned), thread: String::new(), nonce, text: text.to_owned(), images: Vec::new() };
        self.doors.tell.ask(tell, PATIENCE).await.unwrap().unwrap();
    }

    /// The house's answer of that number to Ada, from 1, once it is there.
    pub(crate) async fn answer(&self, number: usize) -> String {
        let conversation = Place::main(Member::id_of("Ada"));
        loop {
            let rows = self.store.rows();
            let mut said = rows.messages_of(conversation, 0).filter(|message| message.author == Author::House);
            if let Some(message) = said.nth(number - 1) {
                return message.text.clone();
            }
            drop(said);
            tokio::task::yield_now().await;
        }
    }

    /// What the house has said to somebody.
    pub(crate) fn heard(&self, who: &str) -> Vec<String> {
        let rows = self.store.rows();
        let said = rows.messages_of(Place::main(Member::id_of(who)), 0).filter(|message| message.author == Author::House);
        said.map(|message| message.text.clone()).collect()
    }

    /// The newest message of the house to somebody with these words in it, once it is there.
    pub(crate) async fn hears(&self, who: &str, words: &str) -> String {
        loop {
            if let Some(text) = self.heard(who).into_iter().rev().find(|text| text.contains(words)) {
                return text;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Has the vault keep the journal's end, once it is up.
    pub(crate) async fn attest(&self) -> Result<Attested, AuditError> {
        loop {
            match self.doors.attest.ask(AttestNow, PATIENCE).await.unwrap() {
                Err(AuditError::Vault(VaultError::Gone)) => tokio::task::yield_now().await,
                ended => return ended,
            }
        }
    }

    pub(crate) async fn stop(self) {
        self.root.stop().await;
    }
}
