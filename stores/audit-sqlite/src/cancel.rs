//! Ends a running statement when its query is cancelled.

use audit_core::{Cancellation, Query, StoreError};
use rusqlite::Connection;

use crate::error::at;

/// The number of steps of SQLite's program between two looks at whether the query is cancelled: less than a
/// millisecond.
const STEPS: i32 = 10_000;

/// Runs a query. If it can be cancelled, SQLite looks at it while a statement runs; otherwise the
/// statements run as without this function.
pub(crate) fn until_cancelled<T>(
    connection: &mut Connection,
    query: &Query,
    location: &str,
    run: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let Some(cancellation) = query.cancellation() else {
        return run(connection);
    };
    let watch = Watch::begin(connection, cancellation).map_err(at(location))?;
    run(watch.0)
}

/// The progress handler of a connection, until it is dropped. Since version 0.41 of the driver it needs the connection
/// exclusively.
struct Watch<'c>(&'c mut Connection);

impl<'c> Watch<'c> {
    fn begin(
        connection: &'c mut Connection,
        cancellation: &Cancellation,
    ) -> rusqlite::Result<Self> {
        let cancellation = cancellation.clone();
        let handler = Some(move || cancellation.is_cancelled());
        connection.progress_handler(STEPS, handler).result()?;
        Ok(Self(connection))
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let none = None::<fn() -> bool>;
        let removed = self.0.progress_handler(0, none).result();
        if let Err(error) = removed {
            log::warn!("the progress handler of a connection could not be removed: {error}");
        }
    }
}

/// The result of `progress_handler`, which returns nothing before version 0.38 of the driver.
trait HandlerResult {
    fn result(self) -> rusqlite::Result<()>;
}

impl HandlerResult for () {
    fn result(self) -> rusqlite::Result<()> {
        Ok(())
    }
}

impl HandlerResult for rusqlite::Result<()> {
    fn result(self) -> rusqlite::Result<()> {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A statement that never ends by itself.
    const ENDLESS: &str =
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";

    fn number(connection: &Connection, sql: &str) -> Result<i64, StoreError> {
        let found = connection.query_row(sql, [], |row| row.get(0));
        found.map_err(at("a test"))
    }

    #[test]
    fn a_running_statement_ends_and_the_connection_remains_usable() {
        let mut connection = Connection::open_in_memory().expect("a database");
        let cancellation = Cancellation::new();
        let query = Query::new().cancelled_by(&cancellation);
        let ended = thread::scope(|scope| {
            scope.spawn(|| cancellation.cancel());
            until_cancelled(&mut connection, &query, "a test", |connection| {
                number(connection, ENDLESS)
            })
        });
        assert!(matches!(ended, Err(StoreError::Cancelled)), "{ended:?}");
        // More steps than those between two looks.
        let counted = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 50000) \
                       SELECT count(*) FROM n";
        assert_eq!(number(&connection, counted).expect("a number"), 50_000);
    }
}
