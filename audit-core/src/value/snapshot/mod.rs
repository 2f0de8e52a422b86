//! Snapshots: a value as JSON, secrets masked.

mod fields;

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use self::fields::{ArraySnapshot, ObjectSnapshot};
use super::AuditValue;
use super::env::{Env, Redactions};
use super::frozen::{Capture, Tag};
use super::hash::HashKeys;
use super::schema::{FieldSchema, Sensitivity};
use super::walk::Fields;
use crate::change::Redaction;
use crate::error::ValueError;
use crate::json::nesting::MAX_DEPTH;
use crate::mask::HIDDEN;

/// How many objects and arrays a value may have once it is recorded: more than fit into an entry
/// of the largest size that a log takes by default.
const MAX_PARTS: usize = 1 << 20;

/// Returns a value as JSON, with every secret in its masked form and skipped fields left out.
///
/// # Panics
/// If the value nests deeper than [`MAX_DEPTH`] or a field marked `#[audit(serde)]` fails to
/// serialize. [`try_snapshot`] returns the error.
pub fn snapshot<T: AuditValue + ?Sized>(value: &T) -> Value {
    match try_snapshot(value) {
        Ok(value) => value,
        Err(error) => panic!("cannot take a snapshot of the value: {error}"),
    }
}

/// Takes a snapshot as [`snapshot`] does and returns what fails as an error.
///
/// # Errors
/// [`ValueError`] if the value nests deeper than [`MAX_DEPTH`] or cannot be serialized.
pub fn try_snapshot<T: AuditValue + ?Sized>(value: &T) -> Result<Value, ValueError> {
    let mut env = Env::default();
    let value = value.snapshot(&mut Snapshot::at_depth(&mut env, 0));
    match env.into_error() {
        Some(error) => Err(error),
        None => Ok(value),
    }
}

/// A value that identifies an item: the same for values that are the same to the trail. Not to be
/// shown.
pub(crate) fn key_value<T: AuditValue + ?Sized>(value: &T) -> Value {
    identifying(value).0
}

/// Returns what [`key_value`] does, and whether it may be recorded in another form.
pub(crate) fn identifying<T: AuditValue + ?Sized>(value: &T) -> (Value, bool) {
    let mut env = Env::default();
    let mut cx = Snapshot::at_depth(&mut env, 0).comparable();
    let value = value.snapshot(&mut cx);
    (value, cx.respelled)
}

/// A value in the form in which it is recorded.
pub(crate) fn stored_value<T: AuditValue + ?Sized>(value: &T) -> Value {
    value.snapshot(&mut Snapshot::at_depth(&mut Env::default(), 0))
}

/// Where [`AuditValue::snapshot`] gets the depth, the keys and a place for errors.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked on its own")]
pub struct Snapshot<'a> {
    env: &'a mut Env,
    depth: usize,
    inlined: usize,
    redacted: bool,
    /// Whether the value's members go into the object around it.
    flattened: bool,
    /// The depth of the objects whose members' redactions are noted: the outermost one, and what
    /// is flattened into it.
    noted_depth: usize,
    /// Whether values that are the same to the trail must have one form.
    comparable: bool,
    /// Whether that form is not the recorded one.
    respelled: bool,
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
            respelled: false,
        }
    }

    /// Returns the keys that make tokens.
    pub(crate) fn keys(&mut self) -> Arc<HashKeys> {
        Arc::clone(self.env.keys())
    }

    /// Gives values that are the same to the trail one form, whatever their scale.
    pub(crate) fn comparable(mut self) -> Self {
        self.comparable = true;
        self
    }

    /// Returns the recorded form of a value, or where values that are the same to the trail must
    /// have one form, what `one_form` makes of it.
    #[inline]
    pub(crate) fn spelled(&mut self, value: Value, one_form: fn(Value) -> Value) -> Value {
        if self.is_capturing() {
            let one = one_form(value.clone());
            return self.capture_spelling(&one, value);
        }
        if !self.comparable {
            return value;
        }
        let one = one_form(value.clone());
        self.respelled(one, value)
    }

    /// Returns the recorded form of a value, or where values that are the same to the trail must
    /// have one form, that form.
    pub(crate) fn respelled(&mut self, one: Value, recorded: Value) -> Value {
        if !self.comparable {
            return recorded;
        }
        self.respelled |= one != recorded;
        one
    }

    /// Sets whether the value's members go into the object around it.
    pub(crate) fn flattened(mut self, flattened: bool) -> Self {
        self.flattened = flattened;
        if flattened {
            self.noted_depth = self.depth;
        }
        self
    }

    /// Notes how the members of the present value are redacted, if it is flattened into an object
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

    /// Returns the redactions of the members of the present object, if they are noted.
    fn noted(&mut self) -> Option<&mut Redactions> {
        let noted = self.is_noting();
        noted.then(|| self.env.notes().redactions.get_or_insert_default())
    }

    /// Whether the redactions of the members of the present object are noted.
    pub(crate) fn is_noting(&self) -> bool {
        self.env.noting && self.depth == self.noted_depth
    }

    /// Records what is under a key, in an object whose redactions are noted.
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

    /// Whether values are captured, to be compared after they changed.
    #[inline]
    pub(crate) fn is_capturing(&self) -> bool {
        self.env.capture().is_some()
    }

    pub(crate) fn capture(&mut self) -> Option<&mut Capture> {
        self.env.notes.as_mut()?.capture.as_deref_mut()
    }

    /// Runs `snapshot` as if nothing were captured.
    pub(crate) fn uncaptured(&mut self, snapshot: &mut dyn FnMut(&mut Self) -> Value) -> Value {
        let notes = self.env.notes.as_mut();
        let Some(capture) = notes.and_then(|notes| notes.capture.take()) else {
            return snapshot(self);
        };
        let value = snapshot(self);
        self.env.notes().capture = Some(capture);
        value
    }

    /// Notes that a value is shown in another form.
    pub(crate) fn redact(&mut self) {
        self.redacted = true;
    }

    /// Whether a masked or hashed field was met.
    pub(crate) fn redacted(&self) -> bool {
        self.redacted
    }

    /// Reports that the value cannot be represented; the draft or `try_snapshot` then fails.
    pub fn fail(&mut self, message: impl Into<String>) -> Value {
        self.env.fail(ValueError::Unrepresentable {
            message: message.into(),
        });
        Value::Null
    }

    /// Stands for a value that is never shown.
    pub(crate) fn hidden(&mut self) -> Value {
        self.redacted = true;
        Value::String(HIDDEN.to_owned())
    }

    /// Goes one level down for `build`, or fails at the depth limit.
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

    /// Stays on this level for `build`, counted nevertheless: a type may hold itself in its own
    /// place.
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

    /// Reports that the value nests too deep.
    pub(crate) fn too_deep(&mut self) -> Value {
        self.env.fail(ValueError::TooDeep {
            path: String::new(),
            limit: MAX_DEPTH,
        });
        Value::Null
    }

    /// Whether values with these fields are not recorded with all that they have.
    pub(crate) fn shows_parts(&self, fields: &'static [FieldSchema]) -> bool {
        self.env.shows_parts(fields)
    }

    /// Returns the text of a map's key, and whether something in it is hidden.
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

    /// Applies to an entity what `register_with` set for its model.
    #[doc(hidden)]
    #[inline]
    pub fn entity(&mut self, fields: &'static [FieldSchema], value: Value) -> Value {
        if self.env.ruling.is_some() {
            self.ruled(fields, value)
        } else {
            value
        }
    }

    #[cold]
    #[inline(never)]
    fn ruled(&mut self, fields: &'static [FieldSchema], mut value: Value) -> Value {
        let outermost = self.depth == 0 && self.inlined == 0;
        let rules = self.env.ruling.as_ref();
        if let Some(capture) = self.env.capture() {
            return match rules.and_then(|ruling| ruling.of(fields, outermost)) {
                Some(rules) => capture.under(rules, &value),
                None => value,
            };
        }
        if let Some(rules) = rules.and_then(|ruling| ruling.of(fields, outermost)) {
            let masked = rules.apply_to_snapshot(&mut value);
            let members = masked.then(|| rules.masked(&value));
            self.redacted |= masked;
            if let Some(members) = members {
                self.note_members(|| members);
            }
        }
        value
    }

    /// Whether paths may not show what a field of these holds, by the rules of their model.
    pub(crate) fn hides_field(&self, fields: &'static [FieldSchema], name: &str) -> bool {
        let ruling = self.env.ruling();
        let rules = ruling.and_then(|ruling| ruling.of(fields, false));
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

    /// Records a variant whose content has no object of its name around it.
    #[doc(hidden)]
    #[inline]
    pub fn choice(&mut self, name: &'static str, content: Value) -> Value {
        self.tagged(Tag::Choice(name), content)
    }

    /// Records a struct with named fields and the tag that serde writes beside them.
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

    /// Records an enum's variant without data: its name, or where the value is flattened into
    /// an object, a null under its name, as serde has it.
    #[doc(hidden)]
    pub fn unit(&mut self, name: &'static str) -> Value {
        if self.flattened {
            Value::Object(Map::from_iter([(name.to_owned(), Value::Null)]))
        } else {
            Value::String(name.to_owned())
        }
    }

    /// Returns what the trail may hold of a field of the present object or array.
    fn part<T: AuditValue + ?Sized>(&mut self, field: &'static FieldSchema, value: &T) -> Value {
        let before = mem::take(&mut self.redacted);
        let value = self.field_value(field, value);
        // A flattened field has no name; its members are noted.
        if self.redacted
            && !field.is_inline()
            && let Some(redactions) = self.noted()
        {
            redactions.note(field.name.into(), redaction(field));
        }
        self.redacted |= before;
        value
    }

    /// Returns what the trail may hold of a field's value; null for a skipped field.
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

/// How a field is redacted in whose value something is: as a whole if the field or its type
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
