//! Finds the fields that a state lacks in clear: skipped, masked and hashed ones.
//!
//! The walk goes along the fields of the type and the parts of the state together. A part of an untagged enum
//! may be described by several variants; the walk visits it under each of them.

use std::collections::{BTreeMap, HashSet};
use std::mem;

use serde_json::{Map, Value};

use crate::error::MissingReason;
use crate::path::{Path, PathSegment};
use crate::value::schema::{FieldSchema, Placement, Sensitivity};

/// Finds the fields that a state lacks in clear: masked and hashed fields that are present, and
/// skipped fields whose parent is present.
pub(super) fn find(
    fields: &[FieldSchema],
    state: &Value,
    found: &mut BTreeMap<Path, MissingReason>,
) {
    find_in(fields, state, None, &mut Visit::default(), found);
}

/// A walk over a state along the fields of its type.
///
/// Several types may describe one value, such as the variants of an untagged enum, and each may
/// contain itself. Below the first of them no type visits a value twice.
#[derive(Default)]
pub(super) struct Visit {
    pub(super) at: Vec<PathSegment>,
    /// Whether another type may describe the current value too.
    shared: bool,
    seen: HashSet<(*const Value, *const FieldSchema)>,
}

impl Visit {
    /// Returns whether the fields of a type should visit a value.
    pub(super) fn enter(&mut self, fields: &[FieldSchema], value: &Value) -> bool {
        !fields.is_empty() && (!self.shared || self.seen.insert((value, fields.as_ptr())))
    }

    /// Runs `visit` on a value that other types describe too.
    pub(super) fn sharing(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = mem::replace(&mut self.shared, true);
        visit(self);
        self.shared = before;
    }

    fn path(&self) -> Path {
        Path::from_segments(&self.at)
    }
}

/// Finds the missing fields of a value; `outer` is its enclosing object, which may have the tag of
/// its variant.
fn find_in(
    fields: &[FieldSchema],
    value: &Value,
    outer: Option<&Map<String, Value>>,
    visit: &mut Visit,
    found: &mut BTreeMap<Path, MissingReason>,
) {
    if !visit.enter(fields, value) {
        return;
    }
    match value {
        Value::Array(items) => return find_in_items(fields, items, outer, visit, found),
        // A map: the fields are those of its values.
        Value::Object(inner)
            if !visit.at.is_empty()
                && !inner.is_empty()
                && !fields
                    .iter()
                    .any(|field| field.is_inline() || inner.contains_key(field.name())) =>
        {
            for value in inner.values() {
                find_in(fields, value, Some(inner), visit, found);
            }
            return;
        }
        // A variant that serde writes as a unit variant, since its fields are skipped.
        Value::String(name) => {
            let named = |field: &&FieldSchema| matches!(field.placement, Placement::Named);
            let mut variants = fields.iter().filter(named);
            if let Some(variant) = variants.find(|variant| variant.name() == name) {
                find_in(variant.fields(), &Value::Null, None, visit, found);
            }
        }
        _ => {}
    }
    for field in fields {
        if field.applies_to(value, outer) {
            find_field(field, fields.len() == 1, value, visit, found);
        }
    }
}

/// Finds whether a field is missing, and the missing fields inside it; `only` is whether the type
/// has no other field.
fn find_field(
    field: &FieldSchema,
    only: bool,
    value: &Value,
    visit: &mut Visit,
    found: &mut BTreeMap<Path, MissingReason>,
) {
    let inline = field.is_inline();
    let inner = if inline {
        Some(value)
    } else {
        value.get(field.name())
    };
    if !inline {
        visit.at.push(PathSegment::Name(field.name().to_owned()));
    }
    let held = inner.is_some_and(|inner| !inner.is_null());
    match (reason(field), inner) {
        // A null lacks a field only if the type has no other one.
        (Some(MissingReason::Skipped), _)
            if value.is_object() || (inline && (!value.is_null() || only)) =>
        {
            found.insert(visit.path(), MissingReason::Skipped);
        }
        (Some(reason), _) if held => {
            found.insert(visit.path(), reason);
        }
        (None, Some(inner)) if held && inline => {
            visit.sharing(|visit| match (field.holds_map(), inner) {
                (true, Value::Object(entries)) => {
                    for value in entries.values() {
                        find_in(field.fields(), value, None, visit, found);
                    }
                }
                _ => find_in(field.fields(), inner, None, visit, found),
            });
        }
        (None, Some(inner)) if held => {
            find_in(field.fields(), inner, value.as_object(), visit, found);
        }
        (None, _) if value.is_object() && is_left_out(field, value, inner.is_none()) => {
            found.insert(visit.path(), MissingReason::Skipped);
        }
        _ => {}
    }
    if !inline {
        visit.at.pop();
    }
}

/// Finds the missing fields of a list's items or of a tuple. A field without an index in a tuple
/// is reported at the tuple's path.
fn find_in_items(
    fields: &[FieldSchema],
    items: &[Value],
    outer: Option<&Map<String, Value>>,
    visit: &mut Visit,
    found: &mut BTreeMap<Path, MissingReason>,
) {
    if let Some(tuple) = FieldSchema::tuple(fields, items, outer) {
        return find_in_tuple(tuple, items, visit, found);
    }
    for item in items {
        match item.as_array() {
            // The index in the list is not part of the path.
            Some(inner) => {
                let mut inside = BTreeMap::new();
                let at = mem::take(&mut visit.at);
                find_in_items(fields, inner, None, visit, &mut inside);
                visit.at = at;
                let reasons = inside.into_values();
                found.extend(reasons.map(|reason| (visit.path(), reason)));
            }
            None => find_in(fields, item, None, visit, found),
        }
    }
}

fn find_in_tuple(
    fields: &[FieldSchema],
    items: &[Value],
    visit: &mut Visit,
    found: &mut BTreeMap<Path, MissingReason>,
) {
    for field in fields {
        let Placement::Indexed(index) = field.placement else {
            if let Some(reason) = reason(field) {
                found.insert(visit.path(), reason);
            }
            continue;
        };
        visit.at.push(PathSegment::Index(index));
        match (reason(field), items.get(index)) {
            (Some(reason), Some(item)) if reason == MissingReason::Skipped || !item.is_null() => {
                found.insert(visit.path(), reason);
            }
            (None, Some(item)) => find_in(field.fields(), item, None, visit, found),
            _ => {}
        }
        visit.at.pop();
    }
}

/// Returns whether nothing is recorded of a field because its type, or for an absent field its
/// variant, has a single field, which is skipped.
fn is_left_out(field: &FieldSchema, object: &Value, absent: bool) -> bool {
    let only = |fields: &[FieldSchema]| match fields {
        [only] => only.is_inline() && reason(only) == Some(MissingReason::Skipped),
        _ => false,
    };
    let variant = |field: &FieldSchema| {
        field.tag.is_some() && field.applies_to(object, None) && only(field.fields())
    };
    let fields = field.fields();
    if absent {
        fields.iter().any(variant)
    } else {
        only(fields)
    }
}

/// Returns why a field is not in clear, if it is not.
fn reason(field: &FieldSchema) -> Option<MissingReason> {
    match field.sensitivity() {
        Sensitivity::Skipped => Some(MissingReason::Skipped),
        Sensitivity::Masked(_) => Some(MissingReason::Masked),
        Sensitivity::Hashed => Some(MissingReason::Hashed),
        Sensitivity::Clear => None,
    }
}
