//! Marks recorded changes of values that may change without an entry.

use serde_json::Value;

use crate::change::{Change, Changes};
use crate::path::PathSegment;
use crate::value::member::{Level, Member, member};
use crate::value::schema::{FieldSchema, Place};
use crate::value::visited::{any_inside, in_place};

/// Marks the changes that are of, or that hold, fields which may change without an entry.
pub(crate) fn mark(fields: Level, changes: &mut Changes) {
    for change in changes.list_mut() {
        change.loose = is_loose(fields, change);
    }
}

/// Whether a name stands in an object because of a flattened field that may change.
fn is_flattened(level: Level, name: &str) -> bool {
    let loose = |field: &&FieldSchema| field.is_inline() && field.is_loose();
    let mut flattened = level.iter().filter(loose);
    flattened.any(|field| member(field.inside(), name).is_some())
}

fn is_loose(fields: Level, change: &Change) -> bool {
    let mut level = fields;
    for segment in change.path.segments() {
        let field = match segment {
            PathSegment::Name(name) if is_flattened(level, &name) => return true,
            PathSegment::Name(name) => match member(level, &name) {
                Some(Member::Field(field)) => Some(field),
                Some(Member::Value(values)) => {
                    level = values.inside();
                    None
                }
                // The member of a set.
                None => return false,
            },
            PathSegment::Index(index) => in_place(level, &|field| {
                matches!(field.place, Place::Indexed(at) if at == index).then_some(field)
            }),
            PathSegment::Match { .. } => None,
        };
        if let Some(field) = field {
            if field.is_loose() {
                return true;
            }
            level = field.inside();
        }
    }
    let holds = |value: &Option<Value>| matches!(value, Some(Value::Array(_) | Value::Object(_)));
    (holds(&change.old) || holds(&change.new)) && any_inside(level, FieldSchema::is_loose)
}
