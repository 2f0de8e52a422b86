//! Pointers, `Option` and `PhantomData`, recorded as their content.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use crate::value::AuditValue;
use crate::value::diff::Diff;
use crate::value::schema::FieldSchema;
use crate::value::snapshot::Snapshot;

macro_rules! pointers {
    ($($(#[$doc:meta])* [$($generics:tt)*] $pointer:ty, $inner:ident, |$a:ident, $b:ident| $shared:expr, $fields:expr;)*) => {$(
        $(#[$doc])*
        impl<$($generics)*> AuditValue for $pointer {
            const COMPOSITE: bool = $inner::COMPOSITE;
            const SET: bool = $inner::SET;
            const PLAIN: bool = $inner::PLAIN;

            #[inline]
            fn same(&self, other: &Self) -> bool {
                let ($a, $b) = (self, other);
                $shared || $inner::same(self, other)
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                $inner::snapshot(self, cx)
            }

            fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
                let ($a, $b) = (self, new);
                if !$shared {
                    $inner::diff(self, new, cx);
                }
            }

            fn write_text(&self, out: &mut String, cx: &mut Snapshot<'_>) {
                $inner::write_text(self, out, cx);
            }

            fn fields() -> &'static [FieldSchema] {
                $fields
            }

            fn unit_names() -> &'static [&'static str] {
                $inner::unit_names()
            }
        }
    )*};
}

pointers! {
    ['r, T: AuditValue + ?Sized] &'r T, T, |_a, _b| false, const { &[FieldSchema::pointer(T::fields)] };
    ['r, T: AuditValue + ?Sized] &'r mut T, T, |_a, _b| false, T::fields();
    [T: AuditValue + ?Sized] Box<T>, T, |_a, _b| false, T::fields();
    /// Two handles of one value are the same without a comparison.
    [T: AuditValue + ?Sized] Rc<T>, T, |a, b| Rc::ptr_eq(a, b), const { &[FieldSchema::pointer(T::fields)] };
    /// Two handles of one value are the same without a comparison.
    [T: AuditValue + ?Sized] Arc<T>, T, |a, b| Arc::ptr_eq(a, b), const { &[FieldSchema::pointer(T::fields)] };
}

/// Returns whether a value is recorded as a null.
#[cold]
#[inline(never)]
fn is_null<T: AuditValue>(value: &T) -> bool {
    !T::PLAIN && crate::value::snapshot::try_snapshot(value).is_ok_and(|value| value.is_null())
}

/// `None` is a null.
impl<T: AuditValue> AuditValue for Option<T> {
    const COMPOSITE: bool = T::COMPOSITE;
    const SET: bool = T::SET;

    #[inline]
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Some(old), Some(new)) => old.same(new),
            (None, None) => true,
            // `None` and `Some(None)` have the same recorded form.
            (Some(value), None) | (None, Some(value)) => is_null(value),
        }
    }

    #[inline]
    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        self.as_ref()
            .map_or(Value::Null, |value| value.snapshot(cx))
    }

    #[inline]
    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        match (self, new) {
            (Some(old), Some(new)) => old.diff(new, cx),
            (None, None) => {}
            _ => cx.replace(Some(self), Some(new)),
        }
    }

    fn write_text(&self, out: &mut String, cx: &mut Snapshot<'_>) {
        if let Some(value) = self {
            value.write_text(out, cx);
        }
    }

    fn fields() -> &'static [FieldSchema] {
        T::fields()
    }

    fn unit_names() -> &'static [&'static str] {
        T::unit_names()
    }
}

/// Null, as serde writes it.
impl<T: ?Sized> AuditValue for PhantomData<T> {
    #[inline]
    fn same(&self, _: &Self) -> bool {
        true
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        Value::Null
    }
}
