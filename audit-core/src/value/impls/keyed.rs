//! Lists whose items are matched by a field.

use std::collections::HashMap;

use serde_json::Value;

use super::listed::{Items, Listed};
use crate::change::Move;
use crate::json::number::ByValue;
use crate::path::{PathSegment, Segment};
use crate::value::AuditValue;
use crate::value::diff::Diff;
use crate::value::frozen::Tag;
use crate::value::schema::{Absent, FieldSchema, Place};
use crate::value::snapshot::{Snapshot, identifying, stored_value};
use crate::value::visited::{behind, hides};

/// `#[audit(key = "field")]`: a list whose items are matched by that field.
///
/// Compared in the time that one look at each item takes, plus that of sorting where items
/// changed their order. A list is compared by position, as without a key, where the key does
/// not identify: if two items of the old or of the new list have the same key, or if a key is a
/// list or an object. It is also compared by position where items are not recorded with the key
/// as it is: if the field is masked, hashed, skipped or recorded in another form, by the item's
/// type or by what `register_with` sets for it, since paths show keys and `apply` finds items by
/// them.
#[derive(Debug)]
pub struct Keyed<'v, L: ?Sized, F> {
    items: &'v L,
    field: &'v str,
    key: F,
    /// It is known that paths may show the keys.
    captured: bool,
}

impl<'v, L, K, F> Keyed<'v, L, F>
where
    L: Listed + ?Sized,
    K: AuditValue + ?Sized + 'v,
    F: Fn(&'v L::Item) -> &'v K,
{
    /// Wraps a list; `key` gives the field that the program calls `field` of an item.
    pub fn new(items: &'v L, field: &'static str, key: F) -> Self {
        Self {
            items,
            field,
            key,
            captured: false,
        }
    }

    /// Wraps the items of a list that was [captured](crate::value::frozen).
    pub(crate) fn captured(items: &'v L, field: &'v str, key: F) -> Self {
        Self {
            items,
            field,
            key,
            captured: true,
        }
    }

    /// Returns the keys of all items; `None` if they do not identify, or are not recorded.
    fn keys(&self, items: Items<'v, L::Item>, absent: Absent) -> Option<Keys> {
        let mut respelled = false;
        let key = |item| {
            let (key, other) = identifying((self.key)(item));
            respelled |= other;
            key
        };
        let keys: Vec<Value> = items.iter().map(key).collect();
        let mut known = std::collections::HashSet::with_capacity(keys.len());
        let identify = keys.iter().all(|key| match key {
            Value::Array(_) | Value::Object(_) => false,
            Value::Null if absent == Absent::WhenNull => false,
            key => known.insert(ByValue(key)),
        });
        let stored = |item| stored_value((self.key)(item));
        identify.then(|| Keys {
            stored: respelled.then(|| items.iter().map(stored).collect()),
            keys,
        })
    }

    /// Returns the name of the field and when it is absent, if items are recorded with their keys as
    /// they are. `hidden` tells whether rules of the model hide a field.
    fn stored_key(
        &self,
        hidden: impl FnOnce(&'static [FieldSchema], &str) -> bool,
    ) -> Option<(&'v str, Absent)> {
        if self.captured {
            return Some((self.field, Absent::Never));
        }
        let fields = behind(L::Item::fields());
        let key = fields.iter().find(|field| field.source() == self.field)?;
        let stored = match key.place {
            Place::Named => true,
            Place::Indexed(at) => key.name.parse() == Ok(at),
            Place::Inline | Place::Flat(_) | Place::Keys => false,
        };
        let shown = stored
            && key.is_as_its_type_says()
            && key.absent != Absent::Sometimes
            && !hides(K::fields())
            && !hidden(fields, key.name);
        shown.then_some((key.name, key.absent))
    }
}

/// The keys of the items of a list.
struct Keys {
    /// Equal for keys that are the same to the trail, such as decimals in two scales.
    keys: Vec<Value>,
    /// As they are recorded, if that is another form.
    stored: Option<Vec<Value>>,
}

impl Keys {
    /// Returns the keys as they are recorded.
    fn stored(&self) -> &[Value] {
        self.stored.as_ref().unwrap_or(&self.keys)
    }
}

impl<'v, L, K, F> AuditValue for Keyed<'v, L, F>
where
    L: Listed + ?Sized,
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

        // Where each item behind the common beginning is in the new list.
        let mut places: HashMap<ByValue<'_>, usize> = new_keys
            .keys
            .iter()
            .enumerate()
            .skip(prefix)
            .map(|(index, key)| (ByValue(key), index))
            .collect();
        let pairs: Vec<(usize, Option<usize>)> = (prefix..old_items.len())
            .map(|index| (index, places.remove(&ByValue(&old_keys.keys[index]))))
            .collect();
        let mut came: Vec<usize> = places.into_values().collect();
        came.sort_unstable();

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
        for (index, place) in pairs {
            let old = old_items.at(index);
            let segment = segment(&old_stored[index], index);
            match place {
                Some(place) => {
                    let new = new_items.at(place);
                    if L::Item::COMPOSITE || !old.same(new) {
                        cx.at(segment, |cx| old.diff(new, cx));
                    }
                }
                None => cx.at(segment, |cx| cx.replace(Some(old), None)),
            }
        }
        for index in came {
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

/// Returns the fewest items, as old and new index, that must move for the rest to keep its
/// order: all but a longest run of ascending new indices (patience sorting).
pub(crate) fn moves(pairs: &[(usize, Option<usize>)]) -> Vec<(usize, usize)> {
    let kept: Vec<(usize, usize)> = pairs
        .iter()
        .filter_map(|(old, new)| Some((*old, (*new)?)))
        .collect();
    if kept.is_sorted_by(|a, b| a.1 < b.1) {
        return Vec::new();
    }
    // The end of the best run of each length, and what comes before each item in its run.
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
