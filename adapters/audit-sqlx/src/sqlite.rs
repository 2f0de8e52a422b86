//! SQLite.

use audit_core::LogEntry;
use audit_sql::sqlite::{APPEND, Batch, FIND_CONFLICT, is_conflict};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::{Error, Target, failure, message};

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
        if !is_conflict(message(&error)) {
            return Err(failure(None, error));
        }
        let find = sqlx::query_scalar(FIND_CONFLICT)
            .bind(&ids[..])
            .bind(&entries);
        let found = find.fetch_optional(self).await;
        let found: Option<Vec<u8>> = found.map_err(|error| failure(None, error))?;
        let id = found.and_then(|id| Uuid::from_slice(&id).ok());
        Err(failure(id, error))
    }
}
