//! A segment of many dates has many files: it takes long to write, and long to list.

#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "scratch/faulty.rs"]
mod faulty;
#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use audit_archive::{ArchiveOptions, Archiver, Error, verify};
use audit_core::{LogEntry, MemoryStore, Store};
use chrono::{TimeDelta, Utc};

use self::faulty::{Fault, Faulty, Operation};
use self::scratch::Folder;

/// Returns a trail with an entry on each of some days.
fn trail(days: i64) -> MemoryStore {
    let store = MemoryStore::new();
    for day in 0..days {
        let mut entry = LogEntry::new("create", "User", day.to_string(), "bob");
        entry.timestamp = Utc::now() - TimeDelta::days(day);
        store.append(&[entry]).expect("appended");
    }
    store
}

fn options(holder: &str) -> ArchiveOptions {
    ArchiveOptions::new()
        .create(true)
        .holder(holder)
        .lease(Duration::from_secs(1))
}

/// Another archiver tries to work while the first one writes files for longer than its lease.
#[test]
fn the_lease_is_renewed_while_files_are_written() {
    let (folder, store) = (Folder::new(), trail(160));
    let began = Instant::now();
    let tried = Arc::new(Mutex::new(Vec::new()));
    let location = Faulty::location(folder.path(), {
        let (tried, store) = (Arc::clone(&tried), store.clone());
        let path = folder.path().to_owned();
        move |_, operation, name| {
            if operation != Operation::Put || !name.starts_with("v1/") {
                return Fault::Nothing;
            }
            // Blocks the thread of the location, so that no other put runs meanwhile.
            thread::sleep(Duration::from_millis(10));
            let mut tried = tried.lock().expect("a list");
            if tried.len() < 2 && began.elapsed() > Duration::from_millis(1_200) {
                let other = Faulty::location(&path, |_, _, _| Fault::Nothing);
                let other = Archiver::new(store.clone(), other).options(options("second"));
                tried.push(other.run_once());
            }
            Fault::Nothing
        }
    });
    let archiver = Archiver::new(store, location).options(options("first"));
    let report = archiver.run_once().expect("a run");
    assert_eq!((report.entries, report.files), (160, 160));
    assert!(
        began.elapsed() > Duration::from_secs(2),
        "too fast for the test"
    );
    let tried = tried.lock().expect("a list");
    assert_eq!(tried.len(), 2);
    for result in &*tried {
        assert!(matches!(result, Err(Error::Held { .. })), "{result:?}");
    }
    assert!(verify(&folder.location()).expect("verified").is_clean());
}

#[test]
fn files_are_written_at_the_same_time_and_named_in_order() {
    const PUT: Duration = Duration::from_millis(100);
    let (folder, store) = (Folder::new(), trail(40));
    let puts = Arc::new(Mutex::new(Vec::new()));
    let location = Faulty::location(folder.path(), {
        let puts = Arc::clone(&puts);
        move |_, operation, name| {
            if operation != Operation::Put || !name.starts_with("v1/") {
                return Fault::Nothing;
            }
            puts.lock().expect("a list").push(Instant::now());
            Fault::Slow(PUT)
        }
    });
    let archiver = Archiver::new(store, location).options(options("first"));
    assert_eq!(archiver.run_once().expect("a run").files, 40);
    let puts = puts.lock().expect("a list");
    // A file and its filter are two.
    let third_begins = puts.windows(3).map(|puts| puts[2].duration_since(puts[0]));
    assert!(
        third_begins.min() < Some(PUT),
        "no third put before the first one ends"
    );
    let names = folder.files().into_keys();
    let names: Vec<_> = names.filter(|name| name.ends_with(".parquet")).collect();
    let manifest = std::fs::read_to_string(folder.file("manifest/00000002.json"));
    let manifest = manifest.expect("a manifest");
    let positions: Vec<_> = names.iter().map(|name| manifest.find(&**name)).collect();
    assert!(
        positions.is_sorted() && positions[0].is_some(),
        "{positions:?}"
    );
}

#[test]
fn a_listing_may_take_longer_than_the_time_limit() {
    let (folder, store) = (Folder::new(), trail(40));
    let archiver = Archiver::new(store, folder.location()).options(options("first"));
    assert_eq!(archiver.run_once().expect("a run").files, 40);
    let slow = |delay| {
        let location = Faulty::location(folder.path(), move |_, operation, name| {
            if operation == Operation::List && name == "v1" {
                Fault::Slow(Duration::from_millis(delay))
            } else {
                Fault::Nothing
            }
        });
        location.time_limit(Duration::from_millis(500))
    };
    // 80 objects of 20 ms each.
    let found = verify(&slow(20)).expect("verified");
    assert_eq!((found.files, found.orphans.len()), (40, 0));
    assert!(found.is_clean());
    let error = verify(&slow(2_000)).expect_err("a timeout");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}
