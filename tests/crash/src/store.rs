//! The store under test: a workload of transactions that can be checked afterwards.
//!
//! Writers run side by side; each commits one transaction after the other and acknowledges each once the commit has
//! come back. A transaction puts a row into `left` and one into `right` under the same id, and moves the writer's row in
//! `head` to its number. All contents follow from the id, so a reader knows what must be there.

mod surreal;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::rng::Rng;
use crate::shim::Ack;
use crate::verdict::Verdict;
use surreal::Surreal;

/// How large the workload and the store's own limits are.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Load {
    /// Writers side by side.
    #[arg(long, default_value_t = 4)]
    pub writers: u32,
    /// Transactions per writer.
    #[arg(long, default_value_t = 150)]
    pub commits: u32,
    /// Every so many transactions a large one.
    #[arg(long, default_value_t = 4)]
    pub large_every: usize,
    /// Bytes of a large row.
    #[arg(long, default_value_t = 9000)]
    pub large: usize,
    /// Bytes of a memtable. Small, so that it is flushed, its log dropped and the files compacted many times in one trace.
    #[arg(long, default_value_t = 256 * 1024)]
    pub memtable: u64,
    /// Bytes of a file of large values.
    #[arg(long, default_value_t = 128 * 1024)]
    pub blob_file: u64,
    /// Open and close the store once before working on it.
    #[arg(long)]
    pub settle: bool,
}

/// One transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Txn {
    /// How many crashes came before.
    pub round: u32,
    /// Who.
    pub writer: u32,
    /// Its number, from 1.
    pub n: u32,
    /// How large its row in `left` is.
    pub size: usize,
}

impl Txn {
    /// Key of its two rows.
    pub fn id(&self) -> String {
        format!("{:03}-{:03}-{:06}", self.round, self.writer, self.n)
    }

    /// Key of the writer's row in `head`.
    pub fn head(&self) -> String {
        format!("{:03}-{:03}", self.round, self.writer)
    }

    /// The row in `left`.
    pub fn left(&self) -> String {
        body(&self.id(), self.size)
    }

    /// The row in `right`.
    pub fn right(&self) -> String {
        body(&self.id(), 40)
    }
}

/// Text that follows from the id, after its own length.
fn body(id: &str, size: usize) -> String {
    let salt = id.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(131).wrapping_add(u64::from(byte)));
    let mut rng = Rng::new(salt);
    let mut text = format!("{id}:{size}:");
    while text.len() < size {
        text.push_str(&format!("{:016x}", rng.draw()));
    }
    text
}

/// Whether `text` is what some transaction under `id` put there.
fn sound(id: &str, text: &str) -> bool {
    let size = text.strip_prefix(id).and_then(|rest| rest.strip_prefix(':')).and_then(|rest| rest.split(':').next());
    size.and_then(|size| size.parse().ok()).is_some_and(|size| body(id, size) == text)
}

/// A table as read; a row that cannot be read has its error.
pub type Rows = BTreeMap<String, Result<String, String>>;

/// All three tables.
#[derive(Debug, Default)]
pub struct Dump {
    /// By id.
    pub left: Rows,
    /// By id.
    pub right: Rows,
    /// Last number by writer.
    pub head: BTreeMap<String, u32>,
}

/// Runs the workload.
pub async fn work(dir: &Path, load: Load, round: u32) -> Result<()> {
    if load.settle {
        Surreal::open(dir, &load).await.context("opening to settle")?.close().await?;
    }
    let engine = Arc::new(Surreal::open(dir, &load).await.context("opening to work")?);
    let ack = Arc::new(Ack::open()?);
    let writers = (0..load.writers).map(|writer| {
        let (engine, ack) = (Arc::clone(&engine), Arc::clone(&ack));
        tokio::spawn(async move { write(&engine, &ack, load, round, writer).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    engine.close().await
}

async fn write(engine: &Surreal, ack: &Ack, load: Load, round: u32, writer: u32) -> Result<()> {
    let mut rng = Rng::new(u64::from(round)).split(u64::from(writer) + 1);
    for n in 1..=load.commits {
        let size = if rng.once_in(load.large_every) { load.large } else { rng.between(60, 1500) };
        let txn = Txn { round, writer, n, size };
        engine.commit(&txn).await.with_context(|| format!("committing {}", txn.id()))?;
        ack.mark(&txn.id())?;
    }
    Ok(())
}

/// Opens the store and compares it with what was acknowledged.
pub async fn verify(dir: &Path, load: Load, acks: &[&str]) -> Verdict {
    let found = async {
        let engine = Surreal::open(dir, &load).await?;
        let dump = engine.dump(acks).await?;
        Ok::<_, anyhow::Error>((engine, dump))
    };
    match found.await {
        Ok((_engine, dump)) => judge(&dump, acks),
        Err(error) => Verdict { refused: Some(format!("{error:#}")), acked: acks.len() as u64, ..Verdict::default() },
    }
}

/// What is missing and what is torn.
pub fn judge(dump: &Dump, acks: &[&str]) -> Verdict {
    let mut verdict = Verdict { acked: acks.len() as u64, ..Verdict::default() };
    for id in acks {
        let present = |rows: &Rows| matches!(rows.get(*id), Some(Ok(_)));
        if !present(&dump.left) || !present(&dump.right) {
            verdict.lost += 1;
            verdict.note(id, &format!("lost: left {}, right {}", state(&dump.left, id), state(&dump.right, id)));
        }
    }
    let ids: BTreeSet<&String> = dump.left.keys().chain(dump.right.keys()).collect();
    let mut last: BTreeMap<&str, u32> = BTreeMap::new();
    for id in ids {
        let whole = |rows: &Rows| matches!(rows.get(id), Some(Ok(text)) if sound(id, text));
        if !whole(&dump.left) || !whole(&dump.right) {
            verdict.torn += 1;
            verdict.note(id, &format!("torn: left {}, right {}", state(&dump.left, id), state(&dump.right, id)));
        }
        if let Some((writer, n)) = id.rsplit_once('-') {
            let n = n.parse().unwrap_or(0);
            last.entry(writer).and_modify(|last| *last = n.max(*last)).or_insert(n);
        }
    }
    let heads: BTreeMap<&str, u32> = dump.head.iter().map(|(writer, n)| (writer.as_str(), *n)).collect();
    if heads != last {
        verdict.torn += 1;
        verdict.note("head", "torn: the heads do not agree with the rows");
    }
    verdict
}

fn state(rows: &Rows, id: &str) -> String {
    match rows.get(id) {
        None => "missing".to_owned(),
        Some(Ok(text)) if sound(id, text) => "there".to_owned(),
        Some(Ok(_)) => "wrong".to_owned(),
        Some(Err(error)) => format!("unreadable ({error})"),
    }
}
