//! Lists whose items are matched by a field.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::list_like::{Items, ListLike};
use crate::change::Move;
use crate::json::number::ByValue;
use crate::path::{PathSegment, Segment};
use crate::value::AuditValue;
use crate::value::capture::Tag;
use crate::value::diff::Diff;
use crate::value::schema::{Absent, FieldSchema, Placement};
use crate::value::schema_walk::{hides, peel_pointers};
use crate::value::snapshot::{Snapshot, comparable_snapshot, recorded_value};

/// `#[audit(key = "field")]`: a list whose items are matched by that field.
///
/// The comparison takes linear time, plus sorting if items were reordered. A list is compared by
/// position, as without a key, in two cases:
/// - The key does not identify items: two items of one list have the same key, or a key is a list
///   or an object.
/// - Items are not recorded with their key in clear: the field is masked, hashed, skipped or
///   recorded in another form, by the item's type or by `register_with`. Paths show keys, and
///   `apply` finds items by them.
#[derive(Debug)]
pub struct Keyed<'v, L: ?Sized, F> {
    items: &'v L,
    field: &'v str,
    key: F,
    /// Whether the items were captured, after a check that paths may show their keys.
    captured: bool,
}

impl<'v, L, K, F> Keyed<'v, L, F>
where
    L: ListLike + ?Sized,
    K: AuditValue + ?Sized + 'v,
    F: Fn(&'v L::Item) -> &'v K,
{
    /// Wraps a list; `key` returns the field of an item that the source code names `field`.
    pub fn new(items: &'v L, field: &'static str, key: F) -> Self {
        Self {
            items,
            field,
            key,
            captured: false,
        }
    }

    /// Wraps the items of a list that was [captured](crate::value::capture).
    pub(crate) fn captured(items: &'v L, field: &'v str, key: F) -> Self {
        Self {
            items,
            field,
            key,
            captured: true,
        }
    }

    /// Returns the keys of all items, or `None` if they do not identify the items.
    fn keys(&self, items: Items<'v, L::Item>, absent: Absent) -> Option<Keys> {
        let mut form_differs = false;
        let key = |item| {
            let (key, differs) = comparable_snapshot((self.key)(item));
            form_differs |= differs;
            key
        };
        let keys: Vec<Value> = items.iter().map(key).collect();
        let mut seen = HashSet::with_capacity(keys.len());
        let identify = keys.iter().all(|key| match key {
            Value::Array(_) | Value::Object(_) => false,
            Value::Null if absent == Absent::WhenNull => false,
            key => seen.insert(ByValue(key)),
        });
        let stored = |item| recorded_value((self.key)(item));
        identify.then(|| Keys {
            stored: form_differs.then(|| items.iter().map(stored).collect()),
            keys,
        })
    }

    /// Returns the name of the key field and when it is absent, if items are recorded with their
    /// keys in clear. `hidden` returns whether rules of the model hide a field.
    fn stored_key(
        &self,
        hidden: impl FnOnce(&'static [FieldSchema], &str) -> bool,
    ) -> Option<(&'v str, Absent)> {
        if self.captured {
            return Some((self.field, Absent::Never));
        }
        let fields = peel_pointers(L::Item::fields());
        let key = fields.iter().find(|field| field.source() == self.field)?;
        let stored = match key.placement {
            Placement::Named => true,
            Placement::Indexed(at) => key.name.parse() == Ok(at),
            Placement::Inline | Placement::Flattened(_) | Placement::Keys => false,
        };
        let shown = stored
            && key.is_recorded_as_typed()
            && key.absent != Absent::Sometimes
            && !hides(K::fields())
            && !hidden(fields, key.name);
        shown.then_some((key.name, key.absent))
    }
}

/// The keys of the items of a list.
struct Keys {
    /// In comparable form: equal for keys such as decimals of two scales.
    keys: Vec<Value>,
    /// In recorded form, if it differs.
    stored: Option<Vec<Value>>,
}

impl Keys {
    /// Returns the keys in recorded form.
    fn stored(&self) -> &[Value] {
        self.stored.as_ref().unwrap_or(&self.keys)
    }
}

impl<'v, L, K, F> AuditValue for Keyed<'v, L, F>
where
    L: ListLike + ?Sized,
    K: AuditValue + ?Sized + 'v,
    F: Fn(&'v L::Item) -> &'v K,
{
    const COMPOSITE: bool = true;

    fn same(&self, other: &Self) -> bool {
        match (self.items.list(), other.items.list()) {
            (Some(old), Some(new)) => old.same(new),
            (None, None) => true,
            _ => false,
        }
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        let Some(items) = self.items.list() else {
            return Value::Null;
        };
        let list = cx.nested(|cx| items.iter().map(|item| item.snapshot(cx)).collect());
        if cx.is_capturing()
            && let Some((field, absent)) =
                self.stored_key(|fields, name| cx.hides_field(fields, name))
            && self.keys(items, absent).is_some()
        {
            return cx.tagged(Tag::Keyed(field), list);
        }
        list
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        let (old_items, new_items) = match (self.items.list(), new.items.list()) {
            (Some(old), Some(new)) => (old, new),
            (None, None) => return,
            _ => return cx.replace(Some(self), Some(new)),
        };
        if cx.probing() {
            return old_items.diff(new_items, cx);
        }
        let both = old_items.iter().zip(new_items.iter());
        let prefix = both.take_while(|(old, new)| old.same(new)).count();
        if prefix == old_items.len() && prefix == new_items.len() {
            return;
        }
        let key = self.stored_key(|fields, name| cx.hides_field(fields, name));
        let keys = key.and_then(|(name, absent)| {
            let (old, new) = (self.keys(old_items, absent)?, new.keys(new_items, absent)?);
            Some((name, old, new))
        });
        let Some((field, old_keys, new_keys)) = keys else {
            return old_items.diff(new_items, cx);
        };
        let (old_stored, new_stored) = (old_keys.stored(), new_keys.stored());

        // The indices in the new list of the items after the common prefix.
        let mut new_indices: HashMap<ByValue<'_>, usize> = new_keys
            .keys
            .iter()
            .enumerate()
            .skip(prefix)
            .map(|(index, key)| (ByValue(key), index))
            .collect();
        let pairs: Vec<(usize, Option<usize>)> = (prefix..old_items.len())
            .map(|index| (index, new_indices.remove(&ByValue(&old_keys.keys[index]))))
            .collect();
        let mut inserted: Vec<usize> = new_indices.into_values().collect();
        inserted.sort_unstable();

        let moved = moves(&pairs);
        if !moved.is_empty() {
            let moved = moved.into_iter().map(|(from, to)| Move {
                item: PathSegment::Match {
                    field: field.to_owned(),
                    value: old_stored[from].clone(),
                },
                from,
                to,
            });
            cx.reorder(moved.collect());
        }
        let segment = |value, index| Segment::Match {
            field,
            value,
            index,
        };
        for (index, new_index) in pairs {
            let old = old_items.at(index);
            let segment = segment(&old_stored[index], index);
            match new_index {
                Some(new_index) => {
                    let new = new_items.at(new_index);
                    if L::Item::COMPOSITE || !old.same(new) {
                        cx.at(segment, |cx| old.diff(new, cx));
                    }
                }
                None => cx.at(segment, |cx| cx.replace(Some(old), None)),
            }
        }
        for index in inserted {
            let new = new_items.at(index);
            cx.at(segment(&new_stored[index], index), |cx| {
                cx.replace(None, Some(new));
            });
        }
    }

    fn fields() -> &'static [FieldSchema] {
        L::Item::fields()
    }
}

/// Returns a smallest set of items, as old and new index, whose move explains the new order: all
/// items outside a longest increasing subsequence of new indices (patience sorting).
pub(crate) fn moves(pairs: &[(usize, Option<usize>)]) -> Vec<(usize, usize)> {
    let kept: Vec<(usize, usize)> = pairs
        .iter()
        .filter_map(|(old, new)| Some((*old, (*new)?)))
        .collect();
    if kept.is_sorted_by(|a, b| a.1 < b.1) {
        return Vec::new();
    }
    // The last item of the best subsequence of each length, and the predecessor of each item.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(kept.len());
    for (number, (_, new)) in kept.iter().enumerate() {
        let length = ends.partition_point(|end| kept[*end].1 < *new);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(number);
        } else {
            ends[length] = number;
        }
    }
    let mut stays = vec![false; kept.len()];
    let mut next = ends.last().copied();
    while let Some(number) = next {
        stays[number] = true;
        next = before[number];
    }
    let moved = kept.into_iter().zip(stays).filter(|(_, stays)| !stays);
    moved.map(|(pair, _)| pair).collect()
}
