//! `Changes::apply`, `conflicts`, `rebase` and `to_json_patch`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use audit_core::{Change, Changes, ConflictKind, Redaction, diff, snapshot};
use serde_json::{Value, json};

fn changes(list: &[(&str, Option<Value>, Option<Value>)]) -> Changes {
    list.iter()
        .map(|(path, old, new)| Change::new(path.parse().unwrap(), old.clone(), new.clone()))
        .collect()
}

fn read(value: Value) -> Changes {
    serde_json::from_value(value).unwrap()
}

#[test]
fn every_conflict_is_reported_and_the_state_is_unchanged() {
    let changes = diff(
        &json!({"a": 1, "b": {"c": 1}, "d": null, "e": [1, 2], "f": 1}),
        &json!({"a": 2, "b": {"c": 2}, "e": [1], "f": 2, "g": true}),
    );
    let state = json!({"a": 3, "b": 7, "d": 0, "e": [1, 4], "f": 1, "g": false});
    let mut target = state.clone();
    let error = changes.apply(&mut target).unwrap_err();
    assert_eq!(target, state);
    assert_eq!(
        error.to_string(),
        "the changes do not apply: `a` is 3, expected 1; `b.c` is not found; \
         `d` is 0, expected null; `e[1]` is 4, expected 2; \
         `g` is false, expected nothing"
    );
    assert_eq!(error.conflicts(), changes.conflicts(&state));
    assert_eq!(error.conflicts()[0].expected, Some(json!(1)));
    assert_eq!(error.conflicts()[0].found, Some(json!(3)));
}

#[test]
fn the_object_itself_can_be_added_and_removed() {
    let mut state = Value::Null;
    let created = changes(&[("$", None, Some(json!({"a": 1})))]);
    created.apply(&mut state).unwrap();
    assert_eq!(state, json!({"a": 1}));
    created.invert().apply(&mut state).unwrap();
    assert_eq!(state, Value::Null);
    assert_eq!(
        created.to_json_patch(),
        json!([{"op": "replace", "path": "", "value": {"a": 1}}])
    );
}

#[test]
fn changes_without_indices_find_their_items() {
    let mut state = json!({"roles": ["a", "c"], "items": [{"sku": "x", "qty": 1}, {"sku": "y"}]});
    changes(&[
        ("roles['b']", None, Some(json!("b"))),
        ("roles.c", Some(json!("c")), None),
        ("items[sku='x'].qty", Some(json!(1)), Some(json!(2))),
        ("items[sku='z']", None, Some(json!({"sku": "z"}))),
        ("items[sku='y']", Some(json!({"sku": "y"})), None),
    ])
    .apply(&mut state)
    .unwrap();
    assert_eq!(
        state,
        json!({"roles": ["a", "b"], "items": [{"sku": "x", "qty": 2}, {"sku": "z"}]})
    );
}

#[test]
fn contradictions_are_conflicts() {
    let contradictory = [
        json!({"a": {"old": 1, "new": 2}, "a.b": {"new": 1}}),
        json!({"a[0]": {"old": 1}, "a[0].x": {"new": 1}}),
        json!({"a[0].x": {"old": 1}, "a[0][1]": {"old": 1}}),
        json!({"a[k=1]": {"old": 1, "at": [0]}, "a[k=2]": {"old": 1, "at": [0]}}),
        json!({"a.b": {"old": 1, "at": [0, 1]}}),
        json!({"a": {"moved": {"[k=1]": [0, 2], "[k=2]": [1, 2]}}}),
        json!({"a": {"moved": {"[k=1]": [0, 2]}, "new": 1}}),
    ];
    for stored in contradictory {
        let changes = read(stored.clone());
        let mut state = json!({"a": [{"k": 1}, {"k": 2}]});
        let error = changes.apply(&mut state).unwrap_err();
        assert_eq!(
            error.conflicts()[0].kind,
            ConflictKind::Malformed,
            "{stored}"
        );
        assert_eq!(state, json!({"a": [{"k": 1}, {"k": 2}]}));
        // Total nevertheless.
        assert_eq!(changes.invert().len(), changes.len(), "{stored}");
        assert!(changes.compose(&changes).len() <= changes.len());
        assert!(changes.to_json_patch().is_array());
    }
}

#[test]
fn an_undo_is_rebased_onto_a_changed_state() {
    let changes = read(json!({
        "email": {"old": "a", "new": "b"},
        "name": {"old": "x", "new": "y"},
        "roles['admin']": {"new": "admin", "at": [0]},
        "items[sku='B']": {"old": {"sku": "B"}, "at": [1]},
        "items[sku='C'].qty": {"old": 1, "new": 2, "at": [2]},
        "phone": {"old": "***1", "new": "***2", "redaction": "masked"},
        "note": {"new": "n"},
    }));
    // A role and an item are added, an item moves to the front, the name changes again.
    let mut state = json!({
        "email": "b",
        "name": "z",
        "roles": ["aaa", "admin", "user"],
        "items": [{"sku": "C", "qty": 2}, {"sku": "N"}, {"sku": "A"}],
        "phone": "+15551234567",
    });
    let undo = changes.invert().rebase(&state);
    let conflicts: Vec<String> = undo.conflicts.iter().map(ToString::to_string).collect();
    assert_eq!(
        conflicts,
        [
            r#"`name` is "z", expected "y""#,
            r#"`phone` is "***", expected "***2""#,
        ]
    );
    assert_eq!(undo.done, ["note"]);
    let patch = undo.changes.to_json_patch();
    let mut patched = state.clone();
    undo.changes.apply(&mut state).unwrap();
    assert_eq!(
        state,
        json!({
            "email": "a",
            "name": "z",
            "roles": ["aaa", "user"],
            "items": [{"sku": "C", "qty": 1}, {"sku": "B"}, {"sku": "N"}, {"sku": "A"}],
            "phone": "+15551234567",
        })
    );
    json_patch::patch(
        &mut patched,
        &serde_json::from_value::<json_patch::Patch>(patch).unwrap(),
    )
    .unwrap();
    assert_eq!(patched, state);
}

#[test]
fn conflicts_do_not_show_redacted_values() {
    let mut change = Change::new(
        "ssn".parse().unwrap(),
        Some("h1:ab".into()),
        Some("h1:cd".into()),
    );
    change.redaction = Some(Redaction::Hashed);
    let changes: Changes = [change].into_iter().collect();
    let error = changes
        .apply(&mut json!({"ssn": "078-05-1120"}))
        .unwrap_err();
    assert!(!format!("{error} {error:?}").contains("078"));
}

#[test]
fn a_displaced_item_makes_other_indices_unreliable() {
    let changes = diff(&json!([1, 2, 3, 4]), &json!([1, 4, 5]));
    let report = changes.rebase(&json!([1, 9, 3, 4]));
    assert!(report.changes.is_empty());
    let kinds: Vec<ConflictKind> = report.conflicts.iter().map(|found| found.kind).collect();
    assert!(kinds.contains(&ConflictKind::Changed) && kinds.contains(&ConflictKind::Displaced));
}

#[test]
fn a_patch_has_escaped_pointers_and_adjusted_indices() {
    let changes = diff(
        &json!({"a/b": {"~": 1}, "list": [0, 1, 2, 3, 9]}),
        &json!({"a/b": {"~": 2}, "list": [0, 3, 4, 5, 6, 9]}),
    );
    let patch = changes.to_json_patch();
    assert_eq!(
        patch[0],
        json!({"op": "replace", "path": "/a~1b/~0", "value": 2})
    );
    assert_eq!(
        patch[4],
        json!({"op": "add", "path": "/list/4", "value": 6})
    );
}

#[test]
fn any_number_of_moves_becomes_a_patch() {
    let moved = |moves: Value| read(json!({"$": {"moved": moves}}));
    let letters = |text: &str| -> Value {
        text.chars()
            .map(|key| json!({"k": key.to_string()}))
            .collect()
    };
    let cases = [
        (json!({"[k='a']": [0, 2]}), "abcd", "bcad"),
        (json!({"[k='d']": [3, 0]}), "abcd", "dabc"),
        (
            json!({"[k='a']": [0, 3], "[k='b']": [1, 2], "[k='c']": [2, 1]}),
            "abcd",
            "dcba",
        ),
        (
            json!({"[k='b']": [1, 3], "[k='e']": [4, 0]}),
            "abcde",
            "eacbd",
        ),
    ];
    for (moves, old, new) in cases {
        let (changes, mut state) = (moved(moves), letters(old));
        let mut patched = state.clone();
        let patch = serde_json::from_value::<json_patch::Patch>(changes.to_json_patch()).unwrap();
        json_patch::patch(&mut patched, &patch).unwrap();
        changes.apply(&mut state).unwrap();
        assert_eq!(state, letters(new));
        assert_eq!(patched, state);
        changes.invert().apply(&mut state).unwrap();
        assert_eq!(state, letters(old));
    }
}

/// Quadratic work would take minutes.
#[test]
fn a_large_set_is_changed_in_near_linear_time() {
    let set = |prefix: char| -> BTreeSet<String> {
        (0..40_000).map(|n| format!("{prefix}{n:05}")).collect()
    };
    let (old, new) = (set('a'), set('b'));
    let changes = diff(&old, &new);
    let mut state = snapshot(&old);
    let start = Instant::now();
    changes.apply(&mut state).unwrap();
    assert_eq!(state, snapshot(&new));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
}
