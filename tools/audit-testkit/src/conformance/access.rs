//! Reads and writes the store under test; panics where it fails.

use std::collections::BTreeSet;

use audit_core::{Cursor, LogEntry, Query, Store, StoreError};
use uuid::Uuid;

use crate::sample::entries;

#[track_caller]
pub(crate) fn must<T>(result: Result<T, StoreError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the store failed: {error}"),
    }
}

#[track_caller]
pub(crate) fn append(store: &dyn Store, entries: &[LogEntry]) {
    must(store.append(entries));
}

#[track_caller]
pub(crate) fn count(store: &dyn Store, query: Query) -> u64 {
    must(store.count(&query))
}

#[track_caller]
pub(crate) fn assert_conflict(result: Result<(), StoreError>, id: Uuid) {
    match result {
        Err(StoreError::Conflict { id: found }) => assert_eq!(found, id, "the id in conflict"),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[track_caller]
pub(crate) fn all(store: &dyn Store) -> Vec<LogEntry> {
    find(store, Query::new())
}

#[track_caller]
pub(crate) fn find(store: &dyn Store, query: Query) -> Vec<LogEntry> {
    paged(store, &query, 500)
}

#[track_caller]
pub(crate) fn paged(store: &dyn Store, query: &Query, size: usize) -> Vec<LogEntry> {
    let mut query = query.clone().limit(size);
    let mut found: Vec<LogEntry> = Vec::new();
    let mut cursors = BTreeSet::new();
    loop {
        let page = must(store.find(&query));
        assert!(
            page.entries.len() <= size,
            "a page of {} entries",
            page.entries.len()
        );
        found.extend(page.entries);
        let Some(next) = page.next else {
            return found;
        };
        assert_eq!(
            found.last().map(Cursor::of),
            Some(next),
            "the cursor is the last entry's"
        );
        assert!(cursors.insert(next), "the pages go round in circles");
        query = query.after(next);
    }
}

/// Appends the entries that most checks of filters ask for.
#[track_caller]
pub(crate) fn sample(store: &dyn Store) -> Vec<LogEntry> {
    let sample = entries(400, 30);
    for part in sample.chunks(50) {
        append(store, part);
    }
    sample
}

/// Checks that a query finds and counts what a predicate says, in both directions and in pages.
#[track_caller]
pub(crate) fn check(
    store: &dyn Store,
    sample: &[LogEntry],
    query: Query,
    wanted: impl Fn(&LogEntry) -> bool,
) {
    let mut expected = sorted(sample.iter().filter(|e| wanted(e)).cloned().collect());
    let filter = format!("{:?}", query.filter());
    assert!(!expected.is_empty(), "the sample has nothing for {filter}");
    assert!(
        expected.len() < sample.len(),
        "the sample has nothing but {filter}"
    );
    assert_eq!(
        count(store, query.clone()),
        expected.len() as u64,
        "count of {filter}"
    );
    for newest_first in [false, true] {
        let query = directed(query.clone(), newest_first);
        for size in [3, 500] {
            let found = paged(store, &query, size);
            assert_eq!(
                found.iter().map(Cursor::of).collect::<Vec<_>>(),
                expected.iter().map(Cursor::of).collect::<Vec<_>>(),
                "{filter}, newest first: {newest_first}, pages of {size}"
            );
            assert_eq!(found, expected, "{filter}");
        }
        expected.reverse();
    }
}

pub(crate) fn directed(query: Query, newest_first: bool) -> Query {
    if newest_first {
        query.newest_first()
    } else {
        query
    }
}

pub(crate) fn sorted(mut entries: Vec<LogEntry>) -> Vec<LogEntry> {
    entries.sort_by_key(|entry| (entry.timestamp, entry.id));
    entries
}

/// Whether an entry meets a query's conditions.
pub(crate) type Meets<'m> = dyn Fn(&LogEntry) -> bool + 'm;

pub(crate) fn has(entry: &LogEntry, paths: &[&str]) -> bool {
    paths.iter().any(|path| {
        entry
            .changes
            .iter()
            .any(|change| change.path.as_str() == *path)
    })
}
