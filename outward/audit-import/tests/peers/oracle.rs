//! The report of a library about its own entries.

use std::collections::BTreeMap;
use std::path::Path;

use audit_core::{Change, LogEntry, PathSegment};
use libtest_mimic::Failed;
use serde_json::{Map, Value, json};

/// A library's report.
pub(crate) struct Oracle(Value);

/// One side of a change each; `None` for nothing, a null for a null.
pub(crate) type Sides = (Option<Value>, Option<Value>);

/// The changes of an entry: fields by name, and the sets' members.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct FieldChanges {
    pub(crate) fields: BTreeMap<String, Sides>,
    pub(crate) sets: BTreeMap<String, (Vec<Value>, Vec<Value>)>,
}

impl Oracle {
    pub(crate) fn read(file: &Path) -> Result<Self, Failed> {
        Ok(Self(serde_json::from_slice(&std::fs::read(file)?)?))
    }

    pub(crate) fn about(&self, what: &str) -> &Value {
        &self.0["about"][what]
    }

    pub(crate) fn entries(&self) -> &[Value] {
        self.0["entries"].as_array().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn as_of(&self) -> &[Value] {
        self.0["as_of"].as_array().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn live(&self) -> &Map<String, Value> {
        self.0["final"].as_object().expect("live rows")
    }

    pub(crate) fn model(&self, model: &str) -> &Value {
        &self.about("models")[model]
    }

    /// Returns whether a list of names about a model, such as `skipped`, has this name.
    pub(crate) fn lists(&self, model: &str, list: &str, name: &str) -> bool {
        has(&self.model(model)[list], name)
    }

    /// Returns a field's type as the library calls it.
    pub(crate) fn field_type(&self, model: &str, field: &str) -> &str {
        self.model(model)["fields"][field].as_str().unwrap_or("")
    }

    /// Returns whether, by the oracle, the audit rows do not explain a live value.
    pub(crate) fn not_audited(&self, model: &str, pk: &str, field: &str) -> bool {
        let listed = self.about("not_audited").as_array();
        listed.into_iter().flatten().any(|known| {
            known["model"] == model
                && known["field"] == field
                && (known["object_pk"] == pk || known["object_pk"] == "*")
        })
    }

    /// Returns whether the library reports a field of a model in any entry's changes or state.
    pub(crate) fn mentions(&self, model: &str, field: &str) -> bool {
        self.entries().iter().any(|reported| {
            reported["model"] == model
                && ["changes", "state"]
                    .iter()
                    .any(|part| reported[*part].get(field).is_some())
        })
    }

    /// Replaces an enum's label by its number, which is all that the database has.
    pub(crate) fn unlabeled(&self, model: &str, field: &str, value: &Value) -> Value {
        let labels = &self.model(model)["enums"][field];
        match value.as_str().and_then(|label| labels.get(label)) {
            Some(number) => number.clone(),
            None => value.clone(),
        }
    }

    /// The entries are the library's, in its order, and ids sort them so too.
    pub(crate) fn check_order(&self, entries: &[LogEntry]) -> Result<(), Failed> {
        let table = self.about("table").as_str();
        let reported: Vec<String> = self
            .entries()
            .iter()
            .map(|reported| {
                let table = reported["table"]
                    .as_str()
                    .or(table)
                    .unwrap_or("transaction");
                format!(
                    "{table} {} {}",
                    text(&reported["object_pk"]),
                    text(&reported["id"])
                )
            })
            .collect();
        let read: Vec<String> = entries
            .iter()
            .map(|entry| {
                let imported = &entry.additional_data["imported"];
                let id = imported.get("transaction_id").unwrap_or(&imported["id"]);
                format!(
                    "{} {} {}",
                    text(&imported["table"]),
                    entry.object_pk,
                    text(id)
                )
            })
            .collect();
        if let Some(at) =
            (0..reported.len().max(read.len())).find(|at| reported.get(*at) != read.get(*at))
        {
            return Err(format!(
                "row {at} is {:?}, reported {:?}",
                read.get(at),
                reported.get(at)
            )
            .into());
        }
        if !entries.is_sorted_by_key(|entry| (entry.timestamp, entry.id)) {
            return Err("ids sort the entries in another order".into());
        }
        Ok(())
    }

    /// Checks the fields that all libraries have: time, action, object, actor, address and so on.
    pub(crate) fn check_entries(&self, entries: &[LogEntry]) -> Result<(), Failed> {
        for (entry, reported) in entries.iter().zip(self.entries()) {
            let time = entry.timestamp.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            let repr = match reported["object_repr"].as_str() {
                Some(repr) => repr.to_owned(),
                // Made up where the library has none.
                None if reported["object_pk"].is_null() => {
                    format!("transaction {}", reported["id"])
                }
                None => format!("{} {}", entry.model, entry.object_pk),
            };
            let actor = entry.actor.as_ref();
            let extra = &reported["extra"];
            let read = json!({
                "time": time,
                "action": entry.action.as_str(),
                "model": entry.model,
                "object_pk": entry.object_pk,
                "object_repr": entry.object_repr,
                "actor": actor.map(|actor| &actor.id),
                "actor_name": actor.and_then(|actor| actor.display.as_ref()),
                "correlation_id": entry.correlation_id,
                "remote_addr": entry.remote_addr.map(|address| address.to_string()),
                "reason": entry.reason,
            });
            let expected = json!({
                "time": reported["time"],
                // A transaction of SQLAlchemy-Continuum without versions has no action and no
                // object; an entry has an action.
                "action": reported["action"].as_str().unwrap_or("transaction"),
                "model": reported["model"].as_str().unwrap_or(""),
                "object_pk": reported["object_pk"].as_str().unwrap_or(""),
                "object_repr": repr,
                "actor": reported["actor"],
                "actor_name": extra.get("actor_name"),
                "correlation_id": reported["correlation_id"],
                "remote_addr": reported["remote_addr"],
                "reason": reported["reason"],
            });
            if read != expected {
                return Err(format!("{}: read {read}, reported {expected}", name(reported)).into());
            }
        }
        Ok(())
    }
}

/// Says which entry of the oracle it is.
pub(crate) fn name(reported: &Value) -> String {
    format!(
        "{} {} of {}",
        text(&reported["table"]),
        reported["id"],
        reported["object_pk"]
    )
}

pub(crate) fn has(list: &Value, name: &str) -> bool {
    let list = list.as_array();
    list.into_iter().flatten().any(|known| known == name)
}

pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns a value in the form that entries have: numbers beyond 2^53 as text.
pub(crate) fn exact(value: &Value) -> Value {
    audit_core::snapshot(value)
}

/// Returns the changes of an entry, in the oracle's form.
pub(crate) fn recorded_changes(entry: &LogEntry) -> FieldChanges {
    let mut recorded = FieldChanges::default();
    for Change { path, old, new, .. } in &entry.changes {
        match path.segments().as_slice() {
            [PathSegment::Name(field)] => {
                recorded
                    .fields
                    .insert(field.clone(), (old.clone(), new.clone()));
            }
            [PathSegment::Name(field), PathSegment::Name(_)] => {
                let (added, removed) = recorded.sets.entry(field.clone()).or_default();
                added.extend(new.clone());
                removed.extend(old.clone());
            }
            other => panic!("a path of {other:?}"),
        }
    }
    for (added, removed) in recorded.sets.values_mut() {
        sort(added);
        sort(removed);
    }
    recorded
}

/// Returns the changes that the oracle reports; a missing side is `None`.
pub(crate) fn reported_changes(changes: &Value) -> FieldChanges {
    let mut recorded = FieldChanges::default();
    for (field, change) in changes.as_object().into_iter().flatten() {
        if let Some(added) = change["added"].as_array() {
            let removed = change["removed"].as_array().expect("removed members");
            let (mut added, mut removed) = (added.clone(), removed.clone());
            sort(&mut added);
            sort(&mut removed);
            recorded.sets.insert(field.clone(), (added, removed));
        } else {
            let side = |side: &str| change.get(side).map(exact);
            recorded
                .fields
                .insert(field.clone(), (side("old"), side("new")));
        }
    }
    recorded
}

fn sort(values: &mut [Value]) {
    values.sort_by_key(ToString::to_string);
}

/// Returns the changes of a creation or a deletion of a state.
pub(crate) fn all_fields(state: &Value, created: bool) -> BTreeMap<String, Sides> {
    let fields = state.as_object().into_iter().flatten();
    fields
        .map(|(field, value)| {
            let value = Some(exact(value));
            (
                field.clone(),
                if created {
                    (None, value)
                } else {
                    (value, None)
                },
            )
        })
        .collect()
}

/// Fails with what differs.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    read: &T,
    reported: &T,
) -> Result<(), String> {
    if read == reported {
        return Ok(());
    }
    Err(format!("{what}: read {read:?}, reported {reported:?}"))
}

/// Compares the library's other data with the members of `imported`.
pub(crate) fn same_extra(entry: &LogEntry, reported: &Value, names: &[&str]) -> Result<(), String> {
    for name in names {
        let imported = &entry.additional_data["imported"];
        same(
            name,
            &exact(&imported[*name]),
            &exact(&reported["extra"][*name]),
        )?;
    }
    Ok(())
}
