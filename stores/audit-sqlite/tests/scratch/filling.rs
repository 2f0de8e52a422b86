//! Fills a store, and finds again what it acknowledged.

use audit_core::{LogEntry, Query, Store, StoreError};
use audit_sqlite::SqliteStore;
use audit_testkit::entries;

/// Appends until there is no room, and returns what was acknowledged.
pub(crate) fn fill(store: &SqliteStore, seed: u64) -> Vec<LogEntry> {
    let mut kept = Vec::new();
    for (number, mut entry) in entries(20_000, seed).into_iter().enumerate() {
        entry.reason = Some("x".repeat(number % 7 * 300));
        match store.append(std::slice::from_ref(&entry)) {
            Ok(()) => kept.push(entry),
            Err(error) => {
                assert!(matches!(&error, StoreError::Full { .. }), "{error:?}");
                assert!(error.is_transient());
                return kept;
            }
        }
    }
    panic!("there was room for all");
}

pub(crate) fn assert_kept(store: &SqliteStore, kept: &[LogEntry]) {
    assert_eq!(store.count(&Query::new()).unwrap(), kept.len() as u64);
    let mut query = Query::new();
    let mut found = Vec::new();
    loop {
        let page = store.find(&query).unwrap();
        found.extend(page.entries);
        let Some(next) = page.next else { break };
        query = query.after(next);
    }
    let mut kept = kept.to_vec();
    kept.sort_by_key(|entry| (entry.timestamp, entry.id));
    assert!(found == kept, "what is found is not what was acknowledged");
    let check = store.check().unwrap();
    assert!(check.is_ok(), "{check:?}");
}
