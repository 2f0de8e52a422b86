//! Rows that are not entries, in a store that skips them.

use audit_core::{LogEntry, ObjectRef, Query, Store};

use crate::entries;

/// The number of damaged rows in succession: more than a store reads at a time.
const RUN: u32 = 10_000;

/// Rows to insert past the store, whose columns are in order and whose bytes are no entry.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DamagedRows {
    /// The number of rows.
    pub count: u32,
    /// Their model.
    pub model: &'static str,
    /// Their identity.
    pub object_pk: &'static str,
    /// Their time, in microseconds since 1970-01-01 UTC.
    pub ts: i64,
}

impl DamagedRows {
    /// The bytes of each: JSON of a version that no library knows.
    pub const BODY: &str = "{\"v\":4294967295}";
}

/// Checks that a store which skips damaged rows hides no entries with them, however many
/// follow one another: in the order of time, by object, and in an export.
///
/// Takes an empty store, and what inserts rows.
///
/// # Panics
/// Panics if an entry is hidden, given twice or out of order.
pub fn skips_damaged_rows(store: &dyn Store, insert: &mut dyn FnMut(DamagedRows)) {
    let sample = entries(300, 1);
    store.append(&sample).expect("entries can be appended");
    let middle = sample[150].timestamp.timestamp_micros();
    let row = |model, object_pk, ts| DamagedRows {
        count: RUN,
        model,
        object_pk,
        ts,
    };
    // Before all objects, between the entries of one, between two, and after all.
    insert(row("A", "1", 0));
    insert(row("User", "7", middle));
    insert(row("User", "70", middle));
    insert(row("~", "1", 8_210_266_876_799_999_999));

    let mut by_time = Vec::new();
    let mut query = Query::new().oldest_first().limit(70);
    loop {
        let page = store.find(&query).expect("a page can be read");
        by_time.extend(page.entries);
        match page.next {
            Some(next) => query = query.after(next),
            None => break,
        }
    }
    assert_eq!(
        by_time,
        sorted(&sample, |entry| (entry.timestamp, entry.id))
    );

    let mut by_object: Vec<LogEntry> = Vec::new();
    loop {
        let after = by_object
            .last()
            .map(|last| ObjectRef::new(last.model.as_str(), last.object_pk.as_str()));
        let found = store
            .objects(&Query::new(), after.as_ref())
            .expect("objects can be read");
        if found.is_empty() {
            break;
        }
        by_object.extend(found);
    }
    let mut expected = sorted(&sample, |entry| {
        let object = (entry.model.clone(), entry.object_pk.clone());
        (object, entry.timestamp, entry.id)
    });
    expected.retain(|entry| !entry.object_pk.is_empty());
    assert_eq!(by_object, expected);

    let mut lines = Vec::new();
    let mut keep = |line: &str| {
        lines.push(line.to_owned());
        Ok(())
    };
    let count = store.export(&Query::new(), &mut keep);
    assert_eq!(count.expect("an export"), lines.len() as u64);
    let damaged = lines.iter().filter(|line| *line == DamagedRows::BODY);
    assert_eq!(damaged.count(), 4 * RUN as usize);
    assert_eq!(lines.len(), 4 * RUN as usize + sample.len());
}

fn sorted<K: Ord>(entries: &[LogEntry], key: impl Fn(&LogEntry) -> K) -> Vec<LogEntry> {
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(key);
    sorted
}
