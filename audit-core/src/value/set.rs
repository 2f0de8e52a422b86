//! Sets: compared by membership.

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, Hash};

use serde_json::Value;

use super::{AuditValue, compare_values};
use crate::diff::Diff;
use crate::path::Segment;
use crate::repr::key_text;
use crate::schema::FieldSchema;
use crate::snapshot::Snapshot;

/// Records the members of a set as an array, ordered by value so that equal sets have
/// equal snapshots.
pub(super) fn snapshot_set<'v, T: AuditValue + 'v>(
    members: impl Iterator<Item = &'v T>,
    cx: &mut Snapshot<'_>,
) -> Value {
    cx.nested(|cx| {
        let mut members: Vec<Value> = members.map(|member| member.snapshot(cx)).collect();
        members.sort_by(compare_values);
        Value::Array(members)
    })
}

/// Reports members that came and went, ordered by their text.
pub(super) fn diff_sets<'v, T: AuditValue + 'v>(
    removed: impl Iterator<Item = &'v T>,
    added: impl Iterator<Item = &'v T>,
    cx: &mut Diff<'_>,
) {
    let removed = removed.map(|member| (key_text(member), Some(member), None));
    let added = added.map(|member| (key_text(member), None, Some(member)));
    let mut differing: Vec<_> = removed.chain(added).collect();
    differing.sort_by(|a, b| a.0.cmp(&b.0));
    for (label, old, new) in differing {
        cx.at(Segment::Member(&label), |cx| cx.replace(old, new));
    }
}

macro_rules! sets {
    ($([$($bound:tt)*] [$($generics:tt)*] $set:ty;)*) => {$(
        impl<T: AuditValue $($bound)* $($generics)*> AuditValue for $set {
            const COMPOSITE: bool = true;

            #[inline]
            fn same(&self, other: &Self) -> bool {
                self.len() == other.len() && self.iter().all(|member| other.contains(member))
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                snapshot_set(self.iter(), cx)
            }

            fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
                diff_sets(
                    self.iter().filter(|member| !new.contains(*member)),
                    new.iter().filter(|member| !self.contains(*member)),
                    cx,
                );
            }

            fn fields() -> &'static [FieldSchema] {
                T::fields()
            }
        }
    )*};
}

sets! {
    [+ Ord] [] BTreeSet<T>;
    [+ Eq + Hash] [, S: BuildHasher] HashSet<T, S>;
}

#[cfg(feature = "indexmap")]
sets! {
    [+ Eq + Hash] [, S: BuildHasher] indexmap::IndexSet<T, S>;
}
