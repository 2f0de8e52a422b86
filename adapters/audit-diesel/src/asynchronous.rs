//! Entries in transactions of diesel-async: the items of the crate's root, as futures.
//!
//! # Example: a change and its entry
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use audit_diesel::asynchronous::RecordIn as _;
//! use auditlog::{Query, SqliteStore, Store as _};
//! use diesel::SqliteConnection;
//! use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
//! use diesel_async::{AsyncConnection, RunQueryDsl};
//!
//! # let folder = std::env::temp_dir().join(format!("audit-diesel-async-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let file = folder.join("app.db");
//! // Once: the tables of the trail, beside those of the application.
//! let trail = SqliteStore::options().shared_file().open(&file)?;
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let url = file.display().to_string();
//! let mut connection = SyncConnectionWrapper::<SqliteConnection>::establish(&url).await?;
//! connection
//!     .transaction(async |connection| {
//!         diesel::sql_query("CREATE TABLE account (id INTEGER)").execute(connection).await?;
//!         auditlog::event("migrated").record_in(connection).await?;
//!         let mut unit = auditlog::unit();
//!         unit.event("charged").event("shipped");
//!         unit.record_in(connection).await?; // one statement
//!         diesel::QueryResult::Ok(())
//!     })
//!     .await?;
//!
//! assert_eq!(trail.count(&Query::new())?, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # trail.close()?;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::future::Future;

use audit_core::LogEntry;
use diesel::backend::Backend;
use diesel_async::AsyncConnection;

use crate::Error;

audit_sql::adapter_traits!(async &mut (impl Target + Send));

/// A connection of diesel-async, or one of a pool; of PostgreSQL also one of these `in_schema`.
#[diagnostic::on_unimplemented(
    message = "entries of `audit-diesel` cannot be written into `{Self}`",
    label = "no connection of diesel-async to PostgreSQL or SQLite",
    note = "the feature of the database must be on: `postgres` or `sqlite`",
    note = "for diesel itself, use the traits at the root of `audit_diesel`"
)]
pub trait Target {
    /// Writes entries by one statement.
    #[doc(hidden)]
    fn append(&mut self, entries: &[LogEntry]) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A database that can have a trail: that of a feature of this crate.
pub trait AuditBackend: Backend {
    /// Writes entries by one statement.
    #[doc(hidden)]
    fn append<C: AsyncConnection<Backend = Self>>(
        connection: &mut C,
        entries: &[LogEntry],
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

impl<C: AsyncConnection<Backend: AuditBackend>> Target for C {
    async fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
        C::Backend::append(self, entries).await
    }
}

/// Writes entries into the caller's transaction, as [`append_in`](crate::append_in()) does for
/// diesel itself.
///
/// # Errors
/// Returns the errors of [`append_in`](crate::append_in()) for diesel itself.
pub async fn append_in(
    target: &mut (impl Target + Send),
    entries: &[LogEntry],
) -> Result<(), Error> {
    target.append(entries).await
}

#[cfg(feature = "postgres")]
mod postgres {
    use audit_core::LogEntry;
    use audit_sql::postgres;
    use diesel::pg::Pg;
    use diesel::sql_types::Text;
    use diesel_async::{AsyncConnection, RunQueryDsl};

    use super::{AuditBackend, Target};
    use crate::Error;
    use crate::postgres::{InSchema, Schema, append_one, failure};

    impl<C: AsyncConnection<Backend = Pg>> Target for InSchema<'_, C> {
        async fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
            append(self.connection, Some(self.schema), entries).await
        }
    }

    impl AuditBackend for Pg {
        async fn append<C: AsyncConnection<Backend = Self>>(
            connection: &mut C,
            entries: &[LogEntry],
        ) -> Result<(), Error> {
            append(connection, None, entries).await
        }
    }

    async fn append<C: AsyncConnection<Backend = Pg>>(
        connection: &mut C,
        schema: Option<&Schema>,
        entries: &[LogEntry],
    ) -> Result<(), Error> {
        if let [entry] = entries {
            let inserted = append_one(schema, entry)?.execute(connection).await;
            if inserted.map_err(failure)? == 1 {
                return Ok(());
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        let statement = diesel::sql_query(postgres::append(schema));
        let appending = statement.bind::<Text, _>(postgres::rows(entries)?);
        appending.execute(connection).await.map_err(failure)?;
        Ok(())
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use audit_core::LogEntry;
    use audit_sql::sqlite::{APPEND, Batch, FIND_CONFLICT, is_conflict};
    use diesel::result::OptionalExtension;
    use diesel::sql_query;
    use diesel::sql_types::{Binary, Text};
    use diesel::sqlite::Sqlite;
    use diesel_async::{AsyncConnection, RunQueryDsl};

    use super::AuditBackend;
    use crate::sqlite::failure;
    use crate::{Error, failed, message};

    impl AuditBackend for Sqlite {
        async fn append<C: AsyncConnection<Backend = Self>>(
            connection: &mut C,
            entries: &[LogEntry],
        ) -> Result<(), Error> {
            if entries.is_empty() {
                return Ok(());
            }
            let Batch { ids, entries } = Batch::of(entries)?;
            let append = sql_query(APPEND)
                .bind::<Binary, _>(&ids)
                .bind::<Text, _>(&entries);
            let Err(error) = append.execute(connection).await else {
                return Ok(());
            };
            if !is_conflict(message(&error)) {
                return Err(failed(None, error));
            }
            let find = sql_query(FIND_CONFLICT)
                .bind::<Binary, _>(&ids)
                .bind::<Text, _>(&entries);
            let found = find.get_result(connection).await.optional();
            Err(failure(error, found))
        }
    }
}
