//! The archiver: interrupted at every step, beside another one, late entries, damaged rows.

#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "scratch/faulty.rs"]
mod faulty;
#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use audit_archive::{
    ArchiveOptions, Archiver, Error, Finding, FindingKind, Location, Verifier, verify,
};
use audit_core::{
    Batch, Follow, LogEntry, MemoryStore, Page, Position, Query, Store, StoreError, Stored,
};
use uuid::Uuid;

use self::faulty::{Fault, Faulty, Operation};
use self::scratch::{Folder, append, trail};

fn options() -> ArchiveOptions {
    ArchiveOptions::new()
        .create(true)
        .holder("test")
        .segment_entries(100)
}

fn archiver(store: &MemoryStore, location: Location) -> Archiver<MemoryStore> {
    Archiver::new(store.clone(), location).options(options())
}

/// Checks that an archive is intact and has exactly the entries of a store.
#[track_caller]
fn assert_archived(folder: &Folder, store: &MemoryStore) {
    let found = Verifier::new(&folder.location()).against(store).run();
    let found = found.expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!(found.entries, store.len() as u64);
}

#[test]
fn archives_each_entry_once() {
    let (folder, store) = (Folder::new(), trail(250, 1));
    let archiver = archiver(&store, folder.location());
    let report = archiver.run_once().expect("a run");
    assert_eq!((report.entries, report.segments), (250, 3));
    assert_eq!(report.skipped, 0);
    assert_archived(&folder, &store);

    let before = folder.objects();
    assert_eq!(archiver.run_once().expect("a run").segments, 0);
    assert_eq!(
        folder.objects(),
        before,
        "a run without entries writes nothing"
    );

    append(&store, 30, 2);
    assert_eq!(archiver.run_once().expect("a run").entries, 30);
    assert_archived(&folder, &store);
}

#[test]
fn another_archiver_continues() {
    let (folder, store) = (Folder::new(), trail(150, 3));
    archiver(&store, folder.location())
        .run_once()
        .expect("a run");
    append(&store, 20, 4);
    let other = Archiver::new(store.clone(), folder.location());
    assert_eq!(other.run_once().expect("a run").entries, 20);
    assert_archived(&folder, &store);
}

#[test]
fn equal_trails_become_equal_files() {
    let (one, two, store) = (Folder::new(), Folder::new(), trail(150, 5));
    archiver(&store, one.location()).run_once().expect("a run");
    archiver(&store, two.location()).run_once().expect("a run");
    assert!(!one.files().is_empty());
    assert_eq!(one.files(), two.files());
}

#[test]
fn an_empty_trail_is_an_archive_without_entries() {
    let folder = Folder::new();
    let archiver = archiver(&MemoryStore::new(), folder.location());
    assert_eq!(archiver.run_once().expect("a run").segments, 0);
    let objects = folder.objects();
    assert_eq!(archiver.run_once().expect("a run").segments, 0);
    assert_eq!(folder.objects(), objects);
    let found = verify(&folder.location()).expect("verified");
    assert!(found.is_clean());
    assert_eq!((found.manifests, found.entries), (1, 0));
}

/// Interrupts the archiver at every put, before and after its effect. Meanwhile the trail grows. The next
/// run keeps the written objects, and no file is without a manifest.
#[test]
fn a_run_that_was_interrupted_anywhere_is_continued_with_the_same_files() {
    let puts = Arc::new(AtomicUsize::new(0));
    let counted = Folder::new();
    let store = trail(120, 6);
    let location = Faulty::location(counted.path(), {
        let puts = Arc::clone(&puts);
        move |_, operation, _| {
            puts.fetch_add(usize::from(operation == Operation::Put), Ordering::SeqCst);
            Fault::Nothing
        }
    });
    archiver(&store, location).run_once().expect("a run");
    let puts = puts.load(Ordering::SeqCst);
    assert!(puts > 8, "{puts} puts");

    for (interrupted, fault) in (0..puts - 1).flat_map(|n| [(n, Fault::Before), (n, Fault::After)])
    {
        let (folder, store) = (Folder::new(), trail(120, 6));
        let done = AtomicUsize::new(0);
        // From that put on, nothing works any more.
        let location = Faulty::location(folder.path(), move |_, operation, _| {
            let number = match operation {
                Operation::Put => done.fetch_add(1, Ordering::SeqCst),
                _ => done.load(Ordering::SeqCst),
            };
            match number.cmp(&interrupted) {
                std::cmp::Ordering::Less => Fault::Nothing,
                std::cmp::Ordering::Equal if operation != Operation::Put => Fault::Nothing,
                std::cmp::Ordering::Equal => fault,
                std::cmp::Ordering::Greater => Fault::Before,
            }
        });
        let error = archiver(&store, location).run_once();
        let context = format!("put {interrupted}, {fault:?}");
        assert!(error.is_err(), "{context}");
        let before = folder.objects();

        append(&store, 50, 7);
        archiver(&store, folder.location())
            .run_once()
            .expect(&context);
        let after = folder.objects();
        for (name, bytes) in &before {
            // A run deletes the leases and plans before its own.
            let is_deleted = !after.contains_key(name)
                && ["lease/", "plan/"]
                    .iter()
                    .any(|folder| name.starts_with(folder));
            assert!(
                is_deleted || after.get(name) == Some(bytes),
                "{context}: {name}"
            );
        }
        let found = verify(&folder.location()).expect("verified");
        assert_eq!(found.orphans, [""; 0], "{context}");
        assert_archived(&folder, &store);
    }
}

#[test]
fn a_purge_between_an_interrupted_run_and_the_next_makes_another_generation() {
    let (folder, store) = (Folder::new(), trail(60, 8));
    let location = Faulty::location(folder.path(), |_, operation, path| {
        if path == "manifest/00000002.json" && operation == Operation::Put {
            Fault::Before
        } else {
            Fault::Nothing
        }
    });
    let error = archiver(&store, location)
        .run_once()
        .expect_err("no manifest");
    assert!(error.is_transient(), "{error}");
    let oldest = store.find(&Query::new().limit(1)).expect("found").entries;
    let purged = store.purge(&Query::new().model_name(&*oldest[0].model));
    // As many entries as the plan has, and other ones.
    let purged = usize::try_from(purged.expect("purged")).expect("a count");
    assert!((1..60).contains(&purged));
    append(&store, purged, 80);

    archiver(&store, folder.location())
        .run_once()
        .expect("a run");
    assert_archived(&folder, &store);
    let found = verify(&folder.location()).expect("verified");
    assert!(!found.orphans.is_empty());
    assert!(folder.files().keys().any(|name| name.contains(".g2.")));
}

#[test]
fn archivers_at_once_write_each_entry_once() {
    let (folder, store) = (Folder::new(), trail(600, 9));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // One name: none of them waits for the lease of another.
            let archiver = archiver(&store, folder.location());
            scope.spawn(move || {
                loop {
                    match archiver.run_once() {
                        Ok(_) => break,
                        Err(Error::Fenced { .. } | Error::Held { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    archiver(&store, folder.location())
        .run_once()
        .expect("a run");
    assert_archived(&folder, &store);
    assert_eq!(
        verify(&folder.location()).expect("verified").orphans,
        [""; 0]
    );
}

#[test]
fn late_entries_and_strange_times_have_files_of_their_dates() {
    let (folder, store) = (Folder::new(), trail(20, 10));
    archiver(&store, folder.location())
        .run_once()
        .expect("a run");
    let times = [
        "2019-02-28T23:59:59.999999Z",
        "2019-03-01T00:00:00Z",
        "0000-12-31T00:00:00Z",
        "+12000-01-01T00:00:00Z",
        "-0044-03-15T12:00:00Z",
    ];
    for (n, time) in times.iter().enumerate() {
        let mut entry = LogEntry::new("update", "Note", n.to_string(), "late");
        entry.timestamp = time.parse().expect("a time");
        store.append(&[entry]).expect("appended");
    }
    let report = archiver(&store, folder.location()).run_once();
    assert_eq!(report.expect("a run").files, 3);
    assert_archived(&folder, &store);
    let names = folder.files();
    for date in ["2019-02-28", "2019-03-01", "__HIVE_DEFAULT_PARTITION__"] {
        let folder = format!("v1/class=default/date={date}/");
        assert!(names.keys().any(|name| name.starts_with(&folder)), "{date}");
    }
}

#[test]
fn models_have_files_of_their_classes() {
    let (folder, store) = (Folder::new(), trail(60, 11));
    let archiver = Archiver::new(store.clone(), folder.location());
    let archiver = archiver.options(options().class("Invoice", "ten-years"));
    archiver.run_once().expect("a run");
    assert_archived(&folder, &store);
    let files = folder.files();
    let is_class = |name: &str| name.starts_with("v1/class=ten-years/");
    assert!(files.keys().any(|name| is_class(name)));
    assert!(!files.keys().all(|name| is_class(name)));

    let invalid = Archiver::new(store, folder.location());
    let invalid = invalid.options(options().class("Invoice", "../up"));
    let error = invalid.run_once().expect_err("an invalid class");
    assert!(
        matches!(
            error,
            Error::InvalidOption {
                option: "class",
                ..
            }
        ),
        "{error}"
    );
}

/// A trail in which some rows have other bytes.
#[derive(Debug)]
struct WithBytes(MemoryStore, fn(Uuid) -> Option<&'static [u8]>);

impl Store for WithBytes {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.0.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.0.find(query)
    }
}

impl Follow for WithBytes {
    fn position(&self) -> Result<Position, StoreError> {
        self.0.position()
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let batch = self.0.committed_after(at, limit)?;
        let entries = batch
            .entries
            .into_iter()
            .map(|stored| match (self.1)(stored.id()) {
                Some(bytes) => Stored::new(stored.id(), bytes, stored.position().clone()),
                None => stored,
            });
        Ok(Batch::new(entries.collect(), batch.next))
    }
}

#[test]
fn a_damaged_row_is_named_in_the_manifest() {
    let folder = Folder::new();
    let store = WithBytes(trail(40, 12), |id| {
        is_damaged(id).then_some(b"\xff\xfe damaged")
    });
    let archiver = Archiver::new(store, folder.location()).options(options());
    let report = archiver.run_once().expect("a run");
    assert!(report.skipped > 0);
    assert_eq!(report.entries + report.skipped, 40);
    let found = verify(&folder.location()).expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!(
        (found.entries, found.skipped),
        (report.entries, report.skipped)
    );
}

fn is_damaged(id: Uuid) -> bool {
    id.as_u128().is_multiple_of(5)
}

#[test]
fn a_skipped_row_must_match_its_hash() {
    let (folder, store) = (Folder::new(), trail(40, 28));
    let damaged = WithBytes(store.clone(), |id| is_damaged(id).then_some(b"damaged"));
    let other = WithBytes(store, |id| is_damaged(id).then_some(b"other"));
    let damaged = Arc::new(damaged);
    let archiver = Archiver::new(Arc::clone(&damaged), folder.location()).options(options());
    let skipped = archiver.run_once().expect("a run").skipped;
    let location = folder.location();
    let against = |store: &WithBytes| Verifier::new(&location).against(store).run();
    assert!(against(&damaged).expect("verified").is_clean());
    let found = against(&other).expect("verified").findings;
    assert_eq!(found.len() as u64, skipped);
    let is_different = |finding: &Finding| finding.kind == FindingKind::DifferentEntry;
    assert!(found.iter().all(is_different), "{found:#?}");
}

#[test]
fn an_entry_of_a_later_format_stops_the_archiver() {
    let folder = Folder::new();
    let store = WithBytes(trail(5, 13), |_| Some(br#"{"id":"x","v":2}"#));
    let archiver = Archiver::new(store, folder.location()).options(options());
    let error = archiver.run_once().expect_err("a later format");
    assert!(
        matches!(error, Error::NewerEntry { found: 2, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("upgrade"), "{error}");
    assert!(folder.files().is_empty());
}

#[test]
fn a_lease_keeps_another_archiver_out_until_it_ends() {
    let (folder, store) = (Folder::new(), trail(10, 14));
    let crash = |holder: &str, now: &'static str| {
        // Ends before the manifest, as a process that is killed.
        let location = Faulty::location(folder.path(), |_, _, path| {
            if path.starts_with("v1") {
                Fault::Refused
            } else {
                Fault::Nothing
            }
        });
        let options = options()
            .holder(holder)
            .clock(move || now.parse().expect("a time"));
        Archiver::new(store.clone(), location)
            .options(options)
            .run_once()
    };
    let error = crash("one", "2026-01-01T00:00:00Z").expect_err("refused");
    assert!(error.to_string().contains("expired"), "{error}");
    // The failed run released its lease. One that was killed has not.
    let released = folder.file("lease/0000000000000002.json");
    fs::remove_file(released).expect("a lease");

    let at = |holder: &str, now: &'static str| {
        let options = options()
            .holder(holder)
            .clock(move || now.parse().expect("a time"));
        Archiver::new(store.clone(), folder.location())
            .options(options)
            .run_once()
    };
    let error = at("two", "2026-01-01T00:00:30Z").expect_err("held");
    let Error::Held { holder, until } = &error else {
        panic!("{error}");
    };
    assert_eq!(holder, "one");
    assert_eq!(until.to_rfc3339(), "2026-01-01T00:01:00+00:00");
    assert!(error.is_transient());
    assert_eq!(
        at("two", "2026-01-01T00:01:00Z").expect("a run").entries,
        10
    );
    assert_archived(&folder, &store);
}

#[test]
fn a_lease_of_the_same_name_and_a_damaged_one_are_taken_over() {
    let (folder, store) = (Folder::new(), trail(10, 15));
    fs::create_dir_all(folder.file("lease")).expect("a folder");
    let lease = folder.file("lease/0000000000000007.json");
    let record =
        r#"{"format":1,"number":7,"holder":"test","taken":"2999-01-01T00:00:00Z","seconds":60}"#;
    fs::write(&lease, record).expect("written");
    assert_eq!(
        archiver(&store, folder.location())
            .run_once()
            .expect("a run")
            .entries,
        10
    );

    append(&store, 5, 16);
    let lease = folder.file("lease/0000000000000100.json");
    fs::write(&lease, "{").expect("written");
    let archiver = Archiver::new(store.clone(), folder.location())
        .options(options().lease(Duration::from_nanos(1)));
    assert_eq!(archiver.run_once().expect("a run").entries, 5);
    assert_archived(&folder, &store);
}

#[test]
fn a_missing_manifest_stops_the_archiver() {
    let (folder, store) = (Folder::new(), trail(250, 17));
    archiver(&store, folder.location())
        .run_once()
        .expect("a run");
    fs::remove_file(folder.file("manifest/00000002.json")).expect("removed");
    append(&store, 5, 18);
    let before = folder.objects();
    let error = archiver(&store, folder.location())
        .run_once()
        .expect_err("a gap");
    assert!(matches!(error, Error::Gap { number: 2 }), "{error}");
    assert_eq!(folder.objects(), before);
}

#[test]
fn a_foreign_manifest_stops_the_archiver() {
    let (folder, store) = (Folder::new(), trail(5, 19));
    fs::create_dir_all(folder.file("manifest")).expect("a folder");
    fs::write(folder.file("manifest/00000001.json"), "{\"delta\":1}").expect("written");
    let error = archiver(&store, folder.location())
        .run_once()
        .expect_err("foreign");
    assert!(
        matches!(&error, Error::Foreign { path, .. } if path.ends_with("00000001.json")),
        "{error}"
    );
    assert!(folder.files().is_empty());
}

#[test]
fn foreign_objects_elsewhere_are_ignored() {
    let (folder, store) = (Folder::new(), trail(5, 20));
    for name in [
        "notes.txt",
        "manifest/README",
        "manifest/1.json",
        "lease/x",
        "plan/x",
        "other/a.parquet",
    ] {
        let path = folder.file(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, "foreign").expect("written");
    }
    archiver(&store, folder.location())
        .run_once()
        .expect("a run");
    assert_archived(&folder, &store);
}

#[test]
fn another_trail_is_an_error() {
    let (folder, store) = (Folder::new(), trail(5, 21));
    archiver(&store, folder.location())
        .run_once()
        .expect("a run");
    let before = folder.objects();
    let other = trail(50, 22);
    let error = archiver(&other, folder.location())
        .run_once()
        .expect_err("another trail");
    assert!(
        matches!(error, Error::Store(StoreError::InvalidPosition { .. })),
        "{error}"
    );
    assert_eq!(folder.objects(), before);
}

#[test]
fn every_third_operation_may_fail() {
    let (folder, store) = (Folder::new(), trail(250, 23));
    let location = Faulty::prefixed(folder.path(), "trails/billing", |number, _, _| {
        match number % 6 {
            2 => Fault::Before,
            5 => Fault::After,
            _ => Fault::Nothing,
        }
    });
    let archiver = archiver(&store, location.clone());
    assert_eq!(archiver.run_once().expect("a run").entries, 250);
    let found = verify(&location).expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!(found.entries, 250);
    assert_eq!(found.orphans, [""; 0]);
}

#[test]
fn refused_credentials_are_an_error_at_once() {
    let (folder, store) = (Folder::new(), trail(5, 24));
    let calls = Arc::new(AtomicUsize::new(0));
    let location = Faulty::location(folder.path(), {
        let calls = Arc::clone(&calls);
        move |_, _, _| {
            calls.fetch_add(1, Ordering::SeqCst);
            Fault::Refused
        }
    });
    let error = archiver(&store, location).run_once().expect_err("refused");
    assert!(
        error.to_string().contains("the token has expired"),
        "{error}"
    );
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_store_that_does_not_answer_is_an_error() {
    use audit_archive::object_store::memory::InMemory;
    use audit_archive::object_store::throttle::{ThrottleConfig, ThrottledStore};

    let slow = ThrottleConfig {
        wait_list_per_call: Duration::from_secs(3600),
        ..ThrottleConfig::default()
    };
    let objects = Arc::new(ThrottledStore::new(InMemory::new(), slow));
    let location = Location::new(objects, "").expect("a location");
    let location = location.time_limit(Duration::from_millis(5));
    let error = archiver(&trail(5, 25), location)
        .run_once()
        .expect_err("no answer");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

#[test]
fn a_started_archiver_runs_until_it_is_stopped() {
    let (folder, store) = (Folder::new(), trail(150, 26));
    let running = archiver(&store, folder.location())
        .start()
        .expect("started");
    while running.stats().runs == 0 {
        std::thread::yield_now();
    }
    let stats = running.stop();
    assert_eq!(stats.entries, 150);
    assert!(stats.last_error.is_none(), "{:?}", stats.last_error);
    assert_archived(&folder, &store);
}

#[test]
fn an_archiver_works_inside_an_async_runtime() {
    let (folder, store) = (Folder::new(), trail(10, 27));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        archiver(&store, folder.location())
            .run_once()
            .expect("a run");
    });
    assert_archived(&folder, &store);
}
