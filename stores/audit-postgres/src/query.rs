//! Runs queries.
//!
//! SQL filters and orders entries; conditions that SQL cannot express exactly are checked with
//! [`Query::matches`](audit_core::Query::matches).

use std::fmt::Write as _;
use std::pin::pin;
use std::time::Duration;

use audit_core::{Cursor, LogEntry, ObjectRef, Page, Query, StoreError};
use deadpool_postgres::Transaction;
use tokio::time::timeout;
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Error, IsolationLevel, Row};
use uuid::Uuid;

use crate::Tolerance;
use crate::connection::{Connection, Connections, retrying};
use crate::error::Failure;
use crate::schema::Schema;
use crate::statement::{Conditions, Order, SortKey, Statement, sort_key};

/// The number of candidates that the first statement reads where SQL cannot decide, and the most of
/// one statement.
const CANDIDATES: usize = 256;
const MOST_CANDIDATES: usize = 4096;
/// The most candidates that a step of a purge reads.
const MOST_READ: usize = 100_000;
/// The number of entries of several objects in one answer.
const OBJECTS: usize = 500;
/// The time between two looks at whether a query that runs is cancelled.
const CANCELLED: Duration = Duration::from_millis(50);

/// Waits for the result of a query until the query is cancelled. The dropped future cancels its statement
/// on the server.
pub(crate) async fn until_cancelled<T>(
    query: &Query,
    result: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let Some(cancellation) = query.cancellation() else {
        return result.await;
    };
    let mut result = pin!(result);
    loop {
        match timeout(CANCELLED, &mut result).await {
            Ok(result) => return result,
            Err(_) if cancellation.is_cancelled() => return Err(StoreError::Cancelled),
            Err(_) => {}
        }
    }
}

/// The bytes of the entries that a query found, in order, one more than a page holds if there are
/// more.
pub(crate) struct Found {
    entries: Vec<(Uuid, String)>,
}

impl Found {
    /// Parses the entries on the caller's thread.
    pub(crate) fn into_page(
        self,
        query: &Query,
        location: &str,
        tolerance: &Tolerance,
    ) -> Result<Page, StoreError> {
        Page::collect(
            query,
            self.entries.iter().filter_map(|(id, body)| {
                tolerance
                    .read(|| Ok(*id), read_entry_with(*id, body, location))
                    .transpose()
            }),
        )
    }
}

/// Returns the page of a query.
pub(crate) async fn find(
    connections: Connections,
    schema: Schema,
    query: Query,
) -> Result<Found, StoreError> {
    let found = retry(&connections, || async {
        let wanted = query.page_size().saturating_add(1);
        let conditions = Conditions::of(&query);
        // Damaged rows that are skipped would count against the limit of one statement.
        if conditions.exact && !connections.tolerance.skips_damaged() {
            let columns = ["id", "body"];
            let statement = Order::of(&query).statement(conditions, &columns, wanted, &schema);
            let rows = one(&connections, &statement).await?;
            return pairs(&rows)
                .map_err(|error| Failure::from_driver(&connections.location, &error));
        }
        let mut found = Vec::new();
        scan(
            &connections,
            &schema,
            &query,
            Order::of(&query),
            &connections.tolerance,
            |entry, body| {
                if query.matches(&entry) {
                    found.push((entry.id, body));
                }
                found.len() < wanted
            },
        )
        .await?;
        Ok(found)
    });
    let entries = until_cancelled(&query, found).await?;
    Ok(Found { entries })
}

/// Counts the entries that match a query, without its limit and cursor.
pub(crate) async fn count(
    connections: Connections,
    schema: Schema,
    query: Query,
) -> Result<u64, StoreError> {
    let query = query.without_limits();
    let counted = retry(&connections, || async {
        let conditions = Conditions::of(&query);
        if conditions.exact {
            return match one(&connections, &conditions.count(&schema)).await {
                Ok(rows) => {
                    sum(&rows).map_err(|error| Failure::from_driver(&connections.location, &error))
                }
                // Too slow for one statement.
                Err(failure) if failure.is_timeout() => {
                    count_by_months(&connections, &schema, &query).await
                }
                Err(failure) => Err(failure),
            };
        }
        let mut count = 0;
        scan(
            &connections,
            &schema,
            &query,
            Order::of(&query),
            &connections.tolerance,
            |entry, _| {
                count += u64::from(query.matches(&entry));
                true
            },
        )
        .await?;
        Ok(count)
    });
    until_cancelled(&query, counted).await
}

/// Counts in one snapshot with a statement for each partition: one for each month, by its ids, and
/// one for each gap between months.
async fn count_by_months(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
) -> Result<u64, Failure> {
    let mut connection = connections.read().await?;
    let limit = connection.limit();
    let months = async {
        let started = timeout(limit, async {
            let transaction = snapshot(&mut connection).await?;
            let ends = schema.fill(
                "SELECT {schema}.audit_first_id((month + make_interval(months => later))::date) \
                 FROM pg_catalog.pg_inherits AS i \
                 JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid, \
                 to_timestamp(substr(c.relname, 13), 'YYYY_MM') AS month, \
                 generate_series(0, 1) AS later \
                 WHERE i.inhparent = '{schema}.audit_entry'::regclass \
                 AND c.relname ~ '^audit_entry_[0-9]{4}_[0-9]{2}$' \
                 GROUP BY 1 ORDER BY 1",
            );
            let rows = transaction.query(&ends, &[]).await?;
            Ok((transaction, column::<Uuid>(rows)?))
        });
        let (transaction, ends) = match started.await? {
            Ok(started) => started,
            Err(error) => return Ok(Err(error)),
        };
        let mut count = 0;
        let ends: Vec<_> = ends.into_iter().map(Some).collect();
        let begins = std::iter::once(None).chain(ends.iter().copied());
        for (begin, end) in begins.zip(ends.iter().copied().chain([None])) {
            let mut conditions = Conditions::of(query);
            for (sign, id) in [(">=", begin), ("<", end)] {
                if let Some(id) = id {
                    let id = conditions.param(id);
                    conditions.common.push(format!("e.id {sign} {id}"));
                }
            }
            let statement = conditions.count(schema);
            // Planned for its ids, so that it reads one partition.
            let params = statement.typed();
            let rows = transaction.query_typed(&statement.sql, &params);
            match timeout(limit, rows).await?.and_then(|rows| sum(&rows)) {
                Ok(more) => count += more,
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(count))
    };
    let done = months.await;
    end_idle_transaction().await;
    connection.finish(done)
}

/// Returns the sum of the only column of rows.
fn sum(rows: &[Row]) -> Result<u64, Error> {
    let numbers = rows.iter().map(|row| row.try_get::<_, i64>(0));
    numbers.sum::<Result<i64, _>>().map(i64::unsigned_abs)
}

/// Returns the entries a query asks for of the next objects; see
/// [`Store::objects`](audit_core::Store::objects).
pub(crate) async fn objects(
    connections: Connections,
    schema: Schema,
    query: Query,
    after: Option<ObjectRef>,
) -> Result<Vec<LogEntry>, StoreError> {
    let query = query.without_limits();
    let found = retry(&connections, || async {
        let mut found: Vec<LogEntry> = Vec::new();
        scan(
            &connections,
            &schema,
            &query,
            Order::by_object(after.as_ref()),
            &connections.tolerance,
            |entry, _| {
                let same = |last: &LogEntry| {
                    last.object_pk == entry.object_pk && last.model == entry.model
                };
                if found.len() >= OBJECTS && !found.last().is_some_and(same) {
                    return false;
                }
                if query.matches(&entry) {
                    found.push(entry);
                }
                true
            },
        )
        .await?;
        Ok(found)
    });
    until_cancelled(&query, found).await
}

/// The transactions that were committed at a moment: the text of `pg_current_snapshot`, and the offset
/// of their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    pub(crate) snapshot: String,
    pub(crate) base: i64,
}

/// Returns which transactions are committed now.
pub(crate) async fn committed(
    connections: &Connections,
    schema: &Schema,
) -> Result<Committed, StoreError> {
    let sql = schema.fill("SELECT pg_current_snapshot()::text, {schema}.audit_xact_base()");
    retry(connections, || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let row = connection.query_one(&sql, &[]).await?;
            Ok(Committed {
                snapshot: row.try_get(0)?,
                base: row.try_get(1)?,
            })
        })
        .await;
        connection.finish(done)
    })
    .await
}

/// Returns the keys of the next entries that match a query and were written by these
/// transactions, or `None` if the columns alone do not decide what matches.
pub(crate) async fn sort_keys(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    after: Option<SortKey>,
    committed: &Committed,
) -> Result<Option<Vec<SortKey>>, StoreError> {
    retry(connections, || async {
        let conditions = Conditions::of(query);
        if !conditions.exact {
            return Ok(None);
        }
        let order = Order::of(query).only(committed).after(after);
        let statement = order.statement(conditions, &["ts", "id"], query.page_size(), schema);
        let rows = one(connections, &statement).await?;
        let keys =
            pairs(&rows).map_err(|error| Failure::from_driver(&connections.location, &error))?;
        Ok(Some(keys))
    })
    .await
}

/// The ids of some entries, and the key after which there may be more.
pub(crate) struct Reached {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) next: Option<SortKey>,
}

/// Returns the ids of the next entries a query asks for that are of these transactions; reads
/// the entries. With a window, looks at no more entries of the trail than that.
pub(crate) async fn next_ids(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    after: Option<SortKey>,
    committed: &Committed,
    window: Option<u32>,
) -> Result<Reached, StoreError> {
    retry(connections, || async {
        let end = match window {
            Some(window) => end_of_window(connections, schema, query, after, window).await?,
            None => None,
        };
        let (mut ids, mut read, mut next) = (Vec::new(), 0, end);
        let order = Order::of(query).only(committed).after(after).until(end);
        // A damaged row does not match what only its bytes could say.
        let passing_over = Tolerance::new(true);
        scan(
            connections,
            schema,
            query,
            order,
            &passing_over,
            |entry, _| {
                if query.matches(&entry) {
                    ids.push(entry.id);
                }
                read += 1;
                let full = ids.len() >= query.page_size() || read >= MOST_READ;
                if full {
                    next = Some(sort_key(Cursor::of(&entry)));
                }
                !full
            },
        )
        .await?;
        Ok(Reached { ids, next })
    })
    .await
}

/// Returns the key of the last of `window` entries of any kind after a key, or `None` if fewer are
/// left.
async fn end_of_window(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    after: Option<SortKey>,
    window: u32,
) -> Result<Option<SortKey>, Failure> {
    let mut everything = Query::new();
    if query.is_newest_first() {
        everything = everything.newest_first();
    }
    let conditions = Conditions::of(&everything);
    let order = Order::of(&everything).after(after);
    let mut statement = order.statement(conditions, &["ts", "id"], 1, schema);
    statement.one_index = false;
    let _ = write!(statement.sql, " OFFSET {}", window - 1);
    let rows = one(connections, &statement).await?;
    let ends = pairs(&rows).map_err(|error| Failure::from_driver(&connections.location, &error))?;
    Ok(ends.into_iter().next())
}

/// Returns the lines of the server's plan for a query.
pub(crate) async fn explain(
    connections: Connections,
    schema: Schema,
    query: Query,
) -> Result<Vec<String>, StoreError> {
    let wanted = query.page_size().saturating_add(1);
    let mut statement =
        Order::of(&query).statement(Conditions::of(&query), &["body"], wanted, &schema);
    statement.sql.insert_str(0, "EXPLAIN (COSTS OFF) ");
    retry(&connections, || async {
        let rows = one(&connections, &statement).await?;
        column(rows).map_err(|error| Failure::from_driver(&connections.location, &error))
    })
    .await
}

/// Returns the server's plan for a query with sequential scans disabled.
pub(crate) async fn explain_indexed(
    connections: Connections,
    schema: Schema,
    query: Query,
) -> Result<Vec<String>, StoreError> {
    let wanted = query.page_size().saturating_add(1);
    let mut statement =
        Order::of(&query).statement(Conditions::of(&query), &["body"], wanted, &schema);
    statement.sql.insert_str(0, "EXPLAIN (COSTS OFF) ");
    retry(&connections, || async {
        let mut connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let transaction = connection.transaction().await?;
            transaction
                .batch_execute("SET LOCAL enable_seqscan = off")
                .await?;
            let rows = transaction
                .query_typed(&statement.sql, &statement.typed())
                .await?;
            transaction.rollback().await?;
            column(rows)
        })
        .await;
        connection.finish(done)
    })
    .await
}

/// Parses an entry; the error of a damaged one names the id in its column.
pub(crate) fn read_entry_with(
    id: Uuid,
    body: &str,
    location: &str,
) -> Result<LogEntry, StoreError> {
    read_entry(body, location).map_err(|error| match error {
        StoreError::Corrupt { location, detail } => StoreError::Corrupt {
            location,
            detail: format!("{detail}; its id is {id}"),
        },
        error => error,
    })
}

/// Parses an entry.
pub(crate) fn read_entry(body: &str, location: &str) -> Result<LogEntry, StoreError> {
    LogEntry::from_json(body).map_err(|error| StoreError::Corrupt {
        location: location.to_owned(),
        detail: format!("an entry cannot be read: {error}"),
    })
}

pub(crate) async fn retry<T, F>(
    connections: &Connections,
    attempt: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, Failure>>,
{
    retrying(connections.deadline(), attempt)
        .await
        .map_err(|failure| failure.error)
}

/// Returns the only column of rows.
pub(crate) fn column<T: FromSqlOwned>(rows: Vec<Row>) -> Result<Vec<T>, Error> {
    rows.into_iter().map(|row| row.try_get(0)).collect()
}

/// Returns the two columns of rows.
fn pairs<A: FromSqlOwned, B: FromSqlOwned>(rows: &[Row]) -> Result<Vec<(A, B)>, Error> {
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

/// Runs one statement.
async fn one(connections: &Connections, statement: &Statement) -> Result<Vec<Row>, Failure> {
    let connection = connections.read().await?;
    let done = timeout(connection.limit(), async {
        if statement.one_index {
            // Prepared once, it soon has a generic plan: planning for all partitions takes several
            // times as long as finding a few entries.
            let prepared = connection.prepare_cached(&statement.sql).await?;
            return connection.query(&prepared, &statement.params()).await;
        }
        // Planned each time: which index is best depends on the values.
        connection
            .query_typed(&statement.sql, &statement.typed())
            .await
    })
    .await;
    connection.finish(done)
}

/// Reads candidates in an order from one snapshot until `consume` returns `false`. Each statement has
/// its time limit, and the scan has none.
async fn scan(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    mut order: Order,
    tolerance: &Tolerance,
    mut consume: impl FnMut(LogEntry, String) -> bool,
) -> Result<(), Failure> {
    let mut connection = connections.read().await?;
    let limit = connection.limit();
    let location = connections.location.clone();
    let pages = async {
        let transaction = match timeout(limit, snapshot(&mut connection)).await? {
            Ok(transaction) => transaction,
            Err(error) => return Ok(Err(error)),
        };
        let mut number = CANDIDATES;
        loop {
            // The columns name the object of a damaged row, too.
            let mut columns = vec!["id", "body", "ts"];
            if order.is_by_object() {
                columns.extend(["model", "object_pk"]);
            }
            let statement = order.statement(Conditions::of(query), &columns, number, schema);
            let page = timeout(limit, async {
                let prepared = transaction.prepare(&statement.sql).await?;
                let rows = transaction.query(&prepared, &statement.params()).await?;
                if let Some(last) = rows.last() {
                    let object = if order.is_by_object() {
                        Some((last.try_get(3)?, last.try_get(4)?))
                    } else {
                        None
                    };
                    order.go_on_after((last.try_get(2)?, last.try_get(0)?), object);
                }
                pairs::<Uuid, String>(&rows)
            });
            let page = match page.await? {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            let full = page.len() == number;
            for (id, body) in page {
                match tolerance.read(|| Ok(id), read_entry_with(id, &body, &location)) {
                    Ok(Some(entry)) => {
                        if !consume(entry, body) {
                            return Ok(Ok(Ok(())));
                        }
                    }
                    Ok(None) => {}
                    Err(error) => return Ok(Ok(Err(error))),
                }
            }
            if !full {
                return Ok(Ok(Ok(())));
            }
            number = (number * 2).min(MOST_CANDIDATES);
        }
    };
    let done = pages.await;
    end_idle_transaction().await;
    connection.finish(done)?.map_err(Failure::last)
}

/// Lets the connection send the end of a transaction that only read. A runtime that a calling thread
/// drives stands still between two calls; yielding after every call would cost a good part of a small
/// answer.
async fn end_idle_transaction() {
    tokio::task::yield_now().await;
}

/// Starts a transaction that reads one snapshot.
async fn snapshot(connection: &mut Connection) -> Result<Transaction<'_>, Error> {
    connection
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
}
