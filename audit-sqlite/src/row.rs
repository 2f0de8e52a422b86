//! Rows on their way into the tables.

use audit_core::StoreError;
pub(crate) use audit_sql::sqlite::{Row, changed_fields, top_level_field};
use rusqlite::{CachedStatement, Connection, params};

use crate::error::at;

/// Inserts rows into one connection; the caller holds a transaction, and undoes it, or a part
/// of it, when an insert fails.
pub(crate) struct Inserter<'c> {
    connection: &'c Connection,
    entry: CachedStatement<'c>,
    change: CachedStatement<'c>,
    place: &'c str,
}

impl<'c> Inserter<'c> {
    pub(crate) fn new(connection: &'c Connection, place: &'c str) -> Result<Self, StoreError> {
        Ok(Self {
            connection,
            entry: connection
                .prepare_cached(
                    // With `OR ABORT`, the default, and a trigger SQLite would copy every
                    // page before it touches it, which more than doubles the cost. What is
                    // undone after a failure is undone by whoever holds the transaction.
                    "INSERT OR FAIL INTO main.audit_entry (id, ts, level, action, outcome, model, \
                     object_pk, parent_model, parent_pk, actor, correlation_id, \
                     transaction_id, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
                     ON CONFLICT (id) DO NOTHING",
                )
                .map_err(at(place))?,
            change: connection
                .prepare_cached("INSERT INTO main.audit_change (field, ts, seq) VALUES (?, ?, ?)")
                .map_err(at(place))?,
            place,
        })
    }

    /// Inserts a row, or finds that it is there already.
    pub(crate) fn insert(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        let inserted = self
            .entry
            .execute(params![
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
                row.body,
            ])
            .map_err(at(self.place))?;
        if inserted == 0 {
            return self.compare(row);
        }
        if row.fields.is_empty() {
            return Ok(());
        }
        let seq = self.connection.last_insert_rowid();
        for field in &row.fields {
            self.change
                .execute(params![field, row.ts, seq])
                .map_err(at(self.place))?;
        }
        Ok(())
    }

    fn compare(&self, row: &Row<'_>) -> Result<(), StoreError> {
        let same: bool = self
            .connection
            .prepare_cached("SELECT body = ?2 FROM main.audit_entry WHERE id = ?1")
            .and_then(|mut statement| {
                statement.query_row(params![&row.id.as_bytes()[..], row.body], |row| row.get(0))
            })
            .map_err(at(self.place))?;
        if same {
            Ok(())
        } else {
            Err(StoreError::Conflict { id: row.id })
        }
    }
}
