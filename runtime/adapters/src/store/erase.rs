//! What is a removed member's: counted before the commit that removes them takes most of it away, and deleted row by row at the next
//! opening, where the database's files are not ours to write anew, on a server and in memory.
//!
//! Each transaction is fenced. Rows by which others are known to go are deleted last, so that after a crash the next opening goes on.

use std::collections::{BTreeMap, BTreeSet};

use hearth_domain::household::erase::{Foretold, Report};
use hearth_domain::household::record::HouseholdWrite;
use hearth_domain::ids::MemberId;
use hearth_domain::store::{Group, StoreError, Write};
use surrealdb::types::{Array, Number, Object, Value};

use super::decode::{Decoded, Row, all};
use super::every::{ROWS, TABLES, ids, rows};
use super::failure::{FENCED, Failure};
use super::household;
use super::link::Link;
use super::read::with;
use super::rewrite::{learnt, left, reports};
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
    let told = told(link).await?;
    Ok(reports(erasers, &told).into_iter().map(|(id, report)| (id, report.deleted())).collect())
}

/// What will be erased or changed of the members whom this group removes. It is looked at before, for the report: afterwards nothing is left
/// to be counted.
pub(super) async fn foretold(link: &Link, group: &Group) -> Result<Vec<(MemberId, Foretold)>, StoreError> {
    let removed = |write: &Write| if let Write::Household(HouseholdWrite::EraseOwn { member }) = write { Some(*member) } else { None };
    let members: Vec<_> = group.writes.iter().filter_map(removed).collect();
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let gone = household::rows(link).await?.gone.iter().map(|row| row.id).chain(members.iter().copied()).collect();
    let mut erasers = learnt(link, &members, &gone).await?;
    for table in TABLES {
        for chunk in ids(link, table).await?.chunks(ROWS) {
            for row in rows(link, chunk).await? {
                left(table, row, &mut erasers)?;
            }
        }
    }
    Ok(erasers.into_iter().map(|(id, _, report)| (id, report.foretold())).collect())
}

/// What was told beforehand of those whose rows may still be there.
pub(super) async fn told(link: &Link) -> Result<BTreeMap<MemberId, Foretold>, StoreError> {
    const TOLD: &str = "SELECT id, foretold FROM gone WHERE foretold IS NOT NONE";
    Ok(all("gone", link.ask(TOLD, Object::new()).await?, told_row)?.into_iter().collect())
}

fn told_row(mut row: Row) -> Decoded<(MemberId, Foretold)> {
    let id = MemberId::from_uuid(row.id()?);
    let told = row.text("foretold")?;
    // A report that says less is better than none, and than a store that is not opened.
    Ok((id, serde_json::from_str(&told).unwrap_or_default()))
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
