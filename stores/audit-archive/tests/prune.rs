//! Entries leave the hot store only if an intact file of the archive has them.

#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "scratch/faulty.rs"]
mod faulty;
#[path = "federated/hooked.rs"]
mod hooked;
#[path = "scratch/rewrite.rs"]
mod rewrite;
#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Error, PruneReport, Pruner, Verifier};
use audit_core::health::Health;
use audit_core::{
    Actor, Batch, Follow, LogEntry, MemoryStore, Outcome, Page, Position, Query, Source, Store,
    StoreError, TrailStore,
};
use audit_sqlite::SqliteStore;
use uuid::Uuid;

use self::faulty::{Fault, Faulty};
use self::hooked::Hooked;
use self::rewrite::rewrite;
use self::scratch::{Folder, append, trail};

fn archive(store: impl Follow, folder: &Folder) {
    let options = ArchiveOptions::new()
        .create(true)
        .holder("test")
        .segment_entries(100);
    let archiver = Archiver::new(store, folder.location()).options(options);
    archiver.run_once().expect("a run");
}

#[test]
fn archived_entries_leave_the_hot_store_and_later_ones_stay() {
    let (folder, hot) = (Folder::new(), tempfile::tempdir().expect("a folder"));
    let store = SqliteStore::open(hot.path().join("audit.db")).expect("a store");
    let archived = append(&store, 250, 61);
    archive(store.clone(), &folder);
    // Committed late: their times are those of archived entries.
    let late = append(&store, 20, 62);
    let location = folder.location();
    let planned = Pruner::new(&store, &location)
        .dry_run()
        .run()
        .expect("planned");
    // The newest archived entry stays.
    assert_eq!((planned.removed, planned.unverified), (249, 0));
    assert_eq!(store.count(&Query::new()).expect("a count"), 270);

    let objects = folder.objects();
    let report = Pruner::new(&store, &location).run().expect("pruned");
    assert_eq!(report, planned);
    assert_eq!(
        folder.objects(),
        objects,
        "a prune writes nothing to the archive"
    );
    let ids: Vec<_> = late.iter().map(|entry| entry.id).collect();
    assert_eq!(store.by_ids(&ids).expect("found"), late);
    assert_eq!(store.count(&Query::new()).expect("a count"), 21);
    assert!(store.check().expect("checked").is_ok());
    let again = Pruner::new(&store, &location).run().expect("pruned");
    assert_eq!(again.removed, 0);

    // The archive has what left, and continues with what stayed.
    archive(store.clone(), &folder);
    let archive = ArchiveStore::open(location.clone()).expect("an archive");
    assert_eq!(archive.count(&Query::new()).expect("a count"), 270);
    let first = archived
        .iter()
        .min_by_key(|entry| (entry.timestamp, entry.id));
    let found = archive.find(&Query::new().limit(1)).expect("found").entries;
    assert!(first == found.first() || late.contains(&found[0]));
    let found = Verifier::new(&location)
        .against(&store)
        .run()
        .expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
}

#[test]
fn only_what_a_query_matches_leaves() {
    let (folder, store) = (Folder::new(), MemoryStore::new());
    let entries = append(&store, 249, 63);
    store
        .append(&[LogEntry::new("create", "Note", "1", "the newest")])
        .expect("appended");
    archive(store.clone(), &folder);
    // That of the first segment's last entry.
    let query = Query::new().model_name(&*entries[99].model);
    let matching = store.count(&query).expect("a count");
    let location = folder.location();
    let pruner = Pruner::new(&store, &location).matching(query.clone());
    assert_eq!(pruner.run().expect("pruned").removed, matching);
    assert_eq!(store.count(&query).expect("a count"), 0);
    assert_eq!(store.len() as u64, 250 - matching);
    // Segments whose last entry was removed do not take the entries of the next ones.
    let report = pruner.run().expect("pruned");
    assert_eq!((report.removed, report.unverified), (0, 0));
    let report = Pruner::new(&store, &location).run().expect("pruned");
    assert_eq!((report.removed, report.unverified), (249 - matching, 0));
}

#[test]
fn entries_of_a_damaged_file_stay() {
    let (folder, store) = (Folder::new(), trail(250, 64));
    archive(store.clone(), &folder);
    let files = folder.files();
    let (name, bytes) = files.first_key_value().expect("a file");
    let mut damaged = bytes.clone();
    damaged[100] ^= 1;
    fs::write(folder.file(name), damaged).expect("written");
    let location = folder.location();
    let report = Pruner::new(&store, &location).run().expect("pruned");
    assert_eq!(report.findings[0].path, *name);
    assert_eq!(report.removed + report.unverified, 249);
    assert_eq!(report.unverified, 100, "the segment of the file");
    assert_eq!(store.len(), 101);

    fs::write(folder.file(name), bytes).expect("written");
    let report = Pruner::new(&store, &location).run().expect("pruned");
    assert_eq!((report.removed, store.len()), (100, 1));
}

#[test]
fn nothing_leaves_if_the_chain_is_not_intact_or_of_another_trail() {
    let (folder, store) = (Folder::new(), trail(250, 65));
    archive(store.clone(), &folder);
    let location = folder.location();
    let error = Pruner::new(&trail(250, 66), &location)
        .run()
        .expect_err("another trail");
    assert!(
        matches!(error, Error::Store(StoreError::InvalidPosition { .. })),
        "{error}"
    );
    let manifest = folder.file("manifest/00000002.json");
    let bytes = fs::read(&manifest).expect("a manifest");
    fs::remove_file(&manifest).expect("removed");
    let error = Pruner::new(&store, &location).run().expect_err("a gap");
    assert!(matches!(error, Error::Gap { number: 2 }), "{error}");
    let mut damaged = bytes;
    damaged[200] ^= 1;
    fs::write(&manifest, damaged).expect("written");
    let error = Pruner::new(&store, &location).run().expect_err("damaged");
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert_eq!(store.len(), 250);
}

#[test]
fn entries_that_a_follower_has_not_read_stay() {
    let (folder, store) = (Folder::new(), trail(250, 67));
    archive(store.clone(), &folder);
    let location = folder.location();
    let read = store.committed_after(&Position::START, 130).expect("read");
    let ends = [store.position().expect("a position"), read.next];
    let [at_the_end, behind] = ends;
    let pruner = Pruner::new(&store, &location)
        .behind("ledger", at_the_end)
        .behind("search", behind);
    let report = pruner.run().expect("pruned");
    assert_eq!(report.held_back_by.as_deref(), Some("search"));
    assert_eq!((report.removed, report.unverified), (130, 0));
    assert_eq!(store.len(), 120);
    let report = pruner.run().expect("pruned");
    assert_eq!(report.removed, 0, "the follower has read nothing since");
}

#[test]
fn nothing_leaves_without_an_archive() {
    let (folder, store) = (Folder::new(), trail(5, 69));
    let location = folder.location();
    let error = Pruner::new(&store, &location)
        .run()
        .expect_err("no archive");
    assert!(matches!(error, Error::NoArchive { .. }), "{error}");
    assert_eq!(store.len(), 5);
}

#[test]
fn nothing_leaves_while_a_manifest_has_holds() {
    let (folder, store) = (Folder::new(), trail(50, 70));
    archive(store.clone(), &folder);
    rewrite(
        &folder,
        2,
        "\"holds\":[]",
        "\"holds\":[{\"query\":\"model:User\"}]",
    );
    let location = folder.location();
    let error = Pruner::new(&store, &location).run().expect_err("holds");
    assert!(matches!(error, Error::OnHold { .. }), "{error}");
    assert!(
        error.to_string().contains("manifest/00000002.json"),
        "{error}"
    );
    assert_eq!(store.len(), 50);
}

/// A follower's first unread entry leaves the store during the run: the entries after it still stay.
#[test]
fn entries_after_one_that_a_follower_has_not_read_stay_when_it_leaves() {
    for step in 0..8 {
        let (folder, store) = (Folder::new(), trail(250, 68));
        archive(store.clone(), &folder);
        let read = store.committed_after(&Position::START, 100);
        let read = read.expect("a batch").next;
        let unread = store.committed_after(&read, 1).expect("a batch").entries[0].id();
        let steps = AtomicUsize::new(0);
        let moved = Hooked::new(store.clone(), {
            let store = store.clone();
            move || {
                if steps.fetch_add(1, Ordering::SeqCst) == step {
                    let entry = store.by_ids(&[unread]).expect("found").remove(0);
                    let bytes = entry.to_canonical_json().expect("JSON");
                    let checksum = audit_sql::checksum(bytes.as_bytes());
                    store.purge_exact(&[(unread, checksum)]).expect("removed");
                }
            }
        });
        let location = folder.location();
        let pruner = Pruner::new(&moved, &location).behind("stream", read);
        let report = pruner.dry_run().run().expect("planned");
        assert!(report.removed <= 101, "step {step}: {report:?}");
        assert_eq!(
            report.held_back_by.as_deref(),
            Some("stream"),
            "step {step}"
        );
    }
}

#[test]
fn a_file_that_is_damaged_after_a_run_is_verified_again_by_the_next() {
    let (folder, store) = (Folder::new(), trail(100, 69));
    archive(store.clone(), &folder);
    let location = folder.location();
    let pruner = Pruner::new(&store, &location).dry_run();
    assert_eq!(pruner.run().expect("planned").removed, 99);
    for name in folder.files().keys() {
        fs::write(folder.file(name), "PAR1").expect("written");
    }
    let report = pruner.run().expect("planned");
    assert_eq!((report.removed, report.unverified), (0, 99));
}

/// Entries leave the store at any moment of a verification: none is reported as missing.
#[test]
fn entries_that_leave_the_store_while_it_is_verified_are_not_missing() {
    let steps_of = |step: usize| {
        let (folder, store) = (Folder::new(), trail(600, 71));
        archive(store.clone(), &folder);
        // Some entries of each segment leave, and others stay.
        let leaves = Query::new().model_name("User");
        let steps = Arc::new(AtomicUsize::new(0));
        let pruned = Hooked::new(store.clone(), {
            let (steps, store, location) = (Arc::clone(&steps), store.clone(), folder.location());
            move || {
                if steps.fetch_add(1, Ordering::SeqCst) == step {
                    let pruner = Pruner::new(&store, &location).matching(leaves.clone());
                    assert!(pruner.run().expect("pruned").removed > 50);
                }
            }
        });
        let location = folder.location();
        let found = Verifier::new(&location).against(&pruned).run();
        let found = found.expect("verified");
        assert!(found.is_clean(), "step {step}: {:#?}", found.findings);
        steps.load(Ordering::SeqCst)
    };
    let steps = steps_of(usize::MAX);
    assert!(steps > 10, "{steps} steps");
    for step in 0..steps {
        steps_of(step);
    }
}

#[test]
fn a_removal_is_recorded_before_it_and_records_stay() {
    let (folder, hot) = (Folder::new(), tempfile::tempdir().expect("a folder"));
    let store = SqliteStore::open(hot.path().join("audit.db")).expect("a store");
    append(&store, 250, 72);
    archive(store.clone(), &folder);
    let location = folder.location();
    let pruner = || Pruner::new(&store, &location).record(Actor::user("carol"), "policy 7");
    let planned = pruner().dry_run().run().expect("planned");
    assert_eq!(store.count(&Query::new()).expect("a count"), 250);
    let report = pruner().run().expect("pruned");
    assert_eq!((report.removed, planned.removed), (249, 249));
    let records = || {
        let query = Query::new().action("prune");
        store.find(&query).expect("found").entries
    };
    let found = records();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].additional_data["count"], 249);
    assert_eq!(found[0].actor, Some(Actor::user("carol")));
    assert_eq!(found[0].reason.as_deref(), Some("policy 7"));
    let check = store.check().expect("checked");
    assert_eq!(check.pruned, 249);
    assert!(check.is_ok());

    // The record is archived, and stays; a run without entries to remove has no record.
    archive(store.clone(), &folder);
    assert_eq!(pruner().run().expect("pruned").removed, 1);
    assert_eq!(pruner().run().expect("pruned").removed, 0);
    assert_eq!(records().len(), 2);
}

/// The archive cannot be read any more after the record was written.
#[test]
fn a_removal_that_fails_is_recorded_with_its_outcome() {
    let (folder, store) = (Folder::new(), trail(250, 73));
    archive(store.clone(), &folder);
    let reads = Arc::new(AtomicUsize::new(0));
    let location = |limit: usize| {
        let reads = Arc::clone(&reads);
        reads.store(0, Ordering::SeqCst);
        Faulty::location(folder.path(), move |_, _, name| {
            let is_file = name.ends_with(".parquet");
            let before = reads.fetch_add(usize::from(is_file), Ordering::SeqCst);
            if is_file && before >= limit {
                Fault::Refused
            } else {
                Fault::Nothing
            }
        })
    };
    let planned = Pruner::new(&store, &location(usize::MAX)).dry_run().run();
    assert_eq!(planned.expect("planned").removed, 249);
    let files = reads.load(Ordering::SeqCst);
    assert!(files >= 3, "{files} files");
    // The first file is read twice: once for the count, and once for the removal.
    let location = location(files + 1);
    let pruner = Pruner::new(&store, &location).record(Actor::user("carol"), "policy 7");
    let error = pruner.run().expect_err("refused");
    assert!(matches!(error, Error::Objects { .. }), "{error}");
    let query = Query::new().action("prune");
    let records = store.find(&query).expect("found").entries;
    let counts = records.iter().map(|entry| &entry.additional_data["count"]);
    let counts: Vec<_> = counts.filter_map(serde_json::Value::as_u64).collect();
    assert_eq!(counts, [249, 100]);
    assert_eq!(records[1].outcome, Outcome::Failure);
    assert_eq!(store.len(), 150 + 2);
}

/// A store that removes in steps, and fails after the first.
#[derive(Debug)]
struct Stepwise {
    inner: MemoryStore,
    steps: AtomicUsize,
    /// The number of entries that followers have read.
    read: AtomicUsize,
}

impl Store for Stepwise {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.inner.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.inner.find(query)
    }
}

impl Follow for Stepwise {
    fn position(&self) -> Result<Position, StoreError> {
        self.inner.position()
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let batch = self.inner.committed_after(at, limit)?;
        self.read.fetch_add(batch.entries.len(), Ordering::SeqCst);
        Ok(batch)
    }
}

impl TrailStore for Stepwise {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        self.inner.by_ids(ids)
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.inner.with_id_prefix(prefix, limit)
    }

    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.inner.with_id_suffix(suffix, limit)
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        self.inner.models()
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        self.inner.schema_version()
    }

    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        self.inner.health(queries)
    }

    /// The second call removes 30 entries and fails. Another process appends meanwhile.
    fn purge_exact(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
        if self.steps.fetch_add(1, Ordering::SeqCst) == 0 {
            return self.inner.purge_exact(entries);
        }
        self.inner.purge_exact(&entries[..30])?;
        append(&self.inner, 70, 75);
        Err(StoreError::Unsupported {
            operation: "remove more entries",
        })
    }
}

#[test]
fn a_removal_that_fails_inside_a_segment_reports_what_was_removed() {
    let (folder, inner) = (Folder::new(), trail(250, 74));
    archive(inner.clone(), &folder);
    let store = Stepwise {
        inner: inner.clone(),
        steps: AtomicUsize::new(0),
        read: AtomicUsize::new(0),
    };
    let location = folder.location();
    let pruner = Pruner::new(&store, &location)
        .planned(249)
        .record(Actor::user("carol"), "")
        .source(Source::service("retention"));
    let mut report = PruneReport::default();
    let error = pruner.run_with(&mut report).expect_err("an error");
    assert!(matches!(error, Error::Store(_)), "{error}");
    assert_eq!(report.removed, 130);
    let records = inner.find(&Query::new().action("prune")).expect("found");
    let counts = records.entries.iter();
    let counts: Vec<_> = counts
        .map(|entry| &entry.additional_data["count"])
        .collect();
    assert_eq!(counts, [249, 130]);
    assert_eq!(records.entries[1].outcome, Outcome::Failure);
    assert_eq!(records.entries[1].reason, None);
    assert_eq!(records.entries[1].source, Source::service("retention"));
}

#[test]
fn a_prune_reads_the_entries_of_small_segments_once() {
    let (folder, inner) = (Folder::new(), trail(2_000, 76));
    archive(inner.clone(), &folder);
    let store = Stepwise {
        inner,
        steps: AtomicUsize::new(0),
        read: AtomicUsize::new(0),
    };
    let location = folder.location();
    let planned = Pruner::new(&store, &location).dry_run().run();
    assert_eq!(planned.expect("planned").removed, 1_999);
    // Of each of 20 segments, the entries and some at its ends.
    let read = store.read.into_inner();
    assert!(read < 2_100, "{read} entries read");
}
