//! Brings a recorded state into the form in which serde reads it.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::path::{Path, PathSegment};
use crate::schema::{FieldSchema, Place, Reading, Sensitivity};

/// The fields of the type that a state is of, as far as reading it back depends on them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Readable(&'static [FieldSchema]);

/// Two states are the same whatever is known of their type.
impl PartialEq for Readable {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Readable {
    pub(super) fn new(fields: &'static [FieldSchema]) -> Self {
        Self(fields)
    }

    /// Returns the fields of the type; empty if it is not known.
    pub(super) fn fields(self) -> &'static [FieldSchema] {
        self.0
    }

    /// Returns the state with the names that serde reads, and the parts that it holds and that
    /// serde does not read.
    pub(super) fn prepare(self, state: &Value) -> (Value, Vec<Path>) {
        let mut state = state.clone();
        let mut unread = Vec::new();
        if reads_otherwise(self.0) {
            prepare(&mut state, None, self.0, &mut Vec::new(), &mut unread);
        }
        (state, unread)
    }
}

/// Returns whether serde reads any field, at any depth, in another form than the stored one. Visits
/// each type once, since types may contain themselves.
fn reads_otherwise(fields: &'static [FieldSchema]) -> bool {
    let mut seen = HashSet::new();
    let mut waiting = vec![fields];
    while let Some(level) = waiting.pop() {
        if level.iter().any(|field| field.reading != Reading::Stored) {
            return true;
        }
        if seen.insert(level.as_ptr_range().start) {
            let inner = level.iter().map(FieldSchema::inside);
            waiting.extend(inner.filter(|inner| !inner.is_empty()));
        }
    }
    false
}

/// `around` is the object that holds the value, which may say which variant it is.
fn prepare(
    value: &mut Value,
    around: Option<&Map<String, Value>>,
    fields: &'static [FieldSchema],
    at: &mut Vec<PathSegment>,
    unread: &mut Vec<Path>,
) {
    prepare_once(value, around, fields, at, &mut Vec::new(), unread);
}

/// `seen` has the types that have described the value: one may stand in its own place.
fn prepare_once(
    value: &mut Value,
    around: Option<&Map<String, Value>>,
    fields: &'static [FieldSchema],
    at: &mut Vec<PathSegment>,
    seen: &mut Vec<*const FieldSchema>,
    unread: &mut Vec<Path>,
) {
    if fields.is_empty() || seen.contains(&fields.as_ptr()) {
        return;
    }
    seen.push(fields.as_ptr());
    if let Value::Array(items) = value {
        return prepare_items(items, around, fields, at, unread);
    }
    // Renamed at the end, so that no new name is taken for a stored one.
    let mut names = Vec::new();
    for field in fields {
        if !field.applies_to(value, around) {
            continue;
        }
        match field.place {
            Place::Inline | Place::Flat(_) if field.sensitivity != Sensitivity::Skipped => {
                prepare_once(value, around, field.inside(), at, seen, unread);
            }
            Place::Keys => {
                for (key, value) in value.as_object_mut().into_iter().flatten() {
                    at.push(PathSegment::Name(key.clone()));
                    prepare(value, None, field.inside(), at, unread);
                    at.pop();
                }
            }
            Place::Named => {
                let Some(object) = value.as_object_mut() else {
                    continue;
                };
                let Some(mut inner) = object.remove(field.name) else {
                    continue;
                };
                at.push(PathSegment::Name(field.name.to_owned()));
                if field.reading == Reading::Never {
                    unread.push(Path::from_segments(at));
                } else {
                    prepare(&mut inner, Some(object), field.inside(), at, unread);
                }
                at.pop();
                object.insert(field.name.to_owned(), inner);
                if let Reading::Under(name) = field.reading {
                    names.push((field.name, name));
                }
            }
            Place::Inline | Place::Flat(_) | Place::Indexed(_) => {}
        }
    }
    if let Some(object) = value.as_object_mut() {
        let taken: Vec<_> = names
            .into_iter()
            .filter_map(|(stored, name)| Some((name, object.remove(stored)?)))
            .collect();
        for (name, value) in taken {
            object.insert(name.to_owned(), value);
        }
    }
}

/// The items of a list, or the fields of a tuple.
fn prepare_items(
    items: &mut [Value],
    around: Option<&Map<String, Value>>,
    fields: &'static [FieldSchema],
    at: &mut Vec<PathSegment>,
    unread: &mut Vec<Path>,
) {
    let tuple = FieldSchema::tuple(fields, items, around);
    for (index, item) in items.iter_mut().enumerate() {
        let position = tuple
            .into_iter()
            .flatten()
            .find(|field| matches!(field.place, Place::Indexed(at) if at == index));
        at.push(PathSegment::Index(index));
        match position {
            Some(field) if field.reading == Reading::Never => {
                unread.push(Path::from_segments(at));
            }
            Some(field) => prepare(item, None, field.inside(), at, unread),
            None => prepare(item, None, fields, at, unread),
        }
        at.pop();
    }
}
