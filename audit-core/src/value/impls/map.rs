//! Maps, compared key by key regardless of order.
//!
//! A key is recorded as the text of its value. Two keys of one map with equal texts are an error, since one
//! of the entries would be dropped. Masked keys have equal texts by design: their entries are numbered
//! (`***`, `*** (2)`) in the order of their values, so that equal maps have equal snapshots.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use serde_json::map::Entry;
use serde_json::{Map, Value};

use crate::json::order::compare_values;
use crate::path::Segment;
use crate::value::AuditValue;
use crate::value::diff::Diff;
use crate::value::schema::FieldSchema;
use crate::value::snapshot::Snapshot;

/// Records a map as an object.
fn snapshot_map<'v, K: AuditValue + 'v, V: AuditValue + 'v>(
    entries: impl Iterator<Item = (&'v K, &'v V)>,
    cx: &mut Snapshot<'_>,
) -> Value {
    cx.nested(|cx| {
        let mut object = Map::new();
        let mut hidden = false;
        let mut collisions: Vec<(String, Value)> = Vec::new();
        let noting = cx.is_noting();
        for (key, value) in entries {
            let (text, redacted) = cx.key_text(key);
            hidden |= redacted;
            let value = if noting {
                cx.noted_value(&text, value)
            } else {
                value.snapshot(cx)
            };
            match object.entry(text) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => collisions.push((entry.key().clone(), value)),
            }
        }
        if !collisions.is_empty() {
            if !(hidden || cx.hides_parts(K::fields())) {
                return cx.fail(AMBIGUOUS);
            }
            number_collisions(&mut object, collisions);
        }
        Value::Object(object)
    })
}

/// Numbers entries whose hidden keys have the same text (`***`, `*** (2)`, ..) in the order of
/// their values, so that equal maps have equal snapshots.
fn number_collisions(object: &mut Map<String, Value>, collisions: Vec<(String, Value)>) {
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (text, value) in collisions {
        groups.entry(text).or_default().push(value);
    }
    for (text, mut values) in groups {
        values.extend(object.remove(&text));
        values.sort_by(compare_values);
        let mut number = 1;
        for value in values {
            let mut name = text.clone();
            while object.contains_key(&name) {
                number += 1;
                name = format!("{text} ({number})");
            }
            object.insert(name, value);
        }
    }
}

/// Returns whether two keys of one map have the same text, or a key of the old map the text of a
/// different key that only the new map has.
fn texts_collide<'v, K: AuditValue + 'v>(
    old: impl Iterator<Item = &'v K>,
    new: impl Iterator<Item = &'v K>,
    in_old: impl Fn(&K) -> bool,
    cx: &mut Diff<'_>,
) -> bool {
    let mut old_texts = HashSet::new();
    for key in old {
        if !old_texts.insert(cx.key_text(key).0) {
            return true;
        }
    }
    let mut new_texts = HashSet::new();
    for key in new {
        let text = cx.key_text(key).0;
        if (old_texts.contains(&text) && !in_old(key)) || !new_texts.insert(text) {
            return true;
        }
    }
    false
}

/// The error for two entries with the same recorded key. It omits the key, which may be long.
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
    // A removed and an added key may have the same text, as `None` and `Some(None)` do.
    differing.dedup_by(|second, first| {
        let merged = first.0 == second.0
            && (first.1.is_none() || second.1.is_none())
            && (first.2.is_none() || second.2.is_none());
        if merged {
            first.1 = first.1.or(second.1);
            first.2 = first.2.or(second.2);
        }
        merged
    });
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

/// Probes two maps of the same length for a difference.
fn probe_maps<'v, V: AuditValue + 'v>(
    mut pairs: impl Iterator<Item = (&'v V, Option<&'v V>)>,
    cx: &mut Diff<'_>,
) {
    while !cx.is_decided()
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
                let mut hidden = false;
                let mut common = 0;
                for (key, old) in self {
                    let new = new.get(key);
                    common += usize::from(new.is_some());
                    match new {
                        Some(new) if cx.same(old, new) => {}
                        new => {
                            let (text, redacted) = cx.key_text(key);
                            hidden |= redacted;
                            differing.push((text, Some(old), new));
                        }
                    }
                }
                if common < new.len() {
                    for (key, new) in new {
                        if !self.contains_key(key) {
                            let (text, redacted) = cx.key_text(key);
                            hidden |= redacted;
                            differing.push((text, None, Some(new)));
                        }
                    }
                }
                if (hidden || cx.hides_parts(K::fields()))
                    && texts_collide(self.keys(), new.keys(), |key| self.contains_key(key), cx)
                {
                    // The shown keys do not distinguish the entries: the map is recorded whole.
                    return cx.replace_if_visible(self, new);
                }
                diff_maps(differing, cx);
            }

            fn fields() -> &'static [FieldSchema] {
                const { &[FieldSchema::keys(K::fields, V::AS_FIELD)] }
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
