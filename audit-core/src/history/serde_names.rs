//! Renames the fields of a recorded state to the names that serde deserializes.
//!
//! The trail stores fields under `#[audit(rename = "..")]`; serde reads them under its own names. For most
//! types the names are equal, and the state is not touched. The walk also collects the fields that serde
//! does not read, for which it would set a default without an error.

use std::collections::HashSet;
use std::mem;

use serde_json::{Map, Value};

use crate::path::{Path, PathSegment};
use crate::value::flatten::{self, NameClaim};
use crate::value::schema::{FieldSchema, Placement, Reading, Sensitivity};

/// The fields of a state's type, with the names that serde deserializes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SerdeNames(&'static [FieldSchema]);

/// Always equal, since two states compare regardless of their type.
impl PartialEq for SerdeNames {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl SerdeNames {
    pub(super) fn new(fields: &'static [FieldSchema]) -> Self {
        Self(fields)
    }

    /// Returns the fields of the type; empty if the type is unknown.
    pub(super) fn fields(self) -> &'static [FieldSchema] {
        self.0
    }

    /// Returns the state with the names that serde deserializes, and its parts that serde does not
    /// deserialize.
    pub(super) fn prepare(self, state: &Value) -> (Value, Vec<Path>) {
        let mut state = state.clone();
        let mut walk = Walk::default();
        if differs_from_stored(self.0) {
            walk.prepare(&mut state, None, self.0);
        }
        (state, walk.unread)
    }
}

/// Returns whether serde deserializes any field at any depth under another name than the stored
/// one. Visits each type once, since types may contain themselves.
fn differs_from_stored(fields: &'static [FieldSchema]) -> bool {
    let mut seen = HashSet::new();
    let mut worklist = vec![fields];
    while let Some(schema) = worklist.pop() {
        if schema.iter().any(|field| field.reading != Reading::Stored) {
            return true;
        }
        if seen.insert(schema.as_ptr_range().start) {
            let inner = schema.iter().map(FieldSchema::inside);
            worklist.extend(inner.filter(|inner| !inner.is_empty()));
        }
    }
    false
}

/// A walk over a state along the fields of its type.
///
/// Several types may describe one value, such as the variants of an untagged enum, and each may
/// contain itself. Below the first of them no type prepares a value twice, so that the number of
/// steps is bounded by the number of values and types.
#[derive(Default)]
struct Walk {
    at: Vec<PathSegment>,
    /// Whether another type may describe the current value too.
    shared: bool,
    seen: HashSet<(Vec<PathSegment>, *const FieldSchema)>,
    /// The parts that serde does not deserialize.
    unread: Vec<Path>,
}

impl Walk {
    /// Prepares a value; `outer` is its enclosing object, which may have the tag of its variant.
    fn prepare(
        &mut self,
        value: &mut Value,
        outer: Option<&Map<String, Value>>,
        fields: &'static [FieldSchema],
    ) {
        if fields.is_empty() {
            return;
        }
        if !self.shared || self.seen.insert((self.at.clone(), fields.as_ptr())) {
            self.prepare_once(value, outer, fields, &mut Vec::new());
        }
    }

    /// Prepares a value one step below the current one.
    fn below(
        &mut self,
        segment: PathSegment,
        value: &mut Value,
        outer: Option<&Map<String, Value>>,
        fields: &'static [FieldSchema],
    ) {
        self.at.push(segment);
        self.prepare(value, outer, fields);
        self.at.pop();
    }

    fn leave_unread(&mut self, segment: PathSegment) {
        self.at.push(segment);
        self.unread.push(Path::from_segments(&self.at));
        self.at.pop();
    }

    /// Prepares a value; `described_by` has the types that have described it so far, since an
    /// inline type may contain itself.
    fn prepare_once(
        &mut self,
        value: &mut Value,
        outer: Option<&Map<String, Value>>,
        fields: &'static [FieldSchema],
        described_by: &mut Vec<*const FieldSchema>,
    ) {
        if fields.is_empty() || described_by.contains(&fields.as_ptr()) {
            return;
        }
        described_by.push(fields.as_ptr());
        if let Value::Array(items) = value {
            return self.prepare_items(items, outer, fields);
        }
        // Renamed at the end, so that no new name is mistaken for a stored one.
        let mut names = Vec::new();
        for field in fields {
            if !field.applies_to(value, outer) {
                continue;
            }
            match field.placement {
                Placement::Flattened(_) if field.reading == Reading::Never => {
                    let keys = value.as_object().into_iter().flat_map(Map::keys);
                    let own = keys.filter(|name| {
                        let described = flatten::member(field, name).is_some();
                        described && flatten::claim(field, name) == NameClaim::Free
                    });
                    for name in own {
                        self.leave_unread(PathSegment::Name(name.clone()));
                    }
                }
                Placement::Inline | Placement::Flattened(_)
                    if field.sensitivity != Sensitivity::Skipped =>
                {
                    let shared = mem::replace(&mut self.shared, true);
                    self.prepare_once(value, outer, field.inside(), described_by);
                    self.shared = shared;
                }
                Placement::Keys => {
                    for (key, value) in value.as_object_mut().into_iter().flatten() {
                        let key = PathSegment::Name(key.clone());
                        self.below(key, value, None, field.inside());
                    }
                }
                Placement::Named => {
                    let Some(object) = value.as_object_mut() else {
                        continue;
                    };
                    let Some(mut inner) = object.remove(field.name) else {
                        continue;
                    };
                    let name = PathSegment::Name(field.name.to_owned());
                    if field.reading == Reading::Never {
                        self.leave_unread(name);
                    } else {
                        self.below(name, &mut inner, Some(object), field.inside());
                    }
                    object.insert(field.name.to_owned(), inner);
                    if let Reading::Under(name) = field.reading {
                        names.push((field.name, name));
                    }
                }
                Placement::Inline | Placement::Flattened(_) | Placement::Indexed(_) => {}
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

    /// Prepares the items of a list or the fields of a tuple.
    fn prepare_items(
        &mut self,
        items: &mut [Value],
        outer: Option<&Map<String, Value>>,
        fields: &'static [FieldSchema],
    ) {
        let tuple = FieldSchema::tuple(fields, items, outer);
        for (index, item) in items.iter_mut().enumerate() {
            let position = tuple
                .into_iter()
                .flatten()
                .find(|field| matches!(field.placement, Placement::Indexed(at) if at == index));
            let segment = PathSegment::Index(index);
            match position {
                Some(field) if field.reading == Reading::Never => self.leave_unread(segment),
                Some(field) => self.below(segment, item, None, field.inside()),
                None => self.below(segment, item, None, fields),
            }
        }
    }
}
