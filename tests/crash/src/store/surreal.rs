//! The house's own engine, with smaller files.

use std::path::Path;

use anyhow::{Context, Result};
use hearth_engine::{Engine, Place, Sizes};
use surrealdb_types::{Object, SurrealValue, Value};
use tokio::sync::RwLock;

use super::{Dump, Load, Rows, Txn};

const SCHEMA: &str = "
    DEFINE NAMESPACE IF NOT EXISTS hearth;
    USE NS hearth;
    DEFINE DATABASE IF NOT EXISTS house;
    USE DB house;
    DEFINE TABLE IF NOT EXISTS left;
    DEFINE TABLE IF NOT EXISTS right;
    DEFINE TABLE IF NOT EXISTS head;
";

const COMMIT: &str = "
    BEGIN;
    CREATE type::record('left', $id) SET body = $left RETURN NONE;
    CREATE type::record('right', $id) SET body = $right RETURN NONE;
    UPSERT type::record('head', $head) SET n = $n RETURN NONE;
    COMMIT;
";

/// An engine in this process.
#[derive(Debug)]
pub(super) struct Surreal(RwLock<Option<Engine>>);

/// The values of all statements; fails if one of them failed.
async fn ask(engine: &Engine, text: &str, variables: impl IntoIterator<Item = (&str, Value)>) -> Result<Vec<Value>> {
    let mut object = Object::new();
    for (name, value) in variables {
        object.insert(name, value);
    }
    engine.ask(text, object).await?.into_iter().map(|answer| Ok(answer?)).collect()
}

impl Surreal {
    /// Opens the store in `dir`, durable on every commit.
    pub(super) async fn open(dir: &Path, load: &Load) -> Result<Self> {
        let sizes = Sizes { memtable: load.memtable, blob_file: load.blob_file };
        let engine = Engine::open(&Place::Folder(dir.to_owned()), sizes).await?;
        ask(&engine, SCHEMA, []).await?;
        Ok(Surreal(RwLock::new(Some(engine))))
    }

    /// Commits a transaction; once this is back it must never be lost.
    pub(super) async fn commit(&self, txn: &Txn) -> Result<()> {
        let open = self.0.read().await;
        let open = open.as_ref().context("closed")?;
        let texts = [("id", txn.id()), ("left", txn.left()), ("right", txn.right()), ("head", txn.head())];
        let texts = texts.into_iter().map(|(name, text)| (name, Value::String(text)));
        ask(open, COMMIT, texts.chain([("n", i64::from(txn.n).into_value())])).await?;
        Ok(())
    }

    /// Reads everything; `acks` may help to find rows where a table cannot be scanned.
    pub(super) async fn dump(&self, acks: &[&str]) -> Result<Dump> {
        let right = self.rows("right", acks).await?;
        let known: Vec<&str> = right.keys().map(String::as_str).chain(acks.iter().copied()).collect();
        let mut dump = Dump { left: self.rows("left", &known).await?, right, ..Dump::default() };
        for line in self.strings("SELECT VALUE record::id(id) + '|' + <string>n FROM head", None).await? {
            let (writer, n) = line.split_once('|').context("a head")?;
            dump.head.insert(writer.to_owned(), n.parse()?);
        }
        Ok(dump)
    }

    /// Stops in order.
    pub(super) async fn close(&self) -> Result<()> {
        self.0.write().await.take().context("closed")?.close().await;
        Ok(())
    }

    async fn strings(&self, text: &str, id: Option<&str>) -> Result<Vec<String>> {
        let open = self.0.read().await;
        let open = open.as_ref().context("closed")?;
        let id = Value::String(id.unwrap_or_default().to_owned());
        let rows = ask(open, text, [("id", id)]).await?.pop().context("no answer")?;
        Ok(Vec::<String>::from_value(rows)?)
    }

    /// A table; if it cannot be read as a whole, what can be read of the rows known to be due.
    async fn rows(&self, table: &str, known: &[&str]) -> Result<Rows> {
        let mut rows = Rows::new();
        let whole = format!("SELECT VALUE record::id(id) + '|' + body FROM {table}");
        if let Ok(lines) = self.strings(&whole, None).await {
            for line in lines {
                let (id, body) = line.split_once('|').context("a row")?;
                rows.insert(id.to_owned(), Ok(body.to_owned()));
            }
            return Ok(rows);
        }
        let single = format!("SELECT VALUE body FROM type::record('{table}', $id)");
        for id in known {
            match self.strings(&single, Some(id)).await {
                Ok(found) => rows.extend(found.into_iter().map(|body| ((*id).to_owned(), Ok(body)))),
                Err(error) => {
                    rows.insert((*id).to_owned(), Err(error.to_string()));
                }
            }
        }
        Ok(rows)
    }
}
