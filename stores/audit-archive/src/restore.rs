//! [`restore`]: entries of an archive back into a store.

use std::collections::BTreeMap;

use audit_core::backend::limit;
use audit_core::{LogEntry, Query, StoreError, TrailStore};
use uuid::Uuid;

use crate::error::Error;
use crate::federated::followed;
use crate::store::ArchiveStore;

/// The number of entries that are appended at once.
const AT_ONCE: usize = 500;

/// The result of [`restore`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// The count of entries that were appended to the store.
    pub restored: u64,
    /// The count of entries that the store already had.
    pub existing: u64,
    /// The count of entries that were not copied, since their bytes are not in canonical form: a store would
    /// write other bytes. A warning in the log names each.
    pub skipped: u64,
}

/// Copies the entries that a query matches from an archive to a store: those of a time range, of an object,
/// or all. The limit and the cursor of the query apply.
///
/// Each byte is verified while it is read, as in all queries of an [`ArchiveStore`]. The store has the same
/// canonical bytes afterwards; an entry with other bytes than the canonical ones is skipped. Entries with an id that the store has are compared and not appended, so after
/// an error another call continues.
///
/// An archiver that follows the store archives the restored entries again. Readers return each once.
///
/// # Errors
/// - Returns [`Error::Corrupt`] if a part of the archive that it reads is damaged or missing.
/// - Returns [`Error::Store`] if the store fails; with [`StoreError::Conflict`] it has another entry with an
///   id.
/// - Returns another error if the archive cannot be read.
///
/// # Example: restore the entries of an object
/// ```
/// use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Location, restore};
/// use audit_core::{LogEntry, MemoryStore, Query, Store};
///
/// # let folder = std::env::temp_dir().join(format!("audit-archive-restore-{}", std::process::id()));
/// let hot = MemoryStore::new();
/// hot.append(&["1", "2"].map(|pk| LogEntry::new("create", "User", pk, "bob")))?;
/// let location = Location::folder(&folder)?;
/// let options = ArchiveOptions::new().create(true);
/// Archiver::new(hot, location.clone()).options(options).run_once()?;
///
/// let archive = ArchiveStore::open(location)?;
/// let store = MemoryStore::new();
/// let query = Query::new().model_name("User").object_pk(2);
/// assert_eq!(restore(&archive, &store, &query)?.restored, 1);
/// assert_eq!(restore(&archive, &store, &query)?.existing, 1);
/// assert_eq!(store.len(), 1);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn restore(
    archive: &ArchiveStore,
    into: &dyn TrailStore,
    query: &Query,
) -> Result<Restored, Error> {
    copy(archive, into, query, &|missing| into.append(missing))
}

/// Returns what [`restore`] would copy, and appends nothing. It reads and compares the same entries.
///
/// # Errors
/// Returns the errors of [`restore`].
pub fn plan_restore(
    archive: &ArchiveStore,
    into: &dyn TrailStore,
    query: &Query,
) -> Result<Restored, Error> {
    copy(archive, into, query, &|_| Ok(()))
}

fn copy(
    archive: &ArchiveStore,
    into: &dyn TrailStore,
    query: &Query,
    append: &dyn Fn(&[LogEntry]) -> Result<(), StoreError>,
) -> Result<Restored, Error> {
    let mut left = limit(query).unwrap_or(usize::MAX);
    let mut reader = archive.reader(query)?;
    let mut restored = Restored::default();
    // Through a `Federated`, each entry would exist.
    let hot = followed(into);
    while left > 0 {
        let found = reader.take(left.min(AT_ONCE))?;
        if found.is_empty() {
            break;
        }
        left -= found.len();
        let ids: Vec<Uuid> = found.iter().map(|found| found.entry.id).collect();
        let existing = hot.by_ids(&ids)?;
        let existing: BTreeMap<Uuid, LogEntry> = existing
            .into_iter()
            .map(|entry| (entry.id, entry))
            .collect();
        let mut missing = Vec::new();
        for found in found {
            // A store writes the canonical form.
            if found.entry.to_canonical_json()?.as_bytes() != &found.body[..] {
                log::warn!(
                    "entry {} is not restored: its bytes in the archive are not in canonical form",
                    found.entry.id
                );
                restored.skipped += 1;
                continue;
            }
            match existing.get(&found.entry.id) {
                Some(entry) if *entry == found.entry => restored.existing += 1,
                Some(entry) => return Err(StoreError::Conflict { id: entry.id }.into()),
                None => missing.push(found.entry),
            }
        }
        append(&missing)?;
        restored.restored += missing.len() as u64;
    }
    Ok(restored)
}
