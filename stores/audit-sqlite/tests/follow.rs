//! Following a file: the order of commits, and positions of a file that was restored or replaced.

mod scratch;

use std::path::Path;
use std::thread;
use std::time::Duration;

use audit_core::{Follow, LogEntry, Position, Query, Store, StoreError};
use audit_sqlite::rusqlite::Connection;
use audit_sqlite::{SqliteStore, append_in};
use audit_testkit::entries;

fn read(store: &SqliteStore, position: &mut Position) -> Vec<LogEntry> {
    let batch = store.committed_after(position, 1_000).unwrap();
    *position = batch.next;
    let entries = batch.entries.iter().map(|stored| stored.entry().unwrap());
    entries.collect()
}

fn invalid(store: &SqliteStore, position: &Position) -> String {
    let error = store.committed_after(position, 10).unwrap_err();
    assert!(
        matches!(error, StoreError::InvalidPosition { .. }),
        "{error}"
    );
    error.to_string()
}

#[test]
fn transactions_of_an_application_come_in_the_order_of_their_writes() {
    let file = scratch::file("app.db");
    let store = SqliteStore::options().shared_file().open(&file).unwrap();
    let mut position = store.position().unwrap();
    let sample = entries(40, 1);
    let mut application = Connection::open(&file).unwrap();

    // While it is open, another connection waits, and nothing is seen.
    let transaction = application.transaction().unwrap();
    append_in(&transaction, &sample[20..30]).unwrap();
    thread::scope(|scope| {
        let appended = scope.spawn(|| store.append(&sample[..20]));
        thread::sleep(Duration::from_millis(100));
        assert_eq!(read(&store, &mut position), []);
        assert!(!appended.is_finished());
        transaction.commit().unwrap();
        appended.join().unwrap().unwrap();
    });
    let expected = [&sample[20..30], &sample[..20]].concat();
    assert_eq!(read(&store, &mut position), expected);

    // What is rolled back never comes, and its numbers are no gap.
    let transaction = application.transaction().unwrap();
    append_in(&transaction, &sample[30..35]).unwrap();
    transaction.rollback().unwrap();
    assert_eq!(read(&store, &mut position), []);
    store.append(&sample[35..]).unwrap();
    assert_eq!(read(&store, &mut position), sample[35..]);
    assert_eq!(store.position().unwrap(), position);
}

#[test]
fn a_position_in_a_restored_copy() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(10, 1)).unwrap();
    let before = store.position().unwrap();
    let copy = file.with_file_name("copy.db");
    store.backup(&copy).unwrap();
    store.append(&entries(5, 2)).unwrap();
    let after = store.position().unwrap();

    let restored = SqliteStore::open(&copy).unwrap();
    assert_eq!(restored.committed_after(&before, 10).unwrap().entries, []);
    assert!(invalid(&restored, &after).contains("beyond the last commit"));
    // It goes on, and has other entries with those numbers.
    let other = entries(9, 3);
    restored.append(&other).unwrap();
    assert!(invalid(&restored, &after).contains("another entry"));
    assert_eq!(read(&restored, &mut before.clone()), other);
}

#[test]
fn a_position_in_a_new_file_of_the_same_name() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(10, 1)).unwrap();
    let position = store.position().unwrap();
    store.close().unwrap();
    remove(&file);
    let store = SqliteStore::open(&file).unwrap();
    assert!(invalid(&store, &position).contains("beyond the last commit"));
    store.append(&entries(20, 2)).unwrap();
    assert!(invalid(&store, &position).contains("another entry"));
}

fn remove(file: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(end);
        // SQLite removes the log when it closes the file.
        if Path::new(&path).exists() {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_position_whose_entry_is_removed() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(10, 1)).unwrap();
    let mut position = store.position().unwrap();
    store.purge(&Query::new()).unwrap();
    assert_eq!(read(&store, &mut position), []);
    // The number of the removed entry is not used again.
    let mut present = store.position().unwrap();
    let late = entries(3, 2);
    store.append(&late).unwrap();
    assert_eq!(read(&store, &mut position), late);
    assert_eq!(read(&store, &mut present), late);
    assert_eq!(present, position);
}

#[test]
fn a_position_of_another_kind_or_malformed() {
    let store = SqliteStore::open(scratch::file("audit.db")).unwrap();
    for text in [
        "postgres:1:5",
        "memory:0",
        "sqlite:x",
        "sqlite:-1",
        "sqlite:1_2",
    ] {
        let message = invalid(&store, &text.parse().unwrap());
        assert!(message.contains(text), "{message}");
    }
    let far = format!("sqlite:{}", u64::MAX);
    assert!(invalid(&store, &far.parse().unwrap()).contains("beyond"));
}
