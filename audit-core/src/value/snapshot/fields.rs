//! Snapshots of structs, field by field.

use serde_json::{Map, Value};

use super::Snapshot;
use crate::value::AuditValue;
use crate::value::flat::{self, Standing};
use crate::value::frozen::Tag;
use crate::value::schema::{FieldSchema, Sensitivity};

/// Collects the fields of a struct.
#[doc(hidden)]
#[derive(Debug)]
pub struct ObjectSnapshot<'s, 'a> {
    pub(super) map: Map<String, Value>,
    pub(super) cx: &'s mut Snapshot<'a>,
}

impl ObjectSnapshot<'_, '_> {
    /// Leaves out a skipped field.
    #[expect(
        clippy::unused_self,
        clippy::needless_pass_by_ref_mut,
        reason = "arrays need it"
    )]
    pub(crate) fn pass(&mut self) {}

    /// Adds a field, or for an inline (flattened) one its own fields.
    #[inline(never)]
    pub fn visit<T: AuditValue + ?Sized>(&mut self, field: &'static FieldSchema, value: &T) {
        if field.sensitivity == Sensitivity::Skipped {
            return;
        }
        self.cx.flattened = field.is_inline();
        let value = self.cx.part(field, value);
        self.cx.flattened = false;
        if self.cx.is_capturing() {
            self.map.insert(field.name.to_owned(), value);
        } else if field.is_inline() {
            self.flatten(field, value);
        } else if self.map.insert(field.name.to_owned(), value).is_some() {
            self.cx.fail(flat::taken(field.name));
        }
    }

    /// Adds the fields of a flattened value.
    #[cold]
    fn flatten(&mut self, field: &'static FieldSchema, value: Value) {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => return,
            _ => {
                self.cx.fail(flat::no_object(field));
                return;
            }
        };
        for (name, value) in fields {
            match flat::standing(field, &name) {
                Standing::PassedOver => self.cx.env.pass_over(field, &name),
                Standing::Free if !self.map.contains_key(&name) => {
                    self.map.insert(name, value);
                }
                Standing::Taken => {
                    self.cx.fail(flat::taken(&name));
                }
                Standing::Free => {
                    self.cx.fail(flat::twice(field));
                }
            }
        }
    }

    /// Adds what `build` records under a name.
    #[inline(never)]
    pub fn put(&mut self, name: &'static str, build: impl FnOnce(&mut Snapshot<'_>) -> Value) {
        let value = build(self.cx);
        let value = self.cx.tagged(Tag::Beside, value);
        if self.map.insert(name.to_owned(), value).is_some() {
            self.cx.fail(flat::taken(name));
        }
    }

    /// Adds a field unless it is absent.
    pub fn visit_optional<T: AuditValue + ?Sized>(
        &mut self,
        field: &'static FieldSchema,
        value: Option<&T>,
    ) {
        if let Some(value) = value {
            self.visit(field, value);
        }
    }
}

/// Collects the fields of a tuple struct.
#[doc(hidden)]
#[derive(Debug)]
pub struct ArraySnapshot<'s, 'a> {
    pub(super) items: Vec<Value>,
    pub(super) cx: &'s mut Snapshot<'a>,
}

impl ArraySnapshot<'_, '_> {
    /// Leaves a null for a skipped field, so that the others keep their index.
    pub(crate) fn pass(&mut self) {
        self.items.push(Value::Null);
    }

    /// Adds a field; a skipped one leaves a null, so that the others keep their index.
    #[inline(never)]
    pub fn visit<T: AuditValue + ?Sized>(&mut self, field: &'static FieldSchema, value: &T) {
        let value = self.cx.part(field, value);
        self.items.push(value);
    }

    /// Adds a field; an absent one leaves a null.
    pub fn visit_optional<T: AuditValue + ?Sized>(
        &mut self,
        field: &'static FieldSchema,
        value: Option<&T>,
    ) {
        match value {
            Some(value) => self.visit(field, value),
            None => self.items.push(Value::Null),
        }
    }
}
