//! Queries as text.

use audit_core::{Level, Outcome, Query};
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::json;

fn now() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().expect("a time")
}

fn parse(text: &str) -> Query {
    match Query::parse_at(text, now()) {
        Ok(query) => query,
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn every_term_is_read() {
    let query = parse(
        "model:User object:42 parent:Company/7/a action:approved actor:alice level:>=warning level:<error \
         outcome:denied correlation:req-1 changed:address.city changed_from:status=open \
         changed_to:count=3 since:1d2h until:today \"two words\" order:newest limit:5",
    );
    let filter = query.filter();
    assert_eq!(filter.model.as_deref(), Some("User"));
    assert_eq!(filter.object_pk.as_deref(), Some("42"));
    assert_eq!(filter.parent.as_ref().expect("a root").object_pk, "7/a");
    assert_eq!(filter.action, Some("approved".into()));
    assert_eq!(filter.level_at_least, Some(Level::Warning));
    assert_eq!(filter.level_below, Some(Level::Error));
    assert_eq!(filter.outcome, Some(Outcome::Denied));
    assert_eq!(filter.changed[0], "address.city");
    assert_eq!(filter.changed_from[0].1, json!("open"));
    assert_eq!(filter.changed_to[0].1, json!(3));
    assert_eq!(
        filter.since.expect("a time").to_rfc3339(),
        "2026-11-21T10:00:00+00:00"
    );
    assert_eq!(
        filter.until.expect("a time").to_rfc3339(),
        "2026-11-22T00:00:00+00:00"
    );
    assert_eq!(filter.text.as_deref(), Some("two words"));
    assert!(query.is_newest_first());
    assert_eq!(query.page_size(), 5);
}

#[test]
fn mistakes_are_pointed_at() {
    let cases = [
        (
            "model:User actr:alice",
            "unknown key `actr` at column 12; did you mean `actor`?",
        ),
        (
            "level:loud",
            "unknown level `loud`; expected debug, info, warning, error or critical at column 7",
        ),
        (
            "since:soon",
            "`soon` is no time; expected one such as 2h, yesterday, 2026-01-31 or 2026-01-31T12:00:00Z at column 7",
        ),
        ("model:", "`model` lacks a value at column 7"),
        ("model:\"User", "the quote is not closed at column 7"),
        (
            "parent:Company",
            "expected a model and a key, `Company/7` at column 8",
        ),
        (
            "changed:a..b",
            "`a..b` is no path: expected a name at column 3 at column 9",
        ),
        (
            "changed_to:status",
            "expected a path and a value, `status=open` at column 12",
        ),
        (
            "order:random",
            "expected newest or oldest, not `random` at column 7",
        ),
    ];
    for (text, message) in cases {
        let error = Query::parse(text).expect_err(text);
        assert_eq!(error.to_string(), message);
    }
    let error = Query::parse("x:y").expect_err("no key");
    assert!(
        error.to_string().contains("expected one of model, object,"),
        "{error}"
    );
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9]{1,6}", "[ \"\\\\:='a\u{fc}\u{1f600}\\[\\].]{0,8}"]
}

fn query() -> impl Strategy<Value = Query> {
    let option = || proptest::option::of(word());
    let value = prop_oneof![
        word().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        Just(json!(null)),
        Just(json!(true)),
        Just(json!("1")),
        Just(json!("null")),
        Just(json!("9007199254740993")),
    ];
    let texts = (option(), option(), option(), option(), option(), option());
    let paths = proptest::collection::vec((word(), value), 0..3);
    let rest = (
        any::<bool>(),
        proptest::option::of(0..99usize),
        0..9_999_999_999i64,
    );
    (texts, paths, rest).prop_map(|(texts, paths, (newest, limit, micros))| {
        let (model, pk, action, actor, correlation, text) = texts;
        let mut query = Query::new();
        if let Some(model) = model {
            query = query.model_name(model);
        }
        if let Some(pk) = pk {
            query = query.object_pk(pk);
        }
        if let Some(action) = action {
            query = query.action(action);
        }
        if let Some(actor) = actor {
            query = query.actor(actor);
        }
        if let Some(correlation) = correlation {
            query = query.correlation_id(correlation);
        }
        if let Some(text) = text {
            query = query.text(text);
        }
        for (name, value) in paths {
            let path = audit_core::Path::from_segments(&[audit_core::PathSegment::Name(name)]);
            query = query
                .changed(&path)
                .changed_from(&path, value.clone())
                .changed_to(&path, value);
        }
        if newest {
            query = query.newest_first();
        }
        if let Some(limit) = limit {
            query = query.limit(limit);
        }
        query.since(DateTime::from_timestamp_micros(micros).expect("a time"))
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same(query in query()) {
        let text = query.to_string();
        let read = Query::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(read.filter(), query.filter());
        prop_assert_eq!(read.to_string(), text);
        prop_assert_eq!(read.is_newest_first(), query.is_newest_first());
        prop_assert_eq!(read.page_size(), query.page_size());
    }

    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,40}") {
        let _read = Query::parse(&text);
    }
}

#[test]
fn days_are_those_of_the_zone_of_now() {
    let now = DateTime::parse_from_rfc3339("2026-11-22T01:00:00+02:00").expect("a time");
    let since = |text: &str| {
        let query = Query::parse_at(&format!("since:{text}"), now).expect("a query");
        query.filter().since.expect("a time").to_rfc3339()
    };
    assert_eq!(since("today"), "2026-11-21T22:00:00+00:00");
    assert_eq!(since("yesterday"), "2026-11-20T22:00:00+00:00");
    assert_eq!(since("2026-11-01"), "2026-10-31T22:00:00+00:00");
    assert_eq!(since("2026-11-01T12:30"), "2026-11-01T10:30:00+00:00");
    assert_eq!(
        since("\"2026-11-01 12:30:15.5\""),
        "2026-11-01T10:30:15.500+00:00"
    );
    assert_eq!(since("2h"), "2026-11-21T21:00:00+00:00");
    assert_eq!(since("2026-11-01T12:30:00Z"), "2026-11-01T12:30:00+00:00");
}

#[test]
fn a_term_that_can_be_there_once_is_no_choice() {
    for (text, column) in [
        ("model:A model:B", 9),
        ("since:1h since:2h", 10),
        ("level:>=info level:error", 14),
        ("level:<info level:<error", 13),
        ("text:a text:b", 8),
        ("order:newest order:oldest", 14),
        ("limit:1 limit:2", 9),
    ] {
        let error = Query::parse(text).expect_err(text);
        assert_eq!(error.column(), column, "{error}");
        assert!(error.to_string().contains("given twice"), "{error}");
    }
    // What says the same says nothing else; what holds together holds.
    for text in [
        "model:A model:A",
        "level:>=info level:<error",
        "changed:email changed:phone",
    ] {
        drop(parse(text));
    }
}

#[test]
fn what_a_query_asks_for_survives_as_text() {
    let nanos = DateTime::parse_from_rfc3339("2026-01-01T00:00:00.123456789Z").expect("a time");
    let root = |model: &str| audit_core::ObjectRef::new(model, "a/b");
    for query in [
        Query::new().parent(root("Aggregate/Weird")),
        Query::new().parent(root("back\\slash\\/x")),
        Query::new().changed_to("tags", vec!["a".to_owned(), "b c".to_owned()]),
        Query::new().changed_to("address", serde_json::json!({"city": "Bonn"})),
        Query::new().changed_to("note", "[1]".to_owned()),
        Query::new().changed_to("note", "{\"a\": 1}".to_owned()),
        Query::new().since(nanos).until(nanos),
    ] {
        let text = query.to_string();
        assert_eq!(parse(&text).filter(), query.filter(), "{text}");
    }
    let invalid = Query::new().model_name("A").changed("items[").to_string();
    let error = Query::parse(&invalid).expect_err("a path that is none");
    assert!(error.to_string().contains("items["), "{error}");
}

/// Takes hours if the text is read again for each `=`.
#[test]
fn a_long_path_is_read_once() {
    let text = format!("changed_to:a['{}'", "=".repeat(1_000_000));
    assert!(Query::parse(&text).is_err());
    let text = format!("changed_to:a['{}']=1", "=".repeat(1_000_000));
    assert!(Query::parse(&text).is_ok());
}
