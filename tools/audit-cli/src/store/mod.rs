//! The stores that a command works on, with one face.

mod file;
mod place;
#[cfg(feature = "postgres")]
mod server;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use audit_core::{LogEntry, Query, Store, StoreError};
use serde::Serialize;
use uuid::Uuid;

pub(crate) use self::place::Place;
#[cfg(feature = "postgres")]
pub(crate) use self::place::{Server, schema, url};
use crate::error::Error;
use crate::text;

/// The access of a command to the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It reads, and writes nothing, not even that it reads.
    Read,
    /// It writes.
    Write,
    /// It writes, and a store that does not exist is made.
    Create,
}

/// The questions of commands that not every store answers.
pub(crate) trait TrailStore: Store {
    /// Returns the entries whose id begins with some digits, by id.
    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// Returns the entries whose id ends with some digits, by id.
    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// Returns the entries that have one of the ids.
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError>;

    /// Returns the stored names of all models, sorted.
    fn models(&self) -> Result<Vec<String>, StoreError>;

    /// Returns the version of the tables.
    fn schema_version(&self) -> Result<u32, StoreError>;

    /// Begins to follow what is written from now on.
    fn follow(&self) -> Result<Box<dyn Follow>, StoreError>;

    /// Returns the file, if the store is one.
    fn file(&self) -> Option<&Path>;

    /// Returns the rows that were passed over because they are no entries, as sentences.
    fn damaged(&self) -> Vec<String> {
        Vec::new()
    }

    /// Copies the store to a new file.
    fn backup(&self, _to: &Path) -> Result<(), StoreError> {
        Err(StoreError::Unsupported {
            operation: "be copied to a file by this command",
        })
    }

    /// Reads all of the store and tells how it is, and how it finds the answers to questions.
    fn examine(&self, questions: &[(&'static str, Query)]) -> Result<Health, StoreError>;
}

/// The entries written after a moment, in the order of commits.
pub(crate) trait Follow: fmt::Debug {
    /// Returns what comes next, no more than `limit` entries; none if there is nothing for the
    /// moment.
    fn next(&mut self, limit: usize) -> Result<Vec<LogEntry>, StoreError>;
}

/// The state of a store.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) place: Named,
    pub(crate) entries: u64,
    /// The version of the tables, and the highest that is known.
    pub(crate) schema: Option<u32>,
    pub(crate) schema_known: u32,
    pub(crate) engine: Engine,
    pub(crate) sizes: Option<Sizes>,
    pub(crate) partitions: Option<Partitions>,
    pub(crate) indexes: Vec<Plan>,
    pub(crate) problems: Vec<Problem>,
}

/// Where a store is, as JSON names it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Named {
    #[serde(rename = "path")]
    File(String),
    #[cfg(feature = "postgres")]
    Database(String),
}

/// The database of a store.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Engine {
    Sqlite {
        sqlite: &'static str,
        journal_mode: Option<String>,
    },
    #[cfg(feature = "postgres")]
    Postgres { postgres: String },
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { sqlite, .. } => write!(f, "SQLite {sqlite}"),
            #[cfg(feature = "postgres")]
            Self::Postgres { postgres } => write!(f, "PostgreSQL {postgres}"),
        }
    }
}

/// The size of a store.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Sizes {
    File {
        file_bytes: u64,
        free_bytes: u64,
        wal_bytes: u64,
        entry_bytes: u64,
        bytes_an_entry: u64,
    },
    #[cfg(feature = "postgres")]
    Tables {
        table_bytes: u64,
        index_bytes: u64,
        bytes_an_entry: u64,
    },
}

impl Sizes {
    /// Tells of them for people.
    pub(crate) fn told(&self, entries: u64) -> String {
        match self {
            Self::File {
                file_bytes,
                free_bytes,
                wal_bytes,
                entry_bytes,
                bytes_an_entry,
            } => format!(
                "{} bytes, {} of them free, {} in the write-ahead log; {} an entry, of which {} \
                 are the entry itself",
                text::thousands(*file_bytes),
                text::thousands(*free_bytes),
                text::thousands(*wal_bytes),
                text::thousands(*bytes_an_entry),
                text::thousands(entry_bytes.checked_div(entries).unwrap_or_default()),
            ),
            #[cfg(feature = "postgres")]
            Self::Tables {
                table_bytes,
                index_bytes,
                bytes_an_entry,
            } => format!(
                "{} bytes, and {} of indexes; {} an entry",
                text::thousands(*table_bytes),
                text::thousands(*index_bytes),
                text::thousands(*bytes_an_entry),
            ),
        }
    }
}

/// The partitions of months.
#[derive(Debug, Serialize)]
pub(crate) struct Partitions {
    pub(crate) months: usize,
    /// Those of this month and the next that are not there.
    pub(crate) missing: Vec<String>,
    /// The number of entries outside of the months that have one.
    pub(crate) rest_entries: u64,
}

/// The plan of a frequent query.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    pub(crate) question: &'static str,
    /// Whether an index leads to the entries.
    pub(crate) indexed: bool,
    pub(crate) steps: Vec<String>,
}

/// Something that is not as it should be, and what to do about it.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    pub(crate) what: String,
    pub(crate) advice: &'static str,
}

/// Asks how each question is answered, until a store is too damaged to tell.
fn plans(
    questions: &[(&'static str, Query)],
    advice: &'static str,
    explain: impl Fn(&Query) -> Result<Vec<String>, StoreError>,
    reads_all: impl Fn(&str) -> bool,
    damage: Damage,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Plan>, StoreError> {
    let mut plans = Vec::new();
    for (question, query) in questions {
        let Some(steps) = damage.found(explain(query), problems)? else {
            break;
        };
        let indexed = !steps.iter().any(|step| reads_all(step));
        if !indexed {
            problems.push(Problem {
                what: format!("{question}: no index leads to the entries"),
                advice,
            });
        }
        plans.push(Plan {
            question,
            indexed,
            steps,
        });
    }
    Ok(plans)
}

/// The damage, and the remedy.
#[derive(Clone, Copy, Debug)]
struct Damage {
    what: &'static str,
    advice: &'static str,
}

impl Damage {
    /// Takes damage down as a problem, and passes on any other error.
    fn found<T>(
        self,
        result: Result<T, StoreError>,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<T>, StoreError> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(StoreError::Corrupt { detail, .. }) => {
                problems.push(Problem {
                    what: format!("the {} is damaged: {detail}", self.what),
                    advice: self.advice,
                });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The stores that the command has opened, to ask in the end what they passed over.
static OPENED: Mutex<Vec<Arc<dyn TrailStore>>> = Mutex::new(Vec::new());

/// Opens a store.
pub(crate) fn open(place: &Place, need: Need) -> Result<Arc<dyn TrailStore>, Error> {
    let store: Arc<dyn TrailStore> = match place {
        Place::File(path) => Arc::new(file::open(path, need)?),
        #[cfg(feature = "postgres")]
        Place::Server(server) => Arc::new(server.open(need)?),
        #[cfg(not(feature = "postgres"))]
        Place::Server(server) => return Err(server.absent()),
    };
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    opened.push(Arc::clone(&store));
    Ok(store)
}

/// Closes what was opened, and returns what was passed over, each once.
pub(crate) fn passed_over() -> Vec<String> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let stores = std::mem::take(&mut *opened);
    let mut told: Vec<String> = stores.iter().flat_map(|store| store.damaged()).collect();
    let mut known = std::collections::HashSet::new();
    told.retain(|row| known.insert(row.clone()));
    told
}

/// Returns whether there is a store.
pub(crate) fn exists(place: &Place) -> Result<bool, Error> {
    match place {
        Place::File(path) => Ok(path.exists()),
        #[cfg(feature = "postgres")]
        Place::Server(server) => Ok(server.exists()?),
        #[cfg(not(feature = "postgres"))]
        Place::Server(server) => Err(server.absent()),
    }
}
