//! SurrealKV alone, driven the way surrealdb 3.3.5 drives it for `sync=every`: commit without sync, then `flush_wal`
//! with sync before the commit counts.

#![expect(clippy::indexing_slicing, reason = "every key read starts with the prefix")]

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use surrealkv::{Durability, LSMIterator, Mode, Tree, TreeBuilder};

use super::{Dump, Engine, Load, Rows, Txn};

/// A SurrealKV tree.
pub struct Kv(Tree);

impl fmt::Debug for Kv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kv")
    }
}

impl Engine for Kv {
    async fn open(dir: &Path, load: &Load) -> Result<Self> {
        let builder = TreeBuilder::new()
            .with_enable_vlog(true)
            .with_vlog_max_file_size(load.vlog_file)
            .with_vlog_value_threshold(4096)
            .with_versioning(false, 0)
            .with_max_memtable_size(load.memtable)
            .with_block_size(64 * 1024)
            .with_path(dir.to_path_buf());
        Ok(Kv(builder.build()?))
    }

    async fn commit(&self, txn: &Txn) -> Result<()> {
        let mut inner = self.0.begin_with_mode(Mode::ReadWrite)?;
        inner.set_durability(Durability::Eventual);
        inner.set(format!("l/{}", txn.id()).as_bytes(), txn.left().as_bytes())?;
        inner.set(format!("r/{}", txn.id()).as_bytes(), txn.right().as_bytes())?;
        inner.set(format!("h/{}", txn.head()).as_bytes(), txn.n.to_string().as_bytes())?;
        inner.commit().await?;
        self.0.flush_wal(true)?;
        Ok(())
    }

    async fn dump(&self, _: &[&str]) -> Result<Dump> {
        let mut dump = Dump { left: self.rows("l/")?, right: self.rows("r/")?, ..Dump::default() };
        for (writer, n) in self.rows("h/")? {
            dump.head.insert(writer, n.map_err(anyhow::Error::msg)?.parse()?);
        }
        Ok(dump)
    }

    async fn close(&self) -> Result<()> {
        self.0.flush_wal(true)?;
        Ok(self.0.close().await?)
    }
}

impl Kv {
    fn rows(&self, prefix: &str) -> Result<Rows> {
        let inner = self.0.begin_with_mode(Mode::ReadOnly)?;
        let mut end = prefix.as_bytes().to_vec();
        *end.last_mut().context("an empty prefix")? += 1;
        let mut keys = Vec::new();
        let mut each = inner.range(prefix.as_bytes(), &end)?;
        let mut more = each.seek_first()?;
        while more {
            keys.push(each.key().user_key().to_vec());
            more = each.next()?;
        }
        drop(each);
        let mut rows = Rows::new();
        for key in keys {
            let name = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
            let value = match inner.get(key.as_slice()) {
                Ok(Some(value)) => Ok(String::from_utf8_lossy(&value).into_owned()),
                Ok(None) => Err("listed but not found".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            rows.insert(name, value);
        }
        Ok(rows)
    }
}
