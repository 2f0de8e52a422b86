//! Versions, sizes and indexes of a file.

use std::path::Path;

use audit_core::StoreError;
use rusqlite::Connection;

use crate::error::at;

/// The result of [`SqliteStore::info`](crate::SqliteStore::info).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreInfo {
    /// The version of the trail's tables.
    pub schema_version: u32,
    /// The version of the SQLite library that reads the file.
    pub sqlite_version: &'static str,
    /// SQLite's journal mode: `wal` in a file of the store's own.
    pub journal_mode: String,
    /// Bytes of a page.
    pub page_size: u64,
    /// Pages of the database, those in the write-ahead log included.
    pub pages: u64,
    /// Pages that are free for later entries.
    pub free_pages: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// The count of entries.
    pub entries: u64,
    /// Bytes of the entries' canonical JSON.
    pub entry_bytes: u64,
    /// The names of the indexes on the trail's tables, sorted.
    pub indexes: Vec<String>,
}

pub(crate) fn read(connection: &Connection, path: &Path) -> Result<StoreInfo, StoreError> {
    let location = path.display().to_string();
    // One transaction, so that all values are of one moment.
    connection.execute_batch("BEGIN").map_err(at(&location))?;
    let info = info(connection, wal_bytes(path)).map_err(at(&location));
    connection
        .execute_batch("ROLLBACK")
        .map_err(at(&location))?;
    info
}

fn info(connection: &Connection, wal_bytes: u64) -> rusqlite::Result<StoreInfo> {
    let number = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map(i64::unsigned_abs)
    };
    Ok(StoreInfo {
        schema_version: connection.query_row(
            "SELECT max(version) FROM main.audit_schema",
            [],
            |row| row.get(0),
        )?,
        sqlite_version: rusqlite::version(),
        journal_mode: connection.query_row("PRAGMA main.journal_mode", [], |row| row.get(0))?,
        page_size: number("PRAGMA main.page_size")?,
        pages: number("PRAGMA main.page_count")?,
        free_pages: number("PRAGMA main.freelist_count")?,
        wal_bytes,
        entries: number("SELECT count(*) FROM main.audit_entry")?,
        entry_bytes: number("SELECT coalesce(sum(octet_length(body)), 0) FROM main.audit_entry")?,
        indexes: connection
            .prepare(
                "SELECT name FROM main.sqlite_master WHERE type = 'index' \
                 AND tbl_name IN ('audit_entry', 'audit_change') AND sql IS NOT NULL \
                 ORDER BY name",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?,
    })
}

fn wal_bytes(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |metadata| metadata.len())
}
