//! One run: a thread of its own, a paused clock, lives of the house one after the other, and the end in which all must come to rest.
//!
//! ```text
//! storm ─ kill ─▶ (nothing is left but the store) ─▶ next life ─ … ─▶ calm ─▶ at rest ─▶ parked ─▶ verified ─▶ stopped
//! ```

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::System;
use hearth_actors::policy::together::WaitingTogether;
use hearth_actors::policy::{TakeReply, Waiting};
use hearth_actors::tree::build;
use hearth_domain::approval::Answer;
use hearth_domain::approval::reply::{Reply, Word, code};
use hearth_domain::chance::Seed;
use hearth_domain::time::Clock as _;
use hearth_supervisor::exit::ExitReason;
use hearth_supervisor::root::{Root, RootHandle, RootOptions};
use tokio::task::LocalSet;

use crate::changed::Changed;
use crate::checkers::{Seen, durable};
use crate::client::Front;
use crate::doubles::store::SimStore;
use crate::house::{Watcher, house, ports};
use crate::plan::{ChannelMix, Plan};
use crate::plants::Plant;
use crate::recording::Recording;
use crate::scenarios::Scenario;
use crate::seed::Draw;
use crate::telemetry::Telemetry;
use crate::trace::Trace;
use crate::world::{Violation, World, outside};
use crate::{chatters, keepers, people};

/// How long a person waits for the house to take an answer.
const ANSWERING: Duration = Duration::from_secs(20);
/// Virtual time within which the house must be at rest once faults have stopped.
const REST: Duration = Duration::from_secs(1_200);
/// Time between two pictures of the tree.
const PICTURE: Duration = Duration::from_secs(20);
/// Lives of the house in one run.
const LIVES: usize = 400;
/// Virtual time after which nobody is waited for to go to sleep, so that hourly reminders end a run as well.
const ENOUGH: Duration = Duration::from_secs(8 * 3_600);
/// Longest ordered stop.
const STOP: Duration = Duration::from_secs(120);

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The seed.
    pub number: u64,
    /// The scenario.
    pub scenario: Scenario,
    /// A planted defect.
    pub plant: Option<Plant>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub number: u64,
    /// What it had drawn.
    pub plan: String,
    /// Events.
    pub events: u64,
    /// The digest of the whole trace.
    pub digest: u64,
    /// Virtual seconds.
    pub seconds: u64,
    /// Lives of the house.
    pub lives: usize,
    /// Rows in the end: messages, turns, said reminders.
    pub rows: (usize, usize, usize),
    /// What was broken.
    pub violation: Option<Violation>,
    /// The last events.
    pub last: Vec<String>,
}

/// Runs one seed on this thread, which must be fresh: actix keeps things per thread.
#[must_use]
pub fn run(job: Job, sink: Option<Box<dyn Write + Send>>) -> Report {
    let world = world(job, Changed::default(), sink);
    let (lives, ended) = whole(&world);
    report(&world, lives, ended)
}

/// The same with something other in it, and what everybody sees; also what was broken, and how many members there are.
#[must_use]
pub fn recorded(job: Job, changed: Changed) -> (Option<Violation>, Recording, usize) {
    // What is said at other people's platforms is not among what is compared.
    let plan = Plan { channels: ChannelMix::default(), ..plan(job, changed) };
    let world = World::new(Seed::from_u64(job.number), plan, Trace::new(None));
    world.record();
    whole(&world);
    (world.violation(), world.recorded(), world.plan.members.len())
}

fn world(job: Job, changed: Changed, sink: Option<Box<dyn Write + Send>>) -> Arc<World> {
    World::new(Seed::from_u64(job.number), plan(job, changed), Trace::new(sink))
}

fn plan(job: Job, changed: Changed) -> Plan {
    Plan { changed, ..job.scenario.plan(job.number, &Seed::from_u64(job.number), job.plant) }
}

/// All lives of the house, one after the other: how many there were, and when the last one ended.
fn whole(world: &Arc<World>) -> (usize, Duration) {
    let telemetry = Telemetry(Arc::downgrade(world));
    tracing::subscriber::with_default(telemetry, || {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        // Without a runtime there is no run; a machine in that state ends the program.
        let system = System::with_tokio_rt(|| runtime().unwrap_or_else(|error| unreachable!("no runtime: {error}")));
        let world = Arc::clone(world);
        system.block_on(async move { (live(Arc::clone(&world)).await, world.now()) })
    })
}

fn report(world: &World, lives: usize, ended: Duration) -> Report {
    let rows = {
        let checkers = world.checkers();
        let rows = checkers.durable.rows();
        (rows.messages.len(), rows.turns.len(), rows.claims.len())
    };
    let mut trace = world.trace();
    trace.flush();
    Report {
        number: world.plan.number,
        plan: world.plan.to_string(),
        events: trace.count(),
        digest: trace.digest(),
        seconds: ended.as_secs(),
        lives,
        rows,
        violation: world.violation(),
        last: trace.last(4_000),
    }
}

/// How a life of the house ended.
#[derive(Debug)]
enum End {
    /// An invariant was broken.
    Broken,
    /// Killed by plan.
    Killed,
    /// Stopped in order by plan.
    Stopped,
    /// It gave up by itself; the service manager starts it again.
    Fell(ExitReason),
    /// The run is over.
    Done,
}

async fn live(world: Arc<World>) -> usize {
    world.clock.begin();
    world.note(format!("== seed {}: {}", world.plan.number, world.plan));
    let front = Arc::new(Front::default());
    people::admit(&world, &front);
    keepers::admit(&world, &front);
    chatters::admit(&world, &front);
    drop(actix::spawn(jumps(Arc::clone(&world))));
    let mut draw = Draw::of(&world.seed, "lives");
    let mut store = Arc::new(SimStore::new(&world));
    for life in 1..=LIVES {
        world.note(format!("== life {life}"));
        world.observe(&Seen::Begins);
        let set = LocalSet::new();
        let end = set.run_until(reign(&world, &front, &store, life)).await;
        front.close();
        drop(set);
        world.note(format!("== life {life} ended: {end:?}"));
        let next = Arc::new(store.successor(life));
        compare(&world, &store);
        store = next;
        match end {
            End::Done | End::Broken => return life,
            End::Fell(reason) if world.is_calm() => {
                world.violate("rest: the house stands when nothing goes wrong", format!("it fell: {reason}"));
            }
            End::Killed | End::Stopped | End::Fell(_) => {}
        }
        if world.violation().is_some() {
            return life;
        }
        tokio::time::sleep(draw.millis(50, 5_000)).await;
    }
    world.violate("rest: the house stands", format!("it ended {LIVES} times"));
    LIVES
}

/// Sets the wall clock forward and back, by plan.
async fn jumps(world: Arc<World>) {
    for (at, by) in world.plan.house.jumps.clone() {
        tokio::time::sleep(at.saturating_sub(world.now())).await;
        world.clock.jump(by);
        world.note(format!("== the wall clock jumps by {by} s to {}", world.clock.wall()));
    }
}

/// I-12, after each life: the store is what was acknowledged.
fn compare(world: &World, store: &SimStore) {
    let landed = world.checkers().durable.compare(&store.inner().rows());
    match landed {
        Ok(groups) => groups.iter().for_each(|group| world.written(group)),
        Err(what) => world.violate(durable::NAME, what),
    }
}

/// The next of these times that has not passed.
fn next(times: &[Duration], now: Duration) -> Duration {
    times.iter().find(|time| **time > now).map_or(Duration::from_secs(1 << 30), |time| time.saturating_sub(now))
}

async fn reign(world: &Arc<World>, front: &Arc<Front>, store: &Arc<SimStore>, life: usize) -> End {
    let (spec, doors) = build(&ports(world, store, life), &house(world));
    let seed = world.seed.child("tree").child(&life.to_string()).number();
    let root = Root::start(spec, RootOptions { seed, observer: Some(Arc::new(Watcher(Arc::clone(world)))), watchdog: None });
    let (now, plan) = (world.now(), &world.plan.house);
    let (kill, stop) = (next(&plan.kills, now), next(&plan.stops, now));
    let work = async {
        if let Err(reason) = root.started().await {
            return End::Fell(reason);
        }
        front.open(doors.clone());
        tokio::select! {
            biased;
            () = tokio::time::sleep(stop) => stop_in_order(world, front, &root).await,
            () = watch(world, &root) => End::Broken,
            end = storm_and_calm(world, front, &root, &doors) => end,
        }
    };
    tokio::select! {
        biased;
        () = world.broken() => End::Broken,
        () = tokio::time::sleep(kill) => End::Killed,
        end = work => end,
        reason = root.ended() => End::Fell(reason),
    }
}

/// Looks at the tree, for ever.
async fn watch(world: &World, root: &RootHandle) {
    loop {
        tokio::time::sleep(PICTURE).await;
        world.observe(&Seen::Picture(&root.tree().snapshot()));
    }
}

async fn stop_in_order(world: &World, front: &Front, root: &RootHandle) -> End {
    world.note("== stop in order");
    front.close();
    match tokio::time::timeout(STOP, root.stop()).await {
        // What could not be started just then may end a tree that stops anyway.
        Ok(ExitReason::Shutdown) => End::Stopped,
        Ok(reason) => End::Fell(reason),
        Err(_) => {
            world.violate("waiting: the house stops when it is told to", format!("it did not stop within {STOP:?}"));
            End::Broken
        }
    }
}

async fn storm_and_calm(world: &Arc<World>, front: &Arc<Front>, root: &RootHandle, doors: &hearth_actors::tree::Doors) -> End {
    if !world.is_calm() {
        tokio::time::sleep(world.plan.storm.saturating_sub(world.now())).await;
        world.becalm();
    }
    if let Err(violation) = settle(world, front).await {
        world.violate(violation.invariant, violation.what);
        return End::Broken;
    }
    parked(world, root).await;
    verified(world, doors).await;
    if let Err(violation) = world.checkers().at_rest(world.clock.wall()) {
        world.violate(violation.invariant, violation.what);
    }
    if world.violation().is_some() {
        return End::Broken;
    }
    match stop_in_order(world, front, root).await {
        End::Stopped => End::Done,
        end @ (End::Broken | End::Killed | End::Fell(_) | End::Done) => end,
    }
}

/// Waits until nothing is left to do, or says what is.
async fn settle(world: &World, front: &Front) -> Result<(), Violation> {
    let mut since = world.now();
    let mut untaken = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        // Who wrote a hundred messages at once is listened to, a few at a time: time counts from the last that was taken.
        let left = world.platforms.iter().map(|platform| platform.untaken()).sum();
        if left < untaken {
            (since, untaken) = (world.now(), left);
        }
        let loud = world.platforms.iter().find(|platform| !platform.is_quiet());
        let untold =
            || Violation { invariant: "rest: what was written is taken", what: format!("{:?} is not", loud.map(|platform| platform.name)) };
        let unrest = world.checkers().unrest(world.clock.wall()).or_else(|| loud.map(|_| untold()));
        let busy = front.busy.load(Ordering::Relaxed);
        let (None, 0) = (&unrest, busy) else {
            answer_questions(world, front).await;
            // A reply that was lost is waited for as long as eight model calls may take.
            if world.now().saturating_sub(since) > REST + world.plan.limits.model_deadline * 9 {
                let people = || Violation { invariant: "rest: everybody is done", what: format!("{busy} are not") };
                return Err(unrest.unwrap_or_else(people));
            }
            continue;
        };
        world.note("== at rest");
        return Ok(());
    }
}

/// People have time for what the house asks them, each in their own way.
async fn answer_questions(world: &World, front: &Front) {
    let Some(doors) = front.doors() else { return };
    for (n, member) in world.plan.members.iter().enumerate() {
        let answer = if n % 2 == 0 { Answer::Once } else { Answer::No };
        let several = outside(|| doors.policy.waiting_together.ask(WaitingTogether(member.clone()), ANSWERING)).await.unwrap_or_default();
        for question in several {
            question.calls().iter().for_each(|approval| world.observe(&Seen::Answers { who: member, approval, answer }));
            let reply = Reply { answer, code: Some(code(question.id)) };
            let taken = outside(|| doors.policy.take_reply.ask(TakeReply { who: member.id, word: Word::Reply(reply) }, ANSWERING)).await;
            world.note(format!("{} answers {answer:?} to several: {taken:?}", member.name));
        }
        let waiting = outside(|| doors.policy.waiting.ask(Waiting(member.clone()), ANSWERING)).await.unwrap_or_default();
        for approval in waiting {
            world.observe(&Seen::Answers { who: member, approval: &approval, answer });
            let reply = Reply { answer, code: Some(code(approval.id)) };
            let taken = outside(|| doors.policy.take_reply.ask(TakeReply { who: member.id, word: Word::Reply(reply) }, ANSWERING)).await;
            world.note(format!("{} answers {answer:?}: {taken:?}", member.name));
        }
    }
}

/// A conversation in which nothing happens goes to sleep.
async fn parked(world: &World, root: &RootHandle) {
    // A summary whose reply was lost is waited for as long as eight model calls may take.
    let limits = &world.plan.limits;
    let patience = limits.park_after * 3 + limits.model_deadline * 8 + Duration::from_secs(60);
    let (mut since, mut said) = (world.now(), 0);
    loop {
        let tree = root.tree().snapshot();
        let awake: Vec<_> =
            tree.find("house/conversations").into_iter().flat_map(|node| &node.children).filter(|node| node.name != "directory").collect();
        let Some(one) = awake.first() else {
            return;
        };
        // Reminders go on coming due and wake whom they concern.
        let claims = world.checkers().durable.rows().claims.len();
        if claims != said {
            (since, said) = (world.now(), claims);
        }
        if world.now() > ENOUGH {
            return;
        }
        if world.now().saturating_sub(since) > patience {
            return world.violate("rest: an idle conversation is parked", format!("{} is awake: {:?}", one.name, one.state));
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// The house checks its own chain.
async fn verified(world: &World, doors: &hearth_actors::tree::Doors) {
    let head = outside(|| doors.verify.ask(hearth_actors::audit::Verify, Duration::from_secs(60))).await;
    let known = world.checkers().durable.rows().head();
    if !matches!(&head, Ok(Ok(verified)) if verified.head == known) {
        world.violate("chain: the journal verifies", format!("the house says {head:?}, and {known:?} was acknowledged"));
    }
}
