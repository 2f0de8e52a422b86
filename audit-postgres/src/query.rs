//! Queries as SQL.
//!
//! SQL narrows a query down and orders it; what it cannot say exactly,
//! [`Query::matches`](audit_core::Query::matches) decides about the entries it returns.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use audit_core::projection::{is_verbatim_in_json, is_whole_field, micros_up};
use audit_core::{Action, Cursor, Filter, LogEntry, ObjectRef, Page, Query, StoreError};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{Error, IsolationLevel, Row};
use uuid::Uuid;

use crate::connection::{Connections, retrying};
use crate::error::Failure;
use crate::row::{json, key};
use crate::schema::Schema;

/// How many candidates are read at first where SQL cannot decide, and at most at a time.
const CANDIDATES: usize = 256;
const MOST_CANDIDATES: usize = 4096;
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
    bodies: Vec<String>,
}

impl Found {
    /// Reads the entries, which costs time that the caller's thread has.
    pub(crate) fn into_page(self, query: &Query, place: &str) -> Result<Page, StoreError> {
        Page::collect(
            query,
            self.bodies.iter().map(|body| read_entry(body, place)),
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
            let statement = Order::of(&query).statement(conditions, &["body"], wanted, &schema);
            let rows = one(&connections, &statement).await?;
            return column(rows).map_err(|error| Failure::of(&connections.place, &error));
        }
        let mut found = Vec::new();
        scan(
            &connections,
            &schema,
            &query,
            Order::of(&query),
            |entry, body| {
                if query.matches(&entry) {
                    found.push(body);
                }
                found.len() < wanted
            },
        )
        .await?;
        Ok(found)
    })
    .await
    .map(|bodies| Found { bodies })
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
            let rows = one(&connections, &conditions.count(&schema)).await?;
            let count: Result<i64, _> = rows.iter().map(|row| row.try_get::<_, i64>(0)).sum();
            return match count {
                Ok(count) => Ok(count.unsigned_abs()),
                Err(error) => Err(Failure::of(&connections.place, &error)),
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

/// Returns the ids of some of the entries a query asks for that are of these transactions, if
/// columns alone tell them.
pub(crate) async fn ids(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    committed: &Committed,
) -> Result<Option<Vec<Uuid>>, StoreError> {
    retry(connections, || async {
        let conditions = Conditions::of(query);
        if !conditions.exact {
            return Ok(None);
        }
        let number = query.page_size();
        let order = Order::of(query).only(committed);
        let statement = order.statement(conditions, &["id"], number, schema);
        let rows = one(connections, &statement).await?;
        let ids = column(rows).map_err(|error| Failure::of(&connections.place, &error))?;
        Ok(Some(ids))
    })
    .await
}

/// Returns the ids of the next entries a query asks for that are of these transactions, and
/// where to go on; reads the entries.
pub(crate) async fn next_ids(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    committed: &Committed,
) -> Result<(Vec<Uuid>, Option<Cursor>), StoreError> {
    retry(connections, || async {
        let mut ids = Vec::new();
        let mut next = None;
        scan(
            connections,
            schema,
            query,
            Order::of(query).only(committed),
            |entry, _| {
                if query.matches(&entry) {
                    ids.push(entry.id);
                }
                let full = ids.len() >= query.page_size();
                if full {
                    next = Some(Cursor::of(&entry));
                }
                !full
            },
        )
        .await?;
        Ok((ids, next))
    })
    .await
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
            let mut bodies = column::<String>(rows)?;
            let bytes: usize = bodies.iter().map(String::len).sum();
            let average = bytes / bodies.len().max(1);
            number = (EXPORTED_BYTES / average.max(1)).clamp(1, MOST_EXPORTED);
            let mut damaged = None;
            if !exact {
                let mut matching = Vec::new();
                for body in bodies {
                    match read_entry(&body, &place) {
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

/// Reads candidates in an order from one snapshot, as long as they are asked for.
async fn scan(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    order: Order,
    mut consume: impl FnMut(LogEntry, String) -> bool,
) -> Result<(), Failure> {
    let mut connection = connections.read().await?;
    let limit = connection.limit();
    let place = connections.place.clone();
    let done = timeout(limit, async {
        let transaction = connection
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let mut order = order;
        let mut number = CANDIDATES;
        loop {
            let statement = order.statement(Conditions::of(query), &["body"], number, schema);
            let prepared = transaction.prepare(&statement.sql).await?;
            let rows = transaction.query(&prepared, &statement.params()).await?;
            let full = rows.len() == number;
            for body in column::<String>(rows)? {
                let entry = match read_entry(&body, &place) {
                    Ok(entry) => entry,
                    Err(error) => return Ok(Err(error)),
                };
                order.go_on_after(&entry);
                if !consume(entry, body) {
                    return Ok(Ok(()));
                }
            }
            if !full {
                return Ok(Ok(()));
            }
            number = (number * 2).min(MOST_CANDIDATES);
        }
    })
    .await;
    connection.settle(done)?.map_err(Failure::last)
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
    committed: Option<Committed>,
}

enum By {
    Time(Option<Place>),
    /// Entries about no object are left out.
    Object(Option<ObjectRef>, Option<Place>),
}

/// A time and an id.
type Place = (i64, Uuid);

fn place_of(cursor: Cursor) -> Place {
    (cursor.timestamp().timestamp_micros(), cursor.id())
}

impl Order {
    /// The order that a query asks for, after its cursor.
    fn of(query: &Query) -> Self {
        Self {
            descending: query.is_newest_first(),
            by: By::Time(query.cursor().map(place_of)),
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

    /// By object, and by time within each, after all of an object.
    fn by_object(after: Option<&ObjectRef>) -> Self {
        Self {
            descending: false,
            by: By::Object(after.cloned(), None),
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
