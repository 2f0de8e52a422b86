//! Finds the schema of a member of an object by name.

use super::schema::{FieldSchema, Placement};
use super::schema_walk::find_in_object;

/// The schema of a value: its fields, the description of a map's values, or both.
pub(crate) type Schema = &'static [FieldSchema];

/// The schema of an object's member.
pub(crate) enum Member {
    Field(&'static FieldSchema),
    /// A key of a map, with the description of the map's values.
    Value(&'static FieldSchema),
}

/// Finds a member by its current name or a former one.
pub(crate) fn member(schema: Schema, name: &str) -> Option<Member> {
    let named = find(schema, &|field| field.name() == name);
    named
        .or_else(|| find(schema, &|field| field.aliases().contains(&name)))
        .map(Member::Field)
        .or_else(|| map_values(schema).map(Member::Value))
}

fn find(schema: Schema, predicate: &dyn Fn(&FieldSchema) -> bool) -> Option<&'static FieldSchema> {
    find_in_object(schema, &|field| match field.placement {
        Placement::Inline | Placement::Flattened(_) | Placement::Keys => None,
        Placement::Named | Placement::Indexed(_) => predicate(field).then_some(field),
    })
}

/// Returns the description of a map's values, if the schema is or contains a map.
pub(crate) fn map_values(schema: Schema) -> Option<&'static FieldSchema> {
    find_in_object(schema, &|field| {
        matches!(field.placement, Placement::Keys).then_some(field)
    })
}

/// Returns whether every name is the key of a map.
pub(crate) fn is_map(schema: Schema) -> bool {
    map_values(schema).is_some() && find(schema, &|_| true).is_none()
}
