//! What a library reports about its own entries.

use std::collections::BTreeMap;
use std::path::Path;

use audit_core::{Change, LogEntry, PathSegment};
use libtest_mimic::Failed;
use serde_json::{Map, Value, json};

/// A library's report.
pub(crate) struct Oracle(Value);

/// One side of a change each; `None` for nothing, a null for a null.
pub(crate) type Sides = (Option<Value>, Option<Value>);

/// What an entry says: fields by name, and the sets' members.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
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

    /// Whether a list of names about a model, such as `skipped`, has this one.
    pub(crate) fn lists(&self, model: &str, list: &str, name: &str) -> bool {
        has(&self.model(model)[list], name)
    }

    /// Returns a field's type as the library calls it.
    pub(crate) fn field_type(&self, model: &str, field: &str) -> &str {
        self.model(model)["fields"][field].as_str().unwrap_or("")
    }

    /// Whether the audit rows do not explain a live value, as the oracle says.
    pub(crate) fn not_audited(&self, model: &str, pk: &str, field: &str) -> bool {
        let listed = self.about("not_audited").as_array();
        listed.into_iter().flatten().any(|known| {
            known["model"] == model
                && known["field"] == field
                && (known["object_pk"] == pk || known["object_pk"] == "*")
        })
    }

    /// Whether the library tells a field of a model in any entry's changes or state.
    pub(crate) fn mentions(&self, model: &str, field: &str) -> bool {
        self.entries().iter().any(|told| {
            told["model"] == model
                && ["changes", "state"]
                    .iter()
                    .any(|part| told[*part].get(field).is_some())
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
        let told: Vec<String> = self
            .entries()
            .iter()
            .map(|told| {
                let table = told["table"].as_str().or(table).unwrap_or("transaction");
                format!("{table} {} {}", text(&told["object_pk"]), text(&told["id"]))
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
        if let Some(at) = (0..told.len().max(read.len())).find(|at| told.get(*at) != read.get(*at))
        {
            return Err(format!("row {at} is {:?}, told {:?}", read.get(at), told.get(at)).into());
        }
        if !entries.is_sorted_by_key(|entry| (entry.timestamp, entry.id)) {
            return Err("ids sort the entries in another order".into());
        }
        Ok(())
    }

    /// What all libraries have: time, action, object, actor, address and so on.
    pub(crate) fn check_entries(&self, entries: &[LogEntry]) -> Result<(), Failed> {
        for (entry, told) in entries.iter().zip(self.entries()) {
            let time = entry.timestamp.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            let repr = match told["object_repr"].as_str() {
                Some(repr) => repr.to_owned(),
                // Made up where the library has none.
                None if told["object_pk"].is_null() => format!("transaction {}", told["id"]),
                None => format!("{} {}", entry.model, entry.object_pk),
            };
            let actor = entry.actor.as_ref();
            let extra = &told["extra"];
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
                "time": told["time"],
                // A transaction of SQLAlchemy-Continuum without versions has no action and no
                // object; an entry has an action.
                "action": told["action"].as_str().unwrap_or("transaction"),
                "model": told["model"].as_str().unwrap_or(""),
                "object_pk": told["object_pk"].as_str().unwrap_or(""),
                "object_repr": repr,
                "actor": told["actor"],
                "actor_name": extra.get("actor_name"),
                "correlation_id": told["correlation_id"],
                "remote_addr": told["remote_addr"],
                "reason": told["reason"],
            });
            if read != expected {
                return Err(format!("{}: read {read}, told {expected}", name(told)).into());
            }
        }
        Ok(())
    }
}

/// Says which entry of the oracle it is.
pub(crate) fn name(told: &Value) -> String {
    format!(
        "{} {} of {}",
        text(&told["table"]),
        told["id"],
        told["object_pk"]
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

/// Returns what an entry says, in the oracle's form.
pub(crate) fn said(entry: &LogEntry) -> Said {
    let mut said = Said::default();
    for Change { path, old, new, .. } in &entry.changes {
        match path.segments().as_slice() {
            [PathSegment::Name(field)] => {
                said.fields
                    .insert(field.clone(), (old.clone(), new.clone()));
            }
            [PathSegment::Name(field), PathSegment::Name(_)] => {
                let (added, removed) = said.sets.entry(field.clone()).or_default();
                added.extend(new.clone());
                removed.extend(old.clone());
            }
            other => panic!("a path of {other:?}"),
        }
    }
    for (added, removed) in said.sets.values_mut() {
        sort(added);
        sort(removed);
    }
    said
}

/// Returns what the oracle says of an entry's changes; a side it lacks is `None`.
pub(crate) fn told(changes: &Value) -> Said {
    let mut said = Said::default();
    for (field, change) in changes.as_object().into_iter().flatten() {
        if let Some(added) = change["added"].as_array() {
            let removed = change["removed"].as_array().expect("removed members");
            let (mut added, mut removed) = (added.clone(), removed.clone());
            sort(&mut added);
            sort(&mut removed);
            said.sets.insert(field.clone(), (added, removed));
        } else {
            let side = |side: &str| change.get(side).map(exact);
            said.fields
                .insert(field.clone(), (side("old"), side("new")));
        }
    }
    said
}

fn sort(values: &mut [Value]) {
    values.sort_by_key(ToString::to_string);
}

/// Returns the state as changes: all of it came, or all of it went.
pub(crate) fn whole(state: &Value, came: bool) -> BTreeMap<String, Sides> {
    let fields = state.as_object().into_iter().flatten();
    fields
        .map(|(field, value)| {
            let value = Some(exact(value));
            (
                field.clone(),
                if came { (None, value) } else { (value, None) },
            )
        })
        .collect()
}

/// Fails with what differs.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    read: &T,
    told: &T,
) -> Result<(), String> {
    if read == told {
        return Ok(());
    }
    Err(format!("{what}: read {read:?}, told {told:?}"))
}

/// Compares what the library keeps besides with what was kept of it under `imported`.
pub(crate) fn same_extra(entry: &LogEntry, told: &Value, names: &[&str]) -> Result<(), String> {
    for name in names {
        let imported = &entry.additional_data["imported"];
        same(
            name,
            &exact(&imported[*name]),
            &exact(&told["extra"][*name]),
        )?;
    }
    Ok(())
}
