//! Partitions: made ahead, and dropped when all of their entries may go.

use std::time::Duration;

use audit_core::projection::micros_up;
use audit_core::{Query, StoreError};
use tokio::time::timeout;

use crate::connection::{Connections, retrying};
use crate::error::Failure;
use crate::query;
use crate::schema::Schema;

/// How many entries a step removes.
const STEP: usize = 5_000;
/// How long it may take to count the entries of a month.
const COUNTING: Duration = Duration::from_secs(60 * 60);

/// Makes the partitions of this month and the next ones, if the role may.
pub(crate) async fn maintain(
    connections: &Connections,
    schema: &Schema,
    months_ahead: u8,
) -> Result<u32, StoreError> {
    let made = retrying(connections.deadline(), || async {
        let connection = connections.write().await?;
        let done = timeout(connection.limit(), async {
            let sql = schema.fill("SELECT {schema}.audit_maintain($1)");
            let row = connection
                .query_one(&sql, &[&i32::from(months_ahead)])
                .await?;
            row.try_get::<_, i32>(0)
        })
        .await;
        connection.settle(done)
    })
    .await;
    match made {
        Ok(made) => Ok(made.unsigned_abs()),
        // The owner's task.
        Err(failure) if failure.is_forbidden() => Ok(0),
        Err(failure) => Err(failure.error),
    }
}

/// Removes what a query asks for of what is there now: whole partitions where a time alone
/// decides, and the rest in steps.
///
/// There is no order of commits that a number tells, but a snapshot tells for each `xact`
/// whether it was committed. So it ends, however much is written meanwhile.
pub(crate) async fn purge(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
) -> Result<u64, StoreError> {
    let query = query.clone().without_limits();
    let committed = query::committed(connections).await?;
    let mut removed = 0;
    if let Some(before) = only_before(&query) {
        for part in whole_partitions(connections, schema, before).await? {
            removed += drop_partition(connections, schema, &part, before).await?;
        }
    }
    let mut query = query.limit(STEP);
    // Where columns alone tell, an entry whose bytes are damaged goes too.
    while let Some(ids) = query::ids(connections, schema, &query, &committed).await? {
        if ids.is_empty() {
            return Ok(removed);
        }
        removed += remove(connections, schema, &ids).await?;
    }
    loop {
        let (ids, next) = query::next_ids(connections, schema, &query, &committed).await?;
        if !ids.is_empty() {
            removed += remove(connections, schema, &ids).await?;
        }
        match next {
            Some(next) => query = query.after(next),
            None => return Ok(removed),
        }
    }
}

/// Returns the time from before which a query asks for everything, if that is all it says.
fn only_before(query: &Query) -> Option<i64> {
    let until = query.filter().until?;
    let plain = Query::new().until(until);
    (plain.filter() == query.filter()).then(|| micros_up(until))
}

/// Returns the months that end before a time, by their tables.
async fn whole_partitions(
    connections: &Connections,
    schema: &Schema,
    before: i64,
) -> Result<Vec<u32>, StoreError> {
    retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            // Not the months that entries of today still go to.
            let sql = schema.fill(
                "SELECT c.oid FROM pg_catalog.pg_inherits AS i \
                 JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid \
                 WHERE i.inhparent = '{schema}.audit_entry'::regclass \
                 AND c.relname ~ '^audit_entry_[0-9]{4}_[0-9]{2}$' \
                 AND c.relname < 'audit_entry_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM') \
                 AND c.relname <= 'audit_entry_' || to_char( \
                     to_timestamp($1::bigint / 1000000.0) AT TIME ZONE 'UTC', 'YYYY_MM') \
                 ORDER BY c.relname",
            );
            // What lies outside of any calendar is as good as its ends.
            let before = before.clamp(0, 253_402_300_799_000_000);
            let rows = connection.query(&sql, &[&before]).await?;
            rows.iter().map(|row| row.try_get::<_, u32>(0)).collect()
        })
        .await;
        connection.settle(done)
    })
    .await
    .map_err(|failure| failure.error)
}

/// Drops a partition whose entries may all go, and returns how many there were.
async fn drop_partition(
    connections: &Connections,
    schema: &Schema,
    part: &u32,
    before: i64,
) -> Result<u64, StoreError> {
    let dropped = retrying(connections.deadline(), || async {
        let mut connection = connections.read().await?;
        let done = timeout(COUNTING, async {
            let transaction = connection.transaction().await?;
            transaction
                .batch_execute("SET LOCAL statement_timeout = 0")
                .await?;
            let sql = schema.fill("SELECT {schema}.audit_drop_partition($1::oid::regclass, $2)");
            let row = transaction.query_one(&sql, &[part, &before]).await?;
            let entries = row.try_get::<_, Option<i64>>(0)?;
            transaction.commit().await?;
            Ok(entries)
        })
        .await;
        connection.settle(done)
    })
    .await;
    match dropped {
        Ok(entries) => Ok(entries.unwrap_or(0).unsigned_abs()),
        // Somebody reads without an end: it is emptied instead.
        Err(Failure {
            error: StoreError::Busy { .. },
            ..
        }) => Ok(0),
        Err(failure) => Err(failure.or_read_only(&connections.place).error),
    }
}

/// Removes entries in a transaction in which the triggers let them go.
async fn remove(
    connections: &Connections,
    schema: &Schema,
    ids: &[uuid::Uuid],
) -> Result<u64, StoreError> {
    retrying(connections.deadline(), || async {
        let mut connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let transaction = connection.transaction().await?;
            let run = |sql: &str| schema.fill(sql);
            let begin = run("INSERT INTO {schema}.audit_retention DEFAULT VALUES");
            transaction.batch_execute(&begin).await?;
            let delete = run("DELETE FROM {schema}.audit_entry WHERE id = ANY ($1)");
            let removed = transaction.execute(&delete, &[&ids]).await?;
            let end = run("DELETE FROM {schema}.audit_retention");
            transaction.batch_execute(&end).await?;
            transaction.commit().await?;
            Ok(removed)
        })
        .await;
        connection.settle(done)
    })
    .await
    .map_err(|failure| failure.or_read_only(&connections.place).error)
}
