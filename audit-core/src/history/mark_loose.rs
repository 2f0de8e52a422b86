//! Sets [`Change::loose`] on recorded changes.

use serde_json::Value;

use crate::change::{Change, Changes};
use crate::path::PathSegment;
use crate::value::schema::{FieldSchema, Placement};
use crate::value::schema_lookup::{Member, Schema, member};
use crate::value::schema_walk::{any_field, find_in_object};

/// Marks the changes of fields, or with fields inside, that may change without an entry.
pub(crate) fn mark_loose(fields: Schema, changes: &mut Changes) {
    for change in changes.list_mut() {
        change.loose = may_change_silently(fields, change);
    }
}

/// Returns whether a name is a member of a flattened field that may change without an entry.
fn is_flattened(schema: Schema, name: &str) -> bool {
    let loose = |field: &&FieldSchema| field.is_inline() && field.may_change_silently();
    let mut flattened = schema.iter().filter(loose);
    flattened.any(|field| member(field.inside(), name).is_some())
}

fn may_change_silently(fields: Schema, change: &Change) -> bool {
    let mut schema = fields;
    for segment in change.path.segments() {
        let field = match segment {
            PathSegment::Name(name) if is_flattened(schema, &name) => return true,
            PathSegment::Name(name) => match member(schema, &name) {
                Some(Member::Field(field)) => Some(field),
                Some(Member::Value(values)) => {
                    schema = values.inside();
                    None
                }
                // The member of a set.
                None => return false,
            },
            PathSegment::Index(index) => find_in_object(schema, &|field| {
                matches!(field.placement, Placement::Indexed(at) if at == index).then_some(field)
            }),
            PathSegment::Match { .. } => None,
        };
        if let Some(field) = field {
            if field.may_change_silently() {
                return true;
            }
            schema = field.inside();
        }
    }
    let holds = |value: &Option<Value>| matches!(value, Some(Value::Array(_) | Value::Object(_)));
    (holds(&change.old) || holds(&change.new))
        && any_field(schema, FieldSchema::may_change_silently)
}
