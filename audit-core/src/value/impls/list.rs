//! Lists, compared by position between their common prefix and suffix.
//!
//! An insertion in the middle of a list is one change, because prefix and suffix are trimmed first. Two edits
//! that are apart are compared pair by pair in between, which reports more changes than a longest common
//! subsequence would, in linear instead of quadratic time. `#[audit(key = "..")]` gives exact changes.

use std::collections::{BinaryHeap, LinkedList, VecDeque};

use serde_json::Value;

use crate::json::order::compare_values;
use crate::path::Segment;
use crate::value::AuditValue;
use crate::value::diff::Diff;
use crate::value::schema::FieldSchema;
use crate::value::snapshot::{Snapshot, comparable_value};

/// Compares two lists in linear time.
///
/// The items between the common prefix and the common suffix are compared pair by pair. Excess
/// items on one side were inserted (paths refer to the new list) or removed (paths refer to the
/// old one).
pub(super) fn diff_lists<'v, T, L>(old: L, new: L, cx: &mut Diff<'_>)
where
    T: AuditValue + 'v,
    L: ExactSizeIterator<Item = &'v T> + DoubleEndedIterator + Clone,
{
    if cx.probing() {
        if old.len() != new.len() {
            cx.differs();
        }
        for (index, (old, new)) in old.zip(new).enumerate() {
            if cx.is_decided() {
                return;
            }
            cx.item(index, old, new);
        }
        return;
    }
    let prefix = cx.common(old.clone().zip(new.clone()));
    if prefix == old.len() && prefix == new.len() {
        return;
    }
    let overlap = old.len().min(new.len()) - prefix;
    let suffix = cx.common(old.clone().rev().zip(new.clone().rev()).take(overlap));
    let pairs = overlap - suffix;
    for (offset, (old, new)) in old
        .clone()
        .zip(new.clone())
        .skip(prefix)
        .take(pairs)
        .enumerate()
    {
        cx.at(Segment::Index(prefix + offset), |cx| old.diff(new, cx));
    }
    let start = prefix + pairs;
    let (removed, inserted) = (old.len() - suffix, new.len() - suffix);
    for (offset, old) in old.take(removed).skip(start).enumerate() {
        cx.at(Segment::Index(start + offset), |cx| {
            cx.replace(Some(old), None);
        });
    }
    for (offset, new) in new.take(inserted).skip(start).enumerate() {
        cx.at(Segment::Index(start + offset), |cx| {
            cx.replace(None, Some(new));
        });
    }
}

macro_rules! lists {
    ($([$($generics:tt)*] $list:ty;)*) => {$(
        impl<T: AuditValue $($generics)*> AuditValue for $list {
            const COMPOSITE: bool = true;

            #[inline]
            fn same(&self, other: &Self) -> bool {
                self.len() == other.len()
                    && self.iter().zip(other.iter()).all(|(old, new)| old.same(new))
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                cx.nested(|cx| Value::Array(self.iter().map(|item| item.snapshot(cx)).collect()))
            }

            fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
                diff_lists(self.iter(), new.iter(), cx);
            }

            fn fields() -> &'static [FieldSchema] {
                T::fields()
            }
        }
    )*};
}

lists! {
    [] [T];
    [] Vec<T>;
    [] VecDeque<T>;
    [] LinkedList<T>;
    [, const N: usize] [T; N];
}

/// Returns the items of a heap in ascending order, since its own order is arbitrary. Items that
/// compare as equal are ordered by their comparable form.
fn ascending<T: AuditValue + Ord>(heap: &BinaryHeap<T>) -> Vec<&T> {
    let mut items: Vec<&T> = heap.iter().collect();
    items.sort_by(|a, b| {
        a.cmp(b)
            .then_with(|| compare_values(&comparable_value(*a), &comparable_value(*b)))
    });
    items
}

/// Recorded and compared as a list in ascending order.
impl<T: AuditValue + Ord> AuditValue for BinaryHeap<T> {
    const COMPOSITE: bool = true;

    fn same(&self, other: &Self) -> bool {
        self.len() == other.len() && {
            let (old, new) = (ascending(self), ascending(other));
            old.into_iter().zip(new).all(|(old, new)| old.same(new))
        }
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        let items = ascending(self);
        cx.nested(|cx| items.into_iter().map(|item| item.snapshot(cx)).collect())
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        let (old, new) = (ascending(self), ascending(new));
        diff_lists(old.iter().copied(), new.iter().copied(), cx);
    }

    fn fields() -> &'static [FieldSchema] {
        T::fields()
    }
}
