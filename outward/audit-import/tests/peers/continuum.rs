//! SQLAlchemy-Continuum: versions of full state, and transactions.

use audit_core::{Action, LogEntry};
use serde_json::Value;

use super::oracle::{
    Oracle, all_fields, exact, recorded_changes, reported_changes, same, same_extra,
};

pub(crate) fn check(
    entry: &LogEntry,
    reported_entry: &Value,
    oracle: &Oracle,
) -> Result<(), String> {
    let extra = &reported_entry["extra"];
    same_extra(
        entry,
        reported_entry,
        &["transaction_id", "end_transaction_id", "association"],
    )?;
    same(
        "modified",
        &sorted(&entry.additional_data["imported"]["modified"]),
        &sorted(&extra["modified"]),
    )?;
    // The library lists the classes whose rows changed, for versions of entities.
    if extra.get("entities").is_some() {
        same_extra(entry, reported_entry, &["entities"])?;
    }
    same_meta(entry, &extra["meta"])?;
    let same_transaction: Vec<bool> = oracle
        .entries()
        .iter()
        .map(|known| known["id"] == reported_entry["id"])
        .collect();
    if entry.transaction_id.is_none() || !same_transaction.contains(&true) {
        return Err("no transaction".to_owned());
    }

    let state = &state_of(reported_entry, oracle);
    if state.is_null() {
        // A transaction without versions.
        same("snapshot", &entry.snapshot, &None)?;
        return same(
            "changes",
            &recorded_changes(entry).fields,
            &reported_changes(&Value::Null).fields,
        );
    }
    same("snapshot", &entry.snapshot, &Some(exact(state)))?;
    let recorded = recorded_changes(entry).fields;
    // A creation has all fields; the library leaves out nulls, and compares the
    // creation of a key used again with the deleted version. An update without a predecessor
    // is one of what was created in the same transaction. Of a deletion the library reports
    // nothing, or the fields as new if there is no predecessor; our entry has them as old. Of
    // associations it reports nothing.
    let created = entry.action == Action::Create
        || extra["previous_transaction_id"].is_null() && extra["association"].is_null()
        || deleted_before(reported_entry, oracle);
    if entry.action == Action::Delete {
        same("changes", &recorded, &all_fields(state, false))
    } else if created {
        same("changes", &recorded, &all_fields(state, true))?;
        if extra["previous_transaction_id"].is_null() {
            let mut some = all_fields(state, true);
            some.retain(|_, (_, new)| new.as_ref().is_some_and(|new| !new.is_null()));
            let reported: Vec<String> = reported_changes(&reported_entry["changes"])
                .fields
                .into_keys()
                .collect();
            if extra["association"].is_null() {
                same("created fields", &some.into_keys().collect(), &reported)?;
            }
        }
        Ok(())
    } else {
        same(
            "changes",
            &recorded,
            &reported_changes(&reported_entry["changes"]).fields,
        )
    }
}

/// Returns the state of a version. Under `NullDeletePlugin` a deletion has nulls, and the deleted
/// values are in the version before; a null of the version before stays.
fn state_of(reported: &Value, oracle: &Oracle) -> Value {
    let mut state = reported["state"].clone();
    let before = before(reported, oracle).filter(|known| known["action"] != "delete");
    if let (Some(fields), Some(before), true) = (
        state.as_object_mut(),
        before,
        reported["action"] == "delete",
    ) {
        for (field, value) in fields.iter_mut().filter(|(_, value)| value.is_null()) {
            *value = before["state"].get(field).cloned().unwrap_or_default();
        }
    }
    state
}

/// Returns the version before.
fn before<'o>(reported: &Value, oracle: &'o Oracle) -> Option<&'o Value> {
    let at = oracle
        .entries()
        .iter()
        .position(|known| known == reported)?;
    oracle.entries()[..at].iter().rev().find(|known| {
        known["table"] == reported["table"] && known["object_pk"] == reported["object_pk"]
    })
}

/// Returns whether the version before was a deletion.
fn deleted_before(reported: &Value, oracle: &Oracle) -> bool {
    let previous = &reported["extra"]["previous_transaction_id"];
    oracle.entries().iter().any(|known| {
        known["id"] == *previous
            && known["table"] == reported["table"]
            && known["object_pk"] == reported["object_pk"]
            && known["action"] == "delete"
    })
}

/// Checks that the transaction's meta table is in the entry's own fields, else under `meta`.
fn same_meta(entry: &LogEntry, reported: &Value) -> Result<(), String> {
    let kept = &entry.additional_data["imported"]["meta"];
    for (key, value) in reported.as_object().into_iter().flatten() {
        let read = match key.as_str() {
            "correlation_id" => entry.correlation_id.clone().map(Value::from),
            "reason" => entry.reason.clone().map(Value::from),
            _ => kept.get(key).cloned(),
        };
        same(key, &read, &Some(value.clone()))?;
    }
    let known = reported.as_object().map_or(0, serde_json::Map::len);
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
