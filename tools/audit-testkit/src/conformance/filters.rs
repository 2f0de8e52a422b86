//! The conditions of a query, each by itself.

use audit_core::{
    Action, Actor, Cancellation, Cursor, Level, LogEntry, ObjectRef, Outcome, Query, Store,
    StoreError,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::access::{all, append, check, count, find, has, sample, sorted};
use crate::sample::{ODD_TEXTS, change, entries, plain};

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

/// A query that was cancelled is an error and reads nothing. One with a cancellation that is not used finds the
/// same entries as without.
pub fn ends_a_cancelled_query(store: &dyn Store) {
    let sample = entries(5, 27);
    append(store, &sample);
    let cancellation = Cancellation::new();
    let query = Query::new().cancelled_by(&cancellation);
    assert_eq!(find(store, query.clone()), sorted(sample.clone()));
    assert_eq!(count(store, query.clone()), sample.len() as u64);
    cancellation.cancel();
    let cancelled = |answer: Option<StoreError>, what| {
        let is_cancelled = matches!(answer, Some(StoreError::Cancelled));
        assert!(is_cancelled, "{what} of a cancelled query: {answer:?}");
    };
    let mut lines = 0;
    let mut line = |_: &str| {
        lines += 1;
        Ok(())
    };
    cancelled(store.find(&query).err(), "find");
    cancelled(store.count(&query).err(), "count");
    cancelled(store.objects(&query, None).err(), "objects");
    cancelled(store.export(&query, &mut line).err(), "export");
    assert_eq!(lines, 0);
    assert_eq!(all(store), sorted(sample));
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
