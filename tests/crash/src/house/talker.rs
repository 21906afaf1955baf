//! A client as a good one should be, and one that talks without end.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hearth::client::Client;
use hearth::wire::{ClientFrame, HouseFrame, Said};
use tokio::sync::Notify;

use super::process::LOOK;
use super::script::{Deed, token};
use super::talk::{Fact, Line, Promise, Seat, Sent, Talk};
use crate::rng::Rng;

/// The members whose talks these are.
pub const MEMBERS: [&str; 3] = ["Ada", "Ben", "Cleo"];
/// Messages in one talk before the next is begun.
const TALK: usize = 120;
/// Things said and not answered, at most.
const OPEN: usize = 3;
/// Longest pause of a talker, milliseconds.
const PAUSE: usize = 60;
/// How often one that has nothing to say looks whether that has changed.
const IDLE: Duration = Duration::from_millis(20);
/// Time until what was refused for now is said again.
const AGAIN: Duration = Duration::from_millis(40);
/// How long one answer to `Open` is waited for.
const OPENING: Duration = Duration::from_secs(45);

/// What the talkers are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Say new things.
    Load,
    /// Only bring to its end what was said.
    Drain,
    /// Come back.
    End,
}

/// What talkers and their master tell each other.
#[derive(Debug)]
pub struct Stage {
    /// What to do.
    pub phase: Cell<Phase>,
    /// Something is being said.
    pub said: Notify,
    /// An answer has come.
    pub answered: Notify,
    /// When the first answer came since this was last emptied.
    pub first_answer: Cell<Option<Instant>>,
    /// When the first client was served since this was last emptied.
    pub first_open: Cell<Option<Instant>>,
    /// Things said and not answered, by talker.
    pub open: RefCell<Vec<usize>>,
    /// Whether cursors are to be set back, as no good client does.
    pub forgetful: Cell<bool>,
}

impl Stage {
    /// For so many talkers.
    pub fn new(talkers: usize) -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(Phase::Load),
            said: Notify::new(),
            answered: Notify::new(),
            first_answer: Cell::new(None),
            first_open: Cell::new(None),
            open: RefCell::new(vec![0; talkers]),
            forgetful: Cell::new(false),
        })
    }

    /// Things said and not answered.
    pub fn open(&self) -> usize {
        self.open.borrow().iter().sum()
    }
}

/// Is told every fact as soon as the client has it.
pub type Witness = Rc<dyn Fn(&Fact) -> Result<()>>;

/// A talker.
pub struct Talker {
    number: usize,
    socket: PathBuf,
    stage: Rc<Stage>,
    witness: Witness,
    rng: Rng,
    /// How many bytes of other words some messages have in front.
    padding: usize,
    count: usize,
    talk: Talk,
    before: Vec<Talk>,
    speak_at: Instant,
    /// Refused for now.
    again: Vec<String>,
}

impl std::fmt::Debug for Talker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Talker").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Talker {
    /// The talker of this number; `place` is its number on the stage.
    pub fn new(number: usize, socket: PathBuf, stage: Rc<Stage>, witness: Witness, seed: u64, padding: usize) -> Self {
        let rng = Rng::new(seed).split(number as u64 + 1);
        let talk = Talk::new(seat(number, 0));
        Self {
            number,
            socket,
            stage,
            witness,
            rng,
            padding,
            count: 0,
            talk,
            before: Vec::new(),
            speak_at: Instant::now(),
            again: Vec::new(),
        }
    }

    /// Talks until the stage says that it is over; everything that was said and seen.
    pub async fn run(mut self) -> Vec<Talk> {
        while self.stage.phase.get() != Phase::End {
            match Client::connect(&self.socket).await {
                // A connection that breaks is what this is all about.
                Ok(Some(mut client)) => drop(self.converse(&mut client).await),
                Ok(None) | Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
        self.before.push(self.talk);
        self.before
    }

    /// One connection, until it breaks, the talk is over or everything is.
    async fn converse(&mut self, client: &mut Client) -> Result<()> {
        self.open(client).await?;
        loop {
            self.stage.open.borrow_mut()[self.number % 100] = self.talk.open();
            match self.stage.phase.get() {
                Phase::End => return Ok(()),
                Phase::Load if self.talk.sent.len() >= TALK && self.talk.open() == 0 => {
                    let next = Talk::new(seat(self.number, self.before.len() + 1));
                    self.before.push(std::mem::replace(&mut self.talk, next));
                    return Ok(());
                }
                Phase::Load | Phase::Drain => {}
            }
            let pause = self.speak_at.saturating_duration_since(Instant::now());
            tokio::select! {
                biased;
                frame = client.next() => self.frame(client, frame?.context("the house has gone")?).await?,
                () = tokio::time::sleep(pause) => self.speak(client).await?,
            }
        }
    }

    /// Opens the talk where it was, and says again what was not accepted.
    async fn open(&mut self, client: &mut Client) -> Result<()> {
        let forgotten = if self.stage.forgetful.get() { 3 } else { 0 };
        let cursor = Some(self.talk.cursor.saturating_sub(forgotten));
        let Seat { member, thread } = self.talk.seat.clone();
        match tokio::time::timeout(OPENING, client.ask(&ClientFrame::Open { member: Some(member), thread, cursor })).await {
            Ok(Ok(HouseFrame::Opened { .. })) => {}
            Ok(answer) => {
                tokio::time::sleep(IDLE).await;
                bail!("not opened: {answer:?}");
            }
            Err(_) => {
                self.talk.wrong.push(format!("no answer to Open within {} s", OPENING.as_secs()));
                bail!("no answer");
            }
        }
        if self.stage.first_open.get().is_none() {
            self.stage.first_open.set(Some(Instant::now()));
        }
        self.again.clear();
        let unaccepted: Vec<Sent> = self.talk.sent.iter().filter(|sent| sent.promise.is_none()).cloned().collect();
        for sent in unaccepted {
            self.say(client, &sent).await?;
        }
        Ok(())
    }

    async fn frame(&mut self, client: &mut Client, frame: HouseFrame) -> Result<()> {
        match frame {
            HouseFrame::Accepted { nonce, message, turn, answer, seq } => {
                self.talk.promised(&nonce, Promise { message, turn, answer, seq });
                let sent = self.talk.sent.iter().find(|sent| sent.token == nonce).cloned();
                sent.map_or(Ok(()), |sent| (self.witness)(&Fact::Accepted(self.talk.seat.clone(), sent)))
            }
            HouseFrame::Refused { nonce, again: true, .. } => {
                self.again.push(nonce);
                self.speak_at = Instant::now() + AGAIN;
                Ok(())
            }
            HouseFrame::Refused { nonce, error, .. } => {
                self.talk.wrong.push(format!("{nonce}: refused for good: {error}"));
                Ok(())
            }
            HouseFrame::Message(said) => self.message(client, &said).await,
            HouseFrame::Gone => bail!("the stream has ended"),
            HouseFrame::Error { error } => {
                self.talk.wrong.push(format!("a frame was not taken: {error}"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn message(&mut self, client: &mut Client, said: &Said) -> Result<()> {
        let line = Line::from(said);
        self.talk.saw(line);
        (self.witness)(&Fact::Saw(self.talk.seat.clone(), line))?;
        if said.house {
            if self.stage.first_answer.get().is_none() {
                self.stage.first_answer.set(Some(Instant::now()));
            }
            self.stage.answered.notify_waiters();
            self.speak_at = Instant::now() + Duration::from_millis(self.rng.below(PAUSE) as u64);
        }
        if self.rng.once_in(8) && self.stage.phase.get() == Phase::Load {
            // Made good by the next confirmation.
            return Ok(());
        }
        client.send(&ClientFrame::Seen { upto: self.talk.cursor }).await
    }

    /// Says the next thing, or something again.
    async fn speak(&mut self, client: &mut Client) -> Result<()> {
        if let Some(token) = self.again.pop() {
            let sent = self.talk.sent.iter().find(|sent| sent.token == token).cloned();
            return self.say(client, &sent.context("refused and never said")?).await;
        }
        let full = self.talk.open() >= OPEN || self.talk.sent.len() >= TALK;
        if self.stage.phase.get() != Phase::Load || full {
            self.speak_at = Instant::now() + IDLE;
            return Ok(());
        }
        let last = self.talk.sent.last().filter(|sent| sent.promise.is_some()).cloned();
        if let Some(sent) = last.filter(|_| self.rng.once_in(25)) {
            // As a client that did not note in time that it was accepted.
            return self.say(client, &sent).await;
        }
        self.count += 1;
        let token = token(self.number, self.count);
        let text = self.words(&token);
        let sent = Sent { token, text, promise: None };
        self.talk.sent.push(sent.clone());
        self.speak_at = Instant::now() + Duration::from_millis(self.rng.below(PAUSE) as u64);
        self.say(client, &sent).await
    }

    fn words(&mut self, token: &str) -> String {
        let deed = Deed::pick(&mut self.rng);
        let text = deed.text(token, &mut self.rng);
        let padded = deed == Deed::Say && self.padding > 0;
        if padded { format!("{}\n{text}", "words ".repeat(self.rng.below(self.padding / 6) + 1)) } else { text }
    }

    async fn say(&mut self, client: &mut Client, sent: &Sent) -> Result<()> {
        client.send(&ClientFrame::Say { nonce: sent.token.clone(), text: sent.text.clone(), images: Vec::new() }).await?;
        self.stage.said.notify_waiters();
        Ok(())
    }
}

/// Where a talker's talk of this number is.
fn seat(talker: usize, number: usize) -> Seat {
    Seat { member: MEMBERS[talker % MEMBERS.len()].to_owned(), thread: format!("t{talker}-{number}") }
}

/// Says one thing in the talk that is open and waits for its answer.
pub async fn once(client: &mut Client, token: &str, text: &str, patience: Duration) -> Result<Said> {
    let answered = async {
        client.send(&ClientFrame::Say { nonce: token.to_owned(), text: text.to_owned(), images: Vec::new() }).await?;
        let (mut promised, mut early) = (None, Vec::new());
        while let Some(frame) = client.next().await? {
            match frame {
                HouseFrame::Accepted { nonce, answer, .. } if nonce == token => promised = Some(answer),
                HouseFrame::Refused { error, .. } | HouseFrame::Error { error } => bail!(error),
                HouseFrame::Message(said) if said.house => early.push(said),
                HouseFrame::Gone => bail!("the stream has ended"),
                _ => {}
            }
            if let Some(said) = early.iter().find(|said| promised.is_some() && said.answer == promised) {
                return Ok(said.clone());
            }
        }
        bail!("the house has gone")
    };
    let said = tokio::time::timeout(patience, answered).await;
    said.with_context(|| format!("no answer to {token} within {} s", patience.as_secs()))?
}
