//! A file that is deleted, moved or replaced while it is open; permissions of a new file.

#![cfg(unix)]

mod scratch;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use audit_core::{AuditLog, Query, Store, StoreError};
use audit_sqlite::{Durability, SqliteStore};
use audit_testkit::entries;

fn beside(file: &Path, ending: &str) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn count(store: &SqliteStore) -> u64 {
    store.count(&Query::new()).unwrap()
}

#[test]
fn entries_written_to_a_deleted_file_are_not_acknowledged() {
    for durability in [Durability::Full, Durability::Relaxed] {
        let file = scratch::file("audit.db");
        let options = SqliteStore::options().durability(durability);
        let store = options.open(&file).unwrap();
        store.append(&entries(10, 1)).unwrap();
        for ending in ["", "-wal", "-shm"] {
            fs::remove_file(beside(&file, ending)).unwrap();
        }
        let error = store.append(&entries(10, 2)).unwrap_err();
        assert!(matches!(error, StoreError::Unconfirmed { .. }), "{error}");
        assert!(
            error.to_string().contains("was deleted or moved"),
            "{error}"
        );
        // Later calls write nothing.
        for error in [
            store.append(&entries(10, 3)).unwrap_err(),
            store.purge(&Query::new()).unwrap_err(),
            store.flush().unwrap_err(),
            store.find(&Query::new()).unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Io { .. }), "{error}");
        }
        assert!(!file.exists());
    }
}

#[test]
fn all_threads_that_share_a_commit_get_the_error() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(10, 1)).unwrap();
    fs::rename(&file, beside(&file, ".old")).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..20 {
                    let sample = entries(1, 100 + thread * 20 + number);
                    store.append(&sample).unwrap_err();
                }
            });
        }
    });
}

#[test]
fn a_backup_that_replaces_it_is_not_damaged() {
    let folder = scratch::folder();
    let (file, backup) = (folder.join("audit.db"), folder.join("backup.db"));
    let old = SqliteStore::open(&backup).unwrap();
    for seed in 0..50 {
        old.append(&entries(10, seed)).unwrap();
    }
    old.flush().unwrap();
    old.close().unwrap();
    let log = AuditLog::builder()
        .store(SqliteStore::open(&file).unwrap())
        .build();
    let events = || (0..2_000).map(|_| log.event("new"));
    log.record_all(events()).unwrap();
    assert!(fs::metadata(beside(&file, "-wal")).unwrap().len() > 0);
    fs::rename(&file, beside(&file, ".old")).unwrap();
    fs::rename(&backup, &file).unwrap();
    log.record_all(events()).unwrap_err();
    let restored = SqliteStore::open(&file).unwrap();
    let check = restored.check().unwrap();
    assert!(check.is_ok() && check.entries == 500, "{check:?}");
    restored.append(&entries(10, 77)).unwrap();
    drop(log);
    assert!(restored.check().unwrap().is_ok());
    // The moved file has all entries written to it, unacknowledged ones included.
    let moved = SqliteStore::open(beside(&file, ".old")).unwrap();
    assert!(moved.check().unwrap().is_ok());
    assert_eq!(count(&moved), 4_000);
}

#[test]
fn a_file_that_was_moved_back_is_written_again() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(10, 1)).unwrap();
    fs::rename(&file, beside(&file, ".away")).unwrap();
    store.append(&entries(10, 2)).unwrap_err();
    fs::rename(beside(&file, ".away"), &file).unwrap();
    store.append(&entries(10, 2)).unwrap();
    store.append(&entries(10, 3)).unwrap();
    assert_eq!(count(&store), 30);
}

#[test]
fn a_new_file_is_readable_by_its_owner_alone_by_default() {
    let mode = |file: &Path| fs::metadata(file).unwrap().permissions().mode() & 0o777;
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(1, 1)).unwrap();
    for ending in ["", "-wal", "-shm"] {
        assert_eq!(mode(&beside(&file, ending)), 0o600, "{ending}");
    }
    let other = file.with_file_name("other.db");
    SqliteStore::options().mode(0o640).open(&other).unwrap();
    assert_eq!(mode(&other), 0o640);
    // One that exists keeps its own, and nothing else is left in the folder.
    fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
    SqliteStore::open(&other).unwrap();
    assert_eq!(mode(&other), 0o644);
    let names = fs::read_dir(file.parent().unwrap()).unwrap();
    let names = names.map(|name| name.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.contains("-new-")));
}

#[test]
fn a_flush_leaves_the_file_alone_as_the_trail() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(100, 1)).unwrap();
    let wal = beside(&file, "-wal");
    assert!(fs::metadata(&wal).unwrap().len() > 0);
    store.flush().unwrap();
    assert_eq!(fs::metadata(&wal).unwrap().len(), 0);
    let copy = file.with_file_name("copy.db");
    fs::copy(&file, &copy).unwrap();
    assert_eq!(count(&SqliteStore::open(&copy).unwrap()), 100);
}
