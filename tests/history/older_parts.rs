//! Changes between versions of an object that is older than the trail.

use auditlog::{AuditLog, Changes, History, LogEntry, ObjectRef, Path};
use serde_json::{Value, json};

use crate::as_of::minute;

fn entry(at: i64, action: &str, changes: Value) -> LogEntry {
    let mut entry = LogEntry::new(action.to_owned(), "Invoice", "3", "Invoice 3");
    entry.timestamp = minute(at);
    entry.changes = serde_json::from_value(changes).expect("changes");
    entry
}

fn updated(at: i64, changes: Value) -> LogEntry {
    entry(at, "update", changes)
}

fn with_snapshot(mut entry: LogEntry, snapshot: Value) -> LogEntry {
    entry.snapshot = Some(snapshot);
    entry
}

fn history(entries: &[LogEntry]) -> History {
    let log = AuditLog::builder().build();
    log.store().append(entries).expect("appended");
    let object = ObjectRef::new("Invoice", "3");
    log.history_of(object).expect("a history")
}

/// Asserts the changes from the first version to the last one, and those back.
#[track_caller]
fn assert_diff(entries: &[LogEntry], expected: &[&str]) {
    let history = history(entries);
    let last = history.versions().count();
    let lines = |changes: Changes| {
        let mut lines: Vec<String> = changes.to_string().lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let forward = history.diff(1, last).expect("two versions");
    assert_eq!(lines(forward.clone()), expected);
    let back = history.diff(last, 1).expect("two versions");
    assert_eq!(lines(back.invert()), expected);
    let reverted = history.revert_to(1).expect("a version");
    assert_eq!(reverted, back);
    let mut latest = history.latest();
    if latest.complete && latest.exists() {
        reverted
            .apply(&mut latest.state)
            .expect("changes of the latest state");
    }
}

#[test]
fn a_field_mentioned_later_was_not_added() {
    assert_diff(
        &[
            updated(1, json!({"email": {"old": "a", "new": "b"}})),
            updated(2, json!({"name": {"old": "x", "new": "y"}})),
            updated(
                3,
                json!({"name": {"old": "y", "new": "z"}, "email": {"old": "b", "new": "c"}}),
            ),
        ],
        &[r#"email: "b" -> "c""#, r#"name: "x" -> "z""#],
    );
}

#[test]
fn a_field_that_an_entry_adds_or_removes_is_added_or_removed() {
    let first = updated(1, json!({"email": {"old": "a", "new": "b"}}));
    assert_diff(
        &[first.clone(), updated(2, json!({"note": {"new": "paid"}}))],
        &[r#"note: added "paid""#],
    );
    assert_diff(
        &[
            first,
            updated(2, json!({"name": {"old": "x", "new": "y"}})),
            updated(3, json!({"name": {"old": "y"}})),
        ],
        &[r#"name: removed "x""#],
    );
}

#[test]
fn a_snapshot_adds_no_field() {
    let first = updated(1, json!({"email": {"old": "a", "new": "b"}}));
    let state = json!({"country": "DE", "email": "b", "id": 3, "name": "y"});
    let snapshot = with_snapshot(
        updated(2, json!({"name": {"old": "x", "new": "y"}})),
        state.clone(),
    );
    assert_diff(&[first.clone(), snapshot], &[r#"name: "x" -> "y""#]);
    let baseline = with_snapshot(entry(2, "baseline", json!({})), state.clone());
    assert_diff(&[first.clone(), baseline], &[]);
    let without_name = with_snapshot(
        entry(3, "baseline", json!({})),
        json!({"email": "b", "id": 3}),
    );
    let named = updated(2, json!({"name": {"old": "x", "new": "y"}}));
    assert_diff(
        &[first.clone(), named, without_name],
        &[r#"name: removed "x""#],
    );
    // The entries do not say what changed `email`.
    let mut state = state;
    state["email"] = json!("c");
    let baseline = with_snapshot(entry(2, "baseline", json!({})), state);
    assert_diff(&[first, baseline], &[r#"email: "b" -> "c""#]);
}

#[test]
fn parts_of_a_field_are_older_too() {
    let city = updated(1, json!({"address.city": {"old": "Rom", "new": "Ulm"}}));
    assert_diff(
        &[
            city.clone(),
            updated(2, json!({"address.zip": {"old": "1", "new": "2"}})),
        ],
        &[r#"address.zip: "1" -> "2""#],
    );
    // The field as one value, of which the first version shows a part.
    let old = json!({"city": "Ulm", "zip": "1"});
    assert_diff(
        &[
            city,
            updated(2, json!({"address": {"old": old, "new": null}})),
        ],
        &[r#"address: {"city":"Ulm","zip":"1"} -> null"#],
    );
}

#[test]
fn items_of_lists_are_older_too() {
    assert_diff(
        &[
            updated(1, json!({"lines[sku='a'].count": {"old": 1, "new": 2}})),
            updated(2, json!({"lines[sku='b'].count": {"old": 5, "new": 6}})),
        ],
        &["lines[sku='b'].count: 5 -> 6"],
    );
    assert_diff(
        &[
            updated(1, json!({"email": {"old": "a", "new": "b"}})),
            updated(2, json!({"tags[1]": {"old": "new", "new": "old"}})),
        ],
        &[r#"tags[1]: "new" -> "old""#],
    );
}

#[test]
fn items_that_moved_and_members_are_older_too() {
    let first = updated(1, json!({"email": {"old": "a", "new": "b"}}));
    let moved = json!({
        "lines": {"moved": {"[sku='a']": [0, 1]}},
        "lines[sku='a'].count": {"old": 1, "new": 2, "at": [0]},
        "tags['new']": {"old": "new", "at": [0]},
    });
    let entries = [first, updated(2, moved)];
    assert_diff(
        &entries,
        &[
            "lines: moved [sku='a'] from 0 to 1",
            "lines[sku='a'].count: 1 -> 2",
            r#"tags['new']: removed "new""#,
        ],
    );
    let latest = history(&entries).latest();
    assert_eq!(
        latest.state,
        json!({"email": "b", "lines": [{"sku": "a", "count": 2}]})
    );
}

#[test]
fn an_unrecorded_change_of_a_known_value_is_found() {
    assert_diff(
        &[
            updated(1, json!({"total": {"old": 0, "new": 1}})),
            updated(
                2,
                json!({"total": {"old": 2, "new": 3}, "name": {"old": "x", "new": "y"}}),
            ),
        ],
        &[r#"name: "x" -> "y""#, "total: 1 -> 3"],
    );
}

#[test]
fn a_deleted_object_comes_back_with_the_fields_of_its_deletion() {
    let changeless = updated(1, json!({}));
    let first = updated(1, json!({"total": {"old": 0, "new": 1}}));
    let deleted = entry(
        2,
        "delete",
        json!({"name": {"old": "x"}, "total": {"old": 1}}),
    );
    for first in [&changeless, &first] {
        let expected = [r#"$: {"name":"x","total":1} -> null"#];
        assert_diff(&[first.clone(), deleted.clone()], &expected);
    }
    let deleted = entry(2, "delete", json!({}));
    assert_diff(&[changeless, deleted.clone()], &["$: {} -> null"]);
    assert_diff(&[first.clone(), deleted], &[r#"$: {"total":1} -> null"#]);
    let masked = json!({
        "name": {"old": "x"},
        "pin": {"old": "***", "redaction": "masked"},
        "total": {"old": 1},
    });
    let hidden = updated(
        1,
        json!({"pin": {"old": "*", "new": "**", "redaction": "masked"}}),
    );
    for first in [first, hidden] {
        let history = history(&[first, entry(2, "delete", masked.clone())]);
        let removed = &history.diff(1, 2).expect("two versions")["$"];
        let old = json!({"name": "x", "pin": "***", "total": 1});
        assert_eq!(removed.old, Some(old));
        assert_eq!(removed.redaction, Some(auditlog::Redaction::Partial));
        let back = history.revert_to(1).expect("a version");
        assert_eq!(back["$"].new, Some(json!({"name": "x", "total": 1})));
        assert_eq!(back["$"].redaction, None);
    }
}

#[test]
fn a_removal_and_an_addition_beside_a_break_are_found() {
    let first = updated(1, json!({"total": {"old": 0, "new": 1}}));
    assert_diff(
        &[first.clone(), updated(2, json!({"total": {"old": 5}}))],
        &["total: removed 1"],
    );
    let named = updated(2, json!({"name": {"old": "x", "new": "y"}}));
    let baseline = |state| with_snapshot(entry(3, "baseline", json!({})), state);
    let other = baseline(json!({"name": "z", "total": 1}));
    assert_diff(&[first.clone(), named, other], &[r#"name: "x" -> "z""#]);
    let added = updated(2, json!({"note": {"new": "x"}}));
    let other = baseline(json!({"note": "y", "total": 1}));
    assert_diff(&[first.clone(), added, other], &[r#"note: added "y""#]);
    let removed = updated(2, json!({"name": {"old": "x"}}));
    let other = baseline(json!({"name": "z", "total": 1}));
    assert_diff(&[first, removed, other], &[r#"name: "x" -> "z""#]);
}

#[test]
fn a_move_in_a_list_with_unmentioned_items_is_kept() {
    let lines = |old: i64, new: i64, at: usize| json!({"old": old, "new": new, "at": [at]});
    let first = updated(
        1,
        json!({"lines[sku='c'].n": lines(1, 2, 2), "lines[sku='d'].n": lines(1, 2, 3)}),
    );
    let moved = json!({"lines": {"moved": {"[sku='a']": [0, 1]}}});
    assert_diff(
        &[first, updated(2, moved.clone())],
        &["lines: moved [sku='a'] from 0 to 1"],
    );
    let first = updated(1, json!({"lines[sku='a'].n": lines(1, 2, 2)}));
    let state =
        json!({"lines": [{"sku": "b", "n": 2}, {"sku": "c", "n": 2}, {"sku": "a", "n": 2}]});
    let moved = json!({"lines": {"moved": {"[sku='c']": [0, 1]}}});
    let second = with_snapshot(updated(2, moved), state);
    assert_diff(&[first, second], &["lines: moved [sku='c'] from 0 to 1"]);
}

#[test]
fn a_recorded_list_is_complete() {
    let first = updated(
        1,
        json!({"tags": {"old": null, "new": ["a"]}, "rows": {"old": null, "new": [{"n": 1}]}}),
    );
    let state = json!({"tags": ["a", "b"], "rows": [{"n": 1}, {"n": 2}]});
    let baseline = with_snapshot(entry(2, "baseline", json!({})), state);
    let history = history(&[first, baseline]);
    let changes = history.diff(1, 2).expect("two versions");
    let paths: Vec<_> = changes.paths().map(Path::as_str).collect();
    assert_eq!(paths, ["rows[1]", "tags[1]"]);
}

#[test]
fn masked_parts_that_no_state_has_do_not_come_back() {
    let first = updated(1, json!({"email": {"old": "a", "new": "b"}}));
    for (old, new) in [(json!("***"), Value::Null), (json!("*"), json!("**"))] {
        let masked = json!({
            "pin": {"old": old, "new": new, "redaction": "masked"},
            "card": {"old": {"number": "***"}, "new": null, "redaction": "partial"},
        });
        let history = history(&[first.clone(), updated(2, masked)]);
        assert!(history.revert_to(1).expect("a version").is_empty());
    }
}

#[test]
fn a_first_change_of_the_object_with_a_hidden_part_is_no_break() {
    let change =
        json!({"old": {"a": 1, "p": "***"}, "new": {"a": 2, "p": "***"}, "redaction": "partial"});
    let history = history(&[updated(1, json!({"$": change}))]);
    assert!(history.breaks().is_empty());
}

#[test]
fn hidden_values_do_not_come_back() {
    let history = history(&[
        updated(1, json!({"email": {"old": "a", "new": "b"}})),
        updated(
            2,
            json!({
                "name": {"old": "x", "new": "y"},
                "pin": {"old": "***", "new": "***", "redaction": "masked"},
            }),
        ),
    ]);
    let forward = history.diff(1, 2).expect("two versions");
    assert_eq!(forward["pin"].redaction, Some(auditlog::Redaction::Masked));
    let back = history.revert_to(1).expect("a version");
    assert_eq!(back.to_string(), r#"name: "y" -> "x""#);
}
