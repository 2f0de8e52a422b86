//! Queries as SQL.
//!
//! SQL narrows a query down and orders it; what it cannot say exactly,
//! [`Query::matches`](audit_core::Query::matches) decides about the entries it returns.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use audit_core::projection::{is_verbatim_in_json, is_whole_field, micros_up};
use audit_core::{Action, Cursor, Filter, LogEntry, ObjectRef, Page, Query, StoreError};
use deadpool_postgres::Transaction;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{Error, IsolationLevel, Row};
use uuid::Uuid;

use crate::connection::{Connection, Connections, retrying};
use crate::error::Failure;
use crate::row::{json, key};
use crate::schema::Schema;

/// How many candidates are read at first where SQL cannot decide, and at most at a time.
const CANDIDATES: usize = 256;
const MOST_CANDIDATES: usize = 4096;
/// How many candidates a step of a purge reads.
const MOST_READ: usize = 100_000;
/// How many entries of several objects an answer holds.
const OBJECTS: usize = 500;
/// How many entries an export reads at first, and at most at a time.
const EXPORTED: usize = 32;
const MOST_EXPORTED: usize = 500;
/// About how many bytes it reads at a time, as far as entries are of one size.
const EXPORTED_BYTES: usize = 4 << 20;

/// Page sizes whose statements have them as a number, so that they are planned for it.
const USUAL_PAGES: [usize; 8] = [1, 10, 20, 25, 50, 100, 500, 1000];

type Param = (Box<dyn ToSql + Sync + Send>, Type);

/// The answer to a query as it came: the entries' bytes, in order, one more than a page holds
/// if there are more.
pub(crate) struct Found {
    entries: Vec<(Uuid, String)>,
}

impl Found {
    /// Reads the entries, which costs time that the caller's thread has.
    pub(crate) fn into_page(self, query: &Query, place: &str) -> Result<Page, StoreError> {
        Page::collect(
            query,
            self.entries
                .iter()
                .map(|(id, body)| read_entry_with(*id, body, place)),
        )
    }
}

/// Returns the page a query asks for.
pub(crate) async fn find(
    connections: Connections,
    schema: Schema,
    query: Query,
) -> Result<Found, StoreError> {
    retry(&connections, || async {
        let wanted = query.page_size().saturating_add(1);
        let conditions = Conditions::of(&query);
        if conditions.exact {
            let columns = ["id", "body"];
            let statement = Order::of(&query).statement(conditions, &columns, wanted, &schema);
            let rows = one(&connections, &statement).await?;
            return pairs(&rows).map_err(|error| Failure::of(&connections.place, &error));
        }
        let mut found = Vec::new();
        scan(
            &connections,
            &schema,
            &query,
            Order::of(&query),
            |entry, body| {
                if query.matches(&entry) {
                    found.push((entry.id, body));
                }
                found.len() < wanted
            },
        )
        .await?;
        Ok(found)
    })
    .await
    .map(|entries| Found { entries })
}

/// Returns how many entries a query asks for, its limit and cursor aside.
pub(crate) async fn count(
    connections: Connections,
    schema: Schema,
    query: Query,
) -> Result<u64, StoreError> {
    let query = query.without_limits();
    retry(&connections, || async {
        let conditions = Conditions::of(&query);
        if conditions.exact {
            return match one(&connections, &conditions.count(&schema)).await {
                Ok(rows) => sum(&rows).map_err(|error| Failure::of(&connections.place, &error)),
                // Too many for one statement.
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
            |entry, _| {
                count += u64::from(query.matches(&entry));
                true
            },
        )
        .await?;
        Ok(count)
    })
    .await
}

/// Counts in one snapshot, but with a statement for each partition: those of months by their
/// ids, and what is left between them.
async fn count_by_months(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
) -> Result<u64, Failure> {
    let mut connection = connections.read().await?;
    let limit = connection.limit();
    let months = async {
        let begun = timeout(limit, async {
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
        let (transaction, ends) = match begun.await? {
            Ok(begun) => begun,
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
            // Planned for the ids at hand, so that it is about one partition.
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
    say_that_it_is_over().await;
    connection.settle(done)
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
    retry(&connections, || async {
        let mut found: Vec<LogEntry> = Vec::new();
        scan(
            &connections,
            &schema,
            &query,
            Order::by_object(after.as_ref()),
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
    })
    .await
}

/// Which transactions were committed at a moment: what `pg_current_snapshot` says.
#[derive(Clone, Debug)]
pub(crate) struct Committed(String);

/// Returns which transactions are committed now.
pub(crate) async fn committed(connections: &Connections) -> Result<Committed, StoreError> {
    retry(connections, || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let row = connection
                .query_one("SELECT pg_current_snapshot()::text", &[])
                .await?;
            row.try_get(0).map(Committed)
        })
        .await;
        connection.settle(done)
    })
    .await
}

/// Returns where some of the entries are that a query asks for and that are of these
/// transactions, after a place, if columns alone tell them.
pub(crate) async fn places(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    after: Option<Place>,
    committed: &Committed,
) -> Result<Option<Vec<Place>>, StoreError> {
    retry(connections, || async {
        let conditions = Conditions::of(query);
        if !conditions.exact {
            return Ok(None);
        }
        let order = Order::of(query).only(committed).after(after);
        let statement = order.statement(conditions, &["ts", "id"], query.page_size(), schema);
        let rows = one(connections, &statement).await?;
        let places = pairs(&rows).map_err(|error| Failure::of(&connections.place, &error))?;
        Ok(Some(places))
    })
    .await
}

/// The ids of some entries, and after which place there may be more.
pub(crate) struct Reached {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) next: Option<Place>,
}

/// Returns the ids of the next entries a query asks for that are of these transactions; reads
/// the entries. With a window, looks at no more entries of the trail than that.
pub(crate) async fn next_ids(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    after: Option<Place>,
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
        scan(connections, schema, query, order, |entry, _| {
            if query.matches(&entry) {
                ids.push(entry.id);
            }
            read += 1;
            let full = ids.len() >= query.page_size() || read >= MOST_READ;
            if full {
                next = Some(place_of(Cursor::of(&entry)));
            }
            !full
        })
        .await?;
        Ok(Reached { ids, next })
    })
    .await
}

/// Returns the place of the last of so many entries after a place, whatever they are; none if
/// there are no more than that.
async fn end_of_window(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    after: Option<Place>,
    window: u32,
) -> Result<Option<Place>, Failure> {
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
    let ends = pairs(&rows).map_err(|error| Failure::of(&connections.place, &error))?;
    Ok(ends.into_iter().next())
}

/// Returns the server's plan for a query, a line a step.
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
        column(rows).map_err(|error| Failure::of(&connections.place, &error))
    })
    .await
}

/// Returns the server's plan for a query if it were never to read a table as a whole.
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
        connection.settle(done)
    })
    .await
}

/// Sends the bytes of the entries a query asks for, in order and some at a time, all of one
/// snapshot; ends when nobody receives them any more.
pub(crate) async fn export(
    connections: Connections,
    schema: Schema,
    query: Query,
    lines: mpsc::Sender<Vec<String>>,
) -> Result<(), StoreError> {
    // What was handed out cannot be taken back.
    let begun = AtomicBool::new(false);
    retry(&connections, || async {
        let sent = send(&connections, &schema, &query, &lines, &begun).await;
        sent.map_err(|failure| Failure {
            retry: failure.retry && !begun.load(Ordering::Relaxed),
            ..failure
        })
    })
    .await
}

async fn send(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    lines: &mpsc::Sender<Vec<String>>,
    begun: &AtomicBool,
) -> Result<(), Failure> {
    let mut connection = connections.read().await?;
    let place = connections.place.clone();
    // However long all of it takes; each statement has its limit.
    let done = timeout(Duration::MAX, async {
        let transaction = connection
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        // The receiver may be as slow as somebody who reads.
        transaction
            .batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            .await?;
        let mut order = Order::of(query);
        let mut left = query.limit_or_none().unwrap_or(usize::MAX);
        let mut number = EXPORTED;
        while left > 0 {
            let conditions = Conditions::of(query);
            let exact = conditions.exact;
            if exact {
                number = number.min(left);
            }
            let columns = ["body", "ts", "id"];
            let statement = order.statement(conditions, &columns, number, schema);
            let rows = transaction
                .query_typed(&statement.sql, &statement.typed())
                .await?;
            let full = rows.len() == number;
            if let Some(last) = rows.last() {
                order.by = By::Time(Some((last.try_get(1)?, last.try_get(2)?)));
            }
            let ids = rows.iter().map(|row| row.try_get::<_, Uuid>(2));
            let ids = ids.collect::<Result<Vec<_>, _>>()?;
            let mut bodies = column::<String>(rows)?;
            let bytes: usize = bodies.iter().map(String::len).sum();
            let average = bytes / bodies.len().max(1);
            number = (EXPORTED_BYTES / average.max(1)).clamp(1, MOST_EXPORTED);
            let mut damaged = None;
            if !exact {
                let mut matching = Vec::new();
                for (id, body) in ids.into_iter().zip(bodies) {
                    match read_entry_with(id, &body, &place) {
                        Ok(entry) if query.matches(&entry) => matching.push(body),
                        Ok(_) => {}
                        Err(error) => {
                            damaged = Some(error);
                            break;
                        }
                    }
                }
                matching.truncate(left);
                bodies = matching;
            }
            left -= bodies.len();
            if !bodies.is_empty() {
                begun.store(true, Ordering::Relaxed);
                if lines.send(bodies).await.is_err() {
                    break;
                }
            }
            match damaged {
                Some(error) if left > 0 => return Ok(Err(error)),
                _ if !full => break,
                _ => {}
            }
        }
        transaction.commit().await?;
        Ok(Ok(()))
    })
    .await;
    connection.settle(done)?.map_err(Failure::last)
}

/// Reads an entry of its bytes; one that is unreadable is named by the id that its column has.
pub(crate) fn read_entry_with(id: Uuid, body: &str, place: &str) -> Result<LogEntry, StoreError> {
    read_entry(body, place).map_err(|error| match error {
        StoreError::Corrupt { place, detail } => StoreError::Corrupt {
            place,
            detail: format!("{detail}; its id is {id}"),
        },
        error => error,
    })
}

/// Reads an entry of its bytes.
pub(crate) fn read_entry(body: &str, place: &str) -> Result<LogEntry, StoreError> {
    LogEntry::from_json(body).map_err(|error| StoreError::Corrupt {
        place: place.to_owned(),
        detail: format!("an entry cannot be read: {error}"),
    })
}

async fn retry<T, F>(connections: &Connections, attempt: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, Failure>>,
{
    retrying(connections.deadline(), attempt)
        .await
        .map_err(|failure| failure.error)
}

/// Returns the only column of rows.
fn column<T: FromSqlOwned>(rows: Vec<Row>) -> Result<Vec<T>, Error> {
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
            // Prepared once, it is soon planned no more: planning for all partitions takes
            // several times as long as finding a few entries.
            let prepared = connection.prepare_cached(&statement.sql).await?;
            return connection.query(&prepared, &statement.params()).await;
        }
        // Planned each time for the values at hand: which index is best depends on them.
        connection
            .query_typed(&statement.sql, &statement.typed())
            .await
    })
    .await;
    connection.settle(done)
}

/// Reads candidates in an order from one snapshot, as long as they are asked for. Each
/// statement has its limit, however long all of it takes.
async fn scan(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    mut order: Order,
    mut consume: impl FnMut(LogEntry, String) -> bool,
) -> Result<(), Failure> {
    let mut connection = connections.read().await?;
    let limit = connection.limit();
    let place = connections.place.clone();
    let pages = async {
        let transaction = match timeout(limit, snapshot(&mut connection)).await? {
            Ok(transaction) => transaction,
            Err(error) => return Ok(Err(error)),
        };
        let mut number = CANDIDATES;
        loop {
            let statement = order.statement(Conditions::of(query), &["id", "body"], number, schema);
            let page = timeout(limit, async {
                let prepared = transaction.prepare(&statement.sql).await?;
                let rows = transaction.query(&prepared, &statement.params()).await?;
                pairs::<Uuid, String>(&rows)
            });
            let page = match page.await? {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            let full = page.len() == number;
            for (id, body) in page {
                let entry = match read_entry_with(id, &body, &place) {
                    Ok(entry) => entry,
                    Err(error) => return Ok(Ok(Err(error))),
                };
                order.go_on_after(&entry);
                if !consume(entry, body) {
                    return Ok(Ok(Ok(())));
                }
            }
            if !full {
                return Ok(Ok(Ok(())));
            }
            number = (number * 2).min(MOST_CANDIDATES);
        }
    };
    let done = pages.await;
    say_that_it_is_over().await;
    connection.settle(done)?.map_err(Failure::last)
}

/// Lets the connection tell the server that a transaction is over that was only read in. Nobody
/// drives a thread's own connection between two questions; and to do this after each of them
/// takes a good part of what a small answer does.
async fn say_that_it_is_over() {
    tokio::task::yield_now().await;
}

/// Begins to read from one snapshot.
async fn snapshot(connection: &mut Connection) -> Result<Transaction<'_>, Error> {
    connection
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
}

struct Statement {
    sql: String,
    params: Vec<Param>,
    /// Whether one index serves it best, whatever the values are.
    one_index: bool,
}

impl Statement {
    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.params
            .iter()
            .map(|(value, _)| &**value as &(dyn ToSql + Sync))
            .collect()
    }

    fn typed(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.params
            .iter()
            .map(|(value, ty)| (&**value as &(dyn ToSql + Sync), ty.clone()))
            .collect()
    }
}

/// The order of an answer, where in it to begin, and whose entries are in it.
struct Order {
    descending: bool,
    by: By,
    /// The last place that is still in it.
    until: Option<Place>,
    committed: Option<Committed>,
}

enum By {
    Time(Option<Place>),
    /// Entries about no object are left out.
    Object(Option<ObjectRef>, Option<Place>),
}

/// A time and an id.
pub(crate) type Place = (i64, Uuid);

fn place_of(cursor: Cursor) -> Place {
    (cursor.timestamp().timestamp_micros(), cursor.id())
}

impl Order {
    /// The order that a query asks for, after its cursor.
    fn of(query: &Query) -> Self {
        Self {
            descending: query.is_newest_first(),
            by: By::Time(query.cursor().map(place_of)),
            until: None,
            committed: None,
        }
    }

    /// Leaves out what is not of these transactions.
    fn only(self, committed: &Committed) -> Self {
        Self {
            committed: Some(committed.clone()),
            ..self
        }
    }

    /// Begins after a place, if there is one.
    fn after(self, place: Option<Place>) -> Self {
        match place {
            Some(_) => Self {
                by: By::Time(place),
                ..self
            },
            None => self,
        }
    }

    /// Ends with a place, if there is one.
    fn until(self, place: Option<Place>) -> Self {
        Self {
            until: place,
            ..self
        }
    }

    /// By object, and by time within each, after all of an object.
    fn by_object(after: Option<&ObjectRef>) -> Self {
        Self {
            descending: false,
            by: By::Object(after.cloned(), None),
            until: None,
            committed: None,
        }
    }

    fn go_on_after(&mut self, entry: &LogEntry) {
        let place = Some(place_of(Cursor::of(entry)));
        self.by = match self.by {
            By::Time(_) => By::Time(place),
            By::Object(..) => {
                let object = ObjectRef::new(entry.model.as_str(), entry.object_pk.as_str());
                By::Object(Some(object), place)
            }
        };
    }

    fn columns(&self) -> &'static [&'static str] {
        match self.by {
            By::Time(_) => &["ts", "id"],
            By::Object(..) => &["model", "object_pk", "ts", "id"],
        }
    }

    /// What comes after the place where to begin.
    fn begin(&self, conditions: &mut Conditions) {
        let sign = if self.descending { '<' } else { '>' };
        let (object, after) = match &self.by {
            By::Time(after) => (None, after),
            By::Object(object, after) => {
                conditions.common.push("e.object_pk <> ''".to_owned());
                (object.as_ref(), after)
            }
        };
        let mut place = Vec::new();
        if let Some(object) = object {
            place.push(("e.model", conditions.param(key(&object.model).into_owned())));
            let pk = conditions.param(key(&object.object_pk).into_owned());
            place.push(("e.object_pk", pk));
        }
        if let Some((ts, id)) = after {
            place.push(("e.ts", conditions.param(*ts)));
            place.push(("e.id", conditions.param(*id)));
        }
        if !place.is_empty() {
            let (columns, values): (Vec<_>, Vec<_>) = place.into_iter().unzip();
            conditions.common.push(format!(
                "({}) {sign} ({})",
                columns.join(", "),
                values.join(", ")
            ));
        }
        if let Some((ts, id)) = self.until {
            let sign = if self.descending { '>' } else { '<' };
            let (ts, id) = (conditions.param(ts), conditions.param(id));
            conditions
                .common
                .push(format!("(e.ts, e.id) {sign}= ({ts}, {id})"));
        }
        if let Some(Committed(snapshot)) = &self.committed {
            let snapshot = conditions.param(snapshot.clone());
            // The first line says no more than the second, and costs less. What has a number
            // that was not given out yet came from another cluster, by a dump or a replication.
            conditions.common.push(format!(
                "(e.xact < pg_snapshot_xmin({snapshot}::text::pg_snapshot)::text::bigint \
                 OR pg_visible_in_snapshot(e.xact::text::xid8, {snapshot}::text::pg_snapshot) \
                 OR e.xact >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)"
            ));
        }
    }

    /// The first entries in this order, each as these columns.
    fn statement(
        &self,
        mut conditions: Conditions,
        wanted: &[&str],
        number: usize,
        schema: &Schema,
    ) -> Statement {
        self.begin(&mut conditions);
        let direction = if self.descending { "DESC" } else { "ASC" };
        // Most pages look for one entry more, to know whether there are any.
        let limit = if USUAL_PAGES.contains(&number.saturating_sub(1)) {
            number.to_string()
        } else {
            conditions.one_index = false;
            conditions.param(i64::try_from(number).unwrap_or(i64::MAX))
        };
        let columns = self.columns();
        let order: Vec<_> = columns
            .iter()
            .map(|column| format!("e.{column} {direction}"))
            .collect();
        let end = format!(" ORDER BY {} LIMIT {limit}", order.join(", "));
        let prefixed = |columns: &[&str]| {
            let columns: Vec<_> = columns.iter().map(|column| format!("e.{column}")).collect();
            columns.join(", ")
        };
        let mut sql = format!("SELECT {}", prefixed(wanted));
        if let [only] = &conditions.branches[..] {
            conditions.write_from(&mut sql, only);
        } else {
            // Each part in order and no longer than needed; the server merges them.
            sql.push_str(" FROM (");
            for (number, branch) in conditions.branches.iter().enumerate() {
                sql.push_str(if number > 0 { " UNION ALL (" } else { "(" });
                let keys = columns.iter().filter(|key| !wanted.contains(key));
                let both: Vec<_> = wanted.iter().chain(keys).copied().collect();
                let _ = write!(sql, "SELECT {}", prefixed(&both));
                conditions.write_from(&mut sql, branch);
                sql.push_str(&end);
                sql.push(')');
            }
            sql.push_str(") AS e");
        }
        sql.push_str(&end);
        conditions.statement(&sql, schema)
    }
}

/// What a query asks for, as far as SQL can say it.
struct Conditions {
    /// What all rows meet.
    common: Vec<String>,
    /// What the rows of each part of the answer meet; no row is in two of them.
    branches: Vec<String>,
    params: Vec<Param>,
    /// Whether this is all that the query asks for.
    exact: bool,
    /// Whether one index serves it best, whatever the values are.
    one_index: bool,
}

impl Conditions {
    fn of(query: &Query) -> Self {
        let filter = query.filter();
        let mut conditions = Self {
            common: Vec::new(),
            branches: vec![String::new()],
            params: Vec::new(),
            exact: true,
            one_index: one_index(filter),
        };
        conditions.equal("e.model", filter.model.as_deref());
        conditions.equal("e.object_pk", filter.object_pk.as_deref());
        conditions.equal("e.actor", filter.actor.as_deref());
        conditions.equal("e.correlation_id", filter.correlation_id.as_deref());
        if let Some(id) = filter.transaction_id {
            let id = conditions.param(id);
            conditions.common.push(format!("e.transaction_id = {id}"));
        }
        conditions.equal(
            "e.outcome",
            filter.outcome.as_ref().map(|outcome| outcome.as_str()),
        );
        if let Some(action) = &filter.action {
            conditions.equal("e.action", Some(action.as_str()));
            // A custom action that is called like one of the four is read back as that one.
            conditions.exact &= Action::named(action.as_str().to_owned()) == *action;
        }
        if let Some(level) = filter.level_at_least {
            let level = conditions.param(i16::from(level as u8));
            conditions.common.push(format!("e.level >= {level}"));
        }
        if let Some(level) = filter.level_below {
            let level = conditions.param(i16::from(level as u8));
            conditions.common.push(format!("e.level < {level}"));
        }
        if let Some(since) = filter.since {
            let since = conditions.param(micros_up(since));
            conditions.common.push(format!("e.ts >= {since}"));
        }
        if let Some(until) = filter.until {
            let until = conditions.param(micros_up(until));
            conditions.common.push(format!("e.ts < {until}"));
        }
        if let Some(root) = &filter.parent {
            let model = conditions.param(key(&root.model).into_owned());
            let pk = conditions.param(key(&root.object_pk).into_owned());
            conditions.branches = vec![
                format!("e.parent_model = {model} AND e.parent_pk = {pk}"),
                format!(
                    "e.model = {model} AND e.object_pk = {pk} \
                     AND (e.parent_model IS DISTINCT FROM {model} \
                     OR e.parent_pk IS DISTINCT FROM {pk})"
                ),
            ];
        }
        conditions.changed(filter);
        if let Some(wanted) = &filter.text {
            conditions.exact = false;
            if is_verbatim_in_json(wanted) {
                let wanted = conditions.param(wanted.to_ascii_lowercase());
                // The column's collation makes `lower` change ASCII letters only.
                conditions
                    .common
                    .push(format!("strpos(lower(e.body), {wanted}) > 0"));
            }
        }
        conditions
    }

    fn changed(&mut self, filter: &Filter) {
        let valued = || filter.changed_from.iter().chain(&filter.changed_to);
        self.exact &= valued().next().is_none() && filter.changed.iter().all(is_whole_field);
        let mut fields: Vec<_> = filter
            .changed
            .iter()
            .chain(valued().map(|(path, _)| path))
            // Everything lies inside the object itself.
            .filter(|path| !path.segments().is_empty())
            .map(|path| key(&path.field()).into_owned())
            .collect();
        fields.sort_unstable();
        fields.dedup();
        if !fields.is_empty() {
            let fields = self.param(fields);
            self.common.push(format!("e.fields @> {fields}"));
        }
        for (side, wanted) in [("old", &filter.changed_from), ("new", &filter.changed_to)] {
            for (_, value) in wanted {
                self.became(side, value);
            }
        }
    }

    /// Something was or became the value; at which path, which has several spellings, is left
    /// to Rust.
    fn became(&mut self, side: &str, value: &Value) {
        let Ok(value) = json(value) else {
            return;
        };
        let value = self.param(value);
        self.common.push(format!(
            "EXISTS (SELECT 1 FROM jsonb_each(e.changes) AS c \
             WHERE c.value -> '{side}' = {value}::text::jsonb)"
        ));
    }

    fn equal(&mut self, column: &str, value: Option<&str>) {
        if let Some(value) = value {
            let value = self.param(key(value).into_owned());
            self.common.push(format!("{column} = {value}"));
        }
    }

    fn param<T: Typed + Sync + Send + 'static>(&mut self, value: T) -> String {
        self.params.push((Box::new(value), T::TYPE));
        format!("${}", self.params.len())
    }

    fn write_from(&self, sql: &mut String, branch: &str) {
        sql.push_str(" FROM {schema}.audit_entry AS e");
        let conditions = self.common.iter().map(String::as_str);
        let branch = Some(branch).filter(|branch| !branch.is_empty());
        for (number, condition) in conditions.chain(branch).enumerate() {
            let word = if number == 0 { "WHERE" } else { "AND" };
            let _ = write!(sql, " {word} {condition}");
        }
    }

    /// The number of entries, a row for each part of the answer.
    fn count(self, schema: &Schema) -> Statement {
        let mut sql = String::new();
        for (number, branch) in self.branches.iter().enumerate() {
            sql.push_str(if number > 0 { " UNION ALL " } else { "" });
            sql.push_str("SELECT count(*)");
            self.write_from(&mut sql, branch);
        }
        self.statement(&sql, schema)
    }

    fn statement(self, sql: &str, schema: &Schema) -> Statement {
        Statement {
            sql: schema.fill(sql),
            params: self.params,
            one_index: self.one_index,
        }
    }
}

/// Whether a filter names nothing but what one index begins with, and times, which all of
/// them go on with.
fn one_index(filter: &Filter) -> bool {
    let mut rest = filter.clone();
    rest.since = None;
    rest.until = None;
    let object = rest.model.take().is_some();
    let keys = [
        object,
        rest.actor.take().is_some(),
        rest.correlation_id.take().is_some(),
        rest.transaction_id.take().is_some(),
    ];
    if object {
        rest.object_pk = None;
    }
    keys.into_iter().filter(|given| *given).count() <= 1 && rest == Filter::default()
}

/// A value with its type, which needs no asking for.
trait Typed: ToSql {
    const TYPE: Type;
}

impl Typed for String {
    const TYPE: Type = Type::TEXT;
}

impl Typed for Vec<String> {
    const TYPE: Type = Type::TEXT_ARRAY;
}

impl Typed for i16 {
    const TYPE: Type = Type::INT2;
}

impl Typed for i64 {
    const TYPE: Type = Type::INT8;
}

impl Typed for Uuid {
    const TYPE: Type = Type::UUID;
}
