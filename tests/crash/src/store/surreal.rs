//! SurrealDB on SurrealKV, `sync=every`, through its SDK as Hearth uses it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use surrealdb::Surreal as Client;
use surrealdb::engine::any::{Any, connect};
use tokio::sync::RwLock;

use super::{Dump, Engine, Load, Rows, Txn};

/// How long the engine is given to stop in order; it does so on its own once the last handle is gone.
const FAREWELL: Duration = Duration::from_secs(2);

const SCHEMA: &str = "
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

/// A SurrealDB datastore in this process.
#[derive(Debug)]
pub struct Surreal(RwLock<Option<Client<Any>>>);

impl Engine for Surreal {
    async fn open(dir: &Path, _: &Load) -> Result<Self> {
        let address = format!("surrealkv://{}?sync=every", dir.display());
        let client = connect(address).await?;
        client.use_ns("crash").use_db("crash").await?;
        client.query(SCHEMA).await?.check()?;
        Ok(Surreal(RwLock::new(Some(client))))
    }

    async fn commit(&self, txn: &Txn) -> Result<()> {
        let client = self.0.read().await;
        let client = client.as_ref().context("closed")?;
        let query = client.query(COMMIT).bind(("id", txn.id())).bind(("left", txn.left())).bind(("right", txn.right()));
        query.bind(("head", txn.head())).bind(("n", i64::from(txn.n))).await?.check()?;
        Ok(())
    }

    async fn dump(&self, acks: &[&str]) -> Result<Dump> {
        let right = self.rows("right", acks).await?;
        let known: Vec<&str> = right.keys().map(String::as_str).chain(acks.iter().copied()).collect();
        let mut dump = Dump { left: self.rows("left", &known).await?, right, ..Dump::default() };
        for line in self.strings("SELECT VALUE record::id(id) + '|' + <string>n FROM head", None).await? {
            let (writer, n) = line.split_once('|').context("a head")?;
            dump.head.insert(writer.to_owned(), n.parse()?);
        }
        Ok(dump)
    }

    async fn close(&self) -> Result<()> {
        self.0.write().await.take();
        tokio::time::sleep(FAREWELL).await;
        Ok(())
    }
}

impl Surreal {
    async fn strings(&self, text: &str, id: Option<&str>) -> Result<Vec<String>> {
        let client = self.0.read().await;
        let client = client.as_ref().context("closed")?;
        let mut answer = client.query(text).bind(("id", id.unwrap_or_default().to_owned())).await?.check()?;
        Ok(answer.take(0)?)
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
