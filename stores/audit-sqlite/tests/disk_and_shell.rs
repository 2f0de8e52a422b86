//! Tests that need more than Rust: file systems that can be mounted, and the shell of SQLite.
//!
//! Elsewhere these tests are reported as ignored.

#[path = "scratch/filling.rs"]
mod filling;
#[path = "scratch/forbidden_sql.rs"]
mod forbidden_sql;
mod scratch;

use std::fs;
use std::process::Command;
use std::thread;

use audit_core::{Query, Store, StoreError};
use audit_sqlite::SqliteStore;
use audit_testbed::SmallDisk;
use audit_testkit::entries;
use libtest_mimic::{Arguments, Trial};

use self::filling::{assert_stored, fill};
use self::forbidden_sql::FORBIDDEN_SQL;

fn main() {
    let arguments = Arguments::from_args();
    let no_disk = mount("size=64k").is_none();
    let no_shell = Command::new("sqlite3").arg("--version").output().is_err();
    let tests: [(&str, bool, fn()); 4] = [
        (
            "the_shell_changes_and_removes_nothing",
            no_shell,
            the_shell_changes_and_removes_nothing,
        ),
        (
            "a_full_disk_is_full_and_works_again_when_there_is_room",
            no_disk,
            a_full_disk_is_full_and_works_again_when_there_is_room,
        ),
        (
            "a_disk_without_room_for_a_file_is_full",
            no_disk,
            a_disk_without_room_for_a_file_is_full,
        ),
        (
            "a_read_only_disk_is_read_only_and_can_be_read",
            no_disk,
            a_read_only_disk_is_read_only_and_can_be_read,
        ),
    ];
    let trials = tests.map(|(name, missing, test)| {
        Trial::test(name, move || {
            // Each test has a folder by the name of its thread.
            let test = thread::Builder::new().name(name.to_owned()).spawn(test)?;
            test.join().map_err(|_| "it panicked; see above".into())
        })
        .with_ignored_flag(missing)
    });
    libtest_mimic::run(&arguments, trials.into()).exit();
}

/// Mounts a small file system in the folder of the test.
fn mount(options: &str) -> Option<SmallDisk> {
    SmallDisk::mount(&scratch::folder().join("disk"), options)
}

/// A real file system runs full: `write` returns `ENOSPC`, SQLite `SQLITE_FULL`.
fn a_full_disk_is_full_and_works_again_when_there_is_room() {
    let disk = mount("size=6m").expect("a file system, as before");
    let ballast = disk.folder().join("ballast");
    fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let file = disk.folder().join("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    let mut acknowledged = fill(&store, 1);
    assert!(acknowledged.len() > 50);
    assert_stored(&store, &acknowledged);

    // All threads of a group get the error.
    thread::scope(|scope| {
        let threads: Vec<_> = (100..108)
            .map(|seed| {
                let store = &store;
                scope.spawn(move || {
                    let mut large = entries(20, seed);
                    large[3].object_repr = "x".repeat(1 << 21);
                    store.append(&large)
                })
            })
            .collect();
        for thread in threads {
            let error = thread.join().unwrap().unwrap_err();
            assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
        }
    });
    assert_stored(&store, &acknowledged);

    fs::remove_file(&ballast).unwrap();
    let more = entries(20, 2);
    store.append(&more).unwrap();
    acknowledged.extend(more);
    assert_stored(&store, &acknowledged);
    store.close().unwrap();
    assert_stored(&SqliteStore::open(&file).unwrap(), &acknowledged);
}

fn a_disk_without_room_for_a_file_is_full() {
    let disk = mount("size=64k").expect("a file system, as before");
    fs::write(disk.folder().join("ballast"), vec![1; 60 << 10]).unwrap();
    let error = SqliteStore::open(disk.folder().join("audit.db")).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    fs::remove_file(disk.folder().join("ballast")).unwrap();
}

fn a_read_only_disk_is_read_only_and_can_be_read() {
    let disk = mount("size=8m").expect("a file system, as before");
    let file = disk.folder().join("a b?c#d%20.db");
    let sample = entries(30, 1);
    let store = SqliteStore::open(&file).unwrap();
    store.append(&sample).unwrap();
    store.close().unwrap();
    assert!(disk.remount("ro"));

    let error = SqliteStore::open(&file).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    let error = SqliteStore::open(disk.folder().join("new.db")).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");

    let store = SqliteStore::options().read_only().open(&file).unwrap();
    assert_stored(&store, &sample);
    let error = store.append(&entries(1, 2)).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
}

fn the_shell_changes_and_removes_nothing() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(20, 1)).unwrap();
    store.close().unwrap();
    for sql in FORBIDDEN_SQL {
        let shell = Command::new("sqlite3")
            .args(["-batch", "-bail"])
            .arg(&file)
            .arg(sql)
            .output();
        assert!(shell.is_ok(), "the shell was there before");
    }
    let store = SqliteStore::open(&file).unwrap();
    assert_eq!(store.count(&Query::new()).unwrap(), 20);
    assert!(store.check().unwrap().is_ok());
}
