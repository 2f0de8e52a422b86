//! Queries as SQL.
//!
//! SQL narrows a query down and orders it. Where it cannot express a condition exactly,
//! [`Query::matches`](audit_core::Query::matches) filters the entries that it returns.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use audit_core::{LogEntry, ObjectRef, Page, Query, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use uuid::Uuid;

use crate::Tolerance;
use crate::conditions::Conditions;
use crate::error::at;
use crate::row::changed_fields;

/// Returns the page of a query.
pub(crate) fn find(
    connection: &Connection,
    query: &Query,
    tolerance: &Tolerance,
    location: &str,
) -> Result<Page, StoreError> {
    let statement = Statement::entries_for(query, tolerance);
    statement.run(connection, tolerance, location, |entries| {
        Page::collect(query, entries)
    })
}

/// Returns how many entries match a query, without its limit and cursor.
pub(crate) fn count(
    connection: &Connection,
    query: &Query,
    tolerance: &Tolerance,
    location: &str,
) -> Result<u64, StoreError> {
    query.check()?;
    let query = query.clone().without_limits();
    let conditions = Conditions::of(&query);
    if conditions.exact {
        let statement = Statement::count(conditions);
        let count: i64 = connection
            .prepare_cached(&statement.sql)
            .and_then(|mut prepared| {
                prepared.query_row(params_from_iter(&statement.params), |row| row.get(0))
            })
            .map_err(at(location))?;
        return Ok(count.unsigned_abs());
    }
    let statement = Statement::entries(&query);
    statement.run(connection, tolerance, location, |entries| {
        let mut count = 0;
        for entry in entries {
            count += u64::from(query.matches(&entry?));
        }
        Ok(count)
    })
}

/// The most entries of several objects that are read at once.
const OBJECTS: usize = 1_000;

/// Returns the matching entries of the next objects; see
/// [`Store::objects`](audit_core::Store::objects).
pub(crate) fn objects(
    connection: &Connection,
    query: &Query,
    after: Option<&ObjectRef>,
    tolerance: &Tolerance,
    location: &str,
) -> Result<Vec<LogEntry>, StoreError> {
    query.check()?;
    Statement::objects(query, after).run(connection, tolerance, location, |entries| {
        let mut found: Vec<LogEntry> = Vec::new();
        for entry in entries {
            let entry = entry?;
            let same =
                |last: &LogEntry| last.object_pk == entry.object_pk && last.model == entry.model;
            if found.len() >= OBJECTS && !found.last().is_some_and(same) {
                break;
            }
            if query.matches(&entry) {
                found.push(entry);
            }
        }
        // SQL has sorted all but the ids: it compares texts by their bytes too.
        found.sort_by(|a, b| {
            (&a.model, &a.object_pk, a.timestamp, a.id).cmp(&(
                &b.model,
                &b.object_pk,
                b.timestamp,
                b.id,
            ))
        });
        Ok(found)
    })
}

/// Returns SQLite's plan for [`objects`], a line a step.
pub(crate) fn explain_objects(
    connection: &Connection,
    query: &Query,
    after: Option<&ObjectRef>,
    location: &str,
) -> Result<Vec<String>, StoreError> {
    Statement::objects(query, after).plan(connection, location)
}

/// The key of a stored entry, and those of its rows in `audit_change`.
pub(crate) struct Stored {
    pub(crate) seq: i64,
    pub(crate) ts: i64,
    /// `None` if the entry is damaged.
    pub(crate) fields: Option<Vec<String>>,
}

/// Returns the keys of the entries with some ids and checksums of their bytes, each once.
pub(crate) fn stored_exactly(
    connection: &Connection,
    entries: &[(Uuid, [u8; 32])],
    location: &str,
) -> Result<Vec<Stored>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT seq, body FROM main.audit_entry WHERE id = ?1")
        .map_err(at(location))?;
    let entries: BTreeSet<_> = entries.iter().collect();
    let mut found = Vec::new();
    for (id, checksum) in entries {
        let stored = statement
            .query_row([&id.as_bytes()[..]], |row| {
                let body = row.get_ref(1)?.as_str().ok();
                let body = body.filter(|body| audit_sql::checksum(body.as_bytes()) == *checksum);
                let Some(entry) = body.and_then(|body| LogEntry::from_json(body).ok()) else {
                    return Ok(None);
                };
                Ok(Some(Stored {
                    seq: row.get(0)?,
                    ts: entry.timestamp.timestamp_micros(),
                    fields: Some(changed_fields(&entry).map(Cow::into_owned).collect()),
                }))
            })
            .optional();
        found.extend(stored.map_err(at(location))?.flatten());
    }
    Ok(found)
}

/// Returns the keys of some entries that match a query, without its limit and cursor, and that were
/// written no later than the one with the number `last`.
pub(crate) fn stored(
    connection: &Connection,
    query: &Query,
    last: i64,
    limit: usize,
    location: &str,
) -> Result<Vec<Stored>, StoreError> {
    let query = query.clone().without_limits().limit(limit);
    let statement = Statement::entries_to(&query, last);
    let mut prepared = connection
        .prepare_cached(&statement.sql)
        .map_err(at(location))?;
    let mut rows = prepared
        .query(params_from_iter(&statement.params))
        .map_err(at(location))?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next().map_err(at(location))?
    {
        let (ts, fields) = match read_entry(row, location) {
            Ok(entry) if query.matches(&entry) => {
                let fields = changed_fields(&entry).map(Cow::into_owned).collect();
                (entry.timestamp.timestamp_micros(), Some(fields))
            }
            // A damaged entry whose columns match: it must not stay for ever.
            Err(StoreError::Corrupt { .. }) if statement.exact => (0, None),
            // Of a damaged entry, the columns alone cannot decide.
            Ok(_) | Err(StoreError::Corrupt { .. }) => continue,
            Err(error) => return Err(error),
        };
        found.push(Stored {
            seq: row.get(0).map_err(at(location))?,
            ts,
            fields,
        });
    }
    Ok(found)
}

/// Returns SQLite's plan for a query, a line a step.
pub(crate) fn explain(
    connection: &Connection,
    query: &Query,
    location: &str,
) -> Result<Vec<String>, StoreError> {
    Statement::entries(query).plan(connection, location)
}

/// Reads the entry of a row whose first columns are `seq` and `body`.
pub(crate) fn read_entry(row: &Row<'_>, location: &str) -> Result<LogEntry, StoreError> {
    LogEntry::from_json(body(row, location)?).map_err(|error| corrupt(row, location, &error))
}

/// The same; `None` if the row is damaged and skipped.
pub(crate) fn read_or_pass(
    row: &Row<'_>,
    tolerance: &Tolerance,
    location: &str,
) -> Result<Option<LogEntry>, StoreError> {
    tolerance.read(
        || row.get(0).map_err(at(location)),
        read_entry(row, location),
    )
}

/// Returns the bytes of an entry.
pub(crate) fn body<'r>(row: &'r Row<'_>, location: &str) -> Result<&'r str, StoreError> {
    let body = row.get_ref(1).map_err(at(location))?;
    body.as_str()
        .map_err(|error| corrupt(row, location, &error))
}

fn corrupt(row: &Row<'_>, location: &str, error: &dyn std::fmt::Display) -> StoreError {
    let entry = match row.get::<_, i64>(0) {
        Ok(seq) => format!("entry {seq} of {location}"),
        Err(_) => format!("an entry of {location}"),
    };
    StoreError::Corrupt {
        location: entry,
        detail: error.to_string(),
    }
}

/// Returns the direction in which the terms of `ORDER BY` are sorted.
fn direction(query: &Query) -> &'static str {
    if query.is_newest_first() {
        "DESC"
    } else {
        "ASC"
    }
}

/// A statement that selects entries.
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) params: Vec<Value>,
    /// Whether every row matches the query.
    pub(crate) exact: bool,
}

impl Statement {
    /// Selects the entries in the query's order, each as `seq`, `body`.
    fn entries(query: &Query) -> Self {
        Self::build(query, true, |_| {})
    }

    /// The same, without the page's limit for readers that skip damaged rows.
    pub(crate) fn entries_for(query: &Query, tolerance: &Tolerance) -> Self {
        Self::build(query, !tolerance.skips_damaged(), |_| {})
    }

    /// The same, none of them written after the one with the number `last`.
    fn entries_to(query: &Query, last: i64) -> Self {
        Self::build(query, true, |conditions| {
            let last = conditions.param(Value::Integer(last));
            // The sign keeps the planner from walking all numbers up to it.
            conditions.common.push(format!("+e.seq <= {last}"));
        })
    }

    /// The same with one time, without the page's limit.
    pub(crate) fn entries_at(query: &Query, time: i64) -> Self {
        Self::build(query, false, |conditions| {
            let time = conditions.param(Value::Integer(time));
            conditions
                .common
                .push(format!("{} = {time}", conditions.time));
        })
    }

    fn build(query: &Query, limited: bool, narrow: impl FnOnce(&mut Conditions)) -> Self {
        let mut conditions = Conditions::of(query);
        narrow(&mut conditions);
        conditions.after_cursor(query);
        let direction = direction(query);
        let time = conditions.time;
        let exact = conditions.exact;
        let mut sql = String::new();
        if let [branch] = &conditions.branches[..] {
            sql.push_str("SELECT e.seq, e.body");
            conditions.write_from(&mut sql, branch);
            let _ = write!(sql, " ORDER BY {time} {direction}, e.id {direction}");
        } else {
            for (number, branch) in conditions.branches.iter().enumerate() {
                if number > 0 {
                    sql.push_str(" UNION ALL ");
                }
                let _ = write!(sql, "SELECT e.seq, e.body, {time} AS at, e.id AS id");
                conditions.write_from(&mut sql, branch);
            }
            let _ = write!(sql, " ORDER BY at {direction}, id {direction}");
        }
        let mut params = conditions.params;
        if exact && limited {
            // One more than the page, to find out whether there is another one.
            let limit = i64::try_from(query.page_size()).unwrap_or(i64::MAX);
            params.push(Value::Integer(limit.saturating_add(1)));
            let _ = write!(sql, " LIMIT ?{}", params.len());
        }
        Self { sql, params, exact }
    }

    /// Selects the entries as `seq`, `body`, time, `id`; those with the same time in any order. `None` if the
    /// result has several parts, which SQLite has to sort anyway.
    pub(crate) fn by_time(query: &Query) -> Option<Self> {
        let mut conditions = Conditions::of(query);
        conditions.after_cursor(query);
        let [branch] = &conditions.branches[..] else {
            return None;
        };
        let (time, direction) = (conditions.time, direction(query));
        let mut sql = format!("SELECT e.seq, e.body, {time}, e.id");
        conditions.write_from(&mut sql, branch);
        let _ = write!(sql, " ORDER BY {time} {direction}");
        Some(Self {
            sql,
            params: conditions.params,
            exact: conditions.exact,
        })
    }

    /// Selects the entries by object and time, as `seq`, `body`; those of one time in any order.
    fn objects(query: &Query, after: Option<&ObjectRef>) -> Self {
        let mut conditions = Conditions::by_object(query);
        match after {
            Some(after) => conditions.after_object(query, after),
            None => conditions.common.push("e.object_pk > ''".to_owned()),
        }
        let mut sql = String::new();
        for (number, branch) in conditions.branches.iter().enumerate() {
            if number > 0 {
                sql.push_str(" UNION ALL ");
            }
            sql.push_str("SELECT e.seq, e.body, e.model AS model, e.object_pk AS pk, e.ts AS at");
            conditions.write_from(&mut sql, branch);
        }
        // Sorted by id later: with one term more to sort by, SQLite copies every entry.
        sql.push_str(" ORDER BY model, pk, at");
        Self {
            sql,
            params: conditions.params,
            exact: conditions.exact,
        }
    }

    fn count(conditions: Conditions) -> Self {
        let mut sql = String::from("SELECT ");
        for (number, branch) in conditions.branches.iter().enumerate() {
            sql.push_str(if number > 0 { " + " } else { "" });
            sql.push_str("(SELECT count(*)");
            conditions.write_from(&mut sql, branch);
            sql.push(')');
        }
        Self {
            sql,
            params: conditions.params,
            exact: conditions.exact,
        }
    }

    fn plan(&self, connection: &Connection, location: &str) -> Result<Vec<String>, StoreError> {
        connection
            .prepare(&format!("EXPLAIN QUERY PLAN {}", self.sql))
            .and_then(|mut prepared| {
                prepared
                    .query_map(params_from_iter(&self.params), |row| row.get(3))?
                    .collect()
            })
            .map_err(at(location))
    }

    /// Runs the statement; the iterator reads entries one by one.
    fn run<T>(
        &self,
        connection: &Connection,
        tolerance: &Tolerance,
        location: &str,
        consume: impl FnOnce(
            &mut dyn Iterator<Item = Result<LogEntry, StoreError>>,
        ) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut prepared = connection.prepare_cached(&self.sql).map_err(at(location))?;
        let mut rows = prepared
            .query(params_from_iter(&self.params))
            .map_err(at(location))?;
        let mut entries = std::iter::from_fn(|| {
            loop {
                let row = match rows.next() {
                    Ok(row) => row?,
                    Err(error) => return Some(Err(at(location)(error))),
                };
                if let Some(found) = read_or_pass(row, tolerance, location).transpose() {
                    return Some(found);
                }
            }
        });
        consume(&mut entries)
    }
}
