//! [`SqliteStore`]: writes through one connection, reads through a pool.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit_core::backend::projection::micros_up;
use audit_core::{LogEntry, ObjectRef, Page, Query, Store, StoreError, TrailStore};
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::Tolerance;
use crate::backup;
use crate::check::{self, Check};
use crate::error::at;
use crate::export;
use crate::file::OpenFile;
use crate::follow;
use crate::info::{self, StoreInfo};
use crate::options::{Access, Durability, SqliteOptions};
use crate::query::{self, Stored};
use crate::reader::Readers;
use crate::row::Row;
use crate::writer::{Writer, checkpoint};

/// The most rows that [`Store::purge`] removes before it lets other threads write.
const PURGE_ROWS: usize = 2_000;
/// The most free pages that it returns to the file system before it does.
const PURGE_PAGES: i64 = 2_000;

/// Keeps the trail in a SQLite file.
///
/// **Durability:** with [`Durability::Full`], the default, an entry is on the disk when
/// [`append`](Store::append) returns `Ok`; with [`Durability::Relaxed`] the operating system has it. See
/// the [crate's documentation](crate#durability).
///
/// **Errors of `append`:** no entry of the call is stored, with one exception that no database can rule
/// out: if the disk reports an error during the commit itself ([`StoreError::Unconfirmed`]), the entries
/// may exist after a restart. Appending them again is safe in either case. After [`StoreError::Full`], [`StoreError::Busy`], [`StoreError::Io`] and
/// [`StoreError::Unconfirmed`] the store works again as soon as the cause is removed.
///
/// **A file that is deleted, moved or replaced** while it is open is detected at each commit by
/// device and inode of its path. The commit is [`StoreError::Unconfirmed`] then, later calls are
/// [`StoreError::Io`] until the store is opened again, and the write-ahead log is copied into the
/// old file and emptied, so that it does not damage a backup that replaced the file. Windows has
/// no inodes, and allows no process to delete or replace an open file. The store does not check
/// transactions of an application ([`append_in`](crate::append_in)).
///
/// **Concurrency:** threads that append at the same moment share one commit. Readers never
/// wait for writers, nor writers for readers. Other processes may open the same file.
/// A clone is the same store. A process that forked must open the file again.
///
/// # Example: two handles of one file
/// ```
/// use auditlog::{LogEntry, Query, SqliteStore, Store};
///
/// # let folder = std::env::temp_dir().join(format!("auditlog-handles-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("audit.db");
/// let writer = SqliteStore::open(&path)?;
/// let reader = SqliteStore::options().read_only().open(&path)?;
/// writer.append(&[LogEntry::new("create", "User", "42", "bob")])?;
///
/// assert_eq!(reader.count(&Query::new().model_name("User"))?, 1);
/// assert!(reader.append(&[LogEntry::new("delete", "User", "42", "bob")]).is_err());
/// # reader.close()?;
/// # writer.close()?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    // Dropped in this order: the last connection to close does a checkpoint, and must be able to
    // write.
    readers: Arc<Readers>,
    shared: Arc<Shared>,
}

struct Shared {
    writer: Option<Writer>,
    path: PathBuf,
    location: String,
    durability: Durability,
    lock_timeout: Duration,
    tolerance: Tolerance,
}

impl SqliteStore {
    /// Opens a file, and creates it if it does not exist.
    ///
    /// Logs a warning if SQLite is older than 3.51.3, which has a rare bug: it can corrupt a file that
    /// several connections write and checkpoint at the same moment.
    ///
    /// # Errors
    /// - Returns [`StoreError::Foreign`] if the file is not an SQLite database, or has tables of another
    ///   program; it is left unchanged.
    /// - Returns [`StoreError::NewerSchema`] if a later version of this library wrote it.
    /// - Returns [`StoreError::ReadOnly`] if it cannot be written; [`SqliteOptions::read_only`] reads it.
    /// - Returns [`StoreError::Busy`] if another process kept it locked for longer than 5 seconds.
    /// - Returns [`StoreError::Full`] if the disk has no space for it.
    /// - Returns [`StoreError::Corrupt`] if it is damaged.
    /// - Returns [`StoreError::Unsupported`] if the path is `:memory:`; use
    ///   [`MemoryStore`](audit_core::MemoryStore).
    /// - Returns [`StoreError::Io`] if its folder does not exist, the path is the URL of a database, or the
    ///   system failed otherwise.
    ///
    /// # Example: a program with a trail
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct User {
    ///     id: u32,
    ///     email: String,
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("auditlog-open-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let path = folder.join("audit.db");
    /// let store = SqliteStore::open(&path)?;
    /// AuditLog::builder().store(store.clone()).install()?;
    /// auditlog::register::<User>();
    ///
    /// let mut user = User { id: 42, email: "ann@old.example".into() };
    /// auditlog::created(&user).record()?;
    /// auditlog::update(&mut user, |user| user.email = "ann@new.example".into()).record()?;
    ///
    /// let history = auditlog::history::<User>(42)?;
    /// assert_eq!(history.versions().count(), 2);
    /// assert_eq!(history.latest().state["email"], "ann@new.example");
    /// # store.close()?;
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new().open(path)
    }

    /// Returns the settings for opening a file, to change them first.
    pub fn options() -> SqliteOptions {
        SqliteOptions::new()
    }

    pub(crate) fn new(
        path: PathBuf,
        connection: Option<Connection>,
        access: Access,
        options: &SqliteOptions,
    ) -> Self {
        let location = path.display().to_string();
        let file = connection.is_some().then(|| Arc::new(OpenFile::at(&path)));
        Self {
            readers: Arc::new(Readers::new(
                path.clone(),
                access,
                options.clone(),
                file.clone(),
            )),
            shared: Arc::new(Shared {
                writer: connection
                    .map(|connection| Writer::new(connection, location.clone(), file)),
                path,
                location,
                durability: options.durability,
                lock_timeout: options.lock_timeout,
                tolerance: Tolerance::new(options.skips_damaged),
            }),
        }
    }

    /// Returns a query of this store, for a store without a log.
    pub fn query(&self) -> Query {
        Query::of(Arc::new(self.clone()))
    }

    /// Returns the file's absolute path.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Closes the file for all clones of the store: later calls return [`StoreError::Closed`]. Calls
    /// of `append` that threads have begun are completed before.
    ///
    /// Dropping the last clone closes the file too, but cannot return an error. Neither is needed
    /// for durability.
    ///
    /// # Errors
    /// Returns [`StoreError::Closed`] if the store is closed already, and an error if SQLite cannot
    /// close the file.
    pub fn close(self) -> Result<(), StoreError> {
        self.readers.close();
        match &self.shared.writer {
            Some(writer) => writer.close(),
            None => Ok(()),
        }
    }

    /// Checks the file: SQLite's own integrity check, and for every entry that its bytes match
    /// their checksum and are a canonical form, and that all columns match the bytes.
    ///
    /// The checksum finds damage, not tampering: a user who can change the bytes can change it.
    ///
    /// Reads the full file, as of the beginning of the call, and blocks no writer.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read. Problems of its content are in the [`Check`].
    pub fn check(&self) -> Result<Check, StoreError> {
        self.readers
            .with(|connection| check::check(connection, &self.shared.location))
    }

    /// Returns SQLite's plan for a query, from `EXPLAIN QUERY PLAN`: a line a step.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn explain(&self, query: &Query) -> Result<Vec<String>, StoreError> {
        self.readers
            .with(|connection| query::explain(connection, query, &self.shared.location))
    }

    /// Returns versions, sizes and indexes of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn info(&self) -> Result<StoreInfo, StoreError> {
        self.readers
            .with(|connection| info::read(connection, &self.shared.path))
    }

    /// Copies the file, as of one moment, to a new file with SQLite's backup API. Writers are not
    /// blocked.
    ///
    /// The copy includes the write-ahead log, which a copy by other means lacks. It gets its name
    /// when it is complete and on the disk. A file shared with an application is copied with the
    /// application's tables.
    ///
    /// # Errors
    /// - Returns [`StoreError::Io`] if a file has that name, or it cannot be written.
    /// - Returns [`StoreError::Full`] if the disk has no space for it.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<(), StoreError> {
        self.readers
            .with(|connection| backup::to_file(connection, to.as_ref(), self.location()))
    }

    pub(crate) fn location(&self) -> &str {
        &self.shared.location
    }

    pub(crate) fn tolerance(&self) -> &Tolerance {
        &self.shared.tolerance
    }

    /// Reads with a connection of the pool.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.readers.with(|connection| read(connection))
    }

    /// Returns SQLite's plan for [`objects`](Store::objects), for tests.
    #[doc(hidden)]
    pub fn explain_objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<String>, StoreError> {
        self.readers.with(|connection| {
            query::explain_objects(connection, query, after, &self.shared.location)
        })
    }

    /// Returns the number of commits of `append`, for tests of the group commit.
    #[doc(hidden)]
    pub fn commits(&self) -> u64 {
        self.shared.writer.as_ref().map_or(0, Writer::commits)
    }

    /// Returns the number of threads that are queued for a commit, for the same tests.
    #[doc(hidden)]
    pub fn waiting(&self) -> usize {
        self.shared.writer.as_ref().map_or(0, Writer::waiting)
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        self.shared.writer.as_ref().ok_or(StoreError::ReadOnly {
            location: self.shared.location.clone(),
        })
    }

    /// Removes entries by their ids and checksums, in steps between which other threads write.
    pub(crate) fn remove_exact(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
        if entries.is_empty() {
            return Ok(0);
        }
        let location = &self.shared.location;
        let mut steps = entries.chunks(PURGE_ROWS);
        let mut removed = 0;
        self.purge_stepwise(|connection| {
            let Some(entries) = steps.next() else {
                return Ok(0);
            };
            removed += as_retention(connection, i64::MAX, location, || {
                let found = query::stored_exactly(connection, entries, location)?;
                remove_stored(connection, &found, location)
            })?;
            Ok(entries.len())
        })?;
        self.return_free_pages();
        Ok(removed as u64)
    }

    /// Returns free pages to the file system after a purge.
    fn return_free_pages(&self) {
        let mut free = i64::MAX;
        let vacuumed = self.purge_stepwise(|connection| {
            let now = return_pages(connection).map_err(at(&self.shared.location))?;
            let before = std::mem::replace(&mut free, now);
            Ok(usize::from(0 < free && free < before))
        });
        if let Err(error) = vacuumed {
            // The entries are removed, which is what the caller needs.
            log::warn!(
                "the entries were purged, but their space could not be returned to the file system: {error}"
            );
        }
    }

    /// Runs steps of a purge until one does nothing; other threads write between them.
    fn purge_stepwise(
        &self,
        mut step: impl FnMut(&Connection) -> Result<usize, StoreError>,
    ) -> Result<u64, StoreError> {
        let writer = self.writer()?;
        let mut total = 0;
        loop {
            let done = writer.exclusive(&mut step)?;
            if done == 0 {
                return Ok(total);
            }
            total += done as u64;
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.shared.path)
            .field("durability", &self.shared.durability)
            .field("read_only", &self.shared.writer.is_none())
            .finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        let writer = self.writer()?;
        if entries.is_empty() {
            return Ok(());
        }
        writer.append(entries.iter().map(Row::of).collect::<Result<_, _>>()?)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        let location = self.location();
        self.readers.run(query, location, |connection| {
            query::find(connection, query, self.tolerance(), location)
        })
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        let location = self.location();
        self.readers.run(query, location, |connection| {
            query::count(connection, query, self.tolerance(), location)
        })
    }

    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let location = self.location();
        self.readers.run(query, location, |connection| {
            query::objects(connection, query, after, self.tolerance(), location)
        })
    }

    /// Passes the stored bytes on, and parses an entry only if SQL alone cannot decide whether it
    /// matches. The export is of one moment: later entries are not in it, and the write-ahead log
    /// grows until it ends.
    fn export(
        &self,
        query: &Query,
        line: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, StoreError> {
        let location = self.location();
        self.readers.run(query, location, |connection| {
            export::export(connection, query, self.tolerance(), location, line)
        })
    }

    /// Removes the matching entries in steps of 2,000, between which other threads write. Entries
    /// appended after the beginning of the call stay. The freed pages are returned to the file
    /// system.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written. Completed steps are not undone; calling it
    /// again continues.
    fn purge(&self, query: &Query) -> Result<u64, StoreError> {
        query.check()?;
        let before = query.filter().until.map_or(i64::MAX, micros_up);
        let location = &self.shared.location;
        // Entries appended from now on stay, or the purge would not end while others write.
        let last = self.read(|connection| follow::last_seq(connection).map_err(at(location)))?;
        let removed = self.purge_stepwise(|connection| {
            as_retention(connection, before, location, || {
                remove(connection, query, last, PURGE_ROWS, location)
            })
        })?;
        self.return_free_pages();
        Ok(removed)
    }

    /// Copies the write-ahead log into the file and empties it, so that the file alone is the
    /// trail. With [`Durability::Relaxed`] both are synced, and the call waits for running queries.
    /// With [`Durability::Full`] all entries are on the disk already, and the log is left as it is
    /// where running queries need it.
    fn flush(&self) -> Result<(), StoreError> {
        let Some(writer) = &self.shared.writer else {
            return Ok(());
        };
        let location = &self.shared.location;
        let wait = self.shared.lock_timeout;
        if self.shared.durability == Durability::Full {
            return writer.exclusive(|connection| {
                connection
                    .busy_timeout(Duration::ZERO)
                    .map_err(at(location))?;
                let copied = checkpoint(connection, "TRUNCATE");
                connection.busy_timeout(wait).map_err(at(location))?;
                match copied.map_err(at(location)) {
                    Err(StoreError::Busy { .. }) => Ok(()),
                    copied => copied.map(|_busy| ()),
                }
            });
        }
        if writer
            .exclusive(|connection| checkpoint(connection, "TRUNCATE").map_err(at(location)))?
        {
            return Err(StoreError::Busy {
                location: location.clone(),
            });
        }
        Ok(())
    }

    fn as_trail(&self) -> Option<&dyn TrailStore> {
        Some(self)
    }

    fn description(&self) -> String {
        let durability = match self.shared.durability {
            Durability::Full => "each commit is synced to the disk",
            Durability::Relaxed => "a power failure can remove the newest entries",
        };
        format!("the SQLite file {}; {durability}", self.location())
    }
}

/// Runs statements in a transaction in which the triggers allow removing entries from before a time.
fn as_retention(
    connection: &Connection,
    before: i64,
    location: &str,
    work: impl FnOnce() -> Result<usize, StoreError>,
) -> Result<usize, StoreError> {
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(at(location))?;
    connection
        .execute(
            "INSERT INTO main.audit_retention (before) VALUES (?1)",
            [before],
        )
        .map_err(at(location))?;
    let done = work()?;
    connection
        .execute_batch("DELETE FROM main.audit_retention; COMMIT")
        .map_err(at(location))?;
    Ok(done)
}

/// Removes some of the matching entries, with their projections.
fn remove(
    connection: &Connection,
    query: &Query,
    last: i64,
    limit: usize,
    location: &str,
) -> Result<usize, StoreError> {
    let found = query::stored(connection, query, last, limit, location)?;
    remove_stored(connection, &found, location)
}

/// Removes the rows of entries.
fn remove_stored(
    connection: &Connection,
    found: &[Stored],
    location: &str,
) -> Result<usize, StoreError> {
    let mut entry = connection
        .prepare_cached("DELETE FROM main.audit_entry WHERE seq = ?1")
        .map_err(at(location))?;
    let mut change = connection
        .prepare_cached("DELETE FROM main.audit_change WHERE field = ?1 AND ts = ?2 AND seq = ?3")
        .map_err(at(location))?;
    for stored in found {
        entry.execute([stored.seq]).map_err(at(location))?;
        let Some(fields) = &stored.fields else {
            connection
                .execute("DELETE FROM main.audit_change WHERE seq = ?1", [stored.seq])
                .map_err(at(location))?;
            continue;
        };
        for field in fields {
            change
                .execute(params![field, stored.ts, stored.seq])
                .map_err(at(location))?;
        }
    }
    Ok(found.len())
}

/// Returns free pages to the file system, and the count of those that are left.
fn return_pages(connection: &Connection) -> rusqlite::Result<i64> {
    let mut vacuum =
        connection.prepare(&format!("PRAGMA main.incremental_vacuum({PURGE_PAGES})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    connection.query_row("PRAGMA main.freelist_count", [], |row| row.get(0))
}
