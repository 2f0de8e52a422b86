//! Settings of a store, and how they open its file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::{at, from_driver};
use crate::file;
use crate::schema::{self, Found, Owner, SCHEMA_VERSION};
use crate::store::SqliteStore;
use crate::url;

/// Statements each connection keeps prepared.
const STATEMENTS: usize = 32;
/// SQLite's default is 1,000. A page that many commits change is copied once, so that entries of
/// random objects take about 30 % less time.
const CHECKPOINT_PAGES: u32 = 4_000;
/// The size of the write-ahead log's file after a checkpoint, at most.
const WAL_BYTES: u32 = 64 << 20;
/// The first SQLite without the bug that can corrupt a file when connections write and
/// checkpoint at the same moment.
const SQLITE_WAL_RESET_FIXED: i32 = 3_051_003;

/// The state of an entry when [`Store::append`](audit_core::Store::append) returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// On the disk (`synchronous=FULL`): acknowledged entries survive a power failure.
    #[default]
    Full,
    /// With the operating system (`synchronous=NORMAL`): acknowledged entries survive a killed
    /// process, but a power failure may remove those since the last checkpoint or
    /// [`flush`](audit_core::Store::flush). The rest is a consistent trail.
    Relaxed,
}

/// Settings for opening a [`SqliteStore`].
///
/// # Example: a short wait, and no sync on each commit
/// ```
/// use std::time::Duration;
/// use auditlog::sqlite::{Durability, SqliteStore};
///
/// # let file = std::env::temp_dir().join(format!("audit-options-{}.db", std::process::id()));
/// let store = SqliteStore::options()
///     .durability(Durability::Relaxed)
///     .lock_timeout(Duration::from_millis(500))
///     .open(&file)?;
/// # store.close()?;
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until `open` is called"]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting")]
pub struct SqliteOptions {
    pub(crate) durability: Durability,
    pub(crate) lock_timeout: Duration,
    pub(crate) create: bool,
    pub(crate) migrate: bool,
    pub(crate) read_only: bool,
    pub(crate) shared_file: bool,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) checkpoint_pages: u32,
    pub(crate) mode: u32,
    pub(crate) skips_damaged: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Full,
            lock_timeout: Duration::from_secs(5),
            create: true,
            migrate: true,
            read_only: false,
            shared_file: false,
            max_bytes: None,
            checkpoint_pages: CHECKPOINT_PAGES,
            mode: 0o600,
            skips_damaged: false,
        }
    }
}

impl SqliteOptions {
    /// Returns the defaults: full durability, a lock timeout of 5 s, a missing file is created and
    /// an older one upgraded.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the durability of entries when `append` returns ([`Durability::Full`] by default).
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the time to wait for a lock of another process (5 s by default), after which the call fails
    /// with [`StoreError::Busy`].
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Sets whether a file that does not exist is created (the default) or is an error.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets whether missing tables are created and older ones upgraded (the default). Without it
    /// `open` needs a file with a trail of this version: a database without a trail is
    /// [`StoreError::Foreign`], an older trail is [`StoreError::ReadOnly`].
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// Opens the file for reading only: nothing is created or upgraded, and `append` and
    /// `purge` are [`StoreError::ReadOnly`].
    ///
    /// A file on a read-only file system is read without locks: it must not change during a query.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Opens an application's own database, which has the trail's tables beside others: see
    /// [`install`](crate::install). Missing tables are created; the file's `application_id`,
    /// `user_version`, journal mode and vacuum mode are left unchanged.
    ///
    /// While a transaction of the application is open for writing, `append` waits for it:
    /// inside one, use [`append_in`](crate::append_in).
    pub fn shared_file(mut self) -> Self {
        self.shared_file = true;
        self
    }

    /// Sets the maximum size of the file in bytes, beyond which `append` fails with [`StoreError::Full`].
    /// The limit counts full pages of the main file, without the write-ahead log. By default the disk is
    /// the limit.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Sets the number of pages of the write-ahead log after which a commit copies it into the file (4,000
    /// by default: 16 MB). With 16,000 an import writes less; queries search a longer log, and the
    /// commit that copies it takes longer. Without effect on a [`shared_file`](Self::shared_file).
    pub fn checkpoint_pages(mut self, pages: u32) -> Self {
        // SQLite takes a larger number as "never".
        self.checkpoint_pages = pages.clamp(1, i32::MAX.unsigned_abs());
        self
    }

    /// Sets the permissions of a new file, on Unix: `0o600` by default, so that only its owner
    /// reads the trail. The process's umask applies, and the files beside it
    /// (`-wal`, `-shm`) have the same. The permissions of an existing file are left unchanged.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Makes readers skip damaged rows, where by default the first one is [`StoreError::Corrupt`].
    /// Any user with the right to write the file can add such a row, which then does not hide other rows.
    /// [`TrailStore::damaged`](audit_core::TrailStore::damaged) returns the skipped rows.
    pub fn skip_damaged(mut self) -> Self {
        self.skips_damaged = true;
        self
    }

    /// Opens the store.
    ///
    /// # Errors
    /// Returns the errors of [`SqliteStore::open`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        let path = path.as_ref();
        if path.as_os_str().is_empty() {
            return Err(StoreError::Io {
                location: "the path of the store".to_owned(),
                source: Arc::new(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is empty; name a file",
                )),
            });
        }
        if path == Path::new(":memory:") {
            return Err(StoreError::Unsupported {
                operation: "keep a database in memory, as each of its connections would have another one: use \
                            `MemoryStore`",
            });
        }
        url::reject(path)?;
        if std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == 1) {
            // SQLite would treat it as an empty database and overwrite it.
            return Err(StoreError::Foreign {
                location: path.display().to_string(),
                found: "a file that is not an SQLite database".to_owned(),
            });
        }
        warn_of_old_sqlite();
        // Readers must open the same file after a change of the working directory.
        let path = std::path::absolute(path).map_err(|source| StoreError::Io {
            location: path.display().to_string(),
            source: Arc::new(source),
        })?;
        if self.read_only {
            return self.open_reading(path);
        }
        if self.creates_file() {
            file::create(&path, self.mode);
        }
        let connection = self.open_writing(&path)?;
        Ok(SqliteStore::new(path, Some(connection), Access::Read, self))
    }

    /// Whether a missing file is created: one without tables is of no use.
    fn creates_file(&self) -> bool {
        self.create && self.migrate
    }

    fn owner(&self) -> Owner {
        if self.shared_file {
            Owner::Application
        } else {
            Owner::Store
        }
    }

    fn open_reading(&self, path: PathBuf) -> Result<SqliteStore, StoreError> {
        let location = path.display().to_string();
        if let Err(error) = std::fs::metadata(&path) {
            let source = match error.kind() {
                io::ErrorKind::NotFound => missing_file(),
                _ => error,
            };
            return Err(StoreError::Io {
                location,
                source: Arc::new(source),
            });
        }
        let look = |access| {
            let connection = connect(&path, access, self)?;
            schema::look(&connection, self.owner(), &location)
        };
        let mut access = Access::Read;
        let mut found = look(access);
        if let Err(StoreError::Io { .. } | StoreError::ReadOnly { .. }) = found
            && !has_log(&path)
        {
            // A write-ahead log cannot be created here and does not exist, so the file is complete.
            access = Access::Immutable;
            found = look(access);
        }
        found?.require_current(&location)?;
        Ok(SqliteStore::new(path, None, access, self))
    }

    fn open_writing(&self, path: &Path) -> Result<Connection, StoreError> {
        let location = path.display().to_string();
        let access = if self.creates_file() {
            Access::Create
        } else {
            Access::Write
        };
        let deadline = Instant::now() + self.lock_timeout;
        loop {
            let opened = connect(path, access, self)
                .and_then(|connection| self.prepare(&connection, &location).map(|()| connection));
            match opened {
                // SQLite does not wait where waiting could be a deadlock, such as between two
                // processes that both switch a new file to write-ahead logging.
                Err(StoreError::Busy { .. }) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(StoreError::Io { location, source }) => {
                    return Err(self.explain(path, location, source));
                }
                opened => return opened,
            }
        }
    }

    /// Sets the file up: journal, limits, durability, schema. Another process may have taken each
    /// step first.
    fn prepare(&self, connection: &Connection, location: &str) -> Result<(), StoreError> {
        let run = |sql: &str| connection.execute_batch(sql).map_err(at(location));
        let owner = self.owner();
        let found = schema::look(connection, owner, location)?;
        if !self.migrate {
            found.require_current(location)?;
        }
        if owner == Owner::Store {
            if found == Found::Nothing {
                run("PRAGMA main.auto_vacuum = INCREMENTAL")?;
            }
            let mode: String = connection
                .query_row("PRAGMA main.journal_mode = WAL", [], |row| row.get(0))
                .map_err(at(location))?;
            if !mode.eq_ignore_ascii_case("wal") {
                return Err(StoreError::Unsupported {
                    operation: "keep a write-ahead log on the file system of the file: use a local disk",
                });
            }
            run(&format!(
                "PRAGMA main.journal_size_limit = {WAL_BYTES}; \
                 PRAGMA wal_autocheckpoint = {}",
                self.checkpoint_pages
            ))?;
        }
        if let Some(bytes) = self.max_bytes {
            let size: i64 = connection
                .query_row("PRAGMA main.page_size", [], |row| row.get(0))
                .map_err(at(location))?;
            let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / size.max(1);
            run(&format!("PRAGMA main.max_page_count = {}", pages.max(1)))?;
        }
        match self.durability {
            // `fullfsync` matters on macOS, where a plain sync does not reach the disk.
            Durability::Full => run("PRAGMA main.synchronous = FULL; PRAGMA fullfsync = 1; \
                 PRAGMA checkpoint_fullfsync = 1")?,
            Durability::Relaxed => run("PRAGMA main.synchronous = NORMAL")?,
        }
        // Fails here, rather than at the first entry, if the file cannot be written.
        match run("BEGIN IMMEDIATE") {
            Err(StoreError::Busy { .. }) if found == Found::Version(SCHEMA_VERSION) => {
                return Ok(());
            }
            begun => begun?,
        }
        let migrated = schema::migrate(connection, owner, location).and_then(|()| run("COMMIT"));
        if migrated.is_err() && !connection.is_autocommit() {
            run("ROLLBACK")?;
        }
        migrated
    }

    /// Returns the reason why SQLite could not open a file, which its error does not contain.
    ///
    /// The file itself must not be opened outside SQLite: closing it would release the locks of
    /// every other connection of this process.
    fn explain(&self, path: &Path, location: String, source: Arc<io::Error>) -> StoreError {
        let io_error = |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                StoreError::ReadOnly {
                    location: location.clone(),
                }
            }
            io::ErrorKind::StorageFull => StoreError::Full {
                location: location.clone(),
            },
            _ => StoreError::Io {
                location: location.clone(),
                source: Arc::new(error),
            },
        };
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {
                let readable = connect(path, Access::Immutable, self)
                    .and_then(|connection| schema::look(&connection, self.owner(), &location));
                match readable {
                    // It can be read, but the folder cannot be written.
                    Ok(_) => StoreError::ReadOnly { location },
                    Err(StoreError::Io { .. }) => StoreError::Io { location, source },
                    Err(error) => error,
                }
            }
            Ok(_) => StoreError::Foreign {
                location,
                found: "not a file".to_owned(),
            },
            Err(error) if error.kind() != io::ErrorKind::NotFound => io_error(error),
            Err(_) if !self.creates_file() => io_error(missing_file()),
            Err(_) => match std::fs::File::create_new(path) {
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && path.parent().is_some_and(|folder| !folder.exists()) =>
                {
                    let folder = path.parent().unwrap_or(path).display();
                    io_error(io::Error::new(
                        io::ErrorKind::NotFound,
                        format!("the folder {folder} does not exist: create it first"),
                    ))
                }
                Err(error) => io_error(error),
                // It can be created after all, and an empty file is an empty database.
                Ok(_) => StoreError::Io { location, source },
            },
        }
    }
}

/// Returns the error of a missing file that is not created.
fn missing_file() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "the file does not exist and is not created here: check the path",
    )
}

/// The purpose for which a connection opens its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Create,
    Write,
    Read,
    /// Reads a file without locks that no process writes.
    Immutable,
}

/// Opens a connection with the settings that all connections have.
pub(crate) fn connect(
    path: &Path,
    access: Access,
    options: &SqliteOptions,
) -> Result<Connection, StoreError> {
    let location = path.display().to_string();
    // Not `SQLITE_OPEN_URI`: a path that begins with `file:` is a path.
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = match access {
        Access::Create => Connection::open_with_flags(
            path,
            flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        ),
        Access::Write => {
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)
        }
        Access::Read => Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY),
        Access::Immutable => Connection::open_with_flags(
            immutable_uri(path),
            flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        ),
    };
    let connection = opened.map_err(at(&location))?;
    let configure = || {
        connection.busy_timeout(options.lock_timeout)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Without it SQLite plans a statement again for each set of bound values, which takes longer
        // than most queries.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.execute_batch(
            "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON",
        )
    };
    match configure() {
        Ok(()) => Ok(connection),
        Err(error) => Err(from_driver(&location, error)),
    }
}

fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b':' => {
                uri.push(char::from(*byte));
            }
            b'\\' if cfg!(windows) => uri.push('/'),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                uri.push('%');
                uri.push(char::from(DIGITS[usize::from(byte >> 4)]));
                uri.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    uri + "?immutable=1"
}

/// Returns whether there is a write-ahead log that is not empty.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|metadata| metadata.len() > 0)
}

fn warn_of_old_sqlite() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if rusqlite::version_number() < SQLITE_WAL_RESET_FIXED {
            log::warn!(
                "SQLite {} can corrupt a file when two connections write and checkpoint at the \
                 same moment: build with SQLite 3.51.3 or later, which rusqlite 0.39 and later bundle",
                rusqlite::version()
            );
        }
    });
}
