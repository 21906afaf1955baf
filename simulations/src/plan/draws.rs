//! What is drawn, part by part.

use std::time::Duration;

use hearth_domain::household::{Member, Role};
use hearth_domain::limits::Limits;
use hearth_domain::time::Timestamp;

use super::{Behaviour, ChannelMix, HouseMix, ModelMix, PeopleMix, StoreMix, ToolMix, VaultMix, WireMix};
use crate::seed::Draw;

pub(super) fn members(draw: &mut Draw) -> Vec<Member> {
    let mut all = vec![("Ada", Role::Owner), ("Ben", Role::Adult), ("Cem", Role::Teen), ("Dot", Role::Child)];
    if draw.coin() {
        all.push(("Guy", Role::Guest));
    }
    let zones = ["Europe/Berlin", "America/New_York", "Pacific/Apia", "UTC"];
    let zone = (*draw.pick(&zones)).to_owned();
    all.into_iter().map(|(name, role)| Member { id: Member::id_of(name), name: name.to_owned(), role, zone: zone.clone() }).collect()
}

/// Mostly an ordinary day; often shortly before a change to or from summer time.
pub(super) fn start(draw: &mut Draw) -> Timestamp {
    let starts = [1_774_742_400_i64, 1_774_745_000, 1_792_882_800, 1_793_509_200, 1_781_000_000, 1_767_222_000];
    let at = *draw.pick(&starts);
    Timestamp::from_second(at.saturating_add(i64::try_from(draw.number(0, 7_200)).unwrap_or(0))).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(super) fn limits(draw: &mut Draw) -> Limits {
    let mut limits = Limits { park_after: draw.millis(20_000, 600_000), ..Limits::default() };
    if draw.coin() {
        limits.mailbox = draw.size(4, 64);
        limits.waiting_messages = draw.size(1, 16);
        limits.waiting_commits = draw.size(4, 64);
        limits.group_commits = draw.size(1, 16);
        limits.live_conversations = draw.size(2, 16);
    }
    if draw.coin() {
        limits.read_deadline = draw.millis(500, 10_000);
        limits.commit_deadline = draw.millis(1_000, 30_000);
        limits.ask_deadline = draw.millis(500, 10_000);
        limits.tool_deadline = draw.millis(1_000, 60_000);
        limits.model_deadline = draw.millis(5_000, 120_000);
        limits.breaker_rest = draw.millis(1_000, 60_000);
    }
    if draw.coin() {
        limits.history_tokens = draw.size(60, 2_000);
        limits.history_keep_tokens = limits.history_tokens / draw.size(2, 6);
        limits.message_bytes = draw.size(200, 4_000);
        limits.reply_bytes = draw.size(200, 8_000);
        limits.tool_result_bytes = draw.size(64, 4_000);
        limits.model_calls = draw.size(2, 8);
        limits.calls_per_reply = draw.size(1, 8);
        limits.calls_per_turn = draw.size(2, 16);
        limits.reminders = draw.size(3, 30);
        limits.memories = draw.size(5, 60);
    }
    if draw.coin() {
        limits.replay = draw.size(1, 20);
        limits.subscribers = draw.size(31, 64);
    }
    limits
}

pub(super) fn wires(draw: &mut Draw) -> WireMix {
    let some = |draw: &mut Draw, most: u64| if draw.coin() { u32::try_from(draw.number(1, most)).unwrap_or(1) } else { 0 };
    WireMix {
        refuse: some(draw, 300),
        delay: some(draw, 2_000),
        delay_ms: if draw.coin() { draw.number(1, 50) } else { draw.number(50, 5_000) },
        lose_reply: some(draw, 60),
        crash: some(draw, 40),
    }
}

pub(super) fn store(draw: &mut Draw) -> StoreMix {
    let some = |draw: &mut Draw, most: u64| if draw.coin() { u32::try_from(draw.number(1, most)).unwrap_or(1) } else { 0 };
    StoreMix {
        fail: some(draw, 300),
        fail_after: some(draw, 60),
        slow: some(draw, 3_000),
        slow_ms: if draw.coin() { draw.number(1, 200) } else { draw.number(200, 12_000) },
        crash: some(draw, 30),
        detached: draw.coin(),
    }
}

pub(super) fn tools(draw: &mut Draw) -> ToolMix {
    let some = |draw: &mut Draw, most: u64| if draw.coin() { u32::try_from(draw.number(1, most)).unwrap_or(1) } else { 0 };
    ToolMix { fail: some(draw, 3_000), hang: some(draw, 2_000), crash: some(draw, 2_000), slow: some(draw, 3_000) }
}

/// Some households have no secrets; in some the process dies faster than anybody would believe.
pub(super) fn vault(draw: &mut Draw, quiet: bool) -> VaultMix {
    let secrets = if draw.coin() { draw.number(1, 12) } else { 0 };
    let pause_ms = draw.number(2_000, 400_000);
    let said = u32::try_from(draw.number(0, 2_000)).unwrap_or(0);
    if quiet {
        return VaultMix { secrets, pause_ms, said, ..VaultMix::default() };
    }
    let some = |draw: &mut Draw, most: u64| if draw.coin() { u32::try_from(draw.number(1, most)).unwrap_or(1) } else { 0 };
    let lives_ms = if draw.happens(2_000) { draw.number(10, 1_000) } else { draw.number(1_000, 1_800_000) };
    VaultMix { secrets, pause_ms, said, lives_ms, die: some(draw, 10_000), silent: some(draw, 4_000), fail: some(draw, 3_000) }
}

pub(super) fn model(draw: &mut Draw, quiet: bool) -> ModelMix {
    use Behaviour::*;
    let mut weights = vec![(Answer, 40)];
    let useful = [(TellAll, 12), (Long, 4), (HouseTools, 25), (CountingTools, 25), (Slow, 10)];
    let faulty = [
        (UnknownTool, 4),
        (Malformed, 4),
        (Thousand, 2),
        (Hostile, 4),
        (Cut, 6),
        (Silent, 3),
        (RateLimited, 4),
        (Unavailable, 6),
        (Garbled, 3),
        (Unauthorised, 1),
        (Rejected, 2),
        (Empty, 4),
        (Refused, 3),
        (Length, 3),
        (Crash, 2),
    ];
    weights.extend(useful.into_iter().filter(|_| draw.happens(7_000)));
    weights.extend(faulty.into_iter().filter(|_| draw.happens(4_000) && !quiet));
    ModelMix { weights, models: draw.size(0, 2), house_first: draw.coin() }
}

pub(super) fn house(draw: &mut Draw, storm: Duration) -> HouseMix {
    let span = u64::try_from(storm.as_millis()).unwrap_or(u64::MAX);
    let times = |draw: &mut Draw, most: usize| {
        let count = if draw.coin() { draw.size(0, most) } else { 0 };
        let mut times: Vec<_> = (0..count).map(|_| draw.millis(1, span)).collect();
        times.sort();
        times
    };
    let (kills, stops, jumps) = (times(draw, 5), times(draw, 2), times(draw, 3));
    let by = [-86_400_i64, -3_600, -61, 3_600, 86_400, 7 * 86_400, 30];
    HouseMix { kills, stops, jumps: jumps.into_iter().map(|at| (at, *draw.pick(&by))).collect() }
}

pub(super) fn people(draw: &mut Draw, acts: usize, pause_ms: u64) -> PeopleMix {
    PeopleMix {
        pause_ms: pause_ms.max(50),
        acts,
        flood: if draw.coin() { 600 } else { 0 },
        reconnect: if draw.coin() { 2_000 } else { 200 },
        threads: draw.size(1, 3),
        devices: draw.size(1, 2),
    }
}

/// Two platforms, or one; some lose, repeat and delay what they have to tell, some are away half of the time.
pub(crate) fn channels(draw: &mut Draw, acts: usize, pause_ms: u64, quiet: bool) -> ChannelMix {
    let peaceful = ChannelMix {
        platforms: draw.size(1, 2),
        rooms: draw.size(1, 2),
        acts,
        pause_ms: pause_ms.max(50),
        outsiders: draw.size(1, 3),
        ..ChannelMix::default()
    };
    if quiet {
        return peaceful;
    }
    let some = |draw: &mut Draw, most: u64| if draw.coin() { u32::try_from(draw.number(1, most)).unwrap_or(1) } else { 0 };
    ChannelMix {
        flood: some(draw, 300),
        late: some(draw, 3_000),
        late_ms: draw.number(1_000, 300_000),
        twice: some(draw, 2_000),
        lose_receipt: some(draw, 1_000),
        miss: some(draw, 1_500),
        cut_ms: if draw.coin() { draw.number(20_000, 3_600_000) } else { 0 },
        away_ms: draw.number(100, 600_000),
        not_now: some(draw, 1_000),
        refuse: some(draw, 200),
        in_doubt: some(draw, 1_500),
        ..peaceful
    }
}
