//! Sandboxes are killed at any instant of a call, while the others are called without a pause: how soon the tool answers again, that no
//! other tool's call fails, and that no process is left behind.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::future::try_join;
use futures_util::future::try_join_all;
use rustix::process::{Pid, Signal, kill_process};

use super::{arguments, call, function};
use crate::bench::house::{Scratch, alive, children, is_zombie};
use crate::bench::stats::percentile;
use crate::bench::{Figure, progress};
use crate::client::Client;
use crate::wire::tools::ToolAsk;
use crate::wire::{ClientFrame, HouseFrame};

/// Kills.
const KILLS: usize = 2_000;
/// A kill comes so long after its call was sent at most: a call takes less.
const WITHIN: Duration = Duration::from_micros(600);
/// Attempts until a tool counts as gone for good.
const AGAIN_MAX: usize = 10_000;
/// How long the processes of a house may be there after its own end.
const GONE: Duration = Duration::from_secs(5);

type Caller = (Client, String);

/// Of tools that have been called. Ends the house as a power cut would.
pub(super) async fn measure(mut house: Scratch, mut tools: Vec<Caller>) -> anyhow::Result<Vec<Figure>> {
    progress(&format!("{KILLS} kills of sandboxes under load"));
    let (mut samples, mut lost, mut others) = (Vec::with_capacity(KILLS), 0, 0);
    for round in 0..KILLS {
        // One after the other in an order without a pattern, and at instants spread evenly over the time of a call.
        let victim = round.wrapping_mul(2_654_435_761) % 97 % tools.len();
        let wait = WITHIN.mul_f64(round as f64 * 0.618_034 % 1.0);
        let (mut caller, rest) = (tools.swap_remove(victim), &mut tools);
        let over = Cell::new(false);
        let killing = async {
            let killed = kill(&house, &mut caller, wait).await;
            over.set(true);
            killed
        };
        let calling = try_join_all(rest.iter_mut().map(|(client, name)| keep_calling(client, name, &over)));
        let ((took, was_lost), served) = try_join(killing, calling).await?;
        samples.push(took);
        lost += usize::from(was_lost);
        others += served.iter().sum::<usize>();
        tools.push(caller);
    }
    progress(&format!("{lost} calls were lost with their process; {others} calls of other tools, each answered"));
    let processes = children(house.id());
    let zombies = processes.iter().filter(|pid| is_zombie(**pid)).count();
    house.kill()?;
    let began = Instant::now();
    while processes.iter().any(|pid| alive(*pid)) && began.elapsed() < GONE {
        tokio::task::yield_now().await;
    }
    let orphans = processes.iter().filter(|pid| alive(**pid)).count();
    Ok(vec![
        Figure::new("kill_to_answer_p50_ms", percentile(&mut samples, 0.5), "ms", KILLS),
        Figure::new("kill_to_answer_p99_ms", percentile(&mut samples, 0.99), "ms", KILLS),
        Figure::new("zombies", zombies as f64, "", processes.len()),
        Figure::new("orphans", orphans as f64, "", processes.len()),
    ])
}

/// Milliseconds from the kill to the next answer, and whether the call in hand was lost.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn kill(house: &Scratch, (client, name): &mut Caller, wait: Duration) -> anyhow::Result<(f64, bool)> {
    let pid = house.child(&format!("hearth sandbox {name}")).context("the tool has no process")?;
    let ask = ToolAsk::Call { function: function(name), arguments: arguments() };
    client.send(&ClientFrame::Tool { member: None, ask }).await?;
    let sent = Instant::now();
    while sent.elapsed() < wait {
        std::hint::spin_loop();
    }
    let killed = Instant::now();
    kill_process(Pid::from_raw(i32::try_from(pid)?).context("a process has no number")?, Signal::KILL)?;
    let was_lost = match client.next().await?.context("the scratch house has gone")? {
        HouseFrame::Tool { .. } => false,
        HouseFrame::Error { error } if error.contains("stopped unexpectedly") => true,
        other => bail!("a call that was under way came to {other:?}"),
    };
    for _ in 0..AGAIN_MAX {
        match call(client, name).await {
            Ok(_) => return Ok((killed.elapsed().as_secs_f64() * 1e3, was_lost)),
            // It was between two calls when its process was killed.
            Err(error) => ensure!(format!("{error}").contains("stopped unexpectedly"), "after a kill: {error:#}"),
        }
    }
    bail!("the tool does not come back")
}

/// Calls until it is over; how often.
async fn keep_calling(client: &mut Client, name: &str, over: &Cell<bool>) -> anyhow::Result<usize> {
    let mut count = 0;
    while !over.get() {
        call(client, name).await.with_context(|| format!("a call of {name} failed while another tool was killed"))?;
        count += 1;
    }
    Ok(count)
}
