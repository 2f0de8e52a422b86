//! Files leave the archive by class and date.

#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "scratch/faulty.rs"]
mod faulty;
#[path = "scratch/rewrite.rs"]
mod rewrite;
#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use audit_archive::{
    ArchiveOptions, ArchiveStore, Archiver, Error, FindingKind, Location, Verifier, verify,
};
use audit_core::{Follow, LogEntry, MemoryStore, Position, Query, Store};
use chrono::{DateTime, NaiveDate, Utc};

use self::faulty::{Fault, Faulty, Operation};
use self::rewrite::rewrite;
use self::scratch::Folder;

/// Returns a trail with an entry of each model on each of the first days of a January.
fn january(days: u32) -> MemoryStore {
    let store = MemoryStore::new();
    for day in 1..=days {
        for model in ["Payment", "Login"] {
            let mut entry = LogEntry::new("create", model, day.to_string(), "bob");
            entry.timestamp = format!("2020-01-{day:02}T12:00:00Z")
                .parse()
                .expect("a time");
            store.append(&[entry]).expect("appended");
        }
    }
    store
}

fn archiver(store: &MemoryStore, location: Location) -> Archiver<MemoryStore> {
    let options = ArchiveOptions::new()
        .create(true)
        .holder("test")
        .class("Payment", "ten-years");
    Archiver::new(store.clone(), location).options(options)
}

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2020, 1, day).expect("a date")
}

#[test]
fn files_before_a_date_leave_and_others_stay() {
    let (folder, store) = (Folder::new(), january(31));
    let archiver = archiver(&store, folder.location());
    archiver.run_once().expect("a run");
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    let expired = archiver
        .expire("default", day(11), "policy 7")
        .expect("expired");
    assert_eq!(
        (expired.files, expired.entries, expired.deleted),
        (10, 10, 20)
    );
    // An open reader has the new state, too.
    let count = |model: &str| {
        archive
            .count(&Query::new().model_name(model))
            .expect("a count")
    };
    assert_eq!((count("Login"), count("Payment")), (21, 31));
    let found = verify(&folder.location()).expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!((found.entries, found.orphans.len()), (52, 0));
    let manifest =
        std::fs::read_to_string(folder.file("manifest/00000003.json")).expect("a manifest");
    assert!(manifest.contains("\"reason\":\"policy 7\""), "{manifest}");

    let again = archiver
        .expire("default", day(11), "policy 7")
        .expect("expired");
    assert_eq!((again.files, again.deleted), (0, 0));
    // Late entries of these dates are archived, and expire with the next call.
    let mut late = LogEntry::new("create", "Login", "late", "bob");
    late.timestamp = "2020-01-02T12:00:00Z".parse().expect("a time");
    store.append(&[late]).expect("appended");
    assert_eq!(archiver.run_once().expect("a run").entries, 1);
    let expired = archiver
        .expire("default", day(11), "policy 7")
        .expect("expired");
    assert_eq!((expired.files, expired.deleted), (1, 2));
}

/// After a class has expired, the other entries of its segments and later segments are still compared.
#[test]
fn an_archive_is_compared_with_its_hot_store_after_a_class_has_expired() {
    let (folder, store) = (Folder::new(), january(10));
    let options = ArchiveOptions::new()
        .create(true)
        .class("Payment", "ten-years")
        .segment_entries(6);
    let archiver = Archiver::new(store.clone(), folder.location()).options(options);
    archiver.run_once().expect("a run");
    let location = folder.location();
    let against = |store: &MemoryStore| {
        let verifier = Verifier::new(&location).against(store);
        verifier.run().expect("verified")
    };
    assert_eq!(against(&store).expired, 0);
    let expired = archiver.expire("default", day(7), "policy 7");
    assert_eq!(expired.expect("expired").entries, 6);
    store
        .append(&[LogEntry::new("create", "Login", "later", "bob")])
        .expect("appended");
    let found = against(&store);
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!(found.expired, 6);

    // A store that has an entry with other bytes, before and after the expired ones, and one without the
    // last entries of segments.
    for pk in ["1", "9"] {
        let other = MemoryStore::new();
        let batch = store.committed_after(&Position::START, 100);
        let stored = batch.expect("a batch").entries;
        let entries = stored.iter().map(audit_core::Stored::entry);
        let mut entries: Vec<LogEntry> = entries.collect::<Result<_, _>>().expect("entries");
        for entry in &mut entries {
            if entry.model == "Payment" && entry.object_pk == pk {
                entry.reason = Some("changed".to_owned());
            }
        }
        other.append(&entries).expect("appended");
        let found = against(&other);
        let kinds: Vec<_> = found.findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [FindingKind::DifferentEntry], "{pk}");
    }
    for pk in ["3", "6", "9"] {
        let query = Query::new().model_name("Login").object_pk(pk);
        assert_eq!(store.purge(&query).expect("purged"), 1);
    }
    let found = against(&store);
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!(found.expired, 4);
}

/// As a locked object: the other objects are deleted, and the error names the object.
#[test]
fn an_object_that_cannot_be_deleted_does_not_keep_others() {
    let (folder, store) = (Folder::new(), january(5));
    archiver(&store, folder.location())
        .run_once()
        .expect("a run");
    let refused = AtomicBool::new(false);
    let location = Faulty::location(folder.path(), move |_, operation, _| {
        if operation == Operation::Delete && !refused.swap(true, Ordering::SeqCst) {
            Fault::Refused
        } else {
            Fault::Nothing
        }
    });
    let error = archiver(&store, location)
        .expire("default", day(4), "policy 7")
        .expect_err("locked");
    let found = verify(&folder.location()).expect("verified");
    assert_eq!((found.entries, found.orphans.len()), (7, 1));
    assert!(error.to_string().contains(&found.orphans[0]), "{error}");
}

/// Interrupts the call at each operation: the archive stays intact, and another call completes it.
#[test]
fn an_interrupted_call_is_continued() {
    for at in 0.. {
        let (folder, store) = (Folder::new(), january(5));
        archiver(&store, folder.location())
            .run_once()
            .expect("a run");
        let location = Faulty::location(folder.path(), move |number, _, _| {
            if number >= at {
                Fault::Refused
            } else {
                Fault::Nothing
            }
        });
        let result = archiver(&store, location).expire("default", day(4), "policy 7");
        let context = format!("operation {at}: {result:?}");
        let found = verify(&folder.location()).expect(&context);
        assert!(found.is_clean(), "{context}: {:#?}", found.findings);
        let rest = archiver(&store, folder.location()).expire("default", day(4), "policy 7");
        rest.expect(&context);
        let found = verify(&folder.location()).expect(&context);
        assert!(found.is_clean(), "{context}: {:#?}", found.findings);
        assert_eq!((found.entries, found.orphans.len()), (7, 0), "{context}");
        if result.is_ok() {
            assert!(at > 10, "{at} operations");
            break;
        }
    }
}

/// As of an archiver that was killed: `object_store` writes to a name with `#` and a number first, and does not list it.
#[test]
fn files_of_interrupted_writes_expire() {
    let (folder, store) = (Folder::new(), january(5));
    let archiver = archiver(&store, folder.location());
    archiver.run_once().expect("a run");
    let mut files: Vec<String> = folder.files().into_keys().collect();
    files.retain(|name| name.contains("class=default") && name.ends_with(".parquet"));
    for name in &files {
        fs::copy(folder.file(name), folder.file(&format!("{name}#1"))).expect("copied");
    }
    let found = verify(&folder.location()).expect("verified");
    assert!(found.is_clean(), "{:#?}", found.findings);
    assert_eq!(found.orphans.len(), 5);
    archiver
        .expire("default", day(4), "policy 7")
        .expect("expired");
    let mut left: Vec<String> = folder.files().into_keys().collect();
    left.retain(|name| name.ends_with("#1"));
    let kept = files.iter().skip(3).map(|name| format!("{name}#1"));
    assert!(left.iter().eq(&kept.collect::<Vec<_>>()), "{left:#?}");
}

#[test]
fn holds_a_missing_reason_and_a_wrong_class_are_errors() {
    let (folder, store) = (Folder::new(), january(31));
    let archiver = archiver(&store, folder.location());
    archiver.run_once().expect("a run");
    for (class, reason) in [("default", ""), ("../default", "policy 7")] {
        let error = archiver.expire(class, day(4), reason).expect_err("invalid");
        assert!(matches!(error, Error::InvalidOption { .. }), "{error}");
    }
    rewrite(&folder, 2, "\"holds\":[]", "\"holds\":[{}]");
    let archiver = self::archiver(&store, folder.location());
    let objects = folder.objects();
    let error = archiver
        .expire("default", day(4), "policy 7")
        .expect_err("holds");
    assert!(matches!(error, Error::OnHold { .. }), "{error}");
    assert_eq!(folder.objects(), objects);
}

/// Files leave the archive at any moment of a read: it returns all entries, or those that stay.
#[test]
fn a_read_beside_an_expiry_is_exact() {
    let (original, store) = (Folder::new(), january(5));
    archiver(&store, original.location())
        .run_once()
        .expect("a run");
    let ids = |store: &dyn Store| -> Vec<_> {
        let query = Query::new().limit(100);
        let page = store.find(&query).expect("found").entries;
        page.iter().map(|entry| entry.id).collect()
    };
    let all = ids(&store);
    let query = Query::new().until(
        "2020-01-04T00:00:00Z"
            .parse::<DateTime<Utc>>()
            .expect("a time"),
    );
    let login = query.model_name("Login");
    let gone = store.find(&login).expect("found").entries;
    let stays = all
        .iter()
        .copied()
        .filter(|id| gone.iter().all(|entry| entry.id != *id));
    let stays: Vec<_> = stays.collect();
    assert_eq!((all.len(), stays.len()), (10, 7));
    let mut results = [0, 0];
    for at in 0.. {
        let folder = original.copy();
        let operations = Arc::new(AtomicUsize::new(0));
        let location = Faulty::location(folder.path(), {
            let (operations, store) = (Arc::clone(&operations), store.clone());
            let path = folder.path().to_owned();
            move |_, _, _| {
                if operations.fetch_add(1, Ordering::SeqCst) == at {
                    let location = Location::folder(&path).expect("a location");
                    let expired = archiver(&store, location).expire("default", day(4), "policy 7");
                    assert_eq!(expired.expect("expired").files, 3);
                }
                Fault::Nothing
            }
        });
        let archive = ArchiveStore::open(location).expect("an archive");
        let found = ids(&archive);
        results[usize::from(found == stays)] += 1;
        assert!(found == all || found == stays, "operation {at}: {found:?}");
        if operations.load(Ordering::SeqCst) <= at {
            assert_eq!(found, all);
            break;
        }
        assert_eq!(ids(&archive), stays, "operation {at}");
    }
    assert!(results.iter().all(|count| *count > 2), "{results:?}");
}
