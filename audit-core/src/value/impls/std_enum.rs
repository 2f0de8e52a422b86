//! Enums of the standard library (`Result`, `Bound`, `Ordering`), recorded like derived enums.

use std::cmp::Ordering;
use std::ops::Bound;

use serde_json::Value;

use crate::value::AuditValue;
use crate::value::diff::Diff;
use crate::value::fields::field;
use crate::value::schema::FieldSchema;
use crate::value::snapshot::Snapshot;

/// Recorded as `{"Ok": value}` or `{"Err": error}`.
impl<T: AuditValue, E: AuditValue> AuditValue for Result<T, E> {
    const COMPOSITE: bool = true;

    #[inline]
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Ok(old), Ok(new)) => old.same(new),
            (Err(old), Err(new)) => old.same(new),
            _ => false,
        }
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        match self {
            Ok(value) => cx.variant("Ok", |cx| value.snapshot(cx)),
            Err(error) => cx.variant("Err", |cx| error.snapshot(cx)),
        }
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        match (self, new) {
            (Ok(old), Ok(new)) => cx.entry("Ok", old, new),
            (Err(old), Err(new)) => cx.entry("Err", old, new),
            _ => cx.replace(Some(self), Some(new)),
        }
    }

    fn fields() -> &'static [FieldSchema] {
        const { &[field("Ok", T::AS_FIELD), field("Err", E::AS_FIELD)] }
    }
}

/// Recorded as `{"Included": value}`, `{"Excluded": value}` or `"Unbounded"`.
impl<T: AuditValue> AuditValue for Bound<T> {
    const COMPOSITE: bool = true;

    #[inline]
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Included(old), Self::Included(new))
            | (Self::Excluded(old), Self::Excluded(new)) => old.same(new),
            (Self::Unbounded, Self::Unbounded) => true,
            _ => false,
        }
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        match self {
            Self::Included(value) => cx.variant("Included", |cx| value.snapshot(cx)),
            Self::Excluded(value) => cx.variant("Excluded", |cx| value.snapshot(cx)),
            Self::Unbounded => cx.unit("Unbounded"),
        }
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        match (self, new) {
            (Self::Included(old), Self::Included(new)) => cx.entry("Included", old, new),
            (Self::Excluded(old), Self::Excluded(new)) => cx.entry("Excluded", old, new),
            (Self::Unbounded, Self::Unbounded) => {}
            _ => cx.replace(Some(self), Some(new)),
        }
    }

    fn fields() -> &'static [FieldSchema] {
        const {
            &[
                field("Included", T::AS_FIELD),
                field("Excluded", T::AS_FIELD),
            ]
        }
    }

    fn unit_names() -> &'static [&'static str] {
        &["Unbounded"]
    }
}

/// Recorded as `Less`, `Equal` or `Greater`. Serde does not support this type.
impl AuditValue for Ordering {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        let name = match self {
            Self::Less => "Less",
            Self::Equal => "Equal",
            Self::Greater => "Greater",
        };
        Value::String(name.to_owned())
    }
}
