//! Exports: the bytes that a query selects.

use audit_core::backend::limit;
use audit_core::{Cursor, Query, Store, StoreError};

use super::access::{all, append, find, must, sorted};
use crate::sample::entries;

/// Rule 4: the canonical form of every entry, in order.
pub fn exports_bytes(store: &dyn Store) {
    let sample = sorted(entries(1_200, 31));
    append(store, &sample);
    let expected: Vec<_> = sample.iter().map(|e| must(e.to_canonical_json())).collect();
    assert_eq!(exported(store, &Query::new()), expected);
}

/// Order, limit, cursor and conditions count as for `find`.
pub fn exports_what_a_query_asks_for(store: &dyn Store) {
    let sample = sorted(entries(700, 32));
    append(store, &sample);
    for query in [
        Query::new().newest_first(),
        Query::new().limit(0),
        Query::new().limit(3),
        Query::new().limit(600),
        Query::new().after(Cursor::of(&sample[650])),
        Query::new().newest_first().after(Cursor::of(&sample[20])),
        Query::new().model_name("User").limit(30),
        Query::new().changed("address.city"),
        Query::new().text("ticket 7").limit(2),
    ] {
        let mut found = find(store, query.clone());
        found.truncate(limit(&query).unwrap_or(usize::MAX));
        let expected: Vec<_> = found.iter().map(|e| must(e.to_canonical_json())).collect();
        assert_eq!(exported(store, &query), expected, "{query}");
    }
}

/// Many entries with the same time, as an import makes them, and large ones are ordered by id.
pub fn exports_many_entries_with_one_time(store: &dyn Store) {
    let mut sample = entries(1_500, 34);
    let (first, last) = (sample[100].timestamp, sample[1_400].timestamp);
    for entry in &mut sample[101..1_399] {
        entry.timestamp = first;
    }
    let time = sample[10].timestamp;
    for entry in &mut sample[11..14] {
        entry.timestamp = time;
        entry.reason = Some("large ".repeat(350_000));
    }
    append(store, &sample);
    for query in [
        Query::new(),
        Query::new().newest_first(),
        Query::new().since(first).until(last),
        Query::new().changed("address.city").newest_first(),
    ] {
        let found = find(store, query.clone());
        let expected: Vec<_> = found.iter().map(|e| must(e.to_canonical_json())).collect();
        assert_eq!(exported(store, &query), expected, "{query}");
    }
    assert_eq!(all(store), sorted(sample));
}

/// The caller gets the receiver's error.
pub fn stops_an_export_that_fails(store: &dyn Store) {
    append(store, &entries(10, 33));
    let mut count = 0;
    let outcome = store.export(&Query::new(), &mut |_| {
        count += 1;
        if count < 3 {
            Ok(())
        } else {
            Err(std::io::Error::other("the pipe is closed"))
        }
    });
    match outcome {
        Err(StoreError::Io { source, .. }) => {
            assert_eq!(source.to_string(), "the pipe is closed");
        }
        other => panic!("an export whose receiver failed: {other:?}"),
    }
    assert_eq!(count, 3);
}

pub(crate) fn exported(store: &dyn Store, query: &Query) -> Vec<String> {
    let mut lines = Vec::new();
    let count = must(store.export(query, &mut |line| {
        lines.push(line.to_owned());
        Ok(())
    }));
    assert_eq!(count, lines.len() as u64, "the count of {query}");
    lines
}
