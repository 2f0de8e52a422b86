//! Entries of former schemas, in the form of the present one.

use std::sync::Arc;

use serde_json::Value;

use crate::change::{Change, Changes};
use crate::entry::LogEntry;
use crate::error::Result;
use crate::path::{Path, PathSegment};
use crate::registry::Registration;
use crate::registry::upcast::{give_name, upcast};
use crate::value::member::{Level, Member, member};
use crate::value::schema::FieldSchema;
use crate::value::visited::any_inside;

/// What brings the entries of a model to the present.
#[derive(Clone, Debug)]
pub(crate) struct Evolution {
    pub(crate) fields: &'static [FieldSchema],
    registration: Option<Arc<Registration>>,
    /// Whether any field had another name.
    renamed: bool,
}

impl Evolution {
    /// For a model, given what is registered under its stored name.
    pub(crate) fn of(registration: Option<Arc<Registration>>) -> Self {
        let fields: Level = registration
            .as_ref()
            .map_or(&[], |registration| registration.schema.fields);
        Self {
            fields,
            registration,
            renamed: has_aliases(fields),
        }
    }

    /// For a type, registered or not.
    pub(crate) fn with_fields(mut self, fields: &'static [FieldSchema]) -> Self {
        if !std::ptr::eq(self.fields, fields) {
            self.fields = fields;
            self.renamed = has_aliases(fields);
        }
        self
    }

    /// Brings an entry to the present.
    pub(crate) fn bring(&self, entry: &mut LogEntry) -> Result<()> {
        if let Some(registration) = &self.registration {
            upcast(registration, self.fields, entry)?;
        }
        if self.renamed {
            entry.changes = present_changes(&entry.changes, self.fields);
            if let Some(snapshot) = &mut entry.snapshot {
                rename_value(snapshot, self.fields);
            }
        }
        Ok(())
    }
}

/// Whether any field had another name, however deep.
fn has_aliases(fields: Level) -> bool {
    any_inside(fields, |field| !field.aliases().is_empty())
}

/// Gives fields their present names. A change whose field's present name has a change of its
/// own keeps its path.
fn present_changes(changes: &Changes, fields: Level) -> Changes {
    let mut list: Vec<Change> = Vec::with_capacity(changes.len());
    for former in changes {
        let mut change = former.clone();
        let path = rename_change(&mut change, fields);
        let taken = |known: &Change| known.path == path;
        if path != former.path && !changes.iter().any(taken) && !list.iter().any(taken) {
            change.path = path;
        }
        list.push(change);
    }
    Changes::from_vec(list)
}

/// Renames inside the values of a change and returns its path with present names.
fn rename_change(change: &mut Change, fields: Level) -> Path {
    let mut level = fields;
    let mut renamed = false;
    let mut segments = change.path.segments();
    for segment in &mut segments {
        let (PathSegment::Name(name) | PathSegment::Match { field: name, .. }) = &mut *segment
        else {
            continue;
        };
        let found = member(level, name);
        if let Some(Member::Field(field)) = &found
            && field.name() != name
        {
            field.name().clone_into(name);
            renamed = true;
        }
        if let PathSegment::Name(_) = segment {
            match found {
                Some(Member::Field(field)) => level = field.inside(),
                Some(Member::Value(values)) => level = values.inside(),
                // The member of a set, or a field that there is no more.
                None => {}
            }
        }
    }
    for value in [&mut change.old, &mut change.new].into_iter().flatten() {
        rename_value(value, level);
    }
    for step in &mut change.moved {
        if let PathSegment::Match { field: name, .. } = &mut step.item
            && let Some(Member::Field(field)) = member(level, name)
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

fn rename_value(value: &mut Value, level: Level) {
    if level.is_empty() {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                rename_value(item, level);
            }
        }
        Value::Object(object) => {
            let mut former: Vec<(String, &'static str)> = Vec::new();
            for (name, inner) in object.iter_mut() {
                match member(level, name) {
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
            for (name, present) in former {
                give_name(object, &name, present);
            }
        }
        _ => {}
    }
}
