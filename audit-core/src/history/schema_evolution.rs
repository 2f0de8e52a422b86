//! Upgrades entries of former schemas to the current one: upcasters and field aliases.
//!
//! Entries are upgraded when they are read; the stored bytes never change. Upcasters run first, in the order
//! of versions, each on the changes and the snapshot of an entry. Aliases then rename the fields that are
//! left, at every depth. A change whose new path another change of the same entry has keeps its old path.

use std::sync::Arc;

use serde_json::Value;

use crate::change::{Change, Changes};
use crate::entry::LogEntry;
use crate::error::Result;
use crate::path::{Path, PathSegment};
use crate::registry::Registration;
use crate::registry::upcast::{rename_key, upcast};
use crate::value::schema::FieldSchema;
use crate::value::schema_lookup::{Member, Schema, member};
use crate::value::schema_walk::any_field;

/// Upgrades the entries of a model to its current schema.
#[derive(Clone, Debug)]
pub(crate) struct Evolution {
    pub(crate) fields: &'static [FieldSchema],
    registration: Option<Arc<Registration>>,
    /// Whether any field has an alias.
    renamed: bool,
}

impl Evolution {
    /// Returns the evolution of a model, given the registration under its stored name.
    pub(crate) fn of(registration: Option<Arc<Registration>>) -> Self {
        let fields: Schema = registration
            .as_ref()
            .map_or(&[], |registration| registration.schema.fields);
        Self {
            fields,
            registration,
            renamed: has_aliases(fields),
        }
    }

    /// Sets the fields of a type, registered or not.
    pub(crate) fn with_fields(mut self, fields: &'static [FieldSchema]) -> Self {
        if !std::ptr::eq(self.fields, fields) {
            self.fields = fields;
            self.renamed = has_aliases(fields);
        }
        self
    }

    /// Upgrades an entry to the current schema.
    pub(crate) fn upgrade(&self, entry: &mut LogEntry) -> Result<()> {
        if let Some(registration) = &self.registration {
            upcast(registration, self.fields, entry)?;
        }
        if self.renamed {
            entry.changes = rename_changes(&entry.changes, self.fields);
            if let Some(snapshot) = &mut entry.snapshot {
                rename_value(snapshot, self.fields);
            }
        }
        Ok(())
    }
}

/// Returns whether any field at any depth has an alias.
fn has_aliases(fields: Schema) -> bool {
    any_field(fields, |field| !field.aliases().is_empty())
}

/// Renames fields to their current names. A change keeps its path if there is another change at
/// the current path.
fn rename_changes(changes: &Changes, fields: Schema) -> Changes {
    let mut list: Vec<Change> = Vec::with_capacity(changes.len());
    for former in changes {
        let mut change = former.clone();
        let path = rename_change(&mut change, fields);
        let taken = |other: &Change| other.path == path;
        if path != former.path && !changes.iter().any(taken) && !list.iter().any(taken) {
            change.path = path;
        }
        list.push(change);
    }
    Changes::from_vec(list)
}

/// Renames fields inside the values of a change and returns its path with current names.
fn rename_change(change: &mut Change, fields: Schema) -> Path {
    let mut schema = fields;
    let mut renamed = false;
    let mut segments = change.path.segments();
    for segment in &mut segments {
        let (PathSegment::Name(name) | PathSegment::Match { field: name, .. }) = &mut *segment
        else {
            continue;
        };
        let found = member(schema, name);
        if let Some(Member::Field(field)) = &found
            && field.name() != name
        {
            field.name().clone_into(name);
            renamed = true;
        }
        if let PathSegment::Name(_) = segment {
            match found {
                Some(Member::Field(field)) => schema = field.inside(),
                Some(Member::Value(values)) => schema = values.inside(),
                // The member of a set, or a removed field.
                None => {}
            }
        }
    }
    for value in [&mut change.old, &mut change.new].into_iter().flatten() {
        rename_value(value, schema);
    }
    for step in &mut change.moved {
        if let PathSegment::Match { field: name, .. } = &mut step.item
            && let Some(Member::Field(field)) = member(schema, name)
        {
            field.name().clone_into(name);
        }
    }
    if renamed {
        Path::from_segments(&segments)
    } else {
        change.path.clone()
    }
}

fn rename_value(value: &mut Value, schema: Schema) {
    if schema.is_empty() {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                rename_value(item, schema);
            }
        }
        Value::Object(object) => {
            let mut former: Vec<(String, &'static str)> = Vec::new();
            for (name, inner) in object.iter_mut() {
                match member(schema, name) {
                    Some(Member::Field(field)) => {
                        rename_value(inner, field.inside());
                        if field.name() != name {
                            former.push((name.clone(), field.name()));
                        }
                    }
                    Some(Member::Value(values)) => rename_value(inner, values.inside()),
                    None => {}
                }
            }
            for (name, current) in former {
                rename_key(object, &name, current);
            }
        }
        _ => {}
    }
}
