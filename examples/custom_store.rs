//! A complete store of one's own, in about 30 lines.
//!
//! `cargo run --example custom_store`

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use auditlog::prelude::*;
use auditlog::{Cursor, Page, Query, Store, StoreError};

/// Keeps entries by (time, id), which is the order in which they are read.
#[derive(Debug, Default)]
struct ListStore {
    list: Mutex<BTreeMap<Cursor, LogEntry>>,
}

impl Store for ListStore {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = list.clone();
        for entry in entries {
            // The same entry again is fine; another one with its id is not.
            if next
                .values()
                .any(|known| known.id == entry.id && known != entry)
            {
                return Err(StoreError::Conflict { id: entry.id });
            }
            next.insert(Cursor::of(entry), entry.clone());
        }
        *list = next;
        Ok(())
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = list.values().cloned().map(Ok);
        if query.is_newest_first() {
            Page::collect(query, entries.rev())
        } else {
            Page::collect(query, entries)
        }
    }
}

fn main() -> auditlog::Result<()> {
    let log = AuditLog::builder().store(ListStore::default()).build();
    for name in ["started", "stopped"] {
        log.event(name).actor("operator").record()?;
    }
    for entry in log.query().newest_first().all()? {
        println!("{entry}");
    }
    assert_eq!(log.query().action("started").count()?, 1);
    Ok(())
}
