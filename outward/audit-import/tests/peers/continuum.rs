//! SQLAlchemy-Continuum: versions of full state, and transactions.

use audit_core::{Action, LogEntry};
use serde_json::Value;

use super::oracle::{Oracle, exact, said, same, same_extra, told, whole};

pub(crate) fn check(entry: &LogEntry, told_entry: &Value, oracle: &Oracle) -> Result<(), String> {
    let extra = &told_entry["extra"];
    same_extra(
        entry,
        told_entry,
        &["transaction_id", "end_transaction_id", "association"],
    )?;
    same(
        "modified",
        &sorted(&entry.additional_data["imported"]["modified"]),
        &sorted(&extra["modified"]),
    )?;
    // The library lists the classes whose rows changed, for versions of entities.
    if extra.get("entities").is_some() {
        same_extra(entry, told_entry, &["entities"])?;
    }
    same_meta(entry, &extra["meta"])?;
    let same_transaction: Vec<bool> = oracle
        .entries()
        .iter()
        .map(|known| known["id"] == told_entry["id"])
        .collect();
    if entry.transaction_id.is_none() || !same_transaction.contains(&true) {
        return Err("no transaction".to_owned());
    }

    let state = &state_of(told_entry, oracle);
    if state.is_null() {
        // A transaction without versions.
        same("snapshot", &entry.snapshot, &None)?;
        return same("changes", &said(entry).fields, &told(&Value::Null).fields);
    }
    same("snapshot", &entry.snapshot, &Some(exact(state)))?;
    let said = said(entry).fields;
    // A creation tells what came, all of it; the library leaves out nulls, and compares the
    // creation of a key used again with the deleted version. An update without a predecessor
    // is one of what was created in the same transaction. Of a deletion the library tells
    // nothing, or what came where there is no predecessor: ours tells what went. Of
    // associations it tells nothing.
    let came = entry.action == Action::Create
        || extra["previous_transaction_id"].is_null() && extra["association"].is_null()
        || deleted_before(told_entry, oracle);
    if entry.action == Action::Delete {
        same("changes", &said, &whole(state, false))
    } else if came {
        same("changes", &said, &whole(state, true))?;
        if extra["previous_transaction_id"].is_null() {
            let mut some = whole(state, true);
            some.retain(|_, (_, new)| new.as_ref().is_some_and(|new| !new.is_null()));
            let told: Vec<String> = told(&told_entry["changes"]).fields.into_keys().collect();
            if extra["association"].is_null() {
                same("created fields", &some.into_keys().collect(), &told)?;
            }
        }
        Ok(())
    } else {
        same("changes", &said, &told(&told_entry["changes"]).fields)
    }
}

/// The state that a version tells. Under `NullDeletePlugin` a deletion has nulls, and what went is
/// told by the version before; a null that was one before stays.
fn state_of(told: &Value, oracle: &Oracle) -> Value {
    let mut state = told["state"].clone();
    let before = before(told, oracle).filter(|known| known["action"] != "delete");
    if let (Some(fields), Some(before), true) =
        (state.as_object_mut(), before, told["action"] == "delete")
    {
        for (field, value) in fields.iter_mut().filter(|(_, value)| value.is_null()) {
            *value = before["state"].get(field).cloned().unwrap_or_default();
        }
    }
    state
}

/// Returns the version before.
fn before<'o>(told: &Value, oracle: &'o Oracle) -> Option<&'o Value> {
    let at = oracle.entries().iter().position(|known| known == told)?;
    oracle.entries()[..at]
        .iter()
        .rev()
        .find(|known| known["table"] == told["table"] && known["object_pk"] == told["object_pk"])
}

/// Whether the version before was a deletion.
fn deleted_before(told: &Value, oracle: &Oracle) -> bool {
    let previous = &told["extra"]["previous_transaction_id"];
    oracle.entries().iter().any(|known| {
        known["id"] == *previous
            && known["table"] == told["table"]
            && known["object_pk"] == told["object_pk"]
            && known["action"] == "delete"
    })
}

/// What the transaction's meta table has is in the entry's own fields, else under `meta`.
fn same_meta(entry: &LogEntry, told: &Value) -> Result<(), String> {
    let kept = &entry.additional_data["imported"]["meta"];
    for (key, value) in told.as_object().into_iter().flatten() {
        let read = match key.as_str() {
            "correlation_id" => entry.correlation_id.clone().map(Value::from),
            "reason" => entry.reason.clone().map(Value::from),
            _ => kept.get(key).cloned(),
        };
        same(key, &read, &Some(value.clone()))?;
    }
    let known = told.as_object().map_or(0, serde_json::Map::len);
    let own = usize::from(entry.correlation_id.is_some()) + usize::from(entry.reason.is_some());
    same(
        "meta",
        &(own + kept.as_object().map_or(0, serde_json::Map::len)),
        &known,
    )
}

fn sorted(names: &Value) -> Vec<String> {
    let names = names.as_array().into_iter().flatten();
    let mut names: Vec<String> = names.map(ToString::to_string).collect();
    names.sort();
    names
}
