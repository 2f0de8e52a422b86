//! Breaks in entries written by other programs: values that count as equal break no chain.

use auditlog::{AuditLog, Change, ObjectRef};
use serde_json::{Value, json};

use crate::doc::unrecorded;

/// Makes a history of entries by hand, as other programs and machines write them.
fn recorded(entries: &[(&str, Value)]) -> AuditLog {
    let log = AuditLog::builder().build();
    for (action, changes) in entries {
        let mut entry = auditlog::LogEntry::new(*action, "Row", "1", "Row 1");
        entry.changes = serde_json::from_value(changes.clone()).expect("changes");
        log.store().append(&[entry]).expect("appended");
    }
    log
}

pub(crate) fn breaks(entries: &[(&str, Value)]) -> Vec<String> {
    let log = recorded(entries);
    let history = log
        .history_of(ObjectRef::new("Row", "1"))
        .expect("a history");
    let told: Vec<String> = history
        .breaks()
        .iter()
        .map(|found| found.path.to_string())
        .collect();
    let missing: Vec<String> = unrecorded(&history.latest())
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(told, missing);
    told
}

#[test]
fn values_that_count_as_equal_break_nothing() {
    let alike = [
        (json!("10.50"), json!("10.5")),
        (json!("10"), json!("10.0")),
        (json!(1), json!(1.0)),
        (
            json!("2026-01-01T12:00:00Z"),
            json!("2026-01-01T13:00:00+01:00"),
        ),
        (
            json!("2026-01-01T12:00:00Z"),
            json!("2026-01-01T13:00:00+01:00[Europe/Berlin]"),
        ),
        (
            json!({"a": {"x": "1.0"}}),
            json!({"a": {"x": "1.00", "y": null}}),
        ),
        (json!("****4567"), json!("+49 123 4567")),
        (json!("h1:00112233445566778899aabbccddeeff"), json!("A")),
        (json!("3"), json!(3)),
        (json!(2.5), json!("2.50")),
        (json!("True"), json!(true)),
        (
            json!("{'a': None, 'b': [True]}"),
            json!("{\"a\": null, \"b\": [true]}"),
        ),
        (json!("{'a': None}"), json!({"a": null})),
        // As PaperTrail has it in changes and in objects.
        (
            json!("--- !ruby/hash:ActiveSupport::HashWithIndifferentAccess\na: 1\nb:\n- 2\n"),
            json!("---\n:a: 1\nb:\n- 2\n"),
        ),
        (
            json!("--- !ruby/hash:ActiveSupport::HashWithIndifferentAccess {}\n"),
            json!("--- {}\n"),
        ),
    ];
    for (left, found) in alike {
        let entries = [
            ("create", json!({"f": {"new": left}, "g": {"new": 1}})),
            ("update", json!({"f": {"old": found, "new": "other"}})),
        ];
        assert_eq!(breaks(&entries), [""; 0], "{left} {found}");
    }
    let different = [
        (json!("10.50"), json!("10.51")),
        (json!("007"), json!("7")),
        (json!(1), json!("2")),
        (
            json!("2026-01-01T12:00:00Z"),
            json!("2026-01-01T12:00:00+01:00"),
        ),
        (json!(["a", "b"]), json!(["a", "c"])),
        (json!(["a", "b"]), json!(["b", "a"])),
        (json!("---\na: 1\n"), json!("---\na: 2\n")),
        (json!({"card": 1}), json!({"voucher": 1})),
        (json!(null), json!(false)),
        (
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992_u64),
        ),
    ];
    for (left, found) in different {
        let entries = [
            ("create", json!({"f": {"new": left}})),
            ("update", json!({"f": {"old": found, "new": "other"}})),
        ];
        assert_eq!(breaks(&entries), ["f"], "{left} {found}");
    }
}

#[test]
fn what_cannot_be_compared_breaks_nothing() {
    for redaction in ["masked", "hashed"] {
        let entries = [
            (
                "create",
                json!({"f": {"new": "***", "redaction": redaction}}),
            ),
            (
                "update",
                json!({"f": {"old": "a", "new": "b", "redaction": redaction}}),
            ),
            ("update", json!({"f": {"new": "c", "redaction": redaction}})),
        ];
        assert_eq!(breaks(&entries), [""; 0]);
    }
    // The clear parts of what is redacted in part are compared.
    let partly = |amount: u32| {
        [
            (
                "create",
                json!({"f": {"new": {"pin": "***", "amount": 1}, "redaction": "partial"}}),
            ),
            (
                "update",
                json!({"f": {"old": {"pin": "*", "amount": amount}, "new": null, "redaction": "partial"}}),
            ),
        ]
    };
    assert_eq!(breaks(&partly(1)), [""; 0]);
    assert_eq!(breaks(&partly(2)), ["f"]);
}

#[test]
fn levels_of_absence_and_new_fields_break_nothing() {
    let created = ("create", json!({"id": {"new": 1}, "in": {"new": {"a": 1}}}));
    let quiet = [
        json!({"nick": {"old": null, "new": "x"}}),
        json!({"nick": {"new": "x"}}),
        // Fields that the type did not have before.
        json!({"added": {"old": 0, "new": 1}}),
        json!({"in.added": {"old": 0, "new": 1}}),
        json!({"in": {"old": {"a": 1, "added": 0}, "new": {"a": 2, "added": 0}}}),
        json!({"group.name": {"old": "x", "new": "y"}}),
    ];
    for changes in quiet {
        let entries = [created.clone(), ("update", changes.clone())];
        assert_eq!(breaks(&entries), [""; 0], "{changes}");
    }
    // One that was told to be gone is not new.
    let entries = [
        ("create", json!({"id": {"new": 1}, "nick": {"new": "a"}})),
        ("update", json!({"nick": {"old": "a"}})),
        ("update", json!({"nick": {"old": "b", "new": "c"}})),
    ];
    assert_eq!(breaks(&entries), ["nick"]);
}

#[test]
fn a_trail_that_begins_later_knows_only_what_it_told() {
    let entries = [
        ("update", json!({"a": {"old": 1, "new": 2}})),
        (
            "update",
            json!({"b": {"old": 1, "new": 2}, "in.x": {"old": 1, "new": 2}}),
        ),
        (
            "update",
            json!({"in": {"old": {"x": 2, "y": 1}, "new": {"x": 2, "y": 2}}}),
        ),
    ];
    assert_eq!(breaks(&entries), [""; 0]);
    let mut broken = entries.to_vec();
    broken.push(("update", json!({"a": {"old": 1, "new": 3}})));
    assert_eq!(breaks(&broken), ["a"]);
}

#[test]
fn a_key_that_came_without_an_entry_is_found_where_keys_come_and_go() {
    let created = ("create", json!({"m": {"new": {"a": 1}}}));
    let unseen = ("update", json!({"m.b": {"old": 5, "new": 6}}));
    // It may be a field that the type had not.
    assert_eq!(breaks(&[created.clone(), unseen.clone()]), [""; 0]);
    let seen = ("update", json!({"m.c": {"new": 1}}));
    assert_eq!(breaks(&[created, seen, unseen]), ["m.b"]);
}

#[test]
fn an_old_value_that_is_written_otherwise_does_not_upset_its_list() {
    let entries = [
        ("create", json!({"l": {"new": ["1.0", "b", "c"]}})),
        (
            "update",
            json!({"l[0]": {"old": "1.00"}, "l[2]": {"old": "c"}}),
        ),
    ];
    assert_eq!(breaks(&entries), [""; 0]);
    let history = recorded(&entries).history_of(ObjectRef::new("Row", "1"));
    assert_eq!(
        history.expect("a history").latest().state,
        json!({"l": ["b"]})
    );
}

#[test]
fn a_change_made_by_hand_needs_no_index() {
    let change = |path: &str, old: Value, new: Value| {
        Change::new(path.parse().expect("a path"), Some(old), Some(new))
    };
    let log = recorded(&[("create", json!({"l": {"new": [{"k": "a", "n": 1}]}}))]);
    let mut entry = auditlog::LogEntry::new("update", "Row", "1", "Row 1");
    entry.changes = [change("l[k='a'].n", json!(1), json!(2))]
        .into_iter()
        .collect();
    log.store().append(&[entry]).expect("appended");
    let history = log
        .history_of(ObjectRef::new("Row", "1"))
        .expect("a history");
    assert!(history.breaks().is_empty() && history.latest().complete);
}
