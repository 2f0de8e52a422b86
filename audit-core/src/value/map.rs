//! Maps: compared key by key, whatever the order.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use serde_json::{Map, Value};

use super::AuditValue;
use crate::diff::Diff;
use crate::path::Segment;
use crate::repr::key_text;
use crate::schema::FieldSchema;
use crate::snapshot::Snapshot;

/// Records a map as an object.
fn snapshot_map<'v, K: AuditValue + 'v, V: AuditValue + 'v>(
    entries: impl Iterator<Item = (&'v K, &'v V)>,
    cx: &mut Snapshot<'_>,
) -> Value {
    cx.nested(|cx| {
        let mut object = Map::new();
        for (key, value) in entries {
            let value = value.snapshot(cx);
            if object.insert(key_text(key), value).is_some() {
                return cx.fail(AMBIGUOUS);
            }
        }
        Value::Object(object)
    })
}

/// Why two entries cannot be told apart once they are recorded. Not the key: it may be long.
const AMBIGUOUS: &str = "two keys of a map have the same text";

/// Reports the differing entries of two maps, ordered by key.
fn diff_maps<'v, V: AuditValue + 'v>(
    mut differing: Vec<(String, Option<&'v V>, Option<&'v V>)>,
    cx: &mut Diff<'_>,
) {
    if differing.is_empty() {
        return;
    }
    differing.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    if differing.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        cx.fail(AMBIGUOUS.to_owned());
        return;
    }
    for (key, old, new) in differing {
        cx.at(Segment::Name(&key), |cx| match (old, new) {
            (Some(old), Some(new)) => old.diff(new, cx),
            (old, new) => cx.replace(old, new),
        });
    }
}

/// Answers whether two maps of the same length differ.
fn probe_maps<'v, V: AuditValue + 'v>(
    mut pairs: impl Iterator<Item = (&'v V, Option<&'v V>)>,
    cx: &mut Diff<'_>,
) {
    while !cx.answered()
        && let Some((old, new)) = pairs.next()
    {
        match new {
            Some(new) => cx.item(0, old, new),
            None => cx.differs(),
        }
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
                snapshot_map(self.iter(), cx)
            }

            fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
                if cx.probing() {
                    if self.len() != new.len() {
                        cx.differs();
                    }
                    return probe_maps(self.iter().map(|(key, old)| (old, new.get(key))), cx);
                }
                let mut differing = Vec::new();
                let mut common = 0;
                for (key, old) in self {
                    let new = new.get(key);
                    common += usize::from(new.is_some());
                    match new {
                        Some(new) if cx.same(old, new) => {}
                        new => differing.push((key_text(key), Some(old), new)),
                    }
                }
                if common < new.len() {
                    for (key, new) in new {
                        if !self.contains_key(key) {
                            differing.push((key_text(key), None, Some(new)));
                        }
                    }
                }
                diff_maps(differing, cx);
            }

            fn fields() -> &'static [FieldSchema] {
                const { &[FieldSchema::keys(V::fields)] }
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
