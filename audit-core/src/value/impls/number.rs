//! Numbers, booleans, and wrappers of numbers.
//!
//! An integer whose magnitude exceeds 2^53 is a string, since many JSON readers keep numbers as doubles (RFC
//! 8259, section 6). A float is a JSON number with the shortest digits that name it; NaN and the infinities,
//! which JSON lacks, are the strings `NaN`, `Infinity` and `-Infinity`. NaN equals NaN, so that it is not a change in
//! every update; 0.0 equals -0.0.

use std::cmp::Reverse;
use std::fmt::Display;
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8,
    NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize, Saturating, Wrapping,
};

use serde_json::Value;

use crate::json::number::float_value;
use crate::value::AuditValue;
use crate::value::diff::Diff;
use crate::value::schema::FieldSchema;
use crate::value::snapshot::Snapshot;

/// The largest integer that every JSON reader keeps exactly: 2^53 (RFC 8259, section 6).
const EXACT: u128 = 1 << 53;

/// Returns an integer as JSON: a number if its magnitude is at most 2^53, else a string.
pub(super) fn integer_value(number: i128) -> Value {
    match i64::try_from(number) {
        Ok(small) if number.unsigned_abs() <= EXACT => Value::Number(small.into()),
        _ => Value::String(number.to_string()),
    }
}

/// Returns an integer inside a JSON value: a number if it fits 64 bits, else a string.
pub(super) fn json_integer(number: i128) -> Value {
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(small), _) => small.into(),
        (_, Ok(large)) => large.into(),
        _ => Value::String(number.to_string()),
    }
}

/// An integer that is not a number to every JSON reader.
#[cold]
fn beyond(number: &dyn Display) -> Value {
    Value::String(number.to_string())
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl AuditValue for $integer {
            const PLAIN: bool = true;

            #[inline]
            fn same(&self, other: &Self) -> bool {
                self == other
            }

            #[inline]
            fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
                match i64::try_from(*self) {
                    Ok(small) if u128::from(small.unsigned_abs()) <= EXACT => {
                        Value::Number(small.into())
                    }
                    _ => beyond(self),
                }
            }

            fn write_text(&self, out: &mut String, _: &mut Snapshot<'_>) {
                out.push_str(itoa::Buffer::new().format(*self));
            }
        }
    )*};
}

integers!(
    i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);

macro_rules! wrapped_integers {
    ($($wrapper:ty => $inner:expr),* $(,)?) => {$(
        impl AuditValue for $wrapper {
            #[inline]
            fn same(&self, other: &Self) -> bool {
                self == other
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                let inner: fn(&Self) -> _ = $inner;
                inner(self).snapshot(cx)
            }
        }
    )*};
}

wrapped_integers!(
    NonZeroI8 => |n| n.get(), NonZeroI16 => |n| n.get(), NonZeroI32 => |n| n.get(),
    NonZeroI64 => |n| n.get(), NonZeroI128 => |n| n.get(), NonZeroIsize => |n| n.get(),
    NonZeroU8 => |n| n.get(), NonZeroU16 => |n| n.get(), NonZeroU32 => |n| n.get(),
    NonZeroU64 => |n| n.get(), NonZeroU128 => |n| n.get(), NonZeroUsize => |n| n.get(),
);

macro_rules! transparent {
    ($($wrapper:ident),*) => {$(
        /// Recorded as its content.
        impl<T: AuditValue> AuditValue for $wrapper<T> {
            const COMPOSITE: bool = T::COMPOSITE;
            const SET: bool = T::SET;

            #[inline]
            fn same(&self, other: &Self) -> bool {
                self.0.same(&other.0)
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                self.0.snapshot(cx)
            }

            fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
                self.0.diff(&new.0, cx);
            }

            fn write_text(&self, out: &mut String, cx: &mut Snapshot<'_>) {
                self.0.write_text(out, cx);
            }

            fn fields() -> &'static [FieldSchema] {
                T::fields()
            }
        }
    )*};
}

transparent!(Wrapping, Saturating, Reverse);

/// NaN is the same as NaN, and 0.0 the same as -0.0.
impl AuditValue for f64 {
    const PLAIN: bool = true;

    #[inline]
    #[expect(clippy::float_cmp, reason = "any difference is a change")]
    fn same(&self, other: &Self) -> bool {
        *self == *other || (self.is_nan() && other.is_nan())
    }

    #[inline]
    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        float_value(*self)
    }
}

/// Compared as `f64` is; recorded with the fewest digits that identify this `f32`.
impl AuditValue for f32 {
    const PLAIN: bool = true;

    #[inline]
    #[expect(clippy::float_cmp, reason = "any difference is a change")]
    fn same(&self, other: &Self) -> bool {
        *self == *other || (self.is_nan() && other.is_nan())
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        // The shortest text of 0.1f32 is `0.1`; widening it would record 0.10000000149.
        float_value(self.to_string().parse().unwrap_or(f64::from(*self)))
    }
}

impl AuditValue for bool {
    const PLAIN: bool = true;

    #[inline]
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    #[inline]
    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        Value::Bool(*self)
    }
}

/// The unit value is null.
impl AuditValue for () {
    #[inline]
    fn same(&self, (): &Self) -> bool {
        true
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        Value::Null
    }
}
