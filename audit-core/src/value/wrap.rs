//! How the derive records a field whose type is no `AuditValue`, or in another way than its
//! type has it.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::set::{diff_sets, snapshot_set};
use super::{AuditValue, normalize};
use crate::auditable::Auditable;
use crate::diff::Diff;
use crate::path::Segment;
use crate::schema::FieldSchema;
use crate::snapshot::Snapshot;

/// `#[audit(serde)]`: the value as serde writes it.
#[derive(Debug)]
pub struct Serialized<'v, T: ?Sized>(pub &'v T);

impl<T: Serialize + ?Sized> AuditValue for Serialized<'_, T> {
    fn same(&self, other: &Self) -> bool {
        match (serde_json::to_value(self.0), serde_json::to_value(other.0)) {
            (Ok(old), Ok(new)) => old == new,
            // The snapshot then meets the error and reports it.
            _ => false,
        }
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        match serde_json::to_value(self.0) {
            Ok(value) => normalize(&value),
            // Not the error's text: it may quote the value.
            Err(_) => cx.fail("a field marked `#[audit(serde)]` could not be serialized"),
        }
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
    Displayed, fmt::Display, "{}";
    /// `#[audit(debug)]`: the value's `Debug` text.
    Debugged, fmt::Debug, "{:?}";
}

/// `#[audit(with = path)]`: what a function makes of the value.
#[derive(Debug)]
pub struct Via<'v, T: ?Sized, F>(pub &'v T, pub F);

impl<T: ?Sized, U: AuditValue, F: Fn(&T) -> U> AuditValue for Via<'_, T, F> {
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

/// `#[audit(mask_with = path)]`: compared as it is, shown as a function masks it.
#[derive(Debug)]
pub struct MaskedWith<'v, T: ?Sized, F>(pub &'v T, pub F);

impl<T: AuditValue + ?Sized, F: Fn(&T) -> Value> AuditValue for MaskedWith<'_, T, F> {
    fn same(&self, other: &Self) -> bool {
        self.0.same(other.0)
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        self.1(self.0)
    }
}

/// `#[audit(reference)]`: only the identity of a nested entity.
#[derive(Debug)]
pub struct Referenced<'v, T: ?Sized>(pub &'v T);

impl<T: Reference + ?Sized> AuditValue for Referenced<'_, T> {
    fn same(&self, other: &Self) -> bool {
        self.0.identity() == other.0.identity()
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        self.0.identity()
    }
}

/// What a field marked `reference` may hold: an entity, or an option or a list of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no identity to refer to",
    note = "`#[audit(reference)]` goes on an entity: a struct that derives `Auditable` and has an `id` field or `#[audit(id)]`"
)]
pub trait Reference {
    /// Returns the identity as JSON.
    fn identity(&self) -> Value;
}

impl<T: Auditable> Reference for T {
    fn identity(&self) -> Value {
        Value::String(self.object_pk())
    }
}

impl<T: Reference> Reference for Option<T> {
    fn identity(&self) -> Value {
        self.as_ref().map_or(Value::Null, Reference::identity)
    }
}

impl<T: Reference> Reference for Vec<T> {
    fn identity(&self) -> Value {
        Value::Array(self.iter().map(Reference::identity).collect())
    }
}

/// `#[audit(set)]`: a list whose order and repetitions do not matter.
#[derive(Debug)]
pub struct AsSet<'v, T>(pub &'v [T]);

impl<T: AuditValue> AsSet<'_, T> {
    fn has(&self, member: &T) -> bool {
        self.0.iter().any(|known| known.same(member))
    }

    /// The members, each once.
    fn members(&self) -> impl Iterator<Item = &T> {
        self.0
            .iter()
            .enumerate()
            .filter(|(index, member)| !self.0[..*index].iter().any(|known| known.same(member)))
            .map(|(_, member)| member)
    }
}

impl<T: AuditValue> AuditValue for AsSet<'_, T> {
    const COMPOSITE: bool = true;

    fn same(&self, other: &Self) -> bool {
        self.0.iter().all(|member| other.has(member))
            && other.0.iter().all(|member| self.has(member))
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        snapshot_set(self.members(), cx)
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        diff_sets(
            self.members().filter(|member| !new.has(member)),
            new.members().filter(|member| !self.has(member)),
            cx,
        );
    }

    fn fields() -> &'static [FieldSchema] {
        T::fields()
    }
}

/// `#[audit(key = "field")]`: a list whose items are matched by that field.
#[derive(Debug)]
pub struct Keyed<'v, T, F> {
    items: &'v [T],
    field: &'static str,
    key: F,
}

impl<'v, T, K, F> Keyed<'v, T, F>
where
    K: AuditValue + ?Sized + 'v,
    F: Fn(&'v T) -> &'v K,
{
    /// Wraps a list; `key` gives the field called `field` of an item.
    pub fn new(items: &'v [T], field: &'static str, key: F) -> Self {
        Self { items, field, key }
    }
}

impl<'v, T, K, F> AuditValue for Keyed<'v, T, F>
where
    T: AuditValue,
    K: AuditValue + ?Sized + 'v,
    F: Fn(&'v T) -> &'v K,
{
    const COMPOSITE: bool = true;

    fn same(&self, other: &Self) -> bool {
        self.items.same(other.items)
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        self.items.snapshot(cx)
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        let key = |item: &'v T| crate::snapshot::key_value((self.key)(item));
        let find = |items: &'v [T], wanted: &Value| items.iter().find(|item| key(item) == *wanted);
        for old in self.items {
            let value = key(old);
            let found = find(new.items, &value);
            cx.at(
                Segment::Match {
                    field: self.field,
                    value: &value,
                },
                |cx| match found {
                    Some(new) => old.diff(new, cx),
                    None => cx.replace(Some(old), None),
                },
            );
        }
        for new in new.items {
            let value = key(new);
            if find(self.items, &value).is_none() {
                cx.at(
                    Segment::Match {
                        field: self.field,
                        value: &value,
                    },
                    |cx| {
                        cx.replace(None, Some(new));
                    },
                );
            }
        }
    }

    fn fields() -> &'static [FieldSchema] {
        T::fields()
    }
}
