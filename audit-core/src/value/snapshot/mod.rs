//! Records values as JSON, with secrets in masked form.
//!
//! A [`Snapshot`] is the context that [`AuditValue::snapshot`] gets: the depth, the keys for hashed fields,
//! and the rules of registered models. Redaction happens while the value is recorded, so no clear text of a
//! secret exists in a result that could be logged or stored.

mod fields;

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use self::fields::{ArraySnapshot, ObjectSnapshot};
use super::AuditValue;
use super::capture::{Capture, Tag};
use super::env::{Env, Redactions};
use super::hash::HashKeys;
use super::schema::{FieldSchema, Sensitivity};
use super::walk::Fields;
use crate::change::Redaction;
use crate::error::ValueError;
use crate::json::nesting::MAX_DEPTH;
use crate::mask::HIDDEN;

/// The maximum number of objects and arrays in a snapshot: more than an entry of the default
/// maximum size can hold.
const MAX_PARTS: usize = 1 << 20;

/// Returns a value as JSON, with every secret in its masked form and without skipped fields.
///
/// A pure function: it reads neither the registry nor the context. States of a
/// [`History`](crate::History) have the same form.
///
/// # Panics
/// Panics if the value nests deeper than [`MAX_DEPTH`] or a field marked `#[audit(serde)]` fails to
/// serialize. [`try_snapshot`] returns an error instead.
///
/// # Example: a masked field and a skipped one
/// ```
/// use auditlog::Auditable;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
///     #[audit(mask = "last4")]
///     phone: String,
///     #[audit(skip)]
///     password_hash: String,
/// }
///
/// let user = User { id: 1, phone: "+15551234567".into(), password_hash: "$2b$..".into() };
/// assert_eq!(auditlog::snapshot(&user), serde_json::json!({"id": 1, "phone": "****4567"}));
/// ```
pub fn snapshot<T: AuditValue + ?Sized>(value: &T) -> Value {
    match try_snapshot(value) {
        Ok(value) => value,
        Err(error) => panic!("cannot take a snapshot of the value: {error}"),
    }
}

/// Takes a snapshot as [`snapshot`] does, but returns an error instead of panicking.
///
/// # Errors
/// Returns [`ValueError`] if the value nests deeper than [`MAX_DEPTH`] or cannot be serialized.
pub fn try_snapshot<T: AuditValue + ?Sized>(value: &T) -> Result<Value, ValueError> {
    let mut env = Env::default();
    let value = value.snapshot(&mut Snapshot::at_depth(&mut env, 0));
    match env.into_error() {
        Some(error) => Err(error),
        None => Ok(value),
    }
}

/// Returns a form that is equal for values that the trail treats as the same, for matching items.
/// It contains secrets in clear and must not be recorded.
pub(crate) fn comparable_value<T: AuditValue + ?Sized>(value: &T) -> Value {
    comparable_snapshot(value).0
}

/// Returns the result of [`comparable_value`] and whether the recorded form differs from it.
pub(crate) fn comparable_snapshot<T: AuditValue + ?Sized>(value: &T) -> (Value, bool) {
    let mut env = Env::default();
    let mut cx = Snapshot::at_depth(&mut env, 0).comparable();
    let value = value.snapshot(&mut cx);
    (value, cx.form_differs)
}

/// Returns a value in its recorded form.
pub(crate) fn recorded_value<T: AuditValue + ?Sized>(value: &T) -> Value {
    value.snapshot(&mut Snapshot::at_depth(&mut Env::default(), 0))
}

/// The context of [`AuditValue::snapshot`]: the current depth, the hash keys and the first error.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags")]
pub struct Snapshot<'a> {
    env: &'a mut Env,
    depth: usize,
    inlined: usize,
    redacted: bool,
    /// Whether the value's members become members of the enclosing object.
    flattened: bool,
    /// The depth of the objects whose members' redactions are noted: the outermost one and those
    /// flattened into it.
    noted_depth: usize,
    /// Whether values that the trail treats as the same must have one form.
    comparable: bool,
    /// Whether the comparable form differs from the recorded one.
    form_differs: bool,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn at_depth(env: &'a mut Env, depth: usize) -> Self {
        Self {
            env,
            depth,
            inlined: 0,
            redacted: false,
            flattened: false,
            noted_depth: 1,
            comparable: false,
            form_differs: false,
        }
    }

    /// Returns the keys of the keyed hashes.
    pub(crate) fn keys(&mut self) -> Arc<HashKeys> {
        Arc::clone(self.env.keys())
    }

    /// Gives values that the trail treats as the same one form, such as decimals of two scales.
    pub(crate) fn comparable(mut self) -> Self {
        self.comparable = true;
        self
    }

    /// Returns the recorded form of a scalar, or in a comparable snapshot the result of
    /// `comparison_form`.
    #[inline]
    pub(crate) fn scalar_form(
        &mut self,
        value: Value,
        comparison_form: fn(Value) -> Value,
    ) -> Value {
        if self.is_capturing() {
            let compared = comparison_form(value.clone());
            return self.capture_scalar(&compared, value);
        }
        if !self.comparable {
            return value;
        }
        let compared = comparison_form(value.clone());
        self.comparison_or(compared, value)
    }

    /// Returns the recorded form of a value, or in a comparable snapshot the `compared` form.
    pub(crate) fn comparison_or(&mut self, compared: Value, recorded: Value) -> Value {
        if !self.comparable {
            return recorded;
        }
        self.form_differs |= compared != recorded;
        compared
    }

    /// Sets whether the value's members become members of the enclosing object.
    pub(crate) fn flattened(mut self, flattened: bool) -> Self {
        self.flattened = flattened;
        if flattened {
            self.noted_depth = self.depth;
        }
        self
    }

    /// Notes how the members of the current value are redacted, if it is flattened into an object
    /// whose redactions are noted.
    pub(crate) fn note_members(
        &mut self,
        members: impl FnOnce() -> Vec<(Cow<'static, str>, Redaction)>,
    ) {
        if self.flattened
            && let Some(redactions) = self.noted()
        {
            for (name, redaction) in members() {
                redactions.note(name, redaction);
            }
        }
    }

    /// Returns the redactions of the members of the current object, if they are noted.
    fn noted(&mut self) -> Option<&mut Redactions> {
        let noted = self.is_noting();
        noted.then(|| self.env.notes().redactions.get_or_insert_default())
    }

    /// Returns whether the redactions of the members of the current object are noted.
    pub(crate) fn is_noting(&self) -> bool {
        self.env.noting && self.depth == self.noted_depth
    }

    /// Records the value under a key of an object whose redactions are noted.
    #[cold]
    pub(crate) fn noted_value<T: AuditValue + ?Sized>(&mut self, key: &str, value: &T) -> Value {
        let before = mem::take(&mut self.redacted);
        let value = value.snapshot(self);
        if self.redacted
            && let Some(redactions) = self.noted()
        {
            redactions.note(key.to_owned().into(), Redaction::Partial);
        }
        self.redacted |= before;
        value
    }

    /// Returns whether values are captured for a comparison after a change.
    #[inline]
    pub(crate) fn is_capturing(&self) -> bool {
        self.env.capture().is_some()
    }

    pub(crate) fn capture(&mut self) -> Option<&mut Capture> {
        self.env.notes.as_mut()?.capture.as_deref_mut()
    }

    /// Runs `snapshot` without capturing.
    pub(crate) fn uncaptured(&mut self, snapshot: &mut dyn FnMut(&mut Self) -> Value) -> Value {
        let notes = self.env.notes.as_mut();
        let Some(capture) = notes.and_then(|notes| notes.capture.take()) else {
            return snapshot(self);
        };
        let value = snapshot(self);
        self.env.notes().capture = Some(capture);
        value
    }

    /// Marks the current value as redacted.
    pub(crate) fn redact(&mut self) {
        self.redacted = true;
    }

    /// Returns whether the value contains a masked or hashed part.
    pub(crate) fn redacted(&self) -> bool {
        self.redacted
    }

    /// Reports that the value cannot be represented. The draft or `try_snapshot` then fails.
    ///
    /// # Example: a value without a JSON form
    /// ```
    /// use auditlog::{AuditValue, Snapshot, ValueError};
    ///
    /// struct Handle(Option<u32>);
    ///
    /// impl AuditValue for Handle {
    ///     fn same(&self, other: &Self) -> bool {
    ///         self.0 == other.0
    ///     }
    ///     fn snapshot(&self, cx: &mut Snapshot<'_>) -> serde_json::Value {
    ///         match self.0 {
    ///             Some(number) => number.into(),
    ///             None => cx.fail("the handle is closed"),
    ///         }
    ///     }
    /// }
    ///
    /// assert_eq!(auditlog::try_snapshot(&Handle(Some(3))), Ok(3.into()));
    /// let error = auditlog::try_snapshot(&Handle(None)).unwrap_err();
    /// assert!(matches!(error, ValueError::Unrepresentable { .. }));
    /// ```
    pub fn fail(&mut self, message: impl Into<String>) -> Value {
        self.env.fail(ValueError::Unrepresentable {
            message: message.into(),
        });
        Value::Null
    }

    /// Returns `***` for a value that is never shown.
    pub(crate) fn hidden(&mut self) -> Value {
        self.redacted = true;
        Value::String(HIDDEN.to_owned())
    }

    /// Runs `build` one level deeper, or fails at the depth limit.
    pub(crate) fn nested(&mut self, build: impl FnOnce(&mut Self) -> Value) -> Value {
        if self.env.failed() {
            return Value::Null;
        }
        if self.depth >= MAX_DEPTH {
            return self.too_deep();
        }
        self.env.built += 1;
        if self.env.built > MAX_PARTS {
            self.env.fail(ValueError::TooLarge { limit: MAX_PARTS });
            return Value::Null;
        }
        let flattened = mem::replace(&mut self.flattened, false);
        let noted_depth = self.noted_depth;
        if flattened && noted_depth == self.depth {
            self.noted_depth += 1;
        }
        self.depth += 1;
        let value = build(self);
        self.depth -= 1;
        self.flattened = flattened;
        self.noted_depth = noted_depth;
        value
    }

    /// Runs `build` on the same level. The step is counted, since a newtype may contain itself.
    fn inline(&mut self, build: impl FnOnce(&mut Self) -> Value) -> Value {
        if self.env.failed() {
            return Value::Null;
        }
        if self.inlined >= MAX_DEPTH {
            return self.too_deep();
        }
        self.inlined += 1;
        let value = build(self);
        self.inlined -= 1;
        value
    }

    /// Reports that the value nests too deeply.
    pub(crate) fn too_deep(&mut self) -> Value {
        self.env.fail(ValueError::TooDeep {
            path: String::new(),
            limit: MAX_DEPTH,
        });
        Value::Null
    }

    /// Returns whether the recorded form of a value with these fields omits or hides a part of it.
    pub(crate) fn hides_parts(&self, fields: &'static [FieldSchema]) -> bool {
        self.env.hides_parts(fields)
    }

    /// Returns the text of a map's key and whether any part of it is hidden.
    pub(crate) fn key_text<T: AuditValue + ?Sized>(&mut self, key: &T) -> (String, bool) {
        let mut text = String::with_capacity(20);
        let mut cx = Snapshot::at_depth(self.env, self.depth);
        key.write_text(&mut text, &mut cx);
        let redacted = cx.redacted;
        self.redacted |= redacted;
        (text, redacted)
    }

    /// Builds the object of a struct with named fields.
    #[doc(hidden)]
    #[inline(never)]
    pub fn object(&mut self, fill: impl FnOnce(&mut ObjectSnapshot<'_, '_>)) -> Value {
        self.nested(|cx| {
            let mut object = ObjectSnapshot {
                map: Map::new(),
                cx,
            };
            fill(&mut object);
            let map = object.map;
            cx.tagged(Tag::Struct, Value::Object(map))
        })
    }

    /// Builds the array of a tuple struct.
    #[doc(hidden)]
    #[inline(never)]
    pub fn array(&mut self, fill: impl FnOnce(&mut ArraySnapshot<'_, '_>)) -> Value {
        self.nested(|cx| {
            let mut array = ArraySnapshot {
                items: Vec::new(),
                cx,
            };
            fill(&mut array);
            let items = array.items;
            cx.tagged(Tag::Struct, Value::Array(items))
        })
    }

    /// Records a struct with named fields.
    #[doc(hidden)]
    #[inline]
    pub fn struct_object<T: Fields>(&mut self, value: &T) -> Value {
        self.object(|object| value.walk(value, object))
    }

    /// Applies the rules that `register_with` set for an entity's model.
    #[doc(hidden)]
    #[inline]
    pub fn entity(&mut self, fields: &'static [FieldSchema], value: Value) -> Value {
        if self.env.model_rules.is_some() {
            self.apply_rules(fields, value)
        } else {
            value
        }
    }

    #[cold]
    #[inline(never)]
    fn apply_rules(&mut self, fields: &'static [FieldSchema], mut value: Value) -> Value {
        let outermost = self.depth == 0 && self.inlined == 0;
        let rules = self.env.model_rules.as_ref();
        if let Some(capture) = self.env.capture() {
            return match rules.and_then(|model_rules| model_rules.for_fields(fields, outermost)) {
                Some(rules) => capture.under(rules, &value),
                None => value,
            };
        }
        if let Some(rules) = rules.and_then(|model_rules| model_rules.for_fields(fields, outermost))
        {
            let masked = rules.apply_to_snapshot(&mut value);
            let members = masked.then(|| rules.masked(&value));
            self.redacted |= masked;
            if let Some(members) = members {
                self.note_members(|| members);
            }
        }
        value
    }

    /// Returns whether the model's rules forbid paths to show the value of a field.
    pub(crate) fn hides_field(&self, fields: &'static [FieldSchema], name: &str) -> bool {
        let model_rules = self.env.model_rules();
        let rules = model_rules.and_then(|model_rules| model_rules.for_fields(fields, false));
        rules.is_some_and(|rules| rules.hides_field(name))
    }

    /// Records a tuple struct.
    #[doc(hidden)]
    #[inline]
    pub fn struct_array<T: Fields>(&mut self, value: &T) -> Value {
        self.array(|array| value.walk(value, array))
    }

    /// Builds `{name: content}`, the form of an enum's data variant.
    #[doc(hidden)]
    #[inline(never)]
    pub fn variant(
        &mut self,
        name: &'static str,
        content: impl FnOnce(&mut Snapshot<'_>) -> Value,
    ) -> Value {
        self.nested(|cx| {
            let content = content(cx);
            if cx.is_capturing() {
                return cx.tagged(Tag::Variant(name), content);
            }
            Value::Object(Map::from_iter([(name.to_owned(), content)]))
        })
    }

    /// Records a variant whose content is not wrapped in an object named after it.
    #[doc(hidden)]
    #[inline]
    pub fn bare_variant(&mut self, name: &'static str, content: Value) -> Value {
        self.tagged(Tag::BareVariant(name), content)
    }

    /// Records a struct with named fields together with its internal tag.
    #[doc(hidden)]
    #[inline]
    pub fn tagged_object<T: Fields>(
        &mut self,
        tag: &'static FieldSchema,
        name: &'static str,
        value: &T,
    ) -> Value {
        self.object(|object| {
            object.visit(tag, name);
            value.walk(value, object);
        })
    }

    /// Records an enum's unit variant: its name or, where the value is flattened into an object,
    /// a null under its name, as serde does.
    #[doc(hidden)]
    pub fn unit(&mut self, name: &'static str) -> Value {
        if self.flattened {
            Value::Object(Map::from_iter([(name.to_owned(), Value::Null)]))
        } else {
            Value::String(name.to_owned())
        }
    }

    /// Returns the recorded form of a field of the current object or array.
    fn part<T: AuditValue + ?Sized>(&mut self, field: &'static FieldSchema, value: &T) -> Value {
        let before = mem::take(&mut self.redacted);
        let value = self.field_value(field, value);
        // A flattened field has no name of its own; its members are noted.
        if self.redacted
            && !field.is_inline()
            && let Some(redactions) = self.noted()
        {
            redactions.note(field.name.into(), redaction(field));
        }
        self.redacted |= before;
        value
    }

    /// Returns the recorded form of a field's value; null for a skipped field.
    #[doc(hidden)]
    pub fn field_value<T: AuditValue + ?Sized>(
        &mut self,
        field: &'static FieldSchema,
        value: &T,
    ) -> Value {
        if self.is_capturing() {
            return self.capture_field(
                field,
                T::COMPOSITE,
                &mut |cx| cx.inline(|cx| value.snapshot(cx)),
                &mut |cx| cx.field_value(field, value),
            );
        }
        match field.sensitivity {
            Sensitivity::Clear if field.is_inline() => self.inline(|cx| value.snapshot(cx)),
            Sensitivity::Clear => value.snapshot(self),
            Sensitivity::Skipped => Value::Null,
            Sensitivity::Masked(mask) => {
                self.redacted = true;
                mask.apply_to_value(value.snapshot(self))
            }
            Sensitivity::Hashed => {
                self.redacted = true;
                let before = std::mem::replace(&mut self.comparable, true);
                let value = value.snapshot(self);
                self.comparable = before;
                match value {
                    Value::Null => Value::Null,
                    value => Value::String(self.env.hash(field.domain, &value)),
                }
            }
        }
    }
}

/// Returns how a field with a redacted part is redacted: as a whole if the field or its type
/// says so, as in an update.
fn redaction(field: &FieldSchema) -> Redaction {
    let whole = |sensitivity| match sensitivity {
        Sensitivity::Masked(_) => Some(Redaction::Masked),
        Sensitivity::Hashed => Some(Redaction::Hashed),
        Sensitivity::Clear | Sensitivity::Skipped => None,
    };
    let of_type = || {
        let mut inline = field.fields().iter().filter(|inner| inner.is_inline());
        inline.find_map(|inner| whole(inner.sensitivity))
    };
    whole(field.sensitivity)
        .or_else(of_type)
        .unwrap_or(Redaction::Partial)
}
