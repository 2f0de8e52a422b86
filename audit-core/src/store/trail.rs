//! What tools ask of a store beside queries.

use std::path::Path;

use uuid::Uuid;

use super::follow::Follow;
use super::health::Health;
use super::query::Query;
use crate::entry::LogEntry;
use crate::error::StoreError;

/// Answers what tools ask of a trail beside queries: entries by id, the models, the state of the
/// store.
///
/// The command `auditlog` works on any store that implements it. The conformance suite of
/// `audit-testkit` checks it.
pub trait TrailStore: Follow {
    /// Returns the entries that have one of the ids, in the order of the ids given. Ids without
    /// an entry are left out.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError>;

    /// Returns the entries whose id begins with some hexadecimal digits, ordered by id and at
    /// most `limit` of them. Hyphens are ignored; a text that begins no id matches nothing.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// Returns the entries whose id ends with some hexadecimal digits, ordered by id and at most
    /// `limit` of them. Hyphens are ignored; an empty text, and one that ends no id, matches
    /// nothing. May read all ids.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// Returns the stored names of all models, sorted and each once; an event has the empty one.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    fn models(&self) -> Result<Vec<String>, StoreError>;

    /// Returns the version of the store's tables; `None` if it has no tables.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    fn schema_version(&self) -> Result<Option<u32>, StoreError>;

    /// Reads all of the store, and reports its state and how it would run some queries, each with
    /// a text that names it.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read. Damage is a problem in the report, not an
    /// error.
    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError>;

    /// Returns the rows that this store's readers have skipped so far because they are not
    /// entries. Empty unless the store was opened to skip such rows.
    fn damaged(&self) -> DamageReport {
        DamageReport::default()
    }

    /// Returns the path of the file, if the store is one.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// Copies the store, as it is at one moment, to a new file.
    ///
    /// # Errors
    /// Returns [`StoreError::Unsupported`] unless the store implements it.
    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let _: &Path = to;
        Err(StoreError::Unsupported {
            operation: "be copied to a file",
        })
    }
}

/// The rows that readers of a store skipped because they are not entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamageReport {
    /// The first 1,000 rows.
    pub rows: Vec<DamagedRow>,
    /// Whether there were more.
    pub more: bool,
}

impl DamageReport {
    /// Makes a report.
    pub fn new(rows: Vec<DamagedRow>, more: bool) -> Self {
        Self { rows, more }
    }
}

/// A row that is not an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedRow {
    /// The key of the row.
    pub key: String,
    /// What is wrong with it.
    pub detail: String,
}

impl DamagedRow {
    /// Makes the report of a row.
    pub fn new(key: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            detail: detail.into(),
        }
    }
}
