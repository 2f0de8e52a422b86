//! Entries of `auditlog` in transactions of diesel, with the features `postgres` and `sqlite`;
//! with `async` also in those of diesel-async, see [`asynchronous`].
//!
//! A change and its entry are written in one transaction, and committed or rolled back together. A store
//! creates the trail: `auditlog::PostgresStore`, or `auditlog::SqliteStore` in the application's own file
//! (`SqliteOptions::shared_file`). The store reads, checks and purges these entries like its own.
//!
//! The closure of `transaction` may return this crate's [`Error`]: `?` converts diesel's errors into
//! [`Error::Driver`]. With the traits of another adapter in scope, or both traits of this crate,
//! `record_in` may be ambiguous (E0034): name the trait,
//! `audit_diesel::RecordIn::record_in(draft, connection)`.
//!
//! # Example: a change and its entry
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use audit_diesel::RecordIn as _;
//! use auditlog::{Query, SqliteStore, Store as _};
//! use diesel::prelude::*;
//!
//! # let folder = std::env::temp_dir().join(format!("audit-diesel-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let file = folder.join("app.db");
//! // Once: the tables of the trail, beside those of the application.
//! let trail = SqliteStore::options().shared_file().open(&file)?;
//!
//! let mut connection = SqliteConnection::establish(&file.display().to_string())?;
//! connection.transaction(|connection| {
//!     diesel::sql_query("CREATE TABLE account (id INTEGER)").execute(connection)?;
//!     auditlog::event("migrated").record_in(connection)?;
//!     let mut unit = auditlog::unit();
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

audit_sql::adapter_error!(diesel::result::Error, |error| {
    diesel::result::Error::SerializationError(Box::new(error))
});
audit_sql::adapter_traits!(sync &mut impl Target);

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
pub fn append_in(target: &mut impl Target, entries: &[LogEntry]) -> Result<(), Error> {
    target.append(entries)
}

/// Converts an error of the driver; with an id, into a conflict.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn failed(taken: Option<uuid::Uuid>, error: diesel::result::Error) -> Error {
    if let Some(id) = taken {
        let source = Some(error);
        return Error::Conflict { id, source };
    }
    Error::Write {
        // diesel reports no code.
        hint: audit_sql::hint(None, message(&error)),
        source: error,
    }
}

/// Returns the message of the database, or an empty text.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn message(error: &diesel::result::Error) -> &str {
    match error {
        diesel::result::Error::DatabaseError(_, information) => information.message(),
        _ => "",
    }
}
