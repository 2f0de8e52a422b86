//! django-auditlog: typed, text and upgraded tables.

use audit_core::{Action, LogEntry, Redaction};
use serde_json::Value;

use super::oracle::{Said, exact, said, same, same_extra, told};

pub(crate) fn check(entry: &LogEntry, told_entry: &Value) -> Result<(), String> {
    let mut expected: Said = told(&told_entry["changes"]);
    for (old, new) in expected.fields.values_mut() {
        // Before a creation and after a deletion there is nothing: the library has a null, as
        // text `None`, masked `**ne`.
        match entry.action {
            Action::Create if nothing(old.as_ref()) => *old = None,
            Action::Delete if nothing(new.as_ref()) => *new = None,
            _ => {}
        }
    }
    same("changes", &said(entry), &expected)?;
    for change in &entry.changes {
        // All that the scenarios mask is masked by the library's own function.
        let starred = [&change.old, &change.new].into_iter().flatten();
        let starred = starred
            .filter_map(Value::as_str)
            .any(|text| text.starts_with("**"));
        let redaction = starred.then_some(Redaction::Masked);
        same("redaction", &change.redaction, &redaction)?;
    }
    let extra = &told_entry["extra"];
    same(
        "port",
        &entry.remote_port.map(Value::from).unwrap_or_default(),
        &extra["remote_port"],
    )?;
    same_extra(entry, told_entry, &["object_id", "serialized_data"])?;
    let email = entry.additional_data["imported"].get("actor_email");
    same(
        "actor_email",
        &email.cloned().unwrap_or_default(),
        &extra.get("actor_email").cloned().unwrap_or_default(),
    )?;
    let mut data = entry.additional_data.clone();
    data.remove("imported");
    let told = exact(&extra.get("additional_data").cloned().unwrap_or_default());
    let data = if data.is_empty() {
        Value::Null
    } else {
        Value::Object(data)
    };
    same("additional_data", &data, &told)
}

fn nothing(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value.is_null() || value == "None" || value == "**ne")
}
