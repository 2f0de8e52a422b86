//! Rule 5: the order of entries, pages and cursors.

use audit_core::{Cursor, LogEntry, Query, Store};

use super::access::{all, append, directed, find, must, paged, sorted};
use crate::sample::{entries, plain};

/// Rule 5: whatever the order of appending, and though the ids were made in another order
/// than the times, as in entries about the past.
pub fn orders_by_time_and_id(store: &dyn Store) {
    let mut sample = entries(60, 10);
    let ids: Vec<_> = sample.iter().rev().map(|entry| entry.id).collect();
    for (entry, id) in sample.iter_mut().zip(ids) {
        entry.id = id;
    }
    sample.reverse();
    sample.rotate_left(17);
    for part in sample.chunks(7) {
        append(store, part);
    }
    assert_eq!(all(store), sorted(sample));
}

/// Rule 5: the exact reverse.
pub fn returns_the_newest_first(store: &dyn Store) {
    let sample = entries(60, 11);
    append(store, &sample);
    let mut expected = sorted(sample);
    expected.reverse();
    assert_eq!(find(store, Query::new().newest_first()), expected);
}

/// Rule 5: pages of any size are the whole, without a gap and without an entry twice.
pub fn returns_pages(store: &dyn Store) {
    let sample = entries(50, 12);
    append(store, &sample);
    let mut expected = sorted(sample);
    for newest_first in [false, true] {
        for size in [1, 2, 7, 49, 50, 51, 1000] {
            let found = paged(store, &directed(Query::new(), newest_first), size);
            assert_eq!(
                found, expected,
                "pages of {size}, newest first: {newest_first}"
            );
        }
        expected.reverse();
    }
}

/// Rule 5: a page without a limit, and the next one.
pub fn returns_500_entries_a_page_by_default(store: &dyn Store) {
    let sample = sorted(entries(501, 13));
    append(store, &sample);
    let page = must(store.find(&Query::new()));
    assert_eq!(page.entries, sample[..500]);
    let next = page.next.expect("there is one more entry");
    let page = must(store.find(&Query::new().after(next)));
    assert_eq!(page.entries, sample[500..]);
    assert_eq!(page.next, None);
}

/// Rule 5: none is none.
pub fn returns_nothing_for_a_limit_of_zero(store: &dyn Store) {
    append(store, &entries(3, 14));
    let page = must(store.find(&Query::new().limit(0)));
    assert_eq!(page.entries, []);
}

/// Rule 5: no cursor leads to an empty page.
pub fn ends_with_the_last_full_page(store: &dyn Store) {
    append(store, &entries(6, 15));
    let query = Query::new().limit(3);
    let first = must(store.find(&query));
    let second = must(store.find(&query.after(first.next.expect("3 more entries"))));
    assert_eq!((second.entries.len(), second.next), (3, None));
}

/// Rule 5: after every entry, in both directions, and also after one that is not there.
pub fn goes_on_after_any_cursor(store: &dyn Store) {
    let sample = sorted(entries(25, 16));
    let (known, strangers): (Vec<_>, Vec<_>) = sample
        .iter()
        .cloned()
        .enumerate()
        .partition(|(number, _)| number % 5 != 0);
    let known: Vec<_> = known.into_iter().map(|(_, entry)| entry).collect();
    append(store, &known);
    assert_eq!(strangers.len(), 5);
    for at in sample.iter().map(Cursor::of) {
        let mut expected: Vec<_> = known
            .iter()
            .filter(|e| Cursor::of(e) > at)
            .cloned()
            .collect();
        assert_eq!(find(store, Query::new().after(at)), expected, "after {at}");
        expected = known
            .iter()
            .filter(|e| Cursor::of(e) < at)
            .cloned()
            .collect();
        expected.reverse();
        let query = Query::new().newest_first().after(at);
        assert_eq!(find(store, query), expected, "before {at}");
    }
}

/// Rule 5: entries appended in between move no others, and show up where they belong.
pub fn goes_on_in_spite_of_appends(store: &dyn Store) {
    let sample = sorted(entries(40, 17));
    let later: Vec<_> = sample.iter().skip(3).step_by(4).cloned().collect();
    let first: Vec<_> = sample
        .iter()
        .filter(|e| !later.contains(e))
        .cloned()
        .collect();
    append(store, &first);
    let mut later = later.chunks(1);
    let mut found: Vec<LogEntry> = Vec::new();
    let mut query = Query::new().limit(3);
    loop {
        let page = must(store.find(&query));
        found.extend(page.entries);
        let Some(next) = page.next else { break };
        if let Some(new) = later.next() {
            append(store, new);
        }
        query = query.after(next);
    }
    assert_eq!(found, sorted(found.clone()), "in order and each once");
    for entry in &first {
        assert!(found.contains(entry), "lost {entry} between pages");
    }
}

/// Rule 5: many entries of one moment are ordered by id, across pages too.
pub fn pages_through_equal_times(store: &dyn Store) {
    let mut sample = entries(30, 18);
    for entry in &mut sample {
        entry.timestamp = plain(0).timestamp;
    }
    append(store, &sample);
    let mut expected = sorted(sample);
    assert_eq!(paged(store, &Query::new(), 4), expected);
    expected.reverse();
    assert_eq!(paged(store, &Query::new().newest_first(), 4), expected);
}
