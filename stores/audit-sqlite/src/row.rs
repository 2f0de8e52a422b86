//! Inserts the rows of entries.

use audit_core::StoreError;
pub(crate) use audit_sql::sqlite::{Row, changed_fields, top_level_field};
use rusqlite::{CachedStatement, Connection, params};
use uuid::Uuid;

use crate::error::from_driver;

/// Why a row was not inserted.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Another entry has the id.
    Conflict(Uuid),
    Driver {
        error: rusqlite::Error,
        /// The `seq` of the entry, if a part of it was inserted.
        begun: Option<i64>,
    },
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Driver { error, begun: None }
    }
}

impl Failure {
    /// Maps the failure to a store's error.
    pub(crate) fn at(self, location: &str) -> StoreError {
        match self {
            Self::Conflict(id) => StoreError::Conflict { id },
            Self::Driver { error, .. } => from_driver(location, error),
        }
    }
}

/// Inserts rows by prepared statements. The caller holds a transaction, and rolls it or a part of
/// it back if an insert fails.
pub(crate) struct Inserter<'c> {
    connection: &'c Connection,
    entry: CachedStatement<'c>,
    change: CachedStatement<'c>,
}

impl<'c> Inserter<'c> {
    pub(crate) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            entry: connection.prepare_cached(
                // With `OR ABORT`, the default, and a trigger SQLite would copy every
                // page before it changes it, which more than doubles the cost. The caller undoes
                // a failed insert with its transaction.
                "INSERT OR FAIL INTO main.audit_entry (id, ts, level, action, outcome, model, \
                 object_pk, parent_model, parent_pk, actor, correlation_id, \
                 transaction_id, checksum, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
                 ON CONFLICT (id) DO NOTHING",
            )?,
            change: connection.prepare_cached(
                "INSERT INTO main.audit_change (field, ts, seq) VALUES (?, ?, ?)",
            )?,
        })
    }

    /// Inserts a row, unless an equal one exists.
    pub(crate) fn insert(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        let inserted = self.entry.execute(params![
            &row.id.as_bytes()[..],
            row.ts,
            row.level,
            row.action,
            row.outcome,
            row.model,
            row.object_pk,
            row.parent_model,
            row.parent_pk,
            row.actor,
            row.correlation_id,
            row.transaction_id.as_ref().map(|id| &id.as_bytes()[..]),
            &row.checksum[..],
            row.body,
        ]);
        // A trigger that fails after it leaves the row.
        let inserted = inserted.map_err(|error| Failure::Driver {
            error,
            begun: (self.connection.changes() > 0).then(|| self.connection.last_insert_rowid()),
        })?;
        if inserted == 0 {
            return self.compare(row);
        }
        if row.fields.is_empty() {
            return Ok(());
        }
        let seq = self.connection.last_insert_rowid();
        for field in &row.fields {
            let inserted = self.change.execute(params![field, row.ts, seq]);
            inserted.map_err(|error| Failure::Driver {
                error,
                begun: Some(seq),
            })?;
        }
        Ok(())
    }

    fn compare(&self, row: &Row<'_>) -> Result<(), Failure> {
        let same: bool = self
            .connection
            .prepare_cached("SELECT body = ?2 FROM main.audit_entry WHERE id = ?1")
            .and_then(|mut statement| {
                statement.query_row(params![&row.id.as_bytes()[..], row.body], |row| row.get(0))
            })?;
        if same {
            Ok(())
        } else {
            Err(Failure::Conflict(row.id))
        }
    }
}
