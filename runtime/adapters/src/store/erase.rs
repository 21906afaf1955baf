//! What is a removed member's, deleted row by row: where the database's files are not ours to write anew, on a server and in memory.
//!
//! Each transaction is fenced. Rows by which others are known to go are deleted last, so that after a crash the next opening goes on.

use std::collections::BTreeSet;

use hearth_domain::household::erase::Report;
use hearth_domain::ids::MemberId;
use hearth_domain::store::StoreError;
use surrealdb::types::{Array, Number, Value};

use super::every::{ROWS, TABLES, ids, rows};
use super::failure::{FENCED, Failure};
use super::link::Link;
use super::read::with;
use super::rewrite::{learnt, left};
use super::schema::{PAUSE, TRIES};

/// Deletes what goes with these members; `gone` are all who ever were removed, `epoch` is the one that must still be ours.
pub(super) async fn delete(
    link: &Link,
    epoch: i64,
    members: &[MemberId],
    gone: &BTreeSet<MemberId>,
) -> Result<Vec<(MemberId, Report)>, StoreError> {
    let mut erasers = learnt(link, members, gone).await?;
    for table in TABLES.into_iter().rev() {
        for chunk in ids(link, table).await?.chunks(ROWS) {
            let (mut erased, mut changed) = (Vec::new(), Vec::new());
            for row in rows(link, chunk).await? {
                let before = row.clone();
                match left(table, row, &mut erasers)? {
                    None => erased.push(id(table, &before)?),
                    Some(row) if row != before => changed.push(row),
                    Some(_) => {}
                }
            }
            write(link, epoch, erased, changed).await?;
        }
    }
    Ok(erasers.into_iter().map(|(id, _, report)| (id, report.deleted())).collect())
}

fn id(table: &str, row: &Value) -> Result<Value, StoreError> {
    let id = if let Value::Object(fields) = row { fields.get("id").cloned() } else { None };
    id.ok_or_else(|| StoreError::Damaged(format!("a row of {table} has no id")))
}

async fn write(link: &Link, epoch: i64, erased: Vec<Value>, changed: Vec<Value>) -> Result<(), StoreError> {
    if erased.is_empty() && changed.is_empty() {
        return Ok(());
    }
    let text = format!(
        "BEGIN; IF house:main.epoch != $epoch {{ THROW '{FENCED}' }};
        FOR $row IN $changed {{ UPSERT $row.id CONTENT $row RETURN NONE }};
        FOR $row IN $erased {{ DELETE $row RETURN NONE }};
        COMMIT;"
    );
    let list = |rows: Vec<Value>| Value::Array(Array::from(rows));
    let variables = with([("erased", list(erased)), ("changed", list(changed)), ("epoch", Value::Number(Number::Int(epoch)))]);
    for _ in 0..TRIES {
        match link.ask(text.clone(), variables.clone()).await {
            Ok(_) => return Ok(()),
            Err(Failure::Collision) => tokio::time::sleep(PAUSE).await,
            Err(failure) => return Err(failure.into()),
        }
    }
    Err(StoreError::Busy)
}
