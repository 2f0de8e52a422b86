//! Archives, reads, prunes, restores, compacts and expires in a bucket.

use std::thread;

use audit_archive::{
    ArchiveStore, Error, Federated, FindingKind, Location, Pruner, restore, verify,
};
use audit_core::{Query, Store};
use chrono::NaiveDate;

use crate::scratch::{append, trail};
use crate::{Bucket, archiver, exported, verified};

pub(crate) fn an_archive_lives_in_a_bucket() {
    let bucket = Bucket::new("life");
    let (location, store) = (bucket.location(), trail(250, 151));
    let before = exported(&store);
    let archiver = archiver(&store, &location);
    assert_eq!(archiver.run_once().expect("a run").entries, 250);
    assert_eq!(verified(&location, &store).entries, 250);

    let archive = ArchiveStore::open(location.clone()).expect("an archive");
    assert_eq!(exported(&archive), before);
    let users = Query::new().model_name("User").newest_first().limit(7);
    let find = |store: &dyn Store| store.find(&users).expect("found").entries;
    assert_eq!(find(&archive), find(&store));

    append(&store, 20, 152);
    let all = exported(&store);
    let report = Pruner::new(&store, &location).run().expect("pruned");
    assert_eq!((report.removed, report.unverified), (249, 0));
    assert_eq!(store.len(), 21);
    let both = Federated::new(store.clone(), archive.clone());
    assert_eq!(exported(&both), all);

    let restored = restore(&archive, &store, &Query::new()).expect("restored");
    assert_eq!((restored.restored, restored.existing), (249, 1));
    assert_eq!(exported(&store), all);
    archiver.run_once().expect("a run");
    let done = archiver.compact().expect("compacted");
    assert!(done.replaced > 2 && done.files < done.replaced, "{done:?}");
    let found = verified(&location, &store);
    assert_eq!(found.orphans, [""; 0]);
    assert_eq!(exported(&archive), all);

    let date = NaiveDate::from_ymd_opt(2100, 1, 1).expect("a date");
    let expired = archiver.expire("default", date, "policy 7");
    assert!(expired.expect("expired").deleted > 4);
    let found = verified(&location, &store);
    assert_eq!((found.files, found.orphans.len()), (0, 0));
    assert_eq!(exported(&archive), [""; 0]);
}

pub(crate) fn two_archivers_write_each_entry_once() {
    let bucket = Bucket::new("two");
    let store = trail(1_000, 153);
    // Each archiver has connections of its own.
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..5 {
                    match archiver(&store, &bucket.location()).run_once() {
                        Ok(_) | Err(Error::Fenced { .. } | Error::Held { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let location = bucket.location();
    archiver(&store, &location).run_once().expect("a run");
    let found = verified(&location, &store);
    assert_eq!((found.entries, found.manifests), (1_000, 11));
}

pub(crate) fn a_bucket_that_is_missing_or_of_others() {
    let missing = Location::parse("s3://missing/trails").expect("a location");
    let store = trail(5, 154);
    let error = archiver(&store, &missing)
        .run_once()
        .expect_err("no bucket");
    assert!(error.to_string().contains("NoSuchBucket"), "{error}");
    verify(&missing).expect_err("no bucket");
    ArchiveStore::open(missing).expect_err("no bucket");

    let bucket = Bucket::new("others");
    let others = [
        "/file",
        "/trails/other/manifest/00000001.json",
        "/trails/billing/manifest/readme.txt",
        "/trails/billing/v1/class=default/notes",
    ];
    for path in others {
        assert_eq!(bucket.send("PUT", path, &[], "not an archive").0, 200);
    }
    let location = bucket.location();
    let error = verify(&location).expect_err("no archive");
    assert!(matches!(error, Error::NoArchive { .. }), "{error}");
    archiver(&store, &location).run_once().expect("a run");
    assert_eq!(verified(&location, &store).entries, 5);
    for path in others {
        assert_eq!(bucket.send("GET", path, &[], "").1, "not an archive");
    }

    let other = Location::parse("s3://others/trails/other").expect("a location");
    let error = archiver(&store, &other).run_once().expect_err("foreign");
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
}

pub(crate) fn a_gap_is_an_error_until_it_is_filled() {
    let bucket = Bucket::new("gap");
    let (location, store) = (bucket.location(), trail(250, 155));
    archiver(&store, &location).run_once().expect("a run");
    let path = "/trails/billing/manifest/00000002.json";
    let (_, manifest) = bucket.send("GET", path, &[], "");
    assert_eq!(bucket.send("DELETE", path, &[], "").0, 204);
    let error = ArchiveStore::open(location.clone()).expect_err("a gap");
    assert!(matches!(error, Error::Gap { number: 2 }), "{error}");
    let error = archiver(&store, &location).run_once().expect_err("a gap");
    assert!(matches!(error, Error::Gap { number: 2 }), "{error}");
    Pruner::new(&store, &location).run().expect_err("a gap");
    assert_eq!(store.len(), 250);
    let found = verify(&location).expect("verified");
    let first = &found.findings[0];
    assert_eq!(first.kind, FindingKind::MissingManifest);
    assert_eq!(first.path, "manifest/00000002.json");

    assert_eq!(bucket.send("PUT", path, &[], &manifest).0, 200);
    assert_eq!(verified(&location, &store).entries, 250);
    append(&store, 5, 156);
    assert_eq!(
        archiver(&store, &location)
            .run_once()
            .expect("a run")
            .entries,
        5
    );
}
