//! Turns: from a message at the local socket to its answer there, less what the model itself took.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::future::try_join_all;

use super::house::Scratch;
use super::model::Model;
use super::stats::percentile;
use super::{Figure, progress};
use crate::client::Client;
use crate::wire::{ClientFrame, HouseFrame};

/// Conversations at once.
const CONCURRENCY: [usize; 4] = [1, 8, 32, 100];
/// Turns at each, at least; each conversation takes the same number.
const TURNS: usize = 1_000;
/// Turns of each conversation that are not counted.
const WARM: usize = 3;
/// Turns after which a talker goes on in a new conversation: what a household's conversation has before a pause. A longer history
/// costs more at every turn, the model's tokens first of all.
const LENGTH: usize = 25;
/// Writes for the comparison with the bare disk.
const SYNCS: usize = 500;
/// Bytes of such a write.
const SYNC_BYTES: usize = 512;

pub(super) fn measure() -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let model = Model::start()?;
    let mut figures = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut house = Scratch::start(folder.path(), &model.config())?;
    runtime.block_on(async {
        house.client().await?;
        for conversations in CONCURRENCY {
            figures.extend(level(&house, &model, conversations).await?);
        }
        figures.push(prompt_tokens(&house, &model).await?);
        anyhow::Ok(())
    })?;
    house.stop()?;
    figures.push(bare_sync(folder.path())?);
    Ok(figures)
}

/// One number of conversations at once.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn level(house: &Scratch, model: &Model, conversations: usize) -> anyhow::Result<Vec<Figure>> {
    let turns = TURNS.div_ceil(conversations);
    progress(&format!("{conversations} conversations, {turns} turns each"));
    let talkers = (0..conversations).map(|n| Talker::open(house, format!("bench-{conversations}-{n}")));
    let mut talkers = try_join_all(talkers).await?;
    try_join_all(talkers.iter_mut().map(|talker| talker.talk(model, WARM))).await?;
    let began = Instant::now();
    let samples = try_join_all(talkers.iter_mut().map(|talker| talker.talk(model, turns))).await?;
    let took = began.elapsed().as_secs_f64();
    let mut samples: Vec<f64> = samples.into_iter().flatten().map(|own| own.as_secs_f64() * 1_000.0).collect();
    let n = samples.len();
    let figure = |name: &str, value: f64, unit| Figure::new(format!("{name}@{conversations}"), value, unit, n);
    Ok(vec![
        figure("turns_per_s", n as f64 / took, "1/s"),
        figure("turn_p50_ms", percentile(&mut samples, 0.50), "ms"),
        figure("turn_p95_ms", percentile(&mut samples, 0.95), "ms"),
        figure("turn_p99_ms", percentile(&mut samples, 0.99), "ms"),
    ])
}

/// One conversation of a bench.
pub(super) struct Talker {
    client: Client,
    thread: String,
    said: usize,
}

impl Talker {
    pub(super) async fn open(house: &Scratch, thread: String) -> anyhow::Result<Self> {
        let mut client = Client::connect(&house.socket).await?.context("the scratch house has gone")?;
        client.ask(&ClientFrame::Open { member: None, thread: thread.clone(), cursor: Some(0) }).await?;
        Ok(Self { client, thread, said: 0 })
    }

    /// This many turns, one after the other; the runtime's own share of each.
    async fn talk(&mut self, model: &Model, turns: usize) -> anyhow::Result<Vec<Duration>> {
        self.talk_of("say hello to", model, turns).await
    }

    /// The same with other words.
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    pub(super) async fn talk_of(&mut self, what: &str, model: &Model, turns: usize) -> anyhow::Result<Vec<Duration>> {
        let mut samples = Vec::with_capacity(turns);
        for _ in 0..turns {
            if self.said > 0 && self.said.is_multiple_of(LENGTH) {
                self.next_conversation().await?;
            }
            self.said = self.said.saturating_add(1);
            let text = format!("{what} number {} in {}", self.said, self.thread);
            let began = Instant::now();
            let seq = self.turn(&text).await?;
            let took = began.elapsed();
            samples.push(took.saturating_sub(model.own_time(&text)));
            self.client.send(&ClientFrame::Seen { upto: seq }).await?;
        }
        Ok(samples)
    }

    async fn next_conversation(&mut self) -> anyhow::Result<()> {
        let thread = format!("{}-{}", self.thread, self.said);
        self.client.send(&ClientFrame::Open { member: None, thread, cursor: Some(0) }).await?;
        while let Some(frame) = self.client.next().await? {
            if matches!(frame, HouseFrame::Opened { .. }) {
                return Ok(());
            }
        }
        bail!("the scratch house has gone")
    }

    /// One turn; the answer's place.
    async fn turn(&mut self, text: &str) -> anyhow::Result<u64> {
        let nonce = format!("{}-{}", self.thread, self.said);
        self.client.send(&ClientFrame::Say { nonce: nonce.clone(), text: text.to_owned(), images: Vec::new() }).await?;
        let mut expected = None;
        let mut early = None;
        while let Some(frame) = self.client.next().await? {
            match frame {
                HouseFrame::Accepted { answer, .. } => expected = Some(answer),
                HouseFrame::Message(said) if said.house => early = Some((said.answer, said.seq)),
                HouseFrame::Refused { error, .. } | HouseFrame::Error { error } => bail!(error),
                _ => {}
            }
            if let (Some(expected), Some((answer, seq))) = (expected, early)
                && answer == Some(expected)
            {
                return Ok(seq);
            }
        }
        bail!("the scratch house has gone in the middle of a turn")
    }
}

/// Tokens (o200k) of the whole request for "hello" in a new conversation, as it comes over the wire.
async fn prompt_tokens(house: &Scratch, model: &Model) -> anyhow::Result<Figure> {
    let mut talker = Talker::open(house, "bench-hello".to_owned()).await?;
    talker.turn("hello").await?;
    let tokens = tiktoken_rs::o200k_base()?.encode_ordinary(&model.last_body()).len();
    Ok(Figure::new("prompt_tokens_hello", tokens as f64, "tokens", 1))
}

/// A bare write and fsync on the same disk.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn bare_sync(folder: &Path) -> anyhow::Result<Figure> {
    progress("bare write and fsync");
    let mut file = std::fs::File::create(folder.join("bare"))?;
    let bytes = [7_u8; SYNC_BYTES];
    let mut samples = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&bytes)?;
        file.sync_all()?;
        samples.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(Figure::new("fsync_p50_ms", percentile(&mut samples, 0.5), "ms", SYNCS))
}
