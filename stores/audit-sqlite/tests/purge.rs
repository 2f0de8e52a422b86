//! Retention.

mod scratch;

use audit_core::{Query, Store};
use audit_sqlite::{Durability, SqliteStore, rusqlite::Connection};
use audit_testkit::entries;
use chrono::TimeDelta;

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_sequence_number_is_never_used_again() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    let sample = entries(10, 1);
    store.append(&sample).unwrap();
    let end = sample[9].timestamp + TimeDelta::seconds(1);
    assert_eq!(store.purge(&Query::new().until(end)).unwrap(), 10);
    store.close().unwrap();

    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(3, 2)).unwrap();
    let connection = Connection::open(&file).unwrap();
    assert_eq!(number(&connection, "SELECT min(seq) FROM audit_entry"), 11);
    assert_eq!(number(&connection, "SELECT max(seq) FROM audit_entry"), 13);
}

#[test]
fn a_failed_or_repeated_append_leaves_no_gap() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    let sample = entries(6, 1);
    store.append(&sample[..2]).unwrap();
    store.append(&sample[..2]).unwrap();
    let mut other = sample[0].clone();
    other.object_repr.clear();
    assert!(store.append(&[sample[2].clone(), other]).is_err());
    store.append(&sample).unwrap();
    let connection = Connection::open(&file).unwrap();
    assert_eq!(number(&connection, "SELECT max(seq) FROM audit_entry"), 6);
}

#[test]
fn many_entries_go_in_steps_and_give_their_room_back() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::options()
        .durability(Durability::Relaxed)
        .open(&file)
        .unwrap();
    let mut sample = entries(25_001, 1);
    sample.sort_by_key(|entry| (entry.timestamp, entry.id));
    store.append(&sample).unwrap();
    store.flush().unwrap();
    let connection = Connection::open(&file).unwrap();
    let before = number(&connection, "PRAGMA page_count");
    let last = sample[25_000].timestamp;
    let stay = sample
        .iter()
        .filter(|entry| entry.timestamp >= last)
        .count() as u64;
    assert_eq!(
        store.purge(&Query::new().until(last)).unwrap(),
        25_001 - stay
    );
    assert_eq!(store.count(&Query::new()).unwrap(), stay);
    assert_eq!(number(&connection, "PRAGMA freelist_count"), 0);
    let after = number(&connection, "PRAGMA page_count");
    assert!(after * 10 < before, "{before} pages before, {after} after");
    let check = store.check().unwrap();
    assert!(check.is_ok(), "{check:?}");
}

#[test]
fn a_purge_of_all_ends_while_others_write() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let file = scratch::file("audit.db");
    let store = SqliteStore::options()
        .durability(Durability::Relaxed)
        .open(&file)
        .unwrap();
    store.append(&entries(5_000, 1)).unwrap();
    let ended = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut batches = 0;
            while !ended.load(Ordering::Relaxed) {
                batches += 1;
                store.append(&entries(50, 1 + batches)).unwrap();
            }
            batches * 50
        });
        assert!(store.purge(&Query::new()).unwrap() >= 5_000);
        ended.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let left = store.count(&Query::new()).unwrap();
    assert!(left <= written, "{left} of {written}");
    assert!(store.check().unwrap().is_ok());
}
