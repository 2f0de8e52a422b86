//! Entries of `auditlog` in transactions of sqlx, with the features `postgres`, `sqlite` and
//! `mysql`.
//!
//! A change and its entry are written in one transaction: they come and go together. The trail
//! is one that a store made: `audit_postgres::PostgresStore`, or `audit_sqlite::SqliteStore` in
//! the application's own file (`SqliteOptions::shared_file`). The store reads, checks and purges
//! what is written here like its own. For MySQL and MariaDB the module `mysql` makes the tables.
//!
//! Statements are prepared once for a connection, as sqlx does with its own. Behind a pool that
//! hands each transaction another session, such as `PgBouncer`'s, set
//! `PgConnectOptions::statement_cache_capacity(0)`, for them as for yours. On MySQL they are not
//! kept.
//!
//! **Cancelled `begin`.** In sqlx 0.9.0 a future of `Pool::begin` that is dropped can return its
//! connection to the pool with an open transaction of PostgreSQL. What the next user of the connection
//! runs outside of a transaction is then not committed, entries of `record_in` included. Do not cancel
//! `begin` (`select!`, `timeout`), or call `record_in` with a transaction that you commit: a
//! transaction inside that open one has its `commit` answered without being durable either, so close
//! a connection whose `begin` was cancelled.
//!
//! With several adapters in one module, `record_in` is ambiguous where a draft has it from two
//! traits (E0034): name the trait, `audit_sqlx::RecordIn::record_in(draft, &mut transaction)`.
//!
//! # Example: a change and its entry
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use audit_core::{Query, Store as _};
//! use audit_sqlx::RecordIn as _;
//! use sqlx::{Connection as _, SqliteConnection};
//!
//! # let folder = std::env::temp_dir().join(format!("audit-sqlx-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let file = folder.join("app.db");
//! // Once: the tables of the trail, beside those of the application.
//! let trail = audit_sqlite::SqliteStore::options().shared_file().open(&file)?;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let mut connection = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
//! let mut transaction = connection.begin().await?;
//! sqlx::query("CREATE TABLE account (id INTEGER)").execute(&mut *transaction).await?;
//!
//! audit_core::event("migrated").record_in(&mut transaction).await?;
//! let mut unit = audit_core::unit();
//! unit.event("charged").event("shipped");
//! unit.record_in(&mut transaction).await?; // one statement
//! transaction.commit().await?;
//!
//! assert_eq!(trail.count(&Query::new())?, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # trail.close()?;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::future::Future;

use audit_core::LogEntry;
use sqlx::Database;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
use sqlx::error::DatabaseError;
use sqlx::pool::PoolConnection;

#[cfg(feature = "postgres")]
pub use crate::postgres::{InSchema, Schema, in_schema};

audit_sql::adapter_error!(sqlx::Error);
audit_sql::adapter_traits!(async &mut (impl Target + Send));

/// So that `?` works where a function returns the driver's error: what the driver said, and for
/// an entry that could not be made an [`sqlx::Error::Encode`] with the reason.
impl From<Error> for sqlx::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict {
                source: Some(source),
                ..
            }
            | Error::Write { source, .. }
            | Error::Driver(source) => source,
            error => Self::Encode(Box::new(error)),
        }
    }
}

/// A transaction of sqlx, or a connection; of PostgreSQL also one of these `in_schema`.
#[diagnostic::on_unimplemented(
    message = "entries of `audit-sqlx` cannot be written into `{Self}`",
    label = "neither a transaction nor a connection of sqlx",
    note = "the feature of the database must be on: `postgres`, `sqlite` or `mysql`",
    note = "a pool is not a target: begin a transaction, and record in `&mut transaction`"
)]
pub trait Target {
    /// Writes entries by one statement.
    #[doc(hidden)]
    fn append(&mut self, entries: &[LogEntry]) -> impl Future<Output = Result<(), Error>> + Send;
}

impl<D: Database<Connection: Target>> Target for sqlx::Transaction<'_, D> {
    async fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
        (**self).append(entries).await
    }
}

impl<D: Database<Connection: Target>> Target for PoolConnection<D> {
    async fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
        (**self).append(entries).await
    }
}

/// Writes entries into the caller's transaction: they are kept if it commits and gone if it
/// rolls back. All are written, by one statement, or none; one that is there already with the
/// same content counts as written.
///
/// PostgreSQL's trail is found by the connection's search path, unless `in_schema` names its
/// schema. The role needs what `audit_postgres::Roles` gives a writer: INSERT on `audit_entry`, and
/// for more than one entry EXECUTE on `audit_append`. Outside a transaction the call is one of its own.
///
/// # Errors
/// [`Error::Conflict`] if another entry has the id of one of these, and whatever the database
/// says.
pub async fn append_in(
    target: &mut (impl Target + Send),
    entries: &[LogEntry],
) -> Result<(), Error> {
    target.append(entries).await
}

/// Makes an error of what the driver said; with an id, that is taken.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
fn failure(taken: Option<uuid::Uuid>, error: sqlx::Error) -> Error {
    if let Some(id) = taken {
        let source = Some(error);
        return Error::Conflict { id, source };
    }
    let code = error.as_database_error().and_then(DatabaseError::code);
    Error::Write {
        hint: audit_sql::hint(code.as_deref(), message(&error)),
        source: error,
    }
}

/// Returns what the database said of a failed statement.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
fn message(error: &sqlx::Error) -> &str {
    error
        .as_database_error()
        .map_or("", |error| error.message())
}
