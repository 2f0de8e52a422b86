//! Snapshots of all fields of an object, for the entries that record every field.

use serde_json::Value;

use crate::change::{Change, Changes, Redaction};
use crate::error::ValueError;
use crate::path::Path;
use crate::registry::Registration;
use crate::value::env::{Env, Redactions};
use crate::value::flatten;
use crate::value::redaction_rules::{FieldPath, is_at, leads_to_value};
use crate::value::schema::FieldSchema;
use crate::value::snapshot::Snapshot;

/// A snapshot, and which of its fields are redacted.
pub(crate) struct FullSnapshot {
    pub(crate) snapshot: Value,
    redactions: Redactions,
    /// The keys of flattened maps that are not recorded.
    pub(crate) shadowed_keys: Vec<String>,
}

impl FullSnapshot {
    /// Takes a snapshot under the rules of the registration.
    pub(crate) fn of(
        env: Env,
        registration: &Registration,
        record: impl FnOnce(&mut Snapshot<'_>) -> Value,
    ) -> Result<Self, ValueError> {
        let mut env = env.excluding_outermost().noting_redactions();
        let mut snapshot = record(&mut Snapshot::at_depth(&mut env, 0));
        let redactions = env.take_redactions((false, None));
        let shadowed_keys = env.take_shadowed_keys();
        if let Some(error) = env.into_error() {
            return Err(error);
        }
        if !registration.settings.rules.is_empty() {
            registration.settings.rules.apply_to_snapshot(&mut snapshot);
        }
        Ok(Self {
            snapshot,
            redactions,
            shadowed_keys,
        })
    }

    /// Lists the top-level fields as changes, in declaration order.
    pub(crate) fn changes(
        &self,
        registration: &Registration,
        sides: fn(Value) -> Sides,
    ) -> Changes {
        let fields = registration.schema.fields;
        let change = |path: Path, value: &Value, name: &str, fallback: Option<&FieldSchema>| {
            let (old, new) = sides(value.clone());
            Change {
                redaction: self.redaction(name, value, registration).or_else(|| {
                    // Noted where it is not null: what is hidden may be.
                    fallback.and_then(flatten::redaction_of)
                }),
                ..Change::new(path, old, new)
            }
        };
        match &self.snapshot {
            Value::Object(object) => {
                let declared = fields.iter().filter(|field| !field.is_inline());
                let present: Vec<_> = declared
                    .filter_map(|field| Some((field.name, object.get(field.name)?)))
                    .collect();
                let mut list: Vec<Change> = present
                    .iter()
                    .map(|(name, value)| change(Path::of_field(name), value, name, None))
                    .collect();
                for (name, value) in object {
                    if !present.iter().any(|(declared, _)| declared == name) {
                        let mut inline = fields.iter().filter(|field| field.is_inline());
                        let field = inline.find_map(|field| flatten::member(field, name));
                        list.push(change(Path::of_key(name), value, name, field));
                    }
                }
                Changes::from_vec(list)
            }
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, value)| {
                    let name = fields.get(index).map_or("", |field| field.name);
                    change(Path::of_index(index), value, name, None)
                })
                .collect(),
            Value::Null => Changes::new(),
            scalar => Changes::from_vec(vec![change(Path::ROOT, scalar, "", fields.first())]),
        }
    }

    /// Returns the redaction of a top-level field, by its type and by the settings at run time.
    fn redaction(
        &self,
        name: &str,
        value: &Value,
        registration: &Registration,
    ) -> Option<Redaction> {
        let masks = &registration.settings.rules.mask;
        let of_field = |(path, _): &&(FieldPath, _)| is_at(path, name);
        if masks
            .iter()
            .filter(of_field)
            .any(|(path, _)| path.len() == 1)
            && !value.is_null()
        {
            return Some(Redaction::Masked);
        }
        let partial = masks
            .iter()
            .filter(of_field)
            .any(|(path, _)| leads_to_value(value, &path[1..]));
        self.redactions
            .of(name)
            .or_else(|| partial.then_some(Redaction::Partial))
    }
}

/// The old and the new value of a change.
pub(crate) type Sides = (Option<Value>, Option<Value>);
