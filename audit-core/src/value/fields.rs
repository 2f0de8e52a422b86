//! Descriptions of fields, as the derive writes them.

use super::schema::FieldSchema;

/// The fields of a type that has none, or whose fields do not matter.
pub fn no_fields() -> &'static [FieldSchema] {
    &[]
}

/// Describes a named field of a type, of which `AuditValue::AS_FIELD` is given. The name is taken
/// for one that needs no quotes in a path: the derive looks, and the compiler need not for each
/// field.
pub const fn field(
    name: &'static str,
    (nested, set): (fn() -> &'static [FieldSchema], bool),
) -> FieldSchema {
    let mut field = FieldSchema::word(name, nested);
    field.set = set;
    field
}

/// Describes a named field as [`field`] does, under a name that may need quotes in a path.
pub const fn quoted_field(
    name: &'static str,
    (nested, set): (fn() -> &'static [FieldSchema], bool),
) -> FieldSchema {
    let mut field = FieldSchema::new(name, nested);
    field.set = set;
    field
}

/// Describes the field at `index` of a tuple, of whose type `AuditValue::AS_FIELD` is given;
/// `name` is the index as text.
pub const fn indexed_field(
    index: usize,
    name: &'static str,
    (nested, set): (fn() -> &'static [FieldSchema], bool),
) -> FieldSchema {
    let mut field = FieldSchema::indexed(index, name, nested);
    field.set = set;
    field
}

/// Describes a field in its parent's place, of whose type `AuditValue::AS_FIELD` is given.
pub const fn inline_field(
    name: &'static str,
    (nested, set): (fn() -> &'static [FieldSchema], bool),
) -> FieldSchema {
    let mut field = FieldSchema::inline(name, nested);
    field.set = set;
    field
}
