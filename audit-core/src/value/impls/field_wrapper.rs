//! Wrappers that the derive puts around a field to record it in another form than its type's, or
//! if its type is not an `AuditValue`.

use std::fmt;
use std::marker::PhantomData;
use std::panic::RefUnwindSafe;

use serde::Serialize;
use serde_json::Value;

use super::serialize::{Failure, Recorder, to_value};
use crate::json::nesting;
use crate::value::AuditValue;
use crate::value::auditable::Auditable;
use crate::value::diff::Diff;
use crate::value::fields::no_fields;
use crate::value::schema::FieldSchema;
use crate::value::snapshot::Snapshot;

/// `#[audit(serde)]`: the value in its serialized form.
#[derive(Debug)]
pub struct Serialized<'v, T: ?Sized>(pub &'v T);

impl<T: Serializable + ?Sized> AuditValue for Serialized<'_, T> {
    fn same(&self, other: &Self) -> bool {
        same_serialized(&to_value(self.0), &to_value(other.0))
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        serialized(to_value(self.0), cx)
    }
}

/// The bound of `#[audit(serde)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is to be recorded as serde writes it, but does not implement `Serialize`",
    label = "no `serde::Serialize`",
    note = "derive `serde::Serialize` if the type is yours, or say how it is recorded otherwise: `#[audit(display)]`, `#[audit(debug)]`, `#[audit(with = path)]`",
    note = "or leave the field out with `#[audit(skip)]`"
)]
pub trait Serializable: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Serializable for T {}

/// A field with serde's `with` or `serialize_with`: the value as that function serializes it.
#[derive(Debug)]
pub struct SerializedWith<'v, T: ?Sized, F>(pub &'v T, pub F);

impl<T: ?Sized, F: Fn(&T, Recorder) -> Result<Value, Failure>> AuditValue
    for SerializedWith<'_, T, F>
{
    fn same(&self, other: &Self) -> bool {
        let serialize = |value: &Self| value.1(value.0, Recorder::START);
        same_serialized(&serialize(self), &serialize(other))
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        serialized(self.1(self.0, Recorder::START), cx)
    }
}

fn same_serialized(old: &Result<Value, Failure>, new: &Result<Value, Failure>) -> bool {
    match (old, new) {
        (Ok(old), Ok(new)) => nesting::equal(old, new),
        // The snapshot then fails with the same error and reports it.
        _ => false,
    }
}

fn serialized(value: Result<Value, Failure>, cx: &mut Snapshot<'_>) -> Value {
    // Without the type's own error, which may quote the value.
    match value {
        Ok(value) => value,
        Err(Failure::TooDeep) => cx.too_deep(),
        Err(Failure::Rejected) => cx.fail("serde could not serialize a field or its type"),
    }
}

macro_rules! formatted {
    ($($(#[$doc:meta])* $wrapper:ident, $bound:path, $format:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $wrapper<'v, T: ?Sized>(pub &'v T);

        impl<T: $bound + ?Sized> AuditValue for $wrapper<'_, T> {
            fn same(&self, other: &Self) -> bool {
                format!($format, self.0) == format!($format, other.0)
            }

            fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
                Value::String(format!($format, self.0))
            }
        }
    )*};
}

formatted! {
    /// `#[audit(display)]`: the value's `Display` text.
    Displayed, Displayable, "{}";
    /// `#[audit(debug)]`: the value's `Debug` text.
    Debugged, Debuggable, "{:?}";
}

/// The bound of `#[audit(display)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is to be recorded as its text, but does not implement `Display`",
    label = "no `std::fmt::Display`",
    note = "implement `std::fmt::Display` if the type is yours, or say how it is recorded otherwise: `#[audit(serde)]`, `#[audit(debug)]`, `#[audit(with = path)]`",
    note = "or leave the field out with `#[audit(skip)]`"
)]
pub trait Displayable: fmt::Display {}

#[diagnostic::do_not_recommend]
impl<T: fmt::Display + ?Sized> Displayable for T {}

/// The bound of `#[audit(debug)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is to be recorded as its `Debug` text, but does not implement `Debug`",
    label = "no `std::fmt::Debug`",
    note = "derive `Debug` if the type is yours, or say how it is recorded otherwise: `#[audit(serde)]`, `#[audit(display)]`, `#[audit(with = path)]`",
    note = "or leave the field out with `#[audit(skip)]`"
)]
pub trait Debuggable: fmt::Debug {}

#[diagnostic::do_not_recommend]
impl<T: fmt::Debug + ?Sized> Debuggable for T {}

/// `#[audit(with = path)]`: the result of a function of the value.
#[derive(Debug)]
pub struct Via<'v, T: ?Sized, F>(pub &'v T, pub F);

impl<T: ?Sized, U: Returned, F: Fn(&T) -> U> AuditValue for Via<'_, T, F> {
    const COMPOSITE: bool = U::COMPOSITE;

    fn same(&self, other: &Self) -> bool {
        self.1(self.0).same(&other.1(other.0))
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        self.1(self.0).snapshot(cx)
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        self.1(self.0).diff(&new.1(new.0), cx);
    }
}

/// The bound of the return type of a `#[audit(with = path)]` function.
#[diagnostic::on_unimplemented(
    message = "the function of `with` returns `{Self}`, which is not an `AuditValue`",
    label = "not an `AuditValue`",
    note = "return a text, a number or another type that is recorded, or derive `Auditable` if the type is yours"
)]
pub trait Returned: AuditValue {}

#[diagnostic::do_not_recommend]
impl<T: AuditValue> Returned for T {}

/// `#[audit(mask_with = path)]`: compared in clear, recorded as masked by a function.
#[derive(Debug)]
pub struct MaskedWith<'v, T: ?Sized, F>(pub &'v T, pub F);

impl<T: Maskable + ?Sized, F: Fn(&T) -> Value> AuditValue for MaskedWith<'_, T, F> {
    fn same(&self, other: &Self) -> bool {
        self.0.same(other.0)
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        if cx.is_capturing() {
            return cx.capture_secret(&mut |cx| self.0.snapshot(cx), &mut |_| self.1(self.0));
        }
        self.1(self.0)
    }
}

/// The bound of `#[audit(mask_with = path)]`, whose values are compared.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is masked by a function, but its values cannot be compared, since it is not an `AuditValue`",
    label = "not an `AuditValue`",
    note = "derive `Auditable` if the type is yours; for another type use `#[audit(mask)]`, which shows nothing, or `#[audit(with = path)]`, which compares what the function returns",
    note = "or leave the field out with `#[audit(skip)]`"
)]
pub trait Maskable: AuditValue {}

#[diagnostic::do_not_recommend]
impl<T: AuditValue + ?Sized> Maskable for T {}

/// The bound of the return type of a `#[audit(mask_with = path)]` function.
#[diagnostic::on_unimplemented(
    message = "the function of `mask_with` returns `{Self}`, which is not a JSON value",
    label = "not `Into<serde_json::Value>`",
    note = "return a `String`, or another type that is `Into<serde_json::Value>`"
)]
pub trait Shown: Into<Value> {}

#[diagnostic::do_not_recommend]
impl<T: Into<Value>> Shown for T {}

/// Converts the result of a `#[audit(mask_with = path)]` function.
pub fn masked<T: Shown>(shown: T) -> Value {
    shown.into()
}

/// A field marked `#[audit(mask)]`: the value itself if its type is an [`AuditValue`], else a value
/// that is [compared](Concealed) and never shown.
#[derive(Debug)]
pub struct MaskOf<'v, T: ?Sized>(&'v T);

impl<'v, T: ?Sized> MaskOf<'v, T> {
    /// Borrows the value.
    pub fn new(value: &'v T) -> Self {
        Self(value)
    }
}

impl<'v, T: AuditValue + ?Sized> MaskOf<'v, T> {
    /// Returns the value.
    pub fn conceal(self) -> &'v T {
        self.0
    }
}

/// The fallback of [`MaskOf::conceal`] for types that are not an [`AuditValue`]; an inherent method
/// takes precedence.
pub trait Concealed<'v, T: ?Sized> {
    /// Returns the value as one that is compared and never shown.
    fn conceal(self) -> Compared<'v, T>
    where
        T: Comparable;
}

impl<'v, T: ?Sized> Concealed<'v, T> for MaskOf<'v, T> {
    fn conceal(self) -> Compared<'v, T>
    where
        T: Comparable,
    {
        Compared(self.0)
    }
}

/// The bound of `#[audit(mask)]` for a type that is not an [`AuditValue`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is masked, but is neither an `AuditValue` nor can its values be compared",
    label = "not `PartialEq`, or with a cell inside",
    note = "derive `PartialEq` if the type is yours, or say how it is recorded: `#[audit(mask, serde)]`, `#[audit(mask, debug)]`",
    note = "a value with a cell inside, such as `Rc<RefCell<_>>`, may change with the clone that it is compared with: there `PartialEq` is not enough",
    note = "or leave the field out with `#[audit(skip)]`"
)]
pub trait Comparable: PartialEq {}

#[diagnostic::do_not_recommend]
impl<T: PartialEq + RefUnwindSafe + ?Sized> Comparable for T {}

/// A value that is compared and never shown.
#[derive(Debug)]
pub struct Compared<'v, T: ?Sized>(&'v T);

impl<T: Comparable + ?Sized> AuditValue for Compared<'_, T> {
    fn same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        cx.hidden()
    }
}

/// `#[audit(reference)]`: only the identity of a nested entity.
#[derive(Debug)]
pub struct Referenced<'v, T: ?Sized>(pub &'v T);

impl<T: Reference + ?Sized> AuditValue for Referenced<'_, T> {
    fn same(&self, other: &Self) -> bool {
        self.0.identity() == other.0.identity()
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        if T::HASHED {
            cx.keys().entered(|| self.0.identity())
        } else {
            self.0.identity()
        }
    }
}

/// A type that a field marked `reference` may have: an entity, or an option or a list of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no identity to refer to",
    note = "`#[audit(reference)]` goes on an entity: a struct that derives `Auditable` and has an `id` field or `#[audit(id)]`"
)]
pub trait Reference {
    /// The model of the entities.
    const MODEL: &'static str;
    /// Whether the identity is or contains a token.
    const HASHED: bool;

    /// Returns the identity as JSON.
    fn identity(&self) -> Value;
}

#[diagnostic::do_not_recommend]
impl<T: Auditable> Reference for T {
    const MODEL: &'static str = T::MODEL;
    const HASHED: bool = !T::HASHED_KEY.is_empty();

    fn identity(&self) -> Value {
        let key = self.object_pk();
        // An object without a key cannot be referenced.
        if key.is_empty() {
            Value::Null
        } else {
            Value::String(key)
        }
    }
}

impl<T: Reference> Reference for Option<T> {
    const MODEL: &'static str = T::MODEL;
    const HASHED: bool = T::HASHED;

    fn identity(&self) -> Value {
        self.as_ref().map_or(Value::Null, Reference::identity)
    }
}

impl<T: Reference> Reference for Vec<T> {
    const MODEL: &'static str = T::MODEL;
    const HASHED: bool = T::HASHED;

    fn identity(&self) -> Value {
        Value::Array(self.iter().map(Reference::identity).collect())
    }
}

/// The model of the entities in a field marked `reference`, as `ModelOf::<T>::MODEL`.
///
/// For any other type the constant of [`NoModel`] applies, over which an inherent constant takes
/// precedence, so that the compiler reports the mistake only where the field is recorded.
#[derive(Debug)]
pub struct ModelOf<T: ?Sized>(PhantomData<T>);

impl<T: Reference + ?Sized> ModelOf<T> {
    /// The model.
    pub const MODEL: Option<&'static str> = Some(T::MODEL);
}

/// The fallback of [`ModelOf`] for a type that is not a reference.
pub trait NoModel {
    /// No model.
    const MODEL: Option<&'static str> = None;
}

impl<T: ?Sized> NoModel for ModelOf<T> {}

/// The fields of a type that is recorded without its `AuditValue`, for [`fields_of`]. The lint
/// reports secrets among them, which are recorded in clear, and cells that clones share are
/// captured.
///
/// For a type that is not an [`AuditValue`] the constants of [`NoFields`] apply, over which
/// inherent constants take precedence.
#[derive(Debug)]
pub struct FieldsOf<T: ?Sized>(PhantomData<T>);

impl<T: AuditValue + ?Sized> FieldsOf<T> {
    /// The fields.
    pub const FIELDS: Option<fn() -> &'static [FieldSchema]> = Some(T::fields);
}

// `RefUnwindSafe` is the only auto trait that a cell removes from a type even behind a pointer. The
// locks of `std::sync` do not remove it.
impl<T: RefUnwindSafe + ?Sized> FieldsOf<T> {
    /// Whether values are free of interior mutability.
    pub const FIXED: bool = true;
}

/// The fallback of [`FieldsOf`] for a type that is not an [`AuditValue`] or may contain cells.
pub trait NoFields {
    /// No fields.
    const FIELDS: Option<fn() -> &'static [FieldSchema]> = None;
    /// Unknown, hence `false`.
    const FIXED: bool = false;
}

impl<T: ?Sized> NoFields for FieldsOf<T> {}

/// Returns the fields of a type that may not be an [`AuditValue`]; without fields, a description
/// that shows whether its clones may share cells.
pub const fn fields_of(
    fields: Option<fn() -> &'static [FieldSchema]>,
    fixed: bool,
) -> fn() -> &'static [FieldSchema] {
    match fields {
        Some(fields) => fields,
        None if fixed => no_fields,
        None => shared_cell,
    }
}

/// Describes a value that shares a cell with its clones.
fn shared_cell() -> &'static [FieldSchema] {
    const CELL: &[FieldSchema] = &[FieldSchema::cell(no_fields)];
    const { &[FieldSchema::pointer(|| CELL)] }
}
