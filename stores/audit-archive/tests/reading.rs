//! What a reader opens and holds, and exports of archives that change meanwhile.

#[allow(dead_code, reason = "other test programs need the rest")]
mod scratch;

use std::collections::BTreeMap;
use std::fs;

use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Federated, Pruner};
use audit_core::{LogEntry, MemoryStore, Query, Store, TrailStore as _};
use chrono::{TimeDelta, TimeZone as _, Utc};
use uuid::Uuid;

use self::scratch::{Folder, trail};

fn archiver(store: &MemoryStore, folder: &Folder) -> Archiver<MemoryStore> {
    let options = ArchiveOptions::new().create(true).holder("test");
    Archiver::new(store.clone(), folder.location()).options(options)
}

/// Returns entries of some days, one on each, with ids of these times.
fn daily(days: i64) -> Vec<LogEntry> {
    let first = Utc.with_ymd_and_hms(2024, 1, 1, 12, 0, 0).unwrap();
    let entries = (0..days).map(|day| {
        let mut entry = LogEntry::new("update", "User", day.to_string(), "bob");
        entry.timestamp = first + TimeDelta::days(day);
        let millis = entry.timestamp.timestamp_millis().cast_unsigned();
        entry.id = uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid();
        entry
    });
    entries.collect()
}

#[test]
fn ids_of_two_days_open_two_files() {
    let (folder, store, entries) = (Folder::new(), MemoryStore::new(), daily(30));
    store.append(&entries).expect("appended");
    archiver(&store, &folder).run_once().expect("a run");
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    let both = Federated::new(MemoryStore::new(), archive.clone());
    let ids = [entries[0].id, Uuid::nil(), entries[29].id];
    let found = both.by_ids(&ids).expect("found");
    assert_eq!(found, [entries[0].clone(), entries[29].clone()]);
    assert_eq!(archive.files_opened(), 2);
}

#[test]
fn a_page_opens_the_files_of_its_times() {
    let (folder, store, entries) = (Folder::new(), MemoryStore::new(), daily(30));
    store.append(&entries).expect("appended");
    archiver(&store, &folder).run_once().expect("a run");
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    let page = archive.find(&Query::new().newest_first().limit(3));
    let expected: Vec<LogEntry> = entries.iter().rev().take(3).cloned().collect();
    assert_eq!(page.expect("found").entries, expected);
    // Three, and the one with the entry that shows that there are more.
    assert_eq!(archive.files_opened(), 4);
}

#[test]
fn answers_do_not_depend_on_the_memory_of_filters() {
    let (folder, store) = (Folder::new(), trail(300, 301));
    archiver(&store, &folder).run_once().expect("a run");
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    let archive = archive.filter_bytes(0);
    let entries = store.find(&Query::new()).expect("found").entries;
    for entry in entries.iter().filter(|entry| !entry.object_pk.is_empty()) {
        let query = Query::new()
            .model_name(&*entry.model)
            .object_pk(&*entry.object_pk);
        let (found, expected) = (archive.find(&query), store.find(&query));
        assert_eq!(found.expect("found"), expected.expect("found"), "{query}");
    }
}

/// A federated export has several pages of each side, and one reader of the archive.
#[test]
fn an_export_has_each_entry_once_while_entries_are_archived_and_pruned() {
    let (folder, hot) = (Folder::new(), trail(12_000, 302));
    let mut expected: BTreeMap<Uuid, String> = BTreeMap::new();
    let mut lines = |line: &str| {
        let entry = LogEntry::from_json(line).expect("an entry");
        expected.insert(entry.id, line.to_owned());
        Ok(())
    };
    hot.export(&Query::new(), &mut lines).expect("exported");
    let archiver = archiver(&hot, &folder);
    archiver.run_with(&mut |_| false).expect("a run");
    let location = folder.location();
    Pruner::new(&hot, &location).run().expect("pruned");
    hot.append(&audit_testkit::entries(9_000, 303))
        .expect("appended");
    hot.export(&Query::new(), &mut |line: &str| {
        let entry = LogEntry::from_json(line).expect("an entry");
        expected.insert(entry.id, line.to_owned());
        Ok(())
    })
    .expect("exported");

    for query in [Query::new(), Query::new().newest_first()] {
        let archive = ArchiveStore::open(folder.location()).expect("an archive");
        let both = Federated::new(hot.clone(), archive);
        let mut found = BTreeMap::new();
        let mut count = 0;
        let mut lines = |line: &str| {
            count += 1;
            if count == 2_000 {
                archiver.run_once().expect("a run");
                Pruner::new(&hot, &location).run().expect("pruned");
            }
            let entry = LogEntry::from_json(line).expect("an entry");
            assert!(found.insert(entry.id, line.to_owned()).is_none(), "twice");
            Ok(())
        };
        both.export(&query, &mut lines).expect("exported");
        assert!(found == expected, "{} of {}", found.len(), expected.len());
        assert_eq!(both.count(&query).expect("a count"), expected.len() as u64);
    }
}

/// A reader of a folder does not read the manifests again while their times of change are the same.
#[test]
fn a_reader_finds_a_manifest_that_was_changed_or_removed() {
    let (folder, store) = (Folder::new(), trail(20, 304));
    archiver(&store, &folder).run_once().expect("a run");
    let archive = ArchiveStore::open(folder.location()).expect("an archive");
    assert_eq!(archive.count(&Query::new()).expect("a count"), 20);
    let manifest = folder.file("manifest/00000002.json");
    let bytes = fs::read(&manifest).expect("a manifest");
    let mut changed = bytes.clone();
    changed[100] ^= 1;
    fs::write(&manifest, changed).expect("written");
    archive.count(&Query::new()).expect_err("changed");
    fs::remove_file(&manifest).expect("removed");
    archive.count(&Query::new()).expect_err("removed");
    fs::write(&manifest, bytes).expect("written");
    assert_eq!(archive.count(&Query::new()).expect("a count"), 20);
}
