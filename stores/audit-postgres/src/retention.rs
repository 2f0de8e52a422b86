//! Partitions: created ahead, and dropped when all of their entries are purged.

use std::time::Duration;

use audit_core::backend::projection::micros_up;
use audit_core::{Query, StoreError};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::connection::{Connections, retrying};
use crate::error::{Failure, is_timeout};
use crate::query;
use crate::schema::Schema;

/// Removes entries by their ids.
const REMOVE: &str = "DELETE FROM {schema}.audit_entry WHERE id = ANY ($1)";
/// Removes entries by their ids and the SHA-256 of their bytes. `ANY` finds them by the index.
const REMOVE_EXACT: &str = "\
DELETE FROM {schema}.audit_entry AS e USING unnest($1::uuid[], $2::bytea[]) AS g (id, checksum)
WHERE e.id = ANY ($1) AND e.id = g.id AND sha256(convert_to(e.body, 'UTF8')) = g.checksum";
/// The number of entries that a step removes.
const STEP: usize = 5_000;
/// The time limit for counting the entries of a month, and for reading the rest.
const READING: Duration = Duration::from_secs(60 * 60);
/// The size from which reading the rest takes a tenth of a second or more.
const LARGE: i64 = 16 << 20;
/// The time limit for creating a partition, which others may wait for.
const MAKING: &str = "3s";
/// The warning about a month whose partition was not finished.
pub(crate) const CLOSED_MONTH: &str =
    "new entries of a month may be refused, as a constraint of `audit_fence` was not removed";
/// The widest and the narrowest window of entries in which a step looks for rare ones, where looking
/// for them without a window takes too long.
const WIDEST: u32 = 65_536;
const NARROWEST: u32 = 1_024;

/// Makes the partitions of this month and the next ones, if the role may.
pub(crate) async fn maintain(
    connections: &Connections,
    schema: &Schema,
    months_ahead: u8,
) -> Result<u32, StoreError> {
    let made = if is_rest_large(connections, schema).await? {
        maintain_beside(connections, schema, months_ahead).await
    } else {
        retrying(connections.deadline(), || async {
            let connection = connections.read().await?;
            let done = timeout(connection.limit(), async {
                let sql = schema.fill("SELECT {schema}.audit_maintain($1)");
                let row = connection
                    .query_one(&sql, &[&i32::from(months_ahead)])
                    .await?;
                row.try_get::<_, i32>(0).map(i32::unsigned_abs)
            })
            .await;
            connection.finish(done)
        })
        .await
    };
    // After those that may be made have been, as a fence is what makes them in no time.
    match lift_fences(connections, schema).await {
        Ok(()) | Err(StoreError::Closed) => {}
        Err(error) => log::warn!("{CLOSED_MONTH}: {error}"),
    }
    match made {
        Ok(made) => Ok(made),
        // The owner's task.
        Err(failure) if failure.is_forbidden() => Ok(0),
        Err(failure) => Err(failure.error),
    }
}

/// Lets the rest take the ids of a month that starts within a day or has started, if creating its
/// partition was interrupted and the role may.
pub(crate) async fn lift_fences(
    connections: &Connections,
    schema: &Schema,
) -> Result<(), StoreError> {
    let lifted = retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let sql = schema.fill("SELECT {schema}.audit_lift_fences()");
            connection.query_one(&sql, &[]).await?.try_get::<_, i32>(0)
        })
        .await;
        connection.finish(done)
    })
    .await;
    match lifted {
        Ok(0) => Ok(()),
        Ok(number) => {
            log::warn!(
                "{}: entries of a month were refused, as creating its partition was interrupted; \
                 `audit_entry_rest` accepts them now (constraints of `audit_fence` removed: {number})",
                connections.location
            );
            Ok(())
        }
        Err(failure) if failure.is_forbidden() => Ok(()),
        Err(failure) => Err(failure.error),
    }
}

/// Returns whether reading all of `audit_entry_rest` takes long.
async fn is_rest_large(connections: &Connections, schema: &Schema) -> Result<bool, StoreError> {
    let looked = retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let sql =
                schema.fill("SELECT pg_relation_size('{schema}.audit_entry_rest'::regclass) > $1");
            connection.query_one(&sql, &[&LARGE]).await?.try_get(0)
        })
        .await;
        connection.finish(done)
    })
    .await;
    looked.map_err(|failure| failure.error)
}

/// Creates partitions beside a large `audit_entry_rest`, which is read before they are attached, without
/// blocking, instead of while they are attached, when all queries wait.
async fn maintain_beside(
    connections: &Connections,
    schema: &Schema,
    months_ahead: u8,
) -> Result<u32, Failure> {
    let mut made = 0;
    for (month, is_ahead) in missing_months(connections, schema, months_ahead).await? {
        let fence = if is_ahead {
            raise_fence(connections, schema, &month).await?
        } else {
            None
        };
        // Quick with a fence; without one all queries wait while the rest is read.
        let added = add_partition(connections, schema, &month).await;
        if added.is_err()
            && let Some(fence) = fence
        {
            remove_fence(connections, schema, &fence).await?;
        }
        match added {
            Ok(added) => made += u32::from(added),
            Err(failure) if failure.is_timeout() => log::warn!(
                "{}: the partition of {month} was not created, as it would block queries for too \
                 long; `SELECT audit_add_partition('{month}')` creates it and blocks all queries \
                 until it is done",
                connections.location
            ),
            Err(failure) => return Err(failure),
        }
    }
    Ok(made)
}

/// Returns the first days of the months without a partition, and whether they are yet to come.
async fn missing_months(
    connections: &Connections,
    schema: &Schema,
    months_ahead: u8,
) -> Result<Vec<(String, bool)>, Failure> {
    retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let sql = schema.fill(
                "SELECT to_char(month, 'YYYY-MM-DD'), \
                     month > now() AT TIME ZONE 'UTC' + interval '2 days' \
                 FROM generate_series(0, $1::integer) AS ahead, LATERAL ( \
                     SELECT date_trunc('month', now() AT TIME ZONE 'UTC') \
                         + make_interval(months => ahead) AS month \
                 ) AS m WHERE to_regclass(quote_ident({schema_text}) || '.audit_entry_' \
                     || to_char(month, 'YYYY_MM')) IS NULL ORDER BY month",
            );
            let rows = connection.query(&sql, &[&i32::from(months_ahead)]).await?;
            rows.iter()
                .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
                .collect()
        })
        .await;
        connection.finish(done)
    })
    .await
}

/// Keeps a month's ids out of the rest, and reads the rest for whether there are any. Returns
/// the constraint's name, or `None` if the partition exists by now or the rest has such entries.
async fn raise_fence(
    connections: &Connections,
    schema: &Schema,
    month: &str,
) -> Result<Option<String>, Failure> {
    let raised = retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let sql = schema.fill("SELECT {schema}.audit_fence($1::text::date)");
            connection.query_one(&sql, &[&month]).await?.try_get(0)
        })
        .await;
        connection.finish(done)
    });
    let Some(fence): Option<String> = raised.await? else {
        return Ok(None);
    };
    let validated = retrying(connections.deadline(), || async {
        let mut connection = connections.read().await?;
        let done = timeout(READING, async {
            let transaction = connection.transaction().await?;
            transaction
                .batch_execute("SET LOCAL statement_timeout = 0")
                .await?;
            let sql = schema.fill(&format!(
                "ALTER TABLE {{schema}}.audit_entry_rest VALIDATE CONSTRAINT {fence}"
            ));
            match transaction.batch_execute(&sql).await {
                Err(error) if error.code() == Some(&SqlState::CHECK_VIOLATION) => Ok(false),
                Err(error) => Err(error),
                Ok(()) => transaction.commit().await.map(|()| true),
            }
        })
        .await;
        connection.finish(done)
    })
    .await;
    if let Ok(true) = validated {
        return Ok(Some(fence));
    }
    remove_fence(connections, schema, &fence).await?;
    validated.map(|_| None)
}

/// Lets a month's ids into the rest again.
async fn remove_fence(
    connections: &Connections,
    schema: &Schema,
    fence: &str,
) -> Result<(), Failure> {
    retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let sql = schema.fill(&format!(
                "ALTER TABLE {{schema}}.audit_entry_rest DROP CONSTRAINT IF EXISTS {fence}"
            ));
            connection.batch_execute(&sql).await
        })
        .await;
        connection.finish(done)
    })
    .await
}

/// Makes the partition of a month unless there is one, if that takes little time, and returns
/// whether it did.
pub(crate) async fn add_partition(
    connections: &Connections,
    schema: &Schema,
    month: &str,
) -> Result<bool, Failure> {
    retrying(connections.deadline(), || async {
        let mut connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let transaction = connection.transaction().await?;
            let limit = format!("SET LOCAL statement_timeout = '{MAKING}'");
            transaction.batch_execute(&limit).await?;
            let sql = schema.fill("SELECT {schema}.audit_add_partition($1::text::date)");
            let added = transaction.query_one(&sql, &[&month]).await?.try_get(0)?;
            transaction.commit().await?;
            Ok(added)
        })
        .await;
        connection.finish(done)
    })
    .await
}

/// Removes the entries that match a query and exist now: complete partitions where a time alone
/// decides, and the rest in steps.
///
/// No number orders commits, but a snapshot decides for each `xact`
/// whether it was committed. So it ends, however much is written meanwhile.
pub(crate) async fn purge(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
) -> Result<u64, StoreError> {
    let query = query.clone().without_limits();
    let committed = query::committed(connections, schema).await?;
    let mut removed = 0;
    if let Some(before) = only_before(&query) {
        for part in whole_partitions(connections, schema, before).await? {
            match drop_partition(connections, schema, &part, before).await? {
                Some(entries) => removed += entries,
                // Somebody reads without an end. They are emptied instead, and dropped by
                // another purge: each attempt blocks all queries for a moment.
                None => break,
            }
        }
    }
    let query = query.limit(STEP);
    let mut after = None;
    // Where columns alone decide, damaged entries are removed, too.
    while let Some(keys) = query::sort_keys(connections, schema, &query, after, &committed).await? {
        let Some(last) = keys.last() else {
            return Ok(removed);
        };
        after = Some(*last);
        let ids: Vec<_> = keys.iter().map(|(_, id)| *id).collect();
        removed += remove(connections, schema, &ids).await?;
    }
    let mut window = None;
    loop {
        let reached = query::next_ids(connections, schema, &query, after, &committed, window);
        let reached = match reached.await {
            Ok(reached) => reached,
            // A statement that looks for what is rare reads without an end: no further, then.
            Err(error) if is_timeout(&error) && window.is_none_or(|window| window > NARROWEST) => {
                window = Some(window.map_or(WIDEST, |window| (window / 4).max(NARROWEST)));
                continue;
            }
            Err(error) => return Err(error),
        };
        if !reached.ids.is_empty() {
            removed += remove(connections, schema, &reached.ids).await?;
        }
        match reached.next {
            Some(next) => after = Some(next),
            None => return Ok(removed),
        }
    }
}

/// Removes the entries with some ids and checksums of their bytes, in steps.
pub(crate) async fn purge_exact(
    connections: &Connections,
    schema: &Schema,
    entries: &[(uuid::Uuid, [u8; 32])],
) -> Result<u64, StoreError> {
    let mut removed = 0;
    for entries in entries.chunks(STEP) {
        let ids: Vec<_> = entries.iter().map(|(id, _)| *id).collect();
        let checksums: Vec<&[u8]> = entries.iter().map(|(_, checksum)| &checksum[..]).collect();
        removed += remove_with(connections, schema, REMOVE_EXACT, &[&ids, &checksums]).await?;
    }
    Ok(removed)
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
            // Times outside the calendar count as its ends.
            let before = before.clamp(0, 253_402_300_799_000_000);
            let rows = connection.query(&sql, &[&before]).await?;
            rows.iter().map(|row| row.try_get::<_, u32>(0)).collect()
        })
        .await;
        connection.finish(done)
    })
    .await
    .map_err(|failure| failure.error)
}

/// Drops a partition whose entries may all go, and returns how many there were; `None` if it is
/// in use.
async fn drop_partition(
    connections: &Connections,
    schema: &Schema,
    part: &u32,
    before: i64,
) -> Result<Option<u64>, StoreError> {
    let dropped = retrying(connections.deadline(), || async {
        let mut connection = connections.read().await?;
        let done = timeout(READING, async {
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
        connection.finish(done)
    })
    .await;
    match dropped {
        Ok(entries) => Ok(Some(entries.unwrap_or(0).unsigned_abs())),
        Err(Failure {
            error: StoreError::Busy { .. },
            ..
        }) => Ok(None),
        Err(failure) => Err(failure.or_read_only(&connections.location).error),
    }
}

/// Removes entries in a transaction in which the triggers let them go.
async fn remove(
    connections: &Connections,
    schema: &Schema,
    ids: &[uuid::Uuid],
) -> Result<u64, StoreError> {
    remove_with(connections, schema, REMOVE, &[&ids]).await
}

/// Removes entries by a statement, in a transaction of its own.
async fn remove_with(
    connections: &Connections,
    schema: &Schema,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<u64, StoreError> {
    retrying(connections.deadline(), || async {
        let mut connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let transaction = connection.transaction().await?;
            let run = |sql: &str| schema.fill(sql);
            let begin = run("INSERT INTO {schema}.audit_retention DEFAULT VALUES");
            transaction.batch_execute(&begin).await?;
            let removed = transaction.execute(&run(statement), parameters).await?;
            let end = run("DELETE FROM {schema}.audit_retention");
            transaction.batch_execute(&end).await?;
            transaction.commit().await?;
            Ok(removed)
        })
        .await;
        connection.finish(done)
    })
    .await
    .map_err(|failure| failure.or_read_only(&connections.location).error)
}
