//! Walks over field schemas, which are cyclic for types that contain themselves.
//!
//! A schema is a static slice of fields, and each field has a function that returns the fields of its type.
//! A type is identified by the address of its slice; a walk that enters each address once ends.

use std::cell::Cell;
use std::collections::HashSet;

use super::schema::{FieldSchema, Indirection, Sensitivity};

/// The types that a walk has entered, each identified by the address of its fields.
#[derive(Debug, Default)]
pub(crate) struct Visited(HashSet<*const FieldSchema>);

impl Visited {
    /// Marks a type as entered. Returns `false` if it has no fields or was entered before.
    pub(crate) fn enter(&mut self, fields: &[FieldSchema]) -> bool {
        !fields.is_empty() && self.0.insert(fields.as_ptr())
    }

    /// Unmarks a type, for walks that track only the enclosing types.
    pub(crate) fn leave(&mut self, fields: &[FieldSchema]) {
        self.0.remove(&fields.as_ptr());
    }

    /// Returns whether the walk has entered the type with these fields.
    pub(crate) fn has(&self, fields: &[FieldSchema]) -> bool {
        self.0.contains(&fields.as_ptr())
    }
}

/// Returns whether any field at any depth satisfies `predicate`. Visits each type once.
pub(crate) fn any_field(
    fields: &'static [FieldSchema],
    predicate: impl Fn(&FieldSchema) -> bool,
) -> bool {
    let mut visited = Visited::default();
    let mut worklist = vec![fields];
    while let Some(fields) = worklist.pop() {
        if visited.enter(fields) {
            if fields.iter().any(&predicate) {
                return true;
            }
            worklist.extend(fields.iter().map(FieldSchema::inside));
            worklist.extend(fields.iter().map(FieldSchema::key_fields));
        }
    }
    false
}

/// The maximum nesting of newtypes. Deeper nesting is a cycle.
const MAX_NEWTYPES: u32 = 128;

thread_local! {
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// Returns the fields or the names of a newtype's content. Empty if the newtype contains nothing
/// but itself, as `struct Outline(Vec<Outline>)` does.
#[doc(hidden)]
pub fn of_newtype<T>(inner: fn() -> &'static [T]) -> &'static [T] {
    let nested = NESTED.get();
    if nested >= MAX_NEWTYPES {
        return &[];
    }
    NESTED.set(nested + 1);
    let found = inner();
    NESTED.set(nested);
    found
}

/// Returns whether a value with these fields contains a masked or hashed part.
pub(crate) fn hides(fields: &'static [FieldSchema]) -> bool {
    // Fast path for types without fields, which most are.
    !fields.is_empty()
        && any_field(fields, |field| {
            matches!(
                field.sensitivity,
                Sensitivity::Masked(_) | Sensitivity::Hashed
            )
        })
}

/// Returns the first result of `find` for the fields that share one object: those of the schema
/// and, for an inline or flattened field, those of its type.
pub(crate) fn find_in_object<R>(
    schema: &'static [FieldSchema],
    find: &dyn Fn(&'static FieldSchema) -> Option<R>,
) -> Option<R> {
    fn walk<R>(
        schema: &'static [FieldSchema],
        find: &dyn Fn(&'static FieldSchema) -> Option<R>,
        visited: &mut Option<Visited>,
    ) -> Option<R> {
        schema.iter().find_map(|field| {
            if field.is_inline() {
                let inner = field.inside();
                let first = visited.get_or_insert_default().enter(inner);
                return if first {
                    walk(inner, find, visited)
                } else {
                    None
                };
            }
            find(field)
        })
    }
    walk(schema, find, &mut None)
}

/// The maximum nesting of pointers and cells in a type. A deeper type contains nothing but itself.
const MAX_POINTERS: u32 = 128;

/// Returns the fields of the value inside pointers and cells.
pub(crate) fn peel_pointers(mut fields: &'static [FieldSchema]) -> &'static [FieldSchema] {
    for _ in 0..MAX_POINTERS {
        match fields {
            [
                FieldSchema {
                    indirection: Indirection::Pointer | Indirection::Cell,
                    nested,
                    ..
                },
            ] => fields = nested(),
            _ => return fields,
        }
    }
    &[]
}
