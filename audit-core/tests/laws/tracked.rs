//! Implements tracking with the calls that the derive generates.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;

/// Implements `AuditValue` for a struct, field by field.
macro_rules! tracked {
    ($type:ty { $($field:ident: $schema:expr $(, $wrap:ident)?;)* }) => {
        impl audit_core::AuditValue for $type {
            const COMPOSITE: bool = true;
            const FIELDS: &'static [audit_core::FieldSchema] = &[$($schema),*];

            fn snapshot(&self, cx: &mut audit_core::Snapshot<'_>) -> serde_json::Value {
                cx.object(|object| {
                    let mut fields = <$type as audit_core::AuditValue>::FIELDS.iter();
                    $(
                        let field = fields.next().unwrap();
                        tracked!(@snapshot object, field, self.$field $(, $wrap)?);
                    )*
                })
            }

            fn diff(&self, new: &Self, cx: &mut audit_core::Diff<'_>) {
                let mut fields = <$type as audit_core::AuditValue>::FIELDS.iter();
                $(
                    let field = fields.next().unwrap();
                    tracked!(@diff cx, field, self.$field, new.$field $(, $wrap)?);
                )*
            }
        }
    };
    (@snapshot $object:ident, $field:ident, $value:expr) => {
        $object.visit($field, &$value)
    };
    (@snapshot $object:ident, $field:ident, $value:expr, optional) => {
        $object.visit_optional($field, $value.as_ref())
    };
    (@snapshot $object:ident, $field:ident, $value:expr, $wrap:ident) => {
        $object.visit($field, &crate::tracked::$wrap(&$value))
    };
    (@diff $cx:ident, $field:ident, $old:expr, $new:expr) => {
        $cx.visit($field, &$old, &$new)
    };
    (@diff $cx:ident, $field:ident, $old:expr, $new:expr, optional) => {
        $cx.visit_optional($field, $old.as_ref(), $new.as_ref())
    };
    (@diff $cx:ident, $field:ident, $old:expr, $new:expr, $wrap:ident) => {
        $cx.visit($field, &crate::tracked::$wrap(&$old), &crate::tracked::$wrap(&$new))
    };
}
pub(crate) use tracked;

use audit_core::__private::{AsSet, AuditValue, Keyed, no_fields};
use audit_core::FieldSchema;

use crate::tracked_types::{Item, Order};

pub(crate) const fn field(name: &'static str) -> FieldSchema {
    FieldSchema::new(name, no_fields)
}

pub(crate) fn by_sku(items: &[Item]) -> impl AuditValue + '_ {
    Keyed::new(items, "sku", |item: &Item| &item.sku)
}

pub(crate) fn by_number(orders: &[Order]) -> impl AuditValue + '_ {
    Keyed::new(orders, "number", |order: &Order| &order.number)
}

pub(crate) fn by_secret(items: &[Item]) -> impl AuditValue + '_ {
    Keyed::new(items, "secret", |item: &Item| &item.secret)
}

pub(crate) fn by_name(items: &[Part]) -> impl AuditValue + '_ {
    Keyed::new(items, "name", |part: &Part| &part.name)
}

pub(crate) fn as_set<T: AuditValue>(members: &[T]) -> AsSet<'_, [T]> {
    AsSet(members)
}

/// A type for which composing two diffs equals the direct diff.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    count: i64,
    name: String,
    maybe: Option<u8>,
    absent: Option<Option<bool>>,
    part: Part,
    counts: BTreeMap<String, i64>,
    nested: BTreeMap<u8, BTreeSet<String>>,
    roles: BTreeSet<String>,
    numbers: Vec<i64>,
    parts: Vec<Part>,
}

tracked!(Plain {
    count: field("count");
    name: field("name");
    maybe: field("maybe");
    absent: field("absent"), optional;
    part: field("part");
    counts: field("counts");
    nested: field("nested");
    roles: field("roles");
    numbers: field("numbers"), as_set;
    parts: field("parts"), by_name;
});

#[derive(Clone, Debug)]
pub(crate) struct Part {
    name: String,
    size: u8,
    tags: BTreeSet<String>,
}

tracked!(Part {
    name: field("name");
    size: field("size");
    tags: field("tags");
});

pub(crate) fn word() -> BoxedStrategy<String> {
    prop_oneof![
        6 => prop::sample::select(vec!["a", "b", "c", "d"]),
        3 => prop::sample::select(vec![
            "", "a.b", "it's", "\"q\"", "[0]", "x=1", "ключ", "😀", "~/", "\n\u{1}", "$", "1", "\\",
        ]),
    ]
    .prop_map(str::to_owned)
    .boxed()
}

fn part() -> BoxedStrategy<Part> {
    (word(), 0..3u8, btree_set(word(), 0..3))
        .prop_map(|(name, size, tags)| Part { name, size, tags })
        .boxed()
}

/// Parts of a keyed list in a fixed order, for which composing two diffs equals
/// the direct diff.
fn parts() -> BoxedStrategy<Vec<Part>> {
    proptest::collection::vec(part(), 3)
        .prop_map(|mut parts| {
            for (part, name) in parts.iter_mut().zip(["a", "b.c", "it's"]) {
                name.clone_into(&mut part.name);
            }
            parts
        })
        .boxed()
}

fn plain() -> BoxedStrategy<Plain> {
    let values = (
        0..3i64,
        word(),
        proptest::option::of(0..2u8),
        proptest::option::of(proptest::option::of(any::<bool>())),
        part(),
        btree_map(word(), 0..3i64, 0..5),
        parts(),
    );
    let sets = (
        btree_set(word(), 0..5),
        proptest::collection::vec(0..6i64, 0..6),
        proptest::collection::vec(btree_set(word(), 0..3), 3),
    );
    (values, sets)
        .prop_map(|(values, (roles, numbers, nested))| {
            let (count, name, maybe, absent, part, counts, parts) = values;
            Plain {
                count,
                name,
                maybe,
                absent,
                part,
                counts,
                nested: (0..).zip(nested).collect(),
                roles,
                numbers,
                parts,
            }
        })
        .boxed()
}

pub(crate) fn triple() -> BoxedStrategy<(Plain, Plain, Plain)> {
    (plain(), plain(), plain()).boxed()
}
