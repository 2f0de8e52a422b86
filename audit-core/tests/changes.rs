//! The changes that a diff reports for each kind of value, and their text.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use audit_core::__private::{AsSet, Keyed, no_fields};
use audit_core::{
    AuditValue, Change, Changes, Diff, FieldSchema, Mask, Path, Redaction, Snapshot, diff, snapshot,
};
use serde_json::{Value, json};

fn lines(changes: &Changes) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

fn stored(changes: &Changes) -> Value {
    serde_json::to_value(changes).unwrap()
}

#[derive(Clone)]
struct Line {
    sku: &'static str,
    qty: u32,
    secret: &'static str,
}

const LINE: &[FieldSchema] = &[
    FieldSchema::new("sku", no_fields),
    FieldSchema::new("qty", no_fields),
    FieldSchema::new("secret", no_fields).with_mask(Mask::All),
];

impl AuditValue for Line {
    const COMPOSITE: bool = true;
    const FIELDS: &'static [FieldSchema] = LINE;

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        cx.object(|object| {
            object.visit(&LINE[0], &self.sku);
            object.visit(&LINE[1], &self.qty);
            object.visit(&LINE[2], &self.secret);
        })
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        cx.visit(&LINE[0], &self.sku, &new.sku);
        cx.visit(&LINE[1], &self.qty, &new.qty);
        cx.visit(&LINE[2], &self.secret, &new.secret);
    }
}

fn line(sku: &'static str, qty: u32) -> Line {
    Line {
        sku,
        qty,
        secret: "s",
    }
}

fn by_sku(lines: &[Line]) -> impl AuditValue + '_ {
    Keyed::new(lines, "sku", |line: &Line| &line.sku)
}

fn keyed(old: &[Line], new: &[Line]) -> Changes {
    diff(&by_sku(old), &by_sku(new))
}

#[test]
fn lists_are_compared_between_common_prefix_and_suffix() {
    let (old, new) = (vec![1, 2, 3, 4, 5], vec![1, 9, 5]);
    assert_eq!(
        lines(&diff(&old, &new)),
        ["[1]: 2 -> 9", "[2]: removed 3", "[3]: removed 4"]
    );
    assert_eq!(
        lines(&diff(&new, &old)),
        ["[1]: 9 -> 2", "[2]: added 3", "[3]: added 4"]
    );
}

#[test]
fn sets_report_added_and_removed_members() {
    let (old, new) = (
        BTreeSet::from(["admin", "user"]),
        BTreeSet::from(["root", "user"]),
    );
    let changes = diff(&old, &new);
    assert_eq!(
        stored(&changes),
        json!({
            "['admin']": {"old": "admin", "at": [0]},
            "['root']": {"new": "root", "at": [0]},
        })
    );
    assert_eq!(snapshot(&HashSet::from([10, 9, -1])), json!([-1, 9, 10]));
    let (old, new) = (vec![3, 1, 3], vec![1, 3, 2]);
    assert_eq!(
        lines(&diff(&AsSet(&old[..]), &AsSet(&new[..]))),
        ["['2']: added 2"]
    );
}

#[test]
fn members_with_equal_texts_get_distinct_names() {
    let (old, new) = ([json!(1), json!("x")], [json!("1"), json!("x")]);
    let changes = diff(&AsSet(&old[..]), &AsSet(&new[..]));
    assert_eq!(
        lines(&changes),
        [r#"['"1"']: added "1""#, "['1']: removed 1"]
    );
    let mut state = snapshot(&AsSet(&old[..]));
    changes.apply(&mut state).unwrap();
    assert_eq!(state, snapshot(&AsSet(&new[..])));
}

#[test]
fn a_large_list_as_a_set_is_compared_in_linear_time() {
    // 50,000 members: a quadratic comparison would look at two and a half billion pairs.
    let old: Vec<u32> = (0..50_000).collect();
    let new: Vec<u32> = (1..50_001).rev().collect();
    let changes = diff(&AsSet(&old[..]), &AsSet(&new[..]));
    assert_eq!(
        lines(&changes),
        ["['0']: removed 0", "['50000']: added 50000"]
    );
}

#[test]
fn keyed_items_are_identified_by_key() {
    let old = [line("A1", 1), line("B2", 1), line("C3", 1)];
    let new = [line("A1", 2), line("C3", 1), line("D4", 1)];
    assert_eq!(
        stored(&keyed(&old, &new)),
        json!({
            "[sku='A1'].qty": {"old": 1, "new": 2, "at": [0]},
            "[sku='B2']": {
                "old": {"sku": "B2", "qty": 1, "secret": "***"},
                "redaction": "partial",
                "at": [1],
            },
            "[sku='D4']": {
                "new": {"sku": "D4", "qty": 1, "secret": "***"},
                "redaction": "partial",
                "at": [2],
            },
        })
    );
}

#[test]
fn removing_from_the_middle_of_a_keyed_list_is_one_change() {
    let old: Vec<Line> = ["a", "b", "c", "d"].map(|sku| line(sku, 1)).into();
    let mut new = old.clone();
    new.remove(1);
    let changes = keyed(&old, &new);
    assert_eq!(changes.len(), 1);
    assert!(changes.contains("[sku='b']"));
}

#[test]
fn reordering_is_one_change_of_the_list() {
    let old: Vec<Line> = ["a", "b", "c", "d"].map(|sku| line(sku, 1)).into();
    let new: Vec<Line> = ["b", "c", "a", "d"].map(|sku| line(sku, 1)).into();
    let changes = keyed(&old, &new);
    assert_eq!(
        stored(&changes),
        json!({"$": {"moved": {"[sku='a']": [0, 2]}}})
    );
    assert_eq!(lines(&changes), ["$: moved [sku='a'] from 0 to 2"]);

    let reversed: Vec<Line> = old.iter().rev().cloned().collect();
    let changes = keyed(&old, &reversed);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes["$"].moved.len(), 3);
}

fn by_secret(lines: &[Line]) -> impl AuditValue + '_ {
    Keyed::new(lines, "secret", |line: &Line| &line.secret)
}

#[test]
fn a_list_with_ambiguous_keys_is_compared_by_position() {
    let twice = [line("a", 1), line("a", 2)];
    assert_eq!(
        lines(&keyed(&twice, &[line("a", 1), line("a", 3)])),
        ["[1].qty: 2 -> 3"]
    );
    // The path would show a masked key.
    let secret = |secret| Line {
        secret,
        ..line("a", 1)
    };
    let (old, new) = ([secret("x"), secret("y")], [secret("y")]);
    let changes = diff(&by_secret(&old), &by_secret(&new));
    assert!(!format!("{changes:?}{changes}").contains('x'), "{changes}");
    assert!(changes.contains("[0]"));
}

#[test]
fn maps_and_json_are_compared_inside() {
    let old = json!({"labels": {"a.b": 1, "": null}, "list": [1, {"x": 1}]});
    let new = json!({"labels": {"a.b": 2}, "list": [1, {"x": "1"}], "n": null});
    assert_eq!(
        lines(&diff(&old, &new)),
        [
            "labels['']: removed null",
            "labels['a.b']: 1 -> 2",
            r#"list[1].x: 1 -> "1""#,
            "n: added null",
        ]
    );
}

#[test]
fn map_keys_with_equal_texts_are_an_error() {
    let old: BTreeMap<(Option<&str>, u8), u8> = BTreeMap::new();
    assert!(diff(&old, &old).is_empty());
    let both = BTreeMap::from([(None, 1), (Some(""), 2)]);
    let error = audit_core::try_snapshot(&both).unwrap_err();
    assert_eq!(error.to_string(), "two keys of a map have the same text");
    let error = audit_core::try_diff(&BTreeMap::new(), &both).unwrap_err();
    assert_eq!(error.to_string(), "two keys of a map have the same text");
}

#[test]
fn null_and_absence_differ_in_every_form() {
    let (absent, null) = (json!({}), json!({"a": null}));
    let changes = diff(&absent, &null);
    assert_eq!(changes["a"].old, None);
    assert_eq!(changes["a"].new, Some(Value::Null));
    assert_eq!(stored(&changes), json!({"a": {"new": null}}));
    let read: Changes = serde_json::from_value(stored(&changes)).unwrap();
    assert_eq!(read, changes);
    assert_eq!(read["a"].new, Some(Value::Null));
    assert_eq!(changes.invert()["a"].new, None);
}

#[test]
fn a_masked_change_with_equal_sides_is_a_change() {
    let (old, new) = (
        line("a", 1),
        Line {
            secret: "t",
            ..line("a", 1)
        },
    );
    let changes = diff(&old, &new);
    assert_eq!(lines(&changes), [r#"secret: "***" -> "***""#]);
    assert_eq!(changes["secret"].redaction, Some(Redaction::Masked));
    // Back and forth is not known to be nothing.
    assert_eq!(changes.compose(&diff(&new, &old)).len(), 1);
    changes.apply(&mut snapshot(&old)).unwrap();
}

#[test]
fn changes_are_found_by_any_spelling_of_the_path() {
    let changes = diff(
        &json!({"labels": {"env": 1}, "x": {"y": 1}}),
        &json!({"labels": {"env": 2}, "x": {"y": 2}}),
    );
    for path in [
        "labels.env",
        "labels['env']",
        "$.labels.env",
        r#"labels["env"]"#,
    ] {
        assert_eq!(changes[path].new, Some(json!(2)), "{path}");
    }
    assert!(changes.get("labels").is_none() && changes.get("[").is_none());
    let labels: Path = "labels".parse().unwrap();
    assert!(changes.touches(&labels) && !changes.contains("labels"));

    let mut kept = changes.clone();
    kept.retain(|change| change.path.field() == "x");
    assert_eq!(kept.paths().collect::<Vec<_>>(), ["x.y"]);
    assert_eq!(changes.iter().len(), 2);
    assert_eq!(changes.to_string(), "labels.env: 1 -> 2\nx.y: 1 -> 2");
}

#[test]
#[should_panic(expected = "no change at `nope`; changed are [\"a\"]")]
fn an_unchanged_path_has_no_change() {
    let _ = &diff(&json!({"a": 1}), &json!({"a": 2}))["nope"];
}

#[test]
fn collecting_keeps_the_later_change_at_a_path() {
    let change = |path: &str, new: u8| Change::new(path.parse().unwrap(), None, Some(new.into()));
    let changes: Changes = [change("a.b", 1), change("c", 2), change("a['b']", 3)]
        .into_iter()
        .collect();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes["a.b"].new, Some(3.into()));
}

#[test]
fn invalid_stored_changes_are_rejected() {
    let cases = [
        (r#"{"a..b": {}}"#, "is not a path"),
        (r#"{"a": {"now": 1}}"#, "unknown field `now`"),
        (
            r#"{"a.b": {"new": 1}, "a['b']": {"new": 2}}"#,
            "two changes at `a",
        ),
        (
            r#"{"a": {"moved": {"x.y": [0, 1]}}}"#,
            "`x.y` is not an item",
        ),
        (r#"{"a": {"at": [-1]}}"#, "invalid value"),
        (r"[]", "an object of changes by path"),
    ];
    for (text, expected) in cases {
        let error = serde_json::from_str::<Changes>(text)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn composed_changes_are_displayed() {
    let (a, b, c) = (json!([1, 2, 3, 4]), json!([1, 3, 4]), json!([1, 3, 5, 4]));
    let both = diff(&a, &b).compose(&diff(&b, &c));
    assert_eq!(lines(&both), ["[1]: removed 2", "[2]: added 5"]);

    // What changes inside something new is a part of it.
    let (a, b) = (json!({}), json!({"x": {"list": [1]}}));
    let c = json!({"x": {"list": [0, 1], "y": 2}});
    let both = diff(&a, &b).compose(&diff(&b, &c));
    assert_eq!(both, diff(&a, &c));

    let (a, b) = ([line("a", 1), line("b", 1)], [line("b", 1)]);
    let c = [line("b", 1), line("a", 1)];
    let both = keyed(&a, &b).compose(&keyed(&b, &c));
    let mut state = snapshot(&by_sku(&a));
    both.apply(&mut state).unwrap();
    assert_eq!(state, snapshot(&by_sku(&c)));
}

fn numbered(items: &[(u32, u32)]) -> impl AuditValue + '_ {
    Keyed::new(items, "0", |item: &(u32, u32)| &item.0)
}

#[test]
fn a_long_keyed_list_is_matched_by_index() {
    // 20,000 items in reverse: matching each with all others would take four hundred million
    // comparisons a step.
    let items = |numbers: &mut dyn Iterator<Item = u32>| -> Vec<(u32, u32)> {
        numbers.map(|number| (number, number / 7)).collect()
    };
    let (old, new) = (items(&mut (0..20_000)), items(&mut (1..20_001).rev()));
    let changes = diff(&numbered(&old), &numbered(&new));
    assert_eq!(changes.len(), 3);
    let mut state = snapshot(&old);
    changes.apply(&mut state).unwrap();
    assert_eq!(state, snapshot(&new));
    let inverse = changes.invert();
    assert!(changes.compose(&inverse).is_empty());
    inverse.apply(&mut state).unwrap();
    assert_eq!(state, snapshot(&old));
}
