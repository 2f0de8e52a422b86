//! Constructors of field schemas for the code that the derive generates.

use super::schema::FieldSchema;

/// Returns no fields, for a type without fields or whose fields are irrelevant.
pub fn no_fields() -> &'static [FieldSchema] {
    &[]
}

/// Describes a named field; the second argument is `AuditValue::AS_FIELD` of its type. The derive
/// has checked that the name needs no quotes in a path, so that the compiler need not evaluate it.
pub const fn field(
    name: &'static str,
    (nested, set): (fn() -> &'static [FieldSchema], bool),
) -> FieldSchema {
    let mut field = FieldSchema::word(name, nested);
    field.set = set;
    field
}

/// Describes a named field as [`field`] does; the name may need quotes in a path.
pub const fn quoted_field(
    name: &'static str,
    (nested, set): (fn() -> &'static [FieldSchema], bool),
) -> FieldSchema {
    let mut field = FieldSchema::new(name, nested);
    field.set = set;
    field
}

/// Describes the field at `index` of a tuple; `name` is the index as text.
pub const fn indexed_field(
    index: usize,
    name: &'static str,
    (nested, set): (fn() -> &'static [FieldSchema], bool),
) -> FieldSchema {
    let mut field = FieldSchema::indexed(index, name, nested);
    field.set = set;
    field
}

/// Describes a field whose value is recorded as its parent's value.
pub const fn inline_field(
    name: &'static str,
    (nested, set): (fn() -> &'static [FieldSchema], bool),
) -> FieldSchema {
    let mut field = FieldSchema::inline(name, nested);
    field.set = set;
    field
}
