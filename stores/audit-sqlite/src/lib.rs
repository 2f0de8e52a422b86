//! The embedded, durable store of `auditlog`: a trail in one SQLite file.
//!
//! [`SqliteStore`] keeps each entry's canonical JSON byte for byte in a file that the
//! `sqlite3` shell and every language can read. Several processes may write and read one
//! file at the same time; threads that record at the same moment share one commit.
//!
//! # Example: a trail that outlives the program
//! ```
//! use auditlog::{LogEntry, Query, SqliteStore, Store};
//!
//! # let folder = std::env::temp_dir().join(format!("audit-sqlite-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let file = folder.join("audit.db");
//! let entry = LogEntry::new("update", "User", "42", "bob");
//!
//! let store = SqliteStore::open(&file)?;
//! store.append(&[entry.clone()])?; // on the disk when it returns
//! store.close()?;
//!
//! let store = SqliteStore::open(&file)?;
//! let page = store.find(&Query::new().model_name("User").object_pk(42))?;
//! assert_eq!(page.entries, [entry]);
//! # store.close()?;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Durability
//!
//! | durability | killed process | power failure |
//! |---|---|---|
//! | [`Durability::Full`] (default) | nothing acknowledged is lost | nothing acknowledged is lost |
//! | [`Durability::Relaxed`] | nothing acknowledged is lost | the last entries may be lost; [`Store::flush`] bounds which |
//!
//! This assumes an honest disk: no database survives a drive that reports a write as done and
//! has it only in a volatile cache. The file must be on a local disk; SQLite's
//! shared memory does not work over a network file system.
//!
//! # In the caller's own transaction
//!
//! [`install`] makes the trail's tables beside the tables of an application, and
//! [`append_in`] writes entries into a transaction that is open there, so that a change and
//! its entry are committed or rolled back together. With [`RecordIn`] in scope,
//! `draft.record_in(&transaction)` does so, and so do many drafts, units and tracked objects. The
//! crates `audit-sqlx`, `audit-diesel` and `audit-sea-orm` do the same for those
//! drivers. [`SqliteOptions::shared_file`] opens such a file as a
//! store, for reading the trail and for entries outside any transaction.
//!
//! # Beside another SQLite database in the process
//!
//! `libsqlite3-sys` builds the bundled SQLite with `SQLITE_ENABLE_MEMORY_MANAGEMENT`: all
//! connections of a process share one page cache, and a busy database takes the pages of the
//! others, the application's included. The store makes SQLite discard the least recently used pages
//! every 16 rows, so that its writes keep about the speed that they have alone. A page cache for each
//! connection is faster still for both, and needs no such step. Build the program with
//!
//! ```console
//! $ LIBSQLITE3_FLAGS=-USQLITE_ENABLE_MEMORY_MANAGEMENT cargo build --release
//! ```
//!
//! or set the variable in the `[env]` section of the program's `.cargo/config.toml`.
//! `PRAGMA compile_options` lists `ENABLE_MEMORY_MANAGEMENT` if the cache is shared.
//!
//! # With the `sqlite3` shell
//!
//! The view `audit_log` shows the trail with readable times and levels:
//! `SELECT * FROM audit_log ORDER BY time DESC LIMIT 20`. Triggers refuse to update or
//! delete entries, except for [`Store::purge`]. They prevent accidents; a user who may write the
//! file can remove them. A shell older than SQLite 3.51.3
//! should read a copy made by `VACUUM INTO`, not the live file, because of the bug named at
//! [`SqliteStore::open`].
//!
//! [`Store::flush`]: audit_core::Store::flush
//! [`Store::purge`]: audit_core::Store::purge

mod backup;
mod cancel;
mod check;
mod conditions;
mod error;
mod export;
mod file;
mod follow;
mod health;
mod in_transaction;
mod info;
mod lookup;
mod options;
mod page_cache;
mod query;
mod reader;
mod row;
mod schema;
mod store;
mod trail;
mod url;
mod writer;

pub use crate::check::{Check, Mismatch, SchemaDifference};
pub use crate::in_transaction::{Error, RecordIn, append_in, install};
pub use crate::info::StoreInfo;
pub use crate::options::{Durability, SqliteOptions};
pub use crate::schema::{APPLICATION_ID, SCHEMA_VERSION};
pub use crate::store::SqliteStore;
#[doc(no_inline)]
pub use rusqlite;

/// The setting that decides if readers skip damaged rows, with those that they skipped.
type Tolerance = audit_sql::Tolerance<i64>;
