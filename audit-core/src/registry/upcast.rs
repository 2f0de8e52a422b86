//! Upcasters: functions that upgrade entries of former schema versions.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::Registration;
use crate::change::Redaction;
use crate::entry::LogEntry;
use crate::error::{Error, Result};
use crate::path::{ParsePathError, Path, PathSegment};
use crate::value::redaction_rules;
use crate::value::schema_lookup::{Member, Schema, is_map, member};

/// A function that upgrades an entry from one schema version to the next.
pub(crate) type Upcaster = Box<dyn Fn(&mut Upcast<'_>) + Send + Sync>;

/// An entry of a former schema version during its upgrade to the next version.
///
/// Each operation applies to the changes and to the snapshot of the entry. The upgrade affects
/// only entries that [`history`](crate::history()) reads, not the stored ones. See
/// [`RegisterOptions::upcast`](crate::RegisterOptions::upcast).
pub struct Upcast<'e> {
    entry: &'e mut LogEntry,
    /// The fields of the current type.
    fields: Schema,
    invalid: Option<ParsePathError>,
}

impl Upcast<'_> {
    /// Returns the entry, for example to read its timestamp.
    pub fn entry(&self) -> &LogEntry {
        self.entry
    }

    /// Renames a field: `rename("address.town", "city")`. If the object already has a member of
    /// the new name, both stay unchanged.
    ///
    /// A field that was only renamed needs no upcaster: use `#[audit(alias = "..")]`.
    pub fn rename(&mut self, field: &str, to: &str) {
        let Some(names) = self.field(field) else {
            return;
        };
        self.edit(&names, &mut |fields, name| rename_key(fields, name, to));
        let list = self.entry.changes.list_mut();
        for index in 0..list.len() {
            let mut segments = list[index].path.segments();
            let Some(end) = Search::new(self.fields, &names).end(&segments) else {
                continue;
            };
            segments[end - 1] = PathSegment::Name(to.to_owned());
            let path = Path::from_segments(&segments);
            if !list.iter().any(|change| change.path == path) {
                list[index].path = path;
            }
        }
    }

    /// Converts the values of a field: `convert("price", |cents| ..)`. Masked and hashed values
    /// and changes inside the field's value stay unchanged.
    ///
    /// # Example: a code becomes a word
    /// ```
    /// use auditlog::prelude::*;
    /// use auditlog::{Change, Changes};
    ///
    /// #[derive(Auditable)]
    /// #[audit(version = 2)]
    /// struct Order {
    ///     id: u32,
    ///     status: String,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register_with::<Order>(|order| {
    ///     order.upcast(1, |older| {
    ///         older.convert("status", |code| match code.as_u64() {
    ///             Some(0) => "open".into(),
    ///             Some(1) => "paid".into(),
    ///             _ => code,
    ///         });
    ///     })
    /// })?;
    ///
    /// let mut entry = LogEntry::new("create", "Order", "1", "Order 1");
    /// entry.changes = Changes::from_iter([Change::new("status".parse()?, None, Some(1.into()))]);
    /// audit.log().store().append(&[entry])?;
    /// let history = auditlog::history::<Order>(1)?;
    /// assert_eq!(history.latest().state["status"], "paid");
    /// assert_eq!(audit.entries()[0].changes["status"].new, Some(1.into())); // the stored entry
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
            let end = Search::new(self.fields, &names).end(&segments);
            if !hidden && end == Some(segments.len()) {
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

    /// Removes a field that no longer exists.
    pub fn remove(&mut self, field: &str) {
        let Some(names) = self.field(field) else {
            return;
        };
        let search = Search::new(self.fields, &names);
        self.entry
            .changes
            .retain(|change| search.end(&change.path.segments()).is_none());
        self.edit(&names, &mut |fields, name| {
            fields.remove(name);
        });
    }

    fn field(&mut self, field: &str) -> Option<Vec<String>> {
        match field.parse::<Path>() {
            Ok(path) => Some(redaction_rules::names(&path)).filter(|names| !names.is_empty()),
            Err(error) => {
                self.invalid.get_or_insert(error);
                None
            }
        }
    }

    /// Runs `change` on every object in the snapshot and in changed values that may have the
    /// field.
    fn edit(&mut self, names: &[String], change: &mut impl FnMut(&mut Map<String, Value>, &str)) {
        let search = Search::new(self.fields, names);
        for item in self.entry.changes.list_mut() {
            if let Some((_, search)) = search.follow(&item.path.segments()) {
                for value in [&mut item.old, &mut item.new].into_iter().flatten() {
                    search.edit(value, change);
                }
            }
        }
        if let Some(snapshot) = &mut self.entry.snapshot {
            search.edit(snapshot, change);
        }
    }
}

/// The position of a search for a field along a path.
#[derive(Clone, Copy)]
struct Search<'n> {
    /// The schema at this position; `None` inside a value that the current type lacks.
    schema: Option<Schema>,
    /// The remaining names.
    rest: &'n [String],
}

impl<'n> Search<'n> {
    fn new(fields: Schema, names: &'n [String]) -> Self {
        Self {
            schema: Some(fields),
            rest: names,
        }
    }

    /// Moves one step inside; `None` if the field is not there.
    fn enter(self, name: &str) -> Option<Self> {
        let (wanted, remaining) = self.rest.split_first()?;
        let (schema, rest) = match self.schema {
            // Any other name may be the key of a map.
            None if wanted != name => (None, self.rest),
            None => (None, remaining),
            Some(schema) => match member(schema, name) {
                Some(Member::Value(values)) if is_map(schema) => (Some(values.inside()), self.rest),
                Some(Member::Field(field)) if wanted == name => (Some(field.inside()), remaining),
                _ if wanted == name => (None, remaining),
                _ => return None,
            },
        };
        Some(Self { schema, rest })
    }

    /// Follows a path until it reaches the field. Returns the number of steps.
    fn follow(self, segments: &[PathSegment]) -> Option<(usize, Self)> {
        let mut search = self;
        for (index, segment) in segments.iter().enumerate() {
            if let PathSegment::Name(name) = segment {
                search = search.enter(name)?;
                if search.rest.is_empty() {
                    return Some((index + 1, search));
                }
            }
        }
        Some((segments.len(), search))
    }

    /// Returns the number of steps after which a path reaches the field, if it does.
    fn end(self, segments: &[PathSegment]) -> Option<usize> {
        let (end, search) = self.follow(segments)?;
        search.rest.is_empty().then_some(end)
    }

    /// Runs `change` on every object that may have the field.
    fn edit(self, value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>, &str)) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.edit(item, change)),
            Value::Object(fields) => {
                if let [name] = self.rest
                    && !self.schema.is_some_and(is_map)
                {
                    change(fields, name);
                }
                for (name, value) in fields {
                    if let Some(inner) = self.enter(name).filter(|inner| !inner.rest.is_empty()) {
                        inner.edit(value, change);
                    }
                }
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Upcast<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upcast").field(&self.entry).finish()
    }
}

/// Upgrades an entry to the current schema version of its type.
pub(crate) fn upcast(
    registration: &Registration,
    fields: Schema,
    entry: &mut LogEntry,
) -> Result<()> {
    let upcasters: &BTreeMap<u32, Upcaster> = &registration.upcasters;
    if upcasters.is_empty() {
        return Ok(());
    }
    let current = registration.schema.version;
    let steps = entry.schema_version..current.max(entry.schema_version);
    for (version, step) in upcasters.range(steps) {
        let mut upcast = Upcast {
            entry: &mut *entry,
            fields,
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

/// Renames a member unless the object already has one of the new name.
pub(crate) fn rename_key(fields: &mut Map<String, Value>, name: &str, to: &str) {
    if !fields.contains_key(to)
        && let Some(value) = fields.remove(name)
    {
        fields.insert(to.to_owned(), value);
    }
}
