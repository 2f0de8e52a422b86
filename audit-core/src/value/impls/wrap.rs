//! How the derive records a field whose type is no `AuditValue`, or in another way than its
//! type has it.

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

/// `#[audit(serde)]`: the value as serde writes it.
#[derive(Debug)]
pub struct Serialized<'v, T: ?Sized>(pub &'v T);

impl<T: Serializable + ?Sized> AuditValue for Serialized<'_, T> {
    fn same(&self, other: &Self) -> bool {
        same_written(&to_value(self.0), &to_value(other.0))
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        written(to_value(self.0), cx)
    }
}

/// What `#[audit(serde)]` needs of a type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is to be recorded as serde writes it, but does not implement `Serialize`",
    label = "no `serde::Serialize`",
    note = "derive `serde::Serialize` if the type is yours, or say how it is recorded otherwise: `#[audit(display)]`, `#[audit(debug)]`, `#[audit(with = path)]`",
    note = "or leave the field out with `#[audit(skip)]`"
)]
pub trait Serializable: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Serializable for T {}

/// A field with serde's `with` or `serialize_with`: the value as that function writes it.
#[derive(Debug)]
pub struct SerializedWith<'v, T: ?Sized, F>(pub &'v T, pub F);

impl<T: ?Sized, F: Fn(&T, Recorder) -> Result<Value, Failure>> AuditValue
    for SerializedWith<'_, T, F>
{
    fn same(&self, other: &Self) -> bool {
        let write = |value: &Self| value.1(value.0, Recorder::START);
        same_written(&write(self), &write(other))
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        written(self.1(self.0, Recorder::START), cx)
    }
}

fn same_written(old: &Result<Value, Failure>, new: &Result<Value, Failure>) -> bool {
    match (old, new) {
        (Ok(old), Ok(new)) => nesting::equal(old, new),
        // The snapshot then meets the error and reports it.
        _ => false,
    }
}

fn written(value: Result<Value, Failure>, cx: &mut Snapshot<'_>) -> Value {
    // Not the type's own error: it may quote the value.
    match value {
        Ok(value) => value,
        Err(Failure::TooDeep) => cx.too_deep(),
        Err(Failure::Refused) => cx.fail("serde could not serialize a field or its type"),
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

/// What `#[audit(display)]` needs of a type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is to be recorded as its text, but does not implement `Display`",
    label = "no `std::fmt::Display`",
    note = "implement `std::fmt::Display` if the type is yours, or say how it is recorded otherwise: `#[audit(serde)]`, `#[audit(debug)]`, `#[audit(with = path)]`",
    note = "or leave the field out with `#[audit(skip)]`"
)]
pub trait Displayable: fmt::Display {}

#[diagnostic::do_not_recommend]
impl<T: fmt::Display + ?Sized> Displayable for T {}

/// What `#[audit(debug)]` needs of a type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is to be recorded as its `Debug` text, but does not implement `Debug`",
    label = "no `std::fmt::Debug`",
    note = "derive `Debug` if the type is yours, or say how it is recorded otherwise: `#[audit(serde)]`, `#[audit(display)]`, `#[audit(with = path)]`",
    note = "or leave the field out with `#[audit(skip)]`"
)]
pub trait Debuggable: fmt::Debug {}

#[diagnostic::do_not_recommend]
impl<T: fmt::Debug + ?Sized> Debuggable for T {}

/// `#[audit(with = path)]`: what a function makes of the value.
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

/// What a function of `#[audit(with = path)]` may return.
#[diagnostic::on_unimplemented(
    message = "the function of `with` returns `{Self}`, which is not an `AuditValue`",
    label = "not an `AuditValue`",
    note = "return a text, a number or another type that is recorded, or derive `Auditable` if the type is yours"
)]
pub trait Returned: AuditValue {}

#[diagnostic::do_not_recommend]
impl<T: AuditValue> Returned for T {}

/// `#[audit(mask_with = path)]`: compared as it is, shown as a function masks it.
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

/// What `#[audit(mask_with = path)]` needs of a type, whose values are compared.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is masked by a function, but its values cannot be compared, since it is not an `AuditValue`",
    label = "not an `AuditValue`",
    note = "derive `Auditable` if the type is yours; for another type use `#[audit(mask)]`, which shows nothing, or `#[audit(with = path)]`, which compares what the function returns",
    note = "or leave the field out with `#[audit(skip)]`"
)]
pub trait Maskable: AuditValue {}

#[diagnostic::do_not_recommend]
impl<T: AuditValue + ?Sized> Maskable for T {}

/// What a function of `#[audit(mask_with = path)]` may return.
#[diagnostic::on_unimplemented(
    message = "the function of `mask_with` returns `{Self}`, which is not a JSON value",
    label = "not `Into<serde_json::Value>`",
    note = "return a `String`, or another type that is `Into<serde_json::Value>`"
)]
pub trait Shown: Into<Value> {}

#[diagnostic::do_not_recommend]
impl<T: Into<Value>> Shown for T {}

/// Returns what a function shows in place of a value.
pub fn masked<T: Shown>(shown: T) -> Value {
    shown.into()
}

/// A field marked `#[audit(mask)]`: of an [`AuditValue`] the value itself, of any other type
/// what can be [compared](Concealed).
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

/// What stands in for an [`AuditValue`] where nothing of a value is shown. A method of the type
/// itself goes before it.
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

/// What `#[audit(mask)]` needs of a type that is no [`AuditValue`].
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

/// What a field marked `reference` may hold: an entity, or an option or a list of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no identity to refer to",
    note = "`#[audit(reference)]` goes on an entity: a struct that derives `Auditable` and has an `id` field or `#[audit(id)]`"
)]
pub trait Reference {
    /// The model of the entities.
    const MODEL: &'static str;
    /// Whether the identity is a token, or has one inside.
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
        // An object without a key cannot be referred to.
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

/// The model of the entities that a field marked `reference` holds, as `ModelOf::<T>::MODEL`.
///
/// For any other type [`NoModel`] answers, which a type's own constant goes before: the
/// mistake is reported where the field is recorded, and once.
#[derive(Debug)]
pub struct ModelOf<T: ?Sized>(PhantomData<T>);

impl<T: Reference + ?Sized> ModelOf<T> {
    /// The model.
    pub const MODEL: Option<&'static str> = Some(T::MODEL);
}

/// What [`ModelOf`] says of a type that is not a reference.
pub trait NoModel {
    /// None.
    const MODEL: Option<&'static str> = None;
}

impl<T: ?Sized> NoModel for ModelOf<T> {}

/// The fields of a type that is recorded past its own description, for [`fields_of`]: what it
/// would hide is then in clear, which the lint reports, and cells that it shares with its clones
/// are captured.
///
/// For a type that is no [`AuditValue`] [`NoFields`] answers, which a type's own constant goes
/// before.
#[derive(Debug)]
pub struct FieldsOf<T: ?Sized>(PhantomData<T>);

impl<T: AuditValue + ?Sized> FieldsOf<T> {
    /// The fields.
    pub const FIELDS: Option<fn() -> &'static [FieldSchema]> = Some(T::fields);
}

// The one property of the standard library that a type passes on from what it holds and that a
// cell takes away, also behind a pointer; a lock of `std::sync` does not.
impl<T: RefUnwindSafe + ?Sized> FieldsOf<T> {
    /// Whether values do not change behind a shared reference.
    pub const FIXED: bool = true;
}

/// What [`FieldsOf`] says of a type that is no [`AuditValue`], or may have cells inside.
pub trait NoFields {
    /// None.
    const FIELDS: Option<fn() -> &'static [FieldSchema]> = None;
    /// Not as far as the type tells.
    const FIXED: bool = false;
}

impl<T: ?Sized> NoFields for FieldsOf<T> {}

/// Returns the fields of a type that may be no [`AuditValue`]; of another one, whether it may
/// share cells with its clones.
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
