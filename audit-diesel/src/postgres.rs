//! PostgreSQL.

use audit_core::LogEntry;
use audit_sql::postgres;
pub use audit_sql::postgres::Schema;
use diesel::RunQueryDsl;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::sql_types::Text;

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

/// Tells a conflict from other failures.
pub(crate) fn failure(error: diesel::result::Error) -> Error {
    match postgres::conflict(message(&error)) {
        Some(id) => Error::Conflict { id, source: error },
        None => Error::Driver(error),
    }
}
