//! Values whose changes can be tracked.

pub(crate) mod auditable;
pub(crate) mod capture;
pub(crate) mod diff;
pub(crate) mod env;
pub(crate) mod fields;
pub(crate) mod flatten;
pub(crate) mod hash;
pub(crate) mod impls;
pub(crate) mod model;
pub(crate) mod redaction_rules;
pub(crate) mod repr;
pub(crate) mod schema;
pub(crate) mod schema_lookup;
pub(crate) mod schema_walk;
pub(crate) mod sensitive;
mod sensitivity;
pub(crate) mod shared_fields;
pub(crate) mod snapshot;
pub(crate) mod walk;

use serde_json::Value;

pub use self::impls::field_wrapper::{
    Concealed, Debugged, Displayed, FieldsOf, MaskOf, MaskedWith, ModelOf, NoFields, NoModel,
    Referenced, Serialized, SerializedWith, Via, fields_of, masked,
};
pub use self::impls::keyed::Keyed;
pub(crate) use self::impls::keyed::moves;
pub use self::impls::serialize::Recorder;
pub use self::impls::set::AsSet;
pub use self::impls::time_tolerance::within_time;

use self::diff::Diff;
use self::repr::Repr;
use self::schema::FieldSchema;
use self::snapshot::Snapshot;
use self::walk::Walk;

/// A value whose changes can be tracked: the type of a recorded field, or an entity.
///
/// Derive it with `#[derive(Auditable)]`. A type of another crate needs no implementation: an attribute
/// of the field selects the recorded form (`#[audit(serde)]`, `#[audit(display)]`, `#[audit(debug)]`,
/// `#[audit(with = path)]`) or excludes the field (`#[audit(skip)]`).
///
/// There is deliberately no blanket implementation: a value is recorded only if its type was classified.
///
/// | types | recorded as |
/// |---|---|
/// | `bool`, integers to 53 bits, `f32`, `f64` | a JSON value |
/// | larger integers, 128-bit integers, decimals | a string with the exact digits |
/// | `String`, `&str`, `char`, `Cow`, `PathBuf`, `IpAddr`, `Uuid`, times of `chrono` | a string |
/// | `Option` | a null or the value |
/// | `Vec`, slices, arrays, `VecDeque`, tuples | an array; changes by index |
/// | `HashMap`, `BTreeMap` | an object; changes by key |
/// | `HashSet`, `BTreeSet` | a sorted array; changes by member |
/// | `Box`, `Rc`, `Arc`, `RefCell`, `Mutex`, `RwLock` | the value inside |
/// | `serde_json::Value` | itself; changes inside it |
/// | derived structs and enums | see [`Auditable`](crate::Auditable) |
///
/// # Example: a type that is recorded as text
/// ```
/// use auditlog::{AuditValue, Snapshot};
///
/// struct Celsius(f64);
///
/// impl AuditValue for Celsius {
///     fn same(&self, other: &Self) -> bool {
///         self.0 == other.0
///     }
///     fn snapshot(&self, _: &mut Snapshot<'_>) -> serde_json::Value {
///         format!("{:.1} C", self.0).into()
///     }
/// }
///
/// assert_eq!(auditlog::snapshot(&Celsius(21.46)), "21.5 C");
/// let changes = auditlog::diff(&Celsius(21.46), &Celsius(19.0));
/// assert_eq!(changes.to_string(), r#"$: "21.5 C" -> "19.0 C""#);
/// ```
///
/// # Example: recorded forms
/// ```
/// use std::collections::{BTreeMap, HashSet};
/// use std::time::Duration;
/// use auditlog::snapshot;
/// use serde_json::json;
///
/// assert_eq!(snapshot(&u64::MAX), json!("18446744073709551615")); // beyond 2^53
/// assert_eq!(snapshot(&0.1_f32), json!(0.1));
/// assert_eq!(snapshot(&None::<u32>), json!(null));
/// assert_eq!(snapshot(&HashSet::from(["b", "a"])), json!(["a", "b"]));
/// assert_eq!(snapshot(&BTreeMap::from([(1, "one")])), json!({"1": "one"}));
/// assert_eq!(snapshot(&(1, "one")), json!([1, "one"]));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `AuditValue`, so its changes cannot be tracked",
    label = "not an `AuditValue`",
    note = "derive it with `#[derive(Auditable)]` if the type is yours",
    note = "for a type of another crate put `#[audit(serde)]`, `#[audit(display)]`, `#[audit(debug)]` or `#[audit(with = path)]` on the field",
    note = "or leave the field out with `#[audit(skip)]`",
    note = "`auditlog` implements it for types of `bigdecimal`, `bytes`, `indexmap`, `ipnetwork`, `jiff`, `rust_decimal`, `secrecy`, `semver`, `time`, `ulid` and `url`, each behind the cargo feature of that name"
)]
pub trait AuditValue {
    /// Whether a change may be reported at a path inside the value.
    ///
    /// `false` (the default) for a value that is recorded as one old and one new value.
    const COMPOSITE: bool = false;

    /// Whether the value is a set, whose members have no order.
    #[doc(hidden)]
    const SET: bool = false;

    /// Whether two values have the same text if and only if they are the same, and none is
    /// recorded as a null.
    #[doc(hidden)]
    const PLAIN: bool = false;

    /// The description of a field of this type: the type's fields and whether it is a set.
    #[doc(hidden)]
    const AS_FIELD: (fn() -> &'static [FieldSchema], bool) = (Self::fields, Self::SET);

    /// The fields of the type, in declaration order; empty for a type without fields.
    const FIELDS: &'static [FieldSchema] = &[];

    /// Returns whether the trail treats both values as the same, so that an update from one to the
    /// other records no change.
    ///
    /// The default calls [`diff`](Self::diff) and is correct for composite values only.
    fn same(&self, other: &Self) -> bool {
        Diff::probe(self, other)
    }

    /// Returns the value as JSON, with every secret in its masked form.
    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value;

    /// Reports the changes from `self` to `new` to `cx`.
    ///
    /// For a value that is not composite, called only if [`same`](Self::same) returns `false`. The
    /// default reports one old and one new value.
    #[inline]
    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        cx.replace(Some(self), Some(new));
    }

    /// Appends the value as human-readable text, for `object_repr` and keys.
    #[doc(hidden)]
    fn write_text(&self, out: &mut String, cx: &mut Snapshot<'_>) {
        match self.snapshot(cx) {
            Value::Null => {}
            Value::String(text) => out.push_str(&text),
            other => out.push_str(&other.to_string()),
        }
    }

    /// Returns [`FIELDS`](Self::FIELDS) of the type or of the type that it wraps.
    #[doc(hidden)]
    fn fields() -> &'static [FieldSchema] {
        Self::FIELDS
    }

    /// Returns the names of an enum's unit variants, which are keys of the object into which the
    /// enum is flattened.
    #[doc(hidden)]
    fn unit_names() -> &'static [&'static str] {
        &[]
    }

    /// Visits the value as a field of a struct, identified by its index in the type's fields.
    #[doc(hidden)]
    #[inline]
    fn visit_field<W: Walk>(
        &self,
        new: &Self,
        walk: &mut W,
        fields: &'static [FieldSchema],
        index: usize,
    ) {
        walk.visit(fields, index, self, new);
    }

    /// Visits the value as a field of a struct that may be absent.
    #[doc(hidden)]
    #[inline]
    fn visit_optional_field<W: Walk>(
        old: Option<&Self>,
        new: Option<&Self>,
        walk: &mut W,
        fields: &'static [FieldSchema],
        index: usize,
    ) {
        walk.visit_optional(fields, index, old, new);
    }

    /// Returns the recorded form of the value under a field's settings.
    #[doc(hidden)]
    #[inline]
    fn field_value(&self, cx: &mut Snapshot<'_>, field: &'static FieldSchema) -> Value {
        cx.field_value(field, self)
    }

    /// Returns the value as the text of a key.
    #[doc(hidden)]
    #[inline]
    fn field_key(&self) -> String {
        crate::value::repr::key_text(self)
    }

    /// Returns whether two values are known to have the same key text, without building it.
    #[doc(hidden)]
    #[inline]
    fn shares_key(&self, other: &Self) -> bool {
        Self::PLAIN && self.same(other)
    }

    /// Appends the value to the text of the object that contains it.
    #[doc(hidden)]
    #[inline]
    fn field_repr(&self, repr: &mut Repr<'_>, field: &'static FieldSchema) {
        repr.field(field, self);
    }
}
