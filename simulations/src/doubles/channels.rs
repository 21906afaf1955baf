//! Channels: the transports of the platforms, which do what connectors do: greet, say who is where, tell what was not taken, say what the
//! house wants said, and are cut off in the middle of each.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use hearth_domain::channel::{Attendance, Heard, Post, Posted, Receipt, To, Transport, TransportFuture};
use hearth_domain::household::identity::Platform as Kind;

use crate::checkers::Seen;
use crate::plants::Plant;
use crate::platforms::{Memory, Platform, Step};
use crate::seed::Draw;
use crate::world::{World, lock};

/// A channel in one life of the house.
#[derive(Debug)]
pub struct SimChannel {
    world: Arc<World>,
    platform: Arc<Platform>,
    chance: Arc<Mutex<Draw>>,
}

impl SimChannel {
    /// The channels of one life of the house.
    #[must_use]
    pub fn all(world: &Arc<World>, life: usize) -> Vec<Arc<dyn Transport>> {
        let one = |platform: &Arc<Platform>| {
            let draw = Draw::of(&world.seed.child("channel").child(platform.name), &life.to_string());
            Arc::new(Self { world: Arc::clone(world), platform: Arc::clone(platform), chance: Arc::new(Mutex::new(draw)) })
                as Arc<dyn Transport>
        };
        world.platforms.iter().map(one).collect()
    }
}

impl Transport for SimChannel {
    fn name(&self) -> &str {
        self.platform.name
    }

    fn platform(&self) -> Kind {
        self.platform.kind
    }

    fn begin(&self) {
        let away = lock(&self.chance).millis(1, 2_000);
        self.world.note(format!("{}: begins anew", self.platform.name));
        if let Some(heard) = self.platform.begin(self.world.now(), away) {
            self.world.observe(&Seen::Passed { channel: self.platform.name, heard: &heard });
        }
    }

    fn next(&self) -> TransportFuture<Heard> {
        next(Arc::clone(&self.world), Arc::clone(&self.platform), Arc::clone(&self.chance)).boxed()
    }

    fn receipt(&self, id: &str, receipt: Receipt) {
        let (world, mix) = (&self.world, &self.world.plan.channels);
        let taken = receipt == Receipt::Taken;
        world.note(format!("{}: {id} {receipt:?}", self.platform.name));
        if let Some(message) = self.platform.message(id) {
            world.observe(&Seen::Receipt { channel: self.platform.name, message: &message, taken });
        }
        let mut draw = lock(&self.chance);
        if taken && (world.is_calm() || !draw.happens(mix.lose_receipt)) {
            let again = !world.is_calm() && draw.happens(mix.twice);
            self.platform.take(id, again.then(|| world.now().saturating_add(draw.millis(1, 100_000))));
        }
    }

    fn post(&self, post: Post) -> TransportFuture<Posted> {
        let post = misplaced(&self.world, &self.platform, post);
        self.world.note(format!("{}: to say {} to {:?}: {:.60}", self.platform.name, post.delivery, post.to, post.text));
        self.world.observe(&Seen::Post { channel: self.platform.name, post: &post });
        let Some(connection) = self.platform.connection() else {
            return std::future::ready(Posted::Away).boxed();
        };
        let fate = fate(&self.world, &mut lock(&self.chance));
        say(Arc::clone(&self.world), Arc::clone(&self.platform), connection, post, fate).boxed()
    }
}

async fn next(world: Arc<World>, platform: Arc<Platform>, chance: Arc<Mutex<Draw>>) -> Heard {
    let channel = platform.name;
    if let Some(heard) = platform.dealt_with() {
        world.observe(&Seen::Dealt { channel, heard: &heard });
    }
    loop {
        let step = platform.step(world.now(), world.is_calm(), &world.plan.channels, &mut lock(&chance));
        match step {
            Step::Tell(heard) => {
                world.note(format!("{channel}: tells {:.160}", format!("{heard:?}")));
                if is_kept_quiet(&world, &heard) {
                    drop(platform.dealt_with());
                    world.observe(&Seen::Dealt { channel, heard: &heard });
                    continue;
                }
                if let Heard::Message(message) = &heard {
                    world.observe(&Seen::Incoming { channel, message });
                }
                return redated(&world, &platform, heard);
            }
            Step::Wait(most) => tokio::select! {
                biased;
                () = platform.news.notified() => {}
                () = tokio::time::sleep(most) => {}
            },
        }
    }
}

/// What becomes of a post.
#[derive(Debug, Clone, Copy)]
struct Fate {
    before: Duration,
    after: Duration,
    end: Posted,
    /// Whether one in doubt is there.
    arrives: bool,
}

fn fate(world: &World, draw: &mut Draw) -> Fate {
    let mix = &world.plan.channels;
    let time = |draw: &mut Draw| if draw.happens(1_000) { draw.millis(100, 15_000) } else { draw.millis(1, 300) };
    let end = if world.is_calm() {
        Posted::Sent
    } else if draw.happens(mix.not_now) {
        Posted::NotNow
    } else if draw.happens(mix.refuse) {
        Posted::Refused
    } else if draw.happens(mix.in_doubt) {
        Posted::Unknown
    } else {
        Posted::Sent
    };
    Fate { before: time(draw), after: time(draw), end, arrives: draw.coin() }
}

async fn say(world: Arc<World>, platform: Arc<Platform>, connection: u64, post: Post, fate: Fate) -> Posted {
    let (channel, delivery) = (platform.name, post.delivery);
    tokio::time::sleep(fate.before).await;
    if platform.connection() != Some(connection) {
        return Posted::Away;
    }
    let forgets = world.plan.plant == Some(Plant::RepeatPost);
    let end = match platform.begin_post(&post, forgets) {
        Some(known) => known,
        None => {
            if fate.end == Posted::Sent || (fate.end == Posted::Unknown && fate.arrives) {
                platform.say(&post);
                world.observe(&Seen::Said { channel, delivery });
            }
            tokio::time::sleep(fate.after).await;
            end(&world, &platform, connection, &post, fate)
        }
    };
    world.note(format!("{channel}: {delivery} {end:?}"));
    world.observe(&Seen::Posted { channel, delivery, end });
    end
}

/// What the house is told of something new.
fn end(world: &World, platform: &Platform, connection: u64, post: &Post, fate: Fate) -> Posted {
    let cut = platform.connection() != Some(connection);
    match (fate.end, platform.memory) {
        // Whoever said it is gone: the next one knows whether it was said, or that nobody knows.
        (Posted::Sent, _) if cut => Posted::Away,
        (Posted::Sent, _) => {
            platform.sent(post.delivery);
            Posted::Sent
        }
        (Posted::Unknown, Memory::Forgets) => {
            platform.doubt(post.delivery);
            if world.plan.plant == Some(Plant::RepeatPost) { Posted::NotNow } else { Posted::Unknown }
        }
        (Posted::Unknown, Memory::Recognises) => Posted::NotNow,
        (end @ (Posted::NotNow | Posted::Refused | Posted::Away), _) => end,
    }
}

/// Planted: that somebody came is not told.
fn is_kept_quiet(world: &World, heard: &Heard) -> bool {
    world.plan.plant == Some(Plant::DeafRoom) && matches!(heard, Heard::Presence { event: Attendance::Joined(_), .. })
}

/// Planted: a message is said to have been written when it is told.
fn redated(world: &World, platform: &Platform, mut heard: Heard) -> Heard {
    if world.plan.plant == Some(Plant::Redated)
        && let Heard::Message(message) = &mut heard
    {
        message.written = platform.time(world.now());
    }
    heard
}

/// Planted: what is for one account is shown to another.
fn misplaced(world: &World, platform: &Platform, post: Post) -> Post {
    if world.plan.plant != Some(Plant::WrongAccount) {
        return post;
    }
    let other = crate::platforms::accounts(&world.plan).into_iter().find(|account| account.channel == platform.name);
    match (&post.to, other) {
        (To::Account(_), Some(other)) => Post { to: To::Account(other.account), ..post },
        _ => post,
    }
}
