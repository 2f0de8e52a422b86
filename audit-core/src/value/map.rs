//! Maps: compared key by key, whatever the order.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use serde_json::Value;

use super::AuditValue;
use crate::diff::Diff;
use crate::path::Segment;
use crate::repr::key_text;
use crate::schema::FieldSchema;
use crate::snapshot::Snapshot;

/// Reports the differing entries of two maps, ordered by key.
fn diff_maps<'v, V: AuditValue + 'v>(
    mut differing: Vec<(String, Option<&'v V>, Option<&'v V>)>,
    cx: &mut Diff<'_>,
) {
    differing.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    for (key, old, new) in differing {
        cx.at(Segment::Name(&key), |cx| match (old, new) {
            (Some(old), Some(new)) => old.diff(new, cx),
            (old, new) => cx.replace(old, new),
        });
    }
}

macro_rules! maps {
    ($([$($bound:tt)*] [$($generics:tt)*] $map:ty;)*) => {$(
        impl<K: AuditValue $($bound)*, V: AuditValue $($generics)*> AuditValue for $map {
            const COMPOSITE: bool = true;

            #[inline]
            fn same(&self, other: &Self) -> bool {
                self.len() == other.len()
                    && self
                        .iter()
                        .all(|(key, old)| other.get(key).is_some_and(|new| old.same(new)))
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                cx.nested(|cx| {
                    Value::Object(
                        self.iter()
                            .map(|(key, value)| (key_text(key), value.snapshot(cx)))
                            .collect(),
                    )
                })
            }

            fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
                let mut differing = Vec::new();
                for (key, old) in self {
                    match new.get(key) {
                        Some(new) if old.same(new) => {}
                        new => differing.push((key_text(key), Some(old), new)),
                    }
                }
                for (key, new) in new {
                    if !self.contains_key(key) {
                        differing.push((key_text(key), None, Some(new)));
                    }
                }
                diff_maps(differing, cx);
            }

            fn fields() -> &'static [FieldSchema] {
                V::fields()
            }
        }
    )*};
}

maps! {
    [+ Ord] [] BTreeMap<K, V>;
    [+ Eq + Hash] [, S: BuildHasher] HashMap<K, V, S>;
}

#[cfg(feature = "indexmap")]
maps! {
    [+ Eq + Hash] [, S: BuildHasher] indexmap::IndexMap<K, V, S>;
}
