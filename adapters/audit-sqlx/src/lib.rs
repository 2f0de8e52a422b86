//! Entries of `auditlog` in transactions of sqlx, with the features `postgres`, `sqlite` and
//! `mysql`.
//!
//! A change and its entry are written in one transaction, and committed or rolled back together. A store
//! creates the trail: `auditlog::PostgresStore`, or `auditlog::SqliteStore` in the application's own file
//! (`SqliteOptions::shared_file`). The store reads, checks and purges these entries like its own. For MySQL and MariaDB the module `mysql` creates the tables.
//!
//! Statements are prepared once for each connection, as sqlx prepares other statements, and not cached on
//! MySQL. Behind a pooler that pools by transaction, such as `PgBouncer`, set
//! `PgConnectOptions::statement_cache_capacity(0)`, which sqlx needs for any statement.
//!
//! **Cancelled `begin`.** In sqlx 0.9.0, a dropped future of `Pool::begin` can return its connection to
//! the pool with an open transaction of PostgreSQL. Later statements of that connection are then not
//! committed, entries of `record_in` included, and a nested transaction returns from `commit` without
//! being durable. Do not cancel `begin` (`select!`, `timeout`), or close the connection of a cancelled
//! `begin`.
//!
//! With the traits of several adapters in one module, `record_in` is ambiguous (E0034): name the trait,
//! `audit_sqlx::RecordIn::record_in(draft, &mut transaction)`.
//!
//! # Example: a change and its entry
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use audit_sqlx::RecordIn as _;
//! use auditlog::{Query, SqliteStore, Store as _};
//! use sqlx::{Connection as _, SqliteConnection};
//!
//! # let folder = std::env::temp_dir().join(format!("audit-sqlx-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let file = folder.join("app.db");
//! // Once: the tables of the trail, beside those of the application.
//! let trail = SqliteStore::options().shared_file().open(&file)?;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let mut connection = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
//! let mut transaction = connection.begin().await?;
//! sqlx::query("CREATE TABLE account (id INTEGER)").execute(&mut *transaction).await?;
//!
//! auditlog::event("migrated").record_in(&mut transaction).await?;
//! let mut unit = auditlog::unit();
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

audit_sql::adapter_error!(sqlx::Error, |error| sqlx::Error::Encode(Box::new(error)));
audit_sql::adapter_traits!(async &mut (impl Target + Send));

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

/// Writes entries into the caller's transaction, and is a transaction of its own outside any.
///
/// All entries are written by one statement, or none. They are committed or rolled back with the
/// transaction. An entry that is stored already with the same content counts as written.
///
/// On PostgreSQL the trail is the one in the connection's search path, unless `in_schema` names its
/// schema. The role needs the rights of a writer of `auditlog::postgres::Roles`: INSERT on `audit_entry`,
/// and for more than one entry EXECUTE on `audit_append`.
///
/// # Errors
/// - Returns [`Error::Conflict`] if another entry has the id of one of the given entries.
/// - Returns [`Error::Write`] if the database rejects the entries.
pub async fn append_in(
    target: &mut (impl Target + Send),
    entries: &[LogEntry],
) -> Result<(), Error> {
    target.append(entries).await
}

/// Converts an error of the driver; with an id, into a conflict.
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

/// Returns the message of the database, or an empty text.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
fn message(error: &sqlx::Error) -> &str {
    error
        .as_database_error()
        .map_or("", |error| error.message())
}
