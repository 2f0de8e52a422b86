//! SQLite.

use audit_core::LogEntry;
use audit_sql::sqlite::{APPEND, Batch, FIND_CONFLICT, is_conflict};
use diesel::connection::LoadConnection;
use diesel::result::OptionalExtension;
use diesel::sql_types::{Binary, Text};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};
use uuid::Uuid;

use crate::{AuditBackend, Error, failed, message};

/// The id that is taken.
#[derive(QueryableByName)]
pub(crate) struct Taken {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
}

impl AuditBackend for Sqlite {
    fn append<C: LoadConnection<Backend = Self>>(
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
        let Err(error) = append.execute(connection) else {
            return Ok(());
        };
        if !is_conflict(message(&error)) {
            return Err(failed(None, error));
        }
        let find = sql_query(FIND_CONFLICT)
            .bind::<Binary, _>(&ids)
            .bind::<Text, _>(&entries);
        let found = find.get_result(connection).optional();
        Err(failure(error, found))
    }
}

/// Names the id that is taken.
pub(crate) fn failure(error: diesel::result::Error, found: QueryResult<Option<Taken>>) -> Error {
    match found {
        Ok(taken) => {
            let id = taken.and_then(|taken| Uuid::from_slice(&taken.id).ok());
            failed(id, error)
        }
        Err(error) => failed(None, error),
    }
}
