//! PostgreSQL.

use std::borrow::Cow;

use audit_core::{LogEntry, StoreError};
pub use audit_sql::postgres::Schema;
use audit_sql::postgres::{self, Row};
use diesel::RunQueryDsl;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_types::{Nullable, Text};

use crate::{AuditBackend, Error, Target, message};

/// A connection, and the schema in which the trail lies; [`in_schema`] makes it.
#[derive(Debug)]
pub struct InSchema<'s, C> {
    pub(crate) schema: &'s Schema,
    pub(crate) connection: &'s mut C,
}

/// Names the schema of the trail, where the connection's search path does not have it:
/// `draft.record_in(&mut in_schema(&schema, connection))`.
pub fn in_schema<'s, C>(schema: &'s Schema, connection: &'s mut C) -> InSchema<'s, C> {
    InSchema { schema, connection }
}

impl<C: LoadConnection<Backend = Pg>> Target for InSchema<'_, C> {
    fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
        append(self.connection, Some(self.schema), entries)
    }
}

impl AuditBackend for Pg {
    fn append<C: LoadConnection<Backend = Self>>(
        connection: &mut C,
        entries: &[LogEntry],
    ) -> Result<(), Error> {
        append(connection, None, entries)
    }
}

fn append<C: LoadConnection<Backend = Pg>>(
    connection: &mut C,
    schema: Option<&Schema>,
    entries: &[LogEntry],
) -> Result<(), Error> {
    if let [entry] = entries {
        let inserted = append_one(schema, entry)?.execute(connection);
        if inserted.map_err(failure)? == 1 {
            return Ok(());
        }
    }
    if entries.is_empty() {
        return Ok(());
    }
    let statement = diesel::sql_query(postgres::append(schema));
    let rows = postgres::rows(entries)?;
    statement
        .bind::<Text, _>(rows)
        .execute(connection)
        .map_err(failure)?;
    Ok(())
}

/// Returns the statement that keeps one entry, or inserts no row if the id is taken.
pub(crate) fn append_one(
    schema: Option<&Schema>,
    entry: &LogEntry,
) -> Result<BoxedSqlQuery<'static, Pg, SqlQuery>, StoreError> {
    let row = Row::of(entry)?;
    let statement = diesel::sql_query(postgres::append_one(schema)).into_boxed();
    Ok(row.texts().into_iter().fold(statement, |statement, text| {
        statement.bind::<Nullable<Text>, _>(text.map(Cow::into_owned))
    }))
}

/// Tells a conflict from other failures.
pub(crate) fn failure(error: diesel::result::Error) -> Error {
    let conflict = postgres::conflict(message(&error));
    crate::failed(conflict, error)
}
