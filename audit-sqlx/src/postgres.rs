//! PostgreSQL.

use audit_core::LogEntry;
use audit_sql::postgres;
pub use audit_sql::postgres::Schema;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{Error, Target};

/// A transaction, and the schema in which the trail lies; [`in_schema`] makes it.
#[derive(Debug)]
pub struct InSchema<'s> {
    schema: &'s Schema,
    connection: &'s mut PgConnection,
}

/// Names the schema of the trail, where the connection's search path does not have it:
/// `draft.record_in(&mut in_schema(&schema, &mut transaction))`.
pub fn in_schema<'s>(schema: &'s Schema, connection: &'s mut PgConnection) -> InSchema<'s> {
    InSchema { schema, connection }
}

impl Target for InSchema<'_> {
    async fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
        append(self.connection, Some(self.schema), entries).await
    }
}

impl Target for PgConnection {
    async fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
        append(self, None, entries).await
    }
}

async fn append(
    connection: &mut PgConnection,
    schema: Option<&Schema>,
    entries: &[LogEntry],
) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    // A schema's name needs no care once it is quoted, as it is.
    let statement = AssertSqlSafe(postgres::append(schema).into_owned());
    let query = sqlx::query(statement).bind(postgres::rows(entries)?);
    query.execute(connection).await.map_err(|error| {
        let message = error
            .as_database_error()
            .map_or("", |error| error.message());
        match postgres::conflict(message) {
            Some(id) => Error::Conflict { id, source: error },
            None => Error::Driver(error),
        }
    })?;
    Ok(())
}
