//! Policy: what a decision costs, and what labels and gate add to a turn.
//!
//! Decisions are samples of [`hearth_actors::policy::bench`]: the policy actor's own desk, in this process.
//!
//! `turn_overhead_ratio` is a turn with labels and gate over the same turn without them. No house can leave them out, so "without" is not
//! measured but subtracted: turns of a scratch house with as many rules, each with a call of a tool that writes; the house itself times each
//! decision of those turns (`hearth_policy_decision_seconds` of `/metrics`); a prompt's join of labels is added. Left out are two hops between
//! actors (`bench supervisor`: a microsecond each) and the bytes of stored labels.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use hearth_actors::policy::bench::{RULES, Samples, household_rules, run};
use serde_json::Value;

use super::house::Scratch;
use super::model::{KEEP, Model};
use super::stats::percentile;
use super::turn::Talker;
use super::{Figure, progress};
use crate::wire::{ClientFrame, HouseFrame};

/// Turns that are measured, one after the other.
const TURNS: usize = 500;
/// Turns before those.
const WARM: usize = 25;
/// What the collector shows; the scratch house listens on loopback only and is gone afterwards.
const TOKEN: (&str, &str) = ("HEARTH_BENCH_METRICS", "bench-bench-bench-bench-bench-bench");

pub(super) fn measure() -> anyhow::Result<Vec<Figure>> {
    let Samples { mut decisions_us, by_question_us, mut joins_us, outcomes } = run(progress)?;
    progress(&format!("allowed, asked, refused: {outcomes:?}"));
    let join_us = percentile(&mut joins_us, 0.5);
    let n = decisions_us.len();
    let figure = |name: &str, share: f64, samples: &mut [f64]| Figure::new(name, percentile(samples, share), "us", n);
    let mut figures = vec![figure("decide_p50_us", 0.5, &mut decisions_us), figure("decide_p99_us", 0.99, &mut decisions_us)];
    // Of the tail a busy machine makes what it likes; of a median it does not.
    let slowest = by_question_us.first().map_or(0.0, |(_, median)| *median);
    figures.push(Figure::new("decide_slowest_us", slowest, "us", n / by_question_us.len().max(1)));
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    figures.extend(runtime.block_on(turns(folder.path(), join_us))?);
    Ok(figures)
}

async fn turns(folder: &Path, join_us: f64) -> anyhow::Result<[Figure; 3]> {
    progress(&format!("{TURNS} turns with a call each"));
    let (model, rules) = (Model::start()?, folder.join("rules.cedar"));
    std::fs::write(&rules, household_rules(RULES))?;
    let page = format!("[web]\nlisten = \"127.0.0.1:0\"\nmetrics_token_env = \"{}\"\n", TOKEN.0);
    let rules = format!("[house]\nrules = {}\n", toml::Value::String(rules.display().to_string()));
    let config = model.config().replace("[house]\n", &rules).replace("[web]\nenabled = false\n", &page);
    let mut house = Scratch::start_with(folder, &config, &[TOKEN])?;
    let status = house.client().await?.ask(&ClientFrame::Status).await?;
    let HouseFrame::Status { status } = status else { bail!("the scratch house gave an unexpected answer") };
    let page = status.get("page").and_then(Value::as_str).context("the scratch house has no page")?.trim_end_matches('/').to_owned();
    let mut talker = Talker::open(&house, "bench-policy".to_owned()).await?;
    talker.talk_of(KEEP, &model, WARM).await?;
    let (before_s, before_n) = decisions(&page).await?;
    let own = talker.talk_of(KEEP, &model, TURNS).await?;
    let (after_s, after_n) = decisions(&page).await?;
    house.stop()?;
    let decided = after_n - before_n;
    ensure!(decided >= TURNS as f64, "{TURNS} turns made {decided} decisions");
    let mut turn_us: Vec<f64> = own.into_iter().map(|own| own.as_secs_f64() * 1e6).collect();
    let turn_us = percentile(&mut turn_us, 0.5);
    let gate_us = (after_s - before_s) * 1e6 / TURNS as f64 + join_us;
    Ok([
        Figure::new("tool_turn_p50_us", turn_us, "us", TURNS),
        Figure::new("gate_of_turn_us", gate_us, "us", TURNS),
        Figure::new("turn_overhead_ratio", turn_us / (turn_us - gate_us).max(1.0), "ratio", TURNS),
    ])
}

/// Seconds of all decisions so far, and how many there were.
async fn decisions(page: &str) -> anyhow::Result<(f64, f64)> {
    let asked = reqwest::Client::builder().no_proxy().build()?.get(format!("{page}/metrics")).bearer_auth(TOKEN.1);
    let text = asked.send().await?.error_for_status()?.text().await?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse::<f64>().ok()).with_context(|| format!("the scratch house has no {name}"))
    };
    Ok((value("hearth_policy_decision_seconds_sum ")?, value("hearth_policy_decision_seconds_count ")?))
}
