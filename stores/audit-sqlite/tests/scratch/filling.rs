//! Fills a store, and compares its entries with the acknowledged ones.

use audit_core::{LogEntry, Query, Store, StoreError};
use audit_sqlite::SqliteStore;
use audit_testkit::entries;

/// Appends until the disk is full, and returns the acknowledged entries.
pub(crate) fn fill(store: &SqliteStore, seed: u64) -> Vec<LogEntry> {
    let mut acknowledged = Vec::new();
    for (number, mut entry) in entries(20_000, seed).into_iter().enumerate() {
        entry.reason = Some("x".repeat(number % 7 * 300));
        match store.append(std::slice::from_ref(&entry)) {
            Ok(()) => acknowledged.push(entry),
            Err(error) => {
                assert!(matches!(&error, StoreError::Full { .. }), "{error:?}");
                assert!(error.is_transient());
                return acknowledged;
            }
        }
    }
    panic!("the disk had space for all entries");
}

pub(crate) fn assert_stored(store: &SqliteStore, acknowledged: &[LogEntry]) {
    assert_eq!(
        store.count(&Query::new()).unwrap(),
        acknowledged.len() as u64
    );
    let mut query = Query::new();
    let mut found = Vec::new();
    loop {
        let page = store.find(&query).unwrap();
        found.extend(page.entries);
        let Some(next) = page.next else { break };
        query = query.after(next);
    }
    let mut acknowledged = acknowledged.to_vec();
    acknowledged.sort_by_key(|entry| (entry.timestamp, entry.id));
    assert!(
        found == acknowledged,
        "the entries found differ from the acknowledged ones"
    );
    let check = store.check().unwrap();
    assert!(check.is_ok(), "{check:?}");
}
