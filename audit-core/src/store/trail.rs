//! The operations of tools on a store beside queries.

use std::path::Path;

use uuid::Uuid;

use super::follow::Follow;
use super::health::Health;
use super::query::Query;
use crate::entry::LogEntry;
use crate::error::StoreError;

/// Provides the operations that tools need beside queries: entries by id, the models, the health of the
/// store.
///
/// The command `auditlog` works on any store that implements it. The conformance suite of
/// `audit-testkit` checks it.
///
/// # Example: an entry by the beginning of its id
/// ```
/// use auditlog::{LogEntry, MemoryStore, Store, TrailStore};
///
/// let store = MemoryStore::new();
/// let entry = LogEntry::new("create", "User", "42", "bob");
/// store.append(&[entry.clone()])?;
///
/// let prefix = entry.id.simple().to_string()[..8].to_owned();
/// assert_eq!(store.with_id_prefix(&prefix, 2)?, [entry.clone()]);
/// assert_eq!(store.by_ids(&[entry.id])?, [entry]);
/// assert_eq!(store.models()?, ["User"]);
/// # Ok::<(), auditlog::StoreError>(())
/// ```
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

    /// Reads the entire store, and reports its state and how it would run some queries, each with a text
    /// that identifies it in the report.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read. Damage is a problem in the report, not an error.
    ///
    /// # Example: a store without problems
    /// ```
    /// use auditlog::{MemoryStore, TrailStore};
    ///
    /// let health = MemoryStore::new().health(&[])?;
    /// assert_eq!(health.entries, 0);
    /// assert!(health.problems.is_empty());
    /// # Ok::<(), auditlog::StoreError>(())
    /// ```
    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError>;

    /// Removes the entries that have one of the ids and stored bytes with the SHA-256 beside it, and returns
    /// how many there were. Ids without an entry, and with an entry of other bytes, are ignored.
    ///
    /// [`Store::purge`](crate::Store::purge) removes by conditions. This removes exactly the entries that
    /// the caller has verified elsewhere, such as in an archive.
    ///
    /// # Errors
    /// Returns [`StoreError::Unsupported`] unless the store implements it. A store may remove in
    /// steps: after an error some are gone, and calling again continues.
    fn purge_exact(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
        let _: &[(Uuid, [u8; 32])] = entries;
        Err(StoreError::Unsupported {
            operation: "remove entries by id",
        })
    }

    /// Returns the store whose commits [`Follow`] returns, if this store reads others beside it, such as an archive.
    /// By default `None`: it is this store.
    ///
    /// [`by_ids`](Self::by_ids) of the followed store finds only entries that followers get.
    fn followed(&self) -> Option<&dyn TrailStore> {
        None
    }

    /// Returns the rows that this store's readers have skipped so far because they are not
    /// entries. Empty unless the store was opened to skip such rows.
    fn damaged(&self) -> DamageReport {
        DamageReport::default()
    }

    /// Returns the path of the file, if the store is one.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// Copies the store, in the state of one moment, to a new file. Other callers may write in the meantime.
    ///
    /// # Errors
    /// - Returns [`StoreError::Unsupported`] if the store does not implement it.
    /// - Returns another error if the store cannot be read or the file cannot be written.
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
    /// Whether there are more damaged rows than these.
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
    /// A description of the damage.
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
