//! SQLite.

use audit_core::LogEntry;
use audit_sql::sqlite::{APPEND, Batch, FIND_CONFLICT, is_conflict};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::{Error, Target};

impl Target for SqliteConnection {
    async fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let Batch { ids, entries } = Batch::of(entries)?;
        let append = sqlx::query(APPEND).bind(&ids[..]).bind(&entries);
        let Err(error) = append.execute(&mut *self).await else {
            return Ok(());
        };
        if !error
            .as_database_error()
            .is_some_and(|error| is_conflict(error.message()))
        {
            return Err(Error::Driver(error));
        }
        let find = sqlx::query_scalar(FIND_CONFLICT)
            .bind(&ids[..])
            .bind(&entries);
        let found: Option<Vec<u8>> = find.fetch_optional(self).await?;
        match found.and_then(|id| Uuid::from_slice(&id).ok()) {
            Some(id) => Err(Error::Conflict { id, source: error }),
            None => Err(Error::Driver(error)),
        }
    }
}
