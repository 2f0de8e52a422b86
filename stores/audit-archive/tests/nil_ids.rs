//! Damaged rows without a readable id have the nil id, and may be the first rows of segments.

#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use audit_archive::{ArchiveOptions, Archiver, Pruner, Verifier};
use audit_core::health::Health;
use audit_core::{
    Batch, Follow, LogEntry, MemoryStore, Page, Position, Query, Store, StoreError, Stored,
    TrailStore,
};
use uuid::Uuid;

use self::scratch::Folder;

/// The action of the entries that are returned as damaged rows.
const DAMAGED: &str = "damaged";

/// A store whose damaged rows have no readable id.
#[derive(Clone, Debug)]
struct NilIds(MemoryStore);

impl Store for NilIds {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.0.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.0.find(query)
    }

    fn as_trail(&self) -> Option<&dyn TrailStore> {
        Some(self)
    }
}

impl Follow for NilIds {
    fn position(&self) -> Result<Position, StoreError> {
        self.0.position()
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let batch = self.0.committed_after(at, limit)?;
        let entries = batch.entries.into_iter().map(|stored| {
            let is_damaged = stored
                .entry()
                .is_ok_and(|entry| entry.action.as_str() == DAMAGED);
            if is_damaged {
                Stored::new(Uuid::nil(), "damaged", stored.position().clone())
            } else {
                stored
            }
        });
        Ok(Batch::new(entries.collect(), batch.next))
    }
}

impl TrailStore for NilIds {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        self.0.by_ids(ids)
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.0.with_id_prefix(prefix, limit)
    }

    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.0.with_id_suffix(suffix, limit)
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        self.0.models()
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        self.0.schema_version()
    }

    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        self.0.health(queries)
    }

    fn purge_exact(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
        self.0.purge_exact(entries)
    }
}

/// Rows 3 and 5 of a trail are damaged; segments have four rows, so row 5 is the first of the second one.
fn archived() -> (Folder, NilIds) {
    let (folder, store) = (Folder::new(), NilIds(MemoryStore::new()));
    for number in 1..=12 {
        let action = if [3, 5].contains(&number) {
            DAMAGED
        } else {
            "create"
        };
        let entry = LogEntry::new(action, "User", number.to_string(), "bob");
        store.append(&[entry]).expect("appended");
    }
    let options = ArchiveOptions::new().create(true).segment_entries(4);
    let archiver = Archiver::new(store.clone(), folder.location()).options(options);
    let report = archiver.run_once().expect("a run");
    assert_eq!(
        (report.entries, report.skipped, report.segments),
        (10, 2, 3)
    );
    (folder, store)
}

#[test]
fn entries_between_damaged_rows_are_compared_with_their_segment() {
    let (folder, store) = archived();
    let found = Verifier::new(&folder.location()).against(&store).run();
    let found = found.expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
}

#[test]
fn entries_between_damaged_rows_are_pruned() {
    let (folder, store) = archived();
    let report = Pruner::new(&store, &folder.location())
        .run()
        .expect("pruned");
    // The damaged rows and the newest archived entry stay.
    assert_eq!((report.removed, report.unverified), (9, 0));
    assert_eq!(store.0.len(), 3);
}
