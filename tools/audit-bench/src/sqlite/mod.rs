//! `sqlite`: the store beside raw SQL through rusqlite, on files of the same folder.
//!
//! The raw side has the same columns and indexes, checksum included, so that both answer the same
//! questions; rows called `lean` have one index and no checksum, for comparison. Each side has a
//! file of its own.

mod durable;
pub(crate) mod neighbour;
mod raw;
mod transaction;

use auditlog::sqlite::rusqlite::{self, Connection};

use crate::history::Outcome;

pub(crate) fn run() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    transaction::run(folder.path())?;
    durable::run(folder.path())?;
    neighbour::run(folder.path())
}

/// Returns which SQLite this is, and how many page caches it has.
pub(crate) fn build() -> Outcome<String> {
    let shared: bool = Connection::open_in_memory()?.query_row(
        "SELECT sqlite_compileoption_used('ENABLE_MEMORY_MANAGEMENT')",
        [],
        |row| row.get(0),
    )?;
    let caches = if shared {
        "one page cache for all connections (ENABLE_MEMORY_MANAGEMENT)"
    } else {
        "a page cache for each connection"
    };
    Ok(format!("SQLite {} with {caches}", rusqlite::version()))
}
