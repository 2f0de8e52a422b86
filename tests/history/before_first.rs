//! The state of an object before its first entry: absent if that entry is a creation, unknown otherwise.

use auditlog::prelude::*;
use auditlog::{AuditLog, LogEntry, MissingReason, ObjectRef, Outcome, Reconstruction, TypedError};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::as_of::minute;

fn invoice() -> ObjectRef {
    ObjectRef::new("Invoice", "3")
}

fn entry(at: i64, action: &str, changes: Value) -> LogEntry {
    let mut entry = LogEntry::new(action.to_owned(), "Invoice", "3", "Invoice 3");
    entry.timestamp = minute(at);
    entry.changes = serde_json::from_value(changes).expect("changes");
    entry
}

fn with_snapshot(mut entry: LogEntry, snapshot: Value) -> LogEntry {
    entry.snapshot = Some(snapshot);
    entry
}

fn with_outcome(mut entry: LogEntry, outcome: Outcome) -> LogEntry {
    entry.outcome = outcome;
    entry
}

fn created(at: i64) -> LogEntry {
    entry(at, "create", json!({"total": {"new": 10}}))
}

fn updated(at: i64) -> LogEntry {
    entry(at, "update", json!({"total": {"old": 10, "new": 60}}))
}

fn deleted(at: i64) -> LogEntry {
    entry(at, "delete", json!({"total": {"old": 60}}))
}

fn recorded(entries: &[LogEntry]) -> AuditLog {
    let log = AuditLog::builder().build();
    log.store().append(entries).expect("appended");
    log
}

/// Returns the state at a time, which every way to read it agrees on.
fn at(log: &AuditLog, time: DateTime<Utc>) -> Reconstruction {
    let object = invoice();
    let history = log.history_of(object.clone()).expect("a history");
    let found = history.as_of(time);
    let read = log.object_as_of(&object, time).expect("a state");
    assert_eq!(read, found);
    let read = log.object_as_of_async(&object, time);
    assert_eq!(futures::executor::block_on(read).expect("a state"), found);
    found
}

/// Asserts that an object existed whose state is unknown.
#[track_caller]
fn assert_unknown(found: &Reconstruction, reason: MissingReason) {
    assert!(found.exists() && !found.complete);
    assert_eq!(found.state, Value::Null);
    let missing = found.missing.iter();
    let missing: Vec<_> = missing
        .map(|part| (part.path.as_str(), part.reason))
        .collect();
    assert_eq!(missing, [("$", reason)]);
    let typed = found.typed::<Value>();
    assert!(matches!(typed, Err(TypedError::Incomplete { .. })));
    let lossy = found.typed_lossy::<Value>();
    assert!(matches!(lossy, Err(TypedError::Incomplete { .. })));
}

#[track_caller]
fn assert_absent(found: &Reconstruction) {
    assert!(!found.exists() && found.complete && found.missing.is_empty());
    assert_eq!(found.state, Value::Null);
    assert_eq!(found.typed::<Value>().expect("no error"), None);
    assert_eq!(found.typed_lossy::<Value>().expect("no error"), None);
}

#[test]
fn an_object_did_not_exist_before_its_creation() {
    let complete = json!({"$": {"new": {"total": 10}}});
    for first in [
        created(10),
        with_snapshot(created(10), json!({"total": 10})),
        entry(10, "create", json!({})),
        // An undone deletion, for example.
        entry(10, "restore", complete.clone()),
        entry(10, "update", complete),
    ] {
        let log = recorded(&[first, updated(20)]);
        assert_absent(&at(&log, minute(9)));
        assert!(at(&log, minute(10)).exists());
    }
}

#[test]
fn an_object_is_unknown_before_a_first_version_that_is_no_creation() {
    let snapshot = json!({"total": 60});
    for first in [
        updated(10),
        with_snapshot(updated(10), snapshot.clone()),
        entry(10, "update", json!({})),
        deleted(10),
        entry(10, "delete", json!({})),
        with_snapshot(entry(10, "baseline", json!({})), snapshot),
        entry(10, "approve", json!({"total": {"old": 10, "new": 60}})),
        entry(10, "update", json!({"$": {"moved": {"[id=1]": [0, 1]}}})),
        // A field that an upgrade added.
        entry(10, "update", json!({"note": {"new": "paid"}})),
        entry(
            10,
            "update",
            json!({"$": {"old": {"total": 10}, "new": {"total": 60}}}),
        ),
    ] {
        let log = recorded(std::slice::from_ref(&first));
        assert_unknown(&at(&log, minute(9)), MissingReason::StartsLater);
        let exists = first.action != Action::Delete;
        assert_eq!(at(&log, minute(10)).exists(), exists, "{first:?}");
    }
}

#[test]
fn a_first_change_of_the_complete_object_is_no_break() {
    let change = json!({"$": {"old": {"total": 10}, "new": {"total": 60}}});
    let log = recorded(&[entry(10, "update", change)]);
    let history = log.history_of(invoice()).expect("a history");
    assert!(history.breaks().is_empty(), "{:?}", history.breaks());
    let latest = history.latest();
    assert_eq!(latest.state, json!({"total": 60}));
    assert!(latest.complete, "{:?}", latest.missing);
}

#[test]
fn a_removed_creation_leaves_an_object_older_than_the_trail() {
    let entries = [created(1), updated(10)];
    let log = recorded(&entries);
    assert_absent(&at(&log, minute(0)));
    assert_eq!(at(&log, minute(2)).state, json!({"total": 10}));
    let log = recorded(&entries[1..]);
    assert_unknown(&at(&log, minute(2)), MissingReason::StartsLater);
}

#[test]
fn a_change_from_nothing_creates_an_object_again() {
    let complete = json!({"$": {"new": {"total": 10}}});
    let log = recorded(&[created(1), deleted(10), entry(20, "restore", complete)]);
    let history = log.history_of(invoice()).expect("a history");
    let breaks = history.breaks();
    let breaks: Vec<_> = breaks.iter().map(|found| found.path.as_str()).collect();
    assert_eq!(breaks, ["total"]);
    assert!(history.latest().complete);
}

#[test]
fn an_object_is_created_again_after_its_deletion() {
    let log = recorded(&[deleted(10), created(20)]);
    assert_unknown(&at(&log, minute(9)), MissingReason::StartsLater);
    assert_absent(&at(&log, minute(10)));
    assert_absent(&at(&log, minute(19)));
    assert!(at(&log, minute(20)).complete);
}

#[test]
fn an_object_that_was_only_read_existed() {
    for action in ["access", "exported"] {
        let log = recorded(&[entry(10, action, json!({}))]);
        for time in [9, 10] {
            assert_unknown(&at(&log, minute(time)), MissingReason::StartsLater);
        }
        let history = log.history_of(invoice()).expect("a history");
        assert_unknown(&history.latest(), MissingReason::StartsLater);
        assert!(history.blame().is_empty() && history.breaks().is_empty());
    }
    // The version after them decides.
    let requested = entry(5, "requested", json!({}));
    let log = recorded(&[requested.clone(), created(10)]);
    assert_absent(&at(&log, minute(4)));
    assert_absent(&at(&log, minute(6)));
    let log = recorded(&[requested, updated(10)]);
    assert_unknown(&at(&log, minute(6)), MissingReason::StartsLater);
}

#[test]
fn attempts_show_nothing() {
    let attempts = [Outcome::Denied, Outcome::Failure].map(|outcome| {
        [entry(5, "access", json!({})), created(6), updated(7)]
            .map(|entry| with_outcome(entry, outcome))
    });
    for attempts in attempts {
        assert_absent(&at(&recorded(&attempts), minute(8)));
        let log = recorded(&[&attempts[..], &[updated(10)]].concat());
        assert_unknown(&at(&log, minute(8)), MissingReason::StartsLater);
        let log = recorded(&[&attempts[..], &[created(10)]].concat());
        assert_absent(&at(&log, minute(8)));
    }
    assert_absent(&at(&recorded(&[]), minute(8)));
}

#[test]
fn the_first_version_is_found_after_many_entries() {
    let reads = (0..1_500).map(|_| entry(5, "access", json!({})));
    let reads: Vec<LogEntry> = reads.collect();
    let log = recorded(&[&reads[..], &[created(10)]].concat());
    assert_absent(&at(&log, minute(4)));
    assert_absent(&at(&log, minute(6)));
    let log = recorded(&[&reads[..], &[updated(10)]].concat());
    assert_unknown(&at(&log, minute(4)), MissingReason::StartsLater);
    assert_absent(&at(&recorded(&[created(10)]), DateTime::<Utc>::MIN_UTC));
}

#[test]
fn an_update_without_changes_is_of_an_object_that_exists() {
    let changeless = |at| entry(at, "update", json!({}));
    let log = recorded(&[changeless(5), updated(10)]);
    for time in [4, 5, 9] {
        assert_unknown(&at(&log, minute(time)), MissingReason::StartsLater);
    }
    let history = log.history_of(invoice()).expect("a history");
    assert!(history.breaks().is_empty());
    let change = "total: 10 -> 60";
    assert_eq!(history.diff(1, 2).expect("versions").to_string(), change);
    // Going back does not delete the object.
    let back = history.revert_to(1).expect("a version").to_string();
    assert_eq!(back, "total: 60 -> 10");

    let log = recorded(&[created(1), updated(2), deleted(5), changeless(10)]);
    assert_absent(&at(&log, minute(9)));
    assert_unknown(&at(&log, minute(10)), MissingReason::Unrecorded);
    let history = log.history_of(invoice()).expect("a history");
    assert_eq!(history.breaks().len(), 1);
    assert_eq!(history.breaks()[0].path, "$");
}

#[test]
fn nothing_masked_comes_back_with_an_unknown_version() {
    let changes = json!({
        "pin": {"old": "***", "new": "***", "redaction": "masked"},
        "total": {"old": 10, "new": 60},
    });
    let hidden = entry(10, "update", changes);
    let log = recorded(&[entry(5, "update", json!({})), hidden]);
    let history = log.history_of(invoice()).expect("a history");
    let back = history.revert_to(1).expect("a version").to_string();
    assert_eq!(back, "total: 60 -> 10");
}

#[test]
fn a_baseline_is_no_creation() {
    #[derive(Auditable)]
    struct Invoice {
        id: u32,
    }
    let audit = auditlog::testing::capture().at("2026-01-01T00:00:00Z");
    auditlog::register::<Invoice>();
    auditlog::baseline::<Invoice>(&[Invoice { id: 3 }]).expect("recorded");
    assert_eq!(audit.entries().len(), 1);
    let before = auditlog::as_of::<Invoice>(3, minute(-1)).expect("a state");
    assert_unknown(&before, MissingReason::StartsLater);
    assert!(
        auditlog::as_of::<Invoice>(3, minute(0))
            .expect("a state")
            .complete
    );
}

#[test]
fn the_states_of_many_objects_include_unknown_ones() {
    let mut other = updated(10);
    other.object_pk = "4".to_owned();
    let log = recorded(&[entry(5, "access", json!({})), other]);
    let pks = |time| -> Vec<(String, bool)> {
        let states = log.states(log.query().model_name("Invoice"), minute(time));
        let states = states.expect("a valid query").map(|state| {
            let state = state.expect("readable");
            (state.object.object_pk, state.at.state.is_null())
        });
        states.collect()
    };
    // The entries after the time are not read: 4 is left out.
    assert_eq!(pks(9), [("3".to_owned(), true)]);
    assert_eq!(pks(10), [("3".to_owned(), true), ("4".to_owned(), false)]);
}
