//! The parts that the readers of all libraries share.

use std::collections::HashSet;
use std::fmt::Debug;
use std::net::IpAddr;

use audit_core::{
    Action, Actor, Change, Changes, Level, LogEntry, Path, PathSegment, Redaction,
    Source as Program,
};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Map, Value};

use crate::error::ImportError;
use crate::format::Format;
use crate::ids;
use crate::losses::{Columns, LossKind, Losses, Report};
use crate::record::Record;
use crate::schema::{Schema, Table, quoted};

/// A library's audit tables.
pub(crate) trait Source: Debug + Send {
    fn format(&self) -> Format;

    /// Returns a query of all rows that make an entry, with the columns `tbl`, `row` (its
    /// number), `prev` and `next` (the rows of the same object before and after it), and what
    /// they are sorted by: `time`, `grp`, `tbl`, `first`, `second`.
    fn rows(&self) -> String;

    /// Returns the expression of a row's rank among those of its time.
    fn rank(&self) -> &'static str {
        "dense_rank() OVER (PARTITION BY time ORDER BY tbl) - 1"
    }

    /// Reports the losses that concern all rows of a table.
    fn report_table_losses(&self, report: &mut Report);

    /// Makes the entry of a row.
    fn entry(&self, step: &Step, cx: &mut Reading<'_>) -> Result<LogEntry, ImportError>;
}

/// A row to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) table: usize,
    pub(crate) row: i64,
    pub(crate) prev: Option<i64>,
    pub(crate) next: Option<i64>,
    pub(crate) rank: i64,
}

/// Returns the table of a step.
pub(crate) fn table_of_step<'t, T>(
    tables: &'t [T],
    step: &Step,
    format: Format,
) -> Result<&'t T, ImportError> {
    tables.get(step.table).ok_or_else(|| ImportError::Row {
        table: format.as_str().to_owned(),
        row: step.row.to_string(),
        column: "rowid".to_owned(),
        detail: "is in an unknown table".to_owned(),
    })
}

/// Returns [`Source::rows`] of tables whose rows are sorted by a time and their `id`; `next` is
/// the expression of the row after.
pub(crate) fn rows_by_time<'t>(
    tables: impl Iterator<Item = &'t Table>,
    time: &str,
    next: &str,
) -> String {
    let of_table = |(index, table): (usize, &Table)| {
        format!(
            "SELECT {index} AS tbl, rowid AS row, NULL AS prev, {next} AS next, \
             {time} AS time, 0 AS grp, id AS first, 0 AS second FROM {}",
            quoted(&table.name)
        )
    };
    let tables: Vec<String> = tables.enumerate().map(of_table).collect();
    tables.join(" UNION ALL ")
}

/// The connection that a reader reads from, and the report of its losses.
pub(crate) struct Reading<'r> {
    pub(crate) connection: &'r Connection,
    pub(crate) report: &'r mut Report,
    pub(crate) columns: &'r Columns,
}

impl Reading<'_> {
    pub(crate) fn losses<'l>(
        &'l mut self,
        format: Format,
        table: &'l str,
        row: &'l str,
    ) -> Losses<'l> {
        Losses {
            report: self.report,
            format,
            table,
            row,
            columns: self.columns,
        }
    }

    /// Reads from the same connection with another report. A row that is read for comparison
    /// reports its losses when its own entry is made.
    pub(crate) fn with_report<'q>(&'q self, report: &'q mut Report) -> Reading<'q> {
        Reading {
            connection: self.connection,
            report,
            columns: self.columns,
        }
    }

    /// Reads a row that the same transaction has listed.
    pub(crate) fn record<'t>(&self, table: &'t Table, row: i64) -> Result<Record<'t>, ImportError> {
        let record = Record::read(table, self.connection, row)?;
        record.ok_or_else(|| ImportError::Row {
            table: table.name.clone(),
            row: row.to_string(),
            column: "rowid".to_owned(),
            detail: "is missing".to_owned(),
        })
    }
}

/// An entry under construction, and the values that have no field in it.
pub(crate) struct Draft {
    pub(crate) entry: LogEntry,
    format: Format,
    rest: Map<String, Value>,
}

impl Draft {
    pub(crate) fn new(format: Format, action: Action, model: &str, pk: &str) -> Self {
        let repr = if pk.is_empty() {
            model.to_owned()
        } else {
            format!("{model} {pk}")
        };
        let level = match action {
            Action::Delete => Level::Warning,
            Action::Access => Level::Debug,
            _ => Level::Info,
        };
        let mut entry = LogEntry::new(action, model, pk, repr);
        entry.level = level;
        entry.source = Program::service(format.as_str());
        Self {
            entry,
            format,
            rest: Map::new(),
        }
    }

    /// Keeps a value that is not null under its own name.
    pub(crate) fn keep(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        if !value.is_null() {
            self.rest.insert(name.to_owned(), value);
        }
    }

    /// Sets the field of the entry that a name stands for, or keeps the value.
    pub(crate) fn set_or_keep(&mut self, name: &str, value: Value, losses: &mut Losses<'_>) {
        if !self.set(name, &value, losses) {
            self.keep(name, value);
        }
    }

    /// Sets the field of the entry that a name stands for, and returns whether there is one. The
    /// columns that applications add have a few common names.
    pub(crate) fn set(&mut self, name: &str, value: &Value, losses: &mut Losses<'_>) -> bool {
        let text = match value {
            Value::Null => return true,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let entry = &mut self.entry;
        let field = match losses.columns.get(name).copied().unwrap_or(name) {
            "remote_addr" | "remote_address" | "remote_ip" | "ip_address" | "ip" | "client_ip"
                if entry.remote_addr.is_none() =>
            {
                return self.set_address(name, &text, losses);
            }
            "correlation_id" | "request_id" | "request_uuid" | "cid" => &mut entry.correlation_id,
            "trace_id" => &mut entry.trace_id,
            "reason" | "comment" | "change_reason" => &mut entry.reason,
            _ => return false,
        };
        if field.is_some() {
            return false;
        }
        *field = Some(text);
        true
    }

    /// Sets the address, or keeps a text that is not one.
    pub(crate) fn set_address_or_keep(
        &mut self,
        column: &str,
        text: &str,
        losses: &mut Losses<'_>,
    ) {
        if !self.set_address(column, text, losses) {
            self.keep(column, text);
        }
    }

    fn set_address(&mut self, column: &str, text: &str, losses: &mut Losses<'_>) -> bool {
        if let Ok(address) = text.trim().parse::<IpAddr>() {
            self.entry.remote_addr = Some(address);
            return true;
        }
        losses.add(column, LossKind::NotAnAddress);
        false
    }

    /// Sets the actor, if there is an id.
    pub(crate) fn set_actor(&mut self, id: Option<String>, name: Option<String>) {
        self.entry.actor = id.map(|id| {
            let actor = Actor::user(id);
            match name {
                Some(name) => actor.display(name),
                None => actor,
            }
        });
    }

    /// Finishes the entry of a row of a table that is sorted by a time and its ids.
    pub(crate) fn finish_row(
        self,
        record: &Record<'_>,
        step: &Step,
        time: &str,
    ) -> Result<LogEntry, ImportError> {
        let time = record.time(time)?;
        let order = ids::order(step.rank, ids::number(record.id()));
        Ok(self.finish(record, time, order))
    }

    /// Sets id and time, and puts the kept values into `additional_data.imported`.
    pub(crate) fn finish(
        mut self,
        record: &Record<'_>,
        time: DateTime<Utc>,
        order: u64,
    ) -> LogEntry {
        let (format, table, row) = (self.format, &record.table().name, record.id());
        self.entry.id = ids::id(format, table, row, time, order);
        self.entry.timestamp = time;
        for (key, value) in [("format", format.as_str()), ("table", table), ("id", row)] {
            self.rest.insert(key.to_owned(), value.into());
        }
        let data = &mut self.entry.additional_data;
        if let Some(own) = data.remove("imported") {
            self.rest.insert("additional_data".to_owned(), own);
        }
        data.insert("imported".to_owned(), Value::Object(self.rest));
        self.entry
    }
}

/// Makes the change of a field.
pub(crate) fn change(field: &str, old: Option<Value>, new: Option<Value>) -> Change {
    Change::new(
        Path::from_segments(&[PathSegment::Name(field.to_owned())]),
        old,
        new,
    )
}

/// Makes the changes of a set: its members by their text, as `topics['sea']`.
pub(crate) fn membership(
    field: &str,
    old: &HashSet<Value>,
    new: &HashSet<Value>,
) -> impl Iterator<Item = Change> {
    let field = Path::from_segments(&[PathSegment::Name(field.to_owned())]);
    audit_core::diff(old, new)
        .into_iter()
        .map(move |mut found| {
            // A member's path is in brackets; the path of the set itself is `$`.
            let inside = found.path.strip_prefix('$').unwrap_or(&found.path);
            found.path = format!("{field}{inside}")
                .parse()
                .unwrap_or_else(|_| field.clone());
            found
        })
}

/// Marks a change as masked.
pub(crate) fn mark_masked(mut change: Change) -> Change {
    change.redaction = Some(Redaction::Masked);
    change
}

/// Marks the changes of some fields as loose.
pub(crate) fn mark_loose(entry: &mut LogEntry, is_loose: impl Fn(&str) -> bool) {
    let changes = std::mem::take(&mut entry.changes);
    let marked = changes.into_iter().map(|mut change| {
        change.loose |= is_loose(change.path.as_str());
        change
    });
    entry.changes = marked.collect();
}

/// Splits an array of two values.
pub(crate) fn pair(value: Value) -> Result<(Value, Value), Value> {
    match value {
        Value::Array(items) => <[Value; 2]>::try_from(items).map_or_else(
            |items| Err(Value::Array(items)),
            |[old, new]| Ok((old, new)),
        ),
        other => Err(other),
    }
}

/// Makes the changes between two states, field by field; a missing state has no fields.
pub(crate) fn between(
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
) -> Changes {
    let empty = Map::new();
    let (before, after) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
    let removed = before
        .iter()
        .filter(|(field, _)| !after.contains_key(*field));
    let removed = removed.map(|(field, value)| change(field, Some(value.clone()), None));
    let set = after
        .iter()
        .filter(|(field, value)| before.get(*field) != Some(value))
        .map(|(field, value)| change(field, before.get(field).cloned(), Some(value.clone())));
    removed.chain(set).collect()
}

/// The table of the users.
#[derive(Clone, Debug)]
pub(crate) struct Users {
    table: String,
    key: String,
    name: String,
}

impl Users {
    /// Finds the table that a column refers to, if it has a column of names.
    pub(crate) fn referenced_by(schema: &Schema, table: &Table, column: &str) -> Option<Self> {
        let key = table.refers(column)?;
        let users = schema.table(&key.table)?;
        Self::of(users, key.target.as_deref())
    }

    /// Uses a table as one of users, if it has a column of names.
    pub(crate) fn of(users: &Table, key: Option<&str>) -> Option<Self> {
        let name = ["username", "login", "name", "email"]
            .into_iter()
            .find(|name| users.has(name))?;
        let key = match key {
            Some(key) => key.to_owned(),
            None => match users.key().as_slice() {
                [key] => key.name.clone(),
                _ => return None,
            },
        };
        Some(Self {
            table: users.name.clone(),
            key,
            name: name.to_owned(),
        })
    }

    /// Returns the name that a user has now.
    pub(crate) fn name(
        &self,
        connection: &Connection,
        id: &str,
    ) -> Result<Option<String>, ImportError> {
        let sql = format!(
            "SELECT CAST({} AS TEXT) FROM {} WHERE {} = ?1",
            quoted(&self.name),
            quoted(&self.table),
            quoted(&self.key)
        );
        let read = || {
            let mut statement = connection.prepare_cached(&sql)?;
            let name: Option<Option<String>> =
                statement.query_row([id], |row| row.get(0)).optional()?;
            Ok(name.flatten().filter(|name| !name.is_empty()))
        };
        read().map_err(|error| ImportError::read(&self.table, error))
    }
}

/// Returns the name of a user, if there is a table of users.
pub(crate) fn user_name(
    users: Option<&Users>,
    connection: &Connection,
    id: Option<&str>,
) -> Result<Option<String>, ImportError> {
    match (users, id) {
        (Some(users), Some(id)) => users.name(connection, id),
        _ => Ok(None),
    }
}
