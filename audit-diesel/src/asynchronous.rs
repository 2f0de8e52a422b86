//! Entries in transactions of diesel-async: the same as at the root of this crate, awaited.

use std::future::Future;

use audit_core::LogEntry;
use diesel::backend::Backend;
use diesel_async::AsyncConnection;

use crate::Error;

audit_sql::face!(async &mut (impl Target + Send));

/// A connection of diesel-async, or one of a pool; of PostgreSQL also one of these `in_schema`.
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
/// [`Error::Conflict`] if another entry has the id of one of these, and whatever the database
/// says.
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
    use crate::postgres::{InSchema, Schema, failure};

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
    use crate::{Error, message};

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
                return Err(Error::Driver(error));
            }
            let find = sql_query(FIND_CONFLICT)
                .bind::<Binary, _>(&ids)
                .bind::<Text, _>(&entries);
            Err(failure(
                error,
                find.get_result(connection).await.optional()?,
            ))
        }
    }
}
