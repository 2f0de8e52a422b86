//! django-auditlog: typed, text and upgraded tables.

use audit_core::{Action, LogEntry, Redaction};
use serde_json::{Map, Value};

use super::oracle::{
    FieldChanges, Oracle, exact, has, recorded_changes, reported_changes, same, same_extra,
};

pub(crate) fn check(
    entry: &LogEntry,
    reported_entry: &Value,
    oracle: &Oracle,
) -> Result<(), String> {
    let mut expected: FieldChanges = reported_changes(&reported_entry["changes"]);
    for (old, new) in expected.fields.values_mut() {
        // Before a creation and after a deletion there is nothing: the library has a null, as
        // text `None`, masked `**ne`.
        match entry.action {
            Action::Create if nothing(old.as_ref()) => *old = None,
            Action::Delete if nothing(new.as_ref()) => *new = None,
            _ => {}
        }
    }
    same("changes", &recorded_changes(entry), &expected)?;
    for change in &entry.changes {
        // The form of the library's own mask is all that a reader can know: a field that the
        // application masks in another way is not marked as masked.
        let field = change.path.field();
        let masked = has(&oracle.about("masked")[entry.model.as_str()], &field);
        let sides = [&change.old, &change.new].into_iter().flatten();
        let mut texts = sides.map(|side| side.as_str().unwrap_or_default());
        let own_form = texts.all(|text| text.chars().count() < 2 || text.starts_with('*'));
        match change.redaction {
            Some(Redaction::Masked) if masked || own_form => {}
            None if !masked || !own_form => {}
            other => return Err(format!("{field}: masked {masked}, read {other:?}")),
        }
    }
    let extra = &reported_entry["extra"];
    same(
        "port",
        &entry.remote_port.map(Value::from).unwrap_or_default(),
        &extra["remote_port"],
    )?;
    same_extra(entry, reported_entry, &["object_id", "serialized_data"])?;
    let email = entry.additional_data["imported"].get("actor_email");
    same(
        "actor_email",
        &email.cloned().unwrap_or_default(),
        &extra.get("actor_email").cloned().unwrap_or_default(),
    )?;
    // An object is the entry's own; its member `imported`, and any other value, are kept besides.
    let mut data = entry.additional_data.clone();
    let imported = data.remove("imported").unwrap_or_default();
    let mut besides = imported.get("additional_data").cloned().unwrap_or_default();
    let reported = exact(&extra.get("additional_data").cloned().unwrap_or_default());
    let reported = match reported {
        Value::Object(mut reported) => {
            let member = reported.remove("imported").unwrap_or_default();
            same("additional_data.imported", &besides, &member)?;
            besides = Value::Object(reported);
            Value::Object(data)
        }
        reported => {
            same("own additional_data", &data, &Map::new())?;
            reported
        }
    };
    same("additional_data", &besides, &reported)
}

fn nothing(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value.is_null() || value == "None" || value == "**ne")
}
