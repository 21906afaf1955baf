//! The vault: what its way adds to a request, and how soon it is back after a kill.
//!
//! ```text
//! direct: client ───────────────────────────────────────▶ server on loopback
//! broker: client ─▶ socket ─▶ vault of a scratch house ─▶ the same server
//! ```
//!
//! Both ways are the same client (reqwest, as the house's models use it) and the same requests in one run, by turns, so that what else the
//! machine does falls on both. The server answers only requests that carry the secret; through the vault they carry its placeholder.

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::future::try_join_all;
use hearth_domain::household::Member;
use hearth_domain::secret::SecretName;
use hearth_domain::vault::VaultState;
use hearth_vault::admin::{self, AdminAnswer, AdminAsk, AdminError, Hidden, NewSecret};

use super::house::Scratch;
use super::stats::percentile;
use super::{Figure, progress};
use crate::places;
use far::{ANSWER, Far, STREAM};
use way::Way;

mod far;
mod kill;
mod leak;
mod way;

/// Requests one after the other, each way.
const CALLS: usize = 5_000;
/// Those before, which are not counted.
const WARM: usize = 300;
/// Connections at once.
const CONNECTIONS: usize = 64;
/// Rounds at that many connections, each way.
const ROUNDS: usize = 10;
/// Requests of each connection in one round.
const ROUND: usize = 50;
/// Streamed answers, each way.
const STREAMS: usize = 500;
/// The name of the secret.
const NAME: &str = "bench";
/// Who uses it.
const USER: &str = "provider/bench";
/// Most bytes of one request with it.
const BYTES_OUT: u64 = 1 << 20;
/// Time between two looks whether the vault is there, and how many.
const LOOK: Duration = Duration::from_millis(5);
const LOOKS: u32 = 6_000;

pub(super) fn measure() -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
    std::fs::create_dir(&data)?;
    let far = Far::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut house = Scratch::start(&data, &config(&keys))?;
    let mut figures = runtime.block_on(async {
        house.client().await?;
        enter(&keys, &far).await?;
        let (direct, broker) = (Way::direct(&far)?, Way::broker(&far, &secret()?, &places::beside(&data, "vault"))?);
        let mut figures = latency(&direct, &broker).await?;
        figures.extend(throughput(&direct, &broker).await?);
        figures.push(first_byte(&direct, &broker).await?);
        figures.push(kill::measure(&house, &broker, &far).await?);
        anyhow::Ok(figures)
    })?;
    ensure!(stored(&keys)?, "the scratch house lost its secret");
    house.stop()?;
    figures.push(leak::measure());
    Ok(figures)
}

/// A house without models. An end counts as the first one again after less than the usual second, which is what a process that is killed once
/// meets; otherwise the figure would be that of the waits between ends in a row.
fn config(keys: &Path) -> String {
    let keys = toml::Value::String(keys.display().to_string());
    let steady = humane(kill::STEADY);
    format!(
        "[house]\nzone = \"UTC\"\n[web]\nenabled = false\n[[members]]\nname = \"Bench\"\n[vault]\nsources = [\"key-file\"]\nkeys = {keys}\n\
         [limits]\nvault_steady = \"{steady}\"\n"
    )
}

fn humane(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

fn secret() -> anyhow::Result<SecretName> {
    Ok(SecretName::new(NAME)?)
}

/// Puts the secret into the vault, as its owner does.
async fn enter(keys: &Path, far: &Far) -> anyhow::Result<()> {
    let socket = keys.join(admin::SOCKET);
    let mut open = false;
    for _ in 0..LOOKS {
        match admin::ask(&socket, &AdminAsk::Status) {
            Ok(AdminAnswer::Status(census)) => open = census.state == VaultState::Open,
            Ok(_) => bail!("the vault gave an unexpected answer"),
            Err(AdminError::Connect(_) | AdminError::NoAnswer) => {}
            Err(error) => return Err(error.into()),
        }
        if open {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    ensure!(open, "the vault of the scratch house did not open");
    let new = NewSecret {
        name: secret()?,
        owner: Member::id_of("Bench"),
        value: Some(Hidden::new(far.value().as_bytes().to_vec())),
        users: vec![USER.parse()?],
        targets: vec![format!("POST,GET {}/** lan", far.base())],
        authority: None,
        members: None,
        rate: None,
        bytes_out_max: BYTES_OUT,
        until: None,
        canary: false,
    };
    match admin::ask(&socket, &AdminAsk::Add(Box::new(new)))? {
        AdminAnswer::Done => Ok(()),
        AdminAnswer::Refused { sentence, .. } => bail!("the secret was not taken: {sentence}"),
        _ => bail!("the vault gave an unexpected answer"),
    }
}

/// Whether the secret is still there.
fn stored(keys: &Path) -> anyhow::Result<bool> {
    let AdminAnswer::Listed { secrets, .. } = admin::ask(&keys.join(admin::SOCKET), &AdminAsk::List)? else {
        bail!("the vault gave an unexpected answer")
    };
    Ok(secrets.iter().any(|secret| secret.name.as_str() == NAME))
}

/// How long something takes, in seconds.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn timed(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<f64> {
    let began = Instant::now();
    work.await?;
    Ok(began.elapsed().as_secs_f64())
}

async fn latency(direct: &Way, broker: &Way) -> anyhow::Result<Vec<Figure>> {
    progress(&format!("{CALLS} requests each way, by turns"));
    for _ in 0..WARM {
        direct.ask(ANSWER).await.context("the direct way")?;
        broker.ask(ANSWER).await.context("the vault's way")?;
    }
    let (mut without, mut with) = (Vec::with_capacity(CALLS), Vec::with_capacity(CALLS));
    for _ in 0..CALLS {
        without.push(timed(direct.ask(ANSWER)).await? * 1e6);
        with.push(timed(broker.ask(ANSWER)).await? * 1e6);
    }
    let mut figures = Vec::new();
    for (name, samples) in [("direct", &mut without), ("broker", &mut with)] {
        figures.push(Figure::new(format!("{name}_p50_us"), percentile(samples, 0.50), "us", CALLS));
        figures.push(Figure::new(format!("{name}_p99_us"), percentile(samples, 0.99), "us", CALLS));
    }
    Ok(figures)
}

/// Requests per second at many connections: the vault's share of the direct way's.
async fn throughput(direct: &Way, broker: &Way) -> anyhow::Result<Vec<Figure>> {
    let n = CONNECTIONS * ROUNDS * ROUND;
    progress(&format!("{n} requests each way over {CONNECTIONS} connections"));
    round(direct).await?;
    round(broker).await?;
    let (mut without, mut with) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        without += timed(round(direct)).await?;
        with += timed(round(broker)).await?;
    }
    Ok(vec![
        Figure::new(format!("direct_per_s@{CONNECTIONS}"), n as f64 / without, "1/s", n),
        Figure::new(format!("broker_per_s@{CONNECTIONS}"), n as f64 / with, "1/s", n),
        Figure::new(format!("throughput_ratio@{CONNECTIONS}"), without / with, "ratio", n),
    ])
}

async fn round(way: &Way) -> anyhow::Result<()> {
    let connection = || async {
        for _ in 0..ROUND {
            way.ask(ANSWER).await?;
        }
        anyhow::Ok(())
    };
    try_join_all(std::iter::repeat_with(connection).take(CONNECTIONS)).await?;
    Ok(())
}

/// Until the first piece of a streamed answer is there: the medians' difference.
async fn first_byte(direct: &Way, broker: &Way) -> anyhow::Result<Figure> {
    progress(&format!("{STREAMS} streamed answers each way, by turns"));
    let (mut without, mut with) = (Vec::with_capacity(STREAMS), Vec::with_capacity(STREAMS));
    for _ in 0..STREAMS {
        without.push(direct.first_byte(STREAM).await?.as_secs_f64() * 1e3);
        with.push(broker.first_byte(STREAM).await?.as_secs_f64() * 1e3);
    }
    let (without, with) = (percentile(&mut without, 0.5), percentile(&mut with, 0.5));
    Ok(Figure::new("first_byte_added_ms", with - without, "ms", STREAMS))
}
