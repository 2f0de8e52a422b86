//! Opens a file and reads entries from it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};

use audit_core::LogEntry;
use rusqlite::{Connection, OpenFlags};

use crate::error::ImportError;
use crate::format::Format;
use crate::losses::{Columns, Report};
use crate::schema::Schema;
use crate::source::{Reading, Source, Step};
use crate::{audited, continuum, django_auditlog, paper_trail, simple_history};

/// The number of rows whose positions are read at once.
const BATCH: usize = 256;

/// Returns the libraries whose audit tables a SQLite file has, in the order of their names.
///
/// # Errors
/// Returns [`ImportError::Open`] if the file cannot be read or is not a SQLite database.
pub fn detect(path: impl AsRef<Path>) -> Result<Vec<Format>, ImportError> {
    let path = path.as_ref();
    let connection = connect(path)?;
    let sources = find(&connection)?;
    Ok(sources.iter().map(|source| source.format()).collect())
}

/// Audit tables of other libraries in a SQLite file.
///
/// The file is opened read-only and read in one transaction, so that a program that writes to it
/// does not change the order. Rows are sorted in SQLite's temporary files; memory holds a few
/// hundred row numbers and the current row.
///
/// # Example: into a store
/// ```
/// use auditlog::{MemoryStore, Store};
/// use audit_import::Import;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let file = folder.path().join("app.sqlite3");
/// # let connection = rusqlite::Connection::open(&file).unwrap();
/// # connection.execute_batch("
/// #     CREATE TABLE audits (id INTEGER PRIMARY KEY, auditable_id INTEGER, auditable_type TEXT, user_id INTEGER,
/// #         username TEXT, action TEXT, audited_changes TEXT, version INTEGER, comment TEXT, created_at DATETIME);
/// #     INSERT INTO audits VALUES (1, 7, 'Ticket', 3, NULL, 'update', '{\"title\":[\"a\",\"b\"]}', 2, 'typo', '2024-02-29 10:00:00');
/// # ").unwrap();
/// let store = MemoryStore::new();
/// let import = Import::open(&file)?;
/// let mut entries = import.entries()?;
/// for entry in &mut entries {
///     store.append(&[entry?])?;
/// }
/// for loss in entries.report().losses() {
///     eprintln!("{loss}");
/// }
///
/// let ticket = auditlog::AuditLog::builder().store(store).build();
/// let ticket = ticket.history_of(auditlog::ObjectRef::new("Ticket", "7"))?;
/// assert_eq!(ticket.latest().state["title"], "b");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Import {
    path: PathBuf,
    connection: Connection,
    sources: Vec<Box<dyn Source>>,
    columns: Columns,
    plans: Cell<u64>,
}

/// The fields that [`Import::column`] can map a column to.
const PARTS: [&str; 4] = ["correlation_id", "reason", "remote_addr", "trace_id"];

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("path", &self.path)
            .field("formats", &self.formats())
            .finish_non_exhaustive()
    }
}

impl Import {
    /// Opens a file and finds the audit tables it has.
    ///
    /// # Errors
    /// - Returns [`ImportError::Open`] if the file cannot be read or is not a SQLite database.
    /// - Returns [`ImportError::NothingFound`] if it has no audit tables of a known library.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ImportError> {
        let path = path.as_ref();
        let connection = connect(path)?;
        let sources = find(&connection)?;
        if sources.is_empty() {
            return Err(ImportError::NothingFound {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            connection,
            sources,
            columns: Columns::default(),
            plans: Cell::new(0),
        })
    }

    /// Reads the tables of one library only.
    ///
    /// # Errors
    /// Returns [`ImportError::NotFound`] if the file has no tables of this library.
    pub fn format(mut self, format: Format) -> Result<Self, ImportError> {
        self.sources.retain(|source| source.format() == format);
        if self.sources.is_empty() {
            return Err(ImportError::NotFound {
                path: self.path,
                format,
            });
        }
        Ok(self)
    }

    /// Maps a column to a field of the entry: `correlation_id`, `reason`, `remote_addr` or
    /// `trace_id`. Columns that applications add with a common name, such as `remote_ip` or
    /// `request_id`, are mapped already; others are kept in `additional_data`.
    ///
    /// # Errors
    /// - Returns [`ImportError::NoColumn`] if no table has the column.
    /// - Returns [`ImportError::NoPart`] if `part` is not one of the four.
    pub fn column(mut self, column: &str, part: &str) -> Result<Self, ImportError> {
        let Some(part) = PARTS.into_iter().find(|known| *known == part) else {
            return Err(ImportError::NoPart {
                part: part.to_owned(),
                parts: &PARTS,
            });
        };
        let exists: bool = self
            .connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_master AS t, pragma_table_info(t.name) AS c \
                 WHERE t.type = 'table' AND c.name = ?1)",
                [column],
                |row| row.get(0),
            )
            .map_err(|error| ImportError::read("the schema", error))?;
        if !exists {
            return Err(ImportError::NoColumn {
                path: self.path,
                column: column.to_owned(),
            });
        }
        self.columns.insert(column.to_owned(), part);
        Ok(self)
    }

    /// Returns the libraries whose tables are read.
    pub fn formats(&self) -> Vec<Format> {
        self.sources.iter().map(|source| source.format()).collect()
    }

    /// Starts reading: oldest first, and in the library's own order at equal times.
    ///
    /// # Errors
    /// Returns [`ImportError::Read`] if the tables cannot be read.
    pub fn entries(&self) -> Result<Entries<'_>, ImportError> {
        let mut report = Report::default();
        let mut queues = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            source.report_table_losses(&mut report);
            let plan = self.plans.get();
            self.plans.set(plan + 1);
            queues.push(Queue::plan(&self.connection, &**source, plan)?);
        }
        Ok(Entries {
            connection: &self.connection,
            columns: &self.columns,
            queues,
            report,
        })
    }
}

/// The entries of an import, oldest first; see [`Import::entries`].
///
/// An invalid row is one error ([`ImportError::Row`]), and the rows after it follow; any other
/// error is the last item.
#[derive(Debug)]
pub struct Entries<'i> {
    connection: &'i Connection,
    columns: &'i Columns,
    queues: Vec<Queue<'i>>,
    report: Report,
}

impl Entries<'_> {
    /// Returns the number of rows read so far, and the losses.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<LogEntry, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Usually one queue; of several, the one with the oldest next entry.
        for queue in &mut self.queues {
            if queue.ahead.is_none() {
                queue.ahead = queue.read(self.connection, self.columns, &mut self.report);
            }
        }
        let mut oldest: Option<usize> = None;
        for (index, queue) in self.queues.iter().enumerate() {
            match (&queue.ahead, oldest) {
                (None, _) => {}
                (Some(Err(_)), _) => {
                    oldest = Some(index);
                    break;
                }
                (Some(Ok(entry)), Some(known)) => {
                    let older = match &self.queues[known].ahead {
                        Some(Ok(known)) => entry.timestamp < known.timestamp,
                        _ => false,
                    };
                    if older {
                        oldest = Some(index);
                    }
                }
                (Some(Ok(_)), None) => oldest = Some(index),
            }
        }
        let item = self.queues.get_mut(oldest?)?.ahead.take()?;
        match &item {
            Ok(_) => self.report.count(true),
            Err(error) if error.concerns_one_row() => self.report.count(false),
            Err(_) => self.queues.clear(),
        }
        Some(item)
    }
}

/// The unread rows of one library's tables.
#[derive(Debug)]
struct Queue<'i> {
    source: &'i dyn Source,
    /// The temporary table of the sorted row numbers.
    plan: String,
    /// The last position that was read from it.
    position: i64,
    steps: VecDeque<Step>,
    ahead: Option<Result<LogEntry, ImportError>>,
}

impl<'i> Queue<'i> {
    /// Sorts the rows in a temporary table.
    fn plan(
        connection: &Connection,
        source: &'i dyn Source,
        number: u64,
    ) -> Result<Self, ImportError> {
        let plan = format!("temp.audit_import_{number}");
        connection
            .execute_batch(&format!(
                "CREATE TABLE {plan} (position INTEGER PRIMARY KEY, tbl INTEGER, row INTEGER, \
                 prev INTEGER, next INTEGER, rank INTEGER);
                 INSERT INTO {plan} (tbl, row, prev, next, rank) \
                 SELECT tbl, row, prev, next, {} FROM ({}) \
                 ORDER BY time, grp, tbl, first, second, row;",
                source.rank(),
                source.rows()
            ))
            .map_err(|error| ImportError::read(source.format().as_str(), error))?;
        Ok(Self {
            source,
            plan,
            position: 0,
            steps: VecDeque::new(),
            ahead: None,
        })
    }

    fn read(
        &mut self,
        connection: &Connection,
        columns: &Columns,
        report: &mut Report,
    ) -> Option<Result<LogEntry, ImportError>> {
        if self.steps.is_empty()
            && let Err(error) = self.refill(connection)
        {
            return Some(Err(ImportError::read(self.source.format().as_str(), error)));
        }
        let step = self.steps.pop_front()?;
        let mut reading = Reading {
            connection,
            report,
            columns,
        };
        Some(self.source.entry(&step, &mut reading))
    }

    fn refill(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT position, tbl, row, prev, next, rank FROM {} WHERE position > ?1 \
             ORDER BY position LIMIT {BATCH}",
            self.plan
        ))?;
        let mut rows = statement.query([self.position])?;
        while let Some(row) = rows.next()? {
            self.position = row.get(0)?;
            let table: u32 = row.get(1)?;
            self.steps.push_back(Step {
                table: table as usize,
                row: row.get(2)?,
                prev: row.get(3)?,
                next: row.get(4)?,
                rank: row.get(5)?,
            });
        }
        Ok(())
    }
}

/// Opens a file read-only, and begins the transaction for all reads.
fn connect(path: &Path) -> Result<Connection, ImportError> {
    let open = || {
        // Without `SQLITE_OPEN_URI`: a path is a path.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        // One statement for each table, and a few others.
        connection.set_prepared_statement_cache_capacity(128);
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.execute_batch("PRAGMA temp_store = FILE; PRAGMA trusted_schema = OFF; BEGIN")?;
        // Reads the first page, so that a file that is not a database fails now.
        connection.query_row("SELECT count(*) FROM main.sqlite_master", [], |_| Ok(()))?;
        Ok(connection)
    };
    open().map_err(|error| ImportError::open(path.to_owned(), error))
}

/// Finds the audit tables.
fn find(connection: &Connection) -> Result<Vec<Box<dyn Source>>, ImportError> {
    let schema =
        Schema::read(connection).map_err(|error| ImportError::read("the schema", error))?;
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    for found in [
        audited::find(connection, &schema)?,
        django_auditlog::find(connection, &schema)?,
        simple_history::find(connection, &schema)?,
        paper_trail::find(connection, &schema)?,
        continuum::find(connection, &schema)?,
    ] {
        sources.extend(found);
    }
    Ok(sources)
}
