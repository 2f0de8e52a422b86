//! What a type has under a name.

use super::schema::{FieldSchema, Place};
use super::visited::in_place;

/// What a type has at one place: fields, what is under the keys of a map, or both.
pub(crate) type Level = &'static [FieldSchema];

/// What a name in an object stands for.
pub(crate) enum Member {
    Field(&'static FieldSchema),
    /// A map's key; this describes its value.
    Value(&'static FieldSchema),
}

/// Finds a member by its present name or a former one.
pub(crate) fn member(level: Level, name: &str) -> Option<Member> {
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
pub(crate) fn is_map(level: Level) -> bool {
    map_values(level).is_some() && find(level, &|_| true).is_none()
}
