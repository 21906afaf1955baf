//! The connection: an embedded database or a server, asked in the same words.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hearth_domain::store::StoreError;
use secrecy::{ExposeSecret as _, SecretString};
use surrealdb::Surreal;
use surrealdb::engine::any::Any;
use surrealdb::engine::local::Db;
use surrealdb::opt::auth::Root;
use surrealdb::types::{Error, Object, QueryError, Value};
use surrealdb_cnf::ConfigMap;
use surrealdb_core::kvs::Datastore;
use surrealdb_core::options::EngineOptions;

use super::failure::{Failure, failure, known_cause, shorten};

/// What the embedded engine may use, for a machine with 1 GB: its own defaults are a part of the machine's memory
/// (half of it for blocks, up to 4 GB for one memtable). The largest transaction has to fit into a memtable.
const LIMITS: &[(&str, &str)] = &[
    // Every commit is on the disk before it is answered (I-12).
    ("datastore_sync", "every"),
    ("datastore_versioned", "false"),
    ("surrealkv_block_cache_capacity", "8388608"),
    ("surrealkv_max_memtable_size", "33554432"),
    ("surrealkv_vlog_max_file_size", "67108864"),
    ("surrealkv_grouped_commit_max_batch_size", "64"),
    ("transaction_cache_size", "1000"),
];

/// How often the engine looks after things that a single house has none of: other nodes, change feeds, live queries.
const RARELY: Duration = Duration::from_secs(3_600);

/// How often the full-text index is compacted, if it changed.
const COMPACTION: Duration = Duration::from_secs(60);

/// How long closing may take before it goes on without the engine.
const CLOSING: Duration = Duration::from_secs(20);

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(15);

/// The namespace and the database in an embedded store.
const NAMESPACE: &str = "hearth";
const DATABASE: &str = "house";

/// An embedded database.
#[derive(Clone)]
pub(super) struct Embedded {
    datastore: Arc<Datastore>,
    db: Surreal<Db>,
}

/// A connection.
#[derive(Clone)]
pub(super) enum Link {
    /// In this process.
    Embedded(Embedded),
    /// On a server.
    Remote(Surreal<Any>),
}

/// Where a server is, and as whom to use it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) url: String,
    pub(super) namespace: String,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) password: SecretString,
}

impl Link {
    /// Opens the database in a folder.
    pub(super) async fn in_folder(folder: &Path) -> Result<Self, StoreError> {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        match folder.to_str() {
            // The engine takes its options after a question mark, and offers no way to escape one.
            Some(path) if !path.contains('?') => embedded(format!("surrealkv://{path}?sync=every")).await,
            _ => Err(StoreError::Refused("the name of the data folder must be UTF-8 without `?`".to_owned())),
        }
    }

    /// Opens an empty database in memory.
    pub(super) async fn in_memory() -> Result<Self, StoreError> {
        embedded("memory".to_owned()).await
    }

    /// Connects to a server.
    pub(super) async fn to_server(server: &Server) -> Result<Self, StoreError> {
        if [&server.namespace, &server.database]
            .iter()
            .any(|name| name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        {
            return Err(StoreError::Refused("namespace and database may have letters, digits, `-` and `_` only".to_owned()));
        }
        let connect = async {
            let db = surrealdb::engine::any::connect(server.url.as_str()).await?;
            db.signin(Root { username: server.user.clone(), password: server.password.expose_secret().to_owned() }).await?;
            db.use_ns(server.namespace.as_str()).use_db(server.database.as_str()).await?;
            Ok(db)
        };
        let answer: Result<Surreal<Any>, Error> = in_time(connect).await?;
        answer.map(Self::Remote).map_err(|error| StoreError::Unavailable(shorten(error.message())))
    }

    /// The names of the namespace and the database, so that they can be made.
    pub(super) fn names<'a>(&self, server: Option<&'a Server>) -> (&'a str, &'a str) {
        server.map_or((NAMESPACE, DATABASE), |server| (&server.namespace, &server.database))
    }

    /// Runs a query and gives the value of its last statement that has one.
    pub(super) async fn ask(&self, text: impl Into<Cow<'static, str>>, variables: Object) -> Result<Value, Failure> {
        let text = text.into();
        let values = match self {
            Self::Embedded(embedded) => results(embedded.db.query(text).bind(variables).await),
            Self::Remote(db) => in_time(async { results(db.query(text).bind(variables).await) }).await?,
        };
        Ok(values?.pop().unwrap_or_default())
    }

    /// Closes. What could not be written any more is reported by the next opening, not here.
    pub(super) async fn close(self) {
        if let Self::Embedded(Embedded { datastore, db }) = self {
            let closed = tokio::time::timeout(CLOSING, datastore.shutdown()).await;
            drop(db);
            if !matches!(closed, Ok(Ok(()))) {
                tracing::warn!(target: "hearth::store", "the database did not close in an orderly way");
            }
        }
    }
}

/// Waits for a server, but not for ever.
async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, StoreError> {
    tokio::time::timeout(ANSWER, work).await.map_err(|_| StoreError::Unavailable("it did not answer in time".to_owned()))
}

/// Opens an embedded database.
#[expect(clippy::disallowed_methods, reason = "on the database's own threads; a panic of the engine must end here")]
async fn embedded(path: String) -> Result<Link, StoreError> {
    let opened = tokio::spawn(async move {
        let limits = LIMITS.iter().fold(ConfigMap::empty(), |map, (key, value)| map.with_key_value(*key, *value));
        let builder = Datastore::builder().with_config(limits).with_engine_options(chores()).without_maintenance_tasks();
        let datastore = builder.build_with_path(&path).await.map_err(|error| format!("{error:#}"))?;
        let ready = async {
            datastore.check_version().await.map_err(|error| format!("{error:#}"))?;
            datastore.bootstrap().await.map_err(|error| format!("{error:#}"))?;
            datastore.start_maintenance_tasks();
            let db = Surreal::<Db>::unstable_from_datastore(Arc::clone(&datastore), None).await.map_err(|error| error.to_string())?;
            db.use_ns(NAMESPACE).use_db(DATABASE).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(db)
        };
        match ready.await {
            Ok(db) => Ok(Link::Embedded(Embedded { datastore, db })),
            Err(error) => {
                // Its own lock on the folder ends with this, so that the next attempt finds it free.
                drop(tokio::time::timeout(CLOSING, datastore.shutdown()).await);
                Err(error)
            }
        }
    });
    match opened.await {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(text)) => Err(known_cause(&text).unwrap_or_else(|| StoreError::Damaged(shorten(&text)))),
        // The engine trusts its files in places; what it stumbles over is damage all the same.
        Err(_) => Err(StoreError::Damaged("the database's files cannot be read".to_owned())),
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

/// The values of all statements, or the failure that made the others fail.
fn results(answer: Result<surrealdb::IndexedResults, Error>) -> Result<Vec<Value>, Failure> {
    let mut answer = answer.map_err(|error| failure(&error))?;
    let statements = answer.num_statements();
    let (mut values, mut errors) = (Vec::with_capacity(statements), Vec::new());
    for statement in 0..statements {
        match answer.take::<Value>(statement) {
            Ok(Value::None) => {}
            Ok(value) => values.push(value),
            Err(error) => errors.push(error),
        }
    }
    match errors.iter().find(|error| !is_echo(error)).or(errors.first()) {
        Some(cause) => Err(failure(cause)),
        None => Ok(values),
    }
}

/// Whether an error only says that another statement of the transaction failed.
fn is_echo(error: &Error) -> bool {
    let passive = matches!(error.query_details(), Some(QueryError::NotExecuted | QueryError::Cancelled));
    let text = error.message();
    passive && (!text.starts_with("Cannot COMMIT") || text.contains("due to a prior error"))
}
