//! Reads everything from a house that has come to rest, as its clients can.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hearth::client::Client;
use hearth::wire::{ClientFrame, HouseFrame, Said};
use serde_json::Value;

use super::judge::{Fault, Found, Tally, judge};
use super::process::House;
use super::script::{Deed, token};
use super::talk::{Line, Seat, Talk};
use super::talker::once;
use crate::rng::Rng;

/// How long a house may take to come up.
pub const UP: Duration = Duration::from_secs(30);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// How long nothing may come from a house that has not said that all is there.
const SILENCE: Duration = Duration::from_secs(5);
/// How long confirmations may take to be settled.
const SETTLING: Duration = Duration::from_secs(3);
/// Between two looks at the state of the house.
const LOOK: Duration = Duration::from_millis(15);
/// The talker that asks for lists and notes.
const READER: usize = 9_000;

/// Waits until a house is at rest, reads everything and judges it. Talks get what their clients had not seen yet.
pub async fn inspect(house: &mut House, talks: &mut [Talk], patience: Duration) -> Tally {
    let mut tally = Tally::default();
    if let Err(error) = look(house, talks, patience, &mut tally).await {
        tally.fault(Fault::House, format!("{error:#}"));
    }
    tally
}

async fn look(house: &mut House, talks: &mut [Talk], patience: Duration, tally: &mut Tally) -> Result<()> {
    let mut client = house.client(UP).await?;
    rest(&mut client, patience, tally).await?;
    let mut reader = Reader { client, asked: 0 };
    for talk in talks.iter_mut() {
        for said in reader.read(&talk.seat, talk.cursor).await? {
            talk.saw(Line::from(&said));
        }
        reader.client.send(&ClientFrame::Seen { upto: talk.cursor }).await?;
        let found = reader.found(&talk.seat).await?;
        judge(talk, &found, tally);
    }
    let fresh = Seat { member: "Ada".to_owned(), thread: "afterwards".to_owned() };
    reader.read(&fresh, 0).await?;
    reader.ask(Deed::Say).await.context("a new message")?;
    match reader.client.ask(&ClientFrame::Verify).await {
        Ok(HouseFrame::Verified { entries, .. }) => tally.entries = entries,
        Ok(other) => tally.fault(Fault::Chain, format!("asked to verify, the house says {other:?}")),
        Err(error) => tally.fault(Fault::Chain, format!("{error:#}")),
    }
    settled(&mut reader.client, tally).await
}

/// Waits until no turn is open and no reminder is to come.
async fn rest(client: &mut Client, patience: Duration, tally: &mut Tally) -> Result<()> {
    let began = Instant::now();
    loop {
        let counts = counts(client).await?;
        let (turns, reminders) = (count(&counts, "open_turns"), count(&counts, "pending_reminders"));
        if turns == Some(0) && reminders == Some(0) {
            return Ok(());
        }
        if began.elapsed() > patience {
            tally.fault(Fault::House, format!("not at rest after {} s: {counts}", patience.as_secs()));
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Deliveries of which nobody knows, and those that no confirmation settled.
async fn settled(client: &mut Client, tally: &mut Tally) -> Result<()> {
    let began = Instant::now();
    loop {
        let counts = counts(client).await?;
        let pending = count(&counts, "pending_deliveries").context("no counts")?;
        if pending == 0 || began.elapsed() > SETTLING {
            tally.unsettled += pending;
            tally.unknown += count(&counts, "unknown_deliveries").unwrap_or(0);
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What the house counts; null while the store is not there.
pub async fn counts(client: &mut Client) -> Result<Value> {
    client.send(&ClientFrame::Status).await?;
    while let Some(frame) = client.next().await? {
        if let HouseFrame::Status { status } = frame {
            return Ok(status["counts"].clone());
        }
    }
    bail!("the house has gone")
}

/// One of the counts.
pub fn count(counts: &Value, name: &str) -> Option<u64> {
    counts[name].as_u64()
}

/// A client that reads one talk after the other.
struct Reader {
    client: Client,
    asked: usize,
}

impl Reader {
    /// Everything after a place.
    async fn read(&mut self, seat: &Seat, cursor: u64) -> Result<Vec<Said>> {
        let Seat { member, thread } = seat.clone();
        self.client.send(&ClientFrame::Open { member: Some(member), thread, cursor: Some(cursor) }).await?;
        let (mut opened, mut read) = (false, Vec::new());
        loop {
            let frame = tokio::time::timeout(SILENCE, self.client.next()).await;
            match frame.with_context(|| format!("{}: {} messages came, and not the word that they are all", seat.thread, read.len()))?? {
                Some(HouseFrame::Opened { .. }) => opened = true,
                // What came before belongs to the talk that was open until now.
                Some(HouseFrame::Message(said)) if opened => read.push(said),
                Some(HouseFrame::CaughtUp) if opened => return Ok(read),
                Some(HouseFrame::Error { error }) => bail!(error),
                Some(HouseFrame::Gone) if opened => bail!("the stream has ended"),
                Some(_) => {}
                None => bail!("the house has gone"),
            }
        }
    }

    /// What is in the house of a talk. The list and the notes are asked for in the talk itself, after it was read.
    async fn found(&mut self, seat: &Seat) -> Result<Found> {
        let history = self.read(seat, 0).await?;
        let wants = |kind: fn(Deed) -> bool| history.iter().any(|said| !said.house && Deed::of(&said.text).is_some_and(kind));
        let (lists, notes) = (wants(Deed::lists), wants(Deed::notes));
        let mut found = Found { history, ..Found::default() };
        if lists {
            let shown = self.ask(Deed::ShowList).await.with_context(|| format!("the list of {}", seat.thread))?;
            found.items =
                shown["items"].as_array().into_iter().flatten().filter_map(|item| item["text"].as_str()).map(str::to_owned).collect();
        }
        if notes {
            let shown = self.ask(Deed::ShowNotes).await.with_context(|| format!("the notes of {}", seat.thread))?;
            found.notes = shown["notes"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        }
        Ok(found)
    }

    /// Says something in the talk that is open; what came of it.
    async fn ask(&mut self, deed: Deed) -> Result<Value> {
        self.asked += 1;
        let token = token(READER + usize::try_from(std::process::id())?, self.asked);
        let text = deed.text(&token, &mut Rng::new(0));
        let answer = once(&mut self.client, &token, &text, ANSWER).await?;
        let place = answer.seq;
        self.client.send(&ClientFrame::Seen { upto: place }).await?;
        if !deed.shows() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&answer.text).with_context(|| format!("not a tool's result: {}", answer.text))
    }
}
