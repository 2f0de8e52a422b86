//! Walks over the fields of types, which may contain themselves.

use std::cell::Cell;
use std::collections::HashSet;

use super::schema::FieldSchema;

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
