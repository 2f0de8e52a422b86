//! The laws of changes, over generated values.
//!
//! `PROPTEST_CASES` sets how many cases each law gets (256 unless set).

#![expect(
    clippy::option_option,
    clippy::linkedlist,
    reason = "the types include every type that can be tracked"
)]

mod json_values;
mod tracked;
mod tracked_types;

use audit_core::backend::projection::equal_json;
use audit_core::{AuditValue, Changes, Path, diff, snapshot};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::tracked::Plain;
use crate::tracked_types::Everything;

fn applied(changes: &Changes, state: &Value) -> Value {
    let mut state = state.clone();
    assert_eq!(changes.conflicts(&state), []);
    if let Err(error) = changes.apply(&mut state) {
        panic!("{error}\nchanges: {changes:#?}");
    }
    state
}

fn patched(changes: &Changes, state: &Value) -> Value {
    let patch = changes.to_json_patch();
    let operations: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
    let mut state = state.clone();
    if let Err(error) = json_patch::patch(&mut state, &operations) {
        panic!("{error}\npatch: {patch:#}\nchanges: {changes:#?}");
    }
    state
}

/// Checks the laws of any changes from one state to another.
fn lead(changes: &Changes, from: &Value, to: &Value) {
    assert_eq!(applied(changes, from), *to, "apply {changes:#?}");
    let inverse = changes.invert();
    assert_eq!(
        applied(&inverse, to),
        *from,
        "undo {inverse:#?}\nof {changes:#?}"
    );
    assert_eq!(inverse.invert(), *changes);
    assert_eq!(patched(changes, from), *to, "patch of {changes:#?}");
    let fitted = changes.rebase(from);
    assert_eq!(
        fitted.changes, *changes,
        "a rebase onto the same state changes nothing"
    );
    stored(changes);
    for path in changes.paths() {
        let read: Path = path.as_str().parse().unwrap();
        assert_eq!(read.as_str(), path.as_str());
        assert_eq!(Path::from_segments(&path.segments()), *path);
        assert!(changes.touches(path) && changes.contains(path));
    }
}

/// Checks that the stored form is read back regardless of the order of its keys.
fn stored(changes: &Changes) {
    let text = serde_json::to_string(changes).unwrap();
    let read: Changes = serde_json::from_str(&text).unwrap();
    assert_eq!(read, *changes);
    assert_eq!(serde_json::to_string(&read).unwrap(), text);

    let value: Map<String, Value> = serde_json::from_str(&text).unwrap();
    let reversed: Vec<String> = value
        .iter()
        .rev()
        .map(|(path, change)| {
            let fields = change.as_object().unwrap().iter().rev();
            let fields: Vec<String> = fields
                .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
                .collect();
            format!("{}:{{{}}}", Value::from(path.as_str()), fields.join(","))
        })
        .collect();
    let read: Changes = serde_json::from_str(&format!("{{{}}}", reversed.join(","))).unwrap();
    assert_eq!(read, *changes);
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
}

/// Checks that each change has different sides or a redaction.
fn is_visible(changes: &Changes) {
    for change in changes {
        let seen = change.old != change.new || change.redaction.is_some();
        assert!(seen || !change.moved.is_empty(), "{changes:#?}");
    }
}

fn laws<T: AuditValue>(a: &T, b: &T, c: &T) {
    let (from, middle, to) = (snapshot(a), snapshot(b), snapshot(c));
    assert!(diff(a, a).is_empty());
    assert!(a.same(a));
    let (one, two) = (diff(a, b), diff(b, c));
    assert_eq!(one.is_empty(), a.same(b), "{one:#?}");
    is_visible(&one);
    lead(&one, &from, &middle);
    lead(&two, &middle, &to);

    let both = one.compose(&two);
    is_visible(&both);
    lead(&both, &from, &to);
    let back = one.compose(&diff(b, a));
    lead(&back, &from, &from);
    // Three steps, whichever two come first.
    let three = diff(c, a);
    lead(&both.compose(&three), &from, &from);
    lead(&one.compose(&two.compose(&three)), &from, &from);
}

proptest! {
    #[test]
    fn of_structs((a, b, c) in tracked_types::triple()) {
        laws::<Everything>(&a, &b, &c);
    }

    #[test]
    fn of_json((a, b, c) in json_values::triple()) {
        laws::<Value>(&a, &b, &c);
    }

    /// Equal numbers have several spellings, and an update from one to another is not a change:
    /// applying then leaves the spelling that was there.
    #[test]
    fn of_spellings((a, b) in json_values::spellings()) {
        let changes = diff::<Value>(&a, &b);
        prop_assert_eq!(changes.is_empty(), equal_json(&a, &b));
        prop_assert_eq!(diff(&b, &a).is_empty(), changes.is_empty());
        prop_assert!(equal_json(&applied(&changes, &snapshot(&a)), &snapshot(&b)));
        prop_assert!(equal_json(&applied(&changes.invert(), &snapshot(&b)), &snapshot(&a)));
        // Also onto the other spelling of the state that they were made from.
        let other_spelling = json_values::with_floats(&snapshot(&a));
        prop_assert!(equal_json(&applied(&changes, &other_spelling), &snapshot(&b)));
    }

    /// If nothing is masked, no value is replaced as a whole in between and no list is matched
    /// by position, composing two diffs equals the direct diff.
    #[test]
    fn composing_two_diffs_equals_the_direct_diff((a, b, c) in tracked::triple()) {
        let both = diff::<Plain>(&a, &b).compose(&diff(&b, &c));
        prop_assert_eq!(both, diff(&a, &c));
        prop_assert!(diff(&a, &b).compose(&diff(&b, &a)).is_empty());
        laws(&a, &b, &c);
    }
}
