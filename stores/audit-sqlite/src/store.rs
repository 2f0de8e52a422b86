//! The store.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit_core::projection::micros_up;
use audit_core::{LogEntry, ObjectRef, Page, Query, Store, StoreError};
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::backup;
use crate::check::{self, Check};
use crate::error::at;
use crate::file::OpenFile;
use crate::info::{self, FileInfo};
use crate::lookup;
use crate::options::{Access, Durability, SqliteOptions};
use crate::query;
use crate::reader::Readers;
use crate::row::Row;
use crate::writer::{Writer, checkpoint};
use crate::{Damaged, Tolerance};

/// How many rows a step of [`Store::purge`] removes before writers get their turn.
const PURGE_ROWS: usize = 2_000;
/// How many free pages a step of it gives back to the file system.
const PURGE_PAGES: i64 = 2_000;

/// Keeps the trail in a SQLite file.
///
/// **Durable when `Ok`:** with [`Durability::Full`], the default, an entry is on the disk
/// when [`append`](Store::append) returns; with [`Durability::Relaxed`] the operating system
/// has it. See the [crate's documentation](crate#what-ok-means).
///
/// **When `append` fails** nothing of the call is kept, with one exception that no database
/// can rule out: if the disk reports an error during the commit itself
/// ([`StoreError::Unconfirmed`]), the entries may still be found after a restart. To append
/// them again is right in either case. After [`StoreError::Full`], [`StoreError::Busy`],
/// [`StoreError::Io`] and that one the store works again as soon as the cause is gone.
///
/// **A file that is deleted, moved or replaced** while it is open is found by device and inode
/// of its path at each commit: what was appended is [`StoreError::Unconfirmed`] then, later
/// calls are [`StoreError::Io`] until the store is opened again, and the write-ahead log is
/// emptied into the old file, so that it does not damage a backup put in its place. Windows has no
/// such numbers for it, and lets nobody delete or replace an open file. Transactions of an
/// application ([`append_in`](crate::append_in)) are the application's to check.
///
/// **Concurrency:** threads that append at the same moment share one commit. Readers never
/// wait for writers, nor writers for readers. Other processes may open the same file.
/// A clone is the same store. A process that forked must open the file anew.
///
/// # Example: see the [crate's documentation](crate)
#[derive(Clone)]
pub struct SqliteStore {
    // Dropped in this order: the last connection to close tidies up, and must be able to write.
    readers: Arc<Readers>,
    shared: Arc<Shared>,
}

struct Shared {
    writer: Option<Writer>,
    path: PathBuf,
    place: String,
    durability: Durability,
    busy_timeout: Duration,
    tolerance: Tolerance,
}

impl SqliteStore {
    /// Opens a file, and creates it if it does not exist.
    ///
    /// Logs a warning where SQLite is older than 3.51.3: it has a rare bug that can corrupt
    /// a file which several connections write and checkpoint at the same moment.
    ///
    /// # Errors
    /// - [`StoreError::Foreign`]: the file is no SQLite database, or one of another program;
    ///   it is left as it was.
    /// - [`StoreError::NewerSchema`]: a later version of this library wrote it.
    /// - [`StoreError::ReadOnly`]: it cannot be written; [`SqliteOptions::read_only`] reads it.
    /// - [`StoreError::Busy`]: another process kept it locked for longer than 5 seconds.
    /// - [`StoreError::Full`]: there is no room to create it.
    /// - [`StoreError::Corrupt`]: it is damaged.
    /// - [`StoreError::Unsupported`]: the path is `:memory:`; use
    ///   [`MemoryStore`](audit_core::MemoryStore).
    /// - [`StoreError::Io`]: its folder does not exist, the path is the URL of a database, or the
    ///   system failed otherwise.
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
        let place = path.display().to_string();
        let file = connection.is_some().then(|| Arc::new(OpenFile::at(&path)));
        Self {
            readers: Arc::new(Readers::new(
                path.clone(),
                access,
                options.clone(),
                file.clone(),
            )),
            shared: Arc::new(Shared {
                writer: connection.map(|connection| Writer::new(connection, place.clone(), file)),
                path,
                place,
                durability: options.durability,
                busy_timeout: options.busy_timeout,
                tolerance: Tolerance::new(options.passes_over_damaged),
            }),
        }
    }

    /// Asks this store, such as one that is no log's.
    pub fn query(&self) -> Query {
        Query::of(Arc::new(self.clone()))
    }

    /// Returns the file's absolute path.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Closes the file, for all clones of the store: what they are asked for later is
    /// [`StoreError::Closed`]. What threads have begun to append before is still kept.
    ///
    /// To drop the last clone closes the file as well, but cannot tell of an error. Neither
    /// is needed for durability.
    ///
    /// # Errors
    /// If SQLite cannot close the file; [`StoreError::Closed`] if it is closed already.
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
    /// Reads all of the file, as it is when the call begins, and does not keep others from
    /// writing.
    ///
    /// # Errors
    /// If the file cannot be read. What is wrong with its content is in the [`Check`].
    pub fn check(&self) -> Result<Check, StoreError> {
        self.readers
            .with(|connection| check::check(connection, &self.shared.place))
    }

    /// Returns how SQLite would find the entries of a query: `EXPLAIN QUERY PLAN`, a line a
    /// step.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn explain(&self, query: &Query) -> Result<Vec<String>, StoreError> {
        self.readers
            .with(|connection| query::explain(connection, query, &self.shared.place))
    }

    /// Returns the entries whose id begins with some hexadecimal digits, hyphens aside, by
    /// id and no more than `limit` of them.
    ///
    /// # Errors
    /// If the file cannot be read. What is not part of an id begins none.
    pub fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.readers.with(|connection| {
            lookup::with_id_prefix(connection, prefix, limit, self.tolerance(), self.place())
        })
    }

    /// Returns the entries whose id ends with some hexadecimal digits, hyphens aside, by id and no
    /// more than `limit` of them. Reads all ids, for which there is no index.
    ///
    /// # Errors
    /// If the file cannot be read. What is not part of an id ends none.
    pub fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.readers.with(|connection| {
            lookup::with_id_suffix(connection, suffix, limit, self.tolerance(), self.place())
        })
    }

    /// Returns the entries that have one of the ids, in the order of the ids given; of an id
    /// that no entry has, none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        self.readers
            .with(|connection| lookup::by_ids(connection, ids, self.tolerance(), self.place()))
    }

    /// Returns the number of the newest commit's last entry, 0 if there was none ever.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn last_seq(&self) -> Result<i64, StoreError> {
        self.readers
            .with(|connection| lookup::last_seq(connection).map_err(at(self.place())))
    }

    /// Returns the entries that were appended after a number, in the order of their commits
    /// and with their numbers, no more than `limit` of them: nothing is passed over, however
    /// late it was written. The order of queries is another one, that of time.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn appended_after(
        &self,
        seq: i64,
        limit: usize,
    ) -> Result<Vec<(i64, LogEntry)>, StoreError> {
        self.readers.with(|connection| {
            lookup::appended_after(connection, seq, limit, self.tolerance(), self.place())
        })
    }

    /// Returns the stored names of all models, sorted; an event has the empty one.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn models(&self) -> Result<Vec<String>, StoreError> {
        self.readers
            .with(|connection| lookup::models(connection).map_err(at(self.place())))
    }

    /// Returns what the file itself is: versions, sizes, indexes.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn file_info(&self) -> Result<FileInfo, StoreError> {
        self.readers
            .with(|connection| info::read(connection, &self.shared.path))
    }

    /// Returns the rows that this store's readers passed over so far because they are no
    /// entries: none unless [`SqliteOptions::pass_over_damaged`] asks for it.
    pub fn damaged(&self) -> Damaged {
        self.shared.tolerance.damaged()
    }

    /// Copies the file, as it is at one moment, to a new file with SQLite's backup API. Others
    /// may write meanwhile.
    ///
    /// The copy has everything that the write-ahead log has, and appears under its name when it
    /// is complete and on the disk. To copy the file itself by other means leaves out what is
    /// in the log. A file shared with an application is copied with the application's tables.
    ///
    /// # Errors
    /// - [`StoreError::Io`]: there is a file of that name, or it cannot be written.
    /// - [`StoreError::Full`]: there is no room for it.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<(), StoreError> {
        self.readers
            .with(|connection| backup::to_file(connection, to.as_ref(), self.place()))
    }

    fn place(&self) -> &str {
        &self.shared.place
    }

    fn tolerance(&self) -> &Tolerance {
        &self.shared.tolerance
    }

    /// Returns how SQLite would find the entries of the next objects, for tests.
    #[doc(hidden)]
    pub fn explain_objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<String>, StoreError> {
        self.readers
            .with(|connection| query::explain_objects(connection, query, after, &self.shared.place))
    }

    /// Returns how many commits `append` has made, for tests of how many entries share one.
    #[doc(hidden)]
    pub fn commits(&self) -> u64 {
        self.shared.writer.as_ref().map_or(0, Writer::commits)
    }

    /// Returns how many threads wait for a commit, for the same tests.
    #[doc(hidden)]
    pub fn waiting(&self) -> usize {
        self.shared.writer.as_ref().map_or(0, Writer::waiting)
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        self.shared.writer.as_ref().ok_or(StoreError::ReadOnly {
            location: self.shared.place.clone(),
        })
    }

    /// Runs steps of a purge, each in a turn of its own, until one does nothing.
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
        self.readers
            .with(|connection| query::find(connection, query, self.tolerance(), self.place()))
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        self.readers
            .with(|connection| query::count(connection, query, self.tolerance(), self.place()))
    }

    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        self.readers.with(|connection| {
            query::objects(connection, query, after, self.tolerance(), self.place())
        })
    }

    /// Hands out the bytes as they are stored, unless an entry has to be read to tell whether
    /// the query asks for it. All of it is one look at the file: entries that are appended
    /// meanwhile are not in it, and the write-ahead log grows as long as it lasts.
    fn export(
        &self,
        query: &Query,
        line: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, StoreError> {
        self.readers.with(|connection| {
            query::export(connection, query, self.tolerance(), self.place(), line)
        })
    }

    /// Removes what a query asks for in steps of 2,000 entries, between which others write;
    /// what is written after the call began stays. The room goes back to the file system.
    ///
    /// # Errors
    /// If the file cannot be written. The steps before that stay done; to call it again
    /// goes on.
    fn purge(&self, query: &Query) -> Result<u64, StoreError> {
        query.check()?;
        let before = query.filter().until.map_or(i64::MAX, micros_up);
        let place = &self.shared.place;
        // What is written from now on stays, or there would be no end while others write.
        let last = self.last_seq()?;
        let removed = self.purge_stepwise(|connection| {
            as_retention(connection, before, place, || {
                remove(connection, query, last, PURGE_ROWS, place)
            })
        })?;
        let mut free = i64::MAX;
        let vacuumed = self.purge_stepwise(|connection| {
            let now = give_pages_back(connection).map_err(at(place))?;
            let before = std::mem::replace(&mut free, now);
            Ok(usize::from(0 < free && free < before))
        });
        if let Err(error) = vacuumed {
            // The entries are gone, which is what was asked for.
            log::warn!("room freed by a purge could not be given back: {error}");
        }
        Ok(removed)
    }

    /// Copies the write-ahead log into the file and empties it, so that the file alone is the
    /// trail. With [`Durability::Relaxed`] both are synced, and that waits for the queries of
    /// the moment; with [`Durability::Full`] everything appended is on the disk already, and
    /// what others keep from being copied is left in the log.
    fn flush(&self) -> Result<(), StoreError> {
        let Some(writer) = &self.shared.writer else {
            return Ok(());
        };
        let place = &self.shared.place;
        let wait = self.shared.busy_timeout;
        if self.shared.durability == Durability::Full {
            return writer.exclusive(|connection| {
                connection.busy_timeout(Duration::ZERO).map_err(at(place))?;
                let copied = checkpoint(connection, "TRUNCATE");
                connection.busy_timeout(wait).map_err(at(place))?;
                match copied.map_err(at(place)) {
                    Err(StoreError::Busy { .. }) => Ok(()),
                    copied => copied.map(|_busy| ()),
                }
            });
        }
        if writer.exclusive(|connection| checkpoint(connection, "TRUNCATE").map_err(at(place)))? {
            return Err(StoreError::Busy {
                location: place.clone(),
            });
        }
        Ok(())
    }
}

/// Runs statements in a transaction in which the triggers let go what is from before a time.
fn as_retention(
    connection: &Connection,
    before: i64,
    place: &str,
    work: impl FnOnce() -> Result<usize, StoreError>,
) -> Result<usize, StoreError> {
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(at(place))?;
    connection
        .execute(
            "INSERT INTO main.audit_retention (before) VALUES (?1)",
            [before],
        )
        .map_err(at(place))?;
    let done = work()?;
    connection
        .execute_batch("DELETE FROM main.audit_retention; COMMIT")
        .map_err(at(place))?;
    Ok(done)
}

/// Removes some of the entries a query asks for, with their projections.
fn remove(
    connection: &Connection,
    query: &Query,
    last: i64,
    limit: usize,
    place: &str,
) -> Result<usize, StoreError> {
    let found = query::stored(connection, query, last, limit, place)?;
    let mut entry = connection
        .prepare_cached("DELETE FROM main.audit_entry WHERE seq = ?1")
        .map_err(at(place))?;
    let mut change = connection
        .prepare_cached("DELETE FROM main.audit_change WHERE field = ?1 AND ts = ?2 AND seq = ?3")
        .map_err(at(place))?;
    for stored in &found {
        entry.execute([stored.seq]).map_err(at(place))?;
        let Some(fields) = &stored.fields else {
            connection
                .execute("DELETE FROM main.audit_change WHERE seq = ?1", [stored.seq])
                .map_err(at(place))?;
            continue;
        };
        for field in fields {
            change
                .execute(params![field, stored.ts, stored.seq])
                .map_err(at(place))?;
        }
    }
    Ok(found.len())
}

/// Gives free pages back to the file system and returns how many there are still.
fn give_pages_back(connection: &Connection) -> rusqlite::Result<i64> {
    let mut vacuum =
        connection.prepare(&format!("PRAGMA main.incremental_vacuum({PURGE_PAGES})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    connection.query_row("PRAGMA main.freelist_count", [], |row| row.get(0))
}
