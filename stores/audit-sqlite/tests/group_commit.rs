//! Threads that append at the same moment share a commit.

mod scratch;

use std::path::Path;
use std::thread;

use audit_core::{LogEntry, Query, Store, StoreError};
use audit_sqlite::SqliteStore;
use audit_testkit::entries;
use rusqlite::Connection;

/// Appends from one thread each while another connection holds the lock, which it releases
/// when all threads are queued.
fn append_while_locked(
    store: &SqliteStore,
    file: &Path,
    batches: &[Vec<LogEntry>],
) -> Vec<Result<(), StoreError>> {
    let other = Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        let threads: Vec<_> = batches
            .iter()
            .map(|batch| scope.spawn(|| store.append(batch)))
            .collect();
        while store.waiting() + 1 < batches.len() {
            thread::yield_now();
        }
        other.execute_batch("ROLLBACK").unwrap();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn open(file: &Path) -> SqliteStore {
    SqliteStore::options()
        .lock_timeout(std::time::Duration::from_secs(60))
        .open(file)
        .unwrap()
}

#[test]
fn threads_that_wait_at_the_same_time_share_a_commit() {
    let file = scratch::file("audit.db");
    let store = open(&file);
    let batches: Vec<_> = (0..16).map(|seed| entries(3, seed)).collect();
    let outcomes = append_while_locked(&store, &file, &batches);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(store.count(&Query::new()).unwrap(), 48);
    assert_eq!(
        store.commits(),
        2,
        "the first thread, and all others at once"
    );
}

#[test]
fn a_batch_that_cannot_be_stored_fails_alone() {
    let file = scratch::file("audit.db");
    let store = open(&file);
    let known = entries(1, 99);
    store.append(&known).unwrap();
    let mut batches: Vec<_> = (0..16).map(|seed| entries(3, seed)).collect();
    for bad in [3, 8, 15] {
        let mut other = known[0].clone();
        other.reason = Some(format!("another {bad}"));
        batches[bad].push(other);
    }
    let outcomes = append_while_locked(&store, &file, &batches);
    for (number, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Err(StoreError::Conflict { id }) if [3, 8, 15].contains(&number) => {
                assert_eq!(*id, known[0].id);
            }
            Ok(()) if ![3, 8, 15].contains(&number) => {}
            other => panic!("batch {number}: {other:?}"),
        }
    }
    assert_eq!(store.count(&Query::new()).unwrap(), 13 * 3 + 1);
    assert!(store.check().unwrap().is_ok());
}

#[test]
fn a_single_thread_commits_each_append() {
    let store = SqliteStore::open(scratch::file("audit.db")).unwrap();
    for entry in entries(10, 1).chunks(1) {
        store.append(entry).unwrap();
    }
    assert_eq!(store.commits(), 10);
}

#[test]
fn many_threads_make_fewer_commits_than_entries() {
    let store = SqliteStore::open(scratch::file("audit.db")).unwrap();
    thread::scope(|scope| {
        for seed in 0..16 {
            let store = store.clone();
            scope.spawn(move || {
                for entry in entries(25, seed).chunks(1) {
                    store.append(entry).unwrap();
                }
            });
        }
    });
    assert_eq!(store.count(&Query::new()).unwrap(), 400);
    assert!(store.commits() < 400, "{} commits", store.commits());
}

#[test]
fn a_purge_lets_writers_in_between() {
    let store = open(&scratch::file("audit.db"));
    let old = entries(200, 1);
    store.append(&old).unwrap();
    let end = old[199].timestamp + chrono::TimeDelta::seconds(1);
    thread::scope(|scope| {
        for seed in 2..6 {
            let store = &store;
            scope.spawn(move || {
                let mut fresh = entries(50, seed);
                for entry in &mut fresh {
                    entry.timestamp += chrono::TimeDelta::days(365);
                    store.append(std::slice::from_ref(entry)).unwrap();
                }
            });
        }
        scope.spawn(|| assert_eq!(store.purge(&Query::new().until(end)).unwrap(), 200));
    });
    assert_eq!(store.count(&Query::new()).unwrap(), 200);
    assert!(store.check().unwrap().is_ok());
}
