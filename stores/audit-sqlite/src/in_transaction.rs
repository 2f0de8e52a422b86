//! Entries in a transaction of the caller's own.

use audit_core::{LogEntry, StoreError};
use audit_sql::sqlite::{APPEND, Batch, FIND_CONFLICT, is_conflict};
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use crate::error::at;
use crate::row::{Failure, Inserter, Row};
use crate::schema::{self, Owner};

audit_sql::adapter_error!(rusqlite::Error, |error| {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
});
audit_sql::adapter_traits!(sync & Connection);

/// The method of connections that `adapter_traits!` calls.
trait Append {
    fn append(&self, entries: &[LogEntry]) -> Result<(), Error>;
}

impl Append for Connection {
    fn append(&self, entries: &[LogEntry]) -> Result<(), Error> {
        append_in(self, entries)
    }
}

/// Creates the trail's tables in the caller's own database, if they do not exist.
///
/// All names begin with `audit_`. The file's `application_id` and `user_version` stay the
/// application's. In an open transaction of the caller, the tables are created in it.
///
/// # Errors
/// Returns [`StoreError::NewerSchema`] if a later version of this library made the tables, or the error of
/// SQLite.
///
/// # Example: see [`append_in`]
pub fn install(connection: &Connection) -> Result<(), StoreError> {
    let place = place(connection);
    in_savepoint(connection, at(&place), || {
        schema::migrate(connection, Owner::Application, &place)
    })
}

/// Writes entries into the caller's transaction, and is a transaction of its own outside any.
///
/// All entries are written or none. They are committed or rolled back with the transaction, and as durable
/// as its `COMMIT`. An entry that is stored already with the same content counts as written. Call
/// [`install`] once for the database before.
///
/// A `Transaction` and a `Savepoint` of rusqlite deref to [`Connection`]. Several entries are one
/// statement, in a savepoint; their JSON must not exceed SQLite's limit of a text, a gigabyte by default. A
/// single entry is one `INSERT` for each of its rows, which changes [`Connection::last_insert_rowid`]:
/// read the rowid of your own row before.
///
/// # Errors
/// - Returns [`Error::Conflict`] if another entry has the id of one of the given entries.
/// - Returns [`Error::Write`] if SQLite rejects the entries.
///
/// The call then leaves the transaction as it was before. Roll it back, otherwise its change has no entry.
/// Some failures end the transaction, such as a full disk, or a partly written entry that cannot be
/// removed: [`Connection::is_autocommit`] then returns `true`, and `COMMIT` is an error.
///
/// # Example: the change and its entry are rolled back together
/// ```
/// use auditlog::LogEntry;
/// use auditlog::sqlite::rusqlite::Connection;
/// use auditlog::sqlite::{append_in, install};
///
/// let mut connection = Connection::open_in_memory()?;
/// connection.execute_batch("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)")?;
/// install(&connection)?;
///
/// let transaction = connection.transaction()?;
/// transaction.execute("INSERT INTO account VALUES (1, 100)", [])?;
/// append_in(&transaction, &[LogEntry::new("create", "Account", "1", "account 1")])?;
/// transaction.rollback()?;
///
/// let entries = "SELECT count(*) FROM audit_entry";
/// assert_eq!(connection.query_row(entries, [], |row| row.get::<_, i64>(0))?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn append_in(connection: &Connection, entries: &[LogEntry]) -> Result<(), Error> {
    match entries {
        [] => Ok(()),
        [entry] if !connection.is_autocommit() => append_one(connection, entry),
        entries => append_all(connection, entries),
    }
}

/// Writes an entry in a transaction. A savepoint would make SQLite copy every page that the entry
/// touches, so what it would undo is undone by hand.
fn append_one(connection: &Connection, entry: &LogEntry) -> Result<(), Error> {
    let row = Row::of(entry)?;
    let mut inserter = Inserter::new(connection).map_err(unwritten)?;
    inserter.insert(&row).map_err(|failure| {
        if let Failure::Driver {
            begun: Some(seq), ..
        } = failure
            && !connection.is_autocommit()
        {
            undo(connection, seq, &row);
        }
        failure.into()
    })
}

/// Writes entries by one statement. The savepoint is for triggers of the application's own on the
/// trail's tables, of which one that fails with `FAIL` leaves what the statement did before.
fn append_all(connection: &Connection, entries: &[LogEntry]) -> Result<(), Error> {
    let Batch { ids, entries } = Batch::of(entries)?;
    in_savepoint(connection, unwritten, || {
        let appended = connection
            .prepare_cached(APPEND)
            .and_then(|mut append| append.execute(params![ids, entries]));
        let Err(error) = appended else {
            return Ok(());
        };
        if !is_conflict(&error.to_string()) {
            return Err(unwritten(error));
        }
        let found: Option<Uuid> = connection
            .query_row(FIND_CONFLICT, params![ids, entries], |row| row.get(0))
            .optional()
            .map_err(unwritten)?
            .and_then(|id: Vec<u8>| Uuid::from_slice(&id).ok());
        Err(match found {
            Some(id) => Error::Conflict {
                id,
                source: Some(error),
            },
            None => unwritten(error),
        })
    })
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(id) => Self::Conflict { id, source: None },
            Failure::Driver { error, .. } => unwritten(error),
        }
    }
}

fn unwritten(source: rusqlite::Error) -> Error {
    let hint = audit_sql::hint(Some(""), &source.to_string());
    Error::Write { source, hint }
}

/// Removes a partly written entry, or, if that fails, rolls back the transaction: no transaction may commit
/// a part of an entry.
fn undo(connection: &Connection, seq: i64, row: &Row<'_>) {
    let Err(error) = remove(connection, seq, row) else {
        return;
    };
    log::error!(
        "a partly written audit entry could not be removed, so its transaction is rolled back: {error}"
    );
    if connection.is_autocommit() {
        return;
    }
    if let Err(error) = connection.execute_batch("ROLLBACK") {
        log::error!(
            "the transaction of a partly written audit entry could not be rolled back: {error}"
        );
    }
}

/// As retention removes an entry; the rest of the transaction stays as it is.
fn remove(connection: &Connection, seq: i64, row: &Row<'_>) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO main.audit_retention (before) VALUES (?)",
        [i64::MAX],
    )?;
    let retention = connection.last_insert_rowid();
    for field in &row.fields {
        connection.execute(
            "DELETE FROM main.audit_change WHERE field = ? AND ts = ? AND seq = ?",
            params![field, row.ts, seq],
        )?;
    }
    // By both: what was inserted before may have been a row of another table.
    connection.execute(
        "DELETE FROM main.audit_entry WHERE seq = ? AND id = ?",
        params![seq, &row.id.as_bytes()[..]],
    )?;
    connection.execute(
        "DELETE FROM main.audit_retention WHERE rowid = ?",
        [retention],
    )?;
    Ok(())
}

fn place(connection: &Connection) -> String {
    match connection.path() {
        Some(path) if !path.is_empty() => path.to_owned(),
        _ => "the database".to_owned(),
    }
}

/// Does all of the work or none of it, in the caller's transaction or in one of its own.
fn in_savepoint<T, E>(
    connection: &Connection,
    failed: impl Fn(rusqlite::Error) -> E,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let run = |sql| {
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map_err(&failed)
    };
    run("SAVEPOINT audit_append")?;
    let done = work().and_then(|value| run("RELEASE audit_append").map(|_| value));
    done.inspect_err(|_| {
        // The failure itself may have undone everything already.
        if connection.is_autocommit() {
            return;
        }
        let undo = "ROLLBACK TO audit_append; RELEASE audit_append";
        if let Err(error) = connection.execute_batch(undo) {
            log::error!("a failed audit batch could not be rolled back: {error}");
        }
    })
}
