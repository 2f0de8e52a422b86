//! django-simple-history: rows of full state.

use audit_core::{Action, LogEntry};
use serde_json::{Map, Value};

use super::oracle::{Oracle, Said, exact, said, same, told, whole};

pub(crate) fn check(entry: &LogEntry, told_entry: &Value, oracle: &Oracle) -> Result<(), String> {
    let model = entry.model.as_str();
    let mut state = told_entry["state"].clone();
    for (field, value) in state.as_object_mut().into_iter().flatten() {
        *value = unscaled(oracle, model, field, value);
    }
    let relations = told_entry["relations"].as_object();
    let sets: Map<String, Value> = relations.cloned().unwrap_or_default();
    let mut snapshot = state.clone();
    let all = snapshot.as_object_mut().expect("a state");
    all.extend(sets.clone());
    same("snapshot", &entry.snapshot, &Some(exact(&snapshot)))?;

    let said = said(entry);
    match entry.action {
        // The library tells no changes of these: all fields came, or went.
        Action::Create => same("changes", &said.fields, &whole(&snapshot, true)),
        Action::Delete => same("changes", &said.fields, &whole(&snapshot, false)),
        _ => {
            let mut told: Said = told(&told_entry["changes"]);
            for (field, (old, new)) in &mut told.fields {
                for side in [old, new].into_iter().flatten() {
                    *side = unscaled(oracle, model, field, side);
                }
            }
            same("sets", &said.sets, &told.sets)?;
            // Fields that are not editable (`auto_now`) are never in the library's changes.
            // Ours have them where the states differ.
            let listed = |field: &str| {
                let mut entries = oracle.entries().iter();
                entries
                    .any(|known| known["model"] == model && known["changes"].get(field).is_some())
            };
            for (field, sides) in &said.fields {
                if !told.fields.contains_key(field) && !listed(field) {
                    let previous =
                        previous(told_entry, oracle).map(|known| known["state"][field].clone());
                    told.fields
                        .insert(field.clone(), (previous, state.get(field).cloned()));
                    if sides.0 == sides.1 {
                        return Err(format!("{field} is not a change"));
                    }
                }
            }
            same("changes", &said.fields, &told.fields)
        }
    }
}

/// Returns what the library has before an entry of the same object.
fn previous<'o>(told: &Value, oracle: &'o Oracle) -> Option<&'o Value> {
    let at = oracle.entries().iter().position(|known| known == told)?;
    let mut before = oracle.entries()[..at].iter().rev();
    before.find(|known| known["object_pk"] == told["object_pk"] && known["model"] == told["model"])
}

/// Leaves out what the column does not have: the trailing zeros of a decimal, whose scale only
/// the application's model tells.
pub(crate) fn unscaled(oracle: &Oracle, model: &str, field: &str, value: &Value) -> Value {
    match value.as_str() {
        Some(text) if oracle.field_type(model, field) == "DecimalField" && text.contains('.') => {
            Value::from(text.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => value.clone(),
    }
}
