//! The vault's process in virtual time: it is given what is sealed, enters and changes secrets as if an owner did, finds their values in
//! texts, uses them, falls silent, and dies. What it knows is what [`values`] says; the house must never.
//!
//! It has no task of its own: it lives in the stream that its actor reads, and dies with it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use hearth_domain::ids::{MemberId, SecretId};
use hearth_domain::journal::Digest;
use hearth_domain::journal::check::Attested;
use hearth_domain::secret::{Principal, SealedRecord, SecretName};
use hearth_domain::time::Clock as _;
use hearth_domain::vault::{Ask, SecretInfo, Span, Started, Tell, Used, VaultError, VaultLine, VaultProcess, VaultState};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::changed::Changed;
use crate::plants::Plant;
use crate::recording::Observer;
use crate::seed::Draw;
use crate::world::{World, lock};

/// How a value begins that people never say. See [`values`].
pub const DEEP: &str = "zqdeep";
/// How one begins that they do say.
pub const SAID: &str = "zqsaid";

/// The values of a secret, over its versions: one that people say, and one that only the vault knows.
#[must_use]
pub fn values(changed: Changed, record: &SealedRecord) -> Vec<String> {
    let deep = |version| format!("{DEEP}{}", own(changed, &record.name, version));
    (1..=record.version).flat_map(|version| [said(changed, &record.name, version), deep(version)]).collect()
}

/// The value that people say.
#[must_use]
pub fn said(changed: Changed, name: &SecretName, version: u32) -> String {
    format!("{SAID}{}", own(changed, name, version))
}

/// One word, which nobody else says by chance.
fn own(changed: Changed, name: &SecretName, version: u32) -> String {
    changed.value(format!("{}v{version}end", name.as_str().replace('-', "")))
}

/// The port.
#[derive(Debug)]
pub struct SimVault {
    world: Arc<World>,
    chance: Arc<Mutex<Draw>>,
}

impl SimVault {
    /// The vault of one life of the house.
    #[must_use]
    pub fn new(world: &Arc<World>, life: usize) -> Self {
        let chance = Draw::of(&world.seed.child("vault"), &life.to_string());
        Self { world: Arc::clone(world), chance: Arc::new(Mutex::new(chance)) }
    }
}

impl VaultProcess for SimVault {
    fn start(&self) -> BoxFuture<'static, Result<Started, VaultError>> {
        let (world, chance) = (Arc::clone(&self.world), Arc::clone(&self.chance));
        async move {
            let (pause, fails, draw) = {
                let mut draw = lock(&chance);
                let fails = !world.is_calm() && draw.happens(world.plan.vault.fail);
                let slow = !world.is_calm() && draw.happens(world.plan.vault.fail);
                let own = Draw::of(&world.seed.child("vault process"), &draw.number(0, u64::MAX - 1).to_string());
                (if slow { draw.millis(1_000, 60_000) } else { draw.millis(5, 40) }, fails, own)
            };
            tokio::time::sleep(pause).await;
            world.note(format!("vault: {}", if fails { "could not be started" } else { "a process" }));
            if fails {
                return Err(VaultError::NotStarted("no more processes".to_owned()));
            }
            Ok(started(&world, draw))
        }
        .boxed()
    }
}

fn started(world: &Arc<World>, draw: Draw) -> Started {
    let (asks, heard) = mpsc::unbounded_channel();
    let (kill, killed) = oneshot::channel();
    let process = Process::new(world, draw, heard, killed);
    let tells = stream::unfold(process, |mut process| async move { process.step().await.map(|tell| (tell, process)) });
    (Box::new(Line { asks, kill: Some(kill) }), tells.boxed())
}

/// The house's end.
struct Line {
    asks: mpsc::UnboundedSender<Ask>,
    kill: Option<oneshot::Sender<()>>,
}

impl VaultLine for Line {
    fn ask(&mut self, ask: Ask) -> bool {
        self.asks.send(ask).is_ok()
    }

    fn kill(&mut self) {
        drop(self.kill.take());
    }
}

/// One process.
struct Process {
    world: Arc<World>,
    draw: Draw,
    asks: mpsc::UnboundedReceiver<Ask>,
    killed: oneshot::Receiver<()>,
    records: BTreeMap<SecretId, SealedRecord>,
    /// Said next.
    out: VecDeque<Tell>,
    /// Entered, and not yet known to be stored.
    entered: Option<Entered>,
    tickets: u64,
    /// When it dies.
    dies: Instant,
    /// When it falls silent.
    silent: Instant,
    is_silent: bool,
    /// When an owner does something, or a secret is used.
    next: Instant,
    up: bool,
}

/// What an owner does.
struct Entered {
    ticket: u64,
    put: Vec<SealedRecord>,
    erase: Vec<SecretId>,
}

impl Process {
    fn new(world: &Arc<World>, mut draw: Draw, asks: mpsc::UnboundedReceiver<Ask>, killed: oneshot::Receiver<()>) -> Self {
        let (now, mix) = (Instant::now(), &world.plan.vault);
        let never = now + Duration::from_secs(10_000_000);
        let mut at = |per_10k: u32, most_ms: u64| if draw.happens(per_10k) { now + draw.millis(1, most_ms) } else { never };
        let (dies, silent) = (at(mix.die, mix.lives_ms.max(1)), at(mix.silent, mix.lives_ms.max(1)));
        // Without secrets nothing ever happens in it.
        let next = if mix.secrets == 0 { never } else { now + draw.millis(1, mix.pause_ms.max(10)) };
        Self {
            world: Arc::clone(world),
            draw,
            asks,
            killed,
            records: BTreeMap::new(),
            out: VecDeque::new(),
            entered: None,
            tickets: 0,
            dies,
            silent,
            is_silent: false,
            next,
            up: false,
        }
    }

    /// What it says next; `None` when it is gone.
    async fn step(&mut self) -> Option<Tell> {
        loop {
            let (now, calm) = (Instant::now(), self.world.is_calm());
            if !self.is_silent && !calm && now >= self.silent {
                self.world.note("vault: falls silent");
                self.world.checkers().vault.is_up(false);
                self.is_silent = true;
            }
            if !self.is_silent
                && let Some(tell) = self.out.pop_front()
            {
                return Some(tell);
            }
            tokio::select! {
                biased;
                _ = &mut self.killed => return self.end("killed"),
                () = tokio::time::sleep_until(self.dies), if !calm => return self.end("dies"),
                ask = self.asks.recv(), if !self.is_silent => match ask {
                    None => return self.end("its line is gone"),
                    Some(Ask::Lock) => return self.end("locks"),
                    Some(Ask::Stop) => return self.end("stops"),
                    Some(ask) => self.hear(ask).await,
                },
                () = tokio::time::sleep_until(self.next), if self.up && !calm => self.act(),
            }
        }
    }

    fn end(&self, how: &str) -> Option<Tell> {
        self.world.note(format!("vault: {how}"));
        None
    }

    async fn hear(&mut self, ask: Ask) {
        // Its work takes a moment.
        tokio::time::sleep(self.draw.millis(0, 2)).await;
        match ask {
            Ask::Records { records, .. } => {
                let found = self.world.checkers().vault.given(&records);
                if let Err(what) = found {
                    self.world.violate(crate::checkers::vault::NAME, what);
                }
                self.records = records.into_iter().map(|record| (record.id, record)).collect();
                self.up = true;
                self.world.checkers().vault.is_up(true);
                self.world.note(format!("vault: up with {} secrets", self.records.len()));
                let findings = if self.draw.happens(1_000) { vec!["a record is of another household".to_owned()] } else { Vec::new() };
                self.out.push_back(Tell::Up { state: VaultState::Open, findings, confined: Vec::new() });
            }
            Ask::Part { gone } => self.records.retain(|_, record| !gone.contains(&record.owner)),
            Ask::Written { ticket, ok } => self.written(ticket, ok),
            Ask::Look { id, text } => self.out.push_back(Tell::Found { id, spans: self.find(&text) }),
            Ask::List { id } => self.out.push_back(Tell::Listed { id, secrets: self.records.values().map(info).collect() }),
            Ask::Attest { id, head, at } => {
                let newest = self.world.checkers().vault.attest(head.map(|head| Attested { head, at }));
                self.out.push_back(Tell::Attested { id, newest: Ok(newest) });
            }
            Ask::Beat { id } => self.out.push_back(Tell::Beat { id }),
            Ask::Lock | Ask::Stop => {}
        }
    }

    fn find(&self, text: &str) -> Vec<Span> {
        if self.world.plan.plant == Some(Plant::BlindGuard) {
            return Vec::new();
        }
        let mut spans = Vec::new();
        for record in self.records.values() {
            for value in values(self.world.plan.changed, record) {
                let at = text.match_indices(&value).map(|(start, _)| Span { start, end: start + value.len(), name: record.name.clone() });
                spans.extend(at);
            }
        }
        spans
    }

    /// An owner does something, or somebody uses a secret.
    fn act(&mut self) {
        let mix = &self.world.plan.vault;
        self.next = Instant::now() + self.draw.millis(10, mix.pause_ms.max(10));
        if self.entered.is_none() && self.draw.happens(6_000) {
            self.enter();
        } else if let Some(record) = self.records.values().next().cloned() {
            for _ in 0..self.draw.size(1, 30) {
                let used = self.used(&record);
                self.out.push_back(Tell::Used { uses: vec![used] });
            }
        }
    }

    fn used(&mut self, record: &SealedRecord) -> Used {
        let alarm = self.draw.happens(300);
        // Planted: what nobody may know decides what everybody may read.
        let values = values(self.world.plan.changed, record).concat();
        let shown = Digest::of(values.as_bytes()).to_string();
        let tells = self.world.plan.plant == Some(Plant::TellingUse);
        let path = if tells { format!("/{}", shown.get(..8).unwrap_or_default()) } else { String::new() };
        Used {
            who: Some(Principal::Provider("alpha".to_owned())),
            member: Some(record.owner),
            secrets: vec![record.name.clone()],
            place: format!("POST https://api.example.com:443{path}"),
            outcome: if alarm { "leak".to_owned() } else { "sent".to_owned() },
            alarm,
            times: 1,
            at: self.world.clock.wall(),
        }
    }

    fn enter(&mut self) {
        let all: Vec<SealedRecord> = self.records.values().cloned().collect();
        let room = u64::try_from(all.len()).unwrap_or(u64::MAX) < self.world.plan.vault.secrets;
        let known = if all.is_empty() || (room && self.draw.coin()) { None } else { Some(self.draw.pick(&all).clone()) };
        let (put, erase, what, name) = match known {
            Some(record) if self.draw.happens(1_000) && !self.world.is_recorded() => (Vec::new(), vec![record.id], "revoked", record.name),
            Some(record) => {
                (vec![self.sealed(record.id, record.owner, &record.name, record.version + 1)], Vec::new(), "rotated", record.name)
            }
            None => {
                let record = self.fresh();
                let name = record.name.clone();
                (vec![record], Vec::new(), "added", name)
            }
        };
        self.tickets += 1;
        let entered = Entered { ticket: self.tickets, put: put.clone(), erase: erase.clone() };
        self.world.note(format!("vault: {what} {name}"));
        self.world.checkers().vault.entered(&put, &erase);
        self.entered = Some(entered);
        self.out.push_back(Tell::Write { ticket: self.tickets, put, erase, what: what.to_owned(), name });
    }

    /// One that never was: what was revoked does not come back.
    fn fresh(&self) -> SealedRecord {
        let n = self.world.checkers().vault.count();
        let members = &self.world.plan.members;
        let owner = members.iter().cycle().nth(n).map_or_else(|| unreachable!("nobody lives here"), |member| member.id);
        let name = SecretName::new(&format!("key-{n}")).unwrap_or_else(|error| unreachable!("{error}"));
        self.sealed(SecretId::derived(&["secret", name.as_str()]), owner, &name, 1)
    }

    /// The envelope follows from the values, and does not hold them.
    fn sealed(&self, id: SecretId, owner: MemberId, name: &SecretName, version: u32) -> SealedRecord {
        let mut record = SealedRecord { id, owner, name: name.clone(), version, envelope: Vec::new() };
        let values = values(self.world.plan.changed, &record).concat();
        record.envelope = Digest::of(values.as_bytes()).to_string().into_bytes();
        self.world.sees(Observer::Vault, || values);
        record
    }

    fn written(&mut self, ticket: u64, ok: bool) {
        let Some(Entered { put, erase, .. }) = self.entered.take_if(|entered| entered.ticket == ticket) else {
            self.world.violate(crate::checkers::vault::NAME, format!("an answer to change {ticket}, which does not wait for one"));
            return;
        };
        self.world.note(format!("vault: change {ticket} {}", if ok { "is stored" } else { "is not stored" }));
        self.world.checkers().vault.answered(&put, &erase, ok);
        if ok {
            self.records.extend(put.into_iter().map(|record| (record.id, record)));
            erase.iter().for_each(|id| drop(self.records.remove(id)));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.world.checkers().vault.is_up(false);
    }
}

fn info(record: &SealedRecord) -> SecretInfo {
    SecretInfo {
        name: record.name.clone(),
        owner: record.owner,
        version: record.version,
        users: Vec::new(),
        targets: Vec::new(),
        guarded: true,
        canary: false,
    }
}
