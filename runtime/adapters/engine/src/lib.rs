//! The embedded database engine, behind a small door: open, ask, close.
//!
//! A crate of its own because whoever awaits one of the engine's futures compiles the whole path of a query, which takes minutes.
//! Here that happens once; what leaves this crate is boxed. It knows nothing of the house.

// The futures of a query are nested deeply.
#![recursion_limit = "256"]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use surrealdb_cnf::ConfigMap;
use surrealdb_core::dbs::Session;
use surrealdb_core::kvs::Datastore;
use surrealdb_core::options::EngineOptions;
use surrealdb_types::{Error, Object, Value};

/// The namespace of everything.
pub const NAMESPACE: &str = "hearth";
/// The database of everything.
pub const DATABASE: &str = "house";

/// What does not depend on how much the house has: for a machine with 1 GB. The engine's own defaults are a part of the machine's memory.
const FIXED: &[(&str, &str)] = &[
    // Every commit is on the disk before it is answered (I-12).
    ("datastore_sync", "every"),
    ("datastore_versioned", "false"),
    ("rocksdb_block_cache_size", "8388608"),
    ("rocksdb_block_size", "16384"),
    ("rocksdb_max_write_buffer_number", "2"),
    ("rocksdb_min_write_buffer_number_to_merge", "1"),
    ("rocksdb_thread_count", "1"),
    ("rocksdb_jobs_count", "2"),
    ("rocksdb_max_concurrent_subcompactions", "1"),
    ("rocksdb_max_open_files", "256"),
    ("rocksdb_keep_log_file_num", "2"),
    ("rocksdb_grouped_commit_max_batch_size", "64"),
    // Logs that are not needed any more are removed at once.
    ("rocksdb_wal_size_limit", "0"),
    ("transaction_cache_size", "1000"),
];

/// How often the engine looks after things that a single house has none of: other nodes, change feeds, live queries.
const RARELY: Duration = Duration::from_secs(3_600);
/// How often the full-text index is compacted, if it changed.
const COMPACTION: Duration = Duration::from_secs(60);
/// How long closing may take before it goes on without the engine.
const CLOSING: Duration = Duration::from_secs(20);

/// Sizes that tests make small, so that files are turned over often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of a memtable, and of a file of a level. A memtable takes more than this for one large transaction.
    pub memtable: u64,
    /// Bytes of a file of large values.
    pub blob_file: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { memtable: 8 * 1024 * 1024, blob_file: 16 * 1024 * 1024 }
    }
}

/// Where the data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this folder.
    Folder(PathBuf),
    /// In memory.
    Memory,
}

/// Why the engine does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The engine takes its options after a question mark, and offers no way to escape one.
    #[error("the name of the data folder must be UTF-8 without `?`")]
    Name,
    /// What the engine says.
    #[error("{0}")]
    Engine(String),
    /// It trusts its files in places; what it stumbles over is damage all the same.
    #[error("the database's files cannot be read")]
    Panicked,
}

/// What the statements of a query gave, one for each.
pub type Answers = Vec<Result<Value, Error>>;

/// An open engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    datastore: Arc<Datastore>,
    session: Arc<Session>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Opens it; what is not there is made. On the runtime that calls, which must be a tokio runtime with large stacks.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "on the database's own threads; a panic of the engine must end here")]
    pub fn open(place: &Place, sizes: Sizes) -> BoxFuture<'static, Result<Self, OpenError>> {
        let address = address(place);
        async move {
            let opening = tokio::spawn(open(address?, sizes));
            opening.await.unwrap_or(Err(OpenError::Panicked))
        }
        .boxed()
    }

    /// Runs a query. Fails as a whole when it cannot be read, else by statement.
    #[must_use]
    pub fn ask(&self, text: &str, variables: Object) -> BoxFuture<'_, Result<Answers, Error>> {
        let text = text.to_owned();
        async move {
            let answers = self.datastore.execute(&text, &self.session, Some(variables.into())).await?;
            Ok(answers.into_iter().map(|answer| answer.result).collect())
        }
        .boxed()
    }

    /// Closes it. What was committed stays in any case.
    #[must_use]
    pub fn close(self) -> BoxFuture<'static, ()> {
        async move { shut(&self.datastore).await }.boxed()
    }
}

fn address(place: &Place) -> Result<String, OpenError> {
    let Place::Folder(folder) = place else { return Ok("memory".to_owned()) };
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
    match Path::to_str(&folder) {
        Some(path) if !path.contains('?') => Ok(format!("rocksdb://{path}?sync=every")),
        _ => Err(OpenError::Name),
    }
}

async fn open(address: String, sizes: Sizes) -> Result<Engine, OpenError> {
    let limits = FIXED.iter().fold(ConfigMap::empty(), |map, (key, value)| map.with_key_value(*key, *value));
    let limits = limits
        .with_key_value("rocksdb_write_buffer_size", sizes.memtable.to_string())
        .with_key_value("rocksdb_target_file_size_base", sizes.memtable.to_string())
        .with_key_value("rocksdb_blob_file_size", sizes.blob_file.to_string());
    let builder = Datastore::builder().with_config(limits).with_engine_options(chores()).without_maintenance_tasks();
    let datastore = builder.build_with_path(&address).await.map_err(|error| OpenError::Engine(format!("{error:#}")))?;
    let ready = async {
        datastore.check_version().await?;
        datastore.bootstrap().await
    };
    if let Err(error) = ready.await {
        // Its own lock on the folder ends with this, so that the next attempt finds it free.
        shut(&datastore).await;
        return Err(OpenError::Engine(format!("{error:#}")));
    }
    datastore.start_maintenance_tasks();
    let session = Arc::new(Session::owner().with_ns(NAMESPACE).with_db(DATABASE));
    Ok(Engine { datastore, session })
}

async fn shut(datastore: &Datastore) {
    if !matches!(tokio::time::timeout(CLOSING, datastore.shutdown()).await, Ok(Ok(()))) {
        tracing::warn!(target: "hearth::store", "the database did not close in an orderly way");
    }
}

/// The engine's own regular work, made rare.
fn chores() -> EngineOptions {
    EngineOptions {
        node_membership_refresh_interval: RARELY,
        node_membership_check_interval: RARELY,
        node_membership_cleanup_interval: RARELY,
        changefeed_gc_interval: RARELY,
        index_compaction_interval: COMPACTION,
        event_processing_interval: RARELY,
        graph_fold_interval: RARELY,
        live_query_router_interval: RARELY,
        reclaim_interval: RARELY,
        rpc_session_gc_interval: RARELY,
        system_metrics_refresh_interval: RARELY,
        ..EngineOptions::default()
    }
}
