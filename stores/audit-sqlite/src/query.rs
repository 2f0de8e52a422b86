//! Queries as SQL.
//!
//! SQL narrows a query down and orders it; what it cannot say exactly,
//! [`Query::matches`](audit_core::Query::matches) decides about the entries it returns.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use audit_core::projection::{self, is_verbatim_in_json, is_whole_field, micros_up, narrow};
use audit_core::{Action, Filter, LogEntry, ObjectRef, Page, Query, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::Tolerance;
use crate::error::at;
use crate::row::{changed_fields, top_level_field};

/// Returns the page a query asks for.
pub(crate) fn find(
    connection: &Connection,
    query: &Query,
    tolerance: &Tolerance,
    place: &str,
) -> Result<Page, StoreError> {
    let statement = Statement::entries_for(query, tolerance);
    statement.run(connection, tolerance, place, |entries| {
        Page::collect(query, entries)
    })
}

/// Returns how many entries a query asks for, its limit and cursor aside.
pub(crate) fn count(
    connection: &Connection,
    query: &Query,
    tolerance: &Tolerance,
    place: &str,
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
            .map_err(at(place))?;
        return Ok(count.unsigned_abs());
    }
    let statement = Statement::entries(&query);
    statement.run(connection, tolerance, place, |entries| {
        let mut count = 0;
        for entry in entries {
            count += u64::from(query.matches(&entry?));
        }
        Ok(count)
    })
}

/// How many entries of several objects are read at a time.
const OBJECTS: usize = 1_000;

/// Returns the entries a query asks for of the next objects; see
/// [`Store::objects`](audit_core::Store::objects).
pub(crate) fn objects(
    connection: &Connection,
    query: &Query,
    after: Option<&ObjectRef>,
    tolerance: &Tolerance,
    place: &str,
) -> Result<Vec<LogEntry>, StoreError> {
    query.check()?;
    Statement::objects(query, after).run(connection, tolerance, place, |entries| {
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
        // Stable, and SQL compares texts by their bytes as well: only ids change places.
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
    place: &str,
) -> Result<Vec<String>, StoreError> {
    Statement::objects(query, after).plan(connection, place)
}

/// Hands out the JSON of the entries a query asks for, no more than one line a row: bytes that
/// are no entry come as they are, and as the text of a JSON string where they have line ends.
pub(crate) fn export(
    connection: &Connection,
    query: &Query,
    tolerance: &Tolerance,
    place: &str,
    line: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<u64, StoreError> {
    query.check()?;
    let limit = query.limit_or_none().unwrap_or(usize::MAX);
    let mut statement = Statement::entries_for(&query.clone().limit(limit), tolerance);
    let all_said = statement.exact;
    statement.exact &= !tolerance.passes_over();
    let mut prepared = connection
        .prepare_cached(&statement.sql)
        .map_err(at(place))?;
    let mut rows = prepared
        .query(params_from_iter(&statement.params))
        .map_err(at(place))?;
    let mut count = 0;
    while count < limit
        && let Some(row) = rows.next().map_err(at(place))?
    {
        let seq = row.get(0).map_err(at(place))?;
        let Some(body) = tolerance.read(seq, body(row, place))? else {
            continue;
        };
        if !statement.exact {
            match tolerance.read(seq, read_entry(row, place))? {
                Some(entry) if query.matches(&entry) => {}
                // Its columns say that it is asked for.
                None if all_said => {}
                _ => continue,
            }
        }
        line(&projection::line(body)).map_err(|error| StoreError::Io {
            location: "the output".to_owned(),
            source: Arc::new(error),
        })?;
        count += 1;
    }
    Ok(count as u64)
}

/// Where an entry is stored, and under which fields its projections are.
pub(crate) struct Stored {
    pub(crate) seq: i64,
    pub(crate) ts: i64,
    /// `None` if the entry is damaged, so that they are not known.
    pub(crate) fields: Option<Vec<String>>,
}

/// Returns where some of the entries are that a query asks for, its limit and cursor aside,
/// none of them written after the one with the number `last`.
pub(crate) fn stored(
    connection: &Connection,
    query: &Query,
    last: i64,
    limit: usize,
    place: &str,
) -> Result<Vec<Stored>, StoreError> {
    let query = query.clone().without_limits().limit(limit);
    let statement = Statement::entries_to(&query, Some(last));
    let mut prepared = connection
        .prepare_cached(&statement.sql)
        .map_err(at(place))?;
    let mut rows = prepared
        .query(params_from_iter(&statement.params))
        .map_err(at(place))?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next().map_err(at(place))?
    {
        let (ts, fields) = match read_entry(row, place) {
            Ok(entry) if query.matches(&entry) => {
                let fields = changed_fields(&entry).map(Cow::into_owned).collect();
                (entry.timestamp.timestamp_micros(), Some(fields))
            }
            // The columns say that it is one of those, and it must not stay for ever.
            Err(StoreError::Corrupt { .. }) if statement.exact => (0, None),
            // Of a damaged one, nothing but its bytes could say that it is.
            Ok(_) | Err(StoreError::Corrupt { .. }) => continue,
            Err(error) => return Err(error),
        };
        found.push(Stored {
            seq: row.get(0).map_err(at(place))?,
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
    place: &str,
) -> Result<Vec<String>, StoreError> {
    Statement::entries(query).plan(connection, place)
}

/// Reads the entry of a row whose first columns are `seq` and `body`.
pub(crate) fn read_entry(row: &Row<'_>, place: &str) -> Result<LogEntry, StoreError> {
    LogEntry::from_json(body(row, place)?).map_err(|error| corrupt(row, place, &error))
}

/// The same; `None` if it is not an entry and is passed over.
pub(crate) fn read_or_pass(
    row: &Row<'_>,
    tolerance: &Tolerance,
    place: &str,
) -> Result<Option<LogEntry>, StoreError> {
    let seq = row.get(0).map_err(at(place))?;
    tolerance.read(seq, read_entry(row, place))
}

fn body<'r>(row: &'r Row<'_>, place: &str) -> Result<&'r str, StoreError> {
    let body = row.get_ref(1).map_err(at(place))?;
    body.as_str().map_err(|error| corrupt(row, place, &error))
}

fn corrupt(row: &Row<'_>, place: &str, error: &dyn std::fmt::Display) -> StoreError {
    let entry = match row.get::<_, i64>(0) {
        Ok(seq) => format!("entry {seq} of {place}"),
        Err(_) => format!("an entry of {place}"),
    };
    StoreError::Corrupt {
        location: entry,
        detail: error.to_string(),
    }
}

struct Statement {
    sql: String,
    params: Vec<Value>,
    /// Whether it finds nothing but what the query asks for.
    exact: bool,
}

impl Statement {
    /// The entries in the query's order, each as `seq`, `body`.
    fn entries(query: &Query) -> Self {
        Self::entries_to(query, None)
    }

    /// The same for readers that may pass over some: not only as many rows as a page has.
    fn entries_for(query: &Query, tolerance: &Tolerance) -> Self {
        Self::build(query, None, !tolerance.passes_over())
    }

    /// The same, none of them written after the one with the number `last`.
    fn entries_to(query: &Query, last: Option<i64>) -> Self {
        Self::build(query, last, true)
    }

    fn build(query: &Query, last: Option<i64>, limited: bool) -> Self {
        let mut conditions = Conditions::of(query);
        if let Some(last) = last {
            let last = conditions.param(Value::Integer(last));
            // The sign keeps the planner from walking all numbers up to it.
            conditions.common.push(format!("+e.seq <= {last}"));
        }
        conditions.after_cursor(query);
        let direction = if query.is_newest_first() {
            "DESC"
        } else {
            "ASC"
        };
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
            // One more than the page, which tells whether there is another one.
            let limit = i64::try_from(query.page_size()).unwrap_or(i64::MAX);
            params.push(Value::Integer(limit.saturating_add(1)));
            let _ = write!(sql, " LIMIT ?{}", params.len());
        }
        Self { sql, params, exact }
    }

    /// The entries by object, and by time within each, as `seq`, `body`; those of one time in
    /// any order.
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
        // Ids are put in order later: to sort by one term more, SQLite copies every entry.
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

    fn plan(&self, connection: &Connection, place: &str) -> Result<Vec<String>, StoreError> {
        connection
            .prepare(&format!("EXPLAIN QUERY PLAN {}", self.sql))
            .and_then(|mut prepared| {
                prepared
                    .query_map(params_from_iter(&self.params), |row| row.get(3))?
                    .collect()
            })
            .map_err(at(place))
    }

    /// Runs the statement; entries are read one by one, as they are asked for.
    fn run<T>(
        &self,
        connection: &Connection,
        tolerance: &Tolerance,
        place: &str,
        consume: impl FnOnce(
            &mut dyn Iterator<Item = Result<LogEntry, StoreError>>,
        ) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut prepared = connection.prepare_cached(&self.sql).map_err(at(place))?;
        let mut rows = prepared
            .query(params_from_iter(&self.params))
            .map_err(at(place))?;
        let mut entries = std::iter::from_fn(|| {
            loop {
                let row = match rows.next() {
                    Ok(row) => row?,
                    Err(error) => return Some(Err(at(place)(error))),
                };
                if let Some(found) = read_or_pass(row, tolerance, place).transpose() {
                    return Some(found);
                }
            }
        });
        consume(&mut entries)
    }
}

/// What a query asks for, as far as SQL can say it.
pub(crate) struct Conditions {
    /// Where the rows come from.
    from: &'static str,
    /// The column with the entry's time, of the table that comes first.
    time: &'static str,
    /// What all rows meet.
    common: Vec<String>,
    /// What the rows of each part of the answer meet; no row is in two of them.
    branches: Vec<String>,
    pub(crate) params: Vec<Value>,
    /// Whether this is all that the query asks for.
    exact: bool,
}

impl Conditions {
    fn of(query: &Query) -> Self {
        let filter = query.filter();
        // What names few entries by itself leads; otherwise the first changed field does.
        let leads = filter.object_pk.is_none()
            && filter.correlation_id.is_none()
            && filter.transaction_id.is_none()
            && filter.parent.is_none();
        Self::new(query, leads)
    }

    /// The same, for an answer that is ordered by object.
    fn by_object(query: &Query) -> Self {
        Self::new(query, false)
    }

    fn new(query: &Query, field_leads: bool) -> Self {
        let filter = query.filter();
        let mut conditions = Self {
            from: "main.audit_entry AS e",
            time: "e.ts",
            common: Vec::new(),
            branches: vec![String::new()],
            params: Vec::new(),
            exact: true,
        };
        conditions.changed(filter, field_leads);
        let text = |text: &String| Value::Text(text.clone());
        conditions.equal("e.model", filter.model.as_ref().map(text));
        conditions.equal("e.object_pk", filter.object_pk.as_ref().map(text));
        conditions.equal("e.actor", filter.actor.as_ref().map(text));
        conditions.equal("e.correlation_id", filter.correlation_id.as_ref().map(text));
        conditions.equal(
            "e.transaction_id",
            filter
                .transaction_id
                .map(|id| Value::Blob(id.as_bytes().to_vec())),
        );
        conditions.equal(
            "e.outcome",
            filter
                .outcome
                .map(|outcome| Value::Text(outcome.as_str().to_owned())),
        );
        if let Some(action) = &filter.action {
            conditions.equal("e.action", Some(Value::Text(action.as_str().to_owned())));
            // A custom action that is called like one of the four is read back as that one.
            conditions.exact &= Action::named(action.as_str().to_owned()) == *action;
        }
        if let Some(level) = filter.level_at_least {
            let level = conditions.param(Value::Integer(i64::from(level as u8)));
            conditions.common.push(format!("e.level >= {level}"));
        }
        if let Some(level) = filter.level_below {
            let level = conditions.param(Value::Integer(i64::from(level as u8)));
            conditions.common.push(format!("e.level < {level}"));
        }
        if let Some(since) = filter.since {
            let since = conditions.param(Value::Integer(micros_up(since)));
            conditions
                .common
                .push(format!("{} >= {since}", conditions.time));
        }
        if let Some(until) = filter.until {
            let until = conditions.param(Value::Integer(micros_up(until)));
            conditions
                .common
                .push(format!("{} < {until}", conditions.time));
        }
        if let Some(root) = &filter.parent {
            let model = conditions.param(Value::Text(root.model.clone()));
            let pk = conditions.param(Value::Text(root.object_pk.clone()));
            // Two parts, each from an index of its own and in order, which SQLite merges.
            conditions.branches = vec![
                format!("e.parent_model = {model} AND e.parent_pk = {pk}"),
                format!(
                    "e.model = {model} AND e.object_pk = {pk} \
                     AND (e.parent_model IS NOT {model} OR e.parent_pk IS NOT {pk})"
                ),
            ];
        }
        if let Some(wanted) = &filter.text {
            conditions.exact = false;
            if is_verbatim_in_json(wanted) {
                let wanted = conditions.param(Value::Text(wanted.to_ascii_lowercase()));
                conditions
                    .common
                    .push(format!("instr(lower(e.body), {wanted}) > 0"));
            }
        }
        let groups = narrow(filter, &mut conditions);
        conditions.exact &= groups.exact;
        conditions.common.extend(groups.sql);
        conditions
    }

    fn changed(&mut self, filter: &Filter, mut leads: bool) {
        let valued = filter.changed_from.iter().chain(&filter.changed_to);
        self.exact &= filter.changed_from.is_empty()
            && filter.changed_to.is_empty()
            && filter.changed.iter().all(is_whole_field);
        let mut fields: Vec<_> = filter
            .changed
            .iter()
            .chain(valued.map(|(path, _)| path))
            // Everything lies inside the object itself.
            .filter(|path| !path.segments().is_empty())
            .map(top_level_field)
            .collect();
        fields.sort_unstable();
        fields.dedup();
        for field in fields {
            let field = self.param(Value::Text(field.into_owned()));
            if leads {
                leads = false;
                self.from = "main.audit_change AS c CROSS JOIN main.audit_entry AS e";
                self.time = "c.ts";
                self.common
                    .push(format!("c.field = {field} AND e.seq = c.seq"));
            } else {
                self.common.push(format!(
                    "EXISTS (SELECT 1 FROM main.audit_change AS o \
                     WHERE o.field = {field} AND o.ts = e.ts AND o.seq = e.seq)"
                ));
            }
        }
    }

    fn after_cursor(&mut self, query: &Query) {
        let Some(cursor) = query.cursor() else {
            return;
        };
        let ts = self.param(Value::Integer(cursor.timestamp().timestamp_micros()));
        let id = self.param(Value::Blob(cursor.id().as_bytes().to_vec()));
        let sign = if query.is_newest_first() { '<' } else { '>' };
        let time = self.time;
        // The first term leads the index; a row value would do so only for its first column.
        self.common.push(format!(
            "{time} {sign}= {ts} AND ({time} {sign} {ts} OR e.id {sign} {id})"
        ));
    }

    /// Goes on after an object. Each part has a place of its own in the index: SQLite would
    /// use a row value, or an `OR`, for no more than the model, and read it all again.
    fn after_object(&mut self, query: &Query, after: &ObjectRef) {
        let model = self.param(Value::Text(after.model.clone()));
        let pk = self.param(Value::Text(after.object_pk.clone()));
        let same = format!("e.model = {model} AND e.object_pk > {pk}");
        let later = format!("e.model > {model} AND e.object_pk > ''");
        let parts = match &query.filter().model {
            Some(wanted) if *wanted == after.model => vec![same],
            Some(_) => vec![later],
            None => vec![same, later],
        };
        self.branches = self
            .branches
            .iter()
            .flat_map(|branch| {
                parts.iter().map(move |part| match branch.as_str() {
                    "" => part.clone(),
                    branch => format!("{branch} AND {part}"),
                })
            })
            .collect();
    }

    fn equal(&mut self, column: &str, value: Option<Value>) {
        if let Some(value) = value {
            let value = self.param(value);
            self.common.push(format!("{column} = {value}"));
        }
    }

    pub(crate) fn param(&mut self, value: Value) -> String {
        self.params.push(value);
        format!("?{}", self.params.len())
    }

    fn write_from(&self, sql: &mut String, branch: &str) {
        let _ = write!(sql, " FROM {}", self.from);
        let conditions = self.common.iter().map(String::as_str);
        let branch = Some(branch).filter(|branch| !branch.is_empty());
        for (number, condition) in conditions.chain(branch).enumerate() {
            let word = if number == 0 { "WHERE" } else { "AND" };
            let _ = write!(sql, " {word} {condition}");
        }
    }
}
