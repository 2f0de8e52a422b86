//! Captures values before a change, for objects that share state with their clones.
//!
//! A clone of an object with an `Rc<RefCell<_>>` changes with the original, so the two cannot be
//! compared afterwards. The values of fields that the schema marks as shared are captured before
//! the change instead: as JSON with tags for what a snapshot lacks, such as which objects are
//! structs and which values a mask hides. A captured value compares like the original value and
//! shows what a snapshot shows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::diff::Diff;
use super::redaction_rules::Rules;
use super::schema::{FieldSchema, Placement, Sensitivity};
use super::snapshot::Snapshot;
use super::{AsSet, AuditValue, Keyed};
use crate::change::Redaction;
use crate::json::order::compare_values;
use crate::path::Segment;

/// The key of a tag. It is random, so that no value can imitate a tag.
///
/// Values are captured as tagged JSON instead of a tree of their own, so that `AuditValue::snapshot` is the
/// only method that a type implements for snapshots and captures.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let random = RandomState::new();
    format!("\0{:016x}{:016x}", random.hash_one(0), random.hash_one(1))
});

/// The kind of a tagged value; the value itself is the member `v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag<'n> {
    /// A field of a struct, with its index in the capture.
    Field(usize),
    /// The fields of a struct or variant and the extra members of its object.
    Struct,
    /// A masked or hashed value.
    Secret,
    /// A scalar whose comparable form differs from its recorded form.
    Scalar,
    Set,
    Tuple,
    /// A data variant of an enum.
    Variant(&'n str),
    /// A data variant that is recorded without an object named after it.
    BareVariant(&'n str),
    /// A member of a struct's object that is not a field.
    Extra,
    /// A list whose items are matched by this field.
    Keyed(&'n str),
    /// An object or array that is recorded as one value.
    Whole,
}

impl Tag<'_> {
    /// Returns the tagged value.
    fn on(self, value: Value) -> Value {
        let (kind, argument) = match self {
            Self::Field(index) => ("field", json!(index)),
            Self::Struct => ("struct", Value::Null),
            Self::Secret => ("secret", Value::Null),
            Self::Scalar => ("scalar", Value::Null),
            Self::Set => ("set", Value::Null),
            Self::Tuple => ("tuple", Value::Null),
            Self::Variant(name) => ("variant", json!(name)),
            Self::BareVariant(name) => ("bare_variant", json!(name)),
            Self::Extra => ("extra", Value::Null),
            Self::Keyed(field) => ("keyed", json!(field)),
            Self::Whole => ("whole", Value::Null),
        };
        let kind = Value::String(kind.to_owned());
        Value::Object(Map::from_iter([
            (TAG.clone(), Value::Array(vec![kind, argument])),
            ("v".to_owned(), value),
        ]))
    }
}

/// The field schemas that a capture's JSON refers to by index.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    fields: Vec<&'static FieldSchema>,
}

impl Capture {
    /// Captures an entity that is compared in clear and shown under the rules of `register_with`.
    pub(crate) fn under(&self, rules: &Rules, value: &Value) -> Value {
        let mut shown = Captured::read(value.clone(), self).shown();
        rules.apply_to_snapshot(&mut shown);
        Tag::Secret.on(json!({"clear": value, "shown": shown}))
    }
}

impl Snapshot<'_> {
    /// Returns the value, tagged if values are captured.
    #[inline]
    pub(crate) fn tagged(&self, tag: Tag<'_>, value: Value) -> Value {
        if self.is_capturing() {
            tag.on(value)
        } else {
            value
        }
    }

    /// Captures a field's value.
    #[cold]
    pub(crate) fn capture_field(
        &mut self,
        field: &'static FieldSchema,
        composite: bool,
        snapshot: &mut dyn FnMut(&mut Self) -> Value,
        shown: &mut dyn FnMut(&mut Self) -> Value,
    ) -> Value {
        let value = match field.sensitivity {
            Sensitivity::Skipped => return Value::Null,
            Sensitivity::Clear => {
                let value = snapshot(self);
                let plain = value
                    .get(TAG.as_str())
                    .is_none_or(|tag| tag[0].as_str() == Some("struct"));
                let whole = !composite && plain && (value.is_object() || value.is_array());
                if whole { Tag::Whole.on(value) } else { value }
            }
            Sensitivity::Masked(_) | Sensitivity::Hashed => self.capture_secret(snapshot, shown),
        };
        let Some(capture) = self.capture() else {
            return value;
        };
        capture.fields.push(field);
        Tag::Field(capture.fields.len() - 1).on(value)
    }

    /// Captures a scalar in its comparable and its recorded form.
    pub(crate) fn capture_scalar(&self, compared: &Value, shown: Value) -> Value {
        if *compared == shown {
            return shown;
        }
        self.tagged(Tag::Scalar, json!([compared, shown]))
    }

    /// Captures a value that is compared in clear and recorded in another form.
    pub(crate) fn capture_secret(
        &mut self,
        clear: &mut dyn FnMut(&mut Self) -> Value,
        shown: &mut dyn FnMut(&mut Self) -> Value,
    ) -> Value {
        let clear = clear(self);
        let shown = self.uncaptured(shown);
        Tag::Secret.on(json!({"clear": clear, "shown": shown}))
    }
}

/// A field of a captured struct.
#[derive(Clone, Debug)]
pub(crate) struct CapturedField {
    /// The index in the capture, which is in declaration order within a struct.
    pub(super) index: usize,
    pub(super) field: &'static FieldSchema,
    pub(super) value: Captured,
}

/// The recorded form of a struct's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Object,
    /// With this number of items; a skipped field leaves a null.
    Array(usize),
    /// The value of the only field: of a newtype, or of a variant with one value.
    Newtype,
}

/// A captured value.
#[derive(Clone, Debug)]
pub(crate) enum Captured {
    Leaf(Value),
    /// A scalar whose comparable form differs from its recorded form.
    Scalar {
        compared: Value,
        shown: Value,
    },
    /// With the fields in declaration order.
    Struct(Form, Vec<CapturedField>),
    List(Vec<Captured>),
    Tuple(Vec<Captured>),
    Set(Vec<Captured>),
    /// A list whose items are matched by this field.
    Keyed(String, Vec<Captured>),
    Map(BTreeMap<String, Captured>),
    Variant(String, Box<Captured>),
    /// A variant whose name is not part of the paths of its changes.
    BareVariant(String, Box<Captured>),
    Whole(Box<Captured>),
    Secret {
        clear: Box<Captured>,
        shown: Value,
    },
}

impl Captured {
    pub(super) fn read(value: Value, capture: &Capture) -> Self {
        match value {
            Value::Array(items) => {
                let items = items.into_iter().map(|item| Self::read(item, capture));
                Self::List(items.collect())
            }
            Value::Object(mut object) => match object.remove(TAG.as_str()) {
                None => {
                    let entries = object.into_iter();
                    let entries = entries.map(|(key, value)| (key, Self::read(value, capture)));
                    Self::Map(entries.collect())
                }
                Some(tag) => {
                    Self::read_tagged(&tag, object.remove("v").unwrap_or_default(), capture)
                }
            },
            scalar => Self::Leaf(scalar),
        }
    }

    fn read_tagged(tag: &Value, mut value: Value, capture: &Capture) -> Self {
        let items = |value: Value| match Self::read(value, capture) {
            Self::List(items) => items,
            other => vec![other],
        };
        match tag[0].as_str() {
            Some("field") => {
                let index = tag[1]
                    .as_u64()
                    .and_then(|index| usize::try_from(index).ok());
                let field = index.and_then(|index| Some((index, *capture.fields.get(index)?)));
                let value = Self::read(value, capture);
                match field {
                    Some((index, field)) => Self::Struct(
                        Form::Newtype,
                        vec![CapturedField {
                            index,
                            field,
                            value,
                        }],
                    ),
                    None => value,
                }
            }
            Some("struct") => Self::read_struct(value, capture),
            Some("secret") => Self::Secret {
                clear: Box::new(Self::read(value["clear"].take(), capture)),
                shown: value["shown"].take(),
            },
            Some("scalar") => Self::Scalar {
                compared: value[0].take(),
                shown: value[1].take(),
            },
            Some("set") => Self::Set(items(value)),
            Some("tuple") => Self::Tuple(items(value)),
            Some("keyed") => {
                Self::Keyed(tag[1].as_str().unwrap_or_default().to_owned(), items(value))
            }
            Some("variant") => {
                let name = tag[1].as_str().unwrap_or_default().to_owned();
                Self::Variant(name, Box::new(Self::read(value, capture)))
            }
            Some("bare_variant") => {
                let name = tag[1].as_str().unwrap_or_default().to_owned();
                Self::BareVariant(name, Box::new(Self::read(value, capture)))
            }
            Some("extra") => Self::read(value, capture),
            _ => Self::Whole(Box::new(Self::read(value, capture))),
        }
    }

    /// Reads a struct. An object with a member that no field describes is a map.
    fn read_struct(value: Value, capture: &Capture) -> Self {
        let part = |part: Value| {
            let is_field = part
                .get(TAG.as_str())
                .is_some_and(|tag| tag[0].as_str() == Some("field"));
            match Self::read(part, capture) {
                Self::Struct(Form::Newtype, mut fields) if is_field => {
                    fields.pop().ok_or(Self::Leaf(Value::Null))
                }
                other => Err(other),
            }
        };
        let (form, mut fields) = match value {
            Value::Array(items) => {
                let length = items.len();
                // The remaining items are the nulls of skipped fields.
                let fields = items.into_iter().filter_map(|item| part(item).ok());
                (Form::Array(length), fields.collect::<Vec<_>>())
            }
            Value::Object(object) => {
                let parts = object.into_iter().map(|(name, value)| (name, part(value)));
                let parts: Vec<_> = parts.collect();
                if parts.iter().any(|(_, part)| part.is_err()) {
                    let entries = parts.into_iter().map(|(name, part)| {
                        let value = part.map_or_else(|other| other, |field| field.value);
                        (name, value)
                    });
                    return Self::Map(entries.collect());
                }
                let fields = parts.into_iter().filter_map(|(_, part)| part.ok());
                (Form::Object, fields.collect())
            }
            other => return Self::read(other, capture),
        };
        fields.sort_by_key(|field| field.index);
        Self::Struct(form, fields)
    }

    /// Returns the recorded form, as in a snapshot.
    pub(super) fn shown(&self) -> Value {
        match self {
            Self::Leaf(value)
            | Self::Scalar { shown: value, .. }
            | Self::Secret { shown: value, .. } => value.clone(),
            Self::List(items) | Self::Tuple(items) | Self::Keyed(_, items) => {
                items.iter().map(Self::shown).collect()
            }
            Self::Set(items) => {
                let mut members: Vec<Value> = items.iter().map(Self::shown).collect();
                members.sort_by(compare_values);
                Value::Array(members)
            }
            Self::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| (key.clone(), value.shown()));
                Value::Object(entries.collect())
            }
            Self::Variant(name, content) if content.is_newtype_of(name) => content.shown(),
            Self::Variant(name, content) => json!({name: content.shown()}),
            Self::BareVariant(_, value) | Self::Whole(value) => value.shown(),
            Self::Struct(form, fields) => shown_struct(*form, fields),
        }
    }

    /// Returns whether this is the content of a variant with one field, whose schema has the
    /// variant's name.
    fn is_newtype_of(&self, name: &str) -> bool {
        matches!(self, Self::Struct(Form::Newtype, fields) if fields.len() == 1
            && fields[0].field.name == name
            && matches!(fields[0].field.placement, Placement::Named))
    }

    /// Returns the members with a redacted part, by their names in an object into which the value
    /// is flattened.
    fn redactions(&self) -> Vec<(Cow<'static, str>, Redaction)> {
        match self {
            Self::Struct(_, fields) => {
                let redacted = fields.iter().filter(|field| field.value.is_redacted());
                redacted
                    .flat_map(|CapturedField { field, value, .. }| match field.placement {
                        Placement::Named => {
                            let redaction = redaction_of(field).unwrap_or(Redaction::Partial);
                            vec![(field.name.into(), redaction)]
                        }
                        _ => value.redactions(),
                    })
                    .collect()
            }
            Self::Map(entries) => {
                let redacted = entries.iter().filter(|(_, value)| value.is_redacted());
                redacted
                    .map(|(key, _)| (key.clone().into(), Redaction::Partial))
                    .collect()
            }
            Self::Variant(name, content) if !content.is_newtype_of(name) => {
                vec![(name.clone().into(), Redaction::Partial)]
            }
            Self::Variant(_, content) | Self::BareVariant(_, content) | Self::Whole(content) => {
                content.redactions()
            }
            Self::Secret {
                clear,
                shown: Value::Object(shown),
            } => {
                // Members that the rules of an entity hide differ between the two forms.
                let value = clear.shown();
                let differs = |(name, shown): &(&String, &Value)| value.get(name) != Some(shown);
                let ruled = shown.iter().filter(differs).map(|(name, shown)| {
                    let redaction = if shown.is_object() || shown.is_array() {
                        Redaction::Partial
                    } else {
                        Redaction::Masked
                    };
                    (name.clone().into(), redaction)
                });
                clear.redactions().into_iter().chain(ruled).collect()
            }
            _ => Vec::new(),
        }
    }

    fn is_redacted(&self) -> bool {
        match self {
            Self::Leaf(_) | Self::Scalar { .. } => false,
            Self::Secret { .. } => true,
            Self::List(items) | Self::Tuple(items) | Self::Set(items) | Self::Keyed(_, items) => {
                items.iter().any(Self::is_redacted)
            }
            Self::Map(entries) => entries.values().any(Self::is_redacted),
            Self::Variant(_, content) | Self::BareVariant(_, content) | Self::Whole(content) => {
                content.is_redacted()
            }
            Self::Struct(_, fields) => fields.iter().any(|field| field.value.is_redacted()),
        }
    }
}

pub(super) fn shown_struct(form: Form, fields: &[CapturedField]) -> Value {
    if let Form::Array(length) = form {
        let mut items = vec![Value::Null; length];
        for CapturedField { field, value, .. } in fields {
            if let Placement::Indexed(index) = field.placement
                && let Some(item) = items.get_mut(index)
            {
                *item = value.shown();
            }
        }
        return Value::Array(items);
    }
    let mut object = Map::new();
    for CapturedField { field, value, .. } in fields {
        match (field.placement, value.shown()) {
            (Placement::Named, value) => {
                object.insert(field.name.to_owned(), value);
            }
            (_, other) if form == Form::Newtype => return other,
            (_, Value::Object(inner)) => object.extend(inner),
            // A flattened `None`.
            _ => {}
        }
    }
    Value::Object(object)
}

/// Matches the items of a list by a field.
fn keyed<'v>(items: &'v [Captured], field: &'v str) -> impl AuditValue + use<'v> {
    Keyed::captured(items, field, move |item: &'v Captured| match item {
        Captured::Struct(_, fields) => fields
            .iter()
            .find(|candidate| candidate.field.name == field)
            .map_or(item, |found| &found.value),
        _ => item,
    })
}

/// Returns how the values of a field are redacted.
fn redaction_of(field: &FieldSchema) -> Option<Redaction> {
    match field.sensitivity {
        Sensitivity::Masked(_) => Some(Redaction::Masked),
        Sensitivity::Hashed => Some(Redaction::Hashed),
        Sensitivity::Clear | Sensitivity::Skipped => None,
    }
}

/// Compares two structs as the derived code does.
pub(super) fn diff_struct(old: &[CapturedField], new: &[CapturedField], cx: &mut Diff<'_>) {
    let find = |fields: &'_ [CapturedField], name: &str| {
        fields.iter().position(|field| field.field.name == name)
    };
    for CapturedField { field, value, .. } in new {
        let old = find(old, field.name).map(|at| &old[at].value);
        diff_field(field, old, Some(value), cx);
    }
    for CapturedField { field, value, .. } in old {
        if find(new, field.name).is_none() {
            diff_field(field, Some(value), None, cx);
        }
    }
}

fn diff_field(
    field: &'static FieldSchema,
    old: Option<&Captured>,
    new: Option<&Captured>,
    cx: &mut Diff<'_>,
) {
    if let (Some(old), Some(new)) = (old, new) {
        if old.same(new) {
            return;
        }
        if redaction_of(field).is_none() && !field.whole {
            return cx.field(field, &mut |cx| old.diff(new, cx));
        }
    }
    cx.field(field, &mut |cx| {
        if let Some(redaction) = redaction_of(field) {
            cx.push(
                old.map(Captured::shown),
                new.map(Captured::shown),
                Some(redaction),
            );
        } else {
            cx.replace(old, new);
        }
    });
}

impl AuditValue for Captured {
    const COMPOSITE: bool = true;

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Leaf(old) | Self::Scalar { compared: old, .. },
                Self::Leaf(new) | Self::Scalar { compared: new, .. },
            ) => old == new,
            (Self::Tuple(old), Self::Tuple(new)) => old.same(new),
            // By position where the key does not identify the items.
            (Self::Keyed(_, old) | Self::List(old), Self::Keyed(_, new) | Self::List(new)) => {
                old.same(new)
            }
            (Self::Set(old), Self::Set(new)) => AsSet(old).same(&AsSet(new)),
            (Self::Map(old), Self::Map(new)) => old.same(new),
            (Self::Variant(old_name, old), Self::Variant(new_name, new))
            | (Self::BareVariant(old_name, old), Self::BareVariant(new_name, new)) => {
                old_name == new_name && old.same(new)
            }
            (Self::Whole(old), Self::Whole(new))
            | (Self::Secret { clear: old, .. }, Self::Secret { clear: new, .. }) => old.same(new),
            (Self::Struct(form, old), Self::Struct(new_form, new)) => {
                form == new_form
                    && old.len() == new.len()
                    && old.iter().zip(new).all(|(old, new)| {
                        old.field.name == new.field.name && old.value.same(&new.value)
                    })
            }
            _ => false,
        }
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        if let Self::Scalar { compared, shown } = self {
            return cx.comparison_or(compared.clone(), shown.clone());
        }
        if self.is_redacted() {
            cx.redact();
            cx.note_members(|| self.redactions());
        }
        self.shown()
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        match (self, new) {
            _ if self.same(new) => {}
            (Self::Struct(form, old), Self::Struct(new_form, new)) if form == new_form => {
                diff_struct(old, new, cx);
            }
            (Self::Keyed(field, old), Self::Keyed(_, new)) => {
                keyed(old, field).diff(&keyed(new, field), cx);
            }
            (Self::Keyed(_, old) | Self::List(old), Self::Keyed(_, new) | Self::List(new)) => {
                old.diff(new, cx);
            }
            (Self::Tuple(old), Self::Tuple(new)) => {
                for (index, (old, new)) in old.iter().zip(new).enumerate() {
                    cx.item(index, old, new);
                }
            }
            (Self::Set(old), Self::Set(new)) => AsSet(old).diff(&AsSet(new), cx),
            (Self::Map(old), Self::Map(new)) => old.diff(new, cx),
            (Self::Variant(name, old), Self::Variant(new_name, new)) if name == new_name => {
                if old.is_newtype_of(name) {
                    old.diff(new, cx);
                } else {
                    cx.at(Segment::Name(name), |cx| old.diff(new, cx));
                }
            }
            (Self::BareVariant(name, old), Self::BareVariant(new_name, new))
                if name == new_name =>
            {
                old.diff(new, cx);
            }
            (Self::Secret { shown: old, .. }, Self::Secret { shown: new, .. }) => {
                let redaction = match (old, new) {
                    (Value::Object(_) | Value::Array(_), _)
                    | (_, Value::Object(_) | Value::Array(_)) => Redaction::Partial,
                    _ => Redaction::Masked,
                };
                cx.push(Some(old.clone()), Some(new.clone()), Some(redaction));
            }
            (old, new) => cx.replace(Some(old), Some(new)),
        }
    }
}
