//! django-auditlog: typed, text and upgraded tables.

use audit_core::{Action, LogEntry, Redaction};
use serde_json::{Map, Value};

use super::oracle::{Oracle, Said, exact, has, said, same, same_extra, told};

pub(crate) fn check(entry: &LogEntry, told_entry: &Value, oracle: &Oracle) -> Result<(), String> {
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
        // The form of the library's own mask is all that a reader can know: a field that the
        // application masks in another way is not known as masked.
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
    // An object is the entry's own; its member `imported`, and any other value, are kept besides.
    let mut data = entry.additional_data.clone();
    let imported = data.remove("imported").unwrap_or_default();
    let mut besides = imported.get("additional_data").cloned().unwrap_or_default();
    let told = exact(&extra.get("additional_data").cloned().unwrap_or_default());
    let told = match told {
        Value::Object(mut told) => {
            let member = told.remove("imported").unwrap_or_default();
            same("additional_data.imported", &besides, &member)?;
            besides = Value::Object(told);
            Value::Object(data)
        }
        told => {
            same("own additional_data", &data, &Map::new())?;
            told
        }
    };
    same("additional_data", &besides, &told)
}

fn nothing(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value.is_null() || value == "None" || value == "**ne")
}
