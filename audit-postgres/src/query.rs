//! Queries as SQL.
//!
//! SQL narrows a query down and orders it; what it cannot say exactly,
//! [`Query::matches`](audit_core::Query::matches) decides about the entries it returns.

use std::fmt::Write as _;

use audit_core::{Action, Cursor, Filter, LogEntry, Page, Path, PathSegment, Query, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, IsolationLevel, Row};

use crate::connection::{Connections, retrying};
use crate::error::Failure;
use crate::row::{json, key};
use crate::schema::Schema;

/// How many candidates are read at first where SQL cannot decide, and at most at a time.
const CANDIDATES: usize = 256;
const MOST_CANDIDATES: usize = 4096;

type Param = Box<dyn ToSql + Sync + Send>;

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
    connections: &Connections,
    schema: &Schema,
    query: &Query,
) -> Result<Found, StoreError> {
    retry(connections, || async {
        let statement = Statement::entries(query, schema, query.page_size().saturating_add(1));
        if statement.exact {
            let rows = one(connections, &statement).await?;
            return bodies(rows).map_err(|error| Failure::of(&connections.place, &error));
        }
        let mut found = Vec::new();
        scan(connections, schema, query, |entry, body| {
            if query.matches(entry) {
                found.push(body);
            }
            found.len() <= query.page_size()
        })
        .await?;
        Ok(found)
    })
    .await
    .map(|bodies| Found { bodies })
}

/// Returns how many entries a query asks for, its limit and cursor aside.
pub(crate) async fn count(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
) -> Result<u64, StoreError> {
    let query = &query.clone().without_limits();
    retry(connections, || async {
        let conditions = Conditions::of(query);
        if conditions.exact {
            let rows = one(connections, &Statement::count(conditions, schema)).await?;
            let count: Result<i64, _> = rows.iter().map(|row| row.try_get::<_, i64>(0)).sum();
            return match count {
                Ok(count) => Ok(count.unsigned_abs()),
                Err(error) => Err(Failure::of(&connections.place, &error)),
            };
        }
        let mut count = 0;
        scan(connections, schema, query, |entry, _| {
            count += u64::from(query.matches(entry));
            true
        })
        .await?;
        Ok(count)
    })
    .await
}

/// Returns the server's plan for a query, a line a step.
pub(crate) async fn explain(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
) -> Result<Vec<String>, StoreError> {
    let mut statement = Statement::entries(query, schema, query.page_size().saturating_add(1));
    statement.sql.insert_str(0, "EXPLAIN (COSTS OFF) ");
    retry(connections, || async {
        let rows = one(connections, &statement).await?;
        bodies(rows).map_err(|error| Failure::of(&connections.place, &error))
    })
    .await
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

fn bodies(rows: Vec<Row>) -> Result<Vec<String>, Error> {
    rows.into_iter().map(|row| row.try_get(0)).collect()
}

/// Runs one statement.
async fn one(connections: &Connections, statement: &Statement) -> Result<Vec<Row>, Failure> {
    let connection = connections.read().await?;
    let done = timeout(connection.limit(), async {
        let prepared = connection.prepare_cached(&statement.sql).await?;
        connection.query(&prepared, &statement.params()).await
    })
    .await;
    connection.settle(done)
}

/// Reads candidates in the query's order from one snapshot, as long as they are asked for.
async fn scan(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    mut consume: impl FnMut(&LogEntry, String) -> bool,
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
        let mut query = query.clone();
        let mut number = CANDIDATES;
        loop {
            let statement = Statement::entries(&query, schema, number);
            let prepared = transaction.prepare(&statement.sql).await?;
            let rows = transaction.query(&prepared, &statement.params()).await?;
            let full = rows.len() == number;
            let mut last = None;
            for body in bodies(rows)? {
                let entry = match read_entry(&body, &place) {
                    Ok(entry) => entry,
                    Err(error) => return Ok(Err(error)),
                };
                last = Some(Cursor::of(&entry));
                if !consume(&entry, body) {
                    return Ok(Ok(()));
                }
            }
            match last {
                Some(last) if full => query = query.after(last),
                _ => return Ok(Ok(())),
            }
            number = (number * 2).min(MOST_CANDIDATES);
        }
    })
    .await;
    connection.settle(done)?.map_err(Failure::last)
}

pub(crate) struct Statement {
    pub(crate) sql: String,
    params: Vec<Param>,
    /// Whether this is all that the query asks for.
    pub(crate) exact: bool,
}

impl Statement {
    /// The first entries in the query's order, each as `body`.
    fn entries(query: &Query, schema: &Schema, number: usize) -> Self {
        let mut conditions = Conditions::of(query);
        conditions.after_cursor(query);
        let direction = if query.is_newest_first() {
            "DESC"
        } else {
            "ASC"
        };
        let limit = conditions.param(i64::try_from(number).unwrap_or(i64::MAX));
        let mut sql = String::new();
        let [only] = &conditions.branches[..] else {
            // Each part in order and no longer than needed; the server merges them.
            sql.push_str("SELECT body FROM (");
            for (number, branch) in conditions.branches.iter().enumerate() {
                sql.push_str(if number > 0 { " UNION ALL (" } else { "(" });
                sql.push_str("SELECT e.body, e.ts, e.id");
                conditions.write_from(&mut sql, branch);
                let _ = write!(
                    sql,
                    " ORDER BY e.ts {direction}, e.id {direction} LIMIT {limit})"
                );
            }
            let _ = write!(
                sql,
                ") AS e ORDER BY ts {direction}, id {direction} LIMIT {limit}"
            );
            return conditions.statement(&sql, schema);
        };
        sql.push_str("SELECT e.body");
        conditions.write_from(&mut sql, only);
        let _ = write!(
            sql,
            " ORDER BY e.ts {direction}, e.id {direction} LIMIT {limit}"
        );
        conditions.statement(&sql, schema)
    }

    /// The number of entries, a row for each part of the answer.
    fn count(conditions: Conditions, schema: &Schema) -> Self {
        let mut sql = String::new();
        for (number, branch) in conditions.branches.iter().enumerate() {
            sql.push_str(if number > 0 { " UNION ALL " } else { "" });
            sql.push_str("SELECT count(*)");
            conditions.write_from(&mut sql, branch);
        }
        conditions.statement(&sql, schema)
    }

    pub(crate) fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.params
            .iter()
            .map(|param| &**param as &(dyn ToSql + Sync))
            .collect()
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
}

impl Conditions {
    fn of(query: &Query) -> Self {
        let filter = query.filter();
        let mut conditions = Self {
            common: Vec::new(),
            branches: vec![String::new()],
            params: Vec::new(),
            exact: true,
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

    fn after_cursor(&mut self, query: &Query) {
        let Some(cursor) = query.cursor() else {
            return;
        };
        let ts = self.param(cursor.timestamp().timestamp_micros());
        let id = self.param(cursor.id());
        let sign = if query.is_newest_first() { '<' } else { '>' };
        self.common
            .push(format!("(e.ts, e.id) {sign} ({ts}, {id})"));
    }

    fn equal(&mut self, column: &str, value: Option<&str>) {
        if let Some(value) = value {
            let value = self.param(key(value).into_owned());
            self.common.push(format!("{column} = {value}"));
        }
    }

    fn param(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.params.push(Box::new(value));
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

    fn statement(self, sql: &str, schema: &Schema) -> Statement {
        Statement {
            sql: schema.fill(sql),
            params: self.params,
            exact: self.exact,
        }
    }
}

/// Returns the first microsecond that is not before a time.
///
/// Entries have whole microseconds, so one is at or after a time exactly if it is at or
/// after this.
pub(crate) fn micros_up(time: DateTime<Utc>) -> i64 {
    let micros = time.timestamp_micros();
    micros.saturating_add(i64::from(
        !time.timestamp_subsec_nanos().is_multiple_of(1000),
    ))
}

/// Returns whether `fields` says exactly which entries changed something at a path: it is one
/// field, and no index shares its name.
fn is_whole_field(path: &Path) -> bool {
    match &path.segments()[..] {
        [PathSegment::Name(name)] => name != "$" && !name.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

/// Returns whether a text stands in JSON as it is, so that an entry whose JSON does not
/// have it does not have it anywhere.
fn is_verbatim_in_json(text: &str) -> bool {
    !text.chars().any(|c| c < ' ' || c == '"' || c == '\\')
}
