//! What a seed draws before anything happens: the household, the limits, and its own mix of faults (swarm testing: each seed leaves
//! some faults out, so that none hides another).

use std::time::Duration;

use hearth_domain::chance::Seed;
use hearth_domain::household::Member;
use hearth_domain::limits::Limits;
use hearth_domain::time::Timestamp;

use crate::changed::Changed;
use crate::plants::Plant;
use crate::seed::Draw;
use draws::{house, limits, members, model, people, start, store, tools, vault, wires};

pub(crate) mod draws;

/// Faults on links, in ten thousandths of all messages.
#[derive(Debug, Clone, Default)]
pub struct WireMix {
    /// Given back as if the mailbox were full.
    pub refuse: u32,
    /// Late.
    pub delay: u32,
    /// The longest that one is late, milliseconds.
    pub delay_ms: u64,
    /// The reply of an ask is lost.
    pub lose_reply: u32,
    /// The sender dies.
    pub crash: u32,
}

/// Faults of the store, in ten thousandths of all operations.
#[derive(Debug, Clone, Default)]
pub struct StoreMix {
    /// Fails without effect.
    pub fail: u32,
    /// Fails with effect.
    pub fail_after: u32,
    /// Slow.
    pub slow: u32,
    /// The slowest, milliseconds.
    pub slow_ms: u64,
    /// Whoever asks dies.
    pub crash: u32,
    /// A transaction goes on when the store actor dies, as in a database with threads of its own.
    pub detached: bool,
}

/// What the scripted models do, by weight.
#[derive(Debug, Clone, Default)]
pub struct ModelMix {
    /// The behaviours and their weights.
    pub weights: Vec<(Behaviour, u32)>,
    /// How many scripted models stand in the chain.
    pub models: usize,
    /// Whether house commands answer first.
    pub house_first: bool,
}

/// What a scripted model does at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers with a few words.
    Answer,
    /// Answers with everything that it was shown.
    TellAll,
    /// Answers with very much.
    Long,
    /// Calls house tools.
    HouseTools,
    /// Calls the counting tools.
    CountingTools,
    /// Calls installed tools.
    Installed,
    /// Does what the member says, and nothing else.
    Ideal,
    /// The same, until something that it reads gives an order: then that (WC1).
    Obey,
    /// Is against the household from the first word (WC3).
    Evil,
    /// Calls a tool that is not there.
    UnknownTool,
    /// Calls with arguments that are not JSON, or of the wrong shape.
    Malformed,
    /// Makes a thousand calls.
    Thousand,
    /// Calls with hostile arguments.
    Hostile,
    /// Streams a little and breaks off.
    Cut,
    /// Never answers.
    Silent,
    /// Answers late.
    Slow,
    /// 429.
    RateLimited,
    /// 5xx.
    Unavailable,
    /// No completion.
    Garbled,
    /// 401.
    Unauthorised,
    /// 400.
    Rejected,
    /// Nothing at all.
    Empty,
    /// Declines.
    Refused,
    /// Cut at its length limit.
    Length,
    /// Takes its actor down.
    Crash,
}

impl Behaviour {
    /// Whether it would call the house's tools for ever.
    #[must_use]
    pub fn calls_tools(self) -> bool {
        [Self::HouseTools, Self::CountingTools, Self::Ideal, Self::Obey, Self::Evil].contains(&self)
    }
}

/// Tools that are against the household, and people who deal with them.
#[derive(Debug, Clone, Default)]
pub struct HostileMix {
    /// Whether there are such tools, and errands for them.
    pub tools: bool,
    /// Acts in which somebody answers what the house asks, in ten thousandths.
    pub answers: u32,
    /// Acts in which a stranger writes, or is let in, in ten thousandths.
    pub strangers: u32,
}

/// What the tools outside the tree do, in ten thousandths of all calls.
#[derive(Debug, Clone, Default)]
pub struct ToolMix {
    /// Says no.
    pub fail: u32,
    /// Hangs, before or after its effect.
    pub hang: u32,
    /// Takes the toolbox down, before or after its effect.
    pub crash: u32,
    /// Slow.
    pub slow: u32,
}

/// Installed tools, and what their processes do.
#[derive(Debug, Clone, Default)]
pub struct SandboxMix {
    /// How many tools there are; without any, nobody has anything to do with them.
    pub tools: usize,
    /// Who call them.
    pub callers: usize,
    /// The longest time between two calls of one of those, milliseconds.
    pub pause_ms: u64,
    /// The longest time between two changes of what is installed, milliseconds.
    pub change_ms: u64,
    /// Calls over which something goes wrong, in ten thousandths.
    pub trouble: u32,
    /// Calls that take long, in ten thousandths.
    pub slow: u32,
    /// Starts of processes that go wrong, in ten thousandths.
    pub start: u32,
    /// Calls whose asker goes away, in ten thousandths.
    pub stop: u32,
}

/// What happens in the vault, and to its process.
#[derive(Debug, Clone, Default)]
pub struct VaultMix {
    /// Secrets that owners enter, change and revoke.
    pub secrets: u64,
    /// The longest time between two things that happen in it, milliseconds.
    pub pause_ms: u64,
    /// Processes that die, in ten thousandths.
    pub die: u32,
    /// Processes that fall silent, in ten thousandths.
    pub silent: u32,
    /// The longest time until one does either, milliseconds.
    pub lives_ms: u64,
    /// Starts that fail, and as many that take too long, in ten thousandths.
    pub fail: u32,
    /// Messages in which somebody says a secret, in ten thousandths.
    pub said: u32,
}

/// What happens to the whole house.
#[derive(Debug, Clone, Default)]
pub struct HouseMix {
    /// When the process is killed, from the beginning.
    pub kills: Vec<Duration>,
    /// When it is stopped in order, from the beginning.
    pub stops: Vec<Duration>,
    /// Jumps of the wall clock: when, and by how many seconds.
    pub jumps: Vec<(Duration, i64)>,
}

/// Other people's platforms, and what is said there. Faults in ten thousandths.
#[derive(Debug, Clone, Default)]
pub struct ChannelMix {
    /// How many there are; without any, nobody writes over one.
    pub platforms: usize,
    /// Rooms at each of them.
    pub rooms: usize,
    /// Things that each person does there.
    pub acts: usize,
    /// The mean time between two of those, milliseconds.
    pub pause_ms: u64,
    /// People who do not live here.
    pub outsiders: usize,
    /// Floods, of all acts.
    pub flood: u32,
    /// Messages that come late, after others.
    pub late: u32,
    /// The latest, milliseconds.
    pub late_ms: u64,
    /// Messages that are told once more after they were taken.
    pub twice: u32,
    /// Receipts that are lost.
    pub lose_receipt: u32,
    /// Comings and goings that nobody tells.
    pub miss: u32,
    /// The longest time until a connection is cut, milliseconds; 0 for never.
    pub cut_ms: u64,
    /// The longest time until the next one, milliseconds.
    pub away_ms: u64,
    /// Posts that a platform does not take now.
    pub not_now: u32,
    /// Posts that it refuses.
    pub refuse: u32,
    /// Posts of which it is not known whether they arrived.
    pub in_doubt: u32,
}

/// How people behave.
#[derive(Debug, Clone, Default)]
pub struct PeopleMix {
    /// The mean time between two things that a person does, milliseconds.
    pub pause_ms: u64,
    /// Things that each person does.
    pub acts: usize,
    /// Floods of messages, in ten thousandths of all acts.
    pub flood: u32,
    /// Connections cut, in ten thousandths of all acts.
    pub reconnect: u32,
    /// Conversations of each person.
    pub threads: usize,
    /// Clients of each conversation.
    pub devices: usize,
}

/// The plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The number of the seed.
    pub number: u64,
    /// The people.
    pub members: Vec<Member>,
    /// The bounds.
    pub limits: Limits,
    /// The wall clock at the beginning.
    pub start: Timestamp,
    /// How long faults last.
    pub storm: Duration,
    /// Faults.
    pub wires: WireMix,
    /// Faults.
    pub store: StoreMix,
    /// Faults.
    pub model: ModelMix,
    /// Faults.
    pub tools: ToolMix,
    /// Faults.
    pub sandboxes: SandboxMix,
    /// Faults.
    pub vault: VaultMix,
    /// Faults.
    pub house: HouseMix,
    /// Tools and models against the household.
    pub hostile: HostileMix,
    /// Other people's platforms.
    pub channels: ChannelMix,
    /// People.
    pub people: PeopleMix,
    /// A defect that is there on purpose.
    pub plant: Option<Plant>,
    /// What is other than in the run that this one is compared with.
    pub changed: Changed,
}

impl Plan {
    /// What this seed draws for the scenario `household`.
    #[must_use]
    pub fn draw(number: u64, seed: &Seed, plant: Option<Plant>) -> Self {
        let seed = seed.child("plan");
        let mut draw = Draw::of(&seed, "shape");
        let quiet = draw.happens(700);
        let storm = Duration::from_secs(draw.number(1_200, 3 * 3_600));
        let acts = draw.size(10, 40);
        let pause_ms = u64::try_from(storm.as_millis()).unwrap_or(u64::MAX) / (acts as u64).max(1);
        let on = |name: &str| !quiet && Draw::of(&seed, name).coin();
        let mut plan = Self {
            number,
            members: members(&mut draw),
            limits: limits(&mut Draw::of(&seed, "limits")),
            start: start(&mut draw),
            storm,
            wires: if on("wires?") { wires(&mut Draw::of(&seed, "wires")) } else { WireMix::default() },
            store: if on("store?") { store(&mut Draw::of(&seed, "store")) } else { StoreMix::default() },
            model: model(&mut Draw::of(&seed, "model"), quiet),
            tools: if on("tools?") { tools(&mut Draw::of(&seed, "tools")) } else { ToolMix::default() },
            sandboxes: SandboxMix::default(),
            vault: vault(&mut Draw::of(&seed, "vault"), quiet),
            house: if quiet { HouseMix::default() } else { house(&mut Draw::of(&seed, "house"), storm) },
            hostile: HostileMix::default(),
            channels: ChannelMix::default(),
            people: people(&mut Draw::of(&seed, "people"), acts, pause_ms),
            plant,
            changed: Changed::default(),
        };
        if let Some(plant) = plant {
            plant.prepare(&mut plan);
        }
        plan
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { wires, store, tools, sandboxes, vault, house, people, limits, channels, .. } = self;
        write!(
            f,
            "storm {} s, {} people x {} threads x {} devices, {} acts; wires refuse {} delay {} ({} ms) lose {} crash {}; \
             store fail {} after {} slow {} ({} ms) crash {}{}; tools fail {} hang {} crash {}; installed {} callers {} trouble {} start {}; vault {} secrets die {} silent {} fail {} ({} ms) said {}; kills {} stops {} jumps {}; models {}{}; \
             platforms {} rooms {} outsiders {} cut {} ms late {} twice {} missed {} in doubt {}; \
             mailbox {} waiting {} live {} history {} replay {}",
            self.storm.as_secs(),
            self.members.len(),
            people.threads,
            people.devices,
            people.acts,
            wires.refuse,
            wires.delay,
            wires.delay_ms,
            wires.lose_reply,
            wires.crash,
            store.fail,
            store.fail_after,
            store.slow,
            store.slow_ms,
            store.crash,
            if store.detached { " detached" } else { "" },
            tools.fail,
            tools.hang,
            tools.crash,
            sandboxes.tools,
            sandboxes.callers,
            sandboxes.trouble,
            sandboxes.start,
            vault.secrets,
            vault.die,
            vault.silent,
            vault.fail,
            vault.lives_ms,
            vault.said,
            house.kills.len(),
            house.stops.len(),
            house.jumps.len(),
            self.model.models,
            if self.model.house_first { " after the house" } else { "" },
            channels.platforms,
            channels.rooms,
            channels.outsiders,
            channels.cut_ms,
            channels.late,
            channels.twice,
            channels.miss,
            channels.in_doubt,
            limits.mailbox,
            limits.waiting_messages,
            limits.live_conversations,
            limits.history_tokens,
            limits.replay,
        )
    }
}
