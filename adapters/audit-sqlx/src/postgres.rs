//! PostgreSQL.

use audit_core::LogEntry;
pub use audit_sql::postgres::Schema;
use audit_sql::postgres::{self, Row};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{Error, Target, message};

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
    // A schema's name needs no care once it is quoted, as it is.
    if let [entry] = entries {
        let row = Row::of(entry)?;
        let statement = AssertSqlSafe(postgres::append_one(schema).into_owned());
        let texts = row.texts().into_iter();
        let query = texts.fold(sqlx::query(statement), Query::bind);
        let done = query.execute(&mut *connection).await.map_err(failure)?;
        if done.rows_affected() == 1 {
            return Ok(());
        }
    }
    if entries.is_empty() {
        return Ok(());
    }
    let statement = AssertSqlSafe(postgres::append(schema).into_owned());
    let query = sqlx::query(statement).bind(postgres::rows(entries)?);
    query.execute(connection).await.map_err(failure)?;
    Ok(())
}

/// Tells a conflict from other failures.
fn failure(error: sqlx::Error) -> Error {
    let conflict = postgres::conflict(message(&error));
    crate::failure(conflict, error)
}
