//! Targets of entries: connections and transactions of SeaORM.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use audit_core::{LogEntry, StoreError};
pub use audit_sql::postgres::Schema;
use audit_sql::{postgres, sqlite};
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, RuntimeErr, Statement, Value};
use uuid::Uuid;

audit_sql::adapter_error!(DbErr, |error| DbErr::TryIntoErr {
    from: "audit draft",
    into: "audit entry",
    source: Arc::new(error),
});
audit_sql::adapter_traits!(async &(impl Target + Sync));

/// A transaction of SeaORM, or a connection; of PostgreSQL also one of these [`in_schema`].
#[diagnostic::on_unimplemented(
    message = "entries of `audit-sea-orm` cannot be written into `{Self}`",
    label = "neither a transaction nor a connection of SeaORM",
    note = "begin a transaction, and record in `&transaction`"
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

/// A transaction, and the schema of the trail; made by [`in_schema`].
#[derive(Clone, Copy, Debug)]
pub struct InSchema<'s, C> {
    schema: &'s Schema,
    connection: &'s C,
}

/// Names the schema of a trail that is not in the connection's search path:
/// `draft.record_in(&in_schema(&schema, &transaction))`. For PostgreSQL.
///
/// Hooks find the trail by the search path alone: `ConnectOptions::set_schema_search_path`.
pub fn in_schema<'s, C: ConnectionTrait>(schema: &'s Schema, connection: &'s C) -> InSchema<'s, C> {
    InSchema { schema, connection }
}

impl<C: ConnectionTrait> Target for InSchema<'_, C> {
    async fn append(&self, entries: &[LogEntry]) -> Result<(), Error> {
        append(self.connection, Some(self.schema), entries).await
    }
}

/// Writes entries into the caller's transaction, and is a transaction of its own outside any.
///
/// All entries are written by one statement, or none. They are committed or rolled back with the
/// transaction. An entry that is stored already with the same content counts as written.
///
/// On PostgreSQL the trail is the one in the connection's search path, unless [`in_schema`] names its
/// schema. The role needs the rights of a writer of `auditlog::postgres::Roles`: INSERT on `audit_entry`,
/// and for more than one entry EXECUTE on `audit_append`.
///
/// # Errors
/// - Returns [`Error::Conflict`] if another entry has the id of one of the given entries.
/// - Returns [`Error::Entry`] for a database other than PostgreSQL and SQLite.
/// - Returns [`Error::Write`] if the database rejects the entries.
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

/// Converts an error of PostgreSQL.
fn failure(error: DbErr) -> Error {
    let conflict = cause(&error).and_then(|cause| postgres::conflict(cause.message()));
    failed(conflict, error)
}

/// Converts an error of SeaORM; with an id, into a conflict.
fn failed(taken: Option<Uuid>, error: DbErr) -> Error {
    if let Some(id) = taken {
        let source = Some(error);
        return Error::Conflict { id, source };
    }
    let cause = cause(&error);
    let hint = cause.and_then(|cause| audit_sql::hint(cause.code().as_deref(), cause.message()));
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
    if !cause(&error).is_some_and(|cause| sqlite::is_conflict(cause.message())) {
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

/// Returns the error of the database, if it is one.
fn cause(error: &DbErr) -> Option<&dyn DatabaseError> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return None;
    };
    error.as_database_error()
}
