//! Entries by object.

use audit_core::{Action, Cursor, LogEntry, ObjectRef, Query, Store};
use chrono::TimeDelta;

use super::access::{Meets, append, has, must};
use crate::sample::entries;

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
