//! Walks over the fields of types, which may contain themselves.

use std::cell::Cell;
use std::collections::HashSet;

use super::schema::{FieldSchema, Sensitivity, Through};

/// The types whose fields a walk has entered, each by the address of its fields.
#[derive(Debug, Default)]
pub(crate) struct Visited(HashSet<*const FieldSchema>);

impl Visited {
    /// Marks the fields of a type; returns `false` if there are none or the walk entered them
    /// before.
    pub(crate) fn enter(&mut self, fields: &[FieldSchema]) -> bool {
        !fields.is_empty() && self.0.insert(fields.as_ptr())
    }

    /// Unmarks the fields of a type, where only the types around the present one count.
    pub(crate) fn leave(&mut self, fields: &[FieldSchema]) {
        self.0.remove(&fields.as_ptr());
    }

    /// Returns whether the walk entered these fields.
    pub(crate) fn has(&self, fields: &[FieldSchema]) -> bool {
        self.0.contains(&fields.as_ptr())
    }
}

/// Returns whether a field is `wanted`, however deep; looks at each type once.
pub(crate) fn any_inside(
    fields: &'static [FieldSchema],
    wanted: impl Fn(&FieldSchema) -> bool,
) -> bool {
    let mut visited = Visited::default();
    let mut waiting = vec![fields];
    while let Some(fields) = waiting.pop() {
        if visited.enter(fields) {
            if fields.iter().any(&wanted) {
                return true;
            }
            waiting.extend(fields.iter().map(FieldSchema::inside));
            waiting.extend(fields.iter().map(FieldSchema::of_keys));
        }
    }
    false
}

/// How many newtypes may stand around each other before they count as a cycle.
const NEWTYPES: u32 = 128;

thread_local! {
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// Returns the fields, or the names, of what a newtype holds; empty if the newtype holds nothing
/// but itself, as `struct Outline(Vec<Outline>)` does.
#[doc(hidden)]
pub fn of_newtype<T>(inner: fn() -> &'static [T]) -> &'static [T] {
    let nested = NESTED.get();
    if nested >= NEWTYPES {
        return &[];
    }
    NESTED.set(nested + 1);
    let found = inner();
    NESTED.set(nested);
    found
}

/// Whether a value with these fields has something masked or hashed inside.
pub(crate) fn hides(fields: &'static [FieldSchema]) -> bool {
    // No walk for the types without fields, which most are.
    !fields.is_empty()
        && any_inside(fields, |field| {
            matches!(
                field.sensitivity,
                Sensitivity::Masked(_) | Sensitivity::Hashed
            )
        })
}

/// Returns the first answer of the fields that stand at one place: those of a level, and for a
/// field whose value has no place of its own the fields of its type.
pub(crate) fn in_place<R>(
    level: &'static [FieldSchema],
    ask: &dyn Fn(&'static FieldSchema) -> Option<R>,
) -> Option<R> {
    fn walk<R>(
        level: &'static [FieldSchema],
        ask: &dyn Fn(&'static FieldSchema) -> Option<R>,
        visited: &mut Option<Visited>,
    ) -> Option<R> {
        level.iter().find_map(|field| {
            if field.is_inline() {
                let inner = field.inside();
                let first = visited.get_or_insert_default().enter(inner);
                return if first {
                    walk(inner, ask, visited)
                } else {
                    None
                };
            }
            ask(field)
        })
    }
    walk(level, ask, &mut None)
}

/// How many pointers and cells may stand around each other before they count as a type that holds
/// nothing but itself.
const POINTERS: u32 = 128;

/// Returns the fields of what pointers and cells hold.
pub(crate) fn behind(mut fields: &'static [FieldSchema]) -> &'static [FieldSchema] {
    for _ in 0..POINTERS {
        match fields {
            [
                FieldSchema {
                    through: Through::Pointer | Through::Cell,
                    nested,
                    ..
                },
            ] => fields = nested(),
            _ => return fields,
        }
    }
    &[]
}
