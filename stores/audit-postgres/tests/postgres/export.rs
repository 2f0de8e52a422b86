//! Exports: the bytes of one snapshot.

use audit_core::{LogEntry, Query, Store, StoreError};
use audit_postgres::PostgresStore;
use audit_testkit::entries;
use futures::executor::block_on;

use crate::Test;
use crate::scratch::{Scratch, sorted};

pub(crate) const TESTS: &[Test] = tests![
    an_export_reads_one_snapshot,
    an_export_that_fails_leaves_its_connection,
    an_export_works_in_every_runtime,
];

pub(crate) fn exported(store: &PostgresStore, query: &Query) -> Result<Vec<String>, StoreError> {
    let mut lines = Vec::new();
    let count = store.export(query, &mut |line| {
        lines.push(line.to_owned());
        Ok(())
    })?;
    assert_eq!(count, lines.len() as u64);
    Ok(lines)
}

fn an_export_reads_one_snapshot(scratch: &Scratch) {
    let store = scratch.store();
    let sample = sorted(entries(3_000, 5));
    store.append(&sample).unwrap();
    let body = |entry: &LogEntry| entry.to_canonical_json().unwrap();
    let expected: Vec<_> = sample.iter().map(body).collect();
    // What is removed and what comes while it runs.
    let mut lines = Vec::new();
    let mut late = entries(1, 6);
    late[0].timestamp = sample[2_999].timestamp;
    store
        .export(&Query::new(), &mut |line| {
            if lines.is_empty() {
                store.append(&late).unwrap();
                assert_eq!(store.purge(&Query::new()).unwrap(), 3_001);
            }
            lines.push(line.to_owned());
            Ok(())
        })
        .unwrap();
    assert!(lines == expected, "another look");
    assert_eq!(exported(&store, &Query::new()).unwrap(), [""; 0]);

    store.append(&sample).unwrap();
    for limit in [0, 1, 499, 500, 501, 1_500, 9_999] {
        let lines = exported(&store, &Query::new().limit(limit)).unwrap();
        assert!(lines == expected[..limit.min(3_000)], "{limit}");
        let newest = Query::new().newest_first().limit(limit);
        let lines = exported(&store, &newest).unwrap();
        assert!(
            lines.iter().eq(expected.iter().rev().take(limit)),
            "{limit}"
        );
    }
    // Questions that columns do not decide, and that have two parts.
    let some = sample
        .iter()
        .find_map(|entry| entry.parent.clone())
        .unwrap();
    for query in [
        Query::new().text("a"),
        Query::new().text("a").limit(700),
        Query::new().parent(some),
        Query::new().after(audit_core::Cursor::of(&sample[2_000])),
    ] {
        let limit = audit_core::backend::limit(&query).unwrap_or(9_999);
        let found = store.find(&query.clone().limit(limit));
        let found: Vec<_> = found.unwrap().entries.iter().map(body).collect();
        assert!(!found.is_empty(), "{query}");
        assert!(exported(&store, &query).unwrap() == found, "{query}");
    }
    store.close().unwrap();
}

fn an_export_that_fails_leaves_its_connection(scratch: &Scratch) {
    // One connection for all readers.
    let store = scratch
        .options()
        .pool_size(1)
        .connect(&scratch.url)
        .unwrap();
    store.append(&entries(5_000, 7)).unwrap();
    let this_thread = std::thread::current().id();
    for after in [0, 3, 600] {
        let mut handed = 0;
        let error = store
            .export(&Query::new(), &mut |_| {
                assert_eq!(std::thread::current().id(), this_thread);
                handed += 1;
                if handed > after {
                    return Err(std::io::Error::other("enough"));
                }
                Ok(())
            })
            .unwrap_err();
        assert!(error.to_string().contains("enough"), "{error}");
        assert_eq!(handed, after + 1);
        // The only connection of the thread that the export was read on.
        block_on(async { assert_eq!(store.count_async(&Query::new()).await.unwrap(), 5_000) });
    }
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.export(&Query::new(), &mut |_| {
            std::panic::resume_unwind(Box::new("enough"))
        })
    }));
    assert!(panicked.is_err());
    block_on(async { assert_eq!(store.count_async(&Query::new()).await.unwrap(), 5_000) });
    let other = store.clone();
    store.close().unwrap();
    let closed = exported(&other, &Query::new());
    assert!(matches!(closed, Err(StoreError::Closed)), "{closed:?}");
}

fn an_export_works_in_every_runtime(scratch: &Scratch) {
    let store = scratch.store();
    store.append(&entries(1_200, 8)).unwrap();
    let current = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    current.block_on(async {
        assert_eq!(exported(&store, &Query::new()).unwrap().len(), 1_200);
    });
    let multi = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let other = store.clone();
    let lines = multi.spawn(async move { exported(&other, &Query::new()).unwrap().len() });
    assert_eq!(multi.block_on(lines).unwrap(), 1_200);
    // Whoever receives the lines may use a runtime, and the store.
    let mut counted = 0;
    store
        .export(&Query::new().limit(3), &mut |_| {
            counted += current.block_on(store.count_async(&Query::new())).unwrap();
            counted += store.count(&Query::new()).unwrap();
            Ok(())
        })
        .unwrap();
    assert_eq!(counted, 6 * 1_200);
    store.close().unwrap();
}
