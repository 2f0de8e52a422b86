//! The requests of readers and archivers, and the objects that stay after a run.

#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "scratch/faulty.rs"]
mod faulty;
#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::fs;
use std::sync::{Arc, Mutex};

use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Error, Location, verify};
use audit_core::{MemoryStore, Query, Store};

use self::faulty::{Fault, Faulty, Operation};
use self::scratch::{Folder, append, trail};

/// The operations on a location, with the names of the objects.
#[derive(Clone, Default)]
struct Requests(Arc<Mutex<Vec<(Operation, String)>>>);

impl Requests {
    fn location(&self, folder: &Folder) -> Location {
        let requests = self.clone();
        Faulty::location(folder.path(), move |_, operation, name| {
            let mut requests = requests.0.lock().expect("a list");
            requests.push((operation, name.to_owned()));
            Fault::Nothing
        })
    }

    fn take(&self) -> Vec<(Operation, String)> {
        std::mem::take(&mut *self.0.lock().expect("a list"))
    }
}

fn archiver(store: &MemoryStore, location: Location, holder: &str) -> Archiver<MemoryStore> {
    let options = ArchiveOptions::new()
        .create(true)
        .holder(holder)
        .segment_entries(40);
    Archiver::new(store.clone(), location).options(options)
}

fn run(store: &MemoryStore, location: Location) {
    archiver(store, location, "test").run_once().expect("a run");
}

#[test]
fn a_reader_lists_manifests_only_if_there_are_new_ones() {
    let (folder, store) = (Folder::new(), trail(100, 301));
    run(&store, folder.location());
    let requests = Requests::default();
    let archive = ArchiveStore::open(requests.location(&folder)).expect("an archive");
    let lists = || {
        let requests = requests.take().into_iter();
        requests
            .filter(|(operation, _)| *operation == Operation::List)
            .count()
    };
    assert!(lists() > 0, "opening lists the manifests");
    for _ in 0..3 {
        assert_eq!(archive.count(&Query::new()).expect("a count"), 100);
    }
    assert_eq!(lists(), 0);
    append(&store, 50, 302);
    run(&store, folder.location());
    assert_eq!(archive.count(&Query::new()).expect("a count"), 150);
    assert_eq!(lists(), 1);
    assert_eq!(archive.count(&Query::new()).expect("a count"), 150);
    assert_eq!(lists(), 0);
}

#[test]
fn an_archiver_lists_manifests_once_in_a_run() {
    let (folder, store) = (Folder::new(), trail(40, 303));
    let requests = Requests::default();
    let archiver = archiver(&store, requests.location(&folder), "test");
    archiver.run_once().expect("a run");
    append(&store, 400, 304);
    requests.take();
    let report = archiver.run_once().expect("a run");
    assert_eq!(report.segments, 10);
    let listed = requests.take();
    let lists = |folder: &str| {
        let is_list = |(operation, name): &&(Operation, String)| {
            *operation == Operation::List && name == folder
        };
        listed.iter().filter(is_list).count()
    };
    assert_eq!(lists("manifest"), 1);
    assert_eq!(lists("checkpoint"), 1);
    // For a lost tail, and for the deletion of old plans.
    assert_eq!(lists("plan"), 2);
    assert!(verify(&folder.location()).expect("verified").is_clean());
}

#[test]
fn an_archiver_that_waits_for_the_lease_reads_the_manifests_once() {
    let (folder, store) = (Folder::new(), trail(400, 341));
    run(&store, folder.location());
    append(&store, 10, 342);
    let lease =
        r#"{"format":1,"number":100,"holder":"other","taken":"2999-01-01T00:00:00Z","seconds":60}"#;
    fs::write(folder.file("lease/0000000000000100.json"), lease).expect("written");
    let requests = Requests::default();
    let archiver = archiver(&store, requests.location(&folder), "test");
    let reads_first = || {
        let error = archiver.run_once().expect_err("held");
        assert!(matches!(error, Error::Held { .. }), "{error}");
        let mut names = requests.take().into_iter().map(|(_, name)| name);
        names.any(|name| name == "manifest/00000001.json")
    };
    assert_eq!([reads_first(), reads_first()], [true, false]);
}

#[test]
fn leases_and_plans_of_earlier_runs_are_deleted() {
    let (folder, store) = (Folder::new(), trail(200, 305));
    for round in 0..5 {
        run(&store, folder.location());
        append(&store, 130, 306 + round);
        let other = archiver(&store, folder.location(), "other");
        other.run_once().expect("a run");
        append(&store, 10, 316 + round);
    }
    let of = |prefix: &str| {
        let objects = folder.objects().into_keys();
        objects.filter(|name| name.starts_with(prefix)).count()
    };
    // The lease of the last manifest, and its release.
    assert_eq!((of("lease/"), of("plan/")), (2, 1));
    assert!(verify(&folder.location()).expect("verified").is_clean());

    // A lost tail of two segments is still detected.
    let manifests: Vec<_> = folder.objects().into_keys().collect();
    let manifests = manifests
        .iter()
        .filter(|name| name.starts_with("manifest/"));
    for name in manifests.rev().take(2) {
        fs::remove_file(folder.file(name)).expect("removed");
    }
    let error = ArchiveStore::open(folder.location()).expect_err("a lost tail");
    assert!(matches!(error, Error::LostTail { .. }), "{error}");
}

#[test]
fn a_refused_deletion_of_leases_is_no_error() {
    let (folder, store) = (Folder::new(), trail(200, 331));
    let location = Faulty::location(folder.path(), |_, operation, _| {
        if operation == Operation::Delete {
            Fault::Refused
        } else {
            Fault::Nothing
        }
    });
    let archiver = archiver(&store, location, "test");
    for round in 0..3 {
        archiver.run_once().expect("a run");
        append(&store, 50, 332 + round);
    }
    assert!(
        folder
            .objects()
            .keys()
            .filter(|name| name.starts_with("plan/"))
            .count()
            > 3
    );
    assert!(verify(&folder.location()).expect("verified").is_clean());
}
