//! Space for the writing connection in a page cache that all connections of a process share.
//!
//! SQLite has one page cache for all connections if it is built with
//! `SQLITE_ENABLE_MEMORY_MANAGEMENT`, as `libsqlite3-sys` bundles it. A connection that has as many
//! pages as its `cache_size` takes the least recently used page of any connection for a new one. A
//! connection that has fewer allocates a page, which is discarded right after its use while all
//! connections together have as many pages as the sum of their sizes. So a busy database takes the
//! pages of another one for good, which from then on reads every page from its file.
//!
//! Lowering `cache_size` makes SQLite discard the least recently used pages of all connections
//! until the lower sum holds. Raising it again leaves that space to every connection. A larger
//! `cache_size`, mapped reads or another order of opening do not help (`docs/design/sqlite.md`).

use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;

/// Rows after which space is made again.
const ROWS: usize = 16;
/// The pages to which `cache_size` is lowered, of about 500 by default.
const LOWERED: u32 = 100;

/// The shared page cache, as one connection uses it.
#[derive(Debug)]
pub(crate) struct SharedPageCache {
    /// Lowers the connection's `cache_size` and restores it.
    sql: String,
    /// Rows inserted since space was made.
    rows: AtomicUsize,
}

impl SharedPageCache {
    /// Returns the page cache of a connection; `None` if the connection has one of its own.
    ///
    /// A failure of these queries shows in the next transaction.
    pub(crate) fn of(connection: &Connection) -> Option<Self> {
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let shared = "SELECT sqlite_compileoption_used('ENABLE_MEMORY_MANAGEMENT')";
        if number(shared) != Ok(1) {
            return None;
        }
        let size = number("PRAGMA main.cache_size").ok()?;
        Some(Self {
            sql: format!("PRAGMA main.cache_size = {LOWERED}; PRAGMA main.cache_size = {size}"),
            rows: AtomicUsize::new(0),
        })
    }

    /// Makes space for a transaction that inserts some rows, unless the last space still suffices.
    pub(crate) fn make_space(&self, connection: &Connection, rows: usize) -> rusqlite::Result<()> {
        if self.rows.fetch_add(rows, Ordering::Relaxed) + rows < ROWS {
            return Ok(());
        }
        self.rows.store(0, Ordering::Relaxed);
        connection.execute_batch(&self.sql)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache_size(connection: &Connection) -> i64 {
        connection
            .query_row("PRAGMA cache_size", [], |row| row.get(0))
            .unwrap()
    }

    /// Holds whether SQLite is built with one page cache or with several.
    #[test]
    fn the_size_is_restored() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA cache_size = 777").unwrap();
        if let Some(cache) = SharedPageCache::of(&connection) {
            for rows in [1, ROWS, 3 * ROWS] {
                cache.make_space(&connection, rows).unwrap();
            }
        }
        assert_eq!(cache_size(&connection), 777);
    }

    #[test]
    fn space_is_made_once_enough_rows_were_inserted() {
        let connection = Connection::open_in_memory().unwrap();
        let cache = SharedPageCache {
            sql: "PRAGMA cache_size = 55".to_owned(),
            rows: AtomicUsize::new(0),
        };
        let before = cache_size(&connection);
        cache.make_space(&connection, ROWS - 1).unwrap();
        assert_eq!(cache_size(&connection), before);
        cache.make_space(&connection, 1).unwrap();
        assert_eq!(cache_size(&connection), 55);
    }
}
