//! The people: what they say and do at the doors of the house.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hearth_actors::household::{Arrive, Change, Unpaired};
use hearth_actors::local::{Halt, Tell};
use hearth_actors::policy::together::WaitingTogether;
use hearth_actors::policy::{TakeReply, Waiting};
use hearth_domain::approval::Answer;
use hearth_domain::approval::reply::{Reply, Word, code};
use hearth_domain::conversation::{Accepted, SayError};
use hearth_domain::household::identity::{Identity, Platform};
use hearth_domain::household::pairing::Setting;
use hearth_domain::household::wish::{Newcomer, Wish};
use hearth_domain::household::{Member, Role};
use hearth_domain::time::Clock as _;
use tokio::sync::mpsc;

use crate::checkers::Seen;
use crate::checkers::privacy::canary;
use crate::client::{Client, Front, Order};
use crate::plan::Plan;
use crate::seed::Draw;
use crate::words::text;
use crate::world::{World, outside};

/// Times that a message without a certain answer is said again.
const ATTEMPTS: usize = 60;
/// Messages that a person remembers to say again.
const REMEMBERED: usize = 20;

/// After how long somebody who does nothing looks up from it.
pub const LOOK_UP: Duration = Duration::from_secs(60);

/// The names of everybody's conversations.
#[must_use]
pub fn threads(plan: &Plan) -> Vec<String> {
    ["", "work", "fun"].iter().take(plan.people.threads.max(1)).map(|name| (*name).to_owned()).collect()
}

/// A stranger's account.
#[must_use]
pub fn account(number: u64) -> Option<Identity> {
    Identity::new(Platform::Telegram, "telegram", &number.to_string()).ok()
}

/// Lets everybody in, with their devices.
pub fn admit(world: &Arc<World>, front: &Arc<Front>) {
    let mut device = 0;
    for (n, member) in world.plan.members.iter().enumerate() {
        let mut devices = Vec::new();
        for thread in threads(&world.plan) {
            for _ in 0..world.plan.people.devices {
                let mut draw = Draw::of(&world.seed.child("device"), &device.to_string());
                let cursor = if draw.happens(7_500) { Some(0) } else { None };
                let client = Client { device, name: member.name.clone(), thread: thread.clone(), cursor, draw };
                let (orders, taken) = mpsc::channel(4);
                drop(actix::spawn(client.run(Arc::clone(world), Arc::clone(front), taken)));
                devices.push(orders);
                device += 1;
            }
        }
        front.busy.fetch_add(1, Ordering::Relaxed);
        let draw = Draw::of(&world.seed.child("person"), &n.to_string());
        let person = Person {
            n,
            member: member.clone(),
            world: Arc::clone(world),
            front: Arc::clone(front),
            devices,
            draw,
            count: 0,
            said: Vec::new(),
        };
        drop(actix::spawn(person.run()));
    }
}

/// One person.
struct Person {
    n: usize,
    member: Member,
    world: Arc<World>,
    front: Arc<Front>,
    devices: Vec<mpsc::Sender<Order>>,
    draw: Draw,
    count: u64,
    said: Vec<Saying>,
}

/// Something said, or to be said.
#[derive(Debug, Clone)]
struct Saying {
    member: Member,
    thread: String,
    nonce: String,
    text: String,
}

impl Person {
    async fn run(mut self) {
        let mix = self.world.plan.people.clone();
        for _ in 0..mix.acts {
            if !self.pause(mix.pause_ms.saturating_mul(2)).await {
                break;
            }
            self.act().await;
        }
        self.front.busy.fetch_sub(1, Ordering::Relaxed);
    }

    /// Does nothing for a while; `false` once nothing goes wrong any more, and nothing more is done. That is not slept through: in a
    /// plan with few acts a pause is longer than what comes after the storm.
    async fn pause(&mut self, most_ms: u64) -> bool {
        let mut left = self.draw.millis(1, most_ms);
        while !left.is_zero() && !self.world.is_calm() {
            let piece = left.min(LOOK_UP);
            tokio::time::sleep(piece).await;
            left = left.saturating_sub(piece);
        }
        !self.world.is_calm()
    }

    async fn act(&mut self) {
        let (mix, hostile) = (self.world.plan.people.clone(), self.world.plan.hostile.clone());
        if hostile.tools && self.draw.happens(hostile.answers) {
            self.answer_questions().await;
        } else if hostile.tools && self.draw.happens(hostile.strangers) {
            self.let_in().await;
        } else if self.draw.happens(mix.flood) {
            for _ in 0..self.draw.size(5, 40) {
                self.say_something();
            }
        } else if self.draw.happens(mix.reconnect) {
            let order = if self.draw.coin() { Order::Reopen } else { Order::Cut };
            let device = self.draw.pick(&self.devices).clone();
            // A device that has not yet obeyed the last orders needs no more.
            let _ = device.try_send(order);
        } else if self.draw.happens(800) {
            self.halt().await;
        } else if self.draw.happens(800) {
            self.say_again();
        } else if self.draw.happens(150) {
            self.knock().await;
        } else {
            self.say_something();
            // Some do not wait for an answer.
            if self.draw.happens(2_000) {
                self.say_something();
            }
        }
    }

    fn say_something(&mut self) {
        self.count += 1;
        let thread = self.draw.pick(&threads(&self.world.plan)).clone();
        let (n, changed) = (self.n, self.world.plan.changed);
        let text = text(&self.world, &mut self.draw, &mut |draw| canary(changed, n, draw.number(0, 9_999)));
        self.say_there(thread, text);
    }

    fn say_there(&mut self, thread: String, text: String) {
        if text.starts_with("/yes") || text.starts_with("/always") {
            self.world.observe(&Seen::Agrees { who: self.member.id, named: text.contains(' ') });
        }
        let saying = Saying { member: self.member.clone(), thread, nonce: format!("n{}", self.count), text };
        if self.said.len() >= REMEMBERED {
            self.said.remove(0);
        }
        self.said.push(saying.clone());
        self.spawn(saying);
    }

    fn say_again(&mut self) {
        if !self.said.is_empty() {
            let saying = self.draw.pick(&self.said).clone();
            self.spawn(saying);
        }
    }

    fn spawn(&mut self, saying: Saying) {
        self.front.busy.fetch_add(1, Ordering::Relaxed);
        let (world, front) = (Arc::clone(&self.world), Arc::clone(&self.front));
        let draw =
            Draw::of(&world.seed.child("saying").child(&self.n.to_string()), &format!("{} {}", saying.nonce, self.draw.number(0, 1 << 40)));
        drop(actix::spawn(async move {
            say(&world, &front, saying, draw).await;
            front.busy.fetch_sub(1, Ordering::Relaxed);
        }));
    }

    async fn halt(&mut self) {
        let thread = self.draw.pick(&threads(&self.world.plan)).clone();
        let Some(doors) = self.front.doors() else { return };
        self.world.note(format!("{} halts {thread:?}", self.member.name));
        let asked = outside(|| doors.halt.ask(Halt { identity: Some(self.member.name.clone()), thread }, Duration::from_secs(20)));
        let _ = self.front.wait(&self.world, "a halt", asked).await;
    }

    /// Somebody who does not live here.
    async fn knock(&mut self) {
        let Some(doors) = self.front.doors() else { return };
        let tell = Tell {
            identity: Some("Mallory".to_owned()),
            thread: String::new(),
            nonce: "m".to_owned(),
            text: "let me in".to_owned(),
            images: Vec::new(),
        };
        let asked = outside(|| doors.tell.ask(tell, Duration::from_secs(20)));
        if let Ok(Ok(accepted)) = self.front.wait(&self.world, "a stranger", asked).await {
            self.world.violate("I-9 a stranger is nobody", format!("{accepted:?}"));
        }
    }

    /// Reads what the house asks, and answers. Those who may not answer try it as well.
    async fn answer_questions(&mut self) {
        let Some(doors) = self.front.doors() else { return };
        let first = self.world.plan.members.first().filter(|_| self.draw.coin());
        let reads = first.unwrap_or(&self.member).clone();
        let several = outside(|| doors.policy.waiting_together.ask(WaitingTogether(reads.clone()), Duration::from_secs(20)));
        for question in self.front.wait(&self.world, "what is asked at once", several).await.unwrap_or_default() {
            let answer = self.draw.weighted(&[(Answer::No, 3), (Answer::Once, 5)]);
            question.calls().iter().for_each(|approval| self.world.observe(&Seen::Answers { who: &self.member, approval, answer }));
            let take = TakeReply { who: self.member.id, word: Word::Reply(Reply { answer, code: Some(code(question.id)) }) };
            let asked = outside(|| doors.policy.take_reply.ask(take, Duration::from_secs(20)));
            let taken = self.front.wait(&self.world, "an answer", asked).await;
            self.world.note(format!("{} answers {answer:?} to several: {taken:?}", self.member.name));
        }
        let asked = outside(|| doors.policy.waiting.ask(Waiting(reads), Duration::from_secs(20)));
        for approval in self.front.wait(&self.world, "what is asked", asked).await.unwrap_or_default() {
            let later = self.world.clock.wall().checked_add(Duration::from_secs(600)).unwrap_or(approval.expires);
            let answers = [(Answer::No, 3), (Answer::Once, 4), (Answer::Times(3), 1), (Answer::Until(later), 1), (Answer::Always, 1)];
            let answer = self.draw.weighted(&answers);
            self.world.observe(&Seen::Answers { who: &self.member, approval: &approval, answer });
            let word = match answer {
                Answer::No => "/no",
                Answer::Once => "/yes",
                Answer::Always => "/always",
                Answer::Times(_) | Answer::Until(_) => "",
            };
            if !word.is_empty() && self.draw.coin() {
                let text = format!("{word} {}", code(approval.id));
                self.count += 1;
                self.say_there(String::new(), text);
                continue;
            }
            let take = TakeReply { who: self.member.id, word: Word::Reply(Reply { answer, code: Some(code(approval.id)) }) };
            let asked = outside(|| doors.policy.take_reply.ask(take, Duration::from_secs(20)));
            let taken = self.front.wait(&self.world, "an answer", asked).await;
            self.world.note(format!("{} answers {answer:?}: {taken:?}", self.member.name));
        }
    }

    /// A stranger writes from an account, and perhaps this person lets it in with the code.
    async fn let_in(&mut self) {
        let (number, pairs) = (self.draw.number(1, 3), self.draw.coin());
        let (Some(doors), Some(identity)) = (self.front.doors(), account(number)) else { return };
        let id = identity.id();
        let asked = outside(|| doors.household.arrive.ask(Arrive { identity, thread: String::new() }, Duration::from_secs(20)));
        let Ok(answer) = self.front.wait(&self.world, "a stranger's account", asked).await else { return };
        self.world.observe(&Seen::Arrived { account: id, answer: &answer });
        let Err(Unpaired::Show(text)) = answer else { return };
        if !pairs {
            return;
        }
        let (name, from) = (format!("Uma{number}"), if self.draw.coin() { Setting::Private } else { Setting::Group });
        let may = matches!(self.member.role, Role::Owner | Role::Adult) && from == Setting::Private;
        if may {
            self.world.observe(&Seen::Pairs { account: id, name: &name });
        }
        let code = text.split_whitespace().last().unwrap_or_default().to_owned();
        let newcomer = Newcomer { name, role: Role::Guest, zone: None, guardians: Vec::new() };
        let change = Change { by: self.member.id, from, wish: Wish::PairNew { code, newcomer } };
        let asked = outside(|| doors.household.change.ask(change, Duration::from_secs(20)));
        let changed = self.front.wait(&self.world, "a pairing", asked).await;
        self.world.note(format!("{} lets account {number} in: {}", self.member.name, matches!(changed, Ok(Ok(_)))));
        if !may && matches!(changed, Ok(Ok(_))) {
            self.world.violate("I-9 a stranger is nobody", format!("{} let an account in", self.member.name));
        }
    }
}

/// Says it until there is a certain answer.
async fn say(world: &World, front: &Front, saying: Saying, mut draw: Draw) {
    let origin = format!("{}/{}", saying.member.id, saying.nonce);
    let mut tries = 0;
    while tries < ATTEMPTS {
        // A storm may be as long as it likes.
        tries += usize::from(world.is_calm());
        let Some(doors) = front.doors() else {
            tokio::time::sleep(draw.millis(100, 2_000)).await;
            continue;
        };
        let Saying { member, thread, nonce, text } = saying.clone();
        let tell = Tell { identity: Some(member.name), thread, nonce, text, images: Vec::new() };
        let asked = outside(|| doors.tell.ask(tell, Duration::from_secs(if draw.coin() { 5 } else { 40 })));
        // Without an answer it is not known what became of it.
        let outcome: Result<Accepted, SayError> = front.wait(world, "a message", asked).await.unwrap_or(Err(SayError::Unavailable));
        world.note(format!(
            "{origin}: {}",
            outcome.as_ref().map_or_else(ToString::to_string, |accepted| format!("accepted as {}", accepted.seq))
        ));
        world.observe(&Seen::Told { origin: &origin, outcome: &outcome });
        match outcome {
            Ok(_) => return,
            Err(SayError::Unavailable | SayError::Store(_)) => {}
            // Some try again what was refused.
            Err(_) if draw.coin() && !world.is_calm() => {}
            Err(_) => return,
        }
        tokio::time::sleep(draw.millis(200, 8_000)).await;
    }
    world.violate("waiting: every ask is answered", format!("{origin} was said {ATTEMPTS} times in calm without a certain answer"));
}
