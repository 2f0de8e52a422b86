//! What a store finds by other means than a query, and what it says about its file.

mod scratch;

use audit_core::{LogEntry, Query, Store};
use audit_sqlite::{SCHEMA_VERSION, SqliteStore};
use audit_testkit::entries;
use uuid::Uuid;

#[test]
fn entries_are_found_by_the_beginning_of_their_id() {
    let store = SqliteStore::open(scratch::file("audit.db")).unwrap();
    let mut sample: Vec<LogEntry> = ["a0", "a1", "b0"]
        .into_iter()
        .map(|action| LogEntry::new(action, "User", "1", "bob"))
        .collect();
    sample[0].id = Uuid::from_u128(0xa000_0000 << 96 | 1);
    sample[1].id = Uuid::from_u128(0xa100_0000 << 96 | 2);
    sample[2].id = Uuid::from_u128(0xb000_0000 << 96 | 3);
    store.append(&sample).unwrap();
    let found = |prefix: &str, limit| store.with_id_prefix(prefix, limit).unwrap();
    assert_eq!(found("a", 9), sample[..2]);
    assert_eq!(found("A1", 9), sample[1..2]);
    assert_eq!(found("a1000000-00", 9), sample[1..2]);
    assert_eq!(found("", 9), sample);
    assert_eq!(found("", 2), sample[..2]);
    assert_eq!(found("c", 9), []);
    assert_eq!(found("%", 9), []);
    assert_eq!(found(&sample[2].id.to_string(), 9), sample[2..]);
    assert_eq!(
        store
            .by_ids(&[sample[2].id, Uuid::nil(), sample[0].id])
            .unwrap(),
        [sample[2].clone(), sample[0].clone()]
    );
}

#[test]
fn entries_are_found_by_the_end_of_their_id() {
    let store = SqliteStore::open(scratch::file("audit.db")).unwrap();
    let mut sample = entries(3, 1);
    for (entry, id) in sample
        .iter_mut()
        .zip([0xabc_def0, 0x1abc_def0, 0x2abc_def1])
    {
        entry.id = Uuid::from_u128(0xa000_0000 << 96 | id);
    }
    store.append(&sample).unwrap();
    let found = |suffix: &str, limit| store.with_id_suffix(suffix, limit).unwrap();
    assert_eq!(found("0", 9), sample[..2]);
    assert_eq!(found("0", 1), sample[..1]);
    assert_eq!(found("00ABCDEF0", 9), sample[..1]);
    assert_eq!(found("1a-bcdef0", 9), sample[1..2]);
    assert_eq!(found(&sample[2].id.to_string(), 9), sample[2..]);
    for nothing in ["", "-", "_", "%", "5", "é", &"0".repeat(33)] {
        assert_eq!(found(nothing, 9), [], "{nothing}");
    }
}

#[test]
fn what_is_written_late_is_appended_all_the_same() {
    let store = SqliteStore::open(scratch::file("audit.db")).unwrap();
    assert_eq!(store.last_seq().unwrap(), 0);
    let mut sample = entries(5, 1);
    sample.sort_by_key(|entry| std::cmp::Reverse(entry.timestamp));
    store.append(&sample[..3]).unwrap();
    let seen = store.last_seq().unwrap();
    store.append(&sample[3..]).unwrap();
    let late: Vec<_> = store.appended_after(seen, 9).unwrap();
    assert_eq!(late.len(), 2);
    assert_eq!(late[0].1, sample[3]);
    assert_eq!(late[1], (store.last_seq().unwrap(), sample[4].clone()));
    assert_eq!(store.appended_after(0, 4).unwrap().len(), 4);
}

#[test]
fn models_are_listed_once() {
    let store = SqliteStore::open(scratch::file("audit.db")).unwrap();
    assert_eq!(store.models().unwrap(), [""; 0]);
    let sample =
        ["User", "", "Invoice", "User", ""].map(|model| LogEntry::new("update", model, "1", "x"));
    store.append(&sample).unwrap();
    assert_eq!(store.models().unwrap(), ["", "Invoice", "User"]);
}

#[test]
fn a_file_tells_its_versions_and_sizes() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    let sample = entries(300, 1);
    store.append(&sample).unwrap();
    let info = store.info().unwrap();
    assert_eq!(info.schema_version, SCHEMA_VERSION);
    assert_eq!(info.journal_mode, "wal");
    assert_eq!(info.entries, 300);
    let bytes: usize = sample
        .iter()
        .map(|entry| entry.to_canonical_json().unwrap().len())
        .sum();
    assert_eq!(info.entry_bytes, bytes as u64);
    let wal = std::fs::metadata(file.with_extension("db-wal"))
        .unwrap()
        .len();
    assert_eq!(info.wal_bytes, wal);
    assert!(info.page_size * info.pages > info.entry_bytes);
    assert!(info.indexes.contains(&"audit_entry_object".to_owned()));

    assert_eq!(store.last_seq().unwrap(), 300);
    store.purge(&Query::new()).unwrap();
    assert_eq!(store.last_seq().unwrap(), 300);
    assert_eq!(store.info().unwrap().entries, 0);
}
