//! audited, its changes in YAML and in JSON.

use audit_core::{Action, LogEntry, ObjectRef, Redaction};
use serde_json::Value;

use super::oracle::{said, same, same_extra, told};

pub(crate) fn check(entry: &LogEntry, told_entry: &Value) -> Result<(), String> {
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
        let redacted = [&change.old, &change.new]
            .into_iter()
            .flatten()
            .any(|value| value == "[REDACTED]");
        same(
            "redaction",
            &change.redaction,
            &redacted.then_some(Redaction::Masked),
        )?;
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
