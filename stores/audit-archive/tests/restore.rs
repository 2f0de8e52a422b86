//! Entries of an archive come back into a store with their bytes.

#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::fs;

use audit_archive::{
    ArchiveOptions, ArchiveStore, Archiver, Error, Pruner, Verifier, plan_restore, restore, verify,
};
use audit_core::{
    Batch, Follow, LogEntry, MemoryStore, Page, Position, Query, Store, StoreError, Stored,
    TrailStore,
};
use audit_sqlite::SqliteStore;

use self::scratch::{Folder, trail};

fn archived(store: &MemoryStore) -> (Folder, ArchiveStore) {
    let folder = Folder::new();
    let options = ArchiveOptions::new().create(true).segment_entries(300);
    let archiver = Archiver::new(store.clone(), folder.location()).options(options);
    archiver.run_once().expect("a run");
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    (folder, archive)
}

fn exported(store: &dyn Store, query: &Query) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |text: &str| {
        lines.push(text.to_owned());
        Ok(())
    };
    store.export(query, &mut line).expect("exported");
    lines
}

#[test]
fn restored_entries_have_the_bytes_of_the_originals() {
    let hot = trail(1_250, 121);
    let (_folder, archive) = archived(&hot);
    let database = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(database.path().join("audit.db")).expect("a store");
    let users = Query::new().model_name("User");
    let count = hot.count(&users).expect("a count");
    let planned = plan_restore(&archive, &store, &users).expect("planned");
    assert_eq!((planned.restored, planned.existing), (count, 0));
    assert_eq!(store.count(&Query::new()).expect("a count"), 0);
    let restored = restore(&archive, &store, &users).expect("restored");
    assert_eq!((restored.restored, restored.existing), (count, 0));
    assert_eq!(exported(&store, &Query::new()), exported(&hot, &users));

    let restored = restore(&archive, &store, &Query::new()).expect("restored");
    assert_eq!(
        (restored.restored, restored.existing),
        (1_250 - count, count)
    );
    assert_eq!(
        exported(&store, &Query::new()),
        exported(&hot, &Query::new())
    );
    assert!(store.check().expect("checked").is_ok());
}

#[test]
fn the_limit_and_the_order_of_the_query_apply() {
    let hot = trail(700, 122);
    let (_folder, archive) = archived(&hot);
    let store = MemoryStore::new();
    let newest = Query::new().newest_first().limit(600);
    assert_eq!(
        restore(&archive, &store, &newest)
            .expect("restored")
            .restored,
        600
    );
    let expected = hot.find(&newest).expect("found").entries;
    assert_eq!(store.find(&newest).expect("found").entries, expected);
    let nothing = restore(&archive, &store, &Query::new().limit(0)).expect("restored");
    assert_eq!((nothing.restored, nothing.existing), (0, 0));
}

#[test]
fn pruned_entries_return_and_the_archiver_continues() {
    let hot = trail(700, 123);
    let before = exported(&hot, &Query::new());
    let (folder, archive) = archived(&hot);
    let location = folder.location();
    assert_eq!(
        Pruner::new(&hot, &location).run().expect("pruned").removed,
        699
    );
    let restored = restore(&archive, &hot, &Query::new()).expect("restored");
    assert_eq!((restored.restored, restored.existing), (699, 1));
    assert_eq!(exported(&hot, &Query::new()), before);
    // They are archived again, and readers return each once.
    let archiver = Archiver::new(hot.clone(), location.clone());
    assert_eq!(archiver.run_once().expect("a run").entries, 699);
    assert_eq!(exported(&archive, &Query::new()), before);
    assert_eq!(archive.count(&Query::new()).expect("a count"), 700);
    let found = Verifier::new(&location)
        .against(&hot)
        .run()
        .expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!(
        Pruner::new(&hot, &location).run().expect("pruned").removed,
        699
    );
}

#[test]
fn nothing_of_a_damaged_part_is_restored_and_another_entry_is_a_conflict() {
    let hot = trail(50, 124);
    let (folder, _) = archived(&hot);
    let store = MemoryStore::new();
    let mut entry = hot
        .find(&Query::new().limit(1))
        .expect("found")
        .entries
        .remove(0);
    entry.reason = Some("another".to_owned());
    store.append(&[entry.clone()]).expect("appended");
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    let error = restore(&archive, &store, &Query::new()).expect_err("a conflict");
    assert!(
        matches!(error, Error::Store(StoreError::Conflict { id }) if id == entry.id),
        "{error}"
    );
    assert_eq!(store.by_ids(&[entry.id]).expect("found"), [entry]);

    let files = folder.files();
    let (name, bytes) = files
        .iter()
        .find(|(name, _)| name.ends_with(".parquet"))
        .expect("a file");
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    fs::write(folder.file(name), damaged).expect("written");
    let (archive, store) = (
        ArchiveStore::open(folder.location()).expect("an archive"),
        MemoryStore::new(),
    );
    let error = restore(&archive, &store, &Query::new()).expect_err("damaged");
    assert!(
        matches!(&error, Error::Corrupt { path, .. } if path == name),
        "{error}"
    );
    assert!(store.is_empty());
}

/// A trail whose bytes have a space after the first brace, as another program may have written them.
#[derive(Debug)]
struct Spaced(MemoryStore);

impl Store for Spaced {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.0.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.0.find(query)
    }
}

impl Follow for Spaced {
    fn position(&self) -> Result<Position, StoreError> {
        self.0.position()
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let batch = self.0.committed_after(at, limit)?;
        let spaced = |stored: Stored| {
            let mut bytes = stored.bytes().to_vec();
            if stored.id().as_u128().is_multiple_of(3) {
                bytes.insert(1, b' ');
            }
            Stored::new(stored.id(), bytes, stored.position().clone())
        };
        let entries = batch.entries.into_iter().map(spaced);
        Ok(Batch::new(entries.collect(), batch.next))
    }
}

#[test]
fn entries_that_are_not_in_canonical_form_are_skipped() {
    let hot = trail(60, 125);
    let entries = hot.find(&Query::new().limit(100)).expect("found").entries;
    let spaced = entries
        .iter()
        .filter(|entry| entry.id.as_u128().is_multiple_of(3))
        .count() as u64;
    assert!(spaced > 5, "{spaced} entries");
    let folder = Folder::new();
    let options = ArchiveOptions::new().create(true);
    let archiver = Archiver::new(Spaced(hot), folder.location()).options(options);
    assert_eq!(archiver.run_once().expect("a run").entries, 60);
    assert!(verify(&folder.location()).expect("verified").is_clean());
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    let store = MemoryStore::new();
    for (restored, existing) in [(60 - spaced, 0), (0, 60 - spaced)] {
        let done = restore(&archive, &store, &Query::new()).expect("restored");
        assert_eq!((done.restored, done.existing), (restored, existing));
        assert_eq!(done.skipped, spaced);
    }
    assert_eq!(store.len() as u64, 60 - spaced);
}
