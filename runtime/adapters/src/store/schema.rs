//! The schema: what is in the database, and how an older one becomes the newest.

use std::time::Duration;

use hearth_domain::store::StoreError;
use surrealdb::types::{Object, Value};

use super::decode::{Row, rows};
use super::encode::int;
use super::failure::Failure;
use super::link::{Link, Server};

/// The migrations, oldest first. The version of a schema is how many of them it has seen. A migration is never
/// changed once it has been released.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001_first.surql"),
    include_str!("schema/0002_secrets.surql"),
    include_str!("schema/0003_tools.surql"),
    include_str!("schema/0004_household.surql"),
    include_str!("schema/0005_budget.surql"),
    include_str!("schema/0006_sessions.surql"),
];

/// The one row that says what the store is: its schema's version, and who opened it last.
const HOUSE: &str = "DEFINE TABLE IF NOT EXISTS house SCHEMAFULL;
DEFINE FIELD IF NOT EXISTS version ON house TYPE int;
DEFINE FIELD IF NOT EXISTS epoch ON house TYPE int;";

/// What a store is before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The version that was found; none in an empty database.
    pub(super) before: u32,
    /// The version now.
    pub(super) now: u32,
}

/// Brings the schema to the newest version, each migration in a transaction of its own.
pub(super) async fn migrate(link: &Link, server: Option<&Server>, migrations: &[&str]) -> Result<Found, StoreError> {
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    let before = version(link, server).await?;
    if before > known {
        return Err(StoreError::NewerSchema { found: before, known });
    }
    let due = (1..).zip(migrations).skip(usize::try_from(before).unwrap_or(usize::MAX));
    for (number, migration) in due {
        let text = format!("BEGIN;\n{migration}\nUPSERT house:main SET version = $version, epoch = epoch ?? 0 RETURN NONE;\nCOMMIT;");
        let mut variables = Object::new();
        variables.insert("version", int(number)?);
        link.ask(text, variables).await?;
    }
    Ok(Found { before, now: known })
}

/// The version of the schema; 0 in an empty database, which is made ready for the first migration. Being made ready is no transaction: a
/// crash in the middle of it leaves some of the definitions, which show as an empty database again.
async fn version(link: &Link, server: Option<&Server>) -> Result<u32, StoreError> {
    const READ: &str = "SELECT version FROM ONLY house:main";
    let found = match link.ask(READ, Object::new()).await {
        Err(Failure::Other(StoreError::Refused(_))) => None,
        answer => rows("house", answer?)?.pop(),
    };
    if let Some(mut row) = found {
        return row.number("version");
    }
    let (namespace, database) = link.names(server);
    let names = format!(
        "DEFINE NAMESPACE IF NOT EXISTS `{namespace}`; USE NS `{namespace}`; DEFINE DATABASE IF NOT EXISTS `{database}`; USE DB `{database}`;"
    );
    link.ask(format!("{names}\n{HOUSE}"), Object::new()).await?;
    Ok(0)
}

/// Makes this house the one that may write, and gives the number by which its writes are known. A house that had `held` the lease before
/// takes it only from itself: where another has taken it meanwhile, two would take it from each other for ever.
pub(super) async fn take_over(link: &Link, held: Option<i64>) -> Result<i64, StoreError> {
    const TAKE: &str = "UPDATE house:main SET epoch += 1 WHERE $held IS NONE OR epoch = $held RETURN AFTER";
    for _ in 0..TRIES {
        let variables = Object::from_iter([("held".to_owned(), held.map_or(Value::None, |held| Value::Number(held.into())))]);
        match link.ask(TAKE, variables).await {
            Err(Failure::Collision) => tokio::time::sleep(PAUSE).await,
            answer => return epoch(answer?, held),
        }
    }
    Err(StoreError::Busy)
}

/// How often a statement that collided with another is tried, and how long it waits in between.
pub(super) const TRIES: usize = 8;
pub(super) const PAUSE: Duration = Duration::from_millis(3);

fn epoch(value: Value, held: Option<i64>) -> Result<i64, StoreError> {
    let row: Option<Row> = rows("house", value)?.pop();
    if row.is_none() && held.is_some() {
        return Err(StoreError::Fenced);
    }
    row.ok_or_else(|| StoreError::Damaged("house:main is missing".to_owned()))?.number("epoch")
}
