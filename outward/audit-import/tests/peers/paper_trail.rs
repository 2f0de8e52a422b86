//! PaperTrail, its values in YAML and in JSON.

use std::collections::BTreeMap;

use audit_core::{Action, LogEntry};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

use super::oracle::{Oracle, Sides, exact, recorded_changes, reported_changes, same, same_extra};

pub(crate) fn check(
    entry: &LogEntry,
    reported_entry: &Value,
    oracle: &Oracle,
) -> Result<(), String> {
    let extra = &reported_entry["extra"];
    same_extra(entry, reported_entry, &["item_subtype", "tenant"])?;
    let model = entry.model.as_str();
    let json_column = oracle.about("settings")["column_types"]
        [reported_entry["table"].as_str().unwrap_or("")]
        == "json";
    let cast = |field: &str, value: &Value| cast(oracle, model, field, value, json_column);

    // As stored, and given the types of the model's columns. Before a creation there is
    // nothing, although the library has a column's default there; after a deletion too.
    let mut expected: BTreeMap<String, Sides> = BTreeMap::new();
    let mut after: Map<String, Value> = Map::new();
    for (field, pair) in extra["stored_changes"].as_object().into_iter().flatten() {
        let (old, new) = (cast(field, &pair[0]), cast(field, &pair[1]));
        after.insert(field.clone(), new.clone());
        let sides = match entry.action {
            Action::Create => (None, Some(new)),
            Action::Delete => (Some(old), None),
            _ => (Some(old), Some(new)),
        };
        expected.insert(field.clone(), sides);
    }
    let recorded = recorded_changes(entry);
    same("stored changes", &recorded.fields, &expected)?;

    // As the library reports them while the object exists, with the model's types: but an enum
    // is reported by its label, which the database does not have, and an attribute that the model
    // serializes is text there. Of a version table whose columns are JSON the library reports
    // the values as stored.
    if extra["item_exists"] == true && !json_column {
        for (field, (old, new)) in reported_changes(&reported_entry["changes"]).fields {
            if oracle.lists(model, "serialized", &field) {
                continue;
            }
            let number =
                |side: Option<Value>| side.map(|side| oracle.unlabeled(model, &field, &side));
            let sides = match entry.action {
                Action::Create => (None, number(new)),
                Action::Delete => (number(old), None),
                _ => (number(old), number(new)),
            };
            same(&field, &recorded.fields.get(&field), &Some(&sides))?;
        }
    }

    let stored = extra["stored_object"].as_object();
    let mut object: Map<String, Value> = stored
        .into_iter()
        .flatten()
        .map(|(field, value)| (field.clone(), cast(field, value)))
        .collect();
    let snapshot = entry.snapshot.as_ref().and_then(Value::as_object);
    let snapshot = snapshot.ok_or("no snapshot")?;
    match entry.action {
        // Fields that a creation does not list have the column's default.
        Action::Create => {
            for (field, value) in snapshot {
                let expected = after
                    .get(field)
                    .cloned()
                    .unwrap_or_else(|| default(oracle, model, field));
                same(field, value, &expected)?;
            }
            let missing = after.keys().find(|field| !snapshot.contains_key(*field));
            same("fields", &missing, &None)
        }
        Action::Delete => same("snapshot", snapshot, &object),
        _ => {
            same_before(&object, reported_entry, oracle, model)?;
            object.extend(after);
            same("snapshot", snapshot, &object)
        }
    }
}

/// `reify` returns the stored object, but for enums, serialized attributes, and fields
/// that are not recorded.
fn same_before(
    object: &Map<String, Value>,
    reported: &Value,
    oracle: &Oracle,
    model: &str,
) -> Result<(), String> {
    for (field, value) in reported["before"].as_object().into_iter().flatten() {
        if oracle.lists(model, "serialized", field) || oracle.lists(model, "skipped", field) {
            continue;
        }
        let value = exact(&oracle.unlabeled(model, field, value));
        same(field, &object.get(field), &Some(&value))?;
    }
    Ok(())
}

/// The default of a column where the scenarios give it one.
fn default(oracle: &Oracle, model: &str, field: &str) -> Value {
    let enumerated = oracle.model(model)["enums"].get(field).is_some();
    if enumerated || oracle.lists(model, "ignored", field) {
        Value::from(0)
    } else {
        Value::Null
    }
}

/// Gives a stored value the type of its column: JSON that is stored as text, and instants,
/// which JSON has as text in any form.
fn cast(oracle: &Oracle, model: &str, field: &str, value: &Value, json_column: bool) -> Value {
    let kind = oracle.field_type(model, field);
    match value.as_str() {
        Some(text) if kind == "json" && !json_column => {
            exact(&serde_json::from_str(text).unwrap_or_else(|_| value.clone()))
        }
        Some(text) if kind.starts_with("datetime") => match text.parse::<DateTime<Utc>>() {
            Ok(time) => Value::from(time.to_rfc3339_opts(SecondsFormat::Micros, true)),
            Err(_) => value.clone(),
        },
        _ => exact(value),
    }
}
