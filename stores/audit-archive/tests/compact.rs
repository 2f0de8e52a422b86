//! Small files of a class and date become one, and nothing else changes.

#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "scratch/faulty.rs"]
mod faulty;
#[path = "scratch/rewrite.rs"]
mod rewrite;
#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use audit_archive::{
    ArchiveOptions, ArchiveStore, Archiver, Compacted, Error, FindingKind, Location, Pruner,
    Verification, Verifier, restore, verify,
};
use audit_core::{LogEntry, MemoryStore, Query, Store};
use chrono::{DateTime, NaiveDate};

use self::faulty::{Fault, Faulty, Operation};
use self::rewrite::rewrite;
use self::scratch::Folder;

/// The number of segments of a trail.
const HOURS: u32 = 6;

/// Returns a trail of hours, each with entries of two models on three days.
fn trail(hours: u32) -> MemoryStore {
    let store = MemoryStore::new();
    for hour in 0..hours {
        append_hour(&store, hour);
    }
    store
}

fn append_hour(store: &MemoryStore, hour: u32) {
    for day in 1..=3 {
        for model in ["Payment", "Login"] {
            let pk = (hour % 4).to_string();
            let mut entry = LogEntry::new("update", model, pk, "bob");
            entry.timestamp = format!("2020-01-{day:02}T{hour:02}:00:00Z")
                .parse()
                .expect("a time");
            store.append(&[entry]).expect("appended");
        }
    }
}

fn options() -> ArchiveOptions {
    ArchiveOptions::new()
        .create(true)
        .holder("test")
        .class("Payment", "ten-years")
        .segment_entries(6)
        .compact_files(2)
        .clock(|| "2026-01-01T00:00:00Z".parse().expect("a time"))
}

fn archiver(store: &MemoryStore, location: Location) -> Archiver<MemoryStore> {
    Archiver::new(store.clone(), location).options(options())
}

/// A folder with an archive of a trail that is not compacted: a file for each segment, class and date.
fn archived() -> (Folder, MemoryStore) {
    archived_hours(HOURS)
}

fn archived_hours(hours: u32) -> (Folder, MemoryStore) {
    let (folder, store) = (Folder::new(), trail(hours));
    let report = archiver(&store, folder.location()).run_once();
    assert_eq!(report.expect("a run").files, u64::from(hours) * 6);
    (folder, store)
}

fn exported(store: &dyn Store) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |text: &str| {
        lines.push(text.to_owned());
        Ok(())
    };
    store.export(&Query::new(), &mut line).expect("exported");
    lines
}

/// Verifies an archive against its hot store.
fn verified(folder: &Folder, store: &MemoryStore, context: &str) -> Verification {
    let location = folder.location();
    let found = Verifier::new(&location).against(store).run();
    let found = found.expect(context);
    assert!(found.is_clean(), "{context}: {:#?}", found.findings);
    found
}

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2020, 1, day).expect("a date")
}

#[test]
fn small_files_become_one_with_the_same_entries() {
    let (folder, store) = archived();
    let entries = exported(&store);
    let reader = ArchiveStore::open(folder.location()).expect("an archive");
    assert_eq!(exported(&reader), entries);
    let before = folder.files();
    let now = Arc::new(AtomicI64::new(1_800_000_000));
    let options = options().clock({
        let now = Arc::clone(&now);
        move || DateTime::from_timestamp(now.load(Ordering::SeqCst), 0).expect("a time")
    });
    let archiver = Archiver::new(store.clone(), folder.location()).options(options);
    let planned = archiver.plan_compact().expect("planned");
    let done = archiver.compact().expect("compacted");
    assert_eq!((done.replaced, done.files), (36, 6));
    assert_eq!(done.entries, store.len() as u64);
    assert_eq!((done.deleted, done.refused, done.findings.len()), (0, 0, 0));
    assert_eq!(
        (planned.replaced, planned.files, planned.entries),
        (done.replaced, done.files, done.entries)
    );

    // The old files stay for a day.
    let found = verified(&folder, &store, "compacted");
    assert_eq!((found.files, found.entries), (6, store.len() as u64));
    assert_eq!((found.replaced, found.orphans.len()), (72, 0));
    let after = folder.files();
    assert!(
        before
            .iter()
            .all(|(name, bytes)| after.get(name) == Some(bytes))
    );
    assert_eq!(exported(&reader), entries, "a reader that was open before");
    let opened = ArchiveStore::open(folder.location()).expect("an archive");
    assert_eq!(exported(&opened), entries);
    assert_eq!(opened.status().expect("a status").files, 6);
    for pk in 0..4 {
        let query = Query::new().model_name("Login").object_pk(pk);
        let count = |store: &dyn Store| store.count(&query).expect("a count");
        assert_eq!(count(&opened), count(&store));
        let find = |store: &dyn Store| store.find(&query).expect("found").entries;
        assert_eq!(find(&opened), find(&store));
    }

    now.fetch_add(24 * 3600 - 1, Ordering::SeqCst);
    assert_eq!(archiver.compact().expect("compacted"), Compacted::default());
    now.fetch_add(1, Ordering::SeqCst);
    let done = archiver.compact().expect("compacted");
    assert_eq!((done.replaced, done.deleted), (0, 72));
    assert_eq!(folder.files().len(), 12);
    assert_eq!(verified(&folder, &store, "deleted").replaced, 0);
    assert_eq!(exported(&reader), entries);

    // Later files are compacted with the compacted ones.
    append_hour(&store, HOURS);
    archiver.run_once().expect("a run");
    let done = archiver.compact().expect("compacted");
    assert_eq!((done.replaced, done.files), (12, 6));
    verified(&folder, &store, "compacted twice");
    assert_eq!(exported(&reader), exported(&store));
}

#[test]
fn few_and_large_files_stay() {
    let (folder, store) = archived();
    let before = folder.objects();
    let compact = |options: ArchiveOptions| {
        let archiver = Archiver::new(store.clone(), folder.location()).options(options);
        archiver.compact().expect("compacted")
    };
    let many = compact(options().compact_files(HOURS as usize + 1));
    assert_eq!(many, Compacted::default());
    assert_eq!(compact(options().compact_bytes(100)), Compacted::default());
    let changed = folder.objects();
    assert_eq!(before, changed);

    // Two files fit into one of this size, and three do not. A file of twelve entries is hardly longer than one of six,
    // so the next manifests replace the new files, too.
    let files = folder.files();
    let longest = files.values().map(Vec::len).max().expect("files");
    let done = compact(options().compact_bytes(longest as u64 * 5 / 2));
    assert!(done.replaced > 36 && done.files > 6, "{done:?}");
    let found = verified(&folder, &store, "compacted in parts");
    assert_eq!(found.files, 6);
    assert!(found.manifests > u64::from(HOURS) + 2, "{found:?}");
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    assert_eq!(exported(&archive), exported(&store));
}

/// Bodies that compress 50:1 and more need much more memory than their files have bytes.
#[test]
fn files_are_not_merged_beyond_the_memory_of_their_entries() {
    let (folder, store) = (Folder::new(), MemoryStore::new());
    for number in 0..120 {
        let mut entry = LogEntry::new("update", "Login", number.to_string(), "bob");
        entry.timestamp = "2020-01-01T00:00:00Z".parse().expect("a time");
        entry
            .additional_data
            .insert("text".to_owned(), "x".repeat(20_000).into());
        store.append(&[entry]).expect("appended");
    }
    let options = || options().segment_entries(30).compact_bytes(200_000);
    let archiver = Archiver::new(store.clone(), folder.location()).options(options());
    assert_eq!(archiver.run_once().expect("a run").files, 4);
    let bytes: usize = folder.files().values().map(Vec::len).sum();
    assert!(bytes < 100_000, "{bytes} bytes");
    // Two of the files, of 600 kB each, are below eight times the size, and three are not.
    let done = archiver.compact().expect("compacted");
    assert_eq!((done.replaced, done.files), (4, 2));
    assert_eq!(archiver.compact().expect("compacted").replaced, 0);
    assert_eq!(verified(&folder, &store, "compacted").entries, 120);

    // As do many small rows.
    let small = trail(24);
    let (folder, options) = (
        Folder::new(),
        options().segment_entries(6).compact_bytes(8_192),
    );
    let archiver = Archiver::new(small.clone(), folder.location()).options(options);
    archiver.run_once().expect("a run");
    archiver.compact().expect("compacted");
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    let status = archive.status().expect("a status");
    assert!(status.files > 6, "{status:?}");
    verified(&folder, &small, "compacted");
}

#[test]
fn invalid_options_and_holds_are_errors() {
    let (folder, store) = archived();
    for options in [options().compact_files(1), options().compact_bytes(0)] {
        let archiver = Archiver::new(store.clone(), folder.location()).options(options);
        let error = archiver.compact().expect_err("invalid");
        assert!(matches!(error, Error::InvalidOption { .. }), "{error}");
    }
    rewrite(
        &folder,
        u64::from(HOURS) + 1,
        "\"holds\":[]",
        "\"holds\":[{}]",
    );
    let objects = folder.objects();
    let error = archiver(&store, folder.location())
        .compact()
        .expect_err("holds");
    assert!(matches!(error, Error::OnHold { .. }), "{error}");
    assert_eq!(folder.objects(), objects);
}

/// Interrupts a compaction at each operation: the archive stays intact, and another call ends with the same files.
#[test]
fn an_interrupted_compaction_is_continued_with_the_same_files() {
    let (original, store) = archived_hours(2);
    let archiver_of = |location| {
        let options = options().grace(Duration::ZERO);
        Archiver::new(store.clone(), location).options(options)
    };
    let folder = original.copy();
    archiver_of(folder.location()).compact().expect("compacted");
    let expected = folder.files();
    assert_eq!(expected.len(), 12);
    for at in 0.. {
        let folder = original.copy();
        let location = Faulty::location(folder.path(), move |number, operation, _| {
            match operation {
                // The store has done some of the puts.
                Operation::Put if number == at && at % 2 == 0 => Fault::After,
                _ if number >= at => Fault::Refused,
                _ => Fault::Nothing,
            }
        });
        let result = archiver_of(location).compact();
        let context = format!("operation {at}: {result:?}");
        verified(&folder, &store, &context);
        let archive = ArchiveStore::open(folder.location()).expect(&context);
        assert_eq!(exported(&archive), exported(&store), "{context}");
        archiver_of(folder.location()).compact().expect(&context);
        let found = verified(&folder, &store, &context);
        assert_eq!(found.orphans, [""; 0], "{context}");
        assert!(folder.files() == expected, "{context}");
        if result.is_ok_and(|done| done.refused == 0) {
            assert!(at > 50, "{at} operations");
            break;
        }
    }
}

/// Another archiver expires files or compacts at any moment of a compaction, an hour later: no file that a manifest
/// names is deleted.
#[test]
fn another_archiver_at_any_moment_does_not_harm_a_compaction() {
    let (original, store) = archived_hours(2);
    let interleave = |at: usize, expires: bool| {
        let context = format!("operation {at}, expires: {expires}");
        let folder = original.copy();
        let operations = Arc::new(AtomicUsize::new(0));
        let location = Faulty::location(folder.path(), {
            let (operations, store) = (Arc::clone(&operations), store.clone());
            let path = folder.path().to_owned();
            move |_, _, _| {
                if operations.fetch_add(1, Ordering::SeqCst) == at {
                    let location = Location::folder(&path).expect("a location");
                    let options = options()
                        .holder("second")
                        .grace(Duration::ZERO)
                        .clock(|| "2026-01-01T01:00:00Z".parse().expect("a time"));
                    let second = Archiver::new(store.clone(), location).options(options);
                    if expires {
                        second
                            .expire("default", day(3), "policy 7")
                            .expect("expired");
                    } else {
                        second.compact().expect("compacted");
                    }
                }
                Fault::Nothing
            }
        });
        let first = archiver(&store, location).compact();
        match first {
            Ok(_) | Err(Error::Fenced { .. } | Error::Held { .. }) => {}
            Err(error) => panic!("{context}: {error}"),
        }
        verified(&folder, &store, &context);
        let late = options().clock(|| "2026-01-02T03:00:00Z".parse().expect("a time"));
        let third = Archiver::new(store.clone(), folder.location()).options(late);
        third.compact().expect(&context);
        verified(&folder, &store, &context);
        let archive = ArchiveStore::open(folder.location()).expect(&context);
        let count = |model| {
            let query = Query::new().model_name(model);
            archive.count(&query).expect(&context)
        };
        let hours = 2;
        assert_eq!(count("Payment"), hours * 3, "{context}");
        let login = if expires && at != usize::MAX { 1 } else { 3 };
        assert_eq!(count("Login"), hours * login, "{context}");
        operations.load(Ordering::SeqCst)
    };
    for expires in [false, true] {
        let operations = interleave(usize::MAX, expires);
        assert!(operations > 40, "{operations} operations");
        for at in 0..operations {
            interleave(at, expires);
        }
    }
}

/// Readers read all the time while files are compacted and deleted without a grace.
#[test]
fn readers_are_exact_during_compactions() {
    let (folder, store) = (Folder::new(), MemoryStore::new());
    let archiver =
        Archiver::new(store.clone(), folder.location()).options(options().grace(Duration::ZERO));
    append_hour(&store, 0);
    archiver.run_once().expect("a run");
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    let is_done = AtomicBool::new(false);
    let count = |store: &dyn Store| store.count(&Query::new()).expect("a count");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut reads = 0;
                while !is_done.load(Ordering::SeqCst) {
                    // Entries are archived meanwhile, so the count is between two of the store.
                    let stored = archive.status().expect("a status").entries;
                    let lines = exported(&archive).len() as u64;
                    let now = store.len() as u64;
                    assert!((stored..=now).contains(&lines), "{lines}");
                    assert!(count(&archive) >= lines);
                    reads += 1;
                }
                assert!(reads > 3, "{reads} reads");
            });
        }
        for hour in 1..20 {
            append_hour(&store, hour);
            archiver.run_once().expect("a run");
            let done = archiver.compact().expect("compacted");
            assert_eq!((done.replaced, done.deleted), (12, 24), "hour {hour}");
        }
        is_done.store(true, Ordering::SeqCst);
    });
    assert_eq!(exported(&archive), exported(&store));
    assert_eq!(folder.files().len(), 12);
}

#[test]
fn entries_of_compacted_files_are_pruned_restored_and_archived_again() {
    let (folder, store) = archived();
    let entries = exported(&store);
    let location = folder.location();
    let options = options().grace(Duration::ZERO);
    let archiver = Archiver::new(store.clone(), folder.location()).options(options);
    archiver.compact().expect("compacted");
    let planned = Pruner::new(&store, &location).dry_run().run();
    let report = Pruner::new(&store, &location).run().expect("pruned");
    assert_eq!(report, planned.expect("planned"));
    assert_eq!((report.removed, report.unverified), (35, 0));
    assert_eq!(store.len(), 1);
    verified(&folder, &store, "pruned");

    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    assert_eq!(exported(&archive), entries);
    let restored = restore(&archive, &store, &Query::new()).expect("restored");
    assert_eq!((restored.restored, restored.existing), (35, 1));
    assert_eq!(archiver.run_once().expect("a run").entries, 35);
    // The compacted files have the restored entries twice, and readers return each once.
    archiver.compact().expect("compacted");
    let found = verified(&folder, &store, "restored");
    assert_eq!((found.files, found.entries), (6, 71));
    assert_eq!(exported(&archive), entries);
    assert_eq!(archive.count(&Query::new()).expect("a count"), 36);
    for limit in 1..36 {
        let page = archive.find(&Query::new().limit(limit)).expect("found");
        assert_eq!(page.entries.len(), limit);
    }
    let report = Pruner::new(&store, &location).run().expect("pruned");
    assert_eq!((report.removed, report.unverified), (35, 0));
}

#[test]
fn compacted_files_expire_and_the_rest_is_still_compared() {
    let (folder, store) = archived();
    let archiver = archiver(&store, folder.location());
    archiver.compact().expect("compacted");
    let planned = archiver.plan_expire("default", day(3)).expect("planned");
    // Also the replaced files of these days, whose grace has not ended.
    let expired = archiver.expire("default", day(3), "policy 7");
    let expired = expired.expect("expired");
    assert_eq!((expired.files, expired.entries), (2, 12));
    assert_eq!((planned.files, planned.entries), (2, 12));
    assert_eq!(expired.deleted, 2 * (2 + 12));
    let found = verified(&folder, &store, "expired");
    assert_eq!((found.files, found.expired), (4, 12));
    assert_eq!((found.orphans.len(), found.replaced), (0, 48));
}

/// As in a bucket whose policy permits no deletion.
#[test]
fn a_refused_deletion_is_counted_and_repeated() {
    let (folder, store) = archived();
    let location = Faulty::location(folder.path(), |_, operation, _| {
        if operation == Operation::Delete {
            Fault::Refused
        } else {
            Fault::Nothing
        }
    });
    let compact = |location| {
        let options = options().grace(Duration::ZERO);
        let archiver = Archiver::new(store.clone(), location).options(options);
        archiver.compact().expect("compacted")
    };
    let done = compact(location);
    assert_eq!((done.replaced, done.deleted, done.refused), (36, 0, 72));
    assert_eq!(verified(&folder, &store, "refused").replaced, 72);
    let done = compact(folder.location());
    assert_eq!((done.replaced, done.deleted, done.refused), (0, 72, 0));
}

#[test]
fn a_damaged_file_stays_and_the_files_of_other_days_are_compacted() {
    let (folder, store) = archived();
    let files = folder.files();
    let mut of_days: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for name in files.keys().filter(|name| name.ends_with(".parquet")) {
        let (day, _) = name.rsplit_once('/').expect("a folder");
        of_days.entry(day).or_default().push(name);
    }
    let (day, names) = of_days.first_key_value().expect("a day");
    let mut damaged = files[names[2]].clone();
    damaged[20] ^= 1;
    std::fs::write(folder.file(names[2]), damaged).expect("written");
    let done = archiver(&store, folder.location()).compact();
    let done = done.expect("compacted");
    assert_eq!((done.replaced, done.files), (30, 5));
    assert_eq!(done.findings.len(), 1);
    assert_eq!(&done.findings[0].path, names[2]);
    let found = verify(&folder.location()).expect("verified");
    assert!(
        found
            .findings
            .iter()
            .all(|finding| finding.path == *names[2])
    );
    std::fs::write(folder.file(names[2]), &files[names[2]]).expect("written");
    verified(&folder, &store, day);
    let done = archiver(&store, folder.location()).compact();
    assert_eq!(done.expect("compacted").files, 1);

    // A damaged compacted file is found as any other one.
    let compacted = folder.files();
    let mut new = compacted.keys().filter(|name| !files.contains_key(*name));
    let name = new.find(|name| name.ends_with(".parquet")).expect("a file");
    std::fs::remove_file(folder.file(name)).expect("removed");
    let found = verify(&folder.location()).expect("verified");
    let kinds: Vec<_> = found.findings.iter().map(|found| found.kind).collect();
    assert_eq!(kinds, [FindingKind::MissingFile], "{:#?}", found.findings);
}

/// A manifest that another program could have written.
#[test]
fn a_compaction_that_drops_entries_is_rejected() {
    let (folder, store) = archived();
    archiver(&store, folder.location())
        .compact()
        .expect("compacted");
    let number = u64::from(HOURS) + 2;
    let name = format!("manifest/{number:08}.json");
    let manifest = std::fs::read_to_string(folder.file(&name)).expect("a manifest");
    assert!(manifest.contains("\"kind\":\"compact\""), "{manifest}");
    let (_, removed) = manifest.split_once("\"removed\":[").expect("a list");
    let (first, _) = removed.split_once(',').expect("two files");
    for (from, to) in [
        (format!("[{first},"), "[".to_owned()),
        (format!("[{first},"), format!("[{first},{first},")),
        ("\"rows\":6".to_owned(), "\"rows\":5".to_owned()),
        (
            "\"date\":\"2020-01-01\"".to_owned(),
            "\"date\":\"2020-01-02\"".to_owned(),
        ),
        (
            "\"kind\":\"compact\"".to_owned(),
            "\"kind\":\"remove\"".to_owned(),
        ),
        (
            "\"kind\":\"compact\"".to_owned(),
            "\"kind\":\"archive\"".to_owned(),
        ),
    ] {
        rewrite(&folder, number, &from, &to);
        let error = ArchiveStore::open(folder.location()).expect_err("damaged");
        let is_named = matches!(&error, Error::Corrupt { path, .. } if *path == name);
        assert!(is_named, "{from} to {to}: {error}");
        let found = verify(&folder.location()).expect("verified");
        assert!(!found.is_clean(), "{from} to {to}");
        std::fs::write(folder.file(&name), &manifest).expect("written");
    }
    verified(&folder, &store, "as it was");
}
