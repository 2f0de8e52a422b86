//! What entries are written into.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use audit_core::{LogEntry, StoreError};
pub use audit_sql::postgres::Schema;
use audit_sql::{postgres, sqlite};
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, RuntimeErr, Statement, Value};
use uuid::Uuid;

audit_sql::adapter_error!(DbErr);
audit_sql::adapter_traits!(async &(impl Target + Sync));

/// So that `?` works where a function returns the driver's error: what the driver said, and for
/// an entry that could not be made a [`DbErr::TryIntoErr`] with the reason as its source.
impl From<Error> for DbErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict {
                source: Some(source),
                ..
            }
            | Error::Write { source, .. }
            | Error::Driver(source) => source,
            error => Self::TryIntoErr {
                from: "audit draft",
                into: "audit entry",
                source: Arc::new(error),
            },
        }
    }
}

/// A transaction of SeaORM, or a connection; of PostgreSQL also one of these [`in_schema`].
#[diagnostic::on_unimplemented(
    message = "entries of `audit-sea-orm` cannot be written into `{Self}`",
    label = "neither a transaction nor a connection of SeaORM"
)]
pub trait Target {
    /// Writes entries by one statement.
    #[doc(hidden)]
    fn append(&self, entries: &[LogEntry]) -> impl Future<Output = Result<(), Error>> + Send;
}

impl<C: ConnectionTrait> Target for C {
    async fn append(&self, entries: &[LogEntry]) -> Result<(), Error> {
        append(self, None, entries).await
    }
}

/// A transaction, and the schema in which the trail lies; [`in_schema`] makes it.
#[derive(Clone, Copy, Debug)]
pub struct InSchema<'s, C> {
    schema: &'s Schema,
    connection: &'s C,
}

/// Names the schema of PostgreSQL in which the trail lies, where the connection's search path
/// does not have it: `draft.record_in(&in_schema(&schema, &transaction))`.
///
/// Hooks find the trail by the search path only: `ConnectOptions::set_schema_search_path`.
pub fn in_schema<'s, C: ConnectionTrait>(schema: &'s Schema, connection: &'s C) -> InSchema<'s, C> {
    InSchema { schema, connection }
}

impl<C: ConnectionTrait> Target for InSchema<'_, C> {
    async fn append(&self, entries: &[LogEntry]) -> Result<(), Error> {
        append(self.connection, Some(self.schema), entries).await
    }
}

/// Writes entries into the caller's transaction: they are kept if it commits and gone if it
/// rolls back. All are written, by one statement, or none; one that is there already with the
/// same content counts as written.
///
/// PostgreSQL's trail is found by the connection's search path, unless [`in_schema`] names its
/// schema. The role needs what `audit_postgres::Roles` gives a writer: INSERT on `audit_entry`, and
/// for more than one entry EXECUTE on `audit_append`. Outside a transaction the call is one of its own.
///
/// # Errors
/// [`Error::Conflict`] if another entry has the id of one of these, [`StoreError::Unsupported`]
/// for a database that can have no trail, and whatever the database says.
pub async fn append_in(target: &(impl Target + Sync), entries: &[LogEntry]) -> Result<(), Error> {
    target.append(entries).await
}

async fn append(
    connection: &impl ConnectionTrait,
    schema: Option<&Schema>,
    entries: &[LogEntry],
) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    match connection.get_database_backend() {
        DbBackend::Postgres => append_postgres(connection, schema, entries).await,
        DbBackend::Sqlite => append_sqlite(connection, entries).await,
        _ => Err(StoreError::Unsupported {
            operation: "write entries into a database other than PostgreSQL and SQLite",
        }
        .into()),
    }
}

async fn append_postgres(
    connection: &impl ConnectionTrait,
    schema: Option<&Schema>,
    entries: &[LogEntry],
) -> Result<(), Error> {
    let statement = |sql: Cow<'_, str>, values: Vec<Value>| {
        Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
    };
    if let [entry] = entries {
        let row = postgres::Row::of(entry)?;
        let texts = row.texts().into_iter();
        let values = texts.map(|text| Value::from(text.map(Cow::into_owned)));
        let one = statement(postgres::append_one(schema), values.collect());
        let done = connection.execute_raw(one).await.map_err(failure)?;
        if done.rows_affected() == 1 {
            return Ok(());
        }
    }
    let rows = Value::from(postgres::rows(entries)?);
    let all = statement(postgres::append(schema), vec![rows]);
    connection.execute_raw(all).await.map_err(failure)?;
    Ok(())
}

/// Tells a conflict in PostgreSQL from other failures.
fn failure(error: DbErr) -> Error {
    let conflict = said_by(&error).and_then(|said| postgres::conflict(said.message()));
    failed(conflict, error)
}

/// Makes an error of what SeaORM said; with an id, that is taken.
fn failed(taken: Option<Uuid>, error: DbErr) -> Error {
    if let Some(id) = taken {
        let source = Some(error);
        return Error::Conflict { id, source };
    }
    let said = said_by(&error);
    let hint = said.and_then(|said| audit_sql::hint(said.code().as_deref(), said.message()));
    Error::Write {
        source: error,
        hint,
    }
}

async fn append_sqlite(
    connection: &impl ConnectionTrait,
    entries: &[LogEntry],
) -> Result<(), Error> {
    let batch = sqlite::Batch::of(entries)?;
    let statement = |sql: &str| {
        let values = [
            Value::from(batch.ids.clone()),
            Value::from(batch.entries.clone()),
        ];
        Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)
    };
    let Err(error) = connection.execute_raw(statement(sqlite::APPEND)).await else {
        return Ok(());
    };
    if !said_by(&error).is_some_and(|said| sqlite::is_conflict(said.message())) {
        return Err(failed(None, error));
    }
    let found = connection
        .query_one_raw(statement(sqlite::FIND_CONFLICT))
        .await
        .and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose());
    let found: Option<Vec<u8>> = found.map_err(|error| failed(None, error))?;
    let id = found.and_then(|id| Uuid::from_slice(&id).ok());
    Err(failed(id, error))
}

/// Returns what the database said of a failed statement.
fn said_by(error: &DbErr) -> Option<&dyn DatabaseError> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return None;
    };
    error.as_database_error()
}
