//! Another archiver takes the lease over at any moment of a run.

#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "scratch/faulty.rs"]
mod faulty;
#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Error, Location, Verifier, verify};
use audit_core::{MemoryStore, Query, Store};

use self::faulty::{Fault, Faulty, Operation};
use self::scratch::{Folder, append, trail};

/// Returns the options of an archiver whose clock has one time.
fn options(holder: &str, now: &'static str) -> ArchiveOptions {
    ArchiveOptions::new()
        .create(true)
        .holder(holder)
        .segment_entries(50)
        .clock(move || now.parse().expect("a time"))
}

/// Archives with another name, an hour later, when the first lease has expired. With `dies`, it ends after its
/// first manifest as if it was killed.
fn take_over(store: &MemoryStore, folder: &std::path::Path, dies: bool) {
    let manifests = AtomicUsize::new(0);
    let location = Faulty::location(folder, move |_, operation, path| {
        let is_manifest = operation == Operation::Put && path.starts_with("manifest");
        let before = manifests.fetch_add(usize::from(is_manifest), Ordering::SeqCst);
        if dies && before > 0 {
            Fault::Refused
        } else {
            Fault::Nothing
        }
    });
    let options = options("second", "2026-01-01T01:00:00Z");
    let result = Archiver::new(store.clone(), location)
        .options(options)
        .run_once();
    assert!(dies || result.is_ok(), "{result:?}");
}

/// Archives while another archiver takes over at one operation, and returns how many operations there were.
fn interleave(at: usize, dies: bool) -> usize {
    let context = format!("operation {at}, dies: {dies}");
    let (folder, store) = (Folder::new(), trail(120, 91));
    let operations = Arc::new(AtomicUsize::new(0));
    let location = Faulty::location(folder.path(), {
        let (operations, store) = (Arc::clone(&operations), store.clone());
        let path = folder.path().to_owned();
        move |_, _, _| {
            if operations.fetch_add(1, Ordering::SeqCst) == at {
                take_over(&store, &path, dies);
                append(&store, 60, 92);
            }
            Fault::Nothing
        }
    });
    let first = Archiver::new(store.clone(), location)
        .options(options("first", "2026-01-01T00:00:00Z"))
        .run_once();
    match first {
        Ok(_) | Err(Error::Fenced { .. } | Error::Held { .. }) => {}
        Err(error) => panic!("{context}: {error}"),
    }
    // The archive is never contradictory, and the next run continues.
    let found = verify(&folder.location()).expect(&context);
    assert!(found.is_clean(), "{context}: {:#?}", found.findings);
    Archiver::new(store.clone(), folder.location())
        .options(options("third", "2026-01-01T03:00:00Z"))
        .run_once()
        .expect(&context);
    let location = folder.location();
    let found = Verifier::new(&location)
        .against(&store)
        .run()
        .expect(&context);
    assert!(found.is_clean(), "{context}: {:#?}", found.findings);
    assert_eq!(found.entries, store.len() as u64, "{context}");
    assert_eq!(found.orphans, [""; 0], "{context}");
    let archive = ArchiveStore::open(location).expect(&context);
    let count = archive.count(&Query::new()).expect(&context);
    assert_eq!(count, store.len() as u64, "{context}");
    operations.load(Ordering::SeqCst)
}

#[test]
fn an_archiver_that_was_replaced_at_any_moment_does_not_harm_the_archive() {
    for dies in [false, true] {
        let operations = interleave(usize::MAX, dies);
        assert!(operations > 20, "{operations} operations");
        for at in 0..operations {
            interleave(at, dies);
        }
    }
}

/// The second archiver writes the manifest before the first one reads the chain again.
#[test]
fn an_archiver_that_reads_a_higher_lease_stops() {
    let (folder, store) = (Folder::new(), trail(250, 93));
    let is_done = AtomicBool::new(false);
    let location = Faulty::location(folder.path(), {
        let (store, path) = (store.clone(), folder.path().to_owned());
        move |_, operation, name| {
            let reads_chain = operation == Operation::Get && name == "manifest/00000003.json";
            let has_written = path.join("manifest/00000002.json").exists();
            if reads_chain && has_written && !is_done.swap(true, Ordering::SeqCst) {
                take_over(&store, &path, true);
            }
            Fault::Nothing
        }
    });
    let first = Archiver::new(store, location).options(options("first", "2026-01-01T00:00:00Z"));
    let error = first.run_once().expect_err("another lease");
    let Error::Fenced { fence, other } = &error else {
        panic!("{error}");
    };
    assert!(fence < other);
    assert!(error.is_transient());
    assert!(folder.file("manifest/00000003.json").exists());
    assert!(!folder.file("manifest/00000004.json").exists());
    let found = verify(&folder.location()).expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
}

#[test]
fn an_object_store_that_overwrites_is_rejected() {
    let (folder, store) = (Folder::new(), trail(10, 94));
    let location: Location = Faulty::location(folder.path(), |_, operation, _| match operation {
        Operation::Put => Fault::Unconditional,
        _ => Fault::Nothing,
    });
    let error = Archiver::new(store, location)
        .options(options("first", "2026-01-01T00:00:00Z"))
        .run_once()
        .expect_err("no put-if-absent");
    assert!(matches!(error, Error::NoConditionalPut { .. }), "{error}");
    assert!(!folder.file("manifest").exists());
}
