//! audited, its changes in YAML and in JSON.

use audit_core::{Action, LogEntry, ObjectRef, Redaction};
use serde_json::Value;

use super::oracle::{Oracle, recorded_changes, reported_changes, same, same_extra};

pub(crate) fn check(
    entry: &LogEntry,
    reported_entry: &Value,
    oracle: &Oracle,
) -> Result<(), String> {
    let mut expected = reported_changes(&reported_entry["changes"]);
    for (old, new) in expected.fields.values_mut() {
        // The library stores one value in creations and deletions; the oracle has a null beside it.
        match entry.action {
            Action::Create => *old = None,
            Action::Delete => *new = None,
            _ => {}
        }
    }
    same("changes", &recorded_changes(entry), &expected)?;
    for change in &entry.changes {
        let field = change.path.field();
        let usual = [&change.old, &change.new]
            .into_iter()
            .flatten()
            .any(|value| value == "[REDACTED]" || value == "[FILTERED]");
        let redacted = oracle.lists(&entry.model, "redacted", &field);
        match change.redaction {
            Some(Redaction::Masked) if redacted || usual => {}
            None if !redacted && !usual => {}
            // The model's own `redaction_value`, which is in no update.
            None if redacted && !usual && !is_updated(oracle, &entry.model) => {}
            other => return Err(format!("{field}: redacted {redacted}, read {other:?}")),
        }
    }
    same_extra(entry, reported_entry, &["user_type", "version"])?;
    let extra = &reported_entry["extra"];
    let parent = match (
        extra["associated_type"].as_str(),
        extra["associated_id"].as_str(),
    ) {
        (Some(model), Some(pk)) => Some(ObjectRef::new(model, pk)),
        _ => None,
    };
    same("parent", &entry.parent, &parent)?;
    if let Some(name) = extra["username"].as_str()
        && reported_entry["actor"] != name
    {
        same_extra(entry, reported_entry, &["username"])?;
    }
    // A deletion has the state before it.
    if entry.action == Action::Delete && !reported_entry["state"].is_null() {
        let deleted = entry.changes.iter().map(|change| {
            (
                change.path.field().into_owned(),
                change.old.clone().unwrap_or_default(),
            )
        });
        same(
            "state",
            &Value::Object(deleted.collect()),
            &super::oracle::exact(&reported_entry["state"]),
        )?;
    }
    Ok(())
}

/// Returns whether an update of a redacted field, whose sides are equal, is reported.
fn is_updated(oracle: &Oracle, model: &str) -> bool {
    oracle.entries().iter().any(|known| {
        let changes = known["changes"].as_object().into_iter().flatten();
        let mut pairs = changes.filter(|(field, _)| oracle.lists(model, "redacted", field));
        known["model"] == model
            && pairs.any(|(_, pair)| pair["old"] == pair["new"] && !pair["old"].is_null())
    })
}
