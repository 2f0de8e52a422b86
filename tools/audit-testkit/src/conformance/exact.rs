//! Rule 4: entries come back as they were appended, byte for byte.

use audit_core::backend::MAX_DEPTH;
use audit_core::{Action, Actor, LogEntry, ObjectRef, Query, Source, Store};
use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::access::{all, append, find, sorted};
use crate::sample::{ODD_TEXTS, change, entries, plain};

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
        entry.timestamp = crate::sample::time(time);
        sample.push(entry);
    }
    append(store, &sample.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(all(store), sample);
    let before_1970 = Query::new().until(crate::sample::time("1970-01-01T00:00:00Z"));
    assert_eq!(find(store, before_1970), sample[..3]);
}
