//! Snapshots of structs, field by field.

use serde_json::{Map, Value};

use super::Snapshot;
use crate::value::AuditValue;
use crate::value::capture::Tag;
use crate::value::flatten::{self, NameClaim};
use crate::value::schema::{FieldSchema, Sensitivity};

/// Collects the fields of a struct.
#[doc(hidden)]
#[derive(Debug)]
pub struct ObjectSnapshot<'s, 'a> {
    pub(super) map: Map<String, Value>,
    pub(super) cx: &'s mut Snapshot<'a>,
}

impl ObjectSnapshot<'_, '_> {
    /// Omits a skipped field.
    #[expect(
        clippy::unused_self,
        clippy::needless_pass_by_ref_mut,
        reason = "same signature as for arrays"
    )]
    pub(crate) fn skip_field(&mut self) {}

    /// Adds a field, or the members of a flattened one.
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
            self.cx.fail(flatten::name_conflict(field.name));
        }
    }

    /// Adds the members of a flattened value.
    #[cold]
    fn flatten(&mut self, field: &'static FieldSchema, value: Value) {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => return,
            _ => {
                self.cx.fail(flatten::not_an_object(field));
                return;
            }
        };
        for (name, value) in fields {
            match flatten::claim(field, &name) {
                NameClaim::Shadowed => self.cx.env.note_shadowed_key(field, &name),
                NameClaim::Free if !self.map.contains_key(&name) => {
                    self.map.insert(name, value);
                }
                NameClaim::Conflict => {
                    self.cx.fail(flatten::name_conflict(&name));
                }
                NameClaim::Free => {
                    self.cx.fail(flatten::key_conflict(field));
                }
            }
        }
    }

    /// Adds the result of `build` under a name.
    #[inline(never)]
    pub fn put(&mut self, name: &'static str, build: impl FnOnce(&mut Snapshot<'_>) -> Value) {
        let value = build(self.cx);
        let value = self.cx.tagged(Tag::Extra, value);
        if self.map.insert(name.to_owned(), value).is_some() {
            self.cx.fail(flatten::name_conflict(name));
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
    /// Adds a null for a skipped field, so that the other fields keep their indices.
    pub(crate) fn skip_field(&mut self) {
        self.items.push(Value::Null);
    }

    /// Adds a field, or a null for a skipped one, so that the other fields keep their indices.
    #[inline(never)]
    pub fn visit<T: AuditValue + ?Sized>(&mut self, field: &'static FieldSchema, value: &T) {
        let value = self.cx.part(field, value);
        self.items.push(value);
    }

    /// Adds a field, or a null for an absent one.
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
