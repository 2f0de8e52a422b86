//! What every library's reader has in common.

use std::collections::HashSet;
use std::fmt::Debug;
use std::net::IpAddr;

use audit_core::{
    Action, Actor, Change, Changes, Level, LogEntry, Path, PathSegment, Redaction,
    Source as Program,
};
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Map, Value};

use crate::error::ImportError;
use crate::format::Format;
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

    /// Reports what concerns whole tables.
    fn note(&self, report: &mut Report);

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

/// Finds the table of a row among those that were planned.
pub(crate) fn of_step<'t, T>(
    tables: &'t [T],
    step: &Step,
    format: Format,
) -> Result<&'t T, ImportError> {
    tables.get(step.table).ok_or_else(|| ImportError::Row {
        table: format.as_str().to_owned(),
        row: step.row.to_string(),
        column: "rowid".to_owned(),
        detail: "is in no known table".to_owned(),
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

/// What a reader reads from, and where it reports losses.
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

    /// Reads from the same connection, but reports elsewhere: a row that is read to compare
    /// with reports its losses in its own turn.
    pub(crate) fn quietly<'q>(&'q self, report: &'q mut Report) -> Reading<'q> {
        Reading {
            connection: self.connection,
            report,
            columns: self.columns,
        }
    }

    /// Reads a row that is there, since the same transaction listed it.
    pub(crate) fn record<'t>(&self, table: &'t Table, row: i64) -> Result<Record<'t>, ImportError> {
        let record = Record::read(table, self.connection, row)?;
        record.ok_or_else(|| ImportError::Row {
            table: table.name.clone(),
            row: row.to_string(),
            column: "rowid".to_owned(),
            detail: "is gone".to_owned(),
        })
    }
}

/// An entry that is being made, and what has no place in it.
pub(crate) struct Draft {
    pub(crate) entry: LogEntry,
    pub(crate) rest: Map<String, Value>,
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
            rest: Map::new(),
        }
    }

    /// Keeps what is not null under a name of its own.
    pub(crate) fn keep(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        if !value.is_null() {
            self.rest.insert(name.to_owned(), value);
        }
    }

    /// Puts a value where its name says it belongs, else keeps it.
    pub(crate) fn place(&mut self, name: &str, value: Value, losses: &mut Losses<'_>) {
        if !self.placed(name, &value, losses) {
            self.keep(name, value);
        }
    }

    /// Puts a value where its name says it belongs, and returns whether there is such a place:
    /// what applications add to the tables goes by a few names.
    pub(crate) fn placed(&mut self, name: &str, value: &Value, losses: &mut Losses<'_>) -> bool {
        let text = match value {
            Value::Null => return true,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let entry = &mut self.entry;
        let place = match losses.columns.get(name).copied().unwrap_or(name) {
            "remote_addr" | "remote_address" | "remote_ip" | "ip_address" | "ip" | "client_ip"
                if entry.remote_addr.is_none() =>
            {
                return self.addressed(name, &text, losses);
            }
            "correlation_id" | "request_id" | "request_uuid" | "cid" => &mut entry.correlation_id,
            "trace_id" => &mut entry.trace_id,
            "reason" | "comment" | "change_reason" => &mut entry.reason,
            _ => return false,
        };
        if place.is_some() {
            return false;
        }
        *place = Some(text);
        true
    }

    /// Sets the address, or keeps the text where it is none.
    pub(crate) fn address(&mut self, column: &str, text: &str, losses: &mut Losses<'_>) {
        if !self.addressed(column, text, losses) {
            self.keep(column, text);
        }
    }

    fn addressed(&mut self, column: &str, text: &str, losses: &mut Losses<'_>) -> bool {
        if let Ok(address) = text.trim().parse::<IpAddr>() {
            self.entry.remote_addr = Some(address);
            return true;
        }
        losses.add(column, LossKind::NotAnAddress);
        false
    }

    /// Sets who it was, where somebody is known.
    pub(crate) fn actor(&mut self, id: Option<String>, name: Option<String>) {
        self.entry.actor = id.map(|id| {
            let actor = Actor::user(id);
            match name {
                Some(name) => actor.display(name),
                None => actor,
            }
        });
    }

    /// Ends the entry. The rest goes to `additional_data.imported`.
    pub(crate) fn finish(mut self, format: Format, table: &str, row: &str) -> LogEntry {
        self.rest
            .insert("format".to_owned(), format.as_str().into());
        self.rest.insert("table".to_owned(), table.into());
        self.rest.insert("id".to_owned(), row.into());
        let data = &mut self.entry.additional_data;
        if let Some(own) = data.remove("imported") {
            self.rest.insert("additional_data".to_owned(), own);
        }
        data.insert("imported".to_owned(), Value::Object(self.rest));
        self.entry
    }
}

/// Makes the change of a whole field.
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
            // A member's path is in brackets, and a set that is recorded whole has none.
            let inside = found.path.strip_prefix('$').unwrap_or(&found.path);
            found.path = format!("{field}{inside}")
                .parse()
                .unwrap_or_else(|_| field.clone());
            found
        })
}

/// Makes changes of masked values known as such.
pub(crate) fn masked(mut change: Change) -> Change {
    change.redaction = Some(Redaction::Masked);
    change
}

/// Makes the changes from a state to another, field by field; a missing state has no fields.
pub(crate) fn between(
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
) -> Changes {
    let empty = Map::new();
    let (before, after) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
    let gone = before
        .iter()
        .filter(|(field, _)| !after.contains_key(*field));
    let gone = gone.map(|(field, value)| change(field, Some(value.clone()), None));
    let there = after
        .iter()
        .filter(|(field, value)| before.get(*field) != Some(value))
        .map(|(field, value)| change(field, before.get(field).cloned(), Some(value.clone())));
    gone.chain(there).collect()
}

/// The table of the users.
#[derive(Clone, Debug)]
pub(crate) struct Users {
    table: String,
    key: String,
    name: String,
}

impl Users {
    /// Finds the table a column refers to, if it has a column of names.
    pub(crate) fn referred(schema: &Schema, table: &Table, column: &str) -> Option<Self> {
        let key = table.refers(column)?;
        let users = schema.table(&key.table)?;
        Self::of(users, key.target.as_deref())
    }

    /// Takes a table for one of users, if it has a column of names.
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

/// Returns the name of a user, where a table of users is known.
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
