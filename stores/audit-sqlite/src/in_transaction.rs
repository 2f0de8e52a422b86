//! Entries in a transaction of the caller's own.

use audit_core::{LogEntry, StoreError};
use audit_sql::sqlite::{APPEND, Batch, FIND_CONFLICT, is_conflict};
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use crate::error::at;
use crate::row::{Failure, Inserter, Row};
use crate::schema::{self, Owner};

audit_sql::adapter_error!(rusqlite::Error);
audit_sql::adapter_traits!(sync & Connection);

/// So that `?` works where a function returns the driver's error: what the driver said, and for
/// an entry that could not be made a [`ToSqlConversionFailure`] with the reason.
///
/// [`ToSqlConversionFailure`]: rusqlite::Error::ToSqlConversionFailure
impl From<Error> for rusqlite::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict {
                source: Some(source),
                ..
            }
            | Error::Write { source, .. }
            | Error::Driver(source) => source,
            error => Self::ToSqlConversionFailure(Box::new(error)),
        }
    }
}

/// Gives a connection the method that `adapter_traits!` calls.
trait Append {
    fn append(&self, entries: &[LogEntry]) -> Result<(), Error>;
}

impl Append for Connection {
    fn append(&self, entries: &[LogEntry]) -> Result<(), Error> {
        append_in(self, entries)
    }
}

/// Makes the trail's tables in the caller's own database, unless they are there.
///
/// All names begin with `audit_`. The file's `application_id` and `user_version` stay the
/// application's. Inside a transaction of the caller's the tables are part of it.
///
/// # Errors
/// [`StoreError::NewerSchema`] if a later version of this library made the tables, and
/// whatever SQLite says.
///
/// # Example: see [`append_in`]
pub fn install(connection: &Connection) -> Result<(), StoreError> {
    let place = place(connection);
    in_savepoint(connection, at(&place), || {
        schema::migrate(connection, Owner::Application, &place)
    })
}

/// Writes entries into the caller's transaction: they are kept if it commits and gone if it
/// rolls back, durable when and as far as the caller's `COMMIT` is.
///
/// A `Transaction` and a `Savepoint` of rusqlite deref to the [`Connection`] this takes.
/// Outside a transaction the call is one of its own. All entries are written or none; one
/// that is there already with the same content counts as written. The database needs
/// [`install`] once before.
///
/// Several entries are one statement, in a savepoint; as JSON they must not be longer than SQLite
/// takes a text, which is a gigabyte by default. A single entry in a transaction is an
/// `INSERT` in each table it has rows in, which changes [`Connection::last_insert_rowid`]: ask for
/// the rowid of your own row before.
///
/// # Errors
/// [`Error::Conflict`] if another entry has the id of one of these, and whatever SQLite says. The
/// call undoes what it has done, and the transaction is as it was before. Roll it back, or the
/// change it holds goes without its entry. Some failures end the transaction by themselves, as
/// SQLite does where the disk is full; so does an entry of which a part cannot be undone. Then
/// [`Connection::is_autocommit`] is true, and `COMMIT` is an error.
///
/// # Example: the change and its entry come and go together
/// ```
/// use audit_core::LogEntry;
/// use audit_sqlite::rusqlite::Connection;
/// use audit_sqlite::{append_in, install};
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

/// Removes an entry that could not be finished, or, if that is not possible, everything that the
/// transaction has done: nobody may commit a part of an entry.
fn undo(connection: &Connection, seq: i64, row: &Row<'_>) {
    let Err(error) = remove(connection, seq, row) else {
        return;
    };
    log::error!("a part of an audit entry cannot be undone without its transaction: {error}");
    if connection.is_autocommit() {
        return;
    }
    if let Err(error) = connection.execute_batch("ROLLBACK") {
        log::error!("a part of an audit entry could not be rolled back: {error}");
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
