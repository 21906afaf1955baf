//! The wiring: raises the tree of the house from ports and configuration. Used by the product and by simulations alike.
//!
//! ```text
//! house (one_for_one, small intensity)
//! ├─ store          ├─ audit         ├─ models (sup)         ├─ outbox
//! ├─ vault, egress  ├─ memory        │  ├─ chain             ├─ conversations (sup)
//! ├─ household      ├─ tools (sup)   │  └─ one per provider  │  ├─ directory
//! ├─ policy, budget │  ├─ toolbox    └─ scheduler            │  └─ one per live conversation
//! └─ channels (sup) │  └─ one per tool in use
//!     ├─ local
//!     └─ one per configured channel
//! ```
//!
//! Children start in the order of what they need: the store before its readers, the vault first among them, channels last, so that nobody talks to a house that is
//! half up. Links are made first, from slots, so the order of wiring does not matter.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::conversation::Setting;
use hearth_supervisor::child::Probe;
use hearth_supervisor::link::Link;
use hearth_supervisor::slot::Slot;
use hearth_supervisor::spec::handle::SupervisorHandle;
use hearth_supervisor::spec::{Backoff, ChildSpec, Strategy, SupervisorSpec};
use tokio::sync::watch;

use crate::audit::{self, AttestNow, AuditActor, ListEntries, Record, Verify};
use crate::bridge::{self, BridgeActor};
use crate::budget::{self, BudgetActor, Purse, Used};
use crate::catalog::Catalog;
use crate::channel;
use crate::conversation::Surroundings;
use crate::conversations::ConversationsActor;
use crate::frozen::Frozen;
use crate::guard::Guard;
use crate::house_tools::{self, HouseTools};
use crate::household::glass::{BreakGlass, ReadGlass, WhoReads};
use crate::household::{self, Arrive, Change, HouseholdActor, ListHousehold, Resolve, Who};
use crate::inquire::Inquire;
use crate::local::{Halt, LocalActor, Seen, Subscribe, Tell, Unsubscribe};
use crate::memory::MemoryActor;
use crate::models::{ModelsActor, Rung};
use crate::outbox::{OutboxActor, Outlet};
use crate::policy::together::WaitingTogether;
use crate::policy::{self, Granted, PolicyActor, Stopped, TakeBack, TakeReply, Waiting};
use crate::ports::{House, Ports};
use crate::provider::ProviderActor;
use crate::scheduler::SchedulerActor;
use crate::store::{Save, StoreActor};
use crate::tools::{self, CallTool, GrantTool, Install, ListTools, RemoveTool, RevokeTool, ShowTool, ToolLogs, ToolsActor};
use crate::vault::{List, Lock, Look, Status, Stored, VaultActor};

/// Restarts of the rooms themselves; small, because limits multiply down the tree.
const HOUSE_INTENSITY: (u32, Duration) = (5, Duration::from_secs(60));
/// Restarts of conversations, all together: one that dies at its message gives up by itself after a few.
const CONVERSATIONS_INTENSITY: (u32, Duration) = (60, Duration::from_secs(60));
/// Restarts of channels, all together: one that fails must not take the house with it at once.
const CHANNELS_INTENSITY: (u32, Duration) = (20, Duration::from_secs(60));
/// Room for conversations that are being parked while others wake.
const CONVERSATIONS_SLACK: usize = 64;
/// Room for actors of tools that end while others have their places.
const TOOLS_SLACK: usize = 64;
/// The heartbeat of every room.
const PROBE: Probe = Probe { every: Duration::from_secs(10), deadline: Duration::from_secs(60) };

/// How long opening the store may take: a migration rewrites what is there.
const STORE_START: Duration = Duration::from_secs(600);

/// What the faces of the house may ask of it.
#[derive(Debug, Clone)]
pub struct Doors {
    /// The local channel.
    pub subscribe: Link<Subscribe>,
    /// The local channel.
    pub unsubscribe: Link<Unsubscribe>,
    /// The local channel.
    pub tell: Link<Tell>,
    /// The local channel.
    pub halt: Link<Halt>,
    /// The local channel.
    pub seen: Link<Seen>,
    /// The household.
    pub who: Link<Who>,
    /// The household.
    pub resolve: Link<Resolve>,
    /// The household, for channels and for those who change it.
    pub household: HouseholdDoors,
    /// The audit.
    pub record: Link<Record>,
    /// The audit.
    pub verify: Link<Verify>,
    /// The audit.
    pub attest: Link<AttestNow>,
    /// The audit.
    pub entries: Link<ListEntries>,
    /// The store, for what the faces keep: sessions.
    pub save: Link<Save>,
    /// Changes when sessions of the page may have ended, whoever ended them.
    pub sessions: watch::Receiver<u64>,
    /// The vault: which secrets there are.
    pub secrets: Link<List>,
    /// The vault: how it is.
    pub vault: Link<Status>,
    /// The way out without keys: how it is.
    pub egress: Link<Status>,
    /// The vault: seals itself.
    pub lock: Link<Lock>,
    /// The vault: where secrets stand in a text.
    pub look: Link<Look>,
    /// What the house says of itself.
    pub inquire: Inquire,
    /// The toolbox.
    pub tools: ToolDoors,
    /// Policy.
    pub policy: PolicyDoors,
}

/// What channels, and members who change it, may ask of the household.
#[derive(Debug, Clone)]
pub struct HouseholdDoors {
    /// Whose account is this?
    pub arrive: Link<Arrive>,
    /// A change.
    pub change: Link<Change>,
    /// Who is here?
    pub list: Link<ListHousehold>,
    /// Opens a child's private conversations to a grown-up.
    pub break_glass: Link<BreakGlass>,
    /// Reads them.
    pub read_glass: Link<ReadGlass>,
    /// Who may read a child's just now.
    pub who_reads: Link<WhoReads>,
}

/// What the faces may ask of the toolbox.
#[derive(Debug, Clone)]
pub struct ToolDoors {
    /// Installs or updates a tool.
    pub install: Link<Install>,
    /// Grants what a tool asks for.
    pub grant: Link<GrantTool>,
    /// Takes a grant back.
    pub revoke: Link<RevokeTool>,
    /// Removes a tool.
    pub remove: Link<RemoveTool>,
    /// What is installed.
    pub list: Link<ListTools>,
    /// How a tool is.
    pub show: Link<ShowTool>,
    /// What a tool said.
    pub logs: Link<ToolLogs>,
    /// Calls a function for a member.
    pub call: Link<CallTool>,
}

/// The doors of policy.
#[derive(Debug, Clone)]
pub struct PolicyDoors {
    /// A member's answer to a question.
    pub take_reply: Link<TakeReply>,
    /// What waits for a member's answer.
    pub waiting: Link<Waiting>,
    /// The same of questions about several calls.
    pub waiting_together: Link<WaitingTogether>,
    /// What was allowed.
    pub granted: Link<Granted>,
    /// An end of that.
    pub take_back: Link<TakeBack>,
    /// What the house is stopped by.
    pub stopped: Link<Stopped>,
    /// What was used of budgets.
    pub used: Link<Used>,
}

impl ToolDoors {
    fn new(slot: &Slot<ToolsActor>) -> Self {
        Self {
            install: slot.link(),
            grant: slot.link(),
            revoke: slot.link(),
            remove: slot.link(),
            list: slot.link(),
            show: slot.link(),
            logs: slot.link(),
            call: slot.link(),
        }
    }
}

/// The slots of all rooms.
struct Slots {
    store: Slot<StoreActor>,
    vault: Slot<VaultActor>,
    egress: Slot<VaultActor>,
    household: Slot<HouseholdActor>,
    policy: Slot<PolicyActor>,
    budget: Slot<BudgetActor>,
    audit: Slot<AuditActor>,
    memory: Slot<MemoryActor>,
    scheduler: Slot<SchedulerActor>,
    outbox: Slot<OutboxActor>,
    local: Slot<LocalActor>,
    bridges: Vec<Slot<BridgeActor>>,
    conversations: Slot<ConversationsActor>,
    models: Slot<ModelsActor>,
    tools: Slot<ToolsActor>,
}

impl Slots {
    fn new(ports: &Ports, house: &House) -> Self {
        let (size, wires) = (house.limits.mailbox, &ports.wires);
        Self {
            store: Slot::new("store", house.limits.waiting_commits, wires),
            vault: Slot::new("vault", size, wires),
            egress: Slot::new("egress", size, wires),
            household: Slot::new("household", size, wires),
            policy: Slot::new("policy", size, wires),
            budget: Slot::new("budget", size, wires),
            audit: Slot::new("audit", size, wires),
            memory: Slot::new("memory", size, wires),
            scheduler: Slot::new("scheduler", size, wires),
            outbox: Slot::new("outbox", size, wires),
            local: Slot::new("local", size.saturating_mul(4), wires),
            bridges: ports.channels.iter().map(|channel| Slot::new(channel.name(), size, wires)).collect(),
            conversations: Slot::new("directory", size.saturating_mul(4), wires),
            models: Slot::new("chain", size, wires),
            tools: Slot::new("toolbox", size, wires),
        }
    }
}

/// Raises the tree: its specification, and the doors through which faces reach it. Nothing runs yet.
#[must_use]
pub fn build(ports: &Ports, house: &House) -> (SupervisorSpec, Doors) {
    let slots = Slots::new(ports, house);
    let save = slots.store.link::<Save>();
    let (ended, sessions) = watch::channel(0);
    let stored = Stored::default();
    let catalog = Catalog::new(house_tools::specs().into_iter().chain(ports.tools.specs()));
    let frozen = Frozen::default();
    let guard = Guard::new(slots.vault.link(), stored.clone(), &house.limits);
    let purse = Purse::new(house.budgets.clone(), &slots.budget, &house.limits);
    let (rungs, models) = models(ports, house, &slots, (&guard, &purse));
    let providers: Vec<_> = rungs.iter().filter(|rung| !rung.house).map(|rung| rung.name.clone()).collect();
    let inquire = Inquire::new(Arc::clone(&ports.store), house.limits.read_deadline, providers);
    let doors = Doors {
        subscribe: slots.local.link(),
        unsubscribe: slots.local.link(),
        tell: slots.local.link(),
        halt: slots.local.link(),
        seen: slots.local.link(),
        who: slots.household.link(),
        resolve: slots.household.link(),
        household: HouseholdDoors {
            arrive: slots.household.link(),
            change: slots.household.link(),
            list: slots.household.link(),
            break_glass: slots.household.link(),
            read_glass: slots.household.link(),
            who_reads: slots.household.link(),
        },
        record: slots.audit.link(),
        verify: slots.audit.link(),
        attest: slots.audit.link(),
        entries: slots.audit.link(),
        save: save.clone(),
        sessions,
        secrets: slots.vault.link(),
        vault: slots.vault.link(),
        egress: slots.egress.link(),
        lock: slots.vault.link(),
        look: slots.vault.link(),
        inquire: inquire.clone(),
        tools: ToolDoors::new(&slots.tools),
        policy: PolicyDoors {
            take_reply: slots.policy.link(),
            waiting: slots.policy.link(),
            waiting_together: slots.policy.link(),
            granted: slots.policy.link(),
            take_back: slots.policy.link(),
            stopped: slots.policy.link(),
            used: slots.budget.link(),
        },
    };
    let spec = SupervisorSpec::new("house", Strategy::OneForOne)
        .intensity(HOUSE_INTENSITY.0, HOUSE_INTENSITY.1)
        .backoff(Backoff::default())
        .child(store(ports, house, &slots, Arc::new(ended)))
        .child(vault(ports, house, &slots, stored))
        .child(egress(ports, house, &slots))
        .child(household(ports, house, &slots))
        .child(policy(ports, house, &slots, (&frozen, &purse)))
        .child(budget(ports, house, &slots, &purse))
        .child(audit(ports, house, &slots))
        .child(memory(ports, house, &slots))
        .child(tools(ports, house, &slots, inquire, (&catalog, &frozen, &purse)))
        .child(models)
        .child(outbox(ports, house, &slots))
        .child(conversations(ports, house, &slots, (catalog, purse)))
        .child(scheduler(ports, house, &slots))
        .child(channels(ports, house, &slots));
    (spec, doors)
}

fn store(ports: &Ports, house: &House, slots: &Slots, ended: Arc<watch::Sender<u64>>) -> ChildSpec {
    let (ports, limits) = (ports.clone(), house.limits.clone());
    ChildSpec::worker(&slots.store, move || {
        let needs = (Arc::clone(&ports.store), Arc::clone(&ports.clock), Arc::clone(&ports.meter));
        StoreActor::open(needs, Arc::clone(&ended), limits.clone())
    })
    .start_deadline(STORE_START)
    .probe(PROBE)
}

fn vault(ports: &Ports, house: &House, slots: &Slots, stored: Stored) -> ChildSpec {
    let (ports, limits) = (ports.clone(), house.limits.clone());
    let (save, settle) = (slots.store.link(), slots.store.link());
    ChildSpec::worker(&slots.vault, move || {
        let actor = VaultActor::new(&ports, save.clone(), settle.clone(), stored.clone(), limits.clone());
        async { Ok(actor) }
    })
    .probe(PROBE)
}

fn egress(ports: &Ports, house: &House, slots: &Slots) -> ChildSpec {
    let (ports, limits) = (ports.clone(), house.limits.clone());
    let (save, settle) = (slots.store.link(), slots.store.link());
    ChildSpec::worker(&slots.egress, move || {
        let actor = VaultActor::egress(&ports, save.clone(), settle.clone(), limits.clone());
        async { Ok(actor) }
    })
    .probe(PROBE)
}

fn household(ports: &Ports, house: &House, slots: &Slots) -> ChildSpec {
    let (ports, house) = (ports.clone(), house.clone());
    let links = household::Links {
        save: slots.store.link(),
        settle: slots.store.link(),
        part: slots.vault.link(),
        announce: slots.conversations.link(),
    };
    ChildSpec::worker(&slots.household, move || HouseholdActor::enrol(house.clone(), ports.clone(), links.clone())).probe(PROBE)
}

fn policy(ports: &Ports, house: &House, slots: &Slots, (frozen, purse): (&Frozen, &Purse)) -> ChildSpec {
    let (ports, house, beside) = (ports.clone(), house.clone(), (frozen.clone(), purse.clone()));
    let links = policy::Links {
        save: slots.store.link(),
        settle: slots.store.link(),
        announce: slots.conversations.link(),
        who: slots.household.link(),
    };
    ChildSpec::worker(&slots.policy, move || {
        PolicyActor::load(Arc::clone(&house.rules), beside.clone(), ports.clone(), links.clone(), house.limits.clone())
    })
    .probe(PROBE)
}

fn budget(ports: &Ports, house: &House, slots: &Slots, purse: &Purse) -> ChildSpec {
    let (ports, limits, purse) = (ports.clone(), house.limits.clone(), purse.clone());
    let links = budget::Links { save: slots.store.link(), announce: slots.conversations.link(), who: slots.household.link() };
    ChildSpec::worker(&slots.budget, move || BudgetActor::load(purse.clone(), ports.clone(), links.clone(), limits.clone())).probe(PROBE)
}

fn audit(ports: &Ports, house: &House, slots: &Slots) -> ChildSpec {
    let (ports, deadline) = (ports.clone(), house.limits.commit_deadline);
    let links = audit::Links { save: slots.store.link(), head: slots.store.link(), attest: slots.vault.link() };
    ChildSpec::worker(&slots.audit, move || {
        let actor = AuditActor::new(Arc::clone(&ports.store), Arc::clone(&ports.clock), links.clone(), deadline);
        async { Ok(actor) }
    })
    .probe(PROBE)
}

fn memory(ports: &Ports, house: &House, slots: &Slots) -> ChildSpec {
    let (ports, save, limits) = (ports.clone(), slots.store.link(), house.limits.clone());
    ChildSpec::worker(&slots.memory, move || {
        let actor = MemoryActor::new(Arc::clone(&ports.store), Arc::clone(&ports.clock), save.clone(), limits.clone());
        async { Ok(actor) }
    })
    .probe(PROBE)
}

/// Each provider and the chain over them. The house's own interpreter goes by the name `house`.
fn models(ports: &Ports, house: &House, slots: &Slots, (guard, purse): (&Guard, &Purse)) -> (Vec<Rung>, ChildSpec) {
    let mut supervisor = SupervisorSpec::new("models", Strategy::OneForOne);
    let mut rungs = Vec::new();
    for (n, model) in ports.models.iter().enumerate() {
        let name = model.name().to_owned();
        let slot: Slot<ProviderActor> = Slot::new(format!("{}-{name}", n.saturating_add(1)), house.limits.mailbox, &ports.wires);
        let own = name == HOUSE_PROVIDER;
        rungs.push(Rung { house: own, name, attempt: slot.link() });
        let purse = (!own).then(|| purse.clone());
        let (model, ports, limits) = (Arc::clone(model), ports.clone(), house.limits.clone());
        supervisor = supervisor.child(
            ChildSpec::worker(&slot, move || {
                let actor = ProviderActor::new(Arc::clone(&model), &ports, purse.clone(), limits.clone());
                async { Ok(actor) }
            })
            .probe(PROBE),
        );
    }
    let (chain, guard, limits) = (rungs.clone(), guard.clone(), house.limits.clone());
    let supervisor = supervisor.child(
        ChildSpec::worker(&slots.models, move || {
            let actor = ModelsActor::new(chain.clone(), guard.clone(), &limits);
            async { Ok(actor) }
        })
        .probe(PROBE),
    );
    (rungs, ChildSpec::supervisor(supervisor))
}

/// The name by which the house's own interpreter is known among the providers.
pub const HOUSE_PROVIDER: &str = "house";

fn tools(
    ports: &Ports,
    house: &House,
    slots: &Slots,
    inquire: Inquire,
    (catalog, frozen, purse): (&Catalog, &Frozen, &Purse),
) -> ChildSpec {
    let own = HouseTools {
        recall: slots.memory.link(),
        keep: slots.memory.link(),
        forget: slots.memory.link(),
        entries: slots.memory.link(),
        remind: slots.scheduler.link(),
        pending: slots.scheduler.link(),
        who: slots.household.link(),
        inquire,
        limits: house.limits.clone(),
    };
    let links = tools::Links {
        save: slots.store.link(),
        settle: slots.store.link(),
        recall: slots.memory.link(),
        decide: slots.policy.link(),
        announce: slots.conversations.link(),
        fell: slots.tools.link(),
    };
    let (ports, limits, catalog, handle) =
        (ports.clone(), house.limits.clone(), (catalog.clone(), frozen.clone(), purse.clone()), SupervisorHandle::new());
    let children = handle.clone();
    let toolbox = ChildSpec::worker(&slots.tools, move || {
        let (ports, links) = (ports.clone(), links.clone());
        let actor = ToolsActor::new(own.clone(), ports, links, catalog.clone(), children.clone(), limits.clone());
        async move {
            actor.foretell().await;
            Ok(actor)
        }
    });
    // What the toolbox does not know of must not run: its tools end when it does.
    let supervisor = SupervisorSpec::new("tools", Strategy::RestForOne)
        .children_max(house.limits.tools.saturating_add(TOOLS_SLACK))
        .handle(&handle)
        .child(toolbox.probe(PROBE));
    ChildSpec::supervisor(supervisor)
}

fn outbox(ports: &Ports, house: &House, slots: &Slots) -> ChildSpec {
    let (ports, limits, save) = (ports.clone(), house.limits.clone(), slots.store.link());
    let mut outlets = vec![Outlet { channel: channel::LOCAL.to_owned(), hand: slots.local.link() }];
    outlets.extend(slots.bridges.iter().map(|slot| Outlet { channel: slot.name().to_string(), hand: slot.link() }));
    ChildSpec::worker(&slots.outbox, move || {
        OutboxActor::load(Arc::clone(&ports.store), Arc::clone(&ports.clock), save.clone(), outlets.clone(), limits.clone())
    })
    .probe(PROBE)
}

fn conversations(ports: &Ports, house: &House, slots: &Slots, (tools, purse): (Catalog, Purse)) -> ChildSpec {
    let handle = SupervisorHandle::new();
    let around = Surroundings {
        ports: ports.clone(),
        setting: Arc::new(Setting { limits: house.limits.clone(), household: house.name.clone() }),
        tools,
        purse,
        save: slots.store.link(),
        settle: slots.store.link(),
        recall: slots.memory.link(),
        complete: slots.models.link(),
        decide: slots.policy.link(),
        foresee: slots.policy.link(),
        ask_about: slots.policy.link(),
        wait: slots.policy.link(),
        withdraw: slots.policy.link(),
        take_reply: slots.policy.link(),
        call: slots.tools.link(),
        deliver: slots.outbox.link(),
        preview: slots.local.link(),
    };
    let children = handle.clone();
    let directory = ChildSpec::worker(&slots.conversations, move || {
        let actor = ConversationsActor::new(around.clone(), children.clone());
        async { Ok(actor) }
    });
    let supervisor = SupervisorSpec::new("conversations", Strategy::OneForOne)
        .intensity(CONVERSATIONS_INTENSITY.0, CONVERSATIONS_INTENSITY.1)
        .children_max(house.limits.live_conversations.saturating_add(CONVERSATIONS_SLACK))
        .handle(&handle)
        .child(directory.probe(PROBE));
    ChildSpec::supervisor(supervisor)
}

fn scheduler(ports: &Ports, house: &House, slots: &Slots) -> ChildSpec {
    let (ports, limits, announce) = (ports.clone(), house.limits.clone(), slots.conversations.link());
    let (save, settle) = (slots.store.link(), slots.store.link());
    ChildSpec::worker(&slots.scheduler, move || {
        let (store, clock) = (Arc::clone(&ports.store), Arc::clone(&ports.clock));
        SchedulerActor::load(store, clock, save.clone(), settle.clone(), announce.clone(), limits.clone())
    })
    .probe(PROBE)
}

fn channels(ports: &Ports, house: &House, slots: &Slots) -> ChildSpec {
    let (store, limits) = (Arc::clone(&ports.store), house.limits.clone());
    let (resolve, submit, stop, confirm) =
        (slots.household.link(), slots.conversations.link(), slots.conversations.link(), slots.outbox.link());
    let local = ChildSpec::worker(&slots.local, move || {
        let actor = LocalActor::new(Arc::clone(&store), limits.clone(), resolve.clone(), submit.clone(), stop.clone(), confirm.clone());
        async { Ok(actor) }
    });
    let links = bridge::Links {
        arrive: slots.household.link(),
        gather: slots.household.link(),
        attend: slots.household.link(),
        doubt: slots.household.link(),
        locate: slots.household.link(),
        change: slots.household.link(),
        submit: slots.conversations.link(),
        settle: slots.outbox.link(),
    };
    let supervisor = SupervisorSpec::new("channels", Strategy::OneForOne).intensity(CHANNELS_INTENSITY.0, CHANNELS_INTENSITY.1);
    let bridges = slots.bridges.iter().zip(&ports.channels).map(|(slot, transport)| {
        let (ports, transport, links, limits) = (ports.clone(), Arc::clone(transport), links.clone(), house.limits.clone());
        ChildSpec::worker(slot, move || {
            let actor = BridgeActor::new(Arc::clone(&transport), &ports, links.clone(), limits.clone());
            async { Ok(actor) }
        })
        .probe(PROBE)
    });
    ChildSpec::supervisor(bridges.fold(supervisor.child(local.probe(PROBE)), SupervisorSpec::child))
}
