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
fn every_term_is_parsed() {
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
fn errors_have_the_column() {
    let cases = [
        (
            "model:User actr:alice",
            "column 12: unknown key `actr`; did you mean `actor`?",
        ),
        (
            "level:loud",
            "column 7: unknown level `loud`; expected debug, info, warning, error or critical",
        ),
        (
            "since:soon",
            "column 7: `soon` is not a time; expected one such as 2h, yesterday, 2026-01-31 or 2026-01-31T12:00:00Z",
        ),
        (
            "model:",
            "column 7: `model` lacks a value; write it directly after the colon, without a space",
        ),
        ("model:\"User", "column 7: unclosed quote"),
        (
            "parent:Company",
            "column 8: expected a model and a key, `Company/7`",
        ),
        (
            "changed:a..b",
            "column 9: `a..b` is not a path: expected a name at column 3",
        ),
        (
            "changed_to:status",
            "column 12: expected a path and a value, `status=open`",
        ),
        (
            "order:random",
            "column 7: expected newest or oldest, not `random`",
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

/// As texts, these would find nothing, and the reader would take that for an answer.
#[test]
fn conditions_of_other_languages_are_errors_that_name_the_condition() {
    for (text, column, shown, condition) in [
        ("actor=alice", 6, "actor=", "actor:"),
        ("actor = alice", 7, "actor =", "actor:"),
        ("actor =alice", 7, "actor =", "actor:"),
        ("actor= alice", 6, "actor=", "actor:"),
        ("model:User Actor=\"Alice Smith\"", 17, "Actor=", "actor:"),
        ("(NOT action==update)", 12, "action==", "action:"),
        ("actor!=alice", 6, "actor!=", "NOT actor:"),
        ("actor <> alice", 7, "actor <>", "NOT actor:"),
        ("level>=error", 6, "level>=", "level:>="),
        ("level<error", 6, "level<", "level:<"),
        ("since=2026-01-01T10:00", 6, "since=", "since:"),
        ("until<2h", 6, "until<", "until:"),
        ("since < 2026-01-01", 7, "since <", "until:"),
        ("until>=2h", 6, "until>=", "since:"),
        ("limit<=5", 6, "limit<=", "limit:"),
        ("user=alice", 5, "user=", "actor:"),
        ("id=42", 3, "id=", "object:"),
        ("from = 2h", 6, "from =", "since:"),
    ] {
        let error = Query::parse(text).expect_err(text);
        let expected = format!(
            "column {column}: `{shown}` is not a condition; write `{condition}` directly before the \
             value, or use double quotes to search for the text"
        );
        assert_eq!(error.to_string(), expected, "{text}");
    }
    // No condition is equivalent, so that the error names the difference.
    for (text, written) in [
        (
            "level > info",
            "`level:>=` directly before the next higher level,",
        ),
        (
            "level<=error",
            "`level:<` directly before the next higher level,",
        ),
        (
            "level = error",
            "`level:` directly before the value, which also finds higher levels,",
        ),
        (
            "level!=error",
            "`NOT level:` directly before the value, which finds lower levels alone,",
        ),
        (
            "since > 2h",
            "`since:` directly before the value, which includes the time itself,",
        ),
        (
            "until > 2h",
            "`since:` directly before the value, which includes the time itself,",
        ),
        (
            "until<=2h",
            "`until:` directly before the value, which excludes the time itself,",
        ),
        (
            "since<=2h",
            "`until:` directly before the value, which excludes the time itself,",
        ),
        (
            "object >= 5",
            "`object:` directly before the value, which compares for equality alone,",
        ),
        (
            "limit<>5",
            "`limit:` directly before the value, which cannot be negated,",
        ),
    ] {
        let error = Query::parse(text).expect_err(text).to_string();
        assert!(
            error.contains(&format!("; write {written} or use")),
            "{text}: {error}"
        );
    }
    for (text, message) in [
        (
            "actor: alice",
            "column 7: `actor` lacks a value; write it directly after the colon, without a space",
        ),
        (
            "actor :alice",
            "column 7: a key is missing before the colon; write a condition without spaces, as in \
             `actor:alice`, or use double quotes to search for the text",
        ),
        (
            "user:alice",
            "column 1: unknown key `user`; did you mean `actor`?",
        ),
        (
            "id:42",
            "column 1: unknown key `id`; did you mean `object`?",
        ),
    ] {
        let error = Query::parse(text).expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
}

#[test]
fn operators_of_other_languages_are_errors_that_name_the_operator() {
    for (text, column, shown, written) in [
        ("actor:alice || actor:bob", 13, "||", "write `OR`"),
        ("(actor:alice ||)", 14, "||", "write `OR`"),
        ("model:User ||(actor:bob)", 12, "||", "write `OR`"),
        ("NOT || x", 5, "||", "write `OR`"),
        ("alice ||bob", 7, "||", "write `OR`"),
        ("NOT actor:alice||actor:bob", 16, "||", "write `OR`"),
        (
            "actor:é&&&model:User",
            8,
            "&&",
            "separate conditions by a space",
        ),
        ("alice||actor:bob", 6, "||", "write `OR`"),
        (
            "actor:alice &&actor:bob",
            13,
            "&&",
            "separate conditions by a space",
        ),
        ("a || \"b\"", 3, "||", "write `OR`"),
        ("alice && bob", 7, "&&", "separate conditions by a space"),
        (
            "model:User &&(a)",
            12,
            "&&",
            "separate conditions by a space",
        ),
    ] {
        let error = Query::parse(text).expect_err(text).to_string();
        let expected = format!("column {column}: `{shown}` is not an operator; {written}");
        assert!(error.starts_with(&expected), "{text}: {error}");
        assert!(
            error.ends_with(", or use double quotes to search for the text"),
            "{text}: {error}"
        );
    }
}

#[test]
fn texts_that_look_like_other_conditions_are_searched() {
    for (text, searched) in [
        ("\"||\"", "||"),
        ("a \"&&\" b", "a && b"),
        ("text:||", "||"),
        ("text:a||b:c", "a||b:c"),
        ("text:\"a||actor:b\"", "a||actor:b"),
        ("a||b", "a||b"),
        ("R&&D", "R&&D"),
        ("\"actor=alice\"", "actor=alice"),
        ("text:actor=alice", "actor=alice"),
        ("\"actor\" = alice", "actor = alice"),
        ("actor \"=\" alice", "actor = alice"),
        ("status=open", "status=open"),
        ("a = b", "a = b"),
        ("order<T>", "order<T>"),
        ("model <b>", "model <b>"),
        ("actor -> alice", "actor -> alice"),
        ("actor's=x", "actor's=x"),
    ] {
        let query = parse(text);
        assert_eq!(
            query.filter(),
            Query::new().text(searched).filter(),
            "{text}"
        );
        let printed = query.to_string();
        assert_eq!(parse(&printed).filter(), query.filter(), "{printed}");
    }
    // The value of a condition can contain signs.
    let query = parse("actor:a=b object:x>=1 changed_to:level=error");
    assert_eq!(query.filter().actor.as_deref(), Some("a=b"));
    assert_eq!(query.filter().changed_to.len(), 1);
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
    fn arbitrary_text_does_not_panic(text in "\\PC{0,40}") {
        let _read = Query::parse(&text);
    }
}

#[test]
fn days_are_in_the_time_zone_of_now() {
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
fn a_term_cannot_be_repeated_with_another_value() {
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
fn queries_round_trip_as_text() {
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
fn a_long_path_is_parsed_in_linear_time() {
    let text = format!("changed_to:a['{}'", "=".repeat(1_000_000));
    assert!(Query::parse(&text).is_err());
    let text = format!("changed_to:a['{}']=1", "=".repeat(1_000_000));
    assert!(Query::parse(&text).is_ok());
}

#[test]
fn alternatives_bind_less_tightly_than_a_space() {
    let one = |model: &str| Query::new().model_name(model);
    let both = || Query::new().any_of([one("A"), one("B").actor("x")]);
    let word = |text: &str| Query::new().text(text);
    for (text, query) in [
        ("model:A OR model:B actor:x", both()),
        ("(model:A OR (model:B) actor:x)", {
            let group = Query::new().actor("x").any_of([one("B")]);
            Query::new().any_of([one("A"), group])
        }),
        ("model:A OR model:B AND actor:x order:newest", {
            both().newest_first()
        }),
        ("NOT(model:A OR model:B actor:x)", Query::new().not(both())),
        ("NOT model:A model:B", one("B").not(one("A"))),
        ("NOT NOT model:A", {
            Query::new().not(Query::new().not(one("A")))
        }),
        ("NOT ()", Query::new().any_of([])),
        ("a b AND c", word("a b").any_of([word("c")])),
        ("a NOT b c", word("a").not(word("b")).any_of([word("c")])),
        // Words and values that only look like it.
        ("a or b", word("a or b")),
        ("not a", word("not a")),
        ("\"OR\"", word("OR")),
        ("text:OR", word("OR")),
        ("-a", word("-a")),
        ("f(x) (actor:g(y))", {
            word("f(x)").any_of([Query::new().actor("g(y)")])
        }),
        ("\"(a)\" \":)\"", word("(a) :)")),
    ] {
        let read = parse(text);
        assert_eq!(read.filter(), query.filter(), "{text}");
        assert_eq!(read.is_newest_first(), query.is_newest_first(), "{text}");
        let printed = query.to_string();
        assert_eq!(parse(&printed).filter(), query.filter(), "{printed}");
    }
}

#[test]
fn errors_in_groups_have_the_column() {
    let or = "to search for the word, write `\"OR\"`";
    for (text, message) in [
        (
            "OR model:A",
            format!("column 1: `OR` lacks a condition before it; {or}"),
        ),
        (
            "model:A OR",
            format!("column 9: `OR` lacks a condition after it; {or}"),
        ),
        (
            "(model:A OR OR model:B)",
            format!("column 13: `OR` lacks a condition before it; {or}"),
        ),
        (
            "model:A OR limit:5",
            format!("column 9: `OR` lacks a condition after it; {or}"),
        ),
        (
            "model:A AND",
            "column 9: `AND` lacks a condition after it; \
             to search for the word, write `\"AND\"`"
                .to_owned(),
        ),
        (
            "(NOT)",
            "column 2: `NOT` lacks a condition after it; \
             to search for the word, write `\"NOT\"`"
                .to_owned(),
        ),
        (
            "model:A ()",
            "column 9: the parentheses are empty; \
             to search for parentheses, use double quotes"
                .to_owned(),
        ),
        (
            "model:A (actor:x OR (actor:y)",
            "column 9: unclosed parenthesis; \
             to search for parentheses, use double quotes"
                .to_owned(),
        ),
        (
            "model:A OR model:B)",
            "column 19: unmatched `)`; to search for parentheses, use double quotes"
                .to_owned(),
        ),
        (
            "model:(A OR B)",
            "column 7: the value of `model` begins with `(`; write alternatives as \
             `(model:a OR model:b)`, and a value with parentheses in double quotes"
                .to_owned(),
        ),
        (
            "(model:A limit:5)",
            "column 10: `limit` applies to the whole query and cannot be in a group or after `NOT`; \
             write it outside of all parentheses"
                .to_owned(),
        ),
        (
            "NOT order:newest",
            "column 5: `order` applies to the whole query and cannot be in a group or after `NOT`; \
             write it outside of all parentheses"
                .to_owned(),
        ),
        (
            "model:A OR (model:B model:C)",
            "column 21: `model` is given twice, first as `B`; \
             with `OR` between them, one of the two is enough"
                .to_owned(),
        ),
        (
            "-model:A",
            "column 1: unknown key `-model`; the opposite of a term is `NOT model:...`".to_owned(),
        ),
        (
            "model:A OR actr:x",
            "column 12: unknown key `actr`; did you mean `actor`?".to_owned(),
        ),
    ] {
        let error = Query::parse(text).expect_err(text);
        assert_eq!(error.to_string(), message);
    }
}

/// A deep text or a deep query is an error, however deep it is, and the stack does not overflow.
#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| format!("{}model:A{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(parse(&nested(32)).to_string(), nested(32));
    let column = |text: &str| Query::parse(text).expect_err("too deep").column();
    assert_eq!(column(&nested(33)), 33);
    assert_eq!(column(&"(".repeat(1_000_000)), 33);
    assert_eq!(column(&"NOT ".repeat(1_000_000)), 4 * 32 + 1);
    assert_eq!(column(&"NOT (".repeat(1_000_000)), 5 * 32 + 1);
    // Printed, it would be in parentheses, one more than there may be.
    assert_eq!(column(&format!("model:B OR {}", nested(32))), 1);

    let mut query = Query::new().model_name("A");
    for _ in 0..100_000 {
        query = Query::new().not(query).any_of([Query::new().actor("x")]);
    }
    let error = query.check().expect_err("too deep");
    assert!(matches!(error, audit_core::StoreError::QueryTooDeep));
    assert!(query.clone().all().is_err());
    assert!(Query::parse(&query.to_string()).is_err());
}

#[test]
fn an_invalid_path_in_a_group_makes_the_query_fail() {
    let invalid = || Query::new().changed("items[");
    for query in [
        Query::new().any_of([Query::new().model_name("A"), invalid()]),
        Query::new().not(invalid()),
    ] {
        assert!(query.check().is_err());
        assert!(Query::parse(&query.to_string()).is_err());
    }
}

fn grouped() -> impl Strategy<Value = Query> {
    query().prop_recursive(4, 24, 3, |inner| {
        let several = proptest::collection::vec(inner.clone(), 0..4);
        (query(), several, inner).prop_map(|(query, several, unwanted)| {
            // Only conditions may be in a group; those of `query` are next to it.
            query.any_of(several).not(unwanted)
        })
    })
}

proptest! {
    #[test]
    fn groups_are_printed_and_read_as_the_same(query in grouped()) {
        let text = query.to_string();
        let read = Query::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(read.filter(), query.filter());
        prop_assert_eq!(read.to_string(), text);
    }

    /// What is read at all is printed as what is read as the same.
    #[test]
    fn any_text_of_the_grammar_is_printed_as_the_same(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("("), Just(")"), Just("OR"), Just("AND"), Just("NOT"), Just("NOT("),
                Just("model:A"), Just("model:B"), Just("actor:f(x)"), Just("word"), Just("\"(\""),
                Just("limit:5"), Just("level:<info"), Just("()"), Just("text:x"), Just("actor"), Just("="),
                Just("\"actor=a\""), Just("x=1"), Just("\"level\">=1"),
            ],
            0..12,
        )
    ) {
        let text = parts.join(" ");
        if let Ok(query) = Query::parse(&text) {
            let printed = query.to_string();
            let read = Query::parse(&printed)
                .map_err(|error| TestCaseError::fail(format!("{text}: {printed}: {error}")))?;
            prop_assert_eq!(read.filter(), query.filter(), "{}: {}", text, printed);
        }
    }
}
