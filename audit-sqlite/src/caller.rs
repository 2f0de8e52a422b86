//! Entries in a transaction of the caller's own.

use audit_core::{Error, LogEntry, StoreError};
use rusqlite::Connection;

use crate::error::at;
use crate::row::{Inserter, Row};
use crate::schema::{self, Owner};

audit_sql::face!(sync & Connection);

/// Gives a connection the method that the face calls.
trait Append {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError>;
}

impl Append for Connection {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
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
    in_savepoint(connection, &place, || {
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
/// # Errors
/// [`StoreError::Conflict`] if another entry has the id of one of these: the transaction is
/// still open then and holds none of them. Roll it back, or the change it holds goes without
/// its entry. After any other error, such as a full disk, the transaction may be rolled back
/// already, as SQLite does by itself in many of these cases; `COMMIT` is an error then.
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
pub fn append_in(connection: &Connection, entries: &[LogEntry]) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let place = place(connection);
    let mut inserter = Inserter::new(connection, &place)?;
    if let [entry] = entries
        && !connection.is_autocommit()
    {
        // A savepoint would make SQLite copy every page that the entry touches.
        let row = Row::of(entry)?;
        let outcome = inserter.insert(&row);
        return outcome.inspect_err(|error| {
            if !matches!(error, StoreError::Conflict { .. }) {
                // A part of the entry may be there, and no one must commit it.
                roll_back(connection, "ROLLBACK", &place);
            }
        });
    }
    in_savepoint(connection, &place, || {
        entries
            .iter()
            .try_for_each(|entry| inserter.insert(&Row::of(entry)?))
    })
}

fn place(connection: &Connection) -> String {
    match connection.path() {
        Some(path) if !path.is_empty() => path.to_owned(),
        _ => "the database".to_owned(),
    }
}

/// Does all of the work or none of it, in the caller's transaction or in one of its own.
fn in_savepoint<T>(
    connection: &Connection,
    place: &str,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let run = |sql| {
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map_err(at(place))
    };
    run("SAVEPOINT audit_append")?;
    let done = work().and_then(|value| run("RELEASE audit_append").map(|_| value));
    done.inspect_err(|_| {
        let undo = "ROLLBACK TO audit_append; RELEASE audit_append";
        roll_back(connection, undo, place);
    })
}

/// Undoes work, unless the failure itself has undone everything already.
fn roll_back(connection: &Connection, undo: &str, place: &str) {
    if connection.is_autocommit() {
        return;
    }
    if let Err(error) = connection.execute_batch(undo) {
        log::error!("{place}: a failed audit batch could not be rolled back: {error}");
    }
}
