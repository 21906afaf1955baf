//! The connection: an embedded database or a server, asked in the same words.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use hearth_domain::store::StoreError;
use hearth_engine::{DATABASE, Engine, NAMESPACE, OpenError, Place, Sizes};
use secrecy::{ExposeSecret as _, SecretString};
use surrealdb::Surreal;
use surrealdb::engine::any::Any;
use surrealdb::opt::auth::Root;
use surrealdb::types::{Error, Object, QueryError, Value};

use super::failure::{Failure, failure, known_cause, shorten};

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(15);

/// A connection.
#[derive(Clone)]
pub(super) enum Link {
    /// In this process.
    Embedded(Engine),
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
        embedded(&Place::Folder(folder.to_owned())).await
    }

    /// Opens an empty database in memory.
    pub(super) async fn in_memory() -> Result<Self, StoreError> {
        embedded(&Place::Memory).await
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
            Self::Embedded(engine) => values_of(engine.ask(&text, variables).await.map_err(|error| failure(&error))?),
            Self::Remote(db) => in_time(async { remote(db.query(text).bind(variables).await) }).await?,
        };
        Ok(values?.pop().unwrap_or_default())
    }

    /// Closes. What could not be written any more is reported by the next opening, not here.
    pub(super) async fn close(self) {
        if let Self::Embedded(engine) = self {
            engine.close().await;
        }
    }
}

/// Waits for a server, but not for ever.
async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, StoreError> {
    tokio::time::timeout(ANSWER, work).await.map_err(|_| StoreError::Unavailable("it did not answer in time".to_owned()))
}

/// Opens an embedded database.
async fn embedded(place: &Place) -> Result<Link, StoreError> {
    Engine::open(place, Sizes::default()).await.map(Link::Embedded).map_err(|error| match error {
        OpenError::Name => StoreError::Refused(error.to_string()),
        OpenError::Engine(text) => known_cause(&text).unwrap_or_else(|| StoreError::Unavailable(shorten(&text))),
        OpenError::Panicked => StoreError::Damaged(error.to_string()),
    })
}

/// What a server answered.
fn remote(answer: Result<surrealdb::IndexedResults, Error>) -> Result<Vec<Value>, Failure> {
    let mut answer = answer.map_err(|error| failure(&error))?;
    values_of((0..answer.num_statements()).map(|statement| answer.take::<Value>(statement)))
}

/// The values of all statements, or the failure that made the others fail.
fn values_of(answers: impl IntoIterator<Item = Result<Value, Error>>) -> Result<Vec<Value>, Failure> {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
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
