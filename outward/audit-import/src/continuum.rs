//! Reads the version tables of SQLAlchemy-Continuum.

use audit_core::{Action, LogEntry};
use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::ImportError;
use crate::format::Format;
use crate::ids;
use crate::losses::{LossKind, Report};
use crate::record::Record;
use crate::schema::{Column, Schema, Table, quoted};
use crate::source::{Draft, Reading, Source, Step, Users, between, user_name};
use crate::value::{Zone, key_text};

const FORMAT: Format = Format::SqlAlchemyContinuum;

/// The columns of a version table that belong to the library.
const OWN: &[&str] = &["transaction_id", "end_transaction_id", "operation_type"];

#[derive(Debug)]
struct Continuum {
    versions: Vec<VersionTable>,
    transactions: Table,
    users: Option<Users>,
    meta: Option<String>,
    entities: Option<String>,
    unread: Vec<String>,
}

#[derive(Debug)]
struct VersionTable {
    table: Table,
    /// The name of the versioned table, which names the model.
    model: String,
    /// Whether it is an association table, which has only keys.
    association: bool,
}

pub(crate) fn find(
    connection: &Connection,
    schema: &Schema,
) -> Result<Option<Box<dyn Source>>, ImportError> {
    let Some(transactions) = schema.with(&["id", "issued_at"]).find(|table| {
        // The column that versions refer to.
        table.name.to_lowercase().contains("transaction")
    }) else {
        return Ok(None);
    };
    let mut versions = Vec::new();
    for table in schema.with(&["transaction_id", "operation_type"]) {
        table.check_rows(connection)?;
        let keys = table.key();
        if keys.iter().all(|key| OWN.contains(&key.name.as_str())) {
            return Err(ImportError::Unsupported {
                table: table.name.clone(),
                detail: "its primary key does not contain the object's key".to_owned(),
            });
        }
        let model = model_of(schema, table);
        versions.push(VersionTable {
            association: table
                .columns
                .iter()
                .all(|column| column.key > 0 || OWN.contains(&column.name.as_str())),
            model,
            table: table.clone(),
        });
    }
    if versions.is_empty() {
        return Ok(None);
    }
    transactions.check_rows(connection)?;
    // Associations come last in a transaction; the schema has its tables by name.
    versions.sort_by_key(|version| version.association);
    let named = |columns: &[&str]| schema.with(columns).next().map(|table| table.name.clone());
    let activity = schema.with(&["verb", "transaction_id", "object_id"]);
    Ok(Some(Box::new(Continuum {
        versions,
        users: Users::referenced_by(schema, transactions, "user_id"),
        meta: named(&["transaction_id", "key", "value"]),
        entities: named(&["transaction_id", "entity_name"]),
        unread: activity.map(|table| table.name.clone()).collect(),
        transactions: transactions.clone(),
    })))
}

/// Returns the name of the versioned table: without the suffix `_version`, or with a custom prefix
/// or suffix the longest name of a table that fits.
fn model_of(schema: &Schema, versions: &Table) -> String {
    let key = versions.key();
    let key = || key.iter().filter(|key| !OWN.contains(&key.name.as_str()));
    let live = schema.tables.iter().filter(|live| {
        let name = live.name.as_str();
        let part = versions.name.starts_with(name) || versions.name.ends_with(name);
        part && name != versions.name && key().all(|key| live.has(&key.name))
    });
    if let Some(name) = versions.name.strip_suffix("_version") {
        return name.to_owned();
    }
    let live = live.max_by_key(|live| live.name.len());
    live.map_or(&versions.name, |live| &live.name).clone()
}

impl Source for Continuum {
    fn format(&self) -> Format {
        FORMAT
    }

    fn rows(&self) -> String {
        let transactions = quoted(&self.transactions.name);
        let mut tables = Vec::new();
        let mut empty = Vec::new();
        for (index, version) in self.versions.iter().enumerate() {
            let name = quoted(&version.table.name);
            let keys: Vec<String> = version.keys().map(|key| quoted(&key.name)).collect();
            let of_version = |key: &String| format!("v.{key}");
            let columns: Vec<String> = keys.iter().map(of_version).collect();
            let first = columns.first().map_or("0", String::as_str);
            let second = columns.get(1).map_or("0", String::as_str);
            tables.push(format!(
                "SELECT {index} AS tbl, v.rowid AS row, \
                 lag(v.rowid) OVER (PARTITION BY {} ORDER BY v.transaction_id) AS prev, \
                 NULL AS next, t.issued_at AS time, v.transaction_id AS grp, \
                 {first} AS first, {second} AS second \
                 FROM {name} AS v LEFT JOIN {transactions} AS t ON t.id = v.transaction_id",
                columns.join(", ")
            ));
            empty.push(format!(
                "NOT EXISTS (SELECT 1 FROM {name} AS v WHERE v.transaction_id = t.id)"
            ));
        }
        tables.push(format!(
            "SELECT {} AS tbl, t.rowid AS row, NULL AS prev, NULL AS next, t.issued_at AS time, \
             t.id AS grp, 0 AS first, 0 AS second FROM {transactions} AS t WHERE {}",
            self.versions.len(),
            empty.join(" AND ")
        ));
        tables.join(" UNION ALL ")
    }

    fn rank(&self) -> &'static str {
        "row_number() OVER (PARTITION BY grp ORDER BY tbl, first, second, row) - 1"
    }

    fn report_table_losses(&self, report: &mut Report) {
        let name = &self.transactions.name;
        report.add(FORMAT, name, None, "issued_at", LossKind::AssumedUtc);
        for table in &self.unread {
            report.add(FORMAT, table, None, "", LossKind::UnreadTable);
        }
    }

    fn entry(&self, step: &Step, cx: &mut Reading<'_>) -> Result<LogEntry, ImportError> {
        match self.versions.get(step.table) {
            Some(version) => self.version(version, step, cx),
            None => self.without_versions(step, cx),
        }
    }
}

/// A transaction of the application.
struct Transaction {
    id: i64,
    time: DateTime<Utc>,
}

impl Continuum {
    fn version(
        &self,
        version: &VersionTable,
        step: &Step,
        cx: &mut Reading<'_>,
    ) -> Result<LogEntry, ImportError> {
        let record = version.record(step.row, cx)?;
        let action = match record.integer("operation_type")? {
            Some(0) => Action::Create,
            Some(1) => Action::Update,
            Some(2) => Action::Delete,
            Some(other) => Action::named(format!("operation {other}")),
            None => return Err(record.error("operation_type", "is null")),
        };
        let mut state = version.state(&record, cx)?;
        let previous = match step.prev {
            Some(row) if matches!(action, Action::Update | Action::Delete) => {
                let previous = version.record(row, cx)?;
                // A key that is used again starts without a previous state.
                match previous.integer("operation_type")? {
                    Some(2) => None,
                    _ => Some(
                        version.state(&previous, &mut cx.with_report(&mut Report::default()))?,
                    ),
                }
            }
            _ => None,
        };
        let mut draft = Draft::new(FORMAT, action, &version.model, &version.pk(&state));
        draft.entry.changes = match draft.entry.action {
            Action::Delete => {
                // `NullDeletePlugin` writes nulls into the row of a deletion; the deleted values are
                // in the version before.
                for (field, value) in previous.into_iter().flatten() {
                    if let Some(Value::Null) = state.get(&field) {
                        state.insert(field, value);
                    }
                }
                between(Some(&state), None)
            }
            _ => between(previous.as_ref(), Some(&state)),
        };
        draft.entry.snapshot = Some(Value::Object(state));
        draft.keep("end_transaction_id", record.integer("end_transaction_id")?);
        if version.association {
            draft.keep("association", true);
        }
        let modified = version.modified(&record)?;
        draft.keep("modified", modified);
        let id = record.integer("transaction_id")?;
        let id = id.ok_or_else(|| record.error("transaction_id", "is null"))?;
        let transaction = self.transaction(&record, id, &mut draft, cx)?;
        draft.keep("entities", self.entity_names(id, cx)?);
        Ok(finish(draft, &record, step, &transaction))
    }

    /// Makes the entry of a transaction that has no versions.
    fn without_versions(&self, step: &Step, cx: &mut Reading<'_>) -> Result<LogEntry, ImportError> {
        let record = cx.record(&self.transactions, step.row)?;
        let id = record.integer("id")?.unwrap_or(step.row);
        let record = record.with_id(id.to_string());
        let mut draft = Draft::new(FORMAT, Action::named("transaction"), "", "");
        let transaction = self.transaction(&record, id, &mut draft, cx)?;
        draft.entry.object_repr = format!("transaction {id}");
        draft.keep("entities", self.entity_names(id, cx)?);
        Ok(finish(draft, &record, step, &transaction))
    }

    /// Sets the fields of an entry that its transaction has.
    fn transaction(
        &self,
        of: &Record<'_>,
        id: i64,
        draft: &mut Draft,
        cx: &mut Reading<'_>,
    ) -> Result<Transaction, ImportError> {
        let row = self.transactions.row_of(cx.connection, "id", id)?;
        let row = row.ok_or_else(|| {
            of.error(
                "transaction_id",
                format!("refers to transaction {id}, which is missing"),
            )
        })?;
        let record = cx.record(&self.transactions, row)?.with_id(id.to_string());
        let time = record.time("issued_at")?;
        let actor = record.key("user_id")?;
        let user = user_name(
            self.users.as_ref(),
            cx.connection,
            record.text("user_id")?.as_deref(),
        )?;
        let meta = self.meta(id, cx)?;
        draft.set_actor(actor, user);
        draft.keep("transaction_id", id);
        draft.entry.transaction_id = Some(transaction_uuid(&self.transactions.name, id, time));
        let mut losses = cx.losses(FORMAT, &self.transactions.name, record.id());
        for column in &self.transactions.columns {
            let name = column.name.as_str();
            if !matches!(name, "id" | "issued_at" | "user_id") {
                let value = record.typed(name, Zone::Unknown, &mut losses)?;
                draft.set_or_keep(name, value, &mut losses);
            }
        }
        let mut rest = Map::new();
        for (key, value) in meta {
            let value = Value::from(value);
            if !draft.set(&key, &value, &mut losses) {
                rest.insert(key, value);
            }
        }
        if !rest.is_empty() {
            draft.keep("meta", rest);
        }
        Ok(Transaction { id, time })
    }

    fn meta(
        &self,
        id: i64,
        cx: &Reading<'_>,
    ) -> Result<Vec<(String, Option<String>)>, ImportError> {
        let Some(table) = &self.meta else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT key, CAST(value AS TEXT) FROM {} WHERE transaction_id = ?1 ORDER BY key",
            quoted(table)
        );
        let read = || {
            let mut statement = cx.connection.prepare_cached(&sql)?;
            let pairs = statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            pairs.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| ImportError::read(table, error))
    }

    fn entity_names(&self, id: i64, cx: &Reading<'_>) -> Result<Value, ImportError> {
        let Some(table) = &self.entities else {
            return Ok(Value::Null);
        };
        let sql = format!(
            "SELECT entity_name FROM {} WHERE transaction_id = ?1 ORDER BY entity_name",
            quoted(table)
        );
        let read = || {
            let mut statement = cx.connection.prepare_cached(&sql)?;
            let names = statement.query_map([id], |row| row.get::<_, String>(0))?;
            names.collect::<rusqlite::Result<Vec<_>>>()
        };
        let names = read().map_err(|error| ImportError::read(table, error))?;
        Ok(if names.is_empty() {
            Value::Null
        } else {
            Value::from(names)
        })
    }
}

/// Finishes an entry; ids sort by transaction, then by table and key, as in the library.
fn finish(draft: Draft, record: &Record<'_>, step: &Step, transaction: &Transaction) -> LogEntry {
    let within = u64::try_from(step.rank).unwrap_or(0).min(0xf_ffff);
    let order = (transaction.id.cast_unsigned() << 20) | within;
    draft.finish(record, transaction.time, order)
}

/// Makes the id that all entries of a transaction share.
fn transaction_uuid(table: &str, id: i64, time: DateTime<Utc>) -> Uuid {
    ids::id(
        FORMAT,
        table,
        &format!("transaction {id}"),
        time,
        id.cast_unsigned() << 20,
    )
}

impl VersionTable {
    /// Returns the columns of the object's key.
    fn keys(&self) -> impl Iterator<Item = &Column> {
        let keys = self.table.key().into_iter();
        keys.filter(|key| !OWN.contains(&key.name.as_str()))
    }

    /// Returns whether a column belongs to the library: its numbers, and the marks of modified
    /// columns.
    fn is_own(&self, column: &str) -> bool {
        OWN.contains(&column) || self.marked(column).is_some()
    }

    /// Returns the column that a column marks as modified.
    fn marked<'c>(&self, column: &'c str) -> Option<&'c str> {
        column
            .strip_suffix("_mod")
            .filter(|marked| self.table.has(marked))
    }

    fn record(&self, row: i64, cx: &Reading<'_>) -> Result<Record<'_>, ImportError> {
        let record = cx.record(&self.table, row)?;
        let mut id = String::new();
        for key in self.keys() {
            id.push_str(&record.key(&key.name)?.unwrap_or_default());
            id.push('|');
        }
        id.push_str(&record.text("transaction_id")?.unwrap_or_default());
        Ok(record.with_id(id))
    }

    fn state(
        &self,
        record: &Record<'_>,
        cx: &mut Reading<'_>,
    ) -> Result<Map<String, Value>, ImportError> {
        let mut losses = cx.losses(FORMAT, &self.table.name, record.id());
        let mut state = Map::new();
        for column in &self.table.columns {
            let name = column.name.as_str();
            if self.is_own(name) {
                continue;
            }
            let value = record.typed(name, Zone::Unknown, &mut losses)?;
            state.insert(name.to_owned(), value);
        }
        Ok(state)
    }

    fn pk(&self, state: &Map<String, Value>) -> String {
        let keys: Vec<String> = self
            .keys()
            .filter_map(|key| state.get(&key.name))
            .map(key_text)
            .collect();
        keys.join("|")
    }

    /// Returns the columns that the library marked as modified; null if the table has no marks.
    fn modified(&self, record: &Record<'_>) -> Result<Value, ImportError> {
        let mut marks = false;
        let mut modified: Vec<&str> = Vec::new();
        for column in &self.table.columns {
            if let Some(marked) = self.marked(&column.name) {
                marks = true;
                if record.integer(&column.name)? == Some(1) {
                    modified.push(marked);
                }
            }
        }
        Ok(if marks { modified.into() } else { Value::Null })
    }
}
