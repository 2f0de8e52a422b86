//! A hot store and its archive, read as one store.

mod as_hot;
#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "../scratch/faulty.rs"]
mod faulty;
mod hooked;
mod laws;
#[path = "../scratch/mod.rs"]
#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Error, Federated, Location, Pruner};
use audit_core::{
    Cursor, Follow, LogEntry, MemoryStore, ObjectRef, Query, Store, StoreError, TrailStore,
};
use audit_sqlite::SqliteStore;

use self::faulty::{Fault, Faulty, Operation};
use self::hooked::Hooked;
use self::scratch::{Folder, append, trail};

fn archiver<S: Follow>(hot: S, location: &Location) -> Archiver<S> {
    let options = ArchiveOptions::new()
        .create(true)
        .holder("test")
        .segment_entries(40)
        .row_group(5)
        .compact_files(2)
        .grace(Duration::ZERO);
    Archiver::new(hot, location.clone()).options(options)
}

fn archive(hot: impl Follow, location: &Location) {
    archiver(hot, location).run_once().expect("a run");
}

fn prune(hot: &dyn TrailStore, location: &Location, query: Query) {
    let report = Pruner::new(hot, location).matching(query).run();
    assert_eq!(report.expect("pruned").findings, []);
}

fn federated(hot: impl TrailStore + 'static, location: &Location) -> Federated {
    Federated::new(
        hot,
        ArchiveStore::open(location.clone()).expect("an archive"),
    )
}

fn sorted(mut entries: Vec<LogEntry>) -> Vec<LogEntry> {
    entries.sort_by_key(Cursor::of);
    entries
}

fn pages(store: &dyn Store, mut query: Query) -> Vec<LogEntry> {
    let mut entries = Vec::new();
    loop {
        let page = store.find(&query).expect("a page");
        assert!(page.entries.len() <= query.page_size());
        entries.extend(page.entries);
        match page.next {
            Some(next) => query = query.after(next),
            None => return entries,
        }
    }
}

#[test]
fn a_page_of_newer_hot_entries_opens_no_file_of_the_archive() {
    let folder = Folder::new();
    let opened = Arc::new(Mutex::new(Vec::new()));
    let location = Faulty::location(folder.path(), {
        let opened = Arc::clone(&opened);
        move |_, operation, path| {
            if operation == Operation::Get && path.starts_with("v1/") {
                opened.lock().expect("a list").push(path.to_owned());
            }
            Fault::Nothing
        }
    });
    let hot = trail(200, 71);
    archive(hot.clone(), &location);
    prune(&hot, &location, Query::new().model_name("User"));
    let last = hot.find(&Query::new().newest_first().limit(1));
    let mut time = last.expect("a page").entries[0].timestamp;
    let mut newer = audit_testkit::entries(50, 72);
    for entry in &mut newer {
        time += chrono::TimeDelta::seconds(1);
        entry.timestamp = time;
    }
    hot.append(&newer).expect("appended");
    let store = federated(hot, &location);
    opened.lock().expect("a list").clear();
    let opened = || std::mem::take(&mut *opened.lock().expect("a list"));

    let newest = Query::new().newest_first();
    let page = store.find(&newest.clone().limit(20)).expect("a page");
    newer.reverse();
    assert_eq!(page.entries, newer[..20]);
    let cursor = page.next.expect("a cursor");
    let second = newest.clone().after(cursor).limit(29);
    assert_eq!(store.find(&second).expect("a page").entries, newer[20..49]);
    let since = Query::new().since(newer[49].timestamp);
    assert_eq!(store.count(&since).expect("a count"), 50);
    assert_eq!(opened(), [""; 0]);

    // The next page reaches into the times of the archive.
    let third = store.find(&newest.limit(51)).expect("a page");
    assert_eq!(third.entries.len(), 51);
    assert_ne!(opened(), [""; 0]);
}

/// The hot store is read before the manifests: with the other order, entries that are archived and
/// removed between the two reads would be in neither result.
#[test]
fn entries_that_move_to_the_archive_during_a_read_are_found() {
    let (folder, hot) = (Folder::new(), MemoryStore::new());
    let location = folder.location();
    append(&hot, 150, 73);
    archive(hot.clone(), &location);
    append(&hot, 150, 74);
    let all = hot.find(&Query::new()).expect("a page").entries;
    // Before and after each read of the hot store, the archiver runs and some entries are removed.
    let step = AtomicUsize::new(0);
    let models = ["User", "Invoice", "crate::Übung", "o'Brien \"x\""];
    let store = federated(
        Hooked::new(hot.clone(), {
            let (hot, location) = (hot.clone(), location.clone());
            move || {
                archive(hot.clone(), &location);
                if let Some(model) = models.get(step.fetch_add(1, Ordering::SeqCst) / 5) {
                    prune(&hot, &location, Query::new().model_name(*model));
                }
            }
        }),
        &location,
    );
    for limit in [500, 50, 7] {
        assert_eq!(pages(&store, Query::new().limit(limit)), all);
    }
    assert_eq!(hot.len(), 1, "the newest archived entry stays");
    assert_eq!(store.count(&Query::new()).expect("a count"), 300);
}

#[test]
fn a_count_has_entries_that_move_to_the_archive_meanwhile() {
    for runs in 0..8 {
        let (folder, hot) = (Folder::new(), MemoryStore::new());
        let location = folder.location();
        append(&hot, 60, 75);
        archive(hot.clone(), &location);
        let late = append(&hot, 60, 82);
        let newer = Query::new().since(sorted(late)[30].timestamp);
        let expected = hot.count(&newer).expect("a count");
        let step = AtomicUsize::new(0);
        let moved = Hooked::new(hot.clone(), {
            let (hot, location) = (hot.clone(), location.clone());
            move || {
                if step.fetch_add(1, Ordering::SeqCst) == runs {
                    archive(hot.clone(), &location);
                    prune(&hot, &location, Query::new());
                }
            }
        });
        let store = federated(moved, &location);
        assert_eq!(store.count(&newer).expect("a count"), expected, "{runs}");
    }
}

#[test]
fn an_entry_that_was_erased_in_the_hot_store_stays_erased() {
    let (folder, hot) = (Folder::new(), trail(20, 76));
    let location = folder.location();
    archive(hot.clone(), &location);
    // A store whose entry has lost its reason since.
    let erased = MemoryStore::new();
    let mut entries = hot.find(&Query::new()).expect("a page").entries;
    for entry in &mut entries {
        entry.reason = None;
    }
    erased.append(&entries).expect("appended");
    let store = federated(erased, &location);
    for newest_first in [false, true] {
        let query = Query::new().limit(7);
        let query = if newest_first {
            query.newest_first()
        } else {
            query
        };
        let found = pages(&store, query);
        assert_eq!(sorted(found), entries);
    }
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    assert_eq!(store.by_ids(&ids).expect("entries"), entries);
}

#[test]
fn a_query_of_an_erased_value_does_not_find_the_archived_entry() {
    let folder = Folder::new();
    let location = folder.location();
    let mut entries = audit_testkit::entries(60, 84);
    for entry in &mut entries {
        entry.reason = Some("former".to_owned());
    }
    let hot = MemoryStore::new();
    hot.append(&entries).expect("appended");
    archive(hot, &location);
    // A store whose entries have another reason since, and one of them another time. One has left it, and
    // it has an entry from before the archive.
    let rewritten = MemoryStore::new();
    for entry in &mut entries {
        entry.reason = Some("rewritten".to_owned());
    }
    entries[7].timestamp -= chrono::TimeDelta::days(1);
    let mut early = audit_testkit::entries(1, 85).remove(0);
    early.timestamp = entries[7].timestamp - chrono::TimeDelta::days(9_000);
    early.reason = Some("rewritten".to_owned());
    let pruned = entries.swap_remove(3);
    entries.push(early);
    rewritten.append(&entries).expect("appended");
    let store = federated(rewritten, &location);
    for limit in [1, 7, 500] {
        for newest_first in [false, true] {
            let read = |text: &str| {
                let query = Query::new().text(text).limit(limit);
                let query = if newest_first {
                    query.newest_first()
                } else {
                    query
                };
                sorted(pages(&store, query))
            };
            let left: Vec<_> = read("former").iter().map(|entry| entry.id).collect();
            assert_eq!(
                left,
                [pruned.id],
                "as archived, since it left the hot store"
            );
            assert_eq!(read("rewritten"), sorted(entries.clone()));
        }
    }
    for (text, expected) in [("former", 1), ("rewritten", 60)] {
        let query = Query::new().text(text);
        assert_eq!(store.count(&query).expect("a count"), expected);
        let exported = store.export(&query, &mut |_| Ok(()));
        assert_eq!(exported.expect("exported"), expected);
    }
    let objects = store.objects(&Query::new().text("former"), None);
    let objects = objects.expect("objects");
    assert!(objects.iter().all(|entry| entry.id == pruned.id));
}

#[test]
fn a_missing_archive_is_an_error() {
    let (folder, hot) = (Folder::new(), trail(60, 77));
    let location = folder.location();
    let missing = ArchiveStore::open(Location::folder(folder.file("other")).expect("a location"));
    let error = missing.expect_err("no archive");
    assert!(matches!(error, Error::NoArchive { .. }), "{error}");
    archive(hot.clone(), &location);
    prune(&hot, &location, Query::new().model_name("User"));
    let store = federated(hot, &location);
    // As an unmounted disk.
    std::fs::rename(folder.path(), folder.path().with_extension("gone")).expect("renamed");
    let query = Query::new().limit(5);
    let results = [
        store.find(&query).map(drop),
        store.find(&query.clone().newest_first()).map(drop),
        store.count(&query).map(drop),
        store.objects(&query, None).map(drop),
        store.export(&query, &mut |_| Ok(())).map(drop),
        store.models().map(drop),
        store.with_id_prefix("", 1).map(drop),
        store.by_ids(&[uuid::Uuid::nil()]).map(drop),
    ];
    std::fs::rename(folder.path().with_extension("gone"), folder.path()).expect("renamed");
    for (number, result) in results.into_iter().enumerate() {
        let error = result.expect_err("the archive is missing");
        let text = error.to_string();
        assert!(text.contains("manifest"), "{number}: {text}");
    }
    assert!(store.find(&query).is_ok(), "the disk is mounted again");
}

#[test]
fn damage_names_the_archive() {
    let (folder, hot) = (Folder::new(), trail(60, 78));
    let location = folder.location();
    archive(hot.clone(), &location);
    prune(&hot, &location, Query::new());
    let name = folder
        .files()
        .into_keys()
        .find(|name| name.ends_with(".parquet"));
    let file = folder.file(&name.expect("a file"));
    let mut bytes = std::fs::read(&file).expect("a file");
    let footer = bytes.len() - 20;
    bytes[footer] ^= 0xff;
    std::fs::write(&file, bytes).expect("written");
    let error = federated(hot, &location)
        .find(&Query::new())
        .expect_err("damaged");
    assert!(error.to_string().contains("v1/"), "{error}");
    assert!(error.to_string().contains(&location.to_string()), "{error}");
}

#[test]
fn writes_go_to_the_hot_store_and_nothing_is_removed() {
    let (folder, hot) = (Folder::new(), trail(20, 79));
    let location = folder.location();
    archive(hot.clone(), &location);
    let objects = folder.objects();
    let store = federated(hot.clone(), &location);
    let log = audit_core::AuditLog::builder().store(store.clone()).build();
    log.event("viewed").record().expect("recorded");
    assert_eq!(hot.len(), 21);
    assert_eq!(log.query().count().expect("a count"), 21);
    for removed in [store.purge(&Query::new()), store.purge_exact(&[])] {
        let error = removed.expect_err("read-only");
        assert!(matches!(error, StoreError::Unsupported { .. }), "{error}");
    }
    assert_eq!(
        store.position().expect("a position"),
        hot.position().expect("a position")
    );
    assert_eq!(folder.objects(), objects, "the archive is as before");
}

#[test]
fn an_archive_that_cannot_be_read_is_an_error() {
    let (folder, hot) = (Folder::new(), trail(60, 83));
    archive(hot.clone(), &folder.location());
    for fault in [Fault::Before, Fault::Refused] {
        let fails = Arc::new(AtomicUsize::new(0));
        let location = Faulty::location(folder.path(), {
            let fails = Arc::clone(&fails);
            move |_, operation, _| match (operation, fails.load(Ordering::SeqCst)) {
                (Operation::Put, 0) => Fault::Unconditional,
                (Operation::Put, _) => Fault::After,
                (_, 1) => fault,
                _ => Fault::Nothing,
            }
        });
        let store = federated(hot.clone(), &location);
        fails.store(1, Ordering::SeqCst);
        // Although the hot store has all entries.
        store
            .find(&Query::new().limit(5))
            .expect_err("a failing archive");
        store.count(&Query::new()).expect_err("a failing archive");
        fails.store(0, Ordering::SeqCst);
        assert_eq!(store.count(&Query::new()).expect("a count"), 60);
    }
}

#[test]
fn cursors_of_each_store_continue_in_the_other() {
    let (folder, hot) = (Folder::new(), trail(120, 80));
    let location = folder.location();
    let all = sorted(hot.find(&Query::new()).expect("a page").entries);
    archive(hot.clone(), &location);
    prune(&hot, &location, Query::new().model_name("User"));
    let archived = ArchiveStore::open(location.clone()).expect("an archive");
    let both = federated(hot.clone(), &location);
    for from in [&hot as &dyn Store, &archived, &both] {
        let page = from.find(&Query::new().limit(30)).expect("a page");
        let next = page.next.expect("a cursor");
        let rest = Query::new().after(next);
        let expected = all.iter().filter(|entry| Cursor::of(entry) > next);
        assert!(
            both.find(&rest)
                .expect("a page")
                .entries
                .iter()
                .eq(expected)
        );
    }
}

#[test]
fn history_and_blame_are_of_both() {
    let (folder, hot) = (Folder::new(), tempfile::tempdir().expect("a folder"));
    let hot = SqliteStore::open(hot.path().join("audit.db")).expect("a store");
    let location = folder.location();
    append(&hot, 200, 81);
    let one = MemoryStore::new();
    one.append(&hot.find(&Query::new()).expect("a page").entries)
        .expect("appended");
    archive(hot.clone(), &location);
    let middle = one.find(&Query::new().limit(150)).expect("a page").next;
    let until = middle.expect("a cursor").timestamp();
    prune(&hot, &location, Query::new().until(until));
    let log = |store: Box<dyn Store>| audit_core::AuditLog::builder().store(store).build();
    let (both, one) = (log(Box::new(federated(hot, &location))), log(Box::new(one)));
    for pk in 0..20 {
        let object = || ObjectRef::new("User", pk.to_string());
        let [found, expected] =
            [&both, &one].map(|log| log.history_of(object()).expect("a history"));
        assert_eq!(found.entries(), expected.entries());
        assert_eq!(
            format!("{:?}", found.blame()),
            format!("{:?}", expected.blame())
        );
        assert_eq!(
            format!("{:?}", found.as_of(until)),
            format!("{:?}", expected.as_of(until))
        );
    }
}
