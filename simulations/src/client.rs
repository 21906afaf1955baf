//! The clients: devices that show a conversation, over any number of connections, each with its cursor.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_actors::local::{Event, Seen as SeenUpTo, Subscribe, Subscribed, Unsubscribe};
use hearth_actors::tree::Doors;
use hearth_domain::message::Author;
use hearth_supervisor::link::AskError;
use tokio::sync::mpsc;

use crate::checkers::{Device, Seen};
use crate::plants::Plant;
use crate::seed::Draw;
use crate::world::{World, lock, outside};

/// The front of the house: its doors, while it stands.
#[derive(Debug, Default)]
pub struct Front {
    doors: Mutex<Option<Doors>>,
    asks: AtomicU64,
    /// People and messages that are not done.
    pub busy: AtomicU64,
}

impl Front {
    /// The house stands.
    pub fn open(&self, doors: Doors) {
        *lock(&self.doors) = Some(doors);
    }

    /// The house is gone.
    pub fn close(&self) {
        drop(lock(&self.doors).take());
    }

    /// Its doors.
    #[must_use]
    pub fn doors(&self) -> Option<Doors> {
        lock(&self.doors).clone()
    }

    /// Waits for an answer, and notices one that never comes.
    pub async fn wait<T>(&self, world: &World, what: &str, asked: impl Future<Output = Result<T, AskError>>) -> Result<T, AskError> {
        let n = self.asks.fetch_add(1, Ordering::Relaxed);
        world.observe(&Seen::Asked(n, what));
        let answer = asked.await;
        world.observe(&Seen::Answered(n));
        answer
    }
}

/// What a person does with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Closes it properly and opens it again.
    Reopen,
    /// Pulls the plug.
    Cut,
}

/// A device at one conversation of one person.
#[derive(Debug)]
pub struct Client {
    /// Its number.
    pub device: Device,
    /// Whose.
    pub name: String,
    /// Which conversation.
    pub thread: String,
    /// What it has shown last.
    pub cursor: Option<u64>,
    /// Its chance.
    pub draw: Draw,
}

impl Client {
    /// Runs until the world ends.
    pub async fn run(mut self, world: Arc<World>, front: Arc<Front>, mut orders: mpsc::Receiver<Order>) {
        loop {
            let Some(doors) = front.doors() else {
                tokio::time::sleep(self.draw.millis(50, 1_500)).await;
                continue;
            };
            // Some screens read slowly and have little room.
            let room = if self.draw.coin() { 256 } else { self.draw.size(1, 8) };
            let (events, mut screen) = mpsc::channel(room);
            let ask = Subscribe { identity: Some(self.name.clone()), thread: self.thread.clone(), cursor: self.cursor, events };
            let asked = outside(|| doors.subscribe.ask(ask, Duration::from_secs(20)));
            match front.wait(&world, "a subscription", asked).await {
                Ok(Ok(subscribed)) => self.watch(&world, &doors, &subscribed, &mut screen, &mut orders).await,
                Ok(Err(error)) => world.note(format!("client {}: {error}", self.device)),
                Err(error) => world.note(format!("client {}: {error}", self.device)),
            }
            tokio::time::sleep(self.draw.millis(50, 3_000)).await;
        }
    }

    async fn watch(
        &mut self,
        world: &World,
        doors: &Doors,
        subscribed: &Subscribed,
        screen: &mut mpsc::Receiver<Event>,
        orders: &mut mpsc::Receiver<Order>,
    ) {
        world.note(format!("client {} connected from {:?}", self.device, self.cursor));
        world.observe(&Seen::Connected { device: self.device, conversation: subscribed.conversation, cursor: self.cursor });
        loop {
            let event = tokio::select! {
                biased;
                Some(order) = orders.recv() => {
                    if order == Order::Reopen {
                        drop(outside(|| doors.unsubscribe.offer(Unsubscribe(subscribed.client))));
                    }
                    break;
                }
                event = screen.recv() => event,
            };
            let Some(event) = event else { break };
            self.show(world, event);
            if let Some(upto) = self.cursor
                && (world.is_calm() || self.draw.happens(6_000))
            {
                drop(outside(|| doors.seen.offer(SeenUpTo { client: subscribed.client, upto })));
            }
            if self.draw.happens(200) && !world.is_calm() {
                tokio::time::sleep(self.draw.millis(100, 20_000)).await;
            }
        }
        world.note(format!("client {} disconnected", self.device));
        world.observe(&Seen::Disconnected(self.device));
    }

    fn show(&mut self, world: &World, event: Event) {
        match event {
            Event::Message(message) => {
                let house = message.author == Author::House;
                let plant = world.plan.plant.filter(|_| self.draw.happens(300));
                self.cursor = Some(message.seq);
                if plant == Some(Plant::LoseAnswer) && house {
                    return;
                }
                world.note(format!("client {} shows {} {:?}", self.device, message.seq, message.purpose));
                world.observe(&Seen::Shown(self.device, &message));
                if plant == Some(Plant::DoubleHand) {
                    world.observe(&Seen::Shown(self.device, &message));
                }
            }
            Event::Delta { text, .. } => world.observe(&Seen::Preview(self.device, &text)),
            Event::Reset { .. } => {}
            Event::CaughtUp => {
                self.cursor.get_or_insert(0);
                world.observe(&Seen::CaughtUp(self.device));
            }
        }
    }
}
