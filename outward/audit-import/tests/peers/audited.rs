//! audited, its changes in YAML and in JSON.

use audit_core::{Action, LogEntry, ObjectRef, Redaction};
use serde_json::Value;

use super::oracle::{Oracle, said, same, same_extra, told};

pub(crate) fn check(entry: &LogEntry, told_entry: &Value, oracle: &Oracle) -> Result<(), String> {
    let mut expected = told(&told_entry["changes"]);
    for (old, new) in expected.fields.values_mut() {
        // The library stores one value of what came or went; the oracle has a null besides.
        match entry.action {
            Action::Create => *old = None,
            Action::Delete => *new = None,
            _ => {}
        }
    }
    same("changes", &said(entry), &expected)?;
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
            // The model's own `redaction_value`, of which no update tells.
            None if redacted && !usual && !is_updated(oracle, &entry.model) => {}
            other => return Err(format!("{field}: redacted {redacted}, read {other:?}")),
        }
    }
    same_extra(entry, told_entry, &["user_type", "version"])?;
    let extra = &told_entry["extra"];
    let parent = match (
        extra["associated_type"].as_str(),
        extra["associated_id"].as_str(),
    ) {
        (Some(model), Some(pk)) => Some(ObjectRef::new(model, pk)),
        _ => None,
    };
    same("parent", &entry.parent, &parent)?;
    if let Some(name) = extra["username"].as_str()
        && told_entry["actor"] != name
    {
        same_extra(entry, told_entry, &["username"])?;
    }
    // A deletion tells the state as it was.
    if entry.action == Action::Delete && !told_entry["state"].is_null() {
        let went = entry.changes.iter().map(|change| {
            (
                change.path.field().into_owned(),
                change.old.clone().unwrap_or_default(),
            )
        });
        same(
            "state",
            &Value::Object(went.collect()),
            &super::oracle::exact(&told_entry["state"]),
        )?;
    }
    Ok(())
}

/// Whether an update of a redacted field is told, whose sides are equal.
fn is_updated(oracle: &Oracle, model: &str) -> bool {
    oracle.entries().iter().any(|known| {
        let changes = known["changes"].as_object().into_iter().flatten();
        let mut pairs = changes.filter(|(field, _)| oracle.lists(model, "redacted", field));
        known["model"] == model
            && pairs.any(|(_, pair)| pair["old"] == pair["new"] && !pair["old"].is_null())
    })
}
