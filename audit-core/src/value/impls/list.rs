//! Lists: compared by position, after the common beginning and end are set aside.

use std::collections::{BinaryHeap, LinkedList, VecDeque};

use serde_json::Value;

use crate::json::order::compare_values;
use crate::path::Segment;
use crate::value::AuditValue;
use crate::value::diff::Diff;
use crate::value::schema::FieldSchema;
use crate::value::snapshot::{Snapshot, key_value};

/// Compares two lists in linear time.
///
/// What stands between the common prefix and the common suffix is compared pair by pair;
/// what is left over on one side was inserted (paths count in the new list) or removed
/// (paths count in the old one).
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
            if cx.answered() {
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
    let room = old.len().min(new.len()) - prefix;
    let suffix = cx.common(old.clone().rev().zip(new.clone().rev()).take(room));
    let pairs = room - suffix;
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

/// The items of a heap in ascending order, which its own order says little about. Items that
/// compare as equal are ordered by their form.
fn ascending<T: AuditValue + Ord>(heap: &BinaryHeap<T>) -> Vec<&T> {
    let mut items: Vec<&T> = heap.iter().collect();
    items.sort_by(|a, b| {
        a.cmp(b)
            .then_with(|| compare_values(&key_value(*a), &key_value(*b)))
    });
    items
}

/// Recorded as a list in ascending order, and compared as such.
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
