//! Reads of a store by other means than a query, and the report about its file.

mod scratch;

use audit_core::{Query, Store};
use audit_sqlite::{SCHEMA_VERSION, SqliteStore};
use audit_testkit::entries;

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

    store.purge(&Query::new()).unwrap();
    assert_eq!(store.info().unwrap().entries, 0);
}
