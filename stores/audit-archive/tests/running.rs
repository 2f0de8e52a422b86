//! Runs end, report what they archived, and survive a panic of the store or an operation that hangs.

#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "scratch/faulty.rs"]
mod faulty;
#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use audit_archive::{ArchiveOptions, Archiver, ArchiverStats, Error, RunningArchiver, Verifier};
use audit_core::{Batch, Follow, LogEntry, MemoryStore, Page, Position, Query, Store, StoreError};

use self::faulty::{Fault, Faulty, Operation};
use self::scratch::{Folder, append, trail};

fn options() -> ArchiveOptions {
    ArchiveOptions::new()
        .create(true)
        .holder("test")
        .segment_entries(50)
}

/// A trail that another thread writes to between any two reads, or whose reads panic.
#[derive(Debug)]
struct Busy {
    store: MemoryStore,
    reads: AtomicU64,
    panics: bool,
}

impl Busy {
    fn new(n: usize, panics: bool) -> Self {
        Self {
            store: trail(n, 131),
            reads: AtomicU64::new(0),
            panics,
        }
    }
}

impl Store for Busy {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.store.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.store.find(query)
    }
}

impl Follow for Busy {
    fn position(&self) -> Result<Position, StoreError> {
        self.store.position()
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let reads = self.reads.fetch_add(1, Ordering::SeqCst);
        assert!(reads < 1_000, "the run follows the writer");
        assert!(!self.panics, "the store failed badly");
        append(&self.store, 80, 1_000 + reads);
        self.store.committed_after(at, limit)
    }
}

#[test]
fn a_run_ends_although_the_trail_grows_faster() {
    let (folder, store) = (Folder::new(), Busy::new(120, false));
    let hot = store.store.clone();
    let archiver = Archiver::new(store, folder.location()).options(options());
    let report = archiver.run_once().expect("a run");
    assert!((120..=300).contains(&report.entries), "{report:?}");
    let location = folder.location();
    let found = Verifier::new(&location)
        .against(&hot)
        .run()
        .expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
}

/// Waits until the statistics meet a condition.
fn wait(running: &RunningArchiver, is_met: impl Fn(&ArchiverStats) -> bool) {
    while !is_met(&running.stats()) {
        std::thread::yield_now();
    }
}

#[test]
fn a_panic_is_an_error_in_the_statistics() {
    let folder = Folder::new();
    let archiver = Archiver::new(Busy::new(5, true), folder.location()).options(options());
    let running = archiver.start().expect("started");
    wait(&running, |stats| stats.last_error.is_some());
    let stats = running.stop();
    let Some(Error::Panicked { detail }) = &stats.last_error else {
        panic!("{stats:?}");
    };
    assert_eq!(detail, "the store failed badly");
    assert_eq!((stats.runs, stats.entries), (0, 0));
}

#[test]
fn a_failed_run_reports_the_segments_before_the_failure() {
    let folder = Folder::new();
    let manifests = AtomicUsize::new(0);
    let location = Faulty::location(folder.path(), move |_, operation, path| {
        let is_manifest = operation == Operation::Put && path.starts_with("manifest");
        let before = manifests.fetch_add(usize::from(is_manifest), Ordering::SeqCst);
        if before > 1 {
            Fault::Refused
        } else {
            Fault::Nothing
        }
    });
    let running = Archiver::new(trail(120, 132), location).options(options());
    let running = running.start().expect("started");
    wait(&running, |stats| stats.last_error.is_some());
    let stats = running.stop();
    assert_eq!((stats.runs, stats.entries), (0, 50));
}

#[test]
fn invalid_options_are_errors() {
    let cases = [
        ("holder", options().holder("")),
        ("lease", options().lease(Duration::ZERO)),
        ("lease", options().lease(Duration::from_secs(3_601))),
        ("every", options().every(Duration::ZERO)),
        ("segment_entries", options().segment_entries(0)),
        ("segment_bytes", options().segment_bytes(0)),
        ("class", options().class("User", "Ten Years")),
    ];
    for (name, options) in cases {
        let folder = Folder::new();
        let archiver = || Archiver::new(trail(1, 133), folder.location()).options(options.clone());
        for error in [archiver().run_once().err(), archiver().start().err()] {
            let error = error.expect(name);
            assert!(
                matches!(&error, Error::InvalidOption { option, .. } if *option == name),
                "{error}"
            );
        }
        assert!(folder.objects().is_empty());
    }
}

#[test]
fn a_time_limit_of_zero_is_rejected() {
    let folder = Folder::new();
    let location = folder.location().time_limit(Duration::ZERO);
    let archiver = Archiver::new(trail(5, 28), location).options(options());
    let error = archiver.run_once().expect_err("no time");
    let is_named = matches!(
        error,
        Error::InvalidOption {
            option: "time_limit",
            ..
        }
    );
    assert!(is_named, "{error}");
    assert!(folder.objects().is_empty());
}

/// As a folder on a network whose server is gone: a call never returns.
#[test]
fn an_operation_that_hangs_ends_by_the_time_limit() {
    for hanging in [Operation::Put, Operation::Get, Operation::List] {
        let (folder, store) = (Folder::new(), trail(5, 29));
        let hangs = Arc::new(AtomicBool::new(false));
        let location = Faulty::location(folder.path(), {
            let hangs = Arc::clone(&hangs);
            move |_, operation, _| {
                if operation == hanging && hangs.load(Ordering::SeqCst) {
                    Fault::Hang
                } else {
                    Fault::Nothing
                }
            }
        });
        let location = location.time_limit(Duration::from_millis(20));
        let archiver = Archiver::new(store.clone(), location).options(options());
        archiver.run_once().expect("a run");
        append(&store, 5, 30);
        hangs.store(true, Ordering::SeqCst);
        let error = archiver.run_once().expect_err("no answer");
        assert!(
            matches!(error, Error::Timeout { .. }),
            "{hanging:?}: {error}"
        );
        assert!(error.is_transient());
        hangs.store(false, Ordering::SeqCst);
        assert_eq!(archiver.run_once().expect("a run").entries, 5);
        let location = folder.location();
        let found = Verifier::new(&location).against(&store).run();
        let found = found.expect("verified");
        assert!(found.is_clean(), "{:#?}", found.findings);
        assert_eq!(found.entries, 10);
    }
}
