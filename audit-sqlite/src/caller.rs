//! Entries in a transaction of the caller's own.

use audit_core::{LogEntry, StoreError};
use rusqlite::Connection;

use crate::error::at;
use crate::row::{Inserter, Row};
use crate::schema::{self, Owner};

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
/// [`StoreError::Conflict`] if another entry has the id of one of these, and whatever SQLite
/// says. The transaction is still open then and holds none of these entries: roll it back,
/// or the change it holds goes without its entry.
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
    let insert = || {
        let mut inserter = Inserter::new(connection, &place)?;
        entries
            .iter()
            .try_for_each(|entry| inserter.insert(&Row::of(entry)))
    };
    if entries.len() == 1 && entries[0].changes.is_empty() {
        // One statement, which is a transaction by itself.
        return insert();
    }
    in_savepoint(connection, &place, insert)
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
    if done.is_err() && !connection.is_autocommit() {
        // Some failures have rolled back everything already.
        let undone = run("ROLLBACK TO audit_append").and_then(|_| run("RELEASE audit_append"));
        if let Err(error) = undone {
            log::error!("{place}: a failed audit batch could not be rolled back: {error}");
        }
    }
    done
}
