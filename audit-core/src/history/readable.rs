//! Brings a recorded state into the form in which serde reads it.

use std::collections::HashSet;
use std::mem;

use serde_json::{Map, Value};

use crate::path::{Path, PathSegment};
use crate::value::flat::{self, Standing};
use crate::value::schema::{FieldSchema, Place, Reading, Sensitivity};

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
        let mut walk = Walk::default();
        if reads_otherwise(self.0) {
            walk.prepare(&mut state, None, self.0);
        }
        (state, walk.unread)
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

/// A walk over a state by the fields of its type.
///
/// Several types may describe one value, such as the variants of an untagged enum, and each may
/// hold itself: below the first of them no type prepares a value twice, so that the walk takes
/// as many steps as there are values and types.
#[derive(Default)]
struct Walk {
    at: Vec<PathSegment>,
    /// Whether another type may describe the present value too.
    shared: bool,
    seen: HashSet<(Vec<PathSegment>, *const FieldSchema)>,
    /// The parts that serde does not read.
    unread: Vec<Path>,
}

impl Walk {
    /// `around` is the object that holds the value, which may say which variant it is.
    fn prepare(
        &mut self,
        value: &mut Value,
        around: Option<&Map<String, Value>>,
        fields: &'static [FieldSchema],
    ) {
        if fields.is_empty() {
            return;
        }
        if !self.shared || self.seen.insert((self.at.clone(), fields.as_ptr())) {
            self.prepare_once(value, around, fields, &mut Vec::new());
        }
    }

    /// Prepares a value one step below the present one.
    fn below(
        &mut self,
        segment: PathSegment,
        value: &mut Value,
        around: Option<&Map<String, Value>>,
        fields: &'static [FieldSchema],
    ) {
        self.at.push(segment);
        self.prepare(value, around, fields);
        self.at.pop();
    }

    fn leave_unread(&mut self, segment: PathSegment) {
        self.at.push(segment);
        self.unread.push(Path::from_segments(&self.at));
        self.at.pop();
    }

    /// `in_place` has the types that have described the value: one may stand in its own place.
    fn prepare_once(
        &mut self,
        value: &mut Value,
        around: Option<&Map<String, Value>>,
        fields: &'static [FieldSchema],
        in_place: &mut Vec<*const FieldSchema>,
    ) {
        if fields.is_empty() || in_place.contains(&fields.as_ptr()) {
            return;
        }
        in_place.push(fields.as_ptr());
        if let Value::Array(items) = value {
            return self.prepare_items(items, around, fields);
        }
        // Renamed at the end, so that no new name is taken for a stored one.
        let mut names = Vec::new();
        for field in fields {
            if !field.applies_to(value, around) {
                continue;
            }
            match field.place {
                Place::Flat(_) if field.reading == Reading::Never => {
                    let keys = value.as_object().into_iter().flat_map(Map::keys);
                    let own = keys.filter(|name| {
                        let described = flat::member(field, name).is_some();
                        described && flat::standing(field, name) == Standing::Free
                    });
                    for name in own {
                        self.leave_unread(PathSegment::Name(name.clone()));
                    }
                }
                Place::Inline | Place::Flat(_) if field.sensitivity != Sensitivity::Skipped => {
                    let shared = mem::replace(&mut self.shared, true);
                    self.prepare_once(value, around, field.inside(), in_place);
                    self.shared = shared;
                }
                Place::Keys => {
                    for (key, value) in value.as_object_mut().into_iter().flatten() {
                        let key = PathSegment::Name(key.clone());
                        self.below(key, value, None, field.inside());
                    }
                }
                Place::Named => {
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
        &mut self,
        items: &mut [Value],
        around: Option<&Map<String, Value>>,
        fields: &'static [FieldSchema],
    ) {
        let tuple = FieldSchema::tuple(fields, items, around);
        for (index, item) in items.iter_mut().enumerate() {
            let position = tuple
                .into_iter()
                .flatten()
                .find(|field| matches!(field.place, Place::Indexed(at) if at == index));
            let segment = PathSegment::Index(index);
            match position {
                Some(field) if field.reading == Reading::Never => self.leave_unread(segment),
                Some(field) => self.below(segment, item, None, field.inside()),
                None => self.below(segment, item, None, fields),
            }
        }
    }
}
