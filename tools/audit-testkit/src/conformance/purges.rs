//! Rule 6: nothing changes or goes but by a purge.

use audit_core::{Level, Query, Store, StoreError};
use chrono::{DateTime, TimeDelta, Utc};

use super::access::{Meets, all, append, count, find, has, must, sorted};
use crate::sample::entries;

/// Rule 6: what is older than a time goes, the rest stays. A store that cannot purge says so.
pub fn purges_what_is_older(store: &dyn Store) {
    let sample = sorted(entries(60, 23));
    append(store, &sample);
    let before = sample[30].timestamp;
    let older = |time: DateTime<Utc>| store.purge(&Query::new().until(time));
    let stay: Vec<_> = sample
        .iter()
        .filter(|e| e.timestamp >= before)
        .cloned()
        .collect();
    match older(before) {
        Err(StoreError::Unsupported { .. }) => {
            assert_eq!(all(store), sample);
            return;
        }
        removed => assert_eq!(must(removed), (sample.len() - stay.len()) as u64),
    }
    assert_eq!(all(store), stay);
    assert_eq!(count(store, Query::new()), stay.len() as u64);
    for path in ["email", "status", "address.city"] {
        let expected: Vec<_> = stay.iter().filter(|e| has(e, &[path])).cloned().collect();
        assert_eq!(
            find(store, Query::new().changed(path)),
            expected,
            "changed {path}"
        );
    }
    assert_eq!(must(older(before)), 0, "nothing is left to remove");
    let all_of_them = stay[stay.len() - 1].timestamp + TimeDelta::nanoseconds(1);
    assert_eq!(must(older(all_of_them)), stay.len() as u64);
    assert_eq!(all(store), []);
}

/// Rule 6: only what the query asks for goes, whichever conditions it has.
pub fn purges_what_a_query_asks_for(store: &dyn Store) {
    let mut stay = sorted(entries(200, 30));
    append(store, &stay);
    let middle = stay[100].timestamp;
    let cases: [(Query, &Meets<'_>); 5] = [
        (
            Query::new().until(middle).level_below(Level::Warning),
            &|e| e.timestamp < middle && e.level < Level::Warning,
        ),
        (
            Query::new().model_name("User").newest_first().limit(1),
            &|e| e.model == "User",
        ),
        (
            Query::new().changed_to("status", "open").since(middle),
            &|_| false,
        ),
        (Query::new().changed("address"), &|e| {
            has(e, &["address.city", "address.zip"])
        }),
        (Query::new(), &|_| true),
    ];
    for (query, meets) in cases {
        let before = stay.len();
        if query.filter().changed_to.is_empty() {
            stay.retain(|entry| !meets(entry));
        } else {
            let page = must(store.find(&query.clone().limit(1_000)));
            stay.retain(|entry| !page.entries.contains(entry));
        }
        match store.purge(&query) {
            Err(StoreError::Unsupported { .. }) => return,
            removed => assert_eq!(must(removed), (before - stay.len()) as u64, "{query}"),
        }
        assert_eq!(all(store), stay, "{query}");
    }
}

/// Rule 6: after a purge the store takes entries as before, those that went included.
pub fn purges_and_takes_new_entries(store: &dyn Store) {
    let sample = sorted(entries(10, 24));
    append(store, &sample);
    let end = sample[9].timestamp + TimeDelta::seconds(1);
    if let Err(StoreError::Unsupported { .. }) = store.purge(&Query::new().until(end)) {
        return;
    }
    append(store, &sample[5..]);
    append(store, &entries(3, 25));
    assert_eq!(all(store).len(), 8);
}
