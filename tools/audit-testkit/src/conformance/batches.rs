//! Rules 1 and 3: a batch is kept as a whole, and each entry once.

use audit_core::{Actor, LogEntry, Query, Store};
use chrono::TimeDelta;
use serde_json::json;

use super::access::{all, append, assert_conflict, count, sorted};
use crate::sample::{change, entries};

/// Rule 1.
pub fn keeps_all_of_a_batch(store: &dyn Store) {
    let sample = entries(300, 1);
    append(store, &sample);
    assert_eq!(all(store), sorted(sample));
}

/// Rules 1 and 3: wherever in the batch the contradiction is.
pub fn keeps_nothing_of_a_failed_batch(store: &dyn Store) {
    let known = entries(3, 2);
    append(store, &known);
    let mut other = known[1].clone();
    other.object_repr.push('!');
    for place in [0, 5, 10] {
        let mut batch = entries(10, 3);
        batch.insert(place, other.clone());
        assert_conflict(store.append(&batch), other.id);
        assert_eq!(all(store), sorted(known.clone()), "conflict at {place}");
    }
    append(store, &entries(10, 3));
    assert_eq!(all(store).len(), 13, "the batch without the conflict");
}

/// Rule 1: no entries at all are kept at once.
pub fn keeps_nothing_of_an_empty_batch(store: &dyn Store) {
    append(store, &[]);
    assert_eq!(all(store), []);
    assert_eq!(count(store, Query::new()), 0);
}

/// Rule 3: one by one, in batches, mixed with new entries, and twice in one batch.
pub fn appends_again_without_effect(store: &dyn Store) {
    let sample = entries(20, 4);
    append(store, &sample[..10]);
    append(store, &sample[3..4]);
    append(store, &sample[..10]);
    append(store, &sample[5..]);
    append(store, &[sample[0].clone(), sample[0].clone()]);
    let fresh = entries(1, 5).remove(0);
    append(store, &[fresh.clone(), sample[1].clone(), fresh.clone()]);
    let mut expected = sample;
    expected.push(fresh);
    assert_eq!(all(store), sorted(expected));
}

/// Rule 3: whatever it is that differs, and the known entry stays.
pub fn refuses_another_entry_with_a_known_id(store: &dyn Store) {
    let known = entries(1, 6).remove(0);
    append(store, std::slice::from_ref(&known));
    let differing: [fn(&mut LogEntry); 5] = [
        |entry| entry.timestamp += TimeDelta::seconds(1),
        |entry| entry.timestamp -= TimeDelta::microseconds(1),
        |entry| entry.reason = Some("another".to_owned()),
        |entry| entry.actor = Some(Actor::user("mallory")),
        |entry| entry.changes = [change("x", None, Some(json!(1)))].into_iter().collect(),
    ];
    for differ in differing {
        let mut other = known.clone();
        differ(&mut other);
        assert_conflict(store.append(std::slice::from_ref(&other)), known.id);
        assert_eq!(all(store), std::slice::from_ref(&known));
    }
}

/// Rule 3: two different entries with one id in one batch.
pub fn refuses_a_batch_that_contradicts_itself(store: &dyn Store) {
    let sample = entries(3, 7);
    let mut other = sample[0].clone();
    other.object_pk.push('0');
    let batch = [sample[0].clone(), sample[1].clone(), other];
    assert_conflict(store.append(&batch), sample[0].id);
    assert_eq!(all(store), []);
}
