//! django-simple-history: rows of full state.

use audit_core::{Action, LogEntry};
use serde_json::{Map, Value};

use super::oracle::{
    FieldChanges, Oracle, all_fields, exact, recorded_changes, reported_changes, same,
};

pub(crate) fn check(
    entry: &LogEntry,
    reported_entry: &Value,
    oracle: &Oracle,
) -> Result<(), String> {
    let model = entry.model.as_str();
    let mut state = reported_entry["state"].clone();
    for (field, value) in state.as_object_mut().into_iter().flatten() {
        *value = unscaled(oracle, model, field, value);
    }
    let relations = reported_entry["relations"].as_object();
    let sets: Map<String, Value> = relations.cloned().unwrap_or_default();
    let mut snapshot = state.clone();
    let all = snapshot.as_object_mut().expect("a state");
    all.extend(sets.clone());
    same("snapshot", &entry.snapshot, &Some(exact(&snapshot)))?;

    let recorded = recorded_changes(entry);
    match entry.action {
        // The library reports no changes of these; our entries have all fields.
        Action::Create => same("changes", &recorded.fields, &all_fields(&snapshot, true)),
        Action::Delete => same("changes", &recorded.fields, &all_fields(&snapshot, false)),
        _ => {
            let mut reported: FieldChanges = reported_changes(&reported_entry["changes"]);
            for (field, (old, new)) in &mut reported.fields {
                for side in [old, new].into_iter().flatten() {
                    *side = unscaled(oracle, model, field, side);
                }
            }
            same("sets", &recorded.sets, &reported.sets)?;
            // Fields that are not editable (`auto_now`) are never in the library's changes.
            // Ours have them where the states differ.
            let listed = |field: &str| {
                let mut entries = oracle.entries().iter();
                entries
                    .any(|known| known["model"] == model && known["changes"].get(field).is_some())
            };
            for (field, sides) in &recorded.fields {
                if !reported.fields.contains_key(field) && !listed(field) {
                    let previous =
                        previous(reported_entry, oracle).map(|known| known["state"][field].clone());
                    reported
                        .fields
                        .insert(field.clone(), (previous, state.get(field).cloned()));
                    if sides.0 == sides.1 {
                        return Err(format!("{field} is not a change"));
                    }
                }
            }
            same("changes", &recorded.fields, &reported.fields)
        }
    }
}

/// Returns what the library has before an entry of the same object.
fn previous<'o>(reported: &Value, oracle: &'o Oracle) -> Option<&'o Value> {
    let at = oracle
        .entries()
        .iter()
        .position(|known| known == reported)?;
    let mut before = oracle.entries()[..at].iter().rev();
    before.find(|known| {
        known["object_pk"] == reported["object_pk"] && known["model"] == reported["model"]
    })
}

/// Leaves out what the column does not have: the trailing zeros of a decimal, whose scale only
/// the application's model reports.
pub(crate) fn unscaled(oracle: &Oracle, model: &str, field: &str, value: &Value) -> Value {
    match value.as_str() {
        Some(text) if oracle.field_type(model, field) == "DecimalField" && text.contains('.') => {
            Value::from(text.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => value.clone(),
    }
}
