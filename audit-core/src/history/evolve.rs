//! Entries of former schemas, in the form of the present one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::change::{Change, Changes, Redaction};
use crate::entry::LogEntry;
use crate::error::{Error, Result};
use crate::log::AuditLog;
use crate::path::{ParsePathError, Path, PathSegment};
use crate::registry::{Registration, rules};
use crate::value::schema::{FieldSchema, Place, in_place};
use crate::value::visited::any_inside;

/// What brings an entry of one schema version to the next.
pub(crate) type Upcaster = Box<dyn Fn(&mut Upcast<'_>) + Send + Sync>;

/// An entry of a former schema version, on its way to the next one.
///
/// What is done to a field is done to it in the changes and in the snapshot alike. Only what
/// [`history`](crate::history()) reads is brought to the present; the stored entry stays as
/// it is. See [`RegisterOptions::upcast`](crate::RegisterOptions::upcast).
pub struct Upcast<'e> {
    entry: &'e mut LogEntry,
    /// Those of the present type.
    fields: Level,
    invalid: Option<ParsePathError>,
}

impl Upcast<'_> {
    /// Returns the entry, such as to ask when it was made.
    pub fn entry(&self) -> &LogEntry {
        self.entry
    }

    /// Gives a field another name: `rename("address.town", "city")`. Where there is a field of
    /// that name already, both stay as they are.
    ///
    /// A field that only changed its name needs no upcaster: `#[audit(alias = "..")]` does.
    pub fn rename(&mut self, field: &str, to: &str) {
        let Some(names) = self.field(field) else {
            return;
        };
        self.edit(&names, &mut |fields, name| give_name(fields, name, to));
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

    /// Takes a field out that there is no more.
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
            Ok(path) => Some(rules::names(&path)).filter(|names| !names.is_empty()),
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

/// A place on the way to a field.
#[derive(Clone, Copy)]
struct Search<'n> {
    /// What the type has here; `None` inside of what the present type does not have.
    level: Option<Level>,
    /// The names still to come.
    rest: &'n [String],
}

impl<'n> Search<'n> {
    fn new(fields: Level, names: &'n [String]) -> Self {
        Self {
            level: Some(fields),
            rest: names,
        }
    }

    /// Goes one step inside; `None` if the field does not lie there.
    fn enter(self, name: &str) -> Option<Self> {
        let (wanted, later) = self.rest.split_first()?;
        let (level, rest) = match self.level {
            // Whatever is not looked for may be the key of a map.
            None if wanted != name => (None, self.rest),
            None => (None, later),
            Some(level) => match member(level, name) {
                Some(Member::Value(values)) if is_map(level) => (Some(values.inside()), self.rest),
                Some(Member::Field(field)) if wanted == name => (Some(field.inside()), later),
                _ if wanted == name => (None, later),
                _ => return None,
            },
        };
        Some(Self { level, rest })
    }

    /// Goes along a path until the field is reached; returns after how many steps that was.
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

    /// After how many steps a path reaches the field, if it does.
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
                    && !self.level.is_some_and(is_map)
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

/// What brings the entries of a model to the present.
#[derive(Clone, Debug)]
pub(super) struct Evolution {
    pub(super) fields: &'static [FieldSchema],
    registration: Option<Arc<Registration>>,
    /// Whether any field had another name.
    renamed: bool,
}

impl Evolution {
    /// For a model by its stored name: what is registered under it, if anything is.
    pub(super) fn of(log: &AuditLog, model: &str) -> Self {
        let registration = log.shared().registry.get(model);
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
    pub(super) fn with_fields(mut self, fields: &'static [FieldSchema]) -> Self {
        if !std::ptr::eq(self.fields, fields) {
            self.fields = fields;
            self.renamed = has_aliases(fields);
        }
        self
    }

    /// Brings an entry to the present.
    pub(super) fn bring(&self, entry: &mut LogEntry) -> Result<()> {
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

fn upcast(registration: &Registration, fields: Level, entry: &mut LogEntry) -> Result<()> {
    let upcasters: &BTreeMap<u32, Upcaster> = &registration.upcasters;
    if upcasters.is_empty() {
        return Ok(());
    }
    let present = registration.schema.version;
    let steps = entry.schema_version..present.max(entry.schema_version);
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

/// Whether any field had another name, however deep.
fn has_aliases(fields: Level) -> bool {
    any_inside(fields, |field| !field.aliases().is_empty())
}

/// What a type has at one place: fields, what is under the keys of a map, or both.
pub(super) type Level = &'static [FieldSchema];

/// What a name in an object stands for.
pub(super) enum Member {
    Field(&'static FieldSchema),
    /// A map's key; this describes its value.
    Value(&'static FieldSchema),
}

/// Finds a member by its present name or a former one.
pub(super) fn member(level: Level, name: &str) -> Option<Member> {
    let named = find(level, &|field| field.name() == name);
    named
        .or_else(|| find(level, &|field| field.aliases().contains(&name)))
        .map(Member::Field)
        .or_else(|| map_values(level).map(Member::Value))
}

fn find(level: Level, wanted: &dyn Fn(&FieldSchema) -> bool) -> Option<&'static FieldSchema> {
    in_place(level, &|field| match field.place {
        Place::Inline | Place::Flat(_) | Place::Keys => None,
        Place::Named | Place::Indexed(_) => wanted(field).then_some(field),
    })
}

/// What is under the keys of the map that stands here, alone or beside fields.
fn map_values(level: Level) -> Option<&'static FieldSchema> {
    in_place(level, &|field| {
        matches!(field.place, Place::Keys).then_some(field)
    })
}

/// Whether every name here is the key of a map.
fn is_map(level: Level) -> bool {
    map_values(level).is_some() && find(level, &|_| true).is_none()
}

/// Gives a member another name, unless there is one of that name.
fn give_name(fields: &mut Map<String, Value>, name: &str, to: &str) {
    if !fields.contains_key(to)
        && let Some(value) = fields.remove(name)
    {
        fields.insert(to.to_owned(), value);
    }
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
