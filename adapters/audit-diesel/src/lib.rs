//! Entries of `auditlog` in transactions of diesel, with the features `postgres` and `sqlite`;
//! with `async` also in those of diesel-async, see [`asynchronous`].
//!
//! A change and its entry are written in one transaction: they come and go together. The trail
//! is one that a store made: `audit_postgres::PostgresStore`, or `audit_sqlite::SqliteStore` in
//! the application's own file (`SqliteOptions::shared_file`). The store reads, checks and purges
//! what is written here like its own.
//!
//! The closure of `transaction` may return this crate's [`Error`]: `?` makes [`Error::Driver`] of
//! what diesel says to your own statements. Where the traits of another adapter are in scope too,
//! or both of this crate's, `record_in` may be ambiguous (E0034): name the trait,
//! `audit_diesel::RecordIn::record_in(draft, connection)`.
//!
//! # Example: a change and its entry
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use audit_core::{Query, Store as _};
//! use audit_diesel::RecordIn as _;
//! use diesel::prelude::*;
//!
//! # let folder = std::env::temp_dir().join(format!("audit-diesel-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let file = folder.join("app.db");
//! // Once: the tables of the trail, beside those of the application.
//! let trail = audit_sqlite::SqliteStore::options().shared_file().open(&file)?;
//!
//! let mut connection = SqliteConnection::establish(&file.display().to_string())?;
//! connection.transaction(|connection| {
//!     diesel::sql_query("CREATE TABLE account (id INTEGER)").execute(connection)?;
//!     audit_core::event("migrated").record_in(connection)?;
//!     let mut unit = audit_core::unit();
//!     unit.event("charged").event("shipped");
//!     unit.record_in(connection)?; // one statement
//!     diesel::QueryResult::Ok(())
//! })?;
//!
//! assert_eq!(trail.count(&Query::new())?, 3);
//! # trail.close()?;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "async")]
pub mod asynchronous;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use audit_core::LogEntry;
use diesel::backend::Backend;
use diesel::connection::LoadConnection;

#[cfg(feature = "postgres")]
pub use crate::postgres::{InSchema, Schema, in_schema};

audit_sql::adapter_error!(diesel::result::Error);
audit_sql::adapter_traits!(sync &mut impl Target);

/// So that `?` works where a function returns the driver's error: what the driver said, and for
/// an entry that could not be made a [`SerializationError`] with the reason.
///
/// [`SerializationError`]: diesel::result::Error::SerializationError
impl From<Error> for diesel::result::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict {
                source: Some(source),
                ..
            }
            | Error::Write { source, .. }
            | Error::Driver(source) => source,
            error => Self::SerializationError(Box::new(error)),
        }
    }
}

/// A connection of diesel, or one of a pool; of PostgreSQL also one of these `in_schema`.
#[diagnostic::on_unimplemented(
    message = "entries of `audit-diesel` cannot be written into `{Self}`",
    label = "no connection of diesel to PostgreSQL or SQLite",
    note = "the feature of the database must be on: `postgres` or `sqlite`",
    note = "for diesel-async, use the traits of `audit_diesel::asynchronous`"
)]
pub trait Target {
    /// Writes entries by one statement.
    #[doc(hidden)]
    fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error>;
}

/// A database that can have a trail: that of a feature of this crate.
pub trait AuditBackend: Backend {
    /// Writes entries by one statement.
    #[doc(hidden)]
    fn append<C: LoadConnection<Backend = Self>>(
        connection: &mut C,
        entries: &[LogEntry],
    ) -> Result<(), Error>;
}

impl<C: LoadConnection<Backend: AuditBackend>> Target for C {
    fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
        C::Backend::append(self, entries)
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
pub fn append_in(target: &mut impl Target, entries: &[LogEntry]) -> Result<(), Error> {
    target.append(entries)
}

/// Makes an error of what the driver said; with an id, that is taken.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn failed(taken: Option<uuid::Uuid>, error: diesel::result::Error) -> Error {
    if let Some(id) = taken {
        let source = Some(error);
        return Error::Conflict { id, source };
    }
    Error::Write {
        // diesel tells no code.
        hint: audit_sql::hint(None, message(&error)),
        source: error,
    }
}

/// Returns what the database said of a failed statement.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn message(error: &diesel::result::Error) -> &str {
    match error {
        diesel::result::Error::DatabaseError(_, information) => information.message(),
        _ => "",
    }
}
