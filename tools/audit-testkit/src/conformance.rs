//! The contract of [`Store`], a function a check.
//!
//! Every check takes an empty store and panics where it does not keep the contract. The
//! names tell what a store does; the numbers in the documentation are those of the rules in
//! the documentation of [`Store`]. [`conformance!`](crate::conformance!) makes a `#[test]`
//! of each, and [`CHECKS`] lists them.
//!
//! What a query asks for is computed here by hand, not by [`Query::matches`], so that a
//! store and the core cannot be wrong in the same way unnoticed.

#![expect(
    clippy::missing_panics_doc,
    reason = "every check panics where a store does not keep the contract"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "queries are written in place"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::thread;

use audit_core::backend::{MAX_DEPTH, limit};
use audit_core::{
    Action, Actor, Change, Cursor, Level, LogEntry, ObjectRef, Outcome, Path, Query, Source, Store,
    StoreError,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::entries;
pub use crate::groups::{
    filters_by_groups, filters_by_many_alternatives, filters_by_random_queries,
    purges_what_random_queries_ask_for,
};

/// Makes one `#[test]` of each check of [`conformance`](mod@crate::conformance).
///
/// Takes what makes an empty store: a closure or a function.
///
/// # Example: the store in memory
/// ```
/// audit_testkit::conformance!(audit_core::MemoryStore::new);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::__for_each_check!([$crate::__test_of_each]($make));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __test_of_each {
    (($make:expr) $($check:ident)*) => {$(
        #[test]
        fn $check() {
            let make = $make;
            $crate::conformance::$check(&make());
        }
    )*};
}

macro_rules! list_of_each {
    (() $($check:ident)*) => {
        /// All checks by their names.
        pub const CHECKS: &[(&str, fn(&dyn Store))] = &[$((stringify!($check), $check)),*];
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_check {
    ([$($then:tt)*] $given:tt) => {
        $($then)*! { $given
            keeps_all_of_a_batch
            keeps_nothing_of_a_failed_batch
            keeps_nothing_of_an_empty_batch
            appends_again_without_effect
            refuses_another_entry_with_a_known_id
            refuses_a_batch_that_contradicts_itself
            returns_equal_entries
            keeps_bytes
            keeps_odd_texts
            keeps_long_texts
            keeps_deep_values
            keeps_numbers
            keeps_nulls_and_absence
            keeps_microseconds
            keeps_times_of_other_centuries
            orders_by_time_and_id
            returns_the_newest_first
            returns_pages
            returns_500_entries_a_page_by_default
            returns_nothing_for_a_limit_of_zero
            ends_with_the_last_full_page
            goes_on_after_any_cursor
            goes_on_in_spite_of_appends
            pages_through_equal_times
            filters_by_model
            filters_by_object
            filters_by_object_pk
            filters_by_parent
            filters_by_action
            filters_by_actor
            filters_by_level
            filters_by_outcome
            filters_by_correlation_id
            filters_by_transaction
            filters_by_changed_field
            filters_by_changed_path
            filters_by_old_value
            filters_by_new_value
            filters_from_a_time_on
            filters_up_to_a_time
            filters_by_text
            filters_by_odd_texts
            filters_by_several
            filters_by_groups
            filters_by_many_alternatives
            filters_by_random_queries
            filters_exactly
            counts_apart_from_limit_and_cursor
            exports_bytes
            exports_what_a_query_asks_for
            stops_an_export_that_fails
            refuses_a_query_with_no_path
            groups_by_object
            groups_by_object_what_a_query_asks_for
            goes_on_after_any_object
            purges_what_is_older
            purges_what_a_query_asks_for
            purges_what_random_queries_ask_for
            purges_and_takes_new_entries
            keeps_what_threads_append_at_once
            keeps_once_what_threads_append_twice
            shows_whole_batches_only
            flushes
        }
    };
}

__for_each_check!([list_of_each]());

/// Rule 2: what was appended is found by the store that `open` returns next.
///
/// Not part of [`CHECKS`]: `open` opens the same place again and again, after what it
/// returned before was dropped.
///
/// # Panics
/// If anything is missing or different.
pub fn keeps_after_reopening(open: &dyn Fn() -> Box<dyn Store>) {
    let sample = entries(120, 71);
    for part in sample.chunks(40) {
        append(&*open(), part);
    }
    assert_eq!(all(&*open()), sorted(sample), "after reopening");
}

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

/// Rule 4.
pub fn returns_equal_entries(store: &dyn Store) {
    let sample = entries(200, 8);
    for entry in &sample {
        append(store, std::slice::from_ref(entry));
    }
    assert_eq!(all(store), sorted(sample));
}

/// Rule 4: the canonical form, byte for byte.
pub fn keeps_bytes(store: &dyn Store) {
    let sample = sorted(entries(200, 9));
    append(store, &sample);
    let bytes = |entries: &[LogEntry]| -> Vec<String> {
        entries
            .iter()
            .map(|entry| entry.to_canonical_json().expect("a sample entry is valid"))
            .collect()
    };
    assert_eq!(bytes(&all(store)), bytes(&sample));
}

/// Rule 4: quotes, escapes, control characters, NUL, right-to-left marks and no text at all.
pub fn keeps_odd_texts(store: &dyn Store) {
    let mut sample = Vec::new();
    for text in ODD_TEXTS {
        let mut entry = plain(sample.len());
        entry.action = Action::Custom(format!("do {text}").into());
        entry.model = text.into();
        entry.object_pk = text.into();
        entry.object_repr = text.into();
        entry.parent = Some(ObjectRef::new(text, text));
        entry.changes = [change(
            "note",
            Some(json!(text)),
            Some(json!({ text: [text] })),
        )]
        .into_iter()
        .collect();
        entry.snapshot = Some(json!({ text: text }));
        entry.actor = Some(Actor::user(text).display(text).on_behalf_of(text));
        entry.correlation_id = Some(text.to_owned());
        entry.trace_id = Some(text.to_owned());
        entry.reason = Some(text.to_owned());
        entry.additional_data = Map::from_iter([(text.to_owned(), json!(text))]);
        entry.source = Source::service(text).version(text).host(text);
        sample.push(entry);
    }
    append(store, &sample);
    assert_eq!(all(store), sample);
}

/// Rule 4: values of a mebibyte, and a thousand changes in one entry.
pub fn keeps_long_texts(store: &dyn Store) {
    let mut long = plain(0);
    long.object_repr = "ü\"\\".repeat(1 << 18);
    long.snapshot = Some(json!({ "x".repeat(1 << 16): "y".repeat(1 << 20) }));
    let mut wide = plain(1);
    wide.changes = (0..1000)
        .map(|number| change(&format!("field_{number}"), None, Some(json!(number))))
        .collect();
    append(store, &[long.clone(), wide.clone()]);
    assert_eq!(all(store), [long, wide]);
}

/// Rule 4: values as deep as a diff lets them be.
pub fn keeps_deep_values(store: &dyn Store) {
    let deep = (0..MAX_DEPTH / 2).fold(json!("x"), |inner, _| json!({ "in": [inner] }));
    let mut entry = plain(0);
    entry.snapshot = Some(deep.clone());
    entry.changes = [change("deep", Some(deep.clone()), Some(deep))]
        .into_iter()
        .collect();
    append(store, std::slice::from_ref(&entry));
    assert_eq!(all(store), [entry]);
}

/// Rule 4: the limits of 64 bits, and floats to the last bit.
pub fn keeps_numbers(store: &dyn Store) {
    let numbers = json!([
        0,
        -1,
        u64::MAX,
        i64::MIN,
        9_007_199_254_740_993_u64,
        0.1,
        -0.0,
        1.0,
        1e308,
        5e-324,
        f64::MIN_POSITIVE,
        0.1 + 0.2,
        123_456_789.123_456_79
    ]);
    let mut entry = plain(0);
    entry.snapshot = Some(numbers.clone());
    entry.changes = [change("n", Some(numbers.clone()), Some(json!(u64::MAX)))]
        .into_iter()
        .collect();
    entry.remote_port = Some(u16::MAX);
    entry.schema_version = u32::MAX;
    append(store, std::slice::from_ref(&entry));
    let found = all(store).remove(0);
    assert_eq!(found, entry);
    let bits = |value: &Value| value[6].as_f64().map(f64::to_bits);
    assert_eq!(
        found.snapshot.as_ref().and_then(bits),
        Some((-0.0_f64).to_bits()),
        "the sign of zero"
    );
}

/// Rule 4: a null is not the same as nothing.
pub fn keeps_nulls_and_absence(store: &dyn Store) {
    let mut sample: Vec<_> = (0..4).map(plain).collect();
    sample[0].changes = [change("a", None, Some(Value::Null))].into_iter().collect();
    sample[1].changes = [change("a", Some(Value::Null), None)].into_iter().collect();
    sample[2].changes = [change("a", None, None)].into_iter().collect();
    sample[3].snapshot = Some(Value::Null);
    append(store, &sample);
    assert_eq!(all(store), sample);
}

/// Rules 3 and 4: what is finer than a microsecond is cut, and the entry as it is found is
/// the same as the one appended.
pub fn keeps_microseconds(store: &dyn Store) {
    let mut fine = plain(0);
    fine.timestamp += TimeDelta::nanoseconds(123_456_789);
    let mut cut = fine.clone();
    cut.timestamp -= TimeDelta::nanoseconds(789);
    append(store, &[fine.clone()]);
    assert_eq!(all(store), std::slice::from_ref(&cut));
    append(store, &[cut.clone()]);
    append(store, &[fine]);
    assert_eq!(all(store), [cut], "appended as it was found");
}

/// Rules 4 and 5: before 1970 and far from now.
pub fn keeps_times_of_other_centuries(store: &dyn Store) {
    let mut sample = Vec::new();
    for time in [
        "0001-01-01T00:00:00Z",
        "1582-10-15T12:00:00.000001Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00Z",
        "2038-01-19T03:14:08Z",
        "9999-12-31T23:59:59.999999Z",
    ] {
        let mut entry = plain(sample.len());
        entry.timestamp = self::time(time);
        sample.push(entry);
    }
    append(store, &sample.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(all(store), sample);
    let before_1970 = Query::new().until(self::time("1970-01-01T00:00:00Z"));
    assert_eq!(find(store, before_1970), sample[..3]);
}

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

/// The model's stored name, exactly.
pub fn filters_by_model(store: &dyn Store) {
    let sample = sample(store);
    for model in ["User", "o'Brien \"x\"", "crate::Übung"] {
        check(store, &sample, Query::new().model_name(model), |e| {
            e.model == model
        });
    }
    assert_eq!(find(store, Query::new().model_name("user")), []);
    assert_eq!(find(store, Query::new().model_name("Us%")), []);
}

/// One object.
pub fn filters_by_object(store: &dyn Store) {
    let sample = sample(store);
    for pk in ["1", "7"] {
        let query = Query::new().model_name("User").object_pk(pk);
        check(store, &sample, query, |e| {
            e.model == "User" && e.object_pk == pk
        });
    }
}

/// Objects of any model.
pub fn filters_by_object_pk(store: &dyn Store) {
    let sample = sample(store);
    check(store, &sample, Query::new().object_pk(3), |e| {
        e.object_pk == "3"
    });
    assert_eq!(find(store, Query::new().object_pk("03")), []);
}

/// An aggregate: the root itself and what belongs to it, each once.
pub fn filters_by_parent(store: &dyn Store) {
    let mut own = entries(12, 20);
    for (number, entry) in own.iter_mut().enumerate() {
        entry.model = "Company".into();
        entry.object_pk = (number % 3).to_string();
        // Some belong to themselves.
        entry.parent = (number < 6).then(|| ObjectRef::new("Company", "1"));
    }
    append(store, &own);
    let mut sample = sample(store);
    sample.extend(own);
    let root = ObjectRef::new("Company", "1");
    let belongs = |e: &LogEntry| {
        e.parent.as_ref() == Some(&root) || (e.model == "Company" && e.object_pk == "1")
    };
    check(store, &sample, Query::new().parent(root.clone()), belongs);
    let query = Query::new().parent(root.clone()).action("update");
    check(store, &sample, query, |e| {
        belongs(e) && e.action == Action::Update
    });
    let query = Query::new().parent(root.clone()).changed("email");
    check(store, &sample, query, |e| {
        belongs(e) && e.changes.contains("email")
    });
}

/// The four actions and custom ones.
pub fn filters_by_action(store: &dyn Store) {
    let sample = sample(store);
    for action in ["create", "update", "delete", "access", "approved"] {
        check(store, &sample, Query::new().action(action), |e| {
            e.action.as_str() == action
        });
    }
    check(store, &sample, Query::new().action(Action::Update), |e| {
        e.action == Action::Update
    });
}

/// The actor's id, not the name.
pub fn filters_by_actor(store: &dyn Store) {
    let sample = sample(store);
    for actor in ["alice", "Çağrı"] {
        check(store, &sample, Query::new().actor(actor), |e| {
            e.actor.as_ref().is_some_and(|a| a.id == actor)
        });
    }
    assert_eq!(find(store, Query::new().actor("system")), []);
    assert_eq!(find(store, Query::new().actor("alice (display)")), []);
}

/// That level and higher ones, and those below one.
pub fn filters_by_level(store: &dyn Store) {
    let sample = sample(store);
    for level in [Level::Info, Level::Warning, Level::Error, Level::Critical] {
        check(store, &sample, Query::new().level_at_least(level), |e| {
            e.level >= level
        });
        check(store, &sample, Query::new().level_below(level), |e| {
            e.level < level
        });
    }
    let between = Query::new()
        .level_at_least(Level::Info)
        .level_below(Level::Error);
    check(store, &sample, between, |e| {
        matches!(e.level, Level::Info | Level::Warning)
    });
    assert_eq!(find(store, Query::new().level_below(Level::Debug)), []);
    assert_eq!(
        find(store, Query::new().level_at_least(Level::Debug)),
        sorted(sample)
    );
}

/// The outcome.
pub fn filters_by_outcome(store: &dyn Store) {
    let sample = sample(store);
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Denied] {
        check(store, &sample, Query::new().outcome(outcome), |e| {
            e.outcome == outcome
        });
    }
}

/// The correlation id.
pub fn filters_by_correlation_id(store: &dyn Store) {
    let sample = sample(store);
    check(store, &sample, Query::new().correlation_id("req-3"), |e| {
        e.correlation_id.as_deref() == Some("req-3")
    });
}

/// The transaction.
pub fn filters_by_transaction(store: &dyn Store) {
    let sample = sample(store);
    let id = Uuid::from_u64_pair(7, 2);
    check(store, &sample, Query::new().transaction(id), |e| {
        e.transaction_id == Some(id)
    });
    assert_eq!(find(store, Query::new().transaction(Uuid::nil())), []);
}

/// A top-level field, whatever changed in it.
pub fn filters_by_changed_field(store: &dyn Store) {
    let sample = sample(store);
    check(store, &sample, Query::new().changed("email"), |e| {
        has(e, &["email"])
    });
    check(store, &sample, Query::new().changed("address"), |e| {
        has(e, &["address.city", "address.zip"])
    });
    check(store, &sample, Query::new().changed("items"), |e| {
        has(e, &["items[sku='A1'].qty"])
    });
    check(store, &sample, Query::new().changed("$"), |e| {
        !e.changes.is_empty()
    });
    let both = Query::new().changed("email").changed("address");
    check(store, &sample, both, |e| {
        has(e, &["email"]) && has(e, &["address.city", "address.zip"])
    });
    assert_eq!(find(store, Query::new().changed("mail")), []);
    assert_eq!(find(store, Query::new().changed("EMAIL")), []);
}

/// A path inside a field, and one above it; neither matches its neighbours.
pub fn filters_by_changed_path(store: &dyn Store) {
    let sample = sample(store);
    for path in [
        "address.city",
        "items[sku='A1'].qty",
        "roles['admin']",
        "labels['a.b']",
    ] {
        check(store, &sample, Query::new().changed(path), |e| {
            has(e, &[path])
        });
    }
    check(
        store,
        &sample,
        Query::new().changed("items[sku='A1']"),
        |e| has(e, &["items[sku='A1'].qty"]),
    );
    check(
        store,
        &sample,
        Query::new().changed("$.address.city"),
        |e| has(e, &["address.city"]),
    );
    assert_eq!(find(store, Query::new().changed("address.city.name")), []);
    assert_eq!(find(store, Query::new().changed("items[sku='A2']")), []);
    assert_eq!(find(store, Query::new().changed("labels.a.b")), []);
}

/// The value before.
pub fn filters_by_old_value(store: &dyn Store) {
    let sample = sample(store);
    let was = |e: &LogEntry, path: &str, value: &Value| {
        e.changes
            .get(path)
            .is_some_and(|c| c.old.as_ref() == Some(value))
    };
    check(
        store,
        &sample,
        Query::new().changed_from("status", "open"),
        |e| was(e, "status", &json!("open")),
    );
    check(
        store,
        &sample,
        Query::new().changed_from("address.city", true),
        |e| was(e, "address.city", &json!(true)),
    );
    assert_eq!(
        find(store, Query::new().changed_from("address", "open")),
        []
    );
}

/// The value after.
pub fn filters_by_new_value(store: &dyn Store) {
    let sample = sample(store);
    let became = |e: &LogEntry, path: &str, value: &Value| {
        e.changes
            .get(path)
            .is_some_and(|c| c.new.as_ref() == Some(value))
    };
    check(
        store,
        &sample,
        Query::new().changed_to("status", "closed"),
        |e| became(e, "status", &json!("closed")),
    );
    check(
        store,
        &sample,
        Query::new().changed_to("labels['a.b']", None::<u8>),
        |e| became(e, "labels['a.b']", &Value::Null),
    );
    let query = Query::new()
        .changed_from("status", "open")
        .changed_to("status", "closed");
    for entry in find(store, query) {
        assert_eq!(entry.changes["status"].old, Some(json!("open")));
        assert_eq!(entry.changes["status"].new, Some(json!("closed")));
    }
}

/// The earliest time is included, to the nanosecond.
pub fn filters_from_a_time_on(store: &dyn Store) {
    let sample = sample(store);
    let middle = sorted(sample.clone())[sample.len() / 2].timestamp;
    for since in around(middle) {
        check(store, &sample, Query::new().since(since), |e| {
            e.timestamp >= since
        });
    }
}

/// The latest time is excluded, to the nanosecond.
pub fn filters_up_to_a_time(store: &dyn Store) {
    let sample = sample(store);
    let ordered = sorted(sample.clone());
    let middle = ordered[sample.len() / 2].timestamp;
    for until in around(middle) {
        check(store, &sample, Query::new().until(until), |e| {
            e.timestamp < until
        });
    }
    let early = ordered[sample.len() / 4].timestamp;
    let query = Query::new().since(early).until(middle);
    check(store, &sample, query, |e| {
        e.timestamp >= early && e.timestamp < middle
    });
    assert_eq!(find(store, Query::new().since(middle).until(early)), []);
}

/// A text in the repr, the reason, the actor or a value, in any case.
pub fn filters_by_text(store: &dyn Store) {
    let sample = sample(store);
    for (text, needle) in [
        ("TICKET 1", "ticket 1"),
        ("alice", "alice"),
        ("user #1", "user #1"),
    ] {
        check(store, &sample, Query::new().text(text), |e| {
            let mut texts = vec![e.object_repr.clone()];
            texts.extend(e.reason.clone());
            texts.extend(
                e.actor
                    .iter()
                    .flat_map(|a| [a.id.clone(), a.name().to_owned()]),
            );
            texts.extend(
                e.changes
                    .iter()
                    .flat_map(|c| [&c.old, &c.new])
                    .flatten()
                    .map(shown),
            );
            texts
                .iter()
                .any(|text| text.to_ascii_lowercase().contains(needle))
        });
    }
    assert_eq!(
        find(store, Query::new().text("billing")),
        [],
        "only where it is looked for"
    );
    assert_eq!(
        find(store, Query::new().text("object_repr")),
        [],
        "no name of JSON's"
    );
}

/// Every filter that takes a text takes any text, and finds exactly that one.
pub fn filters_by_odd_texts(store: &dyn Store) {
    let mut sample = Vec::new();
    for text in ODD_TEXTS.into_iter().filter(|text| !text.is_empty()) {
        let mut entry = plain(sample.len());
        entry.model = text.into();
        entry.object_pk = text.into();
        entry.object_repr = format!("<{text}>");
        entry.parent = Some(ObjectRef::new(text, "1"));
        entry.actor = Some(Actor::user(text));
        entry.correlation_id = Some(text.to_owned());
        entry.changes = [change("note", None, Some(json!(text)))]
            .into_iter()
            .collect();
        sample.push(entry);
    }
    append(store, &sample);
    for entry in &sample {
        let text = entry.model.as_str();
        for query in [
            Query::new().model_name(text),
            Query::new().object_pk(text),
            Query::new().parent(ObjectRef::new(text, "1")),
            Query::new().actor(text),
            Query::new().correlation_id(text),
            Query::new().changed_to("note", text),
            Query::new().text(format!("<{text}>")),
        ] {
            let filter = format!("{:?}", query.filter());
            assert_eq!(count(store, query.clone()), 1, "{filter}");
            assert_eq!(find(store, query), std::slice::from_ref(entry), "{filter}");
        }
    }
}

/// All conditions hold at once.
pub fn filters_by_several(store: &dyn Store) {
    let sample = sample(store);
    let middle = sorted(sample.clone())[sample.len() / 2].timestamp;
    let by = |e: &LogEntry, id: &str| e.actor.as_ref().is_some_and(|a| a.id == id);
    check(
        store,
        &sample,
        Query::new().model_name("User").actor("alice"),
        |e| e.model == "User" && by(e, "alice"),
    );
    let query = Query::new()
        .actor("bob")
        .since(middle)
        .level_at_least(Level::Warning);
    check(store, &sample, query, |e| {
        by(e, "bob") && e.timestamp >= middle && e.level >= Level::Warning
    });
    let query = Query::new()
        .changed("email")
        .model_name("Invoice")
        .until(middle);
    check(store, &sample, query, |e| {
        has(e, &["email"]) && e.model == "Invoice" && e.timestamp < middle
    });
    let query = Query::new()
        .changed("address.zip")
        .actor("alice")
        .outcome(Outcome::Success);
    check(store, &sample, query, |e| {
        has(e, &["address.zip"]) && by(e, "alice") && e.outcome == Outcome::Success
    });
    let query = Query::new()
        .action("update")
        .text("alice")
        .changed("status");
    for entry in find(store, query) {
        assert!(entry.action == Action::Update && has(&entry, &["status"]));
    }
}

/// Nothing is a pattern, a prefix or another type: such texts find nothing.
pub fn filters_exactly(store: &dyn Store) {
    append(store, &entries(50, 21));
    for text in ["%", "_", "*", "?", "", "' OR 1=1 --", "User\0", "User "] {
        for query in [
            Query::new().model_name(text),
            Query::new().object_pk(text),
            Query::new().actor(text),
            Query::new().correlation_id(text),
            Query::new().action(Action::Custom(text.to_owned().into())),
        ] {
            assert_eq!(find(store, query.clone()), [], "{:?}", query.filter());
            assert_eq!(count(store, query.clone()), 0, "{:?}", query.filter());
        }
    }
}

/// Limit, cursor and direction do not change how many there are.
pub fn counts_apart_from_limit_and_cursor(store: &dyn Store) {
    let sample = sorted(entries(40, 22));
    append(store, &sample);
    let middle = Cursor::of(&sample[20]);
    for query in [
        Query::new(),
        Query::new().model_name("User"),
        Query::new().text("e"),
    ] {
        let expected = find(store, query.clone()).len() as u64;
        assert!(expected > 0);
        assert_eq!(count(store, query.clone()), expected);
        assert_eq!(count(store, query.clone().limit(2)), expected);
        assert_eq!(count(store, query.clone().limit(0)), expected);
        assert_eq!(count(store, query.newest_first().after(middle)), expected);
    }
}

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

/// What the receiver says is what the caller hears.
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

/// Whether an entry meets a query's conditions.
type Meets<'m> = dyn Fn(&LogEntry) -> bool + 'm;

/// A query that says less than was meant is an error, not an answer to another question.
pub fn refuses_a_query_with_no_path(store: &dyn Store) {
    let sample = entries(5, 26);
    append(store, &sample);
    let query = Query::new().changed("items[");
    let refused = |answer: Option<StoreError>, what| {
        assert!(
            matches!(answer, Some(StoreError::InvalidQuery { .. })),
            "{what} with a path that is none: {answer:?}"
        );
    };
    refused(store.find(&query).err(), "find");
    refused(store.count(&query).err(), "count");
    refused(store.objects(&query, None).err(), "objects");
    refused(store.export(&query, &mut |_| Ok(())).err(), "export");
    match store.purge(&query) {
        Err(StoreError::Unsupported { .. }) => {}
        answer => refused(answer.err(), "purge"),
    }
    assert_eq!(all(store), sorted(sample));
}

/// Entries by object, whole objects only, and none without an object.
pub fn groups_by_object(store: &dyn Store) {
    let mut sample = entries(1_500, 27);
    let mut event = LogEntry::new(Action::from("started"), "", "", "");
    event.timestamp = sample[0].timestamp;
    append(store, &sample);
    append(store, &[event]);
    sample.sort_by(by_object);
    let answers = objects(store, &Query::new());
    assert_eq!(answers.concat(), sample);
    for pair in answers.windows(2) {
        assert_ne!(
            object(&pair[0][pair[0].len() - 1]),
            object(&pair[1][0]),
            "an object is in two answers"
        );
    }
    let strange = Query::new()
        .newest_first()
        .limit(3)
        .after(Cursor::of(&sample[9]));
    assert_eq!(objects(store, &strange).concat(), sample);
}

/// The query narrows down what there is of each object.
pub fn groups_by_object_what_a_query_asks_for(store: &dyn Store) {
    let mut sample = entries(300, 28);
    append(store, &sample);
    sample.sort_by(by_object);
    let end = sample.iter().map(|entry| entry.timestamp).max();
    let until = end.unwrap_or_default() - TimeDelta::seconds(60);
    let root = ObjectRef::new("Company", "1");
    let cases: [(Query, &Meets<'_>); 5] = [
        (Query::new().model_name("User"), &|e| e.model == "User"),
        (Query::new().until(until), &|e| e.timestamp < until),
        (Query::new().changed("address"), &|e| {
            has(e, &["address.city", "address.zip"])
        }),
        (Query::new().text("#1"), &|e| e.object_repr.contains("#1")),
        (Query::new().parent(root.clone()), &|e| {
            e.parent.as_ref() == Some(&root)
        }),
    ];
    for (query, meets) in cases {
        let expected: Vec<_> = sample.iter().filter(|e| meets(e)).cloned().collect();
        let found = objects(store, &query).concat();
        if query.filter().text.is_some() {
            // The text may be elsewhere too.
            assert!(expected.iter().all(|entry| found.contains(entry)));
        } else {
            assert!(!expected.is_empty());
            assert_eq!(found, expected, "{query}");
        }
    }
}

/// The place to go on at need not exist.
pub fn goes_on_after_any_object(store: &dyn Store) {
    let mut sample = entries(100, 29);
    append(store, &sample);
    sample.sort_by(by_object);
    for after in [
        ObjectRef::new("", ""),
        ObjectRef::new("Invoice", "1"),
        ObjectRef::new("Invoice", "zzz"),
        ObjectRef::new("J", ""),
        ObjectRef::new("~", ""),
    ] {
        let expected: Vec<_> = sample
            .iter()
            .filter(|entry| object(entry) > after)
            .cloned()
            .collect();
        let found = must(store.objects(&Query::new(), Some(&after)));
        assert_eq!(found, expected, "after {after}");
    }
}

/// Reads all answers of `objects`.
pub(crate) fn objects(store: &dyn Store, query: &Query) -> Vec<Vec<LogEntry>> {
    let mut answers: Vec<Vec<LogEntry>> = Vec::new();
    loop {
        let after = answers.last().and_then(|answer| answer.last()).map(object);
        let answer = must(store.objects(query, after.as_ref()));
        let Some(last) = answer.last().map(object) else {
            return answers;
        };
        assert!(
            after.is_none_or(|after| last > after),
            "`objects` does not get on: it ends with {last} again"
        );
        answers.push(answer);
    }
}

fn object(entry: &LogEntry) -> ObjectRef {
    ObjectRef::new(entry.model.as_str(), entry.object_pk.as_str())
}

fn by_object(a: &LogEntry, b: &LogEntry) -> std::cmp::Ordering {
    (object(a), a.timestamp, a.id).cmp(&(object(b), b.timestamp, b.id))
}

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

/// Rule 7: single entries and batches from eight threads, each kept once.
pub fn keeps_what_threads_append_at_once(store: &dyn Store) {
    let samples: Vec<_> = (0..8).map(|thread| entries(60, 100 + thread)).collect();
    at_once(&samples, |sample| {
        for single in sample[..20].chunks(1) {
            append(store, single);
        }
        for batch in sample[20..].chunks(8) {
            append(store, batch);
        }
    });
    assert_eq!(all(store), sorted(samples.concat()));
}

/// Rules 3 and 7: the same entries from eight threads; of a contradiction one side wins.
pub fn keeps_once_what_threads_append_twice(store: &dyn Store) {
    let sample = entries(40, 26);
    at_once(&[(); 8], |()| {
        for part in sample.chunks(4) {
            append(store, part);
        }
    });
    assert_eq!(all(store), sorted(sample));

    let rivals: Vec<_> = (0..8)
        .map(|number| {
            let mut entry = entries(1, 27).remove(0);
            entry.reason = Some(format!("reason {number}"));
            entry
        })
        .collect();
    let kept = std::sync::Mutex::new(Vec::new());
    at_once(&rivals, |rival| {
        match store.append(std::slice::from_ref(rival)) {
            Ok(()) => kept.lock().unwrap().push(rival.clone()),
            conflict => assert_conflict(conflict, rival.id),
        }
    });
    let kept = kept.into_inner().unwrap();
    assert_eq!(kept.len(), 1, "one of the rivals is kept");
    assert!(all(store).contains(&kept[0]));
}

/// Rules 1 and 7: whoever reads while others write sees all of a batch or nothing of it.
pub fn shows_whole_batches_only(store: &dyn Store) {
    const BATCH: usize = 20;
    let batches: Vec<Vec<_>> = (0..24)
        .map(|number| {
            let mut batch = entries(BATCH, 200 + number);
            for entry in &mut batch {
                entry.transaction_id = Some(Uuid::from_u64_pair(8, number));
            }
            batch
        })
        .collect();
    let (writers, readers) = (batches.chunks(6), 4);
    let mut work: Vec<Option<&[Vec<LogEntry>]>> = writers.map(Some).collect();
    work.extend(std::iter::repeat_n(None, readers));
    at_once(&work, |work| match work {
        Some(batches) => batches.iter().for_each(|batch| append(store, batch)),
        None => {
            for _ in 0..20 {
                let mut seen: BTreeMap<Uuid, usize> = BTreeMap::new();
                for entry in must(store.find(&Query::new().limit(10_000))).entries {
                    *seen
                        .entry(entry.transaction_id.expect("all have one"))
                        .or_default() += 1;
                }
                for (batch, seen) in seen {
                    assert_eq!(seen, BATCH, "a part of batch {batch} was seen");
                }
            }
        }
    });
    assert_eq!(count(store, Query::new()), 24 * BATCH as u64);
}

/// A flush succeeds and changes nothing.
pub fn flushes(store: &dyn Store) {
    must(store.flush());
    let sample = entries(5, 28);
    append(store, &sample);
    must(store.flush());
    assert_eq!(all(store), sorted(sample));
}

const ODD_TEXTS: [&str; 14] = [
    "",
    " ",
    "'",
    "\"",
    "\\",
    "it's; DROP TABLE audit_entry; --",
    "%_*?",
    "line\nbreak\ttab\r",
    "\0",
    "before\0after",
    "\u{1}\u{1f}\u{7f}\u{80}",
    "\u{202e}txt.exe\u{feff}\u{2028}",
    "Zażółć gęślą 漢字 \u{1F9D1}\u{200D}\u{1F680}",
    "e\u{301}",
];

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
fn assert_conflict(result: Result<(), StoreError>, id: Uuid) {
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
fn sample(store: &dyn Store) -> Vec<LogEntry> {
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

fn directed(query: Query, newest_first: bool) -> Query {
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

fn has(entry: &LogEntry, paths: &[&str]) -> bool {
    paths.iter().any(|path| {
        entry
            .changes
            .iter()
            .any(|change| change.path.as_str() == *path)
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The times from a nanosecond before to a microsecond after.
fn around(time: DateTime<Utc>) -> [DateTime<Utc>; 4] {
    [-1, 0, 1, 1000].map(|nanos| time + TimeDelta::nanoseconds(nanos))
}

fn at_once<T: Sync>(work: &[T], run: impl Fn(&T) + Sync) {
    let start = Barrier::new(work.len());
    thread::scope(|scope| {
        let threads: Vec<_> = work
            .iter()
            .map(|work| {
                scope.spawn(|| {
                    start.wait();
                    run(work);
                })
            })
            .collect();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// An entry without anything that is optional, a second after the one before.
fn plain(number: usize) -> LogEntry {
    let second = u32::try_from(number).unwrap_or(0);
    let mut entry = LogEntry::new("update", "Note", number.to_string(), "a note");
    entry.timestamp = time("2026-03-01T12:00:00Z") + TimeDelta::seconds(second.into());
    entry.id = Uuid::from_u64_pair(0x0195_0000_0000_7000, (0b10 << 62) | u64::from(second));
    entry
}

fn time(text: &str) -> DateTime<Utc> {
    match text.parse() {
        Ok(time) => time,
        Err(error) => panic!("`{text}` is not a time: {error}"),
    }
}

fn change(path: &str, old: Option<Value>, new: Option<Value>) -> Change {
    match path.parse::<Path>() {
        Ok(path) => Change::new(path, old, new),
        Err(error) => panic!("{error}"),
    }
}
