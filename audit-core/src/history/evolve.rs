//! Entries of former schemas, in the form of the present one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::change::{Change, Changes, Redaction};
use crate::entry::LogEntry;
use crate::error::{Error, Result};
use crate::log::AuditLog;
use crate::path::{ParsePathError, Path, PathSegment};
use crate::registry::Registration;
use crate::rules;
use crate::schema::FieldSchema;

/// What brings an entry of one schema version to the next.
pub(crate) type Upcaster = Box<dyn Fn(&mut Upcast<'_>) + Send + Sync>;

/// An entry of a former schema version, on its way to the next one.
///
/// What is done to a field is done to it in the changes and in the snapshot alike. Only what
/// [`history`](crate::history()) reads is brought to the present; the stored entry stays as
/// it is. See [`RegisterOptions::upcast`](crate::RegisterOptions::upcast).
pub struct Upcast<'e> {
    entry: &'e mut LogEntry,
    invalid: Option<ParsePathError>,
}

impl Upcast<'_> {
    /// Returns the entry, such as to ask when it was made.
    pub fn entry(&self) -> &LogEntry {
        self.entry
    }

    /// Gives a field another name: `rename("address.town", "city")`.
    ///
    /// A field that only changed its name needs no upcaster: `#[audit(alias = "..")]` does.
    pub fn rename(&mut self, field: &str, to: &str) {
        let Some(names) = self.field(field) else {
            return;
        };
        self.paths(&names, |segment| {
            if let PathSegment::Name(name) = segment {
                to.clone_into(name);
            }
        });
        self.edit(&names, &mut |fields, name| {
            if let Some(value) = fields.remove(name) {
                fields.insert(to.to_owned(), value);
            }
        });
    }

    /// Gives a field other values: `convert("price", |cents| ..)`. Masked and hashed values
    /// stay, and so do changes inside the field's value.
    pub fn convert(&mut self, field: &str, mut convert: impl FnMut(Value) -> Value) {
        let Some(names) = self.field(field) else {
            return;
        };
        for change in self.entry.changes.list_mut() {
            let segments = change.path.segments();
            let hidden = matches!(
                change.redaction,
                Some(Redaction::Masked | Redaction::Hashed)
            );
            let at_end = matches!(segments.last(), Some(PathSegment::Name(_)));
            if !hidden && at_end && rules::names(&change.path) == names {
                for value in [&mut change.old, &mut change.new].into_iter().flatten() {
                    *value = convert(value.take());
                }
            }
        }
        self.edit(&names, &mut |fields, name| {
            if let Some(value) = fields.get_mut(name) {
                *value = convert(value.take());
            }
        });
    }

    /// Takes a field out that there is no more.
    pub fn remove(&mut self, field: &str) {
        let Some(names) = self.field(field) else {
            return;
        };
        self.entry
            .changes
            .retain(|change| !rules::leads_to(&names, &rules::names(&change.path)));
        self.edit(&names, &mut |fields, name| {
            fields.remove(name);
        });
    }

    fn field(&mut self, field: &str) -> Option<Vec<String>> {
        match field.parse::<Path>() {
            Ok(path) => Some(rules::names(&path)).filter(|names| !names.is_empty()),
            Err(error) => {
                self.invalid.get_or_insert(error);
                None
            }
        }
    }

    /// Changes the step of paths that names a field, in those that lead to it or into it.
    fn paths(&mut self, names: &[String], mut change: impl FnMut(&mut PathSegment)) {
        for item in self.entry.changes.list_mut() {
            if !rules::leads_to(names, &rules::names(&item.path)) {
                continue;
            }
            let mut segments = item.path.segments();
            let end = rules::outer(&segments, names);
            if let Some(segment) = end.checked_sub(1).and_then(|at| segments.get_mut(at)) {
                change(segment);
                item.path = Path::from_segments(&segments);
            }
        }
    }

    /// Runs `change` on every object in the snapshot and in changed values that has the field.
    fn edit(
        &mut self,
        names: &[String],
        change: &mut impl FnMut(&mut serde_json::Map<String, Value>, &str),
    ) {
        for item in self.entry.changes.list_mut() {
            let at = rules::names(&item.path);
            if let Some(rest) = rules::below(names, &at).filter(|rest| !rest.is_empty()) {
                for value in [&mut item.old, &mut item.new].into_iter().flatten() {
                    rules::edit(value, rest, change);
                }
            }
        }
        if let Some(snapshot) = &mut self.entry.snapshot {
            rules::edit(snapshot, names, change);
        }
    }
}

impl fmt::Debug for Upcast<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upcast").field(&self.entry).finish()
    }
}

/// What brings the entries of a model to the present.
#[derive(Clone, Debug)]
pub(super) struct Evolution {
    pub(super) fields: &'static [FieldSchema],
    registration: Option<Arc<Registration>>,
}

impl Evolution {
    /// For a model by its stored name: what is registered under it, if anything is.
    pub(super) fn of(log: &AuditLog, model: &str) -> Self {
        let registration = log.shared().registry.get(model);
        Self {
            fields: registration
                .as_ref()
                .map_or(&[], |registration| registration.schema.fields),
            registration,
        }
    }

    /// For a type, registered or not.
    pub(super) fn with_fields(mut self, fields: &'static [FieldSchema]) -> Self {
        self.fields = fields;
        self
    }

    /// Brings an entry to the present.
    pub(super) fn bring(&self, entry: &mut LogEntry) -> Result<()> {
        if let Some(registration) = &self.registration {
            upcast(&registration.upcasters, registration.schema.version, entry)?;
        }
        rename(&mut entry.changes, entry.snapshot.as_mut(), self.fields);
        Ok(())
    }
}

fn upcast(upcasters: &BTreeMap<u32, Upcaster>, present: u32, entry: &mut LogEntry) -> Result<()> {
    if upcasters.is_empty() {
        return Ok(());
    }
    let steps = entry.schema_version..present.max(entry.schema_version);
    for (version, step) in upcasters.range(steps) {
        let mut upcast = Upcast {
            entry: &mut *entry,
            invalid: None,
        };
        step(&mut upcast);
        if let Some(source) = upcast.invalid {
            return Err(Error::Query { source });
        }
        entry.schema_version = version + 1;
    }
    Ok(())
}

/// Gives fields their present names where an entry has a former one.
fn rename(changes: &mut Changes, snapshot: Option<&mut Value>, fields: &'static [FieldSchema]) {
    if !has_aliases(fields, 8) {
        return;
    }
    let renamed = changes.iter().map(|change| Change {
        path: present_path(&change.path, fields),
        old: change
            .old
            .clone()
            .map(|value| present_value(value, &change.path, fields)),
        new: change
            .new
            .clone()
            .map(|value| present_value(value, &change.path, fields)),
        ..change.clone()
    });
    *changes = renamed.collect();
    if let Some(snapshot) = snapshot {
        rename_value(snapshot, fields, 8);
    }
}

fn has_aliases(fields: &[FieldSchema], depth: usize) -> bool {
    fields.iter().any(|field| {
        !field.aliases().is_empty() || (depth > 0 && has_aliases(field.fields(), depth - 1))
    })
}

fn find_field<'f>(fields: &'f [FieldSchema], name: &str) -> Option<&'f FieldSchema> {
    let own = fields
        .iter()
        .find(|field| !field.is_inline() && field.name() == name);
    own.or_else(|| fields.iter().find(|field| field.aliases().contains(&name)))
        .or_else(|| {
            let inline = fields.iter().filter(|field| field.is_inline());
            inline
                .into_iter()
                .find_map(|field| find_field(field.fields(), name))
        })
}

fn present_path(path: &Path, fields: &'static [FieldSchema]) -> Path {
    let mut fields = fields;
    let mut segments = path.segments();
    for segment in &mut segments {
        if let PathSegment::Name(name) = segment {
            // A map's key is no field; what follows is one of the map's values.
            let Some(field) = find_field(fields, name) else {
                continue;
            };
            field.name().clone_into(name);
            fields = field.fields();
        }
    }
    Path::from_segments(&segments)
}

fn present_value(mut value: Value, path: &Path, fields: &'static [FieldSchema]) -> Value {
    let mut fields = fields;
    for segment in path.segments() {
        if let PathSegment::Name(name) = segment
            && let Some(field) = find_field(fields, &name)
        {
            fields = field.fields();
        }
    }
    if path != &Path::ROOT {
        rename_value(&mut value, fields, 8);
    }
    value
}

fn rename_value(value: &mut Value, fields: &'static [FieldSchema], depth: usize) {
    if depth == 0 || fields.is_empty() {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                rename_value(item, fields, depth - 1);
            }
        }
        Value::Object(object) => {
            for (name, mut inner) in std::mem::take(object) {
                match find_field(fields, &name) {
                    Some(field) => {
                        rename_value(&mut inner, field.fields(), depth - 1);
                        object.insert(field.name().to_owned(), inner);
                    }
                    None => {
                        object.insert(name, inner);
                    }
                }
            }
        }
        _ => {}
    }
}
